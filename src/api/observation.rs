//! `points/{code}/observations`: what the looks at a point measured, newest first.

use crate::api::extract::{Path, Query};
use crate::api::guard::Reader;
use crate::api::page::{Limit, Page};
use crate::api::point::{CauseDto, ObservedDto, PointPath, StreamDto, millis};
use crate::api::problem::{AnyProblem, ApiError, MissingProblem};
use crate::api::state::ApiState;
use crate::api::time::{Time, rfc_3339};
use crate::api::word::{LookWord, StageWord};
use crate::domain::{Observation, Outcome};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What one look at a point measured.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Observation)]
pub(crate) struct ObservationDto {
    /// When the look began.
    started: Time,
    /// When it ended.
    ended: Time,
    /// How the point was looked at.
    look: LookWord,
    /// How long each stage took, in order.
    stages: Vec<StageDto>,
    /// `video`, `answered` (a light look), `failed` or `not_looked`.
    outcome: &'static str,
    /// Why it failed or did not take place.
    cause: Option<CauseDto>,
    /// The stage that failed.
    stage: Option<StageWord>,
    /// RTSP status code, where one was answered.
    status: Option<u16>,
    /// What the session description promised.
    declared: Option<StreamDto>,
    /// What the packets told.
    observed: Option<ObservedDto>,
}

/// The time of one stage.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = StageTime)]
pub(crate) struct StageDto {
    /// The stage.
    stage: StageWord,
    /// How long it took.
    took_ms: u64,
}

impl From<Observation> for ObservationDto {
    fn from(observation: Observation) -> Self {
        let stages = observation
            .stages
            .iter()
            .map(|(stage, took)| StageDto { stage: stage.into(), took_ms: millis(took) });
        let bare = Self {
            started: observation.started.into(),
            ended: observation.ended.into(),
            look: observation.look.into(),
            stages: stages.collect(),
            outcome: "video",
            cause: None,
            stage: None,
            status: None,
            declared: None,
            observed: None,
        };
        bare.with(&observation.outcome)
    }
}

impl ObservationDto {
    fn with(self, outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Video(measured) => Self {
                declared: Some(StreamDto::declared(&measured.declared)),
                observed: Some(ObservedDto::new(measured)),
                ..self
            },
            Outcome::Answered(declared) => {
                Self { outcome: "answered", declared: Some(StreamDto::declared(declared)), ..self }
            }
            Outcome::Failed(failure) => Self {
                outcome: "failed",
                cause: Some(CauseDto::new(&failure.cause)),
                stage: Some(failure.stage.into()),
                status: failure.status,
                declared: failure.measured.as_ref().map(|measured| StreamDto::declared(&measured.declared)),
                observed: failure.measured.as_ref().map(ObservedDto::new),
                ..self
            },
            Outcome::NotLooked(cause) => {
                Self { outcome: "not_looked", cause: Some(CauseDto::new(cause)), ..self }
            }
        }
    }
}

/// Which observations.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ObservationQuery {
    /// Looks that began before this instant: `next` of the page before; now when left out
    #[param(inline)]
    before: Option<Time>,
    /// Items per page
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    limit: Limit,
}

/// Lists the looks at a point, newest first, as far back as they are kept.
#[utoipa::path(get, path = "/api/v1/points/{code}/observations", tag = "points", params(PointPath, ObservationQuery),
    responses((status = 200, body = Page<ObservationDto>), AnyProblem, MissingProblem))]
pub(crate) async fn observations(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Path(path): Path<PointPath>,
    Query(query): Query<ObservationQuery>,
) -> Result<Json<Page<ObservationDto>>, ApiError> {
    state.compute(move |view| view.point(path.code, caller.scope).map(|_seen| ())).await?;
    // A look may have begun in this very millisecond.
    let now = state.inputs().clock.now().plus(Duration::from_millis(1));
    let before = query.before.map_or(now, |before| before.0);
    let rows = state.inputs().store.observations(path.code, before, query.limit.one_more()).await?;
    Ok(Json(Page::cut(rows.into_iter(), query.limit, |row| rfc_3339(row.started), ObservationDto::from)))
}
