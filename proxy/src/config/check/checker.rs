//! Reads single values and gathers what is wrong with them.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::UnixTime;
use sekisho_policy::OWN_APP;

use crate::clock::Timestamp;
use crate::config::host::Host;
use crate::config::problem::{At, Place, Problem};
use crate::config::setting::{Given, List, Section, Text};
use crate::config::units::Rate;
use crate::config::{suggest, units};

/// Whether a path is the root folder, by whatever way.
fn is_root(path: &Path) -> bool {
    let real = path.canonicalize().unwrap_or_else(|_not_there| path.components().collect());
    real == Path::new("/")
}

/// The folder that paths begin at, and the problems so far.
#[derive(Debug)]
pub(super) struct Checker {
    base: PathBuf,
    now: Timestamp,
    problems: Vec<Problem>,
    named: BTreeSet<PathBuf>,
}

impl Checker {
    pub(super) fn new(base: PathBuf, now: Timestamp, problems: Vec<Problem>) -> Self {
        Self { base, now, problems, named: BTreeSet::new() }
    }

    /// The time at which certificates have to be valid.
    pub(super) fn unix_time(&self) -> UnixTime {
        UnixTime::since_unix_epoch(self.now.since(Timestamp(0)))
    }

    pub(super) fn problems(&mut self) -> &mut Vec<Problem> {
        &mut self.problems
    }

    /// All problems, in the order of the file.
    pub(super) fn finish(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| match problem.place {
            Place::Line(line) => (0, line),
            Place::Absent => (1, 0),
            Place::Environment(_) => (2, 0),
        });
        self.problems
    }

    pub(super) fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    pub(super) fn wrong(&mut self, at: &At, what: impl Into<String>, instead: impl Into<String>) {
        self.report(Problem::new(at, what).instead(instead));
    }

    /// A key that has to be there is not, unless it is there and was refused already.
    pub(super) fn missing(&mut self, section: &impl Section, key: &str, example: &str) {
        self.missing_unless(section, key, &format!("write `{example}`"));
    }

    /// As [`Self::missing`], where there is a choice to explain.
    pub(super) fn missing_unless(&mut self, section: &impl Section, key: &str, instead: &str) {
        let at = section.key(key);
        if !self.problems.iter().any(|problem| problem.path == at.path || problem.path == section.at().path) {
            self.wrong(&at, "this key is missing", instead);
        }
    }

    /// A key that has no effect beside (or without) another.
    pub(super) fn useless<T>(&mut self, given: Option<&Given<T>>, why: &str) {
        if let Some(given) = given {
            self.wrong(&given.at, format!("this has no effect {why}"), "take it out");
        }
    }

    /// A path; relative ones begin at the folder of the file.
    pub(super) fn path(&mut self, text: &Text) -> PathBuf {
        if text.value.is_empty() {
            self.wrong(&text.at, "this path is empty", "write the path of a file or folder");
        }
        let path = self.base.join(&text.value);
        self.named.insert(path.clone());
        path
    }

    pub(super) fn path_or(&mut self, text: Option<&Text>, default: &str) -> PathBuf {
        match text {
            Some(text) => self.path(text),
            None => self.base.join(default),
        }
    }

    /// Paths that may be wide, so that each has to be written whole.
    pub(super) fn absolute(&mut self, list: Option<&List<Text>>) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        for text in list.into_iter().flat_map(|list| &list.items) {
            let path = PathBuf::from(&text.value);
            if !path.is_absolute() {
                self.wrong(&text.at, format!("{:?} is not an absolute path", text.value), "begin it with /");
            } else if is_root(&path) {
                let instead = "name the folders that are needed; whoever wants no restrictions writes `landlock = \"off\"`";
                self.wrong(&text.at, format!("{:?} is every file of this machine", text.value), instead);
            }
            paths.push(path);
        }
        paths
    }

    /// Every path that the settings have named so far.
    pub(super) fn named(&self) -> BTreeSet<PathBuf> {
        self.named.clone()
    }

    pub(super) fn duration(&mut self, text: Option<&Text>, default: Duration, range: RangeInclusive<Duration>) -> Duration {
        self.quantity(text, default, &range, units::duration, units::show_duration)
    }

    pub(super) fn size(&mut self, text: Option<&Text>, default: u64, range: RangeInclusive<u64>) -> u64 {
        self.quantity(text, default, &range, units::size, units::show_size)
    }

    /// So many in such a time.
    pub(super) fn rate(&mut self, text: &Text) -> Option<Rate> {
        units::rate(&text.value).map_err(|error| self.report(Problem::new(&text.at, format!("{:?} is {error}", text.value)))).ok()
    }

    fn quantity<T: PartialOrd + Copy>(
        &mut self,
        text: Option<&Text>,
        default: T,
        range: &RangeInclusive<T>,
        read: fn(&str) -> Result<T, units::UnitError>,
        show: fn(T) -> String,
    ) -> T {
        let Some(text) = text else { return default };
        match read(&text.value) {
            Ok(value) if range.contains(&value) => value,
            Ok(value) => {
                let allowed = format!("write something from \"{}\" to \"{}\"", show(*range.start()), show(*range.end()));
                let way = if value < *range.start() { "too little" } else { "too much" };
                self.wrong(&text.at, format!("{:?} is {way}", text.value), allowed);
                default
            }
            Err(error) => {
                self.report(Problem::new(&text.at, format!("{:?} is {error}", text.value)));
                default
            }
        }
    }

    pub(super) fn number<T>(&mut self, given: Option<&Given<u64>>, default: T, range: RangeInclusive<T>) -> T
    where
        T: TryFrom<u64> + PartialOrd + Copy + std::fmt::Display,
    {
        let Some(given) = given else { return default };
        match T::try_from(given.value) {
            Ok(value) if range.contains(&value) => value,
            _ => {
                let allowed = format!("write a number from {} to {}", range.start(), range.end());
                self.wrong(&given.at, format!("{} is out of bounds", given.value), allowed);
                default
            }
        }
    }

    /// One word of a few.
    pub(super) fn choice<T: Copy>(&mut self, text: Option<&Text>, default: T, words: &[(&str, T)]) -> T {
        let Some(text) = text else { return default };
        if let Some((_, chosen)) = words.iter().find(|(word, _)| *word == text.value) {
            return *chosen;
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let instead = match suggest::nearest(&text.value, &known) {
            Some(nearest) => format!("did you mean \"{nearest}\"?"),
            None => format!("write one of \"{}\"", known.join("\", \"")),
        };
        self.wrong(&text.at, format!("{:?} is not known here", text.value), instead);
        default
    }

    /// The name of something: it becomes a label, a part of ids and of policies.
    pub(super) fn name(&mut self, section: &impl Section, text: Option<&Text>, example: &str) -> Option<Arc<str>> {
        let Some(text) = text else {
            self.missing(section, "name", example);
            return None;
        };
        self.word(text)
    }

    /// The name of an app, or the beginning of people's ids, must not be that of the gate itself in policies.
    pub(super) fn not_reserved(&mut self, name: Option<&Text>) {
        if let Some(name) = name.filter(|name| name.value == OWN_APP) {
            let what = format!("{OWN_APP:?} is the gate itself in policies and in the record");
            self.wrong(&name.at, what, "choose another name");
        }
    }

    pub(super) fn word(&mut self, text: &Text) -> Option<Arc<str>> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        match text.value.as_bytes() {
            [first, rest @ ..]
                if plain(*first) && rest.len() < 64 && rest.iter().all(|&byte| plain(byte) || b"._-".contains(&byte)) =>
            {
                Some(text.value.as_str().into())
            }
            _ => {
                let instead = "write 1 to 64 characters of a-z, 0-9, `.`, `_` and `-`, beginning with a letter or digit";
                self.wrong(&text.at, format!("{:?} cannot be a name", text.value), instead);
                None
            }
        }
    }

    /// Names in brackets, each once.
    pub(super) fn words<C: FromIterator<Arc<str>>>(&mut self, list: Option<&List<Text>>) -> C {
        list.into_iter().flat_map(|list| &list.items).filter_map(|text| self.word(text)).collect()
    }

    /// Any text that is not empty.
    pub(super) fn text(&mut self, text: Option<&Text>) -> Option<String> {
        let text = text?;
        if text.value.trim().is_empty() || text.value.chars().any(char::is_control) {
            self.wrong(&text.at, "this is empty or has control characters", "write it as plain text, or take it out");
            return None;
        }
        Some(text.value.clone())
    }

    pub(super) fn texts<C: FromIterator<String>>(&mut self, list: Option<&List<Text>>) -> C {
        list.into_iter().flat_map(|list| &list.items).filter_map(|text| self.text(Some(text))).collect()
    }

    pub(super) fn host(&mut self, text: &Text) -> Option<Host> {
        match text.value.parse() {
            Ok(host) => Some(host),
            Err(error) => {
                let bare = text.value.split("://").last().unwrap_or_default();
                let bare = bare.split(['/', ':']).next().unwrap_or_default();
                let problem = Problem::new(&text.at, format!("{:?} is {error}", text.value));
                self.report(match bare.parse::<Host>() {
                    Ok(host) => problem.instead(format!("write \"{host}\"")),
                    Err(_) => problem,
                });
                None
            }
        }
    }
}
