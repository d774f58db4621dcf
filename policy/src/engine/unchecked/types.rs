//! What each operator makes of each type, one at a time.

use super::ADDITION;
use crate::load::unchecked;
use crate::{
    Action, App, Catalogue, Decision, DenyReason, DeviceFacts, Identity, Principal, RequestFacts, SessionFacts, UserFacts,
};

#[test]
fn what_is_no_truth_value_fails_where_one_is_needed() {
    all("fails", &["1", "\"true\"", "principal", "1 && true", "true && 1", "false || 1", "1 || true", "!1", "!principal"]);
    all("fails", &["(true && 1) == 1", "(false || 1) == 1", "[true && 1].contains(1)", "{a: false || 1} has a"]);
    all("fails", &["if 1 then true else true", "if true then 1 else true", "(if 1 then true else true) || true"]);
    all("true", &["true || 1", "!(false && 1)", "false || (true || 1)", "(if true then 1 else true) == 1"]);
    all("false", &["false && 1", "true && (false && 1)", "(false && 1) == 1"]);
}

#[test]
fn nothing_equals_a_value_of_another_type() {
    all(
        "false",
        &["1 == true", "1 == \"1\"", "\"\" == []", "[] == {}", "[1] == 1", "principal == \"corp/ana\"", "principal == 1"],
    );
    all("false", &["User::\"a\" == Corp::User::\"a\"", "principal == Service::\"corp/ana\"", "principal == resource"]);
    all("false", &["ip(\"::1\") == \"::1\"", "decimal(\"1.0\") == 1", "datetime(\"1970-01-01\") == duration(\"0ms\")"]);
    all(
        "false",
        &["duration(\"0ms\") == 0", "context == principal", "context.device == context.session", "{a: 1} == {a: 1, b: 2}"],
    );
    all("false", &["{} == {a: 1}", "[[]] == []", "[1, true] == [1, \"true\"]", "{a: 1} == {a: true}", "{a: 1} == {b: 1}"]);
    all(
        "true",
        &["{} == {}", "[] == []", "[[], []] == [[]]", "{a: 1, b: 2} == {b: 2, a: 1}", "[1, true, \"1\"] == [\"1\", 1, true, 1]"],
    );
    all("true", &["context == context", "[context, 1] == [1, context, context]", "[{}, []] == [[], {}]", "1 != \"1\""]);
    all("fails", &["context.nothing == context.nothing", "principal.name == 1", "[principal.name] == []"]);
}

#[test]
fn only_what_has_an_order_is_compared() {
    all("fails", &["1 < true", "\"a\" < \"b\"", "true < false", "[] < [1]", "principal < principal", "1 < \"2\"", "\"1\" < 2"]);
    all("fails", &["ip(\"::1\") < ip(\"::2\")", "decimal(\"1.0\") < decimal(\"2.0\")", "context.now < context.local_time"]);
    all(
        "fails",
        &["context.local_time <= 1", "1 >= context.now", "1 + \"1\" == 2", "true * 1 == 1", "-\"1\" == 1", "-true == 1"],
    );
    all("fails", &["context.usage.bytes_1h < \"1\"", "context.request.path < 1", "context.session.mfa < 1", "context.now > 1"]);
    all(
        "fails",
        &["(1).lessThan(decimal(\"1.0\"))", "decimal(\"1.0\").lessThan(1)", "(1).toDate() == 1", "context.now.toDays() == 1"],
    );
    all(
        "fails",
        &["context.now.offset(1) == 1", "context.now.durationSince(context.local_time) == 1", "context.local_time.toTime() == 1"],
    );
    all("true", &["context.now <= context.now", "context.local_time >= duration(\"0ms\")", "context.usage.bytes_1h < 1"]);
}

#[test]
fn only_entities_are_in_anything() {
    all(
        "fails",
        &[
            "1 in principal",
            "1 in []",
            "\"corp/ana\" in [principal]",
            "principal in 1",
            "principal in \"corp/ana\"",
            "context in principal",
        ],
    );
    all(
        "fails",
        &[
            "principal in [principal, 1]",
            "principal in [1, principal]",
            "principal in [Group::\"g0\", 1]",
            "action in [action, \"use\"]",
        ],
    );
    all("fails", &["principal in [[principal]]", "principal in {a: principal}", "resource in [Tag::\"t0\", Tag::\"t1\", true]"]);
    all("fails", &["1 is User", "context is User", "1 is User in 1", "principal is User in 1", "principal is User in [1]"]);
    all(
        "false",
        &[
            "principal in []",
            "action in []",
            "resource in []",
            "principal is Other",
            "principal is Service in 1",
            "resource is Tag in 1",
        ],
    );
    all(
        "false",
        &[
            "principal is Corp::User",
            "principal in Corp::User::\"corp/ana\"",
            "principal in Corp::Group::\"g0\"",
            "resource in Corp::Tag::\"t0\"",
        ],
    );
    all(
        "false",
        &[
            "action in Corp::Action::\"use\"",
            "action == Corp::Action::\"read\"",
            "Action::\"other\" in Action::\"use\"",
            "action in Group::\"g0\"",
        ],
    );
    all(
        "false",
        &["resource in Group::\"g0\"", "principal in Tag::\"t0\"", "principal in Group::\"t0\"", "resource in Tag::\"g0\""],
    );
    all(
        "true",
        &[
            "Other::\"x\" in Other::\"x\"",
            "principal in [Other::\"x\", principal]",
            "Action::\"read\" in Action::\"use\"",
            "action is Action",
        ],
    );
    all(
        "true",
        &[
            "principal in [Tag::\"t0\", Group::\"g0\"]",
            "Action::\"connect\" in [Action::\"use\"]",
            "Action::\"use\" in Action::\"use\"",
        ],
    );
}

#[test]
fn only_records_and_entities_have_attributes() {
    all(
        "fails",
        &[
            "1 has a",
            "\"\" has a",
            "[] has a",
            "context has weekday.a",
            "context.request has path.a",
            "{a: 1} has a.b",
            "ip(\"::1\") has a",
        ],
    );
    all(
        "fails",
        &[
            "context.nothing has a",
            "context.nothing.at == 1",
            "context.weekday.a == 1",
            "{}.a == 1",
            "{a: 1}.b == 1",
            "[].a == 1",
        ],
    );
    all(
        "fails",
        &[
            "principal.name == 1",
            "resource.email == 1",
            "action.email == 1",
            "User::\"corp/bo\".email == 1",
            "context.device.posture.score == 1",
        ],
    );
    all(
        "fails",
        &[
            "context has device.posture.edr.a",
            "context has device.owner.email.a",
            "context has session.amr.a",
            "principal has email.a",
        ],
    );
    all(
        "false",
        &[
            "context has nothing.a",
            "{a: {}} has a.b",
            "{a: {}} has a.b.c",
            "principal has name",
            "principal has id",
            "resource has a.b",
        ],
    );
    all(
        "false",
        &[
            "context has device.posture.score.a",
            "context has device.owner.name",
            "Other::\"x\" has a",
            "context has device.owner.name.a",
        ],
    );
    all(
        "true",
        &[
            "context has device.owner.email",
            "{a: {b: {}}} has a.b",
            "context has now",
            "context has device.posture.edr",
            "context has session",
        ],
    );
    all("true", &["context.device.owner.email == \"ana@corp.example\"", "{\"\": 1} has \"\"", "{\"a\": {\"b\": 7}}.a.b == 7"]);
}

#[test]
fn only_sets_have_members_and_only_entities_tags() {
    all(
        "fails",
        &[
            "(1).contains(1)",
            "\"a\".contains(\"a\")",
            "[1].containsAny(1)",
            "[1].containsAll(1)",
            "(1).containsAll([])",
            "\"\".isEmpty()",
        ],
    );
    all(
        "fails",
        &[
            "{}.isEmpty()",
            "principal.contains(1)",
            "principal.hasTag(1)",
            "(1).hasTag(\"a\")",
            "context.hasTag(\"a\")",
            "principal.getTag(1) == 1",
        ],
    );
    all(
        "fails",
        &[
            "principal.getTag(\"none\") == 1",
            "resource.getTag(\"t0\") == 1",
            "User::\"corp/bo\".getTag(\"team\") == 1",
            "1 like \"*\"",
            "[] like \"*\"",
        ],
    );
    all(
        "fails",
        &[
            "(1).isIpv4()",
            "\"::1\".isIpv6()",
            "context.request.source_ip.isInRange(\"::/0\")",
            "ip(\"10.0.0\").isIpv4()",
            "ip(context.request.host).isIpv4()",
        ],
    );
    all(
        "false",
        &[
            "[].contains([])",
            "[].containsAny([])",
            "[1].contains(true)",
            "resource.hasTag(\"a\")",
            "Other::\"x\".hasTag(\"a\")",
            "action.hasTag(\"use\")",
        ],
    );
    all(
        "false",
        &[
            "context.session.amr.contains(1)",
            "context.request.path_prefixes.contains(principal)",
            "[1].containsAny([true])",
            "[context].contains(1)",
        ],
    );
    all(
        "true",
        &[
            "[[]].contains([])",
            "[].containsAll([])",
            "[1].containsAll([])",
            "[1, 1].containsAll([1])",
            "[principal, 1].contains(principal)",
        ],
    );
    all(
        "true",
        &[
            "[].isEmpty()",
            "context.device.owner.hasTag(\"team\")",
            "principal.getTag(\"team\").contains(\"red\")",
            "[context.session].contains(context.session)",
        ],
    );
}

/// `comes` is `true`, `false` or `fails`, of each as a condition and of its opposite.
fn all(comes: &str, conditions: &[&str]) {
    let apps = vec![App::new("a0", ["t0"])];
    let catalogue = Catalogue { apps, groups: None, ..Catalogue::default() };
    let facts = RequestFacts::new("a0", Action::Read);
    for condition in conditions {
        for (word, then, otherwise) in [("when", "true", "false"), ("unless", "false", "true")] {
            let text = format!("permit (principal, action, resource) {word} {{ {condition} }};");
            let set = unchecked(&text, ADDITION, &catalogue).unwrap_or_else(|| panic!("{text}"));
            let prepared = set.prepare(&ana()).unwrap();
            let verdict = set.decide(&prepared, &facts);
            assert_eq!(verdict, set.decide_naively(&prepared, &facts), "{text}");
            let came = match verdict.decision {
                Decision::Allow => then,
                Decision::Deny(DenyReason::NoPermit) => otherwise,
                Decision::Deny(_) => "fails",
            };
            assert_eq!(came, comes, "{text}");
            assert_eq!(set.decide_compiled(&prepared, &facts).is_none(), comes == "fails", "{text}");
        }
    }
}

fn ana() -> Identity {
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    Identity {
        principal: Principal::User(UserFacts {
            id: "corp/ana".to_owned(),
            email: Some("ana@corp.example".to_owned()),
            groups: texts(&["g0"]),
            claims: [("team".to_owned(), texts(&["red"]))].into(),
            ..UserFacts::default()
        }),
        device: DeviceFacts { owner: Some("corp/ana".to_owned()), ..DeviceFacts::default() },
        session: SessionFacts::default(),
    }
}
