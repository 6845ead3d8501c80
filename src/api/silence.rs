//! `silences`: what is not told for a while. A silence changes no figure; planned work that shall is an exclusion.

mod dto;

use crate::api::extract::{Json as Body, Path, Query};
use crate::api::guard::{Caller, Operator, Reader};
use crate::api::page::{Limit, Page};
use crate::api::problem::{
    AnyProblem, ApiError, BodyProblem, ConflictProblem, ContradictionProblem, MissingProblem,
};
use crate::api::state::ApiState;
use crate::api::view::View;
use crate::domain::DivisionCode;
use crate::domain::incident::Root;
use crate::domain::silence::{Muted, Silence, SilenceState};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
pub(in crate::api) use dto::SilenceDto;
use dto::SilenceRequestDto;
use serde::Deserialize;

/// Rows that one statement reads while a page is gathered.
const BATCH: u32 = 500;

/// Which silences.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SilenceQuery {
    /// Only those that mute now (or only those that do not)
    in_force: Option<bool>,
    /// Begin after (below) this number: `next` of the page before
    #[param(value_type = Option<i64>, minimum = 0, maximum = 4294967295i64)]
    after: Option<u32>,
    /// Items per page
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    limit: Limit,
}

/// The number of one silence.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct SilencePath {
    /// Number of the silence
    #[param(value_type = i64, minimum = 0, maximum = 4294967295i64)]
    id: u32,
}

/// Lists silences, newest first.
#[utoipa::path(get, path = "/api/v1/silences", tag = "incidents", params(SilenceQuery),
    responses((status = 200, body = Page<SilenceDto>), AnyProblem))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Query(query): Query<SilenceQuery>,
) -> Result<Json<Page<SilenceDto>>, ApiError> {
    let now = state.inputs().clock.now();
    let found = visible(&state, &caller, &query).await?;
    let show = move |view: &View| {
        let show = |silence: Silence| SilenceDto::new(&silence, view, now);
        Ok(Json(Page::cut(found.into_iter(), query.limit, |silence| silence.id.to_string(), show)))
    };
    state.compute(show).await
}

/// Enters a silence. What it holds back is told when it is over, unless it ended meanwhile.
#[utoipa::path(post, path = "/api/v1/silences", tag = "incidents", request_body = SilenceRequestDto,
    responses((status = 201, body = SilenceDto), AnyProblem, BodyProblem, ContradictionProblem))]
pub(crate) async fn enter(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Body(body): Body<SilenceRequestDto>,
) -> Result<(StatusCode, Json<SilenceDto>), ApiError> {
    let text = serde_json::to_string(&body).map_err(ApiError::internal)?;
    let now = state.inputs().clock.now();
    let asked = body.muted()?;
    let muted = state.compute(move |view| place(view, asked)).await?;
    caller.may_act_in(muted.division)?;
    let request = body.request(muted, &caller, now)?;
    request.check(now).map_err(|error| ApiError::Unprocessable(error.to_string()))?;
    state.audit(&caller, "silence.enter", "", &text).await?;
    let entered = state.inputs().store.add_silence(&request, now).await?;
    Ok((StatusCode::CREATED, show(&state, entered).await?))
}

/// Ends a silence before its time: what it held back is told within half a minute.
#[utoipa::path(post, path = "/api/v1/silences/{id}/end", tag = "incidents", params(SilencePath),
    responses((status = 200, body = SilenceDto), AnyProblem, MissingProblem, ConflictProblem))]
pub(crate) async fn end(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Path(path): Path<SilencePath>,
) -> Result<Json<SilenceDto>, ApiError> {
    let silence = find(&state, &caller, path.id).await?;
    caller.may_act_in(silence.request.muted.division)?;
    state.audit(&caller, "silence.end", &path.id.to_string(), "{}").await?;
    let now = state.inputs().clock.now();
    if !state.inputs().store.end_silence(silence.id, &caller.name, now).await? {
        return Err(ApiError::Conflict("the silence is over already".to_owned()));
    }
    show(&state, Silence { ended: Some((now, caller.name)), ..silence }).await
}

async fn find(state: &ApiState, caller: &Caller, id: u32) -> Result<Silence, ApiError> {
    let missing = || ApiError::NotFound { what: "silence", code: id.to_string() };
    let silence = state.inputs().store.silence(id.into()).await?.ok_or_else(missing)?;
    if caller.sees_part_of(silence.request.muted.division) { Ok(silence) } else { Err(missing()) }
}

async fn show(state: &ApiState, silence: Silence) -> Result<Json<SilenceDto>, ApiError> {
    let now = state.inputs().clock.now();
    state.compute(move |view| Ok(Json(SilenceDto::new(&silence, view, now)))).await
}

/// The silences that a caller may see, enough for a page and a sign of the next one.
async fn visible(state: &ApiState, caller: &Caller, query: &SilenceQuery) -> Result<Vec<Silence>, ApiError> {
    let now = state.inputs().clock.now();
    let is_asked = |silence: &Silence| {
        let in_force = silence.state(now) == SilenceState::InForce;
        query.in_force.is_none_or(|asked| asked == in_force)
            && caller.sees_part_of(silence.request.muted.division)
    };
    let mut before = query.after.map_or(i64::MAX, i64::from);
    let mut found = Vec::new();
    while found.len() <= query.limit.count() {
        let rows = state.inputs().store.silences(before, BATCH).await?;
        let Some(last) = rows.last() else { break };
        before = last.id;
        found.extend(rows.into_iter().filter(is_asked));
    }
    Ok(found)
}

/// Finds where a root lies. Refuses what the records do not know.
fn place(view: &View, muted: Muted) -> Result<Muted, ApiError> {
    let records = &view.inventory;
    let division: Option<Option<DivisionCode>> = match &muted.root {
        None => muted.division.map_or(Some(None), |code| records.divisions.get(&code).map(|_| Some(code))),
        Some(Root::Link(code)) => records.links.get(code).map(|link| Some(link.division)),
        Some(Root::Site(code)) => records.sites.get(code).map(|site| Some(site.village)),
        Some(Root::Point(code)) => records.points.get(code).map(|point| Some(point.village)),
        Some(Root::OwnNetwork | Root::Credential(_) | Root::Device(_)) => Some(None),
    };
    let unknown = || ApiError::Unprocessable("the records do not know what is to be muted".to_owned());
    Ok(Muted { division: division.ok_or_else(unknown)?, ..muted })
}
