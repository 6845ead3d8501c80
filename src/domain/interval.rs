//! State intervals: the kept history of a point.

use crate::domain::{Condition, PointCode, Timestamp, Window};
use std::borrow::Cow;

/// Where an interval comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provenance {
    /// Looks at the point itself.
    Probe,
    /// Derived: from a link, our own outage, a bulk cause.
    Derived,
    /// Brought in from another system's history.
    Import,
    /// Set right by a person, signed.
    Correction,
}

impl Provenance {
    /// The word used in SQL and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Derived => "derived",
            Self::Import => "import",
            Self::Correction => "correction",
        }
    }

    /// Every provenance.
    pub const ALL: [Self; 4] = [Self::Probe, Self::Derived, Self::Import, Self::Correction];
}

/// Why an interval was opened: the proof, small enough to keep with it.
///
/// Pairs of a stable word and a value (`stage=describe`, `status=401`, `lost_over_sent=0.031`, `first_failed=..`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence(pub Vec<(Cow<'static, str>, String)>);

impl Evidence {
    /// The value behind a word.
    pub fn get(&self, word: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == word).map(|(_, value)| value.as_str())
    }
}

/// `[start, end)` of one condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateInterval {
    /// The span of time.
    pub window: Window,
    /// State and cause.
    pub condition: Condition,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// A point's condition changed: closes the open interval at `at` and opens the next one there.
///
/// (`point`, `at`) is the idempotency key: applying the same transition twice changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The point.
    pub point: PointCode,
    /// Start of the new interval; back-dated to the first failed look, never before the open interval's start.
    pub at: Timestamp,
    /// When the change was decided.
    pub decided: Timestamp,
    /// The condition before.
    pub from: Condition,
    /// The condition from `at` on.
    pub to: Condition,
    /// The proof.
    pub evidence: Evidence,
    /// Where it comes from.
    pub provenance: Provenance,
}
