//! The live picture of the network: what `api`, metrics and coverage read. Published whole, never changed in place.

use crate::domain::correlate::BulkCause;
use crate::domain::picture::PictureVerdict;
use crate::domain::{Cause, Condition, LinkCode, Measurement, PointCode, State, Timestamp};
use std::sync::Arc;
use std::time::Duration;

pub use crate::domain::link_machine::LinkStatus;

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
    /// Set while the clock contradicts the kept history: it is behind its end, or it leapt so far ahead that it is not
    /// followed.
    pub clock_in_doubt: bool,
    /// The failed links that cut points off, one per outage, ordered by code.
    pub roots: Vec<RootCause>,
    /// Changes that hit many points alike (口令批量变更, 平台改配).
    pub bulk_causes: Vec<BulkCause>,
    /// Credentials that are held after a wrong-credential answer, ordered by name.
    pub held_credentials: Vec<HeldCredential>,
}

/// A failed link and the points that it cuts off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootCause {
    /// The link.
    pub link: LinkCode,
    /// Since when.
    pub since: Timestamp,
    /// Whether it was inferred from points, the link having no probe.
    pub inferred: bool,
    /// The points that are `unreachable` because of it, by code. After the repair it stays until the last one is proven.
    pub members: Arc<[PointCode]>,
}

/// A credential that is not used for a while, lest cameras lock the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldCredential {
    /// Its name in the credential table.
    pub name: String,
    /// Points that are not looked at because of it.
    pub points: u32,
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
    /// What is believed of its picture; `None` while nobody looks at it.
    pub picture: Option<Arc<PictureVerdict>>,
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
    /// The failed link above that explains why this one is down; `None` when it failed itself.
    pub behind: Option<LinkCode>,
    /// Whether the status was inferred from the points behind it.
    pub inferred: bool,
}
