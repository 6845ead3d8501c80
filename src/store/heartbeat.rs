//! The heartbeat: up to when the running service had written everything that it knew.
//!
//! The writer persists it; at start the tracker closes what it finds open at the last one, so that our own outage
//! becomes `unknown` and never `offline`.

use crate::domain::Timestamp;
use crate::store::{Store, StoreError, on_pool};

/// The only service of a single box.
const NAME: &str = "all";
/// Up to when upkeep believed the clock.
const UPKEEP: &str = "upkeep";

const BEAT: &str = "INSERT INTO heartbeat (name, at_ms) VALUES ($1, $2) \
    ON CONFLICT (name) DO UPDATE SET at_ms = excluded.at_ms";
const LAST: &str = "SELECT at_ms FROM heartbeat WHERE name = $1";

impl Store {
    /// Notes that everything known up to `at` is written.
    pub async fn heartbeat(&self, at: Timestamp) -> Result<(), StoreError> {
        self.beat(NAME, at).await
    }

    /// The last heartbeat; none before the first start.
    pub async fn last_heartbeat(&self) -> Result<Option<Timestamp>, StoreError> {
        self.last_beat(NAME).await
    }

    /// Notes up to when upkeep believed the clock.
    pub(crate) async fn note_upkeep_time(&self, at: Timestamp) -> Result<(), StoreError> {
        self.beat(UPKEEP, at).await
    }

    /// Up to when upkeep believed the clock; before it ever ran, the last heartbeat stands in.
    pub(crate) async fn upkeep_time(&self) -> Result<Option<Timestamp>, StoreError> {
        match self.last_beat(UPKEEP).await? {
            Some(at) => Ok(Some(at)),
            None => self.last_heartbeat().await,
        }
    }

    async fn beat(&self, name: &'static str, at: Timestamp) -> Result<(), StoreError> {
        on_pool!(&self.db, pool => sqlx::query(BEAT).bind(name).bind(at.as_millis()).execute(pool).await.map(|_one| ()))
            .map_err(StoreError::at("write the heartbeat"))
    }

    async fn last_beat(&self, name: &'static str) -> Result<Option<Timestamp>, StoreError> {
        let at_ms: Option<i64> =
            on_pool!(&self.db, pool => sqlx::query_scalar(LAST).bind(name).fetch_optional(pool).await)
                .map_err(StoreError::at("read the heartbeat"))?;
        Ok(at_ms.map(Timestamp::from_millis))
    }
}
