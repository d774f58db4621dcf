//! Why a device did not get its certificate, in words for the person at it.

use super::key::KeyError;

/// The device did not get its certificate.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The key could not be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No connection.
    #[error("{gate} cannot be reached: {cause}")]
    Unreachable {
        /// Whom.
        gate: String,
        /// What happened.
        cause: String,
    },
    /// The server does not have the pinned key. Nothing was sent.
    #[error(
        "the server at {gate} is not the gate that the code is for: its key is another one. Nothing was sent to it. Either somebody is \
         between you and the gate, or the gate changed its key after the invitation: ask for a new code"
    )]
    NotTheGate {
        /// Whom.
        gate: String,
    },
    /// TLS failed otherwise. Nothing was sent.
    #[error("no secure connection to {gate}: {cause}. Nothing was sent")]
    Tls {
        /// Whom.
        gate: String,
        /// What happened.
        cause: String,
    },
    /// The connection broke after the request. The same command with the same code can be tried again.
    #[error("the connection broke: {cause}. Run the same command again within ten minutes; the code still works with this key")]
    Broken {
        /// What happened.
        cause: String,
    },
    /// No answer in time.
    #[error("no answer within {seconds} s. Run the same command again within ten minutes; the code still works with this key")]
    TimedOut {
        /// How long was waited.
        seconds: u64,
    },
    /// The gate said no.
    #[error("the gate refused ({status}): {words}")]
    Refused {
        /// Status of the answer.
        status: u16,
        /// The gate's words, cleaned for a terminal.
        words: String,
    },
    /// The answer makes no sense.
    #[error("the gate's answer cannot be used: {0}")]
    Answer(&'static str),
}
