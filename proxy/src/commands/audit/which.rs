//! Which requests are asked for.

use clap::{Args, ValueEnum};

use crate::record::read::{Filter, StatusWanted};
use crate::record::{Decision, EventKind};
use crate::store::{did_you_mean, near};

/// The options that say which. Each may be given several times: any of them.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which")]
pub(in crate::commands) struct WhichArgs {
    /// Of this device, or with a credential stolen from it
    #[arg(long, value_name = "ID")]
    pub(in crate::commands) device: Vec<String>,
    /// Of this person, or with their credential: an e-mail address or provider/subject
    #[arg(long, value_name = "WHO")]
    pub(in crate::commands) user: Vec<String>,
    /// In this session, or with its stolen credential
    #[arg(long, value_name = "ID")]
    pub(in crate::commands) session: Vec<String>,
    /// To this app
    #[arg(long, value_name = "NAME")]
    pub(in crate::commands) app: Vec<String>,
    /// To this path and what is below it, by segment
    #[arg(long, value_name = "PREFIX", value_parser = path)]
    path: Vec<String>,
    /// To this host
    #[arg(long)]
    pub(in crate::commands) host: Vec<String>,
    /// With this HTTP method
    #[arg(long)]
    method: Vec<String>,
    /// With this outcome: let through, refused, or answered by the gate itself
    #[arg(long)]
    decision: Vec<DecisionWanted>,
    /// With this reason, such as `no_permit`
    #[arg(long, value_name = "WORD")]
    pub(in crate::commands) reason: Vec<String>,
    /// Answered with this status, or one like `4xx`
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Vec<StatusWanted>,
    /// Only events, and of this kind, such as `device_approved`
    #[arg(long, value_name = "KIND", value_parser = event)]
    event: Vec<EventKind>,
    /// With this id, as pages, answers and `X-Request-Id` show it
    #[arg(long, value_name = "ID")]
    pub(in crate::commands) request: Vec<String>,
    /// Decided by this policy
    #[arg(long, value_name = "ID")]
    pub(in crate::commands) policy: Vec<String>,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::commands) enum DecisionWanted {
    /// It went to the app
    Allow,
    /// It did not
    Deny,
    /// It was for the gate itself: sign-in and the like
    Own,
}

impl WhichArgs {
    /// The filter, with people by their ids.
    pub(in crate::commands) fn filter(&self, users: Vec<String>) -> Filter {
        Filter {
            devices: self.device.clone(),
            users,
            sessions: self.session.clone(),
            apps: self.app.clone(),
            paths: self.path.clone(),
            // Hosts have no case, and methods have one that nobody types.
            hosts: self.host.iter().map(|host| host.to_ascii_lowercase()).collect(),
            methods: self.method.iter().map(|method| method.to_ascii_uppercase()).collect(),
            decisions: self.decision.iter().map(|decision| decision.meant()).collect(),
            reasons: self.reason.clone(),
            statuses: self.status.clone(),
            requests: self.request.clone(),
            policies: self.policy.clone(),
            events: self.event.clone(),
        }
    }
}

impl DecisionWanted {
    fn meant(self) -> Decision {
        match self {
            Self::Allow => Decision::Allow,
            Self::Deny => Decision::Deny,
            Self::Own => Decision::Own,
        }
    }
}

/// As lines have paths; another beginning would never be found.
fn path(text: &str) -> Result<String, String> {
    if text.starts_with('/') || text == "*" { Ok(text.to_owned()) } else { Err(format!("a path begins with a slash: `/{text}`")) }
}

/// A kind of events that this version knows.
fn event(text: &str) -> Result<EventKind, String> {
    let known = EventKind::ALL.into_iter().find(|kind| kind.as_str() == text);
    known.ok_or_else(|| {
        let words = EventKind::ALL.map(EventKind::as_str);
        match near(text, words.into_iter()).as_slice() {
            [] => format!("there is no event `{text}`; there are {}", words.join(", ")),
            near => format!("there is no event `{text}`{}", did_you_mean(near)),
        }
    })
}

/// `403` or `4xx`.
fn status(text: &str) -> Result<StatusWanted, String> {
    let wrong = || format!("`{text}` is no status: write one such as 403, or 4xx for all of a hundred");
    let class = text.strip_suffix("xx").map(|class| class.parse().map(StatusWanted::Class));
    let wanted = class.unwrap_or_else(|| text.parse().map(StatusWanted::Exactly)).map_err(|_no_number| wrong())?;
    let known = match wanted {
        StatusWanted::Exactly(status) => (100..=599).contains(&status),
        StatusWanted::Class(class) => (1..=5).contains(&class),
    };
    known.then_some(wanted).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_begins_with_a_slash() {
        assert_eq!(path("/files"), Ok("/files".to_owned()));
        assert_eq!(path("files"), Err("a path begins with a slash: `/files`".to_owned()));
        assert!(path("").is_err());
    }

    #[test]
    fn an_event_is_one_that_there_is() {
        assert_eq!(event("device_approved"), Ok(EventKind::DeviceApproved));
        assert!(event("device_aproved").unwrap_err().contains("`device_approved`"));
        assert!(event("x").unwrap_err().contains("there are gate_started, "));
    }

    #[test]
    fn a_status_is_one_or_a_hundred() {
        assert_eq!(status("403"), Ok(StatusWanted::Exactly(403)));
        assert_eq!(status("4xx"), Ok(StatusWanted::Class(4)));
        for bad in ["", "xx", "4", "6xx", "40x", "600", "4xxx", "-4xx", "forbidden"] {
            assert!(status(bad).unwrap_err().contains("such as 403"), "{bad}");
        }
    }
}
