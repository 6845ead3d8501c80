//! The JSON forms of incidents and of what people do to them.

use crate::api::problem::ApiError;
use crate::api::time::Time;
use crate::api::view::View;
use crate::api::whole::Whole;
use crate::api::word::{
    ContactRoleWord, IncidentStageWord, LevelWord, PointClassWord, RepairReasonWord, RootKindWord,
};
use crate::domain::contact::{Contact, contacts};
use crate::domain::incident::{Happening, Incident, IncidentEvent, Member, Root};
use crate::domain::silence::Silence;
use crate::domain::{Cause, DivisionCode, PointCode, Timestamp};
use crate::store::incident::IncidentRow;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, Type};

/// What failed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct RootDto {
    /// Its kind.
    kind: RootKindWord,
    /// Its code; the name of a credential, host and port of a device, empty for our own network.
    code: String,
    /// Its name in the records; null where they have none.
    name: Option<String>,
}

impl RootDto {
    pub(crate) fn new(root: &Root, view: &View) -> Self {
        let records = &view.inventory;
        let name = match root {
            Root::Link(code) => records.links.get(code).map(|link| link.name.clone()),
            Root::Site(code) => records.sites.get(code).map(|site| site.name.clone()),
            Root::Point(code) => records.points.get(code).map(|point| point.name.clone()),
            Root::OwnNetwork | Root::Credential(_) | Root::Device(_) => None,
        };
        Self { kind: root.kind().into(), code: root.code().to_owned(), name }
    }
}

/// An incident as lists show it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Incident)]
pub(crate) struct IncidentDto {
    /// Number.
    id: i64,
    /// What failed.
    root: RootDto,
    /// How: the cause of the first failure, or the one it has turned into.
    cause: String,
    /// When the first failure was seen.
    since: Time,
    /// When it was opened.
    opened: Time,
    /// The strictest class among its points.
    class: PointClassWord,
    /// Code of the smallest division that holds its points; null across provinces.
    division: Option<String>,
    /// Name of that division.
    division_name: Option<String>,
    /// Where it stands. Only the probe says `restored`, and `closed` once the recovery lasted.
    stage: IncidentStageWord,
    /// Whose turn it is while nobody acknowledges: the grid leader, then village, township, county, city.
    level: LevelWord,
    /// Who takes care: the name of a token, or `local`.
    acknowledged_by: Option<String>,
    /// Who was sent.
    assignee: Option<String>,
    /// Points that it took down.
    members: i64,
    /// Of them, those that are proven again.
    members_restored: i64,
    /// When the repair deadline passes; null while its clock stands (suspended, excluded, restored, ended).
    due: Option<Time>,
    /// Whether the deadline passed.
    overdue: bool,
    /// Since when every point is proven again.
    restored: Option<Time>,
    /// When it was closed, merged or called a false alarm.
    ended: Option<Time>,
    /// Number of the incident that it is part of.
    merged_into: Option<i64>,
    /// Number of the silence that mutes what is told about it; null while none does.
    silence: Option<i64>,
}

impl IncidentDto {
    pub(crate) fn new(row: IncidentRow, view: &View, silences: &[Silence]) -> Self {
        let (members_restored, members) = row.restored_of;
        let mutes = |silence: &&Silence| silence.request.muted.holds(&row.root, row.division);
        let silence = silences.iter().find(mutes).map(|silence| silence.id);
        Self {
            id: row.id,
            root: RootDto::new(&row.root, view),
            cause: row.cause,
            since: row.since.into(),
            opened: row.opened.into(),
            class: row.class.into(),
            division: row.division.map(|division| division.to_string()),
            division_name: division_name(row.division, view),
            stage: row.stage.into(),
            level: row.level.into(),
            acknowledged_by: row.acknowledged_by,
            assignee: row.assignee,
            members,
            members_restored,
            due: row.due.map(Time),
            overdue: row.overdue,
            restored: row.restored.map(Time),
            ended: row.ended.map(Time),
            merged_into: row.merged_into,
            silence,
        }
    }
}

/// The name of a division in the records.
pub(crate) fn division_name(code: Option<DivisionCode>, view: &View) -> Option<String> {
    view.inventory.divisions.get(&code?).map(|division| division.name.clone())
}

/// Somebody to call: whoever answers for every point that the incident took down.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Contact)]
pub(crate) struct ContactDto {
    /// What they answer for.
    role: ContactRoleWord,
    /// Their name.
    name: String,
    /// Their telephone.
    phone: Option<String>,
}

impl From<Contact> for ContactDto {
    fn from(Contact { role, name, phone }: Contact) -> Self {
        Self { role: role.into(), name, phone }
    }
}

/// One incident with everything that is known of it; its points and events have lists of their own.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct IncidentDetail {
    #[serde(flatten)]
    incident: IncidentDto,
    /// What the repair has to deal with.
    repair: Option<RepairReasonWord>,
    /// Whether a person holds the clock.
    suspended: bool,
    /// Whether approved exclusions cover every point that still fails: the clock stands.
    excluded: bool,
    /// How long the repair may take, seconds on its clock.
    deadline_seconds: u64,
    /// What counts against it so far, seconds: from the first failure, without suspended and excluded time.
    spent_seconds: u64,
    /// Whom to call: the grid leader and the maintainer, where it is the same of every point.
    contacts: Vec<ContactDto>,
    /// Number of its last event.
    revision: i64,
}

impl IncidentDetail {
    pub(crate) fn new(incident: &Incident, view: &View, silences: &[Silence], now: Timestamp) -> Self {
        Self {
            incident: IncidentDto::new(IncidentRow::of(incident), view, silences),
            repair: incident.repair.map(RepairReasonWord),
            suspended: incident.is_suspended(),
            excluded: incident.is_excluded(),
            deadline_seconds: incident.deadline.as_secs(),
            spent_seconds: incident.clock.spent(now).as_secs(),
            contacts: contacts(incident.members.keys().copied(), &view.inventory)
                .into_iter()
                .map(ContactDto::from)
                .collect(),
            revision: incident.revision,
        }
    }
}

/// A point that an incident took down.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct MemberDto {
    /// Code of the point.
    point: String,
    /// Its name.
    name: Option<String>,
    /// Code of its village.
    village: Option<String>,
    /// When it was counted in.
    joined: Time,
    /// When it was proven again; null while it is not.
    restored: Option<Time>,
    /// Its state now.
    state: Option<&'static str>,
    /// Its cause now.
    cause: Option<String>,
}

impl MemberDto {
    pub(crate) fn new(point: PointCode, member: Member, view: &View) -> Self {
        let record = view.inventory.points.get(&point);
        let index = view.snapshot.points.binary_search_by_key(&point, |live| live.code).ok();
        let live = index.and_then(|index| view.snapshot.points.get(index));
        Self {
            point: point.to_string(),
            name: record.map(|record| record.name.clone()),
            village: record.map(|record| record.village.to_string()),
            joined: member.joined.into(),
            restored: member.restored.map(Time),
            state: live.map(|live| live.state().as_str()),
            cause: live.and_then(|live| live.cause()).map(Cause::to_string),
        }
    }
}

/// Something that happened to an incident.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct EventDto {
    /// Number, from 1.
    seq: i64,
    /// When.
    at: Time,
    /// Who: the name of a token, or `local`; empty for the service itself.
    actor: String,
    /// What: `joined`, `recovered`, `cause_changed`, `restored`, `failed_again`, `closed`, `merged`, `gone` (what a person ended does
    /// no longer fail), `excluded`, `included`, `overdue`, `escalated`, `acknowledged`, `dispatched`, `repairing`, `suspended`,
    /// `resumed`, `false_alarm`, `noted`.
    what: &'static str,
    /// How many points it is about.
    points: Option<usize>,
    /// The cause that it turned into.
    cause: Option<String>,
    /// Whose turn it is.
    level: Option<LevelWord>,
    /// Who was sent.
    assignee: Option<String>,
    /// How long the repair may take, seconds.
    deadline_seconds: Option<u64>,
    /// What the repair has to deal with.
    reason: Option<RepairReasonWord>,
    /// Who allowed it.
    approver: Option<String>,
    /// The incident that it is part of.
    merged_into: Option<i64>,
    /// What the person said about it.
    note: String,
}

impl EventDto {
    pub(crate) fn new((seq, event): (i64, IncidentEvent)) -> Self {
        let IncidentEvent { at, actor, happening, note } = event;
        let bare = Self {
            seq,
            at: at.into(),
            actor,
            what: happening.as_str(),
            points: None,
            cause: None,
            level: None,
            assignee: None,
            deadline_seconds: None,
            reason: None,
            approver: None,
            merged_into: None,
            note,
        };
        match happening {
            Happening::Joined(points) | Happening::Recovered(points) => {
                Self { points: Some(points.len()), ..bare }
            }
            Happening::CauseChanged(cause) => Self { cause: Some(cause.to_string()), ..bare },
            Happening::Escalated(level) => Self { level: Some(level.into()), ..bare },
            Happening::Dispatched { assignee, deadline } => {
                Self { assignee: Some(assignee), deadline_seconds: Some(deadline.as_secs()), ..bare }
            }
            Happening::Repairing(reason) => Self { reason: Some(reason.into()), ..bare },
            Happening::Suspended { approver } => Self { approver: Some(approver), ..bare },
            Happening::Merged { into } => Self { merged_into: Some(into), ..bare },
            Happening::Restored
            | Happening::FailedAgain
            | Happening::Closed
            | Happening::Gone
            | Happening::Excluded
            | Happening::Included
            | Happening::Overdue
            | Happening::Acknowledged { .. }
            | Happening::Resumed
            | Happening::FalseAlarm
            | Happening::Noted => bare,
        }
    }
}

/// What a person has to say.
#[derive(Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoteRequest {
    /// In words
    #[serde(default)]
    #[schema(
        max_length = 1000,
        pattern = "^[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]*$"
    )]
    pub(crate) note: String,
}

/// Which incidents are acknowledged.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BulkAcknowledgement)]
pub(crate) struct BulkRequest {
    /// Numbers of the incidents, 1 to 200
    #[schema(schema_with = numbers)]
    incidents: Vec<Whole<u32>>,
    /// In words
    #[serde(default)]
    #[schema(
        max_length = 1000,
        pattern = "^[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]*$"
    )]
    pub(crate) note: String,
}

fn numbers() -> Array {
    let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).maximum(Some(u32::MAX));
    let numbers = ArrayBuilder::new().items(number).min_items(Some(1)).max_items(Some(200));
    numbers.description(Some("Numbers of the incidents, 1 to 200")).build()
}

impl BulkRequest {
    /// The numbers, each once.
    pub(crate) fn numbers(&self) -> Result<BTreeSet<u32>, ApiError> {
        if !(1..=200).contains(&self.incidents.len()) {
            return Err(ApiError::Unprocessable("`incidents` holds 1 to 200 numbers".to_owned()));
        }
        Ok(self.incidents.iter().map(|number| number.0).collect())
    }
}

/// What became of each.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub(crate) struct BulkAnswer {
    /// Numbers of the incidents that are acknowledged now.
    pub(crate) acknowledged: Vec<u32>,
    /// Those that are not, each with the reason.
    refused: Vec<Refusal>,
}

/// Why an incident was not acknowledged.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Refusal {
    /// Its number.
    incident: u32,
    /// In words.
    why: String,
}

impl BulkAnswer {
    pub(crate) fn refuse(&mut self, incident: u32, why: &ApiError) {
        self.refused.push(Refusal { incident, why: why.to_string() });
    }
}

/// Who is sent.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DispatchRequest {
    /// The contractor or person
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]*$"
    )]
    pub(crate) assignee: String,
    /// How long the repair may take, seconds on its clock, from the first failure on; as before when left out, at first that
    /// of the class in `targets.toml`
    #[schema(value_type = Option<u32>, minimum = 60, maximum = 31_536_000)]
    deadline_seconds: Option<Whole<u32>>,
    /// In words
    #[serde(default)]
    #[schema(
        max_length = 1000,
        pattern = "^[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]*$"
    )]
    pub(crate) note: String,
}

impl DispatchRequest {
    /// The deadline; an error for one that is out of bounds.
    pub(crate) fn deadline(&self) -> Result<Option<Duration>, String> {
        match self.deadline_seconds {
            Some(Whole(seconds)) if !(60..=31_536_000).contains(&seconds) => {
                Err("`deadline_seconds` must be 60 to 31536000".to_owned())
            }
            seconds => Ok(seconds.map(|Whole(seconds)| Duration::from_secs(seconds.into()))),
        }
    }
}

/// What the repair has to deal with.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RepairRequest {
    /// 停电, 光缆, 设备, 口令, 施工, 天气, 拆迁 or another
    pub(crate) reason: RepairReasonWord,
    /// In words
    #[serde(default)]
    #[schema(
        max_length = 1000,
        pattern = "^[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]*$"
    )]
    pub(crate) note: String,
}

/// Why the clock is held, and who allowed it.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SuspendRequest {
    /// Another person than the one who asks
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]*$"
    )]
    pub(crate) approver: String,
    /// The reason, in words
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = "^[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]*$"
    )]
    pub(crate) note: String,
}

/// What it is part of.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MergeRequest {
    /// Number of the other incident
    #[schema(value_type = i64, minimum = 0, maximum = 4294967295i64)]
    pub(crate) into: Whole<u32>,
    /// In words
    #[serde(default)]
    #[schema(
        max_length = 1000,
        pattern = "^[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]*$"
    )]
    pub(crate) note: String,
}
