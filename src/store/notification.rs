//! The outbox: entries are queued in the transaction of what they tell of (`store::incident`) and settled here.

mod document;

use crate::domain::Timestamp;
use crate::domain::incident::RootKind;
use crate::domain::message::{Message, MessageKind};
use crate::domain::outbox::{Entry, EntryState, Notice};
use crate::store::{Db, Store, StoreError, json_list, on_pool};
use document::MessageDocument;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// Queues a JSON list of notices in its order. The key makes queueing twice the same as once.
macro_rules! queue {
    ($notices:literal) => {
        concat!(
            "INSERT INTO notification (incident, message_key, channel, kind, message, queued_ms, due_ms, state, failures, why) ",
            $notices,
            " ON CONFLICT DO NOTHING"
        )
    };
}
pub(super) const QUEUE_LITE: &str = queue!(
    "SELECT value ->> 'incident', value ->> 'message_key', value ->> 'channel', value ->> 'kind', value ->> 'message', \
     value ->> 'queued_ms', value ->> 'due_ms', 'queued', 0, '' FROM json_each($1) WHERE true"
);
pub(super) const QUEUE_PG: &str = queue!(
    "SELECT incident, message_key, channel, kind, message, queued_ms, due_ms, 'queued', 0, '' FROM json_to_recordset($1::json) \
     AS given(incident BIGINT, message_key TEXT, channel TEXT, kind TEXT, message TEXT, queued_ms BIGINT, due_ms BIGINT)"
);

/// Nothing waits longer, by any setting: what is due later was queued by a clock that was ahead, and is due now.
const LONGEST_WAIT: Duration = Duration::from_secs(7_200);

/// Every entry, on one channel, of the incidents whose first entry that waits is due at `$3`, those due longest; what was held
/// back comes behind everything else. One that has to wait holds up those behind it, and nothing of another incident. The
/// problem of an incident that is restored waits until it fails again or is closed, untold.
const WAITING: &str = "SELECT id, incident, kind, state, due_ms, message, failures, perhaps FROM notification \
    WHERE channel = $1 AND incident IN (SELECT incident FROM notification WHERE id IN \
    (SELECT MIN(id) FROM notification WHERE channel = $1 AND state IN ('queued', 'held') GROUP BY incident) AND (due_ms <= $3 OR due_ms > $4) \
    AND NOT (kind = 'problem' AND EXISTS (SELECT 1 FROM incident WHERE incident.id = notification.incident \
    AND restored_ms IS NOT NULL AND ended_ms IS NULL)) ORDER BY CASE state WHEN 'held' THEN 1 ELSE 0 END, due_ms, id LIMIT $2) ORDER BY id";

const SETTLE_LITE: &str = "UPDATE notification SET state = $2, why = $3, settled_ms = $4 \
    WHERE id IN (SELECT value FROM json_each($1))";
const SETTLE_PG: &str = "UPDATE notification SET state = $2, why = $3, settled_ms = $4 \
    WHERE id IN (SELECT value::bigint FROM json_array_elements_text($1::json))";

const POSTPONE_LITE: &str = "UPDATE notification SET failures = failures + $4, why = $2, due_ms = $3, state = $5, perhaps = CASE WHEN $6 = 1 THEN 1 ELSE perhaps END \
    WHERE id IN (SELECT value FROM json_each($1))";
const POSTPONE_PG: &str = "UPDATE notification SET failures = failures + $4, why = $2, due_ms = $3, state = $5, perhaps = CASE WHEN $6 = 1 THEN 1 ELSE perhaps END \
    WHERE id IN (SELECT value::bigint FROM json_array_elements_text($1::json))";

macro_rules! abandon {
    ($channels:literal) => {
        concat!(
            "UPDATE notification SET state = 'dropped', why = 'the channel is not in the settings any more', settled_ms = $2 ",
            "WHERE state IN ('queued', 'held') AND channel NOT IN (",
            $channels,
            ")"
        )
    };
}
const ABANDON_LITE: &str = abandon!("SELECT value FROM json_each($1)");
const ABANDON_PG: &str = abandon!("SELECT json_array_elements_text($1::json)");

/// What was told last of each incident that goes on, on one channel, when that was before `$2`.
const STALE: &str = "SELECT id, message FROM notification WHERE id IN (SELECT MAX(notification.id) FROM incident \
    JOIN notification ON notification.incident = incident.id AND channel = $1 AND state = 'sent' \
    WHERE live = 1 AND ended_ms IS NULL GROUP BY incident.id) AND (settled_ms < $2 OR settled_ms > $4) ORDER BY id LIMIT $3";

/// How many incidents of these kinds of roots go on that a channel was told of, or may have been.
macro_rules! told {
    ($kinds:literal) => {
        concat!(
            "SELECT COUNT(*) FROM incident WHERE live = 1 AND ended_ms IS NULL AND kind IN (",
            $kinds,
            ") AND EXISTS (SELECT 1 FROM notification WHERE notification.incident = incident.id AND channel = $1 ",
            "AND (state = 'sent' OR perhaps = 1))"
        )
    };
}
const TOLD_LITE: &str = told!("SELECT value FROM json_each($2)");
const TOLD_PG: &str = told!("SELECT json_array_elements_text($2::json)");

/// How many incidents are held back on a channel for a reason.
const HELD: &str =
    "SELECT COUNT(DISTINCT incident) FROM notification WHERE channel = $1 AND state = 'held' AND why = $2";

/// A page, newest first, below the number `$1`.
const PAGE: &str = "SELECT id, incident, message_key, channel, kind, message, queued_ms, due_ms, state, failures, why, settled_ms \
    FROM notification WHERE id < $1 AND ($2 = '' OR state = $2) AND ($3 < 0 OR incident = $3) ORDER BY id DESC LIMIT $4";

const COUNT: &str =
    "SELECT state, COUNT(*) FROM notification WHERE state IN ('queued', 'held', 'dead') GROUP BY state";

/// The entries of one incident that wait on a channel, with everything that was told before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Number of the incident.
    pub incident: i64,
    /// Its entries, in order.
    pub entries: Vec<Entry>,
    /// The messages of those that wait, with how often sending each has failed, by number of the entry.
    pub messages: BTreeMap<i64, (Message, u32)>,
}

/// How many entries are in the outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxLength {
    /// Those that wait.
    pub queued: i64,
    /// Those that are held back.
    pub held: i64,
    /// Those that were given up.
    pub dead: i64,
}

/// An entry as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationRow {
    /// Its number.
    pub id: i64,
    /// Number of the incident.
    pub incident: i64,
    /// Name of the channel.
    pub channel: String,
    /// What is told.
    pub message: Message,
    /// What became of it.
    pub state: EntryState,
    /// When it was queued.
    pub queued: Timestamp,
    /// Not before this.
    pub due: Timestamp,
    /// How often sending failed.
    pub failures: i64,
    /// Why it failed last, or was given up.
    pub why: String,
    /// When it was sent, dropped or given up.
    pub settled: Option<Timestamp>,
}

type WaitingRow = (i64, i64, String, String, i64, String, i64, i64);

#[derive(sqlx::FromRow)]
struct ShownRow {
    id: i64,
    incident: i64,
    channel: String,
    message: String,
    queued_ms: i64,
    due_ms: i64,
    state: String,
    failures: i64,
    why: String,
    settled_ms: Option<i64>,
}

impl Store {
    /// What waits on a channel and is due, of at most `incidents` incidents, those that are due longest.
    pub async fn waiting_notifications(
        &self,
        channel: &str,
        incidents: u32,
        now: Timestamp,
    ) -> Result<Vec<Waiting>, StoreError> {
        let latest = now.plus(LONGEST_WAIT);
        let rows: Vec<WaitingRow> = on_pool!(&self.db, pool => sqlx::query_as(WAITING)
            .bind(channel)
            .bind(i64::from(incidents))
            .bind(now.as_millis())
            .bind(latest.as_millis())
            .fetch_all(pool)
            .await)
        .map_err(StoreError::at("read the outbox"))?;
        let mut waiting: BTreeMap<i64, Waiting> = BTreeMap::new();
        for row in rows {
            let incident = row.1;
            let fresh = || Waiting { incident, entries: Vec::new(), messages: BTreeMap::new() };
            read_waiting(row, latest, waiting.entry(incident).or_insert_with(fresh))?;
        }
        Ok(waiting.into_values().collect())
    }

    /// Settles entries for good.
    pub async fn settle_notifications(
        &self,
        entries: &[i64],
        state: EntryState,
        why: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let settle = match &self.db {
            Db::Lite(_) => SETTLE_LITE,
            Db::Pg(_) => SETTLE_PG,
        };
        on_pool!(&self.db, pool => sqlx::query(settle)
            .bind(json_list(entries.iter().copied()))
            .bind(state.as_str())
            .bind(why)
            .bind(now.as_millis())
            .execute(pool)
            .await
            .map(|_done| ()))
        .map_err(StoreError::at("settle notifications"))
    }

    /// Notes that entries could not be sent and are tried again at `due`; `perhaps` the receiver has them all the same.
    pub async fn fail_notifications(
        &self,
        entries: &[i64],
        why: &str,
        due: Timestamp,
        perhaps: bool,
    ) -> Result<(), StoreError> {
        self.postpone(entries, why, due, EntryState::Queued, perhaps).await
    }

    /// Holds entries back until `due`, through nobody's fault.
    pub async fn hold_notifications(
        &self,
        entries: &[i64],
        why: &str,
        due: Timestamp,
    ) -> Result<(), StoreError> {
        self.postpone(entries, why, due, EntryState::Held, false).await
    }

    async fn postpone(
        &self,
        entries: &[i64],
        why: &str,
        due: Timestamp,
        state: EntryState,
        perhaps: bool,
    ) -> Result<(), StoreError> {
        let postpone = match &self.db {
            Db::Lite(_) => POSTPONE_LITE,
            Db::Pg(_) => POSTPONE_PG,
        };
        on_pool!(&self.db, pool => sqlx::query(postpone)
            .bind(json_list(entries.iter().copied()))
            .bind(why)
            .bind(due.as_millis())
            .bind(i64::from(state == EntryState::Queued))
            .bind(state.as_str())
            .bind(i64::from(perhaps))
            .execute(pool)
            .await
            .map(|_done| ()))
        .map_err(StoreError::at("postpone notifications"))
    }

    /// What was told last on a channel of each incident that goes on, where that was before `before`: up to `limit` of them.
    pub async fn stale_notifications(
        &self,
        channel: &str,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<(i64, Message)>, StoreError> {
        let rows: Vec<(i64, String)> = on_pool!(&self.db, pool => sqlx::query_as(STALE)
            .bind(channel)
            .bind(before.as_millis())
            .bind(i64::from(limit))
            .bind(before.plus(LONGEST_WAIT).as_millis())
            .fetch_all(pool)
            .await)
        .map_err(StoreError::at("read what was told last"))?;
        rows.into_iter().map(|(id, message)| Ok((id, read_message(&message)?))).collect()
    }

    /// Up to `limit` entries with a number below `before`, newest first; of one state or incident only, if asked.
    pub async fn notification_rows(
        &self,
        state: Option<EntryState>,
        incident: Option<i64>,
        before: i64,
        limit: u32,
    ) -> Result<Vec<NotificationRow>, StoreError> {
        let rows: Vec<ShownRow> = on_pool!(&self.db, pool => sqlx::query_as(PAGE)
            .bind(before)
            .bind(state.map_or("", EntryState::as_str))
            .bind(incident.unwrap_or(-1))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await)
        .map_err(StoreError::at("list notifications"))?;
        rows.into_iter().map(read_shown).collect()
    }

    /// Gives up what waits for channels that are not in the settings any more.
    pub async fn drop_notifications_of_others(
        &self,
        channels: &[&str],
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let drop = match &self.db {
            Db::Lite(_) => ABANDON_LITE,
            Db::Pg(_) => ABANDON_PG,
        };
        on_pool!(&self.db, pool => sqlx::query(drop)
            .bind(json_list(channels.iter().copied()))
            .bind(now.as_millis())
            .execute(pool)
            .await
            .map(|done| done.rows_affected()))
        .map_err(StoreError::at("give up what waits for other channels"))
    }

    /// How many incidents with one of these kinds of roots go on that a channel was told of, or may have been.
    pub async fn told_incidents(&self, channel: &str, kinds: &[RootKind]) -> Result<usize, StoreError> {
        let told = match &self.db {
            Db::Lite(_) => TOLD_LITE,
            Db::Pg(_) => TOLD_PG,
        };
        let count: i64 = on_pool!(&self.db, pool => sqlx::query_scalar(told)
            .bind(channel)
            .bind(json_list(kinds.iter().map(|kind| kind.as_str())))
            .fetch_one(pool)
            .await)
        .map_err(StoreError::at("count what was told"))?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// How many incidents are held back on a channel for this reason.
    pub async fn held_incidents(&self, channel: &str, why: &str) -> Result<usize, StoreError> {
        let count: i64 = on_pool!(&self.db, pool => sqlx::query_scalar(HELD)
            .bind(channel)
            .bind(why)
            .fetch_one(pool)
            .await)
        .map_err(StoreError::at("count what is held back"))?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// How many entries are in the outbox.
    pub async fn outbox_length(&self) -> Result<OutboxLength, StoreError> {
        let rows: Vec<(String, i64)> =
            on_pool!(&self.db, pool => sqlx::query_as(COUNT).fetch_all(pool).await)
                .map_err(StoreError::at("count the outbox"))?;
        let count = |state: EntryState| {
            rows.iter().find(|(word, _)| word == state.as_str()).map_or(0, |(_, count)| *count)
        };
        Ok(OutboxLength {
            queued: count(EntryState::Queued),
            held: count(EntryState::Held),
            dead: count(EntryState::Dead),
        })
    }
}

/// The notices of incidents as the statement that queues them takes them.
pub(super) fn write_notices<'a>(notices: impl IntoIterator<Item = (i64, &'a Notice)>) -> String {
    json_list(notices.into_iter().map(|(incident, notice)| {
        json!({
            "incident": incident,
            "message_key": notice.message.id,
            "channel": notice.channel,
            "kind": notice.message.kind.as_str(),
            "message": write_message(&notice.message),
            "queued_ms": notice.message.at.as_millis(),
            "due_ms": notice.due.as_millis(),
        })
    }))
}

fn write_message(message: &Message) -> String {
    // A struct of texts and numbers is always JSON.
    serde_json::to_string(&MessageDocument::of(message)).unwrap_or_default()
}

fn read_message(text: &str) -> Result<Message, StoreError> {
    let document: Option<MessageDocument> = serde_json::from_str(text).ok();
    document.and_then(MessageDocument::read).ok_or_else(|| StoreError::corrupt("notification.message", text))
}

fn read_state(text: &str) -> Result<EntryState, StoreError> {
    EntryState::parse(text).ok_or_else(|| StoreError::corrupt("notification.state", text))
}

fn read_waiting(
    (id, _, kind, state, due_ms, message, failures, perhaps): WaitingRow,
    latest: Timestamp,
    waiting: &mut Waiting,
) -> Result<(), StoreError> {
    let kind = MessageKind::parse(&kind).ok_or_else(|| StoreError::corrupt("notification.kind", &kind))?;
    let due = Some(Timestamp::from_millis(due_ms)).filter(|due| *due <= latest).unwrap_or(Timestamp::MIN);
    let entry = Entry { id, kind, state: read_state(&state)?, due, perhaps: perhaps == 1 };
    if entry.state.waits() {
        let failures = u32::try_from(failures).unwrap_or(u32::MAX);
        waiting.messages.insert(id, (read_message(&message)?, failures));
    }
    waiting.entries.push(entry);
    Ok(())
}

fn read_shown(row: ShownRow) -> Result<NotificationRow, StoreError> {
    Ok(NotificationRow {
        id: row.id,
        incident: row.incident,
        channel: row.channel,
        message: read_message(&row.message)?,
        state: read_state(&row.state)?,
        queued: Timestamp::from_millis(row.queued_ms),
        due: Timestamp::from_millis(row.due_ms),
        failures: row.failures,
        why: row.why,
        settled: row.settled_ms.map(Timestamp::from_millis),
    })
}
