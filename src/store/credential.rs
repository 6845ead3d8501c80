//! Sealed credentials by name. What is inside is none of the store's business; the key lies outside the database.

use crate::store::{Store, StoreError, on_pool};

const NAMES: &str = "SELECT name FROM credential ORDER BY name";
const SEALED: &str = "SELECT name, sealed FROM credential ORDER BY name";

impl Store {
    /// Names of every credential, in order.
    pub async fn credential_names(&self) -> Result<Vec<String>, StoreError> {
        on_pool!(&self.db, pool => sqlx::query_scalar(NAMES).fetch_all(pool).await)
            .map_err(StoreError::at("list the credentials"))
    }

    /// Every sealed credential with its name, in order.
    pub async fn sealed_credentials(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        on_pool!(&self.db, pool => sqlx::query_as(SEALED).fetch_all(pool).await)
            .map_err(StoreError::at("read the sealed credentials"))
    }
}
