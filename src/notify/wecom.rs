//! A robot of WeCom (企业微信群机器人); see work.weixin.qq.com/api/doc/90000/90136/91770.

use crate::clock::Clock;
use crate::config::channel::{HttpUrl, WecomSettings};
use crate::domain::message::{Message, Severity, digest, fitted};
use crate::notify::http::HttpClient;
use crate::notify::robot::{self, Call, Refusal};
use crate::notify::secret::Secrets;
use crate::notify::{ChannelError, Retry, SendError};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use std::time::Duration;

/// The longest `content` of a text, in bytes of UTF-8.
const CONTENT_BYTES: usize = 2_048;

#[derive(Debug)]
pub(super) struct Wecom {
    client: HttpClient,
    url: HttpUrl,
    key: SecretString,
    mention: Vec<String>,
    mention_mobiles: Vec<String>,
}

impl Wecom {
    pub(super) fn new(
        settings: &WecomSettings,
        secrets: Secrets<'_>,
        clock: &Clock,
    ) -> Result<Self, ChannelError> {
        let urls = std::slice::from_ref(&settings.url);
        Ok(Self {
            client: HttpClient::new(urls, settings.authorities_file.as_deref(), clock)?,
            url: settings.url.clone(),
            key: secrets.read(&settings.secret_file)?,
            mention: settings.mention.clone(),
            mention_mobiles: settings.mention_mobiles.clone(),
        })
    }

    pub(super) async fn send(&self, messages: &[Message]) -> Result<(), SendError> {
        let Some(message) = digest(messages, CONTENT_BYTES) else { return Ok(()) };
        let mut url = self.url.expose().clone();
        url.query_pairs_mut().append_pair("key", self.key.expose_secret());
        let call = Call { to: &self.url, url, body: self.body(&message), secrets: vec![&self.key] };
        robot::call(&self.client, call, judge).await
    }

    fn body(&self, message: &Message) -> String {
        let (members, mobiles) = match message.severity {
            Severity::Page => (self.mention.as_slice(), self.mention_mobiles.as_slice()),
            Severity::Ticket => (&[][..], &[][..]),
        };
        let content = fitted(message, CONTENT_BYTES);
        let text = json!({ "content": content, "mentioned_list": members, "mentioned_mobile_list": mobiles });
        json!({ "msgtype": "text", "text": text }).to_string()
    }
}

/// Refusals of the content are final; everything else is put right by time or by a person.
fn judge(refusal: &Refusal) -> (Retry, String) {
    match refusal.code {
        // Too many in a minute; too many at once.
        45_009 | 45_033 => {
            (Retry::Again { after: Some(Duration::from_secs(60)) }, "; lower per_minute".to_owned())
        }
        // Wrong kind, no content, too long, not what the interface takes.
        40_008 | 44_004 | 45_002 | 40_058 => (Retry::Never, String::new()),
        93_000 => (Retry::Again { after: None }, "; the key in secret_file belongs to no robot".to_owned()),
        _ => (Retry::Again { after: None }, String::new()),
    }
}
