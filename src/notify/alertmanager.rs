//! Alertmanager, API v2: every incident is an alert, which a later message of the incident changes or ends.
//!
//! Alertmanager tells alerts apart by all their labels and keeps them in memory. So what may change stands in annotations,
//! and what lasts has to be sent again. An alert ends by itself only long after it was sent last: while we are down nobody knows
//! that anything recovered.

use crate::clock::Clock;
use crate::config::channel::{AlertmanagerSettings, HttpUrl, Login};
use crate::domain::Timestamp;
use crate::domain::message::{Message, MessageKind};
use crate::notify::http::{HttpClient, Need};
use crate::notify::secret::Secrets;
use crate::notify::{ChannelError, SendError};
use crate::telemetry;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::future::join_all;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Alerts in one request; a few hundred bytes each.
pub(super) const TOGETHER: usize = 64;
/// A restarted Alertmanager misses an alert for so long; its `resolve_timeout` is as long by default.
pub(super) const REPEAT: Duration = Duration::from_secs(300);
/// Share of the channel's deadline that one replica has.
const REPLICA_SHARE: f64 = 0.9;
/// A test is no incident: its alert ends by itself.
const TEST_LASTS: Duration = Duration::from_secs(300);
/// A digest is no incident either: it counts what is held back and is told again while there is any.
const DIGEST_LASTS: Duration = Duration::from_secs(900);

#[derive(Debug)]
pub(super) struct Alertmanager {
    client: HttpClient,
    replicas: Vec<Replica>,
    login: Option<(String, SecretString)>,
    hold: Duration,
    /// One replica is waited for so long: another one may have taken it.
    deadline: Duration,
    pub(super) most_tickets: usize,
}

#[derive(Debug)]
struct Replica {
    base: HttpUrl,
    alerts: url::Url,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert<'a> {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<&'static str, &'a str>,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL", skip_serializing_if = "Option::is_none")]
    generator_url: Option<&'a str>,
}

impl Alertmanager {
    pub(super) fn new(
        settings: &AlertmanagerSettings,
        secrets: Secrets<'_>,
        clock: &Clock,
        deadline: Duration,
    ) -> Result<Self, ChannelError> {
        let password = |login: &Login| {
            Ok::<_, ChannelError>((login.username.clone(), secrets.read(&login.secret_file)?))
        };
        Ok(Self {
            client: HttpClient::new(&settings.urls, settings.authorities_file.as_deref(), clock)?,
            replicas: settings.urls.iter().map(Replica::of).collect(),
            login: settings.login.as_ref().map(password).transpose()?,
            hold: settings.hold,
            deadline: deadline.mul_f64(REPLICA_SHARE),
            most_tickets: settings.most_tickets,
        })
    }

    /// Tells every replica, as Alertmanager asks its clients to; one that took it is enough.
    pub(super) async fn send(&self, messages: &[Message]) -> Result<(), SendError> {
        let alerts = self.alerts(messages);
        if alerts.is_empty() {
            return Ok(());
        }
        // Texts, times and maps with text keys always have a JSON form.
        let body = serde_json::to_string(&alerts).unwrap_or_default();
        let told = join_all(self.replicas.iter().map(|replica| self.tell(replica, body.clone()))).await;
        if told.iter().any(Result::is_ok) {
            told.iter()
                .filter_map(|told| told.as_ref().err())
                .for_each(|error| telemetry::replica_missed_alerts(error));
            return Ok(());
        }
        // One that is down says nothing of the alerts; one that refuses them may be the only one that is up.
        let failed = told.into_iter().filter_map(Result::err).min_by_key(SendError::is_final);
        failed.map_or(Ok(()), Err)
    }

    async fn tell(&self, replica: &Replica, body: String) -> Result<(), SendError> {
        let asked = self.client.post(&replica.alerts, self.headers(), body, Need::Status);
        let Ok(answer) = tokio::time::timeout(self.deadline, asked).await else {
            return Err(SendError::unclear(format!("{} gave no answer in time", replica.base)));
        };
        let answer = answer.map_err(|fault| fault.told(&replica.base))?;
        let secrets: Vec<&SecretString> = self.login.iter().map(|(_, password)| password).collect();
        answer.check(&replica.base, &secrets)
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some((username, password)) = &self.login {
            let pair = BASE64_STANDARD.encode(format!("{username}:{}", password.expose_secret()));
            if let Ok(mut basic) = HeaderValue::from_str(&format!("Basic {pair}")) {
                basic.set_sensitive(true);
                headers.insert(AUTHORIZATION, basic);
            }
        }
        headers
    }

    /// The newest state of each incident, in the order of their first messages.
    fn alerts<'a>(&self, messages: &'a [Message]) -> Vec<Alert<'a>> {
        let is_newest = |index: usize, message: &Message| {
            let mut later = messages.iter().skip(index + 1);
            message.incident.is_none() || !later.any(|other| other.incident == message.incident)
        };
        let newest = messages.iter().enumerate().filter(|(index, message)| is_newest(*index, message));
        newest.map(|(_, message)| self.alert(message)).collect()
    }

    fn alert<'a>(&self, message: &'a Message) -> Alert<'a> {
        Alert {
            labels: labels(message),
            annotations: BTreeMap::from([
                ("summary", message.title.as_str()),
                ("description", message.text.as_str()),
                ("cause", message.cause.as_str()),
                ("kind", message.kind.as_str()),
                ("level", message.level.as_str()),
            ]),
            starts_at: message.since.to_string(),
            ends_at: self.end(message).to_string(),
            generator_url: message.link.as_deref(),
        }
    }

    fn end(&self, message: &Message) -> Timestamp {
        let now = self.client.now();
        match message.ended {
            Some(ended) => ended.max(message.since),
            // An end without a time would leave the alert burning.
            None if message.kind.ends_incident() => now.max(message.since),
            None if message.kind == MessageKind::Test => now.plus(TEST_LASTS),
            None if message.kind == MessageKind::Digest => now.plus(DIGEST_LASTS),
            None => now.plus(self.hold),
        }
    }
}

impl Replica {
    /// The base may have a path of its own (`--web.route-prefix`).
    fn of(base: &HttpUrl) -> Self {
        let mut alerts = base.expose().clone();
        let path = format!("{}/api/v2/alerts", alerts.path().trim_end_matches('/'));
        alerts.set_path(&path);
        Self { base: base.clone(), alerts }
    }
}

/// Names that Alertmanager does not take would have it refuse the whole request, and so would an alert without any label.
fn labels(message: &Message) -> BTreeMap<String, String> {
    let takes = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let named = message.labels.iter().filter(|(name, _)| name.starts_with(|c: char| !c.is_ascii_digit()));
    let named = named.map(|(name, value)| (name.replace(|c| !takes(c), "_"), value.clone()));
    let mut labels: BTreeMap<String, String> = named.collect();
    let usual = if message.kind == MessageKind::Test { "SharpeyesTest" } else { "SharpeyesIncident" };
    labels.entry("alertname".to_owned()).or_insert_with(|| usual.to_owned());
    labels.insert("severity".to_owned(), message.severity.as_str().to_owned());
    if let Some(incident) = message.incident {
        labels.insert("incident".to_owned(), incident.to_string());
    }
    labels
}
