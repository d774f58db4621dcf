//! Brings the parts together: what a running gate holds, and how it ends.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::housekeeper::{Housekeeper, Word};
use super::journal::Journal;
use super::keys::{KeysError, PublicKeys, SigningKey};
use super::metrics::KeepMetrics;
use super::retention::Retention;
use super::signer::{Deleted, Signer};
use super::sinks::{Command, Delivery, Made, Post, Sink, Syslog};
use super::tending::Parts;
use crate::clock::Clock;
use crate::config::Audit;
use crate::outbound::{Outbound, OutboundError};
use crate::record::archive::OnFinished;
use crate::record::heads::Heads;

/// Keeps the record of a running gate. Dropping it ends it; [`Keeper::stop`] signs and delivers what is left.
#[derive(Debug)]
pub struct Keeper {
    words: Sender<Word>,
    stop: Arc<AtomicBool>,
    stop_signing: Option<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
    deliveries: JoinSet<()>,
}

/// Word of finished segments, on its way to the keeper.
#[derive(Debug)]
pub struct FinishedWords {
    words: Sender<Word>,
    heard: Receiver<Word>,
}

/// The record cannot be kept as it should be.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The key.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The folder or the file of checkpoints.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The https client of `checkpoint_url`.
    #[error("checkpoint_url: {0}")]
    Client(#[from] OutboundError),
    /// No thread can be started.
    #[error("no thread can be started: {0}")]
    Thread(io::Error),
}

impl FinishedWords {
    /// The two ends of the way: what the archive is given, and what the keeper listens to.
    pub fn new() -> (OnFinished, Self) {
        let (words, heard) = channel();
        let told = words.clone();
        let tell: OnFinished = Box::new(move |finished| {
            // Without a keeper, the next start finds the segment.
            let _nobody = told.send(Word::Finished(finished));
        });
        (tell, Self { words, heard })
    }
}

impl Keeper {
    /// To be called on the control runtime, when all chains have begun and nothing is written to them yet.
    ///
    /// # Errors
    /// [`KeepError`].
    pub fn start(
        config: &Audit,
        state: &Path,
        heads: Heads,
        finished: FinishedWords,
        clock: Clock,
        metrics: KeepMetrics,
    ) -> Result<Self, KeepError> {
        let (audit, keeping) = (&config.dir, &config.keeping);
        let failed = |source| KeepError::Io { path: audit.clone(), source };
        let key = Arc::new(SigningKey::open(state, audit)?);
        let journal = Journal::open(audit).map_err(failed)?;
        let (made, latest) = watch::channel(Made { number: journal.next().0 - 1, line: "".into() });
        let FinishedWords { words, heard } = finished;
        let stop = Arc::new(AtomicBool::new(false));
        let deleted = Deleted::default();
        let deliveries: Vec<_> =
            sinks(config)?.into_iter().map(|sink| Delivery::new(sink, audit, state, metrics.clone())).collect();
        let housekeeper = Housekeeper::new(Parts {
            audit: audit.clone(),
            keys: PublicKeys::read(audit)?,
            key: Arc::clone(&key),
            compress: keeping.compress,
            retention: Retention { keep_for: keeping.keep_for, keep_size: keeping.keep_size },
            heads: heads.clone(),
            deleted: deleted.clone(),
            taken: deliveries.iter().map(Delivery::taken).collect(),
            clock: clock.clone(),
            metrics: metrics.clone(),
            stop: Arc::clone(&stop),
        });
        let housekeeper = housekeeper.map_err(failed)?;
        let mut signer = Signer {
            audit: audit.clone(),
            journal,
            key,
            heads,
            clock,
            lines: keeping.checkpoint_lines,
            every: keeping.checkpoint_every,
            deleted,
            made,
            words: words.clone(),
            metrics,
        };
        let signed = signer.begin();
        let (stop_signing, stopped) = channel();
        let mut keeper = Self { words, stop, stop_signing: Some(stop_signing), threads: Vec::new(), deliveries: JoinSet::new() };
        keeper.threads.push(thread("record-sign", move || signer.run(signed, &stopped))?);
        keeper.threads.push(thread("record-keep", move || housekeeper.run(&heard))?);
        for delivery in deliveries {
            keeper.deliveries.spawn(delivery.run(latest.clone()));
        }
        Ok(keeper)
    }

    /// Signs what was written last, and waits a little for it to be delivered. To be called when nothing is written any more.
    pub async fn stop(mut self) {
        let threads = self.end();
        let ended = tokio::task::spawn_blocking(move || join(threads));
        if ended.await.is_err() {
            tracing::error!("the threads that keep the record ended badly");
        }
        let delivered = async { while self.deliveries.join_next().await.is_some() {} };
        if tokio::time::timeout(PATIENCE, delivered).await.is_err() {
            tracing::warn!("not all checkpoints were delivered; the next start goes on with it");
        }
    }

    /// Tells the threads to end.
    fn end(&mut self) -> Vec<JoinHandle<()>> {
        drop(self.stop_signing.take());
        self.stop.store(true, Ordering::Release);
        // Gone already if it has ended.
        let _ended = self.words.send(Word::Stop);
        std::mem::take(&mut self.threads)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        join(self.end());
    }
}

fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        if thread.join().is_err() {
            tracing::error!("a thread that keeps the record ended badly");
        }
    }
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, KeepError> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(KeepError::Thread)
}

fn sinks(config: &Audit) -> Result<Vec<Sink>, KeepError> {
    let keeping = &config.keeping;
    let mut sinks = Vec::new();
    if let Some(command) = &keeping.command {
        sinks.push(Sink::Command(Command::new(command.program.clone(), command.arguments.clone())));
    }
    if let Some(address) = &keeping.syslog {
        sinks.push(Sink::Syslog(Syslog::new(address.clone())));
    }
    if let Some(url) = &keeping.url {
        sinks.push(Sink::Post(Box::new(Post::new(Outbound::new(&keeping.ca)?, url.clone()))));
    }
    Ok(sinks)
}

/// How long the end of the gate waits for sinks.
const PATIENCE: Duration = Duration::from_secs(3);
