//! The meter on hand-made packets.

use super::*;
use proptest::prelude::{any, prop, proptest};

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

const IDR: &[u8] = &[0x65, 0x88, 0x84, 0x00];
const IDR_SECOND_SLICE: &[u8] = &[0x65, 0x08, 0x84, 0x00];
const P: &[u8] = &[0x41, 0x9a, 0x24, 0x00];
const SPS: &[u8] = &[
    0x67, 0x42, 0xc0, 0x16, 0xda, 0x02, 0x80, 0xbf, 0xe5, 0xc0, 0x44, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00,
    0x00, 0x03, 0x00, 0x50, 0x3c, 0x58, 0xba, 0x80,
];

fn meter() -> Meter {
    Meter::new(Codec::H264, 90_000, Declared::default(), None)
}

fn push(meter: &mut Meter, at_ms: u64, stream_ms: i64, payload: &[u8]) {
    let facts =
        PacketFacts { received: millis(at_ms), ticks: stream_ms * 90, marker: true, lost: 0, payload };
    meter.packet(&facts);
}

/// `count` pictures from `at_ms` on, one per `step_ms`, a key frame every `group`.
fn play(meter: &mut Meter, at_ms: u64, step_ms: u64, count: u64, group: u64) {
    for index in 0..count {
        let at = at_ms + index * step_ms;
        push(meter, at, i64::try_from(at).unwrap(), if index % group == 0 { IDR } else { P });
    }
}

#[test]
fn pictures_are_counted_per_wall_second_whatever_the_timestamps_say() {
    // open-nvr#229: 25 per second in the timestamps, 20 shipped.
    let mut meter = meter();
    for index in 0..101_u64 {
        let payload = if index % 20 == 0 { IDR } else { P };
        push(&mut meter, 1_000 + index * 50, i64::try_from(index * 40).unwrap(), payload);
    }
    let measured = meter.measurement(millis(6_000));
    assert!((measured.frames_per_second() - 20.0).abs() < 0.01, "{measured:?}");
}

#[test]
fn slices_of_one_picture_are_one_frame() {
    let mut meter = meter();
    for index in 0..30_u64 {
        let at = index * 100;
        for (payload, marker) in [(IDR, false), (IDR_SECOND_SLICE, false), (IDR_SECOND_SLICE, true)] {
            let ticks = i64::try_from(at).unwrap() * 90;
            let facts = PacketFacts { received: millis(at), ticks, marker, lost: 0, payload };
            meter.packet(&facts);
        }
    }
    let measured = meter.cut(millis(2_900));
    assert_eq!((measured.frames, measured.key_frames, measured.gop_frames), (28, 29, Some(1)));
    assert_eq!(measured.packets, 28 * 3 + 2, "the packets after the one that began the window");
}

#[test]
fn pictures_with_one_constant_timestamp_are_told_apart_by_their_beginnings() {
    let mut meter = meter();
    (0..21_u64).for_each(|index| push(&mut meter, index * 100, 0, if index % 10 == 0 { IDR } else { P }));
    let measured = meter.measurement(millis(2_000));
    assert_eq!((measured.frames, measured.gop_frames), (19, Some(10)));
}

#[test]
fn a_burst_of_old_pictures_is_not_counted_into_the_rate() {
    let mut meter = meter();
    // 20 pictures of 100 ms each within 60 ms, then real time.
    for index in 0..20_u64 {
        let payload = if index == 0 { IDR } else { P };
        push(&mut meter, 1_000 + index * 3, i64::try_from(index * 100).unwrap(), payload);
    }
    for index in 0..40_u64 {
        push(&mut meter, 1_100 + index * 100, i64::try_from((20 + index) * 100).unwrap(), P);
    }
    let measured = meter.measurement(millis(5_000));
    assert!((measured.frames_per_second() - 10.0).abs() < 0.3, "{measured:?}");
}

#[test]
fn a_clock_that_runs_fast_is_no_endless_burst() {
    let mut meter = meter();
    for index in 0..100_u64 {
        push(
            &mut meter,
            index * 100,
            i64::try_from(index * 1_000).unwrap(),
            if index == 0 { IDR } else { P },
        );
    }
    let measured = meter.measurement(millis(9_900));
    assert!(
        measured.window > millis(7_500) && (measured.frames_per_second() - 10.0).abs() < 0.1,
        "{measured:?}"
    );
}

#[test]
fn groups_are_measured_across_windows() {
    let mut meter = meter();
    play(&mut meter, 0, 100, 151, 50);
    let first = meter.cut(millis(15_000));
    assert_eq!((first.gop_frames, first.gop_time), (Some(50), Some(millis(5_000))));
    play(&mut meter, 15_100, 100, 10, 100);
    let second = meter.cut(millis(16_050));
    assert_eq!((second.window, second.frames, second.key_frames), (millis(1_050), 10, 1));
    assert_eq!(second.gop_frames, Some(1));
}

#[test]
fn loss_bytes_and_gaps_are_of_the_window() {
    let mut meter = meter();
    play(&mut meter, 0, 100, 11, 10);
    meter.cut(millis(1_000));
    let facts = PacketFacts { received: millis(1_700), ticks: 153_000, marker: true, lost: 3, payload: P };
    meter.packet(&facts);
    let measured = meter.cut(millis(2_000));
    assert_eq!((measured.packets, measured.lost_packets, measured.bytes), (1, 3, 4));
    assert_eq!(measured.longest_gap, millis(700));
    assert!((measured.lost_over_sent() - 0.75).abs() < 1e-9);
    let silent = meter.cut(millis(9_000));
    assert_eq!((silent.frames, silent.longest_gap), (0, millis(7_300)), "silence up to now is a gap");
}

#[test]
fn the_size_comes_from_the_stream_when_the_description_is_silent() {
    let mut meter = meter();
    push(&mut meter, 0, 0, P);
    assert!(!meter.has_parameters() && meter.first_key_frame().is_none());
    push(&mut meter, 100, 100, SPS);
    push(&mut meter, 100, 100, IDR);
    assert_eq!(meter.measurement(millis(100)).size, Some((640, 360)));
    assert_eq!(meter.first_key_frame(), Some(millis(100)));
}

#[test]
fn a_stream_without_key_frames_still_tells_what_came() {
    let mut meter = meter();
    (0..50_u64).for_each(|index| push(&mut meter, index * 100, i64::try_from(index * 100).unwrap(), P));
    let measured = meter.measurement(millis(5_000));
    assert_eq!((meter.window_start(), measured.frames, measured.key_frames), (None, 50, 0));
}

proptest! {
    #[test]
    fn any_packets_give_a_measurement(
        packets in prop::collection::vec(
            (any::<u32>(), any::<i64>(), any::<bool>(), any::<u16>(), prop::collection::vec(any::<u8>(), 0..24)), 0..40,
        ),
    ) {
        for codec in Codec::ALL {
            let mut meter = Meter::new(codec, 0, Declared::default(), None);
            let mut now = Duration::ZERO;
            for (step, ticks, marker, lost, payload) in &packets {
                now += millis(u64::from(*step));
                meter.packet(&PacketFacts { received: now, ticks: *ticks, marker: *marker, lost: *lost, payload });
            }
            let measured = meter.cut(now);
            assert!(measured.key_frames <= measured.frames + 1 && measured.window <= now);
        }
    }
}
