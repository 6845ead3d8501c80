//! The end of the whole service: sessions are torn down and it exits in time, whatever the database does.

use super::fake::{Counts, Fake, Script};
use crate::store::fixture::{EAST, at, import, point};
use crate::support::postgres::Server;
use crate::support::process::eventually;
use crate::support::service::{Service, agent};
use sharpeyes::domain::RecordKind;
use sharpeyes::store::Store;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);
/// From SIGTERM to exit.
const STOPPED: Duration = Duration::from_secs(10);

/// Windows of kept sessions that ended so far.
fn windows(service: &Service) -> u64 {
    let text = agent().get(service.url("/metrics")).call().unwrap().body_mut().read_to_string().unwrap();
    let count =
        text.lines().find_map(|line| line.strip_prefix("sharpeyes_probes_total{module=\"continuous\"} "));
    count.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_hangs_holds_up_neither_teardown_nor_exit() {
    let folder = tempfile::tempdir().unwrap();
    let (server, camera) = (Server::start(), Fake::start(Script::default()).await);
    let url = server.new_database().await;
    let village = format!(r#"{{"code":"{EAST}","name":"村","assessed":true,"has_centre":false}}"#);
    let watched = format!(
        r#"{{"code":"{}","name":"点","village":"{EAST}","class":"1","status":"in_use","commissioned_ms":0,"watch":"continuous","sub_stream":"{}"}}"#,
        point(1),
        camera.url("live")
    );
    let store = Store::open(&url).await.unwrap();
    store.migrate().await.unwrap();
    import(&store, at(1), &[(RecordKind::Division, &[village]), (RecordKind::Point, &[watched])]).await;
    store.close().await;
    let settings = format!(
        "[server]\nlisten = \"@LISTEN@\"\n[store]\nurl = \"{url}\"\nflush_interval_ms = 50\n\
         [watch]\ncontinuous_window_seconds = 1\nreconcile_period_seconds = 1\n\
         [metrics]\nrequire_token = false\n[credentials]\nkey_file = \"{}\"\n",
        folder.path().join("camera.key").display()
    );
    let mut service = Service::start(folder.path(), &settings);
    eventually(PATIENCE, "the session plays", || (Counts::of(&camera.counts.playing) == 1).then_some(()));
    server.freeze();
    // Two windows later the writer holds what it cannot write, and waits for a commit.
    let before = windows(&service);
    eventually(PATIENCE, "it watches on", || (windows(&service) > before + 1).then_some(()));
    let asked = std::time::Instant::now();
    service.process.signal("TERM");
    let status = service.process.wait(STOPPED);
    assert!(status.success(), "{status} after {:?}:\n{}", asked.elapsed(), service.process.output());
    assert_eq!(Counts::of(&camera.counts.teardowns), 1);
}
