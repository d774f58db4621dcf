//! What measurements have in common: the house of the stories, how many and how long, and whether what was promised holds.

#[path = "../house/harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the stories use the rest of it")]
pub(crate) mod harness;

/// How measured times are spread. Milliseconds.
pub(crate) struct Spread {
    median: f64,
    pub(crate) mean: f64,
    pub(crate) p99: f64,
    most: f64,
    count: usize,
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        assert!(!values.is_empty(), "nothing was measured");
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        Self { median: at(0.5), mean, p99: at(0.99), most: at(1.0), count: values.len() }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { median, mean, p99, most, count } = self;
        write!(f, "median {median:.1}  mean {mean:.1}  p99 {p99:.1}  most {most:.1} ms  (of {count})")
    }
}

/// What stands behind `name` on the command line; what `cargo bench` adds is left alone.
pub(crate) fn argument(name: &str) -> Option<String> {
    let arguments: Vec<String> = std::env::args().collect();
    arguments.windows(2).find(|pair| pair[0] == name).map(|pair| pair[1].clone())
}

/// Runs a measurement, which gives whether everything holds; the process says so with its exit code.
pub(crate) fn run(measurement: impl Future<Output = bool>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if !runtime.block_on(measurement) {
        std::process::exit(1);
    }
}

/// Prints which of these hold; gives whether all do.
pub(crate) fn judge(kept: &[(bool, &str)]) -> bool {
    for (holds, what) in kept {
        println!("  {}: {what}", if *holds { "holds" } else { "BROKEN" });
    }
    kept.iter().all(|(holds, _)| *holds)
}
