//! What the robots of WeCom and DingTalk have in common: a POST that is answered with 200 whatever came of it.

use crate::config::channel::HttpUrl;
use crate::domain::Timestamp;
use crate::notify::http::{HttpClient, Need, quoted};
use crate::notify::{Retry, SendError};
use hyper::HeaderMap;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// How a robot is called, and what must not be told of it.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) to: &'a HttpUrl,
    /// With its secrets in the query.
    pub(super) url: Url,
    pub(super) body: String,
    pub(super) secrets: Vec<&'a SecretString>,
}

/// What a robot refused a message with.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: i64,
    pub(super) text: String,
    /// The robot's own time.
    pub(super) date: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Answer {
    errcode: i64,
    #[serde(default)]
    errmsg: String,
}

/// Calls a robot. `judge` says what a code other than 0 means: whether to try again, and what to do.
pub(super) async fn call(
    client: &HttpClient,
    call: Call<'_>,
    judge: impl FnOnce(&Refusal) -> (Retry, String),
) -> Result<(), SendError> {
    let answer = client.post(&call.url, HeaderMap::new(), call.body, Need::Body).await;
    let answer = answer.map_err(|fault| fault.told(call.to))?;
    answer.check(call.to, &call.secrets)?;
    let Ok(said) = serde_json::from_slice::<Answer>(&answer.body) else {
        let quote = answer.quote(&call.secrets);
        return Err(SendError::again(format!("{} answered with 200 and without errcode{quote}", call.to)));
    };
    if said.errcode == 0 {
        return Ok(());
    }
    let text = quoted(&said.errmsg, &call.secrets);
    let refusal = Refusal { code: said.errcode, text, date: answer.date };
    let (retry, advice) = judge(&refusal);
    let why = format!("{} refused the message: errcode {}, {}{advice}", call.to, refusal.code, refusal.text);
    Err(SendError { retry, perhaps: false, why })
}
