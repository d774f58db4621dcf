//! The one binary: see `sekisho --help`.

use std::process::ExitCode;

use clap::Parser as _;
use sekisho::commands::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    Cli::parse().run()
}
