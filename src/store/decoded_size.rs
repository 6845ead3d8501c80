//! The sizes of decoded pictures, with the time from which each holds: until the next one of its stream.

use crate::domain::decode::DecodedSize;
use crate::domain::key_frame::StreamRole;
use crate::domain::{DivisionCode, Timestamp};
use crate::store::{Db, Store, StoreError, on_pool, parse, village_range};
use sqlx::FromRow;

const INSERT_LITE: &str = "
    INSERT INTO decoded_size (point, stream, at_ms, width, height, promised_width, promised_height)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
    FROM json_each($1) WHERE true
    ON CONFLICT (point, stream, at_ms) DO NOTHING";
const INSERT_PG: &str = "
    INSERT INTO decoded_size (point, stream, at_ms, width, height, promised_width, promised_height)
    SELECT value ->> 0, value ->> 1, (value ->> 2)::bigint, (value ->> 3)::bigint, (value ->> 4)::bigint,
        (value ->> 5)::bigint, (value ->> 6)::bigint
    FROM json_array_elements($1::json) AS given (value)
    ON CONFLICT (point, stream, at_ms) DO NOTHING";
const NEWEST: &str = "
    SELECT point, stream, at_ms, width, height, promised_width, promised_height FROM decoded_size AS known
    WHERE at_ms = (SELECT MAX(newer.at_ms) FROM decoded_size AS newer
        WHERE newer.point = known.point AND newer.stream = known.stream)
    ORDER BY point, stream";
const AT: &str = "
    SELECT known.point, stream, at_ms, width, height, promised_width, promised_height
    FROM point JOIN decoded_size AS known ON known.point = point.code
    WHERE point.village >= $1 AND point.village <= $2
        AND at_ms = (SELECT MAX(newer.at_ms) FROM decoded_size AS newer
            WHERE newer.point = known.point AND newer.stream = known.stream AND newer.at_ms <= $3)
    ORDER BY known.point, stream";

#[derive(FromRow)]
struct Row {
    point: String,
    stream: String,
    at_ms: i64,
    width: i64,
    height: i64,
    promised_width: Option<i64>,
    promised_height: Option<i64>,
}

impl Store {
    /// Keeps sizes; one that is kept already stays.
    pub async fn keep_decoded_sizes(&self, sizes: &[DecodedSize]) -> Result<(), StoreError> {
        let statement = match &self.db {
            Db::Lite(_) => INSERT_LITE,
            Db::Pg(_) => INSERT_PG,
        };
        let rows = sizes.iter().map(|decoded| {
            let DecodedSize { point, stream, at, size: (width, height), promised } = decoded;
            let (wide, high) = promised.unzip();
            serde_json::json!([point.as_str(), stream.as_str(), at.as_millis(), width, height, wide, high])
        });
        let given = serde_json::Value::Array(rows.collect()).to_string();
        on_pool!(&self.db, pool => sqlx::query(statement).bind(&given).execute(pool).await.map(|_count| ()))
            .map_err(StoreError::at("keep decoded sizes"))
    }

    /// The newest size of every stream, by point.
    pub async fn newest_decoded_sizes(&self) -> Result<Vec<DecodedSize>, StoreError> {
        let rows: Vec<Row> = on_pool!(&self.db, pool => sqlx::query_as(NEWEST).fetch_all(pool).await)
            .map_err(StoreError::at("read the newest decoded sizes"))?;
        rows.iter().map(Row::read).collect()
    }

    /// The size of every stream of the points recorded in a division, as of `at`; by point.
    pub async fn decoded_sizes_at(
        &self,
        division: DivisionCode,
        at: Timestamp,
    ) -> Result<Vec<DecodedSize>, StoreError> {
        let (first, last) = village_range(division);
        let rows: Vec<Row> = on_pool!(&self.db, pool => sqlx::query_as(AT)
            .bind(first)
            .bind(last)
            .bind(at.as_millis())
            .fetch_all(pool)
            .await)
        .map_err(StoreError::at("read decoded sizes"))?;
        rows.iter().map(Row::read).collect()
    }
}

impl Row {
    fn read(&self) -> Result<DecodedSize, StoreError> {
        let role = StreamRole::ALL.into_iter().find(|role| role.as_str() == self.stream);
        let pixels =
            |what, side: i64| u32::try_from(side).map_err(|_too_large| StoreError::corrupt(what, side));
        let promised = |side: Option<i64>| side.and_then(|side| u32::try_from(side).ok());
        Ok(DecodedSize {
            point: parse("decoded_size.point", &self.point)?,
            stream: role.ok_or_else(|| StoreError::corrupt("decoded_size.stream", &self.stream))?,
            at: Timestamp::from_millis(self.at_ms),
            size: (pixels("decoded_size.width", self.width)?, pixels("decoded_size.height", self.height)?),
            promised: promised(self.promised_width).zip(promised(self.promised_height)),
        })
    }
}
