//! Draws what cases show, encodes it as cameras do and decodes it as the service does.

use crate::shown::Shown;
use sharpeyes::domain::Codec;
use sharpeyes::domain::key_frame::KeyFrame;
use sharpeyes::picture::{Ask, Breakdown, Worker};
use sharpeyes::simulate::dice;
use sharpeyes::simulate::encode::{QUANTISERS, encode_key_frames};
use sharpeyes::simulate::fleet::Coding;
use sharpeyes::simulate::scene::{Drawing, Harm, Look, Size, Stage};
use std::path::Path;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(60);
/// Rates of sub-streams and of main streams in kbit/s, as cameras come (domain.md 6).
const SUB_KBPS: [usize; 3] = [256, 384, 512];
const MAIN_KBPS: [usize; 3] = [2_000, 3_000, 4_000];
/// A key frame every two seconds takes a third of the rate at most. x264's own control of the rate gives it more in a calm
/// scene: 30 to 46 kB of the 64 kB that 256 kbit/s make in two seconds.
const GROUP_SECONDS: usize = 2;
const KEY_FRAME_ONE_IN: usize = 3;
/// One camera in so many encodes with H.265.
const H265_ONE_IN: usize = 4;

/// How a camera encodes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recorder {
    coding: Coding,
    budget: usize,
    /// The quantiser of an ordinary picture: better ones are not encoded finer.
    usual: Option<u32>,
}

impl Recorder {
    /// That of the `number`-th camera.
    pub(super) fn of(number: u32, size: Size) -> Self {
        let number = usize::try_from(number).unwrap();
        let kbps = if size == Size::MAIN { MAIN_KBPS } else { SUB_KBPS };
        let kbps = kbps[dice::roll("rate", number, kbps.len())];
        let coding = if dice::roll("coding", number, H265_ONE_IN) == 0 { Coding::H265 } else { Coding::H264 };
        Self { coding, budget: kbps * 1000 / 8 * GROUP_SECONDS / KEY_FRAME_ONE_IN, usual: None }
    }

    /// Sets the quantiser by an ordinary picture.
    pub(super) fn settle(&mut self, ordinary: Drawing) {
        let frames = encode_key_frames(self.coding, &[ordinary], QUANTISERS[0], self.budget).unwrap();
        self.usual = Some(frames[0].quantiser);
    }

    fn encode(self, drawings: &[Drawing]) -> Vec<Vec<u8>> {
        let finest = self.usual.unwrap();
        let frames = encode_key_frames(self.coding, drawings, finest, self.budget).unwrap();
        frames.into_iter().map(|frame| frame.bytes).collect()
    }

    const fn codec(self) -> Codec {
        match self.coding {
            Coding::H264 => Codec::H264,
            Coding::H265 | Coding::H265Open => Codec::H265,
        }
    }
}

/// Decodes in a process of its own, as the service does.
pub(super) struct Decoder {
    runtime: tokio::runtime::Runtime,
    worker: Option<Worker>,
    program: &'static Path,
}

impl Decoder {
    pub(super) fn new(program: &'static Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, worker: None, program }
    }

    fn decode(&mut self, codec: Codec, bytes: Vec<u8>) -> Shown {
        let frame = KeyFrame { codec, bytes, ticks: 0, size: None };
        let ask = Ask { frame, still_width: None, masks: Vec::new() };
        let (program, worker) = (self.program, self.worker.take());
        let (outcome, worker) = self.runtime.block_on(async {
            let mut worker = match worker {
                Some(worker) => worker,
                None => Worker::start(program).await.unwrap(),
            };
            let (outcome, breakdown) = worker.decode(&ask, DEADLINE).await;
            (outcome, matches!(breakdown, Breakdown::None).then_some(worker))
        });
        self.worker = worker;
        match outcome {
            Ok(decoded) if decoded.complaints == 0 => Shown::Picture(decoded),
            Ok(_) | Err(_) => Shown::Broken,
        }
    }
}

/// What looks at a camera show, over a bad line or a good one.
pub(super) fn shoot(
    stage: &mut Stage,
    recorder: Recorder,
    looks: &[Look],
    harm: Option<Harm>,
    decoder: &mut Decoder,
) -> Vec<Shown> {
    let drawings: Vec<Drawing> = looks.iter().map(|look| stage.look(*look)).collect();
    let units = recorder.encode(&drawings);
    let harmed = units.into_iter().zip(0..).map(|(unit, number)| match harm {
        Some(harm) => harm.apply(&unit, number),
        None => unit,
    });
    harmed.map(|unit| decoder.decode(recorder.codec(), unit)).collect()
}
