//! The extractors of this API: axum's, with every rejection turned into a problem.

use crate::api::problem::ApiError;
use axum::extract::{FromRequest, FromRequestParts};

/// The query string.
#[derive(Clone, Copy, Debug, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ApiError))]
pub(crate) struct Query<T>(pub(crate) T);

/// The variables of the path.
#[derive(Clone, Copy, Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub(crate) struct Path<T>(pub(crate) T);

/// A JSON body.
#[derive(Clone, Copy, Debug, FromRequest)]
#[from_request(via(axum::Json), rejection(ApiError))]
pub(crate) struct Json<T>(pub(crate) T);

/// Reads a value from its text, for `#[serde(deserialize_with)]`.
pub(crate) mod text {
    use serde::{Deserialize, Deserializer, de};
    use std::borrow::Cow;
    use std::fmt::Display;
    use std::str::FromStr;

    /// ..one that is there.
    pub(crate) fn required<'de, D, T>(deserializer: D) -> Result<T, D::Error>
    where
        D: Deserializer<'de>,
        T: FromStr<Err: Display>,
    {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }

    /// ..one that may be left out.
    pub(crate) fn optional<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        D: Deserializer<'de>,
        T: FromStr<Err: Display>,
    {
        required(deserializer).map(Some)
    }
}
