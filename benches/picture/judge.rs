//! Has the pictures of a camera judged as the service does, and by the usual methods beside it.

use crate::rival;
use crate::shown::Shown;
use crate::trial::{Event, Trial};
use sharpeyes::domain::picture::diagnosis::{Circumstances, PictureLook};
use sharpeyes::domain::picture::settings::Learning;
use sharpeyes::domain::picture::weather::Showing;
use sharpeyes::domain::picture::{
    Area, Areas, Baselines, Damage, Diagnosis, Features, Item, ItemSet, Mask, Pace, PerItem, Picture,
    PictureRules, Reading, Shot, Sky, StreamFacts,
};
use sharpeyes::simulate::scene::{Camera, Case, Clock, Harm, Light, Look, Size};
use std::time::{Duration, Instant};

/// Two days and five pictures of each light, as many as there are.
const LEARNING: Learning = Learning { time: Duration::from_secs(36 * 3_600), pictures: 5 };
/// What Dim light is still daylight.
const DAYLIGHT_PERCENT: u8 = 60;
/// What a bad line loses.
const LOST_OVER_SENT: f64 = 0.03;
const QUIET: StreamFacts =
    StreamFacts { lost_over_sent: Some(0.0), broken_over_decoded: Some(0.0), pace: Pace::Moving };

/// What was said of one look.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) readings: PerItem<Reading>,
    /// What the weather is told by.
    pub(super) shown: PerItem<Showing>,
    /// What the judge believes by now.
    pub(super) faults: ItemSet,
    /// What the usual methods say of this look alone.
    pub(super) rivals: ItemSet,
    pub(super) features: Option<Box<Features>>,
}

/// The judge of one camera.
#[derive(Clone, Debug)]
pub(super) struct Judge {
    diagnosis: Diagnosis,
    areas: Areas,
    mask: Mask,
    rules: PictureRules,
    before: Option<Picture>,
    /// What each picture took from the planes to the verdict.
    pub(super) costs: Vec<Duration>,
}

impl Judge {
    pub(super) fn new(case: &Case, size: Size) -> Self {
        let areas = areas(&case.camera, size);
        let mask = areas.mask();
        let rules = PictureRules { learning: LEARNING, ..PictureRules::default() };
        let diagnosis = Diagnosis::new(Baselines::new(case.learnt[0].at));
        Self { diagnosis, areas, mask, rules, before: None, costs: Vec::new() }
    }

    /// Judges every look of a trial.
    pub(super) fn judge(&mut self, trial: &Trial, shown: &[Shown]) -> Vec<Record> {
        let looks = trial.case.judged.iter().enumerate();
        looks
            .map(|(number, look)| match trial.event {
                Event::Silence => self.take(*look, Shot::Lost, QUIET),
                Event::Harm(harm) if told_by_packets(harm) => {
                    let facts = StreamFacts { lost_over_sent: Some(LOST_OVER_SENT), ..QUIET };
                    self.take(*look, Shot::Damaged(Damage::PacketsLost), facts)
                }
                Event::Flaw(..) | Event::Harm(_) | Event::Harmless(_) => self.see(*look, &shown[number]),
            })
            .collect()
    }

    /// Sees a look.
    pub(super) fn see(&mut self, look: Look, shown: &Shown) -> Record {
        let Some(picture) = shown.picture() else {
            let facts = StreamFacts { broken_over_decoded: Some(1.0), ..QUIET };
            return self.take(look, Shot::Damaged(Damage::NotDecoded), facts);
        };
        let began = Instant::now();
        let features = Box::new(Features::of(&picture, &self.areas));
        let kept = features.clone();
        let record = self.take(look, Shot::Seen(features), QUIET);
        self.costs.push(began.elapsed());
        let rivals = rival::faults(&picture, self.before.as_ref());
        self.before = Some(picture);
        Record { features: Some(kept), rivals, ..record }
    }

    fn take(&mut self, look: Look, shot: Shot, facts: StreamFacts) -> Record {
        let around = Circumstances {
            rules: &self.rules,
            mask: &self.mask,
            sky: sky(look.setting.light),
            waived: ItemSet::default(),
        };
        self.diagnosis.observe(PictureLook { at: look.at, shot, facts }, &around);
        Record {
            readings: PerItem::new(|item: Item| self.diagnosis.status(item).newest),
            shown: self.diagnosis.shown(),
            faults: self.diagnosis.faults(ItemSet::default()).map(|(item, _)| item).collect(),
            rivals: ItemSet::default(),
            features: None,
        }
    }
}

/// The parts of a camera's picture as a person marked them: the clock, beside what is left out everywhere.
fn areas(camera: &Camera, size: Size) -> Areas {
    let written = camera.overlay.areas(size);
    let thousandths = |at: i32, side: u16| u16::try_from(at * 1000 / i32::from(side)).unwrap();
    let clock = written.first().filter(|_| camera.overlay.clock == Clock::Shown).and_then(|area| {
        Area::new(
            thousandths(area.left, size.width()),
            thousandths(area.top, size.height()),
            thousandths(area.left + area.width, size.width()) + 1,
            thousandths(area.top + area.height, size.height()) + 1,
        )
    });
    Areas { clock, ..Areas::default() }
}

/// The service gives no key frame to the decoder of which a packet is missing.
const fn told_by_packets(harm: Harm) -> bool {
    match harm {
        Harm::Truncated | Harm::Holed => true,
        Harm::Flipped | Harm::Overwritten | Harm::HeadersOnly | Harm::HostileSize => false,
    }
}

/// The sky under which a light was drawn.
fn sky(light: Light) -> Sky {
    match light {
        Light::Day => Sky::Day,
        Light::Dim(percent) if percent >= DAYLIGHT_PERCENT => Sky::Day,
        Light::Dim(_) => Sky::Twilight,
        Light::Night | Light::Infrared => Sky::Night,
    }
}
