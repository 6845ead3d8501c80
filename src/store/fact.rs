//! Facts: what is measured of a point's stream, with the time from which it holds.
//!
//! A row is written when something changed materially and holds until the next one, so that a figure of last month
//! uses what was measured last month. When video last arrived is read from the state intervals.

use crate::domain::{
    ClockReading, Codec, DivisionCode, Look, Measurement, Observation, Outcome, PointCode, Timestamp,
};
use crate::store::observation::{clock_words, read_clock, read_codec};
use crate::store::{Db, Store, StoreError, on_pool, parse, village_range};
use sqlx::FromRow;

/// A clock that moved by less is the same clock: reports cross a network with some delay.
const CLOCK_MOVED_MS: u64 = 1_000;
/// Short windows measure frame rates roughly; a smaller change is none.
const FRAME_RATE_MOVED: f64 = 0.25;

/// What was measured of a point, as of an instant.
#[derive(Clone, Debug, PartialEq)]
pub struct PointFacts {
    /// The point.
    pub point: PointCode,
    /// From when on it was measured so.
    pub at: Timestamp,
    /// Video coding.
    pub codec: Codec,
    /// Width and height in pixels.
    pub size: Option<(u32, u32)>,
    /// Width and height of the main stream in pixels, where another one is watched.
    pub main_size: Option<(u32, u32)>,
    /// Pictures per wall second.
    pub frames_per_second: f64,
    /// Device clock.
    pub clock: ClockReading,
    /// When video last arrived, up to the instant that was asked for.
    pub last_video_at: Option<Timestamp>,
}

const INSERT_LITE: &str = "
    INSERT INTO fact (point, at_ms, codec, width, height, main_width, main_height, frames_per_second, clock,
        clock_error_ms)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
        value ->> 8, value ->> 9
    FROM json_each($1) WHERE true
    ON CONFLICT (point, at_ms) DO NOTHING";

const INSERT_PG: &str = "
    INSERT INTO fact (point, at_ms, codec, width, height, main_width, main_height, frames_per_second, clock,
        clock_error_ms)
    SELECT value ->> 0, (value ->> 1)::bigint, value ->> 2, (value ->> 3)::bigint, (value ->> 4)::bigint,
        (value ->> 5)::bigint, (value ->> 6)::bigint, (value ->> 7)::double precision, value ->> 8,
        (value ->> 9)::bigint
    FROM json_array_elements($1::json) AS given (value)
    ON CONFLICT (point, at_ms) DO NOTHING";

/// The newest facts of every point; the writer compares with them.
const NEWEST: &str = "
    SELECT point, at_ms, codec, width, height, main_width, main_height, frames_per_second, clock, clock_error_ms,
        CAST(NULL AS BIGINT) AS last_video_ms
    FROM fact
    WHERE at_ms = (SELECT MAX(newer.at_ms) FROM fact AS newer WHERE newer.point = fact.point)";

const FACTS_AT: &str = "
    SELECT fact.point, fact.at_ms, codec, width, height, main_width, main_height, frames_per_second, clock,
        clock_error_ms,
        COALESCE(
            (SELECT CAST($3 AS BIGINT) FROM point_state AS open
                WHERE open.point = point.code AND open.since_ms < $3 AND open.state IN ('good', 'degraded')),
            (SELECT CASE WHEN closed.end_ms < $3 THEN closed.end_ms ELSE $3 END FROM interval AS closed
                WHERE closed.point = point.code AND closed.start_ms < $3 AND closed.state IN ('good', 'degraded')
                ORDER BY closed.end_ms DESC LIMIT 1)
        ) AS last_video_ms
    FROM point JOIN fact ON fact.point = point.code
    WHERE point.village >= $1 AND point.village <= $2
        AND fact.at_ms = (SELECT MAX(newer.at_ms) FROM fact AS newer WHERE newer.point = point.code AND newer.at_ms <= $3)
    ORDER BY fact.point";

#[derive(FromRow)]
struct Row {
    point: String,
    at_ms: i64,
    codec: String,
    width: Option<i64>,
    height: Option<i64>,
    main_width: Option<i64>,
    main_height: Option<i64>,
    frames_per_second: f64,
    clock: String,
    clock_error_ms: Option<i64>,
    last_video_ms: Option<i64>,
}

impl Store {
    /// Keeps facts.
    pub async fn add_facts(&self, facts: &[PointFacts]) -> Result<(), StoreError> {
        let statement = match &self.db {
            Db::Lite(_) => INSERT_LITE,
            Db::Pg(_) => INSERT_PG,
        };
        let rows = facts.iter().map(|fact| {
            let (clock, clock_error_ms) = clock_words(fact.clock);
            let (width, height) = fact.size.unzip();
            let (main_width, main_height) = fact.main_size.unzip();
            serde_json::json!([
                fact.point.as_str(),
                fact.at.as_millis(),
                fact.codec.as_str(),
                width,
                height,
                main_width,
                main_height,
                fact.frames_per_second,
                clock,
                clock_error_ms
            ])
        });
        let given = serde_json::Value::Array(rows.collect()).to_string();
        on_pool!(&self.db, pool => sqlx::query(statement).bind(&given).execute(pool).await.map(|_count| ()))
            .map_err(StoreError::at("keep facts"))
    }

    /// The newest facts of every point. One that cannot be read is as good as none: the next look writes a new one.
    pub(crate) async fn newest_facts(&self) -> Result<Vec<PointFacts>, StoreError> {
        let rows: Vec<Row> = on_pool!(&self.db, pool => sqlx::query_as(NEWEST).fetch_all(pool).await)
            .map_err(StoreError::at("read the newest facts"))?;
        Ok(rows.iter().filter_map(|row| row.read().ok()).collect())
    }

    /// What was measured, as of `at`, of every point recorded in a division that ever delivered video; by point.
    pub async fn facts_at(
        &self,
        division: DivisionCode,
        at: Timestamp,
    ) -> Result<Vec<PointFacts>, StoreError> {
        let (first, last) = village_range(division);
        let rows: Vec<Row> = on_pool!(&self.db, pool => sqlx::query_as(FACTS_AT)
            .bind(first)
            .bind(last)
            .bind(at.as_millis())
            .fetch_all(pool)
            .await)
        .map_err(StoreError::at("read facts"))?;
        rows.iter().map(Row::read).collect()
    }
}

/// The facts that an observation adds to the known ones; none when nothing changed materially.
pub(super) fn learned(known: Option<&PointFacts>, observation: &Observation) -> Option<PointFacts> {
    let measured = match &observation.outcome {
        Outcome::Video(measured) => measured,
        Outcome::Failed(failure) => failure.measured.as_ref().filter(|measured| measured.key_frames > 0)?,
        Outcome::Answered(_) | Outcome::NotLooked(_) => return None,
    };
    let fact = match observation.look {
        Look::Main => with_main(known?, measured, observation),
        Look::Patrol | Look::Light | Look::Continuous | Look::Manual => merged(known, measured, observation),
    };
    match known {
        Some(known) if known.at >= fact.at || is_same(known, &fact) => None,
        _ => Some(fact),
    }
}

/// A look at the main stream teaches its size; everything else is told of the watched stream.
fn with_main(known: &PointFacts, measured: &Measurement, observation: &Observation) -> PointFacts {
    let main_size = measured.size.or(known.main_size);
    PointFacts { at: observation.ended, main_size, last_video_at: None, ..known.clone() }
}

/// What was not seen in this look stays as it was.
fn merged(known: Option<&PointFacts>, measured: &Measurement, observation: &Observation) -> PointFacts {
    let clock = match measured.clock {
        ClockReading::NotSeen => known.map_or(ClockReading::NotSeen, |known| known.clock),
        seen @ (ClockReading::NotAWallClock | ClockReading::ErrorMs(_)) => seen,
    };
    PointFacts {
        point: observation.point,
        at: observation.ended,
        codec: measured.codec,
        size: measured.size.or_else(|| known.and_then(|known| known.size)),
        main_size: known.and_then(|known| known.main_size),
        frames_per_second: measured.frames_per_second(),
        clock,
        last_video_at: None,
    }
}

fn is_same(known: &PointFacts, fact: &PointFacts) -> bool {
    let rate_moved = (fact.frames_per_second - known.frames_per_second).abs();
    known.codec == fact.codec
        && known.size == fact.size
        && known.main_size == fact.main_size
        && rate_moved <= known.frames_per_second * FRAME_RATE_MOVED
        && is_same_clock(known.clock, fact.clock)
}

fn is_same_clock(known: ClockReading, seen: ClockReading) -> bool {
    match (known, seen) {
        (ClockReading::ErrorMs(known), ClockReading::ErrorMs(seen)) => known.abs_diff(seen) < CLOCK_MOVED_MS,
        _ => known == seen,
    }
}

impl Row {
    fn read(&self) -> Result<PointFacts, StoreError> {
        let pixels = |count: Option<i64>| count.and_then(|count| u32::try_from(count).ok());
        Ok(PointFacts {
            point: parse("point", &self.point)?,
            at: Timestamp::from_millis(self.at_ms),
            codec: read_codec(&self.codec)?,
            size: pixels(self.width).zip(pixels(self.height)),
            main_size: pixels(self.main_width).zip(pixels(self.main_height)),
            frames_per_second: self.frames_per_second,
            clock: read_clock(&self.clock, self.clock_error_ms)?,
            last_video_at: self.last_video_ms.map(Timestamp::from_millis),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Cause, Declared, Failure, Stage, StageTimes};
    use std::time::Duration;

    /// Pictures (or pictures per second), size and clock.
    type Seen<N> = (N, Option<(u32, u32)>, ClockReading);

    const GOOD: Seen<u64> = (100, Some((640, 360)), ClockReading::ErrorMs(100));

    /// Ten seconds of frames; none of them a key frame when there are no frames.
    fn measurement((frames, size, clock): Seen<u64>) -> Measurement {
        Measurement {
            window: Duration::from_secs(10),
            frames,
            key_frames: frames / 50,
            packets: frames,
            lost_packets: 0,
            bytes: frames,
            longest_gap: Duration::ZERO,
            gop_frames: None,
            gop_time: None,
            codec: Codec::H264,
            size,
            clock,
            declared: Declared::default(),
        }
    }

    fn observation(seconds: i64, outcome: Outcome) -> Observation {
        Observation {
            point: "23052100001320000001".parse().unwrap(),
            started: Timestamp::from_seconds(seconds - 10),
            ended: Timestamp::from_seconds(seconds),
            look: Look::Patrol,
            stages: StageTimes::default(),
            outcome,
        }
    }

    fn check(after_good: Seen<u64>, expected: Option<Seen<f64>>) {
        let known = learned(None, &observation(10, Outcome::Video(measurement(GOOD)))).unwrap();
        let seen = observation(20, Outcome::Video(measurement(after_good)));
        let found = learned(Some(&known), &seen).map(|fact| (fact.frames_per_second, fact.size, fact.clock));
        assert_eq!(found, expected, "{after_good:?}");
    }

    #[test]
    fn only_a_material_change_is_written() {
        let (frames, size, clock) = GOOD;
        check(GOOD, None);
        check((125, size, ClockReading::ErrorMs(1_099)), None);
        check((126, size, clock), Some((12.6, size, clock)));
        check((74, size, clock), Some((7.4, size, clock)));
        check((frames, Some((1920, 1080)), clock), Some((10.0, Some((1920, 1080)), clock)));
        let moved = ClockReading::ErrorMs(-900);
        check((frames, size, moved), Some((10.0, size, moved)));
        check((frames, size, ClockReading::NotAWallClock), Some((10.0, size, ClockReading::NotAWallClock)));
    }

    #[test]
    fn what_was_not_seen_stays_as_it_was() {
        check((100, None, ClockReading::NotSeen), None);
        let (_, size, clock) = GOOD;
        check((50, None, ClockReading::NotSeen), Some((5.0, size, clock)));
    }

    #[test]
    fn a_look_at_the_main_stream_teaches_its_size_alone() {
        let main = |seconds, size| Observation {
            look: Look::Main,
            ..observation(seconds, Outcome::Video(measurement((15, size, ClockReading::ErrorMs(90_000)))))
        };
        let watched = learned(None, &observation(10, Outcome::Video(measurement(GOOD)))).unwrap();
        let large = Some((1920, 1080));
        assert_eq!(learned(None, &main(20, large)), None, "nothing is known of the watched stream");
        let both = learned(Some(&watched), &main(20, large)).unwrap();
        let expected = PointFacts { at: Timestamp::from_seconds(20), main_size: large, ..watched };
        assert_eq!(both, expected);
        assert_eq!(learned(Some(&both), &main(30, large)), None, "no change");
        assert_eq!(learned(Some(&both), &main(30, None)), None, "not seen");
        assert_eq!(learned(Some(&both), &observation(30, Outcome::Video(measurement(GOOD)))), None);
        let slower = observation(30, Outcome::Video(measurement((50, GOOD.1, GOOD.2))));
        assert_eq!(learned(Some(&both), &slower).unwrap().main_size, large, "kept with the next fact");
    }

    #[test]
    fn only_pictures_teach_and_only_forward() {
        let failure = |measured| {
            Outcome::Failed(Failure { stage: Stage::Measure, cause: Cause::Stalled, status: None, measured })
        };
        let without_key_frame = measurement((10, None, ClockReading::NotSeen));
        for outcome in [
            Outcome::Answered(Declared::default()),
            Outcome::NotLooked(Cause::Backlog),
            failure(None),
            failure(Some(without_key_frame)),
        ] {
            assert_eq!(learned(None, &observation(10, outcome)), None);
        }
        assert!(learned(None, &observation(10, failure(Some(measurement(GOOD))))).is_some());
        let known = learned(None, &observation(10, Outcome::Video(measurement(GOOD)))).unwrap();
        let earlier = observation(9, Outcome::Video(measurement((20, None, ClockReading::NotSeen))));
        assert_eq!(learned(Some(&known), &earlier), None);
    }
}
