//! The JSON forms of an exclusion.

use crate::api::code::{DivisionCodeText, LinkCodeText, PointCodeText, SiteCodeText};
use crate::api::guard::Caller;
use crate::api::problem::ApiError;
use crate::api::prose::{self, Layout};
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
    /// Months of its window whose report was given out before it was approved: they stay as they are until they are
    /// issued anew.
    frozen_months: Vec<String>,
}

/// Which points; exactly one of the fields.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = ExclusionScope)]
pub(crate) struct ScopeDto {
    /// Codes of points. Who is bound to a division sees its own of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    points: Option<Vec<PointCodeText>>,
    /// Code of a site: its points.
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<SiteCodeText>,
    /// Code of a division: its points and those below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    division: Option<DivisionCodeText>,
    /// Code of a link: the points whose path passes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<LinkCodeText>,
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
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = "^[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]*$"
    )]
    reason: String,
    /// Where the proof lies: file number, notice, picture.
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = "^[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]*$"
    )]
    evidence: String,
    /// Who asks. With a token it is the person whose token it is, and this is not read.
    #[serde(default)]
    #[schema(max_length = 100, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]*$")]
    applicant: Option<String>,
}

/// Who approves.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Approval)]
pub(crate) struct ApprovalDto {
    /// Who approves. With a token it is the person whose token it is, and this is not read.
    #[serde(default)]
    #[schema(max_length = 100, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]*$")]
    approver: Option<String>,
}

impl ExclusionDto {
    /// An exclusion as JSON.
    pub(crate) fn new(exclusion: &Exclusion, frozen_months: Vec<String>) -> Self {
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
            frozen_months,
        }
    }
}

impl ScopeDto {
    fn new(scope: &ExclusionScope) -> Self {
        match scope.clone() {
            ExclusionScope::Points(points) => {
                Self { points: Some(points.into_iter().map(PointCodeText).collect()), ..Self::default() }
            }
            ExclusionScope::Site(site) => Self { site: Some(SiteCodeText(site)), ..Self::default() },
            ExclusionScope::Division(division) => {
                Self { division: Some(DivisionCodeText(division)), ..Self::default() }
            }
            ExclusionScope::Link(link) => Self { link: Some(LinkCodeText(link)), ..Self::default() },
        }
    }

    fn scope(self) -> Option<ExclusionScope> {
        match (self.points, self.site, self.division, self.link) {
            (Some(points), None, None, None) => {
                Some(ExclusionScope::Points(points.into_iter().map(|code| code.0).collect()))
            }
            (None, Some(site), None, None) => Some(ExclusionScope::Site(site.0)),
            (None, None, Some(division), None) => Some(ExclusionScope::Division(division.0)),
            (None, None, None, Some(link)) => Some(ExclusionScope::Link(link.0)),
            _ => None,
        }
    }
}

impl ExclusionRequestDto {
    /// The request as the domain knows it.
    pub(crate) fn request(self, caller: &Caller) -> Result<ExclusionRequest, ApiError> {
        let window = Window::new(self.from.0, self.to.0);
        for (field, text) in [("reason", &self.reason), ("evidence", &self.evidence)] {
            prose::check(field, text, Layout::Lines, 1_000)?;
        }
        Ok(ExclusionRequest {
            kind: self.kind.0,
            scope: self
                .scope
                .scope()
                .ok_or_else(|| unprocessable("`scope` names exactly one of points, site, division, link"))?,
            window: window
                .ok_or_else(|| ApiError::Unprocessable("`from` must lie before `to`".to_owned()))?,
            reason: self.reason,
            evidence: self.evidence,
            applicant: caller.person("applicant", self.applicant)?,
        })
    }
}

impl ApprovalDto {
    /// Who approves.
    pub(crate) fn person(self, caller: &Caller) -> Result<String, ApiError> {
        caller.person("approver", self.approver)
    }
}

fn unprocessable(reason: &str) -> ApiError {
    ApiError::Unprocessable(reason.to_owned())
}
