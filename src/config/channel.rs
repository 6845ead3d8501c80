//! `[[channel]]`: what carries notifications, each with its kind and the keys of that kind.
//!
//! Owns the addresses that the service may send to: it sends nowhere else. Secrets stand in files of their own, whose
//! names stand here.

mod address;
mod keys;

pub use address::{HttpUrl, HttpUrlError, SyslogAddress, SyslogAddressError};
pub(super) use keys::read;

use crate::domain::message::Filter;
use lettre::message::Mailbox;
use std::path::PathBuf;
use std::time::Duration;

/// One channel.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelSettings {
    /// Its name in logs, metrics and the API.
    pub name: String,
    /// How it carries, and where to.
    pub kind: ChannelKind,
    /// Which messages it is for.
    pub filter: Filter,
    /// Requests in any minute; none: as many as there are.
    pub per_minute: Option<u32>,
    /// Longest time for one request, from the name to the last byte of the answer.
    pub deadline: Duration,
}

/// How a channel carries, and where to.
#[derive(Clone, Debug, PartialEq)]
pub enum ChannelKind {
    /// A signed POST to a receiver of one's own.
    Webhook(WebhookSettings),
    /// Alertmanager, API v2.
    Alertmanager(AlertmanagerSettings),
    /// A robot of WeCom (企业微信).
    Wecom(WecomSettings),
    /// A robot of DingTalk (钉钉).
    Dingtalk(DingtalkSettings),
    /// Mail.
    Smtp(SmtpSettings),
    /// Syslog.
    Syslog(SyslogSettings),
    /// Files that a one-way relay (单向光闸) takes away.
    File(FileSettings),
}

/// `kind = "webhook"`
#[derive(Clone, Debug, PartialEq)]
pub struct WebhookSettings {
    /// Where to.
    pub url: HttpUrl,
    /// File with the key of the signature.
    pub secret_file: PathBuf,
    /// File with a token that is sent as `Authorization: Bearer`.
    pub token_file: Option<PathBuf>,
    /// What the answer must hold to be one.
    pub expect: Option<String>,
    /// PEM file with those who vouch for the receiver; those of the system when there is none.
    pub authorities_file: Option<PathBuf>,
}

/// `kind = "alertmanager"`
#[derive(Clone, Debug, PartialEq)]
pub struct AlertmanagerSettings {
    /// Every replica of one cluster.
    pub urls: Vec<HttpUrl>,
    /// Name and file with the password for basic authentication.
    pub login: Option<Login>,
    /// PEM file with those who vouch for them.
    pub authorities_file: Option<PathBuf>,
    /// An alert ends by itself so long after it was sent last.
    pub hold: Duration,
    /// Alerts of tickets that may burn at once; the others are held back.
    pub most_tickets: usize,
}

/// `kind = "wecom"`
#[derive(Clone, Debug, PartialEq)]
pub struct WecomSettings {
    /// Where to, without the key.
    pub url: HttpUrl,
    /// File with the key of the robot.
    pub secret_file: PathBuf,
    /// Members that an urgent message calls; `@all` is everybody.
    pub mention: Vec<String>,
    /// ..by their telephone numbers.
    pub mention_mobiles: Vec<String>,
    /// PEM file with those who vouch for the receiver.
    pub authorities_file: Option<PathBuf>,
}

/// `kind = "dingtalk"`
#[derive(Clone, Debug, PartialEq)]
pub struct DingtalkSettings {
    /// Where to, without the token.
    pub url: HttpUrl,
    /// File with the access token of the robot.
    pub token_file: PathBuf,
    /// File with the key of the signature (SEC..), when the robot asks for one.
    pub secret_file: Option<PathBuf>,
    /// A word that the robot asks for in every text.
    pub keyword: Option<String>,
    /// Whom an urgent message calls.
    pub mention_mobiles: Vec<String>,
    /// Whether it calls everybody.
    pub mention_all: bool,
    /// PEM file with those who vouch for the receiver.
    pub authorities_file: Option<PathBuf>,
}

/// How a mail server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailSecurity {
    /// In the clear at first, then under TLS; never without.
    StartTls,
    /// Under TLS from the first byte.
    Tls,
    /// In the clear.
    None,
}

/// `kind = "smtp"`
#[derive(Clone, Debug, PartialEq)]
pub struct SmtpSettings {
    /// Name or address of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is spoken to.
    pub security: MailSecurity,
    /// Name and file with the password, when it asks for one.
    pub login: Option<Login>,
    /// Who writes.
    pub from: Mailbox,
    /// Who reads.
    pub to: Vec<Mailbox>,
    /// PEM file with those who vouch for the server.
    pub authorities_file: Option<PathBuf>,
}

/// `kind = "syslog"`
#[derive(Clone, Debug, PartialEq)]
pub struct SyslogSettings {
    /// Where to.
    pub address: SyslogAddress,
    /// Facility, 0 to 23.
    pub facility: u8,
}

/// `kind = "file"`
#[derive(Clone, Debug, PartialEq)]
pub struct FileSettings {
    /// Where the files are laid.
    pub folder: PathBuf,
    /// File with the key of the signature.
    pub secret_file: PathBuf,
    /// Bytes of all files that may lie there; more have to wait.
    pub limit_bytes: u64,
}

/// A name and the file with its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub username: String,
    /// The file.
    pub secret_file: PathBuf,
}
