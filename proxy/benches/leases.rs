//! What a lease costs: entering it and taking it off again, and looking through ten thousand for those that a change can affect.
//!
//! `cargo bench -p sekisho --bench leases`

use std::hint::black_box;
use std::rc::Rc;

use criterion::{Criterion, criterion_group, criterion_main};
use prometheus::Registry;
use sekisho::clock::Timestamp;
use sekisho::contain::{Change, ContainMetrics, Kind, Lease, Leases, Mark, Terms};

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As large as what the gate keeps of an access.
type Handle = Rc<[u64; 48]>;

fn leases() -> Option<Leases<Handle>> {
    ContainMetrics::register(&Registry::new()).ok().map(|metrics| Leases::new(metrics.tally()))
}

/// Terms of an access from one of five thousand devices; names are made into marks as they are for each request.
fn enter(leases: &Leases<Handle>, device: &str, session: &str, subject: &str) -> Lease<Handle> {
    let terms = Terms {
        device: Mark::of(black_box(device)),
        session: Mark::of(black_box(session)),
        user: Mark::of_two("corp", black_box(subject)),
        app: Mark::of(black_box("information-sharing")),
        generation: 1,
        valid_until: Timestamp(i64::MAX),
    };
    leases.register(terms, Kind::Request, |_place| Rc::new([7; 48]))
}

fn a_short_request(criterion: &mut Criterion) {
    let Some(leases) = leases() else { return };
    criterion.bench_function("leases/enter_and_end", |bencher| {
        bencher.iter(|| enter(&leases, "ana-7k2q", "f21d5dbc9a29ae935a92d17f7921509e", "248289761001"));
    });
    // The list is long already, and with holes.
    let others: Vec<_> = (0..10_000).map(|number| enter(&leases, &format!("lap-{number}"), "s", "u")).collect();
    criterion.bench_function("leases/enter_and_end_among_10000", |bencher| {
        bencher.iter(|| enter(&leases, "ana-7k2q", "f21d5dbc9a29ae935a92d17f7921509e", "248289761001"));
    });
    drop(others);
}

fn a_lever(criterion: &mut Criterion) {
    let Some(leases) = leases() else { return };
    let held: Vec<_> = (0..10_000)
        .map(|number| {
            let device = format!("lap-{}", number / 2);
            enter(&leases, &device, &format!("session-{number}"), &format!("user-{device}"))
        })
        .collect();
    let one = Change::Device(Mark::of("lap-77"));
    criterion.bench_function("leases/find_2_of_10000", |bencher| bencher.iter(|| leases.affected(black_box(one), 1)));
    criterion
        .bench_function("leases/find_10000_of_10000", |bencher| bencher.iter(|| leases.affected(black_box(Change::World), 2)));
    drop(held);
}

criterion_group!(benches, a_short_request, a_lever);
criterion_main!(benches);
