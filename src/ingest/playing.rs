//! A playing session: feeds every packet to the meter and watches the deadlines.
//!
//! Works on RTP packets, not on assembled frames: counting needs no copy of a frame, a packet that breaks the codec's
//! format does not end the session, and packets and loss are counted exactly. Nothing is logged or sent per packet.

use crate::clock::Clock;
use crate::config::Deadlines;
use crate::domain::meter::{Meter, PacketFacts};
use crate::domain::patience::Patience;
use crate::domain::{Cause, Measurement, Stage, answer::cause_of_break};
use crate::ingest::host::PlayingGuard;
use crate::ingest::session::OWN_STALL;
use futures::StreamExt as _;
use retina::client::{PacketItem, Session};
use std::pin::{Pin, pin};
use std::time::{Duration, Instant};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

/// A session after the answer to PLAY. Dropping it sends the TEARDOWN.
pub(super) struct Playing {
    session: Session<retina::client::Playing>,
    video_index: usize,
    meter: Meter,
    patience: Patience,
    /// All times are counted from here.
    began: Instant,
    /// Registered once and moved lazily: arming a timer per packet would cost more than the packet.
    alarm: Pin<Box<Sleep>>,
    alarm_at: Duration,
    _guard: PlayingGuard,
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
    /// We ourselves stood still: what was measured means nothing.
    StoodStill,
}

impl Playing {
    pub(super) fn new(
        session: Session<retina::client::Playing>,
        video_index: usize,
        meter: Meter,
        deadlines: &Deadlines,
        guard: PlayingGuard,
    ) -> Self {
        let patience = Patience {
            first_packet: deadlines.first_packet,
            first_key_frame: deadlines.first_key_frame,
            frame_gap: deadlines.frame_gap,
        };
        let alarm_at = Duration::ZERO;
        let alarm = Box::pin(tokio::time::sleep(alarm_at));
        Self { session, video_index, meter, patience, began: Instant::now(), alarm, alarm_at, _guard: guard }
    }

    /// Takes packets until the measuring window has lasted `window` and holds a picture, or something ends it.
    pub(super) async fn watch(
        &mut self,
        window: Duration,
        clock: &Clock,
        cancel: &CancellationToken,
    ) -> Halt {
        let mut stopped = pin!(cancel.cancelled());
        self.rearm(window);
        loop {
            let now = tokio::select! {
                biased;
                () = &mut stopped => return Halt::Stopped,
                item = self.session.next() => match item {
                    Some(Ok(item)) => self.take(&item, window, clock),
                    Some(Err(error)) => {
                        tracing::debug!(%error, "a playing session broke off");
                        return self.broke_off(Cause::BadStream);
                    }
                    None => return self.broke_off(Cause::ConnectionLost),
                },
                () = &mut self.alarm => self.began.elapsed(),
            };
            if now < self.alarm_at {
                continue;
            }
            if let Some(halt) = self.judge_time(now, window) {
                return halt;
            }
        }
    }

    /// Feeds the meter. Gives the time of the item.
    fn take(&mut self, item: &PacketItem, window: Duration, clock: &Clock) -> Duration {
        match item {
            PacketItem::Rtp(packet) if packet.stream_id() == self.video_index => {
                let received = packet.ctx().received().saturating_duration_since(self.began);
                let had_window = self.meter.window_start().is_some();
                self.meter.packet(&PacketFacts {
                    received,
                    ticks: packet.timestamp().timestamp(),
                    marker: packet.mark(),
                    lost: packet.loss(),
                    payload: packet.payload(),
                });
                if !had_window && self.meter.window_start().is_some() {
                    self.rearm(window);
                }
                received
            }
            PacketItem::Rtcp(packet) if packet.stream_id() == self.video_index => {
                let report = packet.pkts().find_map(|packet| packet.as_sender_report().ok().flatten());
                if let Some(report) = report {
                    self.meter.sender_report(report.ntp_timestamp().0, clock.now());
                }
                packet.ctx().received().saturating_duration_since(self.began)
            }
            PacketItem::Rtp(_) | PacketItem::Rtcp(_) | _ => Duration::ZERO,
        }
    }

    /// The alarm time came: whether that means anything, or frames have moved it on.
    fn judge_time(&mut self, now: Duration, window: Duration) -> Option<Halt> {
        if now > self.alarm_at + OWN_STALL {
            return Some(Halt::StoodStill);
        }
        let halt = if self.window_end(window).is_some_and(|end| end <= now) {
            Some(Halt::WindowFull)
        } else {
            let limit = self.patience.limit(&self.meter);
            (limit.at <= now).then_some(Halt::Overdue { stage: limit.stage, cause: limit.cause })
        };
        if halt.is_none() {
            self.rearm(window);
        }
        halt
    }

    /// When the window is full. One without a picture, or that ends in silence for half its length, is waited on until
    /// a picture comes or the session is stalled: few pictures and then none are a stall, not a low frame rate.
    fn window_end(&self, window: Duration) -> Option<Duration> {
        let end = self.meter.window_start()?.saturating_add(window);
        let is_silent = self.meter.last_picture().is_none_or(|last| end.saturating_sub(last) > window / 2);
        (self.meter.frames() > 0 && self.meter.has_parameters() && !is_silent).then_some(end)
    }

    fn rearm(&mut self, window: Duration) {
        let limit = self.patience.limit(&self.meter).at;
        let full = self.meter.window_start().map(|start| start.saturating_add(window));
        let passed = self.began.elapsed();
        self.alarm_at = match full {
            Some(full) if full > passed => limit.min(full),
            Some(_) | None => limit,
        };
        let wait = self.alarm_at.saturating_sub(passed);
        self.alarm.as_mut().reset(tokio::time::Instant::now() + wait);
    }

    fn broke_off(&self, cause: Cause) -> Halt {
        let stage = if self.meter.first_packet().is_none() {
            Stage::FirstPacket
        } else if self.meter.first_key_frame().is_none() {
            Stage::FirstKeyFrame
        } else {
            Stage::Measure
        };
        let cause = if stage == Stage::FirstPacket { cause_of_break(stage) } else { cause };
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

    /// Closes the window and begins the next one.
    pub(super) fn cut(&mut self) -> Measurement {
        self.meter.cut(self.began.elapsed())
    }

    /// What was measured so far; `None` when nothing came.
    pub(super) fn measured(&self) -> Option<Measurement> {
        self.meter.first_packet().map(|_| self.meter.measurement(self.began.elapsed()))
    }
}
