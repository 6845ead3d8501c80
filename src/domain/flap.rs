//! Flapping (抖动) in Icinga's form, with a floor on time so that slow and fast rhythms of looks behave alike.
//!
//! Only marks the point: one word instead of many messages. Never touches the timeline or a figure.

use crate::domain::Timestamp;
use std::time::Duration;

/// Results remembered (Icinga 2 `checkable-flapping.cpp`).
const RESULTS: u32 = 20;
/// Weight of the oldest change, and what each newer one weighs more.
const OLDEST_WEIGHT: u32 = 80;
const WEIGHT_STEP: u32 = 2;
/// Flapping begins above this many hundredths of [`RESULTS`] and ends at or below the second.
const BEGIN_PERCENT: u32 = 30;
const END_PERCENT: u32 = 25;
/// ..and needs this many changes within this time.
const LEAST_CHANGES: usize = 4;
const CHANGE_TIME: Duration = Duration::from_secs(3600);

/// What a look that could change a state said, coarsely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// Pictures without a fault.
    Good,
    /// Pictures with a fault.
    Faulty,
    /// No pictures.
    Failed,
}

/// The last results of a point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flapping {
    last: Option<Grade>,
    /// One bit per result, newest lowest: whether it differed from the one before.
    changes: u32,
    /// Start of the looks behind the newest changes, newest first.
    changed: [Option<Timestamp>; LEAST_CHANGES],
    active: bool,
}

impl Flapping {
    /// Takes the next result.
    pub fn observe(&mut self, grade: Grade, at: Timestamp) {
        let differs = self.last.is_some_and(|last| last != grade);
        self.last = Some(grade);
        self.changes = ((self.changes << 1) | u32::from(differs)) & ((1 << RESULTS) - 1);
        if differs {
            self.changed.rotate_right(1);
            self.changed[0] = Some(at);
        }
        let limit = if self.active { END_PERCENT } else { BEGIN_PERCENT };
        self.active = self.percent_times_results() > limit * RESULTS && self.changes_are_recent(at);
    }

    /// Moves the remembered instants along with a stepped clock.
    pub fn shift(&mut self, step_ms: i64) {
        for change in self.changed.iter_mut().flatten() {
            *change = change.shifted(step_ms);
        }
    }

    /// Whether the point flaps.
    pub const fn is_active(&self) -> bool {
        self.active
    }

    fn percent_times_results(&self) -> u32 {
        (0..RESULTS)
            .filter(|age| self.changes & (1 << age) != 0)
            .map(|age| OLDEST_WEIGHT + WEIGHT_STEP * (RESULTS - 1 - age))
            .sum()
    }

    fn changes_are_recent(&self, at: Timestamp) -> bool {
        self.changed.iter().all(|change| change.is_some_and(|change| at.since(change) <= CHANGE_TIME))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds one result per `step` seconds (`g`ood, `d`egraded, anything else failed); tells whether it flaps then.
    fn check(results: &str, step: i64, expected: bool) {
        let mut flapping = Flapping::default();
        for (i, letter) in (0..).zip(results.chars()) {
            let grade = match letter {
                'g' => Grade::Good,
                'd' => Grade::Faulty,
                _ => Grade::Failed,
            };
            flapping.observe(grade, Timestamp::from_seconds(i * step));
        }
        assert_eq!(flapping.is_active(), expected, "{results} every {step} s");
    }

    #[test]
    fn flapping_needs_a_share_of_changes() {
        check("gggggggggggggggggggg", 60, false);
        check("gggggggggggggggggxgx", 60, false);
        check("ggggggggggggggxgxgxg", 60, true);
        check("xgxgxgxgxgxgxgxgxgxg", 60, true);
        check("gdgdgdgdgdgd", 60, true);
    }

    #[test]
    fn flapping_ends_lower_than_it_begins() {
        // Six changes age: at their oldest they still weigh 5.1 of 20, then five weigh 4.2.
        check("gxgxgxgggggggggggggg", 60, true);
        check("gxgxgxgggggggggggggggg", 60, false);
    }

    #[test]
    fn slow_changes_are_no_flapping() {
        check("xgxgxgxgxgxgxgxgxgxg", 1_300, false);
        check("xgxgxgxgxgxgxgxgxgxg", 1_000, true);
    }
}
