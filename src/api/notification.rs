//! `notifications`: what was told about incidents, over which channel, and what became of it; dead letters included.

use crate::api::extract::Query;
use crate::api::guard::Reader;
use crate::api::page::{Limit, Page};
use crate::api::problem::{AnyProblem, ApiError};
use crate::api::state::ApiState;
use crate::api::time::Time;
use crate::api::word::{EntryStateWord, MessageKindWord};
use crate::store::notification::NotificationRow;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

/// Something that is told over one channel.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Notification)]
pub(crate) struct NotificationDto {
    /// Number.
    id: i64,
    /// Number of the incident.
    incident: i64,
    /// Name of the channel in the settings.
    channel: String,
    /// Key of the message, the same however often it is sent.
    key: String,
    /// What is told.
    kind: MessageKindWord,
    /// What became of it: `dropped` was over before it was told, or nobody was told what it ends; `dead` was refused for good, or
    /// not brought in two hundred tries.
    state: EntryStateWord,
    /// In one line.
    title: String,
    /// In words.
    text: String,
    /// When it was queued.
    queued: Time,
    /// Not before this.
    due: Time,
    /// How often sending failed.
    failures: i64,
    /// Why it failed last, or was given up.
    why: String,
    /// When it was sent (last), dropped or given up.
    settled: Option<Time>,
}

impl From<NotificationRow> for NotificationDto {
    fn from(row: NotificationRow) -> Self {
        Self {
            id: row.id,
            incident: row.incident,
            channel: row.channel,
            key: row.message.id,
            kind: row.message.kind.into(),
            state: row.state.into(),
            title: row.message.title,
            text: row.message.text,
            queued: row.queued.into(),
            due: row.due.into(),
            failures: row.failures,
            why: row.why,
            settled: row.settled.map(Time),
        }
    }
}

/// Which notifications.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct NotificationQuery {
    /// Only those in this state
    #[param(inline)]
    state: Option<EntryStateWord>,
    /// Only those of this incident
    #[param(value_type = Option<i64>, minimum = 0, maximum = 4294967295i64)]
    incident: Option<u32>,
    /// Begin after (below) this number: `next` of the page before
    #[param(value_type = Option<i64>, minimum = 0, maximum = 4294967295i64)]
    after: Option<u32>,
    /// Items per page
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    limit: Limit,
}

/// Lists notifications, newest first. For tokens without a division.
#[utoipa::path(get, path = "/api/v1/notifications", tag = "incidents", params(NotificationQuery),
    responses((status = 200, body = Page<NotificationDto>), AnyProblem))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Query(query): Query<NotificationQuery>,
) -> Result<Json<Page<NotificationDto>>, ApiError> {
    caller.needs_everything()?;
    let (asked, incident) = (query.state.map(|state| state.0), query.incident.map(i64::from));
    let before = query.after.map_or(i64::MAX, i64::from);
    let rows =
        state.inputs().store.notification_rows(asked, incident, before, query.limit.one_more()).await?;
    let show = NotificationDto::from;
    Ok(Json(Page::cut(rows.into_iter(), query.limit, |row| row.id.to_string(), show)))
}
