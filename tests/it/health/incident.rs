//! What people are told of random networks and random histories of faults: one cause, one alert, in time and in order,
//! through every restart.

use super::property::{BOUND, FROM, Fate, Probes, Stroke, TO, any_network, strokes, tell};
use super::world::{Deed, Moment, PERIOD, SIGN_OF_LIFE, Script, settings};
use jiff::tz::TimeZone;
use proptest::collection::vec;
use proptest::prelude::*;
use sharpeyes::config::{IncidentSettings, Settings};
use sharpeyes::domain::incident::desk::{Desk, DeskRules, Step};
use sharpeyes::domain::incident::{Incident, IncidentEvent, Opening, Root};
use sharpeyes::domain::message::{Filter, MessageKind};
use sharpeyes::domain::outbox::{Entry, EntryState, Notice, plan};
use sharpeyes::domain::{Inventory, LinkCode, PointClass, PointCode, Timestamp};
use sharpeyes::health::snapshot::{LinkStatus, Snapshot};
use sharpeyes::incident::{NoticeSettings, Places};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Nobody acknowledges in these stories: short enough that what waits is escalated and overdue within them.
const ESCALATE: Duration = Duration::from_secs(400);
const DEADLINE: Duration = Duration::from_secs(700);

/// A restart may see a first round out, which ends at the latest when what was known is stale.
fn round() -> i64 {
    whole_seconds(settings().rules.stale_after)
}

/// What fails is decided within [`BOUND`] and an incident from the next picture on.
const OPENED_WITHIN: i64 = BOUND + SIGN_OF_LIFE;

/// ..which is told when it was held back for its time, to be sent with the next picture.
fn told_within() -> i64 {
    whole_seconds(IncidentSettings::default().announce_after) + SIGN_OF_LIFE
}

fn whole_seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap()
}

/// When a story is read anew from what was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reread {
    AtStart,
    AtEveryStep,
}

/// An incident as it is kept.
struct Kept {
    opening: Opening,
    opened: Timestamp,
    events: Vec<IncidentEvent>,
}

impl Kept {
    fn play(&self, id: i64) -> Incident {
        let mut incident = Incident::open(id, &self.opening, self.opened);
        for event in &self.events {
            incident.apply(&event.happening, event.at);
        }
        incident
    }
}

/// What was told, in the order in which it was.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    second: i64,
    incident: i64,
    kind: MessageKind,
}

/// The desk with what it keeps, and an outbox with one channel that takes everything at once.
struct Duty {
    places: Places,
    rules: DeskRules,
    notices: NoticeSettings,
    desk: Desk,
    reread: Reread,
    kept: BTreeMap<i64, Kept>,
    outbox: BTreeMap<i64, Vec<(Entry, Notice)>>,
    entry_count: i64,
    told: Vec<Told>,
    last_sequence: u64,
}

impl Duty {
    fn new(records: &Inventory, reread: Reread) -> Self {
        let shipped = Settings::default().incident;
        Self {
            places: Places::of(Arc::new(records.clone())),
            rules: DeskRules {
                verify: shipped.verify,
                escalate: ESCALATE,
                deadlines: PointClass::ALL.into_iter().map(|class| (class, DEADLINE)).collect(),
            },
            notices: NoticeSettings {
                channels: vec![("duty".to_owned(), Filter::default())],
                announce_after: shipped.announce_after,
                zone: TimeZone::UTC,
                console_url: None,
            },
            desk: Desk::default(),
            reread,
            kept: BTreeMap::new(),
            outbox: BTreeMap::new(),
            entry_count: 0,
            told: Vec::new(),
            last_sequence: 0,
        }
    }

    /// Takes a picture as the desk's task does, and sends what is due as the outbox's task does.
    fn see(&mut self, moment: &Moment<'_>) -> Vec<Told> {
        let is_restarted = moment.snapshot.sequence < self.last_sequence;
        self.last_sequence = moment.snapshot.sequence;
        if is_restarted || self.reread == Reread::AtEveryStep {
            self.desk = Desk::new(self.played().map(|(_, incident)| incident));
        }
        self.look(&moment.snapshot, moment.now);
        self.send(moment)
    }

    fn look(&mut self, snapshot: &Snapshot, now: Timestamp) {
        for step in self.desk.step(&self.places.scene(snapshot), now, &self.rules) {
            match step {
                Step::Open(opening) => self.open(opening, now),
                Step::Event(id, happening) => self.add(id, IncidentEvent::found(happening, now)),
            }
        }
    }

    fn open(&mut self, opening: Opening, now: Timestamp) {
        let id = i64::try_from(self.kept.len()).unwrap() + 1;
        let goes_on = |kept: &(i64, Incident)| kept.1.ended.is_none() && kept.1.root == opening.root;
        let twice = self.played().find(goes_on);
        assert_eq!(twice, None, "one cause is one incident, but there is also {opening:?}");
        let incident = Incident::open(id, &opening, now);
        self.queue(id, self.notices.of_opening(&incident, self.places.records(), now));
        self.kept.insert(id, Kept { opening, opened: now, events: Vec::new() });
        self.desk.open(incident);
    }

    fn add(&mut self, id: i64, event: IncidentEvent) {
        self.desk.apply(id, &event.happening, event.at);
        let kept = self.kept.get_mut(&id).unwrap();
        kept.events.push(event.clone());
        let after = kept.play(id);
        self.queue(id, self.notices.of_event(&after, &event, self.places.records()));
    }

    fn played(&self) -> impl Iterator<Item = (i64, Incident)> {
        self.kept.iter().map(|(id, kept)| (*id, kept.play(*id)))
    }

    /// A key that is queued already is not queued again.
    fn queue(&mut self, incident: i64, notices: Vec<Notice>) {
        let entries = self.outbox.entry(incident).or_default();
        for notice in notices {
            if entries.iter().all(|(_, known)| known.message.id != notice.message.id) {
                self.entry_count += 1;
                let (id, kind) = (self.entry_count, notice.message.kind);
                let entry = Entry { id, kind, state: EntryState::Queued, due: notice.due, perhaps: false };
                entries.push((entry, notice));
            }
        }
    }

    fn send(&mut self, moment: &Moment<'_>) -> Vec<Told> {
        let mut told = Vec::new();
        for (incident, entries) in &mut self.outbox {
            let plan = plan(&entries.iter().map(|(entry, _)| *entry).collect::<Vec<_>>(), moment.now);
            for (entry, _) in entries {
                if plan.drop.contains(&entry.id) {
                    entry.state = EntryState::Dropped;
                }
                if plan.send == Some(entry.id) {
                    entry.state = EntryState::Sent;
                    told.push(Told { second: moment.second, incident: *incident, kind: entry.kind });
                }
            }
        }
        self.told.extend(told.iter().cloned());
        told
    }

    /// The incidents that go on and that somebody was told of.
    fn announced(&self) -> impl Iterator<Item = &Incident> {
        let goes_on = |incident: &&Incident| incident.ended.is_none();
        self.desk.live().filter(goes_on).filter(|incident| self.is_announced(incident.id))
    }

    fn is_announced(&self, incident: i64) -> bool {
        self.outbox[&incident]
            .iter()
            .any(|(entry, _)| (entry.kind, entry.state) == (MessageKind::Problem, EntryState::Sent))
    }
}

/// What is promised, held against what happens second by second.
struct Promises {
    duty: Duty,
    points: Vec<PointCode>,
    /// Since when the path of a point is cut while we could see it, and since when it is whole and the camera ill.
    cut_off_since: BTreeMap<PointCode, i64>,
    ill_since: BTreeMap<PointCode, i64>,
    /// Within what time a fault that lasts is an incident.
    bound: i64,
    last_second: i64,
    ill_at_last: BTreeSet<PointCode>,
}

impl Promises {
    fn new(script: &Script, reread: Reread, bound: i64) -> Self {
        Self {
            duty: Duty::new(&script.inventory, reread),
            points: script.inventory.points.keys().copied().collect(),
            cut_off_since: BTreeMap::new(),
            ill_since: BTreeMap::new(),
            bound,
            last_second: 0,
            ill_at_last: BTreeSet::new(),
        }
    }

    fn see(&mut self, moment: &Moment<'_>) {
        let told = self.duty.see(moment);
        for told in told.iter().filter(|told| !told.kind.ends_incident()) {
            self.check_nothing_above_was_told(told, moment);
        }
        self.note_since(moment);
        self.check_faults_are_told(moment);
    }

    /// (a) No point is told of that is behind a failed link that was told.
    fn check_nothing_above_was_told(&self, told: &Told, moment: &Moment<'_>) {
        let incident = self.duty.desk.incident(told.incident).unwrap();
        let Root::Point(point) = incident.root else { return };
        // A link that was repaired is believed to be up a little later than a look that came through it.
        let failed = moment.snapshot.links.iter().filter(|link| link.status == LinkStatus::Down);
        let failed = failed.filter(|link| moment.link_is_cut(&link.code));
        let failed: BTreeSet<&LinkCode> = failed.map(|link| &link.code).collect();
        let announced: BTreeSet<LinkCode> = self
            .duty
            .announced()
            .filter_map(|incident| match &incident.root {
                Root::Link(link) if failed.contains(link) => Some(link.clone()),
                _ => None,
            })
            .collect();
        assert!(
            !moment.would_cut_off(&announced, point),
            "{told:?} of {point} is told behind {announced:?}, which were told"
        );
    }

    /// Faults that we could see; after a gap of ours they begin anew.
    fn note_since(&mut self, moment: &Moment<'_>) {
        let second = moment.second;
        if !moment.sees() || second > self.last_second + SIGN_OF_LIFE {
            (self.cut_off_since, self.ill_since) = (BTreeMap::new(), BTreeMap::new());
        }
        self.last_second = second;
        self.ill_at_last = self.points.iter().copied().filter(|point| moment.is_ill(*point)).collect();
        for point in &self.points {
            let (is_cut_off, is_ill) = (moment.is_cut_off(*point), moment.is_ill(*point));
            note(&mut self.cut_off_since, *point, moment.sees() && is_cut_off, second);
            note(&mut self.ill_since, *point, moment.sees() && is_ill && !is_cut_off, second);
        }
    }

    /// (b) Within the bound somebody was told of a failed link that cuts a point off, or that it is all of our own network;
    /// (c) and of a camera that fails by itself, since ever or since its link is back.
    fn check_faults_are_told(&self, moment: &Moment<'_>) {
        let lasts = |since: &BTreeMap<PointCode, i64>| {
            let late = since.iter().filter(|(_, since)| moment.second - **since > self.bound);
            late.map(|(point, _)| *point).collect::<Vec<_>>()
        };
        for point in lasts(&self.cut_off_since) {
            // What was dead before we suspect ourselves stays an incident of its own until it is seen again.
            let kept = moment.snapshot.suspects_itself;
            let above = |root: &Root| kept || matches!(root, Root::Link(_) | Root::OwnNetwork);
            self.check_is_told(point, "is cut off", moment, above);
        }
        for point in lasts(&self.ill_since) {
            let own = |root: &Root| matches!(root, Root::Point(_) | Root::Site(_) | Root::OwnNetwork);
            self.check_is_told(point, "fails by itself", moment, own);
        }
    }

    fn check_is_told(
        &self,
        point: PointCode,
        what: &str,
        moment: &Moment<'_>,
        is_of: impl Fn(&Root) -> bool,
    ) {
        // One incident may be merged into a larger one, which is told a moment later.
        let is_told = |incident: &&Incident| {
            let age = whole_seconds(moment.now.since(incident.opened));
            self.duty.is_announced(incident.id) || age <= told_within()
        };
        let mut going_on = self.duty.desk.live().filter(|incident| incident.ended.is_none());
        assert!(
            going_on
                .any(|incident| incident.takes_down(point) && is_of(&incident.root) && is_told(&incident)),
            "{point} {what} and nobody was told by {}: {:?}",
            moment.second,
            self.duty.desk.live().collect::<Vec<_>>()
        );
    }

    /// (d) One problem and at most one end of each incident, in this order. What is over in the end is told to be.
    fn check_order(&self) {
        let is_over =
            |incident: &Incident| incident.failing().all(|point| !self.ill_at_last.contains(&point));
        let burning = self.duty.played().find(|(_, incident)| incident.ended.is_none() && is_over(incident));
        assert_eq!(burning, None, "it is over and still goes on");
        let mut by_incident: BTreeMap<i64, Vec<MessageKind>> = BTreeMap::new();
        for told in &self.duty.told {
            by_incident.entry(told.incident).or_default().push(told.kind);
        }
        for (id, kinds) in by_incident {
            let ended = self.duty.kept[&id].play(id).ended.is_some();
            let count = |is_it: fn(MessageKind) -> bool| kinds.iter().filter(|kind| is_it(**kind)).count();
            let problems = count(|kind| kind == MessageKind::Problem);
            let ends = count(MessageKind::ends_incident);
            assert_eq!((problems, ends), (1, usize::from(ended)), "{id}: {kinds:?}");
            assert_eq!(kinds[0], MessageKind::Problem, "{id}: {kinds:?}");
            assert!(!ended || kinds.last().unwrap().ends_incident(), "{id}: {kinds:?}");
        }
    }
}

fn note(since: &mut BTreeMap<PointCode, i64>, point: PointCode, is_so: bool, second: i64) {
    if is_so {
        since.entry(point).or_insert(second);
    } else {
        since.remove(&point);
    }
}

/// Quiet for long enough that everything is told and every recovery verified.
fn end() -> i64 {
    TO + OPENED_WITHIN + told_within() + round() + whole_seconds(IncidentSettings::default().verify) + PERIOD
}

/// Runs a story with the desk beside it and holds every promise against it; gives what was told.
fn told_of(script: Script, reread: Reread, bound: i64) -> Vec<Told> {
    let mut promises = Promises::new(&script, reread, bound);
    script.watched_until(end(), |moment| promises.see(moment));
    promises.check_order();
    promises.duty.told
}

/// Cuts, sick cameras, and times in which our own network is down.
fn troubled(text: &str, strokes: &[Stroke], own: &[(i64, i64)]) -> Script {
    let script = tell(text, strokes, Fate::LinksAndCameras);
    own.iter().fold(script, |script, (start, lasts)| {
        let end = (start + lasts).min(TO);
        script.at(*start).then(Deed::OwnNetworkDown).at(end).then(Deed::OwnNetworkUp)
    })
}

fn times(longest: i64, count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<(i64, i64)>> {
    vec((FROM..TO, 1..longest), count)
}

/// A story with its desk costs about 250 ms: few of the usual number of cases (`PROPTEST_CASES` raises it).
fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases / 32, failure_persistence: None, ..usual }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn one_cause_is_told_once_in_time_and_in_order(
        text in any_network(Probes::Everywhere), strokes in strokes(), own in times(600, 0..2)
    ) {
        told_of(troubled(&text, &strokes, &own), Reread::AtStart, OPENED_WITHIN);
    }

    #[test]
    fn a_restart_at_any_step_changes_none_of_it(
        text in any_network(Probes::Everywhere), strokes in strokes(), own in times(600, 0..2),
        stops in times(400, 1..4)
    ) {
        let script = troubled(&text, &strokes, &own);
        let script = stops.iter().fold(script, |script, (stop, lasts)| {
            script.at(*stop).then(Deed::Kill).at((stop + lasts).min(TO)).then(Deed::Start)
        });
        told_of(script, Reread::AtStart, OPENED_WITHIN + round());
    }

    #[test]
    fn a_desk_that_is_read_anew_at_every_step_tells_the_same(
        text in any_network(Probes::Anywhere), strokes in strokes(), own in times(600, 0..2)
    ) {
        let script = troubled(&text, &strokes, &own);
        let anew = told_of(script.clone(), Reread::AtEveryStep, i64::MAX);
        prop_assert_eq!(told_of(script, Reread::AtStart, i64::MAX), anew);
    }
}
