//! A request and its app.

use std::sync::Arc;

use crate::config::{App, CorsPreflight};
use crate::read::{Clean, Kind};

/// A request that is for exactly one app.
#[derive(Debug)]
pub struct Routed {
    /// The request, unchanged.
    pub request: Box<Clean>,
    /// The app whose host it names.
    pub app: Arc<App>,
    /// Its path is one of the app's public paths.
    pub public: bool,
}

impl Routed {
    /// A CORS preflight that the app answers itself, by its configuration (`cors_preflight = "forward"`).
    pub fn is_forwarded_preflight(&self) -> bool {
        self.request.kind == Kind::Preflight && self.app.cors_preflight == CorsPreflight::Forward
    }
}
