//! The crowd: tickets that are too many for a receiver. They are held back, and how many they are is told as one message.
//!
//! Whoever keeps every alert in memory, as Alertmanager does, is brought down by twenty thousand cameras that fail each by itself,
//! and its readers are helped by none of them.

use crate::domain::Timestamp;
use crate::domain::incident::{Level, RootKind};
use crate::domain::message::{Message, MessageKind, Severity};
use std::collections::BTreeMap;
use std::time::Duration;

/// Why a ticket is held back.
pub(super) const TOO_MANY: &str = "too many tickets are told on this channel now";
/// It is tried again after this.
pub(super) const PAUSE: Duration = Duration::from_secs(60);
/// How many are held back is looked at this often, and told while there are any.
const PERIOD: Duration = Duration::from_secs(15);

/// What a channel was told of its crowd.
#[derive(Debug)]
pub(super) struct Crowd {
    /// Since when there is one; none while its receiver knows of none.
    since: Option<Timestamp>,
    /// When it is looked at next.
    due: Timestamp,
    /// How many there were when it was looked at last.
    counted: usize,
}

impl Crowd {
    pub(super) const fn new() -> Self {
        Self { since: None, due: Timestamp::MIN, counted: 0 }
    }

    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        // A clock that was set back is not waited for.
        now >= self.due || self.due > now.plus(PERIOD)
    }

    /// Some were held back just now: the first of them are told of at once.
    pub(super) fn grew(&mut self, now: Timestamp) {
        if self.counted == 0 {
            self.due = now;
        }
    }

    /// What is told when `held` incidents are held back and up to `most` are told; none where nobody need know.
    pub(super) fn message(&mut self, held: usize, most: usize, now: Timestamp) -> Option<Message> {
        (self.due, self.counted) = (now.plus(PERIOD), held);
        match (held, self.since) {
            (0, None) => None,
            (0, Some(since)) => Some(message(held, most, since, Some(now), now)),
            (_, since) => Some(message(held, most, since.unwrap_or(now), None, now)),
        }
    }

    /// Takes over that `message` was delivered.
    pub(super) fn told(&mut self, message: &Message) {
        self.since = message.ended.is_none().then_some(message.since);
    }
}

/// The kinds of incidents that are tickets.
pub(super) fn tickets() -> Vec<RootKind> {
    RootKind::ALL.into_iter().filter(|kind| Severity::of(*kind) == Severity::Ticket).collect()
}

fn message(held: usize, most: usize, since: Timestamp, ended: Option<Timestamp>, now: Timestamp) -> Message {
    let kind = MessageKind::Digest;
    let (title, text) = if ended.is_some() {
        (
            "暂缓推送的工单已全部补推或恢复".to_owned(),
            "同时告警的点位、杆位和设备故障已降到上限以内。".to_owned(),
        )
    } else {
        (
            format!("另有 {held} 起点位、杆位或设备故障暂缓推送"),
            format!("已推送的工单达到上限 {most} 起，另有 {held} 起暂缓，待前面的恢复后补推。全部见值班台。"),
        )
    };
    Message {
        id: format!("crowd-{}", since.as_millis()),
        incident: None,
        kind,
        severity: Severity::Ticket,
        level: Level::City,
        division: None,
        title: format!("【{}】{title}", kind.name_zh()),
        text,
        at: now,
        since,
        ended,
        cause: String::new(),
        labels: BTreeMap::from([("alertname".to_owned(), "SharpEyesIncidentsHeld".to_owned())]),
        link: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_told_while_it_lasts_and_its_end_once() {
        let at = Timestamp::from_seconds;
        let mut crowd = Crowd::new();
        assert!(crowd.is_due(at(0)));
        assert_eq!(crowd.message(0, 500, at(0)), None);
        assert!(!crowd.is_due(at(14)) && crowd.is_due(at(15)));
        crowd.grew(at(1));
        assert!(crowd.is_due(at(1)));
        let begun = crowd.message(19_500, 500, at(15)).unwrap();
        assert_eq!(begun.title, "【汇总】另有 19500 起点位、杆位或设备故障暂缓推送");
        assert_eq!((begun.since, begun.ended), (at(15), None));
        crowd.grew(at(16));
        assert!(!crowd.is_due(at(16)), "a receiver that does not answer is not asked all the time");
        crowd.told(&begun);
        let goes_on = crowd.message(7, 500, at(30)).unwrap();
        assert_eq!((goes_on.since, goes_on.id == begun.id), (at(15), true));
        let over = crowd.message(0, 500, at(45)).unwrap();
        assert_eq!((over.since, over.ended), (at(15), Some(at(45))));
        assert!(crowd.message(0, 500, at(60)).is_some(), "the end was not delivered");
        crowd.told(&over);
        assert_eq!(crowd.message(0, 500, at(75)), None);
    }
}
