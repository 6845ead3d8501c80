//! Opens the database at the start of the service. After a power cut everything comes up at once: a database that is not
//! up yet is waited for, one that will never take us (password, name, schema) is not.

use crate::domain::ladder::Ladder;
use crate::store::{Store, StoreError};
use crate::telemetry;
use std::time::Duration;

/// First and longest delay before the next try. Each try takes some seconds by itself.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

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
