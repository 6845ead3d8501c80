//! State intervals: transitions in, history out.

use crate::store::fixture::{EAST, at, because, change, division, fill, point, window};
use crate::support::postgres::on_both;
use proptest::prelude::{Just, Strategy, any, prop};
use proptest::test_runner::{Config, TestRunner};
use sharpeyes::domain::{
    Cause, Condition, ExclusionKind, Provenance, StateInterval, Timestamp, Transition, Window,
};
use sharpeyes::store::{KeptInterval, OpenState, Store};

/// Start, end and condition, in seconds.
type Flat = (i64, i64, Condition);

const OFFLINE: Condition = Condition::Because(Cause::ConnectTimeout);

fn always() -> Window {
    window(0, 1_000_000)
}

async fn shape(store: &Store, number: u32) -> Vec<Flat> {
    let intervals = store.timeline(point(number), always(), at(1_000)).await.unwrap();
    intervals.iter().map(flat).collect()
}

fn flat(interval: &StateInterval) -> Flat {
    let seconds = |instant: Timestamp| instant.as_millis() / 1000;
    (seconds(interval.window.start()), seconds(interval.window.end()), interval.condition.clone())
}

#[tokio::test]
async fn a_transition_closes_one_interval_and_opens_the_next() {
    on_both(async |store: Store| {
        assert_eq!(store.apply_transitions(&[]).await.unwrap(), 0);
        assert_eq!(store.apply_transitions(&[change(1, 100, Condition::Good)]).await.unwrap(), 1);
        assert_eq!(store.apply_transitions(&[change(1, 160, OFFLINE)]).await.unwrap(), 1);
        assert_eq!(shape(&store, 1).await, [(100, 160, Condition::Good), (160, 1000, OFFLINE)]);
        assert_eq!(shape(&store, 2).await, []);
    })
    .await;
}

#[tokio::test]
async fn a_repeated_transition_changes_nothing() {
    on_both(async |store: Store| {
        let batch =
            [change(1, 100, Condition::Good), change(1, 160, OFFLINE), change(1, 220, Condition::Good)];
        assert_eq!(store.apply_transitions(&batch).await.unwrap(), 3);
        let before = shape(&store, 1).await;
        for repeated in [&batch[..], &batch[..1], &batch[1..2], &batch[2..]] {
            assert_eq!(store.apply_transitions(repeated).await.unwrap(), 0);
        }
        assert_eq!(shape(&store, 1).await, before);
    })
    .await;
}

#[tokio::test]
async fn a_transition_from_before_the_open_interval_is_refused() {
    on_both(async |store: Store| {
        store.apply_transitions(&[change(1, 100, Condition::Good), change(1, 200, OFFLINE)]).await.unwrap();
        assert_eq!(store.apply_transitions(&[change(1, 150, because(Cause::Loss))]).await.unwrap(), 0);
        assert_eq!(shape(&store, 1).await, [(100, 200, Condition::Good), (200, 1000, OFFLINE)]);
    })
    .await;
}

#[tokio::test]
async fn open_states_are_what_a_restart_finds() {
    on_both(async |store: Store| {
        let down = because(Cause::LinkDown("L-7".parse().unwrap()));
        let excluded = because(Cause::Excluded(ExclusionKind::PowerCut));
        let batch = [
            change(3, 100, excluded.clone()),
            change(1, 100, Condition::Good),
            change(1, 130, OFFLINE),
            change(2, 90, down.clone()),
        ];
        store.apply_transitions(&batch).await.unwrap();
        let open = |number, since, condition| OpenState { point: point(number), since: at(since), condition };
        assert_eq!(
            store.open_states().await.unwrap(),
            [open(1, 130, OFFLINE), open(2, 90, down), open(3, 100, excluded)]
        );
    })
    .await;
}

#[tokio::test]
async fn a_timeline_is_clipped_to_window_and_now() {
    on_both(async |store: Store| {
        store.apply_transitions(&[change(1, 100, Condition::Good), change(1, 200, OFFLINE)]).await.unwrap();
        let cases: [(Window, i64, &[Flat]); 6] = [
            (window(120, 180), 1000, &[(120, 180, Condition::Good)]),
            (window(120, 250), 1000, &[(120, 200, Condition::Good), (200, 250, OFFLINE)]),
            (window(120, 250), 220, &[(120, 200, Condition::Good), (200, 220, OFFLINE)]),
            (window(120, 250), 150, &[(120, 150, Condition::Good)]),
            (window(50, 100), 1000, &[]),
            (window(300, 400), 250, &[]),
        ];
        for (asked, now, expected) in cases {
            let intervals = store.timeline(point(1), asked, at(now)).await.unwrap();
            assert_eq!(intervals.iter().map(flat).collect::<Vec<_>>(), expected, "{asked:?} {now}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_intervals_of_a_division_are_those_of_its_points() {
    on_both(async |store: Store| {
        fill(&store).await;
        let mut batch: Vec<Transition> = (1..=5).map(|number| change(number, 100, Condition::Good)).collect();
        batch.push(change(2, 200, OFFLINE));
        store.apply_transitions(&batch).await.unwrap();
        let of = async |code: &str| {
            let found = store.intervals(division(code), window(0, 500), at(300)).await.unwrap();
            found.iter().map(|(point, interval)| (*point, flat(interval))).collect::<Vec<_>>()
        };
        let good = |number| (point(number), (100, 300, Condition::Good));
        let broken = [(point(2), (100, 200, Condition::Good)), (point(2), (200, 300, OFFLINE))];
        assert_eq!(of(EAST).await, [&[good(1)], &broken[..], &[good(3)]].concat());
        assert_eq!(of("230521").await, [&[good(1)], &broken[..], &[good(3), good(4)]].concat());
        assert_eq!(of("230522").await, [good(5)]);
        assert_eq!(of("2306").await, []);
    })
    .await;
}

#[tokio::test]
async fn a_page_of_intervals_holds_the_proof_of_each() {
    on_both(async |store: Store| {
        let conditions = [Condition::Good, OFFLINE, Condition::Good, because(Cause::Stalled)];
        let batch: Vec<Transition> =
            (0..).zip(conditions).map(|(step, condition)| change(1, 100 + 10 * step, condition)).collect();
        store.apply_transitions(&batch).await.unwrap();
        let first = store.interval_page(point(1), always(), None, 3).await.unwrap();
        let second =
            store.interval_page(point(1), always(), first.last().map(|last| last.start), 3).await.unwrap();
        let expected: Vec<KeptInterval> = batch
            .iter()
            .zip(batch.iter().skip(1).map(|next| Some(next.at)).chain([None]))
            .map(|(opening, end)| KeptInterval {
                start: opening.at,
                end,
                condition: opening.to.clone(),
                provenance: Provenance::Probe,
                decided: opening.decided,
                evidence: opening.evidence.clone(),
            })
            .collect();
        assert_eq!(first, expected[..3]);
        assert_eq!(second, expected[3..]);
        let inside = store.interval_page(point(1), window(105, 115), None, 9).await.unwrap();
        assert_eq!(inside, expected[..2]);
    })
    .await;
}

/// Changes of three points at distinct instants, and an order to give them in.
fn histories() -> impl Strategy<Value = (Vec<Transition>, Vec<Transition>)> {
    let condition = prop::sample::select(vec![Condition::Good, OFFLINE, because(Cause::Loss)]);
    let step = (1..4_u32, 1..30_i64, condition);
    prop::collection::vec(step, 1..40).prop_flat_map(|steps| {
        let mut seconds = 0;
        let changes: Vec<Transition> = steps
            .into_iter()
            .map(|(number, pause, condition)| {
                seconds += pause;
                change(number, seconds, condition)
            })
            .collect();
        (Just(changes.clone()), Just(changes).prop_shuffle())
    })
}

async fn everything(store: &Store) -> Vec<Vec<StateInterval>> {
    let mut found = Vec::new();
    for number in 1..4 {
        found.push(store.timeline(point(number), always(), at(2_000)).await.unwrap());
    }
    found
}

#[test]
fn order_and_repetition_inside_batches_do_not_matter() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&(histories(), any::<prop::sample::Index>()), |((changes, shuffled), cut)| {
            runtime.block_on(async {
                let [one_by_one, permuted] = [empty().await, empty().await];
                for change in &changes {
                    one_by_one.apply_transitions(std::slice::from_ref(change)).await.unwrap();
                }
                // Batches follow each other in time; inside them order is free and the overlap is a repetition.
                let cut = cut.index(changes.len());
                let first: Vec<Transition> =
                    shuffled.iter().filter(|change| changes[..=cut].contains(change)).cloned().collect();
                permuted.apply_transitions(&first).await.unwrap();
                permuted.apply_transitions(&shuffled).await.unwrap();
                permuted.apply_transitions(&first).await.unwrap();
                let (left, right) = (everything(&one_by_one).await, everything(&permuted).await);
                assert_eq!(left, right);
                for intervals in left {
                    assert!(intervals.windows(2).all(|pair| pair[0].window.end() == pair[1].window.start()));
                    assert!(intervals.last().is_none_or(|last| last.window.end() == at(2_000)));
                }
            });
            Ok(())
        })
        .unwrap();
}

async fn empty() -> Store {
    let store = Store::open("sqlite::memory:").await.unwrap();
    store.migrate().await.unwrap();
    store
}
