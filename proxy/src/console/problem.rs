//! Refusals for programs.

use http::StatusCode;
use serde::Serialize;

/// The media type of [`problem_json`].
pub const PROBLEM_JSON: &str = "application/problem+json";

/// A refusal, for whoever is not a browser (RFC 9457).
#[derive(Clone, Copy, Debug)]
pub struct ProblemDetails<'a> {
    /// The status code.
    pub status: StatusCode,
    /// What happened, in plain words.
    pub detail: &'a str,
    /// The word for it in the record and the metrics, for programs to go by.
    pub reason: &'a str,
    /// Ways to what was asked for, each a list of steps for a person.
    pub ways: &'a [Vec<String>],
    /// What the authors of policies have to say about it.
    pub advice: &'a [String],
    /// What can be done now.
    pub remedy: Option<&'a str>,
    /// Which request.
    pub request_id: &'a str,
    /// Another sign-in would help.
    pub step_up: Option<ProblemStepUp<'a>>,
}

/// What another sign-in has to bring, for programs (RFC 9470).
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ProblemStepUp<'a> {
    /// Seconds since the person gave proof of themselves, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u64>,
    /// Authentication context classes, the most wanted first, with spaces between.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub acr_values: &'a str,
    /// The address to open in the browser; `None` for whoever shows tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sign_in: Option<&'a str>,
}

/// The members of RFC 9457, section 3.1, and ours. The type is `about:blank`: the status says what kind it is, and the title
/// is the status's own (section 4.2.1).
#[derive(Serialize)]
struct Document<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'a str>,
    #[serde(flatten)]
    step_up: Option<ProblemStepUp<'a>>,
    #[serde(skip_serializing_if = "<[Vec<String>]>::is_empty")]
    ways: &'a [Vec<String>],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    advice: &'a [String],
}

/// The document.
///
/// # Errors
/// Only if memory cannot be had.
pub fn problem_json(problem: &ProblemDetails<'_>) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Document {
        r#type: "about:blank",
        title: problem.status.canonical_reason().unwrap_or("Refused"),
        status: problem.status.as_u16(),
        detail: problem.detail,
        instance: problem.request_id,
        reason: problem.reason,
        remedy: problem.remedy,
        step_up: problem.step_up,
        ways: problem.ways,
        advice: problem.advice,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_escapes() {
        let problem = ProblemDetails {
            status: StatusCode::FORBIDDEN,
            detail: "the device \"<x>\" is not known",
            reason: "device_unknown",
            ways: &[],
            advice: &[],
            remedy: None,
            request_id: "00112233445566778899aabbccddeeff",
            step_up: None,
        };
        let bare = problem_json(&problem).unwrap();
        assert_eq!(
            bare,
            r#"{"type":"about:blank","title":"Forbidden","status":403,"detail":"the device \"<x>\" is not known","instance":"00112233445566778899aabbccddeeff","reason":"device_unknown"}"#
        );
        let helpful = problem_json(&ProblemDetails { remedy: Some("enrol it"), ..problem }).unwrap();
        assert!(helpful.ends_with(r#","remedy":"enrol it"}"#), "{helpful}");
        let step_up = ProblemStepUp { max_age: Some(5), acr_values: "", sign_in: Some("https://gate.example/") };
        let again = problem_json(&ProblemDetails { step_up: Some(step_up), ..problem }).unwrap();
        assert!(again.ends_with(r#","max_age":5,"sign_in":"https://gate.example/"}"#), "{again}");
        let steps =
            problem_json(&ProblemDetails { ways: &[vec!["a".to_owned()]], advice: &["b".to_owned()], ..problem }).unwrap();
        assert!(steps.ends_with(r#","ways":[["a"]],"advice":["b"]}"#), "{steps}");
    }
}
