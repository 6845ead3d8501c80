//! The closed sets of the domain as JSON and query parameters write them: one word, documented as an enumeration.

use crate::coverage::gap::GapKind;
use crate::domain::contact::ContactRole;
use crate::domain::gap::GapReason;
use crate::domain::grid::GridKind;
use crate::domain::incident::{Level, RepairReason, RootKind, Stage as IncidentStage};
use crate::domain::message::MessageKind;
use crate::domain::outbox::EntryState;
use crate::domain::picture::baseline::Origin;
use crate::domain::picture::{Item, Light};
use crate::domain::place::PlaceKind;
use crate::domain::silence::SilenceState;
use crate::domain::site::Datum;
use crate::domain::{
    Codec, DivisionLevel, ExclusionKind, LinkKind, Look, PointClass, PointStatus, Provenance, Stage, State,
    WatchMode,
};
use crate::health::examiner::BaselineStep;
use crate::health::snapshot::LinkStatus;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};

/// Defines the JSON form of closed sets.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident($kind:ty) as $schema:literal, $values:expr;)*) => {
        $($(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) struct $name(pub(crate) $kind);

        impl From<$kind> for $name {
            fn from(value: $kind) -> Self {
                Self(value)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                let found = $values.into_iter().find(|value| value.as_str() == text);
                found.map(Self).ok_or_else(|| none_of(&text, &$values.map(|value| value.as_str())))
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let words = $values.map(|value| value.as_str());
                ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).into()
            }
        }

        impl utoipa::ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($schema)
            }
        })*
    };
}

/// Refuses a text that is none of the words.
pub(crate) fn none_of<E: de::Error>(text: &str, words: &[&str]) -> E {
    E::custom(format_args!("`{text}` is none of {}", words.join(", ")))
}

words! {
    /// [`IncidentStage`] as a word.
    IncidentStageWord(IncidentStage) as "IncidentStage", IncidentStage::ALL;
    /// [`ContactRole`] as a word.
    ContactRoleWord(ContactRole) as "ContactRole", ContactRole::ALL;
    /// [`RootKind`] as a word.
    RootKindWord(RootKind) as "RootKind", RootKind::ALL;
    /// [`SilenceState`] as a word.
    SilenceStateWord(SilenceState) as "SilenceState", SilenceState::ALL;
    /// [`EntryState`] as a word.
    EntryStateWord(EntryState) as "NotificationState", EntryState::ALL;
    /// [`MessageKind`] as a word.
    MessageKindWord(MessageKind) as "MessageKind", MessageKind::ALL;
    /// [`Level`] as a word.
    LevelWord(Level) as "Level", Level::ALL;
    /// [`RepairReason`] as a word.
    RepairReasonWord(RepairReason) as "RepairReason", RepairReason::ALL;
    /// [`State`] as a word.
    StateWord(State) as "State", State::ALL;
    /// [`DivisionLevel`] as a word.
    DivisionLevelWord(DivisionLevel) as "DivisionLevel", DivisionLevel::ALL;
    /// [`GridKind`] as a word.
    GridKindWord(GridKind) as "GridKind", GridKind::ALL;
    /// [`LinkKind`] as a word.
    LinkKindWord(LinkKind) as "LinkKind", LinkKind::ALL;
    /// [`PlaceKind`] as a word.
    PlaceKindWord(PlaceKind) as "PlaceKind", PlaceKind::ALL;
    /// [`PointClass`] as a word.
    PointClassWord(PointClass) as "PointClass", PointClass::ALL;
    /// [`PointStatus`] as a word.
    PointStatusWord(PointStatus) as "PointStatus", PointStatus::ALL;
    /// [`WatchMode`] as a word.
    WatchModeWord(WatchMode) as "WatchMode", WatchMode::ALL;
    /// [`Datum`] as a word.
    DatumWord(Datum) as "Datum", Datum::ALL;
    /// [`Codec`] as a word.
    CodecWord(Codec) as "Codec", Codec::ALL;
    /// [`Provenance`] as a word.
    ProvenanceWord(Provenance) as "Provenance", Provenance::ALL;
    /// [`ExclusionKind`] as a word.
    ExclusionKindWord(ExclusionKind) as "ExclusionKind", ExclusionKind::ALL;
    /// [`Look`] as a word.
    LookWord(Look) as "Look", Look::ALL;
    /// [`Stage`] as a word.
    StageWord(Stage) as "Stage", Stage::ALL;
    /// [`Item`] as a word.
    ItemWord(Item) as "PictureItemWord", Item::ALL;
    /// [`Light`] as a word.
    LightWord(Light) as "PictureLight", Light::ALL;
    /// [`Origin`] as a word.
    BaselineOriginWord(Origin) as "BaselineOrigin", Origin::ALL;
    /// [`BaselineStep`] as a word.
    BaselineStepWord(BaselineStep) as "BaselineStep", BaselineStep::ALL;
    /// [`GapKind`] as a word.
    GapKindWord(GapKind) as "GapKind", GapKind::ALL;
    /// [`GapReason`] as a word.
    GapReasonWord(GapReason) as "GapReason", GapReason::ALL;
    /// [`LinkStatus`] as a word.
    LinkStatusWord(LinkStatus) as "LinkStatus", LinkStatus::ALL;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_of_its_set() {
        assert_eq!(serde_json::from_str::<StateWord>("\"no_video\"").unwrap(), StateWord(State::NoVideo));
        let error = serde_json::from_str::<StateWord>("\"fine\"").unwrap_err().to_string();
        assert!(error.contains("`fine` is none of good, degraded"), "{error}");
    }
}
