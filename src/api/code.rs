//! Codes as JSON bodies write them: text of a documented form.

use crate::domain::{DivisionCode, LinkCode, PointCode, SiteCode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident($code:ty) $pattern:literal;)*) => {
        $($(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) struct $name(pub(crate) $code);

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::api::extract::text::required(deserializer).map(Self)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new().schema_type(Type::String).pattern(Some($pattern)).into()
            }
        }

        impl utoipa::ToSchema for $name {})*
    };
}

codes! {
    /// Code of a division.
    DivisionCodeText(DivisionCode) "^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})$";
    /// Code of a point.
    PointCodeText(PointCode) "^([0-9]{18}|[0-9]{20})$";
    /// Code of a site.
    SiteCodeText(SiteCode) "^[^\\s\\x00-\\x1f\\x7f-\\x9f]{1,64}$";
    /// Code of a link.
    LinkCodeText(LinkCode) "^[^\\s\\x00-\\x1f\\x7f-\\x9f]{1,64}$";
}
