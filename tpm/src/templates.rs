//! The kinds of keys that we ask a TPM for.

use tss_esapi::attributes::{ObjectAttributes, ObjectAttributesBuilder};
use tss_esapi::interface_types::algorithm::{HashingAlgorithm, PublicAlgorithm};
use tss_esapi::interface_types::ecc::EccCurve;
use tss_esapi::structures::{
    EccPoint, EccScheme, HashScheme, Public, PublicBuilder, PublicEccParametersBuilder, SymmetricDefinitionObject,
};

/// A device's key: signs, stays here, has no password, and is not locked out when somebody guesses passwords of others.
pub(crate) fn signing_key() -> tss_esapi::Result<Public> {
    let attributes = stays_here().with_user_with_auth(true).with_sign_encrypt(true).with_no_da(true).build()?;
    let signs_with = EccScheme::EcDsa(HashScheme::new(HashingAlgorithm::Sha256));
    let parameters = PublicEccParametersBuilder::new_unrestricted_signing_key(signs_with, EccCurve::NistP256).build()?;
    on_p256(attributes).with_ecc_parameters(parameters).build()
}

/// The owner's storage root, as OpenSSL's TPM providers make it.
pub(crate) fn storage_root() -> tss_esapi::Result<Public> {
    let attributes = stays_here().with_user_with_auth(true).with_restricted(true).with_decrypt(true).with_no_da(true).build()?;
    let encrypts_with = SymmetricDefinitionObject::AES_128_CFB;
    let parameters = PublicEccParametersBuilder::new_restricted_decryption_key(encrypts_with, EccCurve::NistP256).build()?;
    on_p256(attributes).with_ecc_parameters(parameters).build()
}

fn stays_here() -> ObjectAttributesBuilder {
    ObjectAttributesBuilder::new().with_fixed_tpm(true).with_fixed_parent(true).with_sensitive_data_origin(true)
}

fn on_p256(attributes: ObjectAttributes) -> PublicBuilder {
    PublicBuilder::new()
        .with_public_algorithm(PublicAlgorithm::Ecc)
        .with_name_hashing_algorithm(HashingAlgorithm::Sha256)
        .with_object_attributes(attributes)
        .with_ecc_unique_identifier(EccPoint::default())
}
