//! `[[device_authority]]`

use super::checker::Checker;
use super::{DAY, SECOND, files};
use crate::config::checked::{Admit, Approval, DeviceAuthority, DeviceAuthorityKind, DeviceIdSource};
use crate::config::problem::At;
use crate::config::raw;
use crate::config::setting::List;

pub(super) fn all(raw: Option<&List<raw::DeviceAuthority>>, checker: &mut Checker) -> Vec<(At, DeviceAuthority)> {
    let sections = raw.iter().flat_map(|list| &list.items);
    let authorities: Vec<_> = sections.filter_map(|section| Some((section.at.clone(), one(section, checker)?))).collect();
    super::unique(authorities.iter().map(|(at, authority)| (at, &*authority.name)), "name", checker);
    let builtin = authorities.iter().filter(|(_, authority)| matches!(authority.kind, DeviceAuthorityKind::Builtin { .. }));
    for (at, _) in builtin.skip(1) {
        checker.wrong(
            &at.key("builtin", at.place.clone()),
            "there is a builtin authority already",
            "the state folder holds one; take this out",
        );
    }
    authorities
}

fn one(raw: &raw::DeviceAuthority, checker: &mut Checker) -> Option<DeviceAuthority> {
    let name = checker.name(raw, raw.name.as_ref(), "name = \"house\"");
    let kind =
        if raw.builtin.as_ref().is_some_and(|builtin| builtin.value) { builtin(raw, checker) } else { external(raw, checker)? };
    Some(DeviceAuthority { name: name?, kind })
}

fn builtin(raw: &raw::DeviceAuthority, checker: &mut Checker) -> DeviceAuthorityKind {
    for given in [&raw.roots, &raw.device_id, &raw.admit] {
        checker.useless(given.as_ref(), "beside `builtin = true`");
    }
    if let Some(crl) = &raw.crl {
        checker.wrong(
            &crl.0.at,
            "this has no effect beside `builtin = true`",
            "take it out: the inventory says which devices may pass",
        );
    }
    let approvals = [("administrator", Approval::Administrator), ("code", Approval::Code)];
    DeviceAuthorityKind::Builtin {
        certificate_lifetime: checker.duration(raw.certificate_lifetime.as_ref(), 90 * DAY, SECOND..=825 * DAY),
        approval: checker.choice(raw.approval.as_ref(), Approval::Administrator, &approvals),
    }
}

fn external(raw: &raw::DeviceAuthority, checker: &mut Checker) -> Option<DeviceAuthorityKind> {
    for given in [&raw.certificate_lifetime, &raw.approval] {
        checker.useless(given.as_ref(), "without `builtin = true`");
    }
    let sources = [
        ("san-uri", DeviceIdSource::SanUri),
        ("san-dns", DeviceIdSource::SanDns),
        ("subject-cn", DeviceIdSource::SubjectCn),
        ("serial", DeviceIdSource::Serial),
    ];
    if raw.device_id.is_none() && raw.roots.is_some() {
        checker.missing(raw, "device_id", "device_id = \"san-uri\"");
    }
    let device_id = checker.choice(raw.device_id.as_ref(), DeviceIdSource::SanUri, &sources);
    let admit = checker.choice(raw.admit.as_ref(), Admit::Listed, &[("listed", Admit::Listed), ("any", Admit::Any)]);
    let Some(roots) = &raw.roots else {
        checker.missing_unless(raw, "roots", "write `roots = \"mdm-ca.pem\"` for an authority that exists, or `builtin = true`");
        return None;
    };
    let roots = files::roots(roots, checker);
    let mut crl = Vec::new();
    if let Some(list) = &raw.crl {
        if list.0.items.is_empty() {
            checker.wrong(
                &list.0.at,
                "this list is empty",
                "name a file, or take it out: then nothing is checked for revocation",
            );
        }
        for text in &list.0.items {
            files::revocation_lists(text, &roots, checker);
            crl.push(checker.path(text));
        }
    }
    Some(DeviceAuthorityKind::External { roots, crl, device_id, admit })
}
