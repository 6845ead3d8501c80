//! A robot of DingTalk (钉钉自定义机器人).

use crate::clock::Clock;
use crate::config::channel::{DingtalkSettings, HttpUrl};
use crate::domain::Timestamp;
use crate::domain::message::{Message, Severity, digest, fitted};
use crate::notify::http::HttpClient;
use crate::notify::robot::{self, Call, Refusal};
use crate::notify::secret::Secrets;
use crate::notify::sign::hmac;
use crate::notify::{ChannelError, Retry, SendError};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use std::time::Duration;

/// A request may have 20 000 bytes; what JSON adds to a text stays far below the rest.
const CONTENT_BYTES: usize = 12_000;
/// Whoever sends more than 20 in a minute is blocked for so long.
const BLOCKED: Duration = Duration::from_secs(600);
/// A signature holds for an hour by the robot's clock; less is worth a word already.
const CLOCK_ERROR: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub(super) struct Dingtalk {
    client: HttpClient,
    url: HttpUrl,
    token: SecretString,
    secret: Option<SecretString>,
    keyword: Option<String>,
    mention_mobiles: Vec<String>,
    mention_all: bool,
}

impl Dingtalk {
    pub(super) fn new(
        settings: &DingtalkSettings,
        secrets: Secrets<'_>,
        clock: &Clock,
    ) -> Result<Self, ChannelError> {
        let urls = std::slice::from_ref(&settings.url);
        Ok(Self {
            client: HttpClient::new(urls, settings.authorities_file.as_deref(), clock)?,
            url: settings.url.clone(),
            token: secrets.read(&settings.token_file)?,
            secret: settings.secret_file.as_deref().map(|file| secrets.read(file)).transpose()?,
            keyword: settings.keyword.clone(),
            mention_mobiles: settings.mention_mobiles.clone(),
            mention_all: settings.mention_all,
        })
    }

    pub(super) async fn send(&self, messages: &[Message]) -> Result<(), SendError> {
        let Some(message) = digest(messages, self.room()) else { return Ok(()) };
        let now = self.client.now();
        let call = Call {
            to: &self.url,
            url: self.signed_url(now),
            body: self.body(&message),
            secrets: self.secret.iter().chain([&self.token]).collect(),
        };
        robot::call(&self.client, call, |refusal| judge(refusal, now)).await
    }

    /// The keyword may have to be put before the text.
    fn room(&self) -> usize {
        CONTENT_BYTES.saturating_sub(self.keyword.as_ref().map_or(0, |keyword| keyword.len() + 1))
    }

    fn signed_url(&self, now: Timestamp) -> url::Url {
        let mut url = self.url.expose().clone();
        url.query_pairs_mut().append_pair("access_token", self.token.expose_secret());
        if let Some(secret) = &self.secret {
            let timestamp = now.as_millis().to_string();
            let code = hmac(secret, &format!("{timestamp}\n{}", secret.expose_secret()));
            let sign = BASE64_STANDARD.encode(code);
            url.query_pairs_mut().append_pair("timestamp", &timestamp).append_pair("sign", &sign);
        }
        url
    }

    fn body(&self, message: &Message) -> String {
        let mut content = fitted(message, self.room());
        if let Some(keyword) = self.keyword.as_ref().filter(|keyword| !content.contains(*keyword)) {
            content = format!("{keyword}\n{content}");
        }
        let is_urgent = message.severity == Severity::Page;
        let mobiles = if is_urgent { self.mention_mobiles.as_slice() } else { &[] };
        let at = json!({ "atMobiles": mobiles, "isAtAll": is_urgent && self.mention_all });
        json!({ "msgtype": "text", "text": { "content": content }, "at": at }).to_string()
    }
}

/// Refusals of the content are final; everything else is put right by time or by a person.
fn judge(refusal: &Refusal, now: Timestamp) -> (Retry, String) {
    match refusal.code {
        // Too many in a minute, by its two names.
        130_101 | 410_100 => (Retry::Again { after: Some(BLOCKED) }, "; lower per_minute".to_owned()),
        // Wrong kind, too long, an unsafe link, words that are not allowed.
        400_105 | 460_101 | 430_101..=430_104 => (Retry::Never, String::new()),
        // The signature, the time in it, the keyword or our address.
        310_000 => (Retry::Again { after: None }, clock_advice(refusal.date, now)),
        _ => (Retry::Again { after: None }, String::new()),
    }
}

fn clock_advice(theirs: Option<Timestamp>, ours: Timestamp) -> String {
    match theirs {
        Some(theirs) if theirs.since(ours).max(ours.since(theirs)) > CLOCK_ERROR => {
            format!("; the clock here says {ours}, theirs {theirs}: put the clock right")
        }
        _ => "; secret_file, keyword and the addresses that the robot allows must be those of the robot"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_is_named_and_a_right_one_is_not() {
        let ours = Timestamp::from_seconds(1_790_000_000);
        assert!(clock_advice(Some(ours.plus(CLOCK_ERROR * 2)), ours).contains("put the clock right"));
        assert!(clock_advice(Some(ours.minus(CLOCK_ERROR * 2)), ours).contains("put the clock right"));
        assert!(clock_advice(Some(ours), ours).contains("keyword"));
        assert!(clock_advice(None, ours).contains("keyword"));
    }
}
