//! Sessions that may be resumed, and those that must not be.
//!
//! A resumed session keeps what its first handshake proved, and asks for no certificate. That is harmless, since trust is judged
//! per request; but a browser that was told "this device is not known" would come back with the same nothing, or the same wrong
//! certificate, for as long as its session lives, and never ask its person for another. So what was refused is forgotten.

use std::cell::RefCell;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use rustls::server::{ServerSessionMemoryCache, StoresServerSessions};

/// Sessions that may be resumed. Outlives reloads: what a resumed session proved is judged again on every request.
#[derive(Clone)]
pub struct Resumption(Arc<Store>);

/// The sessions of one connection: those that it began, and the one that it resumed.
#[derive(Debug, Default)]
pub struct Resumable {
    store: Option<Resumption>,
    keys: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Store(Arc<ServerSessionMemoryCache>);

thread_local! {
    /// The keys that the handshake which is being polled has used.
    static USED: RefCell<Option<Vec<Vec<u8>>>> = const { RefCell::new(None) };
}

impl Resumption {
    /// Room for [`RESUMABLE`] sessions, in memory.
    pub fn new() -> Self {
        Self(Arc::new(Store(ServerSessionMemoryCache::new(RESUMABLE))))
    }

    /// For rustls.
    pub(super) fn store(&self) -> Arc<dyn StoresServerSessions> {
        Arc::clone(&self.0) as Arc<_>
    }

    /// Does `handshake`, and says which sessions it used.
    pub(super) async fn watch<F: Future>(&self, handshake: F) -> (F::Output, Resumable) {
        let mut handshake = pin!(handshake);
        let mut keys = Vec::new();
        let done = std::future::poll_fn(|cx| {
            USED.set(Some(std::mem::take(&mut keys)));
            let polled = handshake.as_mut().poll(cx);
            keys = USED.take().unwrap_or_default();
            polled
        })
        .await;
        (done, Resumable { store: Some(self.clone()), keys })
    }
}

impl Default for Resumption {
    fn default() -> Self {
        Self::new()
    }
}

impl Resumable {
    /// They cannot be resumed any more: the next connection shakes hands anew, and is asked for a certificate.
    pub fn forget(&self) {
        let Some(store) = &self.store else { return };
        for key in &self.keys {
            let _forgotten = store.0.0.take(key);
        }
    }
}

impl StoresServerSessions for Store {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        note(&key);
        self.0.put(key, value)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        note(key);
        self.0.get(key)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.take(key)
    }

    fn can_cache(&self) -> bool {
        self.0.can_cache()
    }
}

/// A client names keys too; more than a few are not worth a place.
fn note(key: &[u8]) {
    USED.with_borrow_mut(|used| {
        if let Some(used) = used
            && used.len() < MOST_KEYS
        {
            used.push(key.to_vec());
        }
    });
}

impl fmt::Debug for Resumption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resumption").finish_non_exhaustive()
    }
}

/// Sessions that may be resumed at once: about 2 KiB each with a client's chain.
pub const RESUMABLE: usize = 16 * 1024;
const MOST_KEYS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    /// A handshake that puts two sessions down, with a pause for others in between.
    async fn handshake(store: Arc<dyn StoresServerSessions>, name: &str) {
        assert!(store.put(format!("{name}-1").into_bytes(), vec![1]));
        tokio::task::yield_now().await;
        assert!(store.put(format!("{name}-2").into_bytes(), vec![1]));
    }

    #[tokio::test]
    async fn what_a_connection_used_is_forgotten_and_nothing_else() {
        let resumption = Resumption::new();
        let store = resumption.store();
        let (((), mine), ((), theirs)) = tokio::join!(
            resumption.watch(handshake(resumption.store(), "mine")),
            resumption.watch(handshake(resumption.store(), "theirs"))
        );
        assert_eq!(mine.keys, [b"mine-1".to_vec(), b"mine-2".to_vec()]);
        mine.forget();
        for (key, there) in [("mine-1", false), ("mine-2", false), ("theirs-1", true), ("theirs-2", true)] {
            assert_eq!(store.get(key.as_bytes()).is_some(), there, "{key}");
        }
        drop(theirs);
    }

    #[tokio::test]
    async fn a_session_that_was_resumed_is_forgotten_too() {
        let resumption = Resumption::new();
        let store = resumption.store();
        assert!(store.put(b"old".to_vec(), vec![1]));
        let ((), resumable) = resumption.watch(async { drop(resumption.store().get(b"old")) }).await;
        resumable.forget();
        assert!(store.get(b"old").is_none());
        assert!(USED.take().is_none(), "nothing is noted outside of handshakes");
    }
}
