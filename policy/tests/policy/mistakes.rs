//! Every mistake is told at once, once, with its place and with words that help.

use sekisho_policy::{App, Catalogue, Loaded, MAX_FILE_BYTES, PolicySet, Problem, Source};

use super::support::{lines, quickstart_catalogue};

#[test]
fn a_typo_is_told_once_with_its_place() {
    let text = "@id(\"health\")\npermit (principal, action in Action::\"use\", resource)\nwhen {\n  context.device.managd && context.device.posture_age_s < 3600\n};";
    assert_eq!(
        lines(&refused(&[Source::new("health.cedar", text)], &[])),
        "policy `health`: attribute `device.managd` in context not found
 --> health.cedar:4:3
  |
4 |   context.device.managd && context.device.posture_age_s < 3600
  |   ^^^^^^^^^^^^^^^^^^^^^
  help: did you mean `managed`?

"
    );
}

#[test]
fn what_public_paths_lack_is_explained() {
    let problems = refused(&[policy("@id(\"a\") permit (principal, action, resource) when { context.session.mfa };")], &[]);
    assert_eq!(messages(&problems), ["attribute `session` in context not found, for `Action::\"public\"`"]);
    assert!(problems[0].help.as_deref().unwrap().contains("action in Action::\"use\""));
}

#[test]
fn all_files_are_looked_at() {
    let files = [
        Source::new(
            "1.cedar",
            "@id(\"a\") permit (principal, action, resource) wen { true };\n@id(\"b\") permit (foo, action, resource);",
        ),
        Source::new("2.cedar", "@id(\"c\") permit (principal, action == Action::\"reed\", resource);"),
        Source::new(
            "3.cedar",
            "@id(\"d\") permit (principal, action, resource);\n@id(\"d\") forbid (principal, action, resource);",
        ),
        Source::new("4.cedar", "@id(\"e\") permit (principal == ?principal, action, resource);"),
        Source::new(
            "5.cedar",
            "@id(\"\") permit (principal, action, resource);\n@id(\"a b\") permit (principal, action, resource);",
        ),
        Source::new("6.cedar", "@id(\"g\") permit (principal, action, resource"),
    ];
    let problems = refused(&files, &[]);
    let found: Vec<_> =
        problems.iter().map(|problem| (problem.place.as_ref().unwrap().to_string(), problem.message.as_str())).collect();
    let expected = [
        ("1.cedar:1:47", "invalid policy condition: wen"),
        ("1.cedar:2:18", "found an invalid variable in the policy scope: foo"),
        ("2.cedar:1:39", "unrecognized action `Action::\"reed\"`"),
        ("3.cedar:2:1", "the id `d` is taken at 3.cedar:1:1"),
        ("4.cedar:1:31", "this is a template: `?principal` stands for something that nobody fills in"),
        ("5.cedar:1:1", "the `@id` is empty"),
        ("5.cedar:2:1", "the `@id` has white space in it"),
    ];
    assert_eq!(found[..7], expected.map(|(place, message)| (place.to_owned(), message)));
    assert!(
        found[7].0.starts_with("6.cedar:1:") && found[7].1.starts_with("unexpected end of input: expected"),
        "{:?}",
        found[7]
    );
    assert_eq!(found.len(), 8);
}

#[test]
fn strict_types_catch_what_would_fail_later() {
    for (condition, words) in [
        ("principal.email like \"*@corp.example\"", "unable to guarantee safety of access to optional attribute `email`"),
        ("principal.getTag(\"team\").contains(\"red\")", "unable to guarantee safety of access to tag `\"team\"`"),
        ("context.session.mfa == \"yes\"", "the types Bool and String are not compatible"),
        ("context.request.path < 3", "unexpected type: expected Long"),
        ("context.request.source_ip.isInRange(ip(\"10.0.0.0/99\"))", "error during extension function argument validation"),
    ] {
        let text = format!("@id(\"a\") permit (principal is User, action in Action::\"use\", resource) when {{ {condition} }};");
        let problems = refused(&[policy(&text)], &[]);
        assert!(problems.iter().any(|problem| problem.message.contains(words)), "{condition}: {}", lines(&problems));
    }
}

#[test]
fn what_can_never_match_is_warned_about() {
    for (text, message, help) in [
        (
            "@id(\"a\") forbid (principal, action == Action::\"use\", resource);",
            "this policy can never match: no action is about such a principal and resource",
            "`Action::\"use\"` is a group of actions: write `action in Action::\"use\"`",
        ),
        (
            "@id(\"a\") forbid (principal in Group::\"staff\", action == Action::\"public\", resource);",
            "this policy can never match: no action is about such a principal and resource",
            "`Action::\"public\"` is asked for by `Anonymous`, every other action by a `User` or a `Service`; the resource is an `App`",
        ),
        (
            "@id(\"a\") forbid (principal, action in Action::\"use\", resource) when { context.session.mfa && false };",
            "this policy can never match",
            "whatever the facts are, its conditions cannot all be true",
        ),
        (
            "@id(\"a\") forbid (principal, action, resource == App::\"shaer\");",
            "there is no app `shaer`",
            "did you mean `share`?",
        ),
        (
            "@id(\"a\") forbid (principal, action, resource) when { resource in Tag::\"intern\" };",
            "no app has the tag `intern`",
            "did you mean `internal`?",
        ),
        (
            "@id(\"a\") forbid (principal in Group::\"stuff\", action, resource);",
            "there is no group `stuff`",
            "did you mean `staff`?",
        ),
        (
            "@id(\"a\") forbid (principal == User::\"ana@corp.example\", action, resource);",
            "nobody has the id `ana@corp.example`",
            "ids are `provider/subject`, the identity provider's name and the `sub` that it gives; an e-mail address is `principal.email`",
        ),
    ] {
        let warnings = loaded(&[policy(text)], &[]).warnings;
        assert_eq!(messages(&warnings), [message], "{text}");
        assert_eq!(warnings[0].help.as_deref(), Some(help), "{text}");
    }
}

#[test]
fn a_policy_without_id_gets_one_and_a_warning() {
    let Loaded { set, warnings } = loaded(
        &[policy("forbid (principal, action, resource);\npermit (principal, action == Action::\"public\", resource);")],
        &[],
    );
    assert_eq!(set.policy_ids().iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["test.cedar#1", "test.cedar#2"]);
    assert_eq!(warnings.len(), 2);
    assert_eq!(warnings[1].place.as_ref().map(ToString::to_string).as_deref(), Some("test.cedar:2:1"));
}

#[test]
fn groups_are_not_checked_where_they_are_not_known() {
    let catalogue = Catalogue { groups: None, ..quickstart_catalogue() };
    let policies = [policy("@id(\"a\") forbid (principal in Group::\"any\", action, resource);")];
    assert_eq!(PolicySet::load(&policies, &[], &catalogue).unwrap().warnings, []);
}

#[test]
fn too_much_is_refused_before_it_is_read() {
    let problems = refused(&[Source::new("big.cedar", " ".repeat(MAX_FILE_BYTES + 1))], &[]);
    assert_eq!(messages(&problems), [format!("`big.cedar` has {} bytes; at most {MAX_FILE_BYTES} are read", MAX_FILE_BYTES + 1)]);
}

#[test]
fn nesting_without_end_is_refused_and_does_not_crash() {
    for deep in [
        format!("{}true{}", "(".repeat(20_000), ")".repeat(20_000)),
        format!("{}1{} == [1]", "[".repeat(20_000), "]".repeat(20_000)),
        format!("true{}", " && true".repeat(20_000)),
        format!("{}true", "if true then true else ".repeat(20_000)),
        format!("context{}", ".a".repeat(20_000)),
    ] {
        let text = format!("@id(\"a\") permit (principal, action, resource) when {{ {deep} }};");
        assert_eq!(messages(&refused(&[policy(&text)], &[])), ["this nests too deep, or chains too many operators"]);
    }
    let sets = format!("type Posture = {{ a: {}Long{} }};", "Set<".repeat(20_000), ">".repeat(20_000));
    assert_eq!(messages(&refused(&[], &[addition(&sets)])), ["this nests too deep, or chains too many operators"]);
}

#[test]
fn an_app_named_twice_is_refused() {
    let catalogue = Catalogue { apps: vec![App::new("a", ["x"]), App::new("a", ["y"])], groups: None, ..Catalogue::default() };
    let problems = PolicySet::load(&[], &[], &catalogue).unwrap_err();
    assert_eq!(messages(&problems), ["the app `a` is named twice"]);
}

#[test]
fn additions_add() {
    let additions = [addition("type Posture = {\n  edr_running: Bool,\n  risk?: Long,\n  serial?: String,\n};")];
    let text = "@id(\"a\") permit (principal, action in Action::\"use\", resource)
        when { context.device.posture.edr_running && context.device.posture.disk_encrypted
               && context.device.posture has risk && context.device.posture.risk < 50 };";
    assert_eq!(loaded(&[policy(text)], &additions).warnings, []);
    let without = refused(&[policy(text)], &[]);
    assert!(without.iter().any(|problem| problem.message.contains("`device.posture.edr_running` in context not found")));
}

#[test]
fn additions_change_nothing_that_is_there() {
    for (text, place, message) in [
        ("type Posture = { edr: Bool, disk_encrypted?: Bool };", "1:29", "`disk_encrypted` is declared already"),
        ("type Session = { mfa: Bool };", "1:6", "the type `Session` cannot be declared here"),
        ("type Mine = Bool;\ntype Posture = { edr: Mine };", "1:6", "the type `Mine` cannot be declared here"),
        ("entity User in [Group];", "1:8", "the entity type `User` cannot be declared here"),
        ("entity Robot;", "1:8", "the entity type `Robot` cannot be declared here"),
        ("action read appliesTo { principal: [User], resource: [App] };", "1:8", "the action `read` cannot be declared here"),
        ("namespace More { entity Robot; }", "1:11", "the namespace `More` cannot be declared here"),
        ("type Posture = Bool;", "1:6", "`Posture` is a record of facts"),
        ("type Posture = { risk: Long };", "1:18", "`risk` is not known of every device, and no value stands for unknown"),
        ("type Posture = { tools: Set<String> };", "1:18", "`tools` has a type that a fact cannot have"),
        ("type Posture = { who: User };", "1:18", "`who` has a type that a fact cannot have"),
        ("type Posture = { a: Bool", "1:", ""),
    ] {
        let problems = refused(&[], &[addition(text)]);
        let found = problems[0].to_string();
        assert!(problems.iter().any(|problem| problem.message.starts_with(message)), "{text}: {found}");
        assert!(found.contains(&format!("--> more.cedarschema:{place}")), "{text}: {found}");
    }
    let twice = [addition("type Posture = { edr: Bool };"), Source::new("other.cedarschema", "type Posture = { edr: Bool };")];
    assert_eq!(messages(&refused(&[], &twice)), ["`edr` is declared already"]);
}

#[test]
fn the_canonical_text_follows_the_content_and_not_the_order() {
    let (a, b) = (Source::new("a.cedar", "@id(\"a\") permit (principal, action, resource);"), Source::new("b.cedar", ""));
    let text = |policies: &[Source]| loaded(policies, &[]).set.canonical_text().to_owned();
    assert_eq!(text(&[a.clone(), b.clone()]), text(&[b.clone(), a.clone()]));
    assert_ne!(text(&[a.clone(), b.clone()]), text(std::slice::from_ref(&a)));
    let mut other = quickstart_catalogue();
    other.apps[0].tags.remove("confidential");
    let changed = PolicySet::load(std::slice::from_ref(&a), &[], &other).unwrap().set.canonical_text().to_owned();
    assert_ne!(text(&[a]), changed);
}

fn policy(text: &str) -> Source {
    Source::new("test.cedar", text)
}

fn addition(text: &str) -> Source {
    Source::new("more.cedarschema", text)
}

#[track_caller]
fn refused(policies: &[Source], additions: &[Source]) -> Vec<Problem> {
    match PolicySet::load(policies, additions, &quickstart_catalogue()) {
        Ok(_) => panic!("not refused: {policies:?} {additions:?}"),
        Err(problems) => problems,
    }
}

#[track_caller]
fn loaded(policies: &[Source], additions: &[Source]) -> Loaded {
    PolicySet::load(policies, additions, &quickstart_catalogue()).unwrap_or_else(|problems| panic!("{}", lines(&problems)))
}

fn messages(problems: &[Problem]) -> Vec<&str> {
    problems.iter().map(|problem| problem.message.as_str()).collect()
}
