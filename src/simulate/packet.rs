//! What a faulty camera or line does to the packets of a session: pure, one packet at a time.
//!
//! Knows RTP (RFC 3550) and as much of its H.264 and H.265 payloads (RFC 6184, RFC 7798) as tells a random-access
//! picture. Written apart from the detector of the service on purpose: each is the other's check.

use crate::simulate::dice::roll;
use crate::simulate::fault::Fault;
use crate::simulate::fleet::Coding;
use std::time::Duration;

/// One packet in so many is lost under [`Fault::Loss`].
const LOST_ONE_IN: usize = 12;
/// One picture in so many is kept under [`Fault::LowFrameRate`].
const KEPT_ONE_IN: u64 = 6;
/// Ticks of the video clock from the first random-access picture to a stall: one second.
const STALL_AFTER_TICKS: u32 = TICKS_PER_SECOND;
/// How fast a wrong clock is: 37 minutes.
pub(crate) const CLOCK_ERROR_SECONDS: u32 = 37 * 60;
/// RTCP sender report.
const SENDER_REPORT: u8 = 200;

/// What happens to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// It is sent on, perhaps altered.
    Kept,
    /// It is not.
    Dropped,
}

/// Ticks of the video clock in a second (RFC 6184, RFC 7798).
const TICKS_PER_SECOND: u32 = 90_000;

/// The state of one session's packets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Distortion {
    /// Ticks between two random-access pictures under [`Fault::SlowKeyFrames`].
    key_frame_gap: u32,
    /// Timestamp of the session's first picture, then of the last random-access picture that was shown.
    shown: Option<u32>,
    shown_key_frame: bool,
    /// Packets taken out on purpose; later sequence numbers close the gap, so that no loss is seen.
    hidden: u16,
    /// Timestamp of the picture under way, and how many came before it.
    picture: Option<u32>,
    pictures: u64,
    /// Timestamp of the last random-access picture.
    random_access: Option<u32>,
    /// Timestamp of the first random-access picture since the stall was ordered.
    stall_from: Option<u32>,
}

impl Distortion {
    /// A new session, whose random-access pictures come `key_frame_gap` apart when they are slow.
    pub(crate) fn new(key_frame_gap: Duration) -> Self {
        let seconds = u32::try_from(key_frame_gap.as_secs()).unwrap_or(u32::MAX);
        Self {
            key_frame_gap: seconds.saturating_mul(TICKS_PER_SECOND),
            shown: None,
            shown_key_frame: false,
            hidden: 0,
            picture: None,
            pictures: 0,
            random_access: None,
            stall_from: None,
        }
    }

    /// Passes one RTP packet of a picture.
    pub(crate) fn pass_media(&mut self, fault: Option<Fault>, coding: Coding, packet: &mut [u8]) -> Passage {
        let Some(header) = Header::read(packet) else { return Passage::Kept };
        self.follow(&header, coding, packet);
        if self.is_hidden(fault, &header) {
            self.hidden = self.hidden.wrapping_add(1);
            return Passage::Dropped;
        }
        if self.is_lost(fault, &header) {
            return Passage::Dropped;
        }
        let sequence = header.sequence.wrapping_sub(self.hidden).to_be_bytes();
        if let Some(field) = packet.get_mut(2..4) {
            field.copy_from_slice(&sequence);
        }
        Passage::Kept
    }

    /// Passes one RTCP packet.
    pub(crate) fn pass_control(&self, fault: Option<Fault>, packet: &mut [u8]) -> Passage {
        if fault == Some(Fault::WrongClock) {
            spoil_clock(packet);
        }
        Passage::Kept
    }

    fn follow(&mut self, header: &Header, coding: Coding, packet: &[u8]) {
        if self.picture != Some(header.timestamp) {
            self.picture = Some(header.timestamp);
            self.pictures = self.pictures.wrapping_add(1);
        }
        let payload = packet.get(header.payload_at..).unwrap_or_default();
        if belongs_to_random_access(coding, payload) {
            self.random_access = Some(header.timestamp);
        }
    }

    /// Whether the camera never sent the packet.
    fn is_hidden(&mut self, fault: Option<Fault>, header: &Header) -> bool {
        let in_random_access = self.random_access == Some(header.timestamp);
        match fault {
            Some(Fault::NoKeyFrame) => in_random_access,
            Some(Fault::SlowKeyFrames) => in_random_access && !self.shows_key_frame(header.timestamp),
            Some(Fault::LowFrameRate) => !in_random_access && !self.pictures.is_multiple_of(KEPT_ONE_IN),
            _ => false,
        }
    }

    /// Whether a random-access picture is due again; the first one as long after the start as the others are apart.
    fn shows_key_frame(&mut self, timestamp: u32) -> bool {
        let shown = *self.shown.get_or_insert(timestamp);
        let passed = timestamp.wrapping_sub(shown);
        let is_under_way = passed == 0 && self.shown_key_frame;
        let is_due = passed >= self.key_frame_gap;
        if is_due {
            self.shown = Some(timestamp);
            self.shown_key_frame = true;
        }
        is_due || is_under_way
    }

    /// Whether the packet got lost on its way.
    fn is_lost(&mut self, fault: Option<Fault>, header: &Header) -> bool {
        match fault {
            Some(Fault::Loss) => roll("lost packet", usize::from(header.sequence), LOST_ONE_IN) == 0,
            Some(Fault::Stall) => {
                self.stall_from = self.stall_from.or(self.random_access);
                self.stall_from.is_some_and(|from| {
                    let passed = header.timestamp.wrapping_sub(from);
                    (STALL_AFTER_TICKS..u32::MAX / 2).contains(&passed)
                })
            }
            _ => {
                self.stall_from = None;
                false
            }
        }
    }
}

/// Moves the NTP time of a sender report forward.
fn spoil_clock(packet: &mut [u8]) {
    if packet.get(1) != Some(&SENDER_REPORT) {
        return;
    }
    let Some(field) = packet.get_mut(8..12) else { return };
    let Ok(bytes) = <[u8; 4]>::try_from(&*field) else { return };
    let seconds = u32::from_be_bytes(bytes).wrapping_add(CLOCK_ERROR_SECONDS);
    field.copy_from_slice(&seconds.to_be_bytes());
}

/// The parts of an RTP header that are needed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    sequence: u16,
    timestamp: u32,
    payload_at: usize,
}

impl Header {
    fn read(packet: &[u8]) -> Option<Self> {
        let [first, _, s0, s1, t0, t1, t2, t3, ..] = *packet else { return None };
        let after_sources = 12 + 4 * usize::from(first & 0x0f);
        let extension = if first & 0x10 == 0 {
            0
        } else {
            let length = packet.get(after_sources + 2..after_sources + 4)?;
            4 + 4 * usize::from(u16::from_be_bytes(<[u8; 2]>::try_from(length).ok()?))
        };
        Some(Self {
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            payload_at: after_sources + extension,
        })
    }
}

/// Whether a payload holds a part of a random-access picture, or the parameter sets that are sent with each.
fn belongs_to_random_access(coding: Coding, payload: &[u8]) -> bool {
    match coding {
        Coding::H264 => nal_types_h264(payload).any(|kind| matches!(kind, 5 | 7 | 8)),
        Coding::H265 | Coding::H265Open => {
            nal_types_h265(payload).any(|kind| matches!(kind, 16..=23 | 32..=34))
        }
    }
}

/// RFC 6184: 24 = STAP-A, 28 = FU-A.
fn nal_types_h264(payload: &[u8]) -> Box<dyn Iterator<Item = u8> + '_> {
    let kind = |byte: &u8| byte & 0x1f;
    match payload.first().map(kind) {
        Some(24) => Box::new(aggregated(payload.get(1..)).filter_map(move |unit| unit.first().map(kind))),
        Some(28) => Box::new(payload.get(1).map(kind).into_iter()),
        other => Box::new(other.into_iter()),
    }
}

/// RFC 7798: 48 = aggregation packet, 49 = fragmentation unit.
fn nal_types_h265(payload: &[u8]) -> Box<dyn Iterator<Item = u8> + '_> {
    let kind = |byte: &u8| (byte >> 1) & 0x3f;
    match payload.first().map(kind) {
        Some(48) => Box::new(aggregated(payload.get(2..)).filter_map(move |unit| unit.first().map(kind))),
        Some(49) => Box::new(payload.get(2).map(|byte| byte & 0x3f).into_iter()),
        other => Box::new(other.into_iter()),
    }
}

/// The units behind their two-byte lengths.
fn aggregated(rest: Option<&[u8]>) -> impl Iterator<Item = &[u8]> {
    let mut rest = rest.unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, after) = rest.split_at_checked(2)?;
        let length = usize::from(u16::from_be_bytes(<[u8; 2]>::try_from(length).ok()?));
        let (unit, after) = after.split_at_checked(length)?;
        rest = after;
        Some(unit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GAP: Duration = Duration::from_secs(3);

    fn packet(sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x80, 96];
        packet.extend(sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend([0, 0, 0, 1]);
        packet.extend(payload);
        packet
    }

    /// Two groups of 30 pictures at 15 per second, one packet each; the sequence numbers that arrive, with the pictures.
    fn arriving(fault: Option<Fault>) -> Vec<(u16, usize)> {
        let mut distortion = Distortion::new(GAP);
        let mut arrived = Vec::new();
        for number in 0..60_u16 {
            let payload = if number % 30 == 0 { [0x65, 0] } else { [0x41, 0] };
            let mut packet = packet(number, u32::from(number) * 6000, &payload);
            if distortion.pass_media(fault, Coding::H264, &mut packet) == Passage::Kept {
                arrived.push((u16::from_be_bytes([packet[2], packet[3]]), usize::from(number)));
            }
        }
        arrived
    }

    #[test]
    fn no_fault_changes_nothing() {
        assert_eq!(arriving(None), (0..60).map(|number| (number, usize::from(number))).collect::<Vec<_>>());
    }

    #[test]
    fn pictures_taken_out_on_purpose_leave_no_gap() {
        let check = |fault, expected: usize| {
            let arrived = arriving(Some(fault));
            assert_eq!(arrived.len(), expected, "{fault}");
            assert!(arrived.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1), "{fault}: {arrived:?}");
        };
        check(Fault::NoKeyFrame, 58);
        check(Fault::SlowKeyFrames, 58);
        check(Fault::LowFrameRate, 12);
    }

    #[test]
    fn slow_key_frames_come_a_gap_after_the_start_and_a_gap_apart() {
        let mut distortion = Distortion::new(GAP);
        let mut shown = Vec::new();
        // A random-access picture of two packets each second.
        for number in 0..20_u16 {
            let mut packet = packet(number, u32::from(number / 2) * 90_000, &[0x65, 0]);
            if distortion.pass_media(Some(Fault::SlowKeyFrames), Coding::H264, &mut packet) == Passage::Kept {
                shown.push(number / 2);
            }
        }
        assert_eq!(shown, [3, 3, 6, 6, 9, 9]);
    }

    #[test]
    fn lost_packets_leave_gaps() {
        let arrived = arriving(Some(Fault::Loss));
        assert!((50..60).contains(&arrived.len()), "{}", arrived.len());
        assert!(arrived.iter().all(|(sequence, number)| usize::from(*sequence) == *number));
    }

    #[test]
    fn a_stall_lets_one_second_through() {
        assert_eq!(arriving(Some(Fault::Stall)).last(), Some(&(14, 14)));
    }

    #[test]
    fn random_access_is_seen_in_every_packaging() {
        let check = |coding, payload: &[u8], expected| {
            assert_eq!(belongs_to_random_access(coding, payload), expected, "{coding:?} {payload:?}");
        };
        check(Coding::H264, &[0x65], true);
        check(Coding::H264, &[0x41], false);
        check(Coding::H264, &[0x18, 0, 1, 0x09, 0, 2, 0x67, 0], true);
        check(Coding::H264, &[0x18, 0, 1, 0x09, 0, 1, 0x41], false);
        check(Coding::H264, &[0x7c, 0x85], true);
        check(Coding::H264, &[0x7c, 0x81], false);
        check(Coding::H265, &[21 << 1, 1], true);
        check(Coding::H265, &[1 << 1, 1], false);
        check(Coding::H265, &[48 << 1, 1, 0, 2, 32 << 1, 1], true);
        check(Coding::H265Open, &[49 << 1, 1, 0x80 | 21], true);
        check(Coding::H265Open, &[49 << 1, 1, 0x80 | 1], false);
    }

    #[test]
    fn a_wrong_clock_moves_the_sender_report_only() {
        let report = [0x80, 200, 0, 6, 0, 0, 0, 1, 0, 0, 0, 9, 1, 2, 3, 4];
        let mut spoilt = report;
        assert_eq!(Distortion::new(GAP).pass_control(Some(Fault::WrongClock), &mut spoilt), Passage::Kept);
        assert_eq!(u32::from_be_bytes(spoilt[8..12].try_into().unwrap()), 9 + CLOCK_ERROR_SECONDS);
        let mut kept = report;
        Distortion::new(GAP).pass_control(None, &mut kept);
        assert_eq!(kept, report);
    }

    proptest! {
        #[test]
        fn no_packet_is_too_odd(mut bytes in proptest::collection::vec(any::<u8>(), 0..64), at in 0..15_usize) {
            let fault = Fault::ALL.get(at).copied();
            for coding in [Coding::H264, Coding::H265, Coding::H265Open] {
                Distortion::new(GAP).pass_media(fault, coding, &mut bytes);
                Distortion::new(GAP).pass_control(fault, &mut bytes);
            }
        }
    }
}
