//! What is known of a device, set by operators and shown to them.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;

use super::error::CommandError;
use super::output::{Table, roughly, time};
use crate::console::admin::wire::{DeviceDetails, FactView, SetRequest};
use crate::inventory::{Device, FactValue};
use crate::store::DeviceAlias;

/// What to say of a device.
#[derive(Debug, Args)]
pub(super) struct FactArgs {
    /// Facts: managed=true, platform=linux, or a fact of the posture that policies declare, such as disk_encrypted=true
    #[arg(value_name = "FACT=VALUE", value_parser = pair)]
    facts: Vec<(String, String)>,
    /// Take back what operators said about this fact; what others say counts then
    #[arg(long, value_name = "FACT")]
    unset: Vec<String>,
    /// What a posture source calls the device, such as its serial number
    #[arg(long, value_name = "SOURCE=NAME", value_parser = pair)]
    alias: Vec<(String, String)>,
    /// What it does not call it any more
    #[arg(long, value_name = "SOURCE=NAME", value_parser = pair)]
    unalias: Vec<(String, String)>,
}

impl FactArgs {
    /// # Errors
    /// If nothing is said, or two things of one fact.
    pub(super) fn into_request(self, why: String) -> Result<SetRequest, CommandError> {
        let mut set = BTreeMap::new();
        for (name, value) in self.facts {
            if set.insert(name.clone(), value).is_some() {
                return Err(CommandError::usage(format!("`{name}` is given twice")));
            }
        }
        let aliases = |pairs: Vec<(String, String)>| -> Vec<DeviceAlias> {
            pairs.into_iter().map(|(source, alias)| DeviceAlias { source, alias }).collect()
        };
        let (aliases, no_aliases) = (aliases(self.alias), aliases(self.unalias));
        if set.is_empty() && self.unset.is_empty() && aliases.is_empty() && no_aliases.is_empty() {
            return Err(CommandError::usage("name at least one fact, such as managed=true, or --unset, --alias or --unalias"));
        }
        Ok(SetRequest { set, unset: self.unset, aliases, no_aliases, why })
    }
}

/// `name=value`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as name=value, such as disk_encrypted=true".to_owned()),
    }
}

/// What policies see of a device's posture, as lines.
pub(super) fn posture(details: &DeviceDetails) -> Vec<String> {
    let device = &details.view.device;
    let facts: Vec<String> = device.posture.iter().map(|(name, value)| format!("{name}={}", text_of(value))).collect();
    let mut lines = vec![format!("posture         {}", if facts.is_empty() { "not known".to_owned() } else { facts.join(", ") })];
    if let Some(at) = device.posture_at {
        lines.push(format!("gathered        {} (the oldest of it)", time(at)));
    }
    lines.extend(details.aliases.iter().map(|alias| format!("known as        {} ({})", alias.alias, alias.source)));
    lines
}

/// Who says what, if somebody does.
pub(super) fn said(details: &DeviceDetails) -> String {
    if details.reported.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["  FACT", "VALUE", "SOURCE", "WHEN", "AGE", "COUNTS"]);
    for FactView { fact, age_s } in &details.reported {
        let counts = match fact.ends_at {
            _ if fact.ended => "no: expired".to_owned(),
            Some(until) => format!("until {}", time(until)),
            None => "yes".to_owned(),
        };
        table.row(&[
            format!("  {}", fact.name),
            text_of(&fact.value),
            fact.source.clone(),
            time(fact.at),
            roughly(Duration::from_secs(*age_s)),
            counts,
        ]);
    }
    format!("facts\n{}", table.text(""))
}

/// What counts of all that is said of it.
pub(super) fn in_short(device: &Device) -> String {
    let own = [format!("managed={}", device.managed), format!("platform={}", device.platform)];
    let posture = device.posture.iter().map(|(name, value)| format!("{name}={}", text_of(value)));
    let all: Vec<String> = own.into_iter().chain(posture).collect();
    super::output::plain(&all.join(", "))
}

fn text_of(value: &FactValue) -> String {
    match value {
        FactValue::Flag(flag) => flag.to_string(),
        FactValue::Number(number) => number.to_string(),
        FactValue::Text(text) => text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_and_its_value_are_told_apart() {
        assert_eq!(pair("os_version=14=2"), Ok(("os_version".to_owned(), "14=2".to_owned())));
        assert!(pair("managed").is_err() && pair("=true").is_err());
        let args = |facts: &[&str], unset: &[&str]| FactArgs {
            facts: facts.iter().map(|text| pair(text).unwrap()).collect(),
            unset: unset.iter().map(|&name| name.to_owned()).collect(),
            alias: Vec::new(),
            unalias: Vec::new(),
        };
        assert!(args(&[], &[]).into_request(String::new()).is_err());
        assert!(args(&["managed=true", "managed=false"], &[]).into_request(String::new()).is_err());
        let request = args(&["managed=true"], &["firewall"]).into_request("why".into()).unwrap();
        assert_eq!(
            (request.set["managed"].as_str(), request.unset, request.why),
            ("true", vec!["firewall".into()], "why".into())
        );
    }
}
