//! What can be asked for: the one table for the admin socket and for the gate's host.

use http::Method;
use sekisho_policy::Action;

/// A line of the table.
#[derive(Debug)]
pub struct Row {
    /// The method.
    pub method: &'static str,
    /// The path; `{id}` stands for one name.
    pub path: &'static str,
    /// What policy is asked for at the gate's host; `None`: it is done at the admin socket, and nowhere else.
    pub action: Option<Action>,
    /// What is done.
    pub(super) route: Route,
}

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Status,
    Authority,
    Candidate,
    ListDevices,
    AddDevice,
    DevicesOf,
    ShowDevice,
    ApproveDevice,
    SetDevice,
    QuarantineDevice,
    ReleaseDevice,
    RetireDevice,
    Invite,
    ListInvitations,
    WithdrawInvitation,
    ListSessions,
    EndSessions,
    SuspendUser,
    ResumeUser,
    ShowUser,
    Reload,
    ListAdministrators,
    AddAdministrator,
    RemoveAdministrator,
    ShowBreakGlass,
    BeginBreakGlass,
    EndBreakGlass,
}

/// A line that a request is for, with the name in its path.
#[derive(Clone, Copy, Debug)]
pub struct Sought<'a> {
    /// The line.
    pub row: &'static Row,
    pub(super) id: &'a str,
}

/// A request that is for no line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSought {
    /// Nothing has this path.
    Nothing,
    /// Something has it, with another method.
    OtherMethod,
}

impl Row {
    /// Whether it changes anything.
    pub fn changes(&self) -> bool {
        // The name of a person may not stand in a path.
        self.method != "GET" && !matches!(self.route, Route::DevicesOf | Route::ShowUser)
    }

    /// The name in `path`, if this line has that path; empty if it has no name in it.
    fn id_in<'a>(&self, path: &'a str) -> Option<&'a str> {
        let (mut own, mut asked) = (self.path.split('/'), path.split('/'));
        let mut id = "";
        loop {
            match (own.next(), asked.next()) {
                (None, None) => return Some(id),
                (Some("{id}"), Some(name)) if !name.is_empty() => id = name,
                (Some(own), Some(asked)) if own == asked => {}
                _ => return None,
            }
        }
    }
}

/// The line for this request.
///
/// # Errors
/// [`NotSought`].
pub fn seek<'a>(method: &Method, path: &'a str) -> Result<Sought<'a>, NotSought> {
    let mut none = NotSought::Nothing;
    for row in ROUTES {
        let Some(id) = row.id_in(path) else { continue };
        if row.method == method.as_str() {
            return Ok(Sought { row, id });
        }
        none = NotSought::OtherMethod;
    }
    Err(none)
}

const fn row(method: &'static str, path: &'static str, route: Route, action: Option<Action>) -> Row {
    Row { method, path, action, route }
}

const VIEW: Option<Action> = Some(Action::ViewInventory);

/// Over the socket, whoever may open it does all of it. At the gate's host, policy decides by the action that stands here.
pub const ROUTES: &[Row] = &[
    row("GET", "/v1/status", Route::Status, VIEW),
    row("GET", "/v1/ca", Route::Authority, VIEW),
    // It shows who asked for which path, as the record does; no action stands for reading that.
    row("GET", "/v1/candidate", Route::Candidate, None),
    row("GET", "/v1/devices", Route::ListDevices, VIEW),
    row("POST", "/v1/devices", Route::AddDevice, Some(Action::AddDevice)),
    row("POST", "/v1/devices/of", Route::DevicesOf, VIEW),
    row("GET", "/v1/devices/{id}", Route::ShowDevice, VIEW),
    row("POST", "/v1/devices/{id}/approve", Route::ApproveDevice, Some(Action::ApproveDevice)),
    row("POST", "/v1/devices/{id}/set", Route::SetDevice, Some(Action::SetDevice)),
    row("POST", "/v1/devices/{id}/quarantine", Route::QuarantineDevice, Some(Action::QuarantineDevice)),
    row("POST", "/v1/devices/{id}/release", Route::ReleaseDevice, Some(Action::ReleaseDevice)),
    row("POST", "/v1/devices/{id}/retire", Route::RetireDevice, Some(Action::RetireDevice)),
    row("GET", "/v1/invitations", Route::ListInvitations, VIEW),
    row("POST", "/v1/invitations", Route::Invite, Some(Action::InviteDevice)),
    row("POST", "/v1/invitations/{id}/withdraw", Route::WithdrawInvitation, Some(Action::InviteDevice)),
    row("GET", "/v1/sessions", Route::ListSessions, VIEW),
    row("POST", "/v1/sessions/end", Route::EndSessions, Some(Action::EndSession)),
    row("POST", "/v1/users/show", Route::ShowUser, VIEW),
    row("POST", "/v1/users/suspend", Route::SuspendUser, Some(Action::SuspendUser)),
    row("POST", "/v1/users/resume", Route::ResumeUser, Some(Action::ResumeUser)),
    row("POST", "/v1/reload", Route::Reload, Some(Action::Reload)),
    row("GET", "/v1/administrators", Route::ListAdministrators, VIEW),
    // Who may administer is said where the gate runs: no administrator makes others.
    row("POST", "/v1/administrators/add", Route::AddAdministrator, None),
    row("POST", "/v1/administrators/remove", Route::RemoveAdministrator, None),
    // Whoever is let in without a provider is let in where the gate runs.
    row("GET", "/v1/break-glass", Route::ShowBreakGlass, None),
    row("POST", "/v1/break-glass", Route::BeginBreakGlass, None),
    row("POST", "/v1/break-glass/end", Route::EndBreakGlass, None),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn found<'a>(method: &str, path: &'a str) -> Result<(Route, &'a str), NotSought> {
        seek(&method.parse().unwrap(), path).map(|sought| (sought.row.route, sought.id))
    }

    #[test]
    fn a_request_is_for_one_line_or_none() {
        assert_eq!(found("GET", "/v1/devices"), Ok((Route::ListDevices, "")));
        assert_eq!(found("POST", "/v1/devices"), Ok((Route::AddDevice, "")));
        assert_eq!(found("GET", "/v1/devices/lap-7"), Ok((Route::ShowDevice, "lap-7")));
        assert_eq!(found("POST", "/v1/devices/of"), Ok((Route::DevicesOf, "")));
        assert_eq!(found("POST", "/v1/devices/lap-7/retire"), Ok((Route::RetireDevice, "lap-7")));
        for (method, path) in [("POST", "/v1/status"), ("DELETE", "/v1/devices/lap-7"), ("GET", "/v1/reload")] {
            assert_eq!(found(method, path), Err(NotSought::OtherMethod), "{method} {path}");
        }
        for path in
            ["", "/", "/v1", "/v1/", "/v1/devices/", "/v1/devices//retire", "/v1/devices/a/b/c", "v1/status", "/v1/status/"]
        {
            assert_eq!(found("GET", path), Err(NotSought::Nothing), "{path}");
        }
    }

    #[test]
    fn every_administrative_action_stands_for_something() {
        let lines: BTreeSet<_> = ROUTES.iter().map(|row| (row.method, row.path)).collect();
        assert_eq!(lines.len(), ROUTES.len());
        let asked: BTreeSet<Action> = ROUTES.iter().filter_map(|row| row.action).collect();
        let all: BTreeSet<Action> = Action::ALL.into_iter().filter(|action| action.is_administrative()).collect();
        assert_eq!(asked, all);
        for row in ROUTES {
            assert_eq!(row.action == VIEW || row.method == "GET", !row.changes(), "{row:?}");
        }
    }
}
