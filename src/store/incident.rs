//! Incidents and their events. An incident is read back by playing its events; the columns of its row are for lists.

mod document;

use crate::domain::incident::{Incident, IncidentEvent, Level, Opening, Root, RootKind, Stage};
use crate::domain::outbox::Notice;
use crate::domain::{Cause, DivisionCode, PointClass, Timestamp};
use crate::fault::{self, FaultPoint};
use crate::store::notification::{QUEUE_LITE, QUEUE_PG, write_notices};
use crate::store::{Db, Store, StoreError, json_list, on_pool, read_division, write_division};
use document::Detail;
use std::collections::BTreeMap;
use std::time::Duration;

const OPEN: &str = "INSERT INTO incident (kind, code, since_ms, opened_ms, first_cause, first_detail, first_members, \
    first_level, first_deadline_ms, class, division, revision, live, stage, cause, level, members, restored, due_ms, overdue) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, 1, 'open', $5, $8, $12, 0, $13, 0) RETURNING id";

/// Guarded by the revision, so that an event is never kept upon a state that it was not decided on.
const CHANGE: &str = "UPDATE incident SET revision = $2, live = $3, stage = $4, cause = $5, level = $6, assignee = $7, \
    members = $8, restored = $9, due_ms = $10, overdue = $11, restored_ms = $12, ended_ms = $13, merged_into = $14, acknowledged_by = $16 \
    WHERE id = $1 AND revision = $15";

const ADD_EVENT: &str = "INSERT INTO incident_event (incident, seq, at_ms, actor, what, detail, note) \
    VALUES ($1, $2, $3, $4, $5, $6, $7)";

const LIVE: &str = "SELECT id, kind, code, since_ms, opened_ms, first_cause, first_detail, first_members, first_level, \
    first_deadline_ms, class, division FROM incident WHERE live = 1 ORDER BY id";
const LIVE_EVENTS: &str = "SELECT incident, seq, at_ms, actor, what, detail, note FROM incident_event \
    WHERE incident IN (SELECT id FROM incident WHERE live = 1) ORDER BY incident, seq";

const ONE: &str = "SELECT id, kind, code, since_ms, opened_ms, first_cause, first_detail, first_members, first_level, \
    first_deadline_ms, class, division FROM incident WHERE id = $1";
const EVENTS: &str = "SELECT incident, seq, at_ms, actor, what, detail, note FROM incident_event \
    WHERE incident = $1 AND seq > $2 ORDER BY seq LIMIT $3";

/// A page, newest first, below the number `$1`. `$2` is a JSON list of stages; `$4` the code of a division, whose incidents
/// are those inside it and those that hold it.
macro_rules! page {
    ($going_on:literal, $stages:literal, $kinds:literal) => {
        concat!(
            "SELECT id, kind, code, since_ms, opened_ms, class, division, stage, cause, level, assignee, members, restored, due_ms, ",
            "overdue, restored_ms, ended_ms, merged_into, acknowledged_by FROM incident WHERE ",
            $going_on,
            "id < $1 AND stage IN (",
            $stages,
            ") AND kind IN (",
            $kinds,
            ") AND (division LIKE $4 || '%' OR $4 LIKE division || '%') AND (overdue = 1 OR $5 = 0) ORDER BY id DESC LIMIT $6"
        )
    };
}
const PAGE_LITE: &str = page!("", "SELECT value FROM json_each($2)", "SELECT value FROM json_each($3)");
const PAGE_PG: &str =
    page!("", "SELECT json_array_elements_text($2::json)", "SELECT json_array_elements_text($3::json)");
/// ..where only incidents that go on are asked for: few of all, and there is an index of them.
const PAGE_OF_NOW_LITE: &str =
    page!("ended_ms IS NULL AND ", "SELECT value FROM json_each($2)", "SELECT value FROM json_each($3)");
const PAGE_OF_NOW_PG: &str = page!(
    "ended_ms IS NULL AND ",
    "SELECT json_array_elements_text($2::json)",
    "SELECT json_array_elements_text($3::json)"
);

/// Of a division, the whole network when `$1` is empty: those opened and ended since `$2`, those that go on, and those of them
/// whose clock a person holds.
const COUNT: &str = "SELECT COALESCE(SUM(CASE WHEN opened_ms >= $2 THEN 1 ELSE 0 END), 0), \
    COALESCE(SUM(CASE WHEN ended_ms >= $2 THEN 1 ELSE 0 END), 0), \
    COALESCE(SUM(CASE WHEN ended_ms IS NULL THEN 1 ELSE 0 END), 0), \
    COALESCE(SUM(CASE WHEN stage = 'suspended' THEN 1 ELSE 0 END), 0) FROM incident WHERE division LIKE $1 || '%'";

/// Every event, for one incident.
const ALL: i64 = i64::MAX;

/// What an incident has come to, and the events that brought it there since it was kept last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentChange {
    /// The incident with the events applied.
    pub after: Incident,
    /// The events, at least one.
    pub events: Vec<IncidentEvent>,
    /// What is told about them.
    pub notices: Vec<Notice>,
}

impl IncidentChange {
    /// Nothing yet.
    pub const fn none(incident: Incident) -> Self {
        Self { after: incident, events: Vec::new(), notices: Vec::new() }
    }
}

/// An incident as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentRow {
    /// Its number.
    pub id: i64,
    /// What failed.
    pub root: Root,
    /// How, in the word of the cause.
    pub cause: String,
    /// When the first failure was seen.
    pub since: Timestamp,
    /// When it was opened.
    pub opened: Timestamp,
    /// The strictest class among its points.
    pub class: PointClass,
    /// The smallest division that holds them.
    pub division: Option<DivisionCode>,
    /// Where it stands.
    pub stage: Stage,
    /// Whose turn it is.
    pub level: Level,
    /// Who takes care.
    pub acknowledged_by: Option<String>,
    /// Who was sent.
    pub assignee: Option<String>,
    /// Points that are proven again, and all of them.
    pub restored_of: (i64, i64),
    /// When the deadline passes; none while the clock stands.
    pub due: Option<Timestamp>,
    /// Whether it passed.
    pub overdue: bool,
    /// Since when everything is proven again.
    pub restored: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// What it is part of.
    pub merged_into: Option<i64>,
}

/// Which incidents a list holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentFilter {
    /// In one of these stages.
    pub stages: Vec<Stage>,
    /// Of one of these kinds of roots.
    pub kinds: Vec<RootKind>,
    /// Inside this division, or holding it.
    pub division: Option<DivisionCode>,
    /// Only those whose deadline passed.
    pub overdue: bool,
}

/// How many incidents a shift had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IncidentCounts {
    /// Opened since then.
    pub opened: i64,
    /// Ended since then.
    pub ended: i64,
    /// Those that go on.
    pub live: i64,
    /// Of them, those whose clock a person holds.
    pub suspended: i64,
}

#[derive(sqlx::FromRow)]
struct OpeningRow {
    id: i64,
    kind: String,
    code: String,
    since_ms: i64,
    opened_ms: i64,
    first_cause: String,
    first_detail: Option<String>,
    first_members: String,
    first_level: String,
    first_deadline_ms: i64,
    class: String,
    division: String,
}

type EventRow = (i64, i64, i64, String, String, String, String);

#[derive(sqlx::FromRow)]
struct ListRow {
    id: i64,
    kind: String,
    code: String,
    since_ms: i64,
    opened_ms: i64,
    class: String,
    division: String,
    stage: String,
    cause: String,
    level: String,
    acknowledged_by: Option<String>,
    assignee: Option<String>,
    members: i64,
    restored: i64,
    due_ms: Option<i64>,
    overdue: i64,
    restored_ms: Option<i64>,
    ended_ms: Option<i64>,
    merged_into: Option<i64>,
}

/// The statements with what they are given; macros, because the two databases have no common type of a query.
macro_rules! insert_opening {
    ($opening:expr, $incident:expr) => {{
        let (opening, incident): (&Opening, &Incident) = ($opening, $incident);
        sqlx::query_scalar(OPEN)
            .bind(opening.root.kind().as_str())
            .bind(opening.root.code())
            .bind(opening.since.as_millis())
            .bind(incident.opened.as_millis())
            .bind(opening.cause.as_str())
            .bind(opening.cause.detail())
            .bind(json_list(opening.members.iter().map(|point| point.as_str())))
            .bind(opening.level.as_str())
            .bind(millis(opening.deadline))
            .bind(opening.class.as_str())
            .bind(write_division(opening.division))
            .bind(count(opening.members.len()))
            .bind(incident.due().map(Timestamp::as_millis))
    }};
}

macro_rules! update_incident {
    ($after:expr, $before:expr) => {{
        let after: &Incident = $after;
        let row = IncidentRow::of(after);
        sqlx::query(CHANGE)
            .bind(row.id)
            .bind(after.revision)
            .bind(i64::from(after.is_live()))
            .bind(row.stage.as_str())
            .bind(row.cause)
            .bind(row.level.as_str())
            .bind(row.assignee)
            .bind(row.restored_of.1)
            .bind(row.restored_of.0)
            .bind(row.due.map(Timestamp::as_millis))
            .bind(i64::from(row.overdue))
            .bind(row.restored.map(Timestamp::as_millis))
            .bind(row.ended.map(Timestamp::as_millis))
            .bind(row.merged_into)
            .bind($before)
            .bind(row.acknowledged_by)
    }};
}

macro_rules! insert_event {
    ($incident:expr, $seq:expr, $event:expr) => {{
        let event: &IncidentEvent = $event;
        sqlx::query(ADD_EVENT)
            .bind($incident)
            .bind($seq)
            .bind(event.at.as_millis())
            .bind(&event.actor)
            .bind(event.happening.as_str())
            .bind(detail(event))
            .bind(&event.note)
    }};
}

impl IncidentRow {
    /// The row of an incident that is at hand.
    pub fn of(incident: &Incident) -> Self {
        let (restored, members) = incident.restored_of();
        Self {
            id: incident.id,
            root: incident.root.clone(),
            cause: incident.cause.as_str().to_owned(),
            since: incident.since,
            opened: incident.opened,
            class: incident.class,
            division: incident.division,
            stage: incident.stage(),
            level: incident.level,
            acknowledged_by: incident.acknowledged_by.clone(),
            assignee: incident.assignee.clone(),
            restored_of: (count(restored), count(members)),
            due: incident.due(),
            overdue: incident.overdue,
            restored: incident.restored,
            ended: incident.ended.map(|(at, _)| at),
            merged_into: incident.merged_into(),
        }
    }
}

impl Store {
    /// Keeps what the desk decided and queues what is told about it, all of it or nothing. Gives the incidents that were
    /// opened, with their numbers; `announce` says what is told about each of them.
    pub async fn keep_incidents(
        &self,
        openings: &[Opening],
        changes: &[IncidentChange],
        announce: impl Fn(&Incident) -> Vec<Notice>,
        now: Timestamp,
    ) -> Result<Vec<Incident>, StoreError> {
        let queue = match &self.db {
            Db::Lite(_) => QUEUE_LITE,
            Db::Pg(_) => QUEUE_PG,
        };
        on_pool!(&self.db, pool => async {
            let mut tx = pool.begin().await?;
            let (mut opened, mut told) = (Vec::new(), Vec::new());
            for opening in openings {
                let mut incident = Incident::open(0, opening, now);
                incident.id = insert_opening!(opening, &incident).fetch_one(&mut *tx).await?;
                told.extend(announce(&incident).into_iter().map(|notice| (incident.id, notice)));
                opened.push(incident);
            }
            for change in changes {
                let before = change.after.revision.saturating_sub(count(change.events.len()));
                let done = update_incident!(&change.after, before).execute(&mut *tx).await?;
                if done.rows_affected() == 0 {
                    return Err(sqlx::Error::RowNotFound);
                }
                for (event, seq) in change.events.iter().zip(before.saturating_add(1)..) {
                    insert_event!(change.after.id, seq, event).execute(&mut *tx).await?;
                }
            }
            let changed = changes
                .iter()
                .flat_map(|change| change.notices.iter().map(|notice| (change.after.id, notice)));
            let notices: Vec<(i64, &Notice)> =
                told.iter().map(|(incident, notice)| (*incident, notice)).chain(changed).collect();
            if !notices.is_empty() {
                sqlx::query(queue).bind(write_notices(notices)).execute(&mut *tx).await?;
            }
            fault::reach(FaultPoint::IncidentWritten);
            tx.commit().await?;
            Ok::<_, sqlx::Error>(opened)
        }
        .await)
        .map_err(StoreError::at("keep incidents"))
    }

    /// Every incident that the desk follows, by number.
    pub async fn live_incidents(&self) -> Result<Vec<Incident>, StoreError> {
        const WHAT: &str = "read the live incidents";
        let openings: Vec<OpeningRow> =
            on_pool!(&self.db, pool => sqlx::query_as(LIVE).fetch_all(pool).await)
                .map_err(StoreError::at(WHAT))?;
        let events: Vec<EventRow> =
            on_pool!(&self.db, pool => sqlx::query_as(LIVE_EVENTS).fetch_all(pool).await)
                .map_err(StoreError::at(WHAT))?;
        let mut by_incident: BTreeMap<i64, Vec<EventRow>> = BTreeMap::new();
        for row in events {
            by_incident.entry(row.0).or_default().push(row);
        }
        let play = |row: OpeningRow| {
            let events = by_incident.remove(&row.id).unwrap_or_default();
            play(row, events)
        };
        openings.into_iter().map(play).collect()
    }

    /// The incident of this number.
    pub async fn incident(&self, id: i64) -> Result<Option<Incident>, StoreError> {
        let row: Option<OpeningRow> =
            on_pool!(&self.db, pool => sqlx::query_as(ONE).bind(id).fetch_optional(pool).await)
                .map_err(StoreError::at("read an incident"))?;
        let Some(row) = row else { return Ok(None) };
        let events = self.event_rows(id, 0, ALL).await?;
        play(row, events).map(Some)
    }

    /// Up to `limit` events of an incident behind the one of number `after`, with their numbers.
    pub async fn incident_events(
        &self,
        id: i64,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, IncidentEvent)>, StoreError> {
        let rows = self.event_rows(id, after, i64::from(limit)).await?;
        rows.into_iter().map(|row| Ok((row.1, read_event(row)?))).collect()
    }

    /// Up to `limit` incidents with a number below `before`, newest first.
    pub async fn incident_rows(
        &self,
        filter: &IncidentFilter,
        before: i64,
        limit: u32,
    ) -> Result<Vec<IncidentRow>, StoreError> {
        let page = match (&self.db, filter.stages.iter().any(|stage| stage.is_end())) {
            (Db::Lite(_), false) => PAGE_OF_NOW_LITE,
            (Db::Pg(_), false) => PAGE_OF_NOW_PG,
            (Db::Lite(_), true) => PAGE_LITE,
            (Db::Pg(_), true) => PAGE_PG,
        };
        let stages = json_list(filter.stages.iter().map(|stage| stage.as_str()));
        let kinds = json_list(filter.kinds.iter().map(|kind| kind.as_str()));
        let division = write_division(filter.division);
        let rows: Vec<ListRow> = on_pool!(&self.db, pool => sqlx::query_as(page)
            .bind(before)
            .bind(stages)
            .bind(kinds)
            .bind(division)
            .bind(i64::from(filter.overdue))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await)
        .map_err(StoreError::at("list incidents"))?;
        rows.into_iter().map(read_list_row).collect()
    }

    /// How many incidents a division had since an instant, and has now; those of the whole network when none is named.
    pub async fn incident_counts(
        &self,
        division: Option<DivisionCode>,
        since: Timestamp,
    ) -> Result<IncidentCounts, StoreError> {
        let (opened, ended, live, suspended) = on_pool!(&self.db, pool => sqlx::query_as(COUNT)
            .bind(write_division(division))
            .bind(since.as_millis())
            .fetch_one(pool)
            .await)
        .map_err(StoreError::at("count incidents"))?;
        Ok(IncidentCounts { opened, ended, live, suspended })
    }

    async fn event_rows(&self, id: i64, after: i64, limit: i64) -> Result<Vec<EventRow>, StoreError> {
        on_pool!(&self.db, pool => sqlx::query_as(EVENTS).bind(id).bind(after).bind(limit).fetch_all(pool).await)
            .map_err(StoreError::at("read the events of an incident"))
    }
}

fn detail(event: &IncidentEvent) -> String {
    // A struct of texts and numbers is always JSON.
    serde_json::to_string(&Detail::of(&event.happening)).unwrap_or_default()
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn count(things: usize) -> i64 {
    i64::try_from(things).unwrap_or(i64::MAX)
}

/// Plays the events of an incident from its opening on.
fn play(row: OpeningRow, events: Vec<EventRow>) -> Result<Incident, StoreError> {
    let (id, opened) = (row.id, Timestamp::from_millis(row.opened_ms));
    let mut incident = Incident::open(id, &read_opening(row)?, opened);
    for row in events {
        let event = read_event(row)?;
        incident.apply(&event.happening, event.at);
    }
    Ok(incident)
}

fn read_opening(row: OpeningRow) -> Result<Opening, StoreError> {
    let members: Option<Vec<String>> = serde_json::from_str(&row.first_members).ok();
    let members = members.and_then(|codes| codes.iter().map(|code| code.parse().ok()).collect());
    Ok(Opening {
        root: read_root(&row.kind, &row.code)?,
        cause: Cause::parse(&row.first_cause, row.first_detail.as_deref())
            .map_err(|_unknown| StoreError::corrupt("incident.first_cause", &row.first_cause))?,
        since: Timestamp::from_millis(row.since_ms),
        members: members.ok_or_else(|| StoreError::corrupt("incident.first_members", &row.first_members))?,
        class: read_class(&row.class)?,
        division: read_division("incident.division", &row.division)?,
        level: read_level(&row.first_level)?,
        deadline: Duration::from_millis(u64::try_from(row.first_deadline_ms).unwrap_or(0)),
    })
}

fn read_event((_, _, at_ms, actor, what, detail, note): EventRow) -> Result<IncidentEvent, StoreError> {
    let happening = serde_json::from_str(&detail).ok().and_then(|detail: Detail| detail.read(&what, &actor));
    Ok(IncidentEvent {
        at: Timestamp::from_millis(at_ms),
        actor,
        happening: happening
            .ok_or_else(|| StoreError::corrupt("incident_event.detail", format!("{what} {detail}")))?,
        note,
    })
}

fn read_list_row(row: ListRow) -> Result<IncidentRow, StoreError> {
    Ok(IncidentRow {
        id: row.id,
        root: read_root(&row.kind, &row.code)?,
        since: Timestamp::from_millis(row.since_ms),
        opened: Timestamp::from_millis(row.opened_ms),
        class: read_class(&row.class)?,
        division: read_division("incident.division", &row.division)?,
        stage: Stage::parse(&row.stage).ok_or_else(|| StoreError::corrupt("incident.stage", &row.stage))?,
        level: read_level(&row.level)?,
        cause: row.cause,
        acknowledged_by: row.acknowledged_by,
        assignee: row.assignee,
        restored_of: (row.restored, row.members),
        due: row.due_ms.map(Timestamp::from_millis),
        overdue: row.overdue == 1,
        restored: row.restored_ms.map(Timestamp::from_millis),
        ended: row.ended_ms.map(Timestamp::from_millis),
        merged_into: row.merged_into,
    })
}

fn read_root(kind: &str, code: &str) -> Result<Root, StoreError> {
    Root::parse(kind, code).ok_or_else(|| StoreError::corrupt("incident.code", format!("{kind} {code}")))
}

fn read_class(text: &str) -> Result<PointClass, StoreError> {
    let found = PointClass::ALL.into_iter().find(|class| class.as_str() == text);
    found.ok_or_else(|| StoreError::corrupt("incident.class", text))
}

fn read_level(text: &str) -> Result<Level, StoreError> {
    Level::parse(text).ok_or_else(|| StoreError::corrupt("incident.level", text))
}
