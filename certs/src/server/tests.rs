//! Server certificates: read, refused, and chosen by name.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};
use rustls_pki_types::UnixTime;
use time::OffsetDateTime;

use super::{BySni, NoServerCertificate, ServerCertificate, ServerCertificateError as Refusal};
use crate::pem;

const NOW: i64 = 1_800_000_000;

fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(NOW.unsigned_abs()))
}

fn pair(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.not_before = OffsetDateTime::from_unix_timestamp(NOW - 10).unwrap();
    params.not_after = OffsetDateTime::from_unix_timestamp(NOW + 10).unwrap();
    change(&mut params);
    (pem::encode(params.self_signed(&key).unwrap().der()), key.serialize_pem())
}

fn load(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Result<ServerCertificate, Refusal> {
    let (chain, key) = pair(names, change);
    ServerCertificate::from_pem(chain.as_bytes(), key.as_bytes(), now())
}

#[test]
fn a_good_pair_tells_what_it_covers() {
    let server = load(&["Wiki.Corp.Example", "*.apps.example", "127.0.0.1", "::1"], |_same| ()).unwrap();
    assert_eq!(*server.names(), ["wiki.corp.example", "*.apps.example", "127.0.0.1", "[::1]"]);
    for host in ["wiki.corp.example", "a.apps.example", "127.0.0.1", "[::1]"] {
        assert!(server.covers(host), "{host}");
    }
    for host in ["apps.example", "a.b.apps.example", ".apps.example", "xwiki.corp.example", "corp.example", "127.0.0.2", ""] {
        assert!(!server.covers(host), "{host}");
    }
}

#[test]
fn each_wrong_fact_is_its_own_refusal() {
    let refused = |change: fn(&mut CertificateParams)| load(&["a.example"], change).map(drop).unwrap_err();
    assert!(matches!(refused(|p| p.subject_alt_names.clear()), Refusal::NoNames));
    assert!(matches!(refused(|p| p.not_after = OffsetDateTime::from_unix_timestamp(NOW - 1).unwrap()), Refusal::Expired(_)));
    assert!(matches!(refused(|p| p.not_before = OffsetDateTime::from_unix_timestamp(NOW + 1).unwrap()), Refusal::NotYetValid(_)));
    assert!(matches!(refused(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]), Refusal::NotForServers));
    assert!(load(&["a.example"], |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]).is_ok());
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let ((chain, key), (_, other_key)) = (pair(&["a.example"], |_same| ()), pair(&["a.example"], |_same| ()));
    let load = |chain: &str, key: &str| ServerCertificate::from_pem(chain.as_bytes(), key.as_bytes(), now()).map(drop);
    assert_eq!(load(&chain, &key), Ok(()));
    assert_eq!(load(&chain, &other_key), Err(Refusal::KeyDoesNotMatch));
    assert_eq!(load(&chain, &chain), Err(Refusal::NoKey));
    assert_eq!(load(&chain, ""), Err(Refusal::NoKey));
    assert!(matches!(load(&key, &key), Err(Refusal::Chain(_))));
    assert!(matches!(load("", &key), Err(Refusal::Chain(_))));
}

#[test]
fn the_name_chooses_the_certificate() {
    let certificate = |names: &[&str]| Arc::new(load(names, |_same| ()).unwrap());
    let (first, wildcard, exact) = (certificate(&["gate.example"]), certificate(&["*.example"]), certificate(&["wiki.example"]));
    let by_sni = BySni::new(vec![Arc::clone(&first), Arc::clone(&wildcard), Arc::clone(&exact)]).unwrap();
    for (sni, expected) in [
        (Some("wiki.example"), &exact),
        (Some("WIKI.example."), &exact),
        (Some("other.example"), &wildcard),
        (Some("gate.example"), &first),
        (Some("a.b.example"), &first),
        (Some("evil.test"), &first),
        (None, &first),
    ] {
        assert!(Arc::ptr_eq(by_sni.choose(sni), expected), "{sni:?}");
    }
    assert!(matches!(BySni::new(Vec::new()), Err(NoServerCertificate)));
}
