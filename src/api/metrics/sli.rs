//! `sharpeyes_sli_ratio`: online and intact rates of each county, computed in the background and kept.
//!
//! Short windows are computed anew every minute, long ones every quarter of an hour; a county without data has no
//! series. A scrape reads what was computed last and never waits.

use crate::api::metrics::label::push_label;
use crate::api::metrics::text::{Exposition, Family, Kind};
use crate::api::state::ApiState;
use crate::coverage::{self, CoverageContext, Selection};
use crate::domain::indicator::Measure;
use crate::domain::{Counts, DivisionCode, DivisionLevel, FigureId, PointClass, Ratio, Timestamp, Window};
use crate::telemetry;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Time between two computations of the short windows.
const PERIOD: Duration = Duration::from_secs(60);
/// The long windows are computed in one of so many rounds.
const LONG_EVERY: u32 = 15;
/// Longest time for one county and window; a store that takes longer is asked again in the next round.
const COUNTY_DEADLINE: Duration = Duration::from_secs(60);

const SLI_RATIO: Family = Family {
    name: "sharpeyes_sli_ratio",
    kind: Kind::Gauge,
    help: "Share of time that points were online (kind service) or intact (kind device), with its bounds.",
};

/// The figures behind the kinds: what the room feels (在线率) and what the cameras answer for (完好率).
const KINDS: [(Measure, &str); 2] = [(Measure::Online, "service"), (Measure::IntactInstalled, "device")];
/// The classes that have targets, and all points together.
const CLASSES: [Option<PointClass>; 4] =
    [None, Some(PointClass::One), Some(PointClass::Two), Some(PointClass::Three)];

fn figures() -> Vec<FigureId> {
    let of_kind = |(measure, _)| CLASSES.map(|class| FigureId { measure, class });
    KINDS.into_iter().flat_map(of_kind).collect()
}

/// A window of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Horizon {
    Hour,
    Day,
    ThirtyDays,
    Month,
}

impl Horizon {
    const SHORT: [Self; 2] = [Self::Hour, Self::Day];
    const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::ThirtyDays, Self::Month];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "1d",
            Self::ThirtyDays => "30d",
            Self::Month => "month",
        }
    }

    fn window(self, context: &CoverageContext, now: Timestamp) -> Option<Window> {
        let last = |hours: u64| Window::new(now.minus(Duration::from_secs(hours * 3_600)), now);
        match self {
            Self::Hour => last(1),
            Self::Day => last(24),
            Self::ThirtyDays => last(30 * 24),
            Self::Month => {
                let month = context.calendar.month(context.calendar.month_of(now))?;
                Window::new(month.start(), now)
            }
        }
    }
}

/// The counts of one county, horizon and figure.
#[derive(Clone, Debug)]
struct Sample {
    county: DivisionCode,
    horizon: Horizon,
    kind: &'static str,
    class: &'static str,
    counts: Counts,
}

/// What was computed last.
#[derive(Debug, Default)]
pub(crate) struct Ratios(Mutex<Arc<Vec<Sample>>>);

impl Ratios {
    fn samples(&self) -> Arc<Vec<Sample>> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes over what was computed of these horizons and keeps the others.
    fn replace(&self, horizons: &[Horizon], fresh: Vec<Sample>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let others = kept.iter().filter(|sample| !horizons.contains(&sample.horizon)).cloned();
        *kept = Arc::new(others.chain(fresh).collect());
    }

    /// Writes the family.
    pub(crate) fn write(&self, out: &mut Exposition) -> io::Result<()> {
        out.family(&SLI_RATIO);
        let mut labels = String::new();
        for sample in self.samples().iter() {
            labels.clear();
            push_label(&mut labels, "county=\"", sample.county.as_str());
            push_label(&mut labels, ",class=\"", sample.class);
            push_label(&mut labels, ",window=\"", sample.horizon.as_str());
            push_label(&mut labels, ",kind=\"", sample.kind);
            for (bound, ratio) in [("low", sample.counts.low()), ("high", sample.counts.high())] {
                if let Some(ratio) = ratio {
                    out.series(&SLI_RATIO, &[&labels, ",bound=\"", bound, "\""], Ratio::shown(ratio))?;
                }
            }
        }
        Ok(())
    }
}

/// Computes the ratios until it is cancelled. A dropped round loses nothing: the next one computes it again.
pub(crate) async fn run(state: &ApiState, cancel: &CancellationToken) {
    for round in 0_u32.. {
        let horizons: &[Horizon] = if round % LONG_EVERY == 0 { &Horizon::ALL } else { &Horizon::SHORT };
        tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            () = compute(state, horizons) => {}
        }
        tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

async fn compute(state: &ApiState, horizons: &[Horizon]) {
    let context = &state.inputs().coverage;
    let counties: Vec<DivisionCode> = {
        let inventory = context.inventory.borrow();
        let counties = inventory.divisions.values().filter(|division| division.assessed);
        counties.map(|division| division.code).filter(|code| code.level() == DivisionLevel::County).collect()
    };
    let mut fresh = Vec::new();
    for horizon in horizons {
        for county in &counties {
            match timeout(COUNTY_DEADLINE, of_county(context, *county, *horizon)).await {
                Ok(Ok(samples)) => fresh.extend(samples),
                Ok(Err(error)) => return telemetry::ratios_failed(&error),
                Err(elapsed) => return telemetry::ratios_failed(&elapsed),
            }
        }
    }
    state.ratios().replace(horizons, fresh);
}

async fn of_county(
    context: &CoverageContext,
    county: DivisionCode,
    horizon: Horizon,
) -> Result<Vec<Sample>, coverage::CoverageError> {
    let Some(window) = horizon.window(context, context.clock.now()) else { return Ok(Vec::new()) };
    let selection = Selection::Some(figures());
    let report = coverage::report(context, Some(county), window, &selection).await?;
    let sample = |figure: &crate::domain::Figure| {
        let (_, kind) = KINDS.into_iter().find(|(measure, _)| *measure == figure.id.measure)?;
        let class = figure.id.class.map_or("all", PointClass::as_str);
        Some(Sample { county, horizon, kind, class, counts: figure.adjusted })
    };
    Ok(report.whole.figures.iter().filter_map(sample).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_is_online_and_device_is_intact_over_all_points_and_by_class() {
        let found: Vec<String> = figures().iter().map(FigureId::to_string).collect();
        let of = |id: &str| {
            [id.to_owned(), format!("{id}.class1"), format!("{id}.class2"), format!("{id}.class3")]
        };
        assert_eq!(found, [of("A1"), of("A2.installed")].concat());
        // A figure that a report does not know would have no series.
        assert!(figures().iter().all(|figure| FigureId::all().any(|known| known == *figure)));
    }
}
