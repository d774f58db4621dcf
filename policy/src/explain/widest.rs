//! How far a number may go.

use std::collections::BTreeSet;

/// The greatest number up to which all is permitted, where 0 is and `present` may not be; `None` inside: even `present` is.
/// `None` outside: the work is used up.
///
/// Numbers between two that a policy names are alike, unless it calculates with them; so what is around the named ones is
/// looked at from the least on, up to the first that is refused, and the place between that and the one before is halved
/// until it is found. A condition may be a window: what is permitted again beyond the first refusal does not count.
pub(super) fn widest(
    named: impl Iterator<Item = i64>,
    present: i64,
    mut permitted: impl FnMut(i64) -> Option<bool>,
) -> Option<Option<i64>> {
    let around = named.flat_map(|number| [number.saturating_sub(1), number, number.saturating_add(1)]);
    let tries: BTreeSet<i64> = around.filter(|&number| 0 < number && number < present).chain([present]).collect();
    let mut yes = 0;
    for number in tries {
        if permitted(number)? {
            yes = number;
            continue;
        }
        let mut no = number;
        while no - yes > 1 {
            let middle = yes + (no - yes) / 2;
            if permitted(middle)? { yes = middle } else { no = middle }
        }
        return Some(Some(yes));
    }
    Some(None)
}
