//! `credential-holds`: credentials that are not used for a while after a wrong-credential answer, lest cameras lock the
//! account; seen and released by a person who set the password right. Names only, never a secret.

use crate::api::extract::{Json as Body, Query, text};
use crate::api::guard::{Operator, Reader};
use crate::api::page::{Limit, Page};
use crate::api::problem::{AnyProblem, ApiError, BodyProblem, MissingProblem};
use crate::api::state::ApiState;
use crate::api::time::Time;
use crate::api::view::View;
use crate::domain::Point;
use crate::domain::access::Scope;
use crate::domain::point::StreamUrl;
use crate::ingest::credential::Hold;
use crate::ingest::look::host_name;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use tokio::time::Instant;

/// A credential that is held on one device.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = CredentialHold)]
pub(crate) struct HoldDto {
    /// Name of the entry in the credential table.
    credential: String,
    /// Host and port of the device.
    host: String,
    /// When the wrong-credential answer came.
    since: Time,
    /// When the credential is tried again.
    until: Time,
}

impl From<Hold> for HoldDto {
    fn from(hold: Hold) -> Self {
        Self {
            credential: hold.credential,
            host: hold.host,
            since: hold.since.into(),
            until: hold.until.into(),
        }
    }
}

/// Which hold is released.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HoldRelease {
    /// Name of the entry in the credential table.
    #[schema(min_length = 1, max_length = 100)]
    credential: String,
    /// Host and port of the device.
    #[schema(min_length = 1, max_length = 300)]
    host: String,
}

/// Which holds.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HoldQuery {
    /// Begin after this hold: `next` of the page before
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>,
        pattern = "^[^\\s\\x00-\\x1f\\x7f-\\x9f]{1,100} [^\\s\\x00-\\x1f\\x7f-\\x9f]{1,300}$")]
    after: Option<HoldKey>,
    /// Items per page
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    limit: Limit,
}

/// What the holds are ordered by: the credential and the device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct HoldKey {
    credential: String,
    host: String,
}

impl HoldKey {
    fn of(hold: &Hold) -> Self {
        Self { credential: hold.credential.clone(), host: hold.host.clone() }
    }
}

impl fmt::Display for HoldKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.credential, self.host)
    }
}

impl FromStr for HoldKey {
    type Err = &'static str;

    /// Neither a credential's name nor a device holds a blank.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(' ') {
            Some((credential, host)) if is_word(credential, 100) && is_word(host, 300) => {
                Ok(Self { credential: credential.to_owned(), host: host.to_owned() })
            }
            _ => Err("`after` is a credential and a device with a blank between"),
        }
    }
}

fn is_word(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count())
        && !text.contains(|letter: char| letter.is_whitespace() || letter.is_control())
}

/// Lists the holds on devices of points that the caller may see.
#[utoipa::path(get, path = "/api/v1/credential-holds", tag = "points", params(HoldQuery),
    responses((status = 200, body = Page<HoldDto>), AnyProblem))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Query(query): Query<HoldQuery>,
) -> Result<Json<Page<HoldDto>>, ApiError> {
    let (holds, scope) = (in_force(&state), caller.scope);
    state.compute(move |view| Ok(Json(page(view, scope, holds, &query)))).await
}

fn page(view: &View, scope: Scope, mut holds: Vec<Hold>, query: &HoldQuery) -> Page<HoldDto> {
    holds.sort_by_cached_key(HoldKey::of);
    let rest = holds.into_iter().filter(|hold| {
        query.after.as_ref().is_none_or(|after| HoldKey::of(hold) > *after) && is_visible(view, scope, hold)
    });
    Page::cut(rest, query.limit, |hold| HoldKey::of(hold).to_string(), HoldDto::from)
}

/// Releases a hold, so that the credential is tried again at the next look.
#[utoipa::path(post, path = "/api/v1/credential-holds/release", tag = "points", request_body = HoldRelease,
    responses((status = 204, description = "Released"), AnyProblem, MissingProblem, BodyProblem))]
pub(crate) async fn release(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Body(body): Body<HoldRelease>,
) -> Result<StatusCode, ApiError> {
    let missing = || ApiError::NotFound { what: "credential hold", code: body.credential.clone() };
    let asked = |hold: &Hold| hold.credential == body.credential && hold.host == body.host;
    let hold = in_force(&state).into_iter().find(asked).ok_or_else(missing)?;
    let scope = caller.scope;
    if !state.compute(move |view| Ok(is_visible(view, scope, &hold))).await? {
        return Err(missing());
    }
    let text = serde_json::to_string(&body).map_err(ApiError::internal)?;
    state.audit(&caller, "credential_hold.release", &body.credential, &text).await?;
    if state.inputs().holds.release_hold(&body.credential, &body.host) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(missing())
    }
}

fn in_force(state: &ApiState) -> Vec<Hold> {
    state.inputs().holds.list(Instant::now(), state.inputs().clock.now())
}

/// Whether a point inside the scope uses the credential on the device.
fn is_visible(view: &View, scope: Scope, hold: &Hold) -> bool {
    scope == Scope::EVERYTHING
        || view.inventory.points.values().any(|point| scope.holds(&point.village) && is_held(point, hold))
}

fn is_held(point: &Point, hold: &Hold) -> bool {
    let is_on_host = |stream: &StreamUrl| *host_name(stream) == *hold.host;
    point.credential.as_ref() == Some(&hold.credential) && point.watched_stream().is_some_and(is_on_host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    #[test]
    fn a_hold_is_of_the_points_on_its_very_host_and_port() {
        let check = |stream: &str, credential: &str, expected: bool| {
            let code = "23052100001320000001".parse().unwrap();
            let point = Point {
                sub_stream: Some(stream.parse().unwrap()),
                credential: Some(credential.to_owned()),
                ..Point::bare(code, "230521100200".parse().unwrap())
            };
            let (credential, host) = ("north".to_owned(), "10.0.0.10:554".to_owned());
            let hold = Hold { credential, host, since: Timestamp::MIN, until: Timestamp::MAX };
            assert_eq!(is_held(&point, &hold), expected, "{stream}");
        };
        check("rtsp://10.0.0.10/cam", "north", true);
        check("rtsp://10.0.0.10:554/cam", "north", true);
        check("rtsp://10.0.0.1/cam", "north", false);
        check("rtsp://10.0.0.10:8554/cam", "north", false);
        check("rtsp://10.0.0.10/cam", "south", false);
    }
}
