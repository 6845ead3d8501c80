//! What a point's picture looks like when it is well: learnt once for each light, then kept until a person says otherwise.
//!
//! A baseline that went on learning would take a camera that was turned away, or a window that slowly grows blind, for
//! its own.

use crate::domain::Timestamp;
use crate::domain::picture::chroma::{ColourFeatures, Hue};
use crate::domain::picture::detail::Detail;
use crate::domain::picture::feature::{Features, Levels};
use crate::domain::picture::grid::EdgeGrid;
use crate::domain::picture::median;
use crate::domain::picture::settings::Learning;
use crate::domain::picture::sky::Light;
use crate::domain::picture::stripe::StripeBands;

/// So many pictures at most are kept for their medians; of more, every second one and so on, spread over the whole time.
const SAMPLES: usize = 64;
/// The same number, to divide counts of pictures by.
const SAMPLED: u32 = 64;

/// What the picture of a point is like in one light.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// Width and height of the pictures that it was learnt from.
    pub size: (u32, u32),
    /// Pictures that it was learnt from.
    pub pictures: u32,
    /// Levels of the middle picture.
    pub levels: Levels,
    /// Colour of the middle picture.
    pub colour: ColourFeatures,
    /// Detail and noise of the middle picture.
    pub detail: Detail,
    /// The strongest stripes of any picture.
    pub stripes: StripeBands,
    /// Mean edges.
    pub edges: EdgeGrid,
}

/// What was learnt so far of a light, for a restart to go on with.
#[derive(Clone, Debug, PartialEq)]
pub struct Lesson {
    /// The light.
    pub light: Light,
    /// When its first picture was seen.
    pub since: Timestamp,
    /// The baseline as it would be by now.
    pub so_far: Baseline,
}

/// The numbers of one picture that a median is taken of.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sample {
    levels: Levels,
    colour: ColourFeatures,
    detail: Detail,
}

/// A baseline that is still being learnt.
#[derive(Clone, Debug, PartialEq)]
struct Learner {
    since: Timestamp,
    size: (u32, u32),
    pictures: u32,
    /// Every how manieth picture is kept as a sample.
    stride: u32,
    samples: Vec<Sample>,
    stripes: StripeBands,
    edges: Vec<u32>,
}

impl Learner {
    fn new(size: (u32, u32), since: Timestamp, cells: usize) -> Self {
        let (samples, edges) = (Vec::new(), vec![0; cells]);
        Self { since, size, pictures: 0, stride: 1, samples, stripes: StripeBands::NONE, edges }
    }

    /// Goes on after a restart: the middle picture stands for all that were sampled.
    fn resumed(lesson: &Lesson) -> Self {
        let Lesson {
            since, so_far: Baseline { size, pictures, levels, colour, detail, stripes, edges }, ..
        } = lesson;
        let stride = (pictures / SAMPLED).saturating_add(1).next_power_of_two();
        let sampled = usize::try_from(pictures.div_ceil(stride)).unwrap_or(SAMPLES).min(SAMPLES - 1);
        Self {
            since: *since,
            size: *size,
            pictures: *pictures,
            stride,
            samples: vec![Sample { levels: *levels, colour: *colour, detail: *detail }; sampled],
            stripes: *stripes,
            edges: edges.codes().iter().map(|code| u32::from(*code).saturating_mul(*pictures)).collect(),
        }
    }

    fn take(&mut self, features: &Features) {
        if self.pictures.is_multiple_of(self.stride) {
            let Features { levels, colour, detail, .. } = *features;
            self.samples.push(Sample { levels, colour, detail });
        }
        if self.samples.len() >= SAMPLES {
            let mut number = 0;
            self.samples.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.stride = self.stride.saturating_mul(2);
        }
        self.pictures = self.pictures.saturating_add(1);
        self.stripes = self.stripes.max(&features.stripes);
        for (sum, code) in self.edges.iter_mut().zip(features.edges.codes()) {
            *sum = sum.saturating_add((*code).into());
        }
    }

    fn is_done(&self, now: Timestamp, learning: &Learning) -> bool {
        self.pictures >= learning.pictures && now.since(self.since) >= learning.time
    }

    fn baseline(&self) -> Option<Baseline> {
        let middle =
            |part: fn(&Sample) -> f64| median(&mut self.samples.iter().map(part).collect::<Vec<_>>());
        let pictures = self.pictures.max(1);
        let mean = |sum: &u32| u8::try_from(sum.saturating_add(pictures / 2) / pictures).unwrap_or(u8::MAX);
        Some(Baseline {
            size: self.size,
            pictures: self.pictures,
            levels: Levels {
                mean: middle(|sample| sample.levels.mean)?,
                deviation: middle(|sample| sample.levels.deviation)?,
                core_deviation: middle(|sample| sample.levels.core_deviation)?,
                dark_over_all: middle(|sample| sample.levels.dark_over_all)?,
                bright_over_all: middle(|sample| sample.levels.bright_over_all)?,
            },
            colour: ColourFeatures {
                tone: self.samples.first()?.colour.tone,
                hue: Hue {
                    a: middle(|sample| sample.colour.hue.a)?,
                    b: middle(|sample| sample.colour.hue.b)?,
                },
                spread: middle(|sample| sample.colour.spread)?,
            },
            detail: Detail {
                noise: middle(|sample| sample.detail.noise)?,
                detail: middle(|sample| sample.detail.detail)?,
                coarse: middle(|sample| sample.detail.coarse)?,
                torn_over_sides: middle(|sample| sample.detail.torn_over_sides)?,
            },
            stripes: self.stripes,
            edges: EdgeGrid::from_codes(self.edges.iter().map(mean).collect())?,
        })
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Knowledge {
    Nothing,
    Learning(Box<Learner>),
    Known(Box<Baseline>),
}

/// Where a version of a point's baselines comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The first pictures of the point.
    First,
    /// A person accepted the view as it is.
    Accepted,
    /// A person had it learnt anew.
    Reset,
}

impl Origin {
    /// Every origin.
    pub const ALL: [Self; 3] = [Self::First, Self::Accepted, Self::Reset];

    /// The word used in SQL and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Accepted => "accepted",
            Self::Reset => "reset",
        }
    }
}

/// The baselines of a point, one for each light. A version never changes what it knows, it only learns what it did not.
#[derive(Clone, Debug, PartialEq)]
pub struct Baselines {
    version: u32,
    origin: Origin,
    since: Timestamp,
    lights: [(Light, Knowledge); Light::ALL.len()],
}

impl Baselines {
    /// The first version of a point: nothing is known.
    pub fn new(since: Timestamp) -> Self {
        Self::restored(1, Origin::First, since, [])
    }

    /// A version as it was kept, with what it knew.
    pub fn restored(
        version: u32,
        origin: Origin,
        since: Timestamp,
        known: impl IntoIterator<Item = (Light, Baseline)>,
    ) -> Self {
        let mut lights = Light::ALL.map(|light| (light, Knowledge::Nothing));
        for (light, baseline) in known {
            if let Some((_, knowledge)) = lights.iter_mut().find(|(own, _)| *own == light) {
                *knowledge = Knowledge::Known(Box::new(baseline));
            }
        }
        Self { version, origin, since, lights }
    }

    /// The version; grows with each word of a person.
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// Where the version comes from.
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// Since when it holds.
    pub const fn since(&self) -> Timestamp {
        self.since
    }

    /// The baseline of a light, when it is known.
    pub fn of(&self, light: Light) -> Option<&Baseline> {
        self.known().find(|(own, _)| *own == light).map(|(_, baseline)| baseline)
    }

    /// Every known baseline.
    pub fn known(&self) -> impl Iterator<Item = (Light, &Baseline)> {
        self.lights.iter().filter_map(|(light, knowledge)| match knowledge {
            Knowledge::Known(baseline) => Some((*light, &**baseline)),
            Knowledge::Nothing | Knowledge::Learning(_) => None,
        })
    }

    /// What is being learnt, to be kept over a restart.
    pub fn lessons(&self) -> impl Iterator<Item = Lesson> {
        self.lights.iter().filter_map(|(light, knowledge)| match knowledge {
            Knowledge::Learning(learner) => {
                let so_far = learner.baseline()?;
                Some(Lesson { light: *light, since: learner.since, so_far })
            }
            Knowledge::Nothing | Knowledge::Known(_) => None,
        })
    }

    /// Goes on with a lesson that was kept, unless its light is known.
    pub fn resume(&mut self, lesson: &Lesson) {
        for (light, knowledge) in &mut self.lights {
            if *light == lesson.light && *knowledge == Knowledge::Nothing {
                *knowledge = Knowledge::Learning(Box::new(Learner::resumed(lesson)));
            }
        }
    }

    /// The noise of the night, when sensors are noisiest; by day where no night was learnt yet.
    pub fn night_noise(&self) -> Option<f64> {
        let noisiest = |is_night: bool| {
            let of_kind = self.known().filter(|(light, _)| light.is_night() == is_night);
            of_kind.map(|(_, baseline)| baseline.detail.noise).max_by(f64::total_cmp)
        };
        noisiest(true).or_else(|| noisiest(false))
    }

    /// Learns from a picture in which nothing was wrong, unless its light is known. Tells the light of which the baseline
    /// is known from now on.
    pub fn learn(
        &mut self,
        features: &Features,
        light: Light,
        now: Timestamp,
        learning: &Learning,
    ) -> Option<Light> {
        let (_, knowledge) = self.lights.iter_mut().find(|(own, _)| *own == light)?;
        let mut learner = match std::mem::replace(knowledge, Knowledge::Nothing) {
            known @ Knowledge::Known(_) => {
                *knowledge = known;
                return None;
            }
            Knowledge::Learning(learner) if learner.size == features.size => learner,
            Knowledge::Learning(_) | Knowledge::Nothing => {
                Box::new(Learner::new(features.size, now, features.edges.codes().len()))
            }
        };
        learner.take(features);
        let done = learner.is_done(now, learning).then(|| learner.baseline()).flatten();
        let learnt = done.as_ref().map(|_| light);
        *knowledge = done
            .map_or_else(|| Knowledge::Learning(learner), |baseline| Knowledge::Known(Box::new(baseline)));
        learnt
    }

    /// A person accepted the view as `features` show it: the next version. The other lights show another view than
    /// before and are learnt anew.
    #[must_use]
    pub fn accepted(&self, features: &Features, light: Light, now: Timestamp) -> Self {
        let mut learner = Learner::new(features.size, now, features.edges.codes().len());
        learner.take(features);
        let known = learner.baseline().map(|baseline| (light, baseline));
        Self::restored(self.version.saturating_add(1), Origin::Accepted, now, known)
    }

    /// A person wants everything learnt anew: the next version.
    #[must_use]
    pub fn reset(&self, now: Timestamp) -> Self {
        Self::restored(self.version.saturating_add(1), Origin::Reset, now, [])
    }

    /// The same baselines on a clock that was stepped.
    pub fn shift(&mut self, step_ms: i64) {
        self.since = self.since.shifted(step_ms);
        for (_, knowledge) in &mut self.lights {
            if let Knowledge::Learning(learner) = knowledge {
                learner.since = learner.since.shifted(step_ms);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::picture::scene;
    use proptest::prelude::{ProptestConfig, prop, prop_assert, prop_assert_eq, proptest};
    use std::time::Duration;

    const LEARNING: Learning = Learning { time: Duration::from_secs(600), pictures: 4 };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(second)
    }

    fn features(level: u8) -> Features {
        let picture = scene::picture((640, 360), |_, _| level, |_, _| (128, 128));
        Features::of(&picture, &crate::domain::picture::Areas::default())
    }

    /// Learns from pictures `(second, level)`; gives the mean level that is known in the end.
    fn check(pictures: &[(i64, u8)], expected: Option<f64>) {
        let mut baselines = Baselines::new(at(0));
        for (second, level) in pictures {
            baselines.learn(&features(*level), Light::Infrared, at(*second), &LEARNING);
        }
        let known = baselines.of(Light::Infrared).map(|baseline| baseline.levels.mean);
        assert_eq!(known, expected, "{pictures:?}");
        assert_eq!(baselines.of(Light::Day), None);
    }

    #[test]
    fn a_baseline_needs_pictures_and_time_and_then_stays() {
        check(&[(0, 40), (1, 40), (2, 40), (3, 40)], None);
        check(&[(0, 40), (900, 40)], None);
        check(&[(0, 40), (1, 50), (2, 40), (600, 40)], Some(40.0));
        check(&[(0, 40), (1, 50), (2, 40), (600, 40), (700, 200), (800, 200), (9_000, 200)], Some(40.0));
    }

    #[test]
    fn a_picture_of_another_size_starts_the_learning_anew() {
        let mut baselines = Baselines::new(at(0));
        let other = Features { size: (704, 576), ..features(90) };
        for second in [0, 100, 200] {
            assert_eq!(baselines.learn(&features(40), Light::Day, at(second), &LEARNING), None);
        }
        for second in [300, 400, 500, 899] {
            assert_eq!(baselines.learn(&other, Light::Day, at(second), &LEARNING), None);
        }
        assert_eq!(baselines.learn(&other, Light::Day, at(900), &LEARNING), Some(Light::Day));
        assert_eq!(baselines.of(Light::Day).map(|baseline| baseline.size), Some((704, 576)));
    }

    #[test]
    fn a_person_accepts_or_resets_and_makes_a_version() {
        let mut first = Baselines::new(at(0));
        for second in [0, 1, 2, 600] {
            first.learn(&features(40), Light::Day, at(second), &LEARNING);
            first.learn(&features(20), Light::Infrared, at(second), &LEARNING);
        }
        let accepted = first.accepted(&features(90), Light::Day, at(700));
        assert_eq!((accepted.version(), accepted.origin(), accepted.since()), (2, Origin::Accepted, at(700)));
        assert_eq!(accepted.of(Light::Day).map(|baseline| baseline.levels.mean), Some(90.0));
        assert_eq!(accepted.of(Light::Infrared), None);
        let reset = accepted.reset(at(800));
        assert_eq!((reset.version(), reset.origin(), reset.known().count()), (3, Origin::Reset, 0));
    }

    #[test]
    fn a_version_that_was_kept_is_the_same() {
        let mut learnt = Baselines::new(at(0));
        for second in [0, 1, 2, 600] {
            learnt.learn(&features(40), Light::Day, at(second), &LEARNING);
        }
        let known: Vec<(Light, Baseline)> =
            learnt.known().map(|(light, baseline)| (light, baseline.clone())).collect();
        assert_eq!(Baselines::restored(1, Origin::First, at(0), known), learnt);
    }

    #[test]
    fn learning_goes_on_after_a_restart() {
        let mut before = Baselines::new(at(0));
        for second in [0, 100, 200] {
            before.learn(&features(40), Light::Day, at(second), &LEARNING);
        }
        let mut after = Baselines::new(at(0));
        before.lessons().for_each(|lesson| after.resume(&lesson));
        assert_eq!(after.learn(&features(40), Light::Day, at(600), &LEARNING), Some(Light::Day));
        before.learn(&features(40), Light::Day, at(600), &LEARNING);
        assert_eq!(after.of(Light::Day), before.of(Light::Day));
        assert_eq!(after.lessons().count(), 0);
    }

    #[test]
    fn the_night_is_noisier_than_the_day() {
        let with_noise = |light, noise| {
            let mut learner = Learner::new((640, 360), at(0), features(40).edges.codes().len());
            learner.take(&features(40));
            let mut baseline = learner.baseline().unwrap();
            baseline.detail.noise = noise;
            (light, baseline)
        };
        let check = |known: &[(Light, f64)], expected| {
            let known: Vec<_> = known.iter().map(|(light, noise)| with_noise(*light, *noise)).collect();
            assert_eq!(Baselines::restored(1, Origin::First, at(0), known).night_noise(), expected);
        };
        check(&[], None);
        check(&[(Light::Day, 1.0)], Some(1.0));
        check(&[(Light::Day, 5.0), (Light::Night, 2.0), (Light::Infrared, 3.0)], Some(3.0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn learning_is_bounded_and_lies_between_what_was_seen(levels in prop::collection::vec(0..=255_u8, 1..300)) {
            let seen: Vec<Features> = [0, 60, 120, 250].into_iter().map(features).collect();
            let mut learner = Learner::new((640, 360), at(0), seen[0].edges.codes().len());
            for level in &levels {
                learner.take(&seen[usize::from(*level) % 4]);
            }
            prop_assert!(learner.samples.len() < SAMPLES);
            let baseline = learner.baseline().unwrap();
            prop_assert_eq!(usize::try_from(baseline.pictures).unwrap(), levels.len());
            prop_assert!((0.0..=250.0).contains(&baseline.levels.mean));
        }
    }
}
