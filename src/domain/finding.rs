//! What the watchers report and what the health tracker asks of them: the two bounded channels between the floors.

use crate::domain::picture::PictureVerdict;
use crate::domain::{Cause, LinkCode, Observation, PointCode, Timestamp};
use std::time::Duration;

/// A fact for the health tracker.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// A look at a point.
    Look(Box<Observation>),
    /// A probe of a link.
    Link(LinkObservation),
    /// What is believed of a point's picture.
    Picture(Box<PictureVerdict>),
}

/// What one probe of a link found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkObservation {
    /// The link.
    pub link: LinkCode,
    /// When the probe began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// Round-trip time, or why there was none.
    pub outcome: Result<Duration, Cause>,
}

/// What the health tracker asks of the watchers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Look at these points soon, spread over the given time (suspicion, siblings, recovery).
    LookSoon {
        /// The points.
        points: Vec<PointCode>,
        /// Starts are spread over this time.
        spread: Duration,
    },
    /// Probe a link at once.
    ProbeLink(LinkCode),
    /// A link is down: of the points behind it look at one only (the canary), until it is up again.
    LinkDown(LinkCode),
    /// A link is up again: look at all of the points behind it.
    LinkUp {
        /// The link.
        link: LinkCode,
        /// Starts are spread over this time.
        spread: Duration,
    },
}
