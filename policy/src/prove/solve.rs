//! One question to the solver.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use cedar_policy::{Effect, Policy, PolicySet as CedarSet, RequestEnv, Schema};
use cedar_policy_symcc::err::Error;
use cedar_policy_symcc::solver::{Solver, SolverError};
use cedar_policy_symcc::{
    CedarSymCompiler, CompiledPolicy, CompiledPolicySet, Env as Found, WellFormedAsserts, always_denies_asserts, implies_asserts,
};

/// Puts questions to a solver, and counts them.
///
/// The solver has to answer at once: its futures are ready when they are made, however long making them takes.
pub struct Prover<S: Solver> {
    compiler: CedarSymCompiler<S>,
    pub(super) asked: usize,
}

/// Policies that the solver can reason about, and those that were left out because it cannot.
pub(super) struct Compiled {
    set: CompiledPolicySet,
    pub(super) left_out: Vec<String>,
}

/// Why there is no answer. The words say what it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoAnswer {
    /// Something cannot be put to the solver.
    #[error("{0}")]
    OutOfReach(String),
    /// The solver did not decide it.
    #[error("{0}")]
    Undecided(String),
    /// The solver will not answer anything any more.
    #[error("{0}")]
    Gone(String),
}

impl<S: Solver> Prover<S> {
    /// Asks `solver`.
    ///
    /// # Errors
    /// In words, if no question can be put at all.
    pub fn new(solver: S) -> Result<Self, String> {
        Ok(Self { compiler: CedarSymCompiler::new(solver).map_err(|error| error.to_string())?, asked: 0 })
    }

    /// The solver, to ask it how it fares.
    pub fn solver(&self) -> &S {
        self.compiler.solver()
    }

    /// A request of `env` that `policies` permit.
    pub(super) fn permitted(&mut self, policies: &Compiled) -> Result<Option<Found>, NoAnswer> {
        self.find(&always_denies_asserts(&policies.set))
    }

    /// A request that `new` permits and `old` does not.
    pub(super) fn permitted_only_by(&mut self, new: &Compiled, old: &Compiled) -> Result<Option<Found>, NoAnswer> {
        self.find(&implies_asserts(&new.set, &old.set))
    }

    fn find(&mut self, asserts: &WellFormedAsserts<'_>) -> Result<Option<Found>, NoAnswer> {
        self.asked += 1;
        at_once(self.compiler.check_sat(asserts))?.map_err(no_answer)
    }
}

impl<S: Solver> std::fmt::Debug for Prover<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prover").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl Compiled {
    /// Makes `policies` ready for questions about `env`. Those with the effect `optional` are left out where they are out of the
    /// solver's reach; any other that is makes an error.
    pub(super) fn new<'a>(
        policies: impl Iterator<Item = &'a Policy>,
        env: &RequestEnv,
        schema: &Schema,
        optional: Effect,
    ) -> Result<Self, NoAnswer> {
        let (mut taken, mut left_out) = (Vec::new(), Vec::new());
        for policy in policies {
            if in_reach(policy) {
                taken.push(policy.clone());
            } else if policy.effect() == optional {
                left_out.push(policy.id().to_string());
            } else {
                return Err(NoAnswer::OutOfReach(format!("`{}` uses a character that solvers do not have", policy.id())));
            }
        }
        let Ok(set) = compile(&taken, env, schema) else {
            // Looked at one by one only now: it costs as much as the whole.
            return Self::without_unreachable(taken, left_out, env, schema, optional);
        };
        Ok(Self { set, left_out })
    }

    fn without_unreachable(
        taken: Vec<Policy>,
        mut left_out: Vec<String>,
        env: &RequestEnv,
        schema: &Schema,
        optional: Effect,
    ) -> Result<Self, NoAnswer> {
        let mut rest = Vec::with_capacity(taken.len());
        for policy in taken {
            match CompiledPolicy::compile(&policy, env, schema) {
                Ok(_) => rest.push(policy),
                Err(_) if policy.effect() == optional => left_out.push(policy.id().to_string()),
                Err(error) => {
                    let why = format!("`{}` uses something that the solver cannot reason about: {error}", policy.id());
                    return Err(NoAnswer::OutOfReach(why));
                }
            }
        }
        Ok(Self { set: compile(&rest, env, schema)?, left_out })
    }
}

fn compile(policies: &[Policy], env: &RequestEnv, schema: &Schema) -> Result<CompiledPolicySet, NoAnswer> {
    let set = CedarSet::from_policies(policies.iter().cloned()).map_err(|error| NoAnswer::OutOfReach(error.to_string()))?;
    CompiledPolicySet::compile(&set, env, schema).map_err(no_answer)
}

/// The strings of SMT-LIB end at U+2FFFF (theory of strings, section on literals).
fn in_reach(policy: &Policy) -> bool {
    policy.to_json().is_ok_and(|json| json.to_string().chars().all(|c| u32::from(c) <= 0x2_ffff))
}

fn no_answer(error: Error) -> NoAnswer {
    match error {
        Error::SolverUnknown => NoAnswer::Undecided("the solver did not find out within its time".to_owned()),
        Error::SolverError(SolverError::SolverMarkedFailed) => NoAnswer::Gone("the solver does not answer any more".to_owned()),
        Error::SolverError(SolverError::Solver(words)) => NoAnswer::Undecided(words),
        Error::SolverError(SolverError::UnrecognizedSolverOutput(words)) => {
            NoAnswer::Undecided(format!("the solver's answer makes no sense: {words}"))
        }
        Error::SolverError(error) => NoAnswer::Undecided(error.to_string()),
        Error::DecodeModel(_) | Error::ConcretizeError(_) | Error::ModelInvalid { .. } => {
            NoAnswer::Undecided(format!("the solver's answer makes no sense: {error}"))
        }
        error => NoAnswer::OutOfReach(format!("this cannot be put to the solver: {error}")),
    }
}

/// What a future that is ready is.
fn at_once<T>(future: impl Future<Output = T>) -> Result<T, NoAnswer> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => Err(NoAnswer::Gone("the solver did not answer at once".to_owned())),
    }
}
