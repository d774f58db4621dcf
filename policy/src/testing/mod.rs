//! Policy tests: questions and the answers that are expected, in TOML, put to the very engine that decides requests.
//!
//! Arrives: a checked [`PolicySet`] and files of cases. Leaves: a [`Report`], with what no case touches; and the other way round,
//! a [`Query`] as such a case. Refused: files that say anything that is not understood, every mistake at once, with its place.
//!
//! ```toml
//! [users.ana]
//! groups = ["hr"]
//!
//! [[case]]
//! name = "HR reads payroll"
//! user = "ana"
//! app = "payroll"
//! expect = "allow"
//!
//! [[case]]
//! name = "not from a laptop that is not encrypted"
//! like = "HR reads payroll"
//! device.posture.disk_encrypted = false
//! expect = "deny"
//! ```

mod apps;
mod draft;
mod facts;
mod read;
pub(crate) mod reader;
mod run;
pub(crate) mod span;
mod suite;
#[cfg(test)]
mod tests;
mod write;

use jiff::tz::TimeZone;

pub use self::apps::catalogue;
pub use self::run::{Difference, Outcome, Report, Untouched};
pub use self::suite::{Case, Expected, ExpectedStepUp, MAX_CASES};
#[cfg(feature = "prove")]
pub(crate) use self::write::usual;

use crate::action::Action;
use crate::problem::Problem;
use crate::query::Query;
use crate::schema::PostureFact;
use crate::set::{Catalogue, PolicySet, Source};
use crate::verdict::Verdict;

/// What tests are run on.
#[derive(Clone, Copy, Debug)]
pub struct Tester<'a> {
    /// The policies.
    pub set: &'a PolicySet,
    /// What they were loaded for: [`catalogue`] has the apps that the tests make up as well.
    pub catalogue: &'a Catalogue,
    /// The configured zone: of `now`, `local_time` and `weekday`.
    pub zone: &'a TimeZone,
}

/// The question of a case that says who, what and where, and nothing else.
pub(crate) fn good_day(id: &str, program: bool, app: &str, action: Action, posture: &[PostureFact]) -> Option<Query> {
    let mut draft = draft::Draft::default();
    draft.who = draft::WhoDraft { id: Some(id.to_owned()), program: Some(program), ..draft::WhoDraft::default() };
    draft.request.app = Some(app.to_owned());
    draft.request.action = Some(action);
    facts::query(draft, posture, &TimeZone::UTC)
}

impl Tester<'_> {
    /// Reads the cases of `sources`, in order.
    ///
    /// # Errors
    /// Every mistake in every file.
    pub fn read(&self, sources: &[Source]) -> Result<Vec<Case>, Vec<Problem>> {
        suite::read(self, sources)
    }

    /// Puts every case to the policies.
    pub fn run(&self, cases: Vec<Case>) -> Report {
        run::run(self.set, cases)
    }

    /// Reads `sources` and runs them: for whoever only wants to go on if all is well.
    ///
    /// # Errors
    /// Every mistake in every file; or else each case that did not come out as expected.
    pub fn check(&self, sources: &[Source]) -> Result<Report, Vec<Problem>> {
        let report = self.run(self.read(sources)?);
        let failures: Vec<Problem> = report.failures().map(Outcome::problem).collect();
        if failures.is_empty() { Ok(report) } else { Err(failures) }
    }

    /// A question as a case that [`Tester::read`] reads back to the same question, `[[case]]` and a line break at the end
    /// included. It expects `verdict`. What it leaves out is as it is in a case that does not say so.
    pub fn write(&self, name: &str, query: &Query, verdict: &Verdict) -> String {
        write::case(self, name, query, verdict)
    }
}
