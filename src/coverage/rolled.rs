//! Time per village from the daily sums, and from spans where no sum holds: the same to the millisecond.

use crate::coverage::gather::{Needs, gather, is_inside, merge, tops};
use crate::coverage::{CoverageContext, CoverageError};
use crate::domain::survey::{Member, TimeRow, is_assessed};
use crate::domain::{DayPart, DivisionCode, Inventory, Window};
use crate::store::rollup::VillageTime;
use std::sync::Arc;

/// A stretch of whole days whose sums hold, or of time that has to be read from spans.
#[derive(Clone, Copy, Debug)]
enum Stretch {
    Rolled { first: DayPart, last: DayPart },
    Spans(Window),
}

/// The time of a scope by village and class; a division is assessed or not as `inventory`, that of the window's end, has it.
///
/// Closed days come from their sums, the rest (today, the ends of the window, days that are being computed anew) from
/// the spans of the points.
pub(crate) async fn village_time(
    context: &CoverageContext,
    scope: Option<DivisionCode>,
    window: Window,
    inventory: &Arc<Inventory>,
) -> Result<Vec<TimeRow>, CoverageError> {
    let divisions = scope.map_or_else(|| tops(inventory), |scope| vec![scope]);
    let mut rows = Vec::new();
    for division in divisions {
        for stretch in stretches(context, division, window).await? {
            match stretch {
                Stretch::Rolled { first, last } => {
                    let sums = context.store.village_time(division, first.day, last.day).await?;
                    rows.extend(sums.into_iter().filter_map(|sum| rolled_row(sum, inventory)));
                }
                Stretch::Spans(part) => rows.extend(span_rows(context, division, part, inventory).await?),
            }
        }
    }
    Ok(rows)
}

async fn stretches(
    context: &CoverageContext,
    division: DivisionCode,
    window: Window,
) -> Result<Vec<Stretch>, CoverageError> {
    let rolled = context.store.rolled_days(division, window).await?;
    let mut stretches: Vec<Stretch> = Vec::new();
    for part in context.calendar.split(window) {
        let is_rolled =
            part.whole && rolled.binary_search_by_key(&part.window.start(), |day| day.start()).is_ok();
        match stretches.last_mut() {
            Some(Stretch::Rolled { last, .. }) if is_rolled => *last = part,
            Some(Stretch::Spans(read)) if !is_rolled => {
                *read = Window::new(read.start(), part.window.end()).unwrap_or(*read);
            }
            _ if is_rolled => stretches.push(Stretch::Rolled { first: part, last: part }),
            _ => stretches.push(Stretch::Spans(part.window)),
        }
    }
    Ok(stretches)
}

fn rolled_row(sum: VillageTime, inventory: &Inventory) -> Option<TimeRow> {
    let VillageTime { village, class, tally } = sum;
    is_assessed(inventory, &village).then_some(TimeRow {
        member: Member::Village(village),
        village,
        class,
        tally,
    })
}

async fn span_rows(
    context: &CoverageContext,
    division: DivisionCode,
    window: Window,
    inventory: &Arc<Inventory>,
) -> Result<Vec<TimeRow>, CoverageError> {
    let material = gather(context, Some(division), window, Needs { spans: true, measured: false }).await?;
    let inventory = Arc::clone(inventory);
    let compute = move || {
        let rows = material.point_time(Some(division), None).into_iter();
        let of_village = |row: TimeRow| TimeRow { member: Member::Village(row.village), ..row };
        let assessed =
            |row: &TimeRow| is_inside(Some(division), &row.village) && is_assessed(&inventory, &row.village);
        merge(rows.map(of_village).filter(assessed))
    };
    context.compute(compute).await
}
