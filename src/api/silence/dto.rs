//! The JSON forms of silences.

use crate::api::code::DivisionCodeText;
use crate::api::guard::Caller;
use crate::api::incident::dto::{RootDto, division_name};
use crate::api::problem::ApiError;
use crate::api::prose::{self, Layout};
use crate::api::time::Time;
use crate::api::view::View;
use crate::api::word::{RootKindWord, SilenceStateWord};
use crate::domain::incident::Root;
use crate::domain::silence::{Muted, Silence, SilenceRequest};
use crate::domain::{Timestamp, Window};
use serde::{Deserialize, Serialize};

/// A silence.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Silence)]
pub(crate) struct SilenceDto {
    /// Number.
    id: i64,
    /// What is muted; null for every incident of the division.
    root: Option<RootDto>,
    /// Code of the division; null for the whole network, or for what lies in none.
    division: Option<String>,
    /// Name of that division.
    division_name: Option<String>,
    /// Mutes from then on.
    begins: Time,
    /// And up to then.
    ends: Time,
    /// Why.
    reason: String,
    /// Who entered it.
    by: String,
    /// When it was entered.
    entered: Time,
    /// When a person ended it early.
    ended: Option<Time>,
    /// Who did.
    ended_by: Option<String>,
    /// How far it is.
    state: SilenceStateWord,
}

impl SilenceDto {
    pub(crate) fn new(silence: &Silence, view: &View, now: Timestamp) -> Self {
        let SilenceRequest { muted, window, reason, by } = &silence.request;
        let (ended, ended_by) = silence.ended.clone().unzip();
        Self {
            id: silence.id,
            root: muted.root.as_ref().map(|root| RootDto::new(root, view)),
            division: muted.division.map(|division| division.to_string()),
            division_name: division_name(muted.division, view),
            begins: window.start().into(),
            ends: window.end().into(),
            reason: reason.clone(),
            by: by.clone(),
            entered: silence.entered.into(),
            ended: ended.map(Time),
            ended_by,
            state: silence.state(now).into(),
        }
    }
}

/// What failed, as incidents name it.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RootRequest)]
pub(crate) struct RootRequestDto {
    /// Its kind
    kind: RootKindWord,
    /// Its code; the name of a credential, host and port of a device, empty for our own network
    #[serde(default)]
    #[schema(max_length = 200, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]*$")]
    code: String,
}

impl RootRequestDto {
    fn root(&self) -> Result<Root, ApiError> {
        prose::check("code", &self.code, Layout::Line, 200)?;
        let kind = self.kind.0;
        let unknown =
            || ApiError::Unprocessable(format!("`{}` is no code of a {}", self.code, kind.as_str()));
        Root::new(kind, &self.code).ok_or_else(unknown)
    }
}

/// What is muted, until when and why. One of `root` and `division`, or neither for the whole network.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SilenceRequest)]
pub(crate) struct SilenceRequestDto {
    /// The root of the incidents that are muted
    #[serde(default)]
    root: Option<RootRequestDto>,
    /// Code of the division whose incidents are muted
    #[serde(default)]
    division: Option<DivisionCodeText>,
    /// Begins; now when left out
    #[serde(default)]
    begins: Option<Time>,
    /// Ends, within 7 days of the beginning
    ends: Time,
    /// Why
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = "^[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]*$"
    )]
    reason: String,
}

impl SilenceRequestDto {
    /// What is muted.
    pub(crate) fn muted(&self) -> Result<Muted, ApiError> {
        if self.root.is_some() && self.division.is_some() {
            return Err(ApiError::Unprocessable("name one of `root` and `division`, not both".to_owned()));
        }
        let root = self.root.as_ref().map(RootRequestDto::root).transpose()?;
        Ok(Muted { root, division: self.division.as_ref().map(|division| division.0) })
    }

    /// The request as the domain knows it.
    pub(crate) fn request(
        self,
        muted: Muted,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<SilenceRequest, ApiError> {
        prose::check("reason", &self.reason, Layout::Lines, 1_000)?;
        let window = Window::new(self.begins.map_or(now, |begins| begins.0), self.ends.0);
        let window =
            window.ok_or_else(|| ApiError::Unprocessable("`begins` must lie before `ends`".to_owned()))?;
        Ok(SilenceRequest { muted, window, reason: self.reason, by: caller.name.clone() })
    }
}
