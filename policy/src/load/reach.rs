//! Permits that reach what is asked of the gate itself, without saying so.
//!
//! To Cedar, a policy that names no action is about all of them: about those too that came after it was written. Who may look into
//! a wiki is not meant to become an administrator by that, so each such permit has to say what it is about.

use cedar_policy::{ActionConstraint, Effect};

use super::Read;
use crate::action::{Action, OWN_APP, OwnActions};
use crate::diff::Meaning;
use crate::problem::{File, Problem};
use crate::set::App;

/// Tells of each permit that names no action and reaches one of `own`.
pub(super) fn find(read: &[Read], sources: &[File<'_>], own: OwnActions, problems: &mut Vec<Problem>) {
    if !own.any() {
        return;
    }
    let gate = App::new::<&str>(OWN_APP, []);
    for policy in read {
        let open = policy.policy.effect() == Effect::Permit && policy.policy.action_constraint() == ActionConstraint::Any;
        // What cannot be taken apart is not compiled either, and told there.
        let Some(meaning) = Some(()).filter(|()| open).and_then(|()| Meaning::of(&policy.policy).ok()) else { continue };
        if !meaning.is_about(&gate) {
            continue;
        }
        let said = said(policy);
        let reached = |action: &Action| action.is_own() && own.has(*action) && meaning.actions.has(*action) && !said(*action);
        let reached: Vec<Action> = Action::ALL.into_iter().filter(reached).collect();
        if !reached.is_empty() {
            let problem = Problem::new(policy.place(sources), message(&reached)).policy(policy.id());
            problems.push(problem.help(help(&reached)));
        }
    }
}

/// Whether a policy speaks of an action, by its name or by that of its group.
fn said(policy: &Read) -> impl Fn(Action) -> bool {
    let literals = policy.policy.entity_literals();
    let actions = literals.into_iter().filter(|entity| entity.type_name().to_string() == "Action");
    let names: Vec<String> = actions.map(|entity| entity.id().unescaped().to_owned()).collect();
    move |action| names.iter().any(|name| name == action.as_str() || action.is_in(name))
}

fn message(reached: &[Action]) -> String {
    let names: Vec<String> = reached.iter().map(|action| format!("`{action}`")).collect();
    format!(
        "this permit names no action, and so it would permit what is asked of the gate itself, `App::\"{OWN_APP}\"`, as well: {}",
        names.join(", ")
    )
}

fn help(reached: &[Action]) -> String {
    let mut ways = Vec::new();
    if reached.contains(&Action::Enroll) {
        ways.push("`action == Action::\"enroll\"` in another policy lets people invite devices for themselves");
    }
    if reached.iter().any(|action| action.is_administrative()) {
        ways.push("`action in Action::\"administer\"` in another policy makes administrators");
    }
    format!("write `action in Action::\"use\"` in the scope if it is about apps; {}", ways.join(", "))
}

#[cfg(test)]
mod tests {
    use crate::{Catalogue, OwnActions, PolicySet, Source};

    const SELF_SERVICE: OwnActions = OwnActions { self_service: true, administration: false };
    const BOTH: OwnActions = OwnActions { self_service: true, administration: true };

    /// What keeps a set of this one policy from loading.
    fn problems(own: OwnActions, policy: &str) -> Vec<String> {
        let catalogue = Catalogue { apps: vec![crate::App::new("wiki", ["internal"])], ..Catalogue::default() }.with_own(own);
        match PolicySet::load(&[Source::new("a.cedar", format!("@id(\"a\") {policy}"))], &[], &catalogue) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_permit_that_names_no_action_makes_nobody_an_administrator() {
        for policy in [
            "permit (principal, action, resource);",
            "permit (principal in Group::\"staff\", action, resource) when { context has device && context.device.managed };",
            "permit (principal is User, action, resource == App::\"sekisho\");",
            "permit (principal, action, resource is App);",
            "permit (principal, action, resource) when { action != Action::\"public\" };",
            "permit (principal, action, resource) unless { action in Action::\"use\" };",
            "permit (principal, action, resource) unless { resource in Tag::\"internal\" };",
        ] {
            let [one] = &problems(SELF_SERVICE, policy)[..] else { panic!("{policy}") };
            assert!(one.contains("`enroll`") && !one.contains("`reload`"), "{one}");
            assert!(one.contains("write `action in Action::\"use\"`"), "{one}");
            let [both] = &problems(BOTH, policy)[..] else { panic!("{policy}") };
            assert!(both.contains("`enroll`, `viewInventory`, `inviteDevice`") && both.contains("`reload`"), "{both}");
            // Nobody asks for any of it.
            assert_eq!(problems(OwnActions::default(), policy), [""; 0], "{policy}");
        }
    }

    #[test]
    fn what_says_what_it_is_about_is_taken() {
        for policy in [
            "permit (principal, action in Action::\"use\", resource);",
            "permit (principal, action == Action::\"enroll\", resource);",
            "permit (principal, action in [Action::\"use\", Action::\"administer\"], resource);",
            "permit (principal, action in Action::\"administer\", resource == App::\"sekisho\");",
            "permit (principal, action, resource == App::\"wiki\");",
            "permit (principal, action, resource in Tag::\"internal\");",
            "permit (principal is Anonymous, action, resource);",
            "permit (principal, action, resource) when { action in Action::\"use\" };",
            "permit (principal, action, resource) when { action == Action::\"read\" || action == Action::\"public\" };",
            "permit (principal, action, resource) when { resource == App::\"wiki\" };",
            "permit (principal, action, resource) when { action in Action::\"administer\" || action == Action::\"enroll\" };",
            "forbid (principal, action, resource);",
        ] {
            assert_eq!(problems(BOTH, policy), [""; 0], "{policy}");
        }
        // It names one group of them, and reaches another.
        let [one] = &problems(BOTH, "permit (principal, action, resource) when { action != Action::\"enroll\" };")[..] else {
            panic!()
        };
        assert!(one.contains("`viewInventory`") && !one.contains("`enroll`"), "{one}");
    }
}
