//! Mail.

use crate::clock::Clock;
use crate::config::channel::{MailSecurity, SmtpSettings};
use crate::domain::Timestamp;
use crate::domain::message::{Message, cut, digest};
use crate::notify::http::quoted;
use crate::notify::secret::Secrets;
use crate::notify::{ChannelError, SendError, machine, tls};
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message as Mail};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{self, AsyncSmtpTransport};
use lettre::{AsyncTransport, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Nobody reads more of a digest.
const DIGEST_BYTES: usize = 16 * 1024;
/// A subject that every mail program shows.
const SUBJECT_BYTES: usize = 240;
/// The longest time for a connection to be opened, beside the deadline of the whole mail.
const CONNECT_LIMIT: Duration = Duration::from_secs(60);

pub(super) struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    server: String,
    password: Option<SecretString>,
    from: Mailbox,
    to: Vec<Mailbox>,
    clock: Clock,
}

impl std::fmt::Debug for Smtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Smtp").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Smtp {
    pub(super) fn new(
        settings: &SmtpSettings,
        secrets: Secrets<'_>,
        clock: &Clock,
    ) -> Result<Self, ChannelError> {
        let login = settings.login.as_ref();
        let password = login.map(|login| secrets.read(&login.secret_file)).transpose()?;
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(settings.host.clone())
            .port(settings.port)
            .tls(security(settings)?)
            .timeout(Some(CONNECT_LIMIT));
        if let Some(name) = machine::host_name() {
            builder = builder.hello_name(ClientId::Domain(name));
        }
        if let (Some(login), Some(password)) = (login, &password) {
            let password = password.expose_secret().to_owned();
            builder = builder.credentials(Credentials::new(login.username.clone(), password));
        }
        Ok(Self {
            transport: builder.build(),
            server: format!("{}:{}", settings.host, settings.port),
            password,
            from: settings.from.clone(),
            to: settings.to.clone(),
            clock: clock.clone(),
        })
    }

    /// One mail to everybody on the list: a server that refuses one of them refuses the mail.
    pub(super) async fn send(&self, messages: &[Message]) -> Result<(), SendError> {
        let Some(message) = digest(messages, DIGEST_BYTES) else { return Ok(()) };
        let mail = self.mail(&message)?;
        match self.transport.send(mail).await {
            Ok(_accepted) => Ok(()),
            Err(error) => Err(self.told(&error)),
        }
    }

    fn mail(&self, message: &Message) -> Result<Mail, SendError> {
        let domain = self.from.email.domain();
        let mut builder = Mail::builder()
            .from(self.from.clone())
            .subject(subject(&message.title))
            .date(system_time(self.clock.now()))
            .message_id(Some(format!("<{}@{domain}>", message.id)))
            .header(ContentType::TEXT_PLAIN)
            // RFC 3834: nobody's absence note answers it.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        for mailbox in &self.to {
            builder = builder.to(mailbox.clone());
        }
        if let Some(incident) = message.incident {
            // Mails of one incident stand together.
            let thread = format!("<incident-{incident}@{domain}>");
            builder = builder.in_reply_to(thread.clone()).references(thread);
        }
        let link = message.link.as_ref().map(|link| format!("\n\n{link}")).unwrap_or_default();
        let mail = builder.body(format!("{}{link}\n", message.text));
        mail.map_err(|error| SendError::never(format!("the message makes no mail: {error}")))
    }

    /// 5xx refuses the message for good, unless it is about the login, the way to the server or a reader: a mailbox that is gone
    /// is struck from the settings while the mail waits for the others.
    fn told(&self, error: &smtp::Error) -> SendError {
        let secrets: Vec<&SecretString> = self.password.iter().collect();
        let why = format!("{}: {}", self.server, quoted(&error.to_string(), &secrets));
        let code = error.status().map(|code| code.to_string().parse().unwrap_or(0_u16));
        let is_about_us =
            matches!(code, Some(500..=504 | 521 | 523 | 530 | 534 | 535 | 538 | 550 | 551 | 553 | 554 | 555));
        if error.is_permanent() && !is_about_us { SendError::never(why) } else { SendError::again(why) }
    }
}

fn security(settings: &SmtpSettings) -> Result<Tls, ChannelError> {
    match settings.security {
        MailSecurity::None => Ok(Tls::None),
        MailSecurity::StartTls => Ok(Tls::Required(parameters(settings)?)),
        MailSecurity::Tls => Ok(Tls::Wrapper(parameters(settings)?)),
    }
}

fn parameters(settings: &SmtpSettings) -> Result<TlsParameters, ChannelError> {
    let failed = |error: smtp::Error| ChannelError::Tls(error.to_string());
    let mut builder = TlsParameters::builder(settings.host.clone()).certificate_store(CertificateStore::None);
    for authority in tls::authorities(settings.authorities_file.as_deref())? {
        // Some that a system believes are too odd for this TLS; the others still count.
        if let Ok(certificate) = Certificate::from_der(authority.to_vec()) {
            builder = builder.add_root_certificate(certificate);
        }
    }
    builder.build_rustls().map_err(failed)
}

fn subject(title: &str) -> String {
    cut(&title.replace(['\r', '\n'], " "), SUBJECT_BYTES).into_owned()
}

fn system_time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + at.since(Timestamp::from_millis(0))
}
