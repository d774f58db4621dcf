//! `[[posture_source]]`

use std::collections::BTreeMap;

use super::checker::Checker;
use super::files::Shared;
use super::{DAY, SECOND, files};
use crate::config::posture::{
    CertificateFact, DeviceNaming, ENROLMENT_SOURCE, MaySet, OPERATOR_SOURCE, PostureSource, QueryFact, ReportFormat,
};
use crate::config::raw;
use crate::config::setting::{List, Section as _, Text};
use crate::secret::Digest;

pub(super) fn all(raw: Option<&List<raw::PostureSource>>, checker: &mut Checker) -> Vec<PostureSource> {
    let sections = raw.iter().flat_map(|list| &list.items);
    let sources: Vec<_> = sections.filter_map(|section| Some((section, one(section, checker)?))).collect();
    super::unique(sources.iter().map(|(section, source)| (section.key("name"), &*source.name)), checker);
    let mut tokens: BTreeMap<Digest, &str> = BTreeMap::new();
    for (section, source) in &sources {
        if let Some(other) = tokens.insert(source.token, &source.name) {
            let what = format!("this is the token of {other:?} too, so nobody could say which of them reports");
            checker.wrong(&section.key("token_file"), what, "give each source a token of its own");
        }
    }
    sources.into_iter().map(|(_, source)| source).collect()
}

fn one(raw: &raw::PostureSource, checker: &mut Checker) -> Option<PostureSource> {
    let name = checker.name(raw, raw.name.as_ref(), "name = \"mdm\"");
    if let Some(text) = raw.name.as_ref().filter(|text| [OPERATOR_SOURCE, ENROLMENT_SOURCE].contains(&text.value.as_str())) {
        checker.wrong(&text.at, format!("{:?} says things of devices already", text.value), "choose another name");
    }
    let shared = Shared::new("shared_token_file", raw.shared_token_file.as_ref());
    let token = token(raw, shared, checker);
    let osquery = checker.choice(raw.format.as_ref(), false, &[("sekisho", false), ("osquery", true)]);
    let facts = facts(raw, osquery, checker);
    let naming = [("id", DeviceNaming::Id), ("alias", DeviceNaming::Alias)];
    let devices = checker.choice(raw.devices.as_ref(), DeviceNaming::Id, &naming);
    Some(PostureSource {
        format: if osquery { ReportFormat::Osquery(facts) } else { ReportFormat::Sekisho },
        readers: shared.readers(),
        devices,
        may_set: may_set(raw.may_set.as_ref(), checker),
        max_age: checker.duration(raw.max_age.as_ref(), DAY, SECOND..=90 * DAY),
        name: name?,
        token: token?,
    })
}

/// Only its hash is kept: what comes is compared with that.
fn token(raw: &raw::PostureSource, shared: Shared, checker: &mut Checker) -> Option<Digest> {
    let Some(file) = &raw.token_file else {
        checker.missing(raw, "token_file", "token_file = \"mdm-token\"");
        return None;
    };
    let token = files::secret_line(file, shared, checker)?;
    let token = token.expose();
    if token.len() < SHORTEST_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let what = format!("{:?} holds a token that could be guessed, or that no header can carry", file.value);
        checker.wrong(&file.at, what, "write at least 32 characters without spaces, such as `openssl rand -hex 32` makes");
        return None;
    }
    Some(Digest::of(token.as_bytes()))
}

fn facts(raw: &raw::PostureSource, osquery: bool, checker: &mut Checker) -> Vec<QueryFact> {
    let Some(list) = &raw.fact else {
        if osquery {
            let example = "add a `[[posture_source.fact]]` with `query`, `column` and `fact`";
            checker.missing_unless(raw, "fact", example);
        }
        return Vec::new();
    };
    if !osquery {
        checker.wrong(&list.at, "this has no effect without `format = \"osquery\"`", "take it out");
    }
    let one = |raw: &raw::QueryFact, checker: &mut Checker| {
        for (key, given, example) in [("query", &raw.query, "query = \"disk\""), ("fact", &raw.fact, "fact = \"disk_encrypted\"")]
        {
            if given.is_none() {
                checker.missing(raw, key, example);
            }
        }
        let column = checker.text(raw.column.as_ref());
        Some(QueryFact { query: checker.text(raw.query.as_ref())?, column, fact: checker.text(raw.fact.as_ref())? })
    };
    list.items.iter().filter_map(|raw| one(raw, checker)).collect()
}

fn may_set(list: Option<&List<Text>>, checker: &mut Checker) -> MaySet {
    let Some(list) = list else { return MaySet { posture: true, managed: false, platform: false } };
    let mut may = MaySet { posture: false, managed: false, platform: false };
    for text in &list.items {
        let words = [("posture", Some(0)), ("managed", Some(1)), ("platform", Some(2))];
        match checker.choice(Some(text), None, &words) {
            Some(0) => may.posture = true,
            Some(1) => may.managed = true,
            Some(_) => may.platform = true,
            None => {}
        }
    }
    if list.items.is_empty() {
        checker.wrong(&list.at, "this source may say nothing", "write what it may: \"posture\", \"managed\", \"platform\"");
    }
    may
}

/// What certificates of an external authority say.
pub(super) fn of_certificates(raw: &raw::DeviceAuthority, builtin: bool, checker: &mut Checker) -> Vec<CertificateFact> {
    let Some(list) = &raw.certificate_fact else { return Vec::new() };
    if builtin {
        checker.wrong(&list.at, "this has no effect beside `builtin = true`", "take it out: our own certificates say nothing");
    }
    let one = |raw: &raw::CertificateFact, checker: &mut Checker| {
        for (key, given, example) in
            [("oid", &raw.oid, "oid = \"1.3.6.1.4.1.99999.1\""), ("fact", &raw.fact, "fact = \"managed\"")]
        {
            if given.is_none() {
                checker.missing(raw, key, example);
            }
        }
        let oid = raw.oid.as_ref()?;
        if !is_oid(&oid.value) {
            let what = format!("{:?} is not an object identifier", oid.value);
            checker.wrong(&oid.at, what, "write it in digits and dots, such as \"1.3.6.1.4.1.99999.1\"");
            return None;
        }
        let value = checker.text(raw.value.as_ref());
        Some(CertificateFact { oid: oid.value.as_str().into(), fact: checker.text(raw.fact.as_ref())?, value })
    };
    list.items.iter().filter_map(|raw| one(raw, checker)).collect()
}

fn is_oid(text: &str) -> bool {
    let arc = |arc: &str| {
        (1..=20).contains(&arc.len()) && arc.bytes().all(|byte| byte.is_ascii_digit()) && (arc == "0" || !arc.starts_with('0'))
    };
    text.split('.').count() >= 2 && text.split('.').all(arc)
}

/// Characters of a token: 16 random bytes as hex digits, at the least.
const SHORTEST_TOKEN: usize = 32;
