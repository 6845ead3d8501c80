//! The picture of one point over time: which item is believed, since when, and what its baselines learn.
//!
//! An item is believed after enough rounds over enough time, back-dated to the first of them, and ends after enough
//! rounds without it. A round that could not check it changes nothing: a camera that was turned away by day is not
//! turned back by night.

use crate::domain::Timestamp;
use crate::domain::picture::area::Mask;
use crate::domain::picture::baseline::Baselines;
use crate::domain::picture::check::{Checkup, Context, Reading, Standing, check};
use crate::domain::picture::feature::Features;
use crate::domain::picture::settings::{PictureRules, Rule};
use crate::domain::picture::shift::Series;
use crate::domain::picture::sky::{Light, Sky};
use crate::domain::picture::weather::Showing;
use crate::domain::picture::{Grade, Item, ItemSet, PerItem, Shot, Skip, StreamFacts};
use crate::domain::streak::Streak;

/// One look at a point's picture.
#[derive(Clone, Debug, PartialEq)]
pub struct PictureLook {
    /// When the look began.
    pub at: Timestamp,
    /// What came of it.
    pub shot: Shot,
    /// What packets and decoder tell.
    pub facts: StreamFacts,
}

/// What is known of the point and its surroundings at a look.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The limits.
    pub rules: &'a PictureRules,
    /// What is left out of the picture.
    pub mask: &'a Mask,
    /// The sky.
    pub sky: Sky,
    /// Items that a person does not want checked now.
    pub waived: ItemSet,
}

/// What is known of an item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Status {
    /// What is believed.
    pub grade: Grade,
    /// Since when; `None` as long as nothing is.
    pub since: Option<Timestamp>,
    /// What the newest look said.
    pub newest: Reading,
}

impl Status {
    /// Nobody looks.
    pub const OFF: Self =
        Self { grade: Grade::NotChecked(Skip::Off), since: None, newest: Reading::skipped(Skip::Off) };
}

/// An item with the rounds that do not agree with it yet.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Believed {
    status: Status,
    /// Consecutive rounds with a warning or worse, and those of them that were abnormal.
    faulty: Option<Streak>,
    abnormal: Option<Streak>,
    /// Consecutive rounds that were milder than what is believed, and those of them without a fault.
    milder: Option<Streak>,
    clean: Option<Streak>,
}

/// The diagnosis of one point.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnosis {
    baselines: Baselines,
    items: PerItem<Believed>,
    latest: Option<Latest>,
    /// Whether the newest look gave a picture, which is the latest then.
    was_seen: bool,
    series: Series,
}

/// Why the newest picture cannot be accepted as how the point shall look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    /// No picture of the point was seen since start.
    #[error("no picture of the point was seen yet")]
    NoPicture,
    /// The newest look gave no picture that could be judged.
    #[error("the newest look at the point gave no picture")]
    NotSeen,
    /// It shows how the point looked some time ago.
    #[error("the newest picture of the point is too old")]
    Old,
    /// It looks like neither day nor night.
    #[error("the newest picture of the point was taken at dawn or dusk")]
    Twilight,
    /// It shows nothing.
    #[error("the newest picture of the point is black or of one colour")]
    Blank,
}

/// The newest picture, and since when it has been the same.
#[derive(Clone, Debug, PartialEq)]
struct Latest {
    features: Box<Features>,
    sky: Sky,
    light: Light,
    taken: Timestamp,
    unchanged: Unchanged,
}

/// Since when nothing has changed in the picture outside the mask, and in the clock where it is known where that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unchanged {
    picture: Timestamp,
    clock: Option<Timestamp>,
}

impl Diagnosis {
    /// Begins with baselines; nothing is checked yet.
    pub fn new(baselines: Baselines) -> Self {
        Self {
            baselines,
            items: PerItem::new(|_| Believed::UNCHECKED),
            latest: None,
            was_seen: false,
            series: Series::default(),
        }
    }

    /// Goes on with what was believed before a restart: it holds until looks say otherwise.
    #[must_use]
    pub fn believing(mut self, kept: impl IntoIterator<Item = (Item, Grade, Timestamp)>) -> Self {
        for (item, grade, since) in kept {
            self.items.of_mut(item).believe(grade, since);
        }
        self
    }

    /// Takes a look. Tells the light of which the baseline is known from now on, for it to be kept.
    pub fn observe(&mut self, look: PictureLook, around: &Circumstances<'_>) -> Option<Light> {
        let PictureLook { at, shot, facts } = look;
        let unchanged = match &shot {
            Shot::Seen(features) => Some(self.unchanged(features, at, around.mask)),
            Shot::Damaged(_) | Shot::Lost => None,
        };
        let context = Context {
            rules: around.rules,
            baselines: &self.baselines,
            mask: around.mask,
            sky: around.sky,
            waived: around.waived,
            standing: self.standing(unchanged.as_ref(), at),
            series: &self.series,
            at,
        };
        let Checkup { readings, lean } = check(&shot, &facts, &context);
        if let Some(lean) = lean {
            self.series.add(at, lean);
        }
        for ((item, believed), (_, reading)) in self.items.iter_mut().zip(readings.iter()) {
            let rule = around.rules.items.of(item).unwrap_or(Rule::of(item));
            believed.observe(*reading, at, &rule);
        }
        self.was_seen = unchanged.is_some();
        let (Shot::Seen(features), Some(unchanged)) = (shot, unchanged) else { return None };
        let light = Light::of(features.tone(), around.sky);
        let learnt = if is_sound(&readings, around.sky) {
            self.baselines.learn(&features, light, at, &around.rules.learning)
        } else {
            None
        };
        self.latest = Some(Latest { features, sky: around.sky, light, taken: at, unchanged });
        learnt
    }

    /// Since when a new picture has been the same as those before it.
    fn unchanged(&self, features: &Features, at: Timestamp, mask: &Mask) -> Unchanged {
        let mut unchanged = Unchanged { picture: at, clock: None };
        if let Some(before) = &self.latest {
            let (old, new) = (&before.features.imprint, &features.imprint);
            if old.is_same(new, mask) == Some(true) {
                unchanged.picture = before.unchanged.picture;
            }
            unchanged.clock = old
                .has_same_clock(new)
                .map(|same| if same { before.unchanged.clock.unwrap_or(before.taken) } else { at });
        }
        unchanged
    }

    /// For how long nothing has changed. The first picture says nothing.
    fn standing(&self, unchanged: Option<&Unchanged>, at: Timestamp) -> Standing {
        let Some(unchanged) = unchanged.filter(|_| self.latest.is_some()) else { return Standing::default() };
        Standing {
            picture: Some(at.since(unchanged.picture)),
            clock: unchanged.clock.map(|since| at.since(since)),
        }
    }

    /// Every item.
    pub fn items(&self) -> PerItem<Status> {
        PerItem::new(|item| *self.status(item))
    }

    /// The items, the worst first.
    pub fn statuses(&self) -> impl Iterator<Item = (Item, &Status)> {
        self.items.iter().map(|(item, believed)| (item, &believed.status))
    }

    /// The status of one item.
    pub const fn status(&self, item: Item) -> &Status {
        &self.items.of(item).status
    }

    /// What the newest look saw, believed or not, and where it could not be checked what is believed: what the weather is
    /// told by.
    pub fn shown(&self) -> PerItem<Showing> {
        PerItem::new(|item| self.items.of(item).shown())
    }

    /// Forgets what is believed of some items, and what speaks for it. They were weather: what they show from now on is held
    /// against the point from now on.
    pub fn forget(&mut self, items: ItemSet) {
        items.iter().for_each(|item| *self.items.of_mut(item) = Believed::UNCHECKED);
    }

    /// The believed faults that are not weather, the worst first.
    pub fn faults(&self, weather: ItemSet) -> impl Iterator<Item = (Item, &Status)> {
        self.statuses().filter(move |(item, status)| status.grade.is_fault() && !weather.contains(*item))
    }

    /// The baselines.
    pub const fn baselines(&self) -> &Baselines {
        &self.baselines
    }

    /// A person accepts the newest picture, taken at `oldest` or later, as the point's view. What was held against the old
    /// view is forgotten.
    pub fn accept(&mut self, oldest: Timestamp, now: Timestamp) -> Result<&Baselines, Unacceptable> {
        let latest = self.acceptable(oldest)?;
        self.baselines = self.baselines.accepted(&latest.features, latest.light, now);
        self.forget_compared();
        Ok(&self.baselines)
    }

    /// The newest picture, when a baseline may be made of it: that would hide for ever what is wrong with it.
    fn acceptable(&self, oldest: Timestamp) -> Result<&Latest, Unacceptable> {
        let latest = self.latest.as_ref().ok_or(Unacceptable::NoPicture)?;
        if !self.was_seen {
            Err(Unacceptable::NotSeen)
        } else if latest.taken < oldest {
            Err(Unacceptable::Old)
        } else if latest.sky == Sky::Twilight {
            Err(Unacceptable::Twilight)
        } else if self.status(Item::Blank).newest.grade.is_fault() {
            Err(Unacceptable::Blank)
        } else {
            Ok(latest)
        }
    }

    /// A person wants the baselines learnt anew.
    pub fn reset(&mut self, now: Timestamp) -> &Baselines {
        self.baselines = self.baselines.reset(now);
        self.forget_compared();
        &self.baselines
    }

    fn forget_compared(&mut self) {
        self.series = Series::default();
        for (_, believed) in self.items.iter_mut().filter(|(item, _)| item.needs_baseline()) {
            *believed = Believed::UNCHECKED;
        }
    }

    /// Moves the remembered instants along with a stepped clock.
    pub fn shift(&mut self, step_ms: i64) {
        self.baselines.shift(step_ms);
        self.series.shift(step_ms);
        for (_, believed) in self.items.iter_mut() {
            believed.shift(step_ms);
        }
        if let Some(latest) = &mut self.latest {
            latest.taken = latest.taken.shifted(step_ms);
            latest.unchanged.picture = latest.unchanged.picture.shifted(step_ms);
            if let Some(since) = &mut latest.unchanged.clock {
                *since = since.shifted(step_ms);
            }
        }
    }
}

/// Whether a picture may be learnt from: none that shows a fault, even against the baseline of another light (one that is too
/// dark has lost its colour), and none of dawn or dusk, which looks like neither day nor night.
fn is_sound(readings: &PerItem<Reading>, sky: Sky) -> bool {
    sky != Sky::Twilight && !readings.iter().any(|(_, reading)| reading.grade.is_fault())
}

impl Believed {
    const UNCHECKED: Self = Self {
        status: Status {
            grade: Grade::NotChecked(Skip::NotMeasured),
            since: None,
            newest: Reading::skipped(Skip::NotMeasured),
        },
        faulty: None,
        abnormal: None,
        milder: None,
        clean: None,
    };

    fn observe(&mut self, reading: Reading, at: Timestamp, rule: &Rule) {
        self.status.newest = reading;
        match reading.grade {
            Grade::NotChecked(skip) => return self.skip(skip),
            Grade::Normal => {
                (self.faulty, self.abnormal) = (None, None);
                Streak::lengthen(&mut self.clean, at);
            }
            Grade::Warning => {
                (self.clean, self.abnormal) = (None, None);
                lengthen(&mut self.faulty, &reading, at);
            }
            Grade::Abnormal => {
                self.clean = None;
                lengthen(&mut self.faulty, &reading, at);
                lengthen(&mut self.abnormal, &reading, at);
            }
        }
        if rank(reading.grade) < rank(self.status.grade) {
            Streak::lengthen(&mut self.milder, at);
        } else {
            self.milder = None;
        }
        self.decide(rule);
    }

    /// An item that is not to be checked, or has nothing to be held against, is not believed any longer. One that only could
    /// not be checked this time stays as it is.
    fn skip(&mut self, skip: Skip) {
        let newest = self.status.newest;
        if !skip.leaves_belief() {
            *self = Self { status: Status { grade: newest.grade, since: None, newest }, ..Self::UNCHECKED };
        } else if let Grade::NotChecked(_) = self.status.grade {
            self.status.grade = newest.grade;
        }
    }

    fn shown(&self) -> Showing {
        let Status { grade, since, newest } = self.status;
        match newest.grade {
            Grade::NotChecked(skip) if skip.leaves_belief() => Showing { grade, since },
            Grade::Warning | Grade::Abnormal if !grade.is_fault() => {
                Showing { grade: newest.grade, since: self.faulty.map(|faulty| faulty.first) }
            }
            Grade::NotChecked(_) | Grade::Normal | Grade::Warning | Grade::Abnormal => {
                Showing { grade: newest.grade, since }
            }
        }
    }

    fn decide(&mut self, rule: &Rule) {
        let confirmed = |streak: &Streak| streak.confirms(rule.rounds, rule.least_time);
        let cleared = |streak: &Streak| streak.count >= rule.clear_rounds;
        let believed = rank(self.status.grade);
        if let Some(abnormal) = self.abnormal.filter(confirmed).filter(|_| believed < rank(Grade::Abnormal)) {
            self.believe(Grade::Abnormal, abnormal.first);
        } else if let Some(faulty) = self.faulty.filter(confirmed).filter(|_| believed < rank(Grade::Warning))
        {
            self.believe(Grade::Warning, faulty.first);
        } else if let Some(clean) =
            self.clean.filter(|clean| believed == 0 || (believed > 1 && cleared(clean)))
        {
            self.believe(Grade::Normal, clean.first);
        } else if let Some(milder) = self.milder.filter(cleared) {
            self.believe(Grade::Warning, milder.first);
        }
    }

    fn believe(&mut self, grade: Grade, since: Timestamp) {
        self.status.grade = grade;
        self.status.since = Some(since);
        self.milder = None;
    }

    fn shift(&mut self, step_ms: i64) {
        if let Some(since) = &mut self.status.since {
            *since = since.shifted(step_ms);
        }
        for streak in
            [&mut self.faulty, &mut self.abnormal, &mut self.milder, &mut self.clean].into_iter().flatten()
        {
            *streak = streak.shifted(step_ms);
        }
    }
}

/// Adds a round to a streak; the first one began as long ago as it has lasted.
fn lengthen(streak: &mut Option<Streak>, reading: &Reading, at: Timestamp) {
    match streak {
        Some(_) => Streak::lengthen(streak, at),
        None => *streak = Some(Streak { first: at.minus(reading.lasting), ..Streak::starting(at) }),
    }
}

/// How bad a grade is: nothing known, normal, warning, abnormal.
const fn rank(grade: Grade) -> u8 {
    match grade {
        Grade::NotChecked(_) => 0,
        Grade::Normal => 1,
        Grade::Warning => 2,
        Grade::Abnormal => 3,
    }
}

#[cfg(test)]
mod tests;
