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
    /// Where profiles go of a gate whose build makes them.
    pub(crate) train: Option<PathBuf>,
}

/// A build of the gate.
#[derive(Clone, Debug)]
pub(crate) struct Build {
    pub(crate) name: &'static str,
    pub(crate) binary: PathBuf,
    /// Where the profile goes that it makes.
    pub(crate) profiles: Option<PathBuf>,
}

impl Options {
    pub(crate) fn read(words: &[&str]) -> Self {
        let mut options =
            Self { rounds: 7, seconds: 4.0, only: String::new(), growth: false, ahead: false, write: None, train: None };
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
                "--train" => options.train = Some(root().join(value())),
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

/// The gate under measurement, and beside it the one that was built with a profile, if there is one.
pub(crate) fn builds(options: &Options) -> Vec<Build> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder));
    let built = |folder: &str| Some(target.join(folder).join("sekisho")).filter(|file| file.is_file());
    let named = |variable: &str| std::env::var_os(variable).map(|file| root().join(file)).filter(|file| file.is_file());
    let Some(binary) = named("GATE_BINARY").or_else(|| built("dist")).or_else(|| built("release")) else {
        eprintln!("there is no gate to measure: `cargo build --profile dist -p sekisho`, or name one in GATE_BINARY");
        std::process::exit(1);
    };
    let mut builds = vec![Build { name: "Sekisho", binary, profiles: options.train.clone() }];
    if options.train.is_none()
        && let Some(binary) = named("GATE_GUIDED").or_else(|| built("guided"))
    {
        builds.push(Build { name: "Sekisho, guided build", binary, profiles: None });
    }
    builds
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

const HELP: &str = "cargo bench -p sekisho-tests --bench compare -- [OPTIONS]

  --rounds N      rounds of everything (default 7)
  --seconds S     measured in each (default 4)
  --only NAME     only what has this in its name: h1-rs256, h1-es256, sessions, spare, new-rs256, new-es256, h2,
                  connections, downloads, websocket, idle, big-inventory;
                  with --growth: apps, policies, devices, sessions, connections
  --growth        instead of the comparison: what becomes of the cost as there is more of everything
  --ahead         go before whatever else the machine does; needs root. Ctrl-C ends cargo only: end this program by its number
  --train FOLDER  instead of the comparison: the gate alone under every kind of load; the profiles that its build makes go there
  --write FILE    put the tables into this page, and with --growth a plot beside it

GATE_BINARY names the gate (default: target/dist/sekisho, or target/release/sekisho), GATE_GUIDED one that was built with a profile
and is measured beside it (default: target/guided/sekisho if there is one), ENVOY Envoy's program.";
