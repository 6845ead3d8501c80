//! The sheets of hand-overs (交接班): given by one person, taken by another; what a sheet says is never changed.

use crate::domain::{DivisionCode, Timestamp};
use crate::store::{Store, StoreError, on_pool, read_division, write_division};

/// Refused by the unique index while another sheet of the division waits.
const GIVE: &str = "INSERT INTO handover (division, sheet, given_by, given_actor, given_ms, given_note) \
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING id";

/// Guarded, so that of two people who take it the first one is kept.
const TAKE: &str = "UPDATE handover SET taken_by = $2, taken_actor = $3, taken_ms = $4, taken_note = $5 \
    WHERE id = $1 AND taken_ms IS NULL";

const ONE: &str = "SELECT id, division, sheet, given_by, given_actor, given_ms, given_note, taken_by, taken_actor, taken_ms, \
    taken_note FROM handover WHERE id = $1";

/// A page of one division, newest first, below the number `$1`.
const PAGE: &str = "SELECT id, division, sheet, given_by, given_actor, given_ms, given_note, taken_by, taken_actor, taken_ms, \
    taken_note FROM handover WHERE id < $1 AND division = $2 ORDER BY id DESC LIMIT $3";

/// A signature on a sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub person: String,
    /// With which token.
    pub actor: String,
    /// What the person said about it.
    pub note: String,
}

/// A sheet with its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handover {
    /// Its number.
    pub id: i64,
    /// What the shift looks after; the whole network when left out.
    pub division: Option<DivisionCode>,
    /// What was handed over, JSON.
    pub sheet: String,
    /// Who handed over.
    pub given: Signature,
    /// Who took over; none while it waits.
    pub taken: Option<Signature>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    division: String,
    sheet: String,
    given_by: String,
    given_actor: String,
    given_ms: i64,
    given_note: String,
    taken_by: Option<String>,
    taken_actor: Option<String>,
    taken_ms: Option<i64>,
    taken_note: Option<String>,
}

impl Store {
    /// Keeps a sheet; nothing when another one of this division still waits to be taken.
    pub async fn give_handover(
        &self,
        division: Option<DivisionCode>,
        sheet: &str,
        given: &Signature,
    ) -> Result<Option<Handover>, StoreError> {
        let id: Option<i64> = on_pool!(&self.db, pool => sqlx::query_scalar(GIVE)
            .bind(write_division(division))
            .bind(sheet)
            .bind(&given.person)
            .bind(&given.actor)
            .bind(given.at.as_millis())
            .bind(&given.note)
            .fetch_optional(pool)
            .await)
        .map_err(StoreError::at("keep a hand-over"))?;
        let kept = |id| Handover { id, division, sheet: sheet.to_owned(), given: given.clone(), taken: None };
        Ok(id.map(kept))
    }

    /// Signs a sheet as taken; says whether nobody had taken it before.
    pub async fn take_handover(&self, id: i64, taken: &Signature) -> Result<bool, StoreError> {
        on_pool!(&self.db, pool => sqlx::query(TAKE)
            .bind(id)
            .bind(&taken.person)
            .bind(&taken.actor)
            .bind(taken.at.as_millis())
            .bind(&taken.note)
            .execute(pool)
            .await
            .map(|done| done.rows_affected() > 0))
        .map_err(StoreError::at("sign a hand-over"))
    }

    /// The sheet of this number.
    pub async fn handover(&self, id: i64) -> Result<Option<Handover>, StoreError> {
        let row: Option<Row> =
            on_pool!(&self.db, pool => sqlx::query_as(ONE).bind(id).fetch_optional(pool).await)
                .map_err(StoreError::at("read a hand-over"))?;
        row.map(read_row).transpose()
    }

    /// Up to `limit` sheets of a division with a number below `before`, newest first.
    pub async fn handovers(
        &self,
        division: Option<DivisionCode>,
        before: i64,
        limit: u32,
    ) -> Result<Vec<Handover>, StoreError> {
        let rows: Vec<Row> = on_pool!(&self.db, pool => sqlx::query_as(PAGE)
            .bind(before)
            .bind(write_division(division))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await)
        .map_err(StoreError::at("list hand-overs"))?;
        rows.into_iter().map(read_row).collect()
    }
}

fn read_row(row: Row) -> Result<Handover, StoreError> {
    let division = read_division("handover.division", &row.division)?;
    let taken = match (row.taken_ms, row.taken_by, row.taken_actor, row.taken_note) {
        (Some(at), Some(person), Some(actor), Some(note)) => {
            Some(Signature { at: Timestamp::from_millis(at), person, actor, note })
        }
        _ => None,
    };
    let at = Timestamp::from_millis(row.given_ms);
    let given = Signature { at, person: row.given_by, actor: row.given_actor, note: row.given_note };
    Ok(Handover { id: row.id, division, sheet: row.sheet, given, taken })
}
