//! `deadmen`: Alertmanager reports here every minute that the watchdog of Prometheus fires (webhook version 4). Its silence is
//! the alarm: when Prometheus or Alertmanager dies, alerts stop, and what fired looks repaired.

use crate::api::extract::{Json as Body, Path};
use crate::api::guard::Reader;
use crate::api::page::{Limit, Page};
use crate::api::problem::{AnyProblem, ApiError, BodyProblem, ContradictionProblem};
use crate::api::state::ApiState;
use crate::api::time::Time;
use crate::config::{DEADMEN, is_deadman_name};
use crate::domain::Timestamp;
use crate::telemetry;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A beat comes every minute and may be a minute old; Alertmanager goes on for four minutes after Prometheus died, with the
/// old instant of evaluation in it.
const SILENT: Duration = Duration::from_secs(180);
/// Ends the name of the alert that always fires.
const WATCHDOG: &str = "Watchdog";

/// Who has given a beat since start, or is to give one.
#[derive(Debug, Default)]
pub(crate) struct Deadmen(Mutex<BTreeMap<String, Beat>>);

/// The last beat of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Beat {
    received: Timestamp,
    /// When Prometheus evaluated the rule; when it was received, where the alert does not tell.
    evaluated: Timestamp,
}

impl Deadmen {
    /// Those that are to report: silent from the start on, until they do.
    pub(crate) fn expecting(names: &[String], start: Timestamp) -> Self {
        let beat = Beat { received: start, evaluated: start };
        Self(Mutex::new(names.iter().map(|name| (name.clone(), beat)).collect()))
    }

    fn beat(&self, name: &str, beat: Beat) -> bool {
        let mut known = self.known();
        let has_room = known.len() < DEADMEN || known.contains_key(name);
        if has_room {
            known.insert(name.to_owned(), beat);
        }
        has_room
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Beat>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A watcher of ours, as it reported last.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Deadman)]
pub(crate) struct DeadmanDto {
    /// Its name, the end of the address that it reports to.
    name: String,
    /// When its last beat was received; the start of the service where none came since.
    received: Time,
    /// When Prometheus evaluated the rule of that beat; Alertmanager repeats old ones for a while.
    evaluated: Time,
    /// Whether it is silent for three minutes: its alerts cannot be relied on, and what it calls resolved neither.
    silent: bool,
}

impl DeadmanDto {
    fn new((name, beat): (String, Beat), now: Timestamp) -> Self {
        let silent = now.since(beat.evaluated.min(beat.received)) >= SILENT;
        Self { name, received: beat.received.into(), evaluated: beat.evaluated.into(), silent }
    }
}

/// Which one reports.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct DeadmanPath {
    /// A name of your own: letters, digits, `-` and `_`
    #[param(pattern = "^[A-Za-z0-9_-]{1,50}$")]
    name: String,
}

/// What Alertmanager sends, version 4; the other fields are left aside.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct AlertmanagerWebhook {
    /// Always `4`.
    version: String,
    /// The alerts of the group.
    alerts: Vec<WebhookAlert>,
}

/// One alert of it.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct WebhookAlert {
    /// `firing` or `resolved`.
    status: String,
    /// Its labels; `alertname` ends with `Watchdog`.
    labels: BTreeMap<String, String>,
    /// Its annotations; `evaluated` is when Prometheus evaluated the rule, in seconds since 1970.
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl AlertmanagerWebhook {
    /// The newest beat in it.
    fn beat(&self, now: Timestamp) -> Result<Beat, &'static str> {
        if self.version != "4" {
            return Err("the webhook of Alertmanager has version 4");
        }
        let is_watchdog = |alert: &&WebhookAlert| {
            alert.status == "firing"
                && alert.labels.get("alertname").is_some_and(|name| name.ends_with(WATCHDOG))
        };
        let evaluated = |alert: &WebhookAlert| {
            let told = alert.annotations.get("evaluated").and_then(|seconds| seconds.parse::<i64>().ok());
            // A clock that is ahead of ours would hide a silence.
            told.map_or(now, Timestamp::from_seconds).min(now)
        };
        let newest = self.alerts.iter().filter(is_watchdog).map(evaluated).max();
        let evaluated = newest.ok_or("no alert in it is a firing one whose alertname ends with Watchdog")?;
        Ok(Beat { received: now, evaluated })
    }
}

/// Takes the beat of a watcher (dead-man switch), as Alertmanager sends it.
#[utoipa::path(post, path = "/api/v1/deadman/{name}", tag = "metrics", params(DeadmanPath), request_body = AlertmanagerWebhook,
    responses((status = 204, description = "Heard"), AnyProblem, BodyProblem, ContradictionProblem))]
pub(crate) async fn beat(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Path(path): Path<DeadmanPath>,
    Body(body): Body<AlertmanagerWebhook>,
) -> Result<StatusCode, ApiError> {
    caller.needs_everything()?;
    if !is_deadman_name(&path.name) {
        return Err(ApiError::Malformed("`name` has 1 to 50 letters, digits, - and _".to_owned()));
    }
    let beat =
        body.beat(state.inputs().clock.now()).map_err(|why| ApiError::Unprocessable(why.to_owned()))?;
    if !state.deadmen().beat(&path.name, beat) {
        return Err(ApiError::Unprocessable(format!(
            "{DEADMEN} names are remembered, and there are as many"
        )));
    }
    telemetry::deadman_beat(&path.name, beat.evaluated);
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the watchers that have reported since start or are to (`[metrics] deadmen`), and whether one is silent.
#[utoipa::path(get, path = "/api/v1/deadman", tag = "metrics",
    responses((status = 200, body = Page<DeadmanDto>), AnyProblem))]
pub(crate) async fn list(State(state): State<ApiState>, Reader(_caller): Reader) -> Json<Page<DeadmanDto>> {
    let now = state.inputs().clock.now();
    let known = state.deadmen().known().clone();
    let show = |entry| DeadmanDto::new(entry, now);
    Json(Page::cut(known.into_iter(), Limit::default(), |(name, _)| name.clone(), show))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    fn webhook(version: &str, status: &str, name: &str, evaluated: Option<&str>) -> AlertmanagerWebhook {
        let annotations = evaluated.map(|seconds| ("evaluated".to_owned(), seconds.to_owned()));
        let alert = WebhookAlert {
            status: status.to_owned(),
            labels: [("alertname".to_owned(), name.to_owned())].into(),
            annotations: annotations.into_iter().collect(),
        };
        AlertmanagerWebhook { version: version.to_owned(), alerts: vec![alert] }
    }

    #[test]
    fn only_a_firing_watchdog_is_a_beat() {
        let check = |webhook: AlertmanagerWebhook, evaluated: Option<i64>| {
            let beat = webhook.beat(NOW).ok().map(|beat| beat.evaluated);
            assert_eq!(beat, evaluated.map(Timestamp::from_seconds), "{webhook:?}");
        };
        check(webhook("4", "firing", "SharpEyesWatchdog", Some("900")), Some(900));
        check(webhook("4", "firing", "Watchdog", None), Some(1_000));
        check(webhook("4", "firing", "Watchdog", Some("soon")), Some(1_000));
        check(webhook("4", "firing", "Watchdog", Some("5000")), Some(1_000));
        check(webhook("4", "resolved", "Watchdog", Some("900")), None);
        check(webhook("4", "firing", "PointOffline", Some("900")), None);
        check(webhook("3", "firing", "Watchdog", Some("900")), None);
    }

    #[test]
    fn an_old_evaluation_is_silence_although_beats_come() {
        let check = |received, evaluated, silent| {
            let beat = Beat {
                received: Timestamp::from_seconds(received),
                evaluated: Timestamp::from_seconds(evaluated),
            };
            assert_eq!(DeadmanDto::new(("p".to_owned(), beat), NOW).silent, silent, "{received} {evaluated}");
        };
        check(990, 985, false);
        check(990, 820, true);
        check(821, 821, false);
        check(820, 820, true);
    }

    #[test]
    fn one_that_is_to_report_is_silent_until_it_does() {
        let deadmen = Deadmen::expecting(&["prometheus".to_owned()], NOW);
        let silent = |second| {
            let known = deadmen.known().clone().into_iter().next().unwrap();
            DeadmanDto::new(known, NOW.plus(Duration::from_secs(second))).silent
        };
        assert!(!silent(179) && silent(180));
        let later = NOW.plus(Duration::from_secs(100));
        deadmen.beat("prometheus", Beat { received: later, evaluated: later });
        assert!(!silent(180) && silent(280));
    }

    #[test]
    fn as_many_names_are_remembered_as_there_may_be() {
        let deadmen = Deadmen::default();
        let beat = Beat { received: NOW, evaluated: NOW };
        assert!((0..DEADMEN).all(|number| deadmen.beat(&format!("p{number}"), beat)));
        assert!(!deadmen.beat("one more", beat) && deadmen.beat("p3", beat));
    }
}
