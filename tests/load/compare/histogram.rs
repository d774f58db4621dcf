//! How long answers took: a count for each interval, none wider than 1.6 % of its times.

/// Nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; interval(u64::MAX) + 1] }
    }

    pub(crate) fn note(&mut self, nanoseconds: u64) {
        self.counts[interval(nanoseconds)] += 1;
    }

    /// The time that this share of all stayed below, in milliseconds.
    pub(crate) fn at(&self, share: f64) -> f64 {
        let all: u64 = self.counts.iter().sum();
        let wanted = (all as f64 * share).ceil() as u64;
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        end_of(found.unwrap_or_default()) as f64 / 1e6
    }
}

/// 64 intervals for each doubling; below 128, each number has its own.
fn interval(number: u64) -> usize {
    let shift = (u64::BITS - number.leading_zeros()).saturating_sub(7);
    (shift as usize) * 64 + (number >> shift) as usize
}

fn end_of(interval: usize) -> u64 {
    let shift = (interval / 64).saturating_sub(1) as u32;
    let first = (interval - shift as usize * 64) as u64;
    (first + 1).checked_shl(shift).unwrap_or(u64::MAX).saturating_sub(1)
}
