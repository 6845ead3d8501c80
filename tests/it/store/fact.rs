//! Facts: what was measured of a stream, as of an instant.

use crate::store::fixture::{EAST, at, because, change, division, fill, point};
use crate::support::postgres::on_both;
use sharpeyes::domain::{Cause, ClockReading, Codec, Condition};
use sharpeyes::store::{PointFacts, Store};

fn fact(number: u32, from: i64, size: Option<(u32, u32)>, clock: ClockReading) -> PointFacts {
    PointFacts {
        point: point(number),
        at: at(from),
        codec: Codec::H264,
        size,
        main_size: None,
        frames_per_second: 12.5,
        clock,
        last_video_at: None,
    }
}

#[tokio::test]
async fn facts_hold_until_the_next_ones() {
    on_both(async |store: Store| {
        fill(&store).await;
        let small = fact(1, 100, Some((640, 360)), ClockReading::NotSeen);
        let large = PointFacts {
            main_size: Some((2560, 1440)),
            ..fact(1, 200, Some((1920, 1080)), ClockReading::ErrorMs(-5))
        };
        let other = fact(4, 150, None, ClockReading::NotAWallClock);
        store.add_facts(&[small.clone(), large.clone(), other.clone()]).await.unwrap();
        store.add_facts(std::slice::from_ref(&small)).await.unwrap();
        let cases = [
            ("230521", 99, vec![]),
            ("230521", 100, vec![small.clone()]),
            ("230521", 199, vec![small, other.clone()]),
            ("230521", 200, vec![large.clone(), other]),
            (EAST, 900, vec![large]),
            ("230522", 900, vec![]),
        ];
        for (code, when, expected) in cases {
            assert_eq!(store.facts_at(division(code), at(when)).await.unwrap(), expected, "{code} {when}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_last_video_is_told_by_the_intervals() {
    on_both(async |store: Store| {
        fill(&store).await;
        store.add_facts(&[fact(1, 10, None, ClockReading::NotSeen)]).await.unwrap();
        let steps = [
            (100, because(Cause::ConnectTimeout)),
            (200, because(Cause::Loss)),
            (300, because(Cause::Stalled)),
            (400, Condition::Good),
        ];
        for (seconds, condition) in steps {
            store.apply_transitions(&[change(1, seconds, condition)]).await.unwrap();
        }
        let cases =
            [(50, None), (150, None), (250, Some(250)), (350, Some(300)), (400, Some(300)), (450, Some(450))];
        for (when, expected) in cases {
            let facts = store.facts_at(division(EAST), at(when)).await.unwrap();
            assert_eq!(facts[0].last_video_at, expected.map(at), "{when}");
        }
    })
    .await;
}
