//! Signs of life: `/healthz` tells that the process answers, `/readyz` what is still missing for it to do its work.

use crate::api::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

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
    /// The tracker has not published a picture yet.
    Tracker,
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
    let store_answers = state.inputs().store.ping().await.is_ok();
    let writer_commits = state.inputs().writer.borrow().healthy;
    let (sequence, first_round_done, clock_in_doubt) = {
        let snapshot = state.inputs().snapshot.borrow();
        (snapshot.sequence, snapshot.first_round_done, snapshot.clock_in_doubt)
    };
    let missing = missing([store_answers, writer_commits, sequence > 0, first_round_done, !clock_in_doubt]);
    let status = if missing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready: missing.is_empty(), missing })).into_response()
}

/// Names what is not there, in the order store, writer, tracker, first round, clock.
fn missing(is_there: [bool; 5]) -> Vec<Missing> {
    let parts = [Missing::Store, Missing::Writer, Missing::Tracker, Missing::FirstRound, Missing::Clock];
    parts.into_iter().zip(is_there).filter_map(|(part, is_there)| (!is_there).then_some(part)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(missing([true; 5]), []);
        assert_eq!(missing([false, true, true, false, true]), [Missing::Store, Missing::FirstRound]);
        assert_eq!(missing([true, false, false, true, true]), [Missing::Writer, Missing::Tracker]);
        assert_eq!(missing([true, true, true, true, false]), [Missing::Clock]);
    }
}
