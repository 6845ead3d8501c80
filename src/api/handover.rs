//! `handovers` (交接班): what one shift hands to the next, signed by both.

mod dto;

use crate::api::extract::{Json as Body, Path, Query};
use crate::api::guard::{Caller, Operator, Reader};
use crate::api::page::{Limit, Page};
use crate::api::problem::{
    AnyProblem, ApiError, BodyProblem, ConflictProblem, ContradictionProblem, MissingProblem,
};
use crate::api::prose::{self, Layout};
use crate::api::state::ApiState;
use crate::domain::exclusion::is_same_person;
use crate::domain::incident::{RootKind, Stage};
use crate::domain::{DivisionCode, Timestamp};
use crate::store::handover::{Handover, Signature};
use crate::store::incident::IncidentFilter;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use dto::{HandoverDetail, HandoverDto, HandoverRequest, SheetDto, Shift};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// Incidents that a sheet lists; their number says when there are more.
const LISTED: u32 = 500;

/// Which hand-overs.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HandoverQuery {
    /// Begin after (below) this number: `next` of the page before
    #[param(value_type = Option<i64>, minimum = 0, maximum = 4294967295i64)]
    after: Option<u32>,
    /// Items per page
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    limit: Limit,
}

/// The number of one hand-over.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct HandoverPath {
    /// Number of the hand-over
    #[param(value_type = i64, minimum = 0, maximum = 4294967295i64)]
    id: u32,
}

/// Shows the sheet as it would be handed over now.
#[utoipa::path(get, path = "/api/v1/handovers/draft", tag = "incidents",
    responses((status = 200, body = SheetDto), AnyProblem))]
pub(crate) async fn draft(
    State(state): State<ApiState>,
    Reader(caller): Reader,
) -> Result<Json<SheetDto>, ApiError> {
    sheet(&state, caller.scope.division()).await.map(Json)
}

/// Lists hand-overs, newest first: those of the division that the token may see, or of the whole network.
#[utoipa::path(get, path = "/api/v1/handovers", tag = "incidents", params(HandoverQuery),
    responses((status = 200, body = Page<HandoverDto>), AnyProblem))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Query(query): Query<HandoverQuery>,
) -> Result<Json<Page<HandoverDto>>, ApiError> {
    let before = query.after.map_or(i64::MAX, i64::from);
    let store = &state.inputs().store;
    let rows = store.handovers(caller.scope.division(), before, query.limit.one_more()).await?;
    Ok(Json(Page::cut(rows.into_iter(), query.limit, |row| row.id.to_string(), HandoverDto::from)))
}

/// Shows one hand-over with its sheet, as it was signed.
#[utoipa::path(get, path = "/api/v1/handovers/{id}", tag = "incidents", params(HandoverPath),
    responses((status = 200, body = HandoverDetail), AnyProblem, MissingProblem))]
pub(crate) async fn one(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Path(path): Path<HandoverPath>,
) -> Result<Json<HandoverDetail>, ApiError> {
    HandoverDetail::new(find(&state, &caller, path.id).await?).map(Json)
}

/// Hands over: keeps the sheet of now with the signature of who goes off duty.
#[utoipa::path(post, path = "/api/v1/handovers", tag = "incidents", request_body = HandoverRequest,
    responses((status = 201, body = HandoverDetail), AnyProblem, BodyProblem, ConflictProblem, ContradictionProblem))]
pub(crate) async fn give(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Body(body): Body<HandoverRequest>,
) -> Result<(StatusCode, Json<HandoverDetail>), ApiError> {
    let division = caller.scope.division();
    let given = signature(&state, &caller, body)?;
    let sheet = sheet(&state, division).await?;
    let text = serde_json::to_string(&sheet).map_err(ApiError::internal)?;
    audit(&state, &caller, "handover.give", "", &given, &text).await?;
    let kept = state.inputs().store.give_handover(division, &text, &given).await?;
    let waits = || ApiError::Conflict("the sheet before has not been taken; take it first".to_owned());
    Ok((StatusCode::CREATED, Json(HandoverDetail::new(kept.ok_or_else(waits)?)?)))
}

/// Takes over: signs the sheet, as another person than the one who handed over.
#[utoipa::path(post, path = "/api/v1/handovers/{id}/take", tag = "incidents", params(HandoverPath),
    request_body = HandoverRequest, responses((status = 200, body = HandoverDetail), AnyProblem, BodyProblem,
    MissingProblem, ConflictProblem, ContradictionProblem))]
pub(crate) async fn take(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Path(path): Path<HandoverPath>,
    Body(body): Body<HandoverRequest>,
) -> Result<Json<HandoverDetail>, ApiError> {
    let handover = find(&state, &caller, path.id).await?;
    let taken = signature(&state, &caller, body)?;
    if is_same_person(&taken.person, &handover.given.person) {
        return Err(ApiError::Unprocessable("a sheet is taken by another person than gave it".to_owned()));
    }
    audit(&state, &caller, "handover.take", &path.id.to_string(), &taken, &handover.sheet).await?;
    if !state.inputs().store.take_handover(handover.id, &taken).await? {
        return Err(ApiError::Conflict("the sheet has been taken already".to_owned()));
    }
    HandoverDetail::new(Handover { taken: Some(taken), ..handover }).map(Json)
}

async fn find(state: &ApiState, caller: &Caller, id: u32) -> Result<Handover, ApiError> {
    let missing = || ApiError::NotFound { what: "hand-over", code: id.to_string() };
    let handover = state.inputs().store.handover(id.into()).await?;
    handover.filter(|handover| handover.division == caller.scope.division()).ok_or_else(missing)
}

fn signature(state: &ApiState, caller: &Caller, body: HandoverRequest) -> Result<Signature, ApiError> {
    prose::check("note", &body.note, Layout::Lines, 1_000)?;
    let person = caller.person("person", body.person)?;
    Ok(Signature { at: state.inputs().clock.now(), person, actor: caller.name.clone(), note: body.note })
}

/// The audit holds the digest of the sheet: what was signed cannot be changed unseen.
async fn audit(
    state: &ApiState,
    caller: &Caller,
    action: &str,
    subject: &str,
    signed: &Signature,
    sheet: &str,
) -> Result<(), ApiError> {
    let digest: String = Sha256::digest(sheet).iter().map(|byte| format!("{byte:02x}")).collect();
    let body = serde_json::json!({ "person": signed.person, "note": signed.note, "sheet_sha256": digest });
    state.audit(caller, action, subject, &body.to_string()).await
}

/// The sheet of now.
async fn sheet(state: &ApiState, division: Option<DivisionCode>) -> Result<SheetDto, ApiError> {
    let (store, now) = (&state.inputs().store, state.inputs().clock.now());
    let since = last_taken(state, division).await?;
    let counts = store.incident_counts(division, since.unwrap_or(Timestamp::MIN)).await?;
    let filter = IncidentFilter {
        stages: Stage::ALL.into_iter().filter(|stage| !stage.is_end()).collect(),
        kinds: RootKind::ALL.to_vec(),
        division,
        overdue: false,
    };
    let incidents = store.incident_rows(&filter, i64::MAX, LISTED).await?;
    let silences = store.silences_in_force(now).await?;
    let outbox = store.outbox_length().await?;
    let shift = Shift { at: now, since, division, counts, incidents, silences, outbox };
    state.compute(move |view| Ok(SheetDto::new(shift, view))).await
}

/// When the last sheet was taken. At most one waits, and it is the newest.
async fn last_taken(state: &ApiState, division: Option<DivisionCode>) -> Result<Option<Timestamp>, ApiError> {
    let last = state.inputs().store.handovers(division, i64::MAX, 2).await?;
    Ok(last.into_iter().find_map(|handover| handover.taken).map(|taken| taken.at))
}
