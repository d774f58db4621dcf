//! What a decision costs: `decide` as the gate calls it, `naive` with Cedar's authorizer over every policy; and what loading costs.

mod world;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sekisho_policy::{Identity, PolicySet};

use self::world::{World, identity, texts};

fn decide(criterion: &mut Criterion) {
    for (id, naively) in [("decide", false), ("naive", true)] {
        let mut group = criterion.benchmark_group(id);
        if naively {
            group.sample_size(10);
        }
        for policies in [100, 1_000, 10_000] {
            let Some(world) = World::new(policies) else { return };
            let mut number = 0;
            group.bench_function(BenchmarkId::from_parameter(policies), |bencher| {
                bencher.iter(|| {
                    number = (number + 1) % 10_000;
                    black_box(world.ask(number, naively))
                });
            });
        }
        group.finish();
    }
}

fn load(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("load");
    group.sample_size(10);
    for policies in [1_000, 10_000] {
        let (source, catalogue) = texts(policies);
        let source = [source];
        group.bench_function(BenchmarkId::from_parameter(policies), |bencher| {
            bencher.iter(|| black_box(PolicySet::load(&source, &[], &catalogue).is_ok()));
        });
    }
    group.finish();
}

/// What a new person or device costs, once.
fn prepare(criterion: &mut Criterion) {
    let Some(world) = World::new(1_000) else { return };
    let people: Vec<Identity> = (0..50).map(identity).collect();
    let mut number = 0;
    criterion.bench_function("prepare", |bencher| {
        bencher.iter(|| {
            number = (number + 1) % people.len();
            black_box(people.get(number).map(|person| world.set.prepare(person).is_ok()))
        });
    });
}

criterion_group!(benches, decide, prepare, load);
criterion_main!(benches);
