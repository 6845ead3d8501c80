//! The live picture of the network: what `api`, metrics and coverage read. Published whole, never changed in place.

use crate::domain::{Cause, Condition, LinkCode, Measurement, PointCode, State, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// The whole network at one instant.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// When it was taken.
    pub taken: Timestamp,
    /// Grows with every published snapshot.
    pub sequence: u64,
    /// Every watched and unwatched point in use, ordered by code.
    pub points: Vec<Arc<LivePoint>>,
    /// Every link, ordered by code.
    pub links: Vec<LiveLink>,
    /// Whether every watched point was looked at once since start.
    pub first_round_done: bool,
    /// Set while most of everything fails at once and we suspect ourselves.
    pub suspects_itself: bool,
}

/// A point now.
#[derive(Clone, Debug, PartialEq)]
pub struct LivePoint {
    /// The point.
    pub code: PointCode,
    /// The measured condition, exclusions left aside.
    pub measured: Condition,
    /// The exclusion in force, if any.
    pub excluded: Option<Cause>,
    /// When the measured condition began (back-dated).
    pub since: Timestamp,
    /// Online or not when it was last known; survives `unknown`.
    pub last_known_up: Option<bool>,
    /// End of the last look.
    pub last_look: Option<Timestamp>,
    /// Last time that pictures were received.
    pub last_frame: Option<Timestamp>,
    /// The last measurement that held pictures.
    pub measurement: Option<Arc<Measurement>>,
    /// The failure not yet confirmed, if any.
    pub suspected: Option<Cause>,
    /// Every confirmed fault of the last look, worst first; the first one is the cause of `degraded`.
    pub faults: Vec<Cause>,
    /// Whether the state changes so often that it counts as flapping (抖动).
    pub flapping: bool,
    /// Pictures received since start.
    pub frames_total: u64,
    /// RTP payload bytes received since start.
    pub bytes_total: u64,
}

impl LivePoint {
    /// The state that is shown: `excluded` while an exclusion is in force, else what is measured.
    pub fn state(&self) -> State {
        if self.excluded.is_some() { State::Excluded } else { self.measured.state() }
    }

    /// The cause that is shown.
    pub fn cause(&self) -> Option<&Cause> {
        self.excluded.as_ref().or_else(|| self.measured.cause())
    }
}

/// A link now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveLink {
    /// The link.
    pub code: LinkCode,
    /// What is known of it.
    pub status: LinkStatus,
    /// Since when.
    pub since: Timestamp,
    /// Last probe.
    pub last_probe: Option<Timestamp>,
    /// Round-trip time of the last good probe.
    pub round_trip: Option<Duration>,
    /// Points whose path passes it.
    pub members: u32,
}

/// What is known of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkStatus {
    /// Probed up, or a point behind it was seen.
    Up,
    /// Probed down and confirmed.
    Down,
    /// 疑似: inferred from two points behind it.
    Suspected,
    /// Never probed.
    Unknown,
}

impl LinkStatus {
    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Suspected => "suspected",
            Self::Unknown => "unknown",
        }
    }
}
