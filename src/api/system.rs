//! `system`: how the service itself is, worker by worker; what `/readyz` sums up in one word.

use crate::api::guard::Reader;
use crate::api::problem::{AnyProblem, ApiError};
use crate::api::state::ApiState;
use crate::api::time::Time;
use crate::domain::Timestamp;
use crate::health::snapshot::Snapshot;
use crate::ingest::SchedulerStatus;
use crate::store::WriterStatus;
use crate::store::upkeep::UpkeepStatus;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::time::Duration;

/// The service itself.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct System {
    /// Version of the binary.
    version: &'static str,
    /// When this was told.
    now: Time,
    /// What decides the states.
    tracker: TrackerDto,
    /// What looks at the points.
    scheduler: SchedulerDto,
    /// What keeps what was found.
    writer: WriterDto,
    /// What computes the sums of days and removes what is too old.
    upkeep: UpkeepDto,
}

/// How the tracker is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = TrackerStatus)]
pub(crate) struct TrackerDto {
    /// When the live picture was taken; null before the first one. It is renewed every few seconds.
    taken: Option<Time>,
    /// Whether every watched point was looked at once since start.
    first_round_done: bool,
    /// Whether most of everything fails at once, so that we suspect ourselves.
    suspects_itself: bool,
    /// Whether the clock contradicts what is kept, so that it has to be set right.
    clock_in_doubt: bool,
}

/// How the scheduler is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = SchedulerStatus)]
pub(crate) struct SchedulerDto {
    /// When this was measured; null before the first time. It is renewed every second.
    taken: Option<Time>,
    /// Points watched.
    points: usize,
    /// Due looks that have not started.
    waiting: usize,
    /// Those among them that lack the budget of a link or host.
    parked: usize,
    /// Looks under way, kept sessions included.
    running: usize,
    /// How long the longest-waiting due look has waited, in milliseconds.
    lag_ms: u64,
    /// Credentials held.
    held_credentials: usize,
    /// When the watching itself stood still last.
    last_stall: Option<Time>,
}

/// How the writer is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = WriterStatus)]
pub(crate) struct WriterDto {
    /// Whether the last batch was committed.
    healthy: bool,
    /// When that was.
    last_commit: Option<Time>,
    /// Records that wait.
    buffered: usize,
    /// Records given up since start: the buffer was full, or the database refuses them for good.
    dropped: u64,
    /// What failed last; null while healthy.
    failed_operation: Option<&'static str>,
}

/// What upkeep did last.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = UpkeepStatus)]
pub(crate) struct UpkeepDto {
    /// When the last run ended well.
    last_run: Option<Time>,
    /// The time up to which upkeep works while it does not believe the clock; null while it does.
    held_at: Option<Time>,
    /// What failed in the last run; null when it ended well.
    failed_operation: Option<&'static str>,
    /// Days that the last roll-up closed.
    closed_days: u64,
    /// Pairs of village and day whose sums the last roll-up computed.
    computed_pairs: u64,
    /// Observations that the last retention run removed.
    removed_observations: u64,
    /// Closed intervals that the last retention run removed (SQLite).
    removed_intervals: u64,
    /// Months of closed intervals that the last retention run removed (PostgreSQL).
    removed_months: u64,
}

/// Tells how the service itself is: tracker, scheduler, writer, upkeep.
#[utoipa::path(get, path = "/api/v1/system", tag = "life", responses((status = 200, body = System), AnyProblem))]
pub(crate) async fn system(State(state): State<ApiState>, _reader: Reader) -> Result<Json<System>, ApiError> {
    let inputs = state.inputs();
    Ok(Json(System {
        version: env!("CARGO_PKG_VERSION"),
        now: inputs.clock.now().into(),
        tracker: TrackerDto::from(&**inputs.snapshot.borrow()),
        scheduler: SchedulerDto::from(&*inputs.scheduler.borrow()),
        writer: WriterDto::from(&*inputs.writer.borrow()),
        upkeep: UpkeepDto::from(&*inputs.upkeep.borrow()),
    }))
}

impl From<&Snapshot> for TrackerDto {
    fn from(snapshot: &Snapshot) -> Self {
        Self {
            taken: begun(snapshot.taken),
            first_round_done: snapshot.first_round_done,
            suspects_itself: snapshot.suspects_itself,
            clock_in_doubt: snapshot.clock_in_doubt,
        }
    }
}

impl From<&SchedulerStatus> for SchedulerDto {
    fn from(status: &SchedulerStatus) -> Self {
        Self {
            taken: begun(status.taken),
            points: status.points,
            waiting: status.waiting,
            parked: status.parked,
            running: status.running,
            lag_ms: millis(status.lag),
            held_credentials: status.held,
            last_stall: status.last_stall.map(Time),
        }
    }
}

impl From<&WriterStatus> for WriterDto {
    fn from(status: &WriterStatus) -> Self {
        Self {
            healthy: status.healthy,
            last_commit: status.last_commit.map(Time),
            buffered: status.buffered,
            dropped: status.dropped,
            failed_operation: status.last_error_operation,
        }
    }
}

impl From<&UpkeepStatus> for UpkeepDto {
    fn from(status: &UpkeepStatus) -> Self {
        Self {
            last_run: status.last_run.map(Time),
            held_at: status.held_at.map(Time),
            failed_operation: status.last_error_operation,
            closed_days: status.rolled_up.days,
            computed_pairs: status.rolled_up.pairs,
            removed_observations: status.pruned.observations,
            removed_intervals: status.pruned.intervals,
            removed_months: status.pruned.months,
        }
    }
}

/// What a worker that has not begun publishes bears the time zero.
fn begun(at: Timestamp) -> Option<Time> {
    (at > Timestamp::default()).then_some(Time(at))
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
