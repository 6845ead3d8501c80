//! Opens the database at the start of the service. After a power cut everything comes up at once: a database that is not
//! up yet is waited for, one that will never take us (password, name, schema) is not.

use crate::domain::ladder::Ladder;
use crate::store::{Lease, Store, StoreError};
use crate::telemetry;
use std::time::{Duration, Instant};

/// First and longest delay before the next try. Each try takes some seconds by itself.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// Longest wait for another service to leave the database: one that was told to stop takes up to 10 s, and so does
/// PostgreSQL until it notices that one is gone without a word.
const HANDOVER: Duration = Duration::from_secs(15);
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Takes the lease, as soon as a service that is about to end has let it go. Dropping the future loses nothing.
pub(super) async fn lease(store: &Store) -> Result<Lease, StoreError> {
    let (began, mut told) = (Instant::now(), false);
    loop {
        match store.lease().await {
            Err(error) if began.elapsed() < HANDOVER && (error.may_pass() || is_leased(&error)) => {
                if !std::mem::replace(&mut told, true) {
                    telemetry::lease_awaited(&error, HANDOVER);
                }
                tokio::time::sleep(ASK_AGAIN).await;
            }
            ended => return ended,
        }
    }
}

const fn is_leased(error: &StoreError) -> bool {
    matches!(error, StoreError::Leased)
}

/// Opens the database and brings its schema to this version, as soon as it is up. Dropping the future loses nothing.
pub(super) async fn open(url: &str) -> Result<Store, StoreError> {
    let mut ladder = Ladder::new(RETRY.0, RETRY.1, Duration::ZERO);
    loop {
        match open_now(url).await {
            Ok(store) => {
                if ladder.failures() > 0 {
                    telemetry::database_came_up();
                }
                return Ok(store);
            }
            Err(error) if error.may_pass() => {
                let delay = ladder.fail(rand::random());
                telemetry::database_awaited(&error, delay);
                tokio::time::sleep(delay).await;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn open_now(url: &str) -> Result<Store, StoreError> {
    let store = Store::open(url).await?;
    store.migrate().await?;
    Ok(store)
}
