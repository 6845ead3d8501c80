//! `imports`: files into the inventory, all or nothing, and the runs that were.

mod dto;

use crate::api::extract::Query;
use crate::api::guard::{Administrator, Reader};
use crate::api::page::{Limit, Page};
use crate::api::problem::{AnyProblem, ApiError, ConflictProblem, LargeProblem};
use crate::api::prose::{self, Layout};
use crate::api::state::ApiState;
use crate::api::word::DatumWord;
use crate::domain::site::Datum;
use crate::inventory::brand::Brands;
use crate::inventory::{ImportError, ImportRequest, Mode, SourceFile, import};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use dto::{ImportReportDto, ImportRunDto, TableKindWord};
use jiff::tz::TimeZone;
use serde::{Deserialize, de};
use std::path::PathBuf;

/// What an import over HTTP needs beside its file.
#[derive(Clone, Debug)]
pub struct ImportSettings {
    /// The key that seals credentials.
    pub key_file: PathBuf,
    /// Stream addresses by brand.
    pub brands: Brands,
    /// Zone of days without an offset.
    pub zone: TimeZone,
}

/// Which runs.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RunQuery {
    /// Runs before this number: `next` of the page before
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 0, maximum = 4294967295i64)]
    before: Option<u32>,
    /// Items per page
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    limit: Limit,
}

/// Lists the imports that were applied or refused, newest first; only for callers who may see everything.
#[utoipa::path(get, path = "/api/v1/imports", tag = "imports", params(RunQuery),
    responses((status = 200, body = Page<ImportRunDto>), AnyProblem))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Query(query): Query<RunQuery>,
) -> Result<Json<Page<ImportRunDto>>, ApiError> {
    caller.needs_everything()?;
    let before = query.before.map(i64::from);
    let rows = state.inputs().store.import_runs(before, query.limit.one_more()).await?;
    Ok(Json(Page::cut(rows.into_iter(), query.limit, |row| row.id.to_string(), ImportRunDto::from)))
}

/// What the body is.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportQuery {
    /// Name of the file; tells its form, and the kind of its rows unless `kind` does
    #[param(value_type = String, min_length = 1, max_length = 200, example = "points.csv",
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]*$")]
    name: Name,
    /// Kind of the rows of a CSV file
    #[param(inline)]
    kind: Option<TableKindWord>,
    /// Coordinate system of positions that name none; WGS-84 when left out
    #[param(inline)]
    datum: Option<DatumWord>,
    /// Show the difference and change nothing
    #[serde(default)]
    dry_run: bool,
}

/// Name of a file, 1 to 200 characters.
#[derive(Debug)]
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Err(de::Error::custom("`name` has at least one character"));
        }
        prose::check("name", &text, Layout::Line, 200).map_err(de::Error::custom)?;
        Ok(Self(text))
    }
}

/// Imports one file (CSV in UTF-8 or GB18030, or XLSX), all or nothing, or shows what it would change.
#[utoipa::path(post, path = "/api/v1/imports", tag = "imports", params(ImportQuery),
    request_body(content_type = "application/octet-stream", content = Vec<u8>, description = "The bytes of the file"),
    responses((status = 200, body = ImportReportDto, description = "Applied, or what would change"),
        (status = 422, body = ImportReportDto, description = "Refused: the report names every fault"),
        AnyProblem, LargeProblem, ConflictProblem))]
pub(crate) async fn post(
    State(state): State<ApiState>,
    Administrator(caller): Administrator,
    Query(query): Query<ImportQuery>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<ImportReportDto>), ApiError> {
    caller.needs_everything()?;
    let bytes = body?.to_vec();
    if !query.dry_run {
        let note = serde_json::json!({ "name": query.name.0, "bytes": bytes.len() }).to_string();
        state.audit(&caller, "import.apply", &query.name.0, &note).await?;
    }
    let request = request(state.inputs().imports.clone(), query, bytes, caller.name);
    let report = import(&state.inputs().store, &state.inputs().clock, request).await.map_err(failed)?;
    let status = if report.is_refused() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok((status, Json(ImportReportDto::from(report))))
}

fn request(settings: ImportSettings, query: ImportQuery, bytes: Vec<u8>, by: String) -> ImportRequest {
    ImportRequest {
        files: vec![SourceFile { name: query.name.0, bytes }],
        kind: query.kind.map(|kind| kind.0),
        datum: query.datum.map_or(Datum::Wgs84, |datum| datum.0),
        zone: settings.zone,
        mode: if query.dry_run { Mode::DryRun } else { Mode::Apply },
        by,
        key_file: settings.key_file,
        brands: settings.brands,
        progress: None,
    }
}

fn failed(error: ImportError) -> ApiError {
    match error {
        ImportError::Store(error) => error.into(),
        ImportError::Stale => ApiError::Conflict(error.to_string()),
        ImportError::Credential(_) | ImportError::Interrupted(_) => ApiError::internal(error),
    }
}
