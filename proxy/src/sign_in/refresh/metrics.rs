//! What operators see of facts that are taken again.

use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// Refreshes. Clones count together.
#[derive(Clone, Debug)]
pub struct RefreshMetrics {
    refreshes: IntCounterVec,
    seconds: Histogram,
    reachable: IntGaugeVec,
    stale: IntGauge,
    given_back: IntCounterVec,
}

/// What came of asking a provider about a session again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshOutcome {
    /// It says the same.
    Confirmed,
    /// It says something else of the person.
    Changed,
    /// It does not take the refresh token any more (`invalid_grant`): the session ended.
    Refused,
    /// What it says cannot be of this person any more: the session ended.
    Unfit,
    /// It does not take the refresh token and does not say why: it is not shown again, and the facts age.
    Unexplained,
    /// It cannot be reached, or says that something is wrong with itself.
    Unreachable,
    /// Its answer is of no use.
    Failed,
    /// The gate could not read its token, or write the next one down.
    NotKept,
    /// The session ended meanwhile.
    Gone,
}

/// What came of giving a refresh token back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GivenBack {
    Taken,
    Failed,
}

impl GivenBack {
    fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Failed => "failed",
        }
    }
}

impl RefreshOutcome {
    const ALL: [Self; 9] = [
        Self::Confirmed,
        Self::Changed,
        Self::Refused,
        Self::Unfit,
        Self::Unexplained,
        Self::Unreachable,
        Self::Failed,
        Self::NotKept,
        Self::Gone,
    ];

    /// Label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Changed => "changed",
            Self::Refused => "refused",
            Self::Unfit => "unfit",
            Self::Unexplained => "unexplained",
            Self::Unreachable => "unreachable",
            Self::Failed => "failed",
            Self::NotKept => "not_kept",
            Self::Gone => "gone",
        }
    }

    /// The provider answered in a way that can be worked with.
    pub(super) fn is_an_answer(self) -> bool {
        matches!(self, Self::Confirmed | Self::Changed | Self::Refused | Self::Unfit | Self::Unexplained)
    }
}

impl RefreshMetrics {
    /// Enters the metrics into `registry`.
    ///
    /// # Errors
    /// If one of their names is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let refreshes = IntCounterVec::new(
            Opts::new("sekisho_refreshes_total", "Sessions whose identity provider was asked about them again, by outcome."),
            &["provider", "outcome"],
        )?;
        let seconds = Histogram::with_opts(
            HistogramOpts::new(
                "sekisho_refresh_seconds",
                "Time until an identity provider was asked again and its answer in effect.",
            )
            .buckets(vec![0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0]),
        )?;
        let reachable = IntGaugeVec::new(
            Opts::new("sekisho_provider_reachable", "1 while an identity provider answers when it is asked again, else 0."),
            &["provider"],
        )?;
        let stale = IntGauge::new(
            "sekisho_sessions_stale",
            "Sessions that are refused because their facts are too old and their identity provider cannot be asked.",
        )?;
        let given_back = IntCounterVec::new(
            Opts::new(
                "sekisho_tokens_given_back_total",
                "Refresh tokens of sessions that ended, given back to their identity provider.",
            ),
            &["provider", "outcome"],
        )?;
        registry.register(Box::new(given_back.clone()))?;
        registry.register(Box::new(refreshes.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        registry.register(Box::new(reachable.clone()))?;
        registry.register(Box::new(stale.clone()))?;
        Ok(Self { refreshes, seconds, reachable, stale, given_back })
    }

    /// A counter that begins with its first count has not increased by it, for those who watch.
    pub(in crate::sign_in) fn begins(&self, provider: &str, reachable: bool) {
        for outcome in RefreshOutcome::ALL {
            let _at_zero = self.refreshes.with_label_values(&[provider, outcome.as_str()]);
        }
        self.is_reachable(provider, reachable);
    }

    pub(super) fn ended(&self, provider: &str, outcome: RefreshOutcome, seconds: f64) {
        self.refreshes.with_label_values(&[provider, outcome.as_str()]).inc();
        self.seconds.observe(seconds);
    }

    pub(super) fn given_back(&self, provider: &str, outcome: GivenBack) {
        self.given_back.with_label_values(&[provider, outcome.as_str()]).inc();
    }

    pub(super) fn is_reachable(&self, provider: &str, reachable: bool) {
        self.reachable.with_label_values(&[provider]).set(i64::from(reachable));
    }

    /// So many are refused now.
    pub fn stale(&self, sessions: usize) {
        self.stale.set(i64::try_from(sessions).unwrap_or(i64::MAX));
    }
}
