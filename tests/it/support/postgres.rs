//! PostgreSQL 15 from Debian's package, and the contract of the store: one case, both databases.
//!
//! ```ignore
//! use crate::support::postgres::on_both;
//!
//! #[tokio::test]
//! async fn a_token_is_found_by_its_hash() {
//!     on_both(async |store: Store| {
//!         // an empty, migrated database of its own
//!     })
//!     .await;
//! }
//! ```
//!
//! A panic inside the case names the database that it ran on. The shared server is started by the first test that
//! asks for it and ends with the test process, however that ends: a watching shell reads from a pipe that the process
//! holds. A test that wants to stop a server starts its own ([`Server::start`]).

#![expect(clippy::panic, clippy::print_stderr, reason = "a test that cannot go on stops and says why")]

use sharpeyes::store::Store;
use sqlx::{Connection, PgConnection};
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Where Debian puts the server.
const BIN: &str = "/usr/lib/postgresql/15/bin";
/// Longest time for the server to come up; `initdb` on a busy machine takes seconds.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// Runs the server; a line on standard input names the signal that ends it. When the test process is gone without a
/// word, however it ended, the server ends too and its folder (`$0`) is removed.
const WATCH: &str = r#"
trap '' INT
"$@" & server=$!
read -r signal
kill -"${signal:-QUIT}" "$server"
wait "$server"
[ -n "$signal" ] || rm -rf "$0"
"#;

static SHARED: LazyLock<Server> = LazyLock::new(Server::start);
static DATABASE_COUNT: AtomicU32 = AtomicU32::new(0);

/// Runs a case on an empty, migrated SQLite file and on an empty, migrated PostgreSQL database.
pub(crate) async fn on_both(case: impl AsyncFn(Store)) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    run_case("SQLite", &url, &case).await;
    run_case("PostgreSQL", &new_database().await, &case).await;
}

/// Creates an empty database on the shared server and gives its URL.
pub(crate) async fn new_database() -> String {
    let server = tokio::task::spawn_blocking(|| &*SHARED).await.unwrap();
    server.new_database().await
}

/// Restores an archive of `pg_dump` into an empty database and gives its URL back.
pub(crate) async fn restore(archive: &Path, url: String) -> String {
    let (program, archive) = (format!("{BIN}/pg_restore"), archive.to_owned());
    tokio::task::spawn_blocking(move || {
        run(Command::new(program).arg("--dbname").arg(&url).arg(archive));
        url
    })
    .await
    .unwrap()
}

async fn run_case(database: &'static str, url: &str, case: &impl AsyncFn(Store)) {
    let _named = NamePanic(database);
    let store = Store::open(url).await.unwrap();
    store.migrate().await.unwrap();
    case(store.clone()).await;
    store.close().await;
}

/// Says on which database a case failed.
struct NamePanic(&'static str);

impl Drop for NamePanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the case failed on {}", self.0);
        }
    }
}

/// A PostgreSQL server on loopback in a folder of its own, with fsync as in production.
#[derive(Debug)]
pub(crate) struct Server {
    folder: PathBuf,
    port: u16,
    watch: Option<(Child, ChildStdin)>,
    _removed_at_drop: Option<TempDir>,
}

impl Server {
    /// Makes a cluster and starts it on a free port.
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("sharpeyes-postgres-").tempdir().unwrap();
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(folder.path()));
        }
        let data = folder.path().join("data");
        let mut initdb = as_owner(&format!("{BIN}/initdb"));
        run(initdb
            .args(["--auth=trust", "--username=sharpeyes", "--encoding=UTF8", "--locale=C.UTF-8"])
            .arg(&data));
        let mut server = Self {
            folder: folder.path().to_owned(),
            port: free_port(),
            watch: None,
            _removed_at_drop: Some(folder),
        };
        server.restart();
        server
    }

    /// Starts the stopped server again, on the same port.
    pub(crate) fn restart(&mut self) {
        let mut server = as_owner(&format!("{BIN}/postgres"));
        server.arg("-D").arg(self.folder.join("data")).args([
            "-p",
            &self.port.to_string(),
            "-h",
            "127.0.0.1",
        ]);
        server.arg("-k").arg(&self.folder).args(["-c", "max_connections=300"]);
        let mut watch = Command::new("sh");
        watch.args(["-c", WATCH]).arg(&self.folder).arg(server.get_program()).args(server.get_args());
        let log = std::fs::File::create(self.folder.join("log")).unwrap();
        watch.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).current_dir("/");
        let mut child = watch.spawn().unwrap();
        let pipe = child.stdin.take().unwrap();
        self.watch = Some((child, pipe));
        self.wait_until_up();
    }

    /// Stops the server; `signal` is `INT` (orderly), `QUIT` (at once) or `KILL` (as a power cut would).
    pub(crate) fn stop(&mut self, signal: &str) {
        if let Some((mut child, mut pipe)) = self.watch.take() {
            self.signal_all("CONT");
            writeln!(pipe, "{signal}").unwrap();
            drop(pipe);
            child.wait().unwrap();
        }
    }

    /// Lets every process of the server stand still: connections stay open and nothing is answered.
    pub(crate) fn freeze(&self) {
        self.signal_all("STOP");
    }

    /// Lets them go on.
    pub(crate) fn thaw(&self) {
        self.signal_all("CONT");
    }

    /// The server, which begins no more processes once it stands still, and then those of its connections.
    fn signal_all(&self, signal: &str) {
        let file = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap_or_default();
        let Some(server) = file.lines().next() else { return };
        signal_one(server, signal);
        let children = std::fs::read_to_string(format!("/proc/{server}/task/{server}/children"));
        children.unwrap_or_default().split_whitespace().for_each(|child| signal_one(child, signal));
    }

    /// Creates an empty database and gives its URL. It sorts texts as a Chinese dictionary does, as the database of an
    /// operator may: whoever relies on the order of bytes must say so.
    pub(crate) async fn new_database(&self) -> String {
        let name = format!("case_{}", DATABASE_COUNT.fetch_add(1, Ordering::Relaxed));
        let mut admin = PgConnection::connect(&self.url("postgres")).await.unwrap();
        let create = sqlx::AssertSqlSafe(format!(
            "CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'zh-CN'"
        ));
        sqlx::raw_sql(create).execute(&mut admin).await.unwrap();
        admin.close().await.unwrap();
        self.url(&name)
    }

    /// The host and port that it listens on.
    pub(crate) fn address(&self) -> (String, u16) {
        (Ipv4Addr::LOCALHOST.to_string(), self.port)
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://sharpeyes@127.0.0.1:{}/{database}", self.port)
    }

    fn wait_until_up(&mut self) {
        let deadline = Instant::now() + START_DEADLINE;
        while !self.is_ready() {
            let ended = self.watch.as_mut().is_some_and(|(child, _)| child.try_wait().unwrap().is_some());
            if ended || Instant::now() > deadline {
                let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                panic!("PostgreSQL did not come up on port {}:\n{log}", self.port);
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    fn is_ready(&self) -> bool {
        let address = (Ipv4Addr::LOCALHOST, self.port).into();
        TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
            && Command::new(format!("{BIN}/pg_isready"))
                .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
                .status()
                .is_ok_and(|status| status.success())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop("QUIT");
    }
}

/// A connection may have ended since its process was listed.
fn signal_one(process: &str, signal: &str) {
    let signalled = Command::new("kill").args([&format!("-{signal}"), process]).output().unwrap();
    let has_ended = !Path::new("/proc").join(process).exists();
    assert!(signalled.status.success() || has_ended, "kill -{signal} {process}: {signalled:?}");
}

/// PostgreSQL refuses to run as root; then it runs as the package's own user.
fn as_owner(program: &str) -> Command {
    assert!(Path::new(program).exists(), "{program} is missing: install Debian's package postgresql-15");
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", program]).current_dir("/");
    command
}

/// Whether this is root, whom some servers refuse.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
