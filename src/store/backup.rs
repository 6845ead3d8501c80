//! A consistent copy of the database while the service runs.
//!
//! SQLite copies itself with `VACUUM INTO`; for PostgreSQL `pg_dump` of the distribution does it. The copy is written
//! under a temporary name and renamed when it is whole, so that a file with the asked name is always a good one.

use crate::store::{Db, Store, StoreError, make_private, on_pool};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

const COPY: &str = "VACUUM INTO $1";
const SIZE_LITE: &str = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
const SIZE_PG: &str = "SELECT pg_database_size(current_database())";

/// Why a copy was not made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file is there already; a backup never overwrites one.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// The folder or file cannot be written.
    #[error("write {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `pg_dump` could not be started.
    #[error("start pg_dump; it is part of Debian's package postgresql-client")]
    NoDump(#[source] io::Error),
    /// `pg_dump` ended with an error.
    #[error("pg_dump failed: {0}")]
    Dump(String),
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Writes a consistent copy to `path`, which must not exist: an SQLite file or an archive for `pg_restore`.
    pub async fn backup_to(&self, path: &Path) -> Result<(), BackupError> {
        let file_fault = |source| BackupError::File { path: path.to_owned(), source };
        if tokio::fs::try_exists(path).await.map_err(file_fault)? {
            return Err(BackupError::Exists(path.to_owned()));
        }
        let partial = partial_path(path);
        remove_if_there(&partial).await.map_err(file_fault)?;
        make_private(&partial);
        let copied = self.copy_to(&partial).await;
        if copied.is_err() {
            remove_if_there(&partial).await.map_err(file_fault)?;
        }
        copied?;
        tokio::fs::rename(&partial, path).await.map_err(file_fault)
    }

    async fn copy_to(&self, partial: &Path) -> Result<(), BackupError> {
        match &self.db {
            Db::Lite(pool) => {
                let copied = sqlx::query(COPY).bind(partial.to_string_lossy().as_ref()).execute(pool).await;
                copied.map_err(StoreError::at("copy the database"))?;
            }
            Db::Pg(pool) => dump(&pool.connect_options(), partial).await?,
        }
        Ok(())
    }

    /// Size of the database in bytes.
    pub async fn size_bytes(&self) -> Result<u64, StoreError> {
        let statement = match &self.db {
            Db::Lite(_) => SIZE_LITE,
            Db::Pg(_) => SIZE_PG,
        };
        let size: i64 = on_pool!(&self.db, pool => sqlx::query_scalar(statement).fetch_one(pool).await)
            .map_err(StoreError::at("measure the database"))?;
        Ok(u64::try_from(size).unwrap_or(0))
    }
}

/// Where a copy grows until it is whole.
pub fn partial_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    path.with_file_name(name)
}

async fn remove_if_there(path: &Path) -> io::Result<()> {
    match tokio::fs::remove_file(path).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Runs `pg_dump`. Where to connect goes by the environment, which other users cannot read, never by the command line.
async fn dump(options: &PgConnectOptions, to: &Path) -> Result<(), BackupError> {
    let mut command = Command::new("pg_dump");
    command.arg("--format=custom").arg("--file").arg(to).envs(libpq_environment(options));
    let output =
        command.stdin(Stdio::null()).kill_on_drop(true).output().await.map_err(BackupError::NoDump)?;
    if output.status.success() {
        Ok(())
    } else {
        Err(BackupError::Dump(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}

/// The connection as the variables of libpq.
fn libpq_environment(options: &PgConnectOptions) -> Vec<(&'static str, String)> {
    let host = options.get_socket().map_or(options.get_host().into(), |socket| socket.to_string_lossy());
    let mut variables = vec![
        ("PGHOST", host.into_owned()),
        ("PGPORT", options.get_port().to_string()),
        ("PGUSER", options.get_username().to_owned()),
        ("PGDATABASE", options.get_database().unwrap_or(options.get_username()).to_owned()),
    ];
    // The password and the files of TLS are told by the URL only.
    let url = options.to_url_lossy();
    if let Some(password) = url.password() {
        let decoded =
            url::form_urlencoded::parse(password.as_bytes()).map(|(text, _)| text.into_owned()).collect();
        variables.push(("PGPASSWORD", decoded));
    }
    for (key, value) in url.query_pairs() {
        let variable = match key.as_ref() {
            "sslmode" => "PGSSLMODE",
            "sslrootcert" => "PGSSLROOTCERT",
            "sslcert" => "PGSSLCERT",
            "sslkey" => "PGSSLKEY",
            _ => continue,
        };
        variables.push((variable, value.into_owned()));
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    #[test]
    fn pg_dump_is_told_everything_by_the_environment() {
        let check = |url: &str, expected: &[(&'static str, &str)]| {
            let found = libpq_environment(&PgConnectOptions::from_str(url).unwrap());
            for (variable, value) in expected {
                assert!(found.contains(&(variable, (*value).to_owned())), "{variable} in {found:?}");
            }
        };
        check(
            "postgres://eyes:p%40ss%2B%25%26=w@10.1.2.3:5433/sharp?sslmode=require",
            &[
                ("PGHOST", "10.1.2.3"),
                ("PGPORT", "5433"),
                ("PGUSER", "eyes"),
                ("PGPASSWORD", "p@ss+%&=w"),
                ("PGDATABASE", "sharp"),
                ("PGSSLMODE", "require"),
            ],
        );
        check("postgres:///sharp?host=/run/postgresql&user=eyes", &[("PGHOST", "/run/postgresql")]);
    }

    #[test]
    fn a_copy_grows_beside_its_final_place() {
        assert_eq!(partial_path(Path::new("/srv/a.db")), Path::new("/srv/a.db.partial"));
    }
}
