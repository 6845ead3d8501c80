//! `places`: what must be covered, with the live counts of the points that cover it.

use crate::api::extract::{Path, Query, text};
use crate::api::filter::{Text, is_asked};
use crate::api::guard::Reader;
use crate::api::page::{Limit, Page};
use crate::api::problem::{AnyProblem, ApiError, MissingProblem};
use crate::api::state::ApiState;
use crate::api::tally::PointCounts;
use crate::api::view::View;
use crate::api::word::PlaceKindWord;
use crate::domain::access::Scope;
use crate::domain::place::Place;
use crate::domain::{DivisionCode, PlaceCode};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::ops::Bound;

/// A place that must be covered.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Place)]
pub(crate) struct PlaceDto {
    /// Unique code.
    code: String,
    /// Name.
    name: String,
    /// The village or community that it lies in.
    village: String,
    /// Kind.
    kind: PlaceKindWord,
    /// Whether cover is required.
    required: bool,
    /// Points that cover it, by state.
    points: PointCounts,
}

impl PlaceDto {
    fn new(place: &Place, view: &View) -> Self {
        Self {
            code: place.code.to_string(),
            name: place.name.clone(),
            village: place.village.to_string(),
            kind: place.kind.into(),
            required: place.required,
            points: view.tally().place(&place.code),
        }
    }
}

/// Which places.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PlaceQuery {
    /// Only this division and what lies below it
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, pattern = "^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})$")]
    division: Option<DivisionCode>,
    /// Only this kind
    #[param(inline)]
    kind: Option<PlaceKindWord>,
    /// Part of the code or name
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, min_length = 1, max_length = 64)]
    text: Option<Text>,
    /// Begin after this code: `next` of the page before
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, pattern = "^[^\\s\\x00-\\x1f\\x7f-\\x9f]{1,64}$")]
    after: Option<PlaceCode>,
    /// Items per page
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    limit: Limit,
}

/// Lists places.
#[utoipa::path(get, path = "/api/v1/places", tag = "inventory", params(PlaceQuery),
    responses((status = 200, body = Page<PlaceDto>), AnyProblem, MissingProblem))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Query(query): Query<PlaceQuery>,
) -> Result<Json<Page<PlaceDto>>, ApiError> {
    let scope = state.narrow(&caller, query.division)?;
    state.compute(move |view| Ok(Json(page(view, scope, &query)))).await
}

/// The code of one place.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct PlacePath {
    /// Code of the place
    #[serde(deserialize_with = "text::required")]
    #[param(value_type = String, pattern = "^[^\\s\\x00-\\x1f\\x7f-\\x9f]{1,64}$")]
    code: PlaceCode,
}

/// Shows one place.
#[utoipa::path(get, path = "/api/v1/places/{code}", tag = "inventory", params(PlacePath),
    responses((status = 200, body = PlaceDto), AnyProblem, MissingProblem))]
pub(crate) async fn one(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Path(path): Path<PlacePath>,
) -> Result<Json<PlaceDto>, ApiError> {
    state.compute(move |view| find(view, caller.scope, &path.code).map(Json)).await
}

fn page(view: &View, scope: Scope, query: &PlaceQuery) -> Page<PlaceDto> {
    let start = query.after.clone().map_or(Bound::Unbounded, Bound::Excluded);
    let found = view.inventory.places.range((start, Bound::Unbounded)).map(|(_, place)| place);
    let found = found.filter(|place| is_listed(scope, query, place));
    Page::cut(found, query.limit, |place| place.code.to_string(), |place| PlaceDto::new(place, view))
}

fn is_listed(scope: Scope, query: &PlaceQuery, place: &Place) -> bool {
    scope.holds(&place.village)
        && is_asked(query.kind.map(|kind| kind.0).as_ref(), &place.kind)
        && query.text.as_ref().is_none_or(|text| text.is_in([place.code.as_str(), &place.name]))
}

fn find(view: &View, scope: Scope, code: &PlaceCode) -> Result<PlaceDto, ApiError> {
    let place = view.inventory.places.get(code).filter(|place| scope.holds(&place.village));
    let place = place.ok_or_else(|| ApiError::NotFound { what: "place", code: code.to_string() })?;
    Ok(PlaceDto::new(place, view))
}
