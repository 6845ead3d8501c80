//! Key frames as cameras send them: GStreamer's moving ball and gradients under the noise of a sensor.

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use sharpeyes::domain::Codec;

/// Key frames of each kind.
const FRAMES: u32 = 20;

#[derive(Debug)]
pub(super) struct Material {
    pub(super) name: &'static str,
    pub(super) codec: Codec,
    pub(super) frames: Vec<Vec<u8>>,
}

const H264: &str = "x264enc key-int-max=1 bitrate=KBPS speed-preset=superfast ! video/x-h264,stream-format=byte-stream,alignment=au";
const H265: &str = "x265enc key-int-max=1 bitrate=KBPS speed-preset=superfast option-string=repeat-headers=1:log-level=0 \
                    ! h265parse config-interval=-1 ! video/x-h265,stream-format=byte-stream,alignment=au";
const MJPEG: &str = "jpegenc quality=70";

pub(super) fn encode_all() -> Vec<Material> {
    gst::init().unwrap();
    [
        // 10 kB and 60 kB a key frame at 15 a second, all of them key frames.
        ("H.264 640x360", Codec::H264, H264, (640, 360), 1_200),
        ("H.265 640x360", Codec::H265, H265, (640, 360), 1_200),
        ("MJPEG 640x360", Codec::Mjpeg, MJPEG, (640, 360), 0),
        ("H.264 1920x1080", Codec::H264, H264, (1920, 1080), 7_000),
        ("H.265 1920x1080", Codec::H265, H265, (1920, 1080), 7_000),
    ]
    .into_iter()
    .map(|(name, codec, encoder, size, kbps)| {
        let encoder = encoder.replace("KBPS", &kbps.to_string());
        Material { name, codec, frames: encode(size, &encoder) }
    })
    .collect()
}

fn encode((width, height): (u32, u32), encoder: &str) -> Vec<Vec<u8>> {
    let caps = format!("video/x-raw,format=I420,width={width},height={height},framerate=15/1");
    let text = format!(
        "compositor name=mix sink_1::alpha=0.08 ! {caps} ! {encoder} ! appsink name=out sync=false \
         videotestsrc pattern=pinwheel num-buffers={FRAMES} ! {caps} ! mix.sink_0 \
         videotestsrc pattern=snow num-buffers={FRAMES} ! {caps} ! mix.sink_1"
    );
    let pipeline = gst::parse::launch(&text).unwrap().downcast::<gst::Pipeline>().unwrap();
    let sink = pipeline.by_name("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut frames = Vec::new();
    while let Ok(sample) = sink.pull_sample() {
        frames.push(sample.buffer().unwrap().map_readable().unwrap().as_slice().to_vec());
    }
    pipeline.set_state(gst::State::Null).unwrap();
    frames
}
