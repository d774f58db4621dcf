//! `[audit]`: checkpoints, and how long the record is kept.

use std::net::Ipv6Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use http::Uri;

use super::checker::Checker;
use super::{DAY, MINUTE, SECOND, files};
use crate::config::host::Host;
use crate::config::keeping::{CheckpointCommand, Keeping, SyslogAddress};
use crate::config::raw;
use crate::config::setting::{List, Text};
use crate::config::units;

pub(super) fn keeping(raw: &raw::Audit, rotate_size: u64, rotate_after: Duration, checker: &mut Checker) -> Keeping {
    let default = Keeping::default();
    let every = &raw.checkpoint_every;
    let checkpoint_lines = checker.number(raw.checkpoint_lines.as_ref(), default.checkpoint_lines, 1..=100_000_000);
    let checkpoint_every = checker.duration(every.as_ref(), default.checkpoint_every, SECOND / 10..=10 * MINUTE);
    if let (Some(ca), None) = (&raw.checkpoint_ca, &raw.checkpoint_url) {
        checker.wrong(&ca.at, "this has no effect without a `checkpoint_url`", "take it out");
    }
    Keeping {
        checkpoint_lines,
        checkpoint_every,
        command: raw.checkpoint_command.as_ref().and_then(|list| command(list, checker)),
        syslog: raw.checkpoint_syslog.as_ref().and_then(|text| syslog(text, checker)),
        url: raw.checkpoint_url.as_ref().and_then(|text| url(text, checker)),
        ca: raw.checkpoint_ca.as_ref().map(|text| files::roots(text, checker)).unwrap_or_default(),
        compress: raw.compress.as_ref().map_or(default.compress, |flag| flag.value),
        keep_for: raw.keep_for.as_ref().map(|text| keep_for(text, rotate_after, checker)),
        keep_size: raw.keep_size.as_ref().map(|text| keep_size(text, rotate_size, checker)),
    }
}

/// A segment is deleted as a whole, once its last line is old enough: what is finished later than that is never kept for so short.
fn keep_for(text: &Text, rotate_after: Duration, checker: &mut Checker) -> Duration {
    let keep_for = checker.duration(Some(text), 100 * 365 * DAY, SECOND..=100 * 365 * DAY);
    if keep_for < rotate_after {
        let what = format!("{:?} is less than `rotate_after`, and only finished files are deleted", text.value);
        checker.wrong(&text.at, what, format!("write at least \"{}\"", units::show_duration(rotate_after)));
    }
    keep_for
}

fn keep_size(text: &Text, rotate_size: u64, checker: &mut Checker) -> u64 {
    let keep_size = checker.size(Some(text), 1 << 50, 64 << 10..=1 << 50);
    if keep_size < rotate_size {
        let what = format!("{:?} is less than `rotate_size`, and only finished files are deleted", text.value);
        checker.wrong(&text.at, what, format!("write at least \"{}\"", units::show_size(rotate_size)));
    }
    keep_size
}

fn command(list: &List<Text>, checker: &mut Checker) -> Option<CheckpointCommand> {
    let Some((first, rest)) = list.items.split_first() else {
        checker.wrong(&list.at, "there is no program in it", "write [\"/usr/local/bin/keep-checkpoint\", \"argument\"]");
        return None;
    };
    let program = checker.path(first);
    let problem = match std::fs::metadata(&program) {
        Err(error) => Some((error.to_string(), "write the path of a program; it is not looked for in PATH")),
        Ok(metadata) if !metadata.is_file() => Some(("this is not a file".to_owned(), "write the path of a program")),
        Ok(metadata) if metadata.permissions().mode() & 0o111 == 0 => {
            Some(("it is not executable".to_owned(), "run chmod +x on it"))
        }
        Ok(metadata) if metadata.permissions().mode() & 0o002 != 0 => {
            Some(("anybody can change this program".to_owned(), "run chmod o-w on it"))
        }
        Ok(_) => None,
    };
    if let Some((what, instead)) = problem {
        checker.wrong(&first.at, format!("{:?}: {what}", first.value), instead);
        return None;
    }
    Some(CheckpointCommand { program, arguments: rest.iter().map(|text| text.value.clone()).collect() })
}

fn syslog(text: &Text, checker: &mut Checker) -> Option<SyslogAddress> {
    let (kind, rest) = text.value.split_once(':').unwrap_or((&text.value, ""));
    let address = match kind {
        "unix" if rest.starts_with('/') => Some(SyslogAddress::Unix(rest.into())),
        "udp" => host_and_port(rest).map(|(host, port)| SyslogAddress::Udp(host, port)),
        "tcp" => host_and_port(rest).map(|(host, port)| SyslogAddress::Tcp(host, port)),
        _ => None,
    };
    if address.is_none() {
        let instead = "write \"unix:/dev/log\", \"udp:logs.corp.example:514\" or \"tcp:logs.corp.example:514\"";
        checker.wrong(&text.at, format!("{:?} is no address of a syslog server", text.value), instead);
    }
    address
}

fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    if let Some(literal) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return literal.parse::<Ipv6Addr>().ok().map(|address| (address.to_string(), port));
    }
    let known = host.parse::<std::net::Ipv4Addr>().is_ok() || host.parse::<Host>().is_ok();
    known.then(|| (host.to_owned(), port))
}

fn url(text: &Text, checker: &mut Checker) -> Option<Uri> {
    let parsed = url::Url::parse(&text.value).ok().filter(|url| url.host().is_some());
    let uri = text.value.parse::<Uri>().ok();
    let (Some(url), Some(uri)) = (parsed, uri) else {
        let what = format!("{:?} is not a URL", text.value);
        checker.wrong(&text.at, what, "write it such as \"https://evidence.corp.example/sekisho\"");
        return None;
    };
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        checker.wrong(&text.at, "this URL has a user name or a fragment", "write it without");
        return None;
    }
    if url.scheme() != "https" && !(url.scheme() == "http" && super::provider::is_loopback(&url)) {
        let instead = "write https://; plain http is for this machine only";
        checker.wrong(&text.at, format!("{:?} is not protected on its way", text.value), instead);
        return None;
    }
    Some(uri)
}
