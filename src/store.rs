//! Floor 2: what is kept. All SQL of the project is here, one file per subject.
//!
//! One text serves SQLite and PostgreSQL wherever they agree and runs through `on_pool!`; where they differ two
//! constants stand side by side. Instants are `BIGINT` milliseconds, states and causes are their words.

pub mod audit;
pub mod backup;
pub mod credential;
pub mod decoded_size;
pub mod exclusion;
pub mod fact;
pub mod handover;
mod heartbeat;
pub mod incident;
pub mod inventory;
pub mod lease;
pub mod month;
pub mod notification;
pub mod observation;
pub mod picture;
pub mod retention;
pub mod rollup;
pub mod silence;
pub mod span;
pub mod timeline;
pub mod token;
mod transport;
pub mod upkeep;
pub mod writer;

pub use fact::PointFacts;
pub use lease::Lease;
pub use picture::{FalseAlarm, KeptDiagnosis};
pub use timeline::{KeptInterval, OpenState};
pub use writer::{Record, WriterStatus};

use crate::domain::{DivisionCode, DivisionLevel};
use log::LevelFilter;
use sqlx::error::DatabaseError;
use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteError, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, PgPool, SqlitePool};
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
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
/// A statement that takes longer is warned of: on SQLite the others have by then given up waiting for the lock. The library
/// would warn after a second, which roll-ups, retention and figures of long windows take by nature on a large network.
const SLOW_STATEMENT: Duration = ACQUIRE_TIMEOUT;
/// SQLite's result code when another connection holds the lock.
const SQLITE_BUSY: u32 = 5;

/// Limits of every session on PostgreSQL, so that what we gave up waiting for does not go on for ever on the server. Far
/// above what any statement of ours needs; SQLite has its busy timeout.
const PG_LIMITS: [(&str, &str); 3] =
    [("statement_timeout", "120s"), ("lock_timeout", "10s"), ("idle_in_transaction_session_timeout", "60s")];

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database URL is neither `sqlite:` nor `postgres:`.
    #[error("database url must begin with sqlite: or postgres:")]
    Url,
    /// There is no SQLite file where a command that only reads expects one.
    #[error("there is no database at {}; `sharpeyes migrate` makes one", .0.display())]
    NoDatabase(PathBuf),
    /// A connection could not be opened.
    #[error("open the database")]
    Open(#[source] sqlx::Error),
    /// A migration failed.
    #[error("migrate the database")]
    Migrate(#[source] MigrateError),
    /// A later version of this program was here: what it changed is unknown.
    #[error(
        "the database has migration {version} of a later version of this program; run that version or a later one"
    )]
    NewerSchema {
        /// The migration that this version does not know.
        version: i64,
    },
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
    /// Another service has the lease.
    #[error("another service runs on this database; stop it first")]
    Leased,
    /// The lock beside the SQLite file could not be taken.
    #[error("lock {}.lock", .database.display())]
    Lock {
        /// The SQLite file.
        database: PathBuf,
        /// Why it could not be.
        #[source]
        source: std::io::Error,
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
            Self::Url | Self::NoDatabase(_) | Self::Open(_) => "open the database",
            Self::Migrate(_) | Self::NewerSchema { .. } => "migrate the database",
            Self::Statement { operation, .. } | Self::Deadline { operation } => operation,
            Self::Leased | Self::Lock { .. } => "take the lease",
            Self::Corrupt { what, .. } => what,
        }
    }

    /// Whether the database refuses what it was given, however often it is tried.
    pub(crate) fn is_permanent(&self) -> bool {
        match self {
            Self::Statement { source: sqlx::Error::Encode(_), .. } => true,
            Self::Statement { source: sqlx::Error::Database(error), .. } => refuses_value(error.as_ref()),
            Self::Url
            | Self::NoDatabase(_)
            | Self::Open(_)
            | Self::Migrate(_)
            | Self::NewerSchema { .. }
            | Self::Statement { .. }
            | Self::Deadline { .. }
            | Self::Leased
            | Self::Lock { .. }
            | Self::Corrupt { .. } => false,
        }
    }

    /// Whether the same may work in a moment: the database is not up yet, has no room or went away meanwhile.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Open(source)
            | Self::Statement { source, .. }
            | Self::Migrate(MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _)) => {
                may_pass(source)
            }
            Self::Deadline { .. } => true,
            Self::Url
            | Self::NoDatabase(_)
            | Self::Migrate(_)
            | Self::NewerSchema { .. }
            | Self::Leased
            | Self::Lock { .. }
            | Self::Corrupt { .. } => false,
        }
    }

    /// Why the database could not be opened. The pool tries for some seconds and then only says that they are over.
    fn opening(source: sqlx::Error) -> Self {
        if matches!(source, sqlx::Error::PoolTimedOut) {
            return Self::Deadline { operation: "open the database" };
        }
        Self::Open(source)
    }

    fn migrating(source: MigrateError) -> Self {
        if let MigrateError::VersionMissing(version) = source {
            return Self::NewerSchema { version };
        }
        Self::Migrate(source)
    }

    /// A column holds what this version cannot read.
    pub(crate) fn corrupt(what: &'static str, value: impl ToString) -> Self {
        Self::Corrupt { what, value: value.to_string() }
    }

    /// Names the operation that failed; for `map_err`.
    pub(crate) fn at(operation: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Statement { operation, source }
    }
}

/// A division as a column names it; an empty text for none.
pub(crate) fn write_division(division: Option<DivisionCode>) -> String {
    division.map(|division| division.to_string()).unwrap_or_default()
}

/// The division that a column names; an empty one names none.
pub(crate) fn read_division(what: &'static str, text: &str) -> Result<Option<DivisionCode>, StoreError> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_code_error| StoreError::corrupt(what, text))
}

/// Texts or numbers as one JSON list, to be bound to `json_each` or its like.
fn json_list<T: Into<serde_json::Value>>(items: impl IntoIterator<Item = T>) -> String {
    serde_json::Value::from_iter(items).to_string()
}

/// Whether a database error is about the value: a constraint, its size or its form. Anything else may pass: a full disk,
/// a lock, a table that a migration has yet to bring.
fn refuses_value(error: &dyn DatabaseError) -> bool {
    /// Primary result codes of SQLite: <https://www.sqlite.org/rescode.html>.
    const TOO_BIG: u32 = 18;
    const CONSTRAINT: u32 = 19;
    const MISMATCH: u32 = 20;
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<SqliteError>().is_some() {
        // The low byte of an extended code is its primary one.
        return code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, TOO_BIG | CONSTRAINT | MISMATCH));
    }
    // Classes of SQLSTATE: data exception, integrity constraint violation.
    code.starts_with("22") || code.starts_with("23")
}

/// Whether the database was away or full for the moment, by SQLSTATE or SQLite's code: connection lost (08), out of
/// connections (53300), stopping or starting (57P), locked by another process (5 and its extensions).
fn may_pass(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    matches!(error, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut)
        || code.is_some_and(|code| is_passing(&code))
}

fn is_passing(code: &str) -> bool {
    match code.parse::<u32>() {
        Ok(number) if code.len() < 5 => number & 0xff == SQLITE_BUSY,
        _ => code.starts_with("08") || code.starts_with("57P") || code == "53300",
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
        match Address::parse(url)? {
            Address::Lite(options) => {
                if !is_in_memory(&options) {
                    make_private(options.get_filename());
                }
                Self::open_lite(options.create_if_missing(true)).await
            }
            Address::Pg(options) => Self::open_pg(*options).await,
        }
    }

    /// Opens the database at `url`, which must be there: for those who only read.
    pub async fn open_existing(url: &str) -> Result<Self, StoreError> {
        match Address::parse(url)? {
            Address::Lite(options) if !options.get_filename().exists() => {
                Err(StoreError::NoDatabase(options.get_filename().to_owned()))
            }
            Address::Lite(options) => Self::open_lite(*options).await,
            Address::Pg(options) => Self::open_pg(*options).await,
        }
    }

    /// The folder of an SQLite file; none of a database that is elsewhere or in memory.
    pub fn folder(&self) -> Option<PathBuf> {
        match &self.db {
            Db::Lite(pool) => {
                let options = pool.connect_options();
                let folder = options.get_filename().parent().map(Path::to_owned);
                folder.filter(|_folder| !is_in_memory(&options))
            }
            Db::Pg(_) => None,
        }
    }

    async fn open_lite(options: SqliteConnectOptions) -> Result<Self, StoreError> {
        let pool = SqlitePoolOptions::new().max_connections(8).acquire_timeout(ACQUIRE_TIMEOUT);
        pool.connect_with(options).await.map(|pool| Self { db: Db::Lite(pool) }).map_err(StoreError::opening)
    }

    async fn open_pg(options: PgConnectOptions) -> Result<Self, StoreError> {
        let pool = PgPoolOptions::new().max_connections(16).acquire_timeout(ACQUIRE_TIMEOUT);
        pool.connect_with(options).await.map(|pool| Self { db: Db::Pg(pool) }).map_err(StoreError::opening)
    }

    /// The same database over one connection that nobody else uses, opened when it is first needed.
    pub(crate) fn apart(&self) -> Self {
        let db = match &self.db {
            Db::Lite(pool) => {
                let alone = SqlitePoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE_TIMEOUT);
                Db::Lite(alone.connect_lazy_with(pool.connect_options().as_ref().clone()))
            }
            Db::Pg(pool) => {
                let alone = PgPoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE_TIMEOUT);
                Db::Pg(alone.connect_lazy_with(pool.connect_options().as_ref().clone()))
            }
        };
        Self { db }
    }

    /// Brings the schema to this version. Safe to repeat.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        match &self.db {
            Db::Lite(pool) => {
                sqlx::migrate!("migrations/sqlite").run(pool).await.map_err(StoreError::migrating)
            }
            Db::Pg(pool) => migrate_pg(pool).await,
        }
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

/// Where a database is and how it is used.
enum Address {
    Lite(Box<SqliteConnectOptions>),
    Pg(Box<PgConnectOptions>),
}

impl Address {
    fn parse(url: &str) -> Result<Self, StoreError> {
        if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url)
                .map_err(StoreError::Open)?
                .foreign_keys(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(ACQUIRE_TIMEOUT)
                .log_slow_statements(LevelFilter::Warn, SLOW_STATEMENT);
            Ok(Self::Lite(Box::new(options)))
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let options = PgConnectOptions::from_str(url).map_err(StoreError::Open)?;
            let options = options.options(PG_LIMITS);
            Ok(Self::Pg(Box::new(options.log_slow_statements(LevelFilter::Warn, SLOW_STATEMENT))))
        } else {
            Err(StoreError::Url)
        }
    }
}

/// Makes an empty file that only its owner may read: sealed credentials, hashes of tokens and telephone numbers come into
/// it. One that is there stays as it is; where none can be made, who writes it next says why.
pub(crate) fn make_private(path: &Path) {
    let _made_or_not = File::options().write(true).create_new(true).mode(0o600).open(path);
}

/// The library gives a database in memory the name of a URI.
fn is_in_memory(options: &SqliteConnectOptions) -> bool {
    options.get_filename().as_os_str().as_encoded_bytes().starts_with(b"file:")
}

/// Migrates over a connection without the limits, which is closed afterwards: building an index takes what it takes.
async fn migrate_pg(pool: &PgPool) -> Result<(), StoreError> {
    let mut connection = pool.acquire().await.map_err(StoreError::opening)?;
    for statement in ["SET statement_timeout = 0", "SET lock_timeout = 0"] {
        let lifted = sqlx::query(statement).execute(&mut *connection).await;
        lifted.map_err(StoreError::at("lift the limits for the migration"))?;
    }
    let migrated = sqlx::migrate!("migrations/postgres").run(&mut *connection).await;
    connection.close().await.map_err(StoreError::at("close the connection of the migration"))?;
    migrated.map_err(StoreError::migrating)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_session_on_postgres_has_its_limits() {
        let Address::Pg(options) = Address::parse("postgres://eyes@10.1.2.3/sharp").unwrap() else {
            panic!("not taken as PostgreSQL")
        };
        let told = options.get_options().unwrap();
        for limit in ["statement_timeout=120s", "lock_timeout=10s", "idle_in_transaction_session_timeout=60s"]
        {
            assert!(told.contains(&format!("-c {limit}")), "{limit} in {told}");
        }
    }

    #[test]
    fn only_a_statement_that_others_give_up_waiting_for_is_warned_of() {
        let check = |settings: String| {
            let set = "slow_statements_level: Warn, slow_statements_duration: 5s";
            assert!(settings.contains(set), "{settings}");
        };
        let lite = Address::parse("sqlite:store.db").unwrap();
        let pg = Address::parse("postgres://eyes@10.1.2.3/sharp").unwrap();
        for address in [lite, pg] {
            match address {
                Address::Lite(options) => check(format!("{options:?}")),
                Address::Pg(options) => check(format!("{options:?}")),
            }
        }
    }

    #[tokio::test]
    async fn only_those_who_write_make_a_database() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let url = format!("sqlite:{}", path.display());
        let refused = Store::open_existing(&url).await;
        assert!(matches!(&refused, Err(StoreError::NoDatabase(missing)) if *missing == path), "{refused:?}");
        assert!(!path.exists());
        Store::open(&url).await.unwrap().close().await;
        Store::open_existing(&url).await.unwrap().close().await;
    }

    #[test]
    fn a_database_that_is_away_is_told_from_one_that_refuses_us() {
        let check = |code: &str, expected| assert_eq!(is_passing(code), expected, "{code}");
        check("57P03", true); // the database system is starting up
        check("57P01", true); // ..is shutting down
        check("53300", true);
        check("08006", true);
        check("28P01", false); // password authentication failed
        check("3D000", false); // no such database
        check("42501", false); // permission denied
        check("5", true); // SQLITE_BUSY
        check("517", true); // SQLITE_BUSY_SNAPSHOT
        check("14", false); // SQLITE_CANTOPEN
        check("26", false); // SQLITE_NOTADB
    }
}
