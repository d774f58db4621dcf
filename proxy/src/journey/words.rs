//! Remedies in plain words: what a person can do, and what the authors of policies let them know.

use sekisho_policy::{By, Change};

use crate::decide::{Remedies, Remedy};

/// Most ways on a page.
const MOST_WAYS: usize = 2;

/// The ways that a person may know of, in steps. Of what only others can change, and of times, addresses and budgets, people
/// are told only if the authors of the policies say so: it is the policy itself.
pub(super) fn ways(remedies: &Remedies) -> Vec<Vec<String>> {
    let mut ways: Vec<Vec<String>> = Vec::new();
    for way in remedies.ways.iter().filter_map(steps) {
        if !ways.contains(&way) && ways.len() < MOST_WAYS {
            ways.push(way);
        }
    }
    ways
}

fn steps(remedy: &Remedy) -> Option<Vec<String>> {
    let changes = &remedy.way.changes;
    let own = |change: &Change| matches!(change.by, By::User | By::Device);
    if !remedy.public && !changes.iter().all(own) {
        return None;
    }
    let stronger =
        changes.iter().any(|change| matches!(change.fact.as_str(), MFA | "context.session.acr" | "context.session.amr"));
    let mut steps: Vec<String> = Vec::new();
    for change in changes {
        // A stronger sign-in is a fresh one.
        if change.fact == "context.session.auth_age_s" && stronger {
            continue;
        }
        let step = step(change, remedy.public);
        if !steps.contains(&step) {
            steps.push(step);
        }
    }
    Some(steps)
}

fn step(change: &Change, public: bool) -> String {
    let to = &change.to;
    if let Some(name) = change.fact.strip_prefix("context.device.posture.") {
        return posture(name, to, public);
    }
    if let Some(group) = change.fact.strip_prefix("principal in Group::") {
        let group = group.trim_matches('"');
        return match to.as_str() {
            "true" => format!("Ask an administrator to put you into the group `{group}`."),
            _ => format!("Ask an administrator to take you out of the group `{group}`."),
        };
    }
    match change.fact.as_str() {
        "context.session.auth_age_s" => "Sign in again.".to_owned(),
        MFA => "Sign in again, with a second factor.".to_owned(),
        "context.session.acr" | "context.session.amr" if public => format!("Sign in again, in a stronger way: {to}."),
        "context.session.acr" | "context.session.amr" => "Sign in again, in a stronger way.".to_owned(),
        "context.session.provider" => "Sign in with another account.".to_owned(),
        "context.session.binding" => {
            "Use a sign-in that is bound to this device, not a token that anybody could show.".to_owned()
        }
        "context.device.posture_age_s" => "Let this device report its health again.".to_owned(),
        "context.device.owner" => "Ask an administrator to make this device yours.".to_owned(),
        "context.request.source_ip" => format!("Come from another network: {to}."),
        "context.now" => format!("Wait until {to}."),
        fact if fact.starts_with("context.usage.") => "Wait: you have had much from this app of late.".to_owned(),
        fact => format!("Ask an administrator: `{fact}` would have to be {to}."),
    }
}

fn posture(name: &str, to: &str, public: bool) -> String {
    match (name, to) {
        ("disk_encrypted", "true") => "Encrypt the system disk of this device.".to_owned(),
        ("firewall", "true") => "Turn on the firewall of this device.".to_owned(),
        ("os_up_to_date", "true") => "Install the security updates of this device's system.".to_owned(),
        ("screen_lock", "true") => "Let this device's screen lock by itself, with a password.".to_owned(),
        (name, "true") => format!("Put in order on this device: `{name}`."),
        (name, to) if public => format!("Put in order on this device: `{name}` would have to be {to}."),
        (name, _) => format!("Put in order on this device: `{name}` is not as it has to be."),
    }
}

const MFA: &str = "context.session.mfa";

#[cfg(test)]
mod tests {
    use sekisho_policy::{
        Action, App, AskedFor, Catalogue, DeviceFacts, Effort, Identity, Moment, PolicySet, Principal, Query, RequestFacts,
        SessionFacts, Source, UserFacts,
    };

    use super::*;

    /// What a person reads whom one `permit` with this condition does not let in.
    fn told(condition: &str, public: bool) -> Vec<Vec<String>> {
        let policy = format!("@id(\"p\") permit (principal, action in Action::\"use\", resource) when {{ {condition} }};");
        let catalogue = Catalogue { apps: vec![App::new::<&str>("wiki", [])], groups: None, ..Catalogue::default() };
        let set = PolicySet::load(&[Source::new("a.cedar", policy)], &[], &catalogue).unwrap().set;
        let user = UserFacts { id: "corp/ana".to_owned(), ..UserFacts::default() };
        let session = SessionFacts { authenticated_at_ms: Some(0), ..SessionFacts::default() };
        let who = Identity { principal: Principal::User(user), device: DeviceFacts::default(), session };
        let mut facts = RequestFacts::new("wiki", Action::Read);
        facts.at = Moment::utc(1_790_000_000_000);
        let query = Query { who: Some(who), request: AskedFor::from(&facts) };
        let found = set.explain(&query, Effort::BRIEF).unwrap().ways;
        assert!(!found.is_empty(), "{condition}");
        ways(&Remedies { ways: found.into_iter().map(|way| Remedy { way, public }).collect(), advice: Vec::new(), step_up: None })
    }

    fn steps(steps: &[&str]) -> Vec<Vec<String>> {
        vec![steps.iter().map(|&step| step.to_owned()).collect()]
    }

    #[test]
    fn what_a_person_can_do_is_said_in_plain_words() {
        assert_eq!(
            told("context.device.posture.disk_encrypted && context.device.posture.firewall", false),
            steps(&["Encrypt the system disk of this device.", "Turn on the firewall of this device."])
        );
        assert_eq!(told("context.session.auth_age_s < 900", false), steps(&["Sign in again."]));
        assert_eq!(
            told("context.session.auth_age_s < 900 && context.session.mfa && context.device.posture_age_s < 60", false),
            steps(&["Let this device report its health again.", "Sign in again, with a second factor."])
        );
        assert_eq!(told("context.session.acr == \"gold\"", false), steps(&["Sign in again, in a stronger way."]));
    }

    /// Groups, hours, addresses and owners are the policy itself.
    #[test]
    fn what_others_decide_is_said_only_where_authors_say_so() {
        for (condition, public) in [
            ("principal in Group::\"hr\"", "Ask an administrator to put you into the group `hr`."),
            ("context.device.owner == principal", "Ask an administrator to make this device yours."),
            ("context.device.managed", "Ask an administrator: `context.device.managed` would have to be true."),
            ("context.request.source_ip.isInRange(ip(\"10.0.0.0/8\"))", "Come from another network: 10.0.0.1, in 10.0.0.0/8."),
            ("context.local_time >= duration(\"19h\")", "Wait until monday 19:00 (2026-09-21T19:00:00Z)."),
        ] {
            assert_eq!(told(condition, true), steps(&[public]));
            assert_eq!(told(condition, false), Vec::<Vec<String>>::new(), "{condition}");
            // Half a way is none.
            assert_eq!(told(&format!("{condition} && context.device.posture.firewall"), false), Vec::<Vec<String>>::new());
        }
    }
}
