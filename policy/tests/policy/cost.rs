//! What deciding and loading take of memory.

use sekisho_policy::PolicySet;

use super::world::{World, identity, texts};

/// Names of policies that decide together are put together once: after that, nothing at all is allocated.
#[test]
fn a_decision_allocates_nothing() {
    let world = World::new(1_000).unwrap();
    let everything = || (0..10_000).for_each(|number| drop(world.ask(number, false).unwrap()));
    let first = allocation_counter::measure(everything);
    let again = allocation_counter::measure(everything);
    println!("10,000 decisions: {} allocations the first time, {} after that", first.count_total, again.count_total);
    assert_eq!(again.count_total, 0);
    // The law would hold of decisions that find nothing.
    let several = (0..10_000).filter(|&number| world.ask(number, false).unwrap().policies.len() > 1).count();
    let allowed = (0..10_000).filter(|&number| world.ask(number, false).unwrap().is_allowed()).count();
    assert!(first.count_total > 0 && several > 100 && allowed > 1_000, "{several} {allowed}");
}

#[test]
fn a_thousand_policies_fit_into_ten_megabytes() {
    let (source, catalogue) = texts(1_000);
    let mut loaded = None;
    let taken = allocation_counter::measure(|| loaded = PolicySet::load(&[source], &[], &catalogue).ok());
    println!("1,000 policies: {} bytes kept, {} at most while loading", taken.bytes_current, taken.bytes_max);
    assert!(loaded.is_some() && (0..10 << 20).contains(&taken.bytes_current), "{}", taken.bytes_current);
}

/// Somebody new is seen often, by the replay of a record above all.
#[test]
fn preparing_somebody_takes_few_allocations() {
    let (world, person) = (World::new(100).unwrap(), identity(7));
    let mut prepared = None;
    let taken = allocation_counter::measure(|| prepared = world.set.prepare(&person).ok());
    println!("prepared: {} allocations, {} bytes", taken.count_total, taken.bytes_current);
    assert!(prepared.is_some() && taken.count_total < 100, "{}", taken.count_total);
}
