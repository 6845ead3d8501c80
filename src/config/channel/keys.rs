//! The keys of `[[channel]]`: name, unit, range and the setting that each one fills, by kind.

use crate::config::channel::{
    AlertmanagerSettings, ChannelKind, ChannelSettings, DingtalkSettings, FileSettings, HttpUrl, Login,
    MailSecurity, SmtpSettings, SyslogSettings, WebhookSettings, WecomSettings,
};
use crate::config::reader::{Section, Value, boolean, list, parsed, path, seconds, text, texts, whole, word};
use crate::domain::incident::Level;
use crate::domain::message::{Filter, Severity};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Addresses of the robots.
const WECOM: &str = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send";
const DINGTALK: &str = "https://oapi.dingtalk.com/robot/send";

#[derive(Clone, Copy)]
enum Kind {
    Webhook,
    Alertmanager,
    Wecom,
    Dingtalk,
    Smtp,
    Syslog,
    File,
}

const KINDS: &[(&str, Kind)] = &[
    ("webhook", Kind::Webhook),
    ("alertmanager", Kind::Alertmanager),
    ("wecom", Kind::Wecom),
    ("dingtalk", Kind::Dingtalk),
    ("smtp", Kind::Smtp),
    ("syslog", Kind::Syslog),
    ("file", Kind::File),
];

/// Reads every `[[channel]]`.
pub(in crate::config) fn read(root: &mut Section<'_>) -> Vec<ChannelSettings> {
    let mut names = BTreeSet::new();
    let channels = root.sections("channel", |section| {
        let channel = channel(section)?;
        if !names.insert(channel.name.clone()) {
            section.fault("name", "is the name of another channel");
        }
        Some(channel)
    });
    channels.into_iter().flatten().collect()
}

/// Without a kind nothing is known of the keys, so that none of them is called unknown.
fn channel(section: &mut Section<'_>) -> Option<ChannelSettings> {
    let name = section.required("name", name);
    let Some(kind) = section.required("kind", word(KINDS)) else {
        for key in section.names() {
            section.optional(&key, |_any_value| Ok(()));
        }
        return None;
    };
    let mut filter = Filter::default();
    section.read("levels", list(one_of("level", Level::parse)), &mut filter.levels);
    section.read("divisions", list(parsed("a division code like 230521")), &mut filter.divisions);
    section.read("severities", list(one_of("severity", Severity::parse)), &mut filter.severities);
    let mut deadline = Duration::from_secs(10);
    section.read("deadline_seconds", seconds(0.1..=60.0), &mut deadline);
    let per_minute = per_minute(section, kind);
    let kind = keys_of(section, kind)?;
    Some(ChannelSettings { name: name?, kind, filter, per_minute, deadline })
}

/// The robots block whoever sends more than 20 in a minute; mail is slowed down so that a flood comes as a digest.
fn per_minute(section: &mut Section<'_>, kind: Kind) -> Option<u32> {
    match kind {
        Kind::Wecom | Kind::Dingtalk => Some(section.optional("per_minute", whole(1..=20_u32)).unwrap_or(20)),
        Kind::Smtp => Some(section.optional("per_minute", whole(1..=600_u32)).unwrap_or(20)),
        Kind::Webhook | Kind::Alertmanager | Kind::Syslog | Kind::File => None,
    }
}

fn keys_of(section: &mut Section<'_>, kind: Kind) -> Option<ChannelKind> {
    Some(match kind {
        Kind::Webhook => ChannelKind::Webhook(webhook(section)?),
        Kind::Alertmanager => ChannelKind::Alertmanager(alertmanager(section)?),
        Kind::Wecom => ChannelKind::Wecom(wecom(section)?),
        Kind::Dingtalk => ChannelKind::Dingtalk(dingtalk(section)?),
        Kind::Smtp => ChannelKind::Smtp(smtp(section)?),
        Kind::Syslog => ChannelKind::Syslog(syslog(section)?),
        Kind::File => ChannelKind::File(file(section)?),
    })
}

fn webhook(section: &mut Section<'_>) -> Option<WebhookSettings> {
    let url = section.required("url", http_url);
    let secret_file = section.required("secret_file", path);
    let token_file = section.optional("token_file", path);
    let expect = section.optional("expect", text);
    let authorities_file = section.optional("authorities_file", path);
    Some(WebhookSettings { url: url?, secret_file: secret_file?, token_file, expect, authorities_file })
}

fn alertmanager(section: &mut Section<'_>) -> Option<AlertmanagerSettings> {
    let urls = section.required("urls", some(list(http_url)));
    let login = login(section);
    let authorities_file = section.optional("authorities_file", path);
    let hours = section.optional("hold_hours", whole(1..=8_760_u64)).unwrap_or(24);
    let most_tickets = section.optional("most_tickets", whole(1..=10_000_usize)).unwrap_or(500);
    Some(AlertmanagerSettings {
        most_tickets,
        urls: urls?,
        login,
        authorities_file,
        hold: Duration::from_secs(hours * 3_600),
    })
}

fn wecom(section: &mut Section<'_>) -> Option<WecomSettings> {
    let url = robot_url(section, WECOM);
    let secret_file = section.required("secret_file", path);
    let mention = section.optional("mention", texts).unwrap_or_default();
    let mention_mobiles = section.optional("mention_mobiles", texts).unwrap_or_default();
    let authorities_file = section.optional("authorities_file", path);
    Some(WecomSettings { url: url?, secret_file: secret_file?, mention, mention_mobiles, authorities_file })
}

fn dingtalk(section: &mut Section<'_>) -> Option<DingtalkSettings> {
    let url = robot_url(section, DINGTALK);
    let token_file = section.required("token_file", path);
    let secret_file = section.optional("secret_file", path);
    let keyword = section.optional("keyword", text);
    let mention_mobiles = section.optional("mention_mobiles", texts).unwrap_or_default();
    let mention_all = section.optional("mention_all", boolean).unwrap_or(false);
    let authorities_file = section.optional("authorities_file", path);
    Some(DingtalkSettings {
        url: url?,
        token_file: token_file?,
        secret_file,
        keyword,
        mention_mobiles,
        mention_all,
        authorities_file,
    })
}

fn smtp(section: &mut Section<'_>) -> Option<SmtpSettings> {
    const SECURITIES: &[(&str, MailSecurity)] =
        &[("starttls", MailSecurity::StartTls), ("tls", MailSecurity::Tls), ("none", MailSecurity::None)];
    let mailbox = || parsed("a mail address like duty@example.org or 值班室 <duty@example.org>");
    let host = section.required("host", text);
    let port = section.required("port", whole(1..=65_535_u16));
    let security = section.required("security", word(SECURITIES));
    let login = login(section);
    let from = section.required("from", mailbox());
    let to = section.required("to", some(list(mailbox())));
    let authorities_file = section.optional("authorities_file", path);
    if security == Some(MailSecurity::None) && login.is_some() {
        section.fault("username", "must not be sent in the clear; security must be \"starttls\" or \"tls\"");
    }
    Some(SmtpSettings {
        host: host?,
        port: port?,
        security: security?,
        login,
        from: from?,
        to: to?,
        authorities_file,
    })
}

fn syslog(section: &mut Section<'_>) -> Option<SyslogSettings> {
    let address = section.required("address", told);
    // 16 is local0.
    let facility = section.optional("facility", whole(0..=23_u8)).unwrap_or(16);
    Some(SyslogSettings { address: address?, facility })
}

fn file(section: &mut Section<'_>) -> Option<FileSettings> {
    let folder = section.required("folder", path);
    let secret_file = section.required("secret_file", path);
    let limit = section.optional("limit_bytes", whole(65_536..=1_u64 << 40)).unwrap_or(64 * 1024 * 1024);
    Some(FileSettings { folder: folder?, secret_file: secret_file?, limit_bytes: limit })
}

fn login(section: &mut Section<'_>) -> Option<Login> {
    let username = section.optional("username", text);
    let secret_file = section.optional("secret_file", path);
    match (username, secret_file) {
        (Some(username), Some(secret_file)) => Some(Login { username, secret_file }),
        (Some(_), None) => {
            section.fault("secret_file", "is missing: the file with the password of username");
            None
        }
        (None, Some(_)) => {
            section.fault("username", "is missing: whose password is in secret_file");
            None
        }
        (None, None) => None,
    }
}

fn robot_url(section: &mut Section<'_>, usual: &str) -> Option<HttpUrl> {
    section.optional("url", http_url).or_else(|| usual.parse().ok())
}

/// The name becomes the label of a metric.
fn name(value: &Value) -> Result<String, String> {
    let name = text(value)?;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if name.len() <= 32 && name.chars().all(fits) {
        Ok(name)
    } else {
        Err("must be at most 32 small letters, digits, - and _".to_owned())
    }
}

fn http_url(value: &Value) -> Result<HttpUrl, String> {
    told(value)
}

/// Takes a text whose parser says itself what would be right.
fn told<T: FromStr<Err: fmt::Display>>(value: &Value) -> Result<T, String> {
    text(value)?.parse().map_err(|error: T::Err| error.to_string())
}

fn one_of<T>(what: &'static str, parse: fn(&str) -> Option<T>) -> impl Fn(&Value) -> Result<T, String> {
    move |value| {
        let word = text(value)?;
        parse(&word).ok_or_else(|| format!("`{word}` is no {what}"))
    }
}

fn some<T>(list: impl Fn(&Value) -> Result<Vec<T>, String>) -> impl Fn(&Value) -> Result<Vec<T>, String> {
    move |value| {
        let items = list(value)?;
        if items.is_empty() { Err("must name at least one".to_owned()) } else { Ok(items) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::reader::{Fault, read_document};

    const SHIPPED: &str = include_str!("../../../config/sharpeyes.toml");

    fn parse(document: &str) -> Result<Vec<ChannelSettings>, Vec<Fault>> {
        read_document(document, read)
    }

    fn problems(document: &str) -> Vec<String> {
        let faults = parse(document).err().unwrap_or_default();
        faults.iter().map(|fault| format!("{}: {}", fault.key, fault.problem)).collect()
    }

    /// The examples of the shipped file, which stand there as comments.
    fn examples() -> String {
        let (_, channels) = SHIPPED.split_once("\n# [[channel]]").unwrap();
        let lines = channels.lines().filter_map(|line| line.strip_prefix("# "));
        let is_key = |line: &&str| {
            line.starts_with("[[") || line.split_once(" = ").is_some_and(|(key, _)| is_word(key))
        };
        let keys: Vec<&str> = lines.filter(is_key).collect();
        format!("[[channel]]\n{}", keys.join("\n"))
    }

    fn is_word(key: &str) -> bool {
        key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    }

    #[test]
    fn the_shipped_examples_are_right_and_of_every_kind() {
        let channels = parse(&examples()).unwrap();
        let kinds: BTreeSet<_> = channels
            .iter()
            .map(|channel| std::mem::discriminant(&channel.kind))
            .map(|kind| format!("{kind:?}"))
            .collect();
        assert_eq!((channels.len(), kinds.len()), (KINDS.len(), KINDS.len()));
    }

    #[test]
    fn the_shipped_examples_name_every_key() {
        for (kind, _) in KINDS {
            let faults = problems(&format!(
                "[[channel]]\nname = \"x\"\nkind = \"{kind}\"\nqqqqqqqqqqqqqqqqqqqqqqqq = 1"
            ));
            let known = faults.iter().find_map(|fault| fault.split_once("known here: ")).unwrap().1;
            for key in known.split(", ") {
                let stands = examples().lines().any(|line| line.split(" = ").next() == Some(key));
                assert!(stands, "{kind}.{key} is not in config/sharpeyes.toml");
            }
        }
    }

    #[test]
    fn each_fault_is_told_with_its_key() {
        let check = |keys: &str, expected: &[&str]| {
            assert_eq!(problems(&format!("[[channel]]\nname = \"a\"\n{keys}")), expected, "{keys}");
        };
        check(
            "kind = \"pigeon\"\nwings = 2",
            &[
                "channel.kind: `pigeon` must be one of \"webhook\", \"alertmanager\", \"wecom\", \"dingtalk\", \"smtp\", \"syslog\", \"file\"",
            ],
        );
        check("kind = \"webhook\"\nsecret_file = \"/k\"", &["channel.url: is missing"]);
        let secret = "channel.url: must hold no user and no password; they belong into a file that secret_file or token_file names";
        check("kind = \"webhook\"\nsecret_file = \"/k\"\nurl = \"http://u:hidden@h/\"", &[secret]);
        check("kind = \"webhook\"\nsecret_file = \"/k\"\nurl = \"http://h/?password=hidden\"", &[secret]);
        check(
            "kind = \"wecom\"\nsecret_file = \"/k\"\nurl = \"ftp://h/\"",
            &["channel.url: must be an address that begins with http:// or https://"],
        );
        check(
            "kind = \"wecom\"\nsecret_file = \"/k\"\nper_minute = 21",
            &["channel.per_minute: must be a whole number from 1 to 20"],
        );
        check("kind = \"alertmanager\"\nurls = []", &["channel.urls: must name at least one"]);
        check(
            "kind = \"syslog\"\naddress = \"udp://h\"",
            &["channel.address: must be udp://host:port, tcp://host:port or unix:/path"],
        );
        check(
            "kind = \"syslog\"\naddress = \"unix:/dev/log\"\nlevels = [\"street\"]",
            &["channel.levels: `street` is no level"],
        );
        check(
            "kind = \"smtp\"\nhost = \"h\"\nport = 25\nsecurity = \"none\"\nfrom = \"a@b\"\nto = [\"c@d\"]\nusername = \"u\"\nsecret_file = \"/k\"",
            &["channel.username: must not be sent in the clear; security must be \"starttls\" or \"tls\""],
        );
    }

    #[test]
    fn two_channels_of_one_name_are_a_fault() {
        let one = "[[channel]]\nname = \"a\"\nkind = \"syslog\"\naddress = \"unix:/dev/log\"\n";
        assert_eq!(problems(&one.repeat(2)), ["channel.name: is the name of another channel"]);
    }
}
