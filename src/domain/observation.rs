//! One look at a point: what was tried, how long each stage took and what came of it.
//!
//! Built by `ingest` and `probe`, decided upon by the judge, kept by `store`.

use crate::domain::{Cause, PointCode, Stage, Timestamp};
use std::time::Duration;

/// How a point was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Look {
    /// Short session: until a proven key frame and a measuring window.
    Patrol,
    /// RTSP OPTIONS/DESCRIBE only: proves that the device answers, not that video arrives.
    Light,
    /// One window of a kept session.
    Continuous,
    /// Asked for by a person.
    Manual,
    /// Short look at the main stream of a point whose sub-stream is watched: for its size, never to judge the point.
    Main,
}

impl Look {
    /// The word used in SQL, JSON and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Patrol => "patrol",
            Self::Light => "light",
            Self::Continuous => "continuous",
            Self::Manual => "manual",
            Self::Main => "main",
        }
    }

    /// Every kind of look.
    pub const ALL: [Self; 5] = [Self::Patrol, Self::Light, Self::Continuous, Self::Manual, Self::Main];
}

/// What one look at a point measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The point.
    pub point: PointCode,
    /// When the look began; a failure is back-dated to this instant.
    pub started: Timestamp,
    /// When the look ended.
    pub ended: Timestamp,
    /// How it was looked at.
    pub look: Look,
    /// How long each stage took.
    pub stages: StageTimes,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a look.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Pictures arrived and were measured.
    Video(Measurement),
    /// A light look: the device answered and described its stream.
    Answered(Declared),
    /// A stage failed.
    Failed(Failure),
    /// The look did not take place, with an `unknown` cause (credential hold, backlog, not watchable).
    NotLooked(Cause),
}

/// A failed look.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The stage that failed.
    pub stage: Stage,
    /// Why.
    pub cause: Cause,
    /// RTSP status code, where one was answered.
    pub status: Option<u16>,
    /// What was measured before it failed (a stall after good frames, packets without a key frame).
    pub measured: Option<Measurement>,
}

/// Time spent in each stage that was entered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageTimes([Option<Duration>; Stage::ALL.len()]);

impl StageTimes {
    /// Notes the time that a stage took.
    pub fn set(&mut self, stage: Stage, took: Duration) {
        if let Some(slot) = self.0.get_mut(stage as usize) {
            *slot = Some(took);
        }
    }

    /// The time that a stage took, if it was entered.
    pub fn of(&self, stage: Stage) -> Option<Duration> {
        self.0.get(stage as usize).copied().flatten()
    }

    /// The stages entered, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Stage, Duration)> + '_ {
        Stage::ALL.into_iter().filter_map(|stage| self.of(stage).map(|took| (stage, took)))
    }
}

/// Video coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// H.264.
    H264,
    /// H.265.
    H265,
    /// Motion JPEG.
    Mjpeg,
}

impl Codec {
    /// The word used in SQL, JSON and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::H265 => "h265",
            Self::Mjpeg => "mjpeg",
        }
    }

    /// Every coding.
    pub const ALL: [Self; 3] = [Self::H264, Self::H265, Self::Mjpeg];
}

/// What the session description promises; never trusted, shown beside what is observed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Declared {
    /// Video coding.
    pub codec: Option<Codec>,
    /// Width and height in pixels.
    pub size: Option<(u32, u32)>,
    /// Declared frames per second.
    pub frames_per_second: Option<f64>,
    /// `Server:` header or tool line, for the maker's quirks.
    pub server: Option<String>,
}

/// What was seen of the device's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockReading {
    /// No sender report was seen in this look.
    NotSeen,
    /// A sender report whose time is no wall clock (uptime or garbage).
    NotAWallClock,
    /// Device time minus local time, in milliseconds.
    ErrorMs(i64),
}

/// What the packets of one window told.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Wall time over which pictures, packets and bytes were counted.
    pub window: Duration,
    /// Pictures received (access units, not slices).
    pub frames: u64,
    /// Random-access pictures among them (H.264 IDR; H.265 NAL types 16-23).
    pub key_frames: u64,
    /// RTP packets received.
    pub packets: u64,
    /// RTP packets missing by sequence number.
    pub lost_packets: u64,
    /// RTP payload bytes received.
    pub bytes: u64,
    /// Longest time between two pictures.
    pub longest_gap: Duration,
    /// Pictures from one random-access picture to the next, when two were seen.
    pub gop_frames: Option<u64>,
    /// Time from one random-access picture to the next, when two were seen.
    pub gop_time: Option<Duration>,
    /// Video coding, from the bitstream.
    pub codec: Codec,
    /// Width and height in pixels, from the bitstream's parameter sets.
    pub size: Option<(u32, u32)>,
    /// Device clock.
    pub clock: ClockReading,
    /// What the session description promised.
    pub declared: Declared,
}

impl Measurement {
    /// Pictures per wall second.
    #[expect(clippy::cast_precision_loss, reason = "a window holds far fewer than 2^52 pictures")]
    pub fn frames_per_second(&self) -> f64 {
        if self.window.is_zero() { 0.0 } else { self.frames as f64 / self.window.as_secs_f64() }
    }

    /// Bits per wall second.
    #[expect(clippy::cast_precision_loss, reason = "a window holds far fewer than 2^52 bytes")]
    pub fn bits_per_second(&self) -> f64 {
        if self.window.is_zero() { 0.0 } else { self.bytes as f64 * 8.0 / self.window.as_secs_f64() }
    }

    /// Lost packets over all packets that were sent; zero when nothing was sent.
    #[expect(clippy::cast_precision_loss, reason = "a window holds far fewer than 2^52 packets")]
    pub fn lost_over_sent(&self) -> f64 {
        let sent = self.packets.saturating_add(self.lost_packets);
        if sent == 0 { 0.0 } else { self.lost_packets as f64 / sent as f64 }
    }
}
