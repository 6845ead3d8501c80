//! The result of a probe as JSON; the text on the terminal is made from the same document.

use crate::app::probe::explain;
use crate::app::probe::picture::PictureDocument;
use crate::domain::judge::Verdict;
use crate::domain::point::StreamUrl;
use crate::domain::{
    Cause, ClockReading, Declared, Measurement, Observation, Outcome, PointCode, Stage, State, Transport,
};
use crate::ingest::Note;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Debug, Serialize)]
pub(super) struct Document {
    pub(super) point: Option<String>,
    pub(super) stream: String,
    pub(super) transport: TransportDocument,
    pub(super) started: String,
    pub(super) state: &'static str,
    pub(super) state_zh: &'static str,
    /// Worst first; empty when the stream is good.
    pub(super) causes: Vec<CauseDocument>,
    /// Where the look failed.
    pub(super) failed_stage: Option<&'static str>,
    pub(super) status: Option<u16>,
    pub(super) stages_ms: BTreeMap<&'static str, f64>,
    #[serde(skip)]
    pub(super) stage_order: Vec<(Stage, Duration)>,
    pub(super) observed: Option<ObservedDocument>,
    pub(super) declared: Option<DeclaredDocument>,
    /// What its picture shows; where video came.
    pub(super) picture: Option<PictureDocument>,
}

#[derive(Debug, Serialize)]
pub(super) struct TransportDocument {
    pub(super) carrier: &'static str,
    pub(super) puller: &'static str,
    /// That a transport cannot be pulled on this machine, or which certificate is not believed.
    pub(super) note: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct CauseDocument {
    pub(super) cause: &'static str,
    pub(super) cause_zh: &'static str,
    pub(super) meaning: &'static str,
    pub(super) next: &'static str,
    pub(super) next_zh: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct ObservedDocument {
    pub(super) window_seconds: f64,
    pub(super) codec: &'static str,
    pub(super) width: Option<u32>,
    pub(super) height: Option<u32>,
    pub(super) frames: u64,
    pub(super) frames_per_second: f64,
    pub(super) bit_rate_bps: f64,
    pub(super) key_frames: u64,
    pub(super) key_frame_interval_frames: Option<u64>,
    pub(super) key_frame_interval_seconds: Option<f64>,
    pub(super) packets: u64,
    pub(super) lost_packets: u64,
    pub(super) loss_ratio: f64,
    pub(super) longest_gap_seconds: f64,
    /// `not_seen`, `not_a_wall_clock` or `read`.
    pub(super) clock: &'static str,
    /// Device time minus our time.
    pub(super) clock_error_ms: Option<i64>,
}

#[derive(Debug, Serialize)]
pub(super) struct DeclaredDocument {
    pub(super) codec: Option<&'static str>,
    pub(super) width: Option<u32>,
    pub(super) height: Option<u32>,
    pub(super) frames_per_second: Option<f64>,
    pub(super) server: Option<String>,
}

impl Document {
    pub(super) fn new(
        point: Option<PointCode>,
        stream: &StreamUrl,
        transport: TransportDocument,
        observation: &Observation,
        verdict: &Verdict,
    ) -> Self {
        let (failure, measured) = match &observation.outcome {
            Outcome::Video(measured) => (None, Some(measured)),
            Outcome::Failed(failure) => (Some(failure), failure.measured.as_ref()),
            Outcome::Answered(_) | Outcome::NotLooked(_) => (None, None),
        };
        let causes = causes_of(verdict);
        let state = causes.first().map_or(State::Good, |cause| cause.state());
        Self {
            point: point.map(|point| point.as_str().to_owned()),
            stream: stream.to_string(),
            transport,
            started: observation.started.to_string(),
            state: state.as_str(),
            state_zh: explain::state(state),
            causes: causes.iter().map(CauseDocument::new).collect(),
            failed_stage: failure.map(|failure| failure.stage.as_str()),
            status: failure.and_then(|failure| failure.status),
            stages_ms: observation
                .stages
                .iter()
                .map(|(stage, took)| (stage.as_str(), took.as_secs_f64() * 1000.0))
                .collect(),
            stage_order: observation.stages.iter().collect(),
            observed: measured.map(ObservedDocument::new),
            declared: measured.map(|measured| DeclaredDocument::new(&measured.declared)),
            picture: None,
        }
    }

    /// The same with what the picture shows, where video came.
    pub(super) fn with_picture(self, picture: PictureDocument) -> Self {
        let picture = self.observed.is_some().then_some(picture);
        Self { picture, ..self }
    }
}

impl TransportDocument {
    pub(super) fn new(transport: Transport, note: Option<&Note>) -> Self {
        let note = note.map(ToString::to_string);
        Self { carrier: transport.carrier(), puller: transport.puller(), note }
    }
}

fn causes_of(verdict: &Verdict) -> Vec<Cause> {
    match verdict {
        Verdict::Good(_) | Verdict::Reachable => Vec::new(),
        Verdict::Faulty(causes, _) => causes.clone(),
        Verdict::Failed(cause) | Verdict::NotLooked(cause) => vec![cause.clone()],
    }
}

impl CauseDocument {
    fn new(cause: &Cause) -> Self {
        let words = explain::cause(cause);
        Self {
            cause: cause.as_str(),
            cause_zh: words.chinese,
            meaning: words.meaning,
            next: words.next,
            next_zh: words.next_chinese,
        }
    }
}

impl ObservedDocument {
    fn new(measured: &Measurement) -> Self {
        let (clock, clock_error_ms) = match measured.clock {
            ClockReading::NotSeen => ("not_seen", None),
            ClockReading::NotAWallClock => ("not_a_wall_clock", None),
            ClockReading::ErrorMs(error) => ("read", Some(error)),
        };
        Self {
            window_seconds: measured.window.as_secs_f64(),
            codec: measured.codec.as_str(),
            width: measured.size.map(|(width, _)| width),
            height: measured.size.map(|(_, height)| height),
            frames: measured.frames,
            frames_per_second: measured.frames_per_second(),
            bit_rate_bps: measured.bits_per_second(),
            key_frames: measured.key_frames,
            key_frame_interval_frames: measured.gop_frames,
            key_frame_interval_seconds: measured.gop_time.map(|interval| interval.as_secs_f64()),
            packets: measured.packets,
            lost_packets: measured.lost_packets,
            loss_ratio: measured.lost_over_sent(),
            longest_gap_seconds: measured.longest_gap.as_secs_f64(),
            clock,
            clock_error_ms,
        }
    }
}

impl DeclaredDocument {
    fn new(declared: &Declared) -> Self {
        Self {
            codec: declared.codec.map(|codec| codec.as_str()),
            width: declared.size.map(|(width, _)| width),
            height: declared.size.map(|(_, height)| height),
            frames_per_second: declared.frames_per_second,
            server: declared.server.clone(),
        }
    }
}
