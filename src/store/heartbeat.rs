//! The heartbeat: up to when the running service had written everything that it knew.
//!
//! The writer persists it; at start the tracker closes what it finds open at the last one, so that our own outage
//! becomes `unknown` and never `offline`.

use crate::domain::Timestamp;
use crate::store::{Store, StoreError, on_pool};

/// The only service of a single box.
const NAME: &str = "all";

const BEAT: &str = "INSERT INTO heartbeat (name, at_ms) VALUES ($1, $2) \
    ON CONFLICT (name) DO UPDATE SET at_ms = excluded.at_ms";
const LAST: &str = "SELECT at_ms FROM heartbeat WHERE name = $1";

impl Store {
    /// Notes that everything known up to `at` is written.
    pub async fn heartbeat(&self, at: Timestamp) -> Result<(), StoreError> {
        on_pool!(&self.db, pool => sqlx::query(BEAT).bind(NAME).bind(at.as_millis()).execute(pool).await.map(|_one| ()))
            .map_err(StoreError::at("write the heartbeat"))
    }

    /// The last heartbeat; none before the first start.
    pub async fn last_heartbeat(&self) -> Result<Option<Timestamp>, StoreError> {
        let at_ms: Option<i64> =
            on_pool!(&self.db, pool => sqlx::query_scalar(LAST).bind(NAME).fetch_optional(pool).await)
                .map_err(StoreError::at("read the heartbeat"))?;
        Ok(at_ms.map(Timestamp::from_millis))
    }
}
