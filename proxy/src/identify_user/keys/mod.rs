//! The keys of identity providers: taken only from where the configuration leads, renewed in the background, and deciding by
//! themselves which algorithms they verify.

mod algorithm;
mod discovery;
mod keeper;
mod key;
mod metrics;
mod providers;
mod ring;
mod set;
#[cfg(test)]
mod tests;

pub use algorithm::Algorithm;
pub use discovery::{Metadata, MetadataError, SecretIn, WithCertificate};
pub use key::{Key, KeyProblem, MAX_KEY_ID};
pub use metrics::{KeyMetrics, RefreshOutcome};
pub use providers::{Provider, Providers};
pub use ring::{KeyRing, Keys, NoKeys};
pub use set::{Found, KeySet, KeySetError};
