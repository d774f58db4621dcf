//! What a gate says to a device that has its certificate already.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http::header::AUTHORIZATION;
use http_body_util::Full;

use super::error::ClientError;
use super::exchange::{self, Shown};
use super::{DEADLINE, KnownGate};
use crate::clock::Clock;
use crate::secret::Secret;

/// What is at `path` of `gate`, as it is told to the device that shows `shown`, and to the holder of `token` if there is one. Of the
/// ways in which the gate may be known, the first counts; to learn that it is not known in one way, nothing is sent.
///
/// # Errors
/// [`ClientError`].
pub async fn look(
    gate: &KnownGate,
    shown: &Shown,
    path: &str,
    token: Option<&Secret<String>>,
    clock: &Clock,
) -> Result<Bytes, ClientError> {
    let mut last = ClientError::NotTheGate { gate: gate.address.to_string() };
    for way in gate.ways() {
        let mut request = Request::get(path);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        let request = request.body(Full::new(Bytes::new())).map_err(|error| ClientError::Broken { cause: error.to_string() })?;
        let again = Shown { chain: shown.chain.clone(), key: Arc::clone(&shown.key) };
        let exchange = exchange::send(&gate.address, &way, Some(again), request, clock);
        last = match tokio::time::timeout(DEADLINE, exchange).await {
            Ok(Ok(body)) => return Ok(body),
            Ok(Err(unknown @ ClientError::NotTheGate { .. })) => unknown,
            Ok(Err(error)) => return Err(error),
            Err(_elapsed) => return Err(ClientError::TimedOut { seconds: DEADLINE.as_secs() }),
        };
    }
    Err(last)
}
