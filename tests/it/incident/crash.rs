//! `kill -9` at each step of an incident and of what is told about it: at least once, at most one extra, never lost.
//!
//! The process that dies is this test binary again, asked for [`follow_until_killed`] alone.

use super::{Desk, camera, wait_until};
use crate::notify::Bench;
use crate::notify::receiver::{Manner, Receiver};
use crate::support::postgres::new_database;
use futures::future::join_all;
use sharpeyes::clock::Clock;
use sharpeyes::fault::{ARMED, FaultPoint};
use sharpeyes::store::Store;
use sharpeyes::store::notification::OutboxLength;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Names the database for the following process; without it [`follow_until_killed`] does nothing.
const CHILD: &str = "SHARPEYES_TEST_FOLLOW_DATABASE";
/// Names the receiver.
const TO: &str = "SHARPEYES_TEST_FOLLOW_TO";
/// Names a file: while it is there, a camera fails.
const SICK: &str = "SHARPEYES_TEST_FOLLOW_SICK";

/// What is told when the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Telling {
    Problem,
    Recovery,
}

#[tokio::test]
async fn follow_until_killed() {
    let Some(url) = std::env::var_os(CHILD) else { return };
    let (receiver, sick) = (std::env::var_os(TO).unwrap(), std::env::var_os(SICK).unwrap());
    let (url, receiver) = (url.to_str().unwrap(), receiver.to_str().unwrap());
    let clock = Clock::system();
    let bench = Bench::with(clock.clone());
    let channel = bench.channel(&format!(
        "kind = \"webhook\"\nurl = \"http://{receiver}/in\"\nsecret_file = \"KEYFILE\"\ndeadline_seconds = 10"
    ));
    let desk = Desk::start(Store::open(url).await.unwrap(), clock, channel).await;
    let failing = [camera()];
    loop {
        let is_sick = Path::new(&sick).exists();
        desk.publish(if is_sick { &failing } else { &[] });
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The process that follows; it does not outlive its test.
struct Following(Child);

impl Drop for Following {
    fn drop(&mut self) {
        let _already_dead = self.0.kill();
        let _status = self.0.wait();
    }
}

fn spawn(url: &str, receiver: SocketAddr, sick: &Path, armed: Option<FaultPoint>) -> Following {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "incident::crash::follow_until_killed", "--nocapture", "--test-threads=1"])
        .env(CHILD, url)
        .env(TO, receiver.to_string())
        .env(SICK, sick)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(point) = armed {
        command.env(ARMED, point.as_str());
    }
    Following(command.spawn().unwrap())
}

async fn wait_killed(following: &mut Following, point: FaultPoint) {
    let mut status = None;
    wait_until(point.as_str(), async || {
        status = following.0.try_wait().unwrap();
        status.is_some()
    })
    .await;
    assert_eq!(status.unwrap().signal(), Some(9), "{}", point.as_str());
}

/// Waits until so many messages came and nothing waits any more.
async fn wait_told(store: &Store, receiver: &Receiver, kind: &str) {
    wait_until(kind, async || {
        let was_told = told(receiver).iter().any(|(_, told)| told == kind);
        was_told && store.outbox_length().await.unwrap() == OutboxLength::default()
    })
    .await;
}

/// What was told of which incident.
fn told(receiver: &Receiver) -> Vec<(i64, String)> {
    let read = |body: serde_json::Value| {
        (body["incident"].as_i64().unwrap(), body["kind"].as_str().unwrap().to_owned())
    };
    receiver.requests().iter().map(|request| read(request.json())).collect()
}

/// One process dies at this place while it tells this; another one goes on.
async fn die(url: String, point: FaultPoint, telling: Telling) {
    let folder = tempfile::tempdir().unwrap();
    let sick = folder.path().join("sick");
    let receiver = Receiver::start(Manner::answer("204 No Content", "", "")).await;
    let store = Store::open(&url).await.unwrap();
    store.migrate().await.unwrap();
    let follow = |armed| spawn(&url, receiver.address, &sick, armed);
    std::fs::write(&sick, "").unwrap();
    let mut following = follow((telling == Telling::Problem).then_some(point));
    if telling == Telling::Problem {
        wait_killed(&mut following, point).await;
        following = follow(None);
    }
    wait_told(&store, &receiver, "problem").await;
    if telling == Telling::Recovery {
        drop(following);
        following = follow(Some(point));
        std::fs::remove_file(&sick).unwrap();
        wait_killed(&mut following, point).await;
        following = follow(None);
    } else {
        std::fs::remove_file(&sick).unwrap();
    }
    wait_told(&store, &receiver, "recovery").await;
    drop(following);

    let (problem, recovery) = ("problem", "recovery");
    let expected: &[&str] = match (point, telling) {
        // Only who got it before we could note so gets it once more.
        (FaultPoint::OutboxSent, Telling::Problem) => &[problem, problem, recovery],
        (FaultPoint::OutboxSent, Telling::Recovery) => &[problem, recovery, recovery],
        _ => &[problem, recovery],
    };
    let told = told(&receiver);
    let kinds: Vec<&str> = told.iter().map(|(_, kind)| kind.as_str()).collect();
    assert_eq!(kinds, expected, "{} {telling:?}", point.as_str());
    assert!(told.iter().all(|(incident, _)| *incident == told[0].0), "{told:?}");
    assert!(store.live_incidents().await.unwrap().is_empty());
}

async fn die_everywhere(database: impl AsyncFn(String) -> String) {
    let mut deaths = Vec::new();
    for point in FaultPoint::ALL {
        for telling in [Telling::Problem, Telling::Recovery] {
            let url = database(format!("{}-{telling:?}", point.as_str())).await;
            deaths.push(die(url, point, telling));
        }
    }
    join_all(deaths).await;
}

#[tokio::test]
async fn nothing_is_lost_and_at_most_one_told_twice_wherever_we_die() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    die_everywhere(async |name| format!("sqlite:{}", path.join(name).display())).await;
}

#[tokio::test]
async fn the_same_on_postgresql() {
    die_everywhere(async |_| new_database().await).await;
}
