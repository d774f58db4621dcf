//! Arrives: the path of a configuration. Leaves: a running gate. Refused: a start with anything that is wrong, all of it at once.
//! Ends by [`Running::stop`]: what is under way may finish, then everything is closed and written down.

mod break_glass;
mod candidate;
mod clock;
mod descriptors;
mod freshness;
mod listeners;
mod live;
mod logging;
mod news;
mod notes;
mod parts;
mod policies;
mod posture;
mod posture_sources;
mod proofs;
mod redirect;
mod run;
mod scrape;
mod trust;
mod usage;
mod watch;

pub use logging::{LogError, LogFormat, start as start_logging};
pub use posture::seal_memory;
pub use run::{Checked, Prepared, Running, StartError, check, prepare, start, start_prepared};
