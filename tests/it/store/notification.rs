//! The outbox: queued with what it tells of, settled once, counted, listed.

use crate::store::fixture::at;
use crate::support::postgres::on_both;
use sharpeyes::config::StoreSettings;
use sharpeyes::domain::incident::{Happening, Incident, IncidentEvent, Level, Opening, Root, RootKind};
use sharpeyes::domain::message::{Message, MessageKind, Severity};
use sharpeyes::domain::outbox::{EntryState, Notice};
use sharpeyes::domain::{Cause, PointClass, Timestamp};
use sharpeyes::store::Store;
use sharpeyes::store::incident::IncidentChange;
use sharpeyes::store::notification::{OutboxLength, Waiting};
use sharpeyes::store::retention::Pruned;
use std::time::Duration;

fn message(incident: i64, kind: MessageKind) -> Message {
    Message {
        id: format!("incident-{incident}-{}", kind.as_str()),
        incident: Some(incident),
        kind,
        severity: Severity::Page,
        level: Level::Township,
        division: "230521".parse().ok(),
        title: "【故障】村级上行 \"中断\"".to_owned(),
        text: "第一行\n第二行".to_owned(),
        at: at(100),
        since: at(90),
        ended: kind.ends_incident().then(|| at(100)),
        cause: "link_down".to_owned(),
        labels: [("alertname".to_owned(), "SharpEyesIncident".to_owned())].into(),
        link: None,
    }
}

fn notice(channel: &str, incident: i64, kind: MessageKind, due: Timestamp) -> Notice {
    Notice { channel: channel.to_owned(), message: message(incident, kind), due }
}

async fn open(store: &Store, channels: &[&str]) -> Incident {
    let opening = Opening {
        root: Root::OwnNetwork,
        cause: Cause::OwnNetwork,
        since: at(90),
        members: ["23052100001320000001".parse().unwrap()].into(),
        class: PointClass::One,
        division: None,
        level: Level::City,
        deadline: Duration::from_secs(60),
    };
    let announce = |incident: &Incident| {
        channels.iter().map(|channel| notice(channel, incident.id, MessageKind::Problem, at(130))).collect()
    };
    store.keep_incidents(&[opening], &[], announce, at(100)).await.unwrap().remove(0)
}

async fn close(store: &Store, incident: &Incident, notices: Vec<Notice>) -> Incident {
    happen(store, incident, Happening::Closed, notices).await
}

async fn happen(store: &Store, incident: &Incident, what: Happening, notices: Vec<Notice>) -> Incident {
    let mut change = IncidentChange::none(incident.clone());
    change.after.apply(&what, at(200));
    change.events.push(IncidentEvent::found(what, at(200)));
    change.notices = notices;
    store.keep_incidents(&[], std::slice::from_ref(&change), |_| Vec::new(), at(200)).await.unwrap();
    change.after
}

#[tokio::test]
async fn what_is_told_is_queued_once_and_settled() {
    on_both(async |store: Store| {
        let incident = open(&store, &["duty", "mail"]).await;
        let waiting = store.waiting_notifications("duty", 10, at(300)).await.unwrap();
        let [only] = waiting.as_slice() else { panic!("{waiting:?}") };
        let (id, entry) = (only.entries[0].id, only.entries[0]);
        assert_eq!((only.incident, entry.kind, entry.due), (incident.id, MessageKind::Problem, at(130)));
        assert_eq!(only.messages[&id], (message(incident.id, MessageKind::Problem), 0));
        assert_eq!(
            store.outbox_length().await.unwrap(),
            OutboxLength { queued: 2, ..OutboxLength::default() }
        );
        assert_eq!(store.waiting_notifications("duty", 10, at(129)).await.unwrap(), [], "it is not due");

        store.fail_notifications(&[id], "no answer", at(300), true).await.unwrap();
        let waiting = store.waiting_notifications("duty", 10, at(300)).await.unwrap();
        assert_eq!((waiting[0].messages[&id].1, waiting[0].entries[0].due), (1, at(300)));
        assert!(waiting[0].entries[0].perhaps, "the receiver may have it");

        store.hold_notifications(&[id], "muted", at(305)).await.unwrap();
        assert_eq!(store.waiting_notifications("duty", 10, at(304)).await.unwrap(), []);
        let waiting = store.waiting_notifications("duty", 10, at(305)).await.unwrap();
        assert_eq!(waiting[0].messages[&id].1, 1, "holding back is no failure");
        assert!(waiting[0].entries[0].perhaps, "it may have it all the same");
        assert_eq!(store.outbox_length().await.unwrap(), OutboxLength { queued: 1, held: 1, dead: 0 });
        assert_eq!(store.held_incidents("duty", "muted").await.unwrap(), 1);
        assert_eq!(store.held_incidents("mail", "muted").await.unwrap(), 0);
        assert_eq!(store.told_incidents("duty", &RootKind::ALL).await.unwrap(), 1, "it may have been told");
        assert_eq!(store.told_incidents("mail", &RootKind::ALL).await.unwrap(), 0);

        store.settle_notifications(&[id], EntryState::Sent, "", at(310)).await.unwrap();
        assert_eq!(store.waiting_notifications("duty", 10, at(300)).await.unwrap(), []);
        assert_eq!(store.told_incidents("duty", &[incident.root.kind()]).await.unwrap(), 1);
        assert_eq!(store.told_incidents("duty", &[]).await.unwrap(), 0);
        let again = notice("duty", incident.id, MessageKind::Problem, at(400));
        let end = notice("duty", incident.id, MessageKind::Recovery, at(200));
        close(&store, &incident, vec![again, end]).await;
        let waiting = store.waiting_notifications("duty", 10, at(300)).await.unwrap();
        let states: Vec<_> = waiting[0].entries.iter().map(|entry| (entry.kind, entry.state)).collect();
        assert_eq!(
            states,
            [(MessageKind::Problem, EntryState::Sent), (MessageKind::Recovery, EntryState::Queued),]
        );
        assert_eq!(waiting[0].messages.len(), 1);
        assert_eq!(store.told_incidents("duty", &RootKind::ALL).await.unwrap(), 0, "it is over");
    })
    .await;
}

#[tokio::test]
async fn what_has_to_wait_holds_up_nothing_of_others() {
    on_both(async |store: Store| {
        let (first, second) = (open(&store, &["duty"]).await, open(&store, &["duty"]).await);
        let of = |waiting: &[Waiting]| -> Vec<i64> { waiting.iter().map(|it| it.incident).collect() };
        let one = store.waiting_notifications("duty", 1, at(130)).await.unwrap();
        assert_eq!(of(&one), [first.id]);
        store.fail_notifications(&[one[0].entries[0].id], "no answer", at(500), false).await.unwrap();
        // What is behind the one that waits is not told before it.
        close(&store, &first, vec![notice("duty", first.id, MessageKind::Overdue, at(140))]).await;
        assert_eq!(of(&store.waiting_notifications("duty", 1, at(150)).await.unwrap()), [second.id]);
        let all = store.waiting_notifications("duty", 10, at(500)).await.unwrap();
        assert_eq!((of(&all), all[0].entries.len()), (vec![first.id, second.id], 2));
    })
    .await;
}

#[tokio::test]
async fn what_a_clock_that_was_ahead_queued_is_due_now() {
    on_both(async |store: Store| {
        let incident = open(&store, &["duty"]).await;
        let id = store.waiting_notifications("duty", 10, at(130)).await.unwrap()[0].entries[0].id;
        store.fail_notifications(&[id], "no answer", at(130 + 8 * 3_600), false).await.unwrap();
        let waiting = store.waiting_notifications("duty", 10, at(130)).await.unwrap();
        assert_eq!((waiting[0].incident, waiting[0].entries[0].due), (incident.id, Timestamp::MIN));
    })
    .await;
}

#[tokio::test]
async fn what_waits_for_a_channel_that_is_gone_is_given_up() {
    on_both(async |store: Store| {
        open(&store, &["duty", "gone"]).await;
        assert_eq!(store.drop_notifications_of_others(&["duty"], at(200)).await.unwrap(), 1);
        assert_eq!(store.drop_notifications_of_others(&["duty"], at(200)).await.unwrap(), 0);
        assert_eq!(
            store.outbox_length().await.unwrap(),
            OutboxLength { queued: 1, ..OutboxLength::default() }
        );
        let dropped = store.notification_rows(Some(EntryState::Dropped), None, i64::MAX, 10).await.unwrap();
        assert_eq!(dropped[0].channel, "gone");
        assert_eq!(store.drop_notifications_of_others(&[], at(200)).await.unwrap(), 1, "no channel at all");
    })
    .await;
}

#[tokio::test]
async fn nobody_is_told_of_what_is_restored_before_its_time() {
    on_both(async |store: Store| {
        let waiting = async || store.waiting_notifications("duty", 10, at(300)).await.unwrap();
        let incident = open(&store, &["duty"]).await;
        let incident = happen(&store, &incident, Happening::Restored, Vec::new()).await;
        assert_eq!(waiting().await, []);
        let incident = happen(&store, &incident, Happening::FailedAgain, Vec::new()).await;
        assert_eq!(waiting().await.len(), 1);
        let incident = happen(&store, &incident, Happening::Restored, Vec::new()).await;
        let end = notice("duty", incident.id, MessageKind::Recovery, at(200));
        close(&store, &incident, vec![end]).await;
        assert_eq!(waiting().await[0].entries.len(), 2, "both are dropped");
    })
    .await;
}

#[tokio::test]
async fn what_a_receiver_forgets_is_found_while_the_incident_lasts() {
    on_both(async |store: Store| {
        let incident = open(&store, &["am"]).await;
        let id = store.waiting_notifications("am", 10, at(300)).await.unwrap()[0].entries[0].id;
        assert_eq!(store.stale_notifications("am", at(900), 10).await.unwrap(), []);
        store.settle_notifications(&[id], EntryState::Sent, "", at(310)).await.unwrap();
        assert_eq!(store.stale_notifications("am", at(310), 10).await.unwrap(), []);
        let stale = store.stale_notifications("am", at(311), 10).await.unwrap();
        assert_eq!(stale, [(id, message(incident.id, MessageKind::Problem))]);
        close(&store, &incident, Vec::new()).await;
        assert_eq!(store.stale_notifications("am", at(900), 10).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn dead_letters_are_counted_and_listed() {
    on_both(async |store: Store| {
        let incident = open(&store, &["duty", "mail"]).await;
        let id = store.waiting_notifications("mail", 10, at(300)).await.unwrap()[0].entries[0].id;
        store.settle_notifications(&[id], EntryState::Dead, "550 no such user", at(310)).await.unwrap();
        assert_eq!(store.outbox_length().await.unwrap(), OutboxLength { queued: 1, held: 0, dead: 1 });
        let dead = store.notification_rows(Some(EntryState::Dead), None, i64::MAX, 10).await.unwrap();
        let [row] = dead.as_slice() else { panic!("{dead:?}") };
        assert_eq!((row.id, row.why.as_str(), row.settled), (id, "550 no such user", Some(at(310))));
        assert_eq!((row.channel.as_str(), row.incident), ("mail", incident.id));
        let all = store.notification_rows(None, Some(incident.id), i64::MAX, 10).await.unwrap();
        assert_eq!(all.len(), 2);
        assert!(all[0].id > all[1].id);
        assert_eq!(store.notification_rows(None, None, all[1].id, 10).await.unwrap(), []);
        assert_eq!(store.notification_rows(None, Some(99), i64::MAX, 10).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn an_incident_goes_with_all_that_was_told_of_it_once_it_is_old() {
    on_both(async |store: Store| {
        let (ended, goes_on) = (open(&store, &["duty"]).await, open(&store, &["duty"]).await);
        let end = notice("duty", ended.id, MessageKind::Recovery, at(200));
        close(&store, &ended, vec![end]).await;
        let settings = StoreSettings::default();
        let horizon = 200 + 86_400 * i64::from(settings.interval_days);
        assert_eq!(store.prune(at(horizon), &settings).await.unwrap(), Pruned::default(), "not yet");
        let pruned = store.prune(at(horizon + 1), &settings).await.unwrap();
        assert_eq!(pruned, Pruned { incidents: 1, ..Pruned::default() });
        assert_eq!(store.incident(ended.id).await.unwrap(), None);
        assert_eq!(store.incident_events(ended.id, 0, 10).await.unwrap(), []);
        let told = store.notification_rows(None, None, i64::MAX, 10).await.unwrap();
        assert_eq!(told.iter().map(|row| row.incident).collect::<Vec<_>>(), [goes_on.id]);
        assert_eq!(store.incident(goes_on.id).await.unwrap(), Some(goes_on));
    })
    .await;
}
