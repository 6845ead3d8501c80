//! Which way serves the points that the plain one does not: what looks have learnt, for the time after a restart.

use crate::domain::{PointCode, Transport};
use crate::store::{Db, Store, StoreError, on_pool, parse};
use std::collections::BTreeMap;

const FORGET: &str = "DELETE FROM point_transport";
const INSERT_LITE: &str = "INSERT INTO point_transport (point, transport)
    SELECT value ->> 0, value ->> 1 FROM json_each($1)";
const INSERT_PG: &str = "INSERT INTO point_transport (point, transport)
    SELECT value ->> 0, value ->> 1 FROM json_array_elements($1::json) AS given (value)";
const ALL: &str = "SELECT point, transport FROM point_transport ORDER BY point";

impl Store {
    /// Keeps these ways and forgets all others.
    pub async fn keep_transports(&self, ways: &BTreeMap<PointCode, Transport>) -> Result<(), StoreError> {
        let insert = match &self.db {
            Db::Lite(_) => INSERT_LITE,
            Db::Pg(_) => INSERT_PG,
        };
        let rows = ways.iter().map(|(point, way)| serde_json::json!([point.as_str(), way.as_str()]));
        let rows = serde_json::Value::Array(rows.collect()).to_string();
        on_pool!(&self.db, pool => async {
            let mut tx = pool.begin().await?;
            sqlx::query(FORGET).execute(&mut *tx).await?;
            sqlx::query(insert).bind(&rows).execute(&mut *tx).await?;
            tx.commit().await
        }
        .await)
        .map_err(StoreError::at("keep the ways to points"))
    }

    /// The ways that are kept. One that this version does not know is found anew.
    pub async fn kept_transports(&self) -> Result<BTreeMap<PointCode, Transport>, StoreError> {
        let rows: Vec<(String, String)> =
            on_pool!(&self.db, pool => sqlx::query_as(ALL).fetch_all(pool).await)
                .map_err(StoreError::at("read the ways to points"))?;
        let known = |word: &str| Transport::ALL.into_iter().find(|way| way.as_str() == word);
        rows.iter()
            .filter_map(|(point, word)| Some((point, known(word)?)))
            .map(|(point, way)| Ok((parse("point_transport.point", point)?, way)))
            .collect()
    }
}
