//! `sites`: the poles and walls that cameras hang on.

use crate::api::extract::{Path, Query, text};
use crate::api::filter::{Text, check_known};
use crate::api::guard::Reader;
use crate::api::page::{Limit, Page};
use crate::api::problem::{AnyProblem, ApiError, MissingProblem};
use crate::api::state::ApiState;
use crate::api::view::View;
use crate::api::word::DatumWord;
use crate::domain::LinkCode;
use crate::domain::access::Scope;
use crate::domain::site::{Position, Site};
use crate::domain::{DivisionCode, SiteCode};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::ops::Bound;

/// A pole or wall.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Site)]
pub(crate) struct SiteDto {
    /// Unique code.
    code: String,
    /// Name.
    name: String,
    /// The village or community that it stands in.
    village: String,
    /// Where it stands.
    position: Option<PositionDto>,
    /// Mount: pole, borrowed pole, wall, ground.
    mount: Option<String>,
    /// Who supplies the power.
    power: Option<String>,
    /// The link that it hangs on.
    link: Option<String>,
}

/// A position, WGS-84, with what the source wrote beside it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Position)]
pub(crate) struct PositionDto {
    /// Longitude in degrees, WGS-84.
    longitude: f64,
    /// Latitude in degrees, WGS-84.
    latitude: f64,
    /// Coordinate system of the source.
    source: DatumWord,
    /// Longitude as the source wrote it.
    raw_longitude: f64,
    /// Latitude as the source wrote it.
    raw_latitude: f64,
}

impl SiteDto {
    fn new(site: &Site) -> Self {
        Self {
            code: site.code.to_string(),
            name: site.name.clone(),
            village: site.village.to_string(),
            position: site.position.as_ref().map(PositionDto::new),
            mount: site.mount.clone(),
            power: site.power.clone(),
            link: site.link.as_ref().map(ToString::to_string),
        }
    }
}

impl PositionDto {
    /// A position as JSON.
    pub(crate) fn new(position: &Position) -> Self {
        Self {
            longitude: position.longitude,
            latitude: position.latitude,
            source: position.source.into(),
            raw_longitude: position.raw_longitude,
            raw_latitude: position.raw_latitude,
        }
    }
}

/// Which sites.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SiteQuery {
    /// Only this division and what lies below it
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, pattern = "^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})$")]
    division: Option<DivisionCode>,
    /// Only sites that hang on this link
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, pattern = "^[^\\s\\x00-\\x1f\\x7f-\\x9f]{1,64}$")]
    link: Option<LinkCode>,
    /// Part of the code or name
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, min_length = 1, max_length = 64)]
    text: Option<Text>,
    /// Begin after this code: `next` of the page before
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, pattern = "^[^\\s\\x00-\\x1f\\x7f-\\x9f]{1,64}$")]
    after: Option<SiteCode>,
    /// Items per page
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    limit: Limit,
}

/// Lists sites.
#[utoipa::path(get, path = "/api/v1/sites", tag = "inventory", params(SiteQuery),
    responses((status = 200, body = Page<SiteDto>), AnyProblem, MissingProblem))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Query(query): Query<SiteQuery>,
) -> Result<Json<Page<SiteDto>>, ApiError> {
    let scope = state.narrow(&caller, query.division)?;
    state
        .compute(move |view| {
            check_known("link", query.link.as_ref(), |code| view.concerns(code, caller.scope))?;
            Ok(Json(page(view, scope, &query)))
        })
        .await
}

/// The code of one site.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct SitePath {
    /// Code of the site
    #[serde(deserialize_with = "text::required")]
    #[param(value_type = String, pattern = "^[^\\s\\x00-\\x1f\\x7f-\\x9f]{1,64}$")]
    code: SiteCode,
}

/// Shows one site.
#[utoipa::path(get, path = "/api/v1/sites/{code}", tag = "inventory", params(SitePath),
    responses((status = 200, body = SiteDto), AnyProblem, MissingProblem))]
pub(crate) async fn one(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Path(path): Path<SitePath>,
) -> Result<Json<SiteDto>, ApiError> {
    state.compute(move |view| find(view, caller.scope, &path.code).map(Json)).await
}

fn page(view: &View, scope: Scope, query: &SiteQuery) -> Page<SiteDto> {
    let start = query.after.clone().map_or(Bound::Unbounded, Bound::Excluded);
    let found = view.inventory.sites.range((start, Bound::Unbounded)).map(|(_, site)| site);
    let found = found.filter(|site| is_listed(scope, query, site));
    Page::cut(found, query.limit, |site| site.code.to_string(), SiteDto::new)
}

fn is_listed(scope: Scope, query: &SiteQuery, site: &Site) -> bool {
    scope.holds(&site.village)
        && (query.link.is_none() || query.link == site.link)
        && query.text.as_ref().is_none_or(|text| text.is_in([site.code.as_str(), &site.name]))
}

fn find(view: &View, scope: Scope, code: &SiteCode) -> Result<SiteDto, ApiError> {
    let site = view.inventory.sites.get(code).filter(|site| scope.holds(&site.village));
    let site = site.ok_or_else(|| ApiError::NotFound { what: "site", code: code.to_string() })?;
    Ok(SiteDto::new(site))
}
