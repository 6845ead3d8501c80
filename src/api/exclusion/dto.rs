//! The JSON forms of an exclusion.

use crate::api::code::{DivisionCodeText, LinkCodeText, PointCodeText, SiteCodeText};
use crate::api::guard::Caller;
use crate::api::problem::ApiError;
use crate::api::time::Time;
use crate::api::word::ExclusionKindWord;
use crate::domain::exclusion::ExclusionRequest;
use crate::domain::{Exclusion, ExclusionScope, Window};
use serde::{Deserialize, Serialize};

/// An exclusion.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Exclusion)]
pub(crate) struct ExclusionDto {
    /// Number.
    id: i64,
    /// Kind.
    kind: ExclusionKindWord,
    /// Which points.
    scope: ScopeDto,
    /// Begins.
    from: Time,
    /// Ends.
    to: Time,
    /// Why.
    reason: String,
    /// Where the proof lies.
    evidence: String,
    /// Who asked.
    applicant: String,
    /// Who approved; null until then.
    approver: Option<String>,
    /// When it was entered.
    entered: Time,
    /// When it was approved.
    approved: Option<Time>,
    /// When it was taken back.
    withdrawn: Option<Time>,
    /// Whether it changes figures.
    effective: bool,
}

/// Which points; exactly one of the fields.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ExclusionScope)]
pub(crate) enum ScopeDto {
    /// Codes of points.
    Points(Vec<PointCodeText>),
    /// Code of a site: its points.
    Site(SiteCodeText),
    /// Code of a division: its points and those below it.
    Division(DivisionCodeText),
    /// Code of a link: the points whose path passes it.
    Link(LinkCodeText),
}

/// What a person asks for.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ExclusionRequest)]
pub(crate) struct ExclusionRequestDto {
    /// Kind.
    kind: ExclusionKindWord,
    /// Which points.
    scope: ScopeDto,
    /// Begins.
    from: Time,
    /// Ends.
    to: Time,
    /// Why.
    #[schema(min_length = 1, max_length = 1000)]
    reason: String,
    /// Where the proof lies: file number, notice, picture.
    #[schema(min_length = 1, max_length = 1000)]
    evidence: String,
    /// Who asks. With a token it is the person whose token it is, and this is not read.
    #[serde(default)]
    #[schema(max_length = 100)]
    applicant: Option<String>,
}

/// Who approves.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Approval)]
pub(crate) struct ApprovalDto {
    /// Who approves. With a token it is the person whose token it is, and this is not read.
    #[serde(default)]
    #[schema(max_length = 100)]
    approver: Option<String>,
}

impl ExclusionDto {
    /// An exclusion as JSON.
    pub(crate) fn new(exclusion: &Exclusion) -> Self {
        Self {
            id: exclusion.id,
            kind: exclusion.kind.into(),
            scope: ScopeDto::new(&exclusion.scope),
            from: exclusion.window.start().into(),
            to: exclusion.window.end().into(),
            reason: exclusion.reason.clone(),
            evidence: exclusion.evidence.clone(),
            applicant: exclusion.applicant.clone(),
            approver: exclusion.approver.clone(),
            entered: exclusion.entered.into(),
            approved: exclusion.approved.map(Time),
            withdrawn: exclusion.withdrawn.map(Time),
            effective: exclusion.is_effective(),
        }
    }
}

impl ScopeDto {
    fn new(scope: &ExclusionScope) -> Self {
        match scope.clone() {
            ExclusionScope::Points(points) => Self::Points(points.into_iter().map(PointCodeText).collect()),
            ExclusionScope::Site(site) => Self::Site(SiteCodeText(site)),
            ExclusionScope::Division(division) => Self::Division(DivisionCodeText(division)),
            ExclusionScope::Link(link) => Self::Link(LinkCodeText(link)),
        }
    }

    fn scope(self) -> ExclusionScope {
        match self {
            Self::Points(points) => ExclusionScope::Points(points.into_iter().map(|code| code.0).collect()),
            Self::Site(site) => ExclusionScope::Site(site.0),
            Self::Division(division) => ExclusionScope::Division(division.0),
            Self::Link(link) => ExclusionScope::Link(link.0),
        }
    }
}

impl ExclusionRequestDto {
    /// The request as the domain knows it.
    pub(crate) fn request(self, caller: &Caller) -> Result<ExclusionRequest, ApiError> {
        let window = Window::new(self.from.0, self.to.0);
        if self.reason.chars().count() > 1_000 || self.evidence.chars().count() > 1_000 {
            return Err(ApiError::Malformed("reason and evidence have up to 1000 characters".to_owned()));
        }
        Ok(ExclusionRequest {
            kind: self.kind.0,
            scope: self.scope.scope(),
            window: window
                .ok_or_else(|| ApiError::Unprocessable("`from` must lie before `to`".to_owned()))?,
            reason: self.reason,
            evidence: self.evidence,
            applicant: person(caller, self.applicant)?,
        })
    }
}

impl ApprovalDto {
    /// Who approves.
    pub(crate) fn person(self, caller: &Caller) -> Result<String, ApiError> {
        person(caller, self.approver)
    }
}

/// The person who acts: the owner of the token, or who is named where no token exists.
fn person(caller: &Caller, named: Option<String>) -> Result<String, ApiError> {
    if !caller.is_local() {
        return Ok(caller.name.clone());
    }
    match named {
        Some(name) if name.chars().count() > 100 => {
            Err(ApiError::Malformed("a name has up to 100 characters".to_owned()))
        }
        Some(name) => Ok(name),
        None => Err(ApiError::Unprocessable("without a token the person must be named".to_owned())),
    }
}
