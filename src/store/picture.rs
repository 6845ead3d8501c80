//! Pictures: baselines with what is still being learnt, what is believed of the items, what people set and say.
//!
//! A baseline is kept as numbers and coarse grids. One that this version cannot read is as good as none: it is learnt anew, as a
//! part of the next version, for what is known of a version never changes.

mod document;

use crate::domain::picture::baseline::{Lesson, Origin};
use crate::domain::picture::{Baseline, Baselines, Diagnosis, Framing, Grade, Item, Light, PerItem};
use crate::domain::{DivisionCode, PointCode, Timestamp};
use crate::store::{Db, Store, StoreError, on_pool, parse, village_range};
use document::{BaselineDocument, FramingDocument};
use sqlx::FromRow;
use std::collections::{BTreeMap, BTreeSet};

const VERSIONS_LITE: &str = "INSERT INTO picture_version (point, version, origin, since_ms)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each($1) WHERE true
    ON CONFLICT (point, version) DO NOTHING";
const VERSIONS_PG: &str = "INSERT INTO picture_version (point, version, origin, since_ms)
    SELECT value ->> 0, (value ->> 1)::bigint, value ->> 2, (value ->> 3)::bigint
    FROM json_array_elements($1::json) AS given (value)
    ON CONFLICT (point, version) DO NOTHING";

const BASELINES_LITE: &str = "INSERT INTO picture_baseline (point, version, light, stage, since_ms, document)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each($1) WHERE true
    ON CONFLICT (point, version, light)
    DO UPDATE SET stage = excluded.stage, since_ms = excluded.since_ms, document = excluded.document
    WHERE picture_baseline.stage = 'learning'";
const BASELINES_PG: &str = "INSERT INTO picture_baseline (point, version, light, stage, since_ms, document)
    SELECT value ->> 0, (value ->> 1)::bigint, value ->> 2, value ->> 3, (value ->> 4)::bigint, value ->> 5
    FROM json_array_elements($1::json) AS given (value)
    ON CONFLICT (point, version, light)
    DO UPDATE SET stage = excluded.stage, since_ms = excluded.since_ms, document = excluded.document
    WHERE picture_baseline.stage = 'learning'";

/// What is not believed any longer goes.
const FORGET_ITEMS_LITE: &str =
    "DELETE FROM picture_item WHERE point IN (SELECT value ->> 0 FROM json_each($1))";
const FORGET_ITEMS_PG: &str = "DELETE FROM picture_item WHERE point IN (
    SELECT value ->> 0 FROM json_array_elements($1::json) AS given (value))";

const ITEMS_LITE: &str = "INSERT INTO picture_item (point, item, grade, since_ms)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each($1)";
const ITEMS_PG: &str = "INSERT INTO picture_item (point, item, grade, since_ms)
    SELECT value ->> 0, value ->> 1, value ->> 2, (value ->> 3)::bigint
    FROM json_array_elements($1::json) AS given (value)";

/// The newest version of every point.
const NEWEST_VERSIONS: &str = "SELECT point, version, origin, since_ms FROM picture_version AS kept
    WHERE version = (SELECT MAX(newer.version) FROM picture_version AS newer WHERE newer.point = kept.point)
    ORDER BY point";
const NEWEST_BASELINES: &str = "SELECT point, light, stage, since_ms, document FROM picture_baseline AS kept
    WHERE version = (SELECT MAX(newer.version) FROM picture_version AS newer WHERE newer.point = kept.point)
    ORDER BY point, light";
const ITEMS: &str = "SELECT point, item, grade, since_ms FROM picture_item ORDER BY point, item";

const FRAMINGS: &str = "SELECT point, document FROM picture_framing ORDER BY point";
const SET_FRAMING: &str = "INSERT INTO picture_framing (point, document, changed_ms) VALUES ($1, $2, $3)
    ON CONFLICT (point) DO UPDATE SET document = excluded.document, changed_ms = excluded.changed_ms";

const ADD_FALSE_ALARM: &str =
    "INSERT INTO picture_false_alarm (point, at_ms, item, value, threshold, reporter, note)
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (point, at_ms, item) DO NOTHING";
const COUNT_FALSE_ALARMS: &str = "SELECT item, COUNT(*) FROM picture_false_alarm
    JOIN point ON point.code = picture_false_alarm.point
    WHERE point.village >= $1 AND point.village <= $2 GROUP BY item ORDER BY item";
const COUNT_ALL_FALSE_ALARMS: &str =
    "SELECT item, COUNT(*) FROM picture_false_alarm GROUP BY item ORDER BY item";

/// What is kept of the diagnosis of a point over a restart.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptDiagnosis {
    /// The point.
    pub point: PointCode,
    /// Version of its baselines.
    pub version: u32,
    /// Where the version comes from.
    pub origin: Origin,
    /// Since when it holds.
    pub since: Timestamp,
    /// What it knows.
    pub known: Vec<(Light, Baseline)>,
    /// What it is learning.
    pub lessons: Vec<Lesson>,
    /// What is believed of the items.
    pub items: Vec<(Item, Grade, Timestamp)>,
}

impl KeptDiagnosis {
    /// What is to be kept of a diagnosis.
    pub fn of(point: PointCode, diagnosis: &Diagnosis) -> Self {
        let baselines = diagnosis.baselines();
        let known = baselines.known().map(|(light, baseline)| (light, baseline.clone())).collect();
        let believed = diagnosis.statuses().filter_map(|(item, status)| {
            let is_checked = !matches!(status.grade, Grade::NotChecked(_));
            Some((item, status.grade, status.since.filter(|_| is_checked)?))
        });
        Self {
            point,
            version: baselines.version(),
            origin: baselines.origin(),
            since: baselines.since(),
            known,
            lessons: baselines.lessons().collect(),
            items: believed.collect(),
        }
    }

    /// The diagnosis that goes on.
    pub fn restore(self) -> Diagnosis {
        let mut baselines = Baselines::restored(self.version, self.origin, self.since, self.known);
        self.lessons.iter().for_each(|lesson| baselines.resume(lesson));
        Diagnosis::new(baselines).believing(self.items)
    }
}

/// What a person called a false alarm.
#[derive(Clone, Debug, PartialEq)]
pub struct FalseAlarm {
    /// The point.
    pub point: PointCode,
    /// When it was said.
    pub at: Timestamp,
    /// Of which item.
    pub item: Item,
    /// What was measured then.
    pub value: Option<f64>,
    /// The limit that it was held against.
    pub threshold: Option<f64>,
    /// Who said so.
    pub reporter: String,
    /// In words.
    pub note: String,
}

#[derive(FromRow)]
struct VersionRow {
    point: String,
    version: i64,
    origin: String,
    since_ms: i64,
}

#[derive(FromRow)]
struct BaselineRow {
    point: String,
    light: String,
    stage: String,
    since_ms: i64,
    document: String,
}

#[derive(FromRow)]
struct ItemRow {
    point: String,
    item: String,
    grade: String,
    since_ms: i64,
}

/// The stage of a baseline that is still being learnt.
const LEARNING: &str = "learning";
/// ..and of one that never changes any more.
const KNOWN: &str = "known";

impl Store {
    /// Keeps diagnoses, each as a whole.
    pub async fn keep_diagnoses(&self, kept: &[KeptDiagnosis]) -> Result<(), StoreError> {
        let (versions, baselines, forget, items) = match &self.db {
            Db::Lite(_) => (VERSIONS_LITE, BASELINES_LITE, FORGET_ITEMS_LITE, ITEMS_LITE),
            Db::Pg(_) => (VERSIONS_PG, BASELINES_PG, FORGET_ITEMS_PG, ITEMS_PG),
        };
        let version_rows = list(kept.iter().map(version_row));
        let baseline_rows = list(kept.iter().flat_map(baseline_rows));
        let item_rows = list(kept.iter().flat_map(item_rows));
        on_pool!(&self.db, pool => async {
            let mut tx = pool.begin().await?;
            sqlx::query(versions).bind(&version_rows).execute(&mut *tx).await?;
            sqlx::query(baselines).bind(&baseline_rows).execute(&mut *tx).await?;
            sqlx::query(forget).bind(&version_rows).execute(&mut *tx).await?;
            sqlx::query(items).bind(&item_rows).execute(&mut *tx).await?;
            tx.commit().await
        }
        .await)
        .map_err(StoreError::at("keep the diagnosis of pictures"))
    }

    /// The newest version of every diagnosis, by point.
    pub async fn kept_diagnoses(&self) -> Result<Vec<KeptDiagnosis>, StoreError> {
        let read = "read the diagnosis of pictures";
        let versions: Vec<VersionRow> =
            on_pool!(&self.db, pool => sqlx::query_as(NEWEST_VERSIONS).fetch_all(pool).await)
                .map_err(StoreError::at(read))?;
        let baselines: Vec<BaselineRow> =
            on_pool!(&self.db, pool => sqlx::query_as(NEWEST_BASELINES).fetch_all(pool).await)
                .map_err(StoreError::at(read))?;
        let items: Vec<ItemRow> = on_pool!(&self.db, pool => sqlx::query_as(ITEMS).fetch_all(pool).await)
            .map_err(StoreError::at(read))?;
        assemble(&versions, &baselines, &items)
    }

    /// Sets what a person says about a point's picture.
    pub async fn set_framing(
        &self,
        point: PointCode,
        framing: &Framing,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let document = serde_json::json!(FramingDocument::of(framing)).to_string();
        on_pool!(&self.db, pool => sqlx::query(SET_FRAMING)
            .bind(point.as_str())
            .bind(document)
            .bind(now.as_millis())
            .execute(pool)
            .await
            .map(|_done| ()))
        .map_err(StoreError::at("set the framing of a point"))
    }

    /// What people set for the pictures of points.
    pub async fn framings(&self) -> Result<BTreeMap<PointCode, Framing>, StoreError> {
        let rows: Vec<(String, String)> =
            on_pool!(&self.db, pool => sqlx::query_as(FRAMINGS).fetch_all(pool).await)
                .map_err(StoreError::at("read the framings of points"))?;
        let read = |(point, text): (String, String)| {
            let corrupt = || StoreError::corrupt("picture_framing.document", &text);
            let document: FramingDocument = serde_json::from_str(&text).map_err(|_malformed| corrupt())?;
            Ok((parse("picture_framing.point", &point)?, document.read().ok_or_else(corrupt)?))
        };
        rows.into_iter().map(read).collect()
    }

    /// Keeps what a person called a false alarm.
    pub async fn add_false_alarm(&self, alarm: &FalseAlarm) -> Result<(), StoreError> {
        on_pool!(&self.db, pool => sqlx::query(ADD_FALSE_ALARM)
            .bind(alarm.point.as_str())
            .bind(alarm.at.as_millis())
            .bind(alarm.item.as_str())
            .bind(alarm.value)
            .bind(alarm.threshold)
            .bind(&alarm.reporter)
            .bind(&alarm.note)
            .execute(pool)
            .await
            .map(|_done| ()))
        .map_err(StoreError::at("keep a false alarm"))
    }

    /// How often people called each item a false alarm, at the points recorded in a division or at all.
    pub async fn false_alarms(&self, division: Option<DivisionCode>) -> Result<PerItem<u64>, StoreError> {
        let counted: Vec<(String, i64)> = match division.map(village_range) {
            Some((first, last)) => on_pool!(&self.db, pool => sqlx::query_as(COUNT_FALSE_ALARMS)
                .bind(&first)
                .bind(&last)
                .fetch_all(pool)
                .await),
            None => on_pool!(&self.db, pool => sqlx::query_as(COUNT_ALL_FALSE_ALARMS).fetch_all(pool).await),
        }
        .map_err(StoreError::at("count false alarms"))?;
        let of = |item: Item| {
            let found = counted.iter().find(|(word, _)| word == item.as_str());
            found.map_or(0, |(_, count)| u64::try_from(*count).unwrap_or(0))
        };
        Ok(PerItem::new(of))
    }
}

fn list(rows: impl Iterator<Item = serde_json::Value>) -> String {
    serde_json::Value::Array(rows.collect()).to_string()
}

fn version_row(kept: &KeptDiagnosis) -> serde_json::Value {
    serde_json::json!([kept.point.as_str(), kept.version, kept.origin.as_str(), kept.since.as_millis()])
}

fn baseline_rows(kept: &KeptDiagnosis) -> Vec<serde_json::Value> {
    let row = |light: Light, stage, since: Timestamp, baseline: &Baseline| {
        // A text of its own: each database reads it as one.
        let document = serde_json::json!(BaselineDocument::of(baseline)).to_string();
        serde_json::json!([
            kept.point.as_str(),
            kept.version,
            light.as_str(),
            stage,
            since.as_millis(),
            document
        ])
    };
    let known = kept.known.iter().map(|(light, baseline)| row(*light, KNOWN, kept.since, baseline));
    let lessons =
        kept.lessons.iter().map(|Lesson { light, since, so_far }| row(*light, LEARNING, *since, so_far));
    known.chain(lessons).collect()
}

fn item_rows(kept: &KeptDiagnosis) -> Vec<serde_json::Value> {
    let row = |(item, grade, since): &(Item, Grade, Timestamp)| {
        serde_json::json!([kept.point.as_str(), item.as_str(), grade.as_str(), since.as_millis()])
    };
    kept.items.iter().map(row).collect()
}

fn assemble(
    versions: &[VersionRow],
    baselines: &[BaselineRow],
    items: &[ItemRow],
) -> Result<Vec<KeptDiagnosis>, StoreError> {
    let mut kept = BTreeMap::new();
    for row in versions {
        let diagnosis = row.read()?;
        kept.insert(diagnosis.point, diagnosis);
    }
    let outdated: BTreeSet<PointCode> =
        baselines.iter().filter_map(|row| row.add_to(&mut kept).err()).collect();
    for point in outdated {
        if let Some(kept) = kept.get_mut(&point) {
            kept.version = kept.version.saturating_add(1);
        }
    }
    items.iter().for_each(|row| row.add_to(&mut kept));
    Ok(kept.into_values().collect())
}

impl VersionRow {
    fn read(&self) -> Result<KeptDiagnosis, StoreError> {
        let version = u32::try_from(self.version)
            .map_err(|_too_large| StoreError::corrupt("picture_version.version", self.version))?;
        let origin = Origin::ALL.into_iter().find(|origin| origin.as_str() == self.origin);
        Ok(KeptDiagnosis {
            point: parse("picture_version.point", &self.point)?,
            version,
            origin: origin.ok_or_else(|| StoreError::corrupt("picture_version.origin", &self.origin))?,
            since: Timestamp::from_millis(self.since_ms),
            known: Vec::new(),
            lessons: Vec::new(),
            items: Vec::new(),
        })
    }
}

impl BaselineRow {
    /// Fails with the point when what was known of it cannot be read.
    fn add_to(&self, kept: &mut BTreeMap<PointCode, KeptDiagnosis>) -> Result<(), PointCode> {
        let light = Light::ALL.into_iter().find(|light| light.as_str() == self.light);
        let point = self.point.parse().ok().and_then(|point: PointCode| kept.get_mut(&point));
        let (Some(light), Some(kept)) = (light, point) else { return Ok(()) };
        let baseline =
            serde_json::from_str::<BaselineDocument>(&self.document).ok().and_then(|read| read.read());
        match (baseline, self.stage == KNOWN) {
            (Some(baseline), true) => kept.known.push((light, baseline)),
            (Some(so_far), false) => {
                let since = Timestamp::from_millis(self.since_ms);
                kept.lessons.push(Lesson { light, since, so_far });
            }
            (None, true) => return Err(kept.point),
            (None, false) => {}
        }
        Ok(())
    }
}

impl ItemRow {
    fn add_to(&self, kept: &mut BTreeMap<PointCode, KeptDiagnosis>) {
        let checked = [Grade::Normal, Grade::Warning, Grade::Abnormal];
        let grade = checked.into_iter().find(|grade| grade.as_str() == self.grade);
        let point = self.point.parse().ok().and_then(|point: PointCode| kept.get_mut(&point));
        if let (Ok(item), Some(grade), Some(kept)) = (self.item.parse(), grade, point) {
            kept.items.push((item, grade, Timestamp::from_millis(self.since_ms)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::picture::settings::Learning;
    use crate::domain::picture::{Areas, Features, Luma, Picture, SMALL_HEIGHT, SMALL_WIDTH};
    use std::time::Duration;

    const POINT: &str = "23052100001320000001";

    /// The version that goes on when its rows have these stages and texts, and how many baselines of it are known.
    fn check(rows: &[(&str, &str)], expected: (u32, usize)) {
        let version =
            VersionRow { point: POINT.to_owned(), version: 3, origin: "first".to_owned(), since_ms: 5 };
        let rows = rows.iter().zip(Light::ALL).map(|((stage, document), light)| BaselineRow {
            point: POINT.to_owned(),
            light: light.as_str().to_owned(),
            stage: (*stage).to_owned(),
            since_ms: 5,
            document: (*document).to_owned(),
        });
        let kept = assemble(&[version], &rows.collect::<Vec<_>>(), &[]).unwrap();
        assert_eq!((kept[0].version, kept[0].known.len()), expected);
    }

    #[test]
    fn a_point_whose_baseline_cannot_be_read_begins_its_next_version() {
        let pixels = (0..SMALL_WIDTH * SMALL_HEIGHT).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let luma = Luma::new(SMALL_WIDTH, pixels).unwrap();
        let picture = Picture::new((320, 180), luma.clone(), luma, None).unwrap();
        let seen = Features::of(&picture, &Areas::default());
        let mut learnt = Baselines::new(Timestamp::from_seconds(0));
        let learning = Learning { time: Duration::ZERO, pictures: 1 };
        learnt.learn(&seen, Light::Day, Timestamp::from_seconds(1), &learning);
        let (_, baseline) = learnt.known().next().unwrap();
        let readable = serde_json::json!(BaselineDocument::of(baseline)).to_string();
        check(&[(KNOWN, &readable)], (3, 1));
        check(&[(KNOWN, "{}")], (4, 0));
        check(&[(KNOWN, "{}"), (KNOWN, &readable), (KNOWN, "[")], (4, 1));
        check(&[(LEARNING, "{}"), (KNOWN, &readable)], (3, 1));
    }
}
