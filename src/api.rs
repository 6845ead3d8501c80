//! Floor 5: the HTTP face. Router, access, one file per resource, metrics, the console page.
//!
//! Lists are answered from the shared inventory and the live snapshot in memory; history, figures and what people
//! enter come from `coverage` and `store`. Owns every JSON form (DTO) of the service and its OpenAPI document.

mod audit;
mod code;
mod console;
mod coverage;
mod deadman;
mod division;
mod edge;
mod event;
mod exclusion;
mod extract;
mod filter;
mod grid;
pub mod guard;
mod handover;
mod hold;
mod import;
mod incident;
mod link;
mod live;
pub mod metrics;
mod notification;
mod observation;
pub mod openapi;
mod page;
mod picture;
mod place;
mod point;
mod probe;
mod problem;
mod prose;
mod sd;
mod serve;
mod silence;
mod site;
mod state;
mod summary;
mod system;
mod tally;
mod time;
mod timeline;
mod view;
mod whole;
mod word;

pub use import::ImportSettings;
pub use live::WORKER_PATIENCE;
pub use serve::serve;
pub use state::{ApiInputs, ApiState, PictureInputs};

use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The whole HTTP face over this state.
pub fn router(state: ApiState) -> axum::Router {
    let (api, document) = documented().split_for_parts();
    let document = openapi::Document::new(document);
    edge::wrap(api.merge(document.route()).merge(console::routes()), &state).with_state(state)
}

/// Runs what the face does by itself (event frames, background figures) until it is cancelled. Spawn it once.
pub async fn run(state: ApiState, cancel: CancellationToken) {
    tokio::join!(event::run(&state, &cancel), metrics::sli::run(&state, &cancel));
}

/// The routes of the people on duty.
fn duty() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(incident::list))
        .routes(routes!(incident::one))
        .routes(routes!(incident::members))
        .routes(routes!(incident::events))
        .routes(routes!(incident::acknowledge))
        .routes(routes!(incident::acknowledge_many))
        .routes(routes!(incident::dispatch))
        .routes(routes!(incident::repair))
        .routes(routes!(incident::suspend))
        .routes(routes!(incident::resume))
        .routes(routes!(incident::call_false))
        .routes(routes!(incident::merge))
        .routes(routes!(incident::note))
        .routes(routes!(notification::list))
        .routes(routes!(silence::list, silence::enter))
        .routes(routes!(silence::end))
        .routes(routes!(handover::list, handover::give))
        .routes(routes!(handover::draft))
        .routes(routes!(handover::one))
        .routes(routes!(handover::take))
}

/// Every documented route; the OpenAPI document is collected from them.
fn documented() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(openapi::frame())
        .routes(routes!(division::list))
        .routes(routes!(division::one))
        .routes(routes!(division::villages))
        .routes(routes!(division::village))
        .routes(routes!(grid::list))
        .routes(routes!(grid::one))
        .routes(routes!(site::list))
        .routes(routes!(site::one))
        .routes(routes!(point::list))
        .routes(routes!(point::one))
        .routes(routes!(point::look))
        .routes(routes!(picture::summary))
        .routes(routes!(picture::one))
        .routes(routes!(picture::set_framing))
        .routes(routes!(picture::change_baseline))
        .routes(routes!(picture::add_false_alarm))
        .routes(routes!(picture::snapshot))
        .routes(routes!(link::list))
        .routes(routes!(link::one))
        .routes(routes!(place::list))
        .routes(routes!(place::one))
        .routes(routes!(timeline::timeline))
        .routes(routes!(observation::observations))
        .routes(routes!(summary::summary))
        .routes(routes!(hold::list))
        .routes(routes!(hold::release))
        .routes(routes!(coverage::report))
        .routes(routes!(coverage::gaps))
        .routes(routes!(coverage::targets))
        .merge(duty())
        .routes(routes!(deadman::beat))
        .routes(routes!(deadman::list))
        .routes(routes!(exclusion::list, exclusion::enter))
        .routes(routes!(exclusion::approve))
        .routes(routes!(exclusion::withdraw))
        .routes(routes!(import::list, import::post))
        .routes(routes!(audit::list))
        .routes(routes!(sd::prometheus))
        .routes(routes!(event::stream))
        .routes(routes!(metrics::scrape))
        .routes(routes!(probe::probe))
        .routes(routes!(system::system))
        .routes(routes!(live::healthz))
        .routes(routes!(live::readyz))
}
