//! Sizes of decoded pictures: each holds until the next one of its stream.

use crate::store::fixture::{EAST, at, division, fill, point};
use crate::support::postgres::on_both;
use sharpeyes::domain::decode::DecodedSize;
use sharpeyes::domain::key_frame::StreamRole;
use sharpeyes::store::Store;

#[tokio::test]
async fn a_decoded_size_holds_until_the_next_one_of_its_stream() {
    on_both(async |store: Store| {
        fill(&store).await;
        let [small, grown, main, other] = [
            (1, StreamRole::Watched, 100, (640, 360)),
            (1, StreamRole::Watched, 300, (704, 576)),
            (1, StreamRole::Main, 200, (2560, 1440)),
            (4, StreamRole::Watched, 150, (352, 288)),
        ]
        .map(|(number, stream, seconds, size)| DecodedSize {
            point: point(number),
            stream,
            at: at(seconds),
            size,
            promised: (number == 1).then_some((1920, 1080)),
        });
        store.keep_decoded_sizes(&[small, grown, main, other]).await.unwrap();
        store.keep_decoded_sizes(&[small]).await.unwrap();
        let cases = [
            ("230521", 99, vec![]),
            ("230521", 100, vec![small]),
            ("230521", 299, vec![main, small, other]),
            ("230521", 300, vec![main, grown, other]),
            (EAST, 900, vec![main, grown]),
            ("230522", 900, vec![]),
        ];
        for (code, when, expected) in cases {
            let held = store.decoded_sizes_at(division(code), at(when)).await.unwrap();
            assert_eq!(held, expected, "{code} {when}");
        }
        assert_eq!(store.newest_decoded_sizes().await.unwrap(), [main, grown, other]);
    })
    .await;
}
