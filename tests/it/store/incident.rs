//! Incidents: kept with their events, read back by playing them, listed.

use crate::store::fixture::{EAST, FAR, WEST, at, division, point};
use crate::support::postgres::on_both;
use sharpeyes::domain::incident::{
    Happening, Incident, IncidentEvent, Level, Opening, RepairReason, Root, RootKind, Stage,
};
use sharpeyes::domain::outbox::Notice;
use sharpeyes::domain::{Cause, PointClass};
use sharpeyes::store::Store;
use sharpeyes::store::incident::{IncidentChange, IncidentFilter};
use std::time::Duration;

fn opening(root: Root, village: &str, numbers: &[u32]) -> Opening {
    Opening {
        root,
        cause: Cause::LinkDown("V\"1".parse().unwrap()),
        since: at(90),
        members: numbers.iter().map(|number| point(*number)).collect(),
        class: PointClass::Two,
        division: (!village.is_empty()).then(|| division(village)),
        level: Level::Village,
        deadline: Duration::from_secs(3_600),
    }
}

/// Tells nobody.
fn silent(_: &Incident) -> Vec<Notice> {
    Vec::new()
}

async fn open(store: &Store, root: Root, village: &str) -> Incident {
    let opened =
        store.keep_incidents(&[opening(root, village, &[1, 2])], &[], silent, at(100)).await.unwrap();
    opened.into_iter().next().unwrap()
}

fn change(incident: &Incident, happenings: &[Happening], second: i64) -> IncidentChange {
    let mut after = incident.clone();
    let events = happenings.iter().map(|happening| {
        after.apply(happening, at(second));
        let event = IncidentEvent::found(happening.clone(), at(second));
        IncidentEvent { actor: "duty".to_owned(), note: "龙通 \"x\"".to_owned(), ..event }
    });
    let events = events.collect();
    IncidentChange { after, events, notices: Vec::new() }
}

/// One story through every stage.
fn story() -> Vec<(i64, Vec<Happening>)> {
    let all = [point(1), point(2), point(3)];
    vec![
        (110, vec![Happening::Joined([point(3)].into()), Happening::Escalated(Level::Township)]),
        (120, vec![Happening::Acknowledged { by: "duty".to_owned() }, Happening::Noted]),
        (
            130,
            vec![Happening::Dispatched {
                assignee: "龙通".to_owned(), deadline: Duration::from_secs(7_200)
            }],
        ),
        (
            140,
            vec![Happening::Repairing(RepairReason::Cable), Happening::CauseChanged(Cause::ConnectTimeout)],
        ),
        (150, vec![Happening::Suspended { approver: "王".to_owned() }, Happening::Excluded]),
        (160, vec![Happening::Resumed, Happening::Included, Happening::Overdue]),
        (170, vec![Happening::Recovered(all.into()), Happening::Restored]),
        (180, vec![Happening::FailedAgain, Happening::Joined([point(1)].into())]),
        (190, vec![Happening::Recovered([point(1)].into()), Happening::Restored]),
        (500, vec![Happening::Closed]),
    ]
}

#[tokio::test]
async fn an_incident_is_read_back_as_it_was_at_every_step() {
    on_both(async |store: Store| {
        let mut incident = open(&store, Root::Link("V\"1".parse().unwrap()), EAST).await;
        assert_eq!(store.live_incidents().await.unwrap(), std::slice::from_ref(&incident));
        for (second, happenings) in story() {
            let change = change(&incident, &happenings, second);
            store.keep_incidents(&[], std::slice::from_ref(&change), silent, at(second)).await.unwrap();
            incident = change.after;
            assert_eq!(
                store.incident(incident.id).await.unwrap().as_ref(),
                Some(&incident),
                "{happenings:?}"
            );
            let live: Vec<Incident> = incident.is_live().then(|| incident.clone()).into_iter().collect();
            assert_eq!(store.live_incidents().await.unwrap(), live);
        }
        let events = store.incident_events(incident.id, 2, 3).await.unwrap();
        let seen: Vec<(i64, &str)> =
            events.iter().map(|(seq, event)| (*seq, event.happening.as_str())).collect();
        assert_eq!(seen, [(3, "acknowledged"), (4, "noted"), (5, "dispatched")]);
        assert_eq!((events[0].1.actor.as_str(), events[0].1.note.as_str()), ("duty", "龙通 \"x\""));
        assert_eq!(store.incident(99).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn every_kind_of_root_comes_back() {
    on_both(async |store: Store| {
        let roots = [
            Root::OwnNetwork,
            Root::Credential("city 1".to_owned()),
            Root::Device("10.1.2.3:554".to_owned()),
            Root::Site("S-1".parse().unwrap()),
            Root::Point(point(1)),
        ];
        for root in roots {
            let opened = open(&store, root, "").await;
            assert_eq!(store.incident(opened.id).await.unwrap(), Some(opened));
        }
        assert_eq!(store.live_incidents().await.unwrap().len(), 5);
    })
    .await;
}

#[tokio::test]
async fn what_was_decided_on_another_state_is_not_kept_nor_anything_beside_it() {
    on_both(async |store: Store| {
        let incident = open(&store, Root::OwnNetwork, EAST).await;
        let first = change(&incident, &[Happening::Acknowledged { by: "duty".to_owned() }], 110);
        store.keep_incidents(&[], std::slice::from_ref(&first), silent, at(110)).await.unwrap();
        let late = change(&incident, &[Happening::FalseAlarm], 120);
        let beside = opening(Root::Point(point(4)), WEST, &[4]);
        assert!(store.keep_incidents(&[beside], &[late], silent, at(120)).await.is_err());
        assert_eq!(store.live_incidents().await.unwrap(), [first.after]);
    })
    .await;
}

#[tokio::test]
async fn lists_are_narrowed_and_newest_first() {
    on_both(async |store: Store| {
        let east = open(&store, Root::Point(point(1)), EAST).await;
        let far = open(&store, Root::Point(point(5)), FAR).await;
        let county = open(&store, Root::Link("C".parse().unwrap()), "230521").await;
        let everywhere = open(&store, Root::OwnNetwork, "").await;
        let ended = change(&far, &[Happening::FalseAlarm, Happening::Gone], 120);
        let overdue = change(&east, &[Happening::Overdue, Happening::Recovered([point(1)].into())], 120);
        store.keep_incidents(&[], &[ended, overdue], silent, at(120)).await.unwrap();
        let filter = |stages: &[Stage], scope: &str, overdue| IncidentFilter {
            stages: stages.to_vec(),
            kinds: RootKind::ALL.to_vec(),
            division: (!scope.is_empty()).then(|| division(scope)),
            overdue,
        };
        let check = async |filter: IncidentFilter, expected: &[i64]| {
            let rows = store.incident_rows(&filter, i64::MAX, 10).await.unwrap();
            assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), expected, "{filter:?}");
        };
        let every = &Stage::ALL[..];
        check(filter(every, "", false), &[everywhere.id, county.id, far.id, east.id]).await;
        check(filter(&[Stage::FalseAlarm], "", false), &[far.id]).await;
        check(filter(&[Stage::Closed], "", false), &[]).await;
        check(filter(every, EAST, false), &[everywhere.id, county.id, east.id]).await;
        check(filter(every, "230522", false), &[everywhere.id, far.id]).await;
        check(filter(every, "", true), &[east.id]).await;
        let points = IncidentFilter { kinds: vec![RootKind::Point], ..filter(every, "", false) };
        check(points, &[far.id, east.id]).await;
        let rows = store.incident_rows(&filter(every, "", false), county.id, 1).await.unwrap();
        let row = &rows[0];
        assert_eq!((row.id, row.stage, row.ended), (far.id, Stage::FalseAlarm, Some(at(120))));
        let rows = store.incident_rows(&filter(every, EAST, true), i64::MAX, 1).await.unwrap();
        assert_eq!((rows[0].restored_of, rows[0].overdue, rows[0].class), ((1, 2), true, PointClass::Two));
        assert_eq!(rows[0].due, Some(at(90 + 3_600)));
    })
    .await;
}
