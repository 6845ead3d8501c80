//! Instants as JSON and query parameters write them: RFC 3339.

use crate::api::problem::ApiError;
use crate::domain::{Timestamp, Window};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::time::Duration;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};

/// An instant, RFC 3339, always in UTC when written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) Timestamp);

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&rfc_3339(self.0))
    }
}

/// An instant as RFC 3339, in UTC; one outside of the years that it can write becomes the nearest one inside.
pub(crate) fn rfc_3339(at: Timestamp) -> String {
    let nearest = if at.as_millis() < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or(nearest).to_string()
}

/// The window asked for; its end is now and its length `span` where they are left out.
pub(crate) fn window_or_last(
    from: Option<Time>,
    to: Option<Time>,
    span: Duration,
    now: Timestamp,
) -> Result<Window, ApiError> {
    let end = to.map_or(now, |to| to.0);
    let start = from.map_or_else(|| end.minus(span), |from| from.0);
    Window::new(start, end).ok_or_else(|| ApiError::Unprocessable("`from` must lie before `to`".to_owned()))
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let instant: jiff::Timestamp = text.parse().map_err(|_not_a_time| {
            de::Error::custom(
                "a time is written as RFC 3339: 2026-10-01T00:00:00+08:00, in an address with %2B for +",
            )
        })?;
        Ok(Self(Timestamp::from_millis(instant.as_millisecond())))
    }
}

impl utoipa::PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .into()
    }
}

impl utoipa::ToSchema for Time {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_rfc_3339() {
        let check = |text: &str, expected: Option<i64>| {
            let read: Result<Time, _> = serde_json::from_str(&format!("\"{text}\""));
            assert_eq!(read.ok().map(|time| time.0.as_millis()), expected, "{text}");
        };
        check("1970-01-01T00:00:01Z", Some(1_000));
        check("1970-01-01T08:00:00.5+08:00", Some(500));
        check("1970-01-01", None);
        check("1970-01-01T00:00:00", None);
        check("yesterday", None);
        let written = serde_json::to_string(&Time(Timestamp::from_millis(1_500))).unwrap();
        assert_eq!(written, "\"1970-01-01T00:00:01.5Z\"");
    }
}
