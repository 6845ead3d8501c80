//! The desk: holds what fails now against the incidents that are open, and says what follows.
//!
//! [`Desk::step`] changes nothing: what it says is kept first and taken over then ([`Desk::open`], [`Desk::apply`]), so that a step
//! that could not be kept is simply said again.

use crate::domain::incident::failure::{Failure, Sight, failures};
use crate::domain::incident::{Ending, Happening, Incident, Level, Opening, Root};
use crate::domain::{
    Cause, DivisionCode, DivisionLevel, LinkCode, PointClass, PointCode, State, Timestamp,
    correlate::BulkCause,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// When an incident moves on by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeskRules {
    /// A recovery that lasts for so long is verified.
    pub verify: Duration,
    /// Whoever does not acknowledge for so long is passed over.
    pub escalate: Duration,
    /// How long a repair may take, by class.
    pub deadlines: BTreeMap<PointClass, Duration>,
}

/// A point as the records and the tracker have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen<'a> {
    /// What is measured.
    pub sight: Sight<'a>,
    /// Whether an approved exclusion covers it now.
    pub excluded: bool,
    /// Its class.
    pub class: PointClass,
    /// Its village.
    pub village: DivisionCode,
}

/// The network at one instant.
#[derive(Clone, Debug)]
pub struct Scene<'a> {
    /// Every point in use, by code.
    pub points: Vec<Seen<'a>>,
    /// The failed links that cut points off, with the division that each serves, and since when.
    pub links: BTreeMap<LinkCode, (DivisionCode, Timestamp)>,
    /// Changes that hit many points alike.
    pub bulk: &'a [BulkCause],
    /// Whether every point was looked at since start. Until then nothing new is opened.
    pub is_complete: bool,
}

impl Scene<'_> {
    fn of(&self, point: PointCode) -> Option<&Seen<'_>> {
        let index = self.points.binary_search_by_key(&point, |seen| seen.sight.point).ok()?;
        self.points.get(index)
    }
}

/// What follows from a scene.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A new incident.
    Open(Opening),
    /// Something happens to one that is live.
    Event(i64, Happening),
}

/// Every incident that is live.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desk {
    live: BTreeMap<i64, Incident>,
}

/// Where a failure belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// To the incident of this number.
    Incident(i64),
    /// A person called it a false alarm.
    Dismissed,
    /// To none yet.
    New,
}

impl Desk {
    /// The desk with the incidents that were live when it was kept.
    pub fn new(kept: impl IntoIterator<Item = Incident>) -> Self {
        let live = kept.into_iter().filter(Incident::is_live);
        Self { live: live.map(|incident| (incident.id, incident)).collect() }
    }

    /// The live incidents, by number.
    pub fn live(&self) -> impl Iterator<Item = &Incident> {
        self.live.values()
    }

    /// A live incident.
    pub fn incident(&self, id: i64) -> Option<&Incident> {
        self.live.get(&id)
    }

    /// Takes over an opened incident.
    pub fn open(&mut self, incident: Incident) {
        self.live.insert(incident.id, incident);
    }

    /// Takes over an event; an incident that is no longer live is let go.
    pub fn apply(&mut self, id: i64, happening: &Happening, at: Timestamp) {
        if let Some(incident) = self.live.get_mut(&id) {
            incident.apply(happening, at);
            if !incident.is_live() {
                self.live.remove(&id);
            }
        }
    }

    /// What follows from what fails now.
    pub fn step(&self, scene: &Scene<'_>, now: Timestamp, rules: &DeskRules) -> Vec<Step> {
        let ledger = Ledger::of(&self.live);
        let failures = ledger.failures(scene);
        let mut steps = Vec::new();
        let mut taken: BTreeMap<i64, Taken<'_>> = BTreeMap::new();
        for failure in &failures {
            match ledger.place(&failure.root) {
                Place::Incident(id) => taken.entry(id).or_default().add(failure),
                Place::Dismissed => {}
                Place::New => steps.extend(ledger.opening(failure, scene, rules).map(Step::Open)),
            }
        }
        let root_of = root_of_points(&failures);
        let failing: BTreeSet<&Root> = failures.iter().map(|failure| &failure.root).collect();
        for incident in self.live.values() {
            let follow = Follow { ledger: &ledger, scene, root_of: &root_of, incident, now, rules };
            let happenings = if incident.ended.is_some() {
                let is_gone =
                    scene.is_complete && !failing.contains(&incident.root) && follow.is_seen_again();
                is_gone.then_some(Happening::Gone).into_iter().collect()
            } else {
                follow.happenings(taken.get(&incident.id))
            };
            steps.extend(happenings.into_iter().map(|happening| Step::Event(incident.id, happening)));
        }
        steps
    }
}

/// The live incidents as one step looks them up: as often as points fail.
struct Ledger<'a> {
    live: &'a BTreeMap<i64, Incident>,
    /// The newest of each root: an older one that a person ended may still be followed.
    by_root: BTreeMap<&'a Root, &'a Incident>,
    /// Those of many points that go on.
    of_many: Vec<&'a Incident>,
}

impl<'a> Ledger<'a> {
    fn of(live: &'a BTreeMap<i64, Incident>) -> Self {
        let is_of_many =
            |incident: &&Incident| incident.ended.is_none() && !matches!(incident.root, Root::Point(_));
        Self {
            live,
            by_root: live.values().map(|incident| (&incident.root, incident)).collect(),
            of_many: live.values().filter(is_of_many).collect(),
        }
    }

    /// The incident that a failure opens; none while the first round lasts, or when everything of it is excluded.
    fn opening(&self, failure: &Failure, scene: &Scene<'_>, rules: &DeskRules) -> Option<Opening> {
        if !scene.is_complete {
            return None;
        }
        let seen = |point: &PointCode| scene.of(*point).filter(|seen| !seen.excluded);
        let counted: Vec<&Seen<'_>> = failure.members.iter().filter_map(seen).collect();
        let class = counted.iter().map(|seen| seen.class).min_by_key(|class| rules.deadlines.get(class))?;
        let served = match &failure.root {
            Root::Link(link) => scene.links.get(link).map(|(division, _)| *division),
            Root::OwnNetwork | Root::Credential(_) | Root::Device(_) | Root::Site(_) | Root::Point(_) => None,
        };
        let division = served.or_else(|| smallest_division(counted.iter().map(|seen| seen.village)));
        let level = match (&failure.root, division) {
            (Root::Point(_), _) => Level::Grid,
            (_, Some(division)) => Level::of(division.level()),
            (_, None) => Level::City,
        };
        Some(Opening {
            root: failure.root.clone(),
            cause: failure.cause.clone(),
            since: self.first_failure(failure),
            members: counted.iter().map(|seen| seen.sight.point).collect(),
            class,
            division,
            level,
            deadline: rules.deadlines.get(&class).copied().unwrap_or(Duration::MAX),
        })
    }

    /// What still fails by itself when its link is back has failed since the link did.
    fn first_failure(&self, failure: &Failure) -> Timestamp {
        let Root::Point(point) = failure.root else { return failure.since };
        let cut_off =
            |incident: &&&Incident| matches!(incident.root, Root::Link(_)) && incident.takes_down(point);
        let outages = self.of_many.iter().filter(cut_off).map(|incident| incident.since);
        outages.fold(failure.since, Timestamp::min)
    }

    /// What fails now. A point that still fails as it did in an incident of many is not yet one of its own.
    fn failures(&self, scene: &Scene<'_>) -> Vec<Failure> {
        let sights: Vec<&Sight<'_>> = scene.points.iter().map(|seen| &seen.sight).collect();
        let mut found: BTreeMap<Root, Failure> = BTreeMap::new();
        for failure in failures(&sights, &scene.links, scene.bulk) {
            let root = self.left_over(&failure).unwrap_or_else(|| failure.root.clone());
            match found.get_mut(&root) {
                Some(known) => {
                    known.members.extend(&failure.members);
                    known.since = known.since.min(failure.since);
                }
                None => drop(found.insert(root.clone(), Failure { root, ..failure })),
            }
        }
        found.into_values().collect()
    }

    fn left_over(&self, failure: &Failure) -> Option<Root> {
        let Root::Point(point) = failure.root else { return None };
        let fails_alike = |incident: &Incident| match &incident.root {
            Root::Credential(_) => incident.cause == failure.cause,
            Root::Device(_) | Root::Site(_) => incident.cause.state() == failure.cause.state(),
            Root::OwnNetwork | Root::Link(_) | Root::Point(_) => false,
        };
        let holds = |incident: &&&Incident| fails_alike(incident) && incident.takes_down(point);
        self.of_many.iter().find(holds).map(|incident| incident.root.clone())
    }

    /// The incident that a root belongs to: its own, or the one that a person merged it into.
    fn place(&self, root: &Root) -> Place {
        let Some(mut incident) = self.by_root.get(root).copied() else { return Place::New };
        // A chain of merges is at most as long as there are incidents.
        for _ in 0..self.live.len() {
            match incident.ended {
                None => return Place::Incident(incident.id),
                Some((_, Ending::Closed | Ending::FalseAlarm)) => return Place::Dismissed,
                Some((_, Ending::Merged(into))) => match self.live.get(&into) {
                    Some(next) => incident = next,
                    None => return Place::New,
                },
            }
        }
        Place::New
    }
}

/// The failures that belong to one incident.
#[derive(Debug, Default)]
struct Taken<'a> {
    members: BTreeSet<PointCode>,
    causes: Vec<(&'a Root, &'a Cause)>,
}

impl<'a> Taken<'a> {
    fn add(&mut self, failure: &'a Failure) {
        self.members.extend(&failure.members);
        self.causes.push((&failure.root, &failure.cause));
    }
}

fn root_of_points(failures: &[Failure]) -> BTreeMap<PointCode, &Root> {
    let members = |failure: &Failure| failure.members.iter().copied().collect::<Vec<_>>();
    failures
        .iter()
        .flat_map(|failure| members(failure).into_iter().map(|point| (point, &failure.root)))
        .collect()
}

/// One incident held against a scene.
struct Follow<'a> {
    ledger: &'a Ledger<'a>,
    scene: &'a Scene<'a>,
    root_of: &'a BTreeMap<PointCode, &'a Root>,
    incident: &'a Incident,
    now: Timestamp,
    rules: &'a DeskRules,
}

impl Follow<'_> {
    fn happenings(&self, taken: Option<&Taken<'_>>) -> Vec<Happening> {
        let incident = self.incident;
        if let (None, Some(into)) = (taken, self.explained_by()) {
            return vec![Happening::Merged { into }, Happening::Gone];
        }
        let joined = taken.map(|taken| self.joined(&taken.members)).unwrap_or_default();
        let recovered: BTreeSet<PointCode> =
            incident.failing().filter(|point| !joined.contains(point) && self.is_proven(*point)).collect();
        let failing =
            incident.failing().filter(|point| !recovered.contains(point)).chain(joined.iter().copied());
        let failing: BTreeSet<PointCode> = failing.collect();
        let still_fails = taken.is_some() || !failing.is_empty();
        let mut found = Vec::new();
        if let Some(cause) = taken.and_then(|taken| self.changed_cause(taken)) {
            found.push(Happening::CauseChanged(cause));
        }
        if !joined.is_empty() {
            found.push(Happening::Joined(joined));
        }
        if !recovered.is_empty() {
            found.push(Happening::Recovered(recovered));
        }
        found.extend(self.recovery(still_fails));
        if still_fails {
            found.extend(self.clockwork(&failing));
        }
        found
    }

    /// Members that fail and were not counted in, or were proven meanwhile. What is excluded is not counted in.
    fn joined(&self, failing: &BTreeSet<PointCode>) -> BTreeSet<PointCode> {
        let is_new = |point: &PointCode| {
            let member = self.incident.members.get(point);
            let is_excluded = || self.scene.of(*point).is_none_or(|seen| seen.excluded);
            member.map_or_else(|| !is_excluded(), |member| member.restored.is_some())
        };
        failing.iter().copied().filter(is_new).collect()
    }

    /// Whether anything of what failed is seen again, or all of it is in the records no more: while nothing is seen, what
    /// failed may fail still.
    fn is_seen_again(&self) -> bool {
        let is_blind = |state| matches!(state, State::Unknown | State::Unreachable | State::Excluded);
        let left = self.incident.failing().filter_map(|point| self.scene.of(point));
        let mut states = left.map(|seen| seen.sight.condition.state()).peekable();
        states.peek().is_none() || states.any(|state| !is_blind(state))
    }

    /// Whether a member of the incident is known not to fail because of it any more.
    fn is_proven(&self, point: PointCode) -> bool {
        let Some(seen) = self.scene.of(point) else { return true };
        match (&self.incident.root, seen.sight.condition.state()) {
            (_, State::Unknown | State::Unreachable | State::Excluded) => false,
            (_, State::Good) => true,
            (Root::Point(_), State::Degraded | State::NoVideo | State::Offline) => false,
            (_, State::Degraded | State::NoVideo | State::Offline) => {
                let root = self.root_of.get(&point);
                root.is_none_or(|root| self.ledger.place(root) != Place::Incident(self.incident.id))
            }
        }
    }

    /// The incident that explains this one: what failed here no longer does by itself, and everything of it fails because
    /// of another root that failed first.
    fn explained_by(&self) -> Option<i64> {
        let mut explanation = None;
        for point in self.incident.failing() {
            let root = *self.root_of.get(&point)?;
            if explanation.is_some_and(|known| known != root) {
                return None;
            }
            explanation = Some(root);
        }
        let Place::Incident(into) = self.ledger.place(explanation?) else { return None };
        let other = self.ledger.live.get(&into).filter(|other| other.id != self.incident.id)?;
        (other.since <= self.incident.since).then_some(into)
    }

    fn changed_cause(&self, taken: &Taken<'_>) -> Option<Cause> {
        let own = taken.causes.iter().find(|(root, _)| **root == self.incident.root);
        let cause = own.map(|(_, cause)| (*cause).clone())?;
        (cause != self.incident.cause).then_some(cause)
    }

    fn recovery(&self, still_fails: bool) -> Option<Happening> {
        match (self.incident.restored, still_fails) {
            (None, false) => Some(Happening::Restored),
            (Some(_), true) => Some(Happening::FailedAgain),
            (Some(since), false) => self.has_passed(since, self.rules.verify).then_some(Happening::Closed),
            (None, true) => None,
        }
    }

    /// Whether `span` has passed since an instant. One that lies further ahead was noted by a clock that has been set back since.
    fn has_passed(&self, since: Timestamp, span: Duration) -> bool {
        self.now.since(since) >= span || since > self.now.plus(span)
    }

    /// What time alone brings while some points fail.
    fn clockwork(&self, failing: &BTreeSet<PointCode>) -> Vec<Happening> {
        let incident = self.incident;
        let covered = |point: &PointCode| self.scene.of(*point).is_some_and(|seen| seen.excluded);
        let is_excluded = !failing.is_empty() && failing.iter().all(covered);
        let mut found = Vec::new();
        if is_excluded != incident.is_excluded() {
            found.push(if is_excluded { Happening::Excluded } else { Happening::Included });
        }
        let mut pressing = Vec::new();
        if !incident.overdue && incident.clock.spent(self.now) >= incident.deadline {
            pressing.push(Happening::Overdue);
        }
        let waits = !incident.is_acknowledged() && !is_excluded && !incident.is_suspended();
        if waits && self.has_passed(incident.level_since, self.rules.escalate) {
            pressing.extend(incident.level.above().map(Happening::Escalated));
        }
        if !pressing.is_empty() && !self.is_behind_another(failing) {
            found.extend(pressing);
        }
        found
    }

    /// Whether everything of it fails because of something else now, known as an incident or about to be: nobody is pressed
    /// for a camera whose link is down.
    fn is_behind_another(&self, failing: &BTreeSet<PointCode>) -> bool {
        let is_another = |root: &&Root| match self.ledger.place(root) {
            Place::Incident(id) => id != self.incident.id,
            Place::New => true,
            Place::Dismissed => false,
        };
        failing.iter().all(|point| self.root_of.get(point).is_some_and(is_another)) && !failing.is_empty()
    }
}

/// The smallest division that holds all of some villages.
fn smallest_division(villages: impl Iterator<Item = DivisionCode>) -> Option<DivisionCode> {
    let villages: BTreeSet<DivisionCode> = villages.collect();
    let (first, last) = (villages.first()?, villages.last()?);
    // Codes are ordered by their text: what holds the first and the last holds those between.
    let above = DivisionLevel::ALL.into_iter().rev().filter_map(|level| first.ancestor(level));
    above.into_iter().find(|division| division.contains(last))
}

#[cfg(test)]
mod tests;
