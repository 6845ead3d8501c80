//! Floor 2: the channels that carry notifications, one file per kind.
//!
//! Owns how a message looks to each kind of receiver, what counts as delivered, and whether to try again. Knows no queue: what
//! is sent when, in which order and how often is decided by whoever calls [`Channel::send`]. A channel keeps nothing between two
//! calls, sends to the addresses of its settings only, and tells its secrets to nobody else.

mod alertmanager;
mod body;
mod dingtalk;
mod error;
mod file;
mod http;
mod machine;
mod robot;
mod secret;
mod sign;
mod smtp;
mod syslog;
mod tls;
mod webhook;
mod wecom;

pub use error::{ChannelError, Retry, SendError};

use crate::clock::Clock;
use crate::config::channel::{ChannelKind, ChannelSettings};
use crate::domain::message::{Filter, Message};
use crate::domain::quota::Allowance;
use crate::telemetry;
use alertmanager::Alertmanager;
use dingtalk::Dingtalk;
use file::FileDrop;
use secret::Secrets;
use smtp::Smtp;
use std::time::Duration;
use syslog::Syslog;
use webhook::Webhook;
use wecom::Wecom;

/// Something that carries notifications to one receiver.
#[derive(Debug)]
pub struct Channel {
    name: String,
    filter: Filter,
    per_minute: Option<u32>,
    deadline: Duration,
    carrier: Carrier,
}

#[derive(Debug)]
enum Carrier {
    Webhook(Webhook),
    Alertmanager(Alertmanager),
    Wecom(Wecom),
    Dingtalk(Dingtalk),
    Smtp(Box<Smtp>),
    Syslog(Syslog),
    File(FileDrop),
}

impl Channel {
    /// Reads the secrets and authorities that the settings name. Nothing is sent yet, and nobody need be there.
    ///
    /// A file of a secret's name in `credentials_directory`, which systemd makes, comes before the named one.
    pub fn new(
        settings: &ChannelSettings,
        clock: &Clock,
        credentials_directory: Option<&str>,
    ) -> Result<Self, ChannelError> {
        let secrets = Secrets::new(credentials_directory);
        let carrier = match &settings.kind {
            ChannelKind::Webhook(kind) => Carrier::Webhook(Webhook::new(kind, secrets, clock)?),
            ChannelKind::Alertmanager(kind) => {
                Carrier::Alertmanager(Alertmanager::new(kind, secrets, clock, settings.deadline)?)
            }
            ChannelKind::Wecom(kind) => Carrier::Wecom(Wecom::new(kind, secrets, clock)?),
            ChannelKind::Dingtalk(kind) => Carrier::Dingtalk(Dingtalk::new(kind, secrets, clock)?),
            ChannelKind::Smtp(kind) => Carrier::Smtp(Box::new(Smtp::new(kind, secrets, clock)?)),
            ChannelKind::Syslog(kind) => Carrier::Syslog(Syslog::new(kind)),
            ChannelKind::File(kind) => Carrier::File(FileDrop::new(kind, secrets, clock)?),
        };
        telemetry::channel_opened(&settings.name);
        Ok(Self {
            name: settings.name.clone(),
            filter: settings.filter.clone(),
            per_minute: settings.per_minute,
            deadline: settings.deadline,
            carrier,
        })
    }

    /// Its name in logs, metrics and the API.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is for `message`.
    pub fn wants(&self, message: &Message) -> bool {
        self.filter.wants(message)
    }

    const fn alertmanager(&self) -> Option<&Alertmanager> {
        match &self.carrier {
            Carrier::Alertmanager(alertmanager) => Some(alertmanager),
            Carrier::Webhook(_)
            | Carrier::Wecom(_)
            | Carrier::Dingtalk(_)
            | Carrier::Smtp(_)
            | Carrier::Syslog(_)
            | Carrier::File(_) => None,
        }
    }

    /// How many requests it takes in a minute, and how many messages one of them carries.
    pub fn allowance(&self) -> Allowance {
        let together = self.alertmanager().map_or(1, |_| alertmanager::TOGETHER);
        Allowance { per_minute: self.per_minute, together }
    }

    /// How often the message that began an incident, or the last one after it, has to be sent again while the incident lasts:
    /// Alertmanager keeps alerts in memory only. None: once is enough.
    pub fn repeat_every(&self) -> Option<Duration> {
        self.alertmanager().map(|_| alertmanager::REPEAT)
    }

    /// How many tickets may burn at the receiver at once; the others are held back. None: as many as there are.
    pub fn most_tickets(&self) -> Option<usize> {
        self.alertmanager().map(|alertmanager| alertmanager.most_tickets)
    }

    /// Sends `messages` in one request, oldest first: all of them whole where [`Allowance::together`] allows it, else as one
    /// digest. When it fails, none of them counts as delivered; some receivers may have taken them all the same.
    ///
    /// Dropped halfway, it may have delivered them.
    pub async fn send(&self, messages: &[Message]) -> Result<(), SendError> {
        let sent = match tokio::time::timeout(self.deadline, self.carry(messages)).await {
            Ok(sent) => sent,
            Err(_elapsed) => Err(SendError::unclear(format!(
                "no answer within {} s; raise deadline_seconds if the receiver is only slow",
                self.deadline.as_secs_f64()
            ))),
        };
        match &sent {
            Ok(()) => telemetry::notifications_sent(&self.name, messages.len()),
            Err(error) => telemetry::notifications_failed(
                &self.name,
                messages.len(),
                error,
                error.is_final() && messages.len() == 1,
            ),
        }
        sent
    }

    async fn carry(&self, messages: &[Message]) -> Result<(), SendError> {
        match &self.carrier {
            Carrier::Webhook(webhook) => webhook.send(messages).await,
            Carrier::Alertmanager(alertmanager) => alertmanager.send(messages).await,
            Carrier::Wecom(wecom) => wecom.send(messages).await,
            Carrier::Dingtalk(dingtalk) => dingtalk.send(messages).await,
            Carrier::Smtp(smtp) => smtp.send(messages).await,
            Carrier::Syslog(syslog) => syslog.send(messages).await,
            Carrier::File(file) => file.send(messages).await,
        }
    }
}
