//! Stills: small, and without what must not be seen.

use super::{ask, decode, pcm, program};
use sharpeyes::domain::Codec;
use sharpeyes::domain::decode::Polygon;
use sharpeyes::picture::{Ask, Worker};

#[tokio::test]
async fn a_still_is_as_wide_as_allowed_and_hides_what_is_masked() {
    let mut worker = Worker::start(program()).await.unwrap();
    let white = pcm::frame((80, 45), |_x, _y| (235, 128, 128));
    let left_half = Polygon::new(vec![(0, 0), (500, 0), (500, 1_000), (0, 1_000)]).unwrap();
    let with_still = Ask { still_width: Some(640), masks: vec![left_half], ..ask(Codec::H264, white) };
    let picture = decode(&mut worker, &with_still).await.unwrap();
    assert!(picture.picture.small().pixels().iter().all(|level| *level == 255), "masks are for stills only");
    let still = picture.still.as_ref().unwrap();
    // A JPEG is a key frame of Motion JPEG.
    let seen = decode(&mut worker, &ask(Codec::Mjpeg, still.to_vec())).await.unwrap();
    assert_eq!((picture.picture.size(), seen.picture.size()), ((1280, 720), (640, 360)));
    for row in seen.picture.small().rows() {
        assert!(row[..156].iter().all(|level| *level < 30), "nothing is left of the masked half");
        assert!(row[164..].iter().all(|level| *level > 200));
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_picture_that_is_too_small_for_a_still_comes_without() {
    let mut worker = Worker::start(program()).await.unwrap();
    for width in [7, 640] {
        let frame = pcm::frame((11, 9), |_x, _y| (126, 128, 128));
        let asked = Ask { still_width: Some(width), ..ask(Codec::H264, frame) };
        let picture = decode(&mut worker, &asked).await.unwrap();
        assert_eq!(picture.still.is_some(), width >= 8);
    }
    worker.stop().await;
}
