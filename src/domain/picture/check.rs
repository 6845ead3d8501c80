//! The checks: what one look says about each item, held against the point's own baseline.
//!
//! Knows one look only. Whether it is believed is the question of `diagnosis`, whether it is weather that of `weather`.

use crate::domain::Timestamp;
use crate::domain::picture::area::Mask;
use crate::domain::picture::baseline::{Baseline, Baselines};
use crate::domain::picture::chroma::Tone;
use crate::domain::picture::detail::{added_by_noise, detail_left};
use crate::domain::picture::feature::Features;
use crate::domain::picture::settings::{PictureRules, Rule};
use crate::domain::picture::shift::{Correlation, Series, Shift};
use crate::domain::picture::sky::{Light, Sky};
use crate::domain::picture::{
    Damage, Grade, Item, ItemSet, Pace, PerItem, Shot, Skip, StreamFacts, count, share,
};
use std::time::Duration;

/// A baseline with less detail than this cannot lose any: a sharp picture of little texture has 33-40, a useless one 0.5
/// to 1.7 (domain.md 3.4).
const LEAST_DETAIL: f64 = 5.0;
/// A picture whose levels spread by less than this share of the baseline's is fog or dusk: coders leave little of the detail
/// in so little contrast, sharp or not. Drawn fog and dusk have 0.3 to 0.65 of it, blurred pictures 0.85 to 1.
const LEAST_DEVIATION: f64 = 0.7;
/// Night noise is taken to be at least this: where there is less, the coder took it, and lets more pass another time. Not
/// measured on real cameras.
const LEAST_NIGHT_NOISE: f64 = 2.0;
/// A block has edges when the mean step between its pixels is at least this many levels, as a soft edge through it gives.
/// Not measured on real cameras.
const LEAST_EDGE: f64 = 3.0;
/// A block lost its edges when less than this share of them is left. Not measured on real cameras.
const EDGE_LEFT: f64 = 0.3;
/// Fewer blocks with edges than this, of 144, show nothing that could be covered.
const LEAST_BLOCKS: usize = 12;
/// How much all edges may weaken together before it counts as lost edges: fog and dusk do it to all blocks, a cover to some.
const LEAST_COMMON: f64 = 0.15;
/// A cover leaves at least this much of the edges beside it; what leaves less is a blur.
const COVER_LEAVES: f64 = 0.5;
/// Lines of the baseline that stand out less than this are chance.
const USUAL_LINE: f64 = 3.0;
/// Of a hidden or blurred middle less than this share of the detail is left: blurs of four pixels leave 0.02.
const DETAIL_HIDDEN: f64 = 0.1;
/// What hides the middle half of the picture from one side hides as much beside it.
const MIDDLE: f64 = 0.5;
/// What all blocks share is read at this fifth of them from the top, so that a cover of up to 80 % leaves it alone.
const COMMON_RANK: (usize, usize) = (4, 5);

/// What is known beside the look.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The limits.
    pub rules: &'a PictureRules,
    /// The point's own pictures.
    pub baselines: &'a Baselines,
    /// What is left out.
    pub mask: &'a Mask,
    /// The sky over the point.
    pub sky: Sky,
    /// Items that a person does not want checked now.
    pub waived: ItemSet,
    /// For how long the picture has stood still.
    pub standing: Standing,
    /// How the pictures before leaned.
    pub series: &'a Series,
    /// When the look began.
    pub at: Timestamp,
}

/// What came of checking one look.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkup {
    /// What it says about each item.
    pub readings: PerItem<Reading>,
    /// How the picture leans against its baseline, for the series; none of a look without a picture by daylight that could
    /// be held against one.
    pub lean: Option<Option<Shift>>,
}

/// For how long nothing has changed; `None` when there is nothing to compare with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// In the picture outside the mask.
    pub picture: Option<Duration>,
    /// In the clock that the camera writes.
    pub clock: Option<Duration>,
}

/// What one look says about an item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// How bad it is.
    pub grade: Grade,
    /// What was measured.
    pub value: Option<f64>,
    /// The limit that it was held against: the one that it crossed, else the first that it would cross.
    pub threshold: Option<f64>,
    /// For how long it has been so already: what is believed is back-dated by it.
    pub lasting: Duration,
}

impl Reading {
    /// An item that was not checked.
    pub const fn skipped(skip: Skip) -> Self {
        Self::plain(Grade::NotChecked(skip))
    }

    const fn plain(grade: Grade) -> Self {
        Self { grade, value: None, threshold: None, lasting: Duration::ZERO }
    }

    /// Holds a value against its limits; `crosses` tells when it is beyond one.
    fn held(value: f64, rule: &Rule, crosses: fn(f64, f64) -> bool) -> Self {
        let crossed = |limit: &f64| crosses(value, *limit);
        let (grade, threshold) = if let Some(alarm) = rule.alarm.filter(crossed) {
            (Grade::Abnormal, Some(alarm))
        } else if let Some(warning) = rule.warning.filter(crossed) {
            (Grade::Warning, Some(warning))
        } else {
            (Grade::Normal, rule.warning.or(rule.alarm))
        };
        Self { value: Some(value), threshold, ..Self::plain(grade) }
    }

    fn above(value: f64, rule: &Rule) -> Self {
        Self::held(value, rule, |value, limit| value > limit)
    }

    fn below(value: f64, rule: &Rule) -> Self {
        Self::held(value, rule, |value, limit| value < limit)
    }
}

type Checked = Result<Reading, Skip>;

/// Items that another one explains: what is seen of them says nothing of its own.
const EXPLAINS: [(Item, &[Item]); 9] = [
    (
        Item::Blank,
        &[
            Item::Frozen,
            Item::Covered,
            Item::Moved,
            Item::Blurred,
            Item::TooDark,
            Item::TooBright,
            Item::Noise,
            Item::Stripes,
            Item::ColourCast,
            Item::Shaking,
        ],
    ),
    (Item::TooDark, &[Item::Covered, Item::Moved, Item::Blurred, Item::ColourCast]),
    (Item::TooBright, &[Item::Covered, Item::Moved, Item::Blurred, Item::ColourCast]),
    (
        Item::Damaged,
        &[Item::Covered, Item::Moved, Item::Blurred, Item::Noise, Item::Stripes, Item::ColourCast],
    ),
    (Item::Moved, &[Item::Covered, Item::Blurred, Item::Noise, Item::Stripes, Item::ColourCast]),
    (Item::Covered, &[Item::Moved, Item::Blurred, Item::Stripes, Item::ColourCast]),
    (Item::Blurred, &[Item::Covered, Item::Moved, Item::Stripes]),
    (Item::Noise, &[Item::Moved]),
    (Item::ColourCast, &[Item::Noise]),
];

/// Checks every item of one look.
pub fn check(shot: &Shot, facts: &StreamFacts, context: &Context<'_>) -> Checkup {
    let view = match shot {
        Shot::Seen(features) => Some(View::new(features, context)),
        Shot::Damaged(_) | Shot::Lost => None,
    };
    let checked = |item: Item| -> Checked {
        let rule = context.rules.items.of(item).as_ref().ok_or(Skip::Off)?;
        if context.waived.contains(item) {
            return Err(Skip::Waived);
        }
        match item {
            Item::SignalLost => {
                Ok(Reading::plain(if *shot == Shot::Lost { Grade::Abnormal } else { Grade::Normal }))
            }
            Item::Damaged => damaged(shot, facts, view.as_ref(), rule),
            Item::Frozen => frozen(facts, context.standing, rule),
            Item::Blank
            | Item::Covered
            | Item::Moved
            | Item::Blurred
            | Item::TooDark
            | Item::TooBright
            | Item::Noise
            | Item::Stripes
            | Item::ColourCast
            | Item::Shaking => view.as_ref().ok_or(Skip::NoPicture)?.check(item, rule),
        }
    };
    let mut readings = PerItem::new(|item| checked(item).unwrap_or_else(Reading::skipped));
    if let Some(view) = &view {
        explain(&mut readings, view);
    }
    Checkup { readings, lean: view.and_then(|view| view.lean) }
}

fn explain(readings: &mut PerItem<Reading>, view: &View<'_>) {
    for (item, explained) in EXPLAINS {
        if view.shows(item) && readings.of(item).grade.is_fault() {
            for (_, reading) in readings
                .iter_mut()
                .filter(|(other, reading)| explained.contains(other) && reading.grade.is_fault())
            {
                *reading = Reading::skipped(Skip::Explained(item));
            }
        }
    }
}

/// Packets and decoder tell first; what they did not notice shows in the picture.
fn damaged(shot: &Shot, facts: &StreamFacts, view: Option<&View<'_>>, rule: &Rule) -> Checked {
    let broken = match shot {
        Shot::Damaged(Damage::NotDecoded) => Some(facts.broken_over_decoded.unwrap_or(1.0)),
        Shot::Seen(_) | Shot::Damaged(Damage::PacketsLost) | Shot::Lost => facts.broken_over_decoded,
    };
    let worst = facts.lost_over_sent.into_iter().chain(broken).reduce(f64::max);
    let told = worst.map(|worst| Reading::above(worst, rule)).ok_or(Skip::NotMeasured);
    match told {
        Ok(told) if told.grade.is_fault() => Ok(told),
        Ok(_) | Err(_) => view.and_then(View::torn).map_or(told, Ok),
    }
}

fn frozen(facts: &StreamFacts, standing: Standing, rule: &Rule) -> Checked {
    if facts.pace == Pace::Stopped {
        return Ok(Reading::plain(Grade::Abnormal));
    }
    let longest = standing.picture.max(standing.clock).ok_or(Skip::NotMeasured)?;
    let reading = Reading::held(longest.as_secs_f64(), rule, |value, limit| value >= limit);
    Ok(Reading { lasting: longest, ..reading })
}

/// Where the camera looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    /// Where it always did.
    Same,
    /// Beside it.
    Shifted,
    /// Somewhere else, or something hides it.
    Elsewhere,
    /// It cannot be said.
    Unclear,
}

/// A picture with the baseline of its light.
struct View<'a> {
    features: &'a Features,
    baseline: Result<&'a Baseline, Skip>,
    /// By day the same sun shines without colour as well: a grey cover takes the colour from a picture.
    view: Result<&'a Baseline, Skip>,
    /// How bright it is here can be told by the other tone as well: a picture without light has no colour either.
    brightness: Result<&'a Baseline, Skip>,
    shift: Option<Shift>,
    lean: Option<Option<Shift>>,
    context: &'a Context<'a>,
}

impl<'a> View<'a> {
    fn new(features: &'a Features, context: &'a Context<'a>) -> Self {
        let light = Light::of(features.tone(), context.sky);
        let known = |light: Light| match context.baselines.of(light) {
            None => Err(Skip::Learning),
            Some(baseline) if baseline.size != features.size => Err(Skip::Resized),
            Some(baseline) => Ok(baseline),
        };
        let baseline = known(light);
        let brightness = baseline.or_else(|skip| known(light.other_tone()).map_err(|_other_skip| skip));
        let view = if context.sky == Sky::Day { brightness } else { baseline };
        let correlation = match (context.sky, view) {
            (Sky::Day, Ok(baseline)) => Correlation::between(&baseline.edges, &features.edges, context.mask),
            (Sky::Day | Sky::Twilight | Sky::Night, _) => None,
        };
        let shift = correlation.as_ref().and_then(Correlation::shift);
        let lean = correlation.as_ref().map(Correlation::lean);
        Self { features, baseline, view, brightness, shift, lean, context }
    }

    fn check(&self, item: Item, rule: &Rule) -> Checked {
        match item {
            Item::Blank => self.blank(rule),
            Item::Covered => self.covered(rule),
            Item::Moved => self.moved(rule),
            Item::Blurred => self.blurred(rule),
            Item::TooDark => {
                self.unlike(rule, |view, baseline| (view.levels.dark_over_all, baseline.levels.dark_over_all))
            }
            Item::TooBright => self.unlike(rule, |view, baseline| {
                (view.levels.bright_over_all, baseline.levels.bright_over_all)
            }),
            Item::Noise => self.noise(rule),
            Item::Stripes => self.stripes(rule),
            Item::ColourCast => self.colour_cast(rule),
            Item::Shaking => self.shaking(rule),
            Item::SignalLost | Item::Frozen | Item::Damaged => Err(Skip::NotMeasured),
        }
    }

    /// The levels do not spread; a little more may be the noise of a black picture.
    fn blank(&self, rule: &Rule) -> Checked {
        if self.context.mask.is_whole() {
            return Err(Skip::Featureless);
        }
        let levels = &self.features.levels;
        let PictureRules { black_mean, black_deviation, .. } = *self.context.rules;
        Ok(if levels.mean < black_mean && levels.deviation < black_deviation {
            Reading::below(levels.deviation, &Rule { alarm: Some(black_deviation), ..*rule })
        } else {
            Reading::below(levels.core_deviation, rule)
        })
    }

    /// More blocks are torn than always look so.
    fn torn(&self) -> Option<Reading> {
        let usual = self.brightness.ok()?.detail.torn_over_sides;
        let more = self.features.detail.torn_over_sides - usual;
        let limit = self.context.rules.torn_over_sides;
        let torn = Reading { value: Some(more), threshold: Some(limit), ..Reading::plain(Grade::Warning) };
        (more > limit).then_some(torn)
    }

    fn covered(&self, rule: &Rule) -> Checked {
        if self.context.sky == Sky::Twilight {
            return Err(Skip::Light);
        }
        self.edges_left(self.view?).map(|left| Reading::above(left.lost, rule)).ok_or(Skip::Featureless)
    }

    fn edges_left(&self, baseline: &Baseline) -> Option<EdgesLeft> {
        let before = baseline.edges.blocks(self.context.mask);
        edges_left(&before, &self.features.edges.blocks(self.context.mask))
    }

    /// Whether the picture itself shows a fault so that it explains others: a shift that is seen (without a peak it may as
    /// well be the other way round), torn blocks (not packets that other pictures lost), a cover beside which the view is as
    /// it was (what takes of all edges alike is a blur).
    fn shows(&self, item: Item) -> bool {
        if item == Item::Moved {
            self.sight() == Sight::Shifted
        } else if item == Item::Covered {
            self.view.is_ok_and(|baseline| self.is_cover(baseline))
        } else {
            item != Item::Damaged || self.torn().is_some()
        }
    }

    /// Whether what took edges is a cover: beside it the view is as it was. What takes the detail of all the middle of the
    /// picture hides at least half of it, or is a blur.
    fn is_cover(&self, baseline: &Baseline) -> bool {
        let Some(EdgesLeft { lost, common }) = self.edges_left(baseline) else { return false };
        common >= COVER_LEAVES && (lost >= MIDDLE || self.detail_left(baseline) >= DETAIL_HIDDEN)
    }

    /// How much detail is left where the baseline has some: pixel by pixel, or in the small picture where that shows more.
    fn sharpness_left(&self, baseline: &Baseline) -> Option<f64> {
        let (now, usual) = (self.features.detail, baseline.detail);
        // At night what is called detail may be noise that was not taken off.
        let noise = if self.context.sky == Sky::Night { added_by_noise(usual.noise) } else { 0.0 };
        let left = |now: f64, usual: f64| {
            let has_some = usual >= LEAST_DETAIL.max(noise);
            has_some.then(|| detail_left(now, usual, self.deviation_left(baseline)))
        };
        let at_both = [left(now.detail, usual.detail), left(now.coarse, usual.coarse)];
        at_both.into_iter().flatten().reduce(f64::max)
    }

    fn detail_left(&self, baseline: &Baseline) -> f64 {
        detail_left(self.features.detail.detail, baseline.detail.detail, self.deviation_left(baseline))
    }

    fn deviation_left(&self, baseline: &Baseline) -> f64 {
        share(self.features.levels.core_deviation, baseline.levels.core_deviation)
    }

    fn sight(&self) -> Sight {
        let Some(alarm) = self.context.rules.items.of(Item::Moved).and_then(|rule| rule.alarm) else {
            return Sight::Unclear;
        };
        match self.shift {
            None => Sight::Unclear,
            Some(shift) if shift.peak < self.context.rules.moved_peak => Sight::Elsewhere,
            Some(shift) if shift.distance() > alarm => Sight::Shifted,
            Some(_) => Sight::Same,
        }
    }

    fn moved(&self, rule: &Rule) -> Checked {
        self.view?;
        if self.context.sky != Sky::Day {
            return Err(Skip::Light);
        }
        let shift = self.shift.ok_or(Skip::Featureless)?;
        Ok(match self.sight() {
            Sight::Elsewhere => Reading {
                value: Some(shift.peak),
                threshold: Some(self.context.rules.moved_peak),
                ..Reading::plain(Grade::Abnormal)
            },
            Sight::Same | Sight::Shifted | Sight::Unclear => Reading::above(shift.distance(), rule),
        })
    }

    fn shaking(&self, rule: &Rule) -> Checked {
        self.view?;
        if self.context.sky != Sky::Day {
            return Err(Skip::Light);
        }
        let series = self.context.series.with(self.context.at, self.lean.ok_or(Skip::Featureless)?);
        series.sway().map(|sway| Reading::above(sway, rule)).ok_or(Skip::NotMeasured)
    }

    fn blurred(&self, rule: &Rule) -> Checked {
        let baseline = self.view?;
        if self.context.sky == Sky::Twilight || self.deviation_left(baseline) < LEAST_DEVIATION {
            return Err(Skip::Light);
        }
        let left = self.sharpness_left(baseline).ok_or(Skip::Featureless)?;
        Ok(Reading::below(left, rule))
    }

    /// The share of the pixels that are not so in the baseline and are so now.
    fn unlike(&self, rule: &Rule, shares: fn(&Features, &Baseline) -> (f64, f64)) -> Checked {
        let (now, usual) = shares(self.features, self.brightness?);
        if self.context.sky == Sky::Twilight {
            return Err(Skip::Light);
        }
        if usual >= 1.0 {
            return Err(Skip::Featureless);
        }
        Ok(Reading::above(share(now - usual, 1.0 - usual).max(0.0), rule))
    }

    fn noise(&self, rule: &Rule) -> Checked {
        let night = self.context.baselines.night_noise().ok_or(Skip::Learning)?;
        // Grass and gravel pass for noise, so that a scene has some by nature.
        let usual = self.view?.detail.noise;
        // Sensors turn themselves up and down.
        if self.context.sky == Sky::Twilight {
            return Err(Skip::Light);
        }
        let noise = self.features.detail.noise;
        let more = (noise * noise - usual * usual).max(0.0).sqrt();
        Ok(Reading::above(more / night.max(LEAST_NIGHT_NOISE), rule))
    }

    fn stripes(&self, rule: &Rule) -> Checked {
        Ok(Reading::above(self.features.stripes.strongest_new(&self.view?.stripes, USUAL_LINE), rule))
    }

    fn colour_cast(&self, rule: &Rule) -> Checked {
        if self.features.tone() == Tone::Grey {
            return Err(Skip::NoColour);
        }
        if self.context.sky == Sky::Twilight {
            return Err(Skip::Light);
        }
        let usual = self.baseline?.colour;
        if usual.cast() >= self.context.rules.cast_baseline {
            return Err(Skip::Featureless);
        }
        Ok(Reading::above(self.features.colour.cast_over(&usual), rule))
    }
}

/// What is left of the baseline's edges.
#[derive(Clone, Copy, Debug, PartialEq)]
struct EdgesLeft {
    /// The share of the blocks with edges that lost theirs.
    lost: f64,
    /// How much is left of the edges where most is left.
    common: f64,
}

/// Compares the edges of the blocks; `None` when too few had any.
fn edges_left(before: &[Option<f64>], now: &[Option<f64>]) -> Option<EdgesLeft> {
    let pairs = before.iter().zip(now).filter_map(|(before, now)| Some(((*before)?, (*now)?)));
    let mut left: Vec<f64> =
        pairs.filter(|(before, _)| *before >= LEAST_EDGE).map(|(before, now)| now / before).collect();
    if left.len() < LEAST_BLOCKS {
        return None;
    }
    let rank = left.len() * COMMON_RANK.0 / COMMON_RANK.1;
    let (_, common, _) = left.select_nth_unstable_by(rank, f64::total_cmp);
    let common = *common;
    let limit = EDGE_LEFT * common.clamp(LEAST_COMMON, 1.0);
    let lost = left.iter().filter(|left| **left < limit).count();
    Some(EdgesLeft { lost: share(count(lost), count(left.len())), common })
}

#[cfg(test)]
mod tests;
