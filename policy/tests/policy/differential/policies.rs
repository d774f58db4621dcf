//! Policies: a scope, and conditions of every kind.

use super::expressions::Writer;
use super::random::Random;

const PRINCIPALS: [&str; 14] = [
    "principal",
    "principal",
    "principal",
    "principal is User",
    "principal is Service",
    "principal is Anonymous",
    "principal in Group::\"g0\"",
    "principal in Group::\"g1\"",
    "principal is User in Group::\"g\\\"2\\\"\"",
    "principal == User::\"corp/ana\"",
    "principal == Service::\"corp/robot\"",
    "principal in User::\"corp/bo\"",
    "principal == Anonymous::\"anyone\"",
    "principal is Service in Service::\"corp/robot\"",
];

const ACTIONS: [&str; 15] = [
    "action",
    "action in Action::\"use\"",
    "action in Action::\"use\"",
    "action in Action::\"use\"",
    "action == Action::\"read\"",
    "action == Action::\"write\"",
    "action in [Action::\"connect\", Action::\"write\"]",
    "action == Action::\"public\"",
    "action in [Action::\"read\", Action::\"public\"]",
    "action in [Action::\"use\", Action::\"public\"]",
    "action == Action::\"enroll\"",
    "action in Action::\"administer\"",
    "action in [Action::\"use\", Action::\"administer\"]",
    "action == Action::\"viewInventory\"",
    "action in [Action::\"reload\", Action::\"public\"]",
];

const RESOURCES: [&str; 13] = [
    "resource",
    "resource",
    "resource",
    "resource is App",
    "resource == App::\"a0\"",
    "resource == App::\"sekisho\"",
    "resource in App::\"a1\"",
    "resource == App::\"a \\\"2\\\"\"",
    "resource in Tag::\"t0\"",
    "resource in Tag::\"t1\"",
    "resource is App in Tag::\"t2\"",
    "resource is App in App::\"a3\"",
    "resource in Tag::\"nowhere\"",
];

/// So many policies, one a line.
pub(super) fn policies(random: &mut Random, count: usize) -> Vec<String> {
    (0..count).map(|_| policy(random)).collect()
}

fn policy(random: &mut Random) -> String {
    let effect = if random.once_in(4) { "forbid" } else { "permit" };
    let (principal, action, resource) = (random.pick(&PRINCIPALS), random.pick(&ACTIONS), random.pick(&RESOURCES));
    let known = action != "action" && !action.contains("public") && !principal.contains("Anonymous");
    let mut text = format!("{effect} ({principal}, {action}, {resource})");
    for _ in 0..random.below(3) {
        let word = if random.once_in(4) { "unless" } else { "when" };
        let depth = 1 + random.below(4);
        let condition = Writer::new(random, known).truth(depth);
        text += &format!(" {word} {{ {condition} }}");
    }
    text + ";"
}
