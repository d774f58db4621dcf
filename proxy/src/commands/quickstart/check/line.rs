//! One line for each thing that was tried.

use crate::commands::error::CommandError;
use crate::commands::output::{plain, print};
use crate::commands::quickstart::visitor::{Answer, VisitError};

/// How it went so far.
#[derive(Debug, Default)]
pub(super) struct Score {
    tried: usize,
    failed: usize,
}

impl Score {
    /// A page or file of an app is expected.
    pub(super) fn allowed(&mut self, what: &str, came: &Result<Answer, VisitError>) -> Result<(), CommandError> {
        let ok = came.as_ref().is_ok_and(|answer| answer.status == http::StatusCode::OK);
        self.line(what, ok, "200", &described(came))
    }

    /// A refusal with this status, for this reason, is expected.
    pub(super) fn refused(
        &mut self,
        what: &str,
        status: u16,
        reason: &str,
        came: &Result<Answer, VisitError>,
    ) -> Result<(), CommandError> {
        let fits = |answer: &Answer| answer.status.as_u16() == status && answer.reason().as_deref() == Some(reason);
        self.line(what, came.as_ref().is_ok_and(fits), &format!("{status} {reason}"), &described(came))
    }

    /// Anything else: what is expected, and in words what came.
    pub(super) fn line(&mut self, what: &str, ok: bool, expected: &str, came: &str) -> Result<(), CommandError> {
        self.tried += 1;
        let came = plain(came);
        if ok {
            return print(&format!("ok      {what}: {came}\n"));
        }
        self.failed += 1;
        print(&format!("FAILED  {what}: expected {expected}; came {came}\n"))
    }

    /// The last line.
    pub(super) fn total(&self) -> Result<(), CommandError> {
        if self.failed > 0 {
            return Err(CommandError::CheckFailed(format!("{} of {} checks failed", self.failed, self.tried)));
        }
        print(&format!("All {} checks passed.\n", self.tried))
    }
}

/// An answer in a few words.
fn described(came: &Result<Answer, VisitError>) -> String {
    match came {
        Ok(answer) => match answer.reason() {
            Some(reason) => format!("{} {reason}", answer.status.as_u16()),
            None => format!("{} from {}", answer.status.as_u16(), answer.url),
        },
        Err(error) => error.to_string(),
    }
}
