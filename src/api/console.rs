//! The console: pages as static files inside the binary. Nothing is fetched from elsewhere.

use crate::api::state::ApiState;
use axum::Router;
use axum::http::header;
use axum::routing::get;

/// A file of the console: its path, its type, what it holds.
type File = (&'static str, &'static str, &'static [u8]);

const PAGE: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

const FILES: &[File] = &[
    ("/", PAGE, include_bytes!("../../web/index.html")),
    ("/duty", PAGE, include_bytes!("../../web/duty.html")),
    ("/base.js", SCRIPT, include_bytes!("../../web/base.js")),
    ("/console.js", SCRIPT, include_bytes!("../../web/console.js")),
    ("/duty.js", SCRIPT, include_bytes!("../../web/duty.js")),
    ("/form.js", SCRIPT, include_bytes!("../../web/form.js")),
    ("/handover.js", SCRIPT, include_bytes!("../../web/handover.js")),
    ("/incident.js", SCRIPT, include_bytes!("../../web/incident.js")),
    ("/silence.js", SCRIPT, include_bytes!("../../web/silence.js")),
    ("/sound.js", SCRIPT, include_bytes!("../../web/sound.js")),
    ("/word.js", SCRIPT, include_bytes!("../../web/word.js")),
    ("/console.css", STYLE, include_bytes!("../../web/console.css")),
    ("/duty.css", STYLE, include_bytes!("../../web/duty.css")),
    ("/favicon.svg", "image/svg+xml", include_bytes!("../../web/favicon.svg")),
];

/// The pages and their files.
pub(crate) fn routes() -> Router<ApiState> {
    FILES.iter().fold(Router::new(), |router, &(path, kind, content)| {
        let head = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")];
        router.route(path, get(async move || (head, content)))
    })
}

/// Whether a path is a file of the console: it holds no data, so it is served without a token.
pub(crate) fn serves(path: &str) -> bool {
    FILES.iter().any(|(known, ..)| *known == path)
}
