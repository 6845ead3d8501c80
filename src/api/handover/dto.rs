//! The JSON forms of hand-overs.

use crate::api::incident::dto::IncidentDto;
use crate::api::problem::ApiError;
use crate::api::silence::SilenceDto;
use crate::api::time::Time;
use crate::api::view::View;
use crate::domain::access::Scope;
use crate::domain::silence::Silence;
use crate::domain::{DivisionCode, State, Timestamp};
use crate::health::snapshot::LivePoint;
use crate::store::handover::{Handover, Signature};
use crate::store::incident::{IncidentCounts, IncidentRow};
use crate::store::notification::OutboxLength;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Points that a sheet names; their number says when there are more.
const NAMED: usize = 100;

/// What a shift leaves behind.
#[derive(Debug)]
pub(crate) struct Shift {
    pub(crate) at: Timestamp,
    pub(crate) since: Option<Timestamp>,
    pub(crate) division: Option<DivisionCode>,
    pub(crate) counts: IncidentCounts,
    pub(crate) incidents: Vec<IncidentRow>,
    pub(crate) silences: Vec<Silence>,
    /// Messages that wait, are held back, or were given up.
    pub(crate) outbox: OutboxLength,
}

/// What one shift hands to the next.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = HandoverSheet)]
pub(crate) struct SheetDto {
    /// When it was written.
    at: Time,
    /// When the last sheet was taken; null when none was.
    since: Option<Time>,
    /// Incidents opened since then.
    opened: i64,
    /// Incidents ended since then.
    closed: i64,
    /// The incidents that go on, newest first, up to 500.
    incidents: Vec<IncidentDto>,
    /// How many go on inside the division; those that reach beyond it are listed only.
    incidents_total: i64,
    /// Of them, those whose clock a person holds.
    suspended: i64,
    /// The silences in force.
    silences: Vec<SilenceDto>,
    /// Points of which nothing is known.
    unknown_points: u32,
    /// Codes of those, up to 100.
    unknown_points_sample: Vec<String>,
    /// Messages of the whole network that wait to be sent.
    queued: i64,
    /// Messages of the whole network that were given up.
    dead: i64,
}

impl SheetDto {
    pub(crate) fn new(shift: Shift, view: &View) -> Self {
        let scope = Scope::new(shift.division);
        let is_unknown = |live: &&Arc<LivePoint>| {
            let village = view.inventory.points.get(&live.code).map(|point| point.village);
            live.state() == State::Unknown && village.is_some_and(|village| scope.holds(&village))
        };
        let concerns = |silence: &&Silence| scope.narrow(silence.request.muted.division).is_some();
        let unknown = view.snapshot.points.iter().filter(is_unknown).take(NAMED);
        let incident = |row| IncidentDto::new(row, view, &shift.silences);
        Self {
            at: shift.at.into(),
            since: shift.since.map(Time),
            opened: shift.counts.opened,
            closed: shift.counts.ended,
            incidents: shift.incidents.into_iter().map(incident).collect(),
            incidents_total: shift.counts.live,
            suspended: shift.counts.suspended,
            silences: shift
                .silences
                .iter()
                .filter(concerns)
                .map(|silence| SilenceDto::new(silence, view, shift.at))
                .collect(),
            unknown_points: view.tally().scope(scope).unknown,
            unknown_points_sample: unknown.map(|live| live.code.to_string()).collect(),
            queued: shift.outbox.queued.saturating_add(shift.outbox.held),
            dead: shift.outbox.dead,
        }
    }
}

/// A signature.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Signature)]
pub(crate) struct SignatureDto {
    /// When.
    at: Time,
    /// Who.
    person: String,
    /// With which token.
    by: String,
    /// What the person said about it.
    note: String,
}

impl From<Signature> for SignatureDto {
    fn from(signature: Signature) -> Self {
        let Signature { at, person, actor, note } = signature;
        Self { at: at.into(), person, by: actor, note }
    }
}

/// A hand-over as lists show it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Handover)]
pub(crate) struct HandoverDto {
    /// Number.
    id: i64,
    /// Code of the division that the shift looks after; null for the whole network.
    division: Option<String>,
    /// Who handed over.
    given: SignatureDto,
    /// Who took over; null while nobody has.
    taken: Option<SignatureDto>,
}

impl From<Handover> for HandoverDto {
    fn from(handover: Handover) -> Self {
        Self {
            id: handover.id,
            division: handover.division.map(|division| division.to_string()),
            given: handover.given.into(),
            taken: handover.taken.map(SignatureDto::from),
        }
    }
}

/// A hand-over with its sheet.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct HandoverDetail {
    #[serde(flatten)]
    handover: HandoverDto,
    /// What was handed over, as it was signed.
    #[schema(value_type = SheetDto)]
    sheet: serde_json::Value,
}

impl HandoverDetail {
    pub(crate) fn new(handover: Handover) -> Result<Self, ApiError> {
        let sheet = serde_json::from_str(&handover.sheet).map_err(ApiError::internal)?;
        Ok(Self { handover: handover.into(), sheet })
    }
}

/// Who signs.
#[derive(Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HandoverRequest {
    /// Who signs. With a token it is the person whose token it is, and this is not read.
    #[serde(default)]
    #[schema(max_length = 100, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]*$")]
    pub(crate) person: Option<String>,
    /// In words
    #[serde(default)]
    #[schema(
        max_length = 1000,
        pattern = "^[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]*$"
    )]
    pub(crate) note: String,
}
