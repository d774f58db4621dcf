//! Where an app runs.

use crate::config::checked::{Upstream, UpstreamScheme};
use crate::config::host::Host;
use crate::config::problem::Problem;
use crate::config::setting::Text;

use super::checker::Checker;

/// Reads `http://host:port` or `https://host:port`, without a path.
pub(super) fn read(text: &Text, checker: &mut Checker) -> Option<Upstream> {
    match parse(&text.value) {
        Ok(upstream) => Some(upstream),
        Err((what, instead)) => {
            checker.report(Problem { instead, ..Problem::new(&text.at, format!("{:?} {what}", text.value)) });
            None
        }
    }
}

fn parse(text: &str) -> Result<Upstream, (&'static str, Option<String>)> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(("has no scheme", Some(format!("write \"http://{text}\""))));
    };
    let (scheme, default_port) = match scheme {
        "http" => (UpstreamScheme::Http, 80),
        "https" => (UpstreamScheme::Https, 443),
        _ => return Err(("has an unknown scheme", Some("write http:// or https://".to_owned()))),
    };
    if let Some(end) = rest.find(['/', '?', '#']) {
        let bare = text.strip_suffix(rest.get(end..).unwrap_or_default()).unwrap_or_default();
        return Err(("has a path; requests keep their own", Some(format!("write \"{bare}\""))));
    }
    if rest.contains('@') {
        return Err(("has a user name", Some("take it out; the app gets the user in headers".to_owned())));
    }
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => match port.parse() {
            Ok(port @ 1..) if port_is_plain(rest) => (host, port),
            _ => return Err(("has a port that is not a number from 1 to 65535", None)),
        },
        _ => (rest, default_port),
    };
    // Names within container networks may have underscores; hosts that browsers name may not.
    let host: Host = match host.parse() {
        Ok(host) => host,
        Err(_) if host.replace('_', "x").parse::<Host>().is_ok() => {
            return Ok(Upstream { scheme, host: host.to_ascii_lowercase().into(), port });
        }
        Err(_) => return Err(("has no valid host name or address", Some("write it as \"http://10.0.0.5:8080\"".to_owned()))),
    };
    Ok(Upstream { scheme, host: host.as_str().trim_matches(['[', ']']).into(), port })
}

/// `u16::from_str` takes a plus sign.
fn port_is_plain(rest: &str) -> bool {
    rest.rsplit(':').next().is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}
