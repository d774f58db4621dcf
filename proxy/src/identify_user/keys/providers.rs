//! The identity providers of one configuration, each with its keys.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::keeper::{Keeper, Pace, Source};
use super::metrics::KeyMetrics;
use super::ring::KeyRing;
use crate::clock::Clock;
use crate::config::{IdentityProvider, KeySource};
use crate::outbound::{Outbound, OutboundError};

/// The identity providers of one configuration. Immutable; a reload makes a new one, which keeps what did not change.
#[derive(Debug)]
pub struct Providers {
    all: Vec<Arc<Provider>>,
    context: Context,
}

/// An identity provider with its keys.
#[derive(Debug)]
pub struct Provider {
    /// Its settings.
    pub settings: Arc<IdentityProvider>,
    /// Its keys, and what it says about itself.
    pub ring: Arc<KeyRing>,
    /// For requests to it.
    pub client: Outbound,
    /// Ends the task that renews the keys when the last configuration that uses it is gone.
    keeper: Option<Arc<AbortOnDrop>>,
}

#[derive(Clone, Debug)]
struct Context {
    control: Handle,
    clock: Clock,
    metrics: KeyMetrics,
}

#[derive(Debug)]
struct AbortOnDrop(AbortHandle);

impl Providers {
    /// Starts fetching the keys of `settings` on the runtime `control`. A provider that cannot be reached is no error: what
    /// it signed is refused until it can.
    ///
    /// # Errors
    /// [`OutboundError`] for root certificates that cannot be used.
    pub fn start(
        settings: &[Arc<IdentityProvider>],
        control: Handle,
        clock: Clock,
        metrics: KeyMetrics,
    ) -> Result<Self, OutboundError> {
        Self::with(settings, Context { control, clock, metrics }, &[])
    }

    /// The providers of another configuration. One whose issuer and keys are the same keeps its keys and its task; files are
    /// read again.
    ///
    /// # Errors
    /// As [`Providers::start`].
    pub fn reload(&self, settings: &[Arc<IdentityProvider>]) -> Result<Self, OutboundError> {
        Self::with(settings, self.context.clone(), &self.all)
    }

    /// These, as they are.
    #[cfg(test)]
    pub(crate) fn fixed(all: Vec<Arc<Provider>>, clock: Clock) -> Self {
        let metrics = KeyMetrics::register(&prometheus::Registry::new()).unwrap();
        Self { all, context: Context { control: Handle::current(), clock, metrics } }
    }

    fn with(settings: &[Arc<IdentityProvider>], context: Context, old: &[Arc<Provider>]) -> Result<Self, OutboundError> {
        let all = settings
            .iter()
            .map(|settings| {
                let kept = old.iter().find(|old| same_keys(&old.settings, settings));
                match kept {
                    Some(old) => Ok(Provider {
                        settings: Arc::clone(settings),
                        ring: Arc::clone(&old.ring),
                        client: old.client.clone(),
                        keeper: old.keeper.clone(),
                    }),
                    None => Provider::start(settings, &context),
                }
                .map(Arc::new)
            })
            .collect::<Result<_, OutboundError>>()?;
        Ok(Self { all, context })
    }

    /// The provider with exactly this issuer.
    pub fn by_issuer(&self, issuer: &str) -> Option<&Arc<Provider>> {
        self.all.iter().find(|provider| provider.settings.issuer == issuer)
    }

    /// The provider of this name.
    pub fn by_name(&self, name: &str) -> Option<&Arc<Provider>> {
        self.all.iter().find(|provider| *provider.settings.name == *name)
    }

    /// Those through which people can sign in, in the order of the configuration.
    pub fn for_sign_in(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.all.iter().filter(|provider| provider.settings.client.is_some())
    }

    /// All, in the order of the configuration.
    pub fn all(&self) -> &[Arc<Provider>] {
        &self.all
    }

    /// Whether this very provider, with these very settings, is one of them.
    pub fn contains(&self, provider: &Arc<Provider>) -> bool {
        self.all.iter().any(|known| Arc::ptr_eq(known, provider))
    }
}

impl Provider {
    fn start(settings: &Arc<IdentityProvider>, context: &Context) -> Result<Self, OutboundError> {
        let client = Outbound::new(&settings.ca)?;
        let (source, max_age) = match &settings.keys {
            KeySource::Discovery => (
                Source::Discovery {
                    issuer: settings.issuer.clone(),
                    hosts: settings.hosts.clone(),
                    client: Box::new(client.clone()),
                },
                Some(settings.keys_max_age),
            ),
            KeySource::File(path) => (Source::File(path.clone()), None),
        };
        let ring = Arc::new(KeyRing::new(max_age));
        let keeper = Keeper {
            provider: Arc::clone(&settings.name),
            source,
            pace: Pace { refresh: settings.keys_refresh, retry: RETRY, on_demand: ON_DEMAND },
            ring: Arc::clone(&ring),
            clock: context.clock.clone(),
            metrics: context.metrics.clone(),
        };
        let keeper = Arc::new(AbortOnDrop(context.control.spawn(keeper.run()).abort_handle()));
        Ok(Self { settings: Arc::clone(settings), ring, client, keeper: Some(keeper) })
    }

    /// With these keys and no task.
    #[cfg(test)]
    pub(crate) fn fixed(settings: IdentityProvider, jwks: &[u8], now: crate::clock::Timestamp) -> Arc<Self> {
        let ring = KeyRing::unattended(Some(settings.keys_max_age));
        ring.put(super::set::KeySet::parse(jwks, &settings.name).unwrap(), jwks, now);
        let client = Outbound::new(&[]).unwrap();
        Arc::new(Self { settings: Arc::new(settings), ring: Arc::new(ring), client, keeper: None })
    }

    /// What bearer tokens must name as their audience.
    pub fn audience(&self) -> Option<&str> {
        let client = self.settings.client.as_ref().map(|client| client.id.as_str());
        self.settings.audience.as_deref().or(client)
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Whether keys that were fetched for `old` are those of `new`.
fn same_keys(old: &IdentityProvider, new: &IdentityProvider) -> bool {
    matches!((&old.keys, &new.keys), (KeySource::Discovery, KeySource::Discovery))
        && (&old.name, &old.issuer, &old.ca, &old.hosts) == (&new.name, &new.issuer, &new.ca, &new.hosts)
        && (old.keys_refresh, old.keys_max_age) == (new.keys_refresh, new.keys_max_age)
}

const RETRY: Duration = Duration::from_secs(1);

/// At most this often a key id that nobody knows makes us ask the provider.
const ON_DEMAND: Duration = Duration::from_secs(3);
