//! `rtspsrc` with what it must be kept from.
//!
//! Left alone it tries a refused password nine times, which locks accounts; follows a redirection anywhere; prefers UDP;
//! and gives up after deadlines of its own. Here each request is sent at most twice (the second time with the login that
//! the first answer asks for), to the address that was asked for and no other; the service's deadlines decide. What goes wrong is
//! told by the kind of a message, the step it came in and the status in it.

use crate::ingest::pull::child::{LEAVE_DEADLINE, Speaker};
use crate::ingest::pull::protocol::{Carrier, Description, Goal, Request, Step, TrustWords, Word};
use gio::prelude::*;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How long a packet that overtook others is held back for them.
const REORDER: Duration = Duration::from_millis(300);

/// How long an answer to TEARDOWN is waited for.
const TEARDOWN: Duration = Duration::from_millis(1_500);

const _: () = assert!(TEARDOWN.as_millis() < LEAVE_DEADLINE.as_millis());

/// After its first error the source tells more: the status often comes with the second.
const LAST_WORDS: gst::ClockTime = gst::ClockTime::from_mseconds(500);

/// How often one request may be sent.
const MOST_SENDS: u32 = 2;

/// What a refused send takes: where the source cannot read an answer it asks again at once, until the deadline.
const REFUSED: Duration = Duration::from_millis(100);

/// The codings that are measured, as session descriptions name them.
const ENCODINGS: [&str; 3] = ["h264", "h265", "jpeg"];

/// Why there is no source.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    #[error("make the element")]
    Element(#[from] gst::glib::BoolError),
}

/// A pipeline that pulls one stream.
#[derive(Debug)]
pub(super) struct Source {
    pipeline: gst::Pipeline,
    bus: gst::Bus,
    way: Arc<Way>,
}

/// How far the session has come; shared with the threads of the source.
#[derive(Debug)]
struct Way {
    speaker: Arc<Speaker>,
    goal: Goal,
    step: Mutex<Option<Step>>,
    /// What the description says of the stream.
    caps: Mutex<Option<gst::Caps>>,
    is_described: AtomicBool,
    is_playing: AtomicBool,
    /// How often the present request was sent.
    sends: AtomicU32,
}

/// Why the pipeline stopped.
enum End {
    Leave,
    Failed(Option<u16>),
}

impl Source {
    pub(super) fn new(
        request: &Request,
        anchors: Option<&gio::TlsFileDatabase>,
        speaker: &Arc<Speaker>,
    ) -> Result<Self, SourceError> {
        let way = Arc::new(Way {
            speaker: Arc::clone(speaker),
            goal: request.goal,
            step: Mutex::new(None),
            caps: Mutex::new(None),
            is_described: AtomicBool::new(false),
            is_playing: AtomicBool::new(false),
            sends: AtomicU32::new(0),
        });
        let pipeline = gst::Pipeline::new();
        // A description may name a clock somewhere in the network.
        pipeline.use_clock(Some(&gst::SystemClock::obtain()));
        let source = element(request)?;
        set_trust(&source, &request.trust, anchors, &way);
        select_video(&source, &way);
        guard_requests(&source, &way);
        watch_manager(&source, &way);
        take_packets(&source, &pipeline, &way);
        pipeline.add(&source)?;
        let bus = gst::Bus::new();
        let followed = Arc::clone(&way);
        bus.set_sync_handler(move |_bus, message| {
            if let gst::MessageView::Progress(progress) = message.view() {
                let (kind, code, _) = progress.get();
                followed.progress(kind, code);
            }
            gst::BusSyncReply::Pass
        });
        pipeline.set_bus(Some(&bus));
        Ok(Self { pipeline, bus, way })
    }

    /// What ends [`Source::run`], from any thread.
    pub(super) fn leave(&self) -> impl FnOnce() + Send + 'static {
        let bus = self.bus.clone();
        move || {
            let leave = gst::message::Application::new(gst::Structure::new_empty("leave"));
            // A bus that flushes belongs to a pipeline that has ended.
            let _ended = bus.post(leave);
        }
    }

    /// Pulls until the session fails or is to be left, and tears it down.
    pub(super) fn run(self) {
        let end = match self.pipeline.set_state(gst::State::Playing) {
            Ok(_) => self.watch(),
            Err(_refused) => End::Failed(None),
        };
        match end {
            End::Failed(status) if !self.way.is_done() => self.way.speaker.say(&self.way.failure(status)),
            End::Failed(_) | End::Leave => {}
        }
        // The TEARDOWN, whatever the request before it has used up; when this hangs the watch over standard input ends the
        // process.
        self.way.sends.store(0, Ordering::SeqCst);
        let _stopped = self.pipeline.set_state(gst::State::Null);
    }

    fn watch(&self) -> End {
        loop {
            let Some(message) = self.bus.timed_pop(gst::ClockTime::NONE) else { continue };
            match told(&message) {
                Some(Told::Fault(status)) => return self.hear_out(status),
                Some(Told::End) => return End::Failed(None),
                Some(Told::Leave) => return End::Leave,
                None => {}
            }
        }
    }

    /// Waits for the status, which may come with a later error, until the source says that it gave up.
    fn hear_out(&self, mut status: Option<u16>) -> End {
        let clock = gst::SystemClock::obtain();
        let deadline = clock.time() + LAST_WORDS;
        while status.is_none() {
            let Some(message) = self.bus.timed_pop(deadline.saturating_sub(clock.time())) else { break };
            match told(&message) {
                Some(Told::Fault(named)) => status = named,
                Some(Told::End) => break,
                Some(Told::Leave) => return End::Leave,
                None => {}
            }
        }
        End::Failed(status)
    }
}

/// What a message means for the session.
enum Told {
    /// Something failed, with this status.
    Fault(Option<u16>),
    /// The source gave up, or the device ended the stream.
    End,
    /// We are to leave.
    Leave,
}

fn told(message: &gst::MessageRef) -> Option<Told> {
    if let gst::MessageView::Error(error) = message.view() {
        Some(Told::Fault(status_of(error)))
    } else if let gst::MessageView::Progress(progress) = message.view() {
        (progress.get().0 == gst::ProgressType::Error).then_some(Told::End)
    } else if let gst::MessageView::Eos(_) = message.view() {
        Some(Told::End)
    } else if let gst::MessageView::Application(_) = message.view() {
        Some(Told::Leave)
    } else {
        None
    }
}

impl Way {
    fn step(&self) -> Option<Step> {
        *self.step.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn caps(&self) -> Option<gst::Caps> {
        self.caps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether all that was wanted came: without a stream to set up the source fails, as it is meant to.
    fn is_done(&self) -> bool {
        self.goal == Goal::Describe && self.is_described.load(Ordering::SeqCst)
    }

    fn begin(&self, step: Step) {
        *self.step.lock().unwrap_or_else(PoisonError::into_inner) = Some(step);
        self.sends.store(0, Ordering::SeqCst);
        self.speaker.say(&Word::Step(step));
    }

    /// Follows the words of progress by their kind, code and order; their texts are for people.
    fn progress(&self, kind: gst::ProgressType, code: &str) {
        match (kind, code, self.step()) {
            (gst::ProgressType::Continue, "connect", None) => self.begin(Step::Connect),
            (gst::ProgressType::Continue, "connect", Some(_)) => self.refuse_redirection(),
            (gst::ProgressType::Continue, "open", Some(Step::Connect)) => self.begin(Step::Options),
            (gst::ProgressType::Continue, "open", Some(Step::Options)) => self.begin(Step::Describe),
            // Straight from the connect where the description was given. The source says so again each time that it tries
            // again, without an end where it cannot read the answer: that is the same step, with the same sends.
            (gst::ProgressType::Continue, "request", Some(Step::Connect | Step::Describe)) => {
                self.begin(Step::Setup);
            }
            // What follows was ordered with the opening.
            (gst::ProgressType::Complete, "open", Some(Step::Setup)) => self.begin(Step::Play),
            (gst::ProgressType::Complete, "request", Some(Step::Play)) => {
                self.is_playing.store(true, Ordering::SeqCst);
                self.speaker.say(&Word::Playing);
            }
            _ => {}
        }
    }

    /// Ends the process before the source connects to where the device sends it, which no setting keeps it from: the word
    /// of progress comes first, in the thread that connects.
    fn refuse_redirection(&self) {
        self.speaker.say(&Word::Failed(Some(302)));
        std::process::exit(0);
    }

    /// Whether the source may send what it is about to send.
    fn may_send(&self) -> bool {
        let sent = self.sends.fetch_add(1, Ordering::SeqCst);
        let may_send = self.is_playing.load(Ordering::SeqCst) || sent < MOST_SENDS;
        if !may_send {
            thread::park_timeout(REFUSED);
        }
        may_send
    }

    /// What to say of a session that failed with `status`.
    fn failure(&self, status: Option<u16>) -> Word {
        const NOTHING_SELECTED: u16 = 461;
        match (self.step(), status) {
            (Some(Step::Describe), Some(NOTHING_SELECTED)) => Word::NoVideo,
            _ => Word::Failed(status),
        }
    }
}

/// The status that an error holds. Where the source makes an error of its own of an answer, the kind of the error says
/// which; where it writes the status into the error's text only, it is read there, never the wording.
fn status_of(error: &gst::message::Error) -> Option<u16> {
    let named = error.details().and_then(|details| details.get::<u32>("rtsp-status-code").ok());
    let kind = error.error();
    let implied = if kind.matches(gst::StreamError::CodecNotFound) {
        Some(461)
    } else if kind.matches(gst::ResourceError::Settings) {
        Some(200)
    } else {
        None
    };
    named
        .and_then(|status| u16::try_from(status).ok())
        .or(implied)
        .or_else(|| written_status(&error.debug()?))
}

/// `..: Error (453): Not Enough Bandwidth`
fn written_status(text: &str) -> Option<u16> {
    text.rsplit_once("Error (")?
        .1
        .split_once(')')?
        .0
        .parse()
        .ok()
        .filter(|status| (100..700).contains(status))
}

fn element(request: &Request) -> Result<gst::Element, SourceError> {
    let source = gst::ElementFactory::make("rtspsrc")
        .property("location", &request.address)
        .property("user-agent", &request.user_agent)
        .property("teardown-timeout", u64::try_from(TEARDOWN.as_nanos()).unwrap_or(u64::MAX))
        // The deadlines are the service's.
        .property("timeout", 0_u64)
        .property("tcp-timeout", 0_u64)
        .property("do-retransmission", false)
        // A device that closes its connection and sends on would be connected to without a pause.
        .property("udp-reconnect", false)
        .build()?;
    let (protocols, latency) = match request.carrier {
        Carrier::Tcp => ("tcp", Duration::ZERO),
        Carrier::Udp => ("udp", REORDER),
    };
    source.set_property_from_str("protocols", protocols);
    source.set_property("latency", u32::try_from(latency.as_millis()).unwrap_or_default());
    if let Some(login) = &request.login {
        source.set_property("user-id", &login.user);
        source.set_property("user-pw", &login.password);
    }
    Ok(source)
}

/// Sets whom the source believes. A certificate that no anchor vouches for comes before us.
fn set_trust(
    source: &gst::Element,
    trust: &TrustWords,
    anchors: Option<&gio::TlsFileDatabase>,
    way: &Arc<Way>,
) {
    let pinned = match trust {
        TrustWords::Pinned(fingerprint) => Some(*fingerprint),
        TrustWords::Authority(_) | TrustWords::Anybody => None,
    };
    if *trust == TrustWords::Anybody {
        source.set_property("tls-validation-flags", gio::TlsCertificateFlags::empty());
    }
    if let Some(anchors) = anchors {
        source.set_property("tls-database", anchors);
    }
    let speaker = Arc::clone(&way.speaker);
    source.connect("accept-certificate", false, move |values| {
        let shown = values.get(2).and_then(|value| value.get::<gio::TlsCertificate>().ok());
        let shown =
            shown.and_then(|certificate| certificate.property::<Option<gst::glib::ByteArray>>("certificate"));
        let shown = shown.map(|der| <[u8; 32]>::from(Sha256::digest(&*der)));
        let is_pinned = pinned.is_some() && shown == pinned;
        if let (false, Some(shown)) = (is_pinned, shown) {
            speaker.say(&Word::Distrusted(shown));
        }
        Some(is_pinned.to_value())
    });
}

/// Has the first video stream of a coding that we read set up, and nothing else: audio is nobody's business.
fn select_video(source: &gst::Element, way: &Arc<Way>) {
    let way = Arc::clone(way);
    source.connect("select-stream", false, move |values| {
        let caps = values.get(2).and_then(|value| value.get::<gst::Caps>().ok());
        let described = caps.as_ref().and_then(|caps| described(caps.structure(0)?));
        let is_first = described.is_some() && !way.is_described.swap(true, Ordering::SeqCst);
        if let (true, Some(description)) = (is_first, described) {
            // A copy: the source goes on writing into its own.
            let copy = caps.as_ref().map(|caps| caps.copy());
            *way.caps.lock().unwrap_or_else(PoisonError::into_inner) = copy;
            way.speaker.say(&Word::Described(description));
        }
        Some((is_first && way.goal == Goal::Play).to_value())
    });
}

fn described(stream: &gst::StructureRef) -> Option<Description> {
    let text = |name: &str| stream.get::<&str>(name).ok();
    let encoding = text("encoding-name")?.to_ascii_lowercase();
    if text("media") != Some("video") || !ENCODINGS.contains(&encoding.as_str()) {
        return None;
    }
    let sets = ["sprop-parameter-sets", "sprop-vps", "sprop-sps", "sprop-pps"].into_iter().filter_map(text);
    Some(Description {
        clock_rate: stream
            .get::<i32>("clock-rate")
            .ok()
            .and_then(|rate| u32::try_from(rate).ok())
            .unwrap_or(90_000),
        frames_per_second: text("a-framerate").and_then(|rate| rate.trim().parse().ok()),
        parameter_sets: sets.flat_map(|sets| sets.split(',')).flat_map(unit).collect(),
        encoding,
    })
}

/// A unit of a session description behind a start code.
fn unit(written: &str) -> Vec<u8> {
    let unit = gst::glib::base64_decode(written.trim());
    if unit.is_empty() { Vec::new() } else { [&[0, 0, 0, 1], unit.as_slice()].concat() }
}

fn guard_requests(source: &gst::Element, way: &Arc<Way>) {
    let way = Arc::clone(way);
    source.connect("before-send", false, move |_values| Some(way.may_send().to_value()));
}

/// Watches over the session manager, which puts packets into order and keeps the reports.
fn watch_manager(source: &gst::Element, way: &Arc<Way>) {
    let way = Arc::clone(way);
    source.connect("new-manager", false, move |values| {
        let manager = values.get(1)?.get::<gst::Element>().ok()?;
        disbelieve_play(&manager, &way);
        let way = Arc::clone(&way);
        manager.connect("on-ssrc-active", false, move |values| {
            let manager = values.first()?.get::<gst::Element>().ok()?;
            let (session, ssrc) = (values.get(1)?.get::<u32>().ok()?, values.get(2)?.get::<u32>().ok()?);
            if let Some(ntp) = report_of(&manager, session, ssrc) {
                way.speaker.report(ntp);
            }
            None
        });
        None
    });
}

/// Takes out of what the manager is told the first sequence number that the answer to PLAY names: many devices name a wrong one
/// (Hikvision and TP-Link say 0), and everything before it would be thrown away.
fn disbelieve_play(manager: &gst::Element, way: &Arc<Way>) {
    let way = Arc::clone(way);
    manager.connect("request-pt-map", false, move |_values| Some(way.caps().to_value()));
    manager.connect_pad_added(|_manager, pad| {
        if !pad.name().starts_with("recv_rtp_sink") {
            return;
        }
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_pad, info| {
            let Some(gst::PadProbeData::Event(event)) = &info.data else { return gst::PadProbeReturn::Ok };
            if let gst::EventView::Caps(told) = event.view() {
                let mut caps = told.caps_owned();
                if let Some(stream) = caps.make_mut().structure_mut(0) {
                    stream.remove_fields(["seqnum-base", "clock-base"]);
                }
                info.data = Some(gst::PadProbeData::Event(gst::event::Caps::new(&caps)));
            }
            gst::PadProbeReturn::Ok
        });
    });
}

fn report_of(manager: &gst::Element, session: u32, ssrc: u32) -> Option<u64> {
    let session = manager.emit_by_name::<Option<gst::glib::Object>>("get-internal-session", &[&session])?;
    let sender = session.emit_by_name::<Option<gst::glib::Object>>("get-source-by-ssrc", &[&ssrc])?;
    let stats = sender.property::<Option<gst::Structure>>("stats")?;
    let has_report = stats.get::<bool>("have-sr").ok()?;
    stats.get::<u64>("sr-ntptime").ok().filter(|_| has_report)
}

/// Gives each stream of packets a sink that hands them on; a sender that begins anew is another stream.
fn take_packets(source: &gst::Element, pipeline: &gst::Pipeline, way: &Arc<Way>) {
    let (pipeline, way) = (pipeline.downgrade(), Arc::clone(way));
    source.connect_pad_added(move |_source, pad| {
        let Some(pipeline) = pipeline.upgrade() else { return };
        let speaker = Arc::clone(&way.speaker);
        let take = move |sink: &gst_app::AppSink| {
            let sample = sink.pull_sample().map_err(|_stopped| gst::FlowError::Eos)?;
            let packet = sample.buffer().and_then(|buffer| buffer.map_readable().ok());
            let is_taken = packet.is_none_or(|packet| speaker.packet(&packet));
            if is_taken { Ok(gst::FlowSuccess::Ok) } else { Err(gst::FlowError::Eos) }
        };
        let sink = gst_app::AppSink::builder()
            .sync(false)
            .async_(false)
            .enable_last_sample(false)
            .callbacks(gst_app::AppSinkCallbacks::builder().new_sample(take).build())
            .build();
        let Some(inlet) = sink.static_pad("sink") else { return };
        // A stream that cannot be linked ends with an error of its own.
        let _linked =
            pipeline.add(&sink).is_ok() && sink.sync_state_with_parent().is_ok() && pad.link(&inlet).is_ok();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_by_its_number() {
        let check = |text: &str, expected| assert_eq!(written_status(text), expected, "{text}");
        check(
            "gstrtspsrc.c(7541): gst_rtspsrc_setup_streams_start (): /rtspsrc0:\nError (453): Not Enough Bandwidth",
            Some(453),
        );
        check("Error (0): ", None);
        check("Could not receive message. (Timeout)", None);
    }
}
