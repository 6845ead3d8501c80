//! `summary`: the network in one answer: counts, root causes, bulk causes, held credentials.

use crate::api::extract::{Query, text};
use crate::api::guard::Reader;
use crate::api::link::LinkDto;
use crate::api::point::CauseDto;
use crate::api::problem::{AnyProblem, ApiError, MissingProblem};
use crate::api::state::ApiState;
use crate::api::tally::PointCounts;
use crate::api::time::Time;
use crate::api::view::View;
use crate::domain::access::Scope;
use crate::domain::correlate::BulkCause;
use crate::domain::{DivisionCode, PointCode};
use crate::health::snapshot::RootCause;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

/// The network now.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Summary {
    /// When the live picture was taken.
    taken: Time,
    /// Whether every watched point was looked at once since start.
    first_round_done: bool,
    /// Whether most of everything fails at once, so that we suspect ourselves.
    suspects_itself: bool,
    /// Points in use by state.
    points: PointCounts,
    /// Failed links that cut points off, one per outage.
    root_causes: Vec<RootCauseDto>,
    /// Changes that hit many points alike (口令批量变更, 平台改配).
    bulk_causes: Vec<BulkCauseDto>,
}

/// A failed link and the points that it cuts off.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = RootCause)]
pub(crate) struct RootCauseDto {
    /// Since when.
    since: Time,
    /// Whether it was inferred from points, the link having no probe.
    inferred: bool,
    /// The link with the count of its members and of those still unreachable.
    link: LinkDto,
    /// Points still unreachable; after the repair it shrinks as each one is proven.
    members: Vec<String>,
}

/// One change that hit many points alike.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = BulkCause)]
pub(crate) struct BulkCauseDto {
    /// The cause that the points share.
    cause: CauseDto,
    /// Since when.
    since: Time,
    /// The points.
    members: Vec<String>,
}

/// Which part.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SummaryQuery {
    /// Only this division and what lies below it
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, pattern = "^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})$")]
    division: Option<DivisionCode>,
}

/// Sums the network up: counts by state, root causes, bulk causes.
#[utoipa::path(get, path = "/api/v1/summary", tag = "points", params(SummaryQuery),
    responses((status = 200, body = Summary), AnyProblem, MissingProblem))]
pub(crate) async fn summary(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Query(query): Query<SummaryQuery>,
) -> Result<Json<Summary>, ApiError> {
    let scope = state.narrow(&caller, query.division)?;
    state.compute(move |view| Ok(Json(Summary::new(view, scope)))).await
}

impl Summary {
    fn new(view: &View, scope: Scope) -> Self {
        let snapshot = &view.snapshot;
        Self {
            taken: snapshot.taken.into(),
            first_round_done: snapshot.first_round_done,
            suspects_itself: snapshot.suspects_itself,
            points: view.tally().scope(scope),
            root_causes: snapshot
                .roots
                .iter()
                .filter_map(|root| RootCauseDto::new(root, view, scope))
                .collect(),
            bulk_causes: snapshot
                .bulk_causes
                .iter()
                .filter_map(|bulk| BulkCauseDto::new(bulk, view, scope))
                .collect(),
        }
    }
}

impl RootCauseDto {
    /// A link inside the scope, or one outside that cuts off points inside: whoever lives below it has to know.
    fn new(root: &RootCause, view: &View, scope: Scope) -> Option<Self> {
        let link = view.inventory.links.get(&root.link)?;
        let members = visible(&root.members, view, scope);
        let concerns = scope.holds(&link.division) || !members.is_empty();
        let link = concerns.then(|| LinkDto::root_cause(link, view, scope))?;
        Some(Self { since: root.since.into(), inferred: root.inferred, link, members })
    }
}

impl BulkCauseDto {
    fn new(bulk: &BulkCause, view: &View, scope: Scope) -> Option<Self> {
        let members = visible(&bulk.points, view, scope);
        let cause = CauseDto::new(&bulk.cause);
        (!members.is_empty()).then(|| Self { cause, since: bulk.since.into(), members })
    }
}

fn visible(points: &[PointCode], view: &View, scope: Scope) -> Vec<String> {
    let holds =
        |code: &&PointCode| view.inventory.points.get(code).is_some_and(|point| scope.holds(&point.village));
    points.iter().filter(holds).map(PointCode::to_string).collect()
}
