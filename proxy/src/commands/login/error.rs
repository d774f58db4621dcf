//! Why nobody was signed in at the terminal, in words for the person at it.

use std::path::PathBuf;

use sekisho_certs::files::FileError;

use crate::commands::error::CommandError;
use crate::enrol::client::{ClientError, FolderError};
use crate::identify_user::claims::ClaimProblem;
use crate::outbound::OutboundError;
use crate::secret::NoRandomness;

/// There is no token to use.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoginError {
    /// The folder has no certificate.
    #[error("{} has no device's key and certificate; enrol first (`sekisho enroll`), or name the folder with --device", .0.display())]
    NoDevice(PathBuf),
    /// What is in it cannot be read.
    #[error("{}: {problem}", path.display())]
    Device {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
    /// Nothing says where the gate is.
    #[error("nothing in {} says which gate the device belongs to; name it with --gate", .0.display())]
    NoGate(PathBuf),
    /// What is written down about the gate cannot be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A file cannot be used.
    #[error("{0}")]
    File(#[from] FileError),
    /// The gate cannot be asked.
    #[error("{0}")]
    Gate(String),
    /// It has no provider for terminals.
    #[error("{0} has no identity provider for terminals: its administrator sets `login_client_id`")]
    NotOffered(String),
    /// There are several.
    #[error("the gate has several identity providers for terminals: choose one with --provider: {0}")]
    Several(String),
    /// There is none of that name.
    #[error("the gate has no identity provider `{wanted}` for terminals; there are: {known}")]
    UnknownProvider {
        /// What was asked for.
        wanted: String,
        /// What there is.
        known: String,
    },
    /// The provider cannot be asked.
    #[error("the identity provider cannot be asked: {0}")]
    Provider(#[from] OutboundError),
    /// It lacks something.
    #[error("the identity provider lacks {0}")]
    Lacks(&'static str),
    /// What it says makes no sense.
    #[error("the identity provider's answer cannot be used: {0}")]
    Answer(&'static str),
    /// What it says about itself cannot be used.
    #[error("the identity provider's description of itself cannot be used: {0}")]
    Description(#[from] crate::identify_user::keys::MetadataError),
    /// It said no.
    #[error("the identity provider refused: {0}")]
    Refused(String),
    /// The person said no, or the provider for them.
    #[error("the sign-in was declined")]
    Declined,
    /// Nobody signed in.
    #[error("nobody signed in within {0}; begin again")]
    TooLate(&'static str),
    /// The answer came from another provider (RFC 9207).
    #[error("the answer came from another identity provider; nothing of it was used")]
    OtherIssuer,
    /// The ID token is not this attempt's.
    #[error("the ID token is refused: {0}")]
    IdToken(&'static str),
    /// A claim of a token cannot be read.
    #[error("a token of the identity provider cannot be used: {0}")]
    Claims(#[from] ClaimProblem),
    /// The access token tells nothing.
    #[error(
        "the access token is not one that the gate can read (a JWT); the gate's administrator sets `login_resource` to what the \
         provider calls the gate"
    )]
    Opaque,
    /// The one thing that makes it useless to a thief is missing.
    #[error(
        "the provider did not bind the token to this device's certificate, so whoever copies it could use it: it was not kept. The \
         provider's administrator lets the client's tokens be bound to certificates (RFC 8705, \
         `tls_client_certificate_bound_access_tokens`), and has it ask for them"
    )]
    NotBound,
    /// It is bound to something else.
    #[error("the provider bound the token to another certificate than this device's: it was not kept")]
    BoundElsewhere,
    /// The gate does not take the token.
    #[error("the gate does not take the provider's token, so it was not kept: {words} ({reason})")]
    NotTaken {
        /// Its word for it.
        reason: String,
        /// What it says.
        words: String,
    },
    /// No file.
    #[error("nobody is signed in here for {gate}; run `sekisho login --gate {gate}`")]
    NotSignedIn {
        /// Where.
        gate: String,
    },
    /// The file is not as we left it.
    #[error("{} cannot be understood; delete it, and sign in again with `sekisho login`", .0.display())]
    Changed(PathBuf),
    /// The token has expired, and there is no other.
    #[error("the sign-in is over: {why}; run `sekisho login --gate {gate}`")]
    Over {
        /// Where.
        gate: String,
        /// Why.
        why: String,
    },
    /// Somebody else holds the lock.
    #[error("another `sekisho login` is at work on {} and does not come to its end", .0.display())]
    Busy(PathBuf),
    /// Nowhere to keep it.
    #[error("neither XDG_STATE_HOME nor HOME says where to keep the token")]
    NoHome,
    /// The loopback interface cannot be listened on.
    #[error("no port of this machine can be listened on for the browser's answer: {0}; use --device-code")]
    NoListener(std::io::Error),
    /// The provider was not told.
    #[error("{} is deleted; but the provider could not be told that its tokens are given back: {why}", file.display())]
    NotGivenBack {
        /// The file.
        file: PathBuf,
        /// Why not.
        why: String,
    },
    /// No randomness.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl LoginError {
    /// The gate's own words, without those that are about enrolling.
    pub(super) fn of_gate(error: ClientError) -> Self {
        Self::Gate(match error {
            ClientError::NotTheGate { gate } => format!(
                "the server at {gate} has neither the key that the gate had when this device enrolled, nor a certificate that is trusted \
                 here. Nothing was sent to it. If the gate changed its key, name the root of its certificate with --ca"
            ),
            ClientError::Broken { cause } => format!("the connection to the gate broke: {cause}"),
            ClientError::TimedOut { seconds } => format!("the gate did not answer within {seconds} s"),
            other => other.to_string(),
        })
    }
}

impl From<LoginError> for CommandError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::NoGate(_) | LoginError::Several(_) | LoginError::UnknownProvider { .. } => Self::usage(error),
            // What was checked, and is not as it must be.
            LoginError::NotBound | LoginError::BoundElsewhere | LoginError::OtherIssuer | LoginError::IdToken(_) => {
                Self::CheckFailed(error.to_string())
            }
            other => Self::failed(other),
        }
    }
}
