//! The JSON form of what an event of an incident carries.

use crate::domain::incident::{Happening, Level, RepairReason};
use crate::domain::{Cause, PointCode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// What any event may carry; each carries its own part.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Detail {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    points: Vec<String>,
    /// A cause and what it carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<(String, Option<String>)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    into: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignee: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approver: Option<String>,
}

impl Detail {
    pub(super) fn of(happening: &Happening) -> Self {
        let empty = Self::default();
        match happening {
            Happening::Joined(points) | Happening::Recovered(points) => {
                Self { points: points.iter().map(|point| point.as_str().to_owned()).collect(), ..empty }
            }
            Happening::CauseChanged(cause) => {
                let cause = (cause.as_str().to_owned(), cause.detail().map(str::to_owned));
                Self { cause: Some(cause), ..empty }
            }
            Happening::Merged { into } => Self { into: Some(*into), ..empty },
            Happening::Escalated(level) => Self { level: Some(level.as_str().to_owned()), ..empty },
            Happening::Dispatched { assignee, deadline } => Self {
                assignee: Some(assignee.clone()),
                deadline_ms: Some(u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX)),
                ..empty
            },
            Happening::Repairing(reason) => Self { reason: Some(reason.as_str().to_owned()), ..empty },
            Happening::Suspended { approver } => Self { approver: Some(approver.clone()), ..empty },
            Happening::Restored
            | Happening::FailedAgain
            | Happening::Closed
            | Happening::Gone
            | Happening::Excluded
            | Happening::Included
            | Happening::Overdue
            | Happening::Acknowledged { .. }
            | Happening::Resumed
            | Happening::FalseAlarm
            | Happening::Noted => empty,
        }
    }

    /// The event of this word.
    pub(super) fn read(self, what: &str, actor: &str) -> Option<Happening> {
        Some(match what {
            "joined" => Happening::Joined(self.points()?),
            "recovered" => Happening::Recovered(self.points()?),
            "cause_changed" => {
                let (word, detail) = self.cause?;
                Happening::CauseChanged(Cause::parse(&word, detail.as_deref()).ok()?)
            }
            "merged" => Happening::Merged { into: self.into? },
            "escalated" => Happening::Escalated(Level::parse(&self.level?)?),
            "dispatched" => Happening::Dispatched {
                assignee: self.assignee?,
                deadline: Duration::from_millis(self.deadline_ms?),
            },
            "repairing" => Happening::Repairing(RepairReason::parse(&self.reason?)?),
            "suspended" => Happening::Suspended { approver: self.approver? },
            "restored" => Happening::Restored,
            "failed_again" => Happening::FailedAgain,
            "closed" => Happening::Closed,
            "gone" => Happening::Gone,
            "excluded" => Happening::Excluded,
            "included" => Happening::Included,
            "overdue" => Happening::Overdue,
            "acknowledged" => Happening::Acknowledged { by: actor.to_owned() },
            "resumed" => Happening::Resumed,
            "false_alarm" => Happening::FalseAlarm,
            "noted" => Happening::Noted,
            _ => return None,
        })
    }

    fn points(&self) -> Option<BTreeSet<PointCode>> {
        self.points.iter().map(|code| code.parse().ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_survives_its_json() {
        let points: BTreeSet<PointCode> = ["23052100001320000001".parse().unwrap()].into();
        let events = [
            Happening::Joined(points.clone()),
            Happening::Recovered(points),
            Happening::CauseChanged(Cause::LinkDown("V".parse().unwrap())),
            Happening::Restored,
            Happening::FailedAgain,
            Happening::Closed,
            Happening::Merged { into: 7 },
            Happening::Gone,
            Happening::Excluded,
            Happening::Included,
            Happening::Overdue,
            Happening::Escalated(Level::Township),
            Happening::Acknowledged { by: "local".to_owned() },
            Happening::Dispatched { assignee: "龙通".to_owned(), deadline: Duration::from_secs(3_600) },
            Happening::Repairing(RepairReason::PowerCut),
            Happening::Suspended { approver: "王".to_owned() },
            Happening::Resumed,
            Happening::FalseAlarm,
            Happening::Noted,
        ];
        for event in events {
            let text = serde_json::to_string(&Detail::of(&event)).unwrap();
            let read: Detail = serde_json::from_str(&text).unwrap();
            assert_eq!(read.read(event.as_str(), "local"), Some(event), "{text}");
        }
        let taken = Happening::Acknowledged { by: "王".to_owned() };
        assert_eq!(Detail::default().read("acknowledged", "王"), Some(taken), "as earlier versions kept it");
        assert_eq!(Detail::default().read("dispatched", "local"), None);
        assert_eq!(Detail::default().read("exploded", "local"), None);
    }
}
