//! Files that the settings name, and what has to be in them.

use std::path::Path;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};

use super::checker::Checker;
use crate::config::problem::Problem;
use crate::config::setting::Text;
use crate::secret::Secret;

/// The content of a file that may be public.
pub(super) fn read(text: &Text, checker: &mut Checker) -> Option<Vec<u8>> {
    let path = checker.path(text);
    match std::fs::read(&path) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            checker.report(Problem::new(&text.at, format!("{} cannot be read: {error}", path.display())));
            None
        }
    }
}

/// The content of a file that only its owner may read.
pub(super) fn read_private(text: &Text, checker: &mut Checker) -> Option<Secret<Vec<u8>>> {
    let path = checker.path(text);
    if let Some(words) = readable_by_others(&path) {
        checker.wrong(&text.at, words, format!("run `chmod 600 {}`", path.display()));
        return None;
    }
    read(text, checker).map(Secret::new)
}

/// Certificates to trust: at least one, each usable as an anchor.
pub(super) fn roots(text: &Text, checker: &mut Checker) -> Vec<CertificateDer<'static>> {
    let certificates = roots_or_chain(text, checker);
    let mut store = rustls::RootCertStore::empty();
    for (index, certificate) in certificates.iter().enumerate() {
        if let Err(error) = store.add(certificate.clone()) {
            let what = format!("certificate {} of {:?} cannot be trusted as a root: {error}", index + 1, text.value);
            checker.report(Problem::new(&text.at, what));
        }
    }
    certificates
}

fn roots_or_chain(text: &Text, checker: &mut Checker) -> Vec<CertificateDer<'static>> {
    let Some(bytes) = read(text, checker) else { return Vec::new() };
    match CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if certificates.is_empty() => {
            checker.wrong(&text.at, format!("{:?} has no certificate", text.value), "it needs at least one, in PEM");
            certificates
        }
        Ok(certificates) => certificates,
        Err(error) => {
            checker.report(Problem::new(&text.at, format!("{:?} is not whole PEM: {error}", text.value)));
            Vec::new()
        }
    }
}

/// Says whether a file is a revocation list, PEM or DER. Whether it is fresh is judged when devices are.
pub(super) fn revocation_lists(text: &Text, roots: &[CertificateDer<'static>], checker: &mut Checker) {
    let Some(bytes) = read(text, checker) else { return };
    let lists = if bytes.starts_with(b"\x30") {
        vec![CertificateRevocationListDer::from(bytes)]
    } else {
        match CertificateRevocationListDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>() {
            Ok(lists) => lists,
            Err(error) => {
                checker.report(Problem::new(&text.at, format!("{:?} is not whole PEM: {error}", text.value)));
                return;
            }
        }
    };
    if lists.is_empty() {
        checker.wrong(&text.at, format!("{:?} has no revocation list", text.value), "it needs at least one, in PEM or DER");
        return;
    }
    let mut store = rustls::RootCertStore::empty();
    store.add_parsable_certificates(roots.iter().cloned());
    if store.is_empty() {
        return; // The roots have been reported.
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider);
    if let Err(error) = verifier.with_crls(lists).build() {
        checker.report(Problem::new(&text.at, format!("{:?} is not a revocation list: {error}", text.value)));
    }
}

/// A certificate chain and its private key.
pub(super) fn pair(chain: &Text, key: &Text, checker: &mut Checker) -> Option<()> {
    let certificates = roots_or_chain(chain, checker);
    let key = read_private(key, checker);
    (!certificates.is_empty() && key.is_some()).then_some(())
}

/// One line of text in a private file.
pub(super) fn secret_line(text: &Text, checker: &mut Checker) -> Option<Secret<String>> {
    let bytes = read_private(text, checker)?;
    let line = std::str::from_utf8(bytes.expose()).ok().map(|line| line.trim_end_matches(['\n', '\r']));
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

#[cfg(unix)]
fn readable_by_others(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| format!("{} is a secret, and others can read it (mode {mode:04o})", path.display()))
}

#[cfg(not(unix))]
fn readable_by_others(_path: &Path) -> Option<String> {
    None
}
