//! Corners of the language, one at a time: what each comes to, decided in the compiled form, and that Cedar says the same.

use std::collections::BTreeMap;

use sekisho_policy::{
    Action, App, AskedFor, Catalogue, Decision, DenyReason, Identity, PolicySet, Principal, Query, RequestFacts, Source,
};

use super::support::{NOW_MS, lines, someone};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comes {
    True,
    False,
    /// Decided by Cedar, which says how.
    Fails,
}

use Comes::{Fails, False, True};

#[test]
fn order_decides_what_is_looked_at() {
    all(&[
        (&format!("true || {OVERFLOWS}"), True),
        (&format!("{OVERFLOWS} || true"), Fails),
        (&format!("context.usage.bytes_1h == 7 || {OVERFLOWS}"), True),
        (&format!("context.usage.bytes_1h == 8 && {OVERFLOWS}"), False),
        (&format!("{OVERFLOWS} && context.usage.bytes_1h == 8"), Fails),
        (&format!("context.usage.bytes_1h == 7 && {OVERFLOWS}"), Fails),
        (&format!("if context.usage.bytes_1h == 7 then true else {OVERFLOWS}"), True),
        (&format!("if {OVERFLOWS} then true else true"), Fails),
        (&format!("(context.usage.bytes_1h == 8 && {OVERFLOWS}) || context.usage.bytes_1h == 7"), True),
        (&format!("context.usage.bytes_1h == 8 && (context.usage.bytes_1h == 7 && {OVERFLOWS})"), False),
        (&format!("!(context.usage.bytes_1h == 8 && {OVERFLOWS})"), True),
        (&format!("principal is Service && {OVERFLOWS}"), False),
        (&format!("principal is User in Group::\"nobody\" && {OVERFLOWS}"), False),
        (&format!("[{OVERFLOWS}, true].contains(true)"), Fails),
        (&format!("{{a: 1, b: {OVERFLOWS}}}.a == 1"), Fails),
    ]);
}

#[test]
fn numbers_overflow_at_their_ends() {
    all(&[
        ("-9223372036854775808 < 0", True),
        ("-(-9223372036854775808) > 0", Fails),
        ("-(-9223372036854775807) == 9223372036854775807", True),
        ("9223372036854775807 + 1 > 0", Fails),
        ("-9223372036854775808 - 1 < 0", Fails),
        ("-9223372036854775808 * -1 > 0", Fails),
        ("4611686018427387904 * 2 > 0", Fails),
        ("4611686018427387904 * -2 == -9223372036854775808", True),
        ("context.usage.bytes_1d == 9223372036854775807", True),
        ("context.usage.bytes_1d + 0 == 9223372036854775807", True),
        ("context.usage.bytes_1d + 1 > 0", Fails),
        ("-context.usage.bytes_1d - 1 == -9223372036854775808", True),
        ("-(-context.usage.bytes_1d - 1) > 0", Fails),
        ("context.usage.bytes_1d >= 9223372036854775807", True),
        ("context.usage.bytes_1d > 9223372036854775807", False),
        ("9223372036854775807 <= context.usage.bytes_1d", True),
        ("0 < -context.usage.bytes_1h", False),
    ]);
}

#[test]
fn sets_have_neither_order_nor_repetitions() {
    all(&[
        ("[1, 2, 2, 1] == [2, 1]", True),
        ("[1, 2] == [1]", False),
        ("[context.usage.bytes_1h, 7] == [7]", True),
        ("[7, 7].containsAll([context.usage.bytes_1h, context.usage.bytes_1h])", True),
        ("[[1, 2], [3]] == [[3], [2, 1, 1]]", True),
        ("[[1, 2]].contains([2, 1])", True),
        ("[[1, context.usage.bytes_1h]].contains([7, 1])", True),
        ("[{a: [1, 2]}].contains({a: [2, 1]})", True),
        ("[{a: 1}].contains({a: 2})", False),
        ("[true, false].contains(context.session.mfa)", True),
        ("[principal, User::\"corp/bo\"] == [User::\"corp/bo\", User::\"corp/ana\"]", True),
        ("[User::\"corp/bo\"].containsAny([principal])", False),
        ("[ip(\"10.1.2.3\"), ip(\"::1\")].contains(context.request.source_ip)", True),
        ("[ip(\"10.1.2.3/32\")] == [ip(\"10.1.2.3\"), context.request.source_ip]", True),
        ("[ip(\"10.1.2.3/31\")].contains(context.request.source_ip)", False),
        ("[datetime(\"2026-09-21T14:13:20Z\"), context.now].containsAll([datetime(\"2026-09-21T16:13:20+0200\")])", True),
        ("[duration(\"1h\")].contains(duration(\"60m\"))", True),
        ("[duration(\"1h\"), duration(\"3600s\")] == [duration(\"3600000ms\")]", True),
        ("[decimal(\"1.50\")].contains(decimal(\"1.5\"))", True),
        ("[decimal(\"0.0\")] == [decimal(\"-0.0\")]", True),
        ("context.session.amr.isEmpty()", True),
        ("context.session.amr.containsAny([\"\"])", False),
        ("[\"a\"].containsAll(context.session.amr)", True),
        ("context.session.amr.containsAll(context.session.amr)", True),
        ("context.session.amr.containsAny(context.session.amr)", False),
        ("context.session.amr == context.request.path_prefixes", False),
        ("context.request.path_prefixes == [\"/admin/users\", \"/\", \"/admin\", \"/\"]", True),
        ("context.request.path_prefixes.containsAll([\"/admin\", \"/admin/\"])", False),
        ("[\"/admin\"].containsAny(context.request.path_prefixes)", True),
        ("[context.request.path_prefixes].contains([\"/\", \"/admin\", \"/admin/users\"])", True),
        ("principal.hasTag(\"team\") && principal.getTag(\"team\") == [\"red\", \"blue\", \"red\"]", True),
        ("principal.hasTag(\"none\") && principal.getTag(\"none\").isEmpty()", True),
    ]);
}

#[test]
fn patterns_match_by_character() {
    all(&[
        ("context.request.path like \"/admin*\"", True),
        ("context.request.path like \"/admin\"", False),
        ("context.request.path like \"*/*/*\"", True),
        ("context.request.path like \"*/*/*/*\"", False),
        ("context.request.path like \"/admin/users*\"", True),
        ("context.request.path like \"/admin/users*s\"", False),
        ("context.request.path like \"/ADMIN*\"", False),
        ("context.request.host like \"\"", True),
        ("context.request.host like \"*\"", True),
        ("context.request.host like \"**\"", True),
        ("context.request.host like \"\\*\"", False),
        ("\"a*b\" like \"a\\*b\"", True),
        ("\"axb\" like \"a\\*b\"", False),
        ("\"a\\\\b\" like \"a\\\\*\"", True),
        ("\"\\u{e9}\" like \"e*\"", False),
        ("\"e\\u{301}\" like \"e*\"", True),
        ("\"\\u{1f600}\\u{1f601}\" like \"*\\u{1f601}\"", True),
        ("\"aab\" like \"*ab\"", True),
        ("\"abab\" like \"*ab\"", True),
        ("\"ab\" like \"*ab*ab\"", False),
    ]);
}

#[test]
fn entities_are_in_themselves_and_where_they_are_put() {
    all(&[
        ("principal in principal", True),
        ("principal in User::\"corp/ana\"", True),
        ("principal in [User::\"corp/bo\", User::\"corp/ana\"]", True),
        ("principal in Group::\"g0\"", True),
        ("principal in Group::\"G0\"", False),
        ("principal in Group::\"\"", False),
        ("principal in User::\"\"", False),
        ("principal == User::\"\"", False),
        ("User::\"\" in User::\"\"", True),
        ("User::\"nobody\" in Group::\"g0\"", False),
        ("User::\"nobody\" in User::\"nobody\"", True),
        ("Group::\"g0\" in Group::\"g0\"", True),
        ("Group::\"g0\" in User::\"corp/ana\"", False),
        ("User::\"corp/ana\" in Group::\"g0\"", True),
        ("[Group::\"g0\"].contains(Group::\"g0\")", True),
        ("principal in [Group::\"nobody\", Group::\"g0\"]", True),
        ("resource in resource", True),
        ("resource in App::\"a0\"", True),
        ("resource in [Tag::\"t9\", Tag::\"t0\"]", True),
        ("resource is App in Tag::\"t9\"", False),
        ("App::\"a1\" in Tag::\"t0\"", False),
        ("App::\"a0\" in Tag::\"t0\"", True),
        ("Tag::\"t0\" in Tag::\"t0\"", True),
        ("action in Action::\"use\"", True),
        ("action == Action::\"use\"", False),
        ("action in [Action::\"write\", Action::\"use\"]", True),
        ("Action::\"public\" in Action::\"use\"", False),
        ("Action::\"use\" in Action::\"read\"", False),
        ("context.device.owner in Group::\"g0\"", True),
        ("context.device.owner is User in [Group::\"nobody\", Group::\"g0\"]", True),
        ("(if context.session.mfa then User::\"corp/bo\" else principal) in Group::\"g0\"", True),
        ("principal is User", True),
        ("principal is Service", False),
        ("principal == context.device.owner", True),
        ("principal == Service::\"corp/ana\"", False),
    ]);
}

#[test]
fn what_is_not_there_is_not_had() {
    all(&[
        ("context has device.posture.disk_encrypted", True),
        ("context has device.posture.score", False),
        ("context has device.posture.score || context.session.mfa", False),
        ("context has nothing", False),
        ("context has nothing.at.all", False),
        ("context has device.nothing.at.all", False),
        ("context.device.posture has nothing", False),
        ("context has device.owner.email", True),
        ("context has device.owner.name", False),
        ("principal has email", True),
        ("principal has name", False),
        ("User::\"corp/bo\" has email", False),
        ("resource has email", False),
        ("action has email", False),
        ("{a: {b: 1}} has a.b", True),
        ("{a: {b: 1}} has a.c", False),
        ("{\"a b\": 1} has \"a b\"", True),
        ("principal.hasTag(\"team\")", True),
        ("principal.hasTag(\"TEAM\")", False),
        ("principal.hasTag(context.request.host)", False),
        ("context.device.owner.hasTag(\"team\")", True),
        ("User::\"corp/bo\".hasTag(\"team\")", False),
    ]);
}

#[test]
fn ranges_of_addresses_are_those_of_cedar() {
    all(&[
        ("context.request.source_ip.isInRange(ip(\"10.1.2.0/24\"))", True),
        ("context.request.source_ip.isInRange(ip(\"10.9.9.9/8\"))", True),
        ("context.request.source_ip.isInRange(ip(\"10.1.2.3\"))", True),
        ("context.request.source_ip.isInRange(ip(\"0.0.0.0/0\"))", True),
        ("context.request.source_ip.isInRange(ip(\"::/0\"))", False),
        ("context.request.source_ip.isInRange(ip(\"::ffff:a01:203\"))", False),
        ("context.request.source_ip == ip(\"10.1.2.3/32\")", True),
        ("context.request.source_ip == ip(\"10.1.2.3/31\")", False),
        ("ip(\"10.1.2.3/8\") == ip(\"10.0.0.0/8\")", False),
        ("ip(\"10.1.2.3/8\").isInRange(ip(\"10.0.0.0/8\"))", True),
        ("ip(\"10.0.0.0/7\").isInRange(ip(\"10.0.0.0/8\"))", False),
        ("ip(\"::1\") == ip(\"0:0:0:0:0:0:0:1\")", True),
        ("ip(\"::1\").isLoopback()", True),
        ("ip(\"::1/127\").isLoopback()", False),
        ("ip(\"127.255.0.1/8\").isLoopback()", True),
        ("ip(\"127.0.0.1/7\").isLoopback()", False),
        ("ip(\"::ffff:7f00:1\").isLoopback()", False),
        ("ip(\"224.0.0.1/4\").isMulticast()", True),
        ("ip(\"224.0.0.1/3\").isMulticast()", False),
        ("ip(\"ff00::/8\").isMulticast()", True),
        ("ip(\"ff00::/7\").isMulticast()", False),
        ("ip(\"::ffff:a01:203\").isIpv6()", True),
        ("context.request.source_ip.isIpv4()", True),
    ]);
}

#[test]
fn time_goes_below_zero() {
    let before = "datetime(\"1969-12-31T23:59:59.999Z\")";
    all(&[
        (&format!("{before}.toDate() == datetime(\"1969-12-31\")"), True),
        (&format!("{before}.toTime() == duration(\"23h59m59s999ms\")"), True),
        ("datetime(\"1969-12-31\").toTime() == duration(\"0ms\")", True),
        (&format!("{before} < datetime(\"1970-01-01\")"), True),
        (&format!("{before}.durationSince(datetime(\"1970-01-01\")).toMilliseconds() == -1"), True),
        (&format!("{before}.durationSince(datetime(\"1970-01-01\")).toSeconds() == 0"), True),
        ("duration(\"-1d1ms\").toDays() == -1", True),
        ("duration(\"-23h59m\").toDays() == 0", True),
        ("duration(\"-9223372036854775808ms\").toMilliseconds() == -9223372036854775808", True),
        ("context.now.offset(duration(\"-1ms\")) < context.now", True),
        ("context.now.offset(duration(\"9223372036854775807ms\")) > context.now", Fails),
        ("datetime(\"1970-01-01\").offset(duration(\"-9223372036854775808ms\")).toDate() < context.now", Fails),
        ("datetime(\"1970-01-01\").offset(duration(\"-9223372036854775808ms\")).toTime() >= duration(\"0ms\")", True),
        (
            "datetime(\"1970-01-01\").offset(duration(\"-9223372036854775808ms\")).durationSince(context.now) < duration(\"0ms\")",
            Fails,
        ),
        ("datetime(\"2026-09-21T16:13:20+0200\") == context.now", True),
        ("context.now.toDate() == datetime(\"2026-09-21\")", True),
        ("context.now.toTime() == context.local_time", True),
        ("duration(\"9h\") <= context.local_time", True),
        ("decimal(\"-0.0001\").lessThan(decimal(\"0.0\"))", True),
        ("decimal(\"-0.5\").greaterThan(decimal(\"-0.6\"))", True),
        ("decimal(\"-922337203685477.5808\").lessThanOrEqual(decimal(\"922337203685477.5807\"))", True),
    ]);
}

/// What a scope can name although nothing that asks is ever that.
#[test]
fn scopes_that_nobody_passes_pass_nobody() {
    for principal in [
        "principal == User::\"\"",
        "principal in Group::\"\"",
        "principal == Group::\"g0\"",
        "principal in Tag::\"t0\"",
        "principal in App::\"a0\"",
        "principal is Group",
        "principal is App in Tag::\"t0\"",
        "principal is Service in Group::\"g0\"",
        "principal is User in Service::\"corp/ana\"",
        "principal == Service::\"corp/ana\"",
        "principal == Anonymous::\"corp/ana\"",
        "principal is Anonymous in Anonymous::\"anyone\"",
    ] {
        scope(&format!("{principal}, action, resource"), false);
    }
    for action in
        ["action == Action::\"use\"", "action == Action::\"public\"", "action in [Action::\"write\", Action::\"connect\"]"]
    {
        scope(&format!("principal, {action}, resource"), false);
    }
    for resource in [
        "resource == Tag::\"t0\"",
        "resource is Tag",
        "resource is Tag in Tag::\"t0\"",
        "resource in User::\"corp/ana\"",
        "resource in Group::\"g0\"",
        "resource == App::\"\"",
        "resource in App::\"a1\"",
        "resource is App in Group::\"g0\"",
    ] {
        scope(&format!("principal, action, {resource}"), false);
    }
    for passes in [
        "principal in User::\"corp/ana\", action in [Action::\"use\"], resource in App::\"a0\"",
        "principal is User in Group::\"g0\", action in [Action::\"public\", Action::\"read\"], resource is App in Tag::\"t0\"",
        "principal is User in User::\"corp/ana\", action in Action::\"read\", resource is App in App::\"a0\"",
    ] {
        scope(passes, true);
    }
}

/// A forbid that fails is not passed over, wherever it stands; one whose scope is another's is.
#[test]
fn policies_that_fail_refuse() {
    let permit = "@id(\"b\") permit (principal, action, resource);";
    let forbid = |scope: &str| format!("@id(\"a\") forbid ({scope}) when {{ {OVERFLOWS} }};");
    for (policies, reason) in [
        (format!("{}{permit}", forbid("principal, action, resource")), Some(DenyReason::EvaluationFailed)),
        (format!("{permit}{}", forbid("principal, action, resource")), Some(DenyReason::EvaluationFailed)),
        (forbid("principal, action, resource"), Some(DenyReason::EvaluationFailed)),
        (format!("{permit}{}", forbid("principal in Group::\"nobody\", action, resource")), None),
        (format!("{permit}{}", forbid("principal, action, resource == App::\"a1\"")), None),
        (format!("{permit}{}", forbid("principal, action == Action::\"write\", resource")), None),
        (
            format!("{permit}{}@id(\"c\") forbid (principal, action, resource);", forbid("principal, action, resource")),
            Some(DenyReason::EvaluationFailed),
        ),
        (
            format!("{permit}@id(\"c\") permit (principal, action, resource) when {{ {OVERFLOWS} }};"),
            Some(DenyReason::EvaluationFailed),
        ),
        (format!("{permit}@id(\"c\") permit (principal, action, resource) when {{ false }} when {{ {OVERFLOWS} }};"), None),
        (
            format!("{permit}@id(\"c\") permit (principal, action, resource) when {{ {OVERFLOWS} }} when {{ false }};"),
            Some(DenyReason::EvaluationFailed),
        ),
        (format!("{permit}@id(\"c\") forbid (principal, action, resource) unless {{ true }} unless {{ {OVERFLOWS} }};"), None),
        (
            format!("{permit}@id(\"c\") forbid (principal, action, resource) unless {{ {OVERFLOWS} }} unless {{ true }};"),
            Some(DenyReason::EvaluationFailed),
        ),
        (String::new(), Some(DenyReason::NoPermit)),
        ("@id(\"c\") forbid (principal, action, resource);".to_owned(), Some(DenyReason::Forbidden)),
    ] {
        let set = load(&policies);
        assert_eq!(decided(&set, &query()), reason.map_or(Decision::Allow, Decision::Deny), "{policies}");
    }
}

/// Questions that nobody should put are refused, in the same words.
#[test]
fn questions_that_cannot_be_put_are_refused_alike() {
    let set = load("permit (principal, action, resource);");
    let deep = |segments: usize| "/a".repeat(segments);
    let asked = |change: &dyn Fn(&mut Query)| {
        let mut query = query();
        change(&mut query);
        decided(&set, &query)
    };
    let failed = Decision::Deny(DenyReason::EvaluationFailed);
    assert_eq!(asked(&|_| {}), Decision::Allow);
    assert_eq!(asked(&|query| query.request.path = deep(64)), Decision::Allow);
    assert_eq!(asked(&|query| query.request.path = deep(65)), failed);
    assert_eq!(asked(&|query| query.request.path = deep(64).trim_start_matches('/').to_owned()), Decision::Allow);
    assert_eq!(asked(&|query| query.request.path = format!("{}/", deep(64).trim_start_matches('/'))), failed);
    assert_eq!(asked(&|query| query.request.path = "/".repeat(64)), Decision::Allow);
    assert_eq!(asked(&|query| query.request.path = "/".repeat(65)), failed);
    assert_eq!(asked(&|query| query.request.path = String::new()), Decision::Allow);
    assert_eq!(asked(&|query| query.request.app = "nowhere".to_owned()), failed);
    assert_eq!(asked(&|query| query.request.app = String::new()), failed);
    assert_eq!(asked(&|query| query.request.action = Action::Public), failed);
    assert_eq!(asked(&|query| query.who = None), failed);
    assert_eq!(asked(&|query| (query.who, query.request.action) = (None, Action::Public)), Decision::Allow);
}

/// One who was prepared once is asked about again and again, by Cedar and without it: no answer stays for the next.
#[test]
fn no_verdict_is_another_s() {
    let set = load(concat!(
        "@id(\"few\") permit (principal, action, resource) when { context.usage.bytes_1h * 4611686018427387904 >= 0 };",
        "@id(\"small\") permit (principal, action, resource) when { context.usage.bytes_1h < 2 };",
        "@id(\"own\") permit (principal, action, resource) when { context.request.path == \"/own\" };",
        "@id(\"off\") forbid (principal, action, resource) when { context.request.path == \"/off\" };",
    ));
    let ana = someone("corp/ana", &["g0"]);
    let prepared = set.prepare(&ana).unwrap();
    for _ in 0..3 {
        for (path, bytes, fails) in
            [("/", 0, false), ("/own", 1, false), ("/", 3, true), ("/off", 0, false), ("/own", 0, false), ("/off", 3, true)]
        {
            let facts = RequestFacts { path, usage: usage(bytes), ..RequestFacts::new("a0", Action::Read) };
            let verdict = set.decide(&prepared, &facts);
            assert_eq!(verdict, set.decide_naively(&set.prepare(&ana).unwrap(), &facts));
            assert_eq!(set.decide_compiled(&prepared, &facts).is_none(), fails);
            let said: Vec<&str> = verdict.policies.iter().map(|id| &**id).collect();
            let expected: &[&str] = match (path, bytes) {
                ("/", 0) => &["few", "small"],
                ("/own", _) => &["few", "own", "small"],
                ("/off", _) => &["off"],
                _ => &[],
            };
            assert_eq!(said, expected, "{path} {bytes}");
        }
    }
}

fn all(rows: &[(&str, Comes)]) {
    for (condition, comes) in rows {
        let set = load(&format!("permit (principal is User, action in Action::\"use\", resource) when {{ {condition} }};"));
        let expected = match comes {
            True => Decision::Allow,
            False => Decision::Deny(DenyReason::NoPermit),
            Fails => Decision::Deny(DenyReason::EvaluationFailed),
        };
        let query = query();
        assert_eq!(decided(&set, &query), expected, "{condition}");
        assert!(set.uncompiled().is_empty(), "{condition}");
        let prepared = set.prepare(query.who.as_ref().unwrap()).unwrap();
        assert_eq!(set.decide_compiled(&prepared, &query.request.facts()).is_none(), *comes == Fails, "{condition}");
    }
}

fn scope(scope: &str, passes: bool) {
    let query = query();
    let permits = load(&format!("permit ({scope});"));
    assert_eq!(decided(&permits, &query).as_str(), if passes { "allow" } else { "deny" }, "{scope}");
    let forbids = load(&format!("@id(\"all\") permit (principal, action, resource); forbid ({scope});"));
    assert_eq!(decided(&forbids, &query).as_str(), if passes { "deny" } else { "allow" }, "{scope}");
}

/// The decision of the engine, which is Cedar's.
fn decided(set: &PolicySet, query: &Query) -> Decision {
    let owned = query.who.as_ref().map(|who| set.prepare(who).unwrap());
    let (prepared, facts) = (owned.as_ref().unwrap_or_else(|| set.anonymous()), query.request.facts());
    let verdict = set.decide(prepared, &facts);
    assert_eq!(verdict, set.decide_naively(prepared, &facts), "{query:?}");
    verdict.decision
}

fn load(policies: &str) -> PolicySet {
    let apps = vec![App::new("a0", ["t0"]), App::new("a1", ["t0"])];
    let sources = [Source::new("corner.cedar", policies)];
    let additions = [Source::new("facts.cedarschema", "type Posture = { score?: Long };")];
    PolicySet::load(&sources, &additions, &Catalogue { apps, groups: None, ..Catalogue::default() })
        .unwrap_or_else(|problems| panic!("{policies}\n{}", lines(&problems)))
        .set
}

fn query() -> Query {
    let mut facts = RequestFacts::new("a0", Action::Read);
    (facts.path, facts.usage, facts.at) = ("/admin/users", usage(7), sekisho_policy::Moment::utc(NOW_MS));
    facts.source_ip = "::ffff:10.1.2.3".parse().unwrap();
    Query { who: Some(ana()), request: AskedFor::from(&facts) }
}

fn ana() -> Identity {
    let mut ana = someone("corp/ana", &["g0", "g1"]);
    if let Principal::User(user) = &mut ana.principal {
        user.email = Some("ana@corp.example".to_owned());
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        user.claims = BTreeMap::from([("team".to_owned(), texts(&["red", "blue"])), ("none".to_owned(), texts(&[]))]);
    }
    ana
}

fn usage(bytes_1h: u64) -> sekisho_policy::Usage {
    sekisho_policy::Usage { requests_1m: 0, bytes_1h, bytes_1d: u64::MAX }
}

/// A truth value that is none: it fails.
const OVERFLOWS: &str = "(context.usage.bytes_1h + 9223372036854775807 > 0)";
