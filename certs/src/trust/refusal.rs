//! Why a device certificate is not trusted.

use rustls_pki_types::UnixTime;

/// Why a client certificate does not name a device that an authority vouches for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateRefusal {
    /// No configured authority issued it.
    #[error("the certificate was not issued by an authority that is trusted here")]
    UnknownAuthority,
    /// It names a trusted authority as its issuer, but that authority's key did not sign it.
    #[error("the certificate's signature is not from the authority that it names")]
    BadSignature,
    /// It begins in the future.
    #[error("the certificate is not valid yet")]
    NotYetValid {
        /// Its first second.
        not_before: UnixTime,
    },
    /// It has ended.
    #[error("the certificate has expired")]
    Expired {
        /// Its last second.
        not_after: UnixTime,
    },
    /// A certificate between it and the authority, or the authority's own, is not valid now.
    #[error("the certificate of its authority is not valid now")]
    AuthorityNotValid,
    /// Its authority, or one between, may not issue it: no CA, wrong key usage, path too long, name constraints.
    #[error("the certificate's chain is not one that its authority allows")]
    ChainNotAllowed,
    /// A revocation list names it, or a certificate above it.
    #[error("the certificate has been revoked")]
    Revoked,
    /// Lists are configured, but none of them speaks for it or for a certificate above it.
    #[error("no revocation list covers the certificate")]
    RevocationUnknown,
    /// The list that speaks for it is past its next update.
    #[error("the revocation list is out of date")]
    CrlExpired,
    /// The list that speaks for it is not properly signed by its issuer.
    #[error("the revocation list is not signed by the certificate's issuer")]
    CrlBadSignature,
    /// It is not meant for clients: extended key usage without `clientAuth`, key usage without `digitalSignature`.
    #[error("the certificate is not meant for client authentication")]
    WrongPurpose,
    /// It is an authority's certificate and not a device's.
    #[error("the certificate is an authority's, not a device's")]
    IsAuthority,
    /// The configured part of it names nothing.
    #[error("the certificate names no device")]
    NoIdentity,
    /// The configured part of it names several: there is no choosing among them.
    #[error("the certificate names several devices")]
    SeveralIdentities,
    /// The name in it is not one that this authority gives, or has characters that no device id has.
    #[error("the name in the certificate is not a device's")]
    ForeignIdentity,
    /// Its authority names services, and the URI in it is not a SPIFFE id.
    #[error("the name in the certificate is not a service's: it does not begin with spiffe://")]
    NotSpiffe,
    /// Its authority names services of one trust domain, and the name in it is of another.
    #[error("the service in the certificate is of another trust domain than its authority speaks for")]
    OtherTrustDomain,
    /// Its authority names services, and what follows the trust domain is not a path in its one spelling.
    #[error("the service's name in the certificate has no path, or one that could be read in two ways")]
    SpiffePath,
    /// It cannot be read.
    #[error("the certificate cannot be read")]
    Malformed,
    /// It is signed by a method that is not accepted, or its key is of a kind that is not.
    #[error("the certificate is signed with an algorithm, or has a key, that is not accepted")]
    WeakAlgorithm,
}

impl CertificateRefusal {
    /// Its word in metrics, in the record and in problem JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownAuthority => "certificate_unknown_authority",
            Self::BadSignature => "certificate_bad_signature",
            Self::NotYetValid { .. } => "certificate_not_yet_valid",
            Self::Expired { .. } => "certificate_expired",
            Self::AuthorityNotValid => "certificate_authority_not_valid",
            Self::ChainNotAllowed => "certificate_chain",
            Self::Revoked => "certificate_revoked",
            Self::RevocationUnknown => "certificate_revocation_unknown",
            Self::CrlExpired => "certificate_crl_expired",
            Self::CrlBadSignature => "certificate_crl_bad_signature",
            Self::WrongPurpose => "certificate_wrong_purpose",
            Self::IsAuthority => "certificate_is_authority",
            Self::NoIdentity => "certificate_no_identity",
            Self::SeveralIdentities => "certificate_several_identities",
            Self::ForeignIdentity => "certificate_foreign_identity",
            Self::NotSpiffe => "certificate_not_spiffe",
            Self::OtherTrustDomain => "certificate_other_trust_domain",
            Self::SpiffePath => "certificate_spiffe_path",
            Self::Malformed => "certificate_malformed",
            Self::WeakAlgorithm => "certificate_weak_algorithm",
        }
    }

    /// Among the refusals of several authorities, the one that says most about the certificate: what its own authority says.
    pub(super) fn more_helpful(self, other: Self) -> Self {
        if other.knows_the_authority() && !self.knows_the_authority() { other } else { self }
    }

    fn knows_the_authority(self) -> bool {
        !matches!(self, Self::UnknownAuthority | Self::BadSignature | Self::Malformed)
    }
}

impl From<webpki::Error> for CertificateRefusal {
    /// Every error of path building has one meaning here; what is new or rare in the library counts as malformed.
    fn from(err: webpki::Error) -> Self {
        use webpki::Error;
        match err {
            Error::UnknownIssuer => Self::UnknownAuthority,
            Error::InvalidSignatureForPublicKey => Self::BadSignature,
            Error::CertExpired { not_after, .. } => Self::Expired { not_after },
            Error::CertNotValidYet { not_before, .. } => Self::NotYetValid { not_before },
            Error::CaUsedAsEndEntity => Self::IsAuthority,
            Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => Self::WrongPurpose,
            Error::CertRevoked => Self::Revoked,
            Error::UnknownRevocationStatus => Self::RevocationUnknown,
            Error::CrlExpired { .. } => Self::CrlExpired,
            Error::InvalidCrlSignatureForPublicKey
            | Error::IssuerNotCrlSigner
            | Error::UnsupportedCrlSignatureAlgorithmContext(_)
            | Error::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_) => Self::CrlBadSignature,
            Error::EndEntityUsedAsCa
            | Error::PathLenConstraintViolated
            | Error::NameConstraintViolation
            | Error::CertDistrusted
            | Error::MaximumPathDepthExceeded
            | Error::MaximumPathBuildCallsExceeded
            | Error::MaximumSignatureChecksExceeded
            | Error::MaximumNameConstraintComparisonsExceeded => Self::ChainNotAllowed,
            Error::UnsupportedSignatureAlgorithmContext(_) | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
                Self::WeakAlgorithm
            }
            _ => Self::Malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page that tells administrators what to do about each.
    const PAGE: &str = include_str!("../../../docs/devices.md");

    #[test]
    fn every_word_is_explained_in_the_manual() {
        let time = UnixTime::since_unix_epoch(std::time::Duration::ZERO);
        for refusal in [
            CertificateRefusal::UnknownAuthority,
            CertificateRefusal::BadSignature,
            CertificateRefusal::NotYetValid { not_before: time },
            CertificateRefusal::Expired { not_after: time },
            CertificateRefusal::AuthorityNotValid,
            CertificateRefusal::ChainNotAllowed,
            CertificateRefusal::Revoked,
            CertificateRefusal::RevocationUnknown,
            CertificateRefusal::CrlExpired,
            CertificateRefusal::CrlBadSignature,
            CertificateRefusal::WrongPurpose,
            CertificateRefusal::IsAuthority,
            CertificateRefusal::NoIdentity,
            CertificateRefusal::SeveralIdentities,
            CertificateRefusal::ForeignIdentity,
            CertificateRefusal::NotSpiffe,
            CertificateRefusal::OtherTrustDomain,
            CertificateRefusal::SpiffePath,
            CertificateRefusal::Malformed,
            CertificateRefusal::WeakAlgorithm,
        ] {
            assert!(PAGE.contains(&format!("`{}`", refusal.as_str())), "{}", refusal.as_str());
        }
    }
}
