//! From a failing camera to the receiver and back, past receivers that misbehave for an hour, and past a silence.

use super::{Desk, camera, cameras, wait_until};
use crate::notify::receiver::{Manner, Receiver};
use crate::notify::{Bench, NOW};
use sharpeyes::domain::Window;
use sharpeyes::domain::outbox::EntryState;
use sharpeyes::domain::silence::{Muted, SilenceRequest};
use sharpeyes::store::Store;
use sharpeyes::store::notification::NotificationRow;
use sqlx::{Connection, SqliteConnection};
use std::time::Duration;

const FINE: &str = "{\"errcode\":0,\"errmsg\":\"ok\"}";
const HOUR: u64 = 3_600;

/// A desk whose one camera fails, and the receiver that it tells.
pub(super) struct Stage {
    pub(super) desk: Desk,
    pub(super) receiver: Receiver,
    _bench: Bench,
    folder: tempfile::TempDir,
}

impl Stage {
    async fn set(kind: &str, manner: Manner) -> Self {
        let receiver = Receiver::start(manner).await;
        let keys = format!(
            "kind = \"{kind}\"\nurl = \"http://{}/in\"\nsecret_file = \"KEYFILE\"\ndeadline_seconds = 0.2",
            receiver.address
        );
        Self::tell(receiver, &keys).await
    }

    /// With a receiver that speaks as Alertmanager does, and further keys of its channel.
    pub(super) async fn alertmanager(keys: &str, manner: Manner) -> Self {
        let receiver = Receiver::start(manner).await;
        let keys = format!("kind = \"alertmanager\"\nurls = [\"http://{}\"]\n{keys}", receiver.address);
        Self::tell(receiver, &keys).await
    }

    async fn tell(receiver: Receiver, keys: &str) -> Self {
        let bench = Bench::at(NOW);
        let channel = bench.channel(keys);
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite:{}", folder.path().join("it.db").display())).await.unwrap();
        store.migrate().await.unwrap();
        let desk = Desk::start(store, bench.clock.clone(), channel).await;
        Self { desk, receiver, _bench: bench, folder }
    }

    /// Lets time pass, and wakes who waits for it.
    pub(super) fn pass(&self, seconds: u64) {
        self.desk.clock.advance(Duration::from_secs(seconds));
        self.desk.bell.notify_waiters();
    }

    /// What became of what was told, the first first.
    pub(super) async fn rows(&self) -> Vec<NotificationRow> {
        let mut rows = self.desk.store.notification_rows(None, None, i64::MAX, 10).await.unwrap();
        rows.reverse();
        rows
    }

    pub(super) async fn wait_for(&self, what: &str, holds: impl Fn(&[NotificationRow]) -> bool) {
        wait_until(what, async || {
            self.desk.publish_again();
            self.desk.bell.notify_waiters();
            holds(&self.rows().await)
        })
        .await;
    }

    async fn wait_failures(&self, count: i64) {
        self.wait_for("a failure", |rows| rows.first().is_some_and(|row| row.failures >= count)).await;
    }

    async fn wait_states(&self, states: &[EntryState]) {
        self.wait_for(&format!("{states:?}"), |rows| {
            rows.iter().map(|row| row.state).collect::<Vec<_>>() == states
        })
        .await;
    }
}

/// The receiver misbehaves for an hour; then each message comes once, in order. Gives how often it was tried.
async fn an_hour_of(kind: &str, manner: Manner, why: &str) -> usize {
    let stage = Stage::set(kind, manner).await;
    stage.desk.publish(&[camera()]);
    stage.wait_failures(1).await;
    let mut failures = 1;
    let start = stage.desk.clock.now();
    while stage.desk.clock.now().since(start) < Duration::from_secs(HOUR) {
        let row = stage.rows().await.remove(0);
        assert!(row.why.contains(why), "{}", row.why);
        assert_eq!(row.state, EntryState::Queued);
        stage.pass(row.due.since(stage.desk.clock.now()).as_secs() + 1);
        failures += 1;
        stage.wait_failures(failures).await;
    }
    let tried = stage.receiver.requests().len();
    stage.receiver.behave(Manner::ok(FINE));
    stage.pass(600);
    stage.wait_states(&[EntryState::Sent]).await;
    stage.desk.publish(&[]);
    stage.wait_states(&[EntryState::Sent, EntryState::Sent]).await;
    assert_eq!(stage.receiver.requests().len(), tried + 2, "the problem and its end, each once");
    tried
}

#[tokio::test]
async fn a_receiver_that_misbehaves_for_an_hour_is_told_at_last_and_not_bothered_until_then() {
    let busy = "{\"errcode\":45009,\"errmsg\":\"api freq out of limit\"}";
    let cases = [
        ("webhook", Manner::answer("500 Internal Server Error", "", ""), "500"),
        ("webhook", Manner::Hang, "within"),
        ("webhook", Manner::answer("429 Too Many Requests", "", ""), "429"),
        ("wecom", Manner::ok(busy), "45009"),
    ];
    for (kind, manner, why) in cases {
        let tried = an_hour_of(kind, manner, why).await;
        // Pauses from 5 s, doubled up to 10 min, half of each left to chance.
        assert!((8..=30).contains(&tried), "{kind} {why}: {tried} times in an hour");
    }
}

#[tokio::test]
async fn a_receiver_that_names_a_time_is_left_alone_until_then() {
    let later = Manner::answer("429 Too Many Requests", "retry-after: 1800\r\n", "");
    let stage = Stage::set("webhook", later).await;
    stage.desk.publish(&[camera()]);
    stage.wait_failures(1).await;
    assert_eq!(stage.rows().await[0].due, NOW.plus(Duration::from_secs(1_800)));
}

fn everything(minutes: u64) -> SilenceRequest {
    SilenceRequest {
        muted: Muted { root: None, division: "230521".parse().ok() },
        window: Window::new(NOW, NOW.plus(Duration::from_secs(60 * minutes))).unwrap(),
        reason: "割接".to_owned(),
        by: "local".to_owned(),
    }
}

#[tokio::test]
async fn what_a_silence_holds_back_is_told_when_it_is_over() {
    let stage = Stage::set("webhook", Manner::ok(FINE)).await;
    stage.desk.store.add_silence(&everything(30), NOW).await.unwrap();
    stage.desk.publish(&[camera()]);
    let is_held = |rows: &[NotificationRow]| rows.iter().any(|row| row.why == "muted by silence 1");
    stage.wait_for("the problem is held back", is_held).await;
    assert_eq!((stage.rows().await[0].failures, stage.receiver.requests().len()), (0, 0));
    stage.pass(30 * 60);
    stage.wait_states(&[EntryState::Sent]).await;
    stage.desk.publish(&[]);
    stage.wait_states(&[EntryState::Sent, EntryState::Sent]).await;
}

#[tokio::test]
async fn what_is_over_before_its_silence_is_never_told() {
    let stage = Stage::set("webhook", Manner::ok(FINE)).await;
    let silence = stage.desk.store.add_silence(&everything(60), NOW).await.unwrap();
    stage.desk.publish(&[camera()]);
    stage.wait_for("the problem is held back", |rows| rows.iter().any(|row| !row.why.is_empty())).await;
    stage.desk.publish(&[]);
    stage.wait_for("the recovery is queued", |rows| rows.len() == 2).await;
    assert!(stage.desk.store.end_silence(silence.id, "local", stage.desk.clock.now()).await.unwrap());
    stage.pass(60);
    stage.wait_states(&[EntryState::Dropped, EntryState::Dropped]).await;
    assert_eq!(stage.receiver.requests().len(), 0);
}

#[tokio::test]
async fn what_is_refused_takes_nothing_else_with_it() {
    let stage = Stage::alertmanager("", Manner::Refuse("1号")).await;
    stage.desk.publish(&cameras(4));
    let expected = [EntryState::Dead, EntryState::Sent, EntryState::Sent, EntryState::Sent];
    stage.wait_states(&expected).await;
}

#[tokio::test]
async fn what_is_over_while_its_receiver_fails_is_told_only_where_it_may_have_arrived() {
    let cases = [
        (Manner::Hang, EntryState::Sent),
        (Manner::Close, EntryState::Sent),
        (Manner::answer("503 Service Unavailable", "", ""), EntryState::Dropped),
    ];
    for (manner, expected) in cases {
        let stage = Stage::set("webhook", manner).await;
        stage.desk.publish(&[camera()]);
        stage.wait_failures(1).await;
        stage.desk.publish(&[]);
        stage.wait_for("the recovery is queued", |rows| rows.len() == 2).await;
        stage.receiver.behave(Manner::ok(FINE));
        stage.pass(600);
        stage.wait_states(&[expected, expected]).await;
    }
}

#[tokio::test]
async fn a_store_that_takes_no_writes_costs_one_message_more_and_not_one_each_five_seconds() {
    let stage = Stage::set("webhook", Manner::ok(FINE)).await;
    let file = format!("sqlite:{}", stage.folder.path().join("it.db").display());
    let mut database = SqliteConnection::connect(&file).await.unwrap();
    let full = "CREATE TABLE tried (at INTEGER); CREATE TRIGGER full BEFORE UPDATE ON notification \
        BEGIN INSERT INTO tried VALUES (1); SELECT RAISE(FAIL, 'full'); END";
    sqlx::raw_sql(full).execute(&mut database).await.unwrap();
    stage.desk.publish(&[camera()]);
    wait_until("it was tried to note three times that it was sent", async || {
        let tried: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM tried").fetch_one(&mut database).await.unwrap();
        tried >= 3
    })
    .await;
    assert_eq!(stage.receiver.requests().len(), 1);
    sqlx::raw_sql("DROP TRIGGER full").execute(&mut database).await.unwrap();
    stage.wait_states(&[EntryState::Sent]).await;
    assert_eq!(stage.receiver.requests().len(), 1);
}
