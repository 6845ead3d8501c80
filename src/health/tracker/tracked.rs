//! One point as the tracker keeps it: its machine, its norm and its last look.

use crate::domain::flap::{Flapping, Grade};
use crate::domain::judge::Verdict;
use crate::domain::machine::Machine;
use crate::domain::norm::Norm;
use crate::domain::path::LinkId;
use crate::domain::picture::PictureVerdict;
use crate::domain::streak::LookTime;
use crate::domain::{
    Cause, ClockReading, Condition, Evidence, Failure, Measurement, Observation, Outcome, Point, PointCode,
    Provenance, Stage, State, Timestamp, Transition,
};
use crate::health::snapshot::LivePoint;
use std::borrow::Cow;
use std::sync::Arc;

/// Pairs of a stable word and a value.
pub(super) type Proof = Vec<(Cow<'static, str>, String)>;

/// One point.
#[derive(Clone, Debug)]
pub(super) struct Tracked {
    pub(super) code: PointCode,
    pub(super) machine: Machine,
    pub(super) norm: Norm,
    pub(super) flapping: Flapping,
    pub(super) link: Option<LinkId>,
    /// Whether it is in use and can be looked at.
    pub(super) watched: bool,
    pub(super) excluded: Option<Cause>,
    /// A hard failure that waits for the verdict on its links.
    pub(super) hold: Option<Hold>,
    /// Start of the link outage that it is or was cut off by, until it is freshly proven.
    pub(super) outage: Option<Timestamp>,
    /// When a look was last ordered, so that an order is not repeated at each tick.
    pub(super) look_ordered: Timestamp,
    /// Whether the first round has it behind it: looked at, or explained, or not to be waited for.
    pub(super) seen: bool,
    /// Whether its first decision since start is still to come; that one is marked, it is no news.
    pub(super) in_first_round: bool,
    /// Whether the device has ever answered, as far as we know.
    pub(super) answered: bool,
    pub(super) last: LastLook,
}

/// A hard failure that is not called the point's own yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hold {
    /// Start of the look that made it hard.
    pub(super) asked: Timestamp,
    /// When its links were found to answer since: a look after that must fail once more, for they may have been cut
    /// and repaired between two looks.
    pub(super) cleared: Option<Timestamp>,
}

/// What the last looks brought.
#[derive(Clone, Debug, Default)]
pub(super) struct LastLook {
    at: Option<Timestamp>,
    frame: Option<Timestamp>,
    measurement: Option<Arc<Measurement>>,
    failure: Option<(Stage, Option<u16>)>,
    picture: Option<Arc<PictureVerdict>>,
    up: Option<bool>,
    frames: u64,
    bytes: u64,
}

impl Tracked {
    pub(super) fn new(code: PointCode, machine: Machine) -> Self {
        let known = machine.before().unwrap_or_else(|| machine.condition()).state();
        let answered = matches!(known, State::Good | State::Degraded | State::NoVideo);
        Self {
            code,
            last: LastLook { up: known.is_measured().then_some(known.is_online()), ..LastLook::default() },
            machine,
            norm: Norm::default(),
            flapping: Flapping::default(),
            link: None,
            watched: false,
            excluded: None,
            hold: None,
            outage: None,
            look_ordered: Timestamp::MIN,
            seen: true,
            in_first_round: false,
            answered,
        }
    }

    /// Takes a look, what the judge says of it and when it took place.
    pub(super) fn take(&mut self, observation: &Observation, verdict: &Verdict, time: LookTime) {
        self.machine.observe(verdict, time);
        self.last.take(&observation.outcome, time.ended);
        match &observation.outcome {
            Outcome::Video(measurement) => self.norm.learn(measurement, verdict, time.started),
            Outcome::Answered(_) | Outcome::Failed(_) | Outcome::NotLooked(_) => {}
        }
        let grade = match verdict {
            Verdict::Good(_) => Grade::Good,
            Verdict::Faulty(..) => Grade::Faulty,
            Verdict::Failed(_) => Grade::Failed,
            Verdict::Reachable | Verdict::NotLooked(_) => return,
        };
        self.flapping.observe(grade, time.started);
    }

    /// Takes what is believed of the picture.
    pub(super) fn take_picture(&mut self, verdict: &PictureVerdict) {
        let named = self.machine.condition().cause().and_then(Cause::item);
        let seen = verdict.looked.unwrap_or(self.machine.since());
        let gone = named.and_then(|item| verdict.cleared(item)).unwrap_or(seen);
        self.machine.believe_picture(verdict.faults(), gone);
        self.last.picture = Some(Arc::new(verdict.clone()));
    }

    /// Moves every instant that is not kept along with a stepped clock.
    pub(super) fn shift(&mut self, step_ms: i64) {
        self.machine.shift(step_ms);
        self.norm.shift(step_ms);
        self.flapping.shift(step_ms);
        self.last.shift(step_ms);
        self.look_ordered = self.look_ordered.shifted(step_ms);
        if let Some(hold) = &mut self.hold {
            hold.asked = hold.asked.shifted(step_ms);
            hold.cleared = hold.cleared.map(|cleared| cleared.shifted(step_ms));
        }
    }

    /// Notes the condition entered: what is last known of up and down, and whether an outage is over.
    pub(super) fn note_entered(&mut self) {
        let state = self.machine.condition().state();
        self.hold = None;
        if state.is_measured() {
            self.last.up = Some(state.is_online());
            self.outage = None;
        }
        if state == State::Unreachable && self.outage.is_none() {
            self.outage = Some(self.machine.since());
        }
    }

    /// The proof of the last look: what was tried, what it measured.
    pub(super) fn proof(&self, to: &Condition) -> Proof {
        let mut proof = Proof::new();
        if let (Some((stage, status)), State::Offline | State::NoVideo) = (self.last.failure, to.state()) {
            proof.push(("stage".into(), stage.to_string()));
            proof.extend(status.map(|status| ("status".into(), status.to_string())));
        }
        if let (Some(measurement), true) = (&self.last.measurement, to.state().is_online()) {
            prove_measured(measurement, &mut proof);
        }
        if let Some(verdict) = &self.last.picture {
            prove_seen(verdict, to, &mut proof);
        }
        proof
    }

    /// The point as others see it.
    pub(super) fn live(&self) -> LivePoint {
        let degraded = self.machine.condition().state() == State::Degraded;
        LivePoint {
            code: self.code,
            measured: self.machine.condition().clone(),
            excluded: self.excluded.clone(),
            since: self.machine.since(),
            last_known_up: self.last.up,
            last_look: self.last.at,
            last_frame: self.last.frame,
            measurement: self.last.measurement.clone(),
            picture: self.last.picture.clone(),
            suspected: self.machine.suspected().cloned(),
            faults: if degraded { self.machine.faults() } else { Vec::new() },
            flapping: self.flapping.is_active(),
            frames_total: self.last.frames,
            bytes_total: self.last.bytes,
        }
    }
}

impl LastLook {
    fn take(&mut self, outcome: &Outcome, ended: Timestamp) {
        if !matches!(outcome, Outcome::NotLooked(_)) {
            self.at = Some(ended);
        }
        match outcome {
            Outcome::Video(measurement) => {
                self.failure = None;
                self.take_measurement(measurement, ended);
                self.measurement = Some(Arc::new(measurement.clone()));
            }
            Outcome::Failed(Failure { stage, status, measured, .. }) => {
                self.failure = Some((*stage, *status));
                if let Some(measurement) = measured {
                    // A session that ends by a stall received its last picture one gap before its end.
                    self.take_measurement(measurement, ended.minus(measurement.longest_gap));
                }
            }
            Outcome::Answered(_) | Outcome::NotLooked(_) => {}
        }
    }

    fn take_measurement(&mut self, measurement: &Measurement, at: Timestamp) {
        self.frames = self.frames.saturating_add(measurement.frames);
        self.bytes = self.bytes.saturating_add(measurement.bytes);
        if measurement.frames > 0 {
            self.frame = self.frame.max(Some(at));
        }
    }

    fn shift(&mut self, step_ms: i64) {
        for instant in [&mut self.at, &mut self.frame].into_iter().flatten() {
            *instant = instant.shifted(step_ms);
        }
    }
}

/// The reading that a fault of the picture rests on, and the newest still.
fn prove_seen(verdict: &PictureVerdict, to: &Condition, proof: &mut Proof) {
    if let Some(item) = to.cause().and_then(Cause::item) {
        let status = verdict.items.of(item);
        proof.push(("grade".into(), status.grade.as_str().to_owned()));
        proof.extend(status.newest.value.map(|value| ("value".into(), format!("{value:.4}"))));
        proof.extend(status.newest.threshold.map(|limit| ("threshold".into(), format!("{limit:.4}"))));
        proof.push(("baseline_version".into(), verdict.baseline.version.to_string()));
    }
    if let Some(still) = &verdict.still {
        proof.push(("still_at".into(), still.at.to_string()));
        proof.push(("still_hash".into(), still.hash.clone()));
    }
}

fn prove_measured(measurement: &Measurement, proof: &mut Proof) {
    proof.push(("frames_per_second".into(), format!("{:.2}", measurement.frames_per_second())));
    proof.push(("lost_over_sent".into(), format!("{:.4}", measurement.lost_over_sent())));
    if let Some((width, height)) = measurement.size {
        proof.push(("size".into(), format!("{width}x{height}")));
    }
    if let Some(interval) = measurement.gop_time {
        proof.push(("key_frame_interval_ms".into(), interval.as_millis().to_string()));
    }
    match measurement.clock {
        ClockReading::ErrorMs(error) => proof.push(("clock_error_ms".into(), error.to_string())),
        ClockReading::NotSeen | ClockReading::NotAWallClock => {}
    }
}

/// Whether a point of the inventory is looked at.
pub(super) fn is_watched(point: &Point, now: Timestamp) -> bool {
    point.is_watched_at(now) && point.watched_stream().is_some()
}

/// The first interval of a new point.
pub(super) fn first_transition(point: PointCode, now: Timestamp) -> Transition {
    let unprobed = Condition::Because(Cause::NotYetProbed);
    Transition {
        point,
        at: now,
        decided: now,
        from: unprobed.clone(),
        to: unprobed,
        evidence: Evidence::default(),
        provenance: Provenance::Derived,
    }
}

/// Closes a point that left the inventory.
pub(super) fn close(point: &mut Tracked, now: Timestamp) -> Option<Transition> {
    let to = Condition::Because(Cause::NotWatchable);
    let from = point.machine.condition().clone();
    (from != to).then(|| Transition {
        point: point.code,
        at: point.machine.enter(to.clone(), now),
        decided: now,
        from,
        to,
        evidence: Evidence(vec![("removed".into(), "true".to_owned())]),
        provenance: Provenance::Derived,
    })
}
