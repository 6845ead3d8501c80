//! The pool of decoders: a budget, a deadline, and what fails costs one frame.

use super::{impostor, pcm, program};
use sharpeyes::clock::Clock;
use sharpeyes::config::PictureSettings;
use sharpeyes::domain::decode::{Decoding, Wish};
use sharpeyes::domain::key_frame::{Candidate, KeyFrame, StreamRole};
use sharpeyes::domain::picture::StreamFacts;
use sharpeyes::domain::{Codec, PointClass, PointCode, Timestamp};
use sharpeyes::picture::pool::{self, PoolInputs, PoolStatus};
use std::path::Path;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(60);

struct Running {
    candidates: mpsc::Sender<Candidate>,
    wishes: mpsc::Sender<Wish>,
    decoded: mpsc::Receiver<Decoding>,
    status: watch::Receiver<PoolStatus>,
    cancel: CancellationToken,
    tasks: JoinSet<()>,
}

fn start(program: &Path, settings: PictureSettings) -> Running {
    let (candidates, offered) = mpsc::channel(256);
    let (wishes, wished) = mpsc::channel(16);
    let (pictures, decoded) = mpsc::channel(256);
    let (status_sender, status) = watch::channel(PoolStatus::default());
    let cancel = CancellationToken::new();
    let inputs = PoolInputs {
        candidates: offered,
        wishes: wished,
        framings: watch::Sender::new(std::sync::Arc::default()).subscribe(),
        settings,
        program: program.to_owned(),
        clock: Clock::system(),
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(pool::run(inputs, pictures, status_sender, cancel.clone()));
    Running { candidates, wishes, decoded, status, cancel, tasks }
}

fn point(number: u32) -> PointCode {
    format!("230521000013{number:08}").parse().unwrap()
}

fn candidate(number: u32) -> Candidate {
    let bytes = pcm::frame((20, 12), |_x, _y| (126, 128, 128));
    let frame = KeyFrame { codec: Codec::H264, bytes, ticks: 0, size: Some((320, 192)) };
    let facts = StreamFacts { lost_over_sent: Some(f64::from(number)), ..StreamFacts::default() };
    Candidate {
        point: point(number),
        stream: StreamRole::Watched,
        class: PointClass::One,
        taken: Timestamp::from_seconds(5),
        facts,
        frame,
    }
}

impl Running {
    async fn next(&mut self) -> Decoding {
        timeout(PATIENCE, self.decoded.recv()).await.unwrap().unwrap()
    }

    async fn stop(mut self) {
        self.cancel.cancel();
        timeout(PATIENCE, self.tasks.join_next()).await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test]
async fn every_offered_point_is_decoded_once_until_it_is_due_again() {
    let settings = PictureSettings { decoders: 2, ..PictureSettings::default() };
    let mut pool = start(program(), settings);
    for number in 0..20 {
        pool.candidates.send(candidate(number)).await.unwrap();
    }
    let mut seen = Vec::new();
    for _ in 0..20 {
        let Decoding { point, taken, facts, outcome, .. } = pool.next().await;
        let picture = outcome.unwrap();
        assert_eq!((taken, picture.picture.size()), (Timestamp::from_seconds(5), (320, 192)));
        assert!(picture.still.is_some(), "the first picture of a point comes with a still");
        seen.push((point, facts.lost_over_sent.unwrap()));
    }
    seen.sort_unstable_by_key(|(point, _)| *point);
    assert_eq!(seen, (0..20).map(|number| (point(number), f64::from(number))).collect::<Vec<_>>());
    pool.candidates.send(candidate(3)).await.unwrap();
    assert!(timeout(Duration::from_millis(300), pool.decoded.recv()).await.is_err(), "it is not due");
    pool.stop().await;
}

#[tokio::test]
async fn a_main_stream_is_decoded_whenever_one_comes_and_never_kept_as_a_still() {
    let mut pool = start(program(), PictureSettings::default());
    let main = || Candidate { stream: StreamRole::Main, ..candidate(1) };
    // What is watched comes with the first still of its point all the same, and is not due a second time.
    for (offered, expected) in [(main(), false), (candidate(1), true), (main(), false)] {
        let stream = offered.stream;
        pool.candidates.send(offered).await.unwrap();
        let decoding = pool.next().await;
        let picture = decoding.outcome.unwrap();
        assert_eq!((decoding.stream, picture.picture.size()), (stream, (320, 192)));
        assert_eq!(picture.still.is_some(), expected, "{stream:?}");
    }
    let mut cut = main();
    let half = cut.frame.bytes.len() / 2;
    cut.frame.bytes.truncate(half);
    pool.candidates.send(cut).await.unwrap();
    pool.candidates.send(main()).await.unwrap();
    assert!(pool.next().await.sound().is_ok(), "one that is not whole tells no size");
    pool.stop().await;
}

#[tokio::test]
async fn a_still_comes_when_it_is_wished_for() {
    let settings =
        PictureSettings { doubtful_period: Duration::from_millis(1), ..PictureSettings::default() };
    let mut pool = start(program(), settings);
    let mut stills = Vec::new();
    for wish in [false, false, true, false] {
        if wish {
            pool.wishes.send(Wish::Still(point(1))).await.unwrap();
        }
        pool.candidates.send(candidate(1)).await.unwrap();
        stills.push(pool.next().await.outcome.unwrap().still.is_some());
    }
    assert_eq!(stills, [true, false, true, false]);
    pool.stop().await;
}

#[tokio::test]
async fn a_wish_for_a_still_outlives_a_picture_that_cannot_be_kept() {
    let settings =
        PictureSettings { doubtful_period: Duration::from_millis(1), ..PictureSettings::default() };
    let mut pool = start(program(), settings);
    pool.candidates.send(candidate(1)).await.unwrap();
    assert!(pool.next().await.outcome.unwrap().still.is_some());
    pool.wishes.send(Wish::Still(point(1))).await.unwrap();
    let mut cut = candidate(1);
    let half = cut.frame.bytes.len() / 2;
    cut.frame.bytes.truncate(half);
    pool.candidates.send(cut).await.unwrap();
    assert!(pool.next().await.sound().is_err());
    pool.candidates.send(candidate(1)).await.unwrap();
    assert!(pool.next().await.outcome.unwrap().still.is_some());
    pool.stop().await;
}

#[tokio::test]
async fn a_decoder_that_dies_is_started_anew_and_says_nothing_of_the_camera() {
    let folder = tempfile::tempdir().unwrap();
    let starts = folder.path().join("starts");
    let script = format!("echo >>{}; head -c 4 >/dev/null", starts.display());
    let program = impostor(folder.path(), &script);
    let settings =
        PictureSettings { doubtful_period: Duration::from_millis(1), ..PictureSettings::default() };
    let mut pool = start(&program, settings);
    let started = |times: usize| {
        let starts = starts.clone();
        let until = async move {
            while std::fs::read(&starts).map_or(0, |lines| lines.len()) < times {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, until)
    };
    for number in 1..=3 {
        pool.candidates.send(candidate(number)).await.unwrap();
        started(PictureSettings::default().decoders + usize::try_from(number).unwrap()).await.unwrap();
    }
    assert!(pool.decoded.try_recv().is_err(), "nobody is to blame but the decoder");
    pool.stop().await;
}

#[tokio::test]
async fn without_a_decoder_frames_wait_and_the_lag_shows() {
    let mut pool = start(Path::new("/nonexistent"), PictureSettings::default());
    pool.candidates.send(candidate(1)).await.unwrap();
    let lags = |status: &PoolStatus| status.waiting == 1 && status.lag >= Duration::from_secs(1);
    timeout(PATIENCE, pool.status.wait_for(lags)).await.unwrap().unwrap();
    pool.stop().await;
}

#[tokio::test]
async fn the_budget_of_cpu_time_is_kept() {
    let settings = PictureSettings { cpu_share: Duration::from_millis(5), ..PictureSettings::default() };
    let mut pool = start(program(), settings);
    let began = std::time::Instant::now();
    let mut cost = Duration::ZERO;
    for number in 0..3 {
        pool.candidates.send(candidate(number)).await.unwrap();
        cost += pool.next().await.outcome.unwrap().cost;
    }
    // What the last one took is paid off later.
    let last = candidate(9);
    pool.candidates.send(last).await.unwrap();
    pool.next().await.outcome.unwrap();
    assert!(began.elapsed() >= cost.mul_f64(180.0).saturating_sub(Duration::from_secs(1)), "{cost:?}");
    pool.stop().await;
}
