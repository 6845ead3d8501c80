//! The audit: who did what, in a hash chain, so that an edited or removed entry is found.
//!
//! The hash of an entry is SHA-256 over the hash before it and every field, each with its length in front. Entries are
//! numbered without a gap; two writers that take the same number collide on it, and the loser takes the next one.

use crate::domain::Timestamp;
use crate::domain::hex::hex;
use crate::store::{Store, StoreError, on_pool};
use sha2::{Digest, Sha256};

const HEAD: &str = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1";
const APPEND: &str = "INSERT INTO audit (seq, at_ms, actor, action, subject, body, previous_hash, hash) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const PAGE_BACK: &str = "SELECT seq, at_ms, actor, action, subject, body, previous_hash, hash FROM audit \
     WHERE seq < $1 ORDER BY seq DESC LIMIT $2";
const PAGE_ON: &str = "SELECT seq, at_ms, actor, action, subject, body, previous_hash, hash FROM audit \
     WHERE seq > $1 ORDER BY seq LIMIT $2";

/// Entries that one statement of the verification reads.
const VERIFY_PAGE: i64 = 1_000;
/// How often an append may lose the race for a number before it gives up.
const APPEND_TRIES: u32 = 20;

/// What is entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditNote {
    /// When.
    pub at: Timestamp,
    /// Who: the name of the token, `cli:` and a user, or `local`.
    pub actor: String,
    /// What: `exclusion.approve`, `import.apply`, ...
    pub action: String,
    /// On what: a code or number.
    pub subject: String,
    /// The request, as JSON, without secrets.
    pub body: String,
}

/// An entry of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Number, from 1, without a gap.
    pub seq: i64,
    /// What was entered.
    pub note: AuditNote,
    /// Hash of the entry before; empty for the first.
    pub previous_hash: String,
    /// Hash of this entry.
    pub hash: String,
}

/// What a verification of the chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditVerdict {
    /// Every entry is as it was written. A cut tail does not show: compare the head with one noted elsewhere.
    Intact {
        /// How many entries.
        entry_count: i64,
        /// Hash of the last one; empty when there is none.
        head: String,
    },
    /// The first entry that is missing or was changed.
    BrokenAt {
        /// Its number.
        seq: i64,
    },
}

type Row = (i64, i64, String, String, String, String, String, String);

impl Store {
    /// Appends a note to the chain and returns its number.
    pub async fn append_audit(&self, note: &AuditNote) -> Result<i64, StoreError> {
        let mut last = None;
        for _ in 0..APPEND_TRIES {
            let (previous_seq, previous_hash) = self.audit_head().await?;
            let seq = previous_seq.saturating_add(1);
            match self.try_append(seq, note, &previous_hash).await {
                Ok(()) => return Ok(seq),
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                    last = Some(sqlx::Error::Database(error));
                }
                Err(error) => return Err(StoreError::at("append to the audit")(error)),
            }
        }
        Err(StoreError::at("append to the audit")(last.unwrap_or(sqlx::Error::RowNotFound)))
    }

    /// Entries before `before` (or the newest), newest first.
    pub async fn audit_page(&self, before: Option<i64>, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        self.audit_rows(PAGE_BACK, before.unwrap_or(i64::MAX), i64::from(limit)).await
    }

    /// Walks the whole chain.
    pub async fn verify_audit(&self) -> Result<AuditVerdict, StoreError> {
        let (mut entry_count, mut head) = (0, String::new());
        loop {
            let entries = self.audit_rows(PAGE_ON, entry_count, VERIFY_PAGE).await?;
            if entries.is_empty() {
                return Ok(AuditVerdict::Intact { entry_count, head });
            }
            for entry in entries {
                let expected = entry_count.saturating_add(1);
                if entry.seq != expected || !follows(&entry, &head) {
                    return Ok(AuditVerdict::BrokenAt { seq: expected });
                }
                (entry_count, head) = (entry.seq, entry.hash);
            }
        }
    }

    async fn audit_head(&self) -> Result<(i64, String), StoreError> {
        let head: Option<(i64, String)> =
            on_pool!(&self.db, pool => sqlx::query_as(HEAD).fetch_optional(pool).await)
                .map_err(StoreError::at("read the head of the audit"))?;
        Ok(head.unwrap_or_default())
    }

    async fn try_append(&self, seq: i64, note: &AuditNote, previous_hash: &str) -> Result<(), sqlx::Error> {
        on_pool!(&self.db, pool => sqlx::query(APPEND)
            .bind(seq)
            .bind(note.at.as_millis())
            .bind(&note.actor)
            .bind(&note.action)
            .bind(&note.subject)
            .bind(&note.body)
            .bind(previous_hash)
            .bind(chain_hash(previous_hash, seq, note))
            .execute(pool)
            .await
            .map(|_done| ()))
    }

    async fn audit_rows(
        &self,
        sql: &'static str,
        seq: i64,
        limit: i64,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let rows: Vec<Row> =
            on_pool!(&self.db, pool => sqlx::query_as(sql).bind(seq).bind(limit).fetch_all(pool).await)
                .map_err(StoreError::at("read the audit"))?;
        Ok(rows.into_iter().map(entry).collect())
    }
}

fn entry((seq, at_ms, actor, action, subject, body, previous_hash, hash): Row) -> AuditEntry {
    let note = AuditNote { at: Timestamp::from_millis(at_ms), actor, action, subject, body };
    AuditEntry { seq, note, previous_hash, hash }
}

fn follows(entry: &AuditEntry, previous_hash: &str) -> bool {
    entry.previous_hash == previous_hash && entry.hash == chain_hash(previous_hash, entry.seq, &entry.note)
}

/// SHA-256 over length-prefixed fields: no two different entries give the same bytes.
fn chain_hash(previous_hash: &str, seq: i64, note: &AuditNote) -> String {
    let mut hash = Sha256::new();
    let (seq, at) = (seq.to_be_bytes(), note.at.as_millis().to_be_bytes());
    let texts = [&note.actor, &note.action, &note.subject, &note.body].map(|text| text.as_bytes());
    for field in [previous_hash.as_bytes(), &seq, &at].into_iter().chain(texts) {
        hash.update(u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(field);
    }
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(actor: &str, action: &str) -> AuditNote {
        AuditNote {
            at: Timestamp::from_seconds(1_700_000_000),
            actor: actor.to_owned(),
            action: action.to_owned(),
            subject: String::new(),
            body: String::new(),
        }
    }

    #[test]
    fn a_field_boundary_is_part_of_the_hash() {
        let check = |left: &AuditNote, right: &AuditNote| {
            assert_ne!(chain_hash("", 1, left), chain_hash("", 1, right));
        };
        check(&note("ab", "c"), &note("a", "bc"));
        check(&note("a", "c"), &note("c", "a"));
        assert_ne!(chain_hash("", 1, &note("a", "b")), chain_hash("", 2, &note("a", "b")));
        assert_ne!(chain_hash("", 1, &note("a", "b")), chain_hash("x", 1, &note("a", "b")));
    }
}
