//! Upkeep: a reconciler that closes and computes days, prepares months, removes what is too old and measures the
//! database. It has no input, compares what is with what should be, and may run at any time and any number of times.
//!
//! What it removes does not come back, so it does not believe a clock that leaps ahead (`Pace`).

mod pace;

use crate::clock::Clock;
use crate::config::StoreSettings;
use crate::domain::{Calendar, Timestamp};
use crate::store::retention::{Pruned, horizon};
use crate::store::rollup::RolledUp;
use crate::store::{Store, StoreError};
use crate::telemetry;
use pace::Pace;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// How often dirty days are looked for.
const PERIOD: Duration = Duration::from_secs(60);
/// How often old rows are looked for; they grow old by the day.
const PRUNE_PERIOD: Duration = Duration::from_secs(3_600);
/// Longest time for one run; the first one after a long absence closes many days.
const RUN_DEADLINE: Duration = Duration::from_secs(1_800);

/// What upkeep did last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpkeepStatus {
    /// When the last run ended well.
    pub last_run: Option<Timestamp>,
    /// The time up to which upkeep works while it does not believe the clock; none while it does.
    pub held_at: Option<Timestamp>,
    /// What the last roll-up did that did anything.
    pub rolled_up: RolledUp,
    /// What the last retention run removed.
    pub pruned: Pruned,
    /// What failed in the last run; none when it ended well.
    pub last_error_operation: Option<&'static str>,
}

/// Runs at once and then every minute until `cancel`.
pub async fn run(
    store: Store,
    clock: Clock,
    calendar: Calendar,
    settings: &StoreSettings,
    status: watch::Sender<UpkeepStatus>,
    cancel: CancellationToken,
) {
    let mut upkeep = Upkeep { store, clock, calendar, settings, pace: None, pruned_at: None };
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            _instant = ticks.tick() => {}
        }
        // Dropping a run between two transactions loses nothing: the next one finds what is still to do.
        tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            () = upkeep.run_once(&status) => {}
        }
    }
}

struct Upkeep<'a> {
    store: Store,
    clock: Clock,
    calendar: Calendar,
    settings: &'a StoreSettings,
    /// Known once the store has told up to when the clock was believed.
    pace: Option<Pace>,
    pruned_at: Option<Instant>,
}

impl Upkeep<'_> {
    async fn run_once(&mut self, status: &watch::Sender<UpkeepStatus>) {
        let now = self.clock.now();
        let done = match timeout(RUN_DEADLINE, self.reconcile(now, status)).await {
            Ok(done) => done,
            Err(_elapsed) => Err(StoreError::Deadline { operation: "keep the database up" }),
        };
        if let Err(error) = &done {
            telemetry::upkeep_failed(error);
        }
        status.send_modify(|status| match done {
            Ok(()) => (status.last_run, status.last_error_operation) = (Some(now), None),
            Err(error) => status.last_error_operation = Some(error.operation()),
        });
    }

    async fn reconcile(
        &mut self,
        now: Timestamp,
        status: &watch::Sender<UpkeepStatus>,
    ) -> Result<(), StoreError> {
        telemetry::database_measured(self.store.size_bytes().await?);
        let now = self.believed(now, status).await?;
        self.store.prepare_months(now).await?;
        let started = Instant::now();
        let rolled_up = self.store.roll_up(&self.calendar, now, horizon(now, self.settings)).await?;
        if rolled_up != RolledUp::default() {
            telemetry::days_rolled_up(rolled_up.days, rolled_up.pairs, started.elapsed());
            status.send_modify(|status| status.rolled_up = rolled_up);
        }
        if self.pruned_at.is_none_or(|at| at.elapsed() >= PRUNE_PERIOD) {
            let pruned = self.store.prune(now, self.settings).await?;
            self.pruned_at = Some(Instant::now());
            status.send_modify(|status| status.pruned = pruned);
        }
        Ok(())
    }

    /// The time up to which the clock is believed; noted before anything is done with it.
    async fn believed(
        &mut self,
        now: Timestamp,
        status: &watch::Sender<UpkeepStatus>,
    ) -> Result<Timestamp, StoreError> {
        let pace = match &mut self.pace {
            Some(pace) => pace,
            None => {
                let last = self.store.upkeep_time().await?;
                self.pace.insert(Pace::new(last.unwrap_or(now)))
            }
        };
        let believed = pace.follow(now, Instant::now());
        self.store.note_upkeep_time(believed).await?;
        let held_at = (believed < now).then_some(believed);
        let was_held = status.borrow().held_at.is_some();
        if held_at.is_some() != was_held {
            telemetry::upkeep_held(held_at, now);
        }
        status.send_modify(|status| status.held_at = held_at);
        Ok(believed)
    }
}
