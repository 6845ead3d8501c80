use super::*;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use proptest::prelude::{any, prop, proptest};
use proptest::sample::Index;

/// Key frames of x265 with these options; the first and the later ones. In a process that had other encoders before it now
/// and then begins without any.
fn encode(size: (u32, u32), options: &str) -> Vec<Vec<u8>> {
    let mut tries = std::iter::repeat_with(|| try_to_encode(size, options)).take(10);
    tries.find(|frames| !frames.is_empty()).unwrap_or_else(|| panic!("no key frame with {options}"))
}

fn try_to_encode((width, height): (u32, u32), options: &str) -> Vec<Vec<u8>> {
    gst::init().unwrap();
    let text = format!(
        "videotestsrc pattern=smpte num-buffers=9 ! video/x-raw,format=I420,width={width},height={height} \
         ! x265enc speed-preset=superfast option-string=pools=1:frame-threads=1:repeat-headers=1:log-level=none:{options} \
         ! h265parse config-interval=-1 ! video/x-h265,stream-format=byte-stream,alignment=au \
         ! appsink name=out sync=false"
    );
    let pipeline = gst::parse::launch(&text).unwrap().downcast::<gst::Pipeline>().unwrap();
    let sink = pipeline.by_name("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let samples = std::iter::from_fn(|| sink.pull_sample().ok());
    let frames = samples.map(|sample| sample.buffer().unwrap().map_readable().unwrap().to_vec());
    // The parser now and then takes a key frame for none.
    let frames = frames.filter(|frame| frame.windows(4).any(begins_slice)).collect();
    pipeline.set_state(gst::State::Null).unwrap();
    frames
}

/// Whether a slice of a random-access picture begins.
fn begins_slice(window: &[u8]) -> bool {
    window[..3] == [0, 0, 1] && matches!(window[3] >> 1, 16..=21)
}

/// Bytes before the data of the first slice, at most.
fn first_slice(frame: &[u8]) -> usize {
    frame.windows(4).position(begins_slice).unwrap() + 16
}

#[test]
fn whole_pictures_are_whole_in_every_way_of_coding() {
    let check = |size, options: &str| {
        let frames = encode(size, options);
        for (number, frame) in frames.iter().enumerate() {
            assert_eq!(read(frame), Ok(()), "{options}, key frame {number} of {}", frames.len());
        }
    };
    check((640, 360), "keyint=250");
    check((640, 360), "keyint=1");
    // Pictures that later ones shown before them refer across, with a set of references in their headers.
    check((352, 288), "keyint=4:min-keyint=4:bframes=2:open-gop=1:scenecut=0");
    check((352, 288), "keyint=4:min-keyint=4:bframes=2:open-gop=0:scenecut=0");
    check((352, 288), "wpp=0");
    check((352, 288), "slices=3");
    check((200, 136), "min-cu-size=16");
    check((200, 136), "max-tu-size=16");
    check((352, 288), "tskip=1:qp=12");
    check((352, 288), "qp=1");
    check((352, 288), "qp=51");
    check((352, 288), "sao=0:signhide=0:deblock=0");
    check((352, 288), "deblock=2,2:strong-intra-smoothing=0:constrained-intra=1");
    check((352, 288), "lossless=1");
    check((352, 288), "cu-lossless=1:rd=4:qp=8");
    check((352, 288), "tu-intra-depth=4:tu-inter-depth=4");
    check((352, 288), "aq-mode=3:qg-size=16:bitrate=300");
    check((352, 288), "aq-mode=0:qp=30:cbqpoffs=3:crqpoffs=-3");
    check((352, 288), "scaling-list=default");
    check((352, 288), "aud=1:hash=1");
    // A picture of a single coding tree unit, and of a single column.
    check((64, 64), "keyint=1");
    check((64, 200), "keyint=1");
}

/// x265 has one size of coding tree units for all encoders of a process: these were made by `x265enc speed-preset=superfast
/// option-string=repeat-headers=1:info=0:qp=30:max-tu-size=16:ctu=16` (64) from `videotestsrc pattern=smpte`.
#[test]
fn coding_tree_units_have_other_sizes() {
    for frame in [&include_bytes!("tests/ctu16.h265")[..], include_bytes!("tests/ctu64.h265")] {
        assert_eq!(read(frame), Ok(()));
        assert!((first_slice(frame)..frame.len()).all(|length| !is_whole(&frame[..length])));
    }
}

#[test]
fn what_is_missing_is_noticed() {
    for options in ["keyint=250", "wpp=0", "slices=3"] {
        let frame = encode((352, 288), options).swap_remove(0);
        let first = first_slice(&frame);
        for length in (first..frame.len()).step_by(37) {
            assert!(!is_whole(&frame[..length]), "{options}: {length} of {} bytes", frame.len());
        }
        for at in (first..frame.len()).step_by(37) {
            let mut holed = frame.clone();
            holed.drain(at..frame.len().min(at + 400));
            assert!(!is_whole(&holed), "{options}: 400 bytes missing at {at} of {}", frame.len());
        }
    }
}

/// A sign or a last bit of a level changes its coefficient and nothing behind it; all other bits move what follows.
#[test]
fn next_to_every_wrong_bit_is_noticed() {
    let frame = encode((352, 288), "keyint=250").swap_remove(0);
    let first = first_slice(&frame);
    let bits = (first..frame.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))).step_by(11);
    let (mut missed, mut count) = (0, 0);
    for (at, bit) in bits {
        let mut wrong = frame.clone();
        wrong[at] ^= 1 << bit;
        count += 1;
        missed += u32::from(is_whole(&wrong));
    }
    assert!(count > 500 && missed * 20 < count, "{missed} of {count}");
}

#[test]
fn only_what_can_be_read_is_told_from_what_is_whole() {
    let frame = encode((200, 136), "keyint=250").swap_remove(0);
    let slice = first_slice(&frame) - 19;
    assert_eq!(read(&frame[..slice]), Err(Stop::Broken), "parameter sets alone");
    assert_eq!(read(&[]), Err(Stop::Broken));
    assert_eq!(read(&frame[slice..]), Err(Stop::Unread), "a slice alone");
    // A set of another number that is damaged is nobody's.
    let damaged = [&[0, 0, 0, 1, 34 << 1, 1, 0x1f][..], &frame].concat();
    assert_eq!(read(&damaged), Ok(()));
    let with_tail = [&frame[..], &[0x55; 16]].concat();
    assert_eq!(read(&with_tail), Ok(()), "hardware writes words");
    let with_more = [&frame[..], &[0x55; 17]].concat();
    assert_eq!(read(&with_more), Err(Stop::Broken));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(noise in prop::collection::vec(any::<u8>(), 0..300), cut: Index, at: Index) {
        use std::sync::LazyLock;
        static FRAME: LazyLock<Vec<u8>> = LazyLock::new(|| encode((200, 136), "keyint=250").swap_remove(0));
        is_whole(&noise);
        let mut frame = FRAME.clone();
        let (cut, at) = (cut.index(noise.len() + 1), at.index(frame.len()));
        frame.iter_mut().skip(at).zip(&noise[..cut]).for_each(|(byte, noise)| *byte = *noise);
        is_whole(&frame);
    }
}
