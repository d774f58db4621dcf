//! What operators see of sign-in.

use prometheus::{GaugeVec, IntCounterVec, Opts, Registry};

use super::logout::LogoutRefusal;
use super::refresh::RefreshMetrics;
use super::refusal::SignInRefusal;
use crate::clock::Timestamp;

/// Attempts to sign in that came back from a provider. Clones count together.
#[derive(Clone, Debug)]
pub struct SignInMetrics {
    sign_ins: IntCounterVec,
    last_success: GaugeVec,
    step_ups: IntCounterVec,
    logouts: IntCounterVec,
    /// Codes of break-glasses that were shown, by outcome.
    break_glass: IntCounterVec,
    pub(super) refresh: RefreshMetrics,
}

/// What came of a provider's word that somebody left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogoutOutcome {
    /// Sessions were ended.
    Ended,
    /// There was none (any more).
    NothingToEnd,
    /// The request or its token is not right.
    Refused,
    /// The token was used before.
    Replayed,
    /// Too many were refused.
    Throttled,
    /// The gate could not do it.
    Failed,
}

impl LogoutOutcome {
    const ALL: [Self; 6] = [Self::Ended, Self::NothingToEnd, Self::Refused, Self::Replayed, Self::Throttled, Self::Failed];

    /// Label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::NothingToEnd => "nothing_to_end",
            Self::Refused => "refused",
            Self::Replayed => "replayed",
            Self::Throttled => "throttled",
            Self::Failed => "failed",
        }
    }

    pub(super) fn of<T>(result: Result<&[T], &LogoutRefusal>) -> Self {
        match result {
            Ok([]) => Self::NothingToEnd,
            Ok(_) => Self::Ended,
            Err(LogoutRefusal::Replayed) => Self::Replayed,
            Err(LogoutRefusal::Throttled { .. }) => Self::Throttled,
            Err(LogoutRefusal::NoKeys(_) | LogoutRefusal::Store(_)) => Self::Failed,
            Err(_) => Self::Refused,
        }
    }
}

/// What came of a denial that a fresher or stronger sign-in would turn into a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepUpOutcome {
    /// A browser was asked to sign in again.
    Asked,
    /// A program was told what its token or session lacks.
    Challenged,
    /// Somebody signed in again as it was needed.
    Succeeded,
    /// So did somebody else: their own session began.
    OtherUser,
    /// What came back from the provider was not fresh or strong enough.
    Failed,
    /// Nothing of use came back from the provider.
    Abandoned,
    /// It was not asked for again, as it had not helped a moment ago.
    NotAgain,
    /// There are no words to ask the provider with.
    CannotAsk,
    /// A form was kept.
    FormKept,
    /// A form could not be kept.
    FormNotKept,
    /// A kept form was sent to its app.
    FormSent,
}

impl StepUpOutcome {
    /// Label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Challenged => "challenged",
            Self::Succeeded => "succeeded",
            Self::OtherUser => "other_user",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
            Self::NotAgain => "not_again",
            Self::CannotAsk => "cannot_ask",
            Self::FormKept => "form_kept",
            Self::FormNotKept => "form_not_kept",
            Self::FormSent => "form_sent",
        }
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A session began.
    Success,
    /// The provider, or the person at the provider, said no.
    Declined,
    /// What the provider said was not good enough.
    Refused,
    /// The provider could not be reached, or talked nonsense.
    ProviderDown,
    /// The gate could not do it.
    Failed,
}

impl Outcome {
    /// Label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Declined => "declined",
            Self::Refused => "refused",
            Self::ProviderDown => "provider_down",
            Self::Failed => "failed",
        }
    }

    pub(super) fn of<T>(result: &Result<T, SignInRefusal>) -> Self {
        match result {
            Ok(_) => Self::Success,
            Err(refusal) => refusal.outcome(),
        }
    }
}

/// What became of a code of a break-glass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BreakGlassOutcome {
    /// It began a session.
    Used,
    /// It opened nothing.
    Refused,
    /// It was not looked at.
    Throttled,
}

impl BreakGlassOutcome {
    const ALL: [Self; 3] = [Self::Used, Self::Refused, Self::Throttled];

    fn as_str(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Refused => "refused",
            Self::Throttled => "throttled",
        }
    }
}

impl SignInMetrics {
    /// Enters the metrics into `registry`.
    ///
    /// # Errors
    /// If one of their names is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let sign_ins = IntCounterVec::new(
            Opts::new("sekisho_sign_ins_total", "Attempts to sign in that came back from an identity provider, by outcome."),
            &["provider", "outcome"],
        )?;
        let last_success = GaugeVec::new(
            Opts::new(
                "sekisho_sign_in_last_success_timestamp_seconds",
                "When somebody last signed in through an identity provider, in seconds since the epoch.",
            ),
            &["provider"],
        )?;
        let step_ups = IntCounterVec::new(
            Opts::new("sekisho_step_up_total", "Denials that another sign-in would turn into a permit, and what came of them."),
            &["app", "outcome"],
        )?;
        let logouts = IntCounterVec::new(
            Opts::new("sekisho_backchannel_logouts_total", "Logout tokens that identity providers sent, by outcome."),
            &["outcome"],
        )?;
        registry.register(Box::new(logouts.clone()))?;
        // A counter that begins with its first count has not increased by it, for those who watch.
        for outcome in LogoutOutcome::ALL {
            let _at_zero = logouts.with_label_values(&[outcome.as_str()]);
        }
        let break_glass = IntCounterVec::new(
            Opts::new("sekisho_break_glass_codes_total", "Codes of break-glasses that were shown, by outcome"),
            &["outcome"],
        )?;
        registry.register(Box::new(break_glass.clone()))?;
        for outcome in BreakGlassOutcome::ALL {
            let _at_zero = break_glass.with_label_values(&[outcome.as_str()]);
        }
        registry.register(Box::new(step_ups.clone()))?;
        registry.register(Box::new(sign_ins.clone()))?;
        registry.register(Box::new(last_success.clone()))?;
        Ok(Self { sign_ins, last_success, step_ups, logouts, break_glass, refresh: RefreshMetrics::register(registry)? })
    }

    pub(super) fn step_up(&self, app: &str, outcome: StepUpOutcome) {
        self.step_ups.with_label_values(&[app, outcome.as_str()]).inc();
    }

    pub(super) fn break_glass(&self, outcome: BreakGlassOutcome) {
        self.break_glass.with_label_values(&[outcome.as_str()]).inc();
    }

    pub(super) fn logged_out(&self, outcome: LogoutOutcome) {
        self.logouts.with_label_values(&[outcome.as_str()]).inc();
    }

    pub(super) fn ended(&self, provider: &str, outcome: Outcome, now: Timestamp) {
        self.sign_ins.with_label_values(&[provider, outcome.as_str()]).inc();
        if outcome == Outcome::Success {
            #[expect(clippy::cast_precision_loss, reason = "seconds since the epoch fit a float exactly for ages to come")]
            self.last_success.with_label_values(&[provider]).set(now.as_secs() as f64);
        }
    }
}
