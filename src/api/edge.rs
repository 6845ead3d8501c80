//! The outermost layers: request id, problem bodies, deadlines, limits, compression, security headers.

use crate::api::problem::{ApiError, Problem};
use crate::api::state::ApiState;
use crate::api::{console, guard};
use crate::telemetry;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use std::any::Any;
use std::time::{Duration, Instant};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;

/// An import of hundreds of thousands of rows takes minutes on a small machine.
const IMPORT_DEADLINE: Duration = Duration::from_secs(600);
/// When a client whose request was not served for want of something that comes back is to try again.
const RETRY_AFTER_SECONDS: &str = "5";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Nothing comes from elsewhere, nothing may frame the page, nothing runs that is not our own file.
const CONTENT_SECURITY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Signs of life are given without a token.
const OPEN_PATHS: &[&str] = &["/healthz", "/readyz"];

/// Puts the layers around the routes.
pub(crate) fn wrap(routes: Router<ApiState>, state: &ApiState) -> Router<ApiState> {
    routes
        .fallback(async || ApiError::NoRoute)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(from_fn_with_state(state.clone(), guarded))
        .layer(from_fn_with_state(state.clone(), deadline))
        .layer(DefaultBodyLimit::max(state.inputs().settings.server.body_limit_bytes))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(identified))
        .layer(CompressionLayer::new())
        .layer(map_response(secured))
        .layer(SetSensitiveRequestHeadersLayer::new([header::AUTHORIZATION, header::COOKIE]))
}

async fn guarded(state: State<ApiState>, request: Request, next: Next) -> Result<Response, ApiError> {
    let path = request.uri().path();
    if OPEN_PATHS.contains(&path) || console::serves(path) {
        return Ok(next.run(request).await);
    }
    guard::authenticate(state, request, next).await
}

/// The time until the answer begins; a stream may go on afterwards.
async fn deadline(State(state): State<ApiState>, request: Request, next: Next) -> Result<Response, ApiError> {
    let is_import = request.method() == Method::POST && request.uri().path() == "/api/v1/imports";
    let limit = if is_import { IMPORT_DEADLINE } else { state.inputs().settings.server.request_timeout };
    tokio::time::timeout(limit, next.run(request)).await.map_err(|_elapsed| ApiError::TimedOut)
}

/// Names the request and writes the body of a problem.
async fn identified(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let request_id = format!("{:016x}", rand::random::<u64>());
    let (method, path) = (request.method().clone(), path_of(request.uri()));
    let mut response = next.run(request).await;
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        write_problem(&mut response, &error, &request_id);
    }
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::debug!(request.id = request_id, %method, path, status = response.status().as_u16(), duration_ms,
        "{method} {path} was answered");
    response
}

/// The path without its query, which may hold what people search for.
fn path_of(uri: &Uri) -> String {
    uri.path().to_owned()
}

fn write_problem(response: &mut Response, error: &ApiError, request_id: &str) {
    let (_, code) = error.kind();
    if let ApiError::Store(source) = error {
        telemetry::request_failed(request_id, code, source.as_ref());
    } else if let ApiError::Internal(source) = error {
        telemetry::request_failed(request_id, code, source.as_ref());
    }
    let (parts, body) = Json(Problem::new(error, request_id)).into_response().into_parts();
    *response.body_mut() = body;
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.extend(parts.headers);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    match error.kind().0 {
        StatusCode::UNAUTHORIZED => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        _ => {}
    }
}

/// A handler panicked. The panic hook has logged it.
#[derive(Debug, thiserror::Error)]
#[error("a handler panicked: {0}")]
struct HandlerPanic(String);

fn panicked(panic: Box<dyn Any + Send + 'static>) -> axum::http::Response<Body> {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    ApiError::internal(HandlerPanic(text)).into_response()
}

async fn secured(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
