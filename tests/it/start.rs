//! How the service starts: with a database that is late, with one that will never take it, with too few open files.

use crate::support::postgres::{Server, new_database};
use crate::support::process::{Process, eventually, free_port};
use crate::support::service::{Service, agent, sharpeyes};
use sharpeyes::store::Store;
use sqlx::Connection;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Longest time for anything here: a try to reach the database takes 5 s.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is said at each failed try.
const WAITS: &str = "does not answer yet";

fn settings(folder: &Path, url: &str) -> String {
    let key = folder.join("camera.key");
    format!(
        "[server]\nlisten = \"@LISTEN@\"\n[store]\nurl = \"{url}\"\n[credentials]\nkey_file = \"{}\"\n",
        key.display()
    )
}

fn start(folder: &Path, url: &str) -> Process {
    let (mut command, _port) = Service::command(folder, &settings(folder, url));
    Process::start(&mut command)
}

/// The service must give up at once; gives what it said.
fn refused(folder: &Path, url: &str) -> String {
    let mut process = start(folder, url);
    process.wait_for_line("error: ", PATIENCE);
    let status = process.wait(PATIENCE);
    let said = process.output();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(!said.contains(WAITS), "{said}");
    said
}

#[tokio::test]
async fn a_database_that_is_not_up_yet_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start();
    let url = server.new_database().await;
    server.stop("INT");
    let mut process = start(folder.path(), &url);
    process.wait_for_line(WAITS, PATIENCE);
    server.restart();
    process.wait_for_line("the database answers now", PATIENCE);
    process.wait_for_line("sharpeyes listens on", PATIENCE);
    process.signal("TERM");
    assert!(process.wait(PATIENCE).success());
}

#[test]
fn a_start_that_waits_for_the_database_can_be_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    for signal in ["TERM", "INT"] {
        let url = format!("postgres://sharpeyes@127.0.0.1:{}/sharpeyes", free_port());
        let mut process = start(folder.path(), &url);
        process.wait_for_line(WAITS, PATIENCE);
        process.signal(signal);
        assert!(process.wait(PATIENCE).success(), "{signal}: {}", process.output());
    }
}

#[tokio::test]
async fn a_database_that_will_never_take_us_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let url = new_database().await;
    let said = refused(folder.path(), &format!("{url}_of_somebody_else"));
    assert!(said.contains("does not exist"), "{said}");
    let said = refused(folder.path(), &url.replace("sharpeyes@", "stranger@"));
    assert!(said.contains("role \"stranger\" does not exist"), "{said}");
    let said = refused(folder.path(), &format!("sqlite:{}/missing/sharpeyes.db", folder.path().display()));
    assert!(said.contains("unable to open database file"), "{said}");
}

#[tokio::test]
async fn a_second_service_on_a_database_is_refused_until_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let lite = format!("sqlite:{}", folder.path().join("sharpeyes.db").display());
    for url in [lite, new_database().await] {
        let [first_folder, second_folder] = [0; 2].map(|_| tempfile::tempdir().unwrap());
        let mut first = start(first_folder.path(), &url);
        first.wait_for_line("sharpeyes listens on", PATIENCE);
        let mut second = start(second_folder.path(), &url);
        second.wait_for_line("another service runs on this database", PATIENCE);
        assert_eq!(second.wait(PATIENCE).code(), Some(2), "{}", second.output());
        first.signal("KILL");
        first.wait(PATIENCE);
        let mut next = start(second_folder.path(), &url);
        next.wait_for_line("sharpeyes listens on", PATIENCE);
        next.signal("TERM");
        assert!(next.wait(PATIENCE).success());
    }
}

#[tokio::test]
async fn the_database_of_a_later_version_is_left_alone() {
    const LATER: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
        VALUES (9999, 'later', TRUE, X'00', 0)";
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("sharpeyes.db").display());
    let store = Store::open(&url).await.unwrap();
    store.migrate().await.unwrap();
    store.close().await;
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::query(LATER).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let said = refused(folder.path(), &url);
    assert!(said.contains("migration 9999 of a later version"), "{said}");
}

#[test]
fn open_files_are_raised_to_the_hard_limit_and_too_few_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("sharpeyes.db").display());
    let (serve, _port) = Service::command(folder.path(), &settings(folder.path(), &url));
    let mut command = Command::new("prlimit");
    command.arg("--nofile=200:300").arg(sharpeyes().get_program()).args(serve.get_args());
    let mut process = Process::start(&mut command);
    process.wait_for_line("300 files may be open at once but watching this network takes up to", PATIENCE);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", process.id())).unwrap();
    let open_files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(open_files.split_whitespace().nth(3), Some("300"), "{open_files}");
}

#[test]
fn pictures_are_looked_at_unless_they_are_turned_off() {
    let check = |decoders: u32| {
        let folder = tempfile::tempdir().unwrap();
        let database = format!("sqlite:{}", folder.path().join("sharpeyes.db").display());
        let settings = format!("{}[picture]\ndecoders = {decoders}\n", settings(folder.path(), &database));
        let mut service = Service::start(folder.path(), &settings);
        eventually(PATIENCE, "the decoders are ready", || {
            (service.json("/api/v1/pictures")["decoders"] == decoders).then_some(())
        });
        assert_eq!(service.process.children().len(), usize::try_from(decoders).unwrap());
        service.process.signal("TERM");
        assert!(service.process.wait(PATIENCE).success());
    };
    check(0);
    check(2);
}

#[test]
fn disks_and_the_end_of_certificates_are_measured_from_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, key) = (folder.path().join("authority.pem"), folder.path().join("authority.key"));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-utf8"]);
    openssl.args(["-days", "30", "-subj", "/CN=集贤县"]).arg("-keyout").arg(key).arg("-out").arg(&authority);
    let made = openssl.output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let settings = format!(
        "{}[watch]\nauthorities_file = \"{}\"\n[picture]\ndecoders = 1\nstills_folder = \"{}\"\n",
        settings(folder.path(), &format!("sqlite:{}", folder.path().join("sharpeyes.db").display())),
        authority.display(),
        folder.path().join("stills").display()
    );
    let service = Service::start(folder.path(), &settings);
    let value = |series: &str| {
        eventually(PATIENCE, series, || {
            let answer = agent().get(service.url("/metrics")).call().unwrap().into_body().read_to_string();
            let line = answer.unwrap().lines().find_map(|line| Some(line.strip_prefix(series)?.to_owned()));
            line.map(|value| value.trim().parse::<f64>().unwrap())
        })
    };
    assert!(value("sharpeyes_disk_free_bytes{path=\"database\"}") > 0.0);
    assert!(value("sharpeyes_disk_free_bytes{path=\"stills\"}") > 0.0);
    let end = value("sharpeyes_certificate_not_after_timestamp_seconds{subject=\"CN=集贤县\"}");
    let left_days =
        (end / 86_400.0) - f64::from(i32::try_from(jiff::Timestamp::now().as_second() / 86_400).unwrap());
    assert!((29.0..=32.0).contains(&left_days), "{left_days}");
}
