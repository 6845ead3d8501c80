//! Burn rates: how fast the error budget of a target is used up, and when that must be told.
//!
//! The error budget is what the target leaves: 5 % of the points' time at a target of 95 %. An alert at factor f fires when the
//! mean of a long window and of a short one (so that it ends soon after the trouble) is above f times the budget. Where f
//! times the budget is all points or more it could never fire, and no peer's generator says so: such targets are
//! refused. Factors 6 and 3 page, 2 and 1 make a ticket: 14.4, which is usual elsewhere, can never fire below 93.06 %.

use crate::domain::PointClass;
use crate::domain::coverage::Ratio;
use crate::domain::indicator::{FigureId, Measure};
use crate::domain::target::Targets;

/// How soon somebody must act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// At once.
    Page,
    /// In working hours.
    Ticket,
}

/// What the error of a figure is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The states of the points as they are scraped: any window, without classes.
    Scraped,
    /// The figures that the service itself computes from its history: by class, for one hour, one day and thirty days.
    Computed,
}

/// A pair of windows and the mean error that both must exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Long window, in words of Prometheus.
    pub long: &'static str,
    /// Half of it: a history that is shorter says nothing of the window.
    pub half: &'static str,
    /// Short window.
    pub short: &'static str,
    /// Factor times budget, below 1.
    pub error: Ratio,
}

/// One alert: it fires when any of its limits is exceeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Burn {
    /// The figure whose target is in danger.
    pub figure: FigureId,
    /// The target.
    pub target: Ratio,
    /// Where its error is read.
    pub source: Source,
    /// How soon somebody must act.
    pub urgency: Urgency,
    /// The limits.
    pub limits: Vec<Limit>,
}

/// A target that no alert can watch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwatchable {
    /// Factor times budget is all points or more.
    #[error(
        "{figure} = {target} %: {factor} times its error budget of {budget} % is {limit} % of the points, so the alert could never \
         fire; set a target above {least} %, or leave {figure} out"
    )]
    NeverFires {
        /// The figure.
        figure: FigureId,
        /// Its target in percent, and likewise below.
        target: String,
        /// What the target leaves.
        budget: String,
        /// The factor.
        factor: u32,
        /// Factor times budget.
        limit: String,
        /// The target from which on the alert can fire.
        least: String,
    },
    /// The target leaves nothing.
    #[error(
        "{figure} = 100 %: no outage is allowed, so there is no error budget to watch; set a target below 100 %, or leave {figure} out"
    )]
    NoBudget {
        /// The figure.
        figure: FigureId,
    },
}

/// Factor, long window, its half, short window.
type Rate = (u32, &'static str, &'static str, &'static str);

/// Windows over what is scraped: Google's pairs, with factors that can fire at 95 %.
const SCRAPED: &[(Urgency, [Rate; 2])] = &[
    (Urgency::Page, [(6, "1h", "30m", "5m"), (3, "6h", "3h", "30m")]),
    (Urgency::Ticket, [(2, "1d", "12h", "2h"), (1, "3d", "36h", "6h")]),
];
/// Windows that the service computes.
const COMPUTED: &[(Urgency, [Rate; 2])] =
    &[(Urgency::Ticket, [(2, "1d", "12h", "1h"), (1, "30d", "15d", "1d")])];

const MILLION: u64 = 1_000_000;

/// The alerts that watch these targets, in the order of the figures; or every target that cannot be watched.
pub fn watch(targets: &Targets) -> Result<Vec<Burn>, Vec<Unwatchable>> {
    let (mut burns, mut faults) = (Vec::new(), Vec::new());
    for (&figure, &target) in &targets.values {
        let Some(source) = source_of(figure) else { continue };
        match burns_of(figure, target, source) {
            Ok(of_figure) => burns.extend(of_figure),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(burns) } else { Err(faults) }
}

/// What is weighted with time and exposed can be watched; the report holds the other figures against their targets.
fn source_of(figure: FigureId) -> Option<Source> {
    if figure == FigureId::of(Measure::Online) {
        return Some(Source::Scraped);
    }
    let is_exposed = [Measure::Online, Measure::IntactInstalled].contains(&figure.measure);
    (is_exposed && figure.class != Some(PointClass::Other)).then_some(Source::Computed)
}

fn burns_of(figure: FigureId, target: Ratio, source: Source) -> Result<Vec<Burn>, Unwatchable> {
    let rates = match source {
        Source::Scraped => SCRAPED,
        Source::Computed => COMPUTED,
    };
    let burn = |(urgency, rates): &(Urgency, [Rate; 2])| {
        let limits = rates.iter().map(|rate| limit(figure, target, *rate)).collect::<Result<_, _>>()?;
        Ok(Burn { figure, target, source, urgency: *urgency, limits })
    };
    rates.iter().map(burn).collect()
}

fn limit(figure: FigureId, target: Ratio, (factor, long, half, short): Rate) -> Result<Limit, Unwatchable> {
    let budget = MILLION.saturating_sub(target.millionths());
    if budget == 0 {
        return Err(Unwatchable::NoBudget { figure });
    }
    let error = budget.saturating_mul(u64::from(factor));
    if error < MILLION {
        let error = Ratio::of_millionths(u32::try_from(error).unwrap_or(u32::MAX));
        return Ok(Limit { long, half, short, error });
    }
    let percent = |millionths: u64| Ratio::new(millionths, MILLION).unwrap_or(Ratio::ONE).percent();
    Err(Unwatchable::NeverFires {
        figure,
        target: target.percent(),
        budget: percent(budget),
        factor,
        limit: percent(error),
        least: percent(MILLION.saturating_sub(MILLION / u64::from(factor.max(1)))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::place::PlaceKind;
    use crate::domain::target::{HighDefinition, VillageRule};
    use std::collections::BTreeMap;
    use std::time::Duration;

    /// Targets that say nothing but these values, in ten-thousandths of a percent.
    fn targets(values: &[(&str, u32)]) -> Targets {
        let rule = VillageRule { min_points: 1, required_places: Vec::<Vec<PlaceKind>>::new() };
        let values = values
            .iter()
            .map(|(figure, millionths)| (figure.parse().unwrap(), Ratio::of_millionths(*millionths)));
        Targets {
            version: "test".to_owned(),
            default_rule: rule.clone(),
            target_rule: rule,
            hd: HighDefinition { width: 1, height: 1, new_since: "2015-05-13".parse().unwrap() },
            effective_share: Ratio::ONE,
            sufficient: Ratio::ONE,
            clock_tolerance: Duration::ZERO,
            repair_deadline: BTreeMap::new(),
            urban_households: 0..=0,
            rural_households: 0..=0,
            late_entry_after: Duration::ZERO,
            values: values.collect(),
        }
    }

    #[test]
    fn a_limit_is_factor_times_budget() {
        let check = |figure: &str, target: u32, expected: &[(Urgency, &str, u32)]| {
            let burns = watch(&targets(&[(figure, target)])).unwrap();
            let limits = burns
                .iter()
                .flat_map(|burn| burn.limits.iter().map(|limit| (burn.urgency, limit.long, limit.error)));
            let expected =
                expected.iter().map(|(urgency, long, error)| (*urgency, *long, Ratio::of_millionths(*error)));
            assert_eq!(limits.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{figure} {target}");
        };
        check(
            "A1",
            950_000,
            &[
                (Urgency::Page, "1h", 300_000),
                (Urgency::Page, "6h", 150_000),
                (Urgency::Ticket, "1d", 100_000),
                (Urgency::Ticket, "3d", 50_000),
            ],
        );
        check(
            "A2.installed.class1",
            980_000,
            &[(Urgency::Ticket, "1d", 40_000), (Urgency::Ticket, "30d", 20_000)],
        );
        check("A1.class2", 999_999, &[(Urgency::Ticket, "1d", 2), (Urgency::Ticket, "30d", 1)]);
        check(
            "A1",
            833_334,
            &[
                (Urgency::Page, "1h", 999_996),
                (Urgency::Page, "6h", 499_998),
                (Urgency::Ticket, "1d", 333_332),
                (Urgency::Ticket, "3d", 166_666),
            ],
        );
    }

    #[test]
    fn what_is_not_exposed_over_time_is_left_to_the_report() {
        for figure in ["C1", "N1", "K4", "A4", "A5", "A2.online", "A1.class9", "A2.installed.class9"] {
            assert_eq!(watch(&targets(&[(figure, 1_000_000)])), Ok(Vec::new()), "{figure}");
        }
    }

    #[test]
    fn a_target_that_no_alert_could_watch_is_refused() {
        let check = |figure: &str, target: u32, expected: &str| {
            let faults = watch(&targets(&[(figure, target)])).unwrap_err();
            assert_eq!(faults.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
        };
        check(
            "A1",
            800_000,
            "A1 = 80.00 %: 6 times its error budget of 20.00 % is 120.00 % of the points, so the alert could never fire; set a \
             target above 83.33 %, or leave A1 out",
        );
        check(
            "A2.installed.class2",
            500_000,
            "A2.installed.class2 = 50.00 %: 2 times its error budget of 50.00 % is 100.00 % of the points, so the alert could \
             never fire; set a target above 50.00 %, or leave A2.installed.class2 out",
        );
        check(
            "A1.class1",
            1_000_000,
            "A1.class1 = 100 %: no outage is allowed, so there is no error budget to watch; set a target below 100 %, or leave \
             A1.class1 out",
        );
    }

    #[test]
    fn every_target_that_is_refused_is_told() {
        let faults =
            watch(&targets(&[("A1", 0), ("A2.installed", 400_000), ("A2.installed.class1", 980_000)]));
        assert_eq!(faults.unwrap_err().len(), 2);
    }
}
