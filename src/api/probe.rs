//! `/probe`: one look at one known point, answered as Prometheus' blackbox exporter answers.
//!
//! Codes of points only, never an address: a service that connects to wherever it is told is a way into the network.
//! The look counts against the sessions of its device and links and is refused when there is no room; what it sees goes
//! to the asker alone and changes no state and no figure.

use crate::api::extract::{Query, text};
use crate::api::guard::Reader;
use crate::api::problem::{AnyProblem, ApiError, ContradictionProblem, MissingProblem, TooManyProblem};
use crate::api::state::ApiState;
use crate::domain::{Cause, Failure, Observation, Outcome, PointCode, Stage};
use crate::ingest::{Question, Refused};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::fmt::Write;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long Prometheus waits, in seconds.
const SCRAPE_TIMEOUT: &str = "x-prometheus-scrape-timeout-seconds";
/// Taken off that, so that the answer is there in time.
const OFFSET: Duration = Duration::from_millis(500);
/// The least time for a look.
const LEAST: Duration = Duration::from_millis(500);
/// Taken off the longest time for a request, for the TEARDOWN and the answer.
const REST: Duration = Duration::from_secs(5);

/// What is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Module {
    /// That pictures arrive: connect, describe, play, a key frame and a measuring window.
    RtspFrame,
}

/// Which point, and how.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ProbeQuery {
    /// National code of a known point
    #[serde(deserialize_with = "text::required")]
    #[param(value_type = String, pattern = "^([0-9]{18}|[0-9]{20})$")]
    point: PointCode,
    /// What is to be proven
    #[param(inline)]
    module: Module,
    /// Whether a transcript stands before the metrics; it holds no address and no credential
    #[serde(default)]
    debug: bool,
}

/// Looks at one point now and answers in the Prometheus text format.
///
/// Takes as long as the header `X-Prometheus-Scrape-Timeout-Seconds` allows, less half a second. A device is asked every
/// five seconds at most. The result changes no state and no figure.
#[utoipa::path(get, path = "/probe", tag = "metrics", params(ProbeQuery), responses(
    (status = 200, content_type = "text/plain", body = String, description = "Prometheus text format 0.0.4"),
    AnyProblem, MissingProblem, ContradictionProblem, TooManyProblem))]
pub(crate) async fn probe(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    headers: HeaderMap,
    Query(query): Query<ProbeQuery>,
) -> Result<Response, ApiError> {
    let Module::RtspFrame = query.module;
    let (point, scope) = (query.point, caller.scope);
    state.compute(move |view| view.point(point, scope).map(|_seen| ())).await?;
    let patience = patience(&headers, state.inputs().settings.server.request_timeout);
    let (answer, answered) = oneshot::channel();
    let question = Question { point, patience, answer };
    state.inputs().questions.try_send(question).map_err(|_full_or_closed| ApiError::Busy)?;
    let seen = answered.await.map_err(|_stopping| ApiError::Busy)?;
    let seen = seen.map_err(|refused| refusal(point, refused))?;
    let transcript = if query.debug { transcript(&seen) } else { String::new() };
    let body = transcript + &exposition(&seen, patience);
    Ok(([(header::CONTENT_TYPE, super::metrics::CONTENT_TYPE)], body).into_response())
}

/// How long the asker waits, never longer than a request may take.
fn patience(headers: &HeaderMap, request_timeout: Duration) -> Duration {
    let longest = request_timeout.saturating_sub(REST).max(LEAST);
    let seconds = headers.get(SCRAPE_TIMEOUT).and_then(|value| value.to_str().ok()?.parse::<f64>().ok());
    let asked = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    asked.map_or(longest, |asked| asked.saturating_sub(OFFSET)).clamp(LEAST, longest)
}

fn refusal(point: PointCode, refused: Refused) -> ApiError {
    match refused {
        Refused::NotWatched => ApiError::Unprocessable(format!("point {point} is not watched")),
        Refused::TooSoon { wait } => ApiError::TooMany(format!(
            "the device of point {point} was asked a moment ago; ask again in {} s",
            wait.as_secs() + 1
        )),
        Refused::NoRoom => ApiError::TooMany(format!(
            "the device of point {point} or a link to it has no session left for the watching; ask again"
        )),
    }
}

fn exposition(seen: &Observation, patience: Duration) -> String {
    let mut text = String::new();
    let success = u8::from(matches!(seen.outcome, Outcome::Video(_)));
    let took = seen.ended.since(seen.started);
    gauge(&mut text, "probe_success", "Whether pictures arrived.", success);
    gauge(&mut text, "probe_duration_seconds", "Time that the look took.", took.as_secs_f64());
    gauge(&mut text, "probe_timeout_seconds", "Time that the look might have taken.", patience.as_secs_f64());
    family(&mut text, "probe_rtsp_duration_seconds", "Time that each stage took.");
    for (stage, took) in seen.stages.iter() {
        series(&mut text, "probe_rtsp_duration_seconds", &[("phase", stage.as_str())], took.as_secs_f64());
    }
    match &seen.outcome {
        Outcome::Video(measured) => {
            let rate = measured.frames_per_second();
            gauge(&mut text, "probe_rtsp_frames_per_second", "Pictures per wall second of the window.", rate);
        }
        Outcome::Failed(Failure { stage, cause, .. }) => failed(&mut text, Some(*stage), cause),
        Outcome::NotLooked(cause) => failed(&mut text, None, cause),
        Outcome::Answered(_) => {}
    }
    text
}

fn failed(text: &mut String, stage: Option<Stage>, cause: &Cause) {
    const NAME: &str = "probe_rtsp_failure_info";
    family(text, NAME, "Why no pictures arrived; always 1.");
    series(text, NAME, &[("stage", stage.map_or("", Stage::as_str)), ("cause", cause.as_str())], 1);
}

fn gauge(text: &mut String, name: &str, help: &str, value: impl std::fmt::Display) {
    family(text, name, help);
    series(text, name, &[], value);
}

fn family(text: &mut String, name: &str, help: &str) {
    let _infallible = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
}

/// The values of labels are words of ours, which need no escaping.
fn series(text: &mut String, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
    let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    let _infallible = writeln!(text, "{name}{labels} {value}");
}

/// What happened, as comments that a reader of metrics passes over.
fn transcript(seen: &Observation) -> String {
    let mut text = format!("# look at point {}, begun {}\n", seen.point, seen.started);
    for (stage, took) in seen.stages.iter() {
        let _infallible = writeln!(text, "# {stage}: {:.3} s", took.as_secs_f64());
    }
    let _infallible = match &seen.outcome {
        Outcome::Video(measured) => writeln!(
            text,
            "# video: {} pictures, {} of {} packets missing, {} bytes in {:.1} s",
            measured.frames,
            measured.lost_packets,
            measured.packets.saturating_add(measured.lost_packets),
            measured.bytes,
            measured.window.as_secs_f64()
        ),
        Outcome::Failed(failure) => {
            let status = failure.status.map(|status| format!(", RTSP status {status}")).unwrap_or_default();
            writeln!(text, "# failed at {}: {}{status}", failure.stage, failure.cause.as_str())
        }
        Outcome::NotLooked(cause) => writeln!(text, "# not looked at: {}", cause.as_str()),
        Outcome::Answered(_) => writeln!(text, "# the device answered"),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_asker_waits_less_than_prometheus_and_than_a_request() {
        let check = |header: Option<&str>, expected: f64| {
            let headers = header.map(|value| (SCRAPE_TIMEOUT.parse().unwrap(), value.parse().unwrap()));
            let patience = patience(&headers.into_iter().collect(), Duration::from_secs(30));
            assert_eq!(patience, Duration::from_secs_f64(expected), "{header:?}");
        };
        check(None, 25.0);
        check(Some("10"), 9.5);
        check(Some("10.25"), 9.75);
        check(Some("0.2"), 0.5);
        check(Some("3600"), 25.0);
        check(Some("-1"), 25.0);
        check(Some("NaN"), 25.0);
        check(Some("soon"), 25.0);
    }
}
