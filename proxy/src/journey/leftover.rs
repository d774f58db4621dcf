//! What a client still sends when its request is refused.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;

/// Reads on for a while, and throws it away. The answer is out by then, and most clients stop when they see it; others are heard to
/// their end if that is near. Then the stream is reset with `NO_ERROR` (RFC 9113, section 8.1). Over HTTP/1 the guard does the same.
pub(super) async fn drain(mut body: Incoming) {
    let drained = async {
        let mut bytes = 0_usize;
        while let Some(Ok(frame)) = body.frame().await {
            bytes = bytes.saturating_add(frame.data_ref().map_or(0, bytes::Bytes::len));
            if bytes > DISCARD_BYTES {
                return;
            }
        }
    };
    // Whoever still sends after that has had its time.
    let _enough = tokio::time::timeout(LINGER, drained).await;
}

const DISCARD_BYTES: usize = 16 * 1024 * 1024;
const LINGER: Duration = Duration::from_secs(2);
