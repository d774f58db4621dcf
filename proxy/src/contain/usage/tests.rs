//! Windows against a model that remembers every event; accounts that come and go; threads that charge at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use proptest::prelude::*;

use super::account::{Account, Figures, Hold, Holder};
use super::credit::{Credit, StreamId, UsedUp};
use super::ledger::{Usage, Whose};
use super::metrics::UsageMetrics;
use super::rebuild::Rebuild;
use super::snapshot::{Heads, Restored, SnapshotError};
use crate::clock::Timestamp;
use crate::inventory::{DeviceId, UserId};

const START: i64 = 1_790_000_000_123;
const MIB: u64 = 1024 * 1024;

fn usage(most: usize) -> Usage {
    Usage::new(most, UsageMetrics::register(&prometheus::Registry::new()).unwrap())
}

fn user(name: &str) -> UserId {
    UserId { provider: "corp".into(), subject: name.into() }
}

fn hold(usage: &Usage, name: &str, at: i64) -> Hold {
    let device: DeviceId = "lap-1".parse().unwrap();
    usage.hold(Whose { user: &user(name), device: &device, app: &"wiki".into() }, Timestamp(at))
}

fn stream(number: u8) -> StreamId {
    StreamId { request: [number; 16], tunnel: false }
}

/// What happened, to the millisecond.
#[derive(Default)]
struct Model(Vec<(i64, u64)>);

impl Model {
    fn within(&self, now: i64, window: i64) -> u64 {
        self.0.iter().filter(|(at, _)| *at > now - window && *at <= now).map(|(_, count)| count).sum()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Wait(i64),
    Request,
    Refused,
    Bytes(u64),
    End,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        prop_oneof![0_i64..2_000, 0_i64..200_000, 0_i64..4_000_000, 0_i64..100_000_000].prop_map(Step::Wait),
        Just(Step::Request),
        Just(Step::Refused),
        prop_oneof![1_u64..5_000, 1_u64..3_000_000].prop_map(Step::Bytes),
        Just(Step::End),
    ]
}

proptest! {
    /// Never below what happened within the window, and above by at most what happened in the hundredth before it and the credit
    /// of the one stream.
    #[test]
    fn figures_are_never_below_and_above_by_the_bound_at_most(steps in prop::collection::vec(step(), 1..300), start in 0_i64..2_000_000_000_000) {
        let usage = usage(10);
        let (mut requests, mut bytes, mut now) = (Model::default(), Model::default(), start);
        // Held, as a stream holds it: an account with nothing in it may go at any time.
        let hold = hold(&usage, "ana", now);
        let mut credit: Option<Credit> = None;
        for step in steps {
            match step {
                Step::Wait(ms) => now += ms,
                Step::Request => {
                    hold.count_request(Timestamp(now));
                    requests.0.push((now, 1));
                }
                Step::Refused => {
                    hold.count_request(Timestamp(now));
                    hold.uncount_request(Timestamp(now));
                }
                Step::Bytes(count) => {
                    let credit = credit.get_or_insert_with(|| usage.credit(hold.clone(), stream(1)));
                    credit.spend(count, Timestamp(now), |_| true).unwrap();
                    bytes.0.push((now, count));
                }
                Step::End => credit = None,
            }
            let slack = if credit.is_some() { MIB } else { 0 };
            let Figures { requests_1m, bytes_1h, bytes_1d } = hold.figures(Timestamp(now));
            for (found, model, window, slack) in
                [(requests_1m, &requests, 60_000, 0), (bytes_1h, &bytes, 3_600_000, slack), (bytes_1d, &bytes, 86_400_000, slack)]
            {
                let (least, most) = (model.within(now, window), model.within(now, window + window / 100) + slack);
                prop_assert!((least..=most).contains(&found), "{found} is not within {least}..={most} of {window}");
            }
        }
    }

    /// The wait that is told is enough, and a hundredth of a window less is not.
    #[test]
    fn who_waits_as_told_is_content(charges in prop::collection::vec((0_i64..7_200_000, 1_u64..1_000_000), 1..50), budget in 0_u64..10_000_000) {
        let usage = usage(10);
        let hold = hold(&usage, "ana", START);
        let mut now = START;
        let mut in_order = charges;
        in_order.sort_unstable();
        for (at, count) in in_order {
            now = START + at;
            hold.charge_at(Timestamp(now), count);
        }
        let content = |figures: Figures| figures.bytes_1h <= budget;
        let wait = hold.wait(Timestamp(now), content).unwrap();
        let then = Timestamp(now).plus(wait);
        if !content(hold.figures(Timestamp(now))) {
            prop_assert!(!content(hold.figures(Timestamp(then.0 - 1))));
        }
        prop_assert!(content(hold.figures(then)));
    }
}

#[test]
fn nothing_that_comes_makes_a_window_content_that_is_not() {
    let usage = usage(10);
    let hold = hold(&usage, "ana", START);
    hold.charge_at(Timestamp(START), 10);
    assert_eq!(hold.wait(Timestamp(START), |_| false), None);
}

#[test]
fn a_stream_is_charged_before_it_hands_on_and_gets_back_what_is_left() {
    let usage = usage(10);
    let now = Timestamp(START);
    let hold = hold(&usage, "ana", START);
    let bytes = || hold.figures(now).bytes_1h;
    let mut credit = usage.credit(hold.clone(), stream(1));
    let mut sent = 0;
    for _ in 0..400 {
        credit.spend(10_000, now, |figures| figures.bytes_1h >= sent).unwrap();
        sent += 10_000;
        assert!((sent..=sent + MIB).contains(&bytes()), "{sent} {}", bytes());
    }
    drop(credit);
    assert_eq!(bytes(), sent);
}

#[test]
fn a_short_answer_of_known_length_is_charged_once_and_exactly() {
    let usage = usage(10);
    let now = Timestamp(START);
    let hold = hold(&usage, "ana", START);
    let mut credit = usage.credit(hold.clone(), stream(1));
    credit.begins(Some(30_000), now);
    for _ in 0..3 {
        credit.spend(10_000, now, |_| panic!("nobody needs to be asked")).unwrap();
        assert_eq!(hold.figures(now).bytes_1h, 30_000);
    }
    drop(credit);
    assert_eq!(hold.figures(now).bytes_1d, 30_000);
}

#[test]
fn a_long_stream_asks_once_per_mebibyte_and_no_more_is_handed_on_when_it_may_not() {
    let usage = usage(10);
    let now = Timestamp(START);
    let hold = hold(&usage, "ana", START);
    let mut credit = usage.credit(hold.clone(), stream(1));
    credit.begins(Some(100 * MIB), now);
    let (mut sent, mut asked) = (0, 0);
    let budget = 20 * MIB;
    let end = loop {
        let spent = credit.spend(16 * 1024, now, |figures| {
            asked += 1;
            figures.bytes_1h <= budget
        });
        if spent.is_err() {
            break spent;
        }
        sent += 16 * 1024;
    };
    assert_eq!(end, Err(UsedUp));
    assert!((budget..=budget + MIB).contains(&sent), "{sent}");
    assert!((20..30).contains(&asked), "{asked}");
    drop(credit);
    assert_eq!(hold.figures(now).bytes_1h, sent);
}

/// Malware asks for a thousand small files at once, just below its budget.
#[test]
fn many_that_are_let_through_at_once_have_no_more_than_they_may_and_a_little() {
    let usage = usage(10);
    let (hold, now, budget) = (hold(&usage, "ana", START), Timestamp(START), 100 * MIB);
    hold.charge_at(now, budget - 1);
    let size = 60 * 1024;
    let let_through: Vec<Credit> = (0..1000).map(|_| usage.credit(hold.clone(), stream(1))).collect();
    let mut had = budget - 1;
    let mut streams = Vec::new();
    for mut credit in let_through {
        credit.begins(Some(size), now);
        if credit.spend(size, now, |figures| figures.bytes_1d < budget).is_ok() {
            had += size;
        }
        streams.push(credit);
    }
    assert!(had < budget + MIB + 2 * size, "{had}");
    assert!(had > budget, "one alone is not asked about again so soon");
}

/// What is handed on late counts as late, although it was charged early.
#[test]
fn credit_moves_on_with_time() {
    let usage = usage(10);
    let hold = hold(&usage, "ana", START);
    let mut credit = usage.credit(hold.clone(), stream(1));
    credit.begins(Some(60_000), Timestamp(START));
    credit.spend(1_000, Timestamp(START), |_| true).unwrap();
    let later = START + 3_500_000;
    credit.spend(1_000, Timestamp(later), |_| true).unwrap();
    drop(credit);
    assert_eq!(hold.figures(Timestamp(later)).bytes_1h, 2_000);
    assert_eq!(hold.figures(Timestamp(START + 3_700_000)).bytes_1h, 1_000);
    assert_eq!(hold.figures(Timestamp(START + 3_700_000)).bytes_1d, 2_000);
}

#[test]
fn accounts_are_apart_and_go_a_day_after_the_last_byte() {
    let usage = usage(10);
    let (ana, ben) = (hold(&usage, "ana", START), hold(&usage, "ben", START));
    ana.charge_at(Timestamp(START), 7);
    assert_eq!(ben.figures(Timestamp(START)), Figures::default());
    drop(ana);
    drop(ben);
    usage.tidy(Timestamp(START + 86_000_000));
    let left = usage.all(Timestamp(START + 86_000_000));
    assert_eq!(left.iter().map(|used| &*used.holder.user.subject).collect::<Vec<_>>(), ["ana"]);
    assert_eq!(hold(&usage, "ana", START + 86_000_000).figures(Timestamp(START + 86_000_000)).bytes_1d, 7);
    usage.tidy(Timestamp(START + 88_000_000));
    assert_eq!((usage.all(Timestamp(START)), usage.metrics.accounts.get()), (vec![], 0));
    // Somebody who is still there when the account would go keeps it.
    let held = hold(&usage, "ana", START);
    usage.tidy(Timestamp(START));
    held.charge_at(Timestamp(START), 5);
    assert_eq!(hold(&usage, "ana", START).figures(Timestamp(START)).bytes_1d, 5);
}

#[test]
fn where_there_is_no_room_nothing_is_forgotten() {
    let usage = usage(1);
    let now = Timestamp(START);
    hold(&usage, "ana", START).charge_at(now, 1);
    // Far more pairs than shared accounts: each has at least its own.
    for number in 0..1_000 {
        hold(&usage, &format!("p{number}"), START).charge_at(now, 100);
    }
    for number in 0..1_000 {
        assert!(hold(&usage, &format!("p{number}"), START).figures(now).bytes_1d >= 100);
    }
    assert_eq!(hold(&usage, "ana", START).figures(now).bytes_1d, 1, "who has an account keeps it");
    assert_eq!((usage.all(now).len(), usage.metrics.shared.get()), (1, 2_000));
    // With room again, those who were counted together still are, until that has left the windows.
    usage.set_room(10_000);
    assert!(hold(&usage, "p1", START).figures(now).bytes_1d >= 100);
    let next_day = START + 90_000_000;
    assert_eq!(hold(&usage, "p1", next_day).figures(Timestamp(next_day)), Figures::default());
    hold(&usage, "p1", next_day).count_request(Timestamp(next_day));
    assert_eq!(usage.all(Timestamp(next_day)).len(), 2);
}

/// Eight threads charge and give back while time goes on and others look: nothing is lost, and in the end nothing is left over.
#[test]
fn threads_that_charge_at_once_lose_nothing() {
    let account = Account::new(Some(Holder { user: user("ana"), device: "lap-1".parse().unwrap(), app: "wiki".into() }));
    let hold = Hold::take(&account).unwrap();
    let (now, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let at = |now: &AtomicU64| Timestamp(START + i64::try_from(now.load(Ordering::Relaxed)).unwrap());
    std::thread::scope(|scope| {
        let looker = scope.spawn(|| {
            let mut highest = 0;
            loop {
                // However late this thread gets its turn, it looks once more when the others are through.
                let last = done.load(Ordering::Acquire);
                let found = hold.figures(at(&now)).bytes_1d;
                // A total that went below zero would be enormous.
                assert!(found <= 8 * 20_000 * 64 + 8 * 1000, "{found}");
                highest = highest.max(found);
                if last {
                    return highest;
                }
            }
        });
        let workers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    for turn in 0..20_000_u64 {
                        let then = at(&now);
                        hold.charge_at(then, 64);
                        hold.count_request(then);
                        if turn % 2 == 0 {
                            hold.uncount_request(then);
                        }
                        now.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        done.store(true, Ordering::Release);
        assert!(looker.join().unwrap() > 0);
    });
    // 160 s have passed: all bytes are within the hour; of the requests, none that was taken back.
    let end = at(&now);
    assert_eq!(hold.figures(end).bytes_1h, 8 * 20_000 * 64);
    assert_eq!(hold.figures(end).bytes_1d, 8 * 20_000 * 64);
    assert_eq!(hold.figures(Timestamp(end.0 + 100_000_000)), Figures::default());
}

/// Accounts that come and go under the feet of those who charge them.
#[test]
fn no_charge_is_lost_to_an_account_that_is_going() {
    let usage = Arc::new(usage(100));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                usage.tidy(Timestamp(START));
            }
        });
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    for turn in 0..3_000 {
                        let name = format!("p{turn}");
                        hold(&usage, &name, START).charge_at(Timestamp(START), 1);
                    }
                })
            })
            .collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        done.store(true, Ordering::Relaxed);
    });
    usage.set_room(10_000);
    for turn in 0..3_000 {
        assert!(hold(&usage, &format!("p{turn}"), START).figures(Timestamp(START)).bytes_1d >= 4, "p{turn}");
    }
}

fn holder(name: &str) -> Holder {
    Holder { user: user(name), device: "lap-1".parse().unwrap(), app: "wiki".into() }
}

fn id(number: u8) -> String {
    format!("{number:02x}").repeat(16)
}

/// What a process leaves, and another finds after so many milliseconds.
fn restarted(usage: &Usage, at: i64, later: i64) -> (Usage, Restored) {
    let text = usage.snapshot(Timestamp(at), &Heads::from([("0".to_owned(), 7)])).unwrap();
    let next = self::usage(10_000);
    let restored = next.restore(&text, Timestamp(at + later)).unwrap();
    assert_eq!((restored.at, restored.heads.get("0")), (Timestamp(at), Some(&7)));
    (next, restored)
}

proptest! {
    /// Whoever looks at the figures of two processes cannot tell which of them was restarted.
    #[test]
    fn a_restart_changes_no_figure(
        events in prop::collection::vec((0_i64..90_000_000, 0_u8..4, 1_u64..5_000_000), 0..60),
        waits in prop::collection::vec(0_i64..100_000_000, 1..5),
    ) {
        let before = usage(2);
        let mut events = events;
        events.sort_unstable();
        let mut now = START;
        for (at, name, bytes) in events {
            now = START + at;
            let hold = hold(&before, &format!("p{name}"), now);
            hold.count_request(Timestamp(now));
            hold.charge_at(Timestamp(now), bytes);
        }
        let (after, _) = restarted(&before, now, 0);
        let mut then = now;
        for wait in waits {
            for name in 0..4 {
                let figures = |usage: &Usage| hold(usage, &format!("p{name}"), then).figures(Timestamp(then));
                let (one, other) = (figures(&before), figures(&after));
                // Those who share an account may have one of their own once that is empty.
                prop_assert_eq!(one, other, "p{} after {} ms", name, then - now);
            }
            then += wait;
        }
    }

    /// Whatever is written is never taken for something else. (The sixth bit of a letter is its case, which does not matter in the checksum.)
    #[test]
    fn what_was_changed_is_noticed(at in any::<prop::sample::Index>(), bit in 0..5) {
        let before = usage(10);
        hold(&before, "ana", START).charge_at(Timestamp(START), 5);
        let mut text = before.snapshot(Timestamp(START), &Heads::new()).unwrap();
        let next = usage(10);
        let place = at.index(text.len());
        text[place] ^= 1_u8 << bit;
        prop_assert!(next.restore(&text, Timestamp(START)).is_err());
        prop_assert!(next.all(Timestamp(START)).is_empty());
        text[place] ^= 1_u8 << bit;
        prop_assert!(next.restore(&text[..place], Timestamp(START)).is_err());
        prop_assert!(next.restore(&text, Timestamp(START)).is_ok());
    }
}

#[test]
fn a_snapshot_of_a_later_version_is_not_guessed_at() {
    let content = format!("{{\"sekisho_usage\":2,\"at\":{START},\"record\":{{}}}}\n");
    let seal = crate::secret::Digest::of(content.as_bytes());
    let text = format!("{content}{{\"sha256\":\"{seal}\"}}\n");
    assert!(matches!(usage(1).restore(text.as_bytes(), Timestamp(START)), Err(SnapshotError::Version(2))));
    assert!(matches!(usage(1).restore(b"", Timestamp(START)), Err(SnapshotError::Changed)));
}

#[test]
fn windows_do_not_slide_while_the_clock_is_behind() {
    let before = usage(10);
    hold(&before, "ana", START).charge_at(Timestamp(START), 5);
    let (after, _) = restarted(&before, START, -50_000_000);
    let then = START - 50_000_000;
    assert_eq!(hold(&after, "ana", then).figures(Timestamp(then)).bytes_1h, 5);
    assert_eq!(hold(&after, "ana", then).figures(Timestamp(then + 3_599_999)).bytes_1h, 5);
    assert_eq!(hold(&after, "ana", then).figures(Timestamp(then + 3_700_000)).bytes_1h, 0);
}

#[test]
fn what_the_record_tells_after_a_snapshot_is_counted_once() {
    let before = usage(10);
    let now = Timestamp(START);
    let ana = hold(&before, "ana", START);
    // Under way when the snapshot is taken: 3 MiB of 10 handed on, 4 charged.
    let mut credit = before.credit(ana.clone(), stream(1));
    credit.begins(Some(10 * MIB), now);
    for _ in 0..3 * 64 {
        credit.spend(16 * 1024, now, |_| true).unwrap();
    }
    let charged = ana.figures(now).bytes_1h;
    let (after, restored) = restarted(&before, START, 1_000);
    let now = Timestamp(START + 1_000);
    let mut rebuild = Rebuild::new(&after, restored, now);
    // It went on to 5 MiB; another began and ended; a third was cut by the crash after its first megabyte, a fourth before it answered.
    rebuild.moved(&id(1), now, 4 * MIB);
    rebuild.ends(&id(1), now, 5 * MIB);
    rebuild.answers(&id(2), &holder("ana"), now, None, false);
    rebuild.ends(&id(2), now, 1_000);
    rebuild.begins(&id(3), &holder("ben"), now);
    rebuild.answers(&id(3), &holder("ben"), now, Some(2 * MIB), false);
    rebuild.moved(&id(3), now, MIB);
    rebuild.begins(&id(4), &holder("eve"), now);
    // Of one that is not known, nothing can be said.
    rebuild.ends(&id(9), now, 77);
    assert_eq!(rebuild.finish(), 1);
    let figures = |name| hold(&after, name, now.0).figures(now);
    assert_eq!(
        figures("ana"),
        Figures { requests_1m: 1, bytes_1h: charged + 2 * MIB + 1_000, bytes_1d: charged + 2 * MIB + 1_000 }
    );
    assert!(charged <= 4 * MIB, "{charged}");
    assert_eq!(figures("ben"), Figures { requests_1m: 1, bytes_1h: 2 * MIB, bytes_1d: 2 * MIB });
    assert_eq!(figures("eve"), Figures { requests_1m: 1, bytes_1h: 0, bytes_1d: 0 });
}

#[test]
fn what_a_crash_cut_counts_as_much_as_it_can_have_been() {
    let after = usage(10);
    let now = Timestamp(START);
    let mut rebuild = Rebuild::new(&after, Restored::nothing(now), now);
    rebuild.answers(&id(1), &holder("ana"), now, None, false);
    rebuild.answers(&id(2), &holder("ben"), now, None, true);
    rebuild.answers(&id(3), &holder("cem"), now, Some(100), false);
    assert_eq!(rebuild.finish(), 3);
    let bytes = |name| hold(&after, name, START).figures(now).bytes_1d;
    assert_eq!((bytes("ana"), bytes("ben"), bytes("cem")), (17 * MIB, MIB, 100));
}
