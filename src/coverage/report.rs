//! The figures of a division and of the divisions one level below it, in one pass.

use crate::coverage::gather::{Material, Needs, gather, tops};
use crate::coverage::rolled::village_time;
use crate::coverage::{CoverageContext, CoverageError, last_instant};
use crate::domain::exclusion::ExclusionMap;
use crate::domain::history::{Basis, History, RepairTimes};
use crate::domain::survey::{Contribution, Extent, NotAssessed, Survey, is_assessed};
use crate::domain::{
    Counts, DivisionCode, DivisionLevel, Exclusion, Figure, FigureId, Inventory, Measure, Timestamp, Window,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Closed intervals are kept at least so long (`store.interval_days`); daily sums stay for good.
const SPANS_KEPT: Duration = Duration::from_secs(62 * 86_400);

/// Which figures are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// Every figure of this version.
    #[default]
    All,
    /// These only; what they do not need is not read.
    Some(Vec<FigureId>),
}

impl Selection {
    /// The figures, in the order of a report.
    pub fn figures(&self) -> Vec<FigureId> {
        match self {
            Self::All => FigureId::all().collect(),
            Self::Some(chosen) => FigureId::all().filter(|figure| chosen.contains(figure)).collect(),
        }
    }
}

/// Figures of one division.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DivisionFigures {
    /// The division; `None` is the whole inventory.
    pub division: Option<DivisionCode>,
    /// Its name.
    pub name: String,
    /// One figure for each that was asked for, in the order of a report.
    pub figures: Vec<Figure>,
}

/// An exclusion that a report stands on, for its footnotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExclusionNote {
    /// The exclusion.
    pub exclusion: Exclusion,
    /// Whether it was entered too late (补录).
    pub late: bool,
    /// Points of the division that it covers.
    pub points: u64,
}

/// The figures of a division and window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoverageReport {
    /// The window, cut off at what has passed.
    pub window: Window,
    /// Nothing later than this is in the figures: the end of the window.
    pub data_until: Timestamp,
    /// Version of the targets.
    pub targets_version: String,
    /// The division itself.
    pub whole: DivisionFigures,
    /// One level below; they add up to the whole.
    pub children: Vec<DivisionFigures>,
    /// Repair times, companions of A5; `None` when A5 was not asked for.
    pub repairs: Option<RepairTimes>,
    /// As `repairs`, exclusions left aside.
    pub raw_repairs: Option<RepairTimes>,
    /// Records that are left out because their division is not assessed.
    pub not_assessed: NotAssessed,
    /// Exclusions that the figures stand on.
    pub exclusions: Vec<ExclusionNote>,
    /// Excluded milliseconds of the points of each maintainer (empty text: none named); only beside figures that read the
    /// history of each point.
    pub excluded_by_maintainer: BTreeMap<String, u64>,
}

/// Computes the figures of `division` (the whole inventory when `None`) over the passed part of `window`.
pub async fn report(
    context: &CoverageContext,
    division: Option<DivisionCode>,
    window: Window,
    selection: &Selection,
) -> Result<CoverageReport, CoverageError> {
    let window = context.passed(window)?;
    let figures = selection.figures();
    let source = TimeSource::of(context, window, &figures);
    let needs = needs(&figures, source);
    let material = gather(context, division, window, needs).await?;
    let rolled = match source {
        TimeSource::Sums => village_time(context, division, window, &material.inventory).await?,
        TimeSource::Spans | TimeSource::Unasked => Vec::new(),
    };
    let (calendar, targets) = (context.calendar.clone(), Arc::clone(&context.targets));
    let compute = move || {
        let histories = if needs.spans { material.histories(division) } else { BTreeMap::new() };
        let time = match source {
            TimeSource::Spans => material.point_time(division, Some(&histories)),
            TimeSource::Sums | TimeSource::Unasked => rolled,
        };
        let survey = Survey {
            calendar: &calendar,
            targets: &targets,
            window,
            extent: Extent::of(&material.inventory, division, last_instant(window)),
            measured: &material.measured,
            histories: &histories,
            time: &time,
        };
        assemble(&survey, &material, division, &figures)
    };
    context.compute(compute).await
}

/// Where the time of the time-weighted figures comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TimeSource {
    /// No figure asks for time.
    Unasked,
    /// The spans of each point, which other figures of the report read anyway.
    Spans,
    /// The daily sums of each village, with spans for the parts of the window that have none.
    Sums,
}

impl TimeSource {
    fn of(context: &CoverageContext, window: Window, figures: &[FigureId]) -> Self {
        let are_kept = context.clock.now().minus(SPANS_KEPT) <= window.start();
        // Daily sums are made of every record that is known by now.
        let by_spans = context.known_until.is_some() || are_kept && any(figures, Measure::needs_history);
        if !any(figures, Measure::is_time_weighted) {
            Self::Unasked
        } else if by_spans {
            Self::Spans
        } else {
            Self::Sums
        }
    }
}

/// What the chosen figures cannot do without.
fn needs(figures: &[FigureId], source: TimeSource) -> Needs {
    Needs {
        spans: source == TimeSource::Spans || any(figures, Measure::needs_history),
        measured: any(figures, Measure::needs_measured),
    }
}

fn any(figures: &[FigureId], wanted: fn(Measure) -> bool) -> bool {
    figures.iter().any(|figure| wanted(figure.measure))
}

fn assemble(
    survey: &Survey<'_>,
    material: &Material,
    division: Option<DivisionCode>,
    figures: &[FigureId],
) -> CoverageReport {
    let below = child_level(division, &material.inventory);
    let mut sums = Sums::default();
    for figure in figures {
        sums.add(survey, *figure, below, !material.exclusions.is_empty());
    }
    let with_repairs = figures.iter().any(|figure| figure.measure == Measure::Repair);
    let repairs = |basis| {
        let points = survey.extent.points.iter();
        let histories = points.filter_map(|point| survey.histories.get(&point.code));
        with_repairs.then(|| RepairTimes::of(histories, survey.window, basis))
    };
    CoverageReport {
        window: survey.window,
        data_until: survey.window.end(),
        targets_version: survey.targets.version.clone(),
        whole: sums.figures(survey, figures, division, &sums.whole),
        children: sums.children(survey, figures, division, below),
        repairs: repairs(Basis::Adjusted),
        raw_repairs: repairs(Basis::Raw),
        not_assessed: survey.extent.not_assessed,
        exclusions: notes(survey, material),
        excluded_by_maintainer: excluded_by_maintainer(survey),
    }
}

/// The level below a division; below the whole inventory, its highest one.
pub(crate) fn child_level(division: Option<DivisionCode>, inventory: &Inventory) -> Option<DivisionLevel> {
    match division {
        Some(division) => DivisionLevel::ALL.into_iter().find(|level| *level > division.level()),
        None => tops(inventory).first().map(DivisionCode::level),
    }
}

/// Adjusted and raw counts.
type Pair = (Counts, Counts);

/// Counts of the whole and of each child.
#[derive(Debug, Default)]
struct Sums {
    whole: BTreeMap<FigureId, Pair>,
    below: BTreeMap<DivisionCode, BTreeMap<FigureId, Pair>>,
}

impl Sums {
    fn add(&mut self, survey: &Survey<'_>, figure: FigureId, below: Option<DivisionLevel>, excluded: bool) {
        let bases: &[Basis] = if excluded && figure.measure.depends_on_exclusions() {
            &[Basis::Adjusted, Basis::Raw]
        } else {
            &[Basis::Adjusted]
        };
        for basis in bases {
            let (whole, parts) = add_up(survey.contributions(figure, *basis), below);
            set(self.whole.entry(figure).or_default(), *basis, whole);
            for (child, counts) in parts {
                set(self.below.entry(child).or_default().entry(figure).or_default(), *basis, counts);
            }
        }
        if bases.len() == 1 {
            let same = |sums: &mut BTreeMap<FigureId, Pair>| {
                if let Some((adjusted, raw)) = sums.get_mut(&figure) {
                    *raw = *adjusted;
                }
            };
            same(&mut self.whole);
            self.below.values_mut().for_each(same);
        }
    }

    fn figures(
        &self,
        survey: &Survey<'_>,
        figures: &[FigureId],
        division: Option<DivisionCode>,
        sums: &BTreeMap<FigureId, Pair>,
    ) -> DivisionFigures {
        let figure = |id: &FigureId| {
            let (adjusted, raw) = sums.get(id).copied().unwrap_or_default();
            survey.figure(*id, adjusted, raw)
        };
        let known = division.and_then(|division| survey.extent.inventory().divisions.get(&division));
        DivisionFigures {
            division,
            name: known.map(|known| known.name.clone()).unwrap_or_default(),
            figures: figures.iter().map(figure).collect(),
        }
    }

    /// Every assessed division one level below, also one that adds nothing.
    fn children(
        &self,
        survey: &Survey<'_>,
        figures: &[FigureId],
        division: Option<DivisionCode>,
        below: Option<DivisionLevel>,
    ) -> Vec<DivisionFigures> {
        let inventory = survey.extent.inventory();
        let known = inventory.divisions_in(division).map(|division| &division.code);
        let known = known.filter(|code| Some(code.level()) == below && is_assessed(inventory, code));
        let children: BTreeSet<DivisionCode> = known.chain(self.below.keys()).copied().collect();
        let nothing = BTreeMap::new();
        let figures_of = |child: &DivisionCode| {
            self.figures(survey, figures, Some(*child), self.below.get(child).unwrap_or(&nothing))
        };
        children.iter().map(figures_of).collect()
    }
}

fn set((adjusted, raw): &mut Pair, basis: Basis, counts: Counts) {
    match basis {
        Basis::Adjusted => *adjusted = counts,
        Basis::Raw => *raw = counts,
    }
}

/// The sum of contributions, and of those of each division of level `below`.
fn add_up(
    contributions: Vec<Contribution>,
    below: Option<DivisionLevel>,
) -> (Counts, BTreeMap<DivisionCode, Counts>) {
    let (mut whole, mut parts) = (Counts::default(), BTreeMap::<DivisionCode, Counts>::new());
    for part in contributions {
        whole = whole.plus(part.counts);
        if let Some(child) = below.and_then(|level| part.village.ancestor(level)) {
            let sum = parts.entry(child).or_default();
            *sum = sum.plus(part.counts);
        }
    }
    (whole, parts)
}

/// Every exclusion that changes a figure of the division: it lies in the window, or before it over an outage of A5.
fn notes(survey: &Survey<'_>, material: &Material) -> Vec<ExclusionNote> {
    let map = ExclusionMap::new(&material.inventory, &material.exclusions);
    let mut points: BTreeMap<i64, u64> = BTreeMap::new();
    if !material.exclusions.is_empty() {
        for point in &survey.extent.points {
            let history = survey.histories.get(&point.code);
            for exclusion in
                map.of(point).filter(|exclusion| counts(exclusion.window, survey.window, history))
            {
                let count = points.entry(exclusion.id).or_default();
                *count = count.saturating_add(1);
            }
        }
    }
    let note = |exclusion: &Exclusion| {
        Some(ExclusionNote {
            exclusion: exclusion.clone(),
            late: exclusion.is_late(survey.targets.late_entry_after),
            points: points.get(&exclusion.id).copied()?,
        })
    };
    material.exclusions.iter().filter_map(note).collect()
}

fn counts(exclusion: Window, window: Window, history: Option<&History>) -> bool {
    exclusion.intersect(window).is_some() || history.is_some_and(|history| history.is_paused_by(exclusion))
}

fn excluded_by_maintainer(survey: &Survey<'_>) -> BTreeMap<String, u64> {
    let mut excluded: BTreeMap<String, u64> = BTreeMap::new();
    for point in &survey.extent.points {
        let history = survey.histories.get(&point.code);
        let millis = history.map_or(0, |history| history.tally.excluded.total());
        if millis > 0 {
            let sum = excluded.entry(point.maintainer.clone().unwrap_or_default()).or_default();
            *sum = sum.saturating_add(millis);
        }
    }
    excluded
}
