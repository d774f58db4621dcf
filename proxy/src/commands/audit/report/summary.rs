//! The answer in a few sentences, for whoever reads nothing else.

use jiff::tz::TimeZone;

use super::figures::Tally;
use super::findings::{EventClass, Findings, Gap, Happened, Standing};
use super::made::{Made, Verification};
use super::reasons;
use super::subject::Subject;
use super::words::{at_least, both, count, list, number, short, time, time_ms};

/// The sentences, the most important first.
pub(super) fn sentences(found: &Findings, made: &Made) -> Vec<String> {
    let mut all = vec![requests(found)];
    all.extend(begins(found, &made.zone));
    all.extend(left(found, made));
    all.extend(whence(found));
    all.extend(received(&found.total));
    all.extend(who(found));
    all.extend(levers(found, &made.zone));
    all.extend(signals(found));
    all.extend(others(found));
    all.extend(edges(found));
    all.push(gaps(found, made));
    all.push(made.verification.words().to_owned());
    all
}

/// What the subject is called in a sentence.
pub(super) fn called(subject: &Subject) -> String {
    match subject {
        Subject::Device(id) => format!("the device {id}"),
        Subject::User(id) => format!("the user {id}"),
        Subject::Session(id) => format!("the session {id}"),
    }
}

fn requests(found: &Findings) -> String {
    let Tally { allowed, denied, own, .. } = found.total;
    let name = called(&found.subject);
    if found.total.requests() == 0 {
        return format!("The record tells of no request of {name} in this time.");
    }
    let apps = found.apps.iter().filter(|app| app.app.is_some() && app.tally.allowed > 0).count() as u64;
    let mut parts = Vec::new();
    if allowed > 0 {
        let to = if apps > 0 { format!(" to {}", count(apps, "app", "apps")) } else { String::new() };
        parts.push(format!("{} let through{to}", were(allowed)));
    }
    if denied > 0 {
        parts.push(format!("{} refused", were(denied)));
    }
    if own > 0 {
        parts.push(format!("{} for the gate’s own pages, such as signing in", were(own)));
    }
    format!("In this time {name} made {}: {}.", count(found.total.requests(), "request", "requests"), list(&parts, parts.len()))
}

fn were(count: u64) -> String {
    if count == 1 { "1 was".to_owned() } else { format!("{} were", number(count)) }
}

fn left(found: &Findings, made: &Made) -> Option<String> {
    let left = &found.total.left;
    if left.answers() == 0 {
        let nothing = "No answer of an app was handed on to it: nothing left.";
        return (found.total.requests() > 0).then(|| nothing.to_owned());
    }
    let mut parts = Vec::new();
    if left.whole.answers > 0 {
        parts.push(count(left.whole.answers, "whole answer", "whole answers"));
    }
    if left.cut.answers > 0 {
        parts.push(count(left.cut.answers, "that was broken off", "that were broken off"));
    }
    if left.unknown.answers > 0 {
        parts.push(format!("{} whose end is not recorded", number(left.unknown.answers)));
    }
    let amount = capital(&format!("{}{}", at_least(left), both(left.bytes())));
    let mut text = format!("{amount} left. That is the sum of {}.", list(&parts, parts.len()));
    if left.unknown.answers > 0 {
        match left.above() {
            Some(0) => {}
            Some(above) => text.push_str(&format!(
                " The answers whose end is not recorded had declared their lengths: it was {} at most.",
                both(left.bytes().saturating_add(above))
            )),
            None => text.push_str(" Of answers that had not declared a length, nothing says how much more it can have been."),
        }
    }
    if left.cut.bytes > 0 {
        text.push_str(&format!(
            " Of each answer that was broken off the client received no more than is counted here. It may lack {} bytes at most that the gate still held, and what the network was carrying.",
            number(made.on_its_way)
        ));
    }
    Some(text)
}

fn whence(found: &Findings) -> Option<String> {
    let total = found.total.left.bytes();
    let first = found.apps.iter().find(|app| app.app.is_some() && app.tally.left.bytes() > 0)?;
    let name = first.app.as_deref().unwrap_or_default();
    let of_app = found.paths.iter().filter(|path| path.app == name && path.bytes > 0).count() as u64;
    let bytes = first.tally.left.bytes();
    let paths = count(of_app, "path", "different paths");
    Some(if bytes == total {
        format!("All of it came from the app {name}, of {paths}.")
    } else {
        let most = if bytes.saturating_mul(2) > total { "Most of it" } else { "The largest part" };
        format!("{most}, {}, came from the app {name}, of {paths}.", short(bytes))
    })
}

fn received(total: &Tally) -> Option<String> {
    let least = if total.received_unknown > 0 { "at least " } else { "" };
    (total.received > 0).then(|| {
        let amount = capital(&format!("{least}{}", both(total.received)));
        format!("{amount} were sent to apps: uploads, forms and what programs send.")
    })
}

fn who(found: &Findings) -> Option<String> {
    if found.total.requests() == 0 {
        return None;
    }
    let users: Vec<String> = found
        .users
        .iter()
        .filter_map(|row| {
            let user = row.user.clone()?;
            Some(match &row.name {
                Some(name) => format!("{name} ({user})"),
                None => user,
            })
        })
        .collect();
    let devices: Vec<String> = found.devices.iter().filter_map(|row| row.device.clone()).collect();
    let sessions = count(found.sessions.len() as u64, "session", "sessions");
    let addresses = count(found.addresses.len() as u64, "address", "addresses");
    Some(match &found.subject {
        Subject::Device(_) if users.is_empty() => format!("Nobody was signed in on it. Its requests came from {addresses}."),
        Subject::Device(_) => format!("It was used by {}, in {sessions}, from {addresses}.", list(&users, 3)),
        Subject::User(_) if devices.is_empty() => format!("Their requests came from no known device, and from {addresses}."),
        Subject::User(_) => {
            format!("They used {}, in {sessions}, from {addresses}.", list(&prefixed(&devices), 3))
        }
        Subject::Session(_) => {
            let users = if users.is_empty() { "nobody".to_owned() } else { list(&users, 3) };
            let on = if devices.is_empty() { String::new() } else { format!(" on {}", list(&prefixed(&devices), 3)) };
            format!("It is a session of {users}{on}, used from {addresses}.")
        }
    })
}

fn prefixed(devices: &[String]) -> Vec<String> {
    devices.iter().map(|device| format!("the device {device}")).collect()
}

fn levers(found: &Findings, zone: &TimeZone) -> Vec<String> {
    let levers: Vec<&Happened> = found.events.iter().filter(|event| event.class == EventClass::Lever).collect();
    let steps: Vec<&&Happened> = levers.iter().filter(|event| takes_away(event) || gives_back(event)).collect();
    let earlier = steps.len().saturating_sub(SENTENCES);
    let mut all = Vec::new();
    if earlier > 0 {
        let steps = count(earlier as u64, "earlier step that was", "earlier steps that were");
        all.push(format!("{steps} taken against it or for it, or for those around it, stand below; the last are these."));
    }
    all.extend(steps.iter().skip(earlier).map(|event| {
        let by = event.by.as_ref().map_or_else(String::new, |by| format!(", by {}", reasons::actor(by)));
        let why = event.why.as_ref().map_or_else(String::new, |why| format!(": “{why}”"));
        format!("{} at {}{by}{why}.", capital(&what_happened(event)), time(event.at, zone))
    }));
    let cut = found.cuts.len() as u64 + found.cuts_left_out;
    if cut > 0 {
        let last = found.cuts.last().map(|cut| format!(", the last at {}", time_ms(cut.at, zone))).unwrap_or_default();
        all.push(format!("The gate broke off {}{last}.", count(cut, "answer that was under way", "answers that were under way")));
    }
    all.extend(afterwards(found, &levers, zone));
    all.extend(stands(found, zone));
    all
}

/// What holds when the record ends.
fn stands(found: &Findings, zone: &TimeZone) -> Option<String> {
    let Standing { event, at } = found.standing.as_ref()?;
    let state = match event.as_str() {
        "device_quarantined" => "is in quarantine",
        "device_released" => "is not in quarantine any more",
        "device_retired" => "is retired for good",
        "device_approved" => "is approved",
        "user_suspended" => "has no access",
        "user_resumed" => "has access again",
        _ => "is over",
    };
    Some(format!("When the record ends, {} {state}, since {}.", called(&found.subject), time(*at, zone)))
}

/// Of the time before the record begins, nothing can be said.
fn begins(found: &Findings, zone: &TimeZone) -> Option<String> {
    let begins = found.record_begins.filter(|begins| *begins > found.span.since)?;
    Some(format!("The record begins only at {}; of the time before, it says nothing.", time(begins, zone)))
}

/// Whether anything was let through after the last step that should have kept it from that.
fn afterwards(found: &Findings, levers: &[&Happened], zone: &TimeZone) -> Option<String> {
    let about = |event: &&&Happened| match &found.subject {
        Subject::Device(id) => event.device.as_ref() == Some(id) && event.user.is_none(),
        Subject::User(id) => event.user.as_ref() == Some(id) && event.session.is_none(),
        Subject::Session(id) => event.session.as_ref() == Some(id),
    };
    let last = levers.iter().rfind(about).filter(|event| takes_away(event))?;
    let allowed = found.last_allowed.is_some_and(|allowed| allowed > last.at);
    let step = match last.event.as_str() {
        "device_quarantined" => "the quarantine",
        "device_retired" => "the device was retired",
        "user_suspended" => "access was taken away",
        _ => "the end of the session",
    };
    let what = if allowed { "requests were let through all the same: look at them below" } else { "nothing was let through" };
    Some(format!("After {step}, at {}, {what}.", time_ms(last.at, zone)))
}

fn gives_back(event: &Happened) -> bool {
    matches!(event.event.as_str(), "device_released" | "user_resumed")
}

fn takes_away(event: &Happened) -> bool {
    matches!(event.event.as_str(), "device_quarantined" | "device_retired" | "user_suspended" | "session_ended" | "facts_refused")
}

/// An event as the middle of a sentence.
pub(super) fn what_happened(event: &Happened) -> String {
    let name = |name: &Option<String>, none: &str| name.clone().unwrap_or_else(|| none.to_owned());
    let (device, user) = (name(&event.device, "(not named)"), name(&event.user, "somebody"));
    let session = event.session.as_ref().map_or_else(|| "a session".to_owned(), |session| format!("the session {session}"));
    match event.event.as_str() {
        "device_quarantined" => format!("the device {device} was quarantined"),
        "device_released" => format!("the quarantine of the device {device} was taken back"),
        "device_retired" => format!("the device {device} was retired for good"),
        "device_approved" => format!("the device {device} was approved"),
        "device_renewed" => format!("the device {device} got a certificate for a new key"),
        "device_changed" => format!("something else was known of the device {device}"),
        "device_enrolled" => format!("the device {device} got its certificate"),
        "device_invited" => format!("the device {device} was invited to enrol"),
        "device_added" => format!("the device {device} was entered"),
        "device_owned" if event.user.is_none() => format!("the device {device} became that of its owner, who signed in"),
        "device_owned" => format!("the device {device} became {user}’s"),
        "session_ended" => format!("{session} of {user} was ended"),
        "facts_changed" => format!("the sign-in service told other things of {user}"),
        "facts_refused" => format!("{session} of {user} ended, as the sign-in service did not vouch for it any more"),
        "user_suspended" => format!("access was taken away from {user}"),
        "user_resumed" => format!("access was given back to {user}"),
        "administrator_added" => format!("{user} became an administrator of the gate"),
        "administrator_removed" => format!("{user} is no administrator of the gate any more"),
        "break_glass_begun" => format!("a way in without the sign-in service was opened for the device {device} (break-glass)"),
        "break_glass_used" => format!("that way in (break-glass) was used on the device {device}"),
        "break_glass_ended" => format!("that way in (break-glass) on the device {device} was closed"),
        "signed_in" => format!("{user} signed in"),
        "signed_out" => format!("{user} signed out"),
        "sign_in_failed" => "a sign-in failed".to_owned(),
        "credential_replayed" => format!("a session or token of {user} was shown by another device, {device}"),
        "certificate_copied" => format!("the key of the device {device} was renewed twice: there is a copy of it"),
        "code_shown_again" => format!("the used enrolment code of the device {device} was shown again with another key"),
        "former_key_shown" => format!("a key was shown that the device {device} had before"),
        "two_networks" => format!("the device {device} was active from two networks at once"),
        "denial_burst" => format!("the device {device} was refused very often in a short time"),
        "policies_loaded" => "new policies went live".to_owned(),
        "configuration_loaded" => "a new configuration went live".to_owned(),
        "reload_refused" => "what was to be loaded was refused".to_owned(),
        "provider_lost" => "the sign-in service did not answer any more".to_owned(),
        "provider_back" => "the sign-in service answered again".to_owned(),
        "clock_unsure" => "the clock jumped, and what rests on time was refused".to_owned(),
        "clock_sure" => "the clock could be believed again".to_owned(),
        "gate_started" => "the gate was started".to_owned(),
        "gate_stopped" => "the gate was stopped".to_owned(),
        other => other.replace('_', " "),
    }
}

fn signals(found: &Findings) -> Vec<String> {
    let mut all = Vec::new();
    let replays = found.replays.len() as u64;
    if replays > 0 {
        let times = times(replays);
        all.push(format!("{times} a session or token was shown by another device than its own, a sign of theft, and refused."));
    }
    for (event, words) in [
        ("certificate_copied", "A device was isolated, since its key was renewed twice with different new keys"),
        ("code_shown_again", "A used enrolment code was shown again with another key"),
        ("former_key_shown", "A key was shown that its device had before, and has no more"),
        ("two_networks", "A device was active from two networks at the same time"),
        ("denial_burst", "A device was refused very often in a short time"),
    ] {
        let times = found.events.iter().filter(|one| one.event == event).count() as u64;
        if times > 0 {
            all.push(format!("{words}, {}.", self::times(times).to_lowercase()));
        }
    }
    all
}

fn others(found: &Findings) -> Option<String> {
    let devices = distinct(found.others.iter().map(|row| row.device.as_str()));
    let suspicious = distinct(found.others.iter().filter(|row| !row.suspicious.is_empty()).map(|row| row.device.as_str()));
    if devices.is_empty() {
        return None;
    }
    let device = count(devices.len() as u64, "other device", "other devices");
    let people =
        count(found.others.len() as u64, "further pair of a person and a device", "further pairs of a person and a device");
    let related = match &found.subject {
        Subject::Device(_) => format!("The same people also used {device} in this time"),
        Subject::User(_) | Subject::Session(_) => {
            format!("The same people or devices were also seen otherwise in this time: {people}")
        }
    };
    Some(if suspicious.is_empty() {
        format!("{related}; nothing speaks against them.")
    } else {
        format!("{related}. Look at {}: something speaks against that.", list(&suspicious, 3))
    })
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn edges(found: &Findings) -> Option<String> {
    let parts = [(found.began_before, "began before this time"), (found.ended_after, "went on after it")];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(requests, _)| *requests > 0)
        .map(|(requests, words)| format!("{} that {words}", count(requests, "request", "requests")))
        .collect();
    (!parts.is_empty()).then(|| format!("Counted whole, with what moved outside this time: {}.", list(&parts, 2)))
}

fn gaps(found: &Findings, made: &Made) -> String {
    let lost: u64 = found.gaps.iter().map(|gap| if let Gap::LinesLost { lost, .. } = gap { *lost } else { 0 }).sum();
    let died = found.gaps.iter().filter(|gap| matches!(gap, Gap::Died { .. })).count() as u64;
    let mut parts = Vec::new();
    if lost > 0 {
        parts.push(format!("{} could not be written, and what they speak of was refused", count(lost, "line", "lines")));
    }
    if died > 0 {
        parts.push(format!("the gate died {}, and answers under way then have no end", times(died).to_lowercase()));
    }
    parts.extend(made.read.troubles());
    if parts.is_empty() {
        return match made.verification {
            Verification::Verified(_) => {
                let late = found.record_begins.is_some_and(|begins| begins > found.span.since);
                let from = if late { "From there on the record has no gap" } else { "The record has no gap in this time" };
                let unwritable = found.gaps.iter().any(|gap| matches!(gap, Gap::LinesLost { .. }));
                let but = if unwritable { ", though for a while it could not be written and everything was refused" } else { "" };
                format!("{from}{but}.")
            }
            Verification::Failed(_) | Verification::NotDone(_) => "No gap in the record was met while it was read.".to_owned(),
        };
    }
    format!("The record is not whole in this time: {}.", parts.join("; "))
}

fn times(count: u64) -> String {
    match count {
        1 => "Once".to_owned(),
        2 => "Twice".to_owned(),
        more => format!("{} times", number(more)),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Steps that get a sentence each: the last ones.
const SENTENCES: usize = 4;
