//! Observations come back as they were.

use crate::store::fixture::{at, point};
use crate::support::postgres::on_both;
use sharpeyes::domain::{
    Cause, ClockReading, Codec, Declared, Failure, Look, Measurement, Observation, Outcome, Stage, StageTimes,
};
use sharpeyes::store::Store;
use std::time::Duration;

fn measurement(clock: ClockReading) -> Measurement {
    Measurement {
        window: Duration::from_micros(4_000_001),
        frames: 100,
        key_frames: 2,
        packets: 900,
        lost_packets: 3,
        bytes: u64::from(u32::MAX) + 7,
        longest_gap: Duration::from_millis(81),
        gop_frames: Some(50),
        gop_time: Some(Duration::from_millis(2_003)),
        codec: Codec::H265,
        size: Some((1920, 1080)),
        clock,
        declared: Declared {
            codec: Some(Codec::H264),
            size: None,
            frames_per_second: Some(24.975),
            server: Some("Server \"X\"\u{0}\u{7f}\n雪亮".to_owned()),
        },
    }
}

fn sparse() -> Measurement {
    Measurement {
        frames: 0,
        gop_frames: None,
        gop_time: None,
        size: None,
        codec: Codec::Mjpeg,
        declared: Declared::default(),
        ..measurement(ClockReading::NotSeen)
    }
}

fn look(started: i64, look: Look, outcome: Outcome) -> Observation {
    let mut stages = StageTimes::default();
    stages.set(Stage::Connect, Duration::from_micros(1_234));
    stages.set(Stage::FirstKeyFrame, Duration::from_secs(3));
    Observation { point: point(1), started: at(started), ended: at(started + 5), look, stages, outcome }
}

fn failed(stage: Stage, cause: Cause, status: Option<u16>, measured: Option<Measurement>) -> Outcome {
    Outcome::Failed(Failure { stage, cause, status, measured })
}

fn every_form() -> Vec<Observation> {
    let declared = Declared { codec: None, size: Some((640, 360)), ..Declared::default() };
    let outcomes = [
        Outcome::Video(measurement(ClockReading::ErrorMs(-86_400_000))),
        Outcome::Video(measurement(ClockReading::NotAWallClock)),
        Outcome::Video(sparse()),
        Outcome::Answered(declared),
        Outcome::Answered(Declared::default()),
        failed(Stage::Describe, Cause::WrongCredential, Some(401), None),
        failed(Stage::Measure, Cause::Stalled, None, Some(measurement(ClockReading::NotSeen))),
        failed(Stage::Connect, Cause::LinkDown("L-9".parse().unwrap()), None, None),
        Outcome::NotLooked(Cause::CredentialHold),
    ];
    (0..)
        .zip(outcomes)
        .zip(Look::ALL.into_iter().cycle())
        .map(|((n, outcome), kind)| look(100 + n, kind, outcome))
        .collect()
}

#[tokio::test]
async fn an_observation_comes_back_as_it_was() {
    on_both(async |store: Store| {
        let mut kept = every_form();
        assert_eq!(store.add_observations(&[]).await.unwrap(), 0);
        assert_eq!(store.add_observations(&kept).await.unwrap(), 9);
        assert_eq!(store.add_observations(&kept).await.unwrap(), 0, "kept twice");
        kept.reverse();
        assert_eq!(store.observations(point(1), at(1_000), 100).await.unwrap(), kept);
    })
    .await;
}

#[tokio::test]
async fn observations_are_paged_from_the_newest() {
    on_both(async |store: Store| {
        store.add_observations(&every_form()).await.unwrap();
        let page = async |before, limit| -> Vec<i64> {
            let found = store.observations(point(1), at(before), limit).await.unwrap();
            found.iter().map(|observation| observation.started.as_millis() / 1000).collect()
        };
        assert_eq!(page(1_000, 2).await, [108, 107]);
        assert_eq!(page(107, 3).await, [106, 105, 104]);
        assert_eq!(page(100, 3).await, Vec::<i64>::new());
        assert_eq!(store.observations(point(2), at(1_000), 9).await.unwrap(), []);
    })
    .await;
}
