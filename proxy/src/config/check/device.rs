//! `[[device_authority]]`

use std::path::PathBuf;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use sekisho_certs::tpm::EndorsementTrust;
use sekisho_certs::trust::{DeviceTrust, IdSource};

use super::checker::Checker;
use super::{DAY, SECOND, files};
use crate::config::checked::{Admit, Approval, DeviceAuthority, DeviceAuthorityKind, DeviceIdSource};
use crate::config::problem::Problem;
use crate::config::raw;
use crate::config::setting::{List, OneOrMore, Section as _, Text};

pub(super) fn all<'a>(
    raw: Option<&'a List<raw::DeviceAuthority>>,
    checker: &mut Checker,
) -> Vec<(&'a raw::DeviceAuthority, DeviceAuthority)> {
    let sections = raw.iter().flat_map(|list| &list.items);
    let authorities: Vec<_> = sections.filter_map(|section| Some((section, one(section, checker)?))).collect();
    super::unique(authorities.iter().map(|(section, authority)| (section.key("name"), &*authority.name)), checker);
    let builtin = authorities.iter().filter(|(_, authority)| matches!(authority.kind, DeviceAuthorityKind::Builtin { .. }));
    for (section, _) in builtin.skip(1) {
        checker.wrong(
            &section.key("builtin"),
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
    let builtin = matches!(kind, DeviceAuthorityKind::Builtin { .. });
    let certificate_facts = super::posture::of_certificates(raw, builtin, checker);
    Some(DeviceAuthority { name: name?, kind, certificate_facts })
}

fn builtin(raw: &raw::DeviceAuthority, checker: &mut Checker) -> DeviceAuthorityKind {
    for given in [&raw.roots, &raw.device_id, &raw.names, &raw.trust_domain, &raw.admit] {
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
        renewal_grace: checker.duration(raw.renewal_grace.as_ref(), 30 * DAY, Duration::ZERO..=90 * DAY),
        renewal_overlap: checker.duration(raw.renewal_overlap.as_ref(), 7 * DAY, Duration::ZERO..=90 * DAY),
        tpm_roots: raw.tpm_roots.as_ref().and_then(|roots| makers(roots, checker)).unwrap_or_default(),
    }
}

fn external(raw: &raw::DeviceAuthority, checker: &mut Checker) -> Option<DeviceAuthorityKind> {
    for given in [&raw.certificate_lifetime, &raw.approval, &raw.renewal_grace, &raw.renewal_overlap, &raw.tpm_roots] {
        checker.useless(given.as_ref(), "without `builtin = true`");
    }
    let services = checker.choice(raw.names.as_ref(), false, &[("devices", false), ("services", true)]);
    let device_id = if services { service_id(raw, checker) } else { Some(device_id(raw, checker)) };
    let admit = checker.choice(raw.admit.as_ref(), Admit::Listed, &[("listed", Admit::Listed), ("any", Admit::Any)]);
    let Some(roots) = &raw.roots else {
        checker.missing_unless(raw, "roots", "write `roots = \"mdm-ca.pem\"` for an authority that exists, or `builtin = true`");
        return None;
    };
    let anchors = trusted(roots, checker);
    let crl = revocation_lists(raw.crl.as_ref(), anchors.as_deref(), checker);
    Some(DeviceAuthorityKind::External { roots: anchors?, crl, device_id: device_id?, admit })
}

fn device_id(raw: &raw::DeviceAuthority, checker: &mut Checker) -> DeviceIdSource {
    checker.useless(raw.trust_domain.as_ref(), "without `names = \"services\"`");
    if raw.device_id.is_none() && raw.roots.is_some() {
        checker.missing(raw, "device_id", "device_id = \"san-uri\"");
    }
    let sources = [
        ("san-uri", &DeviceIdSource::SanUri),
        ("san-dns", &DeviceIdSource::SanDns),
        ("subject-cn", &DeviceIdSource::SubjectCn),
        ("serial", &DeviceIdSource::Serial),
    ];
    checker.choice(raw.device_id.as_ref(), &DeviceIdSource::SanUri, &sources).clone()
}

/// Services are named in one way, and nobody of another trust domain by this authority.
fn service_id(raw: &raw::DeviceAuthority, checker: &mut Checker) -> Option<DeviceIdSource> {
    checker.useless(raw.device_id.as_ref(), "beside `names = \"services\"`, whose names are SPIFFE ids");
    checker.not_reserved(raw.name.as_ref());
    let Some(domain) = &raw.trust_domain else {
        checker.missing(raw, "trust_domain", "trust_domain = \"corp.example\"");
        return None;
    };
    if !sekisho_certs::authority::is_trust_domain(&domain.value) {
        let what = format!("{:?} is not a trust domain", domain.value);
        let instead =
            "write what stands between `spiffe://` and the next `/` in your services' certificates, such as \"corp.example\"";
        checker.wrong(&domain.at, what, instead);
        return None;
    }
    Some(DeviceIdSource::Spiffe { trust_domain: domain.value.as_str().into() })
}

/// The roots of an authority, each of them a CA's.
fn trusted(text: &Text, checker: &mut Checker) -> Option<Vec<CertificateDer<'static>>> {
    let roots = files::certificates(text, checker)?;
    match DeviceTrust::new("", &roots, &[], IdSource::SanUri) {
        Ok(_) => Some(roots),
        Err(error) => {
            checker.report(Problem::new(&text.at, format!("{:?}: {error}", text.value)));
            None
        }
    }
}

/// Makers of TPMs, each of them a CA.
fn makers(text: &Text, checker: &mut Checker) -> Option<Vec<CertificateDer<'static>>> {
    let makers = files::certificates(text, checker)?;
    match EndorsementTrust::new(&makers) {
        Ok(_) => Some(makers),
        Err(error) => {
            checker.report(Problem::new(&text.at, format!("{:?}: {error}", text.value)));
            None
        }
    }
}

/// The files of revocation lists, each of which can be used. Whether they are fresh is judged whenever a device is.
fn revocation_lists(raw: Option<&OneOrMore>, roots: Option<&[CertificateDer<'static>]>, checker: &mut Checker) -> Vec<PathBuf> {
    let Some(OneOrMore(list)) = raw else { return Vec::new() };
    if list.items.is_empty() {
        let instead = "name a file, or take it out: then nothing is checked for revocation";
        checker.wrong(&list.at, "this list is empty", instead);
    }
    for text in &list.items {
        let lists = files::revocation_lists(text, checker);
        let (Some(lists), Some(roots)) = (lists, roots) else { continue };
        if let Err(error) = DeviceTrust::new("", roots, &lists, IdSource::SanUri) {
            checker.report(Problem::new(&text.at, format!("{:?}: {error}", text.value)));
        }
    }
    list.items.iter().map(|text| checker.path(text)).collect()
}
