//! The two loops that must keep up with every point: the schedule of the looks and the tracker of the states.

use crate::report::{Timing, say};
use anyhow::Context;
use sharpeyes::config::{Settings, Watch};
use sharpeyes::domain::budget::{Budgets, LinkLimit};
use sharpeyes::domain::schedule::{Ended, Pace, Plan, Rules, Schedule};
use sharpeyes::domain::{
    ClockReading, Codec, Declared, Finding, Inventory, LinkCode, Look, Measurement, Observation, Outcome,
    Point, PointCode, StageTimes, Timestamp,
};
use sharpeyes::health::settings::TrackerSettings;
use sharpeyes::health::snapshot::Snapshot;
use sharpeyes::health::tracker::Tracker;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// 2026-11-01T00:00:00Z.
pub(crate) const START: Timestamp = Timestamp::from_seconds(1_793_491_200);
/// A patrol: one second to the key frame, four to measure, one to open and close.
const LOOK: Duration = Duration::from_secs(6);
/// What a province sets: every point once in 300 s takes 333 opens a second, and 2000 looks of 6 s at once; a fifth more
/// for retries.
const OPENS_PER_SECOND: u32 = 400;
const CONCURRENT_LOOKS: usize = 2_400;
/// Simulated time: three periods, and the step of the clock.
const SPAN: Duration = Duration::from_secs(900);
const STEP: Duration = Duration::from_millis(100);

/// Runs the schedule for three periods of simulated time and tells its lag and its own cost.
pub(crate) fn schedule(inventory: &Inventory) {
    let settings = Settings::default();
    let watch =
        Watch { opens_per_second: OPENS_PER_SECOND, concurrent_looks: CONCURRENT_LOOKS, ..settings.watch };
    let rules = Rules {
        period: watch.period,
        light_period: Duration::ZERO,
        retry_first: watch.retry_first,
        retry_cap: watch.retry_cap,
        retry_reset_after: watch.retry_reset_after,
        confirm_looks: settings.health.confirm_looks,
        recover_looks: settings.health.recover_looks,
        assumed_kbps: watch.assumed_kbps,
    };
    let default_limit = LinkLimit { kbps: watch.link_budget_kbps, sessions: watch.link_budget_sessions };
    let mut schedule = Schedule::new(rules, Budgets::new(default_limit, watch.sessions_per_host));
    schedule.set_limits(limits(inventory));
    let timing = Timing::start();
    inventory.points.values().for_each(|point| schedule.put(plan(inventory, point), START));
    say(&format!("schedule: {} points put in {:.2} s of CPU", schedule.len(), timing.seconds()));
    let timing = Timing::start();
    let Started { count, lags } = run(&mut schedule, &watch);
    let cpu = timing.seconds();
    let late = |share: usize| lags.get((lags.len() * share / 1000).min(lags.len().saturating_sub(1)));
    let [middle, last_percent, worst] =
        [500, 990, 1000].map(|share| late(share).copied().unwrap_or_default());
    say(&format!(
        "schedule: {count} looks in {} s at {OPENS_PER_SECOND} opens a second and {CONCURRENT_LOOKS} at once, lag after the first round p50 {middle:?} p99 {last_percent:?} max {worst:?}, {:.1} us of CPU a look",
        SPAN.as_secs(),
        cpu * 1e6 / f64::from(u32::try_from(count).unwrap_or(u32::MAX))
    ));
}

/// The looks of a run.
struct Started {
    count: usize,
    /// Of the looks after the first period, sorted. In the first one every point is due at once, and the open rate alone
    /// says how late the last one is.
    lags: Vec<Duration>,
}

/// Looks start as the scheduler starts them: no faster than the open rate, and no more at once than the settings say.
fn run(schedule: &mut Schedule, watch: &Watch) -> Started {
    let (mut count, mut lags, mut running) = (0, Vec::new(), VecDeque::<(Timestamp, PointCode)>::new());
    let mut pace = Pace::new(watch.opens_per_second);
    let mut now = START;
    while now < START.plus(SPAN) {
        while let Some((_, point)) = running.pop_front_if(|(ends, _)| *ends <= now) {
            schedule.finished(point, Ended::Good { frames_for: LOOK }, now, 0.5);
        }
        while running.len() < watch.concurrent_looks && pace.wait(now.since(START)).is_none() {
            let Some(start) = schedule.next(now) else { break };
            pace.take(now.since(START));
            count += 1;
            if now >= START.plus(watch.period) {
                lags.push(start.lag);
            }
            running.push_back((now.plus(LOOK), start.point));
        }
        now = now.plus(STEP);
    }
    lags.sort_unstable();
    Started { count, lags }
}

fn limits(inventory: &Inventory) -> std::collections::BTreeMap<LinkCode, LinkLimit> {
    let limit = |link: &sharpeyes::domain::Link| {
        Some(LinkLimit { kbps: link.budget_kbps?, sessions: link.budget_sessions? })
    };
    inventory.links.values().filter_map(|link| Some((link.code.clone(), limit(link)?))).collect()
}

fn plan(inventory: &Inventory, point: &Point) -> Plan {
    let mut path: Vec<LinkCode> = Vec::new();
    let mut next = inventory.link_of(point);
    while let Some(link) = next {
        path.push(link.code.clone());
        next = link.parents.first().and_then(|parent| inventory.links.get(parent));
    }
    Plan {
        point: point.code,
        // The copies share their addresses; as devices they are apart.
        host: point.code.as_str().into(),
        main_host: None,
        class: point.class,
        watch: point.watch,
        needs: path.clone(),
        path,
    }
}

/// Feeds two rounds of good looks to the tracker and tells the cost of a finding and of a snapshot; returns the last.
pub(crate) fn tracker(inventory: &Arc<Inventory>) -> anyhow::Result<Snapshot> {
    let settings = Settings::default();
    let settings = TrackerSettings::new(&settings.health, &settings.watch);
    let timing = Timing::start();
    let mut tracker = Tracker::new(settings, Arc::clone(inventory), &[], None, START);
    say(&format!("tracker: built in {:.2} s of CPU", timing.seconds()));
    let points: Vec<PointCode> = inventory.points.keys().copied().collect();
    let mut snapshot = None;
    for round in 0..2_u32 {
        let began = START.plus(Duration::from_secs(300) * round);
        let timing = Timing::start();
        let transitions = feed(&mut tracker, &points, began);
        let each = timing.seconds() * 1e6 / f64::from(u32::try_from(points.len())?);
        let timing = Timing::start();
        snapshot = Some(tracker.snapshot(began.plus(LOOK)));
        say(&format!(
            "tracker: round {}, {each:.1} us of CPU a finding, {transitions} transitions; snapshot {:.1} ms",
            round + 1,
            timing.seconds() * 1e3
        ));
    }
    snapshot.context("no snapshot")
}

fn feed(tracker: &mut Tracker, points: &[PointCode], began: Timestamp) -> usize {
    let mut transitions = 0;
    for batch in points.chunks(256) {
        for point in batch {
            tracker.apply(&Finding::Look(Box::new(good_look(*point, began))), began.plus(LOOK));
        }
        tracker.settle(began.plus(LOOK));
        transitions += tracker.take_effects().transitions.len();
    }
    transitions
}

fn good_look(point: PointCode, started: Timestamp) -> Observation {
    let measurement = Measurement {
        window: Duration::from_secs(4),
        frames: 60,
        key_frames: 2,
        packets: 120,
        lost_packets: 0,
        bytes: 128_000,
        longest_gap: Duration::from_millis(70),
        gop_frames: Some(30),
        gop_time: Some(Duration::from_secs(2)),
        codec: Codec::H264,
        size: Some((640, 360)),
        clock: ClockReading::ErrorMs(12),
        declared: Declared::default(),
    };
    Observation {
        point,
        started,
        ended: started.plus(LOOK),
        look: Look::Patrol,
        stages: StageTimes::default(),
        outcome: Outcome::Video(measurement),
    }
}
