//! `divisions` and `villages`: the tree of accountability with the live counts of its points.

use crate::api::extract::{Path, Query, text};
use crate::api::filter::{Text, is_asked};
use crate::api::guard::Reader;
use crate::api::page::{Limit, Page};
use crate::api::problem::{AnyProblem, ApiError, MissingProblem};
use crate::api::state::ApiState;
use crate::api::tally::PointCounts;
use crate::api::time::Time;
use crate::api::view::View;
use crate::api::word::DivisionLevelWord;
use crate::domain::access::Scope;
use crate::domain::division::Division;
use crate::domain::{DivisionCode, DivisionLevel};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::ops::Bound;

/// A division and what is known of its points now.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Division)]
pub(crate) struct DivisionDto {
    /// National statistical code: 2, 4, 6, 9 or 12 digits.
    code: String,
    /// Name.
    name: String,
    /// Level that the length of the code tells.
    level: DivisionLevelWord,
    /// The division above.
    parent: Option<String>,
    /// Whether the division is assessed.
    assessed: bool,
    /// Households, known for villages.
    households: Option<u32>,
    /// Whether a governance centre (综治中心) exists here.
    has_centre: bool,
    /// Valid from.
    valid_from: Option<Time>,
    /// No longer valid from.
    valid_to: Option<Time>,
    /// Points of the division and everything below it, by state.
    points: PointCounts,
}

impl DivisionDto {
    fn new(division: &Division, view: &View) -> Self {
        Self {
            code: division.code.to_string(),
            name: division.name.clone(),
            level: division.code.level().into(),
            parent: division.code.parent().map(|parent| parent.to_string()),
            assessed: division.assessed,
            households: division.households,
            has_centre: division.has_centre,
            valid_from: division.valid_from.map(Time),
            valid_to: division.valid_to.map(Time),
            points: view.tally().division(&division.code),
        }
    }
}

/// Which divisions.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DivisionQuery {
    /// Only this division and what lies below it
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, pattern = "^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})$")]
    division: Option<DivisionCode>,
    /// Only this level
    #[param(inline)]
    level: Option<DivisionLevelWord>,
    /// Part of the code or name
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, min_length = 1, max_length = 64)]
    text: Option<Text>,
    /// Begin after this code: `next` of the page before
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, pattern = "^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})$")]
    after: Option<DivisionCode>,
    /// Items per page
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    limit: Limit,
}

/// Which villages.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct VillageQuery {
    /// Only this division and what lies below it
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, pattern = "^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})$")]
    division: Option<DivisionCode>,
    /// Part of the code or name
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, min_length = 1, max_length = 64)]
    text: Option<Text>,
    /// Begin after this code: `next` of the page before
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, pattern = "^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})$")]
    after: Option<DivisionCode>,
    /// Items per page
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    limit: Limit,
}

impl From<VillageQuery> for DivisionQuery {
    fn from(query: VillageQuery) -> Self {
        let VillageQuery { division, text, after, limit } = query;
        Self { division, level: Some(DivisionLevelWord(DivisionLevel::Village)), text, after, limit }
    }
}

/// Lists divisions of every level, with their points by state.
#[utoipa::path(get, path = "/api/v1/divisions", tag = "inventory", params(DivisionQuery),
    responses((status = 200, body = Page<DivisionDto>), AnyProblem, MissingProblem))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Query(query): Query<DivisionQuery>,
) -> Result<Json<Page<DivisionDto>>, ApiError> {
    let scope = state.narrow(&caller, query.division)?;
    state.compute(move |view| Ok(Json(page(view, scope, &query)))).await
}

/// Lists villages, with their points by state.
#[utoipa::path(get, path = "/api/v1/villages", tag = "inventory", params(VillageQuery),
    responses((status = 200, body = Page<DivisionDto>), AnyProblem, MissingProblem))]
pub(crate) async fn villages(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Query(query): Query<VillageQuery>,
) -> Result<Json<Page<DivisionDto>>, ApiError> {
    let query = DivisionQuery::from(query);
    let scope = state.narrow(&caller, query.division)?;
    state.compute(move |view| Ok(Json(page(view, scope, &query)))).await
}

/// The code of one division.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct DivisionPath {
    /// Code of the division
    #[serde(deserialize_with = "text::required")]
    #[param(value_type = String, pattern = "^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})$")]
    code: DivisionCode,
}

/// Shows one division.
#[utoipa::path(get, path = "/api/v1/divisions/{code}", tag = "inventory", params(DivisionPath),
    responses((status = 200, body = DivisionDto), AnyProblem, MissingProblem))]
pub(crate) async fn one(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Path(path): Path<DivisionPath>,
) -> Result<Json<DivisionDto>, ApiError> {
    state.compute(move |view| find(view, caller.scope, path.code, "division").map(Json)).await
}

/// Shows one village.
#[utoipa::path(get, path = "/api/v1/villages/{code}", tag = "inventory", params(DivisionPath),
    responses((status = 200, body = DivisionDto), AnyProblem, MissingProblem))]
pub(crate) async fn village(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Path(path): Path<DivisionPath>,
) -> Result<Json<DivisionDto>, ApiError> {
    if path.code.level() != DivisionLevel::Village {
        return Err(ApiError::NotFound { what: "village", code: path.code.to_string() });
    }
    state.compute(move |view| find(view, caller.scope, path.code, "village").map(Json)).await
}

fn page(view: &View, scope: Scope, query: &DivisionQuery) -> Page<DivisionDto> {
    let start = query.after.map_or(Bound::Unbounded, Bound::Excluded);
    let found = view.inventory.divisions.range((start, Bound::Unbounded)).map(|(_, division)| division);
    let found = found.filter(|division| {
        scope.holds(&division.code)
            && is_asked(query.level.map(|level| level.0).as_ref(), &division.code.level())
            && query.text.as_ref().is_none_or(|text| text.is_in([division.code.as_str(), &division.name]))
    });
    Page::cut(
        found,
        query.limit,
        |division| division.code.to_string(),
        |division| DivisionDto::new(division, view),
    )
}

fn find(view: &View, scope: Scope, code: DivisionCode, what: &'static str) -> Result<DivisionDto, ApiError> {
    let division = view.inventory.divisions.get(&code).filter(|division| scope.holds(&division.code));
    let division = division.ok_or_else(|| ApiError::NotFound { what, code: code.to_string() })?;
    Ok(DivisionDto::new(division, view))
}
