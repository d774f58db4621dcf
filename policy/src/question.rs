//! One request's question to Cedar.

use std::fmt;

use cedar_policy::{Context, Entities, EntityUid, Request, RestrictedExpression as Value};

use crate::cedar_facts::{CedarFacts, KnownParts};
use crate::path;
use crate::prepare::PrepareError;
use crate::request::{Moment, RequestFacts, Usage};
use crate::schema::Facts;

/// An age that is not known, in seconds: more than any policy asks for, and far from where numbers overflow.
pub(crate) const UNKNOWN_AGE_S: i64 = 1_000_000_000_000;

/// How far ahead of our clock another's may be. What lies further in the future was not stamped by a clock to rely on.
const CLOCK_SKEW_MS: i64 = 300_000;

/// Why a question could not be put.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QuestionError {
    #[error("the path has more than {} segments", path::MAX_PATH_SEGMENTS)]
    PathTooDeep,
    #[error("the facts cannot be expressed: {0}")]
    Inexpressible(String),
    #[error("the facts do not fit the schema: {0}")]
    Unfit(String),
    #[error(transparent)]
    Who(#[from] PrepareError),
}

/// The question whether `who` may do what `facts` say to `app`. Checked against the schema.
pub(crate) fn build(
    who: &CedarFacts,
    facts: &RequestFacts<'_>,
    app: &EntityUid,
    schema: &Facts,
) -> Result<Request, QuestionError> {
    let mut parts = vec![("request".to_owned(), request(facts)?), ("usage".to_owned(), usage(facts.usage)?)];
    parts.extend(moment(facts.at));
    if let Some(known) = &who.known {
        parts.extend(ages(known, facts.at.unix_ms)?);
    }
    let context = Context::from_pairs(parts).map_err(inexpressible)?;
    let action = schema.names.action(facts.action).clone();
    Request::new(who.principal.uid(), action, app.clone(), context, Some(&schema.schema))
        .map_err(|error| QuestionError::Unfit(error.to_string()))
}

/// The principal, beside the app and the actions in `base`. The principal was checked against the schema when it was prepared.
pub(crate) fn entities(who: &CedarFacts, base: &Entities) -> Result<Entities, QuestionError> {
    base.clone().add_entities([who.principal.clone()], None).map_err(inexpressible)
}

/// A point in time, cut to the years that Cedar can write.
pub(crate) fn datetime(unix_ms: i64) -> Value {
    let time = jiff::Timestamp::from_millisecond(instant_ms(unix_ms)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    Value::new_datetime(format!("{time:.3}"))
}

/// A point in time, cut to the years that Cedar can write and that the calendar holds in every zone.
pub(crate) fn instant_ms(unix_ms: i64) -> i64 {
    const YEAR_1: i64 = -62_135_596_800_000;
    const YEAR_9999: i64 = 253_402_128_000_000;
    unix_ms.clamp(YEAR_1, YEAR_9999)
}

/// A count as Cedar's numbers hold it.
pub(crate) fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn ages(known: &KnownParts, now_ms: i64) -> Result<[(String, Value); 2], QuestionError> {
    let with = |parts: &[(String, Value)], name: &str, since: Option<i64>| {
        let age = Value::new_long(age_s(since, now_ms));
        Value::new_record(parts.iter().cloned().chain([(name.to_owned(), age)])).map_err(inexpressible)
    };
    Ok([
        ("device".to_owned(), with(&known.device, "posture_age_s", known.posture_at_ms)?),
        ("session".to_owned(), with(&known.session, "auth_age_s", known.authenticated_at_ms)?),
    ])
}

/// Whole seconds, rounded up so that nothing seems fresher than it is.
pub(crate) fn age_s(since_ms: Option<i64>, now_ms: i64) -> i64 {
    let Some(age_ms) = since_ms.and_then(|since| now_ms.checked_sub(since)) else {
        return UNKNOWN_AGE_S;
    };
    match age_ms {
        ..0 if age_ms < -CLOCK_SKEW_MS => UNKNOWN_AGE_S,
        ..0 => 0,
        _ => (age_ms / 1000 + i64::from(age_ms % 1000 > 0)).min(UNKNOWN_AGE_S),
    }
}

fn request(facts: &RequestFacts<'_>) -> Result<Value, QuestionError> {
    let text = |text: &str| Value::new_string(text.to_owned());
    let prefixes = path::prefixes(facts.path).ok_or(QuestionError::PathTooDeep)?;
    Value::new_record([
        ("host".to_owned(), text(facts.host)),
        ("path".to_owned(), text(facts.path)),
        ("path_prefixes".to_owned(), Value::new_set(prefixes.into_iter().map(text))),
        ("method".to_owned(), text(facts.method)),
        ("source_ip".to_owned(), Value::new_ip(facts.source_ip.to_canonical().to_string())),
    ])
    .map_err(inexpressible)
}

fn usage(usage: Usage) -> Result<Value, QuestionError> {
    let count = |number| Value::new_long(count(number));
    Value::new_record([
        ("requests_1m".to_owned(), count(usage.requests_1m)),
        ("bytes_1h".to_owned(), count(usage.bytes_1h)),
        ("bytes_1d".to_owned(), count(usage.bytes_1d)),
    ])
    .map_err(inexpressible)
}

fn moment(at: Moment) -> [(String, Value); 3] {
    [
        ("now".to_owned(), datetime(at.unix_ms)),
        ("local_time".to_owned(), Value::new_duration(format!("{}ms", at.local_ms))),
        ("weekday".to_owned(), Value::new_string(at.weekday.as_str().to_owned())),
    ]
}

fn inexpressible(error: impl fmt::Display) -> QuestionError {
    QuestionError::Inexpressible(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_round_up_and_the_future_is_not_fresh() {
        let now = 10_000_000;
        assert_eq!(age_s(Some(now), now), 0);
        assert_eq!(age_s(Some(now - 1), now), 1);
        assert_eq!(age_s(Some(now - 900_000), now), 900);
        assert_eq!(age_s(Some(now - 900_001), now), 901);
        assert_eq!(age_s(Some(now + CLOCK_SKEW_MS), now), 0);
        assert_eq!(age_s(Some(now + CLOCK_SKEW_MS + 1), now), UNKNOWN_AGE_S);
        assert_eq!(age_s(None, now), UNKNOWN_AGE_S);
        assert_eq!(age_s(Some(i64::MIN), now), UNKNOWN_AGE_S);
    }
}
