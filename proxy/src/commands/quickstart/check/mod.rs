//! Everything that the quickstart promises, tried from outside: over TLS, with and without the devices' certificates.

mod afterwards;
mod line;
mod people;
mod policies;
mod theft;
mod traffic;

use line::Score;

use super::stage::Stage;
use crate::clock::Clock;
use crate::commands::error::CommandError;

/// Tries everything, and prints a line for each.
///
/// # Errors
/// [`CommandError::CheckFailed`] if anything went otherwise than it should.
pub(super) async fn play(stage: &Stage, clock: &Clock) -> Result<(), CommandError> {
    let since = clock.now();
    let mut score = Score::default();
    policies::play(stage, &mut score, clock)?;
    people::play(stage, &mut score).await?;
    theft::play(stage, &mut score).await?;
    traffic::play(stage, &mut score).await?;
    afterwards::play(stage, &mut score, since).await?;
    score.total()
}
