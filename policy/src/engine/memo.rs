//! The names of policies that decide together, put together once and then shared.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::cells::Cells;

/// Names that were given out. It has a fixed size, is never emptied, and is read without a lock; where a combination finds
/// no place, its names are put together each time.
pub(crate) struct Memo {
    places: Box<[OnceLock<Known>]>,
    nobody: Arc<[Arc<str>]>,
}

struct Known {
    policies: [u32; MOST],
    len: usize,
    names: Arc<[Arc<str>]>,
}

impl Memo {
    /// For a set of so many policies.
    pub(crate) fn new(policies: usize) -> Self {
        let places = (2 * policies).next_power_of_two().clamp(64, 1 << 15);
        Self { places: (0..places).map(|_| OnceLock::new()).collect(), nobody: Arc::default() }
    }

    /// The names of these policies, in their order.
    pub(super) fn names(&self, policies: &[u32], cells: &Cells) -> Arc<[Arc<str>]> {
        match policies {
            [] => Arc::clone(&self.nobody),
            [one] => cells.rule(*one).map_or_else(|| Arc::clone(&self.nobody), |rule| Arc::clone(rule.alone())),
            several => self.several(several, cells),
        }
    }

    fn several(&self, policies: &[u32], cells: &Cells) -> Arc<[Arc<str>]> {
        let made = || policies.iter().filter_map(|&at| cells.rule(at)).map(|rule| Arc::clone(rule.id())).collect();
        if policies.len() > MOST {
            return made();
        }
        let first = hash(policies);
        for step in 0..PLACES_TRIED {
            let at = first.wrapping_add(step) & (self.places.len() - 1);
            let Some(place) = self.places.get(at) else { break };
            match place.get() {
                Some(known) if known.policies.get(..known.len) == Some(policies) => return Arc::clone(&known.names),
                Some(_) => {}
                None => {
                    let names: Arc<[Arc<str>]> = made();
                    // Who comes second at this very moment has made the same, and keeps its own.
                    let _ = place.set(Known::new(policies, Arc::clone(&names)));
                    return names;
                }
            }
        }
        made()
    }
}

impl Known {
    fn new(of: &[u32], names: Arc<[Arc<str>]>) -> Self {
        let mut policies = [0; MOST];
        policies.iter_mut().zip(of).for_each(|(place, policy)| *place = *policy);
        Self { policies, len: of.len(), names }
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memo").field("places", &self.places.len()).finish_non_exhaustive()
    }
}

/// Spreads; who asks cannot choose the numbers, and a collision costs only a look further.
fn hash(policies: &[u32]) -> usize {
    let mixed = policies.iter().fold(0_u64, |hash, &policy| (hash.rotate_left(5) ^ u64::from(policy)).wrapping_mul(MIX));
    (mixed >> 32) as usize
}

/// Longer combinations are not kept.
const MOST: usize = 12;

/// How many places are tried.
const PLACES_TRIED: usize = 4;

/// An odd number without a pattern.
const MIX: u64 = 0x517c_c1b7_2722_0a95;
