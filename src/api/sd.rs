//! `sd/prometheus`: the probe targets of the links as Prometheus' HTTP service discovery reads them.

use crate::api::extract::{Query, text};
use crate::api::guard::Reader;
use crate::api::problem::{AnyProblem, ApiError, MissingProblem};
use crate::api::state::ApiState;
use crate::api::view::View;
use crate::api::word::LinkKindWord;
use crate::domain::access::Scope;
use crate::domain::link::{Link, LinkTarget};
use crate::domain::{DivisionCode, DivisionLevel};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

/// One group of targets that share their labels.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct TargetGroup {
    /// `host:port`, or an address for ICMP.
    targets: Vec<String>,
    /// Labels of the targets.
    labels: TargetLabels,
}

/// Labels of a target, as our own link families have them.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct TargetLabels {
    /// Code of the link.
    link: String,
    /// Kind of the link.
    kind: LinkKindWord,
    /// How to probe: `tcp` or `icmp`.
    probe: &'static str,
    /// Village that the link serves; empty above it.
    village: String,
    /// Township.
    township: String,
    /// County.
    county: String,
}

/// Which targets.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TargetQuery {
    /// Only links of this kind
    #[param(inline)]
    kind: Option<LinkKindWord>,
    /// Only links of this division and what lies below it
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, pattern = "^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})$")]
    division: Option<DivisionCode>,
}

/// Lists the probe targets of the links, whole, for Prometheus `http_sd_configs`.
#[utoipa::path(get, path = "/api/v1/sd/prometheus", tag = "metrics", params(TargetQuery),
    responses((status = 200, body = Vec<TargetGroup>), AnyProblem, MissingProblem))]
pub(crate) async fn prometheus(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Query(query): Query<TargetQuery>,
) -> Result<Json<Vec<TargetGroup>>, ApiError> {
    let scope = state.narrow(&caller, query.division)?;
    state.compute(move |view| Ok(Json(groups(view, scope, &query)))).await
}

fn groups(view: &View, scope: Scope, query: &TargetQuery) -> Vec<TargetGroup> {
    let links = view.inventory.links.values().filter(|link| scope.holds(&link.division));
    let links = links.filter(|link| query.kind.is_none_or(|kind| kind.0 == link.kind));
    links.filter_map(group).collect()
}

fn group(link: &Link) -> Option<TargetGroup> {
    let (probe, target) = match link.target.as_ref()? {
        LinkTarget::Tcp { host, port } => ("tcp", format!("{host}:{port}")),
        LinkTarget::Icmp(address) => ("icmp", address.to_string()),
    };
    let level = |level| link.division.ancestor(level).map(|code| code.to_string()).unwrap_or_default();
    let labels = TargetLabels {
        link: link.code.to_string(),
        kind: link.kind.into(),
        probe,
        village: level(DivisionLevel::Village),
        township: level(DivisionLevel::Township),
        county: level(DivisionLevel::County),
    };
    Some(TargetGroup { targets: vec![target], labels })
}
