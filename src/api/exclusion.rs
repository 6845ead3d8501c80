//! `exclusions`: windows that leave a figure's denominator; entered by one person, approved by another, never deleted.

mod dto;
mod sight;

use crate::api::extract::{Json as Body, Path, Query};
use crate::api::guard::{Caller, Operator, Reader};
use crate::api::page::{Limit, Page};
use crate::api::problem::{
    AnyProblem, ApiError, BodyProblem, ConflictProblem, ContradictionProblem, MissingProblem,
};
use crate::api::state::ApiState;
use crate::api::view::View;
use crate::coverage::CoverageError;
use crate::coverage::approval::{self, ApprovalError};
use crate::domain::access::Scope;
use crate::domain::calendar::Month;
use crate::domain::exclusion::ExclusionError;
use crate::domain::{DivisionCode, Exclusion, ExclusionScope, Timestamp, Window};
use crate::store::exclusion::{ExclusionChangeError, ExclusionStep};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use dto::{ApprovalDto, ExclusionDto, ExclusionRequestDto};
use serde::Deserialize;
use sight::Sight;
use std::sync::Arc;
use std::time::Duration;

/// The live list also holds what ended this short while ago, for clocks that disagree a little.
const LIVE_MARGIN: Duration = Duration::from_secs(3_600);
/// Rows that one statement reads while a page of a narrow scope is gathered.
const BATCH: u32 = 500;

/// Which exclusions.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExclusionQuery {
    /// Only those that change figures (or only those that do not)
    effective: Option<bool>,
    /// Begin after this number: `next` of the page before
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 0, maximum = 4294967295i64)]
    after: Option<u32>,
    /// Items per page
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    limit: Limit,
}

/// The number of one exclusion.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ExclusionPath {
    /// Number of the exclusion
    #[param(value_type = i64, minimum = 0, maximum = 4294967295i64)]
    id: u32,
}

/// Lists exclusions in every stage, in the order of entry.
#[utoipa::path(get, path = "/api/v1/exclusions", tag = "exclusions", params(ExclusionQuery),
    responses((status = 200, body = Page<ExclusionDto>), AnyProblem))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Query(query): Query<ExclusionQuery>,
) -> Result<Json<Page<ExclusionDto>>, ApiError> {
    let found = visible(&state, caller.scope, &query).await?;
    let reported = Reported::read(&state).await?;
    let show = |row: Exclusion| reported.show(&row);
    Ok(Json(Page::cut(found.into_iter(), query.limit, |row| row.id.to_string(), show)))
}

/// Enters an exclusion; it changes no figure until another person approves it.
#[utoipa::path(post, path = "/api/v1/exclusions", tag = "exclusions", request_body = ExclusionRequestDto,
    responses((status = 201, body = ExclusionDto), AnyProblem, BodyProblem, ContradictionProblem))]
pub(crate) async fn enter(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Body(body): Body<ExclusionRequestDto>,
) -> Result<(StatusCode, Json<ExclusionDto>), ApiError> {
    let text = serde_json::to_string(&body).map_err(ApiError::internal)?;
    let request = body.request(&caller)?;
    request.check().map_err(|error| ApiError::Unprocessable(error.to_string()))?;
    let (scope, target) = (caller.scope, request.scope.clone());
    state.compute(move |view| admit(view, scope, &target)).await?;
    state.audit(&caller, "exclusion.enter", "", &text).await?;
    let entered = state.inputs().store.add_exclusion(&request, state.inputs().clock.now()).await?;
    Ok((StatusCode::CREATED, Json(Reported::read(&state).await?.show(&entered))))
}

/// Approves an exclusion; another person than its applicant.
#[utoipa::path(post, path = "/api/v1/exclusions/{id}/approve", tag = "exclusions", params(ExclusionPath),
    request_body = ApprovalDto, responses((status = 200, body = ExclusionDto), AnyProblem, BodyProblem, MissingProblem,
    ConflictProblem, ContradictionProblem))]
pub(crate) async fn approve(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Path(path): Path<ExclusionPath>,
    Body(body): Body<ApprovalDto>,
) -> Result<Json<ExclusionDto>, ApiError> {
    let approver = body.person(&caller)?;
    change(&state, &caller, path.id, ExclusionStep::Approve, &approver).await
}

/// Takes an exclusion back; its figures are as if it had never been.
#[utoipa::path(post, path = "/api/v1/exclusions/{id}/withdraw", tag = "exclusions", params(ExclusionPath),
    responses((status = 200, body = ExclusionDto), AnyProblem, MissingProblem, ConflictProblem))]
pub(crate) async fn withdraw(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Path(path): Path<ExclusionPath>,
) -> Result<Json<ExclusionDto>, ApiError> {
    let name = caller.name.clone();
    change(&state, &caller, path.id, ExclusionStep::Withdraw, &name).await
}

async fn change(
    state: &ApiState,
    caller: &Caller,
    id: u32,
    step: ExclusionStep,
    by: &str,
) -> Result<Json<ExclusionDto>, ApiError> {
    let number = i64::from(id);
    let missing = || ApiError::NotFound { what: "exclusion", code: id.to_string() };
    let target = state.inputs().store.exclusion(number).await?.ok_or_else(missing)?.scope;
    let scope = caller.scope;
    if !state
        .compute(move |view| Ok(scope == Scope::EVERYTHING || admit(view, scope, &target).is_ok()))
        .await?
    {
        return Err(missing());
    }
    let action = match step {
        ExclusionStep::Approve => "exclusion.approve",
        ExclusionStep::Withdraw => "exclusion.withdraw",
    };
    let body = serde_json::json!({ "by": by }).to_string();
    state.audit(caller, action, &id.to_string(), &body).await?;
    let changed =
        approval::change_exclusion(&state.inputs().coverage, number, step, by).await.map_err(refused)?;
    publish(state, state.inputs().clock.now()).await?;
    Ok(Json(Reported::read(state).await?.show(&changed)))
}

/// The months whose reports were given out: an exclusion that comes later does not change those.
struct Reported {
    months: Vec<(Month, Window, Timestamp)>,
    now: Timestamp,
}

impl Reported {
    async fn read(state: &ApiState) -> Result<Self, ApiError> {
        let calendar = &state.inputs().coverage.calendar;
        let months = state.inputs().store.reported_months().await?.into_iter();
        let months = months.filter_map(|(month, at)| Some((month, calendar.month(month)?, at))).collect();
        Ok(Self { months, now: state.inputs().clock.now() })
    }

    fn show(&self, exclusion: &Exclusion) -> ExclusionDto {
        let effective = exclusion.approved.unwrap_or(self.now);
        let is_frozen = |window: Window, reported: Timestamp| {
            reported <= effective && window.intersect(exclusion.window).is_some()
        };
        let frozen = self.months.iter().filter(|(_, window, reported)| is_frozen(*window, *reported));
        ExclusionDto::new(exclusion, frozen.map(|(month, ..)| month.to_string()).collect())
    }
}

/// Hands the effective exclusions to the live picture.
async fn publish(state: &ApiState, now: Timestamp) -> Result<(), ApiError> {
    let Some(window) = Window::new(now.minus(LIVE_MARGIN), Timestamp::MAX) else { return Ok(()) };
    let effective = state.inputs().store.effective_exclusions(window).await?;
    state.inputs().exclusions.send_replace(Arc::new(effective));
    Ok(())
}

fn refused(error: ApprovalError) -> ApiError {
    let error = match error {
        ApprovalError::Change(error) => error,
        ApprovalError::Villages(CoverageError::Store(error)) => return error.into(),
        ApprovalError::Villages(error) => return ApiError::internal(error),
    };
    match error {
        ExclusionChangeError::Missing(id) => ApiError::NotFound { what: "exclusion", code: id.to_string() },
        ExclusionChangeError::Store(error) => error.into(),
        ExclusionChangeError::Refused { source, .. } => match source {
            ExclusionError::AlreadyApproved | ExclusionError::Withdrawn => {
                ApiError::Conflict(source.to_string())
            }
            ExclusionError::NoReason
            | ExclusionError::NoEvidence
            | ExclusionError::NoApplicant
            | ExclusionError::NoApprover
            | ExclusionError::NoPoints
            | ExclusionError::SamePerson => ApiError::Unprocessable(source.to_string()),
        },
    }
}

/// The exclusions that a scope may see, enough for a page and a sign of the next one.
async fn visible(state: &ApiState, scope: Scope, query: &ExclusionQuery) -> Result<Vec<Exclusion>, ApiError> {
    let mut after = query.after.map_or(0, i64::from);
    let mut found = Vec::new();
    loop {
        let rows = state.inputs().store.exclusions(after, BATCH).await?;
        let Some(last) = rows.last() else { return Ok(found) };
        after = last.id;
        let asked = query.effective;
        let rows = rows.into_iter().filter(move |row| asked.is_none_or(|asked| asked == row.is_effective()));
        found.extend(state.compute(move |view| Ok(seen(view, scope, rows))).await?);
        if found.len() > query.limit.count() {
            return Ok(found);
        }
    }
}

fn seen(view: &View, scope: Scope, rows: impl Iterator<Item = Exclusion>) -> Vec<Exclusion> {
    let sight = Sight::of(view, scope);
    rows.filter_map(|row| sight.narrow(row)).collect()
}

/// Refuses what names something unknown or outside of the scope, also where a point of another division hangs on it.
fn admit(view: &View, scope: Scope, target: &ExclusionScope) -> Result<(), ApiError> {
    let named = divisions(view, target)?;
    let holds = |division: &DivisionCode| scope.holds(division);
    let is_inside = scope == Scope::EVERYTHING
        || named.iter().all(holds) && target.villages(&view.inventory).iter().all(holds);
    if is_inside { Ok(()) } else { Err(ApiError::OutsideScope) }
}

/// The divisions of what an exclusion names.
fn divisions(view: &View, target: &ExclusionScope) -> Result<Vec<DivisionCode>, ApiError> {
    let inventory = &view.inventory;
    let unknown =
        |what: &str, code: &str| ApiError::Unprocessable(format!("no {what} has the code `{code}`"));
    match target {
        ExclusionScope::Points(points) => points
            .iter()
            .map(|code| {
                inventory
                    .points
                    .get(code)
                    .map(|point| point.village)
                    .ok_or_else(|| unknown("point", code.as_str()))
            })
            .collect(),
        ExclusionScope::Site(code) => {
            let site = inventory.sites.get(code).ok_or_else(|| unknown("site", code.as_str()))?;
            Ok(vec![site.village])
        }
        ExclusionScope::Division(code) => {
            inventory.divisions.get(code).ok_or_else(|| unknown("division", code.as_str()))?;
            Ok(vec![*code])
        }
        ExclusionScope::Link(code) => {
            let link = inventory.links.get(code).ok_or_else(|| unknown("link", code.as_str()))?;
            Ok(vec![link.division])
        }
    }
}
