//! Where key frames leave a session on their way to the decoders.
//!
//! A session offers a whole key frame now and then and only counts the packets in between; who is decoded is decided
//! elsewhere. A session whose key frames begin and never come whole says so instead: what nobody can look at is not well.
//! Nobody waits: an offer that finds no room is given up and counted.

use crate::clock::Clock;
use crate::domain::key_frame::{
    Assembler, BrokenFrame, Candidate, Incomplete, KeyFrame, ParameterSets, StreamRole,
};
use crate::domain::meter::PacketFacts;
use crate::domain::picture::{Pace, StreamFacts};
use crate::domain::{Codec, PointClass, PointCode, Timestamp};
use crate::telemetry;
use std::time::Duration;
use tokio::sync::mpsc;

/// Fewer packets than this say nothing about loss: one missing packet would already be 2 %.
const LEAST_PACKETS: u32 = 50;

/// Where sessions offer their key frames.
#[derive(Clone, Debug)]
pub struct Tap {
    /// When it is full an offer is given up and counted.
    pub candidates: mpsc::Sender<Candidate>,
    /// For those that do not come whole; when it is full one is given up and counted.
    pub broken: mpsc::Sender<BrokenFrame>,
    /// Least time between two offers of a session.
    pub pause: Duration,
}

/// The tap of a point.
#[derive(Clone, Debug)]
pub(super) struct PointTap {
    pub(super) tap: Tap,
    pub(super) point: PointCode,
    pub(super) stream: StreamRole,
    pub(super) class: PointClass,
}

/// The tap of a playing session.
#[derive(Debug)]
pub(super) struct SessionTap {
    of: PointTap,
    assembler: Assembler,
    /// When the next key frame is wanted.
    due: Duration,
    /// When one was looked for first since then.
    since: Option<Duration>,
    /// The last one since then that did not come whole; it is told when no other comes in time, or none any more.
    broken: Option<BrokenFrame>,
    /// Packets since the last offer, and those that were missing among them.
    received: u32,
    lost: u32,
    /// RTP time of the last offer.
    ticks: Option<i64>,
}

impl PointTap {
    pub(super) fn open(self, codec: Codec, parameters: ParameterSets) -> SessionTap {
        SessionTap {
            of: self,
            assembler: Assembler::new(codec, parameters),
            due: Duration::ZERO,
            since: None,
            broken: None,
            received: 0,
            lost: 0,
            ticks: None,
        }
    }
}

impl SessionTap {
    /// Takes a packet of the stream.
    pub(super) fn packet(&mut self, packet: &PacketFacts<'_>, clock: &Clock) {
        self.received = self.received.saturating_add(1);
        self.lost = self.lost.saturating_add(packet.lost.into());
        if packet.received < self.due {
            return;
        }
        let since = *self.since.get_or_insert(packet.received);
        match self.assembler.packet(packet) {
            Some(Ok(frame)) => return self.offer(frame, packet.received, clock.now()),
            Some(Err(Incomplete)) => {
                let facts = StreamFacts { pace: Pace::Moving, ..self.facts(packet.ticks) };
                self.broken = Some(BrokenFrame { point: self.of.point, taken: clock.now(), facts });
            }
            None => {}
        }
        if self.broken.is_some() && packet.received >= since.saturating_add(self.of.tap.pause) {
            self.tell_broken();
            self.rest(packet.received);
        }
    }

    fn offer(&mut self, frame: KeyFrame, received: Duration, taken: Timestamp) {
        let (ticks, facts) = (frame.ticks, self.facts(frame.ticks));
        let PointTap { tap, point, stream, class } = &self.of;
        let candidate = Candidate { point: *point, stream: *stream, class: *class, taken, facts, frame };
        if tap.candidates.try_send(candidate).is_err() {
            telemetry::picture_dropped();
        }
        self.ticks = Some(ticks);
        self.rest(received);
    }

    /// Tells of the key frame that did not come whole, if there is one of the stream that is judged.
    fn tell_broken(&mut self) {
        if let Some(broken) = self.broken.take()
            && self.of.stream == StreamRole::Watched
            && self.of.tap.broken.try_send(broken).is_err()
        {
            telemetry::picture_dropped();
        }
    }

    /// Looks for no key frame for a while.
    fn rest(&mut self, received: Duration) {
        (self.received, self.lost, self.since, self.broken) = (0, 0, None, None);
        self.due = received.saturating_add(self.of.tap.pause);
        self.assembler.skip();
    }

    /// The sender begins anew: the picture that was arriving never ends.
    pub(super) fn begin_anew(&mut self) {
        self.assembler.skip();
    }

    /// What the packets since the last offer tell.
    fn facts(&self, ticks: i64) -> StreamFacts {
        let sent = self.received.saturating_add(self.lost);
        let lost_over_sent = (sent >= LEAST_PACKETS).then(|| f64::from(self.lost) / f64::from(sent));
        let pace = if self.ticks == Some(ticks) { Pace::Stopped } else { Pace::Moving };
        StreamFacts { lost_over_sent, pace, ..StreamFacts::default() }
    }
}

impl Drop for SessionTap {
    /// A session that ends before its time tells what it saw.
    fn drop(&mut self) {
        self.tell_broken();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> (SessionTap, mpsc::Receiver<Candidate>) {
        let (candidates, offered) = mpsc::channel(2);
        let tap = Tap { candidates, broken: mpsc::channel(2).0, pause: Duration::from_secs(10) };
        let point = "23052100001320000001".parse().unwrap();
        let parameters = [0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2];
        let parameters = ParameterSets::of_description(Codec::H264, &parameters);
        let of = PointTap { tap, point, stream: StreamRole::Watched, class: PointClass::One };
        (of.open(Codec::H264, parameters), offered)
    }

    /// What a session offers of packets `(second, ticks, lost before it)`, each of them a key frame.
    fn offers(packets: impl IntoIterator<Item = (u64, i64, u16)>) -> Vec<(u64, StreamFacts)> {
        let (mut session, mut offered) = session();
        let clock = Clock::manual(Timestamp::from_seconds(0));
        let offer = |(second, ticks, lost)| {
            let (received, payload) = (Duration::from_secs(second), &[0x65, 0x88, 1]);
            session.packet(&PacketFacts { received, ticks, marker: true, lost, payload }, &clock);
            offered.try_recv().ok().map(|candidate| (second, candidate.facts))
        };
        packets.into_iter().filter_map(offer).collect()
    }

    #[test]
    fn a_session_offers_its_first_key_frame_and_then_one_after_each_pause() {
        let seconds: Vec<u64> = offers((0..35).map(|second| (second, i64::try_from(second).unwrap(), 0)))
            .into_iter()
            .unzip::<_, _, _, Vec<_>>()
            .0;
        // Each is known to be whole with the packet behind it.
        assert_eq!(seconds, [1, 12, 23, 34]);
    }

    #[test]
    fn the_packets_between_two_offers_tell_of_loss() {
        let packets =
            (0..200).map(|number| (number / 5, i64::try_from(number).unwrap(), u16::from(number == 80)));
        let told: Vec<Option<f64>> =
            offers(packets).into_iter().map(|(_, facts)| facts.lost_over_sent).collect();
        assert_eq!(told, [None, Some(0.0), Some(1.0 / 51.0), Some(0.0)]);
    }

    #[test]
    fn a_key_frame_that_a_sender_broke_off_to_begin_anew_is_not_offered() {
        let (mut session, mut offered) = session();
        let clock = Clock::manual(Timestamp::from_seconds(0));
        for (ticks, is_anew, is_offered) in [(1, false, false), (2, true, false), (3, false, true)] {
            if is_anew {
                session.begin_anew();
            }
            let (received, payload) = (Duration::ZERO, &[0x65, 0x88, 1]);
            session.packet(&PacketFacts { received, ticks, marker: true, lost: 0, payload }, &clock);
            assert_eq!(offered.try_recv().is_ok(), is_offered, "with the packet at {ticks}");
        }
    }

    #[test]
    fn time_that_stands_still_is_told() {
        // A key frame ends where a later picture begins with the marker before it, though its time is the same.
        let paces: Vec<Pace> =
            offers((0..35).map(|second| (second, 7, 0))).into_iter().map(|(_, facts)| facts.pace).collect();
        assert_eq!(paces, [Pace::Moving, Pace::Stopped, Pace::Stopped, Pace::Stopped]);
    }

    /// The seconds from which a session told of key frames that did not come whole, of one key frame in a second.
    fn told_broken(stream: StreamRole, seconds: u64, is_whole: impl Fn(u64) -> bool) -> Vec<i64> {
        let (broken, mut told) = mpsc::channel(9);
        let tap = Tap { candidates: mpsc::channel(99).0, broken, pause: Duration::from_secs(10) };
        let point = "23052100001320000001".parse().unwrap();
        let parameters = [0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2];
        let parameters = ParameterSets::of_description(Codec::H264, &parameters);
        let mut session =
            PointTap { tap, point, stream, class: PointClass::One }.open(Codec::H264, parameters);
        let clock = Clock::manual(Timestamp::from_seconds(0));
        for second in 0..seconds {
            let lost = u16::from(!is_whole(second));
            let (received, payload) = (Duration::from_secs(second), &[0x65, 0x88, 1]);
            let ticks = i64::try_from(second).unwrap();
            session.packet(&PacketFacts { received, ticks, marker: true, lost, payload }, &clock);
            clock.advance(Duration::from_secs(1));
        }
        drop(session);
        std::iter::from_fn(|| told.try_recv().ok()).map(|broken| broken.taken.as_millis() / 1_000).collect()
    }

    #[test]
    fn key_frames_that_never_come_whole_are_told_once_in_a_pause_and_at_the_end() {
        assert_eq!(told_broken(StreamRole::Watched, 35, |_| false), [10, 30]);
        assert_eq!(
            told_broken(StreamRole::Watched, 4, |_| false),
            [3],
            "a session may be shorter than a pause"
        );
        assert_eq!(told_broken(StreamRole::Watched, 35, |_| true), [0; 0]);
        assert_eq!(told_broken(StreamRole::Main, 35, |_| false), [0; 0], "nobody judges the main stream");
        assert_eq!(
            told_broken(StreamRole::Watched, 35, |second| second % 9 < 4),
            [0; 0],
            "a whole one came in time"
        );
    }
}
