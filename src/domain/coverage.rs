//! Figures: pooled counts, exact ratios, bounds and the comparison with a target.
//!
//! Nothing here rounds. A ratio is two whole numbers to the end, sums are pooled and never averaged, no data is no
//! ratio, and what is shown is cut off so that it never seems to reach a target that it misses.

use crate::domain::indicator::FigureId;
use crate::domain::indicator::Measure;
use crate::domain::timeline::StateMillis;
use crate::domain::{PointClass, State, Window};
use std::cmp::Ordering;
use std::fmt;

/// An exact ratio; its denominator is not zero.
#[derive(Clone, Copy, Debug)]
pub struct Ratio {
    over: u64,
    under: u64,
}

/// Parts that a shown ratio is cut to.
const SHOWN_PARTS: u128 = 1_000_000;

impl Ratio {
    /// All of it.
    pub const ONE: Self = Self { over: 1, under: 1 };

    /// `over / under`; `None` when there is nothing to divide by.
    pub const fn new(over: u64, under: u64) -> Option<Self> {
        if under == 0 { None } else { Some(Self { over, under }) }
    }

    /// A ratio of a million parts, as settings write it.
    pub const fn of_millionths(parts: u32) -> Self {
        Self { over: parts as u64, under: 1_000_000 }
    }

    /// Whole millionths, cut off: for display only.
    pub fn millionths(self) -> u64 {
        u64::try_from(u128::from(self.over).saturating_mul(SHOWN_PARTS) / u128::from(self.under.max(1)))
            .unwrap_or(u64::MAX)
    }

    /// The number for JSON: cut off at six places, so that it reaches a target only when the ratio does.
    #[expect(clippy::cast_precision_loss, reason = "a shown ratio is a few million at most")]
    pub fn shown(self) -> f64 {
        self.millionths() as f64 / 1e6
    }

    /// Percent with two places, cut off: `97.99`.
    pub fn percent(self) -> String {
        let hundredths = self.millionths() / 100;
        format!("{}.{:02}", hundredths / 100, hundredths % 100)
    }

    /// Whether `part` of `whole` reaches this ratio, exactly.
    pub fn is_reached_by(self, part: u64, whole: u64) -> bool {
        u128::from(part).saturating_mul(u128::from(self.under))
            >= u128::from(self.over).saturating_mul(u128::from(whole))
    }
}

impl PartialEq for Ratio {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ratio {}

impl PartialOrd for Ratio {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ratio {
    fn cmp(&self, other: &Self) -> Ordering {
        let left = u128::from(self.over).saturating_mul(u128::from(other.under));
        left.cmp(&u128::from(other.over).saturating_mul(u128::from(self.under)))
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.percent())
    }
}

/// The counts that make a figure; pooled by adding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// What meets the rule.
    pub numerator: u64,
    /// What was judged.
    pub denominator: u64,
    /// Considered, but not this figure's subject: time behind a dead link in the device view.
    pub aside: u64,
    /// Considered and not measured.
    pub unknown: u64,
    /// Left out by an approved exclusion.
    pub excluded: u64,
}

impl Counts {
    /// One thing that meets the rule.
    pub const MET: Self = Self { numerator: 1, denominator: 1, aside: 0, unknown: 0, excluded: 0 };
    /// One thing that misses the rule.
    pub const MISSED: Self = Self { numerator: 0, denominator: 1, aside: 0, unknown: 0, excluded: 0 };
    /// One thing that was not measured.
    pub const UNKNOWN: Self = Self { numerator: 0, denominator: 0, aside: 0, unknown: 1, excluded: 0 };
    /// One thing under an exclusion.
    pub const EXCLUDED: Self = Self { numerator: 0, denominator: 0, aside: 0, unknown: 0, excluded: 1 };

    /// One thing that was judged.
    pub const fn judged(met: bool) -> Self {
        if met { Self::MET } else { Self::MISSED }
    }

    /// The sum of both.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            numerator: self.numerator.saturating_add(other.numerator),
            denominator: self.denominator.saturating_add(other.denominator),
            aside: self.aside.saturating_add(other.aside),
            unknown: self.unknown.saturating_add(other.unknown),
            excluded: self.excluded.saturating_add(other.excluded),
        }
    }

    /// What was judged and missed the rule.
    pub const fn gap(&self) -> u64 {
        self.denominator.saturating_sub(self.numerator)
    }

    /// Everything but the excluded.
    pub const fn considered(&self) -> u64 {
        self.denominator.saturating_add(self.aside).saturating_add(self.unknown)
    }

    /// The figure; `None` when there is no data.
    pub const fn value(&self) -> Option<Ratio> {
        Ratio::new(self.numerator, self.denominator)
    }

    /// The figure if everything unknown missed the rule.
    pub const fn low(&self) -> Option<Ratio> {
        Ratio::new(self.numerator, self.denominator.saturating_add(self.unknown))
    }

    /// The figure if everything unknown met the rule.
    pub const fn high(&self) -> Option<Ratio> {
        let with_unknown = self.denominator.saturating_add(self.unknown);
        Ratio::new(self.numerator.saturating_add(self.unknown), with_unknown)
    }

    /// The share of what was considered that was measured.
    pub const fn observed(&self) -> Option<Ratio> {
        let measured = self.denominator.saturating_add(self.aside);
        Ratio::new(measured, self.considered())
    }
}

/// The counts of a time-weighted measure from sums per state; `excluded_ms` is the time that left.
///
/// `None` for measures that do not count time.
pub fn time_counts(measure: Measure, sums: &StateMillis, excluded_ms: u64) -> Option<Counts> {
    const GOOD: &[State] = &[State::Good];
    const ONLINE: &[State] = &[State::Good, State::Degraded];
    const DEVICE: &[State] = &[State::Good, State::Degraded, State::NoVideo, State::Offline];
    const SERVICE: &[State] =
        &[State::Good, State::Degraded, State::NoVideo, State::Offline, State::Unreachable];
    let (numerator, denominator) = match measure {
        Measure::Online => (ONLINE, SERVICE),
        Measure::OnlineDevice => (ONLINE, DEVICE),
        Measure::IntactInstalled => (GOOD, DEVICE),
        Measure::IntactOnline => (GOOD, ONLINE),
        Measure::Village
        | Measure::VillageTarget
        | Measure::Place
        | Measure::Grid
        | Measure::HighDefinition
        | Measure::HighDefinitionNew
        | Measure::EffectiveVillage
        | Measure::EffectiveGrid
        | Measure::Household
        | Measure::Networked
        | Measure::Clock
        | Measure::Repair
        | Measure::Responsible
        | Measure::Record => return None,
    };
    let (numerator, denominator) = (sums.of_all(numerator), sums.of_all(denominator));
    let unknown = sums.of(State::Unknown);
    let aside = sums.total().saturating_sub(denominator).saturating_sub(unknown);
    Some(Counts { numerator, denominator, aside, unknown, excluded: excluded_ms })
}

/// One figure of a division and window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Which figure.
    pub id: FigureId,
    /// The window that it is about.
    pub window: Window,
    /// Exclusions have left: the figure that counts.
    pub adjusted: Counts,
    /// Exclusions left aside: shown beside it, so that they cannot polish a figure unseen.
    pub raw: Counts,
    /// What the figure should reach.
    pub target: Option<Ratio>,
    /// Below this observed share the figure says `insufficient` and is not held against its target.
    pub sufficient: Ratio,
}

impl Figure {
    /// Whether too little was measured to say one number (数据不足).
    pub fn is_insufficient(&self) -> bool {
        self.adjusted.observed().is_some_and(|observed| observed < self.sufficient)
    }

    /// Whether the exact figure reaches its target; `None` without a target, without data or with too little of it.
    pub fn met(&self) -> Option<bool> {
        if self.is_insufficient() {
            return None;
        }
        Some(self.adjusted.value()? >= self.target?)
    }

    /// The figure as a person reads it: `97.99 %`, `—` without data, `数据不足 (61.20-74.00 %)` with too little of it.
    pub fn display(&self) -> String {
        match (self.adjusted.value(), self.adjusted.low(), self.adjusted.high()) {
            (_, Some(low), Some(high)) if self.is_insufficient() => {
                format!("数据不足 ({}-{} %)", low.percent(), high.percent())
            }
            (Some(value), _, _) => value.to_string(),
            _ => "—".to_owned(),
        }
    }

    /// Whether a point of this class takes part.
    pub fn takes(&self, class: PointClass) -> bool {
        self.id.class.is_none_or(|only| only == class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    fn figure(adjusted: Counts, target: Option<Ratio>) -> Figure {
        Figure {
            id: FigureId::of(Measure::IntactInstalled),
            window: Window::new(Timestamp::from_millis(0), Timestamp::from_millis(1)).unwrap(),
            adjusted,
            raw: adjusted,
            target,
            sufficient: Ratio::of_millionths(900_000),
        }
    }

    fn counts(numerator: u64, denominator: u64, unknown: u64) -> Counts {
        Counts { numerator, denominator, unknown, ..Counts::default() }
    }

    #[test]
    fn display_is_cut_off_and_never_reaches_a_missed_target() {
        let check = |numerator, denominator, expected: &str, shown: f64| {
            let ratio = Ratio::new(numerator, denominator).unwrap();
            assert_eq!(ratio.percent(), expected);
            assert!((ratio.shown() - shown).abs() < 1e-12, "{}", ratio.shown());
        };
        check(97_996, 100_000, "97.99", 0.979_96);
        check(999_999_999, 1_000_000_000, "99.99", 0.999_999);
        check(2, 3, "66.66", 0.666_666);
        check(0, 7, "0.00", 0.0);
        check(7, 7, "100.00", 1.0);
        check(u64::MAX - 1, u64::MAX, "99.99", 0.999_999);
    }

    #[test]
    fn a_threshold_tests_the_exact_value() {
        let target = Ratio::of_millionths(980_000);
        let check = |numerator, denominator, expected| {
            assert_eq!(figure(counts(numerator, denominator, 0), Some(target)).met(), expected);
        };
        check(98, 100, Some(true));
        check(9_799_999_999, 10_000_000_000, Some(false));
        check(9_800_000_001, 10_000_000_000, Some(true));
        check(0, 0, None);
        assert_eq!(figure(counts(1, 1, 0), None).met(), None);
    }

    #[test]
    fn no_data_is_a_dash_and_neither_0_nor_100() {
        let nothing = figure(Counts::default(), Some(Ratio::ONE));
        assert_eq!(
            (nothing.adjusted.value(), nothing.adjusted.low(), nothing.adjusted.high()),
            (None, None, None)
        );
        assert_eq!((nothing.display().as_str(), nothing.met()), ("—", None));
        let only_unknown = figure(counts(0, 0, 5), Some(Ratio::ONE));
        assert_eq!(only_unknown.adjusted.value(), None);
        assert_eq!(only_unknown.display(), "数据不足 (0.00-100.00 %)");
    }

    #[test]
    fn too_little_observed_gives_bounds_and_no_verdict() {
        let check = |unknown, insufficient, shown: &str| {
            let figure = figure(counts(90, 90, unknown), Some(Ratio::of_millionths(950_000)));
            assert_eq!(figure.is_insufficient(), insufficient, "{unknown}");
            assert_eq!(figure.display(), shown);
            assert_eq!(figure.met().is_none(), insufficient);
        };
        check(10, false, "100.00 %");
        check(11, true, "数据不足 (89.10-100.00 %)");
    }

    #[test]
    fn the_two_bases_and_the_two_views_are_told_apart() {
        let sums = StateMillis::new([700, 100, 50, 50, 80, 20]);
        let check = |measure, numerator, denominator, aside| {
            let expected = Counts { numerator, denominator, aside, unknown: 20, excluded: 7 };
            assert_eq!(time_counts(measure, &sums, 7), Some(expected));
            assert_eq!(expected.considered(), 1000);
        };
        check(Measure::Online, 800, 980, 0);
        check(Measure::OnlineDevice, 800, 900, 80);
        check(Measure::IntactInstalled, 700, 900, 80);
        check(Measure::IntactOnline, 700, 800, 180);
        assert_eq!(time_counts(Measure::Grid, &sums, 0), None);
    }

    #[test]
    fn installed_basis_is_online_rate_times_online_basis() {
        // 完好率(安装口径) = 在线率 x 图像完好率, in exact arithmetic.
        let sums = StateMillis::new([733, 111, 57, 53, 80, 20]);
        let of = |measure| time_counts(measure, &sums, 0).unwrap();
        let (online, intact) = (of(Measure::OnlineDevice), of(Measure::IntactOnline));
        let product =
            Ratio::new(online.numerator * intact.numerator, online.denominator * intact.denominator);
        assert_eq!(of(Measure::IntactInstalled).value(), product);
    }

    #[test]
    fn pooling_adds_counts_and_never_averages() {
        let pooled = counts(1, 1, 0).plus(counts(0, 99, 0));
        assert_eq!(pooled.value().unwrap().percent(), "1.00");
    }
}
