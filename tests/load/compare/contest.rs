//! Rounds: everybody has the same load in turn, forwards and backwards, so that what else the machine does falls on all alike.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::order::{Order, Outcome, Take, Way};
use super::program::pinned;

/// Somebody who is measured.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) at: SocketAddr,
    pub(crate) process: u32,
    /// The gate's answers are counted, to be compared with its record.
    pub(crate) is_gate: bool,
    /// Header lines; `{round}` stands for the number of the round.
    pub(crate) credentials: PathBuf,
    pub(crate) hosts: Vec<String>,
    /// Connections, where contenders differ in that.
    pub(crate) connections: Option<usize>,
    /// Devices that have header lines.
    pub(crate) devices: usize,
}

/// What everybody has to do.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) way: Way,
    pub(crate) take: Take,
    pub(crate) path: &'static str,
    pub(crate) connections: usize,
    pub(crate) streams: usize,
    /// Seconds from one request to the next on a connection; `None`: as soon as the answer is there.
    pub(crate) beat: Option<f64>,
    pub(crate) warm_up: f64,
    pub(crate) seconds: f64,
}

/// Processors, and the upstream that all of them share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    pub(crate) proxy: usize,
    pub(crate) load: usize,
    /// The upstream's process: its time is none of others'.
    pub(crate) upstream: u32,
}

/// A contender's outcomes, one of each round.
#[derive(Clone, Debug)]
pub(crate) struct Results {
    pub(crate) name: String,
    pub(crate) outcomes: Vec<Outcome>,
    /// Answers of the gate, those of warming up included.
    pub(crate) answers: u64,
}

/// Goes through all rounds.
pub(crate) fn rounds(machine: Machine, keys: &Path, task: &Task, contenders: &[Contender], rounds: usize) -> Vec<Results> {
    let begin = |contender: &Contender| Results { name: contender.name.clone(), outcomes: Vec::new(), answers: 0 };
    let mut results: Vec<Results> = contenders.iter().map(begin).collect();
    for round in 0..rounds {
        let mut turns: Vec<usize> = (0..contenders.len()).collect();
        if round % 2 == 1 {
            turns.reverse();
        }
        for turn in turns {
            let contender = &contenders[turn];
            let outcome = one(machine, keys, task, contender, round);
            results[turn].answers += outcome.answers;
            let bad = outcome.refused + outcome.broken;
            if let Some(problem) = &outcome.problem {
                eprintln!("  {}: {bad} bad of {}: {problem}", contender.name, outcome.good + bad);
            }
            results[turn].outcomes.push(outcome);
        }
        eprint!(".");
    }
    eprintln!();
    results
}

/// One run of the load, in a process of its own.
pub(crate) fn one(machine: Machine, keys: &Path, task: &Task, contender: &Contender, round: usize) -> Outcome {
    let order = Order {
        way: task.way,
        to: contender.at,
        watched: contender.process,
        upstream: machine.upstream,
        keys: keys.to_owned(),
        devices: contender.devices,
        credentials: contender.credentials.to_string_lossy().replace("{round}", &round.to_string()).into(),
        take: task.take,
        hosts: contender.hosts.clone(),
        path: task.path.to_owned(),
        connections: contender.connections.unwrap_or(task.connections),
        streams: task.streams,
        beat: task.beat,
        warm_up: task.warm_up,
        seconds: task.seconds,
    };
    let program = std::env::current_exe().unwrap();
    let order = serde_json::to_string(&order).unwrap();
    let run = pinned(machine.load, &[program.to_str().unwrap(), "load", &order]).output().unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "the load failed: {said}");
    serde_json::from_slice(&run.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}
