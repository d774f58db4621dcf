//! Nothing that anybody else wrote becomes markup.

use super::action::{Action, Target};
use super::style::STYLE;
use super::*;

/// Ends a tag, an attribute, the title and the stylesheet, whichever it stands in.
const HOSTILE: &str = "</title></style>'\"><script>alert(1)</script><img src=x onerror=alert(1)>&amp;{{ 7*7 }}";
const HOSTILE_TARGET: &str = "javascript:alert(1)";

fn pages(text: &'static str, target: &'static str) -> Vec<(&'static str, String)> {
    let link = Action::link(text, target);
    let post = Action::post(text, target, Some(text));
    let actions = [link.clone(), post.clone()];
    let facts = [(text, text)];
    let ways = [vec![text.to_owned(), text.to_owned()], vec![text.to_owned()]];
    let advice = [text.to_owned()];
    let refusal = RefusalPage {
        host: text,
        tone: Tone::Stop,
        title: text,
        what: text,
        ways: &ways,
        advice: &advice,
        remedy: Some(text),
        command: Some(text),
        facts: &facts,
        actions: &actions,
        status: 403,
        reason: text,
        request_id: text,
    };
    let choices = [ProviderChoice { name: text, issuer: text, target: Target::new(target) }];
    let chooser = ChooserPage { host: text, destination: Some(text), choices: &choices };
    let signed_out = SignedOutPage { host: text, still_at: Some(text), sign_in: link, provider_sign_out: Some(post) };
    let send_again = SendAgainPage {
        host: text,
        path: text,
        target: Target::new(target),
        bytes: 7,
        fields: &facts,
        name: text,
        value: text,
        discard: Target::new(target),
    };
    let enrol = EnrolPage { host: text, device: Some(text), command: text, approval: true };
    let groups = [text, text];
    let apps = [AppLink { name: text, host: text, target: Target::new(target) }];
    let landing = LandingPage {
        host: text,
        person: Some(Person { name: text, id: text, email: Some(text), groups: &groups }),
        device: Some(DeviceLine { id: text, status: text, owner: Some(text) }),
        session: Some(SessionLine { id: text, since: text, until: text }),
        apps: &apps,
        actions: &actions,
    };
    let device = OwnDeviceLine { id: text, label: text, status: text, platform: text, key: text, enrolled: text, this: true };
    let devices = DevicesPage {
        host: text,
        devices: &[OwnDeviceLine { label: "", this: false, status: "active", ..device.clone() }, device],
        invitations: &[OwnInvitationLine { id: text, until: text }],
        sessions: &[true, false].map(|this| OwnSessionLine {
            id: text,
            device: text,
            since: text,
            used: text,
            until: text,
            this,
        }),
        self_service: true,
        token: text,
    };
    let invited = InvitedPage { host: text, code: text, command: text, until: text, approval: true };
    let sure = SurePage { host: text, title: text, what: text, label: text, fields: &facts };
    vec![
        ("devices", devices.render().unwrap()),
        ("invited", invited.render().unwrap()),
        ("sure", sure.render().unwrap()),
        ("refusal", refusal.render().unwrap()),
        ("chooser", chooser.render().unwrap()),
        ("signed_out", signed_out.render().unwrap()),
        ("send_again", send_again.render().unwrap()),
        ("enrol", enrol.render().unwrap()),
        ("landing", landing.render().unwrap()),
    ]
}

/// The tags of a page with their attributes' values taken out: what a browser would build.
fn skeleton(page: &str) -> Vec<String> {
    let body = page.replace(STYLE, "");
    let names = body.split('<').skip(1).map(|rest| rest.split('>').next().unwrap().split_whitespace().next().unwrap().to_owned());
    names.collect()
}

#[test]
fn hostile_text_changes_no_markup() {
    for ((name, hostile), (_, plain)) in pages(HOSTILE, HOSTILE_TARGET).into_iter().zip(pages("words", "/path")) {
        assert_eq!(skeleton(&hostile), skeleton(&plain), "{name}");
        let hostile = hostile.replace(STYLE, "");
        for dangerous in ["<script", "<img", "javascript:", "</style><", "\"><"] {
            assert_eq!(
                hostile.matches(dangerous).count(),
                plain.replace(STYLE, "").matches(dangerous).count(),
                "{name}: {dangerous}"
            );
        }
        assert!(hostile.contains("&#60;script&#62;") || hostile.contains("&lt;script&gt;"), "{name} shows the text as text");
        assert!(hostile.contains("{{ 7*7 }}"), "{name} takes words for words, not for a template");
    }
}

#[test]
fn targets_that_lead_elsewhere_become_the_root() {
    for bad in [
        "javascript:alert(1)",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "\\\\evil.example",
        "data:text/html,x",
        "https:evil.example",
        " https://evil.example",
        "HTTPS://evil.example",
        "/a b",
        "wiki",
        "",
    ] {
        assert_eq!(Target::new(bad).to_string(), "/", "{bad}");
    }
    for good in ["/", "/a/b?c=d#e", "https://wiki.corp.example:8443/", "http://localhost/"] {
        assert_eq!(Target::new(good).to_string(), good);
    }
}

/// The policy names the stylesheet by its hash: each page has that one, byte for byte, and nothing else that needs leave.
#[test]
fn the_policy_fits_every_page() {
    let hash = content_security_policy().split("sha256-").nth(1).unwrap().split('\'').next().unwrap();
    for (name, page) in pages("words", "/path") {
        let (_, rest) = page.split_once("<style>").unwrap();
        let (style, rest) = rest.split_once("</style>").unwrap();
        use base64::Engine as _;
        let found = base64::engine::general_purpose::STANDARD.encode(crate::secret::Digest::of(style.as_bytes()));
        assert_eq!(found, hash, "{name}");
        for needs_leave in ["<style", "style=", "<script", "<link", " on", "src="] {
            let tags: Vec<&str> = rest.split('<').map(|tag| tag.split('>').next().unwrap()).collect();
            assert!(
                !tags.iter().any(|tag| tag.contains(needs_leave) || format!("<{tag}").contains(needs_leave)),
                "{name}: {needs_leave}"
            );
        }
    }
    assert!(!STYLE.contains("</"), "the stylesheet ends where it ends");
    assert!(!STYLE.contains("url("), "the stylesheet fetches nothing");
}

#[test]
fn forms_may_lead_to_named_origins_only() {
    let policy =
        content_security_policy_with_forms_to(&["https://login.corp.example/end?x=1; script-src *", "nonsense", "data:x"]);
    assert!(policy.contains("form-action 'self' https://login.corp.example; frame-ancestors 'none'"), "{policy}");
    assert!(content_security_policy().contains("form-action 'self'; "));
}

#[test]
fn a_refusal_says_what_to_do() {
    let page = RefusalPage {
        host: "wiki.corp.example",
        tone: Tone::Wait,
        title: "This device is not enrolled",
        what: "The gate has seen no certificate.",
        ways: &[],
        advice: &[],
        remedy: Some("Enrol the device."),
        command: None,
        facts: &[],
        actions: &[Action::link("How to enrol", "/.sekisho/enroll"), Action::post("Sign out", "/.sekisho/sign-out", Some("t0k"))],
        status: 403,
        reason: "device_missing",
        request_id: "00112233445566778899aabbccddeeff",
    };
    let html = page.render().unwrap();
    for needed in [
        "<title>This device is not enrolled</title>",
        "<body class=\"wait\">",
        "<h1>This device is not enrolled</h1>",
        "<p>Enrol the device.</p>",
        "<a class=\"button\" href=\"/.sekisho/enroll\">How to enrol</a>",
        "<form method=\"post\" action=\"/.sekisho/sign-out\"><input type=\"hidden\" name=\"token\" value=\"t0k\">",
        "Status 403 · device_missing",
        "<code>00112233445566778899aabbccddeeff</code>",
    ] {
        assert!(html.contains(needed), "{needed} is not in\n{html}");
    }
    assert!(!html.contains("What the gate sees"));
    let without = RefusalPage { remedy: None, actions: &[], ..page }.render().unwrap();
    assert!(!without.contains("What to do now") && !without.contains("class=\"button"));
}
