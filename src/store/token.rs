//! API tokens: who may use the service. A token's secret is never kept, only its SHA-256.

use crate::domain::access::{Role, Scope};
use crate::domain::hex::hex;
use crate::domain::{DivisionCode, Timestamp};
use crate::store::{Store, StoreError, on_pool};
use sha2::{Digest, Sha256};

const ADD: &str = "INSERT INTO token (name, hash, role, division, created_ms) VALUES ($1, $2, $3, $4, $5)";
const LIST: &str =
    "SELECT name, role, division, created_ms, revoked_ms FROM token ORDER BY created_ms, name LIMIT 1000";
const FIND: &str =
    "SELECT name, role, division, created_ms, revoked_ms FROM token WHERE hash = $1 AND revoked_ms IS NULL";
const COUNT: &str = "SELECT COUNT(*) FROM token";
const REVOKE: &str = "UPDATE token SET revoked_ms = $2 WHERE name = $1 AND revoked_ms IS NULL";

/// What a secret token looks like in the store: lower-case hex of its SHA-256.
///
/// A token holds 256 random bits, so that a plain hash is as strong as a slow one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenHash(String);

impl TokenHash {
    /// Hashes a secret.
    pub fn of(secret: &str) -> Self {
        Self(hex(&Sha256::digest(secret.as_bytes())))
    }
}

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Who or what uses it; unique.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// What it may see.
    pub scope: Scope,
    /// When it was made.
    pub created: Timestamp,
    /// When it was made useless.
    pub revoked: Option<Timestamp>,
}

type Row = (String, String, Option<String>, i64, Option<i64>);

impl Store {
    /// Keeps a new token. Returns `false` when the name is taken.
    pub async fn add_token(&self, token: &Token, hash: &TokenHash) -> Result<bool, StoreError> {
        let added = on_pool!(&self.db, pool => sqlx::query(ADD)
            .bind(&token.name)
            .bind(&hash.0)
            .bind(token.role.as_str())
            .bind(token.scope.division().map(|division| division.to_string()))
            .bind(token.created.as_millis())
            .execute(pool)
            .await
            .map(|_done| ()));
        match added {
            Ok(()) => Ok(true),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
            Err(error) => Err(StoreError::at("add a token")(error)),
        }
    }

    /// Every token, oldest first.
    pub async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        let rows: Vec<Row> = on_pool!(&self.db, pool => sqlx::query_as(LIST).fetch_all(pool).await)
            .map_err(StoreError::at("list the tokens"))?;
        rows.into_iter().map(token).collect()
    }

    /// The valid token with this hash.
    pub async fn token_by_hash(&self, hash: &TokenHash) -> Result<Option<Token>, StoreError> {
        let row: Option<Row> =
            on_pool!(&self.db, pool => sqlx::query_as(FIND).bind(&hash.0).fetch_optional(pool).await)
                .map_err(StoreError::at("find a token"))?;
        row.map(token).transpose()
    }

    /// How many tokens were ever made, revoked ones too.
    pub async fn token_count(&self) -> Result<i64, StoreError> {
        on_pool!(&self.db, pool => sqlx::query_scalar(COUNT).fetch_one(pool).await)
            .map_err(StoreError::at("count the tokens"))
    }

    /// Makes a token useless. Returns `false` when no valid token has the name.
    pub async fn revoke_token(&self, name: &str, at: Timestamp) -> Result<bool, StoreError> {
        on_pool!(&self.db, pool => sqlx::query(REVOKE)
            .bind(name)
            .bind(at.as_millis())
            .execute(pool)
            .await
            .map(|done| done.rows_affected() > 0))
        .map_err(StoreError::at("revoke a token"))
    }
}

fn token((name, role, division, created_ms, revoked_ms): Row) -> Result<Token, StoreError> {
    let scope = match &division {
        Some(text) => Some(
            text.parse::<DivisionCode>()
                .map_err(|_code_error| StoreError::corrupt("token division", text))?,
        ),
        None => None,
    };
    Ok(Token {
        role: role.parse().map_err(|_role_error| StoreError::corrupt("token role", &role))?,
        name,
        scope: Scope::new(scope),
        created: Timestamp::from_millis(created_ms),
        revoked: revoked_ms.map(Timestamp::from_millis),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_published_sha_256() {
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(TokenHash::of("abc"), TokenHash(expected.to_owned()));
    }
}
