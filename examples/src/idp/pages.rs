//! The provider's pages. Each says that it is a demonstration.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Person, Settings};
use crate::page::{Text, page};

/// The sign-in page for the attempt `attempt`.
pub(super) fn sign_in(people: &[Person], client: &str, attempt: &str, problem: Option<&str>) -> String {
    let attempt = Text(attempt);
    let mut body = format!("<h1>Sign in</h1><p>to go on to <strong>{}</strong></p>", Text(client));
    if let Some(problem) = problem {
        let _ = write!(body, "<p class=\"card note\" role=\"alert\">{}</p>", Text(problem));
    }
    let second_factor =
        "<label class=\"row\"><input type=\"checkbox\" name=\"second_factor\" value=\"yes\"> with a second factor</label>";
    let _ = write!(
        body,
        "<form class=\"card\" method=\"post\" action=\"/sign-in\"><input type=\"hidden\" name=\"attempt\" value=\"{attempt}\">\
         {second_factor}"
    );
    for person in people {
        let _ = write!(
            body,
            "<button class=\"person\" name=\"person\" value=\"{}\"><strong>{}</strong><span class=\"muted\">{} · groups: {}</span></button>",
            Text(&person.id),
            Text(&person.name),
            Text(&person.email),
            Text(&person.groups.join(", ")),
        );
    }
    let _ = write!(body, "</form><details class=\"card\"><summary>With a name and a password</summary>");
    let _ = write!(
        body,
        "<form method=\"post\" action=\"/sign-in\"><input type=\"hidden\" name=\"attempt\" value=\"{attempt}\">\
         <label>Name <input type=\"text\" name=\"username\" autocomplete=\"username\"></label>\
         <label>Password <input type=\"password\" name=\"password\" autocomplete=\"current-password\"></label>\
         {second_factor}<button>Sign in</button></form><p class=\"muted\">"
    );
    for person in people {
        let _ = write!(body, "<code>{}</code> / <code>{}</code> ", Text(&person.id), Text(&person.password));
    }
    body.push_str("</p></details>");
    shell("Sign in", &body)
}

/// What this is.
pub(super) fn about(settings: &Settings) -> String {
    let mut body =
        String::from("<h1>An OpenID provider with invented people</h1><div class=\"card\"><p>It knows these people:</p><ul>");
    for person in &settings.people {
        let _ = write!(body, "<li><strong>{}</strong>: {}</li>", Text(&person.name), Text(&person.groups.join(", ")));
    }
    body.push_str("</ul><p><a href=\"/.well-known/openid-configuration\">Its description for programs</a></p></div>");
    shell("About", &body)
}

/// Asks before signing out.
pub(super) fn confirm_sign_out(fields: &BTreeMap<String, String>) -> String {
    let mut body = String::from("<h1>Sign out here too?</h1><form class=\"card\" method=\"post\" action=\"/end_session\">");
    for (name, value) in fields {
        let _ = write!(body, "<input type=\"hidden\" name=\"{}\" value=\"{}\">", Text(name), Text(value));
    }
    body.push_str(
        "<p>The app has signed you out. You are still signed in at the identity provider.</p><button>Sign out</button></form>",
    );
    shell("Sign out", &body)
}

/// Says that it is done.
pub(super) fn signed_out() -> String {
    shell("Signed out", "<h1>You are signed out</h1>")
}

/// Says what is wrong.
pub(super) fn problem(why: &str) -> String {
    shell("That did not work", &format!("<h1>That did not work</h1><p class=\"card\">{}</p>", Text(why)))
}

fn shell(title: &str, body: &str) -> String {
    const DEMO: &str = "<p class=\"card note\"><strong>This is a demonstration.</strong> The people are invented, and one click signs \
                        anybody in. Never use this provider for real data.</p>";
    page(
        "Demo identity provider",
        title,
        "#5a3d7a",
        "<span class=\"who\">for demonstrations only</span>",
        &format!("{body}{DEMO}"),
    )
}
