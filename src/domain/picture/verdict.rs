//! What the diagnosis of a point's picture says to the rest of the service.

use crate::domain::picture::baseline::Origin;
use crate::domain::picture::{Diagnosis, Grade, Item, ItemSet, Light, PerItem, Status};
use crate::domain::{Cause, PointCode, Timestamp};

/// A still that was kept: where its picture can be found again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StillNote {
    /// When its picture was received.
    pub at: Timestamp,
    /// The first 64 bits of its SHA-256, in hex.
    pub hash: String,
}

/// A fault of the picture that the diagnosis believes: enough rounds over enough time saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfirmedFault {
    /// Its cause.
    pub cause: Cause,
    /// Since when, back-dated to the first round that saw it.
    pub since: Timestamp,
}

/// The version of the baselines that a verdict rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaselineNote {
    /// Number, growing with each word of a person.
    pub version: u32,
    /// Where it comes from.
    pub origin: Origin,
    /// Since when it holds.
    pub since: Timestamp,
    /// The lights that are known.
    pub known: Vec<Light>,
}

/// The diagnosis of one point at one instant.
#[derive(Clone, Debug, PartialEq)]
pub struct PictureVerdict {
    /// The point.
    pub point: PointCode,
    /// The newest look at its picture since start; none yet right after one.
    pub looked: Option<Timestamp>,
    /// Width and height of the newest picture, as decoded.
    pub size: Option<(u32, u32)>,
    /// Every item.
    pub items: PerItem<Status>,
    /// The items that weather explains in its township.
    pub weather: ItemSet,
    /// What it was held against.
    pub baseline: BaselineNote,
    /// The newest still.
    pub still: Option<StillNote>,
}

impl BaselineNote {
    /// What is to be said of the baselines of a diagnosis.
    pub fn of(diagnosis: &Diagnosis) -> Self {
        let baselines = diagnosis.baselines();
        let known = baselines.known().map(|(light, _)| light).collect();
        Self { version: baselines.version(), origin: baselines.origin(), since: baselines.since(), known }
    }
}

impl PictureVerdict {
    /// The believed faults that make the point `degraded`, the worst first: abnormal ones before warnings. Weather is no
    /// fault, and a lost signal is told by the looks.
    pub fn faults(&self) -> Vec<ConfirmedFault> {
        let of_grade = |wanted: Grade| {
            let found = self
                .items
                .iter()
                .filter(move |(item, status)| status.grade == wanted && !self.weather.contains(*item));
            found.filter_map(|(item, status)| {
                let since = status.since.unwrap_or(Timestamp::MIN);
                Some(ConfirmedFault { cause: Cause::of_item(item)?, since })
            })
        };
        of_grade(Grade::Abnormal).chain(of_grade(Grade::Warning)).collect()
    }

    /// Since when an item is believed to be well again; `None` while it is not.
    pub fn cleared(&self, item: Item) -> Option<Timestamp> {
        let status = self.items.of(item);
        status.since.filter(|_| status.grade == Grade::Normal)
    }

    /// The worst that is believed; weather counts as well. Not checked when nothing was.
    pub fn grade(&self) -> Grade {
        let believed = |(item, status): (Item, &Status)| {
            let is_weather = status.grade.is_fault() && self.weather.contains(item);
            if is_weather { Grade::Normal } else { status.grade }
        };
        let grades = || self.items.iter().map(believed);
        let has = |wanted: Grade| grades().any(|grade| grade == wanted);
        [Grade::Abnormal, Grade::Warning, Grade::Normal]
            .into_iter()
            .find(|grade| has(*grade))
            .unwrap_or_else(|| self.items.of(Item::Blank).grade)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::picture::{Reading, Skip};

    fn verdict(items: &[(Item, Grade, i64)], weather: ItemSet) -> PictureVerdict {
        let status = |item| {
            let found = items.iter().find(|(own, ..)| *own == item);
            let unchecked = Grade::NotChecked(Skip::Learning);
            Status {
                grade: found.map_or(unchecked, |(_, grade, _)| *grade),
                since: found.map(|(.., second)| Timestamp::from_seconds(*second)),
                newest: Reading::skipped(Skip::Learning),
            }
        };
        let baseline =
            BaselineNote { version: 1, origin: Origin::First, since: Timestamp::MIN, known: Vec::new() };
        PictureVerdict {
            point: "23052100001320000001".parse().unwrap(),
            looked: None,
            size: None,
            items: PerItem::new(status),
            weather,
            baseline,
            still: None,
        }
    }

    fn check(items: &[(Item, Grade, i64)], weather: &[Item], faults: &[&str], grade: Grade) {
        let verdict = verdict(items, weather.iter().copied().collect());
        let found = verdict.faults();
        assert_eq!(found.iter().map(|fault| fault.cause.as_str()).collect::<Vec<_>>(), faults, "{items:?}");
        assert_eq!(verdict.grade(), grade, "{items:?}");
    }

    #[test]
    fn the_worst_fault_comes_first_and_weather_is_none() {
        use Grade::{Abnormal, Normal, Warning};
        check(&[], &[], &[], Grade::NotChecked(Skip::Learning));
        check(&[(Item::Blank, Normal, 1)], &[], &[], Normal);
        check(&[(Item::Noise, Warning, 1), (Item::Moved, Abnormal, 2)], &[], &["moved", "noise"], Abnormal);
        check(&[(Item::Blurred, Abnormal, 1)], &[Item::Blurred], &[], Normal);
        check(
            &[(Item::Blurred, Abnormal, 1), (Item::Noise, Warning, 1)],
            &[Item::Blurred],
            &["noise"],
            Warning,
        );
        check(&[(Item::SignalLost, Abnormal, 1)], &[], &[], Abnormal);
    }

    #[test]
    fn an_item_is_cleared_when_it_is_believed_to_be_well() {
        let verdict = verdict(
            &[(Item::Blank, Grade::Normal, 7), (Item::Moved, Grade::Abnormal, 8)],
            ItemSet::default(),
        );
        assert_eq!(verdict.cleared(Item::Blank), Some(Timestamp::from_seconds(7)));
        assert_eq!(verdict.cleared(Item::Moved), None);
        assert_eq!(verdict.cleared(Item::Noise), None);
    }
}
