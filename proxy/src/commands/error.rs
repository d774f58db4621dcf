//! How a command fails, and the exit code that says so.

use std::fmt;

/// A command that did not succeed. Its words go to standard error.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Something was checked and is not right. Exit code 1.
    #[error("{0}")]
    CheckFailed(String),
    /// It was called in a way that makes no sense. Exit code 2.
    #[error("{0}")]
    Usage(String),
    /// It could not be done. Exit code 3.
    #[error("{0}")]
    Failed(String),
}

impl CommandError {
    /// The process's exit code: 1 a check failed, 2 wrong usage, 3 could not do it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::CheckFailed(_) => 1,
            Self::Usage(_) => 2,
            Self::Failed(_) => 3,
        }
    }

    /// Could not be done, for this reason.
    pub fn failed(reason: impl fmt::Display) -> Self {
        Self::Failed(reason.to_string())
    }

    /// Makes no sense, for this reason.
    pub fn usage(reason: impl fmt::Display) -> Self {
        Self::Usage(reason.to_string())
    }
}
