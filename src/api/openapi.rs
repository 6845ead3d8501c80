//! The OpenAPI 3.1 document: collected from the handlers, served at `/api/v1/openapi.json`, kept as `docs/openapi.json`.

use crate::api::state::ApiState;
use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Arc;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContactBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder,
    SecurityRequirement,
};

/// Where the document is served.
const PATH: &str = "/api/v1/openapi.json";

/// The document as it is served and committed.
pub fn document() -> String {
    pretty(&crate::api::documented().into_openapi())
}

fn pretty(document: &OpenApi) -> String {
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// What every operation shares.
pub(crate) fn frame() -> OpenApi {
    let info = InfoBuilder::new()
        .title("sharpeyes")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Health and coverage of a village camera network. Lists are keyset pages `{items, next}`; errors are \
             RFC 9457 problems with a stable `code`. Until the first token is made, requests from loopback are \
             served as role admin.",
        ))
        .contact(Some(ContactBuilder::new().name(Some("sharpeyes")).build()))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("Made by `sharpeyes token add`; role read, operate or admin."))
        .build();
    let components = ComponentsBuilder::new().security_scheme("token", SecurityScheme::Http(token)).build();
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .security(Some([SecurityRequirement::new("token", Vec::<String>::new())]))
        .build()
}

/// The document, rendered once.
#[derive(Clone, Debug)]
pub(crate) struct Document(Arc<str>);

impl Document {
    /// Renders the document.
    pub(crate) fn new(document: OpenApi) -> Self {
        Self(pretty(&document).into())
    }

    /// The route that serves it.
    pub(crate) fn route(self) -> Router<ApiState> {
        let text: bytes::Bytes = self.0.as_bytes().to_vec().into();
        let serve =
            async move || ([(header::CONTENT_TYPE, "application/json")], text.clone()).into_response();
        Router::new().route(PATH, get(serve))
    }
}
