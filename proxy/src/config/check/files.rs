//! Files that the settings name, and what has to be in them.

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use sekisho_certs::files::{self, Readers};
use sekisho_certs::pem;
use sekisho_certs::server::{ServerCertificate, ServerCertificateError};

use super::checker::Checker;
use crate::clock::Timestamp;
use crate::config::problem::Problem;
use crate::config::setting::{Flag, Text};
use crate::secret::Secret;

/// The content of a file that may be public.
pub(super) fn read(text: &Text, checker: &mut Checker) -> Option<Vec<u8>> {
    let path = checker.path(text);
    files::read_public(&path).map_err(|error| checker.report(Problem::new(&text.at, error.to_string()))).ok()
}

/// The content of a file that only its owner may read, unless `shared` says that others may: a key that is called `key` beside it.
fn read_private(text: &Text, shared: Shared, checker: &mut Checker) -> Option<zeroize::Zeroizing<Vec<u8>>> {
    let path = checker.path(text);
    files::read_secret(&path, shared.readers)
        .map_err(|error| {
            let way_out = shared.readers == Readers::Owner && error.is_only_about_reading();
            let problem = Problem::new(&text.at, error.to_string());
            checker.report(match way_out {
                true => problem
                    .instead(format!("where a mount sets the mode and it cannot be changed, write `{} = true`", shared.key)),
                false => problem,
            });
        })
        .ok()
}

/// Who may read a private file, and the key that says so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared {
    readers: Readers,
    key: &'static str,
}

impl Shared {
    pub(super) fn new(key: &'static str, flag: Option<&Flag>) -> Self {
        let readers = if flag.is_some_and(|flag| flag.value) { Readers::Others } else { Readers::Owner };
        Self { readers, key }
    }

    pub(super) fn readers(self) -> Readers {
        self.readers
    }
}

/// All certificates of a PEM file, at least one.
pub(super) fn certificates(text: &Text, checker: &mut Checker) -> Option<Vec<CertificateDer<'static>>> {
    let bytes = read(text, checker)?;
    let certificates = pem::certificates(&bytes);
    certificates.map_err(|error| checker.report(Problem::new(&text.at, format!("{:?}: {error}", text.value)))).ok()
}

/// Certificates to trust an https server by, each usable as an anchor.
pub(super) fn roots(text: &Text, checker: &mut Checker) -> Vec<CertificateDer<'static>> {
    let certificates = certificates(text, checker).unwrap_or_default();
    let mut store = rustls::RootCertStore::empty();
    for (index, certificate) in certificates.iter().enumerate() {
        if let Err(error) = store.add(certificate.clone()) {
            let what = format!("certificate {} of {:?} cannot be trusted as a root: {error}", index + 1, text.value);
            checker.report(Problem::new(&text.at, what));
        }
    }
    certificates
}

/// The revocation lists of a file, PEM or DER, at least one.
pub(super) fn revocation_lists(text: &Text, checker: &mut Checker) -> Option<Vec<CertificateRevocationListDer<'static>>> {
    let bytes = read(text, checker)?;
    let lists = pem::revocation_lists(&bytes);
    lists.map_err(|error| checker.report(Problem::new(&text.at, format!("{:?}: {error}", text.value)))).ok()
}

/// A certificate to show to browsers, with its key. Both files are read whatever is wrong with the other.
pub(super) fn server_certificate(chain: &Text, key: &Text, shared: Shared, checker: &mut Checker) -> Option<ServerCertificate> {
    let certificates = certificates(chain, checker);
    let key_pem = read_private(key, shared, checker);
    let (certificates, key_pem) = (certificates?, key_pem?);
    let private = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|_details| ServerCertificateError::NoKey);
    match private.and_then(|private| ServerCertificate::new(certificates, private, checker.unix_time())) {
        Ok(certificate) => Some(certificate),
        Err(error) => {
            use ServerCertificateError::{KeyDoesNotMatch, NoKey, UnusableKey};

            let text = if matches!(error, NoKey | UnusableKey | KeyDoesNotMatch) { key } else { chain };
            let words = match error {
                ServerCertificateError::Expired(at) => format!("the certificate expired at {}", time(at)),
                ServerCertificateError::NotYetValid(at) => format!("the certificate is not valid before {}", time(at)),
                other => other.to_string(),
            };
            checker.report(Problem::new(&text.at, format!("{:?}: {words}", text.value)));
            None
        }
    }
}

fn time(at: UnixTime) -> Timestamp {
    Timestamp::from_secs(i64::try_from(at.as_secs()).unwrap_or(i64::MAX))
}

/// A certificate to show to an app, with its key.
pub(super) fn client_certificate(chain: &Text, key: &Text, shared: Shared, checker: &mut Checker) -> Option<()> {
    let certificates = certificates(chain, checker);
    let key_pem = read_private(key, shared, checker);
    let (certificates, key_pem) = (certificates?, key_pem?);
    let Ok(private) = PrivateKeyDer::from_pem_slice(&key_pem) else {
        let what = format!("{:?}: {}", key.value, ServerCertificateError::NoKey);
        checker.report(Problem::new(&key.at, what));
        return None;
    };
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    if rustls::sign::CertifiedKey::from_der(certificates, private, &provider).is_err() {
        let what = format!("{:?} cannot be used, or does not belong to the first certificate of the chain", key.value);
        checker.report(Problem::new(&key.at, what));
        return None;
    }
    Some(())
}

/// One line of text in a private file.
pub(super) fn secret_line(text: &Text, shared: Shared, checker: &mut Checker) -> Option<Secret<String>> {
    let bytes = read_private(text, shared, checker)?;
    let line = std::str::from_utf8(&bytes).ok().map(|line| line.trim_end_matches(['\n', '\r']));
    match line {
        Some(line) if !line.is_empty() && !line.chars().any(char::is_control) => Some(Secret::new(line.to_owned())),
        _ => {
            checker.wrong(
                &text.at,
                format!("{:?} does not hold one line of text", text.value),
                "write the secret into it, alone",
            );
            None
        }
    }
}
