//! Observations: what each look at a point measured, kept for days, read newest first.
//!
//! What is searched for has a column; stage times, measurement and declaration are JSON texts, whose form is written
//! here and nowhere else. (`point`, `started_ms`) is the idempotency key.

use crate::domain::{
    Cause, ClockReading, Codec, Declared, Failure, Look, Measurement, Observation, Outcome, PointCode, Stage,
    StageTimes, Timestamp,
};
use crate::store::{Db, Store, StoreError, on_pool, parse};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use std::time::Duration;

const INSERT_LITE: &str = "
    INSERT INTO observation (point, started_ms, ended_ms, look, outcome, stage, cause, detail, status, stages, measured,
        declared)
    SELECT value ->> 'point', value ->> 'started_ms', value ->> 'ended_ms', value ->> 'look', value ->> 'outcome',
        value ->> 'stage', value ->> 'cause', value ->> 'detail', value ->> 'status', value ->> 'stages',
        value ->> 'measured', value ->> 'declared'
    FROM json_each($1) WHERE true
    ON CONFLICT (point, started_ms) DO NOTHING";

const INSERT_PG: &str = "
    INSERT INTO observation (point, started_ms, ended_ms, look, outcome, stage, cause, detail, status, stages, measured,
        declared)
    SELECT point, started_ms, ended_ms, look, outcome, stage, cause, detail, status, stages, measured, declared
    FROM json_to_recordset($1::json) AS given (point TEXT, started_ms BIGINT, ended_ms BIGINT, look TEXT, outcome TEXT,
        stage TEXT, cause TEXT, detail TEXT, status BIGINT, stages TEXT, measured TEXT, declared TEXT)
    ON CONFLICT (point, started_ms) DO NOTHING";

const PAGE: &str = "
    SELECT point, started_ms, ended_ms, look, outcome, stage, cause, detail, status, stages, measured, declared
    FROM observation WHERE point = $1 AND started_ms < $2 ORDER BY started_ms DESC LIMIT $3";

impl Store {
    /// Keeps observations; returns how many were not kept before.
    pub async fn add_observations(&self, observations: &[Observation]) -> Result<u64, StoreError> {
        let statement = match &self.db {
            Db::Lite(_) => INSERT_LITE,
            Db::Pg(_) => INSERT_PG,
        };
        let rows: Vec<Row> = observations.iter().map(Row::write).collect();
        let given = json(&rows);
        on_pool!(&self.db, pool => sqlx::query(statement).bind(&given).execute(pool).await.map(|done| done.rows_affected()))
            .map_err(StoreError::at("keep observations"))
    }

    /// Up to `limit` observations of a point that began before `before`, newest first.
    pub async fn observations(
        &self,
        point: PointCode,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<Observation>, StoreError> {
        let rows: Vec<Row> = on_pool!(&self.db, pool => sqlx::query_as(PAGE)
            .bind(point.as_str())
            .bind(before.as_millis())
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await)
        .map_err(StoreError::at("read observations"))?;
        rows.iter().map(Row::read).collect()
    }
}

/// A row of `observation`; also its form on the way into the database.
#[derive(FromRow, Serialize)]
struct Row {
    point: String,
    started_ms: i64,
    ended_ms: i64,
    look: String,
    outcome: String,
    stage: Option<String>,
    cause: Option<String>,
    detail: Option<String>,
    status: Option<i64>,
    stages: String,
    measured: Option<String>,
    declared: Option<String>,
}

/// [`Measurement`] as JSON.
#[derive(Serialize, Deserialize)]
struct MeasurementJson {
    window_us: u64,
    frames: u64,
    key_frames: u64,
    packets: u64,
    lost_packets: u64,
    bytes: u64,
    longest_gap_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    gop_frames: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gop_time_us: Option<u64>,
    codec: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<(u32, u32)>,
    clock: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_error_ms: Option<i64>,
    declared: DeclaredJson,
}

/// [`Declared`] as JSON.
#[derive(Serialize, Deserialize)]
struct DeclaredJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    codec: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<(u32, u32)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frames_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
}

impl Row {
    fn write(observation: &Observation) -> Self {
        let stages: Vec<_> =
            observation.stages.iter().map(|(stage, took)| (stage.as_str(), micros(took))).collect();
        let empty = Self {
            point: observation.point.to_string(),
            started_ms: observation.started.as_millis(),
            ended_ms: observation.ended.as_millis(),
            look: observation.look.as_str().to_owned(),
            outcome: outcome_word(&observation.outcome).to_owned(),
            stage: None,
            cause: None,
            detail: None,
            status: None,
            stages: json(&stages),
            measured: None,
            declared: None,
        };
        match &observation.outcome {
            Outcome::Video(measured) => Self { measured: Some(write_measurement(measured)), ..empty },
            Outcome::Answered(declared) => {
                Self { declared: Some(json(&DeclaredJson::write(declared))), ..empty }
            }
            Outcome::Failed(failure) => Self {
                stage: Some(failure.stage.as_str().to_owned()),
                status: failure.status.map(i64::from),
                measured: failure.measured.as_ref().map(write_measurement),
                ..empty.because(&failure.cause)
            },
            Outcome::NotLooked(cause) => empty.because(cause),
        }
    }

    fn because(self, cause: &Cause) -> Self {
        Self { cause: Some(cause.as_str().to_owned()), detail: cause.detail().map(str::to_owned), ..self }
    }

    fn read(&self) -> Result<Observation, StoreError> {
        Ok(Observation {
            point: parse("point", &self.point)?,
            started: Timestamp::from_millis(self.started_ms),
            ended: Timestamp::from_millis(self.ended_ms),
            look: word("look", &self.look, Look::ALL, Look::as_str)?,
            stages: read_stages(&self.stages)?,
            outcome: self.read_outcome()?,
        })
    }

    fn read_outcome(&self) -> Result<Outcome, StoreError> {
        match self.outcome.as_str() {
            "video" => Ok(Outcome::Video(read_measurement(needed("measured", self.measured.as_deref())?)?)),
            "answered" => {
                let text = needed("declared", self.declared.as_deref())?;
                read_json::<DeclaredJson>("declared", text)?.read().map(Outcome::Answered)
            }
            "failed" => Ok(Outcome::Failed(Failure {
                stage: word("stage", needed("stage", self.stage.as_deref())?, Stage::ALL, Stage::as_str)?,
                cause: self.read_cause()?,
                status: self.status.and_then(|status| u16::try_from(status).ok()),
                measured: self.measured.as_deref().map(read_measurement).transpose()?,
            })),
            "not_looked" => self.read_cause().map(Outcome::NotLooked),
            other => Err(StoreError::corrupt("outcome", other)),
        }
    }

    fn read_cause(&self) -> Result<Cause, StoreError> {
        let text = needed("cause", self.cause.as_deref())?;
        Cause::parse(text, self.detail.as_deref()).map_err(|_unknown| StoreError::corrupt("cause", text))
    }
}

const fn outcome_word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Video(_) => "video",
        Outcome::Answered(_) => "answered",
        Outcome::Failed(_) => "failed",
        Outcome::NotLooked(_) => "not_looked",
    }
}

fn write_measurement(measured: &Measurement) -> String {
    let (clock, clock_error_ms) = clock_words(measured.clock);
    json(&MeasurementJson {
        window_us: micros(measured.window),
        frames: measured.frames,
        key_frames: measured.key_frames,
        packets: measured.packets,
        lost_packets: measured.lost_packets,
        bytes: measured.bytes,
        longest_gap_us: micros(measured.longest_gap),
        gop_frames: measured.gop_frames,
        gop_time_us: measured.gop_time.map(micros),
        codec: measured.codec.as_str().to_owned(),
        size: measured.size,
        clock: clock.to_owned(),
        clock_error_ms,
        declared: DeclaredJson::write(&measured.declared),
    })
}

fn read_measurement(text: &str) -> Result<Measurement, StoreError> {
    let row: MeasurementJson = read_json("measured", text)?;
    Ok(Measurement {
        window: Duration::from_micros(row.window_us),
        frames: row.frames,
        key_frames: row.key_frames,
        packets: row.packets,
        lost_packets: row.lost_packets,
        bytes: row.bytes,
        longest_gap: Duration::from_micros(row.longest_gap_us),
        gop_frames: row.gop_frames,
        gop_time: row.gop_time_us.map(Duration::from_micros),
        codec: read_codec(&row.codec)?,
        size: row.size,
        clock: read_clock(&row.clock, row.clock_error_ms)?,
        declared: row.declared.read()?,
    })
}

impl DeclaredJson {
    fn write(declared: &Declared) -> Self {
        Self {
            codec: declared.codec.map(|codec| codec.as_str().to_owned()),
            size: declared.size,
            frames_per_second: declared.frames_per_second,
            server: declared.server.clone(),
        }
    }

    fn read(self) -> Result<Declared, StoreError> {
        Ok(Declared {
            codec: self.codec.as_deref().map(read_codec).transpose()?,
            size: self.size,
            frames_per_second: self.frames_per_second,
            server: self.server,
        })
    }
}

pub(super) fn read_codec(text: &str) -> Result<Codec, StoreError> {
    word("codec", text, Codec::ALL, Codec::as_str)
}

/// A clock reading as a word and the error that goes with it.
pub(super) const fn clock_words(clock: ClockReading) -> (&'static str, Option<i64>) {
    match clock {
        ClockReading::NotSeen => ("not_seen", None),
        ClockReading::NotAWallClock => ("not_a_wall_clock", None),
        ClockReading::ErrorMs(error_ms) => ("error_ms", Some(error_ms)),
    }
}

pub(super) fn read_clock(text: &str, error_ms: Option<i64>) -> Result<ClockReading, StoreError> {
    match (text, error_ms) {
        ("not_seen", None) => Ok(ClockReading::NotSeen),
        ("not_a_wall_clock", None) => Ok(ClockReading::NotAWallClock),
        ("error_ms", Some(error_ms)) => Ok(ClockReading::ErrorMs(error_ms)),
        _ => Err(StoreError::corrupt("clock", text)),
    }
}

fn read_stages(text: &str) -> Result<StageTimes, StoreError> {
    let mut stages = StageTimes::default();
    for (stage, took_us) in read_json::<Vec<(String, u64)>>("stages", text)? {
        stages.set(word("stage", &stage, Stage::ALL, Stage::as_str)?, Duration::from_micros(took_us));
    }
    Ok(stages)
}

/// Finds the value whose word is `text`.
fn word<T: Copy, const N: usize>(
    what: &'static str,
    text: &str,
    all: [T; N],
    as_str: fn(T) -> &'static str,
) -> Result<T, StoreError> {
    all.into_iter().find(|value| as_str(*value) == text).ok_or_else(|| StoreError::corrupt(what, text))
}

fn needed<'a>(what: &'static str, text: Option<&'a str>) -> Result<&'a str, StoreError> {
    text.ok_or_else(|| StoreError::corrupt(what, ""))
}

fn read_json<'a, T: Deserialize<'a>>(what: &'static str, text: &'a str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_not_ours| StoreError::corrupt(what, text))
}

#[expect(clippy::expect_used, reason = "the types have string keys and finite values only")]
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain values always have a JSON form")
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
