//! Keeps over a restart which way serves each point.
//!
//! A reconciler: compares what the looks have learnt with what is kept. A crash loses a period of it, which the next looks
//! learn anew.

use crate::domain::{PointCode, Transport};
use crate::ingest::Transports;
use crate::store::{Store, StoreError};
use crate::telemetry;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

const KEEP: &str = "keep the ways to points";

/// How often the two are compared.
const PERIOD: Duration = Duration::from_secs(10);

/// The longest time that the last keeping may take; `app` checks that it fits into the time from SIGTERM to exit.
pub const KEEP_DEADLINE: Duration = Duration::from_secs(1);

/// Runs until cancelled, then keeps what was learnt last. `kept` is what the store holds.
pub async fn run(
    store: Store,
    transports: Transports,
    mut kept: BTreeMap<PointCode, Transport>,
    cancel: CancellationToken,
) {
    let mut period = interval(PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_last = tokio::select! {
            biased;
            () = cancel.cancelled() => true,
            _ = period.tick() => false,
        };
        let learnt = transports.worth_keeping();
        if learnt != kept {
            match timeout(KEEP_DEADLINE, store.keep_transports(&learnt)).await {
                Ok(Ok(())) => kept = learnt,
                Ok(Err(error)) => telemetry::transports_not_kept(&error),
                Err(_elapsed) => telemetry::transports_not_kept(&StoreError::Deadline { operation: KEEP }),
            }
        }
        if is_last {
            return;
        }
    }
}
