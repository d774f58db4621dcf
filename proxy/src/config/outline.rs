//! What policies need to know of the configuration: for tools that run where certificates, secrets and folders are not.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use sekisho_policy::OwnActions;

use super::checked::Policies;
use super::problem::{At, Problem};
use super::setting::Setting as _;
use super::{check, checked, document, environment, raw};

/// The part of the configuration that policies depend on, read without judging the rest.
#[derive(Clone, Debug)]
pub struct Outline {
    /// Where the policies are.
    pub policies: Policies,
    /// Names and tags of the apps.
    pub apps: Vec<(String, Vec<String>)>,
    /// What is asked of the gate itself.
    pub own: OwnActions,
    /// The groups that policies may name, as [`Config::known_groups`](super::Config::known_groups).
    pub groups: Option<BTreeSet<String>>,
    /// Folder of the record (`[audit] dir`).
    pub audit_dir: PathBuf,
    /// Zone of `context.local_time` and `context.weekday`.
    pub time_zone: jiff::tz::TimeZone,
}

impl Outline {
    /// Reads the file at `path` and lays the `SEKISHO_…` variables over it, as a start does.
    ///
    /// # Errors
    /// What is wrong with the file's syntax, and with the settings that this needs.
    pub fn load<I>(path: &Path, variables: I) -> Result<Self, Vec<Problem>>
    where
        I: IntoIterator<Item = (OsString, OsString)>,
    {
        let text = std::fs::read_to_string(path)
            .map_err(|error| vec![Problem::new(&At::default(), format!("{} cannot be read: {error}", path.display()))])?;
        let outline = Self::parse(&text, path.parent().unwrap_or(Path::new(".")), variables)?;
        Ok(Self { policies: outline.policies.of_file(path), ..outline })
    }

    /// As [`Outline::load`], with the text at hand. Relative paths begin at `base`.
    ///
    /// # Errors
    /// As of [`Outline::load`].
    pub fn parse<I>(text: &str, base: &Path, variables: I) -> Result<Self, Vec<Problem>>
    where
        I: IntoIterator<Item = (OsString, OsString)>,
    {
        let mut problems = Vec::new();
        let mut document = document::parse(text, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        drop(environment::lay_over(&mut document, variables, &mut Vec::new()));
        let root = raw::Root::read(&document, At::default(), &mut problems);
        problems.retain(|problem| NEEDED.iter().any(|needed| problem.path.starts_with(needed)));
        let root = root.as_ref();
        let written = root.and_then(|root| root.policies.as_ref());
        let audit = root.and_then(|root| root.audit.as_ref()?.dir.as_ref());
        let zone = root.and_then(|root| root.time_zone.as_ref());
        let time_zone = zone.map_or(Ok(jiff::tz::TimeZone::UTC), |name| {
            jiff::tz::TimeZone::get(&name.value)
                .map_err(|_unknown| Problem::new(&name.at, format!("{:?} is not a time zone of this system", name.value)))
        });
        let apps = root.and_then(|root| root.app.as_ref()).map(|apps| apps.items.as_slice()).unwrap_or_default();
        let apps = apps.iter().filter_map(|app| {
            let tags = app.tags.iter().flat_map(|tags| &tags.items).map(|tag| tag.value.clone());
            Some((app.name.as_ref()?.value.clone(), tags.collect()))
        });
        let apps = apps.collect();
        let self_service = root.and_then(|root| root.enrolment.as_ref()?.self_service.as_ref());
        let api = root.and_then(|root| root.admin.as_ref()?.api.as_ref());
        let own = OwnActions {
            self_service: self_service.is_some_and(|flag| flag.value),
            administration: api.is_some_and(|flag| flag.value),
        };
        let providers = root.and_then(|root| root.identity_provider.as_ref()).map(|list| list.items.as_slice());
        let groups = checked::known_groups(providers.unwrap_or_default().iter().map(|provider| {
            let known =
                provider.known_groups.as_ref().map(|groups| groups.items.iter().map(|group| group.value.clone()).collect());
            (provider.groups_claim.is_some(), known)
        }));
        match time_zone {
            Ok(time_zone) if problems.is_empty() => {
                let folder =
                    || base.join(written.and_then(|policies| policies.dir.as_ref()).map_or("policies", |dir| &dir.value));
                let text = written.and_then(|policies| policies.text.as_ref());
                let policies = text.map_or_else(|| Policies::Folder(folder()), check::policies_text);
                let audit_dir = base.join(audit.map_or("/var/log/sekisho", |dir| &dir.value));
                Ok(Self { policies, apps, own, groups, audit_dir, time_zone })
            }
            Ok(_) => Err(problems),
            Err(problem) => {
                problems.push(problem);
                Err(problems)
            }
        }
    }
}

/// The sections whose mistakes matter here.
const NEEDED: &[&str] = &["admin.api", "app", "audit.dir", "enrolment.self_service", "policies", "time_zone"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_policies_need_is_read_where_nothing_else_is_there() {
        let text = "time_zone = \"Europe/Berlin\"\n[policies]\ndir = \"p\"\n[audit]\ndir = \"a\"\n[[app]]\nname = \"wiki\"\ntags = [\"internal\"]\n[[server_certificate]]\nchain = \"nowhere.pem\"\n";
        let outline = Outline::parse(text, Path::new("/etc/sekisho"), Vec::new()).unwrap();
        assert_eq!(outline.policies.folder(), Some(Path::new("/etc/sekisho/p")));
        assert_eq!(outline.audit_dir, Path::new("/etc/sekisho/a"));
        assert_eq!(outline.apps, [("wiki".to_owned(), vec!["internal".to_owned()])]);
        assert_eq!(outline.time_zone.iana_name(), Some("Europe/Berlin"));
        assert!(!outline.own.any());
        let on = Outline::parse("[enrolment]\nself_service = true", Path::new("."), Vec::new()).unwrap();
        assert!(on.own.self_service && !on.own.administration);
        let on = Outline::parse("[admin]\napi = true", Path::new("."), Vec::new()).unwrap();
        assert!(on.own.administration && !on.own.self_service);
    }

    #[test]
    fn groups_are_known_where_every_provider_that_has_them_lists_them() {
        let provider = |name: &str, lines: &str| format!("[[identity_provider]]\nname = \"{name}\"\n{lines}\n");
        let corp = provider("corp", "groups_claim = \"groups\"\nknown_groups = [\"hr\", \"staff\"]");
        let robots = provider("robots", "audience = \"gate\"");
        let partner = provider("partner", "groups_claim = \"groups\"");
        let groups = |text: &str| Outline::parse(text, Path::new("."), Vec::new()).unwrap().groups;
        assert_eq!(groups(&format!("{corp}{robots}")), Some(["hr", "staff"].map(str::to_owned).into()));
        assert_eq!(groups(&format!("{corp}{partner}")), None, "the partner's may be any");
        assert_eq!(groups(&robots), Some(BTreeSet::new()), "nobody is in a group");
        assert_eq!(groups(""), None, "what people there are is not said");
    }

    #[test]
    fn what_is_wrong_with_those_parts_is_told() {
        for text in ["time_zone = \"Mars\"", "[policies]\ndri = \"p\"", "[[app]]\nname = \"a\"\ntags = \"b\"", "["] {
            assert!(Outline::parse(text, Path::new("."), Vec::new()).is_err(), "{text}");
        }
        assert!(Outline::parse("[limits]\nconections = 1", Path::new("."), Vec::new()).is_ok(), "`sekisho check` tells that");
    }
}
