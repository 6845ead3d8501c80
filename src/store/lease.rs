//! The lease: one service at a time runs on a database.
//!
//! A second one would end every interval that the first has open, look at every camera twice, and neither would know.
//! Commands that import, report or make a backup need no lease.

use crate::store::{ACQUIRE_TIMEOUT, Db, Store, StoreError, is_in_memory};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use std::fs::{File, TryLockError};
use std::future::Future;
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Takes a lock for as long as the session lives, in this database alone. The number reads `sharpeye` in ASCII.
const TAKE: &str = "SELECT pg_try_advisory_lock(8316003856079485285)";
/// Lets the server notice within ten seconds that a session is gone without a word, as after a power cut; it would take
/// two hours.
const NOTICED_WHEN_GONE: [(&str, &str); 3] =
    [("tcp_keepalives_idle", "4"), ("tcp_keepalives_interval", "2"), ("tcp_keepalives_count", "3")];
/// ..with some room.
const LINGERS: Duration = Duration::from_secs(15);
/// How often it is looked whether the session is still there, and tried to open it again when it is not.
const CHECK: Duration = Duration::from_secs(2);

/// The right to run on a database, until it is dropped.
#[derive(Debug)]
pub struct Lease(Held);

#[derive(Debug)]
enum Held {
    /// A lock on a file beside the SQLite file; the system lets it go when the process ends, however it does.
    File { _lock: File },
    /// A lock of a session on PostgreSQL.
    Session { session: PgConnection, options: Box<PgConnectOptions> },
    /// A database in memory is nobody else's.
    Memory,
}

impl Store {
    /// Takes the lease; [`StoreError::Leased`] while another service has it.
    pub async fn lease(&self) -> Result<Lease, StoreError> {
        let held = match &self.db {
            Db::Lite(pool) if is_in_memory(&pool.connect_options()) => Held::Memory,
            Db::Lite(pool) => Held::File { _lock: lock(pool.connect_options().get_filename())? },
            Db::Pg(pool) => {
                let options = pool.connect_options().as_ref().clone().options(NOTICED_WHEN_GONE);
                Held::Session { session: open(&options).await?, options: Box::new(options) }
            }
        };
        Ok(Lease(held))
    }
}

impl Lease {
    /// Keeps the lease, also over a restart of the database; ends when another service has taken it meanwhile.
    pub async fn keep(self) {
        let Held::Session { mut session, options } = self.0 else { return std::future::pending().await };
        loop {
            while in_time("keep the lease", session.ping()).await.is_ok() {
                sleep(CHECK).await;
            }
            drop(session);
            let Some(opened) = reopen(&options).await else { return };
            session = opened;
        }
    }
}

/// Opens the session again once the database is back; `None` when another service has the lease. Our own lost session may
/// have it for a while, until the server notices.
async fn reopen(options: &PgConnectOptions) -> Option<PgConnection> {
    let mut refused = None;
    loop {
        match open(options).await {
            Ok(session) => return Some(session),
            Err(StoreError::Leased) if refused.get_or_insert_with(Instant::now).elapsed() >= LINGERS => {
                return None;
            }
            // While the database is away the writer says so.
            Err(_leased_or_away) => sleep(CHECK).await,
        }
    }
}

/// Locks the file beside a database, whatever path led to it. A lock on the database itself would be among SQLite's own.
fn lock(database: &Path) -> Result<File, StoreError> {
    let failed = |source| StoreError::Lock { database: database.to_owned(), source };
    let mut path = std::fs::canonicalize(database).map_err(failed)?.into_os_string();
    path.push(".lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Leased),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Opens a session that has the lock.
async fn open(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let mut session = in_time("open the session of the lease", options.connect()).await?;
    let taken = in_time("take the lease", sqlx::query_scalar(TAKE).fetch_one(&mut session)).await?;
    if taken { Ok(session) } else { Err(StoreError::Leased) }
}

async fn in_time<T>(
    operation: &'static str,
    asked: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    let answered = timeout(ACQUIRE_TIMEOUT, asked).await;
    answered.map_err(|_elapsed| StoreError::Deadline { operation })?.map_err(StoreError::at(operation))
}
