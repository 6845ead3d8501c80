//! A message as JSON, as webhooks and files carry it; `docs/notify.md` describes it.

use crate::domain::DivisionCode;
use crate::domain::message::Message;
use serde::Serialize;
use std::collections::BTreeMap;

/// Grows when a field changes its meaning, not when one is added.
const VERSION: u8 = 1;

#[derive(Serialize)]
struct Body<'a> {
    version: u8,
    id: &'a str,
    kind: &'static str,
    incident: Option<i64>,
    severity: &'static str,
    level: &'static str,
    division: Option<&'a str>,
    title: &'a str,
    text: &'a str,
    at: String,
    since: String,
    ended: Option<String>,
    cause: &'a str,
    labels: &'a BTreeMap<String, String>,
    link: Option<&'a str>,
}

/// The JSON text of a message. Times are RFC 3339 in UTC.
pub(super) fn json(message: &Message) -> String {
    let body = Body {
        version: VERSION,
        id: &message.id,
        kind: message.kind.as_str(),
        incident: message.incident,
        severity: message.severity.as_str(),
        level: message.level.as_str(),
        division: message.division.as_ref().map(DivisionCode::as_str),
        title: &message.title,
        text: &message.text,
        at: message.at.to_string(),
        since: message.since.to_string(),
        ended: message.ended.map(|ended| ended.to_string()),
        cause: &message.cause,
        labels: &message.labels,
        link: message.link.as_deref(),
    };
    // Texts, numbers and maps with text keys always have a JSON form.
    serde_json::to_string(&body).unwrap_or_default()
}
