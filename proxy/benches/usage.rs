//! What usage costs a request: finding its account and counting it; the figures; the credit of an answer; a megabyte of a long one.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use sekisho::clock::{Clock, Timestamp};
use sekisho::contain::{Figures, StreamId, Usage, UsageMetrics, Whose};
use sekisho::inventory::{DeviceId, UserId};

/// As many people as have something within a day in a large company, each from one app.
const PEOPLE: usize = 20_000;

struct World {
    usage: Usage,
    people: Vec<(UserId, DeviceId)>,
    app: Arc<str>,
    now: Timestamp,
}

impl World {
    fn new() -> Option<Self> {
        let metrics = UsageMetrics::register(&prometheus::Registry::new()).ok()?;
        let people = (0..PEOPLE).map(|number| {
            let user = UserId { provider: "corp".into(), subject: format!("00u{number:08x}").into() };
            Some((user, format!("lap-{number}").parse().ok()?))
        });
        let world = Self {
            usage: Usage::new(PEOPLE, metrics),
            people: people.collect::<Option<_>>()?,
            app: "share".into(),
            now: Clock::system().now(),
        };
        for (user, device) in &world.people {
            let hold = world.usage.hold(Whose { user, device, app: &world.app }, world.now);
            hold.count_request(world.now);
            // Something in it, so that it is not one that could go.
            let mut credit = world.usage.credit(hold, StreamId { request: [0; 16], tunnel: false });
            credit.begins(Some(1_000), world.now);
            credit.spend(1_000, world.now, |_| true).ok()?;
        }
        Some(world)
    }

    fn whose(&self, number: usize) -> Option<Whose<'_>> {
        self.people.get(number % PEOPLE).map(|(user, device)| Whose { user, device, app: &self.app })
    }
}

fn usage(criterion: &mut Criterion) {
    let Some(world) = World::new() else { return };
    let now = world.now;
    // One person's page after the other; and many people in turn, whose accounts are in no cache.
    for (id, step) in [("one", 0), ("many", 7_919)] {
        let mut number = 0;
        let mut next = || {
            number += step;
            world.whose(number)
        };
        criterion.bench_function(&format!("usage/request/{id}"), |bencher| {
            bencher.iter(|| {
                let hold = world.usage.hold(next()?, now);
                hold.count_request(now);
                Some(black_box(hold.figures(now)))
            });
        });
        criterion.bench_function(&format!("usage/answer/{id}"), |bencher| {
            bencher.iter(|| {
                let hold = world.usage.hold(next()?, now);
                let mut credit = world.usage.credit(hold, StreamId { request: [1; 16], tunnel: false });
                credit.begins(Some(8_000), now);
                black_box(credit.spend(8_000, now, |_| true)).ok()
            });
        });
    }
    if let Some(whose) = world.whose(0) {
        let hold = world.usage.hold(whose, now);
        criterion.bench_function("usage/chunk of 16 KiB", |bencher| {
            let mut credit = world.usage.credit(hold.clone(), StreamId { request: [2; 16], tunnel: false });
            credit.begins(None, now);
            bencher.iter(|| black_box(credit.spend(16 * 1024, now, |figures: Figures| figures.bytes_1h > 0)));
        });
    }
    criterion.bench_function("usage/snapshot of 20,000", |bencher| {
        bencher.iter(|| black_box(world.usage.snapshot(now, &Default::default()).map(|text| text.len())));
    });
}

criterion_group!(benches, usage);
criterion_main!(benches);
