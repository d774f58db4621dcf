//! From checked settings to what TLS shows and whom it trusts.

use std::sync::Arc;
use std::time::Duration;

use rustls::DistinguishedName;
use rustls_pki_types::UnixTime;
use sekisho_certs::server::ServerCertificate;
use sekisho_certs::trust::{DeviceTrust, IdSource};
use sekisho_certs::{authority, files, pem};

use crate::clock::Timestamp;
use crate::config::{Config, DeviceAuthorityKind, DeviceIdSource, ServerCertificateFiles};
use crate::identify_device::{Authority, Identifier};

/// The certificates that the gate shows.
///
/// # Errors
/// Every problem in words.
pub(super) fn server_certificates(config: &Config, now: Timestamp) -> Result<Vec<Arc<ServerCertificate>>, Vec<String>> {
    let mut problems = Vec::new();
    let mut certificates = Vec::new();
    for files in &config.server_certificates {
        match server_certificate(files, now) {
            Ok(certificate) => certificates.push(Arc::new(certificate)),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(certificates) } else { Err(problems) }
}

/// The device authorities, and the names that browsers get as hints.
///
/// # Errors
/// Every problem in words.
pub(super) fn device_authorities(
    config: &Config,
    builtin: Option<&authority::Authority>,
) -> Result<(Identifier, Vec<DistinguishedName>), Vec<String>> {
    let mut problems = Vec::new();
    let mut authorities = Vec::new();
    for configured in &config.device_authorities {
        let made = match &configured.kind {
            DeviceAuthorityKind::Builtin { .. } => match builtin {
                Some(house) => {
                    let trust = house.trust(&configured.name).map_err(|e| e.to_string());
                    trust.map(|trust| Authority { trust, admit: None, services: false })
                }
                None => Err("it has not been made".to_owned()),
            },
            DeviceAuthorityKind::External { roots, crl, device_id, admit } => read_lists(crl).and_then(|lists| {
                let services = matches!(device_id, DeviceIdSource::Spiffe { .. });
                let extensions = configured.certificate_facts.iter().map(|fact| Arc::clone(&fact.oid)).collect();
                DeviceTrust::new(&configured.name, roots, &lists, id_source(device_id))
                    .map(|trust| Authority { trust: trust.reading(extensions), admit: Some(*admit), services })
                    .map_err(|error| error.to_string())
            }),
        };
        match made {
            Ok(authority) => authorities.push(authority),
            Err(problem) => problems.push(format!("device_authority `{}`: {problem}", configured.name)),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    // Programs know which certificate is theirs; a person's browser would only be led to offer one of these.
    let of_people = authorities.iter().filter(|authority| !authority.services);
    let hints = of_people.flat_map(|authority| authority.trust.root_subjects()).collect();
    Ok((Identifier::new(authorities), hints))
}

/// For libraries that count from the epoch themselves.
pub(super) fn unix_time(at: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(at.0).unwrap_or(0)))
}

fn server_certificate(of: &ServerCertificateFiles, now: Timestamp) -> Result<ServerCertificate, String> {
    let chain_pem = files::read_public(&of.chain).map_err(|error| error.to_string())?;
    let key_pem = files::read_secret(&of.key, of.readers).map_err(|error| error.to_string())?;
    ServerCertificate::from_pem(&chain_pem, &key_pem, unix_time(now)).map_err(|error| format!("{}: {error}", of.chain.display()))
}

fn read_lists(paths: &[std::path::PathBuf]) -> Result<Vec<rustls_pki_types::CertificateRevocationListDer<'static>>, String> {
    let mut lists = Vec::new();
    for path in paths {
        let bytes = files::read_public(path).map_err(|error| error.to_string())?;
        lists.extend(pem::revocation_lists(&bytes).map_err(|error| format!("{}: {error}", path.display()))?);
    }
    Ok(lists)
}

fn id_source(source: &DeviceIdSource) -> IdSource {
    match source {
        DeviceIdSource::SanUri => IdSource::SanUri,
        DeviceIdSource::SanDns => IdSource::SanDns,
        DeviceIdSource::SubjectCn => IdSource::SubjectCn,
        DeviceIdSource::Serial => IdSource::Serial,
        DeviceIdSource::Spiffe { trust_domain } => IdSource::Spiffe { trust_domain: Arc::clone(trust_domain) },
    }
}
