//! Key frames that were made to hurt.

use super::{DEADLINE, ask, decode, pcm, program};
use sharpeyes::domain::Codec;
use sharpeyes::domain::decode::DecodeFailure;
use sharpeyes::picture::{Ask, Breakdown, Worker};

/// A sequence of numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }
}

fn healthy() -> Vec<u8> {
    pcm::frame((20, 12), |x, y| (u8::try_from(16 + x * 8 + y).unwrap(), 128, 128))
}

#[tokio::test]
async fn a_hostile_size_is_refused_and_the_decoder_lives_on() {
    let mut worker = Worker::start(program()).await.unwrap();
    for blocks in [(1_024, 1_024), (4_000, 1), (60_000, 60_000)] {
        let slice = [0, 0, 0, 1, 0x65, 0xb8, 0x04, 0x0f, 0xf0];
        let frame = [pcm::parameters(blocks), slice.to_vec()].concat();
        let refused = decode(&mut worker, &ask(Codec::H264, frame)).await;
        assert_eq!(refused, Err(DecodeFailure::TooLarge), "{blocks:?}");
    }
    assert!(decode(&mut worker, &ask(Codec::H264, healthy())).await.is_ok());
    worker.stop().await;
}

#[tokio::test]
async fn broken_key_frames_do_not_wedge_a_decoder() {
    let mut worker = Worker::start(program()).await.unwrap();
    let (whole, mut dice) = (healthy(), Dice(7));
    for round in 0..300 {
        let mut broken = whole.clone();
        match round % 4 {
            0 => broken.truncate(dice.roll(whole.len())),
            1 => (0..20).for_each(|_| broken[dice.roll(whole.len())] ^= 1 << (round % 8)),
            2 => broken = (0..dice.roll(2_000)).map(|_| u8::try_from(dice.roll(256)).unwrap()).collect(),
            _ => broken = [&[0, 0, 0, 1, 0x65][..], &whole[dice.roll(60)..]].concat(),
        }
        for codec in Codec::ALL {
            let (outcome, breakdown) = worker.decode(&ask(codec, broken.clone()), DEADLINE).await;
            assert!(matches!(breakdown, Breakdown::None), "round {round} {codec:?}: {outcome:?}");
        }
        if round % 10 == 0 {
            let picture = decode(&mut worker, &ask(Codec::H264, whole.clone())).await.unwrap();
            assert_eq!((picture.picture.size(), picture.complaints), ((320, 192), 0), "after round {round}");
        }
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_picture_that_is_cut_short_is_not_taken_for_a_whole_one() {
    let mut worker = Worker::start(program()).await.unwrap();
    let whole = healthy();
    for share in [30, 50, 70, 90, 99] {
        let cut = whole[..whole.len() * share / 100].to_vec();
        if let Ok(picture) = decode(&mut worker, &ask(Codec::H264, cut)).await {
            assert!(picture.complaints > 0, "{share} %: concealed without a word");
        }
    }
    worker.stop().await;
}

/// The length of the segment whose marker is here, without the marker.
fn segment_length(jpeg: &[u8], marker: usize) -> usize {
    let length = jpeg.get(marker + 2..).and_then(|behind| behind.first_chunk());
    u16::from_be_bytes(*length.unwrap()).into()
}

/// A picture of Motion JPEG as RFC 2435 gives it, without Huffman tables, and where its scan begins and ends.
async fn motion_jpeg(worker: &mut Worker) -> (Vec<u8>, std::ops::Range<usize>) {
    let textured = pcm::frame((40, 23), |x, y| {
        let level = u8::try_from(40 + (x * 37 + y * 91) % 160).unwrap();
        (level, 128 - level / 9, 120 + level / 11)
    });
    let asked = Ask { still_width: Some(640), ..ask(Codec::H264, textured) };
    let mut jpeg = decode(worker, &asked).await.unwrap().still.unwrap().to_vec();
    while let Some(at) = jpeg.windows(2).position(|marker| marker == [0xff, 0xc4]) {
        jpeg.drain(at..at + 2 + segment_length(&jpeg, at));
    }
    let start = jpeg.windows(2).position(|marker| marker == [0xff, 0xda]).unwrap();
    let begin = start + 2 + segment_length(&jpeg, start);
    let end = jpeg.len() - 2;
    (jpeg, begin..end)
}

#[tokio::test]
async fn motion_jpeg_that_is_cut_or_overwritten_is_not_taken_for_whole() {
    let mut worker = Worker::start(program()).await.unwrap();
    let (whole, scan) = motion_jpeg(&mut worker).await;
    let picture = decode(&mut worker, &ask(Codec::Mjpeg, whole.clone())).await.unwrap();
    assert_eq!((picture.complaints, picture.picture.size()), (0, (640, 368)));
    let mut is_noticed = async |broken: Vec<u8>| {
        let decoded = decode(&mut worker, &ask(Codec::Mjpeg, broken)).await;
        decoded.map_or(true, |picture| picture.complaints > 0)
    };
    for share in [1, 30, 50, 70, 90, 99] {
        let cut = &whole[..scan.start + scan.len() * share / 100];
        assert!(is_noticed([cut, &[0xff, 0xd9]].concat()).await, "{share} %: cut without a word");
    }
    let (mut dice, mut noticed) = (Dice(11), 0);
    for _ in 0..100 {
        let mut broken = whole.clone();
        let at = scan.start + dice.roll(scan.len() - 40);
        // No marker is made: where there is none, packets do not tell either.
        broken[at..at + 40].fill_with(|| u8::try_from(dice.roll(255)).unwrap());
        noticed += u32::from(is_noticed(broken).await);
    }
    assert!(noticed >= 95, "{noticed} of 100");
}

#[tokio::test]
async fn an_empty_key_frame_gives_no_picture() {
    let mut worker = Worker::start(program()).await.unwrap();
    for codec in Codec::ALL {
        let nothing = decode(&mut worker, &ask(codec, Vec::new())).await;
        assert_eq!(nothing, Err(DecodeFailure::NoPicture), "{codec:?}");
    }
    worker.stop().await;
}
