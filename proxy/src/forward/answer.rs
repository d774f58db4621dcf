//! What comes back from an app.

use http::Response;

use super::body::AppBody;
use super::tunnel::Tunnel;

/// What an app answered.
#[derive(Debug)]
pub struct Answer {
    /// The answer, fit to hand on. For a WebSocket that the app agreed to: 101 for HTTP/1.1, 200 for HTTP/2.
    pub response: Response<AppBody>,
    /// The WebSocket behind that 101 or 200: run it, beside handing on the answer.
    pub tunnel: Option<Tunnel>,
}
