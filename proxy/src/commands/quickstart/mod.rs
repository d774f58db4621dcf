//! `sekisho quickstart`: a whole gate on this machine, with a provider, apps and devices, to look at and to try.
//!
//! Arrives: a port and a folder. Leaves: a running gate and what to do with it, or, with `--check`, a line for each thing that was
//! tried. Refused: ports that others have, a folder that cannot be used. On Ctrl-C everything ends; the folder stays.
//!
//! Nothing here is a shortcut: the gate runs from a configuration file as `sekisho serve` reads it, devices enrol over the network,
//! people sign in at the provider.

mod browser;
mod check;
mod command;
mod devices;
mod furnish;
mod guide;
mod neighbours;
mod place;
mod props;
mod sign_in;
mod stage;
mod visitor;

pub use command::QuickstartCommand;
