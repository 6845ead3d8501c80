//! Incidents (事件): one for each highest failed cause, from the first failure to the verified recovery.
//!
//! Owns the life cycle: what a person may do at each stage, and what only the probe may say. An incident changes by
//! events alone ([`Incident::apply`]), so that what is kept and what is shown are the same history.

pub mod desk;
pub mod failure;

use crate::domain::exclusion::is_same_person;
use crate::domain::{
    Cause, DivisionCode, DivisionLevel, LinkCode, PointClass, PointCode, SiteCode, Timestamp,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// What failed, and nothing above it did.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Root {
    /// Our own network, or the whole network at once.
    OwnNetwork,
    /// A link.
    Link(LinkCode),
    /// A credential whose password was changed on many devices (口令批量变更).
    Credential(String),
    /// A device with several channels, or a platform: host and port.
    Device(String),
    /// A pole or wall with everything on it.
    Site(SiteCode),
    /// One point.
    Point(PointCode),
}

impl Root {
    /// Its kind.
    pub const fn kind(&self) -> RootKind {
        match self {
            Self::OwnNetwork => RootKind::OwnNetwork,
            Self::Link(_) => RootKind::Link,
            Self::Credential(_) => RootKind::Credential,
            Self::Device(_) => RootKind::Device,
            Self::Site(_) => RootKind::Site,
            Self::Point(_) => RootKind::Point,
        }
    }

    /// Its code, name or address; nothing for our own network.
    pub fn code(&self) -> &str {
        match self {
            Self::OwnNetwork => "",
            Self::Link(link) => link.as_str(),
            Self::Credential(name) => name,
            Self::Device(host) => host,
            Self::Site(site) => site.as_str(),
            Self::Point(point) => point.as_str(),
        }
    }

    /// Rebuilds a root from [`Root::kind`] and [`Root::code`].
    pub fn new(kind: RootKind, code: &str) -> Option<Self> {
        Some(match kind {
            RootKind::OwnNetwork => Self::OwnNetwork,
            RootKind::Link => Self::Link(code.parse().ok()?),
            RootKind::Credential => Self::Credential(code.to_owned()),
            RootKind::Device => Self::Device(code.to_owned()),
            RootKind::Site => Self::Site(code.parse().ok()?),
            RootKind::Point => Self::Point(code.parse().ok()?),
        })
    }

    /// Rebuilds a root from the word of its kind and its code.
    pub fn parse(kind: &str, code: &str) -> Option<Self> {
        Self::new(RootKind::parse(kind)?, code)
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code() {
            "" => f.write_str(self.kind().as_str()),
            code => write!(f, "{}:{code}", self.kind().as_str()),
        }
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident => $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every one, in order.
            pub const ALL: [Self; [$(Self::$variant,)*].len()] = [$(Self::$variant,)*];

            /// The word used in SQL and JSON.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// Rebuilds it from its word.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|known| known.as_str() == text)
            }
        }
    };
}

words! {
    /// The kinds of roots.
    RootKind {
        /// 本网.
        OwnNetwork => "own_network",
        /// 链路.
        Link => "link",
        /// 凭据.
        Credential => "credential",
        /// 设备.
        Device => "device",
        /// 杆点.
        Site => "site",
        /// 点位.
        Point => "point",
    }
}

words! {
    /// Where an incident stands.
    Stage {
        /// 待确认: nobody has seen it yet.
        Open => "open",
        /// 已确认: somebody takes care.
        Acknowledged => "acknowledged",
        /// 已派单: somebody was sent.
        Dispatched => "dispatched",
        /// 处理中: it is known what it takes.
        InRepair => "in_repair",
        /// 挂起: the clock stands, with a reason and an approver.
        Suspended => "suspended",
        /// 已恢复: the probe sees everything again; not yet for long enough.
        Restored => "restored",
        /// 已关闭: the recovery lasted.
        Closed => "closed",
        /// 误报: a person says that nothing was wrong.
        FalseAlarm => "false_alarm",
        /// 已合并: part of another incident.
        Merged => "merged",
    }
}

words! {
    /// What a repair has to deal with.
    RepairReason {
        /// 停电.
        PowerCut => "power_cut",
        /// 光缆.
        Cable => "cable",
        /// 设备.
        Equipment => "equipment",
        /// 口令.
        Password => "password",
        /// 施工.
        Construction => "construction",
        /// 天气.
        Weather => "weather",
        /// 拆迁.
        Relocation => "relocation",
        /// 其他.
        Other => "other",
    }
}

words! {
    /// Whose turn it is while nobody acknowledges.
    Level {
        /// 网格长.
        Grid => "grid",
        /// 村级.
        Village => "village",
        /// 乡镇综治中心.
        Township => "township",
        /// 县级平台.
        County => "county",
        /// 市级.
        City => "city",
    }
}

impl Stage {
    /// Whether nothing follows any more.
    pub const fn is_end(self) -> bool {
        match self {
            Self::Closed | Self::FalseAlarm | Self::Merged => true,
            Self::Open
            | Self::Acknowledged
            | Self::Dispatched
            | Self::InRepair
            | Self::Suspended
            | Self::Restored => false,
        }
    }
}

impl Level {
    /// The level at which the failure of something that serves a division is told first.
    pub const fn of(division: DivisionLevel) -> Self {
        match division {
            DivisionLevel::Village => Self::Village,
            DivisionLevel::Township => Self::Township,
            DivisionLevel::County => Self::County,
            DivisionLevel::City | DivisionLevel::Province => Self::City,
        }
    }

    /// The next higher one; none above the city.
    pub const fn above(self) -> Option<Self> {
        match self {
            Self::Grid => Some(Self::Village),
            Self::Village => Some(Self::Township),
            Self::Township => Some(Self::County),
            Self::County => Some(Self::City),
            Self::City => None,
        }
    }
}

/// How an incident ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The recovery lasted.
    Closed,
    /// A person says that nothing was wrong.
    FalseAlarm,
    /// It is part of the incident with this number.
    Merged(i64),
}

/// A point that an incident took down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// When it was first counted in.
    pub joined: Timestamp,
    /// When it was proven again.
    pub restored: Option<Timestamp>,
}

/// The time that counts against a repair: it stands while an incident is suspended, excluded or restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepairClock {
    /// What counted before it was started last.
    pub spent: Duration,
    /// Since when it runs.
    pub running_since: Option<Timestamp>,
}

impl RepairClock {
    /// What counts until `now`.
    pub fn spent(&self, now: Timestamp) -> Duration {
        self.spent.saturating_add(self.running_since.map_or(Duration::ZERO, |since| now.since(since)))
    }

    fn run(&mut self, runs: bool, at: Timestamp) {
        if runs != self.running_since.is_some() {
            self.spent = self.spent(at);
            self.running_since = runs.then_some(at);
        }
    }
}

/// What a person has done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handling {
    Open,
    Acknowledged,
    Dispatched,
    InRepair,
}

/// What is known when an incident is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// What failed.
    pub root: Root,
    /// How.
    pub cause: Cause,
    /// When the first failure was seen.
    pub since: Timestamp,
    /// The points that fail because of it.
    pub members: BTreeSet<PointCode>,
    /// The strictest class among them.
    pub class: PointClass,
    /// The smallest division that holds them all; none across provinces.
    pub division: Option<DivisionCode>,
    /// Who is told first.
    pub level: Level,
    /// How long the repair may take.
    pub deadline: Duration,
}

/// One incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Number given by the store.
    pub id: i64,
    /// What failed.
    pub root: Root,
    /// How; the worst that was seen last.
    pub cause: Cause,
    /// When the first failure was seen.
    pub since: Timestamp,
    /// When it was opened.
    pub opened: Timestamp,
    /// The strictest class among its members when it was opened.
    pub class: PointClass,
    /// The smallest division that held all its members when it was opened.
    pub division: Option<DivisionCode>,
    /// The points that it took down.
    pub members: BTreeMap<PointCode, Member>,
    /// How long the repair may take, on its clock.
    pub deadline: Duration,
    /// The time that counts.
    pub clock: RepairClock,
    /// Whether the deadline has passed.
    pub overdue: bool,
    /// Who takes care.
    pub acknowledged_by: Option<String>,
    /// Who was sent.
    pub assignee: Option<String>,
    /// What the repair has to deal with.
    pub repair: Option<RepairReason>,
    /// Whose turn it is.
    pub level: Level,
    /// Since when it is theirs.
    pub level_since: Timestamp,
    /// Since when every member is proven again.
    pub restored: Option<Timestamp>,
    /// When and how it ended.
    pub ended: Option<(Timestamp, Ending)>,
    /// How many events it has had: the number of the last one.
    pub revision: i64,
    handling: Handling,
    is_suspended: bool,
    /// Whether exclusions cover all of it.
    is_excluded: bool,
    /// Whether what failed still does, although the incident was ended by a person.
    still_fails: bool,
}

/// What happens to an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// More points fail because of it, or fail again.
    Joined(BTreeSet<PointCode>),
    /// Members are proven again.
    Recovered(BTreeSet<PointCode>),
    /// It fails in another way.
    CauseChanged(Cause),
    /// Every member is proven again.
    Restored,
    /// It failed again before the recovery was verified.
    FailedAgain,
    /// The recovery lasted.
    Closed,
    /// Its root is explained by that of another incident.
    Merged {
        /// The other one.
        into: i64,
    },
    /// What failed is gone, after a person ended the incident.
    Gone,
    /// Approved exclusions cover every member: the clock stands.
    Excluded,
    /// They no longer do.
    Included,
    /// The deadline passed.
    Overdue,
    /// Nobody acknowledged in time: it is the turn of the next level.
    Escalated(Level),
    /// A person takes care.
    Acknowledged {
        /// Who.
        by: String,
    },
    /// Somebody was sent.
    Dispatched {
        /// Who.
        assignee: String,
        /// How long the repair may take.
        deadline: Duration,
    },
    /// It is known what it takes.
    Repairing(RepairReason),
    /// The clock stands.
    Suspended {
        /// Who allowed it.
        approver: String,
    },
    /// The clock goes on.
    Resumed,
    /// A person says that nothing was wrong.
    FalseAlarm,
    /// A person has something to add.
    Noted,
}

/// An event as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentEvent {
    /// When.
    pub at: Timestamp,
    /// Who: the name of a token, or `local`; empty for the service itself.
    pub actor: String,
    /// What.
    pub happening: Happening,
    /// What the person said about it.
    pub note: String,
}

impl IncidentEvent {
    /// What the service itself found.
    pub const fn found(happening: Happening, at: Timestamp) -> Self {
        Self { at, actor: String::new(), happening, note: String::new() }
    }
}

impl Happening {
    /// The word used in SQL and JSON.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Joined(_) => "joined",
            Self::Recovered(_) => "recovered",
            Self::CauseChanged(_) => "cause_changed",
            Self::Restored => "restored",
            Self::FailedAgain => "failed_again",
            Self::Closed => "closed",
            Self::Merged { .. } => "merged",
            Self::Gone => "gone",
            Self::Excluded => "excluded",
            Self::Included => "included",
            Self::Overdue => "overdue",
            Self::Escalated(_) => "escalated",
            Self::Acknowledged { .. } => "acknowledged",
            Self::Dispatched { .. } => "dispatched",
            Self::Repairing(_) => "repairing",
            Self::Suspended { .. } => "suspended",
            Self::Resumed => "resumed",
            Self::FalseAlarm => "false_alarm",
            Self::Noted => "noted",
        }
    }
}

/// Why a person may not do something to an incident.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeedError {
    /// It ended.
    #[error("the incident has ended: it is {}", .0.as_str())]
    Ended(Stage),
    /// Somebody takes care already.
    #[error("the incident is acknowledged already")]
    Acknowledged,
    /// Nobody was sent.
    #[error("nobody was dispatched yet; dispatch somebody first")]
    NotDispatched,
    /// Its clock stands.
    #[error("the incident is suspended; resume it first")]
    Suspended,
    /// Its clock runs.
    #[error("the incident is not suspended")]
    NotSuspended,
    /// Recovered by itself meanwhile.
    #[error("the probe sees everything again since {0}; there is nothing to repair")]
    Restored(Timestamp),
    /// The approver asks himself.
    #[error("a suspension must be approved by another person than the one who enters it")]
    SamePerson,
    /// A text is missing.
    #[error("{0} must not be empty")]
    Empty(&'static str),
    /// Into itself.
    #[error("an incident cannot be merged into itself")]
    IntoItself,
}

impl Incident {
    /// Opens an incident at `now`.
    pub fn open(id: i64, opening: &Opening, now: Timestamp) -> Self {
        let member = Member { joined: now, restored: None };
        Self {
            id,
            root: opening.root.clone(),
            cause: opening.cause.clone(),
            since: opening.since,
            opened: now,
            class: opening.class,
            division: opening.division,
            members: opening.members.iter().map(|point| (*point, member)).collect(),
            deadline: opening.deadline,
            clock: RepairClock { spent: Duration::ZERO, running_since: Some(opening.since.min(now)) },
            overdue: false,
            acknowledged_by: None,
            assignee: None,
            repair: None,
            level: opening.level,
            level_since: now,
            restored: None,
            ended: None,
            revision: 0,
            handling: Handling::Open,
            is_suspended: false,
            is_excluded: false,
            still_fails: true,
        }
    }

    /// Where it stands.
    pub const fn stage(&self) -> Stage {
        match (self.ended, self.restored, self.is_suspended, self.handling) {
            (Some((_, Ending::Closed)), ..) => Stage::Closed,
            (Some((_, Ending::FalseAlarm)), ..) => Stage::FalseAlarm,
            (Some((_, Ending::Merged(_))), ..) => Stage::Merged,
            (None, Some(_), ..) => Stage::Restored,
            (None, None, true, _) => Stage::Suspended,
            (None, None, false, Handling::Open) => Stage::Open,
            (None, None, false, Handling::Acknowledged) => Stage::Acknowledged,
            (None, None, false, Handling::Dispatched) => Stage::Dispatched,
            (None, None, false, Handling::InRepair) => Stage::InRepair,
        }
    }

    /// Number of the incident that it is part of.
    pub const fn merged_into(&self) -> Option<i64> {
        match self.ended {
            Some((_, Ending::Merged(into))) => Some(into),
            Some((_, Ending::Closed | Ending::FalseAlarm)) | None => None,
        }
    }

    /// Whether somebody has acknowledged it.
    pub fn is_acknowledged(&self) -> bool {
        self.handling != Handling::Open
    }

    /// Whether a person holds its clock.
    pub const fn is_suspended(&self) -> bool {
        self.is_suspended
    }

    /// Whether approved exclusions cover all of it.
    pub const fn is_excluded(&self) -> bool {
        self.is_excluded
    }

    /// Whether the desk still has to follow it: until it ended, and after that as long as what failed does.
    pub const fn is_live(&self) -> bool {
        self.ended.is_none() || self.still_fails
    }

    /// Members that are not proven again.
    pub fn failing(&self) -> impl Iterator<Item = PointCode> {
        self.members.iter().filter(|(_, member)| member.restored.is_none()).map(|(point, _)| *point)
    }

    /// Whether a point is a member that is not proven again.
    pub fn takes_down(&self, point: PointCode) -> bool {
        self.members.get(&point).is_some_and(|member| member.restored.is_none())
    }

    /// Members that are proven again, and all of them.
    pub fn restored_of(&self) -> (usize, usize) {
        (self.members.len() - self.failing().count(), self.members.len())
    }

    /// When the deadline passes if the clock goes on; none while it stands.
    pub fn due(&self) -> Option<Timestamp> {
        let left = self.deadline.saturating_sub(self.clock.spent);
        self.clock.running_since.map(|since| since.plus(left))
    }

    /// Whether `by` may acknowledge it.
    pub fn acknowledge(&self, by: &str) -> Result<Happening, DeedError> {
        self.check_going_on()?;
        if self.is_acknowledged() {
            return Err(DeedError::Acknowledged);
        }
        Ok(Happening::Acknowledged { by: by.to_owned() })
    }

    /// Whether somebody may be sent. Sending another one, or setting another deadline, is the same again.
    pub fn dispatch(&self, assignee: &str, deadline: Duration) -> Result<Happening, DeedError> {
        self.check_repairable()?;
        let assignee = filled("assignee", assignee)?;
        Ok(Happening::Dispatched { assignee, deadline })
    }

    /// Whether a repair may be noted.
    pub fn begin_repair(&self, reason: RepairReason) -> Result<Happening, DeedError> {
        self.check_repairable()?;
        match self.handling {
            Handling::Dispatched | Handling::InRepair => Ok(Happening::Repairing(reason)),
            Handling::Open | Handling::Acknowledged => Err(DeedError::NotDispatched),
        }
    }

    /// Whether `by` may hold its clock.
    pub fn suspend(&self, by: &str, approver: &str, reason: &str) -> Result<Happening, DeedError> {
        self.check_repairable()?;
        filled("reason", reason)?;
        let approver = filled("approver", approver)?;
        if is_same_person(&approver, by) {
            return Err(DeedError::SamePerson);
        }
        Ok(Happening::Suspended { approver })
    }

    /// Whether its clock may go on.
    pub fn resume(&self) -> Result<Happening, DeedError> {
        self.check_going_on()?;
        if self.is_suspended { Ok(Happening::Resumed) } else { Err(DeedError::NotSuspended) }
    }

    /// Whether it may be called a false alarm.
    pub fn call_false(&self, reason: &str) -> Result<Happening, DeedError> {
        self.check_going_on()?;
        filled("reason", reason)?;
        Ok(Happening::FalseAlarm)
    }

    /// Whether it may be made part of another one.
    pub fn merge_into(&self, other: &Self) -> Result<Happening, DeedError> {
        self.check_going_on()?;
        other.check_going_on()?;
        if self.id == other.id {
            Err(DeedError::IntoItself)
        } else {
            Ok(Happening::Merged { into: other.id })
        }
    }

    /// Whether something may be added; to an ended one too.
    pub fn note(text: &str) -> Result<Happening, DeedError> {
        filled("text", text).map(|_text| Happening::Noted)
    }

    fn check_going_on(&self) -> Result<(), DeedError> {
        if self.ended.is_some() { Err(DeedError::Ended(self.stage())) } else { Ok(()) }
    }

    fn check_repairable(&self) -> Result<(), DeedError> {
        self.check_going_on()?;
        match (self.restored, self.is_suspended) {
            (Some(since), _) => Err(DeedError::Restored(since)),
            (None, true) => Err(DeedError::Suspended),
            (None, false) => Ok(()),
        }
    }

    /// Takes an event.
    pub fn apply(&mut self, happening: &Happening, at: Timestamp) {
        self.revision = self.revision.saturating_add(1);
        match happening {
            Happening::Joined(points) => self.join(points, at),
            Happening::Recovered(points) => self.recover(points, at),
            Happening::CauseChanged(cause) => self.cause = cause.clone(),
            Happening::Restored => self.restored = Some(at),
            Happening::FailedAgain => self.restored = None,
            Happening::Closed => self.end(Ending::Closed, at),
            Happening::Merged { into } => self.end(Ending::Merged(*into), at),
            Happening::FalseAlarm => self.end(Ending::FalseAlarm, at),
            Happening::Gone => self.still_fails = false,
            Happening::Excluded => self.is_excluded = true,
            Happening::Included => (self.is_excluded, self.level_since) = (false, at),
            Happening::Overdue => self.overdue = true,
            Happening::Escalated(level) => (self.level, self.level_since) = (*level, at),
            Happening::Acknowledged { by } => {
                self.handling = Handling::Acknowledged;
                self.acknowledged_by = Some(by.clone());
            }
            Happening::Dispatched { assignee, deadline } => self.dispatch_to(assignee, *deadline, at),
            Happening::Repairing(reason) => {
                (self.handling, self.repair) = (Handling::InRepair, Some(*reason))
            }
            Happening::Suspended { .. } => self.is_suspended = true,
            Happening::Resumed => (self.is_suspended, self.level_since) = (false, at),
            Happening::Noted => {}
        }
        let stands = self.is_suspended || self.is_excluded || self.restored.is_some() || self.ended.is_some();
        self.clock.run(!stands, at);
    }

    fn join(&mut self, points: &BTreeSet<PointCode>, at: Timestamp) {
        for point in points {
            let member = self.members.entry(*point).or_insert(Member { joined: at, restored: None });
            member.restored = None;
        }
    }

    fn recover(&mut self, points: &BTreeSet<PointCode>, at: Timestamp) {
        for (_, member) in self.members.iter_mut().filter(|(point, _)| points.contains(point)) {
            member.restored = Some(at);
        }
    }

    fn end(&mut self, ending: Ending, at: Timestamp) {
        self.ended = Some((at, ending));
        self.still_fails = ending != Ending::Closed;
    }

    fn dispatch_to(&mut self, assignee: &str, deadline: Duration, at: Timestamp) {
        (self.handling, self.assignee) = (Handling::Dispatched, Some(assignee.to_owned()));
        self.deadline = deadline;
        self.overdue = self.clock.spent(at) >= deadline;
    }
}

fn filled(what: &'static str, text: &str) -> Result<String, DeedError> {
    let text = text.trim();
    if text.is_empty() { Err(DeedError::Empty(what)) } else { Ok(text.to_owned()) }
}
