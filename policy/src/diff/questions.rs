//! Questions that could show a difference: made from what the changed policies ask, with values on both sides of every bound.

use std::collections::HashSet;

use super::arrange::arrange;
use super::form::Form;
use super::meaning::Meaning;
use crate::action::Action;
use crate::facts::{DeviceFacts, Identity, Principal, ServiceFacts, SessionFacts, UserFacts};
use crate::query::{AskedFor, Query};
use crate::request::{Moment, RequestFacts};
use crate::schema::PostureFact;
use crate::set::App;
use crate::testing;

/// The two forms of a policy: one of them is missing where it came or went.
pub(super) struct Pair<'a> {
    pub(super) old: Option<&'a Meaning>,
    pub(super) new: Option<&'a Meaning>,
}

/// What there is to ask about.
pub(super) struct Ground<'a> {
    pub(super) apps: &'a [App],
    pub(super) posture: &'a [PostureFact],
    /// Every policy of the new set, and of the old one: a forbid shows nothing where nothing is permitted.
    pub(super) all: Vec<&'a Meaning>,
}

/// Questions about `pairs`, at most `most`, each pair with its share.
pub(super) fn about(pairs: &[Pair<'_>], ground: &Ground<'_>, most: usize) -> Vec<Query> {
    let share = most / pairs.len().max(1);
    let mut asked = Asked { seen: HashSet::new(), list: Vec::new(), end: 0 };
    for pair in pairs {
        asked.end = asked.list.len() + share.max(1);
        let plain = starts(pair, ground, &mut asked);
        vary(pair, &plain, &mut asked);
        if asked.list.len() >= most {
            break;
        }
    }
    asked.list
}

/// Somebody of whom only good is known: what differs from it in a question is what matters there.
pub(super) fn good(app: &str, action: Action, service: bool, posture: &[PostureFact]) -> Query {
    let id = if service { SERVICE } else { PERSON };
    testing::good_day(id, service, app, action, posture).unwrap_or_else(|| bad(app, action, service))
}

/// Somebody of whom nothing good is known.
fn bad(app: &str, action: Action, service: bool) -> Query {
    let principal = if service {
        Principal::Service(ServiceFacts { id: SERVICE.to_owned(), ..ServiceFacts::default() })
    } else {
        Principal::User(UserFacts { id: PERSON.to_owned(), ..UserFacts::default() })
    };
    let who = Identity { principal, device: DeviceFacts::default(), session: SessionFacts::default() };
    let mut request = AskedFor::from(&RequestFacts::new(app, action));
    request.at = Moment::utc(NOW_MS);
    if action == Action::Write || action.is_own() {
        "POST".clone_into(&mut request.method);
    }
    Query { who: (action != Action::Public).then_some(who), request }
}

struct Asked {
    seen: HashSet<String>,
    list: Vec<Query>,
    /// How long the list may be for now.
    end: usize,
}

impl Asked {
    fn is_full(&self) -> bool {
        self.list.len() >= self.end
    }

    fn add(&mut self, query: Query) {
        if !self.is_full() && self.seen.insert(format!("{query:?}")) {
            self.list.push(query);
        }
    }
}

/// Questions that meet all that a version of the policy asks.
fn starts(pair: &Pair<'_>, ground: &Ground<'_>, asked: &mut Asked) -> Vec<Query> {
    let mut plain = Vec::new();
    for turn in 0..TURNS {
        for policy in [pair.new, pair.old].into_iter().flatten() {
            if turn > 0 && policy.permits && !policy.conjuncts.iter().any(|conjunct| has_choice(&conjunct.shown)) {
                continue;
            }
            for app in ground.apps.iter().filter(|app| policy.is_about(app)) {
                for action in policy.actions.list().into_iter().filter(|action| action.is_asked_of(&app.name)) {
                    for service in [false, true] {
                        let bases = [good(&app.name, action, service, ground.posture), bad(&app.name, action, service)];
                        for mut query in bases {
                            prepare(&mut query, policy, app, action, ground, turn);
                            policy.conjuncts.iter().for_each(|conjunct| arrange(&mut query, &conjunct.shown, true, turn));
                            asked.add(query.clone());
                            plain.push(query);
                        }
                    }
                }
            }
        }
        if asked.is_full() {
            break;
        }
    }
    plain
}

/// Gets the other policies out of the way: forbids that would hide a permit, and for a forbid something that it can stop.
fn prepare(query: &mut Query, policy: &Meaning, app: &App, action: Action, ground: &Ground<'_>, turn: usize) {
    let others = || {
        let about = |other: &&Meaning| other.id != policy.id && other.actions.has(action) && other.is_about(app);
        ground.all.iter().copied().filter(about)
    };
    if !policy.permits {
        let permits: Vec<&Meaning> = others().filter(|other| other.permits).collect();
        if let Some(permit) = permits.get(turn % permits.len().max(1)) {
            permit.conjuncts.iter().for_each(|conjunct| arrange(query, &conjunct.shown, true, 0));
        }
    }
    for forbid in others().filter(|other| !other.permits).take(OTHERS) {
        let own = Form::all(forbid.conjuncts.iter().map(|conjunct| conjunct.shown.clone()).collect());
        // The last part is what a forbid is about; those before it say whom and where it concerns.
        let last = own.clone().conjuncts().len().saturating_sub(1);
        arrange(query, &own, false, last);
    }
}

/// Each of them with one thing changed that either version asks.
fn vary(pair: &Pair<'_>, plain: &[Query], asked: &mut Asked) {
    let mut atoms: Vec<&Form> = Vec::new();
    for conjunct in [pair.new, pair.old].into_iter().flatten().flat_map(|policy| &policy.conjuncts) {
        gather(&conjunct.shown, &mut atoms);
    }
    for turn in 0..2 {
        for query in plain {
            for atom in &atoms {
                for yes in [false, true] {
                    let mut varied = query.clone();
                    arrange(&mut varied, atom, yes, turn);
                    asked.add(varied);
                }
            }
            if asked.is_full() {
                return;
            }
        }
    }
}

/// The conditions that are not made of others.
fn gather<'a>(form: &'a Form, atoms: &mut Vec<&'a Form>) {
    match form {
        Form::All(parts) | Form::Any(parts) => parts.iter().for_each(|part| gather(part, atoms)),
        Form::Not(of) => gather(of, atoms),
        Form::If(asked, then, otherwise) => [asked, then, otherwise].into_iter().for_each(|part| gather(part, atoms)),
        other if !atoms.contains(&other) => atoms.push(other),
        _ => {}
    }
}

fn has_choice(form: &Form) -> bool {
    match form {
        Form::Any(_) | Form::If(..) => true,
        other => other.children().into_iter().any(has_choice),
    }
}

/// 2026-07-01T10:00:00Z, a Wednesday.
const NOW_MS: i64 = 1_782_900_000_000;
pub(super) const PERSON: &str = "corp/someone";
pub(super) const SERVICE: &str = "corp/some-program";
/// How many of the alternatives of a condition are tried.
const TURNS: usize = 6;
/// How many forbids are got out of the way of a question.
const OTHERS: usize = 32;
