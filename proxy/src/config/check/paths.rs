//! Public paths, in the one form in which requests are compared with them.

use super::checker::Checker;
use crate::config::checked::PublicPath;
use crate::config::path::{self, PathRefusal};
use crate::config::problem::Problem;
use crate::config::setting::Text;

/// Reads `/exact` or `/below/**`.
pub(super) fn public(text: &Text, checker: &mut Checker) -> Option<PublicPath> {
    let (path, below) = match text.value.strip_suffix("/**") {
        Some(path) => (path, true),
        None => (text.value.as_str(), false),
    };
    // `/**` is everything: what is left of it is the empty path, which every path is below.
    let whole = below && path.is_empty();
    if let Err((what, instead)) = if whole { Ok(()) } else { judge(path, below) } {
        checker.report(Problem { instead, ..Problem::new(&text.at, format!("{:?}: {what}", text.value)) });
        return None;
    }
    if path == OURS || path.strip_prefix(OURS).is_some_and(|rest| rest.starts_with('/')) {
        checker.wrong(&text.at, "addresses below /.sekisho are the gate's own", "take it out");
        return None;
    }
    Some(if below { PublicPath::Below(path.to_owned()) } else { PublicPath::Exact(path.to_owned()) })
}

/// A path in any other form than that in which requests arrive would never match.
fn judge(path: &str, below: bool) -> Result<(), (String, Option<String>)> {
    if path.contains('*') {
        let instead = "write whole segments, or end with `/**`".to_owned();
        return Err(("it has a wildcard that is not a trailing `/**`".to_owned(), Some(instead)));
    }
    let end = if below { "/**" } else { "" };
    if path.contains(['?', '#']) {
        return Err(("it has a query or fragment".to_owned(), Some("write the path alone".to_owned())));
    }
    if below && path.ends_with('/') {
        return Err((PathRefusal::EmptySegment.to_string(), Some(format!("write \"{}/**\"", path.trim_end_matches('/')))));
    }
    match path::canonical(path) {
        Ok(canonical) if *canonical == *path => Ok(()),
        Ok(canonical) => Err(("requests arrive in another spelling".to_owned(), Some(format!("write \"{canonical}{end}\"")))),
        Err(refusal) => Err((refusal.to_string(), remedy(path, refusal).map(|path| format!("write \"{path}{end}\"")))),
    }
}

/// What was probably meant.
fn remedy(path: &str, refusal: PathRefusal) -> Option<String> {
    let meant = match refusal {
        PathRefusal::NoSlash => format!("/{path}"),
        PathRefusal::Raw => encode(path),
        _ => return None,
    };
    path::canonical(&meant).ok().map(|path| path.as_ref().to_owned())
}

fn encode(path: &str) -> String {
    path.bytes().map(|byte| if byte.is_ascii_graphic() { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

const OURS: &str = "/.sekisho";
