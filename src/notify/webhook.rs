//! A signed POST to a receiver of one's own.

use crate::clock::Clock;
use crate::config::channel::{HttpUrl, WebhookSettings};
use crate::domain::message::{Message, digest};
use crate::notify::http::{HttpClient, Need};
use crate::notify::secret::Secrets;
use crate::notify::sign::Signed;
use crate::notify::{ChannelError, SendError, body};
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

/// Nobody reads more of a digest.
const DIGEST_BYTES: usize = 16 * 1024;

const ID: HeaderName = HeaderName::from_static("x-sharpeyes-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-sharpeyes-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("x-sharpeyes-signature");

#[derive(Debug)]
pub(super) struct Webhook {
    client: HttpClient,
    url: HttpUrl,
    secret: SecretString,
    token: Option<SecretString>,
    expect: Option<String>,
}

impl Webhook {
    pub(super) fn new(
        settings: &WebhookSettings,
        secrets: Secrets<'_>,
        clock: &Clock,
    ) -> Result<Self, ChannelError> {
        let urls = std::slice::from_ref(&settings.url);
        Ok(Self {
            client: HttpClient::new(urls, settings.authorities_file.as_deref(), clock)?,
            url: settings.url.clone(),
            secret: secrets.read(&settings.secret_file)?,
            token: settings.token_file.as_deref().map(|file| secrets.read(file)).transpose()?,
            expect: settings.expect.clone(),
        })
    }

    pub(super) async fn send(&self, messages: &[Message]) -> Result<(), SendError> {
        let Some(message) = digest(messages, DIGEST_BYTES) else { return Ok(()) };
        let body = body::json(&message);
        let headers = self.headers(&message.id, &body)?;
        let need = if self.expect.is_some() { Need::Body } else { Need::Status };
        let answer = self.client.post(self.url.expose(), headers, body, need).await;
        let answer = answer.map_err(|fault| fault.told(&self.url))?;
        let secrets: Vec<&SecretString> = self.token.iter().chain([&self.secret]).collect();
        answer.check(&self.url, &secrets)?;
        match &self.expect {
            Some(expected) if !String::from_utf8_lossy(&answer.body).contains(expected) => {
                let said = answer.quote(&secrets);
                let why = format!("{} answered, and not with what expect asks for{said}", self.url);
                Err(SendError::again(why))
            }
            _ => Ok(()),
        }
    }

    fn headers(&self, id: &str, body: &str) -> Result<HeaderMap, SendError> {
        let signed = Signed::new(&self.secret, body, self.client.now());
        let mut headers = HeaderMap::new();
        headers.insert(ID, value(id, "the id of the message")?);
        headers.insert(TIMESTAMP, value(&signed.timestamp, "the time")?);
        headers.insert(SIGNATURE, value(&signed.signature, "the signature")?);
        if let Some(token) = &self.token {
            let mut bearer = value(&format!("Bearer {}", token.expose_secret()), "the token of token_file")?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        Ok(headers)
    }
}

fn value(text: &str, what: &str) -> Result<HeaderValue, SendError> {
    HeaderValue::from_str(text)
        .map_err(|_not_ascii| SendError::never(format!("{what} holds characters that no header takes")))
}
