//! The lines that a report reads beside `access`.

use serde::Deserialize;

use crate::record::read::Text;

/// `start`: on its way to an app.
#[derive(Debug, Deserialize)]
pub(super) struct StartLine<'a> {
    #[serde(borrow)]
    pub(super) request: Text<'a>,
    #[serde(borrow, default)]
    pub(super) device: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) user: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) session: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) app: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) method: Text<'a>,
    #[serde(borrow)]
    pub(super) host: Text<'a>,
    #[serde(borrow)]
    pub(super) path: Text<'a>,
}

/// `progress`: bytes so far.
#[derive(Debug, Deserialize)]
pub(super) struct ProgressLine<'a> {
    #[serde(borrow)]
    pub(super) request: Text<'a>,
    pub(super) sent: u64,
    pub(super) received: u64,
}

/// `end`.
#[derive(Debug, Deserialize)]
pub(super) struct EndLine<'a> {
    #[serde(borrow)]
    pub(super) request: Text<'a>,
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) ms: u64,
    #[serde(borrow)]
    pub(super) ending: Text<'a>,
    #[serde(borrow, default)]
    pub(super) cause: Option<Text<'a>>,
}

/// `gap`: nothing could be written for a while.
#[derive(Debug, Deserialize)]
pub(super) struct GapLine {
    pub(super) lost: u64,
}

/// `open`: the first of a file.
#[derive(Debug, Deserialize)]
pub(super) struct OpenLine {
    #[serde(default)]
    pub(super) follows: Vec<Follows>,
    #[serde(default)]
    pub(super) repaired: Vec<Repaired>,
}

/// The file that another goes on from.
#[derive(Debug, Deserialize)]
pub(super) struct Follows {
    pub(super) segment: String,
}

/// A file whose torn end was cut off.
#[derive(Debug, Deserialize)]
pub(super) struct Repaired {
    pub(super) segment: String,
    #[serde(default)]
    pub(super) bytes: u64,
}
