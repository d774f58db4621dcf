//! A root and server certificates for one's own machine and for tests: what `quickstart` shows browsers.
//!
//! The root can vouch for hosts below the domains that it was made for and for loopback addresses, and for nothing else (name
//! constraints, RFC 5280, 4.2.1.10): whoever gets hold of its key cannot use it against a browser that trusts it.

use std::path::Path;
use std::time::Duration;

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::entropy::{self, NoEntropy, hex};
use crate::files::{self, FileError};
use crate::pem::{self, PemError};

/// A root with its key.
pub struct LocalRoot {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    key_pem: Zeroizing<String>,
}

/// A server certificate with its key, both PEM, the root not among them.
#[derive(Debug)]
pub struct LocalServer {
    /// The certificate.
    pub chain_pem: String,
    /// The private key, PKCS#8.
    pub key_pem: Zeroizing<String>,
}

/// The root or a certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LocalRootError {
    /// A name is not a host name or an address.
    #[error("{0} is not a host name")]
    Name(String),
    /// The clock is outside what certificates can say.
    #[error("the current time cannot be written into a certificate")]
    Time,
    /// The files that are there are not a root of ours.
    #[error("local root: {0}")]
    Certificate(#[from] PemError),
    /// The files that are there are not a pair.
    #[error("local root: certificate and key are not a pair")]
    NotAPair,
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// No randomness.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
    /// The crypto library refused.
    #[error("the crypto library refused: {0}")]
    Crypto(#[from] rcgen::Error),
}

impl LocalRoot {
    /// Makes a root for hosts at or below `domains` (such as `localhost`), for two years.
    ///
    /// # Errors
    /// [`LocalRootError`].
    pub fn create(domains: &[&str], now: UnixTime) -> Result<Self, LocalRootError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let serial = entropy::serial()?;
        let mut params = CertificateParams::default();
        (params.not_before, params.not_after) = dates(now, ROOT_LIFETIME)?;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.distinguished_name = DistinguishedName::new();
        let mark = hex(serial.get(..4).unwrap_or_default());
        params.distinguished_name.push(DnType::CommonName, format!("Sekisho local root {mark} (for this machine only)"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let domains = domains.iter().map(|domain| GeneralSubtree::DnsName((*domain).to_owned()));
        let loopback = [
            CidrSubnet::from_v4_prefix([127, 0, 0, 0], 8),
            CidrSubnet::from_v6_prefix(std::net::Ipv6Addr::LOCALHOST.octets(), 128),
        ];
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: domains.chain(loopback.into_iter().map(GeneralSubtree::IpAddress)).collect(),
            excluded_subtrees: Vec::new(),
        });
        let certificate = params.self_signed(&key)?.der().clone();
        let key_pem = Zeroizing::new(key.serialize_pem());
        Ok(Self { issuer: Issuer::new(params, key), certificate, key_pem })
    }

    /// Opens the root in `dir` (`root.pem`, `root.key`), or makes one there.
    ///
    /// # Errors
    /// [`LocalRootError`].
    pub fn open_or_create(dir: &Path, domains: &[&str], now: UnixTime) -> Result<Self, LocalRootError> {
        files::private_dir(dir)?;
        let (cert_path, key_path) = (dir.join("root.pem"), dir.join("root.key"));
        if files::exists(&cert_path)? && files::exists(&key_path)? {
            return Self::load(&files::read_public(&cert_path)?, &files::read_private_text(&key_path)?);
        }
        let root = Self::create(domains, now)?;
        files::write_private(&key_path, root.key_pem.as_bytes())?;
        files::write_public(&cert_path, root.certificate_pem().as_bytes())?;
        Ok(root)
    }

    fn load(cert_pem: &[u8], key_pem: &str) -> Result<Self, LocalRootError> {
        let certificate = pem::certificates(cert_pem)?.into_iter().next().ok_or(PemError::Nothing("certificate"))?;
        let key = KeyPair::from_pem(key_pem)?;
        let parsed = crate::x509::parse(&certificate).map_err(|_unreadable| LocalRootError::NotAPair)?;
        if parsed.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
            return Err(LocalRootError::NotAPair);
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        Ok(Self { issuer, certificate, key_pem: Zeroizing::new(key_pem.to_owned()) })
    }

    /// The root's certificate, which clients are told to trust.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The same in PEM.
    pub fn certificate_pem(&self) -> String {
        pem::encode(&self.certificate)
    }

    /// Makes a key and a server certificate for exactly these host names and addresses, for 90 days. Browsers do not take a
    /// wildcard right under a top-level name (`*.localhost`): name each host.
    ///
    /// # Errors
    /// [`LocalRootError`].
    pub fn server(&self, names: &[&str], now: UnixTime) -> Result<LocalServer, LocalRootError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        (params.not_before, params.not_after) = dates(now, SERVER_LIFETIME)?;
        params.serial_number = Some(SerialNumber::from_slice(&entropy::serial()?));
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Sekisho local server");
        params.subject_alt_names = names.iter().map(|name| san(name)).collect::<Result<_, _>>()?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(LocalServer { chain_pem: pem::encode(certificate.der()), key_pem: Zeroizing::new(key.serialize_pem()) })
    }
}

impl std::fmt::Debug for LocalRoot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LocalRoot([redacted])")
    }
}

fn san(name: &str) -> Result<SanType, LocalRootError> {
    match name.trim_start_matches('[').trim_end_matches(']').parse() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_not_an_address) => {
            Ok(SanType::DnsName(Ia5String::try_from(name).map_err(|_not_ascii| LocalRootError::Name(name.to_owned()))?))
        }
    }
}

fn dates(now: UnixTime, lifetime: Duration) -> Result<(OffsetDateTime, OffsetDateTime), LocalRootError> {
    let date = |seconds: u64| crate::authority::date(seconds).ok_or(LocalRootError::Time);
    Ok((date(now.as_secs().saturating_sub(3600))?, date(now.as_secs().saturating_add(lifetime.as_secs()))?))
}

/// Two years.
const ROOT_LIFETIME: Duration = Duration::from_secs(2 * 365 * 86_400);
/// Ninety days.
const SERVER_LIFETIME: Duration = Duration::from_secs(90 * 86_400);

#[cfg(test)]
mod tests {
    use rustls_pki_types::ServerName;
    use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

    use super::*;

    fn now() -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000))
    }

    fn is_good(root: &LocalRoot, made_for: &[&str], host: &str) -> Result<(), webpki::Error> {
        let server = root.server(made_for, now()).unwrap();
        let chain = pem::certificates(server.chain_pem.as_bytes()).unwrap();
        let leaf = EndEntityCert::try_from(&chain[0]).unwrap();
        let anchor = anchor_from_trusted_cert(root.certificate()).unwrap();
        let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
        leaf.verify_for_usage(algorithms.all, &[anchor], &[], now(), KeyUsage::server_auth(), None, None)?;
        leaf.verify_is_valid_for_subject_name(&ServerName::try_from(host).unwrap())
    }

    #[test]
    fn clients_that_trust_the_root_take_its_servers() {
        let root = LocalRoot::create(&["localhost"], now()).unwrap();
        let names = ["gate.localhost", "wiki.localhost", "127.0.0.1", "::1"];
        for host in names {
            assert_eq!(is_good(&root, &names, host), Ok(()), "{host}");
        }
        assert!(is_good(&root, &names, "other.localhost").is_err());
    }

    #[test]
    fn the_root_vouches_for_nobody_else() {
        let root = LocalRoot::create(&["localhost"], now()).unwrap();
        for foreign in ["bank.example", "notlocalhost", "192.0.2.1"] {
            assert_eq!(is_good(&root, &[foreign], foreign), Err(webpki::Error::NameConstraintViolation), "{foreign}");
        }
    }

    #[test]
    fn the_root_stays_the_same_when_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let first = LocalRoot::open_or_create(dir.path(), &["localhost"], now()).unwrap();
        let again = LocalRoot::open_or_create(dir.path(), &["localhost"], now()).unwrap();
        assert_eq!(first.certificate(), again.certificate());
        assert_eq!(is_good(&again, &["a.localhost"], "a.localhost"), Ok(()));
    }
}
