//! A playing session: feeds every packet to the meter and watches the deadlines.
//!
//! Works on RTP packets, not on assembled frames: counting needs no copy of a frame, a packet that breaks the codec's
//! format does not end the session, and packets and loss are counted exactly. Nothing is logged, sent or woken up for per
//! packet.

use crate::clock::Clock;
use crate::config::Deadlines;
use crate::domain::meter::{Meter, PacketFacts};
use crate::domain::patience::Patience;
use crate::domain::rtp::{Continuity, Place, RtpPacket};
use crate::domain::{Cause, Measurement, Stage, answer::cause_of_break};
use crate::ingest::flood::{Ration, abandon, poll_sparingly};
use crate::ingest::host::PlayingGuard;
use crate::ingest::pull::{Frame, Gone, Pull, Word};
use crate::ingest::session::OWN_STALL;
use crate::ingest::tap::SessionTap;
use futures::{FutureExt as _, StreamExt as _};
use retina::client::{PacketItem, Session};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

/// All sessions fetch their packets together, once a beat: one wake-up of the process then serves many packets of many
/// sessions, where each packet would have cost one. Far below every deadline; a time of arrival is late by up to a beat.
const BEAT: Duration = Duration::from_millis(100);

/// Reads of one session in a beat; the rest waits for the next one. Each takes what has arrived, up to 64 KiB while
/// nothing is unfinished: enough for 40 Mbit/s.
const READS_OF_BEAT: usize = 8;

/// The next beat, the same for all.
fn next_beat() -> tokio::time::Instant {
    static FIRST: LazyLock<tokio::time::Instant> = LazyLock::new(tokio::time::Instant::now);
    let into_beat = FIRST.elapsed().as_nanos() % BEAT.as_nanos();
    let wait = BEAT.as_nanos().saturating_sub(into_beat);
    tokio::time::Instant::now() + Duration::from_nanos(u64::try_from(wait).unwrap_or_default())
}

/// Whether the library gave up because the connection broke, which it tells by these words only.
fn is_lost(error: &str) -> bool {
    ["Error reading from RTSP peer: ", "Error writing to RTSP peer: "]
        .iter()
        .any(|words| error.starts_with(words))
}

/// A session after the answer to PLAY. Dropping it sends the TEARDOWN.
pub(super) struct Playing {
    stream: Stream,
    meter: Meter,
    tap: Option<SessionTap>,
    patience: Patience,
    /// All times are counted from here.
    began: Instant,
    /// Ends at the next beat, or at the deadline that was known when it was set: moving it with every packet would cost
    /// more than the packet.
    timer: Pin<Box<Sleep>>,
    guard: PlayingGuard,
}

/// Where packets come from.
pub(super) enum Stream {
    /// A session that retina holds.
    Retina { session: Session<retina::client::Playing>, video_index: usize },
    /// A session that a puller holds. Its packets come in order.
    Pulled { pull: Box<Pull>, continuity: Continuity },
}

/// What came from a stream.
enum Item {
    Retina(PacketItem),
    Pulled(Frame),
}

/// A session is over.
#[derive(Debug, PartialEq, Eq)]
enum Over {
    /// It broke the protocol or its format.
    Broken,
    /// The connection ended.
    Ended,
    /// What it brought had no end.
    Flooded,
    /// Our own puller died: that says nothing about the device.
    Ours,
}

impl Stream {
    pub(super) fn pulled(pull: Pull) -> Self {
        Self::Pulled { pull: Box::new(pull), continuity: Continuity::default() }
    }

    /// The next item. Dropping the future loses nothing.
    async fn next(&mut self) -> Result<Item, Over> {
        match self {
            Self::Retina { session, .. } => match session.next().await {
                Some(Ok(item)) => Ok(Item::Retina(item)),
                Some(Err(error)) => {
                    tracing::debug!(%error, "a playing session broke off");
                    Err(if is_lost(&error.to_string()) { Over::Ended } else { Over::Broken })
                }
                None => Err(Over::Ended),
            },
            Self::Pulled { pull, .. } => match pull.next().await {
                Ok(Frame::Word(Word::Failed(_))) => Err(Over::Ended),
                Err(Gone) => Err(Over::Ours),
                Ok(frame) => Ok(Item::Pulled(frame)),
            },
        }
    }
}

/// Why the watching of a session paused or ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// The window is full.
    WindowFull,
    /// Asked to stop.
    Stopped,
    /// A deadline passed.
    Overdue { stage: Stage, cause: Cause },
    /// The session broke off.
    BrokeOff { stage: Stage, cause: Cause },
    /// What came had no end.
    Flooded { stage: Stage },
    /// We ourselves stood still: what was measured means nothing.
    StoodStill,
    /// Our puller died.
    PullerDied { stage: Stage },
}

impl Playing {
    pub(super) fn new(
        stream: Stream,
        meter: Meter,
        tap: Option<SessionTap>,
        deadlines: &Deadlines,
        guard: PlayingGuard,
    ) -> Self {
        let patience = Patience {
            first_packet: deadlines.first_packet,
            first_key_frame: deadlines.first_key_frame,
            frame_gap: deadlines.frame_gap,
        };
        let timer = Box::pin(tokio::time::sleep(Duration::ZERO));
        Self { stream, meter, tap, patience, began: Instant::now(), timer, guard }
    }

    /// Takes packets until the measuring window has lasted `window` and holds a picture, or something ends it.
    pub(super) async fn watch(
        &mut self,
        window: Duration,
        clock: &Clock,
        cancel: &CancellationToken,
    ) -> Halt {
        let mut stopped = pin!(cancel.cancelled());
        self.set_timer();
        loop {
            let (gathers, mut ration) = (self.gathers(), Ration::default());
            let item = {
                let mut next = pin!(self.stream.next());
                tokio::select! {
                    biased;
                    () = &mut stopped => return Halt::Stopped,
                    item = poll_fn(|cx| ration.poll(cx, |cx| next.as_mut().poll(cx))), if !gathers => {
                        Some(item.unwrap_or(Err(Over::Flooded)))
                    }
                    () = &mut self.timer => None,
                }
            };
            let stood_still = self.timer.deadline().elapsed() > OWN_STALL;
            if let Err(halt) = self.take_all(item, clock) {
                return halt;
            }
            if let Some(halt) = self.judge_time(self.began.elapsed(), window) {
                return if stood_still { Halt::StoodStill } else { halt };
            }
            if self.gathers() || self.timer.is_elapsed() {
                self.set_timer();
            }
        }
    }

    /// Whether packets may wait for the next beat. The first one is a stage time, and in the burst after the first key
    /// frame the arrival of each picture tells whether it still goes on.
    const fn gathers(&self) -> bool {
        let meter = &self.meter;
        let in_burst = meter.first_key_frame().is_some() && meter.window_start().is_none();
        meter.first_packet().is_some() && !in_burst
    }

    fn set_timer(&mut self) {
        let limit = tokio::time::Instant::from_std(self.began) + self.patience.limit(&self.meter).at;
        let wake = if self.gathers() { next_beat().min(limit) } else { limit };
        self.timer.as_mut().reset(wake);
    }

    /// Takes `item` and everything else that has arrived.
    fn take_all(&mut self, item: Option<Result<Item, Over>>, clock: &Clock) -> Result<(), Halt> {
        let mut arrived = item.or_else(|| self.fetch());
        while let Some(item) = arrived {
            match item {
                Ok(Item::Retina(item)) => self.take(&item, clock),
                Ok(Item::Pulled(frame)) => self.take_pulled(&frame, clock),
                Err(Over::Broken) => return Err(self.broke_off(false)),
                Err(Over::Ended) => return Err(self.broke_off(true)),
                Err(Over::Flooded) => return Err(Halt::Flooded { stage: self.stage() }),
                Err(Over::Ours) => return Err(Halt::PullerDied { stage: self.stage() }),
            }
            arrived = self.stream.next().now_or_never();
        }
        Ok(())
    }

    /// What is first of what has arrived.
    fn fetch(&mut self) -> Option<Result<Item, Over>> {
        let mut next = pin!(self.stream.next());
        let polled =
            poll_fn(|cx| poll_sparingly(cx, READS_OF_BEAT, |cx| next.as_mut().poll(cx))).now_or_never();
        polled.map(|item| item.unwrap_or(Err(Over::Flooded)))
    }

    fn take(&mut self, item: &PacketItem, clock: &Clock) {
        let Stream::Retina { video_index, .. } = self.stream else { return };
        match item {
            PacketItem::Rtp(packet) if packet.stream_id() == video_index => {
                let received = packet.ctx().received().saturating_duration_since(self.began);
                let facts = PacketFacts {
                    received,
                    ticks: packet.timestamp().timestamp(),
                    marker: packet.mark(),
                    lost: packet.loss(),
                    payload: packet.payload(),
                };
                self.measure(&facts, clock);
            }
            PacketItem::Rtcp(packet) if packet.stream_id() == video_index => {
                let report = packet.pkts().find_map(|packet| packet.as_sender_report().ok().flatten());
                if let Some(report) = report {
                    self.meter.sender_report(report.ntp_timestamp().0, clock.now());
                }
            }
            PacketItem::Rtp(_) | PacketItem::Rtcp(_) | _ => {}
        }
    }

    fn take_pulled(&mut self, frame: &Frame, clock: &Clock) {
        let Stream::Pulled { continuity, .. } = &mut self.stream else { return };
        match frame {
            Frame::Packet(bytes) => {
                let Some(packet) = RtpPacket::read(bytes) else { return };
                let Some(Place { ticks, lost, is_anew }) = continuity.take(&packet) else { return };
                if let (true, Some(tap)) = (is_anew, &mut self.tap) {
                    tap.begin_anew();
                }
                let (received, marker, payload) = (self.began.elapsed(), packet.marker, packet.payload);
                self.measure(&PacketFacts { received, ticks, marker, lost, payload }, clock);
            }
            Frame::Report(ntp) => self.meter.sender_report(*ntp, clock.now()),
            Frame::Word(_) => {}
        }
    }

    /// Feeds the meter and the tap.
    fn measure(&mut self, packet: &PacketFacts<'_>, clock: &Clock) {
        self.meter.packet(packet);
        if let Some(tap) = &mut self.tap {
            tap.packet(packet, clock);
        }
    }

    /// Whether the window is full or a deadline has passed.
    fn judge_time(&self, now: Duration, window: Duration) -> Option<Halt> {
        if self.window_end(window).is_some_and(|end| end <= now) {
            return Some(Halt::WindowFull);
        }
        let limit = self.patience.limit(&self.meter);
        (limit.at <= now).then_some(Halt::Overdue { stage: limit.stage, cause: limit.cause })
    }

    /// When the window is full. One without a picture, or that ends in silence for half its length, is waited on until
    /// a picture comes or the session is stalled: few pictures and then none are a stall, not a low frame rate.
    fn window_end(&self, window: Duration) -> Option<Duration> {
        let end = self.meter.window_start()?.saturating_add(window);
        let is_silent = self.meter.last_picture().is_none_or(|last| end.saturating_sub(last) > window / 2);
        (self.meter.frames() > 0 && self.meter.has_parameters() && !is_silent).then_some(end)
    }

    fn stage(&self) -> Stage {
        if self.meter.first_packet().is_none() {
            Stage::FirstPacket
        } else if self.meter.first_key_frame().is_none() {
            Stage::FirstKeyFrame
        } else {
            Stage::Measure
        }
    }

    /// A session whose connection was lost, or which broke the format.
    fn broke_off(&self, is_lost: bool) -> Halt {
        let stage = self.stage();
        let cause = if is_lost { cause_of_break(stage) } else { Cause::BadStream };
        Halt::BrokeOff { stage, cause }
    }

    /// How long the first packet, the first random-access picture and the measuring took.
    pub(super) fn stage_times(&self) -> [(Stage, Option<Duration>); 3] {
        let passed = self.began.elapsed();
        let (packet, key_frame) = (self.meter.first_packet(), self.meter.first_key_frame());
        let measure = key_frame.map(|key_frame| passed.saturating_sub(key_frame));
        [
            (Stage::FirstPacket, packet.or(Some(passed))),
            (Stage::FirstKeyFrame, packet.and(key_frame.or(Some(passed)))),
            (Stage::Measure, measure),
        ]
    }

    /// Ends the session without a word, for a camera that floods us; what is pulled ends with its process.
    pub(super) fn abandon(self) {
        if matches!(self.stream, Stream::Retina { .. }) {
            let host = self.guard.share();
            abandon(self, &host);
        }
    }

    /// Closes the window and begins the next one.
    pub(super) fn cut(&mut self) -> Measurement {
        self.meter.cut(self.began.elapsed())
    }

    /// What was measured so far; `None` when nothing came.
    pub(super) fn measured(&self) -> Option<Measurement> {
        self.meter.first_packet().map(|_| self.meter.measurement(self.began.elapsed()))
    }
}
