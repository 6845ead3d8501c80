//! The lists behind a figure: their amounts add up to the figure, page by page.

use crate::coverage::gather::{Material, Needs, gather};
use crate::coverage::{CoverageContext, CoverageError, last_instant};
use crate::domain::history::Basis;
use crate::domain::survey::{Contribution, Extent, Member, Survey};
use crate::domain::{Calendar, Counts, DivisionCode, FigureId, Inventory, Targets, Window};
use std::sync::Arc;

/// Which part of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListKind {
    /// What meets the rule.
    Numerator,
    /// What was judged.
    Denominator,
    /// What was judged and missed the rule.
    Gap,
    /// What was not measured.
    Unknown,
    /// What an exclusion took out.
    Excluded,
}

impl ListKind {
    /// Every list.
    pub const ALL: [Self; 5] = [Self::Numerator, Self::Denominator, Self::Gap, Self::Unknown, Self::Excluded];

    /// The word used in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Numerator => "numerator",
            Self::Denominator => "denominator",
            Self::Gap => "gap",
            Self::Unknown => "unknown",
            Self::Excluded => "excluded",
        }
    }

    /// What a member adds to the list.
    pub const fn amount(self, counts: &Counts) -> u64 {
        match self {
            Self::Numerator => counts.numerator,
            Self::Denominator => counts.denominator,
            Self::Gap => counts.gap(),
            Self::Unknown => counts.unknown,
            Self::Excluded => counts.excluded,
        }
    }
}

/// One member of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListItem {
    /// The member.
    pub member: Member,
    /// Its name.
    pub name: String,
    /// The village that it belongs to.
    pub village: DivisionCode,
    /// The village's name.
    pub village_name: String,
    /// What it adds, in the unit of the figure.
    pub amount: u64,
    /// Why it does not meet the rule, in stable words.
    pub why: Vec<&'static str>,
}

/// A page of a list, in the order of codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPage {
    /// The members.
    pub items: Vec<ListItem>,
    /// Code after which the next page begins; `None` on the last one.
    pub next: Option<String>,
    /// The sum of every page: the number of the figure.
    pub total: u64,
}

/// Which list of which figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// The figure.
    pub figure: FigureId,
    /// The division; `None` is the whole inventory.
    pub division: Option<DivisionCode>,
    /// The window; what has passed of it counts.
    pub window: Window,
    /// The part.
    pub kind: ListKind,
}

/// Up to `limit` members of a list with codes behind `after`.
pub async fn list(
    context: &CoverageContext,
    query: ListQuery,
    after: Option<String>,
    limit: usize,
) -> Result<ListPage, CoverageError> {
    let window = context.passed(query.window)?;
    let measure = query.figure.measure;
    let needs = Needs {
        spans: measure.needs_history() || measure.is_time_weighted(),
        measured: measure.needs_measured(),
    };
    let material = gather(context, query.division, window, needs).await?;
    let (calendar, targets) = (context.calendar.clone(), Arc::clone(&context.targets));
    let compute = move || {
        let contributions = contributions(&material, &query, &calendar, &targets);
        page(contributions, query.kind, after.as_deref(), limit, &material.inventory)
    };
    context.compute(compute).await
}

fn contributions(
    material: &Material,
    query: &ListQuery,
    calendar: &Calendar,
    targets: &Targets,
) -> Vec<Contribution> {
    let measure = query.figure.measure;
    let histories =
        if measure.needs_history() { material.histories(query.division) } else { Default::default() };
    let time =
        if measure.is_time_weighted() { material.point_time(query.division, None) } else { Vec::new() };
    let survey = Survey {
        calendar,
        targets,
        window: material.window,
        extent: Extent::of(&material.inventory, query.division, last_instant(material.window)),
        measured: &material.measured,
        histories: &histories,
        time: &time,
    };
    let mut contributions = survey.contributions(query.figure, Basis::Adjusted);
    contributions.retain(|contribution| query.kind.amount(&contribution.counts) > 0);
    contributions.sort_by(|left, right| (&left.member, left.village).cmp(&(&right.member, right.village)));
    join(contributions)
}

/// A point that moved within the window adds once for each village; a list names it once, where it was last.
fn join(contributions: Vec<Contribution>) -> Vec<Contribution> {
    let mut joined: Vec<Contribution> = Vec::with_capacity(contributions.len());
    for next in contributions {
        match joined.last_mut().filter(|last| last.member == next.member) {
            Some(last) => last.counts = last.counts.plus(next.counts),
            None => joined.push(next),
        }
    }
    joined
}

fn page(
    contributions: Vec<Contribution>,
    kind: ListKind,
    after: Option<&str>,
    limit: usize,
    inventory: &Inventory,
) -> ListPage {
    let amount = |contribution: &Contribution| kind.amount(&contribution.counts);
    let total = contributions.iter().map(amount).sum();
    let item = |contribution: Contribution| ListItem {
        name: name_of(inventory, &contribution.member),
        village: contribution.village,
        village_name: division_name(inventory, &contribution.village),
        amount: amount(&contribution),
        member: contribution.member,
        why: contribution.why,
    };
    let behind = contributions.into_iter().filter(|it| after.is_none_or(|after| it.member.code() > after));
    let mut items: Vec<ListItem> = behind.take(limit.saturating_add(1)).map(item).collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| last.member.code().to_owned());
    ListPage { items, next, total }
}

fn name_of(inventory: &Inventory, member: &Member) -> String {
    let name = match member {
        Member::Village(code) => inventory.divisions.get(code).map(|it| &it.name),
        Member::Grid(code) => inventory.grids.get(code).map(|it| &it.name),
        Member::Place(code) => inventory.places.get(code).map(|it| &it.name),
        Member::Point(code) => inventory.points.get(code).map(|it| &it.name),
    };
    name.cloned().unwrap_or_default()
}

/// The name of a division; empty when it is not known.
pub(crate) fn division_name(inventory: &Inventory, division: &DivisionCode) -> String {
    inventory.divisions.get(division).map(|it| it.name.clone()).unwrap_or_default()
}
