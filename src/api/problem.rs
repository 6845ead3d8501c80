//! Errors as the client sees them: RFC 9457 `application/problem+json` with a stable `code` and the request id.
//!
//! A handler returns [`ApiError`]; the outermost layer (`edge`) writes the body, because only it knows the request id,
//! and logs the cause of a server error once.

use crate::store::StoreError;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;

/// Why a request was not served.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// A path, query or body that cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// Readable, but it contradicts itself or the records.
    #[error("{0}")]
    Unprocessable(String),
    /// No valid token.
    #[error("a valid bearer token is needed")]
    Unauthenticated,
    /// No token was ever made, and the request names another host than this machine: a page that rebinds its name.
    #[error("without a token this service answers to 127.0.0.1, [::1] and localhost only")]
    ForeignHost,
    /// The token's role is too weak.
    #[error("the token's role does not permit this")]
    Forbidden,
    /// The division asked for lies outside the token's division.
    #[error("the division lies outside the token's division")]
    OutsideScope,
    /// What is asked for is about the whole network, and the token may see one division only.
    #[error("this is about the whole network: it needs a token without a division")]
    WholeNetworkOnly,
    /// A page of another site tried to act.
    #[error("requests from other sites are refused")]
    CrossSite,
    /// Nothing has this code, or it lies outside the token's division.
    #[error("no {what} has the code `{code}`")]
    NotFound {
        /// Which kind of thing.
        what: &'static str,
        /// The code asked for.
        code: String,
    },
    /// A filter names what the records do not hold, or what lies outside the token's division.
    #[error("`{what}={code}`: no {what} has this code; /api/v1/{what}s lists those that there are")]
    UnknownFilter {
        /// Which kind of thing, and the name of the parameter.
        what: &'static str,
        /// The code asked for.
        code: String,
    },
    /// No such path.
    #[error("no such path")]
    NoRoute,
    /// The path does not serve this method.
    #[error("the path does not serve this method")]
    MethodNotAllowed,
    /// The thing is not in a state that permits this.
    #[error("{0}")]
    Conflict(String),
    /// The body is too large.
    #[error("the body is larger than this service takes")]
    TooLarge,
    /// The body's type is not what the path takes.
    #[error("the body must be {0}")]
    MediaType(&'static str),
    /// What is asked for takes from a device that has no more to give now.
    #[error("{0}")]
    TooMany(String),
    /// A queue is full.
    #[error("the service is busy; try again")]
    Busy,
    /// The request took longer than the limit.
    #[error("the request took too long")]
    TimedOut,
    /// The database cannot be used now.
    #[error("the database is not available; try again in a moment")]
    Store(#[source] Arc<StoreError>),
    /// A fault of ours.
    #[error("an internal fault")]
    Internal(#[source] Arc<dyn std::error::Error + Send + Sync>),
}

impl ApiError {
    /// A fault of ours, with its cause for the log.
    pub(crate) fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Internal(Arc::new(error))
    }

    /// Status and stable code.
    pub(crate) const fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, "malformed"),
            Self::Unprocessable(_) => (StatusCode::UNPROCESSABLE_ENTITY, "unprocessable"),
            Self::Unauthenticated | Self::ForeignHost => (StatusCode::UNAUTHORIZED, "unauthenticated"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
            Self::OutsideScope | Self::WholeNetworkOnly => (StatusCode::FORBIDDEN, "outside_scope"),
            Self::CrossSite => (StatusCode::FORBIDDEN, "cross_site"),
            Self::NotFound { .. } | Self::UnknownFilter { .. } => (StatusCode::NOT_FOUND, "not_found"),
            Self::NoRoute => (StatusCode::NOT_FOUND, "no_route"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::MediaType(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type"),
            Self::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "too_many"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::TimedOut => (StatusCode::SERVICE_UNAVAILABLE, "timed_out"),
            Self::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.kind().0.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<QueryRejection> for ApiError {
    /// The parameter and what is wrong with it, without the words of the library in front.
    fn from(rejection: QueryRejection) -> Self {
        let text = rejection.body_text();
        let wrong = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
        Self::Malformed(wrong.to_owned())
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::Malformed(rejection.body_text())
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::MediaType("application/json"),
            _ => Self::Malformed(rejection.body_text()),
        }
    }
}

impl From<BytesRejection> for ApiError {
    fn from(rejection: BytesRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            _ => Self::Malformed(rejection.body_text()),
        }
    }
}

/// An error, RFC 9457.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Problem {
    /// Always `about:blank`: the code tells the kind.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// The stable code of the error.
    code: &'static str,
    /// One sentence.
    detail: String,
    /// Names this request in the service's log.
    request_id: String,
}

impl Problem {
    /// What the client sees of an error.
    pub(crate) fn new(error: &ApiError, request_id: &str) -> Self {
        let (status, code) = error.kind();
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            code,
            detail: error.to_string(),
            request_id: request_id.to_owned(),
        }
    }
}

macro_rules! problems {
    ($(#[$doc:meta])* $name:ident: $($variant:ident $status:literal $text:literal,)*) => {
        $(#[$doc])*
        #[derive(utoipa::IntoResponses)]
        #[expect(dead_code, reason = "tells the OpenAPI document which errors an operation answers")]
        pub(crate) enum $name {
            $(#[doc = $text]
            #[response(status = $status, content_type = "application/problem+json")]
            $variant(#[to_schema] Problem),)*
        }
    };
}

problems! {
    /// The errors of every guarded operation.
    AnyProblem:
        Malformed 400 "A path, query or body that cannot be read",
        Unauthenticated 401 "No valid token",
        Forbidden 403 "The token's role or division does not permit this",
        Internal 500 "A fault of the service",
        Unavailable 503 "The database or a queue is not available, or the request took too long",
}

problems! {
    /// ..of an operation on one thing.
    MissingProblem:
        NotFound 404 "Nothing has this code, or it lies outside the token's division",
}

problems! {
    /// ..of an operation whose request can contradict itself or the records.
    ContradictionProblem:
        Unprocessable 422 "Readable, but it contradicts itself or the records",
}

problems! {
    /// ..of an operation that uses a device.
    TooManyProblem:
        TooMany 429 "The device has no more to give now; ask again later",
}

problems! {
    /// ..of an operation with a body of any type.
    LargeProblem:
        TooLarge 413 "The body is too large",
}

problems! {
    /// ..of an operation with a body.
    BodyProblem:
        TooLarge 413 "The body is too large",
        MediaType 415 "The body's type is not what the path takes",
}

problems! {
    /// ..of an operation that the state of a thing can forbid.
    ConflictProblem:
        Conflict 409 "The thing is not in a state that permits this",
}
