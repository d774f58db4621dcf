//! The TPM's own key, which its maker vouches for, and what it opens.

use std::sync::Arc;

use tss_esapi::abstraction::{AsymmetricAlgorithmSelection, ek};
use tss_esapi::constants::{CapabilityType, SessionType};
use tss_esapi::handles::{AuthHandle, KeyHandle, SessionHandle};
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::interface_types::ecc::EccCurve;
use tss_esapi::interface_types::key_bits::RsaKeyBits;
use tss_esapi::interface_types::resource_handles::Hierarchy;
use tss_esapi::interface_types::session_handles::{AuthSession, PolicySession};
use tss_esapi::structures::{CapabilityData, EncryptedSecret, IdObject, SymmetricDefinition};
use tss_esapi::{Context, WrapperErrorKind};

use crate::{Tpm, TpmError, TpmKey, with_password};

/// The certificate of a TPM's endorsement key.
#[derive(Clone, Debug)]
pub struct Endorsement {
    certificate: Vec<u8>,
    kind: AsymmetricAlgorithmSelection,
}

impl Endorsement {
    /// DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }
}

impl Tpm {
    /// The certificate that its maker put into it: of the RSA key, or of the one on P-256.
    ///
    /// # Errors
    /// [`TpmError::NoCertificate`], [`TpmError::Refused`].
    pub fn endorsement(&self) -> Result<Endorsement, TpmError> {
        let read = self.with("give its certificate", |context| {
            for (index, kind) in KINDS {
                // Asked for first: the library complains to the terminal of what is not there.
                if has_index(context, index)? {
                    let certificate = ek::retrieve_ek_pubcert(context, kind)?;
                    return Ok(Some(Endorsement { certificate: without_padding(certificate), kind }));
                }
            }
            Ok(None)
        })?;
        read.ok_or(TpmError::NoCertificate)
    }

    /// Opens what was locked up for the endorsement key and for `key`, which has to be in this TPM.
    ///
    /// # Errors
    /// [`TpmError::Refused`] if it was locked up for another TPM or another key.
    pub fn activate(
        self: &Arc<Self>,
        endorsement: &Endorsement,
        key: &TpmKey,
        blob: &[u8],
        secret: &[u8],
    ) -> Result<Vec<u8>, TpmError> {
        self.with("open the gate's challenge", |context| {
            let (blob, secret) = (IdObject::try_from(blob.to_vec())?, EncryptedSecret::try_from(secret.to_vec())?);
            let template = ek::create_ek_public_from_default_template_2(endorsement.kind, None)?;
            let made = with_password(context, |context| {
                context.create_primary(Hierarchy::Endorsement, template, None, None, None, None)
            });
            let ek = made?.key_handle;
            let opened = open(context, key.handle(), ek, blob, secret);
            context.flush_context(ek.into())?;
            opened
        })
    }
}

/// The endorsement key's policy asks for the password of its hierarchy, which is empty where nobody changed it.
fn open(
    context: &mut Context,
    key: KeyHandle,
    ek: KeyHandle,
    blob: IdObject,
    secret: EncryptedSecret,
) -> tss_esapi::Result<Vec<u8>> {
    let (cipher, hash) = (SymmetricDefinition::AES_128_CFB, HashingAlgorithm::Sha256);
    let session = context.start_auth_session(None, None, None, SessionType::Policy, cipher, hash)?;
    let session = session.ok_or(tss_esapi::Error::WrapperError(WrapperErrorKind::WrongValueFromTpm))?;
    let opened = PolicySession::try_from(session).and_then(|policy| {
        let endorses = AuthHandle::Endorsement;
        with_password(context, |context| {
            context.policy_secret(policy, endorses, Default::default(), Default::default(), Default::default(), None)
        })?;
        context.execute_with_sessions((Some(AuthSession::Password), Some(session), None), |context| {
            context.activate_credential(key, ek, blob, secret)
        })
    });
    context.flush_context(SessionHandle::from(session).into())?;
    Ok(opened?.value().to_vec())
}

fn has_index(context: &mut Context, index: u32) -> tss_esapi::Result<bool> {
    let (found, _more) = context.execute_without_session(|context| context.get_capability(CapabilityType::Handles, index, 1))?;
    match found {
        CapabilityData::Handles(handles) => Ok(handles.iter().any(|&handle| u32::from(handle) == index)),
        _ => Ok(false),
    }
}

/// Some makers leave the rest of the place that they made for it.
fn without_padding(mut certificate: Vec<u8>) -> Vec<u8> {
    if let [0x30, 0x82, high, low, ..] = certificate.as_slice() {
        certificate.truncate(4 + usize::from(u16::from_be_bytes([*high, *low])));
    }
    certificate
}

/// Where certificates are, and of which keys: TCG EK Credential Profile, 2.2.1.4.
const KINDS: [(u32, AsymmetricAlgorithmSelection); 2] = [
    (0x01c0_0002, AsymmetricAlgorithmSelection::Rsa(RsaKeyBits::Rsa2048)),
    (0x01c0_000a, AsymmetricAlgorithmSelection::Ecc(EccCurve::NistP256)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_ends_where_it_says() {
        let certificate = [[0x30, 0x82, 1, 0].as_slice(), &[7; 256]].concat();
        assert_eq!(without_padding([certificate.as_slice(), &[0xff; 40]].concat()), certificate);
        assert_eq!(without_padding(certificate.clone()), certificate);
    }
}
