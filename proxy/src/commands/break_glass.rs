//! `sekisho break-glass`: the way in when nobody can sign in.

use std::time::Duration;

use clap::Args;

use super::error::CommandError;
use super::output::{plain, print, print_json, time};
use super::reach::Reach;
use crate::config::parse_duration;
use crate::console::admin::wire::{BreakGlassAnswer, BreakGlassRequest, WhyRequest};
use crate::inventory::BreakGlass;

/// Let one device in without an identity provider, for a while: prints a one-time address to open on it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sekisho break-glass --device ana-7k2q --reason \"the identity provider is down\" --for 30m\n  sekisho break-glass --end --reason \"it is back\""
)]
pub struct BreakGlassCommand {
    /// The device on which the address will be opened; it has to be in use
    #[arg(long, required_unless_present = "end", conflicts_with = "end")]
    device: Option<String>,
    /// Why; recorded, and shown to everybody who looks
    #[arg(long, required_unless_present = "end", value_parser = super::why::reason)]
    reason: Option<String>,
    /// How long it lasts: 1h at most, and nothing makes it longer
    #[arg(long = "for", default_value = "30m", value_name = "DURATION", value_parser = lasting)]
    lasting: Duration,
    /// End the one that is under way, with the session that it began
    #[arg(long)]
    end: bool,
    #[command(flatten)]
    reach: Reach,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl BreakGlassCommand {
    /// Does it.
    ///
    /// # Errors
    /// [`CommandError`] in words, with the exit code.
    pub async fn run(self) -> Result<(), CommandError> {
        let client = self.reach.client()?;
        let why = self.reason.unwrap_or_default();
        let Some(device) = self.device else {
            let ended: BreakGlass = client.post("/v1/break-glass/end", &WhyRequest { why }).await?;
            return if self.json { print_json(&ended) } else { print(&over(&ended)) };
        };
        let request = BreakGlassRequest { device, why, for_s: Some(self.lasting.as_secs()) };
        let begun: BreakGlassAnswer = client.post("/v1/break-glass", &request).await?;
        if self.json { print_json(&begun) } else { print(&opened(&begun)) }
    }
}

fn opened(begun: &BreakGlassAnswer) -> String {
    format!(
        "On {}, open this address in a browser that shows the device's certificate. It opens once:\n\n    {}\n\n\
         It ends at {}, and what was begun by it. It is in the record, and everybody who watches the gate sees it.\n\
         To end it sooner: sekisho break-glass --end\n",
        plain(begun.under_way.device.as_str()),
        plain(&begun.address),
        time(begun.under_way.ends_at),
    )
}

fn over(ended: &BreakGlass) -> String {
    let used = if ended.used_at.is_some() { "its session was ended" } else { "its code was not used" };
    format!("the break-glass on {} is over; {used}\n", plain(ended.device.as_str()))
}

fn lasting(text: &str) -> Result<Duration, String> {
    let lasting = parse_duration(text).map_err(|error| error.to_string())?;
    let whole = Duration::from_secs(lasting.as_secs());
    if whole.is_zero() || whole > Duration::from_secs(3600) {
        return Err("a break-glass lasts an hour at most".to_owned());
    }
    Ok(whole)
}
