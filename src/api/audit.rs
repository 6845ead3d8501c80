//! `audit`: who did what, newest first.

use crate::api::extract::Query;
use crate::api::guard::Administrator;
use crate::api::page::{Limit, Page};
use crate::api::problem::{AnyProblem, ApiError};
use crate::api::state::ApiState;
use crate::api::time::Time;
use crate::store::audit::AuditEntry;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

/// One entry of the audit chain.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AuditEntry)]
pub(crate) struct AuditDto {
    /// Number, without a gap.
    seq: i64,
    /// When.
    at: Time,
    /// Who: the name of the token, `cli:` and the user of the command line, or `local` before the first token.
    actor: String,
    /// What.
    action: String,
    /// On what.
    subject: String,
    /// The request as JSON, without secrets.
    body: String,
    /// SHA-256 that chains the entry to the one before.
    hash: String,
}

impl From<AuditEntry> for AuditDto {
    fn from(entry: AuditEntry) -> Self {
        let AuditEntry { seq, note, hash, .. } = entry;
        let at = note.at.into();
        Self { seq, at, actor: note.actor, action: note.action, subject: note.subject, body: note.body, hash }
    }
}

/// Which entries.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Entries before this number: `next` of the page before
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 0, maximum = 4294967295i64)]
    before: Option<u32>,
    /// Items per page
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    limit: Limit,
}

/// Lists what was done, newest first; only for administrators who may see everything.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", params(AuditQuery),
    responses((status = 200, body = Page<AuditDto>), AnyProblem))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Administrator(caller): Administrator,
    Query(query): Query<AuditQuery>,
) -> Result<Json<Page<AuditDto>>, ApiError> {
    caller.needs_everything()?;
    let before = query.before.map(i64::from);
    let rows = state.inputs().store.audit_page(before, query.limit.one_more()).await?;
    Ok(Json(Page::cut(rows.into_iter(), query.limit, |row| row.seq.to_string(), AuditDto::from)))
}
