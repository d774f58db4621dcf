//! Who gains and who loses: both sets decide, and what they answer differently is told with the least that it takes.

use std::collections::BTreeMap;

use super::Effect;
use super::questions::{self, PERSON};
use crate::action::Action;
use crate::facts::{FactValue, Identity, Principal};
use crate::query::Query;
use crate::request::Usage;
use crate::schema::PostureFact;
use crate::set::PolicySet;
use crate::testing::Tester;
use crate::verdict::Verdict;

/// Gains and losses among `asked`.
pub(super) fn of(old: &PolicySet, tester: &Tester<'_>, asked: &[Query]) -> (Vec<Effect>, Vec<Effect>) {
    let (new, posture) = (tester.set, &tester.set.facts.posture);
    let mut found: BTreeMap<(bool, String, Action, String), Effect> = BTreeMap::new();
    for query in asked {
        let Some((before, now)) = both(old, new, query).filter(|(before, now)| before.is_allowed() != now.is_allowed()) else {
            continue;
        };
        let gains = now.is_allowed();
        let example = least(old, new, query, gains, posture);
        let who = whom(&example);
        let key = (gains, example.request.app.clone(), example.request.action, who.clone());
        let effect = found.entry(key).or_insert_with(|| {
            // The policies of the example itself: on the way to it they may have become others.
            let (before, now) = both(old, new, &example).unwrap_or((before, now));
            let does = if gains { "may" } else { "may not" };
            let (app, action) = (&example.request.app, example.request.action);
            let name = format!("{} {does} {action} {app}", who.replace('`', ""));
            Effect {
                case: tester.write(&name, &example, &now),
                who,
                app: example.request.app.clone(),
                action: example.request.action,
                questions: 0,
                before: ids(&before),
                now: ids(&now),
                example,
            }
        });
        effect.questions += 1;
    }
    let (gains, losses): (Vec<_>, Vec<_>) = found.into_iter().partition(|((gains, ..), _)| *gains);
    let effects = |found: Vec<(_, Effect)>| found.into_iter().map(|(_, effect)| effect).collect();
    (effects(gains), effects(losses))
}

fn both(old: &PolicySet, new: &PolicySet, query: &Query) -> Option<(Verdict, Verdict)> {
    Some((old.decide_query(query).ok()?, new.decide_query(query).ok()?))
}

fn ids(verdict: &Verdict) -> Vec<String> {
    let failed = verdict.errors.iter().filter_map(|error| error.policy.as_deref());
    verdict.policies.iter().map(|id| &**id).chain(failed).map(str::to_owned).collect()
}

/// The same difference with every fact that does not matter for it as in a good question, and nobody in a group for nothing.
fn least(old: &PolicySet, new: &PolicySet, query: &Query, gains: bool, posture: &[PostureFact]) -> Query {
    let service = query.who.as_ref().is_some_and(|who| matches!(who.principal, Principal::Service(_)));
    let good = questions::good(&query.request.app, query.request.action, service, posture);
    let mut best = query.clone();
    let mut attempt = |change: &dyn Fn(&mut Query)| {
        let mut simpler = best.clone();
        change(&mut simpler);
        if simpler != best
            && both(old, new, &simpler).is_some_and(|(before, now)| now.is_allowed() == gains && before.is_allowed() != gains)
        {
            best = simpler;
        }
    };
    if let (Some(who), Some(ideal)) = (&query.who, &good.who) {
        for step in STEPS {
            attempt(&|query| with(query, |who| step(who, ideal)));
        }
        for (name, value) in &who.device.posture {
            let ideal = ideal.device.posture.get(name);
            if ideal != Some(value) {
                attempt(&|query| with(query, |who| put_back(&mut who.device.posture, name, ideal)));
            }
        }
        if let Principal::User(user) = &who.principal {
            for group in &user.groups {
                attempt(&|query| with_user(query, |user| user.groups.retain(|own| own != group)));
            }
        }
    }
    attempt(&|query| query.request.path.clone_from(&good.request.path));
    attempt(&|query| query.request.host.clone_from(&good.request.host));
    attempt(&|query| query.request.method.clone_from(&good.request.method));
    attempt(&|query| query.request.source_ip = good.request.source_ip);
    attempt(&|query| query.request.usage = Usage::default());
    attempt(&|query| query.request.at = good.request.at);
    best
}

/// Puts one thing back to what it is in a good question.
type Step = fn(&mut Identity, &Identity);

const STEPS: [Step; 18] = [
    |who, good| who.device.posture.clone_from(&good.device.posture),
    |who, good| who.principal.clone_from(&good.principal),
    |who, good| who.device.owner.clone_from(&good.device.owner),
    |who, good| who.device.id.clone_from(&good.device.id),
    |who, good| who.device.authority.clone_from(&good.device.authority),
    |who, good| who.device.platform.clone_from(&good.device.platform),
    |who, good| who.device.managed = good.device.managed,
    |who, good| who.device.shared = good.device.shared,
    |who, good| who.device.key_protection.clone_from(&good.device.key_protection),
    |who, good| who.device.posture_at_ms = good.device.posture_at_ms,
    |who, good| who.device.enrolled_at_ms = good.device.enrolled_at_ms,
    |who, good| who.session.authenticated_at_ms = good.session.authenticated_at_ms,
    |who, good| who.session.mfa = good.session.mfa,
    |who, good| who.session.acr.clone_from(&good.session.acr),
    |who, good| who.session.amr.clone_from(&good.session.amr),
    |who, good| who.session.provider.clone_from(&good.session.provider),
    |who, good| who.session.binding.clone_from(&good.session.binding),
    |who, _| {
        if let Principal::User(user) = &mut who.principal {
            user.claims.clear();
            (user.email, user.name) = (None, None);
        }
    },
];

fn put_back(posture: &mut BTreeMap<String, FactValue>, name: &str, ideal: Option<&FactValue>) {
    match ideal {
        Some(ideal) => drop(posture.insert(name.to_owned(), ideal.clone())),
        None => drop(posture.remove(name)),
    }
}

fn with(query: &mut Query, change: impl FnOnce(&mut Identity)) {
    if let Some(who) = &mut query.who {
        change(who);
    }
}

fn with_user(query: &mut Query, change: impl FnOnce(&mut crate::facts::UserFacts)) {
    with(query, |who| {
        if let Principal::User(user) = &mut who.principal {
            change(user);
        }
    });
}

/// Who it is, as far as that matters.
fn whom(example: &Query) -> String {
    match example.who.as_ref().map(|who| &who.principal) {
        None => "anybody".to_owned(),
        Some(Principal::Service(service)) if service.id == questions::SERVICE => "any service".to_owned(),
        Some(Principal::Service(service)) => format!("the service `{}`", service.id),
        Some(Principal::User(user)) => {
            let groups: Vec<String> = user.groups.iter().map(|group| format!("`{group}`")).collect();
            match (user.id == PERSON, groups.as_slice()) {
                (true, []) => "people of no group".to_owned(),
                (true, [one]) => format!("people in group {one}"),
                (true, several) => format!("people in groups {}", several.join(", ")),
                (false, _) => format!("`{}`", user.id),
            }
        }
    }
}
