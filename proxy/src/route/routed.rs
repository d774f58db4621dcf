//! A request and its app.

use std::sync::Arc;

use crate::config::App;
use crate::read::Clean;

/// A request that is for exactly one app.
#[derive(Debug)]
pub struct Routed {
    /// The request, unchanged.
    pub request: Clean,
    /// The app whose host it names.
    pub app: Arc<App>,
    /// Its path is one of the app's public paths.
    pub public: bool,
}
