//! What every handler reaches: the shared inputs, the cached view, the event frames.

use crate::api::deadman::Deadmen;
use crate::api::event::Frames;
use crate::api::filter::check_known;
use crate::api::guard::{Caller, Remembered};
use crate::api::import::ImportSettings;
use crate::api::metrics::Scrapes;
use crate::api::metrics::sli::Ratios;
use crate::api::problem::ApiError;
use crate::api::view::{View, Views};
use crate::clock::Clock;
use crate::config::Settings;
use crate::coverage::CoverageContext;
use crate::domain::access::Scope;
use crate::domain::picture::Framings;
use crate::domain::{DivisionCode, Exclusion, Inventory, Order, Transition};
use crate::health::examiner::task::BaselineOrder;
use crate::health::snapshot::Snapshot;
use crate::incident::IncidentOrder;
use crate::ingest::credential::Holds;
use crate::ingest::{Question, SchedulerStatus, Transports};
use crate::picture::{PoolStatus, Shelf};
use crate::store::audit::AuditNote;
use crate::store::upkeep::UpkeepStatus;
use crate::store::{Store, WriterStatus};
use std::fmt;
use std::sync::Arc;
use tokio::sync::{Semaphore, SemaphorePermit, broadcast, mpsc, watch};

/// Reports computed at once; more wait, so that a curious person does not slow the watching down.
const FIGURES_AT_ONCE: usize = 2;

/// What the face needs from the rest of the service.
#[derive(Clone, Debug)]
pub struct ApiInputs {
    /// The database.
    pub store: Store,
    /// The records.
    pub inventory: watch::Receiver<Arc<Inventory>>,
    /// The live picture.
    pub snapshot: watch::Receiver<Arc<Snapshot>>,
    /// Every change of a condition, for the event stream.
    pub changes: broadcast::Sender<Arc<Transition>>,
    /// The effective exclusions that the live picture reads; sent anew when one is approved or withdrawn.
    pub exclusions: watch::Sender<Arc<Vec<Exclusion>>>,
    /// The looking at pictures.
    pub pictures: PictureInputs,
    /// Orders to the scheduler that looks at points. When it is full the caller is told to try again.
    pub orders: mpsc::Sender<Order>,
    /// What people do to incidents. When it is full the caller is told to try again.
    pub incidents: mpsc::Sender<IncidentOrder>,
    /// Looks that somebody waits for. When it is full the caller is told to try again.
    pub questions: mpsc::Sender<Question>,
    /// What the figures are computed from.
    pub coverage: CoverageContext,
    /// What an import over HTTP needs.
    pub imports: ImportSettings,
    /// Credentials that are held after a wrong-credential answer.
    pub holds: Holds,
    /// Which way serves each point.
    pub transports: Transports,
    /// How the store's writer is.
    pub writer: watch::Receiver<WriterStatus>,
    /// How the scheduler of the looks is.
    pub scheduler: watch::Receiver<SchedulerStatus>,
    /// What upkeep did last.
    pub upkeep: watch::Receiver<UpkeepStatus>,
    /// The time.
    pub clock: Clock,
    /// The settings.
    pub settings: Arc<Settings>,
}

/// What the face needs from the looking at pictures.
#[derive(Clone, Debug)]
pub struct PictureInputs {
    /// What people set for pictures; sent anew when somebody changes it.
    pub framings: watch::Sender<Arc<Framings>>,
    /// What people say about baselines; nobody listens while pictures are not looked at. When it is full the caller is told
    /// to try again.
    pub baselines: Option<mpsc::Sender<BaselineOrder>>,
    /// Where stills are kept.
    pub shelf: Shelf,
    /// How the decoding keeps up.
    pub decoding: watch::Receiver<PoolStatus>,
}

impl PictureInputs {
    /// Those of a service that looks at no pictures; stills of earlier lie in `shelf`.
    pub fn idle(shelf: Shelf) -> Self {
        let (framings, decoding) =
            (watch::Sender::new(Arc::default()), watch::Sender::new(PoolStatus::default()));
        Self { framings, baselines: None, shelf, decoding: decoding.subscribe() }
    }
}

/// The state of the router; a cheap handle.
#[derive(Clone)]
pub struct ApiState(Arc<Shared>);

struct Shared {
    inputs: ApiInputs,
    views: Views,
    frames: Frames,
    deadmen: Deadmen,
    remembered: Remembered,
    scrapes: Scrapes,
    ratios: Ratios,
    /// One writer at a time, so that entries rarely race for a number.
    audit_turn: Semaphore,
    figures_turn: Semaphore,
    /// One writer of framings at a time, so that the store and the memory agree.
    framing_turn: Semaphore,
}

impl ApiState {
    /// Builds the state; nothing runs yet.
    pub fn new(inputs: ApiInputs) -> Self {
        let deadmen = Deadmen::expecting(&inputs.settings.metrics.deadmen, inputs.clock.now());
        Self(Arc::new(Shared {
            inputs,
            views: Views::default(),
            frames: Frames::default(),
            deadmen,
            remembered: Remembered::default(),
            scrapes: Scrapes::default(),
            ratios: Ratios::default(),
            figures_turn: Semaphore::new(FIGURES_AT_ONCE),
            audit_turn: Semaphore::new(1),
            framing_turn: Semaphore::new(1),
        }))
    }

    pub(crate) fn inputs(&self) -> &ApiInputs {
        &self.0.inputs
    }

    pub(crate) fn frames(&self) -> &Frames {
        &self.0.frames
    }

    pub(crate) fn deadmen(&self) -> &Deadmen {
        &self.0.deadmen
    }

    pub(crate) fn remembered(&self) -> &Remembered {
        &self.0.remembered
    }

    pub(crate) fn scrapes(&self) -> &Scrapes {
        &self.0.scrapes
    }

    pub(crate) fn ratios(&self) -> &Ratios {
        &self.0.ratios
    }

    /// Waits for a turn to compute figures, at most as long as the request may take.
    pub(crate) async fn figures_turn(&self) -> Result<SemaphorePermit<'_>, ApiError> {
        self.0.figures_turn.acquire().await.map_err(ApiError::internal)
    }

    /// Waits until nobody else sets what holds for a picture.
    pub(crate) async fn framing_turn(&self) -> Result<SemaphorePermit<'_>, ApiError> {
        self.0.framing_turn.acquire().await.map_err(ApiError::internal)
    }

    /// The records joined with the live picture, as of now. May take milliseconds: not on an async thread.
    pub(crate) fn view(&self) -> Arc<View> {
        let inventory = self.0.inputs.inventory.borrow().clone();
        let snapshot = self.0.inputs.snapshot.borrow().clone();
        self.0.views.of(inventory, snapshot)
    }

    /// The part of the network that a list shows to a caller. Refuses a division that the records do not know.
    pub(crate) fn narrow(&self, caller: &Caller, asked: Option<DivisionCode>) -> Result<Scope, ApiError> {
        let scope = caller.narrow(asked)?;
        self.check_division(asked)?;
        Ok(scope)
    }

    /// The division that a figure is about. Refuses one that the records do not know.
    pub(crate) fn admit(&self, caller: &Caller, asked: Option<DivisionCode>) -> Result<Scope, ApiError> {
        let scope = caller.admit(asked)?;
        self.check_division(scope.division())?;
        Ok(scope)
    }

    fn check_division(&self, asked: Option<DivisionCode>) -> Result<(), ApiError> {
        let inventory = self.0.inputs.inventory.borrow();
        check_known("division", asked.as_ref(), |code| inventory.divisions.contains_key(code))
    }

    /// Enters what a caller is about to do in the audit. What cannot be entered is not done.
    pub(crate) async fn audit(
        &self,
        caller: &Caller,
        action: &str,
        subject: &str,
        body: &str,
    ) -> Result<(), ApiError> {
        let note = AuditNote {
            at: self.0.inputs.clock.now(),
            actor: caller.name.clone(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            body: body.to_owned(),
        };
        let _turn = self.0.audit_turn.acquire().await.map_err(ApiError::internal)?;
        self.0.inputs.store.append_audit(&note).await?;
        Ok(())
    }

    /// Computes an answer from the view, off the async threads.
    pub(crate) async fn compute<T, F>(&self, answer: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&View) -> Result<T, ApiError> + Send + 'static,
    {
        let state = self.clone();
        tokio::task::spawn_blocking(move || answer(&state.view())).await.map_err(ApiError::internal)?
    }
}

impl fmt::Debug for ApiState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiState").finish_non_exhaustive()
    }
}
