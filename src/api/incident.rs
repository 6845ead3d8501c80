//! `incidents`: one for each highest failed cause, with what people do about it. The desk alone changes them
//! (`incident::task`); here it is asked to, after the audit was told.

pub(in crate::api) mod dto;

use crate::api::extract::{Json as Body, Path, Query, text};
use crate::api::guard::{Caller, Operator, Reader};
use crate::api::page::{Limit, Page};
use crate::api::problem::{
    AnyProblem, ApiError, BodyProblem, ConflictProblem, ContradictionProblem, MissingProblem,
};
use crate::api::prose::{self, Layout};
use crate::api::state::ApiState;
use crate::api::view::View;
use crate::api::word::IncidentStageWord;
use crate::domain::access::Scope;
use crate::domain::incident::{DeedError, Incident, RootKind, Stage};
use crate::domain::{DivisionCode, PointCode};
use crate::incident::{Deed, IncidentOrder, OrderError};
use crate::store::incident::IncidentFilter;
use axum::Json;
use axum::extract::State;
use dto::{
    BulkAnswer, BulkRequest, DispatchRequest, EventDto, IncidentDetail, IncidentDto, MemberDto, MergeRequest,
    NoteRequest, RepairRequest, SuspendRequest,
};
use serde::{Deserialize, Serialize};
use std::ops::Bound;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Longest wait for the desk, which keeps a step of its own before it follows a person.
const ORDER_DEADLINE: Duration = Duration::from_secs(20);

/// Which incidents.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct IncidentQuery {
    /// Only those that have ended (or only those that have not)
    ended: Option<bool>,
    /// Only those at this stage
    #[param(inline)]
    stage: Option<IncidentStageWord>,
    /// Only those whose deadline passed
    #[serde(default)]
    overdue: bool,
    /// Only those of this division and what lies below it, and those above that it is part of
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, pattern = "^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})$")]
    division: Option<DivisionCode>,
    /// Begin after (below) this number: `next` of the page before
    #[param(value_type = Option<i64>, minimum = 0, maximum = 4294967295i64)]
    after: Option<u32>,
    /// Items per page
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    limit: Limit,
}

impl IncidentQuery {
    fn filter(&self, scope: Scope) -> IncidentFilter {
        let is_asked = |stage: &Stage| {
            self.ended.is_none_or(|ended| ended == stage.is_end())
                && self.stage.is_none_or(|asked| asked.0 == *stage)
        };
        IncidentFilter {
            stages: Stage::ALL.into_iter().filter(is_asked).collect(),
            kinds: RootKind::ALL.to_vec(),
            division: scope.division(),
            overdue: self.overdue,
        }
    }
}

/// The number of one incident.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct IncidentPath {
    /// Number of the incident
    #[param(value_type = i64, minimum = 0, maximum = 4294967295i64)]
    id: u32,
}

/// Which points.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MemberQuery {
    /// Only those that are proven again (or only those that are not)
    restored: Option<bool>,
    /// Begin after this point: `next` of the page before
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, pattern = "^[0-9]{20}$")]
    after: Option<PointCode>,
    /// Items per page
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    limit: Limit,
}

/// Which events.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventQuery {
    /// Begin after this number: `next` of the page before
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 0, maximum = 4294967295i64)]
    after: Option<u32>,
    /// Items per page
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    limit: Limit,
}

/// Lists incidents, newest first.
#[utoipa::path(get, path = "/api/v1/incidents", tag = "incidents", params(IncidentQuery),
    responses((status = 200, body = Page<IncidentDto>), AnyProblem, MissingProblem))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Query(query): Query<IncidentQuery>,
) -> Result<Json<Page<IncidentDto>>, ApiError> {
    let scope = state.narrow(&caller, query.division)?;
    let before = query.after.map_or(i64::MAX, i64::from);
    let rows =
        state.inputs().store.incident_rows(&query.filter(scope), before, query.limit.one_more()).await?;
    let silences = state.inputs().store.silences_in_force(state.inputs().clock.now()).await?;
    let show = move |view: &View| {
        let show = |row| IncidentDto::new(row, view, &silences);
        Ok(Json(Page::cut(rows.into_iter(), query.limit, |row| row.id.to_string(), show)))
    };
    state.compute(show).await
}

/// Shows one incident.
#[utoipa::path(get, path = "/api/v1/incidents/{id}", tag = "incidents", params(IncidentPath),
    responses((status = 200, body = IncidentDetail), AnyProblem, MissingProblem))]
pub(crate) async fn one(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Path(path): Path<IncidentPath>,
) -> Result<Json<IncidentDetail>, ApiError> {
    let incident = find(&state, &caller, path.id).await?;
    show(&state, incident).await
}

/// Lists the points that an incident took down, as far as the caller may see them.
#[utoipa::path(get, path = "/api/v1/incidents/{id}/members", tag = "incidents", params(IncidentPath, MemberQuery),
    responses((status = 200, body = Page<MemberDto>), AnyProblem, MissingProblem))]
pub(crate) async fn members(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Path(path): Path<IncidentPath>,
    Query(query): Query<MemberQuery>,
) -> Result<Json<Page<MemberDto>>, ApiError> {
    let incident = find(&state, &caller, path.id).await?;
    let scope = caller.scope;
    let page = move |view: &View| {
        let start = query.after.map_or(Bound::Unbounded, Bound::Excluded);
        let is_visible = |point: &PointCode| {
            let village = view.inventory.points.get(point).map(|record| record.village);
            village.map_or(scope == Scope::EVERYTHING, |village| scope.holds(&village))
        };
        let rest = incident.members.range((start, Bound::Unbounded)).filter(|(point, member)| {
            query.restored.is_none_or(|asked| asked == member.restored.is_some()) && is_visible(point)
        });
        let show = |(point, member): (&PointCode, &_)| MemberDto::new(*point, *member, view);
        Ok(Json(Page::cut(rest, query.limit, |(point, _)| point.to_string(), show)))
    };
    state.compute(page).await
}

/// Lists what happened to an incident, in order.
#[utoipa::path(get, path = "/api/v1/incidents/{id}/events", tag = "incidents", params(IncidentPath, EventQuery),
    responses((status = 200, body = Page<EventDto>), AnyProblem, MissingProblem))]
pub(crate) async fn events(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Path(path): Path<IncidentPath>,
    Query(query): Query<EventQuery>,
) -> Result<Json<Page<EventDto>>, ApiError> {
    let incident = find(&state, &caller, path.id).await?;
    let (after, limit) = (query.after.map_or(0, i64::from), query.limit.one_more());
    let events = state.inputs().store.incident_events(incident.id, after, limit).await?;
    Ok(Json(Page::cut(events.into_iter(), query.limit, |(seq, _)| seq.to_string(), EventDto::new)))
}

/// Takes care of an incident: it is not escalated any more.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/acknowledge", tag = "incidents", params(IncidentPath),
    request_body = NoteRequest, responses((status = 200, body = IncidentDetail), AnyProblem, BodyProblem, MissingProblem,
    ConflictProblem, ContradictionProblem))]
pub(crate) async fn acknowledge(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Path(path): Path<IncidentPath>,
    Body(body): Body<NoteRequest>,
) -> Result<Json<IncidentDetail>, ApiError> {
    carry_out(&state, caller, path.id, Deed::Acknowledge, &body, &body.note).await
}

/// Takes care of many incidents at once: those of one county after a storm, say. Each one that cannot be acknowledged is named
/// with the reason; the others are.
#[utoipa::path(post, path = "/api/v1/incidents/acknowledge", tag = "incidents", request_body = BulkRequest,
    responses((status = 200, body = BulkAnswer), AnyProblem, BodyProblem, ContradictionProblem))]
pub(crate) async fn acknowledge_many(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Body(body): Body<BulkRequest>,
) -> Result<Json<BulkAnswer>, ApiError> {
    prose::check("note", &body.note, Layout::Lines, 1_000)?;
    let mut answer = BulkAnswer::default();
    let note = NoteRequest { note: body.note.clone() };
    for id in body.numbers()? {
        match order(&state, &caller, id, Deed::Acknowledge, &note, &note.note).await {
            Ok(_) => answer.acknowledged.push(id),
            Err(error) if error.kind().0.is_server_error() && answer.acknowledged.is_empty() => {
                return Err(error);
            }
            Err(error) => answer.refuse(id, &error),
        }
    }
    Ok(Json(answer))
}

/// Sends somebody (派单), or somebody else; sets how long the repair may take.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/dispatch", tag = "incidents", params(IncidentPath),
    request_body = DispatchRequest, responses((status = 200, body = IncidentDetail), AnyProblem, BodyProblem,
    MissingProblem, ConflictProblem, ContradictionProblem))]
pub(crate) async fn dispatch(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Path(path): Path<IncidentPath>,
    Body(body): Body<DispatchRequest>,
) -> Result<Json<IncidentDetail>, ApiError> {
    prose::check("assignee", &body.assignee, Layout::Line, 100)?;
    let deadline = body.deadline().map_err(ApiError::Unprocessable)?;
    let deed = Deed::Dispatch { assignee: body.assignee.clone(), deadline };
    carry_out(&state, caller, path.id, deed, &body, &body.note).await
}

/// Notes what the repair has to deal with.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/repair", tag = "incidents", params(IncidentPath),
    request_body = RepairRequest, responses((status = 200, body = IncidentDetail), AnyProblem, BodyProblem, MissingProblem,
    ConflictProblem, ContradictionProblem))]
pub(crate) async fn repair(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Path(path): Path<IncidentPath>,
    Body(body): Body<RepairRequest>,
) -> Result<Json<IncidentDetail>, ApiError> {
    carry_out(&state, caller, path.id, Deed::Repair(body.reason.0), &body, &body.note).await
}

/// Holds the clock of an incident (挂起), with a reason and the name of another person who allowed it. It changes no figure:
/// only an exclusion does.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/suspend", tag = "incidents", params(IncidentPath),
    request_body = SuspendRequest, responses((status = 200, body = IncidentDetail), AnyProblem, BodyProblem,
    MissingProblem, ConflictProblem, ContradictionProblem))]
pub(crate) async fn suspend(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Path(path): Path<IncidentPath>,
    Body(body): Body<SuspendRequest>,
) -> Result<Json<IncidentDetail>, ApiError> {
    prose::check("approver", &body.approver, Layout::Line, 100)?;
    let deed = Deed::Suspend { approver: body.approver.clone() };
    carry_out(&state, caller, path.id, deed, &body, &body.note).await
}

/// Lets the clock of an incident go on.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/resume", tag = "incidents", params(IncidentPath),
    request_body = NoteRequest, responses((status = 200, body = IncidentDetail), AnyProblem, BodyProblem, MissingProblem,
    ConflictProblem, ContradictionProblem))]
pub(crate) async fn resume(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Path(path): Path<IncidentPath>,
    Body(body): Body<NoteRequest>,
) -> Result<Json<IncidentDetail>, ApiError> {
    carry_out(&state, caller, path.id, Deed::Resume, &body, &body.note).await
}

/// Says that nothing was wrong (误报); the note tells why. It is not opened again until what failed was gone.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/false-alarm", tag = "incidents", params(IncidentPath),
    request_body = NoteRequest, responses((status = 200, body = IncidentDetail), AnyProblem, BodyProblem, MissingProblem,
    ConflictProblem, ContradictionProblem))]
pub(crate) async fn call_false(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Path(path): Path<IncidentPath>,
    Body(body): Body<NoteRequest>,
) -> Result<Json<IncidentDetail>, ApiError> {
    carry_out(&state, caller, path.id, Deed::CallFalse, &body, &body.note).await
}

/// Makes an incident part of another one, which from then on counts its points.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/merge", tag = "incidents", params(IncidentPath),
    request_body = MergeRequest, responses((status = 200, body = IncidentDetail), AnyProblem, BodyProblem, MissingProblem,
    ConflictProblem, ContradictionProblem))]
pub(crate) async fn merge(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Path(path): Path<IncidentPath>,
    Body(body): Body<MergeRequest>,
) -> Result<Json<IncidentDetail>, ApiError> {
    caller.may_act_in(find(&state, &caller, body.into.0).await?.division)?;
    let deed = Deed::Merge { into: body.into.0.into() };
    carry_out(&state, caller, path.id, deed, &body, &body.note).await
}

/// Adds something to what is known of an incident, also after its end.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/notes", tag = "incidents", params(IncidentPath),
    request_body = NoteRequest, responses((status = 200, body = IncidentDetail), AnyProblem, BodyProblem, MissingProblem,
    ConflictProblem, ContradictionProblem))]
pub(crate) async fn note(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Path(path): Path<IncidentPath>,
    Body(body): Body<NoteRequest>,
) -> Result<Json<IncidentDetail>, ApiError> {
    carry_out(&state, caller, path.id, Deed::Note, &body, &body.note).await
}

/// An incident of which the caller may see a part.
async fn find(state: &ApiState, caller: &Caller, id: u32) -> Result<Incident, ApiError> {
    let missing = || ApiError::NotFound { what: "incident", code: id.to_string() };
    let incident = state.inputs().store.incident(id.into()).await?.ok_or_else(missing)?;
    if caller.sees_part_of(incident.division) { Ok(incident) } else { Err(missing()) }
}

async fn carry_out(
    state: &ApiState,
    caller: Caller,
    id: u32,
    deed: Deed,
    body: &impl Serialize,
    note: &str,
) -> Result<Json<IncidentDetail>, ApiError> {
    show(state, order(state, &caller, id, deed, body, note).await?).await
}

/// Has the desk do it, after the audit was told.
async fn order(
    state: &ApiState,
    caller: &Caller,
    id: u32,
    deed: Deed,
    body: &impl Serialize,
    note: &str,
) -> Result<Incident, ApiError> {
    prose::check("note", note, Layout::Lines, 1_000)?;
    caller.may_act_in(find(state, caller, id).await?.division)?;
    let text = serde_json::to_string(body).map_err(ApiError::internal)?;
    state.audit(caller, &format!("incident.{}", deed.as_str()), &id.to_string(), &text).await?;
    let (reply, replied) = oneshot::channel();
    let order = IncidentOrder { id: id.into(), deed, by: caller.name.clone(), note: note.to_owned(), reply };
    state.inputs().incidents.try_send(order).map_err(|_full_or_closed| ApiError::Busy)?;
    let Ok(Ok(answer)) = timeout(ORDER_DEADLINE, replied).await else { return Err(ApiError::Busy) };
    answer.map_err(refused)
}

async fn show(state: &ApiState, incident: Incident) -> Result<Json<IncidentDetail>, ApiError> {
    let now = state.inputs().clock.now();
    let silences = state.inputs().store.silences_in_force(now).await?;
    state.compute(move |view| Ok(Json(IncidentDetail::new(&incident, view, &silences, now)))).await
}

fn refused(error: OrderError) -> ApiError {
    let error = match error {
        OrderError::Missing(id) => return ApiError::NotFound { what: "incident", code: id.to_string() },
        OrderError::Store(error) => return error.into(),
        OrderError::Refused(error) => error,
    };
    match error {
        DeedError::Ended(_)
        | DeedError::Acknowledged
        | DeedError::NotDispatched
        | DeedError::Suspended
        | DeedError::NotSuspended
        | DeedError::Restored(_) => ApiError::Conflict(error.to_string()),
        DeedError::SamePerson | DeedError::Empty(_) | DeedError::IntoItself => {
            ApiError::Unprocessable(error.to_string())
        }
    }
}
