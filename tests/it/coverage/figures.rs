//! Reports and the lists behind them.

use crate::coverage::fixture::{NOW, context, context_of, february, figure, month_window, silent};
use crate::store::fixture::{EAST, WEST, division, import, point};
use crate::support::postgres::on_both;
use sharpeyes::coverage::approval::change_exclusion;
use sharpeyes::coverage::gap::GapFilter;
use sharpeyes::coverage::{ListKind, ListQuery, Selection, gaps, list, report};
use sharpeyes::domain::history::RepairTimes;
use sharpeyes::domain::{
    Condition, Counts, ExclusionKind, ExclusionRequest, ExclusionScope, FigureId, RecordKind, Timestamp,
    Window,
};
use sharpeyes::health::snapshot::{LivePoint, Snapshot};
use sharpeyes::store::Store;
use sharpeyes::store::exclusion::ExclusionStep;
use std::sync::Arc;

const HOUR: u64 = 3_600_000;
/// Hours of February.
const MONTH: u64 = 28 * 24;

fn hours(counts: Counts) -> [u64; 4] {
    [counts.numerator, counts.denominator, counts.unknown, counts.excluded].map(|millis| millis / HOUR)
}

#[tokio::test]
async fn the_figures_of_a_month_are_those_counted_by_hand() {
    on_both(async |store: Store| {
        let context = context(store).await;
        let of = async |id| figure(&context, month_window(), id).await.adjusted;
        // Point 1: 3 h down. 2: 24 h degraded, 12 h unknown. 3: 7 h behind a link. 4: 95 h down. 5: never seen.
        let unknown = 12 + MONTH;
        assert_eq!(hours(of("A1").await), [4 * MONTH - 12 - 3 - 7 - 95, 4 * MONTH - 12, unknown, 0]);
        assert_eq!(
            hours(of("A1.device").await),
            [4 * MONTH - 12 - 3 - 7 - 95, 4 * MONTH - 12 - 7, unknown, 0]
        );
        assert_eq!(
            hours(of("A2.installed").await),
            [4 * MONTH - 12 - 3 - 7 - 95 - 24, 4 * MONTH - 12 - 7, unknown, 0]
        );
        assert_eq!(hours(of("A2.installed.class2").await), [MONTH - 24 - 12, MONTH - 12, 12, 0]);
        let points = async |id| {
            let counts = of(id).await;
            [counts.numerator, counts.denominator, counts.unknown, counts.excluded]
        };
        assert_eq!(points("N1").await, [4, 4, 1, 0]);
        assert_eq!(points("C1").await, [3, 3, 0, 0]);
        assert_eq!(points("C5").await, [2, 2, 1, 0]);
        // Point 2 was repaired in 24 h of its 24; point 4 is open past its 12 h.
        assert_eq!(points("A5").await, [2, 3, 0, 0]);
    })
    .await;
}

#[tokio::test]
async fn the_children_add_up_to_the_whole() {
    on_both(async |store: Store| {
        let context = context(store).await;
        let mut open = vec![None, Some(division("23")), Some(division("230522"))];
        while let Some(scope) = open.pop() {
            let report = report(&context, scope, month_window(), &Selection::All).await.unwrap();
            for (index, whole) in report.whole.figures.iter().enumerate() {
                let parts = report.children.iter().map(|child| child.figures[index].adjusted);
                let sum = parts.fold(Counts::default(), Counts::plus);
                if !report.children.is_empty() {
                    assert_eq!(sum, whole.adjusted, "{} of {scope:?}", whole.id);
                }
            }
            open.extend(report.children.iter().map(|child| child.division));
        }
    })
    .await;
}

#[tokio::test]
async fn every_list_adds_up_to_its_figure_page_by_page() {
    on_both(async |store: Store| {
        let context = context(store).await;
        let whole = report(&context, None, month_window(), &Selection::All).await.unwrap().whole;
        for figure in &whole.figures {
            for kind in ListKind::ALL {
                let query = ListQuery { figure: figure.id, division: None, window: month_window(), kind };
                let (mut after, mut sum, mut codes) = (None, 0, Vec::new());
                loop {
                    let page = list(&context, query, after, 2).await.unwrap();
                    assert_eq!(page.total, kind.amount(&figure.adjusted), "{} {kind:?}", figure.id);
                    sum += page.items.iter().map(|item| item.amount).sum::<u64>();
                    codes.extend(page.items.iter().map(|item| item.member.code().to_owned()));
                    after = page.next;
                    if after.is_none() {
                        break;
                    }
                }
                assert_eq!(sum, kind.amount(&figure.adjusted), "{} {kind:?}", figure.id);
                assert!(codes.is_sorted_by(|left, right| left < right), "{codes:?}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_list_names_its_members_and_says_why() {
    on_both(async |store: Store| {
        let context = context(store).await;
        let names = async |id: &str, kind| -> Vec<String> {
            let figure: FigureId = id.parse().unwrap();
            let query = ListQuery { figure, division: None, window: month_window(), kind };
            let page = list(&context, query, None, 100).await.unwrap();
            page.items.iter().map(|item| format!("{} {}", item.member.code(), item.why.join(","))).collect()
        };
        assert_eq!(names("N1", ListKind::Unknown).await, [format!("{} ", silent().0)]);
        assert_eq!(names("C5", ListKind::Unknown).await, [format!("{} too_few_points", silent().1)]);
        assert_eq!(names("A1", ListKind::Gap).await, [1, 3, 4].map(|number| format!("{} ", point(number))));
    })
    .await;
}

#[tokio::test]
async fn an_exclusion_leaves_the_denominator_and_the_raw_figure_stays() {
    on_both(async |store: Store| {
        let context = context(store).await;
        let at = |day, hour| Timestamp::from_seconds(february(day, hour));
        let request = ExclusionRequest {
            kind: ExclusionKind::PlannedMaintenance,
            scope: ExclusionScope::Division(division(WEST)),
            window: Window::new(at(25, 1), at(27, 1)).unwrap(),
            reason: "检修".to_owned(),
            evidence: "plan 7".to_owned(),
            applicant: "maintainer".to_owned(),
        };
        let before = figure(&context, month_window(), "A1").await;
        assert_eq!(before.adjusted, before.raw);
        let id = context.store.add_exclusion(&request, at(28, 2)).await.unwrap().id;
        assert_eq!(figure(&context, month_window(), "A1").await, before);
        change_exclusion(&context, id, ExclusionStep::Approve, "chief").await.unwrap();
        let after = report(&context, None, month_window(), &Selection::All).await.unwrap();
        let online = after.whole.figures.iter().find(|figure| figure.id.to_string() == "A1").unwrap();
        assert_eq!(online.raw, before.raw);
        let [numerator, denominator, unknown, _] = hours(before.adjusted);
        assert_eq!(hours(online.adjusted), [numerator, denominator - 48, unknown, 48]);
        let note = &after.exclusions[0];
        assert_eq!((note.exclusion.id, note.late, note.points), (id, true, 1));
        assert_eq!(after.excluded_by_maintainer.get(""), Some(&(48 * HOUR)));
        change_exclusion(&context, id, ExclusionStep::Withdraw, "chief").await.unwrap();
        assert_eq!(figure(&context, month_window(), "A1").await, before);
    })
    .await;
}

#[tokio::test]
async fn an_exclusion_before_the_window_stops_the_clock_of_an_outage_that_runs_into_it() {
    on_both(async |store: Store| {
        let context = context(store).await;
        let at = |day, hour| Timestamp::from_seconds(february(day, hour));
        let exclude = async |from, to, points: Vec<u32>| {
            let request = ExclusionRequest {
                kind: ExclusionKind::PowerCut,
                scope: ExclusionScope::Points(points.into_iter().map(point).collect()),
                window: Window::new(from, to).unwrap(),
                reason: "停电".to_owned(),
                evidence: "notice 3".to_owned(),
                applicant: "duty".to_owned(),
            };
            let id = context.store.add_exclusion(&request, from).await.unwrap().id;
            change_exclusion(&context, id, ExclusionStep::Approve, "chief").await.unwrap();
            id
        };
        let minutes = |hour, minutes: u64| at(9, hour).plus(std::time::Duration::from_secs(minutes * 60));
        // Point 1 was down from 23:00 on 9 February to 2:00; of that 23:00-24:00 is excluded, half of it twice.
        let first = exclude(at(9, 23), at(9, 24), vec![1]).await;
        let second = exclude(minutes(23, 30), at(9, 24), vec![1, 2]).await;
        exclude(at(9, 21), at(9, 22), vec![1]).await;
        let day = Window::new(at(10, 0), at(11, 0)).unwrap();
        let report = report(&context, None, day, &Selection::All).await.unwrap();
        let mean = |times: Option<RepairTimes>| times.and_then(|times| times.mean_ms);
        assert_eq!((mean(report.repairs), mean(report.raw_repairs)), (Some(2 * HOUR), Some(3 * HOUR)));
        let noted: Vec<(i64, u64)> =
            report.exclusions.iter().map(|note| (note.exclusion.id, note.points)).collect();
        assert_eq!(noted, [(first, 1), (second, 1)], "the third lies over no outage, and none over point 2");
        assert!(report.excluded_by_maintainer.is_empty(), "nothing inside the window is excluded");
        // Point 4 is down from 1:00 on 25 February on: at 20:00 for 19 h of its 12, but 10 of them are excluded.
        let afternoon = Window::new(at(25, 12), at(25, 20)).unwrap();
        let repairs = figure(&context, afternoon, "A5").await;
        assert_eq!((repairs.adjusted.numerator, repairs.adjusted.denominator), (0, 1));
        exclude(at(25, 2), at(25, 12), vec![4]).await;
        let repairs = figure(&context, afternoon, "A5").await;
        assert_eq!((repairs.adjusted.denominator, repairs.raw.denominator), (0, 1));
    })
    .await;
}

#[tokio::test]
async fn overlapping_exclusions_are_counted_once() {
    on_both(async |store: Store| {
        let context = context(store).await;
        let at = |day| Timestamp::from_seconds(february(day, 0));
        let scopes = [
            (ExclusionScope::Points(vec![point(4)]), at(3), at(6)),
            (ExclusionScope::Division(division(WEST)), at(5), at(8)),
            (ExclusionScope::Division(division(WEST)), at(5), at(8)),
        ];
        for (scope, from, to) in scopes {
            let request = ExclusionRequest {
                kind: ExclusionKind::PlannedMaintenance,
                scope,
                window: Window::new(from, to).unwrap(),
                reason: "检修".to_owned(),
                evidence: "plan 8".to_owned(),
                applicant: "maintainer".to_owned(),
            };
            let id = context.store.add_exclusion(&request, from).await.unwrap().id;
            change_exclusion(&context, id, ExclusionStep::Approve, "chief").await.unwrap();
        }
        let report = report(&context, None, month_window(), &Selection::All).await.unwrap();
        assert_eq!(report.excluded_by_maintainer.get(""), Some(&(5 * 24 * HOUR)), "3 to 7 February");
        assert_eq!(hours(figure(&context, month_window(), "A1").await.adjusted)[3], 5 * 24);
    })
    .await;
}

#[tokio::test]
async fn a_point_that_moves_counts_each_day_where_it_was() {
    on_both(async |store: Store| {
        let mut context = context(store).await;
        let moved = format!(
            r#"{{"code":"{}","name":"点","village":"{WEST}","class":"1","status":"in_use","commissioned_ms":0,"watch":"patrol"}}"#,
            point(1)
        );
        let when = Timestamp::from_seconds(february(12, 15));
        import(&context.store, when, &[(RecordKind::Point, &[moved])]).await;
        context = context_of(context.store.clone()).await;
        let of = async |village| {
            let selection = Selection::Some(vec!["A1".parse().unwrap()]);
            let report = report(&context, Some(division(village)), month_window(), &selection).await.unwrap();
            hours(report.whole.figures[0].adjusted)
        };
        // Eleven whole days in the east with its three hours of outage, then in the west from 12 February on.
        let (east, west) = (11 * 24, 17 * 24);
        assert_eq!(of(EAST).await, [2 * MONTH - 12 - 7 + east - 3, 2 * MONTH - 12 + east, 12, 0]);
        assert_eq!(of(WEST).await, [MONTH - 95 + west, MONTH + west, 0, 0]);
        let whole = figure(&context, month_window(), "A1").await;
        let query = ListQuery { figure: whole.id, division: None, window: month_window(), kind: ListKind::Denominator };
        let page = list(&context, query, None, 100).await.unwrap();
        assert_eq!(page.total, whole.adjusted.denominator);
        assert_eq!(page.items.iter().filter(|item| item.member.code() == point(1).as_str()).count(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_window_is_cut_off_at_now() {
    on_both(async |store: Store| {
        let context = context(store).await;
        let now = Timestamp::from_seconds(NOW);
        let open =
            Window::new(now.minus(std::time::Duration::from_secs(3600)), Timestamp::from_seconds(NOW * 2));
        let report = report(&context, None, open.unwrap(), &Selection::All).await.unwrap();
        assert_eq!((report.window.end(), report.data_until), (now, now));
        let future = Window::new(now, Timestamp::from_seconds(NOW + 1)).unwrap();
        assert!(sharpeyes::coverage::report(&context, None, future, &Selection::All).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn gaps_are_ranked_and_say_why() {
    on_both(async |store: Store| {
        let context = context(store).await;
        let grids = [("G1", EAST, 120), ("G2", EAST, 300), ("G3", WEST, 120)].map(|(code, village, households)| {
            format!(
                r#"{{"code":"{code}","name":"网格","village":"{village}","kind":"rural","households":{households}}}"#
            )
        });
        import(&context.store, Timestamp::from_seconds(NOW - 5), &[(RecordKind::Grid, &grids)]).await;
        let context = context_of(context.store.clone()).await;
        let live = |number, measured| Arc::new(live_point(number, measured));
        let points = vec![
            live(1, Condition::Good),
            live(2, crate::coverage::fixture::offline()),
            live(3, crate::coverage::fixture::offline()),
            live(4, crate::coverage::fixture::offline()),
        ];
        let snapshot = Arc::new(Snapshot { points, ..Snapshot::default() });
        let (mut after, mut found) = (None, Vec::new());
        loop {
            let page = gaps(&context, snapshot.clone(), GapFilter::default(), after, 2).await.unwrap();
            found.extend(page.items.iter().map(|gap| {
                format!("{} {} {} {}", gap.member.code(), gap.households, gap.reason.as_str(), gap.points)
            }));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let expected = [
            "G2 300 no_point 0".to_owned(),
            "G1 120 no_point 0".to_owned(),
            "G3 120 no_point 0".to_owned(),
            format!("{WEST} 0 not_working 1"),
            format!("{} 0 not_measured 1", silent().1),
        ];
        assert_eq!(found, expected);
    })
    .await;
}

fn live_point(number: u32, measured: Condition) -> LivePoint {
    LivePoint {
        code: point(number),
        measured,
        excluded: None,
        since: Timestamp::from_seconds(0),
        last_known_up: None,
        last_look: None,
        last_frame: None,
        measurement: None,
        picture: None,
        suspected: None,
        faults: Vec::new(),
        flapping: false,
        frames_total: 0,
        bytes_total: 0,
    }
}
