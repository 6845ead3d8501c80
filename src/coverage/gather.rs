//! Gathers what a survey needs from the store.

use crate::coverage::{CoverageContext, CoverageError, last_instant};
use crate::domain::exclusion::ExclusionMap;
use crate::domain::history::History;
use crate::domain::survey::{Measured, Member, TimeRow, is_assessed};
use crate::domain::timeline::{self, Span};
use crate::domain::{
    Calendar, DivisionCode, DivisionLevel, Exclusion, Inventory, Point, PointCode, State, Timestamp, Window,
};
use crate::store::PointFacts;
use futures::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Readers at once for the spans of one report: half of the SQLite pool, so that other requests go on.
const SPAN_READERS: usize = 4;

/// A part of the window over which one inventory holds.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) window: Window,
    pub(crate) inventory: Arc<Inventory>,
}

/// Everything that was read for one scope and window.
#[derive(Debug)]
pub(crate) struct Material {
    pub(crate) window: Window,
    /// As of the last instant of the window.
    pub(crate) inventory: Arc<Inventory>,
    /// Each day's time counts where its point was recorded at that day's end, so that parts add up to the whole. Empty
    /// when no spans were asked for.
    pub(crate) segments: Vec<Segment>,
    pub(crate) spans: BTreeMap<PointCode, Vec<Span>>,
    pub(crate) measured: BTreeMap<PointCode, Measured>,
    /// Of the window, and from before it where an outage runs across its start.
    pub(crate) exclusions: Vec<Exclusion>,
}

/// Which part of the material is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    pub(crate) spans: bool,
    pub(crate) measured: bool,
}

/// Reads what the figures of `scope` and `window` need.
pub(crate) async fn gather(
    context: &CoverageContext,
    scope: Option<DivisionCode>,
    window: Window,
    needs: Needs,
) -> Result<Material, CoverageError> {
    let at = last_instant(window);
    let inventory = context.inventory_at(at).await?;
    let segments = if needs.spans { segments(context, window, &inventory).await? } else { Vec::new() };
    let (spans, measured) = tokio::try_join!(
        async {
            if needs.spans {
                read_spans(context, scope, window, &segments).await
            } else {
                Ok(BTreeMap::new())
            }
        },
        async {
            if needs.measured {
                read_facts(context, scope, at, &inventory).await
            } else {
                Ok(BTreeMap::new())
            }
        },
    )?;
    let exclusions = context.store.effective_exclusions(reach(window, &spans)).await?;
    Ok(Material { window, inventory, segments, spans, measured, exclusions })
}

/// The window with the first part of every outage that runs across its start: an exclusion there stops the repair clock.
fn reach(window: Window, spans: &BTreeMap<PointCode, Vec<Span>>) -> Window {
    let crossing = spans.values().filter(|spans| is_crossing(spans, window));
    let earliest = crossing.filter_map(|spans| spans.first()).map(|first| first.window.start()).min();
    earliest.and_then(|earliest| Window::new(earliest.min(window.start()), window.end())).unwrap_or(window)
}

/// Whether the first span is a fault (or a pause in one) that lasts at the start of the window.
fn is_crossing(spans: &[Span], window: Window) -> bool {
    spans.first().is_some_and(|first| first.window.start() <= window.start() && first.state != State::Good)
}

/// Cuts the window at the ends of days after which another inventory holds.
pub(crate) async fn segments(
    context: &CoverageContext,
    window: Window,
    last: &Arc<Inventory>,
) -> Result<Vec<Segment>, CoverageError> {
    let parts = day_parts(&context.calendar, window, context.clock.now());
    let until = parts.last().map_or(window.end(), |(_, as_of)| *as_of);
    let changes = context.store.inventory_changes(window.start(), until).await?;
    if changes.is_empty() {
        return Ok(vec![Segment { window, inventory: last.clone() }]);
    }
    let mut segments: Vec<(Window, Timestamp)> = Vec::new();
    for (part, as_of) in parts {
        match segments.last_mut() {
            Some((joined, known)) if !changes.iter().any(|change| *known < *change && *change <= as_of) => {
                *joined = Window::new(joined.start(), part.end()).unwrap_or(*joined);
                *known = as_of;
            }
            _ => segments.push((part, as_of)),
        }
    }
    let mut read = Vec::with_capacity(segments.len());
    for (window, as_of) in segments {
        read.push(Segment { window, inventory: context.inventory_at(as_of).await? });
    }
    Ok(read)
}

/// The days of a window, each with the instant whose inventory holds: the end of the day, or now while it is open.
fn day_parts(calendar: &Calendar, window: Window, now: Timestamp) -> Vec<(Window, Timestamp)> {
    let as_of = |day| calendar.window_of(day).map_or(now, last_instant).min(now);
    calendar.split(window).into_iter().map(|part| (part.window, as_of(part.day))).collect()
}

pub(crate) fn is_inside(scope: Option<DivisionCode>, village: &DivisionCode) -> bool {
    scope.is_none_or(|scope| scope.contains(village))
}

async fn read_spans(
    context: &CoverageContext,
    scope: Option<DivisionCode>,
    window: Window,
    segments: &[Segment],
) -> Result<BTreeMap<PointCode, Vec<Span>>, CoverageError> {
    let inventory = context.inventory.borrow().clone();
    let villages: Vec<DivisionCode> = inventory.villages_in(scope).map(|village| village.code).collect();
    let chunk = villages.len().div_ceil(SPAN_READERS).max(1);
    let reads = villages.chunks(chunk).filter_map(|chunk| Some((*chunk.first()?, *chunk.last()?)));
    let read = try_join_all(reads.map(|(first, last)| context.store.spans(first, last, window))).await?;
    let mut spans: BTreeMap<PointCode, Vec<Span>> = read.into_iter().flatten().collect();
    add_moved_points(context, scope, window, segments, &mut spans).await?;
    add_earlier(context, window, &mut spans).await?;
    Ok(spans)
}

/// The store finds points by the village of now; a point that moved out of the scope since is read by itself.
async fn add_moved_points(
    context: &CoverageContext,
    scope: Option<DivisionCode>,
    window: Window,
    segments: &[Segment],
    spans: &mut BTreeMap<PointCode, Vec<Span>>,
) -> Result<(), CoverageError> {
    let now = context.inventory.borrow().clone();
    let past = segments.iter().filter(|segment| !Arc::ptr_eq(&segment.inventory, &now));
    let moved = |point: &&Point| {
        is_inside(scope, &point.village)
            && !spans.contains_key(&point.code)
            && now.points.get(&point.code).is_some_and(|today| !is_inside(scope, &today.village))
    };
    let points = past.flat_map(|segment| segment.inventory.points.values()).filter(moved);
    let codes: BTreeSet<PointCode> = points.map(|point| point.code).collect();
    if !codes.is_empty() {
        let codes: Vec<PointCode> = codes.into_iter().collect();
        spans.extend(context.store.spans_of(&codes, window).await?);
    }
    Ok(())
}

/// Outages that run across the start keep their first part.
async fn add_earlier(
    context: &CoverageContext,
    window: Window,
    spans: &mut BTreeMap<PointCode, Vec<Span>>,
) -> Result<(), CoverageError> {
    let crossing = spans.iter().filter(|(_, spans)| is_crossing(spans, window));
    let codes: Vec<PointCode> = crossing.map(|(point, _)| *point).collect();
    if codes.is_empty() {
        return Ok(());
    }
    for (point, mut earlier) in context.store.earlier_spans(&codes, window.start()).await? {
        if let Some(later) = spans.get_mut(&point) {
            earlier.append(later);
            *later = earlier;
        }
    }
    Ok(())
}

async fn read_facts(
    context: &CoverageContext,
    scope: Option<DivisionCode>,
    at: Timestamp,
    inventory: &Inventory,
) -> Result<BTreeMap<PointCode, Measured>, CoverageError> {
    let mut measured = BTreeMap::new();
    for division in scope.map_or_else(|| tops(inventory), |scope| vec![scope]) {
        let facts = context.store.facts_at(division, at).await?;
        let of_point =
            |it: PointFacts| (it.point, Measured { size: it.size, main_size: it.main_size, clock: it.clock });
        measured.extend(facts.into_iter().map(of_point));
        for decoded in context.store.decoded_sizes_at(division, at).await? {
            if let Some(measured) = measured.get_mut(&decoded.point) {
                measured.prove(&decoded);
            }
        }
    }
    Ok(measured)
}

/// The divisions of the highest level that the inventory knows.
pub(crate) fn tops(inventory: &Inventory) -> Vec<DivisionCode> {
    let level = inventory.divisions.keys().map(DivisionCode::level).min().unwrap_or(DivisionLevel::Province);
    inventory.divisions.keys().filter(|code| code.level() == level).copied().collect()
}

impl Material {
    /// The history of every point of the scope that counts at some time of the window.
    pub(crate) fn histories(&self, scope: Option<DivisionCode>) -> BTreeMap<PointCode, History> {
        let exclusions = ExclusionMap::new(&self.inventory, &self.exclusions);
        let points = self.inventory.points.values().filter(|point| is_inside(scope, &point.village));
        let history = |point: &Point| {
            let counted = point.counted()?;
            counted.intersect(self.window)?;
            let spans = self.spans.get(&point.code).map_or(&[][..], Vec::as_slice);
            Some((point.code, History::read(spans, counted, self.window, &exclusions.windows(point))))
        };
        points.filter_map(history).collect()
    }

    /// One row for each assessed point, and one more for each village or class that it had on other days of the window.
    ///
    /// A division is assessed or not as the inventory has it at the end of the window. `histories` save a second walk
    /// through the spans where one inventory holds all the time.
    pub(crate) fn point_time(
        &self,
        scope: Option<DivisionCode>,
        histories: Option<&BTreeMap<PointCode, History>>,
    ) -> Vec<TimeRow> {
        let of_segment = |segment: &Segment| self.segment_time(scope, segment.window, &segment.inventory);
        match (self.segments.as_slice(), histories) {
            ([only], Some(histories)) if Arc::ptr_eq(&only.inventory, &self.inventory) => {
                self.known_time(histories)
            }
            (segments, _) => merge(segments.iter().flat_map(of_segment)),
        }
    }

    fn known_time(&self, histories: &BTreeMap<PointCode, History>) -> Vec<TimeRow> {
        let row = |(code, history): (&PointCode, &History)| {
            let point = self.inventory.points.get(code)?;
            is_assessed(&self.inventory, &point.village).then_some(TimeRow {
                member: Member::Point(*code),
                village: point.village,
                class: point.class,
                tally: history.tally,
            })
        };
        histories.iter().filter_map(row).collect()
    }

    /// The time of each point within a part of the window over which `inventory` holds.
    fn segment_time(
        &self,
        scope: Option<DivisionCode>,
        window: Window,
        inventory: &Inventory,
    ) -> Vec<TimeRow> {
        let exclusions = ExclusionMap::new(inventory, &self.exclusions);
        let points = inventory
            .points
            .values()
            .filter(|point| is_inside(scope, &point.village) && is_assessed(inventory, &point.village));
        let row = |point: &Point| {
            let considered = point.considered_in(window)?;
            let spans = self.spans.get(&point.code).map_or(&[][..], Vec::as_slice);
            let pieces = timeline::pieces(spans, considered, &exclusions.windows(point));
            Some(TimeRow {
                member: Member::Point(point.code),
                village: point.village,
                class: point.class,
                tally: timeline::tally(&pieces),
            })
        };
        points.filter_map(row).collect()
    }
}

/// Adds up the rows of the same member, village and class.
pub(crate) fn merge(rows: impl Iterator<Item = TimeRow>) -> Vec<TimeRow> {
    let mut merged: BTreeMap<(Member, DivisionCode, crate::domain::PointClass), TimeRow> = BTreeMap::new();
    for row in rows {
        let key = (row.member.clone(), row.village, row.class);
        match merged.get_mut(&key) {
            Some(sum) => sum.tally = sum.tally.plus(row.tally),
            None => {
                merged.insert(key, row);
            }
        }
    }
    merged.into_values().collect()
}
