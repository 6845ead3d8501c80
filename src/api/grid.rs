//! `grids`: the accountable cells, with their leaders and the live counts of their points.

use crate::api::extract::{Path, Query, text};
use crate::api::filter::{Text, is_asked};
use crate::api::guard::Reader;
use crate::api::page::{Limit, Page};
use crate::api::problem::{AnyProblem, ApiError, MissingProblem};
use crate::api::state::ApiState;
use crate::api::tally::PointCounts;
use crate::api::time::Time;
use crate::api::view::View;
use crate::api::word::GridKindWord;
use crate::domain::access::Scope;
use crate::domain::grid::{Grid, Leader};
use crate::domain::{DivisionCode, GridCode};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::ops::Bound;

/// A grid and what is known of its points now.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Grid)]
pub(crate) struct GridDto {
    /// Unique code.
    code: String,
    /// Name.
    name: String,
    /// The village or community that it belongs to.
    village: String,
    /// Kind.
    kind: GridKindWord,
    /// Households.
    households: Option<u32>,
    /// The grid leader (网格长) of now.
    leader: Option<LeaderDto>,
    /// Points of the grid, by state.
    points: PointCounts,
}

/// A grid leader.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Leader)]
pub(crate) struct LeaderDto {
    /// Name.
    name: String,
    /// Telephone.
    phone: Option<String>,
    /// In office from.
    from: Option<Time>,
    /// In office until.
    to: Option<Time>,
}

impl GridDto {
    fn new(grid: &Grid, view: &View) -> Self {
        Self {
            code: grid.code.to_string(),
            name: grid.name.clone(),
            village: grid.village.to_string(),
            kind: grid.kind.into(),
            households: grid.households,
            leader: grid.leader.as_ref().map(LeaderDto::new),
            points: view.tally().grid(&grid.code),
        }
    }
}

impl LeaderDto {
    /// A leader as JSON.
    pub(crate) fn new(leader: &Leader) -> Self {
        Self {
            name: leader.name.clone(),
            phone: leader.phone.clone(),
            from: leader.from.map(Time),
            to: leader.to.map(Time),
        }
    }
}

/// Which grids.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct GridQuery {
    /// Only this division and what lies below it
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, pattern = "^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})$")]
    division: Option<DivisionCode>,
    /// Only this kind
    #[param(inline)]
    kind: Option<GridKindWord>,
    /// Part of the code or name
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, min_length = 1, max_length = 64)]
    text: Option<Text>,
    /// Begin after this code: `next` of the page before
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, pattern = "^[^\\s\\x00-\\x1f\\x7f-\\x9f]{1,64}$")]
    after: Option<GridCode>,
    /// Items per page
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    limit: Limit,
}

/// Lists grids.
#[utoipa::path(get, path = "/api/v1/grids", tag = "inventory", params(GridQuery),
    responses((status = 200, body = Page<GridDto>), AnyProblem, MissingProblem))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Query(query): Query<GridQuery>,
) -> Result<Json<Page<GridDto>>, ApiError> {
    let scope = state.narrow(&caller, query.division)?;
    state.compute(move |view| Ok(Json(page(view, scope, &query)))).await
}

/// The code of one grid.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct GridPath {
    /// Code of the grid
    #[serde(deserialize_with = "text::required")]
    #[param(value_type = String, pattern = "^[^\\s\\x00-\\x1f\\x7f-\\x9f]{1,64}$")]
    code: GridCode,
}

/// Shows one grid.
#[utoipa::path(get, path = "/api/v1/grids/{code}", tag = "inventory", params(GridPath),
    responses((status = 200, body = GridDto), AnyProblem, MissingProblem))]
pub(crate) async fn one(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Path(path): Path<GridPath>,
) -> Result<Json<GridDto>, ApiError> {
    state.compute(move |view| find(view, caller.scope, &path.code).map(Json)).await
}

fn page(view: &View, scope: Scope, query: &GridQuery) -> Page<GridDto> {
    let start = query.after.clone().map_or(Bound::Unbounded, Bound::Excluded);
    let found = view.inventory.grids.range((start, Bound::Unbounded)).map(|(_, grid)| grid);
    let found = found.filter(|grid| is_listed(scope, query, grid));
    Page::cut(found, query.limit, |grid| grid.code.to_string(), |grid| GridDto::new(grid, view))
}

fn is_listed(scope: Scope, query: &GridQuery, grid: &Grid) -> bool {
    scope.holds(&grid.village)
        && is_asked(query.kind.map(|kind| kind.0).as_ref(), &grid.kind)
        && query.text.as_ref().is_none_or(|text| text.is_in([grid.code.as_str(), &grid.name]))
}

fn find(view: &View, scope: Scope, code: &GridCode) -> Result<GridDto, ApiError> {
    let grid = view.inventory.grids.get(code).filter(|grid| scope.holds(&grid.village));
    let grid = grid.ok_or_else(|| ApiError::NotFound { what: "grid", code: code.to_string() })?;
    Ok(GridDto::new(grid, view))
}
