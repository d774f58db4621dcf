//! What may be renewed although it has ended.

use std::time::Duration;

use super::pki::{Ca, DAY, NOW, at, ca_params, date, device, device_params};
use super::*;

const GRACE: Duration = Duration::from_secs(30 * 24 * 3600);

/// The end of [`device_params`]' certificates.
const END: i64 = NOW + 10 * DAY;

fn judge_at(trust: &DeviceTrust, chain: &[CertificateDer<'_>], now: i64) -> Result<String, Refusal> {
    trust.verify_for_renewal(chain, at(now), GRACE).map(|device| device.id)
}

#[test]
fn a_certificate_can_be_renewed_until_its_grace_is_over_and_used_for_nothing_else() {
    let ca = Ca::root_with({
        let mut params = ca_params("house");
        params.not_after = date(NOW + 1000 * DAY);
        params
    });
    let (trust, chain) = (trust(&ca), [ca.sign(&device_params())]);
    for now in [NOW, END, END + 1, END + 30 * DAY] {
        assert_eq!(judge_at(&trust, &chain, now).as_deref(), Ok("lap-7"), "{now}");
    }
    let ended = Refusal::Expired { not_after: at(END) };
    assert_eq!(judge_at(&trust, &chain, END + 30 * DAY + 1), Err(ended));
    assert_eq!(trust.verify(&chain, at(END + 1)), Err(ended));
    assert_eq!(trust.verify_for_renewal(&chain, at(END + 1), Duration::ZERO), Err(ended));
    let verdict = trust.verify_for_renewal(&chain, at(END + 1), GRACE).unwrap();
    assert_eq!(verdict.valid_until, at(END), "not to be remembered");
}

#[test]
fn nothing_but_its_end_is_forgiven() {
    let (ca, other) = (Ca::root("house"), Ca::root("other"));
    let now = END + 1;
    let ended = |change: fn(&mut CertificateParams)| judge_at(&trust(&ca), &[ca.sign(&device(change))], now);
    assert!(ended(|_same| ()).is_ok());
    assert_eq!(ended(|p| p.extended_key_usages.clear()), Err(Refusal::WrongPurpose));
    assert_eq!(judge_at(&trust(&ca), &[other.sign(&device_params())], now), Err(Refusal::UnknownAuthority));
}

#[test]
fn whoever_stands_above_it_has_to_be_good_now() {
    let until = |days: i64| {
        let mut params = ca_params("between");
        params.not_after = date(NOW + days * DAY);
        params
    };
    let root = Ca::root_with(until(11));
    let chain = [root.sign(&device_params())];
    assert!(judge_at(&trust(&root), &chain, NOW + 11 * DAY).is_ok());
    assert_eq!(judge_at(&trust(&root), &chain, NOW + 11 * DAY + 1), Err(Refusal::AuthorityNotValid));

    let root = Ca::root_with(until(1000));
    let between = root.below(until(11));
    let chain = [between.sign(&device_params()), between.der.clone()];
    assert!(judge_at(&trust(&root), &chain, NOW + 11 * DAY).is_ok());
    assert_eq!(judge_at(&trust(&root), &chain, NOW + 11 * DAY + 1), Err(Refusal::AuthorityNotValid));
}

#[test]
fn a_withdrawn_one_is_not_renewed_and_lists_have_to_be_fresh_now() {
    let ca = Ca::root("house");
    let chain = [ca.sign(&device_params())];
    let with = |crl| DeviceTrust::new("house", std::slice::from_ref(&ca.der), &[crl], builtin()).unwrap();
    let now = END + 2;
    assert!(judge_at(&with(ca.crl_dated(&[], NOW, now + 1)), &chain, now).is_ok());
    for stale in [now, END + 1, END] {
        assert_eq!(judge_at(&with(ca.crl_dated(&[], NOW, stale)), &chain, now), Err(Refusal::CrlExpired), "{stale}");
    }
    assert_eq!(judge_at(&with(ca.crl_dated(&[b"\x4a\x07"], NOW, now + DAY)), &chain, now), Err(Refusal::Revoked));
}
