//! What becomes of the cost of a request as there is more of everything: gates of all sizes stand beside each other and are asked in turn.

use std::fmt::Write as _;

use super::bench::Bench;
use super::contest::{self, Contender, Results};
use super::gate::Gate;
use super::keys::{Algorithm, DEVICES};
use super::page::Page;
use super::peers::Peer;
use super::plot::{self, Line};
use super::scenario;
use super::setup::{self, Size};
use super::table::{self, Cost, median, range};

/// One thing of which there is more and more.
#[derive(Clone, Copy, Debug)]
struct Axis {
    name: &'static str,
    steps: &'static [usize],
    size: fn(usize) -> Size,
}

/// One step.
struct Step {
    count: usize,
    /// Of each round, in microseconds of processor time for each request.
    costs: Vec<f64>,
    start: f64,
    /// Of the whole gate when it was ready, in bytes.
    memory: f64,
}

pub(crate) fn run(bench: &Bench, page: &mut Page) {
    let mut lines = Vec::new();
    for axis in AXES.iter().filter(|axis| axis.name.contains(bench.options.only.as_str())) {
        eprintln!("{}", axis.name);
        let (steps, floor) = axis.measure(bench);
        let text = axis.table(&steps) + &floor;
        page.put(&format!("growth-{}", axis.name), &text);
        let first = median(&steps[0].costs);
        let points = steps.iter().map(|step| (step.count as f64, median(&step.costs) / first)).collect();
        lines.push(Line { name: axis.name, points });
        if let Some(path) = &page.path {
            std::fs::write(path.with_extension("svg"), plot::draw(&lines)).unwrap();
        }
    }
}

impl Axis {
    /// All steps, and a word about the floor where it has the same.
    fn measure(&self, bench: &Bench) -> (Vec<Step>, String) {
        let task = scenario::stay(bench.options.seconds);
        // Connections are more on the same gate; of everything else there is more in a gate of its own.
        let own_gates = self.name != CONNECTIONS;
        let sizes: Vec<Size> =
            self.steps.iter().map(|count| (self.size)(*count)).take(if own_gates { usize::MAX } else { 1 }).collect();
        let mut gates: Vec<Gate> = sizes.iter().map(|size| bench.gate(*size)).collect();
        let mut contenders: Vec<Contender> = (0..self.steps.len())
            .map(|at| {
                let gate = &gates[if own_gates { at } else { 0 }];
                let size = sizes[if own_gates { at } else { 0 }];
                let mut contender = bench.with_tokens(gate, Algorithm::Rs256);
                contender.name = self.steps[at].to_string();
                // All over the apps that are there: each connection asks for another.
                let asked = size.apps.clamp(2, DEVICES + 1) - 1;
                contender.hosts = (0..asked).map(|number| setup::host(1 + number * (size.apps.max(2) - 1) / asked)).collect();
                contender.connections = (!own_gates).then_some(self.steps[at]);
                if self.name == SESSIONS {
                    contender.credentials.clone_from(&gate.cookies);
                    contender.hosts = vec![setup::host(1)];
                    contender.devices = size.sessions.min(DEVICES);
                }
                contender
            })
            .collect();
        // More connections cost a proxy that does nothing more, too.
        let floor = if own_gates { Vec::new() } else { bench.peers(&[Peer::Floor]) };
        let tokens = bench.tokens(Algorithm::Rs256);
        contenders.extend(floor.iter().flat_map(|floor| {
            self.steps.iter().map(|step| Contender { connections: Some(*step), ..bench.peer_with(floor, &tokens) })
        }));
        let mut results = contest::rounds(bench.machine, &bench.keys.folder, &task, &contenders, bench.options.rounds);
        let floor = self.floor(&results.split_off(self.steps.len()));
        let steps = self.steps.iter().zip(&results).enumerate().map(|(at, (count, results))| {
            let gate = &mut gates[if own_gates { at } else { 0 }];
            gate.answers += results.answers;
            let costs = results.outcomes.iter().map(|outcome| Cost::Answer.of(outcome)).collect();
            Step { count: *count, costs, start: gate.start.as_secs_f64(), memory: gate.memory as f64 }
        });
        let steps = steps.collect();
        eprintln!("{}", table::others(&results));
        for gate in gates {
            eprintln!("{}", gate.end());
        }
        (steps, floor)
    }

    fn floor(&self, results: &[Results]) -> String {
        let Some(first) = results.first() else { return String::new() };
        let mut text = format!("\n{}, in proportion to its own first:", first.name);
        for (step, results) in self.steps.iter().zip(results).skip(1) {
            let _ = write!(text, " {} {};", grouped(*step), table::proportion(Cost::Answer, results, first));
        }
        text.truncate(text.trim_end_matches(';').len());
        text + ".\n"
    }

    /// Each step in proportion to the first, round by round.
    fn table(&self, steps: &[Step]) -> String {
        let mut text = format!(
            "| {} | CPU µs a request | least to most | in proportion to the first | ready after | memory when ready | for each |\n|{}\n",
            self.name,
            " --- |".repeat(7)
        );
        let first = &steps[0];
        for step in steps {
            let (least, most) = range(&step.costs);
            let proportions: Vec<f64> = step.costs.iter().zip(&first.costs).map(|(cost, first)| cost / first).collect();
            let (lowest, highest) = range(&proportions);
            let more = step.count.saturating_sub(first.count);
            // What the first few take is the gate's own.
            let each = if more < 100 || self.name == CONNECTIONS {
                "–".to_owned()
            } else {
                format!("{:.0} B", (step.memory - first.memory) / more as f64)
            };
            let _ = writeln!(
                text,
                "| {} | **{:.1}** | {least:.1} to {most:.1} | {:.2} ({lowest:.2} to {highest:.2}) | {:.2} s | {:.1} MiB | {each} |",
                grouped(step.count),
                median(&step.costs),
                median(&proportions),
                step.start,
                step.memory / f64::from(1 << 20),
            );
        }
        text
    }
}

/// 1,000,000 is easier to read.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

const SESSIONS: &str = "sessions";
const CONNECTIONS: &str = "connections";
const AXES: [Axis; 5] = [
    // One app and the one that gets no assertion.
    Axis { name: "apps", steps: &[1, 10, 100, 1000, 10_000], size: |apps| Size { apps: apps + 1, ..Size::default() } },
    Axis { name: "policies", steps: &[10, 100, 1000, 10_000], size: |policies| Size { policies, ..Size::default() } },
    Axis { name: "devices", steps: &[1000, 10_000, 100_000, 1_000_000], size: |devices| Size { devices, ..Size::default() } },
    Axis { name: SESSIONS, steps: &[1, 100, 10_000, 100_000], size: |sessions| Size { sessions, ..Size::default() } },
    Axis { name: CONNECTIONS, steps: &[32, 256, 2048, 8000], size: |_same| Size::default() },
];
