//! With a real solver: each claim that holds has a twin, one word away, that does not.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use sekisho_policy::prove::Proved;
use sekisho_policy::testing::Tester;
use sekisho_policy::{App, Catalogue, PolicySet, Query, Source};

use super::{Limits, Program, Run, claims, lines, look, run};
use crate::config;
use crate::decide::PolicyTexts;

fn solver() -> Program {
    let limits = Limits { each: Duration::from_secs(30), total: Duration::from_secs(120) };
    Program::find(None, &config::environment(), limits).expect("tests/install brings cvc5")
}

fn catalogue() -> Catalogue {
    Catalogue {
        apps: vec![App::new("payroll", ["confidential"]), App::new("wiki", ["internal"])],
        groups: None,
        ..Catalogue::default()
    }
}

/// What comes of claims about policies, and the words for it.
fn ask(policies: &str, proofs: &str, dir: &Path, program: &Program) -> (Run, String) {
    let catalogue = catalogue();
    let texts = PolicyTexts {
        policies: vec![Source::new("a.cedar", policies)],
        proofs: vec![Source::new("prove/a.toml", proofs)],
        ..PolicyTexts::default()
    };
    let set = PolicySet::load(&texts.policies, &[], &catalogue).expect("policies").set;
    let claims = claims(&texts, dir, &set, &catalogue).unwrap_or_else(|problems| panic!("{}", problems.join("\n")));
    let run = run(&claims, &set, program).unwrap();
    let tester = Tester { set: &set, catalogue: &catalogue, zone: &TimeZone::UTC };
    let text = lines(&run, &tester);
    // A counterexample that is printed is one that a policy test can be made of.
    for finding in &run.findings {
        if let Proved::Refuted(found) = &finding.outcome.proved {
            let case = super::report::json(&run, &tester)["proofs"][0]["case"].as_str().unwrap_or_default().to_owned();
            let read = tester.read(&[Source::new("t.toml", case)]).unwrap_or_else(|problems| panic!("{problems:?}"));
            assert_eq!(read.len(), 1);
            assert!(set.decide_query(&found.query).unwrap().is_allowed(), "{text}");
        }
    }
    (run, text)
}

fn holds(policies: &str, proof: &str) {
    let (run, text) = ask(policies, &format!("[[proof]]\nname = \"it\"\n{proof}\n"), Path::new("."), &solver());
    assert!(run.holds(), "{policies}\n{proof}\n{text}");
}

fn refuted(policies: &str, proof: &str) -> (Query, String) {
    refuted_in(policies, proof, Path::new("."))
}

fn refuted_in(policies: &str, proof: &str, dir: &Path) -> (Query, String) {
    let (run, text) = ask(policies, &format!("[[proof]]\nname = \"it\"\n{proof}\n"), dir, &solver());
    match &run.findings[0].outcome.proved {
        Proved::Refuted(found) => (found.query.clone(), text),
        other => panic!("{policies}\n{proof}\n{other:?}"),
    }
}

const STAFF: &str = r#"
@id("staff") permit (principal in Group::"staff", action in Action::"use", resource in Tag::"internal")
when { context.device.owner == principal && context.device.managed };
@id("hr") permit (principal in Group::"hr", action in Action::"use", resource == App::"payroll")
when { context.session.auth_age_s < 900 };
"#;

#[test]
fn nobody_outside_a_group_reaches_an_app() {
    holds(STAFF, "only_group = \"hr\"\napp = \"payroll\"");
    let (query, text) =
        refuted(&STAFF.replace("Tag::\"internal\"", "Tag::\"confidential\""), "only_group = \"hr\"\napp = \"payroll\"");
    assert_eq!(query.request.app, "payroll");
    // Nothing is said but what matters: a member of the other group, on a good day.
    assert!(
        text.contains("REFUTED     it\n  the engine permits this request, by `staff`\n    [[case]]\n    name = \"it\"\n"),
        "{text}"
    );
    assert!(text.contains("groups = [\"staff\"]") && !text.contains("device."), "{text}");
}

#[test]
fn nothing_is_permitted_without_a_managed_device() {
    holds(STAFF, "app = \"wiki\"\nnever = '!(context has device && context.device.managed)'");
    let (_, text) = refuted(STAFF, "app = \"payroll\"\nnever = '!(context has device && context.device.managed)'");
    assert!(text.contains("device.managed = false"), "{text}");
    let public = format!("{STAFF} @id(\"open\") permit (principal is Anonymous, action == Action::\"public\", resource);");
    let (query, _) = refuted(&public, "app = \"wiki\"\nnever = '!(context has device && context.device.managed)'");
    assert_eq!(query.who, None);
    holds(&public, "app = \"wiki\"\naction = \"use\"\nnever = '!context.device.managed'");
}

#[test]
fn what_cannot_happen_is_no_counterexample() {
    let all = |condition: &str| {
        format!("@id(\"p\") permit (principal is User, action in Action::\"use\", resource) when {{ {condition} }};")
    };
    // Ages are not negative, days are days, and the prefixes of a path are those of that path.
    for (policy, twin, never) in [
        (
            "context.session.auth_age_s < 10",
            "context.session.auth_age_s < 11",
            "context.session.auth_age_s < 0 || context.session.auth_age_s == 10",
        ),
        (
            "context.weekday != \"sunday\"",
            "context.weekday != \"saturday\"",
            "!([\"monday\",\"tuesday\",\"wednesday\",\"thursday\",\"friday\",\"saturday\"].contains(context.weekday))",
        ),
        (
            "context.request.path_prefixes.contains(\"/a/b\")",
            "context.request.path_prefixes.contains(\"/a\")",
            "context.request.path != \"/a/b\" && !(context.request.path like \"/a/b/*\")",
        ),
        (
            "context.local_time < duration(\"19h\")",
            "context.local_time < duration(\"20h\")",
            "context.local_time >= duration(\"19h\") || context.local_time < duration(\"0h\")",
        ),
        (
            "context.request.source_ip.isInRange(ip(\"10.0.0.0/8\"))",
            "context.request.source_ip.isInRange(ip(\"0.0.0.0/0\"))",
            "!context.request.source_ip.isInRange(ip(\"10.0.0.0/8\"))",
        ),
        ("context.device.owner == principal", "context.device.shared", "context.device.owner == User::\"\""),
        (
            "principal.hasTag(\"team\") && principal.getTag(\"team\").contains(\"red\")",
            "principal.hasTag(\"team\")",
            "!(principal.hasTag(\"team\") && principal.getTag(\"team\").contains(\"red\"))",
        ),
        (
            "context.device.key_protection == \"tpm\"",
            "context.device.key_protection != \"os\"",
            "context.device.key_protection != \"tpm\"",
        ),
    ] {
        let proof = format!("action = \"use\"\nnever = '''{never}'''");
        holds(&all(policy), &proof);
        refuted(&all(twin), &proof);
    }
}

#[test]
fn a_change_permits_no_more_than_before() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("before")).unwrap();
    std::fs::write(dir.path().join("before/a.cedar"), STAFF).unwrap();
    let proof = "permits_no_more_than = \"before\"";
    let toml = format!("[[proof]]\nname = \"it\"\n{proof}\n");
    for narrower in
        [STAFF.replace("900", "899"), STAFF.replace("context.device.managed", "context.device.managed && context.session.mfa")]
    {
        let (run, text) = ask(&narrower, &toml, dir.path(), &solver());
        assert!(run.holds(), "{text}");
    }
    let (query, text) = refuted_in(&STAFF.replace("900", "9000"), proof, dir.path());
    let who = query.who.unwrap();
    let age = (query.request.at.unix_ms - who.session.authenticated_at_ms.unwrap()) / 1000;
    assert!((900..9000).contains(&age), "{age} {text}");
    assert!(text.contains("the old set says: deny (no_permit)"), "{text}");
}

#[test]
fn where_the_old_set_failed_it_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("before")).unwrap();
    // Cedar would leave the forbid out where it overflows; the gate refuses there.
    let forbid = "@id(\"f\") forbid (principal, action, resource) when { context.usage.bytes_1h * 3 < 0 };";
    std::fs::write(dir.path().join("before/a.cedar"), format!("{STAFF}{forbid}")).unwrap();
    let proof = "permits_no_more_than = \"before\"";
    let (query, text) = refuted_in(STAFF, proof, dir.path());
    assert!(query.request.usage.bytes_1h > 1 << 60, "{text}");
    assert!(text.contains("deny (evaluation_failed)"), "{text}");
    let (run, text) = ask(
        &format!(
            "{STAFF}{forbid}@id(\"g\") forbid (principal, action in Action::\"use\", resource) when {{ context.session.mfa }};"
        ),
        &format!("[[proof]]\nname = \"it\"\n{proof}\n"),
        dir.path(),
        &solver(),
    );
    assert!(run.holds(), "{text}");
}

#[test]
fn what_the_solver_cannot_say_is_left_out_or_not_proved() {
    let beyond = |effect: &str| {
        format!(
            "{STAFF}@id(\"beyond\") {effect} (principal, action in Action::\"use\", resource) when {{ context.request.path == \"\u{f0000}\" }};"
        )
    };
    // A forbid only takes away: what is proved without it holds with it.
    let (run, text) =
        ask(&beyond("forbid"), "[[proof]]\nname = \"it\"\nonly_group = \"hr\"\napp = \"payroll\"", Path::new("."), &solver());
    assert!(run.holds() && text.contains("beyond the solver, and left out: `beyond`"), "{text}");
    let (run, text) =
        ask(&beyond("permit"), "[[proof]]\nname = \"it\"\nonly_group = \"hr\"\napp = \"payroll\"", Path::new("."), &solver());
    assert!(!run.holds() && text.contains("NOT PROVED  it\n") && text.contains("`beyond` uses a character"), "{text}");
}

#[test]
fn a_claim_is_checked_like_a_policy() {
    let wrong = |proof: &str| {
        let catalogue = catalogue();
        let texts = PolicyTexts { proofs: vec![Source::new("prove/a.toml", proof)], ..PolicyTexts::default() };
        let set = PolicySet::load(&[], &[], &catalogue).unwrap().set;
        claims(&texts, Path::new("."), &set, &catalogue).unwrap_err().join("\n")
    };
    let said = wrong("[[proof]]\nname = \"it\"\naction = \"use\"\nnever = '!context.device.manged'\n");
    assert_eq!(
        said,
        "attribute `device.manged` in context not found\n --> prove/a.toml:4:11\n  |\n4 | never = '!context.device.manged'\n  |           ^^^^^^^^^^^^^^^^^^^^^\n  help: did you mean `managed`?"
    );
    for (proof, words) in [
        ("[[proof]]\nname = \"it\"\n", "does not say what to prove"),
        ("[[proof]]\nname = \"it\"\nonly_group = \"a\"\nnever = 'true'\n", "does not say what to prove"),
        ("[[proof]]\nname = \"it\"\nonly_group = \"a\"\napp = \"wikki\"\n", "there is no app `wikki`"),
        ("[[proof]]\nname = \"it\"\nonly_group = \"a\"\ntag = \"x\"\n", "no app has the tag `x`"),
        ("[[proof]]\nname = \"it\"\nonly_group = \"a\"\naction = \"reed\"\n", "there is no action `reed`"),
        (
            "[[proof]]\nname = \"it\"\nonly_group = \"a\"\n[[proof]]\nname = \"it\"\nonly_group = \"b\"\n",
            "another proof is named `it`",
        ),
        ("[[proof]]\nname = \"it\"\nnevr = 'true'\n", "unknown field `nevr`"),
        ("[[proof]]\nname = \"it\"\nnever = '!context.device.managed'\n", "nobody is known on public paths"),
        ("[[proof]]\nname = \"it\"\nnever = 'false'\n", "nothing can fulfil this condition"),
        // Nothing gets out of the condition.
        ("[[proof]]\nname = \"it\"\nnever = 'true }; permit (principal, action, resource) when { true'\n", "unexpected token"),
        ("[[proof]]\nname = \"it\"\nnever = 'true } unless { false'\n", "unexpected token"),
        ("[[proof]]\nname = \"it\"\npermits_no_more_than = \"nowhere\"\n", "proof `it`: "),
    ] {
        let said = wrong(proof);
        assert!(said.contains(words), "{proof}\n{said}");
    }
}

#[test]
fn policies_that_do_nothing_are_found() {
    let policies = r#"
@id("good") permit (principal in Group::"staff", action in Action::"use", resource) when { context.session.mfa };
@id("never") permit (principal, action in Action::"use", resource) when { context.session.auth_age_s < 10 && context.session.auth_age_s > 20 };
@id("narrower") permit (principal in Group::"staff", action == Action::"read", resource == App::"wiki") when { context.session.mfa && context.device.managed };
@id("block") forbid (principal in Group::"guests", action, resource);
@id("overruled") permit (principal in Group::"guests", action in Action::"use", resource);
@id("block-again") forbid (principal in Group::"guests", action == Action::"write", resource);
"#;
    let set = PolicySet::load(&[Source::new("a.cedar", policies)], &[], &catalogue()).unwrap().set;
    let doubts = look(&set, &solver()).unwrap();
    let found: Vec<_> =
        doubts.found.iter().map(|problem| (problem.policy.as_deref().unwrap(), problem.message.as_str())).collect();
    assert_eq!(
        found,
        [
            ("never", "this policy can never match: proved"),
            ("narrower", "this policy changes nothing: whatever it permits, others permit as well, or forbid"),
            ("overruled", "this policy permits nothing: whatever it permits, others forbid"),
            ("block-again", "this policy changes nothing: whatever it forbids, others forbid as well"),
        ]
    );
    assert_eq!((doubts.looked_at, doubts.of), (6, 6));
    // The twin: each with one word changed says something.
    let better = policies
        .replace("> 20", "> 2")
        .replace("mfa && context", "mfa || context")
        .replace("in Group::\"guests\", action in", "in Group::\"friends\", action in")
        .replace("in Group::\"guests\", action ==", "in Group::\"friends\", action ==");
    let set = PolicySet::load(&[Source::new("a.cedar", better)], &[], &catalogue()).unwrap().set;
    assert_eq!(look(&set, &solver()).unwrap().found, []);
}

/// A solver that does what `script` says.
fn faulty(dir: &Path, script: &str) -> Program {
    let path: PathBuf = dir.join("solver");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    Program { path, limits: Limits { each: Duration::from_millis(50), total: Duration::from_secs(3) } }
}

#[test]
fn a_solver_that_fails_is_named_and_nothing_hangs() {
    let dir = tempfile::tempdir().unwrap();
    for (script, words) in [
        ("echo 'out of luck' >&2; exit 1", "the solver ended without an answer"),
        ("exec sleep 600", "the solver did not answer within"),
        ("yes", "makes no sense: `y`"),
        ("cat >/dev/null; exec sleep 600", "the solver did not answer within"),
        ("while read -r line; do case \"$line\" in '(check-sat)') echo sat; printf '(\\n';; esac; done", "did not answer within"),
        ("while read -r line; do case \"$line\" in '(check-sat)') echo sat; printf '(\\n)\\n';; esac; done", "NOT CONFIRMED"),
        ("while read -r line; do case \"$line\" in '(check-sat)') echo unknown;; esac; done", "did not find out"),
    ] {
        let began = Instant::now();
        let program = faulty(dir.path(), script);
        let (run, text) =
            ask(STAFF, "[[proof]]\nname = \"it\"\nonly_group = \"hr\"\napp = \"payroll\"", Path::new("."), &program);
        assert!(
            !run.holds() && text.contains("NOT PROVED") && (text.contains(words) || text.contains("makes no sense")),
            "{script}\n{text}"
        );
        assert!(began.elapsed() < Duration::from_secs(20), "{script}");
    }
    let gone = Program { path: dir.path().join("nothing"), limits: Limits::default() };
    let (run, text) = ask(STAFF, "[[proof]]\nname = \"it\"\nonly_group = \"hr\"\napp = \"payroll\"", Path::new("."), &gone);
    assert!(!run.holds() && text.contains("does not start"), "{text}");
}

/// The claims of the manual hold of its policies, and those of the examples of theirs. Without the tag of the example one does not.
#[test]
fn claims_of_the_manual_and_the_examples_hold() {
    let page = include_str!("../../../docs/policy-reference.md");
    let section = page.split("\n## Claims\n").nth(1).expect("the section").split("\n## ").next().unwrap();
    let proofs: Vec<&str> = fenced(section, "toml");
    let guards = include_str!("../../../examples/policies/guards.cedar");
    let starter = include_str!("../../../examples/policies/starter.cedar");
    let patterns = fenced(page, "cedar").into_iter().filter(|block| !block.contains("risk_score")).collect::<Vec<_>>().join("\n");
    let apps = vec![App::new("payroll", ["confidential"]), App::new("share", ["internal", "confidential"])];
    let catalogue = Catalogue { apps, groups: None, ..Catalogue::default() };
    let toml = include_str!("../../../examples/policies/prove/never.toml");
    for (cedar, proofs) in [(patterns, proofs.join("\n")), (format!("{starter}\n{guards}"), toml.to_owned())] {
        let texts = PolicyTexts {
            policies: vec![Source::new("a.cedar", cedar)],
            proofs: vec![Source::new("prove/a.toml", proofs)],
            ..PolicyTexts::default()
        };
        let set = PolicySet::load(&texts.policies, &[], &catalogue).unwrap().set;
        let claims =
            claims(&texts, Path::new("."), &set, &catalogue).unwrap_or_else(|problems| panic!("{}", problems.join("\n")));
        assert!(!claims.is_empty());
        let run = run(&claims, &set, &solver()).unwrap();
        let tester = Tester { set: &set, catalogue: &catalogue, zone: &TimeZone::UTC };
        assert!(run.holds(), "{}", lines(&run, &tester));
    }
}

fn fenced<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let opening = format!("```{language}\n");
    page.split(&opening).skip(1).filter_map(|rest| rest.split("\n```").next()).collect()
}

/// One policy of a thousand is changed: only the apps that it is about are looked at.
#[test]
fn a_change_among_a_thousand_policies_is_proved_in_seconds() {
    let apps: Vec<App> = (0..100).map(|app| App::new(format!("a{app}"), [format!("t{}", app % 10)])).collect();
    let catalogue = Catalogue { apps, groups: None, ..Catalogue::default() };
    let policy = |at: usize, seconds: usize| {
        let (effect, sign) = if at % 5 == 4 { ("forbid", ">") } else { ("permit", "<") };
        let resource =
            if at.is_multiple_of(4) { format!("in Tag::\"t{}\"", at % 10) } else { format!("== App::\"a{}\"", at % 100) };
        format!(
            "@id(\"p{at}\") {effect} (principal in Group::\"g{}\", action in Action::\"use\", resource {resource})
             when {{ context.session.auth_age_s {sign} {seconds} && context.device.posture.disk_encrypted }};\n",
            at % 50
        )
    };
    let all = |changed: usize| (0..1000).map(|at| policy(at, if at == 501 { changed } else { 3600 })).collect::<String>();
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("before")).unwrap();
    std::fs::write(dir.path().join("before/a.cedar"), all(3600)).unwrap();
    for (seconds, expected) in [(1800, true), (36_000, false)] {
        let texts = PolicyTexts {
            policies: vec![Source::new("a.cedar", all(seconds))],
            proofs: vec![Source::new("prove/a.toml", "[[proof]]\nname = \"it\"\npermits_no_more_than = \"before\"\n")],
            ..PolicyTexts::default()
        };
        let set = PolicySet::load(&texts.policies, &[], &catalogue).unwrap().set;
        let claims = claims(&texts, dir.path(), &set, &catalogue).unwrap();
        let began = Instant::now();
        let run = run(&claims, &set, &solver()).unwrap();
        let (taken, asked) = (began.elapsed(), run.findings[0].outcome.asked);
        println!("{asked} questions in {taken:?}");
        assert_eq!(run.holds(), expected);
        assert!(asked <= 10 && taken < Duration::from_secs(30), "{asked} questions in {taken:?}");
    }
}

/// A method that a record names is asked for as much as one that stands by itself.
#[test]
fn what_only_writing_may_do_is_found_where_a_record_names_the_method() {
    let policy = |method: &str| {
        format!(
            r#"@id("sly") permit (principal, action in Action::"use", resource == App::"payroll")
            when {{ context.request == {{ host: context.request.host, path: context.request.path,
                path_prefixes: context.request.path_prefixes, method: "{method}", source_ip: context.request.source_ip }} }};"#
        )
    };
    let proof = "never = 'true'\napp = \"payroll\"";
    for method in ["DELETE", "GET"] {
        let (query, _) = refuted(&policy(method), proof);
        assert_eq!(query.request.method, method);
    }
}

#[test]
fn every_pattern_is_within_the_solvers_reach() {
    for pattern in ["*x*", "x*", "*x", "*x*y*"] {
        let policy = format!(
            "@id(\"p\") permit (principal, action in Action::\"use\", resource == App::\"payroll\") \
             when {{ context.request.host like \"{pattern}\" }};"
        );
        let proof = |claim: &str| format!("never = '{claim}'\napp = \"payroll\"");
        holds(&policy, &proof("!(context.request.host like \"*x*\")"));
        refuted(&policy, &proof("true"));
    }
}

/// Texts of policies are quoted for the solver: what ends a text there or here says nothing to it.
#[test]
fn no_text_of_a_policy_speaks_to_the_solver() {
    for condition in [
        r#"context.request.host == "\") (assert false) (echo \"""#,
        r#"context.request.host == "|\n(assert false) ;""#,
        r#"principal in Group::"x\" |)\n(assert false)\n(""#,
        r#"principal == User::"\n(assert false)\n""#,
        r#"principal.hasTag("\" |)\n(assert false)") && principal.getTag("\" |)\n(assert false)").contains("\\u{41}")"#,
    ] {
        let policy = format!("permit (principal is User, action == Action::\"read\", resource) when {{ {condition} }};");
        refuted(&policy, "never = 'true'\napp = \"payroll\"");
    }
}

#[test]
fn what_is_about_no_app_is_not_proved() {
    let proof = |about: &str| format!("[[proof]]\nname = \"it\"\nnever = 'true'\n{about}\n");
    let nothing = "@id(\"no\") forbid (principal, action, resource);";
    for (about, holds) in [("tag = \"internal\"", true), ("app = \"wiki\"\ntag = \"confidential\"", false)] {
        let (run, text) = ask(nothing, &proof(about), Path::new("."), &solver());
        assert_eq!(run.holds(), holds, "{text}");
    }
}
