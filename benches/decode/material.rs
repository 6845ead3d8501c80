//! Key frames as cameras send them: the village scenes of the simulator, each encoded as finely as a budget allows.

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use sharpeyes::domain::{Codec, Timestamp};
use sharpeyes::simulate::encode::{QUANTISERS, encode_key_frames};
use sharpeyes::simulate::fleet::Coding;
use sharpeyes::simulate::scene::{Camera, Drawing, Light, Occasion, Setting, Size, Stage};

/// Key frames of each kind, from as many cameras, half of them by night.
const FRAMES: u64 = 20;
/// Noon of a day in June.
const NOON: Timestamp = Timestamp::from_seconds(1_780_286_400);

#[derive(Debug)]
pub(super) struct Material {
    pub(super) name: String,
    pub(super) codec: Codec,
    pub(super) frames: Vec<Vec<u8>>,
}

pub(super) fn encode_all() -> Vec<Material> {
    // The sizes of domain.md and of frames that fill their rate (a third of 256 kbit/s and of 2 Mbit/s in two seconds).
    let kinds = [(Size::SUB, [10_000, 20_000]), (Size::MAIN, [50_000, 150_000])];
    let mut materials = Vec::new();
    for (size, budgets) in kinds {
        let drawings: Vec<Drawing> = (0..FRAMES).map(|number| draw(number, size)).collect();
        for (coding, codec, name) in
            [(Coding::H264, Codec::H264, "H.264"), (Coding::H265, Codec::H265, "H.265")]
        {
            for budget in budgets {
                let frames = encode_key_frames(coding, &drawings, QUANTISERS[0], budget).unwrap();
                let frames = frames.into_iter().map(|frame| frame.bytes).collect();
                let name = format!("{name} {}x{} in {} kB", size.width(), size.height(), budget / 1000);
                materials.push(Material { name, codec, frames });
            }
        }
        if size == Size::SUB {
            let name = format!("MJPEG {}x{}", size.width(), size.height());
            materials.push(Material { name, codec: Codec::Mjpeg, frames: encode_jpegs(&drawings) });
        }
    }
    materials
}

fn draw(number: u64, size: Size) -> Drawing {
    let light = if number.is_multiple_of(2) { Light::Day } else { Light::Night };
    Stage::set(&Camera::of(number), size, Setting::sound(light, Occasion::Lively)).draw(NOON)
}

fn encode_jpegs(drawings: &[Drawing]) -> Vec<Vec<u8>> {
    gst::init().unwrap();
    let size = drawings[0].size();
    let text = format!(
        "appsrc name=in caps=video/x-raw,format=I420,width={},height={},framerate=1/1 \
         ! jpegenc quality=70 ! appsink name=out sync=false",
        size.width(),
        size.height()
    );
    let pipeline = gst::parse::launch(&text).unwrap().downcast::<gst::Pipeline>().unwrap();
    let source = pipeline.by_name("in").unwrap().downcast::<gst_app::AppSrc>().unwrap();
    let sink = pipeline.by_name("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    for drawing in drawings {
        source.push_buffer(gst::Buffer::from_slice(drawing.to_i420())).unwrap();
    }
    source.end_of_stream().unwrap();
    let samples = std::iter::from_fn(|| sink.pull_sample().ok());
    let frames = samples.map(|sample| sample.buffer().unwrap().map_readable().unwrap().to_vec()).collect();
    pipeline.set_state(gst::State::Null).unwrap();
    frames
}
