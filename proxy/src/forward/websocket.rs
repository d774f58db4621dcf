//! WebSocket handshakes with apps (RFC 6455, section 4).

use std::rc::Rc;

use http::HeaderMap;

use super::answer::Answer;
use super::error::ForwardError;
use super::exchange::Meter;
use super::local::LocalTarget;
use crate::read::Clean;

pub(super) async fn open(
    _local: &LocalTarget,
    _request: Clean,
    _headers: HeaderMap,
    _personal: bool,
    _meter: &Rc<Meter>,
) -> Result<Answer, ForwardError> {
    Err(ForwardError::UpgradeRefused)
}
