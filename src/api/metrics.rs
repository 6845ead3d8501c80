//! `/metrics`: process and worker families from the registry, point, village and link families from the live snapshot.
//!
//! Rendered off the async threads, one render at a time, straight into a gzip stream, 64 KiB of text at a time; the
//! compressed answer is kept for five seconds. A scrape never probes and never waits for anything but the render.

mod family;
pub(crate) mod label;
pub(crate) mod sli;
mod text;

use crate::api::guard::Reader;
use crate::api::problem::{AnyProblem, ApiError};
use crate::api::state::ApiState;
use crate::api::view::View;
use crate::config::PerPoint;
use crate::domain::Inventory;
use crate::health::snapshot::Snapshot;
use crate::telemetry;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::read::GzDecoder;
use futures::stream;
use sli::Ratios;
use std::convert::Infallible;
use std::io::{Cursor, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};
use text::Exposition;
use tokio::sync::Mutex;

/// How long an answer is kept: a second Prometheus, or a curious person, costs nothing.
const KEPT: Duration = Duration::from_secs(5);
/// Bytes of a streamed chunk.
const CHUNK: usize = 64 * 1024;
/// The Prometheus text format.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The answer that was rendered last; its lock is what makes renders go one at a time.
#[derive(Debug, Default)]
pub(crate) struct Scrapes(Mutex<Option<Scrape>>);

/// A rendered answer, compressed.
#[derive(Clone, Debug)]
struct Scrape {
    rendered: Instant,
    gzip: Bytes,
}

/// Every series of the service in the Prometheus text format; only for callers who may see everything.
///
/// The answer is rendered once and shared, and a part of it would make every sum over it wrong: a token with a division
/// is refused.
#[utoipa::path(get, path = "/metrics", tag = "metrics", responses(
    (status = 200, content_type = "text/plain", body = String, description = "Prometheus text format 0.0.4"),
    AnyProblem))]
pub(crate) async fn scrape(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    caller.needs_everything()?;
    let gzip = state.scrapes().current(&state).await?;
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let mut response = if accepted.is_some_and(|accepted| accepted.contains("gzip")) {
        let mut response = in_chunks(gzip).into_response();
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response
    } else {
        inflated(gzip).into_response()
    };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    Ok(response)
}

impl Scrapes {
    /// The kept answer while it is fresh, else a new one.
    async fn current(&self, state: &ApiState) -> Result<Bytes, ApiError> {
        let mut last = self.0.lock().await;
        if let Some(scrape) = last.as_ref().filter(|scrape| scrape.rendered.elapsed() < KEPT) {
            return Ok(scrape.gzip.clone());
        }
        let (state, rendered) = (state.clone(), Instant::now());
        let gzip = tokio::task::spawn_blocking(move || {
            render(&state.view(), state.inputs().settings.metrics.per_point, state.ratios())
        })
        .await
        .map_err(ApiError::internal)?
        .map_err(ApiError::internal)?;
        *last = Some(Scrape { rendered, gzip: gzip.clone() });
        Ok(gzip)
    }
}

/// Why an answer could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The registry could not be written.
    #[error("write the process families")]
    Registry(#[from] prometheus::Error),
    /// The text could not be compressed.
    #[error("compress the metrics")]
    Compress(#[from] std::io::Error),
}

/// Renders every family of these records and this snapshot, compressed. For benchmarks and tests; a scrape keeps its
/// label sets from one render to the next, which this does not.
pub fn render_once(
    inventory: Arc<Inventory>,
    snapshot: Arc<Snapshot>,
    per_point: PerPoint,
) -> Result<Bytes, RenderError> {
    render(&View::new(inventory, snapshot), per_point, &Ratios::default())
}

fn render(view: &View, per_point: PerPoint, ratios: &Ratios) -> Result<Bytes, RenderError> {
    let started = Instant::now();
    let mut exposition = Exposition::new();
    exposition.text(&telemetry::metric::render()?)?;
    family::points(view, per_point, &mut exposition)?;
    family::villages(view, &mut exposition)?;
    family::pictures(view, &mut exposition)?;
    family::links(view, &mut exposition)?;
    ratios.write(&mut exposition)?;
    let (gzip, series_count) = exposition.finish()?;
    telemetry::metrics_rendered(series_count, started.elapsed());
    Ok(gzip)
}

fn in_chunks(gzip: Bytes) -> Body {
    let chunks = stream::unfold(gzip, async |mut rest| {
        let chunk = rest.split_to(rest.len().min(CHUNK));
        (!chunk.is_empty()).then_some((Ok::<_, Infallible>(chunk), rest))
    });
    Body::from_stream(chunks)
}

/// The plain text, inflated chunk by chunk while it is sent (a chunk takes a fraction of a millisecond).
fn inflated(gzip: Bytes) -> Body {
    let decoder = GzDecoder::new(Cursor::new(gzip));
    let chunks = stream::unfold(decoder, async |mut decoder| match next_chunk(&mut decoder) {
        Ok(chunk) if chunk.is_empty() => None,
        read => Some((read, decoder)),
    });
    Body::from_stream(chunks)
}

fn next_chunk(decoder: &mut GzDecoder<Cursor<Bytes>>) -> std::io::Result<Bytes> {
    let mut chunk = Vec::with_capacity(CHUNK);
    decoder.by_ref().take(u64::try_from(CHUNK).unwrap_or(u64::MAX)).read_to_end(&mut chunk)?;
    Ok(chunk.into())
}
