//! Which way serves each point, learnt from its looks and shared with whoever shows or keeps it.

use crate::domain::transport::{Choice, Fingerprint};
use crate::domain::{Cause, Failure, Outcome, PointCode, Stage, Transport};
use crate::telemetry;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A puller that dies is our own affair; one that dies so many looks in a row dies of what the device sends.
const DEATHS: u8 = 3;

/// The ways of every point; a cheap handle.
#[derive(Clone, Debug)]
pub struct Transports(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Times of choices are counted from here.
    began: Instant,
    known: Mutex<BTreeMap<PointCode, Known>>,
    /// The last reason for which a way could not be gone; logged when it is another one.
    reason: Mutex<Option<String>>,
    /// That all pullers were busy was logged.
    has_told_busy: AtomicBool,
}

#[derive(Clone, Debug, Default)]
struct Known {
    choice: Choice,
    way: Way,
    /// Looks in a row whose puller died.
    deaths: u8,
}

/// The way of one point, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// By what pictures came last.
    pub served: Option<Transport>,
    /// What its last look came upon.
    pub note: Option<Note>,
}

/// What a person should know of a way, beside the cause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Note {
    /// It cannot be gone on this machine.
    #[error("cannot be pulled on this machine: {0}")]
    Unavailable(String),
    /// No puller was free, of so many.
    #[error("all {0} pullers are busy; a greater `puller_sessions` would help")]
    Busy(usize),
    /// Its puller died.
    #[error("its puller died at {0}")]
    Died(Stage),
    /// The device shows a certificate that is not believed. A person who knows it to be the device's may pin it.
    #[error("the device shows a certificate that is not believed, SHA-256 {0}")]
    Distrusted(Fingerprint),
}

impl Transports {
    /// Begins with what was kept.
    pub fn remembering(kept: &BTreeMap<PointCode, Transport>) -> Self {
        let known = |transport: Transport| Known {
            choice: Choice::remembered(transport, Duration::ZERO),
            way: Way { served: Some(transport), note: None },
            deaths: 0,
        };
        let known = kept.iter().map(|(point, transport)| (*point, known(*transport))).collect();
        let (began, reason, has_told_busy) = (Instant::now(), Mutex::default(), AtomicBool::new(false));
        Self(Arc::new(Shared { began, known: Mutex::new(known), reason, has_told_busy }))
    }

    /// The way of a point.
    pub fn way(&self, point: PointCode) -> Way {
        self.lock().get(&point).map(|known| known.way.clone()).unwrap_or_default()
    }

    /// The points that the plain way does not serve, with the ways that do: what is worth keeping over a restart.
    pub fn worth_keeping(&self) -> BTreeMap<PointCode, Transport> {
        let known = self.lock();
        let learnt = |(point, known): (&PointCode, &Known)| Some((*point, known.choice.learnt()?));
        known.iter().filter_map(learnt).collect()
    }

    /// What a look at a point begins with.
    pub(super) fn begin(&self, point: PointCode) -> Ways {
        let known = self.lock().get(&point).cloned().unwrap_or_default();
        Ways { known, now: self.0.began.elapsed(), ..Ways::default() }
    }

    /// Forgets the ways of the points that do not `stay`.
    pub(super) fn retain(&self, stay: impl Fn(PointCode) -> bool) {
        self.lock().retain(|point, _| stay(*point));
    }

    /// Takes what a look at a point taught.
    pub(super) fn learn(&self, point: PointCode, ways: &Ways) {
        match &ways.known.way.note {
            Some(Note::Unavailable(reason)) => self.tell_unavailable(reason),
            Some(Note::Busy(sessions)) => {
                if !self.0.has_told_busy.swap(true, Ordering::Relaxed) {
                    telemetry::pullers_busy(*sessions);
                }
            }
            Some(Note::Died(_) | Note::Distrusted(_)) | None => {}
        }
        self.lock().insert(point, ways.known.clone());
    }

    fn tell_unavailable(&self, reason: &String) {
        let mut last = self.0.reason.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref() != Some(reason) {
            telemetry::puller_unavailable(reason);
            *last = Some(reason.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PointCode, Known>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Transports {
    fn default() -> Self {
        Self::remembering(&BTreeMap::new())
    }
}

/// The ways of one look.
#[derive(Clone, Debug, Default)]
pub(super) struct Ways {
    known: Known,
    now: Duration,
    /// The learnt way did not serve this look.
    has_learnt_failed: bool,
    /// No puller was free in this look.
    is_busy: bool,
}

impl Ways {
    /// The way to begin with.
    pub(super) fn first(&self) -> Transport {
        self.known.choice.first(self.now)
    }

    /// The way that served last, where nothing is to be tried.
    pub(super) fn settled(&self) -> Transport {
        self.known.choice.learnt().unwrap_or(Transport::Plain)
    }

    /// Takes what `tried` came to, and gives the way to try then.
    pub(super) fn came_to(
        &mut self,
        tried: Transport,
        outcome: &Outcome,
        note: Option<&Note>,
    ) -> Option<Transport> {
        let is_busy = matches!(note, Some(Note::Busy(_)));
        self.is_busy |= is_busy;
        let next = match outcome {
            Outcome::Failed(failure) => {
                self.has_learnt_failed |= self.known.choice.is_of_learnt(tried, failure);
                self.known.choice.next(tried, failure, self.now)
            }
            // What was learnt where the puller worked is of no use where it does not.
            Outcome::NotLooked(Cause::NotWatchable) => {
                let is_learnt = !matches!(tried, Transport::Plain | Transport::Tls);
                is_learnt.then_some(Transport::Plain)
            }
            // Many a device is pulled so for the sake of its keepalives only.
            Outcome::NotLooked(_) if is_busy && tried == Transport::Tolerant && self.first() == tried => {
                Some(Transport::Plain)
            }
            Outcome::Video(_) | Outcome::Answered(_) | Outcome::NotLooked(_) => None,
        };
        next.filter(|way| !self.is_busy || *way == Transport::Plain)
    }

    /// Pictures came by `transport`.
    pub(super) fn served(&mut self, transport: Transport) {
        self.known.choice.served(transport, self.now);
        self.known.way = Way { served: Some(transport), note: None };
        self.known.deaths = 0;
        self.has_learnt_failed = false;
    }

    /// Counts a failure of the learnt way, if there was one in this look.
    pub(super) const fn count_failure(&mut self) {
        if self.has_learnt_failed {
            self.known.choice.learnt_failed();
        }
    }

    /// What a look comes to that went `way` last: one puller that dies says nothing about the device, many in a row do.
    pub(super) fn judged(&mut self, way: Transport, outcome: Outcome, note: Option<&Note>) -> Outcome {
        match (outcome, note) {
            (outcome @ Outcome::NotLooked(_), Some(Note::Died(stage))) => {
                self.known.deaths = self.known.deaths.saturating_add(1);
                if self.known.deaths < DEATHS {
                    return outcome;
                }
                let failure =
                    Failure { stage: *stage, cause: Cause::BadStream, status: None, measured: None };
                self.has_learnt_failed |= self.known.choice.is_of_learnt(way, &failure);
                Outcome::Failed(failure)
            }
            (outcome @ Outcome::Failed(_), _) => {
                self.known.deaths = 0;
                outcome
            }
            (outcome, _) => outcome,
        }
    }

    /// A look tried others `instead` of its first way, and the last of them failed.
    pub(super) fn failed_instead(&mut self, instead: Option<Transport>, last: Option<&Failure>) {
        if let (Some(way), Some(failure)) = (instead, last) {
            self.known.choice.did_not_help(way, failure, self.now);
        }
    }

    /// A kept session broke off after good pictures.
    pub(super) fn broke_off(&mut self, transport: Transport, frames_for: Duration) {
        self.known.choice.broke_off(transport, frames_for, self.now);
    }

    /// What the look came upon.
    pub(super) fn set_note(&mut self, note: Option<Note>) {
        self.known.way.note = note;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKLOG: Outcome = Outcome::NotLooked(Cause::Backlog);

    fn failed(stage: Stage, cause: Cause) -> Outcome {
        Outcome::Failed(Failure { stage, cause, status: None, measured: None })
    }

    fn knowing(transport: Transport) -> Ways {
        let choice = Choice::remembered(transport, Duration::ZERO);
        Ways { known: Known { choice, ..Known::default() }, ..Ways::default() }
    }

    #[test]
    fn where_no_puller_is_free_the_plain_way_is_tried_and_no_puller_again() {
        let busy = Note::Busy(64);
        let mut ways = knowing(Transport::Tolerant);
        assert_eq!(ways.came_to(Transport::Tolerant, &BACKLOG, Some(&busy)), Some(Transport::Plain));
        let unread = failed(Stage::Describe, Cause::BadDescription);
        assert_eq!(ways.came_to(Transport::Plain, &unread, None), None);
        let unfit = |way| knowing(way).came_to(way, &BACKLOG, Some(&busy));
        assert_eq!(unfit(Transport::Udp), None, "refused over TCP");
        assert_eq!(
            Ways::default().came_to(Transport::Tolerant, &BACKLOG, Some(&busy)),
            None,
            "tried already"
        );
        assert_eq!(knowing(Transport::Tolerant).came_to(Transport::Tolerant, &BACKLOG, None), None);
    }

    #[test]
    fn a_puller_that_dies_look_after_look_dies_of_the_stream() {
        let (way, died) = (Transport::Tolerant, Note::Died(Stage::Play));
        let blamed = failed(Stage::Play, Cause::BadStream);
        let mut ways = knowing(way);
        let mut judged = |outcome: &Outcome, note| ways.judged(way, outcome.clone(), note);
        assert_eq!(judged(&BACKLOG, Some(&died)), BACKLOG);
        assert_eq!(judged(&BACKLOG, Some(&died)), BACKLOG);
        let lost = failed(Stage::Play, Cause::RtspError);
        assert_eq!(judged(&lost, None), lost, "that it lived through");
        assert_eq!(judged(&BACKLOG, Some(&died)), BACKLOG);
        assert_eq!(judged(&BACKLOG, None), BACKLOG, "no look");
        assert_eq!(judged(&BACKLOG, Some(&died)), BACKLOG);
        assert_eq!(judged(&BACKLOG, Some(&died)), blamed);
        assert_eq!(judged(&BACKLOG, Some(&died)), blamed);
    }

    #[test]
    fn a_learnt_way_that_fails_three_looks_is_forgotten() {
        let (transports, way) = (Transports::default(), Transport::Udp);
        let point = "23052100001320000001".parse().unwrap();
        transports.learn(point, &knowing(way));
        let look = |stage| {
            let mut ways = transports.begin(point);
            ways.came_to(way, &failed(stage, Cause::NoPackets), None);
            ways.count_failure();
            transports.learn(point, &ways);
            ways.first()
        };
        for stage in [Stage::Connect, Stage::FirstPacket, Stage::Connect, Stage::FirstPacket, Stage::Tls] {
            assert_eq!(look(stage), way, "{stage}");
        }
        assert_eq!(look(Stage::Setup), Transport::Plain);
    }
}
