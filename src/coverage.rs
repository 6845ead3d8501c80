//! Floor 4: the figures of the four targets for any division and window, the lists behind them and the gaps.
//!
//! Gathers what the pure survey of `domain` needs (inventory as of the window, spans, facts, roll-ups, exclusions) and
//! carries its result; decides nothing. `document` owns the JSON and CSV form of a report.

pub mod approval;
pub mod document;
pub mod gap;
mod gather;
pub mod list;
pub mod month;
pub mod report;
mod rolled;
pub mod table;

pub use gap::gaps;
pub use list::{ListKind, ListPage, ListQuery, list};
pub use month::{Issue, MonthReport, Standing, month};
pub use report::{CoverageReport, Selection, report};

use crate::clock::Clock;
use crate::domain::{Calendar, Inventory, Targets, Timestamp, Window};
use crate::store::{Store, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// Computations at once; more wait, so that figures never take every thread of the machine.
const COMPUTED_AT_ONCE: usize = 2;

/// What the figures are computed from; a cheap handle.
#[derive(Clone, Debug)]
pub struct CoverageContext {
    /// History, facts, exclusions, inventories of the past.
    pub store: Store,
    /// Time.
    pub clock: Clock,
    /// Days of the configured zone.
    pub calendar: Calendar,
    /// Rules, thresholds and targets.
    pub targets: Arc<Targets>,
    /// The inventory of now.
    pub inventory: watch::Receiver<Arc<Inventory>>,
    /// How long after its end a month's report still changes.
    pub provisional: Duration,
    /// Records that were first written later are left out; `None` takes every record.
    pub known_until: Option<Timestamp>,
    /// Whose turn it is to compute.
    pub turns: Turns,
}

/// Turns to compute; a cheap handle.
#[derive(Clone, Debug)]
pub struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(COMPUTED_AT_ONCE)))
    }
}

/// Why figures could not be computed.
#[derive(Debug, thiserror::Error)]
pub enum CoverageError {
    /// Nothing of the window has passed yet.
    #[error("the window begins after now")]
    Future,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The computation was cut off.
    #[error("compute the figures")]
    Task(#[from] tokio::task::JoinError),
    /// The service stops.
    #[error("wait for a turn to compute the figures")]
    Turn(#[from] tokio::sync::AcquireError),
}

impl CoverageContext {
    /// The part of a window that has passed.
    pub fn passed(&self, window: Window) -> Result<Window, CoverageError> {
        Window::new(window.start(), window.end().min(self.clock.now())).ok_or(CoverageError::Future)
    }

    /// The inventory as it was at `at`; the shared one where nothing changed since.
    pub(crate) async fn inventory_at(&self, at: Timestamp) -> Result<Arc<Inventory>, CoverageError> {
        if let Some(known_until) = self.known_until {
            return Ok(Arc::new(self.store.load_inventory_known(at, known_until).await?));
        }
        let now = self.clock.now();
        if at >= now || self.store.inventory_changes(at, now).await?.is_empty() {
            return Ok(self.inventory.borrow().clone());
        }
        Ok(Arc::new(self.store.load_inventory_at(at).await?))
    }

    /// Computes off the async threads. The turn goes with the computation, which goes on when nobody waits for it any more.
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        answer: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, CoverageError> {
        let turn = Arc::clone(&self.turns.0).acquire_owned().await?;
        let compute = move || {
            let _turn = turn;
            answer()
        };
        Ok(tokio::task::spawn_blocking(compute).await?)
    }
}

/// The last instant inside a window: what holds then is what the window's lists show.
pub(crate) fn last_instant(window: Window) -> Timestamp {
    Timestamp::from_millis(window.end().as_millis().saturating_sub(1))
}
