//! Floor 2: what is kept. All SQL of the project is here, one file per subject.
//!
//! One text serves SQLite and PostgreSQL wherever they agree and runs through `on_pool!`; where they differ two
//! constants stand side by side. Instants are `BIGINT` milliseconds, states and causes are their words.

pub mod audit;
pub mod backup;
pub mod credential;
pub mod exclusion;
pub mod fact;
mod heartbeat;
pub mod inventory;
pub mod month;
pub mod observation;
pub mod retention;
pub mod rollup;
pub mod span;
pub mod timeline;
pub mod token;
pub mod upkeep;
pub mod writer;

pub use fact::PointFacts;
pub use timeline::{KeptInterval, OpenState};
pub use writer::{Record, WriterStatus};

use crate::domain::{DivisionCode, DivisionLevel};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{PgPool, SqlitePool, postgres::PgPoolOptions};
use std::str::FromStr;
use std::time::Duration;

/// Runs one expression on whichever database is open, with its pool bound to `$pool`.
macro_rules! on_pool {
    ($db:expr, $pool:ident => $run:expr) => {
        match $db {
            crate::store::Db::Lite($pool) => $run,
            crate::store::Db::Pg($pool) => $run,
        }
    };
}
pub(crate) use on_pool;

/// How long a statement may wait for a connection or a lock before the store says that it is not available.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database URL is neither `sqlite:` nor `postgres:`.
    #[error("database url must begin with sqlite: or postgres:")]
    Url,
    /// A connection could not be opened.
    #[error("open the database")]
    Open(#[source] sqlx::Error),
    /// A migration failed.
    #[error("migrate the database")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// A statement failed.
    #[error("{operation}")]
    Statement {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        #[source]
        source: sqlx::Error,
    },
    /// The database did not answer in time.
    #[error("{operation}: no answer in time")]
    Deadline {
        /// What was tried.
        operation: &'static str,
    },
    /// A row holds what this version cannot read.
    #[error("read {what} `{value}`")]
    Corrupt {
        /// Which column.
        what: &'static str,
        /// What it holds.
        value: String,
    },
}

impl StoreError {
    /// What was tried, in words.
    pub const fn operation(&self) -> &'static str {
        match self {
            Self::Url | Self::Open(_) => "open the database",
            Self::Migrate(_) => "migrate the database",
            Self::Statement { operation, .. } | Self::Deadline { operation } => operation,
            Self::Corrupt { what, .. } => what,
        }
    }

    /// Names the operation that failed; for `map_err`.
    pub(crate) fn at(operation: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Statement { operation, source }
    }
}

/// The open database.
#[derive(Clone, Debug)]
pub(crate) enum Db {
    /// SQLite, the default.
    Lite(SqlitePool),
    /// PostgreSQL, by URL.
    Pg(PgPool),
}

/// The store: a cheap handle, cloned to whoever reads or writes.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) db: Db,
}

impl Store {
    /// Opens the database at `url` (`sqlite:path`, `sqlite::memory:` or `postgres://..`). Creates a missing SQLite file.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let db = if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url)
                .map_err(StoreError::Open)?
                .create_if_missing(true)
                .foreign_keys(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(ACQUIRE_TIMEOUT);
            let pool = SqlitePoolOptions::new().max_connections(8).acquire_timeout(ACQUIRE_TIMEOUT);
            Db::Lite(pool.connect_with(options).await.map_err(StoreError::Open)?)
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let pool = PgPoolOptions::new().max_connections(16).acquire_timeout(ACQUIRE_TIMEOUT);
            Db::Pg(pool.connect(url).await.map_err(StoreError::Open)?)
        } else {
            return Err(StoreError::Url);
        };
        Ok(Self { db })
    }

    /// Brings the schema to this version. Safe to repeat.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        match &self.db {
            Db::Lite(pool) => sqlx::migrate!("migrations/sqlite").run(pool).await,
            Db::Pg(pool) => sqlx::migrate!("migrations/postgres").run(pool).await,
        }
        .map_err(StoreError::Migrate)
    }

    /// Asks the database for a sign of life.
    pub async fn ping(&self) -> Result<(), StoreError> {
        const PING: &str = "SELECT 1";
        on_pool!(&self.db, pool => sqlx::query(PING).execute(pool).await.map(|_row_count| ()))
            .map_err(StoreError::at("ping the database"))
    }

    /// Closes every connection.
    pub async fn close(&self) {
        on_pool!(&self.db, pool => pool.close().await);
    }
}

/// Reads the code in a column.
pub(crate) fn parse<T: FromStr>(what: &'static str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_malformed| StoreError::Corrupt { what, value: text.to_owned() })
}

/// First and last code that a village of the division can have. Digits only, so that every collation agrees.
pub(crate) fn village_range(division: DivisionCode) -> (String, String) {
    let digits = DivisionLevel::Village.digits();
    (
        format!("{division:0<digits$}", division = division.as_str()),
        format!("{division:9<digits$}", division = division.as_str()),
    )
}
