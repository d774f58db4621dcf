//! What became of a push, device by device.

use serde::Serialize;

use crate::store::Reported;

/// What became of what was said of one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Became {
    /// Something is different now.
    Changed,
    /// It was known, and is as it was.
    Confirmed,
    /// The source has said something newer.
    Outdated,
    /// The device is not there.
    UnknownDevice,
    /// The device is out for good.
    Retired,
    /// A fact is not there.
    UnknownFact,
    /// A fact is something else.
    WrongType,
    /// The source may not say this.
    NotAllowed,
    /// Of a time that has not come.
    InTheFuture,
    /// As old as what the source says may be, or older.
    TooOld,
    /// Nothing is said that could be taken.
    Nothing,
}

/// The answer to a push.
#[derive(Debug, Default, Serialize)]
pub struct Taken {
    /// Devices of which something is different now.
    pub changed: usize,
    /// Devices that are as they were.
    pub confirmed: usize,
    /// Devices of which the source has said something newer.
    pub outdated: usize,
    /// Devices of which nothing was taken.
    pub refused: usize,
    /// In the order in which they were named.
    pub devices: Vec<One>,
}

/// What became of one of them.
#[derive(Debug, Serialize)]
pub struct One {
    /// As the source names it.
    pub device: String,
    /// What became of it.
    pub result: Became,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Became {
    /// Every outcome, for metrics.
    pub(super) const ALL: [Self; 11] = [
        Self::Changed,
        Self::Confirmed,
        Self::Outdated,
        Self::UnknownDevice,
        Self::Retired,
        Self::UnknownFact,
        Self::WrongType,
        Self::NotAllowed,
        Self::InTheFuture,
        Self::TooOld,
        Self::Nothing,
    ];

    /// The word for it in metrics and in the answer.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Confirmed => "confirmed",
            Self::Outdated => "outdated",
            Self::UnknownDevice => "unknown_device",
            Self::Retired => "retired",
            Self::UnknownFact => "unknown_fact",
            Self::WrongType => "wrong_type",
            Self::NotAllowed => "not_allowed",
            Self::InTheFuture => "in_the_future",
            Self::TooOld => "too_old",
            Self::Nothing => "nothing",
        }
    }
}

impl From<Reported> for Became {
    fn from(reported: Reported) -> Self {
        match reported {
            Reported::Changed => Self::Changed,
            Reported::Confirmed => Self::Confirmed,
            Reported::Outdated => Self::Outdated,
            Reported::Unknown => Self::UnknownDevice,
            Reported::Retired => Self::Retired,
        }
    }
}

impl Taken {
    pub(super) fn of(devices: Vec<One>) -> Self {
        let mut taken = Self::default();
        for one in &devices {
            match one.result {
                Became::Changed => taken.changed += 1,
                Became::Confirmed => taken.confirmed += 1,
                Became::Outdated => taken.outdated += 1,
                _ => taken.refused += 1,
            }
        }
        Self { devices, ..taken }
    }
}
