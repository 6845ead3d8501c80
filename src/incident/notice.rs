//! What is told about an incident, in Chinese: the words of the notices and the channels that each goes to.

use crate::domain::contact::{Contact, contacts};
use crate::domain::incident::{Happening, Incident, IncidentEvent, Level, Root};
use crate::domain::message::{Filter, Message, MessageKind, Severity};
use crate::domain::outbox::Notice;
use crate::domain::{DivisionCode, DivisionLevel, Inventory, Timestamp};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::time::Duration;

/// How notices are written and where they go.
#[derive(Clone, Debug)]
pub struct NoticeSettings {
    /// The channels by name, with what each is for.
    pub channels: Vec<(String, Filter)>,
    /// A problem is told so long after it was opened: what turns out to be part of another one is not.
    pub announce_after: Duration,
    /// Times are written in this zone.
    pub zone: TimeZone,
    /// Where people reach the console; notices link to the incident there.
    pub console_url: Option<String>,
}

impl NoticeSettings {
    /// What is told when an incident is opened.
    pub fn of_opening(&self, incident: &Incident, records: &Inventory, now: Timestamp) -> Vec<Notice> {
        let message = self.message(MessageKind::Problem, "problem", incident, records, now);
        self.address(&message, now.plus(self.announce_after))
    }

    /// What is told when something happens to an incident; `after` has the event applied.
    pub fn of_event(&self, after: &Incident, event: &IncidentEvent, records: &Inventory) -> Vec<Notice> {
        let Some((kind, step)) = told_of(&event.happening, after.revision) else { return Vec::new() };
        let message = self.message(kind, &step, after, records, event.at);
        // The problem of what it is part of is told first.
        let wait = if kind == MessageKind::Merged { self.announce_after } else { Duration::ZERO };
        self.address(&message, event.at.plus(wait))
    }

    fn address(&self, message: &Message, due: Timestamp) -> Vec<Notice> {
        let wanting = self.channels.iter().filter(|(_, filter)| filter.wants(message));
        wanting.map(|(name, _)| Notice { channel: name.clone(), message: message.clone(), due }).collect()
    }

    fn message(
        &self,
        kind: MessageKind,
        step: &str,
        incident: &Incident,
        records: &Inventory,
        at: Timestamp,
    ) -> Message {
        let severity = Severity::of(incident.root.kind());
        Message {
            id: format!("incident-{}-{step}", incident.id),
            incident: Some(incident.id),
            kind,
            severity,
            level: incident.level,
            division: incident.division,
            title: title(kind, incident, records),
            text: self.text(kind, incident, records, at),
            at,
            since: incident.since,
            ended: kind.ends_incident().then_some(at),
            cause: incident.cause.as_str().to_owned(),
            labels: labels(incident, severity),
            link: self.console_url.as_ref().map(|console| format!("{console}/duty#incident={}", incident.id)),
        }
    }

    fn text(&self, kind: MessageKind, incident: &Incident, records: &Inventory, at: Timestamp) -> String {
        let (restored, members) = incident.restored_of();
        let mut lines = vec![
            format!("对象：{}", subject(&incident.root, records)),
            format!("原因：{}", incident.cause.name_zh()),
            format!("开始：{}", self.time(incident.since)),
        ];
        if kind.ends_incident() {
            lines.push(format!("结束：{}，历时{}", self.time(at), span(at.since(incident.since))));
        }
        lines.push(format!("影响：{members} 路，已恢复 {restored} 路"));
        lines.extend(incident.division.map(|code| format!("区划：{}", division_path(code, records))));
        lines.extend(contacts(incident.members.keys().copied(), records).into_iter().map(call));
        lines.extend(incident.assignee.as_ref().map(|assignee| format!("处置：{assignee}")));
        if kind == MessageKind::Escalated {
            lines.push(format!("无人确认，现请{}处理", level_word(incident.level)));
        }
        if kind == MessageKind::Overdue {
            lines.push(format!("修复时限 {} 已过", span(incident.deadline)));
        }
        lines.push(format!("编号：{}", incident.id));
        lines.join("\n")
    }

    fn time(&self, at: Timestamp) -> String {
        match jiff::Timestamp::from_millisecond(at.as_millis()) {
            Ok(instant) => {
                instant.to_zoned_datetime(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
            }
            Err(_) => at.to_string(),
        }
    }
}

/// What is told of an event, and the step in its message's key. An incident may be overdue more than once.
fn told_of(happening: &Happening, revision: i64) -> Option<(MessageKind, String)> {
    Some(match happening {
        Happening::Escalated(level) => (MessageKind::Escalated, format!("escalated-{}", level.as_str())),
        Happening::Overdue => (MessageKind::Overdue, format!("overdue-{revision}")),
        Happening::Closed => (MessageKind::Recovery, "recovery".to_owned()),
        Happening::Merged { .. } => (MessageKind::Merged, "merged".to_owned()),
        Happening::FalseAlarm => (MessageKind::FalseAlarm, "false-alarm".to_owned()),
        Happening::Joined(_)
        | Happening::Recovered(_)
        | Happening::CauseChanged(_)
        | Happening::Restored
        | Happening::FailedAgain
        | Happening::Gone
        | Happening::Excluded
        | Happening::Included
        | Happening::Acknowledged { .. }
        | Happening::Dispatched { .. }
        | Happening::Repairing(_)
        | Happening::Suspended { .. }
        | Happening::Resumed
        | Happening::Noted => return None,
    })
}

fn title(kind: MessageKind, incident: &Incident, records: &Inventory) -> String {
    let (subject, cause) = (subject(&incident.root, records), incident.cause.name_zh());
    let count = incident.members.len();
    let many = if count > 1 { format!("（{count} 路）") } else { String::new() };
    format!("【{}】{subject} {cause}{many}", kind.name_zh())
}

/// What failed, by its name; its code where the records have none.
fn subject(root: &Root, records: &Inventory) -> String {
    let named = |name: Option<&String>| name.filter(|name| !name.is_empty()).cloned();
    let code = || root.code().to_owned();
    match root {
        Root::OwnNetwork => "监测系统所在网络".to_owned(),
        Root::Link(link) => named(records.links.get(link).map(|link| &link.name))
            .map_or_else(code, |name| format!("{name}（{link}）")),
        Root::Credential(name) => format!("凭据 {name}"),
        Root::Device(host) => format!("设备 {host}"),
        Root::Site(site) => named(records.sites.get(site).map(|site| &site.name)).unwrap_or_else(code),
        Root::Point(point) => {
            let name = named(records.points.get(point).map(|point| &point.name));
            name.map_or_else(code, |name| format!("{name}（{point}）"))
        }
    }
}

/// The names from the city down to the division.
fn division_path(code: DivisionCode, records: &Inventory) -> String {
    let above = DivisionLevel::ALL.into_iter().skip(1).filter_map(|level| code.ancestor(level));
    let names = above.filter_map(|code| records.divisions.get(&code).map(|division| division.name.as_str()));
    let path: String = names.collect();
    if path.is_empty() { code.to_string() } else { path }
}

/// Somebody to call, as a line.
fn call(Contact { role, name, phone }: Contact) -> String {
    let phone = phone.map(|phone| format!(" {phone}")).unwrap_or_default();
    format!("{}：{name}{phone}", role.name_zh())
}

const fn level_word(level: Level) -> &'static str {
    match level {
        Level::Grid => "网格长",
        Level::Village => "村级管理员",
        Level::Township => "乡镇综治中心",
        Level::County => "县级平台",
        Level::City => "市级平台",
    }
}

/// What an incident is, by name; the same in all of its messages.
fn labels(incident: &Incident, severity: Severity) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        ("alertname", "SharpEyesIncident".to_owned()),
        ("incident", incident.id.to_string()),
        ("kind", incident.root.kind().as_str().to_owned()),
        ("code", incident.root.code().to_owned()),
        ("severity", severity.as_str().to_owned()),
    ]);
    let levels = [
        ("county", DivisionLevel::County),
        ("township", DivisionLevel::Township),
        ("village", DivisionLevel::Village),
    ];
    let divisions =
        levels.into_iter().filter_map(|(name, level)| Some((name, incident.division?.ancestor(level)?)));
    labels.extend(divisions.map(|(name, code)| (name, code.to_string())));
    labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A span of time as people say it.
fn span(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    let (days, hours, minutes) = (minutes / 1_440, minutes / 60 % 24, minutes % 60);
    let parts = [(days, "天"), (hours, "小时"), (minutes, "分钟")];
    let text: String = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count}{word}"))
        .collect();
    if text.is_empty() { "不到1分钟".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::incident::{Ending, Opening};
    use crate::domain::{Cause, PointClass};

    fn incident(root: Root) -> Incident {
        let opening = Opening {
            root,
            cause: Cause::ConnectTimeout,
            since: Timestamp::from_seconds(1_790_000_000),
            members: ["23052100001320000001".parse().unwrap(), "23052100001320000002".parse().unwrap()]
                .into(),
            class: PointClass::One,
            division: "230521100201".parse().ok(),
            level: Level::Village,
            deadline: Duration::from_secs(12 * 3_600),
        };
        Incident::open(17, &opening, Timestamp::from_seconds(1_790_000_060))
    }

    fn settings(channels: Vec<(String, Filter)>) -> NoticeSettings {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let console_url = Some("http://10.1.2.3:8080".to_owned());
        NoticeSettings { channels, announce_after: Duration::from_secs(30), zone, console_url }
    }

    #[test]
    fn a_problem_waits_a_moment_and_says_what_where_and_since_when() {
        let settings = settings(vec![("duty".to_owned(), Filter::default())]);
        let incident = incident(Root::Link("L-1".parse().unwrap()));
        let now = Timestamp::from_seconds(1_790_000_060);
        let notices = settings.of_opening(&incident, &Inventory::default(), now);
        let [notice] = notices.as_slice() else { panic!("{notices:?}") };
        assert_eq!((notice.channel.as_str(), notice.due), ("duty", Timestamp::from_seconds(1_790_000_090)));
        assert_eq!(notice.message.id, "incident-17-problem");
        assert_eq!(notice.message.link.as_deref(), Some("http://10.1.2.3:8080/duty#incident=17"));
        assert_eq!(notice.message.title, "【故障】L-1 连接超时（2 路）");
        assert_eq!(
            notice.message.text,
            "对象：L-1\n原因：连接超时\n开始：2026-09-21 22:13:20\n影响：2 路，已恢复 0 路\n区划：230521100201\n编号：17"
        );
        let county = notice.message.labels.get("county").map(String::as_str);
        assert_eq!((county, notice.message.severity), (Some("230521"), Severity::Page));
    }

    #[test]
    fn an_end_says_how_long_it_took() {
        let settings = settings(vec![("duty".to_owned(), Filter::default())]);
        let mut incident = incident(Root::Point("23052100001320000001".parse().unwrap()));
        let at = Timestamp::from_seconds(1_790_000_000 + 90_061);
        let event = IncidentEvent::found(Happening::Closed, at);
        incident.apply(&event.happening, at);
        assert_eq!(incident.ended, Some((at, Ending::Closed)));
        let notices = settings.of_event(&incident, &event, &Inventory::default());
        let message = &notices[0].message;
        assert_eq!((message.kind, message.ended, notices[0].due), (MessageKind::Recovery, Some(at), at));
        assert!(message.text.contains("历时1天1小时1分钟"), "{}", message.text);
        let merged = IncidentEvent::found(Happening::Merged { into: 3 }, at);
        let due = settings.of_event(&incident, &merged, &Inventory::default())[0].due;
        assert_eq!(due, at.plus(settings.announce_after), "after the problem of the other one");
        let noted = IncidentEvent::found(Happening::Noted, at);
        assert_eq!(settings.of_event(&incident, &noted, &Inventory::default()), []);
    }

    #[test]
    fn a_channel_is_told_what_it_is_for() {
        let filter = Filter { severities: vec![Severity::Page], ..Filter::default() };
        let settings = settings(vec![("calls".to_owned(), filter)]);
        let (now, records) = (Timestamp::from_seconds(0), Inventory::default());
        let of = |root| settings.of_opening(&incident(root), &records, now).len();
        assert_eq!(of(Root::OwnNetwork), 1);
        assert_eq!(of(Root::Site("S-1".parse().unwrap())), 0);
    }

    #[test]
    fn spans_are_said_in_words() {
        let check = |seconds, expected| assert_eq!(span(Duration::from_secs(seconds)), expected);
        check(0, "不到1分钟");
        check(60, "1分钟");
        check(3_600, "1小时");
        check(86_400 + 120, "1天2分钟");
    }
}
