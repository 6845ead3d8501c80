//! `links`: the nodes of the network path, with what is known of them and the points that each one explains.

use crate::api::extract::{Path, Query, text};
use crate::api::filter::{Text, is_asked};
use crate::api::guard::Reader;
use crate::api::page::{Limit, Page};
use crate::api::problem::{AnyProblem, ApiError, MissingProblem};
use crate::api::state::ApiState;
use crate::api::time::Time;
use crate::api::view::View;
use crate::api::word::{LinkKindWord, LinkStatusWord};
use crate::domain::access::Scope;
use crate::domain::link::{Link, LinkTarget, Redundancy};
use crate::domain::{DivisionCode, LinkCode};
use crate::health::snapshot::{LinkStatus, LiveLink};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::ops::Bound;

/// A link and what is known of it now.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Link)]
pub(crate) struct LinkDto {
    /// Unique code.
    code: String,
    /// Name.
    name: String,
    /// Kind.
    kind: LinkKindWord,
    /// The division that it serves.
    division: String,
    /// The links above.
    parents: Vec<String>,
    /// Whether any one of several parents carries it; otherwise all are needed.
    redundant: bool,
    /// Share of the capacity that the watching may use, kbit/s.
    budget_kbps: Option<u32>,
    /// Sessions that the watching may hold at once.
    budget_sessions: Option<u16>,
    /// What is probed, `tcp://host:port` or `icmp://address`; without it the status can only be inferred.
    target: Option<String>,
    /// What is known of it.
    status: LinkStatusWord,
    /// Since when.
    since: Option<Time>,
    /// Last probe.
    last_probe: Option<Time>,
    /// Round-trip time of the last good probe, in milliseconds.
    round_trip_ms: Option<f64>,
    /// Points whose path passes it.
    members: u32,
    /// Points that are `unreachable` because of it; after the repair it shrinks as each one is proven.
    unreachable: u32,
    /// The failed link above that explains why this one is down; null when it failed itself.
    behind: Option<String>,
    /// Whether the status was inferred from the points behind it.
    inferred: bool,
}

impl LinkDto {
    /// A link as JSON.
    pub(crate) fn new(link: &Link, view: &View) -> Self {
        let live = view.live_link(&link.code);
        Self {
            code: link.code.to_string(),
            name: link.name.clone(),
            kind: link.kind.into(),
            division: link.division.to_string(),
            parents: link.parents.iter().map(ToString::to_string).collect(),
            redundant: link.redundancy == Redundancy::Any,
            budget_kbps: link.budget_kbps,
            budget_sessions: link.budget_sessions,
            target: link.target.as_ref().map(target_text),
            status: status(live).into(),
            since: live.map(|live| live.since.into()),
            last_probe: live.and_then(|live| live.last_probe).map(Time),
            round_trip_ms: live.and_then(|live| live.round_trip).map(|span| span.as_secs_f64() * 1000.0),
            members: live.map_or(0, |live| live.members),
            unreachable: view.root(&link.code).map_or(0, |root| count(&root.members)),
            behind: live.and_then(|live| live.behind.as_ref()).map(ToString::to_string),
            inferred: live.is_some_and(|live| live.inferred),
        }
    }

    /// A link as whoever it cuts off may see it: of one outside of their scope that it failed, not how it is built.
    pub(crate) fn root_cause(link: &Link, view: &View, scope: Scope) -> Self {
        let shown = Self::new(link, view);
        if scope.holds(&link.division) {
            return shown;
        }
        Self { parents: Vec::new(), budget_kbps: None, budget_sessions: None, target: None, ..shown }
    }
}

/// A probe target in one text.
fn target_text(target: &LinkTarget) -> String {
    match target {
        LinkTarget::Tcp { host, port } => format!("tcp://{host}:{port}"),
        LinkTarget::Icmp(address) => format!("icmp://{address}"),
    }
}

fn status(live: Option<&LiveLink>) -> LinkStatus {
    live.map_or(LinkStatus::Unknown, |live| live.status)
}

/// Whether a link is a root cause: it failed itself, or it still explains unreachable points.
fn is_root_cause(view: &View, link: &Link) -> bool {
    let failed_itself = |live: &LiveLink| {
        matches!(live.status, LinkStatus::Down | LinkStatus::Suspected) && live.behind.is_none()
    };
    view.root(&link.code).is_some() || view.live_link(&link.code).is_some_and(failed_itself)
}

fn count<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}

/// Which links.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LinkQuery {
    /// Only this division and what lies below it
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, pattern = "^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})$")]
    division: Option<DivisionCode>,
    /// Only this kind
    #[param(inline)]
    kind: Option<LinkKindWord>,
    /// Only this status
    #[param(inline)]
    status: Option<LinkStatusWord>,
    /// Only root causes (or only others): links that failed themselves, or still explain unreachable points
    root_cause: Option<bool>,
    /// Part of the code or name
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, min_length = 1, max_length = 64)]
    text: Option<Text>,
    /// Begin after this code: `next` of the page before
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, pattern = "^[^\\s\\x00-\\x1f\\x7f-\\x9f]{1,64}$")]
    after: Option<LinkCode>,
    /// Items per page
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    limit: Limit,
}

/// Lists links.
#[utoipa::path(get, path = "/api/v1/links", tag = "inventory", params(LinkQuery),
    responses((status = 200, body = Page<LinkDto>), AnyProblem, MissingProblem))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Query(query): Query<LinkQuery>,
) -> Result<Json<Page<LinkDto>>, ApiError> {
    let scope = state.narrow(&caller, query.division)?;
    state.compute(move |view| Ok(Json(page(view, scope, &query)))).await
}

/// The code of one link.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct LinkPath {
    /// Code of the link
    #[serde(deserialize_with = "text::required")]
    #[param(value_type = String, pattern = "^[^\\s\\x00-\\x1f\\x7f-\\x9f]{1,64}$")]
    code: LinkCode,
}

/// Shows one link.
#[utoipa::path(get, path = "/api/v1/links/{code}", tag = "inventory", params(LinkPath),
    responses((status = 200, body = LinkDto), AnyProblem, MissingProblem))]
pub(crate) async fn one(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Path(path): Path<LinkPath>,
) -> Result<Json<LinkDto>, ApiError> {
    state.compute(move |view| find(view, caller.scope, &path.code).map(Json)).await
}

fn page(view: &View, scope: Scope, query: &LinkQuery) -> Page<LinkDto> {
    let start = query.after.clone().map_or(Bound::Unbounded, Bound::Excluded);
    let found = view.inventory.links.range((start, Bound::Unbounded)).map(|(_, link)| link);
    let found = found.filter(|link| is_listed(view, scope, query, link));
    Page::cut(found, query.limit, |link| link.code.to_string(), |link| LinkDto::new(link, view))
}

fn is_listed(view: &View, scope: Scope, query: &LinkQuery, link: &Link) -> bool {
    scope.holds(&link.division)
        && is_asked(query.kind.map(|kind| kind.0).as_ref(), &link.kind)
        && is_asked(query.status.map(|status| status.0).as_ref(), &status(view.live_link(&link.code)))
        && query.root_cause.is_none_or(|asked| asked == is_root_cause(view, link))
        && query.text.as_ref().is_none_or(|text| text.is_in([link.code.as_str(), &link.name]))
}

fn find(view: &View, scope: Scope, code: &LinkCode) -> Result<LinkDto, ApiError> {
    let link = view.inventory.links.get(code).filter(|link| scope.holds(&link.division));
    let link = link.ok_or_else(|| ApiError::NotFound { what: "link", code: code.to_string() })?;
    Ok(LinkDto::new(link, view))
}
