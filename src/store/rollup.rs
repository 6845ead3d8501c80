//! Daily sums per village and class: what figures over long windows are pooled from.
//!
//! A day of the configured zone is closed once it has ended; from then on a change inside it makes the pair of village
//! and day dirty. Dirty pairs are computed anew from the intervals, the exclusions and the inventory of that day, so
//! that repeating it changes nothing and late data never adds to a counter.

use crate::domain::calendar::{Calendar, Day};
use crate::domain::exclusion::ExclusionMap;
use crate::domain::timeline::{MEASURED, Span, StateMillis, Tally, pieces, tally};
use crate::domain::{DivisionCode, Inventory, Point, PointClass, PointCode, State, Timestamp, Window};
use crate::store::{Db, Store, StoreError, json_list, on_pool, parse, village_range};
use sqlx::FromRow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Time after the end of a day in which confirmed failures are still back-dated into it; closing later saves work.
const GRACE: Duration = Duration::from_secs(10 * 60);
/// Villages computed in one transaction: some thousand points, well below a second.
const VILLAGES_AT_ONCE: usize = 200;
/// Dirty pairs looked at in one go.
const PAIRS_AT_ONCE: i64 = 20_000;

/// A day that has ended and is rolled up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedDay {
    /// The day.
    pub day: Day,
    /// Its instants when it was closed.
    pub window: Window,
}

/// Time of the points of one village and class on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VillageDay {
    /// The day.
    pub day: Day,
    /// Whose.
    pub time: VillageTime,
}

/// Time of the points of one village and class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VillageTime {
    /// The village.
    pub village: DivisionCode,
    /// Class of the points.
    pub class: PointClass,
    /// Sums per state, and the part under effective exclusions.
    pub tally: Tally,
}

/// What one roll-up did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RolledUp {
    /// Days closed.
    pub days: u64,
    /// Pairs of village and day computed.
    pub pairs: u64,
}

const LAST_CLOSED: &str = "SELECT day, start_ms, end_ms FROM closed_day ORDER BY day DESC LIMIT 1";
const EARLIEST: &str = "SELECT MIN(ms) FROM (SELECT MIN(since_ms) AS ms FROM point_state
    UNION ALL SELECT MIN(start_ms) FROM interval) AS starts";
const CLOSE: &str =
    "INSERT INTO closed_day (day, start_ms, end_ms) VALUES ($1, $2, $3) ON CONFLICT (day) DO NOTHING";
/// Newest day first: the newest figures are looked at most.
const DIRTY: &str = "
    SELECT dirty_day.village, closed_day.day, closed_day.start_ms, closed_day.end_ms
    FROM dirty_day JOIN closed_day ON closed_day.day = dirty_day.day
    ORDER BY dirty_day.day DESC, dirty_day.village LIMIT $1";
/// The intervals of these days are gone; what was computed stays.
const FORGET_DIRTY: &str =
    "DELETE FROM dirty_day WHERE day IN (SELECT closed_day.day FROM closed_day WHERE start_ms < $1)";
/// By way of the closed days, so that each of them is one range of the primary key; CROSS keeps SQLite from going the
/// other way round, through every village of the network.
const VILLAGE_DAYS: &str = "
    SELECT village_day.day, village, class, good_ms, degraded_ms, no_video_ms, offline_ms, unreachable_ms, unknown_ms,
        excluded_good_ms, excluded_degraded_ms, excluded_no_video_ms, excluded_offline_ms, excluded_unreachable_ms,
        excluded_unknown_ms
    FROM closed_day CROSS JOIN village_day
    WHERE village_day.day = closed_day.day AND closed_day.day >= $1 AND closed_day.day <= $2 AND village >= $3 AND village <= $4
    ORDER BY village_day.day, village, class";
const VILLAGE_TIME: &str = "
    SELECT '' AS day, village, class, CAST(SUM(good_ms) AS BIGINT) AS good_ms,
        CAST(SUM(degraded_ms) AS BIGINT) AS degraded_ms, CAST(SUM(no_video_ms) AS BIGINT) AS no_video_ms,
        CAST(SUM(offline_ms) AS BIGINT) AS offline_ms, CAST(SUM(unreachable_ms) AS BIGINT) AS unreachable_ms,
        CAST(SUM(unknown_ms) AS BIGINT) AS unknown_ms, CAST(SUM(excluded_good_ms) AS BIGINT) AS excluded_good_ms,
        CAST(SUM(excluded_degraded_ms) AS BIGINT) AS excluded_degraded_ms,
        CAST(SUM(excluded_no_video_ms) AS BIGINT) AS excluded_no_video_ms,
        CAST(SUM(excluded_offline_ms) AS BIGINT) AS excluded_offline_ms,
        CAST(SUM(excluded_unreachable_ms) AS BIGINT) AS excluded_unreachable_ms,
        CAST(SUM(excluded_unknown_ms) AS BIGINT) AS excluded_unknown_ms
    FROM closed_day CROSS JOIN village_day
    WHERE village_day.day = closed_day.day AND closed_day.day >= $1 AND closed_day.day <= $2 AND village >= $3 AND village <= $4
    GROUP BY village, class ORDER BY village, class";

/// The statements that take a list of codes (`$1`, a JSON list), which the databases read differently.
struct ListStatements {
    /// Before a day is closed: waits for transactions that write transitions, so that each of them sees the closed day
    /// or is seen by its sums.
    lock_closed: &'static str,
    mark: &'static str,
    clean: &'static str,
    remove: &'static str,
    /// `$1` is the day, `$2` a list of village, class, raw and excluded sums.
    insert: &'static str,
    spans: &'static str,
}

const LITE: ListStatements = ListStatements {
    // One writer at a time, and this transaction has begun to write before it looks.
    lock_closed: "SELECT 1",
    mark: "INSERT INTO dirty_day (village, day)
        SELECT value, $2 FROM json_each($1) WHERE true ON CONFLICT (village, day) DO NOTHING",
    clean: "DELETE FROM dirty_day WHERE day = $2 AND village IN (SELECT value FROM json_each($1))",
    remove: "DELETE FROM village_day WHERE day = $2 AND village IN (SELECT value FROM json_each($1))",
    insert: "
        INSERT INTO village_day (day, village, class, good_ms, degraded_ms, no_video_ms, offline_ms, unreachable_ms,
            unknown_ms, excluded_good_ms, excluded_degraded_ms, excluded_no_video_ms, excluded_offline_ms,
            excluded_unreachable_ms, excluded_unknown_ms)
        SELECT $1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
            value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13
        FROM json_each($2)",
    spans: "
        SELECT interval.point, start_ms, end_ms, state
        FROM json_each($1) AS given CROSS JOIN interval ON interval.point = given.value
        WHERE end_ms > $2 AND start_ms < $3
        UNION ALL
        SELECT point_state.point, since_ms, $3, state
        FROM json_each($1) AS given CROSS JOIN point_state ON point_state.point = given.value
        WHERE since_ms < $3
        ORDER BY 1, 2",
};

const PG: ListStatements = ListStatements {
    lock_closed: "LOCK TABLE closed_day IN EXCLUSIVE MODE",
    mark: "INSERT INTO dirty_day (village, day)
        SELECT value, $2 FROM json_array_elements_text($1::json) AS given (value)
        ON CONFLICT (village, day) DO NOTHING",
    clean: "DELETE FROM dirty_day WHERE day = $2 AND village IN (SELECT json_array_elements_text($1::json))",
    remove: "DELETE FROM village_day WHERE day = $2 AND village IN (SELECT json_array_elements_text($1::json))",
    insert: "
        INSERT INTO village_day (day, village, class, good_ms, degraded_ms, no_video_ms, offline_ms, unreachable_ms,
            unknown_ms, excluded_good_ms, excluded_degraded_ms, excluded_no_video_ms, excluded_offline_ms,
            excluded_unreachable_ms, excluded_unknown_ms)
        SELECT $1, value ->> 0, value ->> 1, (value ->> 2)::bigint, (value ->> 3)::bigint, (value ->> 4)::bigint,
            (value ->> 5)::bigint, (value ->> 6)::bigint, (value ->> 7)::bigint, (value ->> 8)::bigint,
            (value ->> 9)::bigint, (value ->> 10)::bigint, (value ->> 11)::bigint, (value ->> 12)::bigint,
            (value ->> 13)::bigint
        FROM json_array_elements($2::json) AS given (value)",
    spans: "
        SELECT interval.point, start_ms, end_ms, state
        FROM interval WHERE interval.point = ANY (ARRAY(SELECT json_array_elements_text($1::json)))
            AND end_ms > $2 AND start_ms < $3
        UNION ALL
        SELECT point_state.point, since_ms, $3, state
        FROM point_state WHERE point_state.point = ANY (ARRAY(SELECT json_array_elements_text($1::json)))
            AND since_ms < $3
        ORDER BY 1, 2",
};

#[derive(FromRow)]
struct ClosedRow {
    day: String,
    start_ms: i64,
    end_ms: i64,
}

#[derive(FromRow)]
struct DirtyRow {
    village: String,
    #[sqlx(flatten)]
    closed: ClosedRow,
}

#[derive(FromRow)]
struct SpanRow {
    point: String,
    start_ms: i64,
    end_ms: i64,
    state: String,
}

#[derive(FromRow)]
struct VillageRow {
    day: String,
    village: String,
    class: String,
    good_ms: i64,
    degraded_ms: i64,
    no_video_ms: i64,
    offline_ms: i64,
    unreachable_ms: i64,
    unknown_ms: i64,
    excluded_good_ms: i64,
    excluded_degraded_ms: i64,
    excluded_no_video_ms: i64,
    excluded_offline_ms: i64,
    excluded_unreachable_ms: i64,
    excluded_unknown_ms: i64,
}

impl Store {
    /// The last day that is closed.
    pub async fn last_closed_day(&self) -> Result<Option<ClosedDay>, StoreError> {
        let row: Option<ClosedRow> =
            on_pool!(&self.db, pool => sqlx::query_as(LAST_CLOSED).fetch_optional(pool).await)
                .map_err(StoreError::at("read the last closed day"))?;
        row.map(|row| row.read()).transpose()
    }

    /// Sums per day, village and class over the closed days `first` to `last`, both included, in that order.
    pub async fn village_days(
        &self,
        division: DivisionCode,
        first: Day,
        last: Day,
    ) -> Result<Vec<VillageDay>, StoreError> {
        let rows = self.village_rows(VILLAGE_DAYS, division, first, last).await?;
        let day_of = |row: &VillageRow| Ok(VillageDay { day: parse("day", &row.day)?, time: row.read()? });
        rows.iter().map(day_of).collect()
    }

    /// The same, pooled over the days.
    pub async fn village_time(
        &self,
        division: DivisionCode,
        first: Day,
        last: Day,
    ) -> Result<Vec<VillageTime>, StoreError> {
        let rows = self.village_rows(VILLAGE_TIME, division, first, last).await?;
        rows.iter().map(VillageRow::read).collect()
    }

    async fn village_rows(
        &self,
        statement: &'static str,
        division: DivisionCode,
        first: Day,
        last: Day,
    ) -> Result<Vec<VillageRow>, StoreError> {
        let (from, to) = village_range(division);
        on_pool!(&self.db, pool => sqlx::query_as(statement)
            .bind(first.to_string())
            .bind(last.to_string())
            .bind(from)
            .bind(to)
            .fetch_all(pool)
            .await)
        .map_err(StoreError::at("read the daily sums"))
    }

    /// Closes the days that have ended and computes every dirty pair. Safe to repeat; does nothing when nothing is new.
    ///
    /// Days that begin before `horizon` keep the sums that they have: their intervals are no longer kept.
    pub async fn roll_up(
        &self,
        calendar: &Calendar,
        now: Timestamp,
        horizon: Timestamp,
    ) -> Result<RolledUp, StoreError> {
        let mut records = InventoryOfDay { store: self, held: None };
        let days = self.close_days(calendar, now.minus(GRACE), horizon, &mut records).await?;
        on_pool!(&self.db, pool => sqlx::query(FORGET_DIRTY).bind(horizon.as_millis()).execute(pool).await.map(|_count| ()))
            .map_err(StoreError::at("forget dirty days"))?;
        let mut pairs = 0;
        loop {
            let dirty = self.dirty_days().await?;
            if dirty.is_empty() {
                return Ok(RolledUp { days, pairs });
            }
            for (closed, villages) in dirty {
                // Again when an import came in between: a new point counts on past days, too.
                loop {
                    let inventory = records.at(last_instant(closed.window)).await?;
                    let counted = CountedPoints::new(&villages, inventory, closed.window);
                    for villages in villages.chunks(VILLAGES_AT_ONCE) {
                        self.compute_village_days(closed, villages, &counted).await?;
                    }
                    if records.are_current().await? {
                        break;
                    }
                }
                pairs += u64::try_from(villages.len()).unwrap_or(u64::MAX);
            }
        }
    }

    async fn close_days(
        &self,
        calendar: &Calendar,
        until: Timestamp,
        horizon: Timestamp,
        records: &mut InventoryOfDay<'_>,
    ) -> Result<u64, StoreError> {
        let Some(mut day) = self.first_open_day(calendar, horizon).await? else { return Ok(0) };
        let mut count = 0;
        while let Some(window) = calendar.window_of(day).filter(|window| window.end() <= until) {
            // Again when an import came in between: from here on it marks the days of its new points itself.
            loop {
                let inventory = records.at(last_instant(window)).await?;
                let counted = inventory.points.values().filter(|point| point.considered_in(window).is_some());
                let villages: BTreeSet<DivisionCode> = counted.map(|point| point.village).collect();
                self.close_day(ClosedDay { day, window }, &villages).await?;
                if records.are_current().await? {
                    break;
                }
            }
            count += 1;
            day = day.next();
        }
        Ok(count)
    }

    /// The day after the last closed one; before the first, the day of the earliest interval that is still kept.
    async fn first_open_day(
        &self,
        calendar: &Calendar,
        horizon: Timestamp,
    ) -> Result<Option<Day>, StoreError> {
        if let Some(last) = self.last_closed_day().await? {
            return Ok(Some(last.day.next()));
        }
        let earliest: Option<i64> =
            on_pool!(&self.db, pool => sqlx::query_scalar(EARLIEST).fetch_one(pool).await)
                .map_err(StoreError::at("read the earliest interval"))?;
        Ok(earliest.map(|ms| calendar.day_of(Timestamp::from_millis(ms).max(horizon))))
    }

    async fn close_day(
        &self,
        closed: ClosedDay,
        villages: &BTreeSet<DivisionCode>,
    ) -> Result<(), StoreError> {
        let statements = self.list_statements();
        let day = closed.day.to_string();
        let villages = json_list(villages.iter().map(DivisionCode::as_str));
        on_pool!(&self.db, pool => async {
            let mut tx = pool.begin().await?;
            sqlx::query(statements.lock_closed).execute(&mut *tx).await?;
            sqlx::query(CLOSE)
                .bind(&day)
                .bind(closed.window.start().as_millis())
                .bind(closed.window.end().as_millis())
                .execute(&mut *tx)
                .await?;
            sqlx::query(statements.mark).bind(&villages).bind(&day).execute(&mut *tx).await?;
            tx.commit().await
        }
        .await)
        .map_err(StoreError::at("close a day"))
    }

    /// Dirty pairs by day, newest first.
    async fn dirty_days(&self) -> Result<Vec<(ClosedDay, Vec<DivisionCode>)>, StoreError> {
        let rows: Vec<DirtyRow> =
            on_pool!(&self.db, pool => sqlx::query_as(DIRTY).bind(PAIRS_AT_ONCE).fetch_all(pool).await)
                .map_err(StoreError::at("read the dirty days"))?;
        let mut days: Vec<(ClosedDay, Vec<DivisionCode>)> = Vec::new();
        for row in rows {
            let (closed, village) = (row.closed.read()?, parse("village", &row.village)?);
            match days.last_mut() {
                Some((last, villages)) if *last == closed => villages.push(village),
                _ => days.push((closed, vec![village])),
            }
        }
        Ok(days)
    }

    /// Computes the sums of some villages on a closed day and takes their dirty marks away, in one transaction.
    ///
    /// The marks go first: whoever changes an interval or an exclusion meanwhile either waits and marks again, or was
    /// there before what is read here.
    async fn compute_village_days(
        &self,
        closed: ClosedDay,
        villages: &[DivisionCode],
        counted: &CountedPoints<'_>,
    ) -> Result<(), StoreError> {
        let statements = self.list_statements();
        let points = counted.of(villages);
        let day = closed.day.to_string();
        let village_list = json_list(villages.iter().map(DivisionCode::as_str));
        let point_list = json_list(points.iter().map(|point| point.code.as_str()));
        let (start_ms, end_ms) = (closed.window.start().as_millis(), closed.window.end().as_millis());
        on_pool!(&self.db, pool => async {
            let failed = || StoreError::at("compute the sums of a day");
            let mut tx = pool.begin().await.map_err(failed())?;
            sqlx::query(statements.clean).bind(&village_list).bind(&day).execute(&mut *tx).await.map_err(failed())?;
            let exclusions = self.effective_exclusions(closed.window).await?;
            let spans: Vec<SpanRow> = sqlx::query_as(statements.spans)
                .bind(&point_list)
                .bind(start_ms)
                .bind(end_ms)
                .fetch_all(&mut *tx)
                .await
                .map_err(failed())?;
            let sums = sums(&points, &read_spans(&spans)?, &ExclusionMap::new(counted.inventory, &exclusions), closed.window);
            sqlx::query(statements.remove).bind(&village_list).bind(&day).execute(&mut *tx).await.map_err(failed())?;
            sqlx::query(statements.insert).bind(&day).bind(write_sums(&sums)).execute(&mut *tx).await.map_err(failed())?;
            tx.commit().await.map_err(failed())
        }
        .await)
    }

    const fn list_statements(&self) -> &'static ListStatements {
        match &self.db {
            Db::Lite(_) => &LITE,
            Db::Pg(_) => &PG,
        }
    }
}

/// The inventory as of an instant, read again only when it may be another one.
struct InventoryOfDay<'a> {
    store: &'a Store,
    held: Option<Held>,
}

struct Held {
    at: Timestamp,
    /// Read before the inventory, so that an import in between is noticed.
    version: i64,
    inventory: Inventory,
}

impl InventoryOfDay<'_> {
    async fn at(&mut self, at: Timestamp) -> Result<&Inventory, StoreError> {
        let version = self.store.inventory_version().await?;
        let still_holds = match &self.held {
            Some(held) if held.version == version => {
                let changes = self.store.inventory_changes(at.min(held.at), at.max(held.at)).await?;
                changes.is_empty()
            }
            Some(_) | None => false,
        };
        if !still_holds {
            self.held = Some(Held { at, version, inventory: self.store.load_inventory_at(at).await? });
        }
        let held = self.held.get_or_insert_with(|| Held { at, version, inventory: Inventory::default() });
        Ok(&held.inventory)
    }

    /// Whether no import was applied since the held inventory was read.
    async fn are_current(&self) -> Result<bool, StoreError> {
        let version = self.store.inventory_version().await?;
        Ok(self.held.as_ref().is_some_and(|held| held.version == version))
    }
}

/// The records of a day are those of its last instant.
fn last_instant(day: Window) -> Timestamp {
    day.end().minus(Duration::from_millis(1))
}

/// The points that count on some part of a day, by village.
struct CountedPoints<'a> {
    inventory: &'a Inventory,
    by_village: BTreeMap<DivisionCode, Vec<&'a Point>>,
}

impl<'a> CountedPoints<'a> {
    fn new(villages: &[DivisionCode], inventory: &'a Inventory, day: Window) -> Self {
        let mut by_village: BTreeMap<DivisionCode, Vec<&Point>> =
            villages.iter().map(|village| (*village, Vec::new())).collect();
        for point in inventory.points.values().filter(|point| point.considered_in(day).is_some()) {
            if let Some(points) = by_village.get_mut(&point.village) {
                points.push(point);
            }
        }
        Self { inventory, by_village }
    }

    fn of(&self, villages: &[DivisionCode]) -> Vec<&'a Point> {
        villages.iter().filter_map(|village| self.by_village.get(village)).flatten().copied().collect()
    }
}

/// Sums per village and class.
fn sums(
    points: &[&Point],
    spans: &BTreeMap<PointCode, Vec<Span>>,
    exclusions: &ExclusionMap<'_>,
    day: Window,
) -> BTreeMap<(DivisionCode, PointClass), Tally> {
    let mut sums: BTreeMap<(DivisionCode, PointClass), Tally> = BTreeMap::new();
    for point in points {
        let Some(considered) = point.considered_in(day) else { continue };
        let spans = spans.get(&point.code).map_or(&[][..], Vec::as_slice);
        let of_point = tally(&pieces(spans, considered, &exclusions.windows(point)));
        let sum = sums.entry((point.village, point.class)).or_default();
        *sum = sum.plus(of_point);
    }
    sums
}

fn write_sums(sums: &BTreeMap<(DivisionCode, PointClass), Tally>) -> String {
    let rows = sums.iter().map(|((village, class), tally)| {
        let names = [village.as_str(), class.as_str()].map(serde_json::Value::from);
        let millis = tally.raw.as_array().into_iter().chain(tally.excluded.as_array());
        names.into_iter().chain(millis.map(serde_json::Value::from)).collect::<serde_json::Value>()
    });
    rows.collect::<serde_json::Value>().to_string()
}

fn read_spans(rows: &[SpanRow]) -> Result<BTreeMap<PointCode, Vec<Span>>, StoreError> {
    let mut spans: BTreeMap<PointCode, Vec<Span>> = BTreeMap::new();
    for row in rows {
        let (start, end) = (Timestamp::from_millis(row.start_ms), Timestamp::from_millis(row.end_ms));
        let state: State = parse("state", &row.state)?;
        let of_point = spans.entry(parse("point", &row.point)?).or_default();
        of_point.extend(Window::new(start, end).map(|window| Span { window, state }));
    }
    Ok(spans)
}

impl ClosedRow {
    fn read(&self) -> Result<ClosedDay, StoreError> {
        let (start, end) = (Timestamp::from_millis(self.start_ms), Timestamp::from_millis(self.end_ms));
        let corrupt = || StoreError::corrupt("closed_day.end_ms", self.end_ms);
        Ok(ClosedDay { day: parse("day", &self.day)?, window: Window::new(start, end).ok_or_else(corrupt)? })
    }
}

impl VillageRow {
    fn read(&self) -> Result<VillageTime, StoreError> {
        let corrupt = || StoreError::corrupt("class", &self.class);
        let class =
            PointClass::ALL.into_iter().find(|class| class.as_str() == self.class).ok_or_else(corrupt)?;
        let millis = |columns: [i64; MEASURED.len()]| {
            StateMillis::new(columns.map(|column| u64::try_from(column).unwrap_or(0)))
        };
        let raw = millis([
            self.good_ms,
            self.degraded_ms,
            self.no_video_ms,
            self.offline_ms,
            self.unreachable_ms,
            self.unknown_ms,
        ]);
        let excluded = millis([
            self.excluded_good_ms,
            self.excluded_degraded_ms,
            self.excluded_no_video_ms,
            self.excluded_offline_ms,
            self.excluded_unreachable_ms,
            self.excluded_unknown_ms,
        ]);
        Ok(VillageTime { village: parse("village", &self.village)?, class, tally: Tally { raw, excluded } })
    }
}
