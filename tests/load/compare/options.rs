//! What was asked for on the command line.

use std::path::{Path, PathBuf};

/// All options.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    pub(crate) only: String,
    pub(crate) growth: bool,
    pub(crate) ahead: bool,
    pub(crate) write: Option<PathBuf>,
}

impl Options {
    pub(crate) fn read(words: &[&str]) -> Self {
        let mut options = Self { rounds: 7, seconds: 4.0, only: String::new(), growth: false, ahead: false, write: None };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value\n{HELP}"));
            match *word {
                "--rounds" => options.rounds = value().parse().expect("--rounds: a number"),
                "--seconds" => options.seconds = value().parse().expect("--seconds: a number"),
                "--only" => options.only = (*value()).to_owned(),
                "--growth" => options.growth = true,
                "--ahead" => options.ahead = true,
                // Cargo runs benchmarks in the folder of their package.
                "--write" => options.write = Some(root().join(value())),
                // Cargo says so to every benchmark.
                "--bench" => {}
                _ => {
                    println!("{HELP}");
                    std::process::exit(i32::from(*word != "--help"));
                }
            }
        }
        options
    }
}

/// The gate under measurement.
pub(crate) fn gate() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder));
    let built =
        || ["dist", "release"].map(|profile| target.join(profile).join("sekisho")).into_iter().find(|file| file.is_file());
    let named = std::env::var_os("GATE_BINARY").map(|file| root().join(file));
    let gate = named.or_else(built).filter(|file| file.is_file());
    gate.unwrap_or_else(|| {
        eprintln!("there is no gate to measure: `cargo build --profile dist -p sekisho`, or name one in GATE_BINARY");
        std::process::exit(1);
    })
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

const HELP: &str = "cargo bench -p sekisho-tests --bench compare -- [OPTIONS]

  --rounds N      rounds of everything (default 7)
  --seconds S     measured in each (default 4)
  --only NAME     only what has this in its name: h1-rs256, h1-es256, sessions, new-rs256, new-es256, h2, connections,
                  downloads, websocket, idle, big-inventory; with --growth: apps, policies, devices, sessions, connections
  --growth        instead of the comparison: what becomes of the cost as there is more of everything
  --ahead         go before whatever else the machine does; needs root. Ctrl-C ends cargo only: end this program by its number
  --write FILE    put the tables into this page, and with --growth a plot beside it

GATE_BINARY names the gate (default: target/dist/sekisho, or target/release/sekisho), ENVOY Envoy's program.";
