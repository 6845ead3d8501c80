//! `sd/prometheus`: the probe targets of the links, and our own workers, as Prometheus' HTTP service discovery reads them.

use crate::api::extract::{Query, text};
use crate::api::filter::is_asked;
use crate::api::guard::Reader;
use crate::api::problem::{AnyProblem, ApiError, MissingProblem};
use crate::api::state::ApiState;
use crate::api::view::View;
use crate::api::word::LinkKindWord;
use crate::domain::access::Scope;
use crate::domain::link::{Link, LinkTarget};
use crate::domain::{DivisionCode, DivisionLevel, LinkKind};
use axum::Json;
use axum::extract::State;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::str::FromStr;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};

/// One group of targets that share their labels.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct TargetGroup {
    /// `host:port`, or an address for ICMP.
    targets: Vec<String>,
    /// Labels of the targets.
    labels: TargetLabels,
}

/// Labels of a target.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
enum TargetLabels {
    /// Of a link.
    Link(LinkLabels),
    /// Of a worker.
    Worker(WorkerLabels),
}

/// Labels of a worker: a service that watches and has its own `/metrics`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct WorkerLabels {
    /// Always `worker`.
    kind: &'static str,
    /// What it does: `all` watches, keeps and serves.
    role: &'static str,
}

/// Labels of a link, as our own link families have them.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct LinkLabels {
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

/// A kind of targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TargetKind {
    Link(LinkKind),
    Worker,
}

/// The word of what is no link.
const WORKER: &str = "worker";

impl TargetKind {
    fn words() -> impl Iterator<Item = &'static str> {
        LinkKind::ALL.into_iter().map(LinkKind::as_str).chain([WORKER])
    }
}

impl FromStr for TargetKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let link = LinkKind::ALL.into_iter().find(|kind| kind.as_str() == text).map(Self::Link);
        let kind = link.or((text == WORKER).then_some(Self::Worker));
        kind.ok_or_else(|| format!("`{text}` is none of {}", Self::words().collect::<Vec<_>>().join(", ")))
    }
}

impl utoipa::PartialSchema for TargetKind {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Self::words())).into()
    }
}

impl utoipa::ToSchema for TargetKind {}

/// Which targets.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TargetQuery {
    /// Only links of this kind; `worker` gives our own services instead, at the address that the request came to
    #[serde(default, deserialize_with = "text::optional")]
    #[param(inline)]
    kind: Option<TargetKind>,
    /// Only links of this division and what lies below it
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, pattern = "^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})$")]
    division: Option<DivisionCode>,
}

/// Lists the probe targets of the links, or our own workers, whole, for Prometheus `http_sd_configs`.
#[utoipa::path(get, path = "/api/v1/sd/prometheus", tag = "metrics", params(TargetQuery),
    responses((status = 200, body = Vec<TargetGroup>), AnyProblem, MissingProblem))]
pub(crate) async fn prometheus(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    headers: HeaderMap,
    Query(query): Query<TargetQuery>,
) -> Result<Json<Vec<TargetGroup>>, ApiError> {
    let scope = state.narrow(&caller, query.division)?;
    let kind = match query.kind {
        Some(TargetKind::Worker) => {
            return Ok(Json(vec![worker(&headers, state.inputs().settings.server.listen)]));
        }
        Some(TargetKind::Link(kind)) => Some(kind),
        None => None,
    };
    state.compute(move |view| Ok(Json(groups(view, scope, kind)))).await
}

/// We ourselves, where the asker reached us: the address that we listen on may be every address of the machine.
fn worker(headers: &HeaderMap, listen: SocketAddr) -> TargetGroup {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let address =
        host.filter(|host| host.port().is_some()).map_or(listen.to_string(), |host| host.to_string());
    TargetGroup {
        targets: vec![address],
        labels: TargetLabels::Worker(WorkerLabels { kind: WORKER, role: "all" }),
    }
}

fn groups(view: &View, scope: Scope, kind: Option<LinkKind>) -> Vec<TargetGroup> {
    let links = view.inventory.links.values().filter(|link| scope.holds(&link.division));
    links.filter(|link| is_asked(kind.as_ref(), &link.kind)).filter_map(group).collect()
}

fn group(link: &Link) -> Option<TargetGroup> {
    let (probe, target) = match link.target.as_ref()? {
        LinkTarget::Tcp { host, port } => ("tcp", format!("{host}:{port}")),
        LinkTarget::Icmp(address) => ("icmp", address.to_string()),
    };
    let level = |level| link.division.ancestor(level).map(|code| code.to_string()).unwrap_or_default();
    let labels = LinkLabels {
        link: link.code.to_string(),
        kind: link.kind.into(),
        probe,
        village: level(DivisionLevel::Village),
        township: level(DivisionLevel::Township),
        county: level(DivisionLevel::County),
    };
    Some(TargetGroup { targets: vec![target], labels: TargetLabels::Link(labels) })
}
