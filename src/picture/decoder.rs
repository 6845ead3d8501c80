//! Reused decoders, one for each coding.
//!
//! Each is a pipeline that is fed through a pad of ours, so that it decodes in our thread. After each frame it is drained
//! (H.265 gives nothing without) and flushed: 1.5 ms for a picture of 640x360 where a new pipeline takes 6.

use crate::domain::decode::{DecodeFailure, DecodedPicture};
use crate::domain::irap::{Unit, visit_units};
use crate::domain::{Codec, sps};
use crate::picture::jpeg::StillMaker;
use crate::picture::layout::{Form, Planes};
use crate::picture::protocol::Request;
use crate::picture::scan;
use crate::picture::shrink::{Range, shrink};
use crate::picture::slices;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Most pixels of a picture, and most of a side: 4096x4096 is above every camera of the trade.
const MOST_PIXELS: u64 = 4096 * 4096;
const LONGEST_SIDE: u32 = 8_192;

/// Why the decoders cannot be built.
#[derive(Debug, thiserror::Error)]
pub(super) enum BuildError {
    #[error("build the pipeline `{0}`")]
    Launch(String, #[source] gst::glib::Error),
    #[error("the pipeline `{0}` has not the elements that it names")]
    Elements(String),
    #[error("feed the pipeline `{0}`")]
    Link(String, #[source] gst::PadLinkError),
    #[error("start the pipeline `{0}`")]
    Start(String, #[source] gst::StateChangeError),
}

/// The decoders and what makes stills.
#[derive(Debug)]
pub(super) struct Decoders {
    h264: Line,
    h265: Line,
    mjpeg: Line,
    stills: StillMaker,
    complaints: Complaints,
}

impl Decoders {
    pub(super) fn new() -> Result<Self, BuildError> {
        let raw = raw_caps();
        let line = |parser: &str, decoder: &str, caps: &gst::Caps| {
            Line::new(&format!("{parser}{decoder} ! videoconvert n-threads=1"), caps, &raw)
        };
        let stream = |name: &str| {
            gst::Caps::builder(name).field("stream-format", "byte-stream").field("alignment", "au").build()
        };
        Ok(Self {
            h264: line("h264parse ! ", "avdec_h264 max-threads=1", &stream("video/x-h264"))?,
            h265: line("h265parse ! ", "avdec_h265 max-threads=1", &stream("video/x-h265"))?,
            mjpeg: line("", "jpegdec", &gst::Caps::new_empty_simple("image/jpeg"))?,
            stills: StillMaker::new()?,
            complaints: Complaints::listen(),
        })
    }

    /// Decodes one key frame.
    pub(super) fn decode(&mut self, request: &Request<'_>) -> Result<Box<DecodedPicture>, DecodeFailure> {
        let began = cpu_time();
        if !is_reasonable(request.codec, request.frame) {
            return Err(DecodeFailure::TooLarge);
        }
        self.complaints.reset();
        let line = match request.codec {
            Codec::H264 => &mut self.h264,
            Codec::H265 => &mut self.h265,
            Codec::Mjpeg => &mut self.mjpeg,
        };
        let pushed = line.push(request.frame.to_vec());
        let (raw, errors) = (pushed.sample.ok_or(DecodeFailure::NoPicture)?, pushed.errors);
        let raw = Raw::of(&raw).ok_or(DecodeFailure::NoPicture)?;
        let planes = raw.planes().ok_or(DecodeFailure::NoPicture)?;
        let picture = shrink(&planes, raw.range, raw.size).ok_or(DecodeFailure::NoPicture)?;
        let still = request.still.as_ref().and_then(|wanted| self.stills.make(&planes, raw.range, wanted));
        let complaints = self.complaints.count().saturating_add(errors);
        // The decoder of Motion JPEG never complains, that of H.265 seldom.
        let is_whole = complaints > 0
            || match request.codec {
                Codec::H264 => true,
                Codec::H265 => slices::is_whole(request.frame),
                Codec::Mjpeg => scan::is_whole(request.frame),
            };
        let complaints = complaints.saturating_add((!is_whole).into());
        let cost = cpu_time().saturating_sub(began);
        Ok(Box::new(DecodedPicture { picture, complaints, cost, still }))
    }
}

/// CPU time of this process.
pub(super) fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or_default());
    seconds.saturating_add(Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or_default()))
}

fn raw_caps() -> gst::Caps {
    let forms = gst::List::new(Form::ALL.map(Form::as_str));
    gst::Caps::builder("video/x-raw").field("format", forms).build()
}

/// Whether every size that the frame names is one that a camera may have. What cannot be read here is left to the
/// decoder, and what that allocates to the limit of memory.
fn is_reasonable(codec: Codec, frame: &[u8]) -> bool {
    let fits = |(width, height): (u32, u32)| {
        width.max(height) <= LONGEST_SIDE && u64::from(width) * u64::from(height) <= MOST_PIXELS
    };
    match codec {
        Codec::H264 | Codec::H265 => {
            let mut all_fit = true;
            visit_units(codec, frame, &mut |unit| match unit {
                Unit::SequenceParameters(unit) => all_fit &= sps::size_of(codec, unit).is_none_or(fits),
                Unit::Slice { .. } | Unit::Other => {}
            });
            all_fit
        }
        // RFC 2435 cannot name a side above 2040.
        Codec::Mjpeg => true,
    }
}

/// A pipeline between a pad of ours and an appsink.
#[derive(Debug)]
pub(super) struct Line {
    pipeline: gst::Pipeline,
    pad: gst::Pad,
    sink: gst_app::AppSink,
    bus: gst::Bus,
    caps: gst::Caps,
}

/// What came out for one buffer.
pub(super) struct Pushed {
    pub(super) sample: Option<gst::Sample>,
    /// Errors and warnings that elements reported.
    pub(super) errors: u32,
}

impl Line {
    /// A running pipeline of `elements`; `input` and `output` are the caps at its ends.
    pub(super) fn new(elements: &str, input: &gst::Caps, output: &gst::Caps) -> Result<Self, BuildError> {
        let text = format!(
            "{elements} ! appsink name=last sync=false async=false max-buffers=2 drop=true wait-on-eos=false \
             enable-last-sample=false"
        );
        let missing = || BuildError::Elements(text.clone());
        let pipeline = gst::parse::launch(&text)
            .map_err(|error| BuildError::Launch(text.clone(), error))?
            .downcast::<gst::Pipeline>()
            .map_err(|_other: gst::Element| missing())?;
        let sink = pipeline.by_name("last").and_then(|last| last.downcast::<gst_app::AppSink>().ok());
        let sink = sink.ok_or_else(missing)?;
        sink.set_caps(Some(output));
        let bus = pipeline.bus().ok_or_else(missing)?;
        let open = pipeline.find_unlinked_pad(gst::PadDirection::Sink).ok_or_else(missing)?;
        let pad = gst::Pad::builder(gst::PadDirection::Src).name("feed").build();
        pad.link(&open).map_err(|error| BuildError::Link(text.clone(), error))?;
        pad.set_active(true).map_err(|_error: gst::glib::BoolError| missing())?;
        pipeline.set_state(gst::State::Playing).map_err(|error| BuildError::Start(text.clone(), error))?;
        Ok(Self { pipeline, pad, sink, bus, caps: input.clone() })
    }

    /// Sets the caps of what is pushed from now on.
    pub(super) fn set_input(&mut self, caps: gst::Caps) {
        self.caps = caps;
    }

    /// Pushes one buffer through and takes what comes out.
    pub(super) fn push(&mut self, bytes: Vec<u8>) -> Pushed {
        let mut buffer = gst::Buffer::from_slice(bytes);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::ZERO);
        }
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        // An event that an element refuses shows as a frame without a picture.
        self.pad.push_event(gst::event::StreamStart::new("frame"));
        self.pad.push_event(gst::event::Caps::new(&self.caps));
        self.pad.push_event(gst::event::Segment::new(&segment));
        let pushed = self.pad.push(buffer);
        self.pad.push_event(gst::event::Eos::new());
        let mut last = None;
        while let Some(sample) = self.sink.try_pull_sample(gst::ClockTime::ZERO) {
            last = Some(sample);
        }
        self.pad.push_event(gst::event::FlushStart::new());
        self.pad.push_event(gst::event::FlushStop::new(true));
        let errors = self.errors();
        Pushed { sample: last.filter(|_| pushed.is_ok()), errors }
    }

    /// Empties the bus.
    fn errors(&self) -> u32 {
        let messages = std::iter::from_fn(|| self.bus.pop());
        let faults = messages
            .filter(|message| matches!(message.type_(), gst::MessageType::Error | gst::MessageType::Warning));
        u32::try_from(faults.count()).unwrap_or(u32::MAX)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // Nothing is left to do with a pipeline that does not stop.
        let _stopped = self.pipeline.set_state(gst::State::Null);
    }
}

/// A raw picture in memory.
struct Raw {
    bytes: gst::MappedBuffer<gst::buffer::Readable>,
    form: Form,
    size: (u32, u32),
    range: Range,
}

impl Raw {
    fn of(sample: &gst::Sample) -> Option<Self> {
        let caps = sample.caps()?.structure(0)?;
        let side = |name| caps.get::<i32>(name).ok().and_then(|side| u32::try_from(side).ok());
        let size = (side("width")?, side("height")?);
        let format = caps.get::<&str>("format").ok()?;
        let form = Form::ALL.into_iter().find(|form| form.as_str() == format)?;
        let range = Range::of(caps.get::<&str>("colorimetry").ok());
        let bytes = sample.buffer_owned()?.into_mapped_buffer_readable().ok()?;
        Some(Self { bytes, form, size, range })
    }

    fn planes(&self) -> Option<Planes<'_>> {
        let size = (usize::try_from(self.size.0).ok()?, usize::try_from(self.size.1).ok()?);
        Planes::of(self.form, size, self.bytes.as_slice())
    }
}

/// Counts what libav complains of, which decodes H.264 and H.265: it conceals what is missing and sets no flag, but it says so in its log.
#[derive(Debug)]
struct Complaints(Arc<AtomicU32>);

impl Complaints {
    fn listen() -> Self {
        let count = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&count);
        gst::log::remove_default_log_function();
        gst::log::set_threshold_for_name("libav", gst::DebugLevel::Info);
        gst::log::add_log_function(move |_category, level, _file, _function, _line, _object, message| {
            let says = |word: &str| message.get().is_some_and(|text| text.contains(word));
            if level == gst::DebugLevel::Error || level == gst::DebugLevel::Warning || says("concealing") {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self(count)
    }

    fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}
