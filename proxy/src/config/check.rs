//! From what was written to what it means. Every problem is reported; the first does not hide the others.

mod addresses;
mod app;
mod checker;
mod cross;
mod device;
mod enrolment;
mod files;
mod gate;
mod keeping;
mod paths;
mod posture;
mod provider;
mod terminal;
mod upstream;

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use checker::Checker;

use super::checked::{Admin, Config, Policies};
use super::environment::Secrets;
use super::problem::{At, Place, Problem};
use super::raw::{self, Root};
use super::setting::Text;
use crate::clock::Timestamp;
use crate::secret::Digest;

/// Judges the whole file. `base` is the folder that relative paths begin at.
pub(in crate::config) fn check(
    root: &Root,
    secrets: &Secrets,
    base: PathBuf,
    now: Timestamp,
    problems: Vec<Problem>,
) -> Result<Config, Vec<Problem>> {
    let mut checker = Checker::new(base, now, problems);
    let config = whole(root, secrets, &mut checker);
    secrets.report_strays(checker.problems());
    match (config, checker.finish()) {
        (Some(config), problems) if problems.is_empty() => Ok(config),
        (None, problems) if problems.is_empty() => {
            // Cannot happen: whoever returns nothing has said why. If it does, stay closed and say so.
            Err(vec![Problem::new(&At::default(), "the settings could not be read")])
        }
        (_, problems) => Err(problems),
    }
}

fn whole(root: &Root, secrets: &Secrets, checker: &mut Checker) -> Option<Config> {
    let listen = gate::listen(root.listen.as_ref(), checker);
    let sign_in = gate::sign_in(root.sign_in.as_ref(), checker);
    let server_certificates = gate::server_certificates(root.server_certificate.as_ref(), checker);
    let identity_providers = provider::all(root.identity_provider.as_ref(), secrets, checker);
    let device_authorities = device::all(root.device_authority.as_ref(), checker);
    let posture_sources = posture::all(root.posture_source.as_ref(), checker);
    let enrolment = enrolment::enrolment(root.enrolment.as_ref(), &device_authorities, checker);
    let apps = app::all(root.app.as_ref(), checker);
    let candidate = root.policies.as_ref().and_then(|policies| policies.candidate.as_ref());
    let max_fact_age = checker.duration(root.max_fact_age.as_ref(), HOUR, SECOND..=7 * DAY);

    cross::check(
        &cross::Parts {
            listen: listen.as_ref(),
            root,
            sign_in: sign_in.as_ref(),
            certificates: &server_certificates,
            providers: &identity_providers,
            authorities: &device_authorities,
            apps: &apps,
            max_fact_age,
        },
        checker,
    );
    let state = checker.path_or(root.state.as_ref(), "/var/lib/sekisho");
    let audit = gate::audit(root.audit.as_ref(), checker);
    let policies = policies(root.policies.as_ref(), checker);
    let candidate_dir = candidate.map(|candidate| checker.path(candidate));
    let mut reads = checker.named();
    reads.extend(policies.folder().map(PathBuf::from));
    reads.retain(|path| *path != state && *path != audit.dir && listen.as_ref().is_none_or(|listen| *path != listen.admin));
    Some(Config {
        // Whoever reads a file fills it in.
        hash: Digest::of(b""),
        state,
        reads,
        process: gate::process(root.process.as_ref(), checker),
        limits: gate::limits(root.limits.as_ref(), checker),
        audit,
        policies,
        candidate_dir,
        cores: checker.number(root.cores.as_ref(), std::thread::available_parallelism().map_or(1, NonZero::get), 1..=1024),
        time_zone: time_zone(root, checker),
        max_fact_age,
        listen: listen?,
        sign_in: sign_in?,
        enrolment,
        admin: Admin { api: root.admin.as_ref().and_then(|admin| admin.api.as_ref()).is_some_and(|flag| flag.value) },
        server_certificates: server_certificates.into_iter().map(|certificate| certificate.files).collect(),
        identity_providers: identity_providers.into_iter().map(|(_, provider)| Arc::new(provider)).collect(),
        device_authorities: device_authorities.into_iter().map(|(_, authority)| Arc::new(authority)).collect(),
        posture_sources: posture_sources.into_iter().map(Arc::new).collect(),
        apps: apps.into_iter().map(|(_, app)| Arc::new(app)).collect(),
    })
}

/// A folder, or policies in the file itself. What is in either is judged when they are loaded.
fn policies(raw: Option<&raw::Policies>, checker: &mut Checker) -> Policies {
    let (dir, text) = raw.map_or((None, None), |raw| (raw.dir.as_ref(), raw.text.as_ref()));
    if let (Some(dir), Some(text)) = (dir, text) {
        let instead = "write either: the policies here, or the folder that they are in";
        checker.wrong(&text.at, format!("the policies are also said to be in {:?}", dir.value), instead);
    }
    match text {
        Some(text) => {
            if text.value.trim().is_empty() {
                checker.wrong(&text.at, "there is no policy in it, and without one nobody may do anything", EXAMPLE_OF_TEXT);
            }
            policies_text(text)
        }
        None => Policies::Folder(checker.path_or(dir, "policies")),
    }
}

/// Policies in the file, or in the environment, named by where they are written.
pub(in crate::config) fn policies_text(text: &Text) -> Policies {
    let name = match &text.at.place {
        Place::Environment(variable) => variable,
        Place::Line(_) | Place::Absent => &text.at.path,
    };
    Policies::Text { name: name.clone(), text: text.value.clone() }
}

fn time_zone(root: &Root, checker: &mut Checker) -> jiff::tz::TimeZone {
    let Some(name) = &root.time_zone else { return jiff::tz::TimeZone::UTC };
    if name.value == "UTC" {
        return jiff::tz::TimeZone::UTC;
    }
    jiff::tz::TimeZone::get(&name.value).unwrap_or_else(|_unknown| {
        checker.report(
            Problem::new(&name.at, format!("{:?} is not a time zone of this system", name.value))
                .instead("write a name such as \"Europe/Berlin\", and see that the system's tzdata is installed"),
        );
        jiff::tz::TimeZone::UTC
    })
}

/// Reports the second and every further bearer of a name.
fn unique<'a>(names: impl Iterator<Item = (At, &'a str)>, checker: &mut Checker) {
    let mut seen: Vec<(At, &str)> = Vec::new();
    for (at, name) in names {
        match seen.iter().find(|(_, known)| *known == name) {
            Some((first, _)) => {
                let place = match first.place {
                    Place::Line(line) => format!(" (line {line})"),
                    Place::Absent | Place::Environment(_) => String::new(),
                };
                checker.report(Problem::new(&at, format!("{name:?} is already used by {}{place}", first.path)));
            }
            None => seen.push((at, name)),
        }
    }
}

const EXAMPLE_OF_TEXT: &str = "write a policy, or take this out and name the folder of policies in `dir`";

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
