//! One HTTP request at a time: a connection each, no redirect, no proxy, no cookie, and no more of an answer than it needs.
//!
//! Notifications are few, so that connections are not kept: each one says by itself precisely why it failed.

use crate::clock::Clock;
use crate::config::channel::HttpUrl;
use crate::domain::Timestamp;
use crate::domain::message::cut;
use crate::notify::{ChannelError, Retry, SendError, tls};
use crate::reach::{self, ConnectFault};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, DATE, HOST, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use secrecy::{ExposeSecret, SecretString};
use std::error::Error;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use url::{Position, Url};

/// The longest answer that is read; every receiver that we know answers in less than 1 KiB.
const ANSWER_BYTES: usize = 64 * 1024;
/// What is quoted of an answer in a log.
const QUOTE_BYTES: usize = 200;
/// The longest time that a receiver may ask us to wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);
/// The longest time for a connection to be opened, beside the deadline of the whole request.
const CONNECT_LIMIT: Duration = Duration::from_secs(60);

/// Sends requests.
pub(super) struct HttpClient {
    tls: Option<TlsConnector>,
    clock: Clock,
}

/// How much of an answer is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Its body counts.
    Body,
    /// Its status counts; the body of a refusal is read to be quoted.
    Status,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// How long the receiver asks us to wait.
    pub(super) retry_after: Option<Duration>,
    /// The receiver's own time.
    pub(super) date: Option<Timestamp>,
    pub(super) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum HttpFault {
    Connect(ConnectFault),
    Tls(String),
    Broken(String),
    TooLong,
}

impl HttpClient {
    /// Reads those who vouch for receivers, when one of `urls` needs them.
    pub(super) fn new(
        urls: &[HttpUrl],
        authorities_file: Option<&Path>,
        clock: &Clock,
    ) -> Result<Self, ChannelError> {
        let tls = if urls.iter().any(|url| url.expose().scheme() == "https") {
            Some(TlsConnector::from(tls::client(authorities_file)?))
        } else {
            None
        };
        Ok(Self { tls, clock: clock.clone() })
    }

    /// The time of this machine.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Posts a JSON text with `headers`.
    pub(super) async fn post(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: String,
        need: Need,
    ) -> Result<Answer, HttpFault> {
        let request = request(url, headers, body).map_err(|error| HttpFault::Broken(error.to_string()))?;
        let host = url.host_str().unwrap_or("");
        let port = url.port_or_known_default().unwrap_or(80);
        let stream = reach::connect(host, port, CONNECT_LIMIT).await.map_err(HttpFault::Connect)?;
        let answer = match (&self.tls, url.scheme()) {
            (Some(tls), "https") => {
                let stream =
                    tls.connect(server_name(host)?, stream).await.map_err(|error| broken_tls(&error))?;
                exchange(stream, request, need).await?
            }
            _ => exchange(stream, request, need).await?,
        };
        Ok(self.read_head(answer))
    }

    fn read_head(&self, (response, body): (Response<()>, Bytes)) -> Answer {
        let header = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        Answer {
            status: response.status(),
            retry_after: header(RETRY_AFTER).and_then(|text| pause(text, self.now())),
            date: header(DATE).and_then(instant),
            body,
        }
    }
}

impl std::fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpClient").field("tls", &self.tls.is_some()).finish_non_exhaustive()
    }
}

fn request(url: &Url, headers: HeaderMap, body: String) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(&url[Position::BeforePath..Position::AfterQuery])
        .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
        .header(CONTENT_TYPE, "application/json; charset=utf-8")
        .header(USER_AGENT, concat!("sharpeyes/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
        .body(Full::new(Bytes::from(body)))?;
    request.headers_mut().extend(headers);
    Ok(request)
}

fn server_name(host: &str) -> Result<ServerName<'static>, HttpFault> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned()).map_err(|error| HttpFault::Tls(error.to_string()))
}

fn broken_tls(error: &std::io::Error) -> HttpFault {
    HttpFault::Tls(error.to_string())
}

/// The connection is driven by the future that needs it, so that no task is left behind when it is dropped.
async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    need: Need,
) -> Result<(Response<()>, Bytes), HttpFault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let mut connection = pin!(connection);
    let mut asking = pin!(async move {
        let response = sender.send_request(request).await.map_err(broken)?;
        read(response, need).await
    });
    tokio::select! {
        biased;
        answer = &mut asking => answer,
        // What the connection brought before it ended is still to be taken.
        _ended = &mut connection => asking.await,
    }
}

async fn read(response: Response<Incoming>, need: Need) -> Result<(Response<()>, Bytes), HttpFault> {
    let (head, body) = response.into_parts();
    let is_success = head.status.is_success();
    let response = Response::from_parts(head, ());
    if is_success && need == Need::Status {
        return Ok((response, Bytes::new()));
    }
    match Limited::new(body, ANSWER_BYTES).collect().await {
        Ok(whole) => Ok((response, whole.to_bytes())),
        // The status of a refusal tells enough.
        Err(_unreadable) if !is_success => Ok((response, Bytes::new())),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(HttpFault::TooLong),
        Err(error) => Err(HttpFault::Broken(chain(&*error))),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err takes")]
fn broken(error: hyper::Error) -> HttpFault {
    HttpFault::Broken(chain(&error))
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// `Retry-After`, RFC 9110: seconds, or an instant.
fn pause(text: &str, now: Timestamp) -> Option<Duration> {
    let pause = match text.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_not_seconds) => instant(text)?.since(now),
    };
    Some(pause.min(LONGEST_PAUSE))
}

/// An HTTP date: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn instant(text: &str) -> Option<Timestamp> {
    let zoned = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
    Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
}

impl HttpFault {
    /// Nothing of it is the message's fault.
    pub(super) fn told(&self, to: &HttpUrl) -> SendError {
        let told = match self {
            Self::Broken(_) | Self::TooLong => SendError::unclear,
            Self::Connect(_) | Self::Tls(_) => SendError::again,
        };
        told(match self {
            Self::Connect(ConnectFault::Device(cause)) => format!("{to} cannot be reached ({cause})"),
            Self::Connect(ConnectFault::Ourselves) => {
                format!("{to} was not tried: this machine has no file descriptor or port left")
            }
            Self::Tls(why) => format!(
                "{to} is not believed ({why}); authorities_file, or the system, must vouch for its certificate"
            ),
            Self::Broken(why) => format!("{to} broke the exchange off ({why})"),
            Self::TooLong => {
                format!(
                    "{to} answered with more than {ANSWER_BYTES} bytes, which is no answer to a notification"
                )
            }
        })
    }
}

impl Answer {
    /// Nothing when the status is 2xx. Else the message is refused for good only where the status says so of it: a wrong address,
    /// a wrong password or a receiver that is down is put right while the message waits.
    pub(super) fn check(&self, to: &HttpUrl, secrets: &[&SecretString]) -> Result<(), SendError> {
        if self.status.is_success() {
            return Ok(());
        }
        let code = self.status.as_u16();
        let said = self.quote(secrets);
        Err(match code {
            300..=399 => SendError::again(format!(
                "{to} answered with status {code}, a redirect, which is not followed; write the address that it leads to into url"
            )),
            401 | 403 | 407 => SendError::again(format!(
                "{to} answered with status {code}: it does not accept the secret of this channel{said}"
            )),
            404 | 405 => SendError::again(format!("{to} answered with status {code}: url is wrong{said}")),
            400 | 409..=418 | 422 | 431 => {
                SendError::never(format!("{to} refused the message with status {code}{said}"))
            }
            _ => SendError {
                retry: Retry::Again { after: self.retry_after },
                perhaps: false,
                why: format!("{to} answered with status {code}{said}"),
            },
        })
    }

    /// The beginning of the body, on one line and without `secrets`, which some receivers repeat.
    pub(super) fn quote(&self, secrets: &[&SecretString]) -> String {
        let text = quoted(&String::from_utf8_lossy(&self.body), secrets);
        if text.is_empty() { text } else { format!(": {text}") }
    }
}

/// A text of others for a log: on one line, short, without `secrets`.
pub(super) fn quoted(text: &str, secrets: &[&SecretString]) -> String {
    let hidden =
        secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose_secret(), "***"));
    let line: String = hidden.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    cut(line.trim(), QUOTE_BYTES).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_seconds_or_an_instant() {
        let now = instant("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(now, Timestamp::from_seconds(784_111_777));
        let check = |text, expected: Option<u64>| {
            assert_eq!(pause(text, now), expected.map(Duration::from_secs), "{text}");
        };
        check("120", Some(120));
        check("99999999", Some(3_600));
        check("Sun, 06 Nov 1994 08:50:37 GMT", Some(60));
        check("Sun, 06 Nov 1994 08:40:37 GMT", Some(0));
        check("soon", None);
    }

    #[test]
    fn a_status_refuses_a_message_for_good_only_where_it_says_so() {
        let check = |code: u16, expected: Option<Retry>| {
            let answer = Answer {
                status: StatusCode::from_u16(code).unwrap(),
                retry_after: Some(Duration::from_secs(7)),
                date: None,
                body: Bytes::from_static(b"{\"error\":\"bad hidden\"}\n"),
            };
            let to = "http://h:8/".parse().unwrap();
            let error = answer.check(&to, &[&SecretString::from("hidden")]).err();
            assert_eq!(error.as_ref().map(|error| error.retry), expected, "{code}");
            assert!(error.is_none_or(|error| !error.why.contains("hidden")));
        };
        let again = Some(Retry::Again { after: None });
        let later = Some(Retry::Again { after: Some(Duration::from_secs(7)) });
        for code in [200, 202, 204] {
            check(code, None);
        }
        for code in [301, 302, 307, 308, 401, 403, 404, 405, 407] {
            check(code, again);
        }
        for code in [408, 425, 429, 500, 502, 503, 504] {
            check(code, later);
        }
        for code in [400, 409, 410, 413, 415, 422, 431] {
            check(code, Some(Retry::Never));
        }
    }

    #[test]
    fn a_quote_is_one_short_line() {
        let long = quoted(&format!("a\nb\u{7}{}", "错".repeat(500)), &[]);
        assert!(long.starts_with("a b 错") && long.ends_with('…') && long.len() <= QUOTE_BYTES, "{long}");
    }
}
