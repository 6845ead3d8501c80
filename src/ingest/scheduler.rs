//! The one task that decides when each point is looked at, starts the looks and takes their ends.

use crate::clock::Clock;
use crate::config::{Health, Watch};
use crate::domain::{Order, Timestamp};
use crate::ingest::{Holds, TargetSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// What the scheduler is given.
#[derive(Debug)]
pub struct SchedulerInputs {
    /// What is to be watched; a change touches only the points that differ.
    pub targets: watch::Receiver<Arc<TargetSet>>,
    /// What the health tracker asks for.
    pub orders: mpsc::Receiver<Order>,
    /// `[watch]`
    pub settings: Watch,
    /// `[health]`, for how many looks confirm a failure or a recovery.
    pub health: Health,
    /// The clock.
    pub clock: Clock,
    /// Credentials that are held; shared with the API.
    pub holds: Holds,
}

/// How the watching keeps up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchedulerStatus {
    /// When this was taken.
    pub taken: Timestamp,
    /// Points watched.
    pub points: usize,
    /// Due looks that have not started.
    pub waiting: usize,
    /// Those among them that lack the budget of a link or host.
    pub parked: usize,
    /// Looks under way, kept sessions included.
    pub running: usize,
    /// How long the longest-waiting due look has waited.
    pub lag: Duration,
    /// Credentials held.
    pub held: usize,
    /// When we ourselves stood still last; looks of that time are void.
    pub last_stall: Option<Timestamp>,
}
