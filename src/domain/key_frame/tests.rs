use super::*;
use proptest::prelude::{any, prop, proptest};
use std::time::Duration;

/// A packet: time, marker, packets lost before it, payload.
type Packet<'a> = (i64, bool, u16, &'a [u8]);

const SPS: &[u8] = &[0x67, 1];
const PPS: &[u8] = &[0x68, 2];
const IDR: &[u8] = &[0x65, 0x88, 3];
const LATER_SLICE: &[u8] = &[0x65, 0x08, 4];
const OTHER: &[u8] = &[0x41, 0x9a];

fn frames(codec: Codec, parameters: ParameterSets, packets: &[Packet<'_>]) -> Vec<Vec<u8>> {
    let mut assembler = Assembler::new(codec, parameters);
    let finished = packets.iter().filter_map(|(ticks, marker, lost, payload)| {
        let facts =
            PacketFacts { received: Duration::ZERO, ticks: *ticks, marker: *marker, lost: *lost, payload };
        assembler.packet(&facts)?.ok()
    });
    finished.map(|frame| frame.bytes).collect()
}

fn stream(units: &[&[u8]]) -> Vec<u8> {
    units.iter().flat_map(|unit| [&nal::START_CODE, *unit].concat()).collect()
}

#[track_caller]
fn check(packets: &[Packet<'_>], expected: &[Vec<u8>]) {
    assert_eq!(frames(Codec::H264, ParameterSets::default(), packets), expected);
}

#[test]
fn a_whole_key_frame_comes_with_its_parameter_sets() {
    let whole = stream(&[SPS, PPS, IDR]);
    check(
        &[(1, false, 0, SPS), (1, false, 0, PPS), (1, true, 0, IDR), (2, true, 0, OTHER)],
        std::slice::from_ref(&whole),
    );
    let aggregate = [0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 2, 0, 3, 0x65, 0x88, 3];
    check(&[(1, true, 0, &aggregate), (2, true, 0, OTHER)], std::slice::from_ref(&whole));
    let cut: [Packet<'_>; 5] = [
        (1, false, 0, SPS),
        (1, false, 0, PPS),
        (1, false, 0, &[0x7c, 0x85, 0x88]),
        (1, true, 0, &[0x7c, 0x45, 3]),
        (2, true, 0, OTHER),
    ];
    check(&cut, &[whole]);
}

#[test]
fn the_end_of_a_picture_is_known_with_the_next_packet() {
    check(&[(1, false, 0, SPS), (1, false, 0, PPS), (1, true, 0, IDR)], &[]);
}

#[test]
fn a_picture_with_a_gap_is_not_handed_on() {
    let lost_at = |at: usize| {
        let mut packets: [Packet<'_>; 5] = [
            (1, false, 0, SPS),
            (1, false, 0, PPS),
            (1, false, 0, &[0x7c, 0x85, 0x88]),
            (1, true, 0, &[0x7c, 0x45, 3]),
            (2, true, 0, OTHER),
        ];
        packets[at].2 = 1;
        frames(Codec::H264, ParameterSets::default(), &packets)
    };
    for at in 0..5 {
        assert_eq!(lost_at(at), Vec::<Vec<u8>>::new(), "lost before packet {at}");
    }
}

#[test]
fn a_key_frame_that_does_not_come_whole_is_told() {
    let broken = |packets: &[Packet<'_>]| {
        let mut assembler = Assembler::new(Codec::H264, ParameterSets::default());
        let ended = packets.iter().filter_map(|(ticks, marker, lost, payload)| {
            let received = Duration::ZERO;
            assembler.packet(&PacketFacts { received, ticks: *ticks, marker: *marker, lost: *lost, payload })
        });
        ended.filter(|ended| *ended == Err(Incomplete)).count()
    };
    let (begin, end): (&[u8], &[u8]) = (&[0x7c, 0x85, 0x88], &[0x7c, 0x45, 3]);
    let before = (0, true, 0, OTHER);
    assert_eq!(broken(&[before, (1, false, 0, begin), (1, true, 1, end), (2, true, 0, OTHER)]), 1, "a gap");
    assert_eq!(broken(&[before, (1, false, 0, begin), (2, true, 1, OTHER)]), 1, "a gap behind it");
    assert_eq!(broken(&[before, (1, true, 0, IDR), (2, true, 0, OTHER)]), 1, "no parameter sets ever came");
    assert_eq!(broken(&[(1, true, 0, end), (2, true, 0, OTHER)]), 0, "joined in the middle of it");
    assert_eq!(broken(&[before, (1, true, 1, OTHER), (2, true, 0, OTHER)]), 0, "no key frame");
    assert_eq!(
        broken(&[before, (1, false, 0, SPS), (1, false, 0, PPS), (1, true, 0, IDR), before]),
        0,
        "whole"
    );
}

#[test]
fn later_slices_belong_to_their_picture_whatever_the_marker_says() {
    check(
        &[
            (1, false, 0, SPS),
            (1, false, 0, PPS),
            (1, true, 0, IDR),
            (1, true, 0, LATER_SLICE),
            (2, true, 0, OTHER),
        ],
        &[stream(&[SPS, PPS, IDR, LATER_SLICE])],
    );
}

#[test]
fn a_stream_that_is_joined_in_the_middle_of_a_picture_waits_for_the_next_one() {
    check(&[(1, false, 0, LATER_SLICE), (2, true, 0, OTHER)], &[]);
    check(&[(1, false, 0, &[0x7c, 0x45, 3]), (2, true, 0, OTHER)], &[]);
}

#[test]
fn parameter_sets_of_the_description_or_of_earlier_stand_in() {
    let described = ParameterSets::of_description(Codec::H264, &stream(&[SPS, PPS]));
    let alone: [Packet<'_>; 2] = [(1, true, 0, IDR), (2, true, 0, OTHER)];
    assert_eq!(frames(Codec::H264, described, &alone), [stream(&[SPS, PPS, IDR])]);
    check(&alone, &[]);
    check(
        &[(0, true, 0, SPS), (0, true, 0, PPS), (1, true, 0, IDR), (2, true, 0, OTHER)],
        &[stream(&[SPS, PPS, IDR])],
    );
}

#[test]
fn pictures_with_the_same_time_are_told_apart_by_the_marker() {
    let described = ParameterSets::of_description(Codec::H264, &stream(&[SPS, PPS]));
    let packets: [Packet<'_>; 3] = [(7, true, 0, IDR), (7, true, 0, IDR), (7, true, 0, OTHER)];
    assert_eq!(
        frames(Codec::H264, described, &packets),
        [stream(&[SPS, PPS, IDR]), stream(&[SPS, PPS, IDR])]
    );
}

#[test]
fn an_endless_picture_is_given_up() {
    let mut assembler = Assembler::new(Codec::H264, ParameterSets::default());
    let body = [&[0x7c, 0x05][..], &[0; 60_000]].concat();
    let packet =
        |payload| PacketFacts { received: Duration::ZERO, ticks: 1, marker: false, lost: 0, payload };
    assembler.packet(&packet(&[0x7c, 0x85, 0x88]));
    for _ in 0..100 {
        assembler.packet(&packet(&body));
    }
    let picture = assembler.picture.unwrap();
    assert!(picture.is_void && picture.bytes.capacity() == 0);
}

#[test]
fn motion_jpeg_is_put_together_by_offset() {
    let packets: [Packet<'_>; 3] = [
        (1, false, 0, &[0, 0, 0, 0, 1, 50, 80, 45, 1, 2, 3]),
        (1, true, 0, &[0, 0, 0, 3, 1, 50, 80, 45, 4]),
        (2, true, 0, &[0, 0, 0, 0, 1, 50, 80, 45, 1]),
    ];
    let found = frames(Codec::Mjpeg, ParameterSets::default(), &packets);
    assert_eq!(found.len(), 1);
    assert!(found[0].ends_with(&[1, 2, 3, 4, 0xff, 0xd9]));
    let mut gap = packets;
    gap[1].3 = &[0, 0, 0, 5, 1, 50, 80, 45, 4];
    assert_eq!(frames(Codec::Mjpeg, ParameterSets::default(), &gap), Vec::<Vec<u8>>::new());
}

proptest! {
    #[test]
    fn random_packets_never_panic(
        packets in prop::collection::vec(
            (0_i64..4, any::<bool>(), 0_u16..2, prop::collection::vec(any::<u8>(), 0..40)), 0..40)
    ) {
        for codec in Codec::ALL {
            let shown: Vec<Packet<'_>> =
                packets.iter().map(|(ticks, marker, lost, payload)| (*ticks, *marker, *lost, &payload[..])).collect();
            frames(codec, ParameterSets::default(), &shown);
        }
    }
}
