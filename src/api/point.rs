//! `points`: the records with their live state, and the order to look at one now.

mod dto;

use crate::api::extract::{Path, Query, text};
use crate::api::filter::{States, Text, check_known, is_asked};
use crate::api::guard::{Operator, Reader};
use crate::api::page::{Limit, Page};
use crate::api::problem::{AnyProblem, ApiError, ContradictionProblem, MissingProblem};
use crate::api::state::ApiState;
use crate::api::view::{Seen, View};
use crate::api::word::PointClassWord;
use crate::config::nearest::nearest;
use crate::domain::access::Scope;
use crate::domain::{Cause, DivisionCode, GridCode, LinkCode, Order, PointCode, SiteCode, WatchMode};
use crate::ingest::Transports;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
pub(crate) use dto::{CauseDto, ConditionDto, ObservedDto, StreamDto, millis};
use dto::{PointDetail, PointDto};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};

/// Which points.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PointQuery {
    /// Only this division and what lies below it
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, pattern = "^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})$")]
    division: Option<DivisionCode>,
    /// Only this grid
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, pattern = "^[^\\s\\x00-\\x1f\\x7f-\\x9f]{1,64}$")]
    grid: Option<GridCode>,
    /// Only this site
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, pattern = "^[^\\s\\x00-\\x1f\\x7f-\\x9f]{1,64}$")]
    site: Option<SiteCode>,
    /// Only points whose path passes this link
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, pattern = "^[^\\s\\x00-\\x1f\\x7f-\\x9f]{1,64}$")]
    link: Option<LinkCode>,
    /// Only these states, written with commas
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, example = "offline,no_video",
        pattern = "^(good|degraded|no_video|offline|unreachable|unknown|excluded)(,(good|degraded|no_video|offline|unreachable|unknown|excluded)){0,6}$")]
    state: Option<States>,
    /// Only this cause
    #[serde(default, deserialize_with = "text::optional")]
    #[param(inline)]
    cause: Option<CauseWord>,
    /// Only this class
    #[param(inline)]
    class: Option<PointClassWord>,
    /// Part of the code or name
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, min_length = 1, max_length = 64)]
    text: Option<Text>,
    /// Begin after this code: `next` of the page before
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, pattern = "^([0-9]{18}|[0-9]{20})$")]
    after: Option<PointCode>,
    /// Items per page
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    limit: Limit,
}

impl PointQuery {
    /// Refuses a filter by what is not known inside the scope of the token.
    fn check(&self, view: &View, scope: Scope) -> Result<(), ApiError> {
        let inventory = &view.inventory;
        check_known("grid", self.grid.as_ref(), |code| {
            inventory.grids.get(code).is_some_and(|grid| scope.holds(&grid.village))
        })?;
        check_known("site", self.site.as_ref(), |code| {
            inventory.sites.get(code).is_some_and(|site| scope.holds(&site.village))
        })?;
        check_known("link", self.link.as_ref(), |code| view.concerns(code, scope))
    }
}

/// The word of a cause.
#[derive(Debug)]
struct CauseWord(&'static str);

impl CauseWord {
    fn all() -> impl Iterator<Item = &'static str> {
        Cause::PLAIN.iter().map(Cause::as_str).chain(["link_down", "excluded"])
    }
}

impl FromStr for CauseWord {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::all().find(|word| *word == text).map(Self).ok_or_else(|| match nearest(text, Self::all()) {
            Some(near) => format!("`{text}` is no cause; did you mean `{near}`?"),
            None => format!("`{text}` is none of {}", Self::all().collect::<Vec<_>>().join(", ")),
        })
    }
}

impl utoipa::PartialSchema for CauseWord {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Self::all())).into()
    }
}

impl utoipa::ToSchema for CauseWord {}

/// The code of one point.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct PointPath {
    /// National code of the point
    #[serde(deserialize_with = "text::required")]
    #[param(value_type = String, pattern = "^([0-9]{18}|[0-9]{20})$")]
    pub(crate) code: PointCode,
}

/// Lists points with their live state.
#[utoipa::path(get, path = "/api/v1/points", tag = "points", params(PointQuery),
    responses((status = 200, body = Page<PointDto>), AnyProblem, MissingProblem))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Query(query): Query<PointQuery>,
) -> Result<Json<Page<PointDto>>, ApiError> {
    let scope = state.narrow(&caller, query.division)?;
    let transports = state.inputs().transports.clone();
    state
        .compute(move |view| {
            query.check(view, caller.scope)?;
            Ok(Json(page(view, scope, &query, &transports)))
        })
        .await
}

/// Shows one point: record, live state, what was declared and what is observed. Never a credential.
#[utoipa::path(get, path = "/api/v1/points/{code}", tag = "points", params(PointPath),
    responses((status = 200, body = PointDetail), AnyProblem, MissingProblem))]
pub(crate) async fn one(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Path(path): Path<PointPath>,
) -> Result<Json<PointDetail>, ApiError> {
    let way = state.inputs().transports.way(path.code);
    let find = move |view: &View| {
        let seen = view.point(path.code, caller.scope)?;
        Ok(Json(PointDetail::new(seen, &way, view, &caller)))
    };
    state.compute(find).await
}

/// Asks for a look at one point now; the result comes with the next change or observation.
#[utoipa::path(post, path = "/api/v1/points/{code}/look", tag = "points", params(PointPath),
    responses((status = 202, description = "The look is ordered"), AnyProblem, MissingProblem, ContradictionProblem))]
pub(crate) async fn look(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Path(path): Path<PointPath>,
) -> Result<StatusCode, ApiError> {
    let scope = caller.scope;
    let watch = state.compute(move |view| Ok(view.point(path.code, scope)?.point.watch)).await?;
    if watch == WatchMode::Off {
        return Err(ApiError::Unprocessable(format!("point {} is not watched", path.code)));
    }
    state.audit(&caller, "point.look", path.code.as_str(), "{}").await?;
    let order = Order::LookSoon { points: vec![path.code], spread: Duration::ZERO };
    state.inputs().orders.try_send(order).map_err(|_full_or_closed| ApiError::Busy)?;
    Ok(StatusCode::ACCEPTED)
}

fn page(view: &View, scope: Scope, query: &PointQuery, transports: &Transports) -> Page<PointDto> {
    let sites = query.link.as_ref().map(|link| view.sites_behind(link));
    let found = view.points_after(query.after).filter(|seen| is_listed(scope, query, sites.as_ref(), seen));
    let point = |seen: Seen<'_>| PointDto::new(seen, &transports.way(seen.point.code), view);
    Page::cut(found, query.limit, |seen| seen.point.code.to_string(), point)
}

fn is_listed(scope: Scope, query: &PointQuery, sites: Option<&BTreeSet<&SiteCode>>, seen: &Seen<'_>) -> bool {
    let point = seen.point;
    scope.holds(&point.village)
        && (query.grid.is_none() || query.grid == point.grid)
        && (query.site.is_none() || query.site == point.site)
        && sites.is_none_or(|sites| point.site.as_ref().is_some_and(|site| sites.contains(site)))
        && is_asked(query.class.map(|class| class.0).as_ref(), &point.class)
        && query.state.as_ref().is_none_or(|states| states.hold(seen.state()))
        && query.cause.as_ref().is_none_or(|cause| seen.cause().map(Cause::as_str) == Some(cause.0))
        && query.text.as_ref().is_none_or(|text| text.is_in([point.code.as_str(), &point.name]))
}
