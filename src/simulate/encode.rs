//! Encodes drawn pictures as cameras do: x264 and x265 by way of GStreamer, into access units of Annex B.

use crate::simulate::fleet::Coding;
use crate::simulate::scene::{Drawing, Size};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

/// Longest time for one run; a clip takes a second or two on an idle core.
const DEADLINE: gst::ClockTime = gst::ClockTime::from_seconds(600);
/// Pictures that are drawn ahead of the encoder.
const AHEAD: u32 = 4;
/// An encoder that loses a picture is tried so often.
const TRIES: u32 = 3;
/// Drawn pictures in a second.
pub(crate) const PICTURES_PER_SECOND: u32 = 15;
/// Quantisers that are tried in turn until a key frame is small enough; cameras do not go further.
pub const QUANTISERS: [u32; 6] = [22, 26, 30, 34, 38, 44];

/// Why pictures cannot be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// GStreamer does not start.
    #[error("start GStreamer")]
    Start(#[source] gst::glib::Error),
    /// An element is missing or the launch line is wrong.
    #[error("build the encoder; are gstreamer1.0-plugins-{{base,good,bad,ugly}} installed?")]
    Build(#[source] gst::glib::Error),
    /// The launch line lacks something.
    #[error("the encoder has no {0}")]
    Lacks(&'static str),
    /// The encoder did not come to its end.
    #[error("encode: {0}")]
    Stopped(String),
}

/// How pictures are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// The coding.
    pub coding: Coding,
    /// The size of the pictures.
    pub size: Size,
    /// How fine.
    pub rate: Rate,
    /// Pictures from one random-access picture to the next.
    pub group: u32,
}

/// How fine pictures are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// As fine as so many kbit/s allow.
    Kbps(u32),
    /// Always alike: a picture that stands still decodes to the same bytes each time, and what comes before does not matter.
    Quantiser(u32),
}

/// An encoded key frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFrame {
    /// How it was quantised.
    pub quantiser: u32,
    /// Its access unit.
    pub bytes: Vec<u8>,
}

/// Encodes pictures in order; one access unit each. Takes CPU for all of them: not for async code.
pub fn encode(
    encoding: &Encoding,
    drawings: impl Iterator<Item = Drawing> + Send + 'static,
) -> Result<Vec<Vec<u8>>, EncodeError> {
    gst::init().map_err(EncodeError::Start)?;
    let element = gst::parse::launch(&encoding.launch()).map_err(EncodeError::Build)?;
    let pipeline = element.downcast::<gst::Pipeline>().map_err(|_other| EncodeError::Lacks("pipeline"))?;
    let source = part::<gst_app::AppSrc>(&pipeline, "source")?;
    let sink = part::<gst_app::AppSink>(&pipeline, "sink")?;
    feed(&source, drawings);
    let ended = play_to_end(&pipeline);
    let units = std::iter::from_fn(|| sink.try_pull_sample(gst::ClockTime::ZERO));
    let units: Vec<Vec<u8>> = units.filter_map(|sample| bytes_of(&sample)).collect();
    let stopped = pipeline.set_state(gst::State::Null);
    ended.map_err(EncodeError::Stopped)?;
    stopped.map_err(|error| EncodeError::Stopped(error.to_string()))?;
    Ok(units)
}

/// Encodes each picture, all of one size, as a key frame of its own with the `finest` quantiser, or the finest coarser one
/// that keeps to a budget in bytes: variable rate under a cap, as most cameras come.
pub fn encode_key_frames(
    coding: Coding,
    drawings: &[Drawing],
    finest: u32,
    budget: usize,
) -> Result<Vec<KeyFrame>, EncodeError> {
    let Some(size) = drawings.first().map(Drawing::size) else { return Ok(Vec::new()) };
    let mut frames = vec![KeyFrame { quantiser: 0, bytes: Vec::new() }; drawings.len()];
    for quantiser in QUANTISERS.into_iter().filter(|quantiser| *quantiser >= finest) {
        let (slots, shown): (Vec<&mut KeyFrame>, Vec<Drawing>) = frames
            .iter_mut()
            .zip(drawings)
            .filter(|(frame, _drawing)| frame.bytes.is_empty() || frame.bytes.len() > budget)
            .map(|(frame, drawing)| (frame, drawing.clone()))
            .unzip();
        if shown.is_empty() {
            break;
        }
        let encoding = Encoding { coding, size, rate: Rate::Quantiser(quantiser), group: 1 };
        let encoded = encode_each(&encoding, &shown)?;
        slots.into_iter().zip(encoded).for_each(|(slot, bytes)| *slot = KeyFrame { quantiser, bytes });
    }
    Ok(frames)
}

/// Encodes each drawing into a unit of its own. x265 (3.5, Debian 12) gives the headers of one picture in a thousand apart from
/// it, and now and then no picture at all: then they are encoded again.
fn encode_each(encoding: &Encoding, drawings: &[Drawing]) -> Result<Vec<Vec<u8>>, EncodeError> {
    let mut given = 0;
    for _try in 0..TRIES {
        let copies = drawings.to_vec();
        let units = encode(encoding, copies.into_iter())?;
        let pictures = with_their_headers(encoding.coding, units);
        if pictures.len() == drawings.len() {
            return Ok(pictures);
        }
        given = pictures.len();
    }
    Err(EncodeError::Stopped(format!("{given} pictures came of {}", drawings.len())))
}

/// Puts headers that come alone before the picture behind them.
fn with_their_headers(coding: Coding, units: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let (mut pictures, mut headers) = (Vec::new(), Vec::new());
    for mut unit in units {
        headers.append(&mut unit);
        if has_slice(coding, &headers) {
            pictures.push(std::mem::take(&mut headers));
        }
    }
    pictures
}

/// Whether bytes hold a picture, and not headers only.
fn has_slice(coding: Coding, unit: &[u8]) -> bool {
    let is_slice = |header: u8| match coding {
        Coding::H264 => (1..=5).contains(&(header & 0x1f)),
        Coding::H265 | Coding::H265Open => header >> 1 & 0x3f < 32,
    };
    unit.windows(4).any(|window| matches!(window, [0, 0, 1, header] if is_slice(*header)))
}

impl Encoding {
    fn launch(&self) -> String {
        let (width, height) = (self.size.width(), self.size.height());
        format!(
            "appsrc name=source format=time caps=\"video/x-raw,format=I420,width={width},height={height},\
             framerate={PICTURES_PER_SECOND}/1\" \
             ! queue max-size-buffers={AHEAD} max-size-bytes=0 max-size-time=0 ! {} \
             ! appsink name=sink sync=false async=false wait-on-eos=false",
            self.encoder()
        )
    }

    fn encoder(&self) -> String {
        let group = self.group;
        // Key frames alone need no search for what moved, and there are many of them.
        let (h264, h265) = if group == 1 { ("superfast", "ultrafast") } else { ("veryfast", "superfast") };
        match self.coding {
            Coding::H264 => {
                let rate = match self.rate {
                    Rate::Kbps(kbps) => format!("bitrate={kbps} vbv-buf-capacity=2000"),
                    Rate::Quantiser(quantiser) => format!("pass=quant quantizer={quantiser}"),
                };
                format!(
                    "x264enc {rate} speed-preset={h264} bframes=0 aud=true key-int-max={group} \
                     option-string=scenecut=0:min-keyint={group} \
                     ! video/x-h264,profile=main,stream-format=byte-stream ! h264parse \
                     ! video/x-h264,stream-format=byte-stream,alignment=au"
                )
            }
            Coding::H265 | Coding::H265Open => {
                let open = u8::from(self.coding == Coding::H265Open);
                let rate = match self.rate {
                    Rate::Kbps(kbps) => format!("bitrate={kbps}"),
                    Rate::Quantiser(quantiser) => format!("qp={quantiser}"),
                };
                format!(
                    "x265enc {rate} speed-preset={h265} option-string=pools=1:frame-threads=1:keyint={group}:min-keyint={group}:\
                     scenecut=0:open-gop={open}:bframes={bframes}:aud=1:repeat-headers=1:log-level=0 \
                     ! video/x-h265,stream-format=byte-stream ! h265parse \
                     ! video/x-h265,stream-format=byte-stream,alignment=au",
                    bframes = 2 * open
                )
            }
        }
    }
}

fn part<T: IsA<gst::Element>>(pipeline: &gst::Pipeline, name: &'static str) -> Result<T, EncodeError> {
    let found = pipeline.by_name(name).and_then(|element| element.downcast::<T>().ok());
    found.ok_or(EncodeError::Lacks(name))
}

/// Draws each picture when the encoder wants it, so that no more than a few are in memory.
fn feed(source: &gst_app::AppSrc, drawings: impl Iterator<Item = Drawing> + Send + 'static) {
    let mut buffers = (0..).zip(drawings).map(|(number, drawing)| buffer_of(number, &drawing));
    let callbacks = gst_app::AppSrcCallbacks::builder().need_data(move |source, _bytes| {
        // Who stopped the pipeline knows why it takes no more.
        let _flow = match buffers.next() {
            Some(buffer) => source.push_buffer(buffer),
            None => source.end_of_stream(),
        };
    });
    source.set_callbacks(callbacks.build());
}

fn buffer_of(number: u64, drawing: &Drawing) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_slice(drawing.to_i420());
    let at = |number: u64| gst::ClockTime::SECOND * number / u64::from(PICTURES_PER_SECOND);
    if let Some(fresh) = buffer.get_mut() {
        fresh.set_pts(at(number));
        fresh.set_duration(at(1));
    }
    buffer
}

fn bytes_of(sample: &gst::Sample) -> Option<Vec<u8>> {
    Some(sample.buffer()?.map_readable().ok()?.to_vec())
}

fn play_to_end(pipeline: &gst::Pipeline) -> Result<(), String> {
    let bus = pipeline.bus().ok_or("the pipeline has no bus")?;
    pipeline.set_state(gst::State::Playing).map_err(|error| error.to_string())?;
    let message = bus
        .timed_pop_filtered(DEADLINE, &[gst::MessageType::Eos, gst::MessageType::Error])
        .ok_or("the encoder did not end in time")?;
    if let gst::MessageView::Error(error) = message.view() { Err(error.error().to_string()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use crate::simulate::scene::{Camera, Flaw, Light, Occasion, Setting, Stage, Strength};

    const SIZE: Size = Size::new(320, 180);

    fn pictures(setting: Setting, count: i64) -> Vec<Drawing> {
        let stage = Stage::set(&Camera::of(1), SIZE, setting);
        (0..count)
            .map(|number| stage.draw(Timestamp::from_millis(1_780_286_400_000 + number * 1000)))
            .collect()
    }

    #[test]
    fn every_picture_becomes_an_access_unit() {
        for coding in [Coding::H264, Coding::H265, Coding::H265Open] {
            let drawings = pictures(Setting::sound(Light::Day, Occasion::Lively), 9);
            let encoding = Encoding { coding, size: SIZE, rate: Rate::Kbps(200), group: 4 };
            let units = encode(&encoding, drawings.into_iter()).unwrap();
            assert_eq!(units.len(), 9, "{coding:?}");
            assert!(units.iter().all(|unit| unit.starts_with(&[0, 0, 0, 1])), "{coding:?}");
        }
    }

    #[test]
    fn headers_are_no_picture() {
        assert!(has_slice(Coding::H264, &[0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x65, 1]));
        assert!(!has_slice(Coding::H264, &[0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68]));
        assert!(has_slice(Coding::H265, &[0, 0, 1, 35 << 1, 1, 0, 0, 1, 19 << 1, 1]));
        assert!(!has_slice(Coding::H265, &[0, 0, 1, 35 << 1, 1, 0, 0, 1, 33 << 1, 1]));
        let (headers, picture) = (vec![0, 0, 1, 33 << 1, 1], vec![0, 0, 1, 19 << 1, 1]);
        let units = vec![picture.clone(), headers.clone(), picture.clone(), headers.clone()];
        let together = [headers, picture.clone()].concat();
        assert_eq!(with_their_headers(Coding::H265, units), [picture, together]);
    }

    #[test]
    fn a_key_frame_keeps_to_its_budget_and_is_no_finer_than_asked() {
        for coding in [Coding::H264, Coding::H265] {
            let busy = pictures(Setting::spoilt(Light::Day, Flaw::Noise, Strength::Gross), 2);
            let calm = pictures(Setting::sound(Light::Day, Occasion::Still), 2);
            let mixed: Vec<Drawing> = busy.into_iter().chain(calm).collect();
            let frames = encode_key_frames(coding, &mixed, 26, 6_000).unwrap();
            assert_eq!(frames.len(), 4, "{coding:?}");
            assert!(
                frames.iter().all(|frame| !frame.bytes.is_empty() && frame.quantiser >= 26),
                "{coding:?}"
            );
            let (busy, calm) = frames.split_at(2);
            assert!(calm.iter().all(|frame| frame.bytes.len() <= 6_000), "{coding:?}");
            assert!(busy.iter().zip(calm).all(|(busy, calm)| busy.quantiser >= calm.quantiser), "{coding:?}");
        }
    }
}
