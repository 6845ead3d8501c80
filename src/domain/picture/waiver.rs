//! Items that a person does not want checked at a point, always or at times: a camera that shall look into the sun every
//! evening, a yard that is dark at night.

use crate::domain::picture::ItemSet;
use crate::domain::{Timestamp, Window};

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// When a waiver holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// In a window of time.
    Within(Window),
    /// Every day from one minute of the local day to another, over midnight when the second is not the later one.
    Daily {
        /// The first minute.
        from: u16,
        /// The minute after the last one.
        to: u16,
    },
}

impl When {
    /// Whether it holds at `now`, the `minute`th of the local day.
    pub fn holds(self, now: Timestamp, minute: u16) -> bool {
        match self {
            Self::Always => true,
            Self::Within(window) => window.contains(now),
            Self::Daily { from, to } => {
                let since = |start: u16| (minute % DAY + DAY - start % DAY) % DAY;
                from % DAY == to % DAY || since(from) < (to % DAY + DAY - from % DAY) % DAY
            }
        }
    }
}

/// Items that are not checked at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiver {
    /// The items.
    pub items: ItemSet,
    /// When.
    pub when: When,
}

/// The items that some waiver holds for.
pub fn waived(waivers: &[Waiver], now: Timestamp, minute: u16) -> ItemSet {
    let holding = waivers.iter().filter(|waiver| waiver.when.holds(now, minute));
    holding.fold(ItemSet::default(), |all, waiver| all.union(waiver.items))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::picture::Item;
    use proptest::prelude::{prop_assert_eq, proptest};

    #[test]
    fn a_daily_waiver_may_go_over_midnight() {
        let check = |from, to, minute, expected: bool| {
            let holds = When::Daily { from, to }.holds(Timestamp::MIN, minute);
            assert_eq!(holds, expected, "{from}-{to} at {minute}");
        };
        check(60, 120, 59, false);
        check(60, 120, 60, true);
        check(60, 120, 119, true);
        check(60, 120, 120, false);
        check(1_320, 300, 1_320, true);
        check(1_320, 300, 0, true);
        check(1_320, 300, 299, true);
        check(1_320, 300, 300, false);
        check(0, 1_440, 700, true);
    }

    #[test]
    fn only_what_holds_now_is_waived() {
        let at = Timestamp::from_seconds;
        let window = Window::new(at(10), at(20)).unwrap();
        let waiver = |item: Item, when| Waiver { items: [item].into_iter().collect(), when };
        let waivers = [
            waiver(Item::Moved, When::Always),
            waiver(Item::TooDark, When::Within(window)),
            waiver(Item::TooBright, When::Daily { from: 100, to: 200 }),
        ];
        let check = |now, minute, expected: &[Item]| {
            assert_eq!(waived(&waivers, at(now), minute), expected.iter().copied().collect());
        };
        check(5, 0, &[Item::Moved]);
        check(10, 0, &[Item::Moved, Item::TooDark]);
        check(20, 150, &[Item::Moved, Item::TooBright]);
    }

    proptest! {
        #[test]
        fn a_day_is_shared_between_a_waiver_and_its_opposite(from in 0..1_440_u16, to in 0..1_440_u16, minute in 0..1_440_u16) {
            let holds = |from, to| When::Daily { from, to }.holds(Timestamp::MIN, minute);
            if from != to {
                prop_assert_eq!(holds(from, to), !holds(to, from));
            }
        }
    }
}
