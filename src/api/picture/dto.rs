//! The JSON forms of pictures.

use crate::api::picture::shape::{CornersDto, EdgesDto};
use crate::api::time::Time;
use crate::api::view::View;
use crate::api::whole::Whole;
use crate::api::word::{BaselineOriginWord, BaselineStepWord, ItemWord, LightWord};
use crate::domain::access::Scope;
use crate::domain::decode::Polygon;
use crate::domain::picture::framing::MOST_ENTRIES;
use crate::domain::picture::{
    Areas, Framing, Grade, Item, PerItem, PictureVerdict, Skip, Status, StillNote, Waiver, When,
};
use crate::domain::{PointCode, Window};
use crate::health::examiner::BaselineStep;
use crate::picture::PoolStatus;
use serde::{Deserialize, Serialize};

/// What is believed of the picture of a point.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Picture)]
pub(crate) struct PictureDto {
    /// The point.
    point: String,
    /// The worst that is believed: `not_checked` (未检测), `normal` (正常), `warning` (预警), `abnormal` (异常).
    grade: &'static str,
    /// The newest look at it since start; null before the first one, and while pictures are not looked at.
    looked: Option<Time>,
    /// Width in pixels, as decoded.
    width: Option<u32>,
    /// Height in pixels, as decoded.
    height: Option<u32>,
    /// Every item, the worst first.
    items: Vec<ItemDto>,
    /// What it is held against; null while pictures are not looked at.
    baseline: Option<BaselineDto>,
    /// The newest still.
    still: Option<StillDto>,
    /// What a person set.
    framing: FramingDto,
}

/// One item of picture diagnosis (视频质量诊断).
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = PictureItem)]
pub(crate) struct ItemDto {
    /// The word.
    item: ItemWord,
    /// The Chinese name.
    name_zh: &'static str,
    /// What is believed.
    grade: &'static str,
    /// Since when, back-dated to the first look that saw it.
    since: Option<Time>,
    /// Why it was not checked; null when it was.
    not_checked: Option<&'static str>,
    /// Whether most points of the township show it at once: weather, no fault.
    weather: bool,
    /// What the newest look says of it, believed or not.
    newest: ReadingDto,
}

/// What one look says of an item.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = PictureReading)]
pub(crate) struct ReadingDto {
    /// How bad it is.
    grade: &'static str,
    /// Why it was not checked; null when it was.
    not_checked: Option<&'static str>,
    /// What was measured.
    value: Option<f64>,
    /// The limit that it was held against.
    threshold: Option<f64>,
}

/// The baselines of a point.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = PictureBaseline)]
pub(crate) struct BaselineDto {
    /// Version, growing with each word of a person.
    version: u32,
    /// Where it comes from.
    origin: BaselineOriginWord,
    /// Since when it holds.
    since: Time,
    /// The lights that are known; the others are being learnt.
    known: Vec<LightWord>,
}

/// A kept still.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Still)]
pub(crate) struct StillDto {
    /// When its picture was received.
    at: Time,
    /// The first 64 bits of its SHA-256.
    hash: String,
}

/// What a person sets for the picture of a point. All lengths are thousandths of the picture's width or height.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Framing)]
pub(crate) struct FramingDto {
    /// Areas that are left out of every check: left, top, right, bottom. The top and the bottom ninth when left out, where
    /// cameras write.
    #[serde(default)]
    #[schema(max_items = 32)]
    left_out: Option<Vec<EdgesDto>>,
    /// Where the camera writes the running time.
    #[serde(default)]
    clock: Option<EdgesDto>,
    /// Polygons that are painted over before a still is kept, each of 3 to 32 corners.
    #[serde(default)]
    #[schema(max_items = 16)]
    privacy_masks: Vec<CornersDto>,
    /// Items that are not checked.
    #[serde(default)]
    #[schema(max_items = 32)]
    waivers: Vec<WaiverDto>,
}

/// Items that are not checked; always, unless a time is given.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PictureWaiver)]
pub(crate) struct WaiverDto {
    /// The items.
    #[schema(min_items = 1, max_items = 13)]
    items: Vec<ItemWord>,
    /// From this instant on; with `to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Time>,
    /// ..up to this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<Time>,
    /// Every day from this minute of the local day on, over midnight where it is the later one; with `daily_to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u16>, maximum = 1440)]
    daily_from: Option<Whole<u16>>,
    /// ..up to this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u16>, maximum = 1440)]
    daily_to: Option<Whole<u16>>,
}

/// What is done with the baselines of a point.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BaselineRequest {
    /// `accept`: the newest picture is how it shall look; `reset`: it is learnt anew.
    step: BaselineStepWord,
}

/// The version of the baselines that holds from now on.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct BaselineVersion {
    /// Its number.
    pub(crate) version: u32,
}

/// An item that was a false alarm.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FalseAlarmRequest {
    /// The item.
    pub(crate) item: ItemWord,
    /// In words.
    #[serde(default)]
    #[schema(
        max_length = 1000,
        pattern = "^[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]*$"
    )]
    pub(crate) note: String,
}

/// The pictures of a part of the network now.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Pictures)]
pub(crate) struct PicturesDto {
    /// When the live picture was taken.
    taken: Time,
    /// Points whose picture is looked at, by the worst that is believed.
    points: GradeCounts,
    /// Online points whose picture is normal (图像完好), of those online whose picture was checked, in this round.
    image_good_over_online: ShareDto,
    /// Every item, the worst first.
    items: Vec<ItemCounts>,
    /// Decoder processes that run; 0 while pictures are not looked at.
    decoders: usize,
    /// Key frames that wait for one.
    waiting: usize,
    /// How long the longest-waiting one has waited.
    lag_ms: u64,
}

/// Things by grade.
#[derive(Clone, Copy, Debug, Default, Serialize, utoipa::ToSchema)]
pub(crate) struct GradeCounts {
    /// 未检测.
    not_checked: u64,
    /// 正常.
    normal: u64,
    /// 预警.
    warning: u64,
    /// 异常.
    abnormal: u64,
}

/// A share of things now.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Share)]
pub(crate) struct ShareDto {
    /// Null when there is nothing to divide by.
    value: Option<f64>,
    /// What is good.
    numerator: u64,
    /// What was checked.
    denominator: u64,
}

/// The points that show an item.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = PictureItemCounts)]
pub(crate) struct ItemCounts {
    /// The word.
    item: ItemWord,
    /// The Chinese name.
    name_zh: &'static str,
    /// Points by what is believed of it.
    #[serde(flatten)]
    points: GradeCounts,
    /// Points at which it is weather.
    weather: u64,
    /// How often people called it a false alarm.
    false_alarms: u64,
}

impl PictureDto {
    /// What is shown of a point; without a verdict nothing was checked.
    pub(crate) fn new(point: PointCode, verdict: Option<&PictureVerdict>, framing: &Framing) -> Self {
        let size = verdict.and_then(|verdict| verdict.size);
        let unchecked = Grade::NotChecked(Skip::Off);
        let baseline = verdict.map(|verdict| &verdict.baseline);
        Self {
            point: point.to_string(),
            grade: verdict.map_or(unchecked, PictureVerdict::grade).as_str(),
            looked: verdict.and_then(|verdict| verdict.looked).map(Time),
            width: size.map(|(width, _)| width),
            height: size.map(|(_, height)| height),
            items: Item::ALL.iter().map(|item| ItemDto::new(*item, verdict)).collect(),
            baseline: baseline.map(|baseline| BaselineDto {
                version: baseline.version,
                origin: baseline.origin.into(),
                since: baseline.since.into(),
                known: baseline.known.iter().map(|light| (*light).into()).collect(),
            }),
            still: verdict.and_then(|verdict| verdict.still.as_ref()).map(StillDto::of),
            framing: FramingDto::of(framing),
        }
    }
}

impl ItemDto {
    fn new(item: Item, verdict: Option<&PictureVerdict>) -> Self {
        let status = verdict.map_or(Status::OFF, |verdict| *verdict.items.of(item));
        let newest = status.newest;
        Self {
            item: item.into(),
            name_zh: item.name_zh(),
            grade: status.grade.as_str(),
            since: status.since.map(Time),
            not_checked: skip_of(status.grade),
            weather: verdict.is_some_and(|verdict| verdict.weather.contains(item)),
            newest: ReadingDto {
                grade: newest.grade.as_str(),
                not_checked: skip_of(newest.grade),
                value: newest.value,
                threshold: newest.threshold,
            },
        }
    }
}

const fn skip_of(grade: Grade) -> Option<&'static str> {
    match grade {
        Grade::NotChecked(skip) => Some(skip.as_str()),
        Grade::Normal | Grade::Warning | Grade::Abnormal => None,
    }
}

impl StillDto {
    fn of(still: &StillNote) -> Self {
        Self { at: still.at.into(), hash: still.hash.clone() }
    }
}

impl FramingDto {
    /// What is set.
    pub(crate) fn of(framing: &Framing) -> Self {
        Self {
            left_out: Some(framing.areas.masked.iter().map(EdgesDto::of).collect()),
            clock: framing.areas.clock.as_ref().map(EdgesDto::of),
            privacy_masks: framing.privacy_masks.iter().map(CornersDto::of).collect(),
            waivers: framing.waivers.iter().map(WaiverDto::of).collect(),
        }
    }

    /// Reads it; tells what is wrong with it.
    pub(crate) fn read(&self) -> Result<Framing, String> {
        let masked = match &self.left_out {
            Some(areas) => bounded("left_out", areas, MOST_ENTRIES)?
                .iter()
                .map(EdgesDto::read)
                .collect::<Result<_, _>>()?,
            None => Areas::default().masked,
        };
        let clock = self.clock.as_ref().map(EdgesDto::read).transpose()?;
        let masks = bounded("privacy_masks", &self.privacy_masks, Polygon::MOST)?;
        let waivers = bounded("waivers", &self.waivers, MOST_ENTRIES)?;
        Ok(Framing {
            areas: Areas { masked, clock },
            privacy_masks: masks.iter().map(CornersDto::read).collect::<Result<_, _>>()?,
            waivers: waivers.iter().map(WaiverDto::read).collect::<Result<_, _>>()?,
        })
    }
}

fn bounded<'a, T>(what: &str, entries: &'a [T], most: usize) -> Result<&'a [T], String> {
    if entries.len() > most { Err(format!("`{what}` has more than {most} entries")) } else { Ok(entries) }
}

impl WaiverDto {
    fn of(waiver: &Waiver) -> Self {
        let items = waiver.items.iter().map(ItemWord).collect();
        let always = Self { items, from: None, to: None, daily_from: None, daily_to: None };
        match waiver.when {
            When::Always => always,
            When::Within(window) => {
                Self { from: Some(window.start().into()), to: Some(window.end().into()), ..always }
            }
            When::Daily { from, to } => {
                Self { daily_from: Some(Whole(from)), daily_to: Some(Whole(to)), ..always }
            }
        }
    }

    fn read(&self) -> Result<Waiver, String> {
        let when = match (self.from, self.to, self.daily_from, self.daily_to) {
            (None, None, None, None) => When::Always,
            (Some(from), Some(to), None, None) => {
                When::Within(Window::new(from.0, to.0).ok_or("`from` must lie before `to`")?)
            }
            (None, None, Some(Whole(from)), Some(Whole(to))) if from <= 1_440 && to <= 1_440 => {
                When::Daily { from, to }
            }
            _ => {
                return Err(
                    "a waiver has `from` and `to`, or `daily_from` and `daily_to`, or neither".to_owned()
                );
            }
        };
        if self.items.is_empty() {
            return Err("a waiver names an item".to_owned());
        }
        Ok(Waiver { items: self.items.iter().map(|item| item.0).collect(), when })
    }
}

impl BaselineRequest {
    /// What is wanted.
    pub(crate) const fn step(&self) -> BaselineStep {
        self.step.0
    }
}

impl GradeCounts {
    const fn add(&mut self, grade: Grade) {
        let count = match grade {
            Grade::NotChecked(_) => &mut self.not_checked,
            Grade::Normal => &mut self.normal,
            Grade::Warning => &mut self.warning,
            Grade::Abnormal => &mut self.abnormal,
        };
        *count += 1;
    }
}

impl PicturesDto {
    /// Sums up the watched points of a scope.
    pub(crate) fn new(view: &View, scope: Scope, false_alarms: &PerItem<u64>, decoding: &PoolStatus) -> Self {
        let seen = view.points_after(None).filter(|seen| scope.holds(&seen.point.village));
        let verdicts: Vec<_> =
            seen.filter_map(|seen| Some((seen.measured().state(), seen.live?.picture.as_deref()?))).collect();
        let mut points = GradeCounts::default();
        let mut online = GradeCounts::default();
        for (state, verdict) in &verdicts {
            points.add(verdict.grade());
            if state.is_online() {
                online.add(verdict.grade());
            }
        }
        let items = Item::ALL.iter().map(|item| {
            let statuses = verdicts.iter().map(|(_, verdict)| (verdict.items.of(*item), verdict.weather));
            ItemCounts::new(*item, statuses, *false_alarms.of(*item))
        });
        Self {
            taken: view.snapshot.taken.into(),
            points,
            image_good_over_online: ShareDto::of_good(online),
            items: items.collect(),
            decoders: decoding.decoders,
            waiting: decoding.waiting,
            lag_ms: u64::try_from(decoding.lag.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl ShareDto {
    #[expect(clippy::cast_precision_loss, reason = "there are far fewer than 2^52 points")]
    fn of_good(counts: GradeCounts) -> Self {
        let (numerator, denominator) = (counts.normal, counts.normal + counts.warning + counts.abnormal);
        let value = (denominator > 0).then(|| numerator as f64 / denominator as f64);
        Self { value, numerator, denominator }
    }
}

impl ItemCounts {
    fn new<'a>(
        item: Item,
        statuses: impl Iterator<Item = (&'a Status, crate::domain::picture::ItemSet)>,
        false_alarms: u64,
    ) -> Self {
        let (mut points, mut weather) = (GradeCounts::default(), 0);
        for (status, weathered) in statuses {
            if status.grade.is_fault() && weathered.contains(item) {
                weather += 1;
            } else {
                points.add(status.grade);
            }
        }
        Self { item: item.into(), name_zh: item.name_zh(), points, weather, false_alarms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_survives_its_text() {
        let text = serde_json::json!({
            "left_out": [[0, 0, 1000, 100]],
            "clock": [10, 10, 300, 60],
            "privacy_masks": [[[0, 0], [500, 0], [500, 500]]],
            "waivers": [
                { "items": ["moved"] },
                { "items": ["too_dark", "noise"], "daily_from": 1200, "daily_to": 360 },
                { "items": ["blank"], "from": "2026-10-01T00:00:00Z", "to": "2026-10-02T00:00:00Z" },
            ],
        });
        let read: FramingDto = serde_json::from_value(text).unwrap();
        let framing = read.read().unwrap();
        assert_eq!((framing.waivers.len(), framing.privacy_masks.len()), (3, 1));
        assert_eq!(FramingDto::of(&framing).read(), Ok(framing));
        let nothing: FramingDto = serde_json::from_str("{}").unwrap();
        assert_eq!(nothing.read(), Ok(Framing::default()));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let check = |text: &str| {
            let read: FramingDto = serde_json::from_str(text).unwrap();
            assert!(read.read().is_err(), "{text}");
        };
        check(r#"{"left_out": [[5, 0, 5, 10]]}"#);
        check(r#"{"privacy_masks": [[[0, 0], [1, 1]]]}"#);
        check(r#"{"waivers": [{"items": []}]}"#);
        check(r#"{"waivers": [{"items": ["blank"], "daily_from": 5}]}"#);
        check(
            r#"{"waivers": [{"items": ["blank"], "from": "2026-10-02T00:00:00Z", "to": "2026-10-01T00:00:00Z"}]}"#,
        );
    }
}
