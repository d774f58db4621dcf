//! `[enrolment]`

use super::checker::Checker;
use crate::config::checked::{DeviceAuthority, DeviceAuthorityKind, Enrolment};
use crate::config::raw;
use crate::config::setting::Section as _;

/// `authorities` are those that could be read.
pub(super) fn enrolment(
    raw: Option<&raw::Enrolment>,
    authorities: &[(&raw::DeviceAuthority, DeviceAuthority)],
    checker: &mut Checker,
) -> Enrolment {
    let absent = raw::Enrolment::absent("enrolment");
    let raw = raw.unwrap_or(&absent);
    let self_service = raw.self_service.as_ref().is_some_and(|flag| flag.value);
    let builtin = authorities.iter().any(|(_, authority)| matches!(authority.kind, DeviceAuthorityKind::Builtin { .. }));
    let broken = checker.problems().iter().any(|problem| problem.path.starts_with("device_authority"));
    if self_service && !builtin && !broken {
        checker.wrong(
            &raw.key("self_service"),
            "no device authority is `builtin`, so there is nobody to sign a certificate for an invited device",
            "add a `[[device_authority]]` with `builtin = true`, or take this out",
        );
    }
    let devices_per_person = checker.number(raw.devices_per_person.as_ref(), 10, 1..=1000);
    Enrolment {
        self_service,
        devices_per_person,
        invitations_per_person: checker.number(raw.invitations_per_person.as_ref(), 3, 1..=100),
    }
}
