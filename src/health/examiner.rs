//! The examiner: one diagnosis for each point whose pictures are looked at, and the weather of each township.
//!
//! Decisions about pictures are the domain's; here they are fed with what decoders give, and carried out as findings for the
//! tracker and wishes to the decoders. Time, pictures and records come as arguments; `task` has the channels.

pub mod task;

use crate::config::SkySource;
use crate::domain::decode::{DecodedSize, Opinion, Wish};
use crate::domain::key_frame::StreamRole;
use crate::domain::picture::diagnosis::{Circumstances, PictureLook, Unacceptable};
use crate::domain::picture::verdict::BaselineNote;
use crate::domain::picture::weather::weather;
use crate::domain::picture::{
    Areas, Baselines, Diagnosis, Framing, Framings, Grade, Item, ItemSet, Mask, PerItem, PictureRules,
    PictureVerdict, Shot, Skip, Sky, Status, StillNote, StreamFacts, waiver::waived,
};
use crate::domain::{
    Calendar, DivisionCode, DivisionLevel, Finding, Inventory, Point, PointCode, State, Timestamp,
};
use crate::health::snapshot::Snapshot;
use crate::store::KeptDiagnosis;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Where a point without a recorded position is taken to be while no point has one: the clock of the country is that of
/// Beijing.
const ANYWHERE: (f64, f64) = (116.4, 39.9);

/// A stream has a size for at least this long, as far as it is kept.
const SIZE_HOLDS: Duration = Duration::from_secs(3_600);

/// How pictures are judged.
#[derive(Clone, Debug)]
pub struct ExaminerSettings {
    /// The limits.
    pub rules: PictureRules,
    /// What day and night are told by.
    pub sky: SkySource,
    /// A look that is older than this says nothing any more: not about the weather, nor that a picture is well.
    pub round: Duration,
    /// For waivers at times of the local day.
    pub calendar: Calendar,
}

/// What was seen of one key frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Examined {
    /// The point.
    pub point: PointCode,
    /// When the key frame was received.
    pub taken: Timestamp,
    /// What came of it.
    pub shot: Shot,
    /// What packets and decoder tell.
    pub facts: StreamFacts,
    /// Width and height that its parameter sets promised.
    pub promised: Option<(u32, u32)>,
    /// The still that was kept of it.
    pub still: Option<StillNote>,
}

/// What a person does with the baselines of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaselineStep {
    /// The newest picture is how it shall look.
    Accept,
    /// It is learnt anew.
    Reset,
}

impl BaselineStep {
    /// Every step.
    pub const ALL: [Self; 2] = [Self::Accept, Self::Reset];

    /// The word used in JSON and in the audit.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Reset => "reset",
        }
    }
}

/// What follows from what was seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// For the tracker.
    pub findings: Vec<Finding>,
    /// For the decoders.
    pub wishes: Vec<Wish>,
}

/// Whether something of a diagnosis is not in the store yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Unkept {
    /// No.
    Nothing,
    /// A lesson went on: worth little.
    Lesson,
    /// What is believed changed, a baseline is known, or a person spoke.
    News,
}

/// What is known of one point's pictures.
#[derive(Clone, Debug)]
struct Patient {
    diagnosis: Diagnosis,
    /// The newest look since start.
    looked: Option<Timestamp>,
    /// Whether that was in the last round: only then what is believed to be well is known to be.
    is_current: bool,
    size: Option<(u32, u32)>,
    still: Option<StillNote>,
    opinion: Opinion,
    unkept: Unkept,
}

/// The diagnoses of every point.
#[derive(Debug)]
pub struct Examiner {
    settings: ExaminerSettings,
    inventory: Arc<Inventory>,
    framings: Arc<Framings>,
    patients: BTreeMap<PointCode, Patient>,
    /// By township; none where there is no weather.
    weather: BTreeMap<DivisionCode, ItemSet>,
    /// What was kept counts as seen for a round from the first look on.
    first_look: Option<Timestamp>,
    /// Where a point without a position is taken to be.
    middle: (f64, f64),
    /// The points of each township.
    townships: BTreeMap<DivisionCode, Vec<PointCode>>,
    sizes: Sizes,
    effects: Effects,
}

/// The sizes of decoded pictures: what is known of each stream, and what of that is not in the store yet.
#[derive(Debug, Default)]
struct Sizes {
    known: BTreeMap<(PointCode, StreamRole), DecodedSize>,
    unkept: BTreeSet<(PointCode, StreamRole)>,
}

impl Sizes {
    /// Only another size is news, and not more often than once in a while: some streams change theirs with each picture.
    fn take(&mut self, decoded: DecodedSize) {
        let stream = (decoded.point, decoded.stream);
        let is_news = self.known.get(&stream).is_none_or(|known| {
            (known.size, known.promised) != (decoded.size, decoded.promised)
                && decoded.at >= known.at.plus(SIZE_HOLDS)
        });
        if is_news {
            self.known.insert(stream, decoded);
            self.unkept.insert(stream);
        }
    }

    /// What is kept already stays dated as it was: it is written anew where the clock was ahead.
    fn shift(&mut self, step_ms: i64) {
        self.known.retain(|stream, _| step_ms >= 0 || self.unkept.contains(stream));
        for size in self.known.values_mut() {
            size.at = size.at.shifted(step_ms);
        }
    }
}

impl Patient {
    const fn new(diagnosis: Diagnosis) -> Self {
        Self {
            diagnosis,
            looked: None,
            is_current: false,
            size: None,
            still: None,
            opinion: Opinion::Unknown,
            unkept: Unkept::Nothing,
        }
    }

    fn believed(&self) -> Vec<(Grade, Option<Timestamp>)> {
        self.diagnosis.statuses().map(|(_, status)| (status.grade, status.since)).collect()
    }

    fn verdict(&self, point: PointCode, weather: ItemSet) -> PictureVerdict {
        PictureVerdict {
            point,
            looked: self.looked,
            size: self.size,
            items: PerItem::new(|item| self.told(self.diagnosis.status(item))),
            weather,
            baseline: BaselineNote::of(&self.diagnosis),
            still: self.still.clone(),
        }
    }

    /// What is told of an item: a fault is believed until looks say otherwise, but nobody knows that a picture is well which
    /// nobody sees.
    const fn told(&self, status: &Status) -> Status {
        if self.is_current || status.grade.is_fault() {
            return *status;
        }
        Status { grade: Grade::NotChecked(Skip::NoPicture), since: None, ..*status }
    }

    /// What is thought of the picture: a look that contradicts what is believed raises a doubt.
    fn form_opinion(&self, weather: ItemSet) -> Opinion {
        let is_doubted = |(item, status): (Item, &Status)| {
            let was_checked = !matches!(status.newest.grade, Grade::NotChecked(_));
            was_checked
                && !weather.contains(item)
                && status.newest.grade.is_fault() != status.grade.is_fault()
        };
        if self.looked.is_none() {
            Opinion::Unknown
        } else if self.diagnosis.statuses().any(is_doubted) {
            Opinion::Doubtful
        } else if self.diagnosis.faults(weather).next().is_some() {
            Opinion::Faulty
        } else {
            Opinion::Good
        }
    }
}

impl Examiner {
    /// Goes on with what was kept.
    pub fn new(
        settings: ExaminerSettings,
        inventory: Arc<Inventory>,
        framings: Arc<Framings>,
        restored: Vec<KeptDiagnosis>,
    ) -> Self {
        let restored = restored.into_iter().map(|kept| (kept.point, Patient::new(kept.restore())));
        let mut examiner = Self {
            settings,
            inventory: Arc::default(),
            framings,
            patients: restored.collect(),
            weather: BTreeMap::new(),
            first_look: None,
            middle: ANYWHERE,
            townships: BTreeMap::new(),
            sizes: Sizes::default(),
            effects: Effects::default(),
        };
        examiner.change_inventory(inventory);
        let townships: Vec<DivisionCode> = examiner.townships.keys().copied().collect();
        for township in townships {
            // Nothing was looked at yet: every one counts with what was kept.
            let found = examiner.weather_of(township, |_patient| true);
            examiner.set_weather(township, found);
        }
        let points: Vec<PointCode> = examiner.patients.keys().copied().collect();
        points.into_iter().for_each(|point| examiner.conclude(point));
        examiner
    }

    /// Takes over an inventory; what is known of points that are gone is forgotten.
    pub fn change_inventory(&mut self, inventory: Arc<Inventory>) {
        self.patients.retain(|point, _| inventory.points.contains_key(point));
        self.sizes.known.retain(|(point, _), _| inventory.points.contains_key(point));
        self.sizes.unkept.retain(|(point, _)| inventory.points.contains_key(point));
        self.middle = middle(&inventory).unwrap_or(ANYWHERE);
        self.townships.clear();
        for (code, point) in &inventory.points {
            if let Some(township) = point.village.ancestor(DivisionLevel::Township) {
                self.townships.entry(township).or_default().push(*code);
            }
        }
        self.inventory = inventory;
    }

    /// Takes over what people set for pictures. The stills of a point with a new mask are removed by whoever set it.
    pub fn change_framings(&mut self, framings: Arc<Framings>) {
        let before = std::mem::replace(&mut self.framings, framings);
        for (point, framing) in self.framings.iter() {
            let painted = before.get(point).map(|before| &*before.privacy_masks).unwrap_or_default();
            if !framing.is_hidden_by(painted)
                && let Some(patient) = self.patients.get_mut(point)
            {
                patient.still = None;
            }
        }
    }

    /// The areas of a point's picture.
    pub fn areas(&self, point: PointCode) -> Areas {
        self.framings.get(&point).map(|framing| framing.areas.clone()).unwrap_or_default()
    }

    /// Takes what was seen of a key frame.
    pub fn take(&mut self, examined: Examined, now: Timestamp) {
        let Examined { point, taken, shot, facts, promised, still } = examined;
        let size = match &shot {
            Shot::Seen(features) => Some(features.size),
            Shot::Damaged(_) | Shot::Lost => None,
        };
        // A key frame may have waited while the clock was set back.
        let look = PictureLook { at: taken.min(now), shot, facts };
        self.first_look.get_or_insert(now);
        let Some(patient) = self.observe(point, look, now) else { return };
        (patient.looked, patient.is_current) = (Some(taken.min(now)), true);
        patient.size = size.or(patient.size);
        if still.is_some() {
            patient.still = still;
        }
        if let Some(size) = size {
            let stream = StreamRole::Watched;
            self.take_size(DecodedSize { point, stream, at: taken, size, promised }, now);
        }
        self.settle(point, now);
    }

    /// Takes the size of a decoded picture.
    pub fn take_size(&mut self, decoded: DecodedSize, now: Timestamp) {
        if self.inventory.points.contains_key(&decoded.point) {
            self.sizes.take(DecodedSize { at: decoded.at.min(now), ..decoded });
        }
    }

    /// Takes over the sizes that were kept; not those that a clock which was ahead dated.
    pub fn restore_sizes(&mut self, kept: Vec<DecodedSize>, now: Timestamp) {
        let believable = kept.into_iter().filter(|size| size.at <= now);
        self.sizes.known = believable.map(|size| ((size.point, size.stream), size)).collect();
    }

    /// The sizes that are not in the store yet.
    pub fn unkept_sizes(&self) -> Vec<DecodedSize> {
        self.sizes.unkept.iter().filter_map(|stream| self.sizes.known.get(stream).copied()).collect()
    }

    /// Notes what was put into the store.
    pub fn note_sizes_kept(&mut self, kept: &[DecodedSize]) {
        for size in kept {
            let stream = (size.point, size.stream);
            if self.sizes.known.get(&stream) == Some(size) {
                self.sizes.unkept.remove(&stream);
            }
        }
    }

    /// Takes a round in which the points without video gave no picture either.
    pub fn miss(&mut self, snapshot: &Snapshot, now: Timestamp) {
        let silent = |state| match state {
            State::NoVideo | State::Offline => true,
            State::Good | State::Degraded | State::Unreachable | State::Unknown | State::Excluded => false,
        };
        for live in snapshot.points.iter().filter(|live| silent(live.measured.state())) {
            let look = PictureLook { at: now, shot: Shot::Lost, facts: StreamFacts::default() };
            // Nobody has looked at the picture of a point that never gave one.
            if self.patients.contains_key(&live.code) && self.observe(live.code, look, now).is_some() {
                self.settle(live.code, now);
            }
        }
    }

    /// Tells anew of the points whose newest look is older than a round.
    pub fn age(&mut self, now: Timestamp) {
        let oldest = now.minus(self.settings.round);
        let is_aged = |patient: &Patient| patient.is_current && patient.looked.is_none_or(|at| at < oldest);
        let aged = self.patients.iter_mut().filter(|(_, patient)| is_aged(patient));
        let aged: Vec<PointCode> = aged
            .map(|(point, patient)| {
                patient.is_current = false;
                *point
            })
            .collect();
        aged.into_iter().for_each(|point| self.conclude(point));
    }

    /// Follows a person's word about the baselines of a point. Gives the version that holds from now on.
    pub fn change_baselines(
        &mut self,
        point: PointCode,
        step: BaselineStep,
        now: Timestamp,
    ) -> Result<u32, Unacceptable> {
        let patient = match step {
            BaselineStep::Accept => self.patients.get_mut(&point).ok_or(Unacceptable::NoPicture)?,
            BaselineStep::Reset => self
                .patients
                .entry(point)
                .or_insert_with(|| Patient::new(Diagnosis::new(Baselines::new(now)))),
        };
        let version = match step {
            BaselineStep::Accept => patient.diagnosis.accept(now.minus(self.settings.round), now)?.version(),
            BaselineStep::Reset => patient.diagnosis.reset(now).version(),
        };
        patient.unkept = Unkept::News;
        self.settle(point, now);
        Ok(version)
    }

    /// Moves every instant along with a stepped clock.
    pub fn shift(&mut self, step_ms: i64) {
        for patient in self.patients.values_mut() {
            patient.diagnosis.shift(step_ms);
            patient.looked = patient.looked.map(|looked| looked.shifted(step_ms));
        }
        self.first_look = self.first_look.map(|first| first.shifted(step_ms));
        self.sizes.shift(step_ms);
    }

    /// Hands over what follows from the steps since the last call.
    pub fn take_effects(&mut self) -> Effects {
        std::mem::take(&mut self.effects)
    }

    /// What is not in the store yet: the news, or lessons as well.
    pub fn unkept(&self, with_lessons: bool) -> Vec<KeptDiagnosis> {
        let least = if with_lessons { Unkept::Lesson } else { Unkept::News };
        let unkept = self.patients.iter().filter(|(_, patient)| patient.unkept >= least);
        unkept.map(|(point, patient)| KeptDiagnosis::of(*point, &patient.diagnosis)).collect()
    }

    /// Notes what was put into the store.
    pub fn note_kept(&mut self, kept: &[KeptDiagnosis]) {
        for diagnosis in kept {
            if let Some(patient) = self.patients.get_mut(&diagnosis.point) {
                patient.unkept = Unkept::Nothing;
            }
        }
    }

    fn observe(&mut self, point: PointCode, look: PictureLook, now: Timestamp) -> Option<&mut Patient> {
        let record = self.inventory.points.get(&point)?;
        let framing = self.framings.get(&point);
        let mask = framing.map_or_else(Mask::default, |framing| framing.areas.mask());
        let around = Circumstances {
            rules: &self.settings.rules,
            mask: &mask,
            sky: self.sky(record, look.at),
            waived: framing.map(|framing| self.waived(framing, now)).unwrap_or_default(),
        };
        let patient =
            self.patients.entry(point).or_insert_with(|| Patient::new(Diagnosis::new(Baselines::new(now))));
        let before = patient.believed();
        let learnt = patient.diagnosis.observe(look, &around);
        let news = if learnt.is_some() || patient.believed() != before {
            Unkept::News
        } else if patient.diagnosis.baselines().lessons().next().is_some() {
            Unkept::Lesson
        } else {
            Unkept::Nothing
        };
        patient.unkept = patient.unkept.max(news);
        Some(patient)
    }

    /// Tells what is believed of a point, and of its neighbours where the weather has changed.
    fn settle(&mut self, point: PointCode, now: Timestamp) {
        let Some(township) = self.township(point) else { return self.conclude(point) };
        let found = self.find_weather(township, now);
        let before = self.set_weather(township, found);
        if before == found {
            return self.conclude(point);
        }
        for neighbour in self.members(township) {
            self.end_weather(neighbour, before.without(found));
            self.conclude(neighbour);
        }
    }

    /// Notes what is weather in a township now; gives what was.
    fn set_weather(&mut self, township: DivisionCode, found: ItemSet) -> ItemSet {
        let before = if found == ItemSet::default() {
            self.weather.remove(&township)
        } else {
            self.weather.insert(township, found)
        };
        before.unwrap_or_default()
    }

    /// What a point showed while it was weather is not held against it: nobody would be helped by a fault that began with
    /// the snow.
    fn end_weather(&mut self, point: PointCode, ended: ItemSet) {
        if let Some(patient) = self.patients.get_mut(&point).filter(|_| ended != ItemSet::default()) {
            patient.diagnosis.forget(ended);
            patient.unkept = Unkept::News;
        }
    }

    fn members(&self, township: DivisionCode) -> Vec<PointCode> {
        self.townships.get(&township).cloned().unwrap_or_default()
    }

    fn find_weather(&self, township: DivisionCode, now: Timestamp) -> ItemSet {
        let oldest = now.minus(self.settings.round);
        let has_just_begun = self.first_look.is_none_or(|first| first >= oldest);
        self.weather_of(township, |patient| patient.looked.map_or(has_just_begun, |looked| looked >= oldest))
    }

    fn weather_of(&self, township: DivisionCode, counts: impl Fn(&Patient) -> bool) -> ItemSet {
        let members = self.townships.get(&township).into_iter().flatten();
        let patients = members.filter_map(|point| self.patients.get(point)).filter(|patient| counts(patient));
        let shown: Vec<_> = patients.map(|patient| patient.diagnosis.shown()).collect();
        weather(&shown, &self.settings.rules.weather)
    }

    /// Tells the tracker, and the decoders when the opinion has changed.
    fn conclude(&mut self, point: PointCode) {
        let weather = self.township(point).and_then(|township| self.weather.get(&township).copied());
        let weather = weather.unwrap_or_default();
        let Some(patient) = self.patients.get_mut(&point) else { return };
        self.effects.findings.push(Finding::Picture(Box::new(patient.verdict(point, weather))));
        let opinion = patient.form_opinion(weather);
        let before = std::mem::replace(&mut patient.opinion, opinion);
        if before != opinion {
            self.effects.wishes.push(Wish::Opinion(point, opinion));
            if before != Opinion::Unknown || opinion != Opinion::Good {
                self.effects.wishes.push(Wish::Still(point));
            }
        }
    }

    fn township(&self, point: PointCode) -> Option<DivisionCode> {
        self.inventory.points.get(&point)?.village.ancestor(DivisionLevel::Township)
    }

    fn sky(&self, point: &Point, at: Timestamp) -> Sky {
        let position = position(&self.inventory, point).unwrap_or(self.middle);
        sky_over(self.settings.sky, Some(position), at)
    }

    fn waived(&self, framing: &Framing, now: Timestamp) -> ItemSet {
        let calendar = &self.settings.calendar;
        let midnight = calendar.window_of(calendar.day_of(now)).map_or(now, |day| day.start());
        let minute = u16::try_from(now.since(midnight).as_secs() / 60).unwrap_or(0);
        waived(&framing.waivers, now, minute)
    }
}

/// The sky over a place.
pub fn sky_over(source: SkySource, position: Option<(f64, f64)>, at: Timestamp) -> Sky {
    match source {
        SkySource::AlwaysDay => Sky::Day,
        SkySource::Sun => {
            let (longitude, latitude) = position.unwrap_or(ANYWHERE);
            Sky::at(at, longitude, latitude)
        }
    }
}

/// Longitude and latitude of a point: its own, or those of its pole.
pub fn position(inventory: &Inventory, point: &Point) -> Option<(f64, f64)> {
    let site = point.site.as_ref().and_then(|site| inventory.sites.get(site));
    let position = point.record.position.as_ref().or_else(|| site.and_then(|site| site.position.as_ref()))?;
    Some((position.longitude, position.latitude))
}

/// The middle of all recorded positions: a village network is small under the sky.
fn middle(inventory: &Inventory) -> Option<(f64, f64)> {
    let known = inventory.points.values().filter_map(|point| position(inventory, point));
    let (count, east, north) =
        known.fold((0_u32, 0.0, 0.0), |(count, east, north), (longitude, latitude)| {
            (count.saturating_add(1), east + longitude, north + latitude)
        });
    (count > 0).then(|| (east / f64::from(count), north / f64::from(count)))
}

#[cfg(test)]
mod tests;
