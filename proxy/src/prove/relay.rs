//! Between the question and the process. Everything here is answered at once: waiting is done inside.

use std::future::{Ready, ready};
use std::time::{Duration, Instant};

use sekisho_policy::prove::{DecisionWithModel, Satisfiable, Solver, SolverError};
use tokio::io::AsyncWrite;

use super::process::{Process, ProcessFault};
use super::program::Program;

/// A solver that answers by asking a process.
pub(super) struct Relay {
    program: Program,
    /// Nothing is asked after this.
    until: Instant,
    process: Option<Process>,
    script: Vec<u8>,
    /// Faults one after another: a solver that never answers is not asked for ever.
    faults: usize,
    /// The last fault, in words.
    fault: Option<String>,
}

impl Relay {
    pub(super) fn new(program: Program) -> Self {
        let until = Instant::now() + program.limits.total;
        Self { program, until, process: None, script: Vec::new(), faults: 0, fault: None }
    }

    /// Why nothing more is asked, in words.
    pub(super) fn gone(&self) -> Option<String> {
        if self.faults >= MOST_FAULTS {
            return self.fault.clone();
        }
        self.is_late().then(|| format!("the time for proofs, {:?}, was over", self.program.limits.total))
    }

    fn is_late(&self) -> bool {
        Instant::now() >= self.until
    }

    fn ask(&mut self, model: bool) -> Result<DecisionWithModel, SolverError> {
        if self.gone().is_some() {
            return Err(SolverError::SolverMarkedFailed);
        }
        match self.exchange(model) {
            Ok(answer) => {
                self.faults = 0;
                Ok(answer)
            }
            Err(fault) => {
                // What it would say next belongs to a question that nobody asks any more.
                self.process = None;
                self.faults += 1;
                self.fault = Some(fault.clone());
                Err(SolverError::Solver(fault))
            }
        }
    }

    fn exchange(&mut self, model: bool) -> Result<DecisionWithModel, String> {
        // Some leave to answer `unknown` by itself, which is quicker than another process.
        let patience = self.program.limits.each + LEAVE;
        let deadline = (Instant::now() + patience).min(self.until);
        let script = String::from_utf8(std::mem::take(&mut self.script)).map_err(|error| error.to_string())?;
        let words = |fault: ProcessFault| fault.to_string();
        let process = match &mut self.process {
            Some(process) => process,
            none => none.insert(Process::start(&self.program.path, self.program.limits.each).map_err(words)?),
        };
        process.send(script + "(check-sat)\n").map_err(words)?;
        match process.line(deadline, patience).map_err(words)?.as_str() {
            "unsat" => Ok(DecisionWithModel::Unsat),
            "unknown" => Ok(DecisionWithModel::Unknown),
            "sat" if !model => Ok(DecisionWithModel::Sat { model: String::new() }),
            "sat" => {
                process.send("(get-model)\n".to_owned()).map_err(words)?;
                match process.line(deadline, patience).map_err(words)?.as_str() {
                    "(" => Ok(DecisionWithModel::Sat { model: process.block("(", deadline, patience).map_err(words)? }),
                    other => Err(nonsense(other)),
                }
            }
            other => Err(nonsense(other)),
        }
    }
}

impl Solver for Relay {
    fn smtlib_input(&mut self) -> &mut (dyn AsyncWrite + Unpin + Send) {
        &mut self.script
    }

    fn enable_models(&mut self) -> impl Future<Output = Result<(), SolverError>> + Send {
        self.script.extend_from_slice(b"(set-option :produce-models true)\n");
        ready(Ok(()))
    }

    fn check_sat(&mut self) -> impl Future<Output = Result<Satisfiable, SolverError>> + Send {
        let answer: Ready<_> = ready(self.ask(false).map(|answer| match answer {
            DecisionWithModel::Sat { .. } => Satisfiable::Sat,
            DecisionWithModel::Unsat => Satisfiable::Unsat,
            DecisionWithModel::Unknown => Satisfiable::Unknown,
        }));
        answer
    }

    fn check_sat_with_model(&mut self) -> impl Future<Output = Result<DecisionWithModel, SolverError>> + Send {
        let answer: Ready<_> = ready(self.ask(true));
        answer
    }
}

fn nonsense(said: &str) -> String {
    let short: String = said.chars().filter(|c| !c.is_control()).take(120).collect();
    format!("the solver says what makes no sense: `{short}`; sekisho is made for cvc5")
}

/// How much longer than its own limit we wait for it.
const LEAVE: Duration = Duration::from_secs(2);

/// After so many faults without an answer in between, it is not asked any more.
const MOST_FAULTS: usize = 3;
