//! Spans of state for figures: the same history as `timeline`, without proof and cause, packed one row per point.
//!
//! A county of 8,000 points has 150,000 intervals a month; packing them in the database saves a row each.

use crate::domain::timeline::Span;
use crate::domain::{DivisionCode, PointCode, Timestamp, Window};
use crate::store::{Db, Store, StoreError, json_list, on_pool, parse, village_range};

/// The statements that pack spans, which the databases write differently. Each row is a point and a JSON list of three
/// lists: starts, ends, states; numbers are packed a third cheaper than joined texts.
struct Statements {
    /// Of the points of the villages `[$1, $2]`, what touches `[$3, $4)`; by point, so that nothing is sorted.
    of_villages: &'static str,
    /// Of the points `$1`, wherever they are recorded, what touches `[$2, $3)`.
    of_points: &'static str,
    /// Of the points `$1`, what precedes `$2` back to the last good interval: the first part of outages that run across.
    earlier: &'static str,
}

const LITE: Statements = Statements {
    of_villages: "
        SELECT point.code, (
            SELECT json_array(json_group_array(start_ms), json_group_array(end_ms), json_group_array(state))
            FROM interval WHERE interval.point = point.code AND end_ms > $3 AND start_ms < $4)
        FROM point WHERE point.village >= $1 AND point.village <= $2
        UNION ALL
        SELECT point.code, json_array(json_array(since_ms), json_array($4), json_array(state))
        FROM point JOIN point_state ON point_state.point = point.code
        WHERE point.village >= $1 AND point.village <= $2 AND since_ms < $4",
    of_points:
        "
        SELECT wanted.value, (
            SELECT json_array(json_group_array(start_ms), json_group_array(end_ms), json_group_array(state))
            FROM interval WHERE interval.point = wanted.value AND end_ms > $2 AND start_ms < $3)
        FROM json_each($1) AS wanted
        UNION ALL
        SELECT point, json_array(json_array(since_ms), json_array($3), json_array(state))
        FROM json_each($1) AS wanted JOIN point_state ON point_state.point = wanted.value WHERE since_ms < $3",
    earlier: "
        SELECT wanted.value, (
            SELECT json_array(json_group_array(start_ms), json_group_array(end_ms), json_group_array(state))
            FROM interval WHERE interval.point = wanted.value AND end_ms <= $2
                AND end_ms > COALESCE((SELECT good.end_ms FROM interval AS good
                    WHERE good.point = wanted.value AND good.end_ms <= $2 AND good.state = 'good'
                    ORDER BY good.end_ms DESC LIMIT 1), $3))
        FROM json_each($1) AS wanted",
};

const PG: Statements = Statements {
    of_villages: "
        SELECT point.code, (
            SELECT json_build_array(json_agg(start_ms), json_agg(end_ms), json_agg(state))::text
            FROM interval WHERE interval.point = point.code AND end_ms > $3 AND start_ms < $4)
        FROM point WHERE point.village >= $1 AND point.village <= $2
        UNION ALL
        SELECT point.code, json_build_array(ARRAY[since_ms], ARRAY[$4], ARRAY[state])::text
        FROM point JOIN point_state ON point_state.point = point.code
        WHERE point.village >= $1 AND point.village <= $2 AND since_ms < $4",
    of_points: "
        SELECT wanted.value, (
            SELECT json_build_array(json_agg(start_ms), json_agg(end_ms), json_agg(state))::text
            FROM interval WHERE interval.point = wanted.value AND end_ms > $2 AND start_ms < $3)
        FROM json_array_elements_text($1::json) AS wanted (value)
        UNION ALL
        SELECT point, json_build_array(ARRAY[since_ms], ARRAY[$3], ARRAY[state])::text
        FROM json_array_elements_text($1::json) AS wanted (value) JOIN point_state ON point_state.point = wanted.value
        WHERE since_ms < $3",
    earlier: "
        SELECT wanted.value, (
            SELECT json_build_array(json_agg(start_ms), json_agg(end_ms), json_agg(state))::text
            FROM interval WHERE interval.point = wanted.value AND end_ms <= $2
                AND end_ms > COALESCE((SELECT good.end_ms FROM interval AS good
                    WHERE good.point = wanted.value AND good.end_ms <= $2 AND good.state = 'good'
                    ORDER BY good.end_ms DESC LIMIT 1), $3))
        FROM json_array_elements_text($1::json) AS wanted (value)",
};

/// Closed days inside `[$1, $2]`, and whether a sum of the villages `[$3, $4]` is still to be computed anew.
const ROLLED_DAYS: &str = "
    SELECT start_ms, end_ms, CAST(CASE WHEN EXISTS (SELECT 1 FROM dirty_day WHERE dirty_day.day = closed_day.day
        AND village >= $3 AND village <= $4) THEN 1 ELSE 0 END AS BIGINT)
    FROM closed_day WHERE start_ms >= $1 AND end_ms <= $2 ORDER BY start_ms";

/// Instants in `($1, $2]` from which on a record was another one than before.
const CHANGES: &str = "
    SELECT DISTINCT from_ms FROM record_version WHERE from_ms > $1 AND from_ms <= $2 AND NOT earliest ORDER BY from_ms";

/// The spans of one point, in the order of their start.
pub type PointSpans = (PointCode, Vec<Span>);

impl Store {
    /// The spans of every point recorded in the villages `first` to `last` that touch `window`; whole, not clipped,
    /// save that an open one ends with the window. In the order of points.
    pub async fn spans(
        &self,
        first: DivisionCode,
        last: DivisionCode,
        window: Window,
    ) -> Result<Vec<PointSpans>, StoreError> {
        let statement = self.span_statements().of_villages;
        let rows: Vec<(String, String)> = on_pool!(&self.db, pool => sqlx::query_as(statement)
            .bind(first.as_str())
            .bind(last.as_str())
            .bind(window.start().as_millis())
            .bind(window.end().as_millis())
            .fetch_all(pool)
            .await)
        .map_err(StoreError::at("read the spans of a division"))?;
        unpack_aside(rows).await
    }

    /// The spans of `points` that touch `window`, as [`Store::spans`], wherever the points are recorded now.
    pub async fn spans_of(
        &self,
        points: &[PointCode],
        window: Window,
    ) -> Result<Vec<PointSpans>, StoreError> {
        let statement = self.span_statements().of_points;
        let rows: Vec<(String, String)> = on_pool!(&self.db, pool => sqlx::query_as(statement)
            .bind(json_list(points.iter().map(PointCode::as_str)))
            .bind(window.start().as_millis())
            .bind(window.end().as_millis())
            .fetch_all(pool)
            .await)
        .map_err(StoreError::at("read the spans of points"))?;
        unpack_aside(rows).await
    }

    /// The spans of `points` that end at or before `at`, back to the last good one: what an outage that is open at `at`
    /// began with.
    pub async fn earlier_spans(
        &self,
        points: &[PointCode],
        at: Timestamp,
    ) -> Result<Vec<PointSpans>, StoreError> {
        let statement = self.span_statements().earlier;
        let rows: Vec<(String, String)> = on_pool!(&self.db, pool => sqlx::query_as(statement)
            .bind(json_list(points.iter().map(PointCode::as_str)))
            .bind(at.as_millis())
            .bind(Timestamp::MIN.as_millis())
            .fetch_all(pool)
            .await)
        .map_err(StoreError::at("read the spans before a window"))?;
        unpack_aside(rows).await
    }

    /// The closed days inside `window` whose sums of a division are all computed, in order.
    pub async fn rolled_days(
        &self,
        division: DivisionCode,
        window: Window,
    ) -> Result<Vec<Window>, StoreError> {
        let (first, last) = village_range(division);
        let rows: Vec<(i64, i64, i64)> = on_pool!(&self.db, pool => sqlx::query_as(ROLLED_DAYS)
            .bind(window.start().as_millis())
            .bind(window.end().as_millis())
            .bind(first)
            .bind(last)
            .fetch_all(pool)
            .await)
        .map_err(StoreError::at("read the days that are rolled up"))?;
        let clean = rows.into_iter().filter(|(_, _, dirty)| *dirty == 0);
        let day = |(start, end, _)| Window::new(Timestamp::from_millis(start), Timestamp::from_millis(end));
        Ok(clean.filter_map(day).collect())
    }

    /// The instants in `(after, until]` at which an import changed a record that was there before.
    pub async fn inventory_changes(
        &self,
        after: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Timestamp>, StoreError> {
        let rows: Vec<i64> = on_pool!(&self.db, pool => sqlx::query_scalar(CHANGES)
            .bind(after.as_millis())
            .bind(until.as_millis())
            .fetch_all(pool)
            .await)
        .map_err(StoreError::at("read the changes of the inventory"))?;
        Ok(rows.into_iter().map(Timestamp::from_millis).collect())
    }

    const fn span_statements(&self) -> &'static Statements {
        match &self.db {
            Db::Lite(_) => &LITE,
            Db::Pg(_) => &PG,
        }
    }
}

/// Unpacks off the async threads: a county's month takes tens of milliseconds.
async fn unpack_aside(rows: Vec<(String, String)>) -> Result<Vec<PointSpans>, StoreError> {
    let unpacked = tokio::task::spawn_blocking(move || unpack(rows)).await;
    unpacked.map_err(|_cut_off| sqlx::Error::WorkerCrashed).map_err(StoreError::at("unpack spans"))?
}

/// Joins the rows of each point and brings its spans into order; neither database promises one.
fn unpack(rows: Vec<(String, String)>) -> Result<Vec<PointSpans>, StoreError> {
    let mut points: Vec<PointSpans> = Vec::with_capacity(rows.len());
    for (code, packed) in rows {
        points.push((parse("point", &code)?, read_spans(&packed)?));
    }
    points.sort_by_key(|(point, _)| *point);
    points.dedup_by(|(next, more), (point, spans)| {
        let same = next == point;
        if same {
            spans.append(more);
        }
        same
    });
    points.retain(|(_, spans)| !spans.is_empty());
    for (_, spans) in &mut points {
        spans.sort_by_key(|span| span.window.start());
    }
    Ok(points)
}

/// Starts, ends and states as the database packs them; PostgreSQL writes null for an empty list.
type Packed<'a> = (Option<Vec<i64>>, Option<Vec<i64>>, Option<Vec<&'a str>>);

fn read_spans(packed: &str) -> Result<Vec<Span>, StoreError> {
    let corrupt = || StoreError::corrupt("interval", packed);
    let (starts, ends, states): Packed<'_> = serde_json::from_str(packed).map_err(|_not_ours| corrupt())?;
    let bounds = starts.unwrap_or_default().into_iter().zip(ends.unwrap_or_default());
    let spans = bounds.zip(states.unwrap_or_default()).map(|((start, end), state)| {
        let window = Window::new(Timestamp::from_millis(start), Timestamp::from_millis(end))?;
        Some(Span { window, state: state.parse().ok()? })
    });
    spans.collect::<Option<_>>().ok_or_else(corrupt)
}
