//! The policies' own tests, which every start and reload runs as well.

use super::line::Score;
use crate::clock::Clock;
use crate::commands::error::CommandError;
use crate::commands::quickstart::stage::Stage;
use crate::startup;

/// Plays it.
pub(super) fn play(stage: &Stage, score: &mut Score, clock: &Clock) -> Result<(), CommandError> {
    let problems = startup::check(&stage.place.file("sekisho.toml"), clock).err().unwrap_or_default();
    let first = problems.first().and_then(|problem| problem.lines().next()).unwrap_or("they do");
    score.line("the policies pass the tests beside them", problems.is_empty(), "they do", first)
}
