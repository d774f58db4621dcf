//! An https address that takes a checkpoint as the body of a POST.

use bytes::Bytes;
use http::{Request, Uri, header};

use super::{SinkError, TIMEOUT};
use crate::outbound::{Outbound, OutboundError};

/// Posts each checkpoint as JSON; 2xx means taken.
#[derive(Debug)]
pub(in crate::record::keep) struct Post {
    client: Outbound,
    to: Uri,
}

impl Post {
    pub(in crate::record::keep) fn new(client: Outbound, to: Uri) -> Self {
        Self { client: client.with_timeout(TIMEOUT), to }
    }

    pub(super) async fn send(&self, line: &str) -> Result<(), SinkError> {
        let host = self.to.host().unwrap_or_default().to_owned();
        let unsendable = |error: http::Error| OutboundError::Unreachable { host: host.clone(), cause: error.to_string() };
        let request = Request::post(&self.to)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("sekisho/", env!("CARGO_PKG_VERSION")))
            .body(Bytes::copy_from_slice(line.as_bytes()))
            .map_err(unsendable)?;
        let status = self.client.send(request).await?.status();
        if status.is_success() { Ok(()) } else { Err(SinkError::Refused { host, status }) }
    }
}
