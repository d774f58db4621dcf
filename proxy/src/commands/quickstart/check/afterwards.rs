//! What is left: the record, the metrics, and sessions that were ended.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::line::Score;
use super::theft::{STOLEN_COOKIE, STOLEN_TOKEN};
use crate::clock::Timestamp;
use crate::commands::error::CommandError;
use crate::commands::quickstart::sign_in::{person, sign_in};
use crate::commands::quickstart::stage::Stage;

/// Plays it; `since` is when this check began, as the record of earlier ones is there as well.
pub(super) async fn play(stage: &Stage, score: &mut Score, since: Timestamp) -> Result<(), CommandError> {
    sign_out(stage, score).await?;

    let mut lines = record(&stage.place.file("audit"))?;
    // Times are written so that they sort as text.
    let since = since.to_string();
    lines.retain(|line| field(line, "at") >= since.as_str());
    for (path, what) in [(STOLEN_COOKIE, "the stolen cookie is in the record"), (STOLEN_TOKEN, "and the stolen token")] {
        let is_it = |line: &&Value| field(line, "reason") == "credential_replayed" && field(line, "path") == path;
        let found = lines.iter().find(is_it);
        let device = found.map(|line| field(line, "device")).unwrap_or_default();
        let came = if found.is_some() { format!("shown by {device}") } else { "no such line".to_owned() };
        score.line(what, device == stage.other.id.as_str(), &format!("a line that names {}", stage.other.id), &came)?;
    }
    let secret = stage.alice.cookies(crate::commands::quickstart::place::SHARE_HOST).unwrap_or_default();
    let value = secret.split_once('=').map_or("", |(_, value)| value);
    let clean = !value.is_empty() && !lines.iter().any(|line| line.to_string().contains(value));
    score.line(
        "the cookie's value is not",
        clean,
        "no line with it",
        if clean { "no line with it" } else { "a line with it" },
    )?;

    let metrics = scrape(stage.place.metrics_port(), "/metrics").await;
    let thefts = metrics.as_ref().map_or(0.0, |(_, text)| sum(text, "sekisho_requests_total", "reason=\"credential_replayed\""));
    score.line("thefts are counted", thefts >= 2.0, "2 or more", &format!("{thefts}"))?;
    let ready = scrape(stage.place.metrics_port(), "/readyz").await;
    let came = ready.map_or_else(|error| error, |(status, text)| format!("{} {}", status.as_u16(), text.trim()));
    score.line("the gate is ready", came == "200 ready", "200 ready", &came)
}

/// A session of its own, so that what was printed or laid out goes on working.
async fn sign_out(stage: &Stage, score: &mut Score) -> Result<(), CommandError> {
    let (visitor, home) = (stage.alice.fresh(), stage.place.share("/"));
    let _page = sign_in(&visitor, &home, &person("alice")?).await;
    let before = visitor.fresh().with_cookies_of(&visitor);
    score.allowed("Alice signs in once more", &before.get(&home).await)?;
    let way_out = stage.place.share("/.sekisho/sign-out");
    let page = match visitor.browse(&way_out).await {
        Ok(page) => visitor.submit(&page.url, "/.sekisho/sign-out", &[]).await,
        Err(error) => Err(error),
    };
    let out = page.as_ref().is_ok_and(|answer| answer.status == StatusCode::OK && answer.text().contains("signed out"));
    let came =
        page.map_or_else(|error| error.to_string(), |answer| format!("{} at {}", answer.status.as_u16(), answer.url.path()));
    score.line("and signs out", out, "the page that says so", &came)?;
    score.refused("the old cookie opens nothing", 401, "unknown_session", &before.get(&home).await)
}

/// Every line of the record that is whole.
fn record(folder: &Path) -> Result<Vec<Value>, CommandError> {
    let cannot = |error: std::io::Error| CommandError::failed(format!("{}: {error}", folder.display()));
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        // The policy sets that it refers to are kept beside it.
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        let text = std::fs::read_to_string(path).map_err(cannot)?;
        lines.extend(text.lines().filter_map(|line| serde_json::from_str(line).ok()));
    }
    Ok(lines)
}

fn field<'a>(line: &'a Value, name: &str) -> &'a str {
    line.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A page of the metrics listener, over plain HTTP as Prometheus asks.
async fn scrape(port: u16, path: &str) -> Result<(StatusCode, String), String> {
    let scraped = async {
        let socket = TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, port)).await.map_err(|error| error.to_string())?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        let request = Request::get(path).header("host", "127.0.0.1").body(Empty::<Bytes>::new());
        let answer = sender.send_request(request.map_err(|error| error.to_string())?).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    };
    tokio::time::timeout(PATIENCE, scraped).await.map_err(|_elapsed| "no answer".to_owned())?
}

/// The sum over a metric's series with this label.
fn sum(text: &str, name: &str, label: &str) -> f64 {
    let values = text.lines().filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let (bare, labels) = series.split_once('{')?;
        if bare == name && labels.contains(label) { value.parse::<f64>().ok() } else { None }
    });
    values.fold(0.0, |all, value| all + value)
}

const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_series_and_by_its_whole_name() {
        let text = "# HELP a_total x\na_total{app=\"x y\",why=\"z\"} 2\na_total{why=\"z\"} 3\na_total{why=\"y\"} 4\na_total_more{why=\"z\"} 9\n";
        assert!((sum(text, "a_total", "why=\"z\"") - 5.0).abs() < f64::EPSILON);
        assert!(sum(text, "b_total", "why=\"z\"") == 0.0);
    }
}
