//! `events`: the changes of points as server-sent events.
//!
//! Changes are gathered into at most five frames per second, serialised once and shared by every reader. A reader that
//! falls behind loses frames and gets one `resync` instead: load the lists again.

use crate::api::extract::{Query, text};
use crate::api::guard::{Caller, Reader};
use crate::api::point::ConditionDto;
use crate::api::problem::{AnyProblem, ApiError, MissingProblem};
use crate::api::state::ApiState;
use crate::api::time::Time;
use crate::api::word::ProvenanceWord;
use crate::domain::access::Scope;
use crate::domain::{DivisionCode, Inventory, Transition};
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::{Stream, StreamExt, future, stream};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_stream::wrappers::BroadcastStream;
use tokio_util::sync::CancellationToken;

/// Frames that a reader may fall behind before it has to resync; oldest are dropped.
const QUEUE: usize = 64;
/// Time between two frames: at most five per second.
const FRAME_GAP: Duration = Duration::from_millis(200);
/// Changes in one frame; more wait for the next one.
const LARGEST_FRAME: usize = 1_000;
/// A comment is sent after this time without a frame, so that a dead connection is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How soon a reader whose token was revoked is turned out. 500 readers cost the database 250 small reads a second.
const CHECK_AGAIN: Duration = Duration::from_secs(2);

/// Where the frames go.
#[derive(Debug)]
pub(crate) struct Frames(broadcast::Sender<Arc<Frame>>);

impl Default for Frames {
    fn default() -> Self {
        Self(broadcast::Sender::new(QUEUE))
    }
}

/// What readers get at once.
#[derive(Debug)]
enum Frame {
    /// Changes, each serialised once, with the village that decides who may see it.
    Changes { all: String, each: Vec<(DivisionCode, String)> },
    /// Changes were lost: load the lists again.
    Resync,
    /// The service stops.
    End,
}

/// A change of one point's condition.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Change)]
pub(crate) struct ChangeDto {
    /// The point.
    point: String,
    /// Its village.
    village: String,
    /// Start of the new condition, back-dated to the first failed look.
    at: Time,
    /// When the change was decided.
    decided: Time,
    /// The condition before.
    from: ConditionDto,
    /// The condition from `at` on.
    to: ConditionDto,
    /// Where the change comes from.
    provenance: ProvenanceWord,
    /// Whether it is the point's first proof since the service started: what was found, not what happened.
    first_round: bool,
}

/// Which changes.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventQuery {
    /// Only this division and what lies below it
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, pattern = "^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})$")]
    division: Option<DivisionCode>,
}

/// Streams changes of points (server-sent events).
///
/// `hello` opens the stream. `changes` holds a JSON array of changes. `resync` says that changes were lost: load the
/// lists again. The stream ends when the service stops, and within seconds when the token is revoked.
#[utoipa::path(get, path = "/api/v1/events", tag = "events", params(EventQuery), responses(
    (status = 200, content_type = "text/event-stream", body = Vec<ChangeDto>, description = "An endless stream"),
    AnyProblem, MissingProblem))]
pub(crate) async fn stream(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Query(query): Query<EventQuery>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let scope = state.narrow(&caller, query.division)?;
    let frames = BroadcastStream::new(state.frames().0.subscribe())
        .map(|frame| frame.unwrap_or_else(|_lagged| Arc::new(Frame::Resync)))
        .take_while(|frame| future::ready(!matches!(**frame, Frame::End)))
        .filter_map(move |frame| future::ready(event(&frame, scope)))
        .take_until(turned_out(state, caller));
    let hello = stream::iter([Event::default().event("hello").data("{}")]);
    Ok(Sse::new(hello.chain(frames).map(Ok)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// Waits until a reader may read no longer.
async fn turned_out(state: ApiState, caller: Caller) {
    while caller.is_still_valid(&state.inputs().store).await {
        tokio::time::sleep(CHECK_AGAIN).await;
    }
}

/// What one reader gets of a frame.
fn event(frame: &Frame, scope: Scope) -> Option<Event> {
    match frame {
        Frame::Changes { all, .. } if scope == Scope::EVERYTHING => {
            Some(Event::default().event("changes").data(all))
        }
        Frame::Changes { each, .. } => {
            let visible =
                each.iter().filter(|(village, _)| scope.holds(village)).map(|(_, change)| change.as_str());
            let visible: Vec<_> = visible.collect();
            (!visible.is_empty()).then(|| Event::default().event("changes").data(array(&visible)))
        }
        Frame::Resync => Some(Event::default().event("resync").data("{}")),
        Frame::End => None,
    }
}

/// Gathers the changes into frames until it is cancelled.
pub(crate) async fn run(state: &ApiState, cancel: &CancellationToken) {
    let mut changes = state.inputs().changes.subscribe();
    loop {
        let gathered = tokio::select! {
            biased;
            () = cancel.cancelled() => break,
            gathered = gather(&mut changes) => gathered,
        };
        let frame = match gathered {
            Gathered::Changes(changes) => frame_of(&changes, &state.inputs().inventory.borrow().clone()),
            Gathered::Lost => Frame::Resync,
            Gathered::Closed => break,
        };
        state.frames().send(frame);
        tokio::select! {
            biased;
            () = cancel.cancelled() => break,
            () = tokio::time::sleep(FRAME_GAP) => {}
        }
    }
    state.frames().send(Frame::End);
}

impl Frames {
    fn send(&self, frame: Frame) {
        // Without a reader there is nobody to tell.
        let _reader_count = self.0.send(Arc::new(frame));
    }
}

enum Gathered {
    Changes(Vec<Arc<Transition>>),
    Lost,
    Closed,
}

/// Waits for a change and takes what else is there. A dropped future loses nothing but its turn: changes stay queued.
async fn gather(changes: &mut broadcast::Receiver<Arc<Transition>>) -> Gathered {
    let mut gathered = match changes.recv().await {
        Ok(change) => vec![change],
        Err(RecvError::Lagged(_)) => return Gathered::Lost,
        Err(RecvError::Closed) => return Gathered::Closed,
    };
    while gathered.len() < LARGEST_FRAME {
        match changes.try_recv() {
            Ok(change) => gathered.push(change),
            Err(broadcast::error::TryRecvError::Lagged(_)) => return Gathered::Lost,
            Err(_empty_or_closed) => break,
        }
    }
    Gathered::Changes(gathered)
}

fn frame_of(changes: &[Arc<Transition>], inventory: &Inventory) -> Frame {
    let each: Vec<_> = changes.iter().filter_map(|change| serialised(change, inventory)).collect();
    let texts: Vec<_> = each.iter().map(|(_, text)| text.as_str()).collect();
    Frame::Changes { all: array(&texts), each }
}

fn serialised(change: &Transition, inventory: &Inventory) -> Option<(DivisionCode, String)> {
    let village = inventory.points.get(&change.point)?.village;
    let dto = ChangeDto {
        point: change.point.to_string(),
        village: village.to_string(),
        at: change.at.into(),
        decided: change.decided.into(),
        from: ConditionDto::new(&change.from),
        to: ConditionDto::new(&change.to),
        provenance: change.provenance.into(),
        first_round: change.evidence.get("first_round") == Some("true"),
    };
    Some((village, serde_json::to_string(&dto).ok()?))
}

fn array(items: &[&str]) -> String {
    format!("[{}]", items.join(","))
}
