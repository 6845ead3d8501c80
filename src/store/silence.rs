//! Silences: entered, expired by themselves or ended early; never deleted.

use crate::domain::incident::Root;
use crate::domain::silence::{Muted, Silence, SilenceRequest};
use crate::domain::{Timestamp, Window};
use crate::store::{Store, StoreError, on_pool, read_division, write_division};

const INSERT: &str = "INSERT INTO silence (root_kind, root_code, division, begins_ms, ends_ms, reason, entered_by, entered_ms) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id";

const ONE: &str = "SELECT id, root_kind, root_code, division, begins_ms, ends_ms, reason, entered_by, entered_ms, ended_by, \
    ended_ms FROM silence WHERE id = $1";

/// A page, newest first, below the number `$1`.
const PAGE: &str = "SELECT id, root_kind, root_code, division, begins_ms, ends_ms, reason, entered_by, entered_ms, ended_by, \
    ended_ms FROM silence WHERE id < $1 ORDER BY id DESC LIMIT $2";

/// As many as people on duty enter: a handful at a time.
const IN_FORCE: &str = "SELECT id, root_kind, root_code, division, begins_ms, ends_ms, reason, entered_by, entered_ms, ended_by, \
    ended_ms FROM silence WHERE ends_ms > $1 AND begins_ms <= $1 AND ended_ms IS NULL ORDER BY id";

/// Guarded, so that of two people who end it the first one is kept.
const END: &str =
    "UPDATE silence SET ended_by = $2, ended_ms = $3 WHERE id = $1 AND ended_ms IS NULL AND ends_ms > $3";

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    root_kind: String,
    root_code: String,
    division: String,
    begins_ms: i64,
    ends_ms: i64,
    reason: String,
    entered_by: String,
    entered_ms: i64,
    ended_by: Option<String>,
    ended_ms: Option<i64>,
}

impl Store {
    /// Enters a silence that [`SilenceRequest::check`] accepted.
    pub async fn add_silence(&self, request: &SilenceRequest, now: Timestamp) -> Result<Silence, StoreError> {
        let SilenceRequest { muted, window, reason, by } = request;
        let id: i64 = on_pool!(&self.db, pool => sqlx::query_scalar(INSERT)
            .bind(muted.root.as_ref().map_or("", |root| root.kind().as_str()))
            .bind(muted.root.as_ref().map_or("", Root::code))
            .bind(write_division(muted.division))
            .bind(window.start().as_millis())
            .bind(window.end().as_millis())
            .bind(reason)
            .bind(by)
            .bind(now.as_millis())
            .fetch_one(pool)
            .await)
        .map_err(StoreError::at("enter a silence"))?;
        Ok(Silence { id, request: request.clone(), entered: now, ended: None })
    }

    /// The silence of this number.
    pub async fn silence(&self, id: i64) -> Result<Option<Silence>, StoreError> {
        let row: Option<Row> =
            on_pool!(&self.db, pool => sqlx::query_as(ONE).bind(id).fetch_optional(pool).await)
                .map_err(StoreError::at("read a silence"))?;
        row.map(read_row).transpose()
    }

    /// Up to `limit` silences with a number below `before`, newest first.
    pub async fn silences(&self, before: i64, limit: u32) -> Result<Vec<Silence>, StoreError> {
        let rows: Vec<Row> = on_pool!(&self.db, pool => sqlx::query_as(PAGE)
            .bind(before)
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await)
        .map_err(StoreError::at("list silences"))?;
        rows.into_iter().map(read_row).collect()
    }

    /// The silences that mute now, in the order of entry.
    pub async fn silences_in_force(&self, now: Timestamp) -> Result<Vec<Silence>, StoreError> {
        let rows: Vec<Row> =
            on_pool!(&self.db, pool => sqlx::query_as(IN_FORCE).bind(now.as_millis()).fetch_all(pool).await)
                .map_err(StoreError::at("read the silences"))?;
        rows.into_iter().map(read_row).collect()
    }

    /// Ends a silence before its time; says whether it was not over yet.
    pub async fn end_silence(&self, id: i64, by: &str, now: Timestamp) -> Result<bool, StoreError> {
        on_pool!(&self.db, pool => sqlx::query(END)
            .bind(id)
            .bind(by)
            .bind(now.as_millis())
            .execute(pool)
            .await
            .map(|done| done.rows_affected() > 0))
        .map_err(StoreError::at("end a silence"))
    }
}

fn read_row(row: Row) -> Result<Silence, StoreError> {
    let root =
        match row.root_kind.as_str() {
            "" => None,
            kind => Some(Root::parse(kind, &row.root_code).ok_or_else(|| {
                StoreError::corrupt("silence.root_kind", format!("{kind} {}", row.root_code))
            })?),
        };
    let division = read_division("silence.division", &row.division)?;
    let (begins, ends) = (Timestamp::from_millis(row.begins_ms), Timestamp::from_millis(row.ends_ms));
    let window =
        Window::new(begins, ends).ok_or_else(|| StoreError::corrupt("silence.ends_ms", row.ends_ms))?;
    Ok(Silence {
        id: row.id,
        request: SilenceRequest {
            muted: Muted { root, division },
            window,
            reason: row.reason,
            by: row.entered_by,
        },
        entered: Timestamp::from_millis(row.entered_ms),
        ended: row.ended_ms.zip(row.ended_by).map(|(at, by)| (Timestamp::from_millis(at), by)),
    })
}
