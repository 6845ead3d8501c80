//! The scheduler at work: fake and foreign servers, real time.

use super::fake::{Answer, Counts, Fake, GROUP, Media, Script};
use super::faults::wait_until;
use super::foreign::{Server, free_port};
use super::look::admin;
use sharpeyes::clock::Clock;
use sharpeyes::config::{Deadlines, Settings, Watch};
use sharpeyes::domain::key_frame::{Candidate, StreamRole};
use sharpeyes::domain::schedule::spread;
use sharpeyes::domain::{
    Cause, Codec, Finding, LinkCode, Look, Observation, Order, Outcome, PointClass, PointCode, Stage, Trust,
    WatchMode,
};
use sharpeyes::ingest::{
    Credential, Hold, Holds, LinkBudget, Puller, Question, Refused, SchedulerInputs, SchedulerStatus, Tap,
    Target, TargetSet, Transports,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub(super) fn settings() -> Watch {
    let default = Settings::default().watch;
    Watch {
        period: millis(2_000),
        light_period: Duration::ZERO,
        patrol_window: millis(100),
        continuous_window: millis(300),
        deadlines: Deadlines { frame_gap: millis(1_000), ..default.deadlines },
        opens_per_second: 500,
        retry_first: millis(100),
        retry_cap: millis(400),
        ..default
    }
}

pub(super) fn code(index: usize) -> PointCode {
    format!("230521000013{index:08}").parse().unwrap()
}

fn link(name: &str) -> LinkCode {
    name.parse().unwrap()
}

pub(super) fn target(index: usize, url: &str, watch: WatchMode) -> Target {
    Target {
        point: code(index),
        class: PointClass::Two,
        watch,
        stream: Some(url.parse().unwrap()),
        main_stream: None,
        trust: Trust::Authority,
        credential: None,
        path: vec![link("uplink")],
        needs: vec![link("uplink")],
    }
}

pub(super) fn set(targets: impl IntoIterator<Item = Target>) -> Arc<TargetSet> {
    let targets = targets.into_iter().map(|target| (target.point, Arc::new(target))).collect();
    let budget = LinkBudget { kbps: Some(1_000_000), sessions: Some(1_000) };
    Arc::new(TargetSet { targets, budgets: [(link("uplink"), budget)].into() })
}

/// A running scheduler.
pub(super) struct Watching {
    pub(super) targets: watch::Sender<Arc<TargetSet>>,
    orders: mpsc::Sender<Order>,
    questions: mpsc::Sender<Question>,
    findings: mpsc::Receiver<Finding>,
    status: watch::Receiver<SchedulerStatus>,
    holds: Holds,
    pub(super) transports: Transports,
    cancel: CancellationToken,
    task: JoinSet<()>,
}

impl Watching {
    fn start(settings: Watch, targets: Arc<TargetSet>) -> Self {
        Self::start_tapped(settings, targets, None)
    }

    fn start_tapped(settings: Watch, targets: Arc<TargetSet>, tap: Option<Tap>) -> Self {
        Self::start_with(settings, targets, tap, Transports::default(), None)
    }

    pub(super) fn start_with(
        settings: Watch,
        targets: Arc<TargetSet>,
        tap: Option<Tap>,
        transports: Transports,
        puller: Option<Puller>,
    ) -> Self {
        let (targets, targets_rx) = watch::channel(targets);
        let (orders, orders_rx) = mpsc::channel(16);
        let (questions, questions_rx) = mpsc::channel(4);
        let (findings_tx, findings) = mpsc::channel(64);
        let (status_tx, status) = watch::channel(SchedulerStatus::default());
        let (holds, cancel) = (Holds::default(), CancellationToken::new());
        let inputs = SchedulerInputs {
            targets: targets_rx,
            orders: orders_rx,
            questions: questions_rx,
            settings,
            health: Settings::default().health,
            clock: Clock::system(),
            holds: holds.clone(),
            tap,
            transports: transports.clone(),
            puller,
        };
        let mut task = JoinSet::new();
        task.spawn(sharpeyes::ingest::scheduler::run(inputs, findings_tx, status_tx, cancel.clone()));
        Self { targets, orders, questions, findings, status, holds, transports, cancel, task }
    }

    pub(super) async fn next(&mut self) -> Observation {
        match timeout(Duration::from_secs(15), self.findings.recv()).await.unwrap().unwrap() {
            Finding::Look(observation) => *observation,
            other @ (Finding::Link(_) | Finding::Picture(_)) => {
                panic!("the scheduler looks at points: {other:?}")
            }
        }
    }

    /// The next look that passes the filter.
    pub(super) async fn next_where(&mut self, filter: impl Fn(&Observation) -> bool) -> Observation {
        loop {
            let observation = self.next().await;
            if filter(&observation) {
                return observation;
            }
        }
    }

    /// Asks for a look and waits for the answer.
    async fn ask(&self, point: PointCode, patience: Duration) -> Result<Observation, Refused> {
        let (answer, answered) = oneshot::channel();
        self.questions.send(Question { point, patience, answer }).await.unwrap();
        timeout(Duration::from_secs(15), answered).await.unwrap().unwrap()
    }

    fn held(&self) -> Vec<Hold> {
        self.holds.list(tokio::time::Instant::now(), Clock::system().now())
    }

    pub(super) async fn stop(mut self) -> Duration {
        let began = Instant::now();
        self.cancel.cancel();
        self.task.join_next().await.unwrap().unwrap();
        began.elapsed()
    }
}

pub(super) fn is_video(observation: &Observation) -> bool {
    matches!(observation.outcome, Outcome::Video(_))
}

pub(super) fn cause(observation: &Observation) -> Option<Cause> {
    match &observation.outcome {
        Outcome::Failed(failure) => Some(failure.cause.clone()),
        Outcome::NotLooked(cause) => Some(cause.clone()),
        Outcome::Video(_) | Outcome::Answered(_) => None,
    }
}

#[tokio::test]
async fn every_point_is_patrolled_and_a_recorder_never_serves_more_sessions_than_allowed() {
    let recorder = Fake::start(Script::default()).await;
    let targets =
        (0..10).map(|index| target(index, &recorder.url(&format!("cam{index}")), WatchMode::Patrol));
    let mut watching = Watching::start(settings(), set(targets));
    let mut seen = BTreeSet::new();
    while seen.len() < 10 {
        let observation = watching.next_where(is_video).await;
        assert_eq!(observation.look, Look::Patrol);
        seen.insert(observation.point);
    }
    assert!(Counts::of(&recorder.counts.most_playing) <= 2, "{:?}", recorder.counts);
    assert!(watching.stop().await < Duration::from_secs(4));
    assert_eq!(Counts::of(&recorder.counts.plays), Counts::of(&recorder.counts.teardowns));
}

#[tokio::test]
async fn light_looks_prove_the_device_between_patrols() {
    let fake = Fake::start(Script::default()).await;
    let settings = Watch { period: millis(20_000), light_period: millis(200), ..settings() };
    let mut watching = Watching::start(settings, set([target(1, &fake.url("cam"), WatchMode::Patrol)]));
    watching.next_where(is_video).await;
    let light = watching.next().await;
    assert_eq!(light.look, Look::Light);
    let Outcome::Answered(declared) = light.outcome else { panic!("{light:?}") };
    assert_eq!(declared.size, Some(super::fake::SIZE));
    assert!(light.stages.of(Stage::Describe).is_some() && light.stages.of(Stage::Play).is_none());
    fake.change(|script| {
        script.answers.insert("DESCRIBE", Answer { hold: Duration::ZERO, status: 404 });
    });
    let failed = watching.next_where(|observation| cause(observation).is_some()).await;
    assert_eq!(cause(&failed), Some(Cause::StreamNotFound));
    watching.stop().await;
}

#[tokio::test]
async fn a_kept_session_reports_windows_and_is_torn_down_at_shutdown() {
    let fakes = [Fake::start(Script::default()).await, Fake::start(Script::default()).await];
    let targets = (0..2).map(|index| target(index, &fakes[index].url("cam"), WatchMode::Continuous));
    let mut watching = Watching::start(settings(), set(targets));
    let mut windows = BTreeMap::new();
    while windows.len() < 2 || windows.values().any(|count| *count < 3) {
        let observation = watching.next().await;
        assert!(is_video(&observation), "{observation:?}");
        *windows.entry(observation.point).or_insert(0) += 1;
    }
    for fake in &fakes {
        assert_eq!(Counts::of(&fake.counts.plays), 1, "one session for all windows");
    }
    assert!(watching.stop().await < Duration::from_secs(4));
    for fake in &fakes {
        assert_eq!((Counts::of(&fake.counts.teardowns), Counts::of(&fake.counts.playing)), (1, 0));
    }
}

/// The key frames that a kept session of a camera with this script offers within so many of its windows.
async fn offered(script: Script, windows: usize) -> Vec<Candidate> {
    let fake = Fake::start(script).await;
    let (candidates, mut offers) = mpsc::channel(64);
    let tap = Tap { candidates, broken: mpsc::channel(1).0, pause: millis(250) };
    let targets = set([target(1, &fake.url("cam"), WatchMode::Continuous)]);
    let mut watching = Watching::start_tapped(settings(), targets, Some(tap));
    for _ in 0..windows {
        watching.next().await;
    }
    watching.stop().await;
    std::iter::from_fn(|| offers.try_recv().ok()).collect()
}

#[tokio::test]
async fn a_session_offers_whole_key_frames_with_the_described_parameters() {
    let candidates = offered(Script::default(), 4).await;
    // A key frame comes every 100 ms, and a window has 300 ms.
    assert!((3..=6).contains(&candidates.len()), "{candidates:?}");
    for Candidate { point, class, frame, .. } in candidates {
        assert_eq!((point, class, frame.codec), (code(1), PointClass::Two, Codec::H264));
        assert_eq!(frame.size, Some(super::fake::SIZE));
        assert!(frame.bytes.starts_with(&[0, 0, 0, 1, 0x67]), "{:02x?}", &frame.bytes[..8]);
        // Two parameter sets of 25 and 4 bytes and a slice of 900, each behind a start code.
        assert_eq!(frame.bytes.len(), 25 + 4 + 900 + 3 * 4);
    }
}

#[tokio::test]
async fn a_session_never_offers_a_key_frame_next_to_a_gap() {
    // The picture before every key frame is lost.
    let media = Media { lose_every: GROUP, ..Script::default().media };
    let candidates = offered(Script { media, ..Script::default() }, 3).await;
    // The first one has nothing before it.
    assert!(candidates.len() <= 1, "{candidates:?}");
}

#[tokio::test]
async fn a_reload_touches_only_the_points_that_changed() {
    let [kept, changed, removed, added] = {
        let start = || Fake::start(Script::default());
        [start().await, start().await, start().await, start().await]
    };
    let continuous = |index, fake: &Fake, path: &str| target(index, &fake.url(path), WatchMode::Continuous);
    let targets = [continuous(0, &kept, "a"), continuous(1, &changed, "a"), continuous(2, &removed, "a")];
    let watching = Watching::start(settings(), set(targets));
    let plays = |fake: &Fake| Counts::of(&fake.counts.plays);
    wait_until(|| plays(&kept) == 1 && plays(&changed) == 1 && plays(&removed) == 1).await;
    let mut watching = watching;
    watching.next().await;

    let targets = [continuous(0, &kept, "a"), continuous(1, &changed, "b"), continuous(3, &added, "a")];
    watching.targets.send(set(targets)).unwrap();
    wait_until(|| plays(&changed) == 2 && plays(&added) == 1).await;
    wait_until(|| Counts::of(&removed.counts.playing) == 0).await;
    assert_eq!((plays(&kept), Counts::of(&kept.counts.playing)), (1, 1), "the unchanged session goes on");
    assert_eq!(Counts::of(&changed.counts.teardowns), 1);
    wait_until(|| watching.status.borrow().points == 3).await;
    watching.stop().await;
}

fn guarded(fake: &Fake, password: &str) -> Target {
    let credential: Credential = admin(password);
    Target { credential: Some(Arc::new(credential)), ..target(1, &fake.url("cam"), WatchMode::Patrol) }
}

#[tokio::test]
async fn a_wrong_password_is_held_until_a_person_or_a_new_password_releases_it() {
    let fake = Fake::start(Script { needs_login: true, ..Script::default() }).await;
    let settings = Watch { period: millis(300), ..settings() };
    let mut watching = Watching::start(settings, set([guarded(&fake, "wrong")]));
    assert_eq!(cause(&watching.next().await), Some(Cause::WrongCredential));
    let logins = Counts::of(&fake.counts.describes);
    assert_eq!((logins, Counts::of(&fake.counts.connections)), (4, 3), "one retry with a fresh session");
    for _ in 0..4 {
        assert_eq!(cause(&watching.next().await), Some(Cause::CredentialHold));
    }
    assert_eq!(Counts::of(&fake.counts.connections), 3, "no more attempts");
    let hold = watching.held().remove(0);
    assert_eq!((hold.credential.as_str(), hold.host), ("camera", fake.address.to_string()));

    assert!(watching.holds.release_hold(&hold.credential, &fake.address.to_string()));
    watching.next_where(|observation| cause(observation) == Some(Cause::WrongCredential)).await;
    assert_eq!(Counts::of(&fake.counts.describes), 8, "one more try after the release");

    watching.targets.send(set([guarded(&fake, "secret")])).unwrap();
    watching.next_where(is_video).await;
    assert_eq!(watching.held(), []);
    watching.stop().await;
}

#[tokio::test]
async fn a_401_while_another_session_plays_is_a_session_limit_and_no_hold() {
    let fake = Fake::start(Script { needs_login: true, limit: Some((1, 401)), ..Script::default() }).await;
    let first = Target { watch: WatchMode::Continuous, ..guarded(&fake, "secret") };
    let mut watching = Watching::start(settings(), set([first.clone()]));
    watching.next_where(is_video).await;
    let second = Target { point: code(2), ..guarded(&fake, "secret") };
    watching.targets.send(set([first, second])).unwrap();
    let limited = watching.next_where(|observation| observation.point == code(2)).await;
    assert_eq!(cause(&limited), Some(Cause::SessionLimit));
    assert_eq!(watching.held(), []);
    watching.stop().await;
}

#[tokio::test]
async fn a_wrong_password_is_found_out_though_sessions_with_another_one_play() {
    let fake = Fake::start(Script { needs_login: true, ..Script::default() }).await;
    let first = Target { watch: WatchMode::Continuous, ..guarded(&fake, "secret") };
    let mut watching = Watching::start(settings(), set([first.clone()]));
    watching.next_where(is_video).await;
    let wrong = Credential { name: "other".into(), ..admin("wrong") };
    let second = Target { point: code(2), credential: Some(Arc::new(wrong)), ..guarded(&fake, "wrong") };
    watching.targets.send(set([first.clone(), second.clone()])).unwrap();
    let limited = watching.next_where(|observation| observation.point == code(2)).await;
    assert_eq!((cause(&limited), watching.held()), (Some(Cause::SessionLimit), vec![]));
    // A reload lets more sessions be asked of the device than it served.
    let third = target(3, &Fake::start(Script::default()).await.url("cam"), WatchMode::Patrol);
    watching.targets.send(set([first, second, third])).unwrap();
    let refused = watching.next_where(|observation| observation.point == code(2)).await;
    assert_eq!(cause(&refused), Some(Cause::WrongCredential));
    assert_eq!(watching.held().remove(0).credential, "other");
    watching.stop().await;
}

#[tokio::test]
async fn a_login_is_not_tried_again_once_another_look_has_held_it() {
    let slow = Answer { hold: millis(300), status: 200 };
    let script = Script { needs_login: true, answers: [("DESCRIBE", slow)].into(), ..Script::default() };
    let fake = Fake::start(script).await;
    let mut watching = Watching::start(settings(), set([guarded(&fake, "wrong")]));
    wait_until(|| Counts::of(&fake.counts.describes) == 1).await;
    let until = tokio::time::Instant::now() + Duration::from_secs(1_800);
    watching.holds.hold("camera", &fake.address.to_string(), Clock::system().now(), until);
    assert_eq!(cause(&watching.next().await), Some(Cause::WrongCredential));
    assert_eq!(Counts::of(&fake.counts.describes), 2, "one login, which was under way");
    watching.stop().await;
}

/// A point whose first look at its main stream comes within half a second.
fn with_main(sub: &Fake, main: &Fake) -> Target {
    let first_round = settings().period * 12;
    let index = (0..).find(|index| spread(code(*index).as_str(), first_round) < millis(500)).unwrap();
    let main_stream = Some(main.url("main").parse().unwrap());
    Target { main_stream, ..target(index, &sub.url("sub"), WatchMode::Patrol) }
}

#[tokio::test]
async fn a_main_stream_is_measured_once_between_two_patrols() {
    let (sub, main) = (Fake::start(Script::default()).await, Fake::start(Script::default()).await);
    let (candidates, mut offers) = mpsc::channel(64);
    let tap = Tap { candidates, broken: mpsc::channel(1).0, pause: millis(250) };
    let mut watching = Watching::start_tapped(settings(), set([with_main(&sub, &main)]), Some(tap));
    let look = watching.next_where(|observation| observation.look == Look::Main).await;
    let Outcome::Video(measured) = &look.outcome else { panic!("{look:?}") };
    assert_eq!(measured.size, Some(super::fake::SIZE));
    let offered = std::iter::from_fn(|| offers.try_recv().ok());
    let mains: Vec<_> = offered.filter(|candidate| candidate.stream == StreamRole::Main).collect();
    assert!(!mains.is_empty(), "a picture proves the size");
    assert!(mains.iter().all(|candidate| candidate.frame.size == Some(super::fake::SIZE)));
    assert!(look.ended.since(look.started) < millis(3_000), "{look:?}");
    for _ in 0..3 {
        let next = watching.next().await;
        assert!(next.look == Look::Patrol && is_video(&next), "{next:?}");
    }
    assert_eq!((Counts::of(&main.counts.plays), Counts::of(&main.counts.teardowns)), (1, 1));
    watching.stop().await;
}

#[tokio::test]
async fn a_main_stream_that_refuses_the_login_is_asked_once_and_holds_nothing() {
    let main = Fake::start(Script { needs_login: true, ..Script::default() }).await;
    let sub = Fake::start(Script::default()).await;
    let credential: Credential = admin("wrong");
    let target = Target { credential: Some(Arc::new(credential)), ..with_main(&sub, &main) };
    let mut watching = Watching::start(settings(), set([target]));
    let look = watching.next_where(|observation| observation.look == Look::Main).await;
    assert_eq!(cause(&look), Some(Cause::WrongCredential));
    assert_eq!((Counts::of(&main.counts.describes), watching.held()), (2, vec![]), "one login");
    for _ in 0..3 {
        let next = watching.next().await;
        assert!(next.look == Look::Patrol && is_video(&next), "{next:?}");
    }
    watching.stop().await;
}

#[tokio::test]
async fn a_recorder_that_serves_fewer_sessions_is_not_made_to_fail_by_our_own() {
    let fake = Fake::start(Script { limit: Some((1, 453)), ..Script::default() }).await;
    let targets = (0..6).map(|index| target(index, &fake.url(&format!("cam{index}")), WatchMode::Patrol));
    let settings = Watch { period: millis(1_000), sessions_per_host: 4, ..settings() };
    let mut watching = Watching::start(settings, set(targets));
    let limited = watching.next_where(|observation| !is_video(observation)).await;
    assert_eq!(cause(&limited), Some(Cause::SessionLimit));
    // Looks that had begun by then may be refused too; after them every look finds its session.
    let mut good_in_a_row = 0;
    while good_in_a_row < 12 {
        good_in_a_row = if is_video(&watching.next().await) { good_in_a_row + 1 } else { 0 };
    }
    watching.stop().await;
}

#[tokio::test]
async fn behind_a_dead_link_only_a_canary_is_looked_at() {
    let fake = Fake::start(Script::default()).await;
    let targets = (0..40).map(|index| target(index, &fake.url(&format!("cam{index}")), WatchMode::Patrol));
    let settings = Watch { period: millis(1_000), sessions_per_host: 50, ..settings() };
    let mut watching = Watching::start(settings, set(targets));
    watching.next_where(is_video).await;
    watching.orders.send(Order::LinkDown(link("uplink"))).await.unwrap();
    // What was under way ends first.
    let ordered = watching.status.borrow().taken;
    let is_quiet =
        |status: &SchedulerStatus| status.taken > ordered.plus(millis(1_500)) && status.running <= 1;
    while !is_quiet(&watching.status.borrow()) {
        watching.next().await;
    }
    let began = Instant::now();
    for _ in 0..5 {
        watching.next().await;
    }
    assert!(began.elapsed() > millis(600), "five canaries a second, not forty points: {:?}", began.elapsed());

    let up = Order::LinkUp { link: link("uplink"), spread: millis(200) };
    watching.orders.send(up).await.unwrap();
    let mut seen = BTreeSet::new();
    while seen.len() < 40 {
        seen.insert(watching.next_where(is_video).await.point);
    }
    watching.stop().await;
}

#[tokio::test]
async fn a_camera_that_answers_no_keepalive_is_no_failing_camera() {
    let script = Script { timeout_seconds: 1, answers_keepalives: false, ..Script::default() };
    let fake = Fake::start(script).await;
    let mut watching = Watching::start(settings(), set([target(1, &fake.url("cam"), WatchMode::Continuous)]));
    while Counts::of(&fake.counts.plays) < 3 {
        let observation = watching.next().await;
        assert!(is_video(&observation), "{observation:?}");
    }
    watching.stop().await;
}

#[tokio::test]
async fn a_camera_that_answers_keepalives_and_sends_nothing_is_stalled() {
    let mut script = Script { timeout_seconds: 1, ..Script::default() };
    script.media.silent_after = 30;
    let fake = Fake::start(script).await;
    let mut watching = Watching::start(settings(), set([target(1, &fake.url("cam"), WatchMode::Continuous)]));
    let stalled = watching.next_where(|observation| !is_video(observation)).await;
    assert_eq!(cause(&stalled), Some(Cause::Stalled));
    watching.stop().await;
}

#[tokio::test]
async fn a_killed_server_is_refused_and_a_restarted_one_is_good_again() {
    let port = free_port();
    let server = Server::gst_at(port, "open");
    let mut watching =
        Watching::start(settings(), set([target(1, &server.url("/h264"), WatchMode::Continuous)]));
    watching.next_where(is_video).await;
    server.signal("KILL");
    let refused = watching.next_where(|observation| cause(observation).is_some()).await;
    assert_eq!(cause(&refused), Some(Cause::ConnectRefused), "{refused:?}");
    drop(server);
    let server = Server::gst_at(port, "open");
    watching.next_where(is_video).await;
    watching.stop().await;
    drop(server);
}

#[tokio::test]
async fn a_point_that_cannot_be_pulled_is_said_to_be_so() {
    let nowhere = Target { stream: None, ..target(1, "rtsp://127.0.0.1/cam", WatchMode::Patrol) };
    let mut watching = Watching::start(settings(), set([nowhere]));
    assert_eq!(cause(&watching.next().await), Some(Cause::NotWatchable));
    watching.stop().await;
}

/// A schedule that looks at nothing by itself for as long as a test takes.
fn patient() -> Watch {
    Watch { period: millis(86_400_000), light_period: Duration::ZERO, ..settings() }
}

#[tokio::test]
async fn a_look_that_is_asked_for_is_answered_and_not_reported() {
    let fake = Fake::start(Script::default()).await;
    let asked = target(1, &fake.url("cam"), WatchMode::Patrol);
    let point = asked.point;
    let mut watching = Watching::start(patient(), set([asked]));
    let seen = watching.ask(point, millis(10_000)).await.unwrap();
    assert!(is_video(&seen) && seen.look == Look::Manual && seen.point == point, "{seen:?}");
    assert!(seen.stages.of(Stage::FirstKeyFrame).is_some());
    let again = watching.ask(point, millis(10_000)).await;
    assert!(matches!(again, Err(Refused::TooSoon { wait }) if wait > Duration::ZERO), "{again:?}");
    let unknown = format!("{:020}", 77).parse().unwrap();
    assert_eq!(watching.ask(unknown, millis(10_000)).await, Err(Refused::NotWatched));
    assert!(watching.findings.try_recv().is_err(), "the tracker learnt of it");
    watching.stop().await;
    assert_eq!((Counts::of(&fake.counts.plays), Counts::of(&fake.counts.teardowns)), (1, 1));
}

#[tokio::test]
async fn a_look_that_is_asked_for_counts_against_the_sessions_of_its_device() {
    let recorder = Fake::start(Script::default()).await;
    let kept =
        (0..2).map(|index| target(index, &recorder.url(&format!("cam{index}")), WatchMode::Continuous));
    let asked = target(2, &recorder.url("cam2"), WatchMode::Patrol);
    let point = asked.point;
    let settings = Watch { sessions_per_host: 2, period: millis(20_000), ..settings() };
    let mut watching = Watching::start(settings, set(kept.chain([asked])));
    let mut seen = BTreeSet::new();
    while seen.len() < 2 {
        seen.insert(watching.next_where(|observation| observation.look == Look::Continuous).await.point);
    }
    assert_eq!(watching.ask(point, millis(10_000)).await, Err(Refused::NoRoom));
    watching.stop().await;
}

#[tokio::test]
async fn a_look_that_takes_too_long_is_broken_off_and_torn_down() {
    let media = Media { key_frames: false, ..Script::default().media };
    let fake = Fake::start(Script { media, ..Script::default() }).await;
    let asked = target(1, &fake.url("cam"), WatchMode::Patrol);
    let point = asked.point;
    let mut watching = Watching::start(patient(), set([asked]));
    let began = Instant::now();
    let seen = watching.ask(point, millis(700)).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert!(matches!(seen.outcome, Outcome::NotLooked(_)), "{seen:?}");
    assert!(seen.stages.of(Stage::Play).is_some(), "what was seen until then: {seen:?}");
    assert!(watching.findings.try_recv().is_err());
    watching.stop().await;
    assert_eq!((Counts::of(&fake.counts.plays), Counts::of(&fake.counts.teardowns)), (1, 1));
}
