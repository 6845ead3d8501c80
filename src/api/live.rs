//! Signs of life: `/healthz` tells that the process answers, `/readyz` what is still missing for it to do its work.

use crate::api::state::ApiState;
use crate::domain::Timestamp;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::time::Duration;
use tokio::time::timeout;

/// A worker whose last sign of life is this old stands still: each gives one every few seconds.
pub const WORKER_PATIENCE: Duration = Duration::from_secs(30);
/// A database that takes longer than this to answer a question about nothing does not answer.
const PING: Duration = Duration::from_secs(1);

/// The process answers.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Health {
    /// Always `alive`.
    status: &'static str,
    /// Version of the binary.
    version: &'static str,
}

/// Tells that the process answers; needs no token.
#[utoipa::path(get, path = "/healthz", tag = "life", security(()), responses((status = 200, body = Health)))]
pub(crate) async fn healthz() -> Json<Health> {
    Json(Health { status: "alive", version: env!("CARGO_PKG_VERSION") })
}

/// Whether the service does its work, and what is missing when it does not.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Readiness {
    /// Nothing is missing.
    ready: bool,
    /// What is missing, in stable words.
    missing: Vec<Missing>,
}

/// What is missing for the service to do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Missing {
    /// The database does not answer.
    Store,
    /// The writer could not commit its last batch; what it holds is written when it can again.
    Writer,
    /// The tracker publishes no picture, or none any more.
    Tracker,
    /// The scheduler shows no sign of life, or none any more.
    Scheduler,
    /// Not every watched point was looked at since the start.
    FirstRound,
    /// The clock is behind what is kept, so that changes are dated later than they are, or it leapt so far ahead that it is not
    /// followed. Set it right; when it is right and leapt, restart.
    Clock,
}

/// Tells whether the service does its work; needs no token.
#[utoipa::path(get, path = "/readyz", tag = "life", security(()), responses(
    (status = 200, body = Readiness, description = "Ready"),
    (status = 503, body = Readiness, description = "Something is missing"),
))]
pub(crate) async fn readyz(State(state): State<ApiState>) -> Response {
    let inputs = state.inputs();
    let store_answers = matches!(timeout(PING, inputs.store.ping()).await, Ok(Ok(())));
    let writer_commits = inputs.writer.borrow().healthy;
    let snapshot = inputs.snapshot.borrow().clone();
    let lives = |sign: Timestamp| inputs.clock.now().since(sign) < WORKER_PATIENCE;
    let missing = missing([
        (Missing::Store, store_answers),
        (Missing::Writer, writer_commits),
        (Missing::Tracker, lives(snapshot.taken)),
        (Missing::Scheduler, lives(inputs.scheduler.borrow().taken)),
        (Missing::FirstRound, snapshot.first_round_done),
        (Missing::Clock, !snapshot.clock_in_doubt),
    ]);
    let status = if missing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready: missing.is_empty(), missing })).into_response()
}

/// Names the parts that are not there.
fn missing<const N: usize>(parts: [(Missing, bool); N]) -> Vec<Missing> {
    parts.into_iter().filter_map(|(part, is_there)| (!is_there).then_some(part)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(missing([(Missing::Store, true), (Missing::Clock, true)]), []);
        let parts = [(Missing::Store, false), (Missing::Writer, true), (Missing::FirstRound, false)];
        assert_eq!(missing(parts), [Missing::Store, Missing::FirstRound]);
    }
}
