//! The console page: three static files inside the binary. Nothing is fetched from elsewhere.

use crate::api::state::ApiState;
use axum::Router;
use axum::http::header;
use axum::routing::get;

const PAGE: &[u8] = include_bytes!("../../web/index.html");
const SCRIPT: &[u8] = include_bytes!("../../web/console.js");
const STYLE: &[u8] = include_bytes!("../../web/console.css");
const ICON: &[u8] = include_bytes!("../../web/favicon.svg");

/// The page and its files.
pub(crate) fn routes() -> Router<ApiState> {
    let serve = |kind: &'static str, content: &'static [u8]| {
        get(async move || ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], content))
    };
    Router::new()
        .route("/", serve("text/html; charset=utf-8", PAGE))
        .route("/console.js", serve("text/javascript; charset=utf-8", SCRIPT))
        .route("/console.css", serve("text/css; charset=utf-8", STYLE))
        .route("/favicon.svg", serve("image/svg+xml", ICON))
}
