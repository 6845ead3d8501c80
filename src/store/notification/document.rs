//! The JSON form in which a message is kept.

use crate::domain::Timestamp;
use crate::domain::incident::Level;
use crate::domain::message::{Message, MessageKind, Severity};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A message. Instants are milliseconds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MessageDocument {
    id: String,
    incident: Option<i64>,
    kind: String,
    severity: String,
    level: String,
    division: Option<String>,
    title: String,
    text: String,
    at: i64,
    since: i64,
    ended: Option<i64>,
    cause: String,
    labels: BTreeMap<String, String>,
    link: Option<String>,
}

impl MessageDocument {
    pub(super) fn of(message: &Message) -> Self {
        Self {
            id: message.id.clone(),
            incident: message.incident,
            kind: message.kind.as_str().to_owned(),
            severity: message.severity.as_str().to_owned(),
            level: message.level.as_str().to_owned(),
            division: message.division.map(|division| division.to_string()),
            title: message.title.clone(),
            text: message.text.clone(),
            at: message.at.as_millis(),
            since: message.since.as_millis(),
            ended: message.ended.map(Timestamp::as_millis),
            cause: message.cause.clone(),
            labels: message.labels.clone(),
            link: message.link.clone(),
        }
    }

    pub(super) fn read(self) -> Option<Message> {
        let division = match self.division {
            Some(code) => Some(code.parse().ok()?),
            None => None,
        };
        Some(Message {
            id: self.id,
            incident: self.incident,
            kind: MessageKind::parse(&self.kind)?,
            severity: Severity::parse(&self.severity)?,
            level: Level::parse(&self.level)?,
            division,
            title: self.title,
            text: self.text,
            at: Timestamp::from_millis(self.at),
            since: Timestamp::from_millis(self.since),
            ended: self.ended.map(Timestamp::from_millis),
            cause: self.cause,
            labels: self.labels,
            link: self.link,
        })
    }
}
