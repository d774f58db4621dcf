//! The whole of it: everybody is started, tried, measured in rounds, and ended.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::contest::{self, Contender, Machine, Results, Task};
use super::gate::Gate;
use super::keys::{Algorithm, DEVICES, Keys};
use super::options::{self, Build, Options};
use super::order::Take;
use super::page::Page;
use super::peers::{ALGORITHMS, Peer, Running};
use super::program::Program;
use super::scenario::{self, NEW_TOKENS, Scenario, Shows};
use super::setup::{self, Size};
use super::table::{self, Cost};
use super::{growth, place};

/// What all measurements share.
pub(crate) struct Bench {
    pub(crate) options: Options,
    pub(crate) machine: Machine,
    pub(crate) keys: Keys,
    /// The first is what is compared.
    pub(crate) builds: Vec<Build>,
    pub(crate) at: SocketAddr,
    folder: TempDir,
    _upstream: Program,
}

pub(crate) fn run(options: &Options) {
    let bench = Bench::open(options);
    let mut page = Page::open(options.write.as_deref());
    page.put("machine", &bench.surroundings());
    if options.growth {
        return growth::run(&bench, &mut page);
    }
    if options.train.is_some() {
        return bench.train();
    }
    let wanted = |scenario: &Scenario| scenario.name.contains(options.only.as_str());
    for scenario in scenario::all(options.seconds).into_iter().filter(wanted) {
        let text = bench.compare(&scenario);
        page.put(scenario.name, &format!("### {}\n\n{text}", scenario.title));
    }
}

impl Bench {
    fn open(options: &Options) -> Self {
        let _kept = rustls::crypto::aws_lc_rs::default_provider().install_default();
        raise_files();
        if options.ahead {
            go_ahead();
        }
        let folder = tempfile::Builder::new().prefix("compare-").tempdir().unwrap();
        let (keys, at) = (Keys::make(&folder.path().join("keys")), place::free_address());
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let (proxy, load) = (usize::from(processors > 1), 0);
        let program = std::env::current_exe().unwrap();
        let command = [program.to_str().unwrap(), "upstream", &at.to_string()];
        let mut upstream = Program::start("upstream", load, folder.path(), &command);
        upstream.listens(at);
        for algorithm in ALGORITHMS {
            keys.tokens(&format!("{algorithm:?}"), algorithm, DEVICES);
        }
        let machine = Machine { proxy, load, upstream: upstream.id() };
        Self { options: options.clone(), machine, keys, builds: options::builds(options), at, folder, _upstream: upstream }
    }

    /// Starts a gate on the proxies' processor.
    pub(crate) fn gate(&self, size: Size) -> Gate {
        self.gate_of(&self.builds[0], size)
    }

    fn gate_of(&self, build: &Build, size: Size) -> Gate {
        Gate::start(build, self.machine.proxy, &self.keys.folder, self.at, size)
    }

    /// One of each build.
    fn gates(&self) -> Vec<Gate> {
        self.builds.iter().map(|build| self.gate_of(build, Size::default())).collect()
    }

    /// The gate alone, under every kind of load that takes processor time.
    fn train(&self) {
        let costs_time = |scenario: &Scenario| scenario.cost != Cost::Connection && scenario.shows != Shows::BigInventory;
        for scenario in scenario::all(self.options.seconds).into_iter().filter(costs_time) {
            eprintln!("{}", self.compare(&Scenario { peers: &[], ..scenario }));
        }
    }

    pub(crate) fn tokens(&self, algorithm: Algorithm) -> PathBuf {
        self.keys.folder.join(format!("{algorithm:?}"))
    }

    fn compare(&self, scenario: &Scenario) -> String {
        eprintln!("{}", scenario.title);
        match scenario.shows {
            Shows::BigInventory => self.big_inventory(scenario),
            _ if scenario.cost == Cost::Connection => self.fresh_each_round(scenario),
            _ => self.beside_peers(scenario),
        }
    }

    fn beside_peers(&self, scenario: &Scenario) -> String {
        let mut gates = self.gates();
        let peers = self.peers(scenario.peers);
        let contenders = self.contenders(scenario, &gates, &peers);
        self.try_all(&mut gates, &contenders, &peers);
        if let Shows::NewTokens(algorithm) = scenario.shows {
            self.mint(algorithm);
        }
        let results = contest::rounds(self.machine, &self.keys.folder, &scenario.task, &contenders, self.options.rounds);
        finish(scenario, gates, &contenders, &results)
    }

    /// Memory that was used once is not given back: each round has programs that have just begun.
    fn fresh_each_round(&self, scenario: &Scenario) -> String {
        let (mut all, mut words): (Vec<Results>, String) = (Vec::new(), String::new());
        for _round in 0..self.options.rounds.min(3) {
            let gates = self.gates();
            let peers = self.peers(scenario.peers);
            let contenders = self.contenders(scenario, &gates, &peers);
            let results = contest::rounds(self.machine, &self.keys.folder, &scenario.task, &contenders, 1);
            words = end(gates, &contenders, &results);
            if all.is_empty() {
                all = results;
            } else {
                all.iter_mut().zip(results).for_each(|(all, one)| all.outcomes.extend(one.outcomes));
            }
        }
        format!("{}\n{words}\n", table::of(scenario.cost, scenario.what, &all))
    }

    fn big_inventory(&self, scenario: &Scenario) -> String {
        let sizes = [Size::default(), Size { devices: 1_000_000, sessions: 100_000, ..Size::default() }];
        let mut gates: Vec<Gate> = sizes.iter().map(|size| self.gate(*size)).collect();
        let names = ["Sekisho with 1,000 of each", "Sekisho with 1,000,000 and 100,000"];
        let contenders: Vec<Contender> = gates
            .iter()
            .zip(names)
            .map(|(gate, name)| Contender { name: name.to_owned(), ..self.with_tokens(gate, Algorithm::Rs256) })
            .collect();
        let mut results = contest::rounds(self.machine, &self.keys.folder, &scenario.task, &contenders, self.options.rounds);
        let mut words = String::new();
        for (gate, results) in gates.iter_mut().zip(&results) {
            gate.answers += results.answers;
            let start = gate.start.as_secs_f64();
            let mib = gate.memory as f64 / f64::from(1 << 20);
            words.push_str(&format!("- {}: ready after {start:.2} s, with {mib:.1} MiB.\n", results.name));
        }
        let ended: Vec<String> = gates.into_iter().map(Gate::end).collect();
        results.reverse();
        format!(
            "{}\n{words}\n{}\n\nThe record: {}.\n",
            table::of(scenario.cost, scenario.what, &results),
            table::others(&results),
            ended.join("; ")
        )
    }

    pub(crate) fn peers(&self, wanted: &[Peer]) -> Vec<Running> {
        wanted.iter().filter_map(|peer| peer.start(self.machine.proxy, self.folder.path(), &self.keys, self.at)).collect()
    }

    /// The gates first.
    fn contenders(&self, scenario: &Scenario, gates: &[Gate], peers: &[Running]) -> Vec<Contender> {
        let theirs = match scenario.shows {
            Shows::Tokens(algorithm) => self.tokens(algorithm),
            Shows::NewTokens(algorithm) => self.new_tokens(algorithm, "a"),
            Shows::Sessions | Shows::BigInventory => self.tokens(Algorithm::Rs256),
        };
        let mut all = Vec::new();
        for gate in gates {
            let credentials = if scenario.shows == Shows::Sessions { gate.cookies.clone() } else { theirs.clone() };
            all.push(Contender { credentials, ..self.with_tokens(gate, Algorithm::Rs256) });
        }
        if let Shows::NewTokens(algorithm) = scenario.shows {
            let credentials = self.new_tokens(algorithm, "b");
            for at in 0..gates.len() {
                let (name, credentials) = (format!("{}, app without assertion", all[at].name), credentials.clone());
                all.push(Contender { name, credentials, hosts: vec![setup::host(0)], ..all[at].clone() });
            }
        }
        all.extend(peers.iter().map(|peer| self.peer_with(peer, &theirs)));
        all
    }

    /// A peer, whose clients show these.
    pub(crate) fn peer_with(&self, Running { peer, program, at }: &Running, credentials: &Path) -> Contender {
        Contender {
            name: peer.name().to_owned(),
            at: *at,
            process: program.id(),
            is_gate: false,
            credentials: credentials.to_owned(),
            hosts: vec![setup::host(1)],
            connections: None,
            devices: DEVICES,
        }
    }

    pub(crate) fn with_tokens(&self, gate: &Gate, algorithm: Algorithm) -> Contender {
        Contender {
            name: gate.build.name.to_owned(),
            at: gate.https,
            process: gate.id(),
            is_gate: true,
            credentials: self.tokens(algorithm),
            hosts: vec![setup::host(1)],
            connections: None,
            devices: DEVICES,
        }
    }

    /// Whoever says that it authorizes lets good tokens in and bad ones not, or like is not compared with like.
    fn try_all(&self, gates: &mut [Gate], contenders: &[Contender], peers: &[Running]) {
        let authorizes = |contender: &&Contender| {
            contender.is_gate
                || peers.iter().any(|running| running.program.id() == contender.process && running.peer.authorizes())
        };
        let task = Task { take: Take::Once, connections: 1, warm_up: 0.0, ..scenario::stay(10.0) };
        for contender in contenders.iter().filter(authorizes) {
            for algorithm in ALGORITHMS {
                let good = self.keys.tokens("good", algorithm, 1);
                for (name, credentials) in self.keys.bad(algorithm).into_iter().chain([("good", good)]) {
                    let contender = Contender { credentials, devices: 1, ..contender.clone() };
                    let outcome = contest::one(self.machine, &self.keys.folder, &task, &contender, 0);
                    let gate = gates.iter_mut().find(|gate| gate.id() == contender.process);
                    let lines = gate.as_ref().map(|gate| gate.newest_lines()).unwrap_or_default();
                    let shown = format!("{}: a token with a bad {name}, {algorithm:?}: {outcome:?}\n{lines}", contender.name);
                    assert_eq!(outcome.answers, 1, "{shown}");
                    assert_eq!(outcome.problem.is_none(), name == "good", "{shown}");
                    if let Some(gate) = gate {
                        gate.answers += outcome.answers;
                    }
                }
            }
        }
    }

    fn new_tokens(&self, algorithm: Algorithm, whose: &str) -> PathBuf {
        self.keys.folder.join(format!("new-{algorithm:?}-{whose}-{{round}}"))
    }

    /// Those that [`Bench::new_tokens`] names.
    fn mint(&self, algorithm: Algorithm) {
        let names = ["a", "b"].into_iter().flat_map(|whose| (0..self.options.rounds).map(move |round| (whose, round)));
        for (whose, round) in names {
            self.keys.tokens(&format!("new-{algorithm:?}-{whose}-{round}"), algorithm, NEW_TOKENS);
        }
    }

    /// On what all this was measured.
    fn surroundings(&self) -> String {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let cpu = read("/proc/cpuinfo");
        let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
        let cpu = cpu.trim_start_matches(['\t', ' ', ':']).to_owned();
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let kernel = read("/proc/sys/kernel/osrelease");
        let mut seen: Vec<String> = Vec::new();
        for version in Peer::ALL.into_iter().filter_map(Peer::version) {
            if !seen.contains(&version) {
                seen.push(version);
            }
        }
        let peers = if seen.is_empty() { "none installed".to_owned() } else { seen.join("; ") };
        let Options { rounds, seconds, .. } = self.options;
        let built = self.builds[0].binary.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        format!(
            "- Machine: {processors} processors, {cpu}; Linux {}. Proxies on processor {}, load and upstream on processor {}.\n\
             - Gate: the `{built}` build. Peers: {peers}.\n\
             - {rounds} rounds of {seconds} s each.\n",
            kernel.trim(),
            self.machine.proxy,
            self.machine.load,
        )
    }
}

fn finish(scenario: &Scenario, gates: Vec<Gate>, contenders: &[Contender], results: &[Results]) -> String {
    let mut text = table::of(scenario.cost, scenario.what, results);
    if scenario.task.beat.is_some() {
        text.push_str(&table::added(&results[0], &results[1..]));
    }
    let ours = contenders.iter().take_while(|contender| contender.is_gate).count();
    for other in &results[1..ours] {
        text.push_str(&format!("\n{}, in proportion:", other.name));
        for peer in &results[ours..] {
            text.push_str(&format!(" {} {}.", peer.name, table::proportion(scenario.cost, other, peer)));
        }
        text.push('\n');
    }
    let words = end(gates, contenders, results);
    format!("{text}\n{}\n{words}\n", table::others(results))
}

fn end(gates: Vec<Gate>, contenders: &[Contender], results: &[Results]) -> String {
    let ended = gates.into_iter().map(|mut gate| {
        let ours = contenders.iter().zip(results).filter(|(contender, _)| contender.process == gate.id());
        gate.answers += ours.map(|(_, results)| results.answers).sum::<u64>();
        let name = if gate.build.name == "Sekisho" { "The gate" } else { gate.build.name };
        format!("{name}: {}.", gate.end())
    });
    ended.collect::<Vec<_>>().join(" ")
}

/// Thousands of connections need as many files, in the programs that we start as well.
fn raise_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _fewer_then = setrlimit(Resource::Nofile, limit);
}

/// The kernel shares processors out among sessions first (sched(7), autogroups): this one gets its own, with a large share.
fn go_ahead() {
    let own = rustix::process::setsid().map_err(std::io::Error::from);
    if let Err(error) = own.and_then(|_session| std::fs::write("/proc/self/autogroup", "-10")) {
        eprintln!("--ahead: {error}: this runs among everything else");
    }
}
