//! The JSON forms of lists and gaps; that of a report is `coverage`'s own.

use crate::api::word::none_of;
use crate::coverage::document::CoverageDocument;
use crate::coverage::gap::GapPage;
use crate::coverage::list::ListItem;
use crate::coverage::{ListKind, ListPage};
use crate::domain::FigureId;
use crate::domain::gap::Gap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A report, or with `list` the members behind one figure.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(crate) enum CoverageAnswer {
    /// The figures.
    Report(Box<CoverageDocument>),
    /// The members.
    List(FigureListDto),
}

/// Which part of a figure is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListKindWord(pub(crate) ListKind);

impl<'de> Deserialize<'de> for ListKindWord {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let found = ListKind::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.map(Self).ok_or_else(|| none_of(&text, &ListKind::ALL.map(|kind| kind.as_str())))
    }
}

impl utoipa::PartialSchema for ListKindWord {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::schema::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .enum_values(Some(ListKind::ALL.map(ListKind::as_str)))
            .into()
    }
}

impl utoipa::ToSchema for ListKindWord {}

/// The members behind one figure; their amounts add up to it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = FigureList)]
pub(crate) struct FigureListDto {
    /// Id of the figure.
    indicator: String,
    /// What an amount counts.
    unit: &'static str,
    /// The members, in the order of their codes.
    items: Vec<FigureMemberDto>,
    /// Pass as `after` to read on; null at the end.
    next: Option<String>,
    /// The sum over every page: the number of the figure.
    total: u64,
}

/// One member behind a figure.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = FigureMember)]
pub(crate) struct FigureMemberDto {
    /// `village`, `grid`, `place` or `point`.
    kind: &'static str,
    /// Its code.
    code: String,
    /// Its name.
    name: String,
    /// The village that it belongs to.
    village: String,
    /// The village's name.
    village_name: String,
    /// What it adds, in the unit of the figure.
    amount: u64,
    /// Why it does not meet the rule, in stable words.
    why: Vec<&'static str>,
}

impl FigureListDto {
    /// A page as JSON.
    pub(crate) fn new(figure: FigureId, page: &ListPage) -> Self {
        Self {
            indicator: figure.to_string(),
            unit: figure.measure.unit().as_str(),
            items: page.items.iter().map(FigureMemberDto::new).collect(),
            next: page.next.clone(),
            total: page.total,
        }
    }
}

impl FigureMemberDto {
    fn new(item: &ListItem) -> Self {
        Self {
            kind: item.member.kind(),
            code: item.member.code().to_owned(),
            name: item.name.clone(),
            village: item.village.to_string(),
            village_name: item.village_name.clone(),
            amount: item.amount,
            why: item.why.clone(),
        }
    }
}

/// Gaps of now, most households first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = GapPage)]
pub(crate) struct GapPageDto {
    /// The gaps.
    items: Vec<GapDto>,
    /// Pass as `after` to read on; null at the end.
    next: Option<String>,
    /// Gaps of each reason over every page of what was asked for.
    totals: BTreeMap<&'static str, u64>,
}

/// A village, grid or place without (working) cover.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Gap)]
pub(crate) struct GapDto {
    /// `village`, `grid` or `place`.
    kind: &'static str,
    /// Its code.
    code: String,
    /// Its name.
    name: String,
    /// The village that it belongs to.
    village: String,
    /// Households concerned.
    households: u32,
    /// `no_point`, `not_working` or `not_measured`.
    reason: &'static str,
    /// Points that should cover it.
    points: u32,
}

impl GapPageDto {
    /// A page as JSON.
    pub(crate) fn new(page: &GapPage) -> Self {
        Self {
            items: page.items.iter().map(GapDto::new).collect(),
            next: page.next.as_ref().map(ToString::to_string),
            totals: page.totals.iter().map(|(reason, count)| (reason.as_str(), *count)).collect(),
        }
    }
}

impl GapDto {
    fn new(gap: &Gap) -> Self {
        Self {
            kind: gap.member.kind(),
            code: gap.member.code().to_owned(),
            name: gap.name.clone(),
            village: gap.village.to_string(),
            households: gap.households,
            reason: gap.reason.as_str(),
            points: gap.points,
        }
    }
}
