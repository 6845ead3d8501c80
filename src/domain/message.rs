//! Notifications (通知): what is told about an incident, to whom, and in how many bytes.
//!
//! Owns the message and its short forms. Who is told when is decided above; how it is carried is known to each channel.

use crate::domain::incident::{Level, Root, RootKind};
use crate::domain::{DivisionCode, Timestamp};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageKind {
    /// 故障: an incident was opened.
    Problem,
    /// 升级: nobody acknowledged it; it is the turn of the next level.
    Escalated,
    /// 超时: its repair deadline passed.
    Overdue,
    /// 恢复: everything is proven again.
    Recovery,
    /// 合并: it is part of another incident.
    Merged,
    /// 误报: a person says that nothing was wrong.
    FalseAlarm,
    /// 汇总: several messages in one.
    Digest,
    /// 测试: whether the channel works.
    Test,
}

impl MessageKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Problem,
        Self::Escalated,
        Self::Overdue,
        Self::Recovery,
        Self::Merged,
        Self::FalseAlarm,
        Self::Digest,
        Self::Test,
    ];

    /// The word used in SQL and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Escalated => "escalated",
            Self::Overdue => "overdue",
            Self::Recovery => "recovery",
            Self::Merged => "merged",
            Self::FalseAlarm => "false_alarm",
            Self::Digest => "digest",
            Self::Test => "test",
        }
    }

    /// The word that people read.
    pub const fn name_zh(self) -> &'static str {
        match self {
            Self::Problem => "故障",
            Self::Escalated => "升级",
            Self::Overdue => "超时",
            Self::Recovery => "恢复",
            Self::Merged => "合并",
            Self::FalseAlarm => "误报",
            Self::Digest => "汇总",
            Self::Test => "测试",
        }
    }

    /// Rebuilds a kind from its word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether it ends what a [`MessageKind::Problem`] began: it goes where that one went.
    pub const fn ends_incident(self) -> bool {
        matches!(self, Self::Recovery | Self::Merged | Self::FalseAlarm)
    }
}

/// How urgent an incident is; it stays the same over its life, because receivers tell alerts apart by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// 工单: somebody takes care of it during work.
    Ticket,
    /// 紧急: somebody is called.
    Page,
}

impl Severity {
    /// Every severity.
    pub const ALL: [Self; 2] = [Self::Ticket, Self::Page];

    /// What takes many points down calls somebody; one point or pole makes work.
    pub const fn of(kind: RootKind) -> Self {
        match kind {
            RootKind::OwnNetwork | RootKind::Link | RootKind::Credential => Self::Page,
            RootKind::Device | RootKind::Site | RootKind::Point => Self::Ticket,
        }
    }

    /// The word used in SQL, JSON and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ticket => "ticket",
            Self::Page => "page",
        }
    }

    /// The word that people read.
    pub const fn name_zh(self) -> &'static str {
        match self {
            Self::Ticket => "工单",
            Self::Page => "紧急",
        }
    }

    /// Rebuilds a severity from its word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == word)
    }
}

/// One notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its own key, the same however often it is sent: `incident-17-problem`. Letters, digits, `-` and `_`.
    pub id: String,
    /// The incident; none of a digest or test.
    pub incident: Option<i64>,
    /// What is told.
    pub kind: MessageKind,
    /// How urgent the incident is.
    pub severity: Severity,
    /// Whose turn it is.
    pub level: Level,
    /// The smallest division that holds all of it; none when it is everybody's.
    pub division: Option<DivisionCode>,
    /// One line in Chinese.
    pub title: String,
    /// Several lines in Chinese.
    pub text: String,
    /// When it was queued.
    pub at: Timestamp,
    /// When the incident began.
    pub since: Timestamp,
    /// When it ended, if it did.
    pub ended: Option<Timestamp>,
    /// The word of the cause, which may change while an incident lasts; empty of a digest or test.
    pub cause: String,
    /// What the incident is, by name: the same in every message of it, because Alertmanager tells alerts apart by them.
    pub labels: BTreeMap<String, String>,
    /// Where the console shows it.
    pub link: Option<String>,
}

impl Message {
    /// What failed, as its labels say; nothing of a digest or test.
    pub fn root(&self) -> Option<Root> {
        Root::parse(self.labels.get("kind")?, self.labels.get("code")?)
    }
}

/// Which messages a channel is for; an empty list is every one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Whose turn it is.
    pub levels: Vec<Level>,
    /// Where.
    pub divisions: Vec<DivisionCode>,
    /// How urgent.
    pub severities: Vec<Severity>,
}

impl Filter {
    /// Whether the channel is for `message`. Those that end an incident pass every level: they go where its problem went,
    /// which only the queue knows. Tests are sent to a channel by name and pass everything.
    pub fn wants(&self, message: &Message) -> bool {
        if message.kind == MessageKind::Test {
            return true;
        }
        let level = message.kind.ends_incident() || has(&self.levels, &message.level);
        level && has(&self.severities, &message.severity) && self.covers(message.division)
    }

    /// What spans more than a division of ours concerns it too.
    fn covers(&self, division: Option<DivisionCode>) -> bool {
        let Some(division) = division else { return true };
        self.divisions.is_empty()
            || self.divisions.iter().any(|own| own.contains(&division) || division.contains(own))
    }
}

fn has<T: PartialEq>(list: &[T], item: &T) -> bool {
    list.is_empty() || list.contains(item)
}

/// The first `limit` bytes of `text` at most, never half a character; what was cut ends in an ellipsis.
pub fn cut(text: &str, limit: usize) -> Cow<'_, str> {
    const ELLIPSIS: &str = "…";
    if text.len() <= limit {
        return Cow::Borrowed(text);
    }
    let kept = |limit| text.get(..text.floor_char_boundary(limit)).unwrap_or("");
    match limit.checked_sub(ELLIPSIS.len()) {
        Some(room) => Cow::Owned(format!("{}{ELLIPSIS}", kept(room))),
        None => Cow::Borrowed(kept(limit)),
    }
}

/// Title, text and link as one text of at most `limit` bytes; the text is cut first, so that the link stays whole.
pub fn fitted(message: &Message, limit: usize) -> String {
    let link = message.link.as_ref().map(|link| format!("\n{link}")).unwrap_or_default();
    let head = format!("{}\n", message.title);
    let room = limit.saturating_sub(head.len() + link.len());
    let whole = format!("{head}{}{link}", cut(&message.text, room));
    cut(&whole, limit).into_owned()
}

/// Several messages as one of at most `limit` bytes of title and text; a single one stays what it is, and of none
/// there is nothing to tell. The lines that do not fit are counted.
pub fn digest(messages: &[Message], limit: usize) -> Option<Cow<'_, Message>> {
    let (first, last) = (messages.first()?, messages.last()?);
    if messages.len() == 1 {
        return Some(Cow::Borrowed(first));
    }
    let title = digest_title(messages);
    let text = lines(messages, limit.saturating_sub(title.len() + 1));
    Some(Cow::Owned(Message {
        id: format!("digest-{}-{}", first.id, messages.len()),
        incident: None,
        kind: MessageKind::Digest,
        severity: messages.iter().map(|message| message.severity).max()?,
        level: messages.iter().map(|message| message.level).max()?,
        division: common_division(messages),
        title,
        text,
        at: last.at,
        since: messages.iter().map(|message| message.since).min()?,
        ended: None,
        cause: String::new(),
        labels: BTreeMap::new(),
        link: None,
    }))
}

/// The smallest division that holds those of all messages.
fn common_division(messages: &[Message]) -> Option<DivisionCode> {
    let mut divisions = messages.iter().map(|message| message.division);
    let mut common = divisions.next()??;
    for division in divisions {
        let division = division?;
        while !common.contains(&division) {
            common = common.parent()?;
        }
    }
    Some(common)
}

fn digest_title(messages: &[Message]) -> String {
    let count = |kind| messages.iter().filter(|message| message.kind == kind).count();
    let counted = MessageKind::ALL.into_iter().map(|kind| (kind, count(kind)));
    let parts: Vec<String> = counted
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| format!("{} {count}", kind.name_zh()))
        .collect();
    format!("【汇总】{} 条通知（{}）", messages.len(), parts.join("，"))
}

/// One line for each message as long as they fit, then how many more there are.
fn lines(messages: &[Message], limit: usize) -> String {
    let mut text = String::new();
    for (index, message) in messages.iter().enumerate() {
        let left = messages.len() - index;
        let line = format!("{}. [{}] {}\n", index + 1, message.severity.name_zh(), message.title);
        let reserve = if left == 1 { 0 } else { more(left - 1).len() };
        if text.len() + line.len() + reserve > limit {
            text.push_str(&more(left));
            break;
        }
        text.push_str(&line);
    }
    cut(text.trim_end(), limit).into_owned()
}

fn more(count: usize) -> String {
    format!("另有 {count} 条，请到控制台查看\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(number: i64, kind: MessageKind) -> Message {
        let at = Timestamp::from_seconds(1_790_000_000 + number);
        Message {
            id: format!("incident-{number}-{}", kind.as_str()),
            incident: Some(number),
            kind,
            severity: Severity::Ticket,
            level: Level::Village,
            division: "230521100201".parse().ok(),
            title: format!("【{}】青山村上行链路中断，影响 12 路 #{number}", kind.name_zh()),
            text: "原因：链路不通\n时间：2026-09-21 22:13 起".to_owned(),
            at,
            since: at,
            ended: None,
            cause: "link_down".to_owned(),
            labels: BTreeMap::new(),
            link: None,
        }
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        let check = |limit, expected: &str| assert_eq!(cut("青山村", limit), expected, "{limit}");
        check(9, "青山村");
        check(8, "青…");
        check(6, "青…");
        check(5, "…");
        check(3, "…");
        check(2, "");
        check(0, "");
    }

    #[test]
    fn the_link_stays_whole_when_the_text_is_cut() {
        let mut long = message(17, MessageKind::Problem);
        long.text = "断".repeat(2_000);
        long.link = Some("http://10.1.2.3:8080/duty#incident=17".to_owned());
        let fitted = fitted(&long, 2_048);
        assert!(fitted.len() <= 2_048 && fitted.len() > 2_040, "{}", fitted.len());
        assert!(
            fitted.starts_with("【故障】青山村")
                && fitted.ends_with("…\nhttp://10.1.2.3:8080/duty#incident=17")
        );
    }

    #[test]
    fn a_digest_counts_what_does_not_fit() {
        let flood: Vec<Message> = (1..=30).map(|number| message(number, MessageKind::Problem)).collect();
        let mut flood =
            [flood, (1..=8).map(|number| message(number, MessageKind::Recovery)).collect()].concat();
        flood[0].severity = Severity::Page;
        let digest = digest(&flood, 300).unwrap();
        assert_eq!(digest.title, "【汇总】38 条通知（故障 30，恢复 8）");
        assert_eq!(
            digest.text,
            "1. [紧急] 【故障】青山村上行链路中断，影响 12 路 #1\n2. [工单] 【故障】青山村上行链路中断，影响 12 路 #2\n\
             另有 36 条，请到控制台查看"
        );
        assert_eq!((digest.kind, digest.severity), (MessageKind::Digest, Severity::Page));
        assert_eq!(digest.id, "digest-incident-1-problem-38");
    }

    #[test]
    fn one_message_stays_and_none_is_nothing() {
        let single = [message(1, MessageKind::Problem)];
        assert_eq!(digest(&single, 10).as_deref(), Some(&single[0]));
        assert_eq!(digest(&[], 10), None);
    }

    #[test]
    fn a_digest_is_of_the_division_that_holds_all() {
        let check = |codes: &[Option<&str>], expected: Option<&str>| {
            let of = |code: &Option<&str>| Message {
                division: code.and_then(|code| code.parse().ok()),
                ..message(1, MessageKind::Problem)
            };
            let messages: Vec<Message> = codes.iter().map(of).collect();
            let division = common_division(&messages);
            assert_eq!(division.as_ref().map(DivisionCode::as_str), expected, "{codes:?}");
        };
        check(&[Some("230521100201"), Some("230521100202")], Some("230521100"));
        check(&[Some("230521"), Some("230521100202")], Some("230521"));
        check(&[Some("230521100201"), Some("110101001001")], None);
        check(&[Some("230521100201"), None], None);
    }

    #[test]
    fn a_filter_lets_through_what_concerns_its_channel() {
        let village = message(1, MessageKind::Problem);
        let county = Message { level: Level::County, division: "2305".parse().ok(), ..village.clone() };
        let own_network = Message { division: None, ..village.clone() };
        let recovery = Message { level: Level::City, ..message(1, MessageKind::Recovery) };
        let of = |code: &str| Filter { divisions: vec![code.parse().unwrap()], ..Filter::default() };
        let level = |level| Filter { levels: vec![level], ..Filter::default() };
        let page = Filter { severities: vec![Severity::Page], ..Filter::default() };
        let check =
            |filter: &Filter, message: &Message, expected| assert_eq!(filter.wants(message), expected);
        check(&Filter::default(), &village, true);
        check(&of("230521"), &village, true);
        check(&of("230522"), &village, false);
        check(&of("230522"), &county, true);
        check(&of("230522"), &own_network, true);
        check(&level(Level::Village), &village, true);
        check(&level(Level::County), &village, false);
        check(&level(Level::Village), &recovery, true);
        check(&page, &village, false);
        check(&page, &Message { kind: MessageKind::Test, ..village.clone() }, true);
    }

    #[test]
    fn every_word_finds_its_way_back() {
        assert!(MessageKind::ALL.into_iter().all(|kind| MessageKind::parse(kind.as_str()) == Some(kind)));
        assert!(
            Severity::ALL.into_iter().all(|severity| Severity::parse(severity.as_str()) == Some(severity))
        );
    }

    proptest! {
        #[test]
        fn nothing_is_longer_than_its_limit(text in "\\PC*", count in 1_usize..60, limit in 0_usize..4_096) {
            prop_assert!(cut(&text, limit).len() <= limit);
            let mut long = message(1, MessageKind::Problem);
            long.text = text;
            prop_assert!(fitted(&long, limit).len() <= limit);
            let many = vec![long; count];
            let digest = digest(&many, limit).unwrap();
            prop_assert!(count == 1 || digest.text.len() <= limit);
        }
    }
}
