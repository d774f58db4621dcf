//! Which of several upstreams takes an exchange.

use std::cell::Cell;
use std::rc::Rc;

use super::error::ForwardError;
use super::lease::Load;
use super::local::LocalEndpoint;
use super::standing::Fitness;
use crate::clock;

/// Picks the upstream with the fewest exchanges of this core among the fittest that were not tried yet; equals take turns.
///
/// One that was set aside after failures is taken only when nothing better is left; one that fails its health check never is.
///
/// # Errors
/// [`ForwardError::NoHealthyUpstream`].
pub(super) fn choose<'a>(
    endpoints: &'a [Rc<LocalEndpoint>],
    turn: &Cell<usize>,
    tried: &[*const LocalEndpoint],
) -> Result<(&'a Rc<LocalEndpoint>, Load), ForwardError> {
    let start = turn.get();
    turn.set(start.wrapping_add(1));
    let now = clock::instant();
    let rank = |endpoint: &LocalEndpoint| {
        let again = tried.contains(&std::ptr::from_ref(endpoint));
        (again, endpoint.endpoint.standing.fitness(now), endpoint.load.get())
    };
    let shift = start.checked_rem(endpoints.len()).unwrap_or(0);
    let (before, after) = endpoints.split_at_checked(shift).unwrap_or((endpoints, &[]));
    after
        .iter()
        .chain(before)
        .map(|endpoint| (rank(endpoint), endpoint))
        .filter(|((_, fitness, _), _)| *fitness != Fitness::Down)
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, endpoint)| (endpoint, Load::on(&endpoint.load)))
        .ok_or(ForwardError::NoHealthyUpstream)
}
