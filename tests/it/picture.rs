//! Decoder processes: what they can do, what they cannot, and what becomes of those that fail.

mod confinement;
mod hostile;
mod pcm;
mod pool;
mod still;

use sharpeyes::domain::Codec;
use sharpeyes::domain::decode::{DecodeFailure, DecodedPicture};
use sharpeyes::domain::key_frame::KeyFrame;
use sharpeyes::picture::{Ask, Breakdown, StartError, Worker};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Far more than a busy machine needs for one frame.
const DEADLINE: Duration = Duration::from_secs(20);

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_sharpeyes"))
}

/// A program that is started as a decoder and does what `script` says. Standard output begins with the word that it is
/// ready.
fn impostor(folder: &Path, script: &str) -> PathBuf {
    let path = folder.join("impostor");
    std::fs::write(&path, format!("#!/bin/sh\nprintf '\\000\\000\\000\\005ready'\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path
}

fn ask(codec: Codec, bytes: Vec<u8>) -> Ask {
    Ask { frame: KeyFrame { codec, bytes, ticks: 0, size: None }, still_width: None, masks: Vec::new() }
}

async fn decode(worker: &mut Worker, ask: &Ask) -> Result<Box<DecodedPicture>, DecodeFailure> {
    worker.decode(ask, DEADLINE).await.0
}

fn signal(worker: &Worker, name: &str) {
    let id = worker.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args([name, &id]).status().unwrap().success());
}

#[tokio::test]
async fn a_picture_comes_out_as_it_went_in() {
    let mut worker = Worker::start(program()).await.unwrap();
    // Left half dark grey, right half bright and blue; 640x368.
    let frame = pcm::frame((40, 23), |x, _y| if x < 20 { (60, 128, 128) } else { (200, 160, 110) });
    for _ in 0..3 {
        let picture = decode(&mut worker, &ask(Codec::H264, frame.clone())).await.unwrap();
        assert_eq!((picture.complaints, &picture.still), (0, &None));
        let seen = &picture.picture;
        assert_eq!(seen.size(), (640, 368));
        let row = &seen.small().pixels()[90 * 320..91 * 320];
        // (60 - 16) * 255 / 219 and (200 - 16) * 255 / 219.
        assert_eq!((row[0], row[159], row[160], row[319]), (51, 51, 214, 214));
        let crop = seen.crop().pixels();
        assert_eq!((crop[0], crop[319]), (51, 214));
        let chroma = seen.chroma().unwrap();
        let (blue, red) = (chroma.blue(), chroma.red());
        assert_eq!((blue[0], red[0], blue[159], red[159]), (128, 128, 160, 110));
        assert!(picture.cost < Duration::from_secs(2));
    }
    worker.stop().await;
}

#[tokio::test]
async fn the_size_may_change_with_every_picture() {
    let mut worker = Worker::start(program()).await.unwrap();
    for blocks in [(40, 23), (11, 9), (120, 68), (2, 2), (40, 23)] {
        let frame = pcm::frame(blocks, |_x, _y| (126, 128, 128));
        let seen = decode(&mut worker, &ask(Codec::H264, frame)).await.unwrap().picture;
        assert_eq!(seen.size(), (blocks.0 * 16, blocks.1 * 16));
        let levels = seen.small().pixels().iter().chain(seen.crop().pixels());
        assert!(levels.into_iter().all(|level| *level == 128));
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_decoder_that_dies_costs_one_frame() {
    let mut worker = Worker::start(program()).await.unwrap();
    signal(&worker, "-KILL");
    let (outcome, breakdown) = worker.decode(&ask(Codec::H264, vec![0; 100]), DEADLINE).await;
    assert_eq!(outcome, Err(DecodeFailure::Crashed));
    assert!(matches!(breakdown, Breakdown::Dead), "{breakdown:?}");
}

#[tokio::test]
async fn a_decoder_that_hangs_is_killed() {
    let mut worker = Worker::start(program()).await.unwrap();
    signal(&worker, "-STOP");
    let frame = pcm::frame((120, 68), |_x, _y| (126, 128, 128));
    let (outcome, _) = worker.decode(&ask(Codec::H264, frame), Duration::from_millis(200)).await;
    assert_eq!(outcome, Err(DecodeFailure::Hung));
    assert_eq!(worker.id(), None, "it is dead and no zombie");
}

#[tokio::test]
async fn a_decoder_that_talks_nonsense_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let check = async |says: &str, expected| {
        let program = impostor(folder.path(), says);
        let mut worker = Worker::start(&program).await.unwrap();
        let (outcome, breakdown) = worker.decode(&ask(Codec::H264, vec![1; 64]), DEADLINE).await;
        assert_eq!(outcome, Err(expected), "{says}");
        assert!(matches!(breakdown, Breakdown::Dead));
    };
    let after_request = |says: &str| format!("head -c 4 >/dev/null; printf '{says}'; sleep 20");
    check(&after_request("\\377\\377\\377\\377"), DecodeFailure::Garbled).await;
    check(&after_request("\\000\\000\\000\\002ok"), DecodeFailure::Garbled).await;
    // The answer to another request: sequence 9, not the last one, no picture.
    check(&after_request("\\000\\000\\000\\006\\000\\000\\000\\011\\000\\001"), DecodeFailure::Garbled).await;
    check("head -c 4 >/dev/null; printf '\\000\\000\\001'", DecodeFailure::Crashed).await;
}

#[tokio::test]
async fn what_is_no_decoder_is_told_at_its_start() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Worker::start(&folder.path().join("nothing")).await;
    assert!(matches!(missing, Err(StartError::Run { .. })), "{missing:?}");
    let silent = Worker::start(Path::new("/bin/true")).await;
    assert!(matches!(silent, Err(StartError::NotReady)), "{silent:?}");
    let chatty = Worker::start(Path::new("/bin/echo")).await;
    assert!(matches!(chatty, Err(StartError::NotReady)), "{chatty:?}");
}
