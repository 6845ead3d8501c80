//! `points/{code}/picture`, `points/{code}/snapshot` and `pictures`: what is believed of pictures, what people set and say
//! about them, and the stills that are kept as evidence. Every look at a still is entered in the audit first.

mod dto;
mod shape;

use crate::api::extract::{Json as Body, Path, Query, text};
use crate::api::guard::{Caller, Operator, Reader};
use crate::api::point::PointPath;
use crate::api::problem::{
    AnyProblem, ApiError, BodyProblem, ConflictProblem, ContradictionProblem, MissingProblem,
};
use crate::api::prose::{self, Layout};
use crate::api::state::ApiState;
use crate::api::time::{Time, rfc_3339};
use crate::api::view::View;
use crate::domain::picture::PictureVerdict;
use crate::domain::picture::diagnosis::Unacceptable;
use crate::domain::{DivisionCode, PointCode};
use crate::health::examiner::task::BaselineOrder;
use crate::picture::{ShelfError, Still};
use crate::store::FalseAlarm;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use dto::{BaselineRequest, BaselineVersion, FalseAlarmRequest, FramingDto, PictureDto, PicturesDto};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Longest wait for the examiner to follow a person's word; it answers between two pictures.
const ORDER_DEADLINE: Duration = Duration::from_secs(8);

/// Which part.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PicturesQuery {
    /// Only this division and what lies below it
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, pattern = "^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})$")]
    division: Option<DivisionCode>,
}

/// Which still.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SnapshotQuery {
    /// The last still at or before this instant; the newest one when left out
    #[param(inline)]
    at: Option<Time>,
}

/// Sums up what is believed of the pictures now: points by grade, items by grade, and how many were called false alarms.
#[utoipa::path(get, path = "/api/v1/pictures", tag = "pictures", params(PicturesQuery),
    responses((status = 200, body = PicturesDto), AnyProblem))]
pub(crate) async fn summary(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Query(query): Query<PicturesQuery>,
) -> Result<Json<PicturesDto>, ApiError> {
    let scope = caller.narrow(query.division)?;
    let false_alarms = state.inputs().store.false_alarms(scope.division()).await?;
    let decoding = state.inputs().pictures.decoding.borrow().clone();
    let sum = move |view: &View| Ok(Json(PicturesDto::new(view, scope, &false_alarms, &decoding)));
    state.compute(sum).await
}

/// Shows what is believed of one point's picture, item by item.
#[utoipa::path(get, path = "/api/v1/points/{code}/picture", tag = "pictures", params(PointPath),
    responses((status = 200, body = PictureDto), AnyProblem, MissingProblem))]
pub(crate) async fn one(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Path(path): Path<PointPath>,
) -> Result<Json<PictureDto>, ApiError> {
    let verdict = verdict(&state, &caller, path.code).await?;
    let framing = state.inputs().pictures.framings.borrow().get(&path.code).cloned();
    Ok(Json(PictureDto::new(path.code, verdict.as_deref(), &framing.unwrap_or_default())))
}

/// Sets what of a point's picture is left out, what is painted over before a still is kept, and what is not checked. It
/// replaces what was set before. Stills that were kept without a mask that is new are removed.
#[utoipa::path(put, path = "/api/v1/points/{code}/picture/framing", tag = "pictures", params(PointPath),
    request_body = FramingDto,
    responses((status = 200, body = FramingDto), AnyProblem, BodyProblem, MissingProblem, ContradictionProblem))]
pub(crate) async fn set_framing(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Path(path): Path<PointPath>,
    Body(body): Body<FramingDto>,
) -> Result<Json<FramingDto>, ApiError> {
    verdict(&state, &caller, path.code).await?;
    let framing = body.read().map_err(ApiError::Unprocessable)?;
    let text = serde_json::to_string(&body).map_err(ApiError::internal)?;
    let _turn = state.framing_turn().await?;
    state.audit(&caller, "picture.framing", path.code.as_str(), &text).await?;
    let inputs = state.inputs();
    let painted =
        inputs.pictures.framings.borrow().get(&path.code).map(|before| before.privacy_masks.clone());
    let is_hidden = framing.is_hidden_by(&painted.unwrap_or_default());
    if !is_hidden {
        state.audit(&caller, "picture.stills.remove", path.code.as_str(), "{}").await?;
        // First, so that whoever asks again after a failure finds the masks not set..
        remove_stills(&state, path.code).await?;
    }
    inputs.store.set_framing(path.code, &framing, inputs.clock.now()).await?;
    inputs.pictures.framings.send_modify(|framings| {
        let changed = framings.iter().map(|(point, framing)| (*point, framing.clone()));
        *framings = Arc::new(changed.chain([(path.code, framing.clone())]).collect());
    });
    if !is_hidden {
        // ..and again those that were kept meanwhile: from here on the examiner keeps none without the masks.
        remove_stills(&state, path.code).await?;
    }
    Ok(Json(FramingDto::of(&framing)))
}

/// Accepts the newest picture as how the point shall look, or has its baselines learnt anew. A picture is not accepted that is
/// older than a round, of dawn or dusk, black or of one colour, nor when the newest look gave none.
#[utoipa::path(post, path = "/api/v1/points/{code}/picture/baseline", tag = "pictures", params(PointPath),
    request_body = BaselineRequest, responses((status = 200, body = BaselineVersion), AnyProblem, BodyProblem,
    MissingProblem, ConflictProblem))]
pub(crate) async fn change_baseline(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Path(path): Path<PointPath>,
    Body(body): Body<BaselineRequest>,
) -> Result<Json<BaselineVersion>, ApiError> {
    verdict(&state, &caller, path.code).await?;
    let idle = || ApiError::Conflict("pictures are not looked at".to_owned());
    let examiner = state.inputs().pictures.baselines.clone().ok_or_else(idle)?;
    let text = serde_json::to_string(&body).map_err(ApiError::internal)?;
    state.audit(&caller, "picture.baseline", path.code.as_str(), &text).await?;
    let (answer, answered) = oneshot::channel();
    let order = BaselineOrder { point: path.code, step: body.step(), answer };
    examiner.try_send(order).map_err(|_full_or_closed| ApiError::Busy)?;
    let Ok(Ok(outcome)) = timeout(ORDER_DEADLINE, answered).await else { return Err(ApiError::Busy) };
    let version = outcome.map_err(|error: Unacceptable| ApiError::Conflict(error.to_string()))?;
    Ok(Json(BaselineVersion { version }))
}

/// Notes that an item was a false alarm at a point; it is counted, and changes no verdict.
#[utoipa::path(post, path = "/api/v1/points/{code}/picture/false-alarms", tag = "pictures", params(PointPath),
    request_body = FalseAlarmRequest,
    responses((status = 201, description = "It is noted"), AnyProblem, BodyProblem, MissingProblem))]
pub(crate) async fn add_false_alarm(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Path(path): Path<PointPath>,
    Body(body): Body<FalseAlarmRequest>,
) -> Result<StatusCode, ApiError> {
    let verdict = verdict(&state, &caller, path.code).await?;
    prose::check("note", &body.note, Layout::Lines, 1_000)?;
    let text = serde_json::to_string(&body).map_err(ApiError::internal)?;
    state.audit(&caller, "picture.false_alarm", path.code.as_str(), &text).await?;
    let newest = verdict.map(|verdict| verdict.items.of(body.item.0).newest);
    let alarm = FalseAlarm {
        point: path.code,
        at: state.inputs().clock.now(),
        item: body.item.0,
        value: newest.and_then(|newest| newest.value),
        threshold: newest.and_then(|newest| newest.threshold),
        reporter: caller.name,
        note: body.note,
    };
    state.inputs().store.add_false_alarm(&alarm).await?;
    Ok(StatusCode::CREATED)
}

/// Shows the still of a point at an instant: a JPEG without what its privacy masks cover. The look is entered in the audit.
#[utoipa::path(get, path = "/api/v1/points/{code}/snapshot", tag = "pictures", params(PointPath, SnapshotQuery),
    responses((status = 200, content_type = "image/jpeg", body = Vec<u8>,
        description = "The still; `x-still-at` tells when its picture was received, `x-still-hash` the first 64 bits of its SHA-256"),
    AnyProblem, MissingProblem))]
pub(crate) async fn snapshot(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Path(path): Path<PointPath>,
    Query(query): Query<SnapshotQuery>,
) -> Result<(HeaderMap, Vec<u8>), ApiError> {
    verdict(&state, &caller, path.code).await?;
    let at = query.at.map_or_else(|| state.inputs().clock.now(), |at| at.0);
    let missing = || ApiError::NotFound { what: "still", code: path.code.to_string() };
    let still = find_still(&state, path.code, at).await?.ok_or_else(missing)?;
    let body = serde_json::json!({ "still_at": rfc_3339(still.at), "still_hash": still.hash }).to_string();
    state.audit(&caller, "snapshot.read", path.code.as_str(), &body).await?;
    let (shelf, wanted) = (state.inputs().pictures.shelf.clone(), still.clone());
    let jpeg = on_disk(move || shelf.read(&wanted)).await?.ok_or_else(missing)?;
    Ok((headers(&still)?, jpeg))
}

async fn find_still(
    state: &ApiState,
    point: PointCode,
    at: crate::domain::Timestamp,
) -> Result<Option<Still>, ApiError> {
    let shelf = state.inputs().pictures.shelf.clone();
    let back = u16::try_from(state.inputs().settings.picture.stills_days).unwrap_or(u16::MAX);
    on_disk(move || shelf.last_before(point, at, back)).await
}

async fn remove_stills(state: &ApiState, point: PointCode) -> Result<(), ApiError> {
    let shelf = state.inputs().pictures.shelf.clone();
    on_disk(move || shelf.remove_of(point)).await.map(|_count| ())
}

/// Works on the shelf, off the async threads.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ShelfError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)?.map_err(ApiError::internal)
}

fn headers(still: &Still) -> Result<HeaderMap, ApiError> {
    let text = |text: &str| HeaderValue::from_str(text).map_err(ApiError::internal);
    Ok(HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg")),
        // A look that a cache answers is not in the audit.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::HeaderName::from_static("x-still-at"), text(&rfc_3339(still.at))?),
        (header::HeaderName::from_static("x-still-hash"), text(&still.hash)?),
    ]))
}

/// What is believed of the picture of a point that the caller may see.
async fn verdict(
    state: &ApiState,
    caller: &Caller,
    code: PointCode,
) -> Result<Option<Arc<PictureVerdict>>, ApiError> {
    let scope = caller.scope;
    state.compute(move |view| Ok(view.point(code, scope)?.live.and_then(|live| live.picture.clone()))).await
}
