//! `points/{code}/timeline`: the kept history of a point, whole intervals with their proof.

use crate::api::extract::{Path, Query};
use crate::api::guard::Reader;
use crate::api::page::{Limit, Page};
use crate::api::point::{ConditionDto, PointPath};
use crate::api::problem::{AnyProblem, ApiError, ContradictionProblem, MissingProblem};
use crate::api::state::ApiState;
use crate::api::time::{Time, rfc_3339, window_or_last};
use crate::api::word::ProvenanceWord;
use crate::store::KeptInterval;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The window when none is asked for: what `coverage` looks back, too.
const DEFAULT_SPAN: Duration = Duration::from_secs(30 * 24 * 3600);

/// `[start, end)` of one condition, with its proof.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = StateInterval)]
pub(crate) struct IntervalDto {
    /// First instant inside; the whole interval, also where it begins before the window.
    start: Time,
    /// First instant no longer inside; null while it is open.
    end: Option<Time>,
    /// State and cause.
    #[serde(flatten)]
    condition: ConditionDto,
    /// Where it comes from.
    provenance: ProvenanceWord,
    /// When the change that opened it was decided.
    decided: Time,
    /// The proof of that change, in pairs of a stable word and a value.
    evidence: BTreeMap<String, String>,
}

impl From<KeptInterval> for IntervalDto {
    fn from(kept: KeptInterval) -> Self {
        let evidence = kept.evidence.0.into_iter().map(|(word, value)| (word.into_owned(), value)).collect();
        Self {
            start: kept.start.into(),
            end: kept.end.map(Time),
            condition: ConditionDto::new(&kept.condition),
            provenance: kept.provenance.into(),
            decided: kept.decided.into(),
            evidence,
        }
    }
}

/// Which intervals.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TimelineQuery {
    /// Intervals that touch the window from here on; 30 days before `to` when left out
    #[param(inline)]
    from: Option<Time>,
    /// ..up to here; now when left out
    #[param(inline)]
    to: Option<Time>,
    /// Begin after the interval that starts here: `next` of the page before
    #[param(inline)]
    after: Option<Time>,
    /// Items per page
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    limit: Limit,
}

/// Lists the state intervals of a point in a window, oldest first.
#[utoipa::path(get, path = "/api/v1/points/{code}/timeline", tag = "points", params(PointPath, TimelineQuery),
    responses((status = 200, body = Page<IntervalDto>), AnyProblem, MissingProblem, ContradictionProblem))]
pub(crate) async fn timeline(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Path(path): Path<PointPath>,
    Query(query): Query<TimelineQuery>,
) -> Result<Json<Page<IntervalDto>>, ApiError> {
    state.compute(move |view| view.point(path.code, caller.scope).map(|_seen| ())).await?;
    let window = window_or_last(query.from, query.to, DEFAULT_SPAN, state.inputs().clock.now())?;
    let after = query.after.map(|after| after.0);
    let rows = state.inputs().store.interval_page(path.code, window, after, query.limit.one_more()).await?;
    Ok(Json(Page::cut(rows.into_iter(), query.limit, |row| rfc_3339(row.start), IntervalDto::from)))
}
