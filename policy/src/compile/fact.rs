//! The parts and facts of the context, named once: a path in a policy becomes one of these when it is compiled.
//!
//! INVARIANT (facts-as-in-the-schema): what is here is what `schema.cedarschema` declares for `Known` and `Public`, with the
//! same names. The property test compares every one with Cedar's own evaluation of the path.

use crate::schema::PostureFact;

/// A record of the context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Context,
    Device,
    Posture,
    Session,
    Request,
    Usage,
}

/// A fact of the context that is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    DeviceId,
    Owner,
    Authority,
    Platform,
    Managed,
    Shared,
    KeyProtection,
    PostureAge,
    EnrolledAt,
    /// By its place among the declared posture facts.
    Posture(usize),
    AuthAge,
    Mfa,
    Acr,
    Amr,
    Provider,
    Binding,
    Host,
    Path,
    PathPrefixes,
    Method,
    SourceIp,
    Requests1m,
    Bytes1h,
    Bytes1d,
    Now,
    LocalTime,
    Weekday,
}

/// What an attribute of a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Part(Part),
    Fact(Fact),
}

impl Part {
    /// What `self.name` is; `None` if there is never such an attribute.
    pub(crate) fn step(self, name: &str, posture: &[PostureFact]) -> Option<Step> {
        if self == Self::Posture {
            return posture.iter().position(|fact| fact.name == name).map(|at| Step::Fact(Fact::Posture(at)));
        }
        self.attributes().iter().find(|(attribute, _)| *attribute == name).map(|(_, step)| *step)
    }

    /// Its attributes, sorted by name; those of the posture are declared by the schema and its additions.
    pub(crate) fn attributes(self) -> &'static [(&'static str, Step)] {
        match self {
            Self::Context => CONTEXT,
            Self::Device => DEVICE,
            Self::Session => SESSION,
            Self::Request => REQUEST,
            Self::Usage => USAGE,
            Self::Posture => &[],
        }
    }

    /// Whether it is there only when somebody is known.
    pub(crate) fn is_of_somebody(self) -> bool {
        matches!(self, Self::Device | Self::Posture | Self::Session)
    }
}

const CONTEXT: &[(&str, Step)] = &[
    ("device", Step::Part(Part::Device)),
    ("local_time", Step::Fact(Fact::LocalTime)),
    ("now", Step::Fact(Fact::Now)),
    ("request", Step::Part(Part::Request)),
    ("session", Step::Part(Part::Session)),
    ("usage", Step::Part(Part::Usage)),
    ("weekday", Step::Fact(Fact::Weekday)),
];

const DEVICE: &[(&str, Step)] = &[
    ("authority", Step::Fact(Fact::Authority)),
    ("enrolled_at", Step::Fact(Fact::EnrolledAt)),
    ("id", Step::Fact(Fact::DeviceId)),
    ("key_protection", Step::Fact(Fact::KeyProtection)),
    ("managed", Step::Fact(Fact::Managed)),
    ("owner", Step::Fact(Fact::Owner)),
    ("platform", Step::Fact(Fact::Platform)),
    ("posture", Step::Part(Part::Posture)),
    ("posture_age_s", Step::Fact(Fact::PostureAge)),
    ("shared", Step::Fact(Fact::Shared)),
];

const SESSION: &[(&str, Step)] = &[
    ("acr", Step::Fact(Fact::Acr)),
    ("amr", Step::Fact(Fact::Amr)),
    ("auth_age_s", Step::Fact(Fact::AuthAge)),
    ("binding", Step::Fact(Fact::Binding)),
    ("mfa", Step::Fact(Fact::Mfa)),
    ("provider", Step::Fact(Fact::Provider)),
];

const REQUEST: &[(&str, Step)] = &[
    ("host", Step::Fact(Fact::Host)),
    ("method", Step::Fact(Fact::Method)),
    ("path", Step::Fact(Fact::Path)),
    ("path_prefixes", Step::Fact(Fact::PathPrefixes)),
    ("source_ip", Step::Fact(Fact::SourceIp)),
];

const USAGE: &[(&str, Step)] = &[
    ("bytes_1d", Step::Fact(Fact::Bytes1d)),
    ("bytes_1h", Step::Fact(Fact::Bytes1h)),
    ("requests_1m", Step::Fact(Fact::Requests1m)),
];
