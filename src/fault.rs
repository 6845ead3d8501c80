//! Floor 1: fault points, the places by name where a test has the process die as `kill -9` does.
//!
//! Between two of them lies one step that is done or not: what is decided, written, kept, sent, settled. They exist with the
//! feature `fault-points` only; production builds have none.

/// A place where the process may die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultPoint {
    /// The desk has decided, and nothing is written.
    IncidentDecided,
    /// Incidents and what is told of them are written, and not committed.
    IncidentWritten,
    /// They are committed, and the desk does not know.
    IncidentKept,
    /// The outbox has read what is due, and sent nothing.
    OutboxRead,
    /// The receiver has it, and the outbox has not noted so.
    OutboxSent,
    /// The outbox has noted that it is sent.
    OutboxSettled,
}

impl FaultPoint {
    /// Every place, in the order of the way.
    pub const ALL: [Self; 6] = [
        Self::IncidentDecided,
        Self::IncidentWritten,
        Self::IncidentKept,
        Self::OutboxRead,
        Self::OutboxSent,
        Self::OutboxSettled,
    ];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IncidentDecided => "incident_decided",
            Self::IncidentWritten => "incident_written",
            Self::IncidentKept => "incident_kept",
            Self::OutboxRead => "outbox_read",
            Self::OutboxSent => "outbox_sent",
            Self::OutboxSettled => "outbox_settled",
        }
    }
}

/// Names the place where this process dies.
pub const ARMED: &str = "SHARPEYES_DIE_AT";

/// Dies here if the process was started to.
#[cfg(feature = "fault-points")]
pub fn reach(point: FaultPoint) {
    use rustix::process::{Signal, getpid, kill_process};
    if std::env::var_os(ARMED).is_some_and(|armed| armed == point.as_str()) {
        let _dead = kill_process(getpid(), Signal::KILL);
    }
}

/// Goes on: this build has no fault points.
#[cfg(not(feature = "fault-points"))]
pub const fn reach(_point: FaultPoint) {}
