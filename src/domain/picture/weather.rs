//! The weather rule: what most cameras of a township show at once is snow, fog or rain, not a fault of each of them
//! (天气影响).

use crate::domain::Timestamp;
use crate::domain::picture::settings::WeatherRule;
use crate::domain::picture::{Grade, Item, ItemSet, PerItem, count};
use std::time::Duration;

/// Faults that began further apart than this are not one weather: a front crosses a township within hours, and what two
/// cameras have shown for different months is theirs.
const AT_ONCE: Duration = Duration::from_secs(6 * 3_600);

/// What a point shows of an item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Showing {
    /// How bad it is.
    pub grade: Grade,
    /// Since when, where it is a fault.
    pub since: Option<Timestamp>,
}

/// The items that weather explains in a township, by what each of its points shows, confirmed or not. The caller leaves
/// out looks that are older than a round: yesterday's fog is not today's.
pub fn weather<'a>(shown: impl IntoIterator<Item = &'a PerItem<Showing>>, rule: &WeatherRule) -> ItemSet {
    let mut tallies = PerItem::new(|_| (0_usize, Vec::new()));
    for showings in shown {
        for ((_, (checked, begun)), (_, showing)) in tallies.iter_mut().zip(showings.iter()) {
            *checked += usize::from(!matches!(showing.grade, Grade::NotChecked(_)));
            begun.extend(showing.since.filter(|_| showing.grade.is_fault()));
        }
    }
    let covers = |(item, (checked, begun)): &(Item, &(usize, Vec<Timestamp>))| {
        item.may_be_weather()
            && *checked >= rule.least_points
            && count(most_at_once(begun)) >= rule.ratio * count(*checked)
    };
    tallies.iter().filter(covers).map(|(item, _)| item).collect()
}

/// How many began together, at most.
fn most_at_once(begun: &[Timestamp]) -> usize {
    let together = |first: &Timestamp| {
        let until = first.plus(AT_ONCE);
        begun.iter().filter(|other| *other >= first && **other <= until).count()
    };
    begun.iter().map(together).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::picture::Skip;
    use proptest::prelude::{prop, prop_assert, proptest};

    const RULE: WeatherRule = WeatherRule { ratio: 0.5, least_points: 4 };

    /// A township whose points show an item as `n`ormal, `w`arning, `a`bnormal, `c`hronically so, or not at all.
    fn township(item: Item, points: &str) -> Vec<PerItem<Showing>> {
        let (today, month_ago) = (Timestamp::from_seconds(3_000_000), Timestamp::from_seconds(400_000));
        let showing = |letter| match letter {
            'n' => Showing { grade: Grade::Normal, since: Some(month_ago) },
            'w' => Showing { grade: Grade::Warning, since: Some(today) },
            'a' => Showing { grade: Grade::Abnormal, since: Some(today.plus(AT_ONCE)) },
            'c' => Showing { grade: Grade::Abnormal, since: Some(month_ago) },
            _ => Showing { grade: Grade::NotChecked(Skip::NoPicture), since: None },
        };
        let normal = Showing { grade: Grade::Normal, since: None };
        let point = |letter| PerItem::new(|own| if own == item { showing(letter) } else { normal });
        points.chars().map(point).collect()
    }

    fn check(item: Item, points: &str, expected: bool) {
        let found = weather(&township(item, points), &RULE);
        let wanted: ItemSet = expected.then_some(item).into_iter().collect();
        assert_eq!(found, wanted, "{item} {points}");
    }

    #[test]
    fn half_of_enough_points_is_weather() {
        check(Item::Blurred, "aann", true);
        check(Item::Blurred, "awnn", true);
        check(Item::Blurred, "annn", false);
        check(Item::Blurred, "aaa", false);
        check(Item::Blurred, "", false);
        check(Item::Covered, "aaaannnnn", false);
    }

    #[test]
    fn what_began_at_different_times_is_no_weather() {
        check(Item::Blurred, "acnn", false);
        check(Item::Blurred, "ccnn", true);
        check(Item::Blurred, "aaccn", false);
        check(Item::Blurred, "aaacn", true);
    }

    #[test]
    fn points_without_a_picture_say_nothing() {
        check(Item::TooBright, "aann-----", true);
        check(Item::TooBright, "aaa------", false);
    }

    #[test]
    fn no_weather_freezes_or_cuts_a_picture() {
        for item in Item::ALL {
            check(item, "aaaaaa", item.may_be_weather());
        }
        assert!(!Item::Frozen.may_be_weather() && !Item::SignalLost.may_be_weather());
    }

    proptest! {
        #[test]
        fn one_more_healthy_point_never_makes_it_weather(faulty in 0..20_usize, healthy in 0..20_usize) {
            let points = |healthy| format!("{}{}", "a".repeat(faulty), "n".repeat(healthy));
            let is_weather = |healthy| weather(&township(Item::Noise, &points(healthy)), &RULE).contains(Item::Noise);
            let enough = faulty + healthy >= RULE.least_points;
            prop_assert!(!enough || is_weather(healthy) || !is_weather(healthy + 1));
        }

        #[test]
        fn the_order_of_the_points_does_not_matter(letters in prop::collection::vec(prop::sample::select(vec!['a', 'w', 'n', '-']), 0..12)) {
            let forward: String = letters.iter().collect();
            let backward: String = letters.iter().rev().collect();
            let of = |points: &str| weather(&township(Item::Moved, points), &RULE);
            prop_assert!(of(&forward) == of(&backward));
        }
    }
}
