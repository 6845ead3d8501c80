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
        Look::Light | Look::Continuous => None,
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
