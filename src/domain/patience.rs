//! How long a playing session is waited for, and what it means when that time is over.

use crate::domain::meter::Meter;
use crate::domain::{Cause, Stage};
use std::time::Duration;

/// The deadlines of a playing session, counted from the answer to PLAY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// First RTP packet.
    pub first_packet: Duration,
    /// First random-access picture.
    pub first_key_frame: Duration,
    /// Longest gap between two pictures.
    pub frame_gap: Duration,
}

/// The next deadline of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// When it is over, counted from the answer to PLAY.
    pub at: Duration,
    /// The stage that failed then.
    pub stage: Stage,
    /// The cause then.
    pub cause: Cause,
}

impl Patience {
    /// The deadline that a session has now, by what its meter has seen. Keepalive answers do not count: a camera that
    /// answers them and sends no pictures is stalled.
    pub fn limit(&self, meter: &Meter) -> Limit {
        let Some(last_packet) = meter.last_packet() else {
            return Limit { at: self.first_packet, stage: Stage::FirstPacket, cause: Cause::NoPackets };
        };
        if meter.first_key_frame().is_some() && meter.has_parameters() {
            let last = meter.last_picture().unwrap_or(last_packet);
            let at = last.saturating_add(self.frame_gap);
            return Limit { at, stage: Stage::Measure, cause: Cause::Stalled };
        }
        let silence = last_packet.saturating_add(self.frame_gap);
        let (at, cause) = if silence < self.first_key_frame {
            (silence, Cause::Stalled)
        } else if meter.first_key_frame().is_some() {
            (self.first_key_frame, Cause::NoParameters)
        } else {
            (self.first_key_frame, Cause::NoKeyFrame)
        };
        Limit { at, stage: Stage::FirstKeyFrame, cause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::meter::PacketFacts;
    use crate::domain::{Codec, Declared};

    const PATIENCE: Patience = Patience {
        first_packet: Duration::from_secs(10),
        first_key_frame: Duration::from_secs(30),
        frame_gap: Duration::from_secs(8),
    };

    fn limit_after(size: Option<(u32, u32)>, packets: &[(u64, &[u8])]) -> (u64, Stage, Cause) {
        let mut meter = Meter::new(Codec::H264, 90_000, Declared::default(), size);
        for (at, payload) in packets {
            let received = Duration::from_secs(*at);
            let ticks = i64::try_from(*at).unwrap() * 90_000;
            meter.packet(&PacketFacts { received, ticks, marker: true, lost: 0, payload });
        }
        let limit = PATIENCE.limit(&meter);
        (limit.at.as_secs(), limit.stage, limit.cause)
    }

    #[test]
    fn the_deadline_follows_what_was_seen() {
        let (key, other) = (&[0x65, 0x88][..], &[0x41, 0x9a][..]);
        let size = Some((640, 360));
        let check = |size, packets: &[(u64, &[u8])], expected| {
            assert_eq!(limit_after(size, packets), expected, "{packets:?}");
        };
        check(size, &[], (10, Stage::FirstPacket, Cause::NoPackets));
        check(size, &[(1, other)], (9, Stage::FirstKeyFrame, Cause::Stalled));
        check(size, &[(1, other), (25, other)], (30, Stage::FirstKeyFrame, Cause::NoKeyFrame));
        check(None, &[(1, key), (25, other)], (30, Stage::FirstKeyFrame, Cause::NoParameters));
        check(size, &[(1, key)], (9, Stage::Measure, Cause::Stalled));
        check(size, &[(1, key), (5, other)], (13, Stage::Measure, Cause::Stalled));
        check(size, &[(1, key), (5, other), (6, &[0x06])], (13, Stage::Measure, Cause::Stalled));
    }
}
