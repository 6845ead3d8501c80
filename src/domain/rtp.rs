//! RTP packets and RTCP reports as they come from the wire (RFC 3550), for streams that no library unpacks for us.

use std::num::Wrapping;

/// What a packet before the expected one may lag behind and still be a late or repeated one (RFC 3550 A.1, `MAX_MISORDER`).
const MOST_BEHIND: u16 = 100;

/// What may be missing in one go; a greater step is a sender that began anew (RFC 3550 A.1, `MAX_DROPOUT`).
const MOST_MISSING: u16 = 3_000;

/// Packet type of a sender report.
const SENDER_REPORT: u8 = 200;

/// The parts of a packet that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpPacket<'a> {
    sequence: u16,
    ticks: u32,
    source: u32,
    /// Marker bit.
    pub marker: bool,
    /// What it carries, without padding.
    pub payload: &'a [u8],
}

impl<'a> RtpPacket<'a> {
    /// Reads a packet; `None` when it is none.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<12>()?;
        let [flags, kind, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3] = *head;
        if flags >> 6 != 2 {
            return None;
        }
        let mut payload = rest.get(usize::from(flags & 0x0f) * 4..)?;
        if flags & 0x10 != 0 {
            let ([_, _, high, low], extension) = payload.split_first_chunk::<4>()?;
            payload = extension.get(usize::from(u16::from_be_bytes([*high, *low])) * 4..)?;
        }
        if flags & 0x20 != 0 {
            let padding = usize::from(*payload.last()?);
            payload = payload.get(..payload.len().checked_sub(padding)?)?;
        }
        Some(Self {
            sequence: u16::from_be_bytes([s0, s1]),
            ticks: u32::from_be_bytes([t0, t1, t2, t3]),
            source: u32::from_be_bytes([i0, i1, i2, i3]),
            marker: kind & 0x80 != 0,
            payload,
        })
    }
}

/// The NTP time (32.32 fixed point) of the first sender report in a compound RTCP packet.
pub fn sender_report_time(bytes: &[u8]) -> Option<u64> {
    let mut rest = bytes;
    loop {
        let ([_, kind, high, low], body) = rest.split_first_chunk::<4>()?;
        if *kind == SENDER_REPORT {
            let ntp = body.get(4..)?.first_chunk::<8>()?;
            return Some(u64::from_be_bytes(*ntp));
        }
        rest = body.get(usize::from(u16::from_be_bytes([*high, *low])) * 4..)?;
    }
}

/// Finds what is missing between the packets of one stream and unwraps their times.
#[derive(Clone, Copy, Debug, Default)]
pub struct Continuity(Option<Last>);

#[derive(Clone, Copy, Debug)]
struct Last {
    sequence: u16,
    ticks: i64,
    source: u32,
}

/// Where a packet stands in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its unwrapped time.
    pub ticks: i64,
    /// How many are missing before it.
    pub lost: u16,
    /// The sender began anew with it: nobody knows what of the picture before never came.
    pub is_anew: bool,
}

impl Continuity {
    /// Takes a packet. `None` for one that was counted as missing already, or came twice.
    pub fn take(&mut self, packet: &RtpPacket<'_>) -> Option<Place> {
        let step = self.0.map_or(Step::Anew, |last| last.step(packet));
        let (ticks, lost) = match (step, self.0) {
            (Step::Behind, _) => return None,
            (Step::Ahead { missing }, Some(last)) => {
                (last.ticks.saturating_add(last.passed(packet)), missing)
            }
            (Step::Ahead { .. } | Step::Anew, _) => (i64::from(packet.ticks), 0),
        };
        let is_anew = matches!(step, Step::Anew) && self.0.is_some();
        self.0 = Some(Last { sequence: packet.sequence, ticks, source: packet.source });
        Some(Place { ticks, lost, is_anew })
    }
}

/// How a packet follows the one before.
#[derive(Clone, Copy)]
enum Step {
    Ahead {
        missing: u16,
    },
    Behind,
    /// The sender began anew.
    Anew,
}

impl Last {
    fn step(&self, packet: &RtpPacket<'_>) -> Step {
        let missing = (Wrapping(packet.sequence) - Wrapping(self.sequence) - Wrapping(1)).0;
        if packet.source != self.source {
            Step::Anew
        } else if missing <= MOST_MISSING {
            Step::Ahead { missing }
        } else if missing >= u16::MAX - MOST_BEHIND {
            Step::Behind
        } else {
            Step::Anew
        }
    }

    /// RTP time since the packet before; pictures are not always sent in the order of their times.
    fn passed(&self, packet: &RtpPacket<'_>) -> i64 {
        let low = u32::try_from(self.ticks & i64::from(u32::MAX)).unwrap_or_default();
        i64::from((Wrapping(packet.ticks) - Wrapping(low)).0.cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop, proptest};

    fn packet(sequence: u16, ticks: u32, source: u32) -> Vec<u8> {
        let mut bytes = vec![0x80, 0xe0];
        bytes.extend_from_slice(&sequence.to_be_bytes());
        bytes.extend_from_slice(&ticks.to_be_bytes());
        bytes.extend_from_slice(&source.to_be_bytes());
        bytes.extend_from_slice(&[0x65, 0x88]);
        bytes
    }

    #[test]
    fn a_packet_is_read_without_what_is_not_payload() {
        let plain = packet(7, 9, 1);
        let read = RtpPacket::read(&plain).unwrap();
        assert_eq!((read.sequence, read.ticks, read.source, read.marker), (7, 9, 1, true));
        assert_eq!(read.payload, [0x65, 0x88]);
        let mut full = packet(7, 9, 1);
        // One contributing source, an extension of one word, two bytes of padding.
        full[0] = 0xb1;
        full.splice(12..12, [0, 0, 0, 5, 0xbe, 0xde, 0, 1, 1, 2, 3, 4]);
        full.extend_from_slice(&[0, 2]);
        assert_eq!(RtpPacket::read(&full).unwrap().payload, [0x65, 0x88]);
        assert_eq!(RtpPacket::read(&plain[..11]), None);
        assert_eq!(RtpPacket::read(b"RTSP/1.0 200 OK\r\n\r\n"), None);
    }

    #[test]
    fn a_sender_report_is_found_among_others() {
        let mut compound = vec![0x81, 201, 0, 1, 0, 0, 0, 1];
        compound.extend_from_slice(&[0x80, 200, 0, 6, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8]);
        compound.extend_from_slice(&[0; 12]);
        assert_eq!(sender_report_time(&compound), Some(0x0102_0304_0506_0708));
        assert_eq!(sender_report_time(&compound[..8]), None);
        assert_eq!(sender_report_time(&compound[..20]), None);
    }

    /// What packets `(sequence, ticks, source)` tell.
    fn places(packets: &[(u16, u32, u32)]) -> Vec<Option<Place>> {
        let mut continuity = Continuity::default();
        let mut take = |&(sequence, ticks, source): &(u16, u32, u32)| {
            continuity.take(&RtpPacket::read(&packet(sequence, ticks, source)).unwrap())
        };
        packets.iter().map(&mut take).collect()
    }

    /// The same of a sender that never begins anew.
    fn told(packets: &[(u16, u32, u32)]) -> Vec<Option<(i64, u16)>> {
        let told = |place: Place| {
            assert!(!place.is_anew, "{place:?}");
            (place.ticks, place.lost)
        };
        places(packets).into_iter().map(|place| place.map(told)).collect()
    }

    #[test]
    fn what_is_missing_is_counted_once() {
        let told = told(&[(65_534, 10, 1), (65_535, 20, 1), (2, 30, 1), (1, 25, 1), (2, 30, 1), (3, 30, 1)]);
        assert_eq!(told, [Some((10, 0)), Some((20, 0)), Some((30, 2)), None, None, Some((30, 0))]);
    }

    #[test]
    fn times_are_unwrapped_and_may_step_back() {
        let told = told(&[(1, u32::MAX, 1), (2, 4, 1), (3, 2, 1)]);
        let start = i64::from(u32::MAX);
        assert_eq!(told, [Some((start, 0)), Some((start + 5, 0)), Some((start + 3, 0))]);
    }

    #[test]
    fn a_sender_that_begins_anew_is_told_and_lost_nothing() {
        let anew = Some(Place { ticks: 20, lost: 0, is_anew: true });
        assert_eq!(places(&[(9, 10, 1), (30_000, 20, 1)])[1], anew, "far ahead");
        assert_eq!(places(&[(30_000, 10, 1), (9, 20, 1)])[1], anew, "far behind");
        assert_eq!(places(&[(9, 10, 1), (5, 20, 2)])[1], anew, "another source");
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            sender_report_time(&bytes);
            if let Some(packet) = RtpPacket::read(&bytes) {
                let mut continuity = Continuity(Some(Last { sequence: 5, ticks: i64::MAX, source: packet.source }));
                continuity.take(&packet);
            }
        }
    }
}
