//! The signs of life of the workers without whom nothing is watched and nothing is kept.
//!
//! They are the facts behind `tracker` and `scheduler` of `/readyz`, and that the writer tries: whether the database takes what
//! it writes is another question. Measured on the monotonic clock, so that a wall clock that is set alarms nobody.

use crate::api;
use crate::health::snapshot::Snapshot;
use crate::ingest::SchedulerStatus;
use crate::store::{WriterStatus, writer};
use crate::telemetry::Worker;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch::Receiver;
use tokio::time::Instant;

/// A writer tells of each try; the room beyond the longest one is for a busy machine.
const WRITER_PATIENCE: Duration = writer::LONGEST_SILENCE.saturating_add(Duration::from_secs(15));

/// What the three workers publish, each time being a sign of life.
#[derive(Clone, Debug)]
pub(super) struct Signs {
    tracker: Sign<Arc<Snapshot>>,
    scheduler: Sign<SchedulerStatus>,
    writer: Sign<WriterStatus>,
}

impl Signs {
    /// Every worker is taken to live now.
    pub(super) fn new(
        tracker: Receiver<Arc<Snapshot>>,
        scheduler: Receiver<SchedulerStatus>,
        writer: Receiver<WriterStatus>,
    ) -> Self {
        Self {
            tracker: Sign::new(tracker, api::WORKER_PATIENCE),
            scheduler: Sign::new(scheduler, api::WORKER_PATIENCE),
            writer: Sign::new(writer, WRITER_PATIENCE),
        }
    }

    /// A worker that stands still, if there is one.
    pub(super) fn standing_still(&mut self, now: Instant) -> Option<Worker> {
        let lives = [
            (Worker::Tracker, self.tracker.lives(now)),
            (Worker::Ingest, self.scheduler.lives(now)),
            (Worker::Writer, self.writer.lives(now)),
        ];
        lives.into_iter().find_map(|(worker, lives)| (!lives).then_some(worker))
    }

    /// What the service does, in one line for a person.
    pub(super) fn words(&self) -> String {
        let point_count = self.scheduler.published.borrow().points;
        let writer = self.writer.published.borrow();
        if writer.healthy {
            format!("watches {point_count} points")
        } else {
            format!(
                "watches {point_count} points; the database takes nothing, {} records wait",
                writer.buffered
            )
        }
    }
}

/// What one worker publishes, and when it last did.
#[derive(Clone, Debug)]
struct Sign<T> {
    published: Receiver<T>,
    patience: Duration,
    seen: Instant,
}

impl<T> Sign<T> {
    fn new(published: Receiver<T>, patience: Duration) -> Self {
        Self { published, patience, seen: Instant::now() }
    }

    /// Whether the worker published anything since the last look, or not long before it.
    fn lives(&mut self, now: Instant) -> bool {
        // A worker that is gone publishes nothing any more.
        if self.published.has_changed().unwrap_or(false) {
            self.published.mark_unchanged();
            self.seen = now;
        }
        now.duration_since(self.seen) < self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::watch;

    fn senders() -> (watch::Sender<Arc<Snapshot>>, watch::Sender<SchedulerStatus>, watch::Sender<WriterStatus>)
    {
        (watch::Sender::default(), watch::Sender::default(), watch::Sender::default())
    }

    #[test]
    fn the_worker_that_stands_still_is_named() {
        let (tracker, scheduler, writer) = senders();
        let mut signs = Signs::new(tracker.subscribe(), scheduler.subscribe(), writer.subscribe());
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        assert_eq!(signs.standing_still(after(29)), None);
        tracker.send_modify(|_same| ());
        assert_eq!(signs.standing_still(after(40)), Some(Worker::Ingest));
        scheduler.send_modify(|_same| ());
        assert_eq!(signs.standing_still(after(50)), None);
        assert_eq!(signs.standing_still(after(61)), Some(Worker::Writer), "60 s without a try");
        writer.send_modify(|status| status.healthy = false);
        assert_eq!(signs.standing_still(after(69)), None, "a writer that tries in vain lives");
        assert_eq!(signs.standing_still(after(71)), Some(Worker::Tracker));
        drop(tracker);
        assert_eq!(signs.standing_still(after(72)), Some(Worker::Tracker));
    }

    #[test]
    fn a_database_that_is_away_is_told() {
        let (tracker, scheduler, writer) = senders();
        let signs = Signs::new(tracker.subscribe(), scheduler.subscribe(), writer.subscribe());
        scheduler.send_modify(|status| status.points = 960);
        assert_eq!(signs.words(), "watches 960 points");
        writer.send_modify(|status| (status.healthy, status.buffered) = (false, 12));
        assert_eq!(signs.words(), "watches 960 points; the database takes nothing, 12 records wait");
    }
}
