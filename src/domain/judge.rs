//! The judge: what one look says, measured against what the point should deliver.
//!
//! Knows one observation, the point's norm and the limits; knows nothing of earlier verdicts. Whether a verdict is
//! believed is the state machine's question.

use crate::domain::{Cause, ClockReading, Look, Measurement, Observation, Outcome, Stage, State};
use std::time::Duration;

/// Fewer packets than this say nothing about loss: one missing packet would already be 2 %.
const LEAST_PACKETS_FOR_LOSS: u64 = 50;
/// A shorter window says nothing about pictures per second.
const LEAST_WINDOW_FOR_FRAME_RATE: Duration = Duration::from_secs(2);

/// The limits beyond which a measurement is a fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// RTP loss above this ratio.
    pub loss_ratio: f64,
    /// Below this share of the expected frames per second.
    pub frame_rate_ratio: f64,
    /// Below this many frames per second, whatever is expected.
    pub frame_rate_floor: f64,
    /// Clock error above this.
    pub clock_error: Duration,
    /// Random-access pictures further apart than this.
    pub key_frame_interval: Duration,
}

/// What a point should deliver: from its record, else from what it delivered before.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Expectation {
    /// Width and height in pixels.
    pub size: Option<(u32, u32)>,
    /// Pictures per second.
    pub frames_per_second: Option<f64>,
}

/// Whether a look with pictures proves that they can be decoded from where it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A random-access picture was received.
    KeyFrame,
    /// Pictures only, the window lay between two random-access pictures.
    PicturesOnly,
}

/// What one look says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Pictures arrive and nothing is wrong.
    Good(Proof),
    /// Pictures arrive with these faults, worst first.
    Faulty(Vec<Cause>, Proof),
    /// No pictures.
    Failed(Cause),
    /// The device answers; nothing is said about video.
    Reachable,
    /// The look did not take place.
    NotLooked(Cause),
}

/// Judges one look.
pub fn judge(observation: &Observation, expected: &Expectation, limits: &Thresholds) -> Verdict {
    match &observation.outcome {
        Outcome::Video(measurement) => judge_video(observation, measurement, expected, limits),
        Outcome::Answered(_) => Verdict::Reachable,
        Outcome::NotLooked(cause) => Verdict::NotLooked(cause.clone()),
        Outcome::Failed(failure) => judge_failure(&failure.cause),
    }
}

/// A failure is what its cause's state says it is; a cause of the kind "we did not measure" is no failure.
fn judge_failure(cause: &Cause) -> Verdict {
    match cause.state() {
        State::Offline | State::NoVideo => Verdict::Failed(cause.clone()),
        State::Degraded => Verdict::Faulty(vec![cause.clone()], Proof::PicturesOnly),
        State::Good | State::Unreachable | State::Unknown | State::Excluded => {
            Verdict::NotLooked(cause.clone())
        }
    }
}

fn judge_video(
    observation: &Observation,
    measurement: &Measurement,
    expected: &Expectation,
    limits: &Thresholds,
) -> Verdict {
    let proof = if measurement.key_frames > 0 { Proof::KeyFrame } else { Proof::PicturesOnly };
    let checks = [
        (loses_packets(measurement, limits), Cause::Loss),
        (is_slow(measurement, expected, limits), Cause::LowFrameRate),
        (spaces_key_frames(observation, measurement, limits), Cause::SlowKeyFrames),
        (changed_size(measurement, expected), Cause::ResolutionChanged),
        (has_wrong_clock(measurement, limits), Cause::ClockWrong),
    ];
    let faults: Vec<Cause> = checks.into_iter().filter_map(|(found, cause)| found.then_some(cause)).collect();
    if faults.is_empty() { Verdict::Good(proof) } else { Verdict::Faulty(faults, proof) }
}

fn loses_packets(measurement: &Measurement, limits: &Thresholds) -> bool {
    let sent = measurement.packets.saturating_add(measurement.lost_packets);
    sent >= LEAST_PACKETS_FOR_LOSS && measurement.lost_over_sent() > limits.loss_ratio
}

fn is_slow(measurement: &Measurement, expected: &Expectation, limits: &Thresholds) -> bool {
    if measurement.window < LEAST_WINDOW_FOR_FRAME_RATE {
        return false;
    }
    let share = expected.frames_per_second.map_or(0.0, |rate| rate * limits.frame_rate_ratio);
    measurement.frames_per_second() < share.max(limits.frame_rate_floor)
}

/// A patrol that waited this long for its first random-access picture has proven the interval to be longer still.
fn spaces_key_frames(observation: &Observation, measurement: &Measurement, limits: &Thresholds) -> bool {
    let waited = match observation.look {
        Look::Patrol | Look::Manual => observation.stages.of(Stage::FirstKeyFrame),
        Look::Light | Look::Continuous | Look::Main => None,
    };
    measurement.gop_time.max(waited).is_some_and(|interval| interval > limits.key_frame_interval)
}

fn changed_size(measurement: &Measurement, expected: &Expectation) -> bool {
    matches!((measurement.size, expected.size), (Some(measured), Some(wanted)) if measured != wanted)
}

fn has_wrong_clock(measurement: &Measurement, limits: &Thresholds) -> bool {
    match measurement.clock {
        ClockReading::ErrorMs(error) => Duration::from_millis(error.unsigned_abs()) > limits.clock_error,
        ClockReading::NotSeen | ClockReading::NotAWallClock => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Codec, Declared, Failure, StageTimes, Timestamp};

    const LIMITS: Thresholds = Thresholds {
        loss_ratio: 0.01,
        frame_rate_ratio: 0.5,
        frame_rate_floor: 1.0,
        clock_error: Duration::from_secs(30),
        key_frame_interval: Duration::from_secs(12),
    };

    fn measured() -> Measurement {
        Measurement {
            window: Duration::from_secs(4),
            frames: 100,
            key_frames: 2,
            packets: 400,
            lost_packets: 0,
            bytes: 100_000,
            longest_gap: Duration::from_millis(60),
            gop_frames: Some(50),
            gop_time: Some(Duration::from_secs(2)),
            codec: Codec::H265,
            size: Some((640, 360)),
            clock: ClockReading::NotSeen,
            declared: Declared::default(),
        }
    }

    fn look(outcome: Outcome) -> Observation {
        Observation {
            point: "23052100001320000001".parse().unwrap(),
            started: Timestamp::from_seconds(0),
            ended: Timestamp::from_seconds(5),
            look: Look::Patrol,
            stages: StageTimes::default(),
            outcome,
        }
    }

    fn check(measurement: Measurement, expected: &[Cause]) {
        let wanted = Expectation { size: Some((640, 360)), frames_per_second: Some(25.0) };
        let faults = match judge(&look(Outcome::Video(measurement.clone())), &wanted, &LIMITS) {
            Verdict::Good(_) => Vec::new(),
            Verdict::Faulty(faults, _) => faults,
            other @ (Verdict::Failed(_) | Verdict::Reachable | Verdict::NotLooked(_)) => panic!("{other:?}"),
        };
        assert_eq!(faults, expected, "{measurement:?}");
    }

    #[test]
    fn each_fault_of_the_stream_has_its_limit() {
        check(measured(), &[]);
        check(Measurement { lost_packets: 4, ..measured() }, &[]);
        check(Measurement { lost_packets: 5, ..measured() }, &[Cause::Loss]);
        check(Measurement { packets: 40, lost_packets: 4, ..measured() }, &[]);
        check(Measurement { frames: 50, ..measured() }, &[]);
        check(Measurement { frames: 49, ..measured() }, &[Cause::LowFrameRate]);
        check(Measurement { frames: 1, window: Duration::from_secs(1), ..measured() }, &[]);
        check(Measurement { size: Some((704, 576)), ..measured() }, &[Cause::ResolutionChanged]);
        check(Measurement { size: None, ..measured() }, &[]);
        check(Measurement { clock: ClockReading::ErrorMs(30_000), ..measured() }, &[]);
        check(Measurement { clock: ClockReading::ErrorMs(-30_001), ..measured() }, &[Cause::ClockWrong]);
        check(Measurement { clock: ClockReading::NotAWallClock, ..measured() }, &[]);
        check(Measurement { gop_time: Some(Duration::from_secs(13)), ..measured() }, &[Cause::SlowKeyFrames]);
    }

    #[test]
    fn the_worst_fault_comes_first() {
        let broken = Measurement {
            clock: ClockReading::ErrorMs(3_600_000),
            frames: 8,
            lost_packets: 90,
            gop_time: Some(Duration::from_secs(60)),
            ..measured()
        };
        check(broken, &[Cause::Loss, Cause::LowFrameRate, Cause::SlowKeyFrames, Cause::ClockWrong]);
    }

    #[test]
    fn a_long_wait_for_the_first_key_frame_proves_a_slow_one() {
        let mut waited = look(Outcome::Video(Measurement { gop_time: None, ..measured() }));
        waited.stages.set(Stage::FirstKeyFrame, Duration::from_secs(13));
        let slow = Verdict::Faulty(vec![Cause::SlowKeyFrames], Proof::KeyFrame);
        assert_eq!(judge(&waited, &Expectation::default(), &LIMITS), slow);
    }

    #[test]
    fn without_an_expectation_only_the_floor_counts() {
        let judged = |frames| {
            judge(
                &look(Outcome::Video(Measurement { frames, ..measured() })),
                &Expectation::default(),
                &LIMITS,
            )
        };
        assert_eq!(judged(4), Verdict::Good(Proof::KeyFrame));
        assert_eq!(judged(3), Verdict::Faulty(vec![Cause::LowFrameRate], Proof::KeyFrame));
    }

    #[test]
    fn pictures_between_two_key_frames_prove_less() {
        let window = look(Outcome::Video(Measurement { key_frames: 0, ..measured() }));
        assert_eq!(judge(&window, &Expectation::default(), &LIMITS), Verdict::Good(Proof::PicturesOnly));
    }

    #[test]
    fn a_failure_is_what_its_cause_says() {
        let check = |cause: Cause, expected: Verdict| {
            let failure = Failure { stage: Stage::Connect, cause, status: None, measured: None };
            assert_eq!(judge(&look(Outcome::Failed(failure)), &Expectation::default(), &LIMITS), expected);
        };
        check(Cause::ConnectRefused, Verdict::Failed(Cause::ConnectRefused));
        check(Cause::NoKeyFrame, Verdict::Failed(Cause::NoKeyFrame));
        check(Cause::NotWatchable, Verdict::NotLooked(Cause::NotWatchable));
        let skipped = look(Outcome::NotLooked(Cause::Backlog));
        assert_eq!(judge(&skipped, &Expectation::default(), &LIMITS), Verdict::NotLooked(Cause::Backlog));
        let light = look(Outcome::Answered(Declared::default()));
        assert_eq!(judge(&light, &Expectation::default(), &LIMITS), Verdict::Reachable);
    }
}
