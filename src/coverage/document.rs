//! The JSON form of figures and reports: what the API and `sharpeyes report` both give out.
//!
//! No time of computation stands in it, so that a closed month is the same bytes whenever it is asked for.

use crate::coverage::report::{CoverageReport, DivisionFigures, ExclusionNote};
use crate::domain::history::RepairTimes;
use crate::domain::indicator::NOT_MEASURED;
use crate::domain::survey::NotAssessed;
use crate::domain::{Counts, Figure, Ratio, Targets};
use serde::Serialize;
use utoipa::ToSchema;

/// One figure. `value`, `low`, `high` and `observed` are cut off at six places and null without data.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct FigureDocument {
    /// Id, as `A2.installed.class1`.
    pub id: String,
    /// English name.
    pub name: &'static str,
    /// Chinese name.
    pub name_zh: &'static str,
    /// The national target that it belongs to.
    pub goal: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// Numerator over denominator, exclusions taken out; null without data.
    pub value: Option<f64>,
    /// What meets the rule.
    pub numerator: u64,
    /// What was judged.
    pub denominator: u64,
    /// What approved exclusions took out.
    pub excluded: u64,
    /// What was not measured.
    pub unknown: u64,
    /// Considered, but not this figure's subject (time behind a dead link in the device view).
    pub aside: u64,
    /// The value if everything unknown missed the rule.
    pub low: Option<f64>,
    /// The value if everything unknown met the rule.
    pub high: Option<f64>,
    /// Measured share of what was considered.
    pub observed: Option<f64>,
    /// Whether too little was measured to say one number (数据不足).
    pub insufficient: bool,
    /// The figure as a person reads it.
    pub display: String,
    /// What it should reach.
    pub target: Option<f64>,
    /// Whether the exact value reaches the target; null without target, without data or with too little of it.
    pub met: Option<bool>,
    /// Formula and version.
    pub formula: String,
    /// The same figure with exclusions left aside.
    pub raw: RawDocument,
}

/// A figure before exclusions.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RawDocument {
    /// Numerator over denominator.
    pub value: Option<f64>,
    /// What meets the rule.
    pub numerator: u64,
    /// What was judged.
    pub denominator: u64,
    /// What was not measured.
    pub unknown: u64,
}

/// Figures of one division.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct DivisionDocument {
    /// Code; null is the whole inventory.
    pub division: Option<String>,
    /// Name.
    pub name: String,
    /// Figures in the order of a report.
    pub figures: Vec<FigureDocument>,
}

/// Repair times in milliseconds (device view).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RepairDocument {
    /// Outages closed in the window.
    pub closed: u64,
    /// Outages open at its end.
    pub open: u64,
    /// Outages that began in it.
    pub failures: u64,
    /// Mean time to repair (MTTR).
    pub mttr_mean_ms: Option<u64>,
    /// Median.
    pub mttr_median_ms: Option<u64>,
    /// Nine of ten were not longer.
    pub mttr_p90_ms: Option<u64>,
    /// Good time per failure (MTBF); null is "no failure".
    pub mtbf_ms: Option<u64>,
}

/// Records left out because their division is not assessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct NotAssessedDocument {
    /// Villages.
    pub villages: u64,
    /// Grids.
    pub grids: u64,
    /// Required places.
    pub places: u64,
    /// Points.
    pub points: u64,
}

/// A footnote: an exclusion that the figures stand on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExclusionNoteDocument {
    /// Number.
    pub id: i64,
    /// Kind.
    pub kind: &'static str,
    /// First instant, RFC 3339.
    pub start: String,
    /// First instant no longer excluded, RFC 3339.
    pub end: String,
    /// Why.
    pub reason: String,
    /// Where the proof lies.
    pub evidence: String,
    /// Who asked.
    pub applicant: String,
    /// Who approved.
    pub approver: Option<String>,
    /// Entered too late (补录).
    pub late: bool,
    /// Points of the division that it covers.
    pub points: u64,
}

/// Excluded time of the points of one maintainer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MaintainerDocument {
    /// Maintainer; empty: none named.
    pub maintainer: String,
    /// Excluded time of its points.
    pub excluded_ms: u64,
}

/// A report.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct CoverageDocument {
    /// First instant of the window, RFC 3339.
    pub from: String,
    /// First instant no longer in it, RFC 3339; nothing later is in the figures.
    pub to: String,
    /// Version of the targets.
    pub targets: String,
    /// What `degraded` means for the figures.
    pub policy: &'static str,
    /// The division itself.
    pub whole: DivisionDocument,
    /// One level below; the parts of the whole.
    pub children: Vec<DivisionDocument>,
    /// Repair times.
    pub repairs: Option<RepairDocument>,
    /// Repair times, exclusions left aside.
    pub raw_repairs: Option<RepairDocument>,
    /// Left out of every figure.
    pub not_assessed: NotAssessedDocument,
    /// Exclusions that the figures stand on.
    pub exclusions: Vec<ExclusionNoteDocument>,
    /// Excluded time by maintainer.
    pub excluded_by_maintainer: Vec<MaintainerDocument>,
}

/// A monthly report.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct MonthDocument {
    /// Month, as 2026-10.
    pub month: String,
    /// Whether the month is over; an open one is cut off at `to`.
    pub closed: bool,
    /// Whether the figures may still change; then the report is frozen.
    pub provisional: bool,
    /// The figures.
    #[serde(flatten)]
    pub coverage: CoverageDocument,
}

/// One figure's target and rule.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TargetDocument {
    /// Id of the figure.
    pub id: String,
    /// English name.
    pub name: &'static str,
    /// Chinese name.
    pub name_zh: &'static str,
    /// The national target that it belongs to.
    pub goal: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// The rule in one sentence.
    pub rule: &'static str,
    /// Formula and version.
    pub formula: String,
    /// What it should reach.
    pub target: Option<f64>,
}

/// Every figure with its target, and what is not measured yet.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TargetsDocument {
    /// Version of the targets.
    pub version: String,
    /// The figures.
    pub figures: Vec<TargetDocument>,
    /// Indicators that this version does not measure: they have no figure.
    pub not_measured_yet: Vec<NotMeasuredDocument>,
}

/// An indicator without a figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct NotMeasuredDocument {
    /// Id.
    pub id: &'static str,
    /// Chinese name.
    pub name_zh: &'static str,
}

/// Printed on every report, as peers disagree on it.
const POLICY: &str = "degraded counts as online and not as intact; unreachable counts against the service view and is left out \
    of the device view; unknown is neither and widens the bounds";

impl From<&Figure> for FigureDocument {
    fn from(figure: &Figure) -> Self {
        let (measure, counts) = (figure.id.measure, &figure.adjusted);
        Self {
            id: figure.id.to_string(),
            name: measure.name_en(),
            name_zh: measure.name_zh(),
            goal: measure.goal().as_str(),
            unit: measure.unit().as_str(),
            value: shown(counts.value()),
            numerator: counts.numerator,
            denominator: counts.denominator,
            excluded: counts.excluded,
            unknown: counts.unknown,
            aside: counts.aside,
            low: shown(counts.low()),
            high: shown(counts.high()),
            observed: shown(counts.observed()),
            insufficient: figure.is_insufficient(),
            display: figure.display(),
            target: shown(figure.target),
            met: figure.met(),
            formula: figure.id.formula(),
            raw: RawDocument::from(&figure.raw),
        }
    }
}

fn shown(ratio: Option<Ratio>) -> Option<f64> {
    ratio.map(Ratio::shown)
}

impl From<&Counts> for RawDocument {
    fn from(counts: &Counts) -> Self {
        let Counts { numerator, denominator, unknown, .. } = *counts;
        Self { value: shown(counts.value()), numerator, denominator, unknown }
    }
}

impl From<&DivisionFigures> for DivisionDocument {
    fn from(division: &DivisionFigures) -> Self {
        Self {
            division: division.division.map(|code| code.to_string()),
            name: division.name.clone(),
            figures: division.figures.iter().map(FigureDocument::from).collect(),
        }
    }
}

impl From<&RepairTimes> for RepairDocument {
    fn from(times: &RepairTimes) -> Self {
        Self {
            closed: times.closed,
            open: times.open,
            failures: times.failures,
            mttr_mean_ms: times.mean_ms,
            mttr_median_ms: times.median_ms,
            mttr_p90_ms: times.p90_ms,
            mtbf_ms: times.mtbf_ms,
        }
    }
}

impl From<&NotAssessed> for NotAssessedDocument {
    fn from(left_out: &NotAssessed) -> Self {
        let NotAssessed { villages, grids, places, points } = *left_out;
        Self { villages, grids, places, points }
    }
}

impl From<&ExclusionNote> for ExclusionNoteDocument {
    fn from(note: &ExclusionNote) -> Self {
        let exclusion = note.exclusion.clone();
        Self {
            id: exclusion.id,
            kind: exclusion.kind.as_str(),
            start: exclusion.window.start().to_string(),
            end: exclusion.window.end().to_string(),
            reason: exclusion.reason,
            evidence: exclusion.evidence,
            applicant: exclusion.applicant,
            approver: exclusion.approver,
            late: note.late,
            points: note.points,
        }
    }
}

impl From<&CoverageReport> for CoverageDocument {
    fn from(report: &CoverageReport) -> Self {
        let by_maintainer = report.excluded_by_maintainer.iter();
        Self {
            from: report.window.start().to_string(),
            to: report.data_until.to_string(),
            targets: report.targets_version.clone(),
            policy: POLICY,
            whole: DivisionDocument::from(&report.whole),
            children: report.children.iter().map(DivisionDocument::from).collect(),
            repairs: report.repairs.as_ref().map(RepairDocument::from),
            raw_repairs: report.raw_repairs.as_ref().map(RepairDocument::from),
            not_assessed: NotAssessedDocument::from(&report.not_assessed),
            exclusions: report.exclusions.iter().map(ExclusionNoteDocument::from).collect(),
            excluded_by_maintainer: by_maintainer
                .map(|(maintainer, millis)| MaintainerDocument {
                    maintainer: maintainer.clone(),
                    excluded_ms: *millis,
                })
                .collect(),
        }
    }
}

impl From<&Targets> for TargetsDocument {
    fn from(targets: &Targets) -> Self {
        let target = |id: crate::domain::FigureId| TargetDocument {
            id: id.to_string(),
            name: id.measure.name_en(),
            name_zh: id.measure.name_zh(),
            goal: id.measure.goal().as_str(),
            unit: id.measure.unit().as_str(),
            rule: id.measure.rule(),
            formula: id.formula(),
            target: shown(targets.value(id)),
        };
        let not_measured = |(id, name_zh): (&'static str, &'static str)| NotMeasuredDocument { id, name_zh };
        Self {
            version: targets.version.clone(),
            figures: crate::domain::FigureId::all().map(target).collect(),
            not_measured_yet: NOT_MEASURED.into_iter().map(not_measured).collect(),
        }
    }
}
