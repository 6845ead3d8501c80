//! Properties of the schedule, driven through simulated time.

use super::*;
use crate::domain::budget::HostName;
use crate::domain::{PointClass, WatchMode};
use proptest::prelude::{Just, Strategy, prop, prop_oneof, proptest};

const START: Timestamp = Timestamp::from_seconds(1_700_000_000);

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn rules() -> Rules {
    Rules {
        period: seconds(300),
        light_period: Duration::ZERO,
        retry_first: seconds(5),
        retry_cap: seconds(300),
        retry_reset_after: seconds(180),
        confirm_looks: 3,
        recover_looks: 2,
        assumed_kbps: 500,
    }
}

fn code(index: usize) -> PointCode {
    format!("230521000013{index:08}").parse().unwrap()
}

fn link(index: usize) -> LinkCode {
    format!("L{index}").parse().unwrap()
}

fn plan(index: usize, host: usize, links: &[usize]) -> Plan {
    let path: Vec<LinkCode> = links.iter().map(|index| link(*index)).collect();
    Plan {
        point: code(index),
        host: HostName::from(format!("10.0.0.{host}:554")),
        main_host: None,
        class: PointClass::Two,
        watch: WatchMode::Patrol,
        needs: path.clone(),
        path,
    }
}

fn schedule(limit: LinkLimit, per_host: u16) -> Schedule {
    Schedule::new(rules(), Budgets::new(limit, per_host))
}

const WIDE: LinkLimit = LinkLimit { kbps: 1_000_000, sessions: 1_000 };
/// A plan with a main stream, on the same device.
fn plan_with_main(index: usize, links: &[usize]) -> Plan {
    let plan = plan(index, index, links);
    Plan { main_host: Some(plan.host.clone()), ..plan }
}

const GOOD: Ended = Ended::Good { frames_for: Duration::from_secs(4) };
const FAILED: Ended = Ended::Failed { frames_for: Duration::ZERO };

/// Runs a schedule in steps of one second and notes when each look starts.
struct Simulation {
    schedule: Schedule,
    now: Timestamp,
    running: BTreeMap<PointCode, Timestamp>,
    starts: BTreeMap<PointCode, Vec<(Timestamp, Look)>>,
}

impl Simulation {
    fn new(schedule: Schedule) -> Self {
        Self { schedule, now: START, running: BTreeMap::new(), starts: BTreeMap::new() }
    }

    fn run(&mut self, span: Duration, took: Duration, mut ended: impl FnMut(PointCode) -> Ended) {
        let end = self.now.plus(span);
        while self.now < end {
            let over: Vec<PointCode> = self
                .running
                .iter()
                .filter(|(_, until)| **until <= self.now)
                .map(|(point, _)| *point)
                .collect();
            for point in over {
                self.running.remove(&point);
                self.schedule.finished(point, ended(point), self.now, 0.5);
            }
            while let Some(start) = self.schedule.next(self.now) {
                assert!(self.running.insert(start.point, self.now.plus(took)).is_none(), "looked at twice");
                self.starts.entry(start.point).or_default().push((self.now, start.look));
            }
            self.now = self.now.plus(seconds(1));
        }
    }

    fn starts_of(&self, index: usize) -> Vec<u64> {
        let starts = self.starts.get(&code(index)).cloned().unwrap_or_default();
        starts.iter().map(|(at, _)| at.since(START).as_secs()).collect()
    }
}

/// A recorder that answers no TEARDOWN: each session is left over for a minute.
#[test]
fn a_recorder_that_must_be_left_alone_starves_none_of_its_channels() {
    const CHANNELS: usize = 6;
    let mut schedule = schedule(WIDE, 4);
    for index in 0..CHANNELS {
        schedule.put(plan(index, 1, &[]), START);
    }
    let (mut begun, mut quiet_from) = (BTreeMap::<PointCode, usize>::new(), START);
    let (mut most_lag, mut in_vain) = (Duration::ZERO, 0);
    for second in 0..600 {
        let now = START.plus(seconds(second));
        while let Some(start) = schedule.next(now) {
            most_lag = most_lag.max(start.lag);
            let ended = if now < quiet_from {
                in_vain += 1;
                Ended::Unquiet { wait: seconds(3) }
            } else {
                *begun.entry(start.point).or_default() += 1;
                quiet_from = now.plus(seconds(60));
                GOOD
            };
            schedule.finished(start.point, ended, now, 0.5);
        }
    }
    let (least, most) = (begun.values().min().unwrap(), begun.values().max().unwrap());
    assert!(begun.len() == CHANNELS && most - least <= 1, "{begun:?}");
    assert!(most_lag > seconds(30), "it shows: {most_lag:?}");
    assert!(in_vain <= 200, "one try every three seconds: {in_vain}");
}

#[test]
fn starts_are_spread_evenly_over_the_time_given() {
    let mut tenths = [0_usize; 10];
    for index in 0..1_000 {
        let at = spread(code(index).as_str(), seconds(300));
        tenths[usize::try_from(at.as_secs() / 30).unwrap()] += 1;
    }
    assert!(tenths.iter().all(|count| (60..=140).contains(count)), "{tenths:?}");
}

#[test]
fn every_point_is_looked_at_once_a_period() {
    let mut schedule = schedule(WIDE, 2);
    (0..200).for_each(|index| schedule.put(plan(index, index, &[0]), START));
    let mut simulation = Simulation::new(schedule);
    simulation.run(seconds(3_000), seconds(6), |_| GOOD);
    for index in 0..200 {
        let starts = simulation.starts_of(index);
        assert!(starts[0] <= 61, "first round: {starts:?}");
        assert!((10..=11).contains(&starts.len()), "{starts:?}");
        assert!(starts.windows(2).all(|pair| pair[1] - pair[0] <= 345), "{starts:?}");
    }
}

/// A monitor that begins with one target after the other at 222 ms each, as gatus does, is through with ten thousand after
/// 37 minutes; until then it knows nothing of the last ones.
#[test]
fn a_start_is_not_serial() {
    let mut schedule = schedule(WIDE, 1);
    (0..10_000).for_each(|index| schedule.put(plan(index, index, &[]), START));
    let mut simulation = Simulation::new(schedule);
    // No look ends in this time, so none can have waited for another.
    simulation.run(seconds(61), seconds(600), |_| GOOD);
    let mut each_second = [0_usize; 61];
    for index in 0..10_000 {
        each_second[usize::try_from(simulation.starts_of(index)[0]).unwrap()] += 1;
    }
    let most = each_second.iter().max().unwrap();
    assert!(*most <= 230, "a sixtieth of all is 167: {each_second:?}");
}

#[test]
fn light_looks_fill_the_time_between_patrols() {
    let rules = Rules { light_period: seconds(60), ..rules() };
    let mut schedule = Schedule::new(rules, Budgets::new(WIDE, 2));
    schedule.put(plan(1, 1, &[]), START);
    let mut simulation = Simulation::new(schedule);
    simulation.run(seconds(1_500), seconds(1), |_| GOOD);
    let looks = &simulation.starts[&code(1)];
    let patrols = looks.iter().filter(|(_, look)| *look == Look::Patrol).count();
    assert!((5..=6).contains(&patrols) && looks.len() >= 22, "{looks:?}");
    assert!(looks.windows(2).all(|pair| pair[1].0.since(pair[0].0) <= seconds(63)), "{looks:?}");
}

#[test]
fn a_failure_is_proven_soon_and_then_backs_off_to_the_period() {
    let mut schedule = schedule(WIDE, 2);
    schedule.put(plan(1, 1, &[]), START);
    let mut simulation = Simulation::new(schedule);
    simulation.run(seconds(3_000), seconds(1), |_| FAILED);
    let starts = simulation.starts_of(1);
    assert!(starts[2] - starts[0] < 20, "three looks prove it: {starts:?}");
    let last = starts.windows(2).last().unwrap();
    assert!((100..=300).contains(&(last[1] - last[0])), "{starts:?}");
}

#[test]
fn a_recovery_is_proven_by_a_second_look_at_once() {
    let mut schedule = schedule(WIDE, 2);
    schedule.put(plan(1, 1, &[]), START);
    let mut simulation = Simulation::new(schedule);
    simulation.run(seconds(600), seconds(1), |_| FAILED);
    let known = simulation.starts_of(1).len();
    simulation.run(seconds(900), seconds(1), |_| GOOD);
    let starts = &simulation.starts_of(1)[known..];
    assert!(starts[1] - starts[0] <= 7, "{starts:?}");
    assert!(starts[2] - starts[1] >= 37, "{starts:?}");
}

#[test]
fn never_seen_comes_before_failing_before_class_one_before_the_rest() {
    let mut schedule = schedule(LinkLimit { kbps: 1_000, sessions: 1 }, 2);
    schedule.put(plan(1, 1, &[0]), START);
    schedule.put(Plan { class: PointClass::One, ..plan(2, 2, &[0]) }, START);
    schedule.put(plan(3, 3, &[0]), START);
    for (point, ended) in [(code(1), GOOD), (code(2), GOOD), (code(3), FAILED)] {
        schedule.look_soon(point, START);
        assert_eq!(schedule.next(START).unwrap().point, point);
        schedule.finished(point, ended, START, 0.0);
    }
    schedule.put(plan(4, 4, &[0]), START);
    let at = START.plus(seconds(1));
    (1..=4).for_each(|index| schedule.look_soon(code(index), at));
    let order: Vec<PointCode> = (0..4)
        .map(|_| {
            let point = schedule.next(at).unwrap().point;
            assert_eq!(schedule.next(at), None, "one session at a time");
            schedule.finished(point, Ended::NotBefore { wait: seconds(250) }, at, 0.0);
            point
        })
        .collect();
    assert_eq!(order, [code(4), code(3), code(2), code(1)]);
}

#[test]
fn behind_a_dead_link_one_canary_at_a_time_is_looked_at_in_turn() {
    let mut schedule = schedule(WIDE, 2);
    (0..10).for_each(|index| schedule.put(plan(index, index, &[0, 9]), START));
    schedule.put(plan(10, 10, &[1, 9]), START);
    let mut simulation = Simulation::new(schedule);
    simulation.run(seconds(100), seconds(1), |_| GOOD);
    simulation.schedule.link_down(&link(0), simulation.now);
    simulation.starts.clear();
    simulation.run(seconds(600), seconds(1), |_| FAILED);
    let looked: Vec<usize> = (0..10).map(|index| simulation.starts_of(index).len()).collect();
    assert_eq!(looked.iter().sum::<usize>(), 10, "one per canary period: {looked:?}");
    assert!(looked.iter().all(|count| *count == 1), "each in turn: {looked:?}");
    assert!(simulation.starts_of(10).len() >= 2, "a point on another link goes on");

    let up = simulation.now;
    simulation.schedule.link_up(&link(0), seconds(30), up);
    simulation.starts.clear();
    simulation.run(seconds(40), seconds(1), |_| GOOD);
    assert!((0..10).all(|index| !simulation.starts_of(index).is_empty()), "all looked at after the repair");
}

#[test]
fn a_dead_link_cuts_off_those_that_need_it_now() {
    let mut schedule = schedule(WIDE, 3);
    schedule.put(plan(1, 1, &[0]), START);
    schedule.put(plan(2, 2, &[0]), START);
    schedule.put(plan(1, 1, &[5]), START);
    schedule.remove(code(2));
    schedule.put(plan(3, 3, &[0]), START);
    schedule.link_down(&link(0), START);
    for (index, expected) in [(1, true), (3, false)] {
        schedule.look_soon(code(index), START);
        let is_cut = matches!(schedule.entries[&code(index)].place, Place::Suppressed);
        assert_eq!(!is_cut, expected, "{index}");
    }
    assert_eq!(schedule.behind.len(), 2, "links without a point are forgotten");
}

#[test]
fn a_changed_or_removed_point_gives_back_what_it_had() {
    let mut schedule = schedule(LinkLimit { kbps: 1_000, sessions: 1 }, 1);
    schedule.put(plan(1, 1, &[0]), START);
    schedule.look_soon(code(1), START);
    assert!(schedule.next(START).is_some());
    schedule.put(plan(1, 2, &[0]), START);
    assert_eq!(schedule.next(START), None, "the old look still runs");
    schedule.finished(code(1), FAILED, START, 1.0);
    assert!(schedule.next(START).is_some(), "the new plan is due at once");
    schedule.remove(code(1));
    schedule.finished(code(1), GOOD, START, 0.0);
    assert!(schedule.is_empty() && schedule.running() == 0);
    assert_eq!(schedule.budgets().in_use(&link(0)), (0, 0));
}

#[test]
fn a_host_that_refuses_a_session_is_asked_for_no_more_than_it_served() {
    let mut schedule = schedule(WIDE, 3);
    (0..3).for_each(|index| schedule.put(plan(index, 1, &[]), START));
    (0..3).for_each(|index| schedule.look_soon(code(index), START));
    let started: Vec<PointCode> =
        std::iter::from_fn(|| schedule.next(START)).map(|start| start.point).collect();
    assert_eq!(started.len(), 3);
    schedule.finished(started[2], Ended::Limited, START, 0.0);
    assert_eq!((schedule.next(START), schedule.parked()), (None, 1), "two are served, the third waits");
    schedule.finished(started[0], GOOD, START, 0.0);
    assert_eq!(schedule.next(START).unwrap().point, started[2]);
    schedule.set_limits(BTreeMap::new());
    schedule.look_soon(started[0], START);
    assert!(schedule.next(START).is_some(), "a reload forgets it");
}

#[test]
fn a_kept_session_gives_way_when_others_wait() {
    let mut schedule = schedule(LinkLimit { kbps: 10_000, sessions: 1 }, 1);
    for index in 0..2 {
        schedule.put(Plan { watch: WatchMode::Continuous, ..plan(index, index, &[0]) }, START);
        schedule.look_soon(code(index), START);
    }
    let first = schedule.next(START).unwrap();
    assert_eq!((first.look, schedule.next(START)), (Look::Continuous, None));
    assert_eq!(schedule.to_yield(START.plus(seconds(299))), []);
    let later = START.plus(seconds(300));
    assert_eq!(schedule.to_yield(later), [first.point]);
    schedule.finished(first.point, Ended::Yielded, later, 0.0);
    assert_ne!(schedule.next(later).unwrap().point, first.point);
}

#[test]
fn a_session_that_breaks_off_is_renewed_soon_when_it_was_sound_and_ever_later_when_not() {
    let delays = |frames_for: Duration| -> Vec<u64> {
        let mut schedule = schedule(WIDE, 2);
        schedule.put(Plan { watch: WatchMode::Continuous, ..plan(1, 1, &[]) }, START);
        let mut now = START;
        schedule.look_soon(code(1), now);
        (0..8)
            .map(|_| {
                assert!(schedule.next(now).is_some());
                schedule.finished(code(1), Ended::BrokeOff { frames_for }, now, 1.0);
                let due = schedule.next_due().unwrap();
                let delay = due.since(now).as_secs();
                now = due;
                delay
            })
            .collect()
    };
    assert_eq!(delays(seconds(60)), [5; 8]);
    assert_eq!(delays(seconds(11)), [5, 10, 20, 40, 80, 160, 300, 300]);
}

#[test]
fn a_point_that_waits_longer_than_a_period_is_named_once() {
    let mut schedule = schedule(LinkLimit { kbps: 1_000, sessions: 1 }, 1);
    (0..2).for_each(|index| schedule.put(plan(index, 1, &[0]), START));
    let running = {
        schedule.look_soon(code(0), START);
        schedule.next(START).unwrap().point
    };
    let later = START.plus(seconds(400));
    assert_eq!(schedule.next(later), None);
    let lacking = Some(Resource::Host("10.0.0.1:554".into()));
    assert_eq!((running, schedule.overdue(later)), (code(0), vec![(code(1), lacking)]));
    assert_eq!(schedule.overdue(later), []);
    assert!(schedule.lag(later) > seconds(300));
}

#[test]
fn what_a_late_point_lacks_is_told() {
    let check = |limit, per_host, expected: Option<Resource>| {
        let mut schedule = schedule(limit, per_host);
        (0..2).for_each(|index| schedule.put(plan(index, 1, &[0]), START));
        schedule.look_soon(code(0), START);
        assert!(schedule.next(START).is_some());
        let later = START.plus(seconds(400));
        // Without a call of `next` the open rate or the number of looks at once kept it waiting.
        if expected.is_some() {
            assert_eq!(schedule.next(later), None);
        } else {
            schedule.promote(later);
        }
        assert_eq!(schedule.overdue(later), [(code(1), expected)]);
    };
    check(LinkLimit { kbps: 1_000, sessions: 1 }, 2, Some(Resource::Link(link(0))));
    check(WIDE, 1, Some(Resource::Host("10.0.0.1:554".into())));
    check(WIDE, 2, None);
}

#[test]
fn a_main_stream_is_looked_at_once_a_day_between_two_patrols() {
    let mut schedule = schedule(WIDE, 2);
    schedule.put(plan_with_main(1, &[0]), START);
    schedule.put(plan(2, 2, &[0]), START);
    let mut simulation = Simulation::new(schedule);
    let days = 3 * 24 * 60 * 60;
    simulation.run(seconds(days), seconds(4), |_| GOOD);
    let of_kind = |index, kind: fn(Look) -> bool| -> Vec<u64> {
        let looks = simulation.starts[&code(index)].iter().filter(|(_, look)| kind(*look));
        looks.map(|(at, _)| at.since(START).as_secs()).collect()
    };
    let mains = of_kind(1, |look| look == Look::Main);
    assert_eq!(mains.len(), 3, "{mains:?}");
    assert!(mains[0] <= 4_000, "the first ones within some periods: {mains:?}");
    assert!(mains.windows(2).all(|pair| (86_400..87_000).contains(&(pair[1] - pair[0]))), "{mains:?}");
    let patrols = of_kind(1, |look| look == Look::Patrol);
    assert!(patrols.windows(2).all(|pair| pair[1] - pair[0] <= 345), "patrols go on as ever");
    assert_eq!(of_kind(2, |look| look == Look::Main), Vec::<u64>::new(), "no main stream of its own");
}

/// A point that is well and whose main stream is due, on a link that carries one session, at `at`; the second point is
/// due for a patrol.
fn main_due_at(at: Timestamp) -> Schedule {
    let mut schedule = schedule(LinkLimit { kbps: 5_000, sessions: 1 }, 2);
    schedule.put(plan_with_main(1, &[0]), START);
    schedule.put(plan(2, 2, &[0]), START);
    schedule.look_soon(code(1), START);
    assert_eq!(schedule.next(at).map(|start| (start.point, start.look)), Some((code(1), Look::Patrol)));
    schedule.look_soon(code(2), at);
    schedule.finished(code(1), GOOD, at, 0.0);
    schedule
}

fn next_of(schedule: &mut Schedule, at: Timestamp) -> Option<(PointCode, Look)> {
    schedule.next(at).map(|start| (start.point, start.look))
}

#[test]
fn a_look_at_a_main_stream_gives_way_to_every_other_and_decides_nothing() {
    let at = START.plus(seconds(7_200));
    let mut schedule = main_due_at(at);
    assert_eq!(next_of(&mut schedule, at), Some((code(2), Look::Patrol)), "what is due comes first");
    assert_eq!(next_of(&mut schedule, at), None);
    assert_eq!((schedule.parked(), schedule.lag(at)), (1, Duration::ZERO), "it waits and is not late");
    schedule.finished(code(2), GOOD, at, 0.0);
    assert_eq!(next_of(&mut schedule, at), Some((code(1), Look::Main)));
    assert_eq!(schedule.budgets().in_use(&link(0)), (4_096, 1), "charged as a main stream");
    let soon = at.plus(seconds(3));
    schedule.finished(code(1), FAILED, soon, 0.0);
    let next = schedule.next_due().unwrap();
    assert!(next.since(soon) > seconds(30), "a failure is not hurried after: {next:?}");
    while let Some(start) = schedule.next(next) {
        assert_eq!(start.look, Look::Patrol);
        schedule.finished(start.point, GOOD, next, 0.0);
    }
}

#[test]
fn a_look_at_a_main_stream_that_finds_no_room_is_left_for_later() {
    let at = START.plus(seconds(7_200));
    let mut schedule = main_due_at(at);
    assert_eq!(next_of(&mut schedule, at), Some((code(2), Look::Patrol)));
    assert_eq!(next_of(&mut schedule, at), None);
    let until = schedule.next_due().unwrap();
    assert_eq!((next_of(&mut schedule, until), schedule.overdue(until)), (None, vec![]));
    schedule.finished(code(2), FAILED, until, 0.9);
    assert_eq!(next_of(&mut schedule, until), Some((code(1), Look::Patrol)), "its own patrol is due instead");
    schedule.finished(code(1), GOOD, until, 0.0);
    assert_ne!(
        next_of(&mut schedule, until).map(|(_, look)| look),
        Some(Look::Main),
        "not again within the hour"
    );
}

#[test]
fn a_hurried_point_forgets_that_its_main_stream_was_due() {
    let at = START.plus(seconds(7_200));
    for is_running in [false, true] {
        let mut schedule = main_due_at(at);
        assert_eq!(next_of(&mut schedule, at), Some((code(2), Look::Patrol)));
        schedule.finished(code(2), GOOD, at, 0.0);
        if is_running {
            assert_eq!(next_of(&mut schedule, at), Some((code(1), Look::Main)));
        }
        schedule.look_soon(code(1), at);
        if is_running {
            schedule.finished(code(1), GOOD, at, 0.0);
        }
        assert_eq!(next_of(&mut schedule, at), Some((code(1), Look::Patrol)), "running: {is_running}");
    }
}

#[test]
fn a_kept_session_makes_room_for_its_main_stream_once_a_day() {
    let mut schedule = schedule(LinkLimit { kbps: 2_000, sessions: 4 }, 1);
    schedule.put(Plan { watch: WatchMode::Continuous, ..plan_with_main(1, &[0]) }, START);
    schedule.look_soon(code(1), START);
    assert_eq!(next_of(&mut schedule, START), Some((code(1), Look::Continuous)));
    let at = START.plus(seconds(7_200));
    assert_eq!(schedule.to_yield(at), [code(1)]);
    schedule.finished(code(1), Ended::Yielded, at, 0.0);
    assert_eq!(next_of(&mut schedule, at), Some((code(1), Look::Main)));
    let over = at.plus(seconds(6));
    schedule.finished(code(1), GOOD, over, 0.0);
    assert_eq!(next_of(&mut schedule, over), Some((code(1), Look::Continuous)));
    assert_eq!(schedule.to_yield(over.plus(seconds(80_000))), []);
    assert_eq!(schedule.to_yield(over.plus(seconds(86_400))), [code(1)]);
}

#[derive(Clone, Debug)]
enum Step {
    Start,
    Finish(usize, u8),
    Put(usize, usize, usize),
    Remove(usize),
    Down(usize),
    Up(usize),
    Soon(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Start),
        4 => (0..12_usize, 0..5_u8).prop_map(|(point, how)| Step::Finish(point, how)),
        2 => (0..12_usize, 0..4_usize, 0..3_usize).prop_map(|(point, host, link)| Step::Put(point, host, link)),
        1 => (0..12_usize).prop_map(Step::Remove),
        1 => (0..4_usize).prop_map(Step::Down),
        1 => (0..4_usize).prop_map(Step::Up),
        1 => (0..12_usize).prop_map(Step::Soon),
        3 => (1..200_u64).prop_map(Step::Wait),
        1 => (3_600..90_000_u64).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Whatever happens in whatever order: no budget is exceeded, no point is looked at twice at once, and everything
    /// taken is given back.
    #[test]
    fn no_budget_is_ever_exceeded(
        kbps in 1_u32..3_000, sessions in 0_u16..4, per_host in 0_u16..3,
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let limit = LinkLimit { kbps, sessions };
        let mut schedule = schedule(limit, per_host);
        let (mut now, mut running) = (START, BTreeSet::new());
        for step in steps {
            match step {
                Step::Start => while let Some(start) = schedule.next(now) {
                    assert!(running.insert(start.point));
                },
                Step::Finish(point, how) => if running.remove(&code(point)) {
                    schedule.measured(code(point), 137 * u32::try_from(point).unwrap());
                    let nothing = Ended::NotBefore { wait: Duration::ZERO };
                    let ended = [GOOD, FAILED, Ended::Limited, Ended::Yielded, nothing][usize::from(how)];
                    schedule.finished(code(point), ended, now, 0.4);
                },
                Step::Put(point, host, link) => {
                    let plan = plan(point, host, &[link, 3]);
                    let main_host = (point % 2 == 0).then(|| plan.host.clone());
                    schedule.put(Plan { main_host, ..plan }, now);
                }
                Step::Remove(point) => schedule.remove(code(point)),
                Step::Down(at) => {
                    schedule.link_down(&link(at), now);
                }
                Step::Up(at) => schedule.link_up(&link(at), seconds(5), now),
                Step::Soon(point) => schedule.look_soon(code(point), now.plus(seconds(3))),
                Step::Wait(span) => now = now.plus(seconds(span)),
            }
            for at in 0..4 {
                let (used_kbps, used_sessions) = schedule.budgets().in_use(&link(at));
                assert!(used_kbps <= kbps && used_sessions <= sessions.max(1));
            }
            assert_eq!(schedule.running(), running.len());
            assert!(schedule.parked() <= schedule.waiting());
        }
        for point in running {
            schedule.finished(point, GOOD, now, 0.0);
        }
        assert!((0..4).all(|at| schedule.budgets().in_use(&link(at)) == (0, 0)));
    }

    /// With hosts shared and links far too thin, every point still gets its turn, in about the time that the thinnest
    /// link needs for all of them.
    #[test]
    fn nothing_starves(
        shape in prop::collection::vec((0_usize..6, 0_usize..3, 100_u32..2_500), 1..40),
    ) {
        let mut schedule = schedule(LinkLimit { kbps: 1_000, sessions: 2 }, 1);
        let mut rates = BTreeMap::new();
        for (index, (host, link, rate)) in shape.iter().enumerate() {
            schedule.put(plan(index, *host, &[*link, 9]), START);
            rates.insert(code(index), *rate);
        }
        let mut simulation = Simulation::new(schedule);
        for _round in 0..60 {
            simulation.run(seconds(60), seconds(30), |_| GOOD);
            for point in simulation.running.keys() {
                simulation.schedule.measured(*point, rates[point]);
            }
        }
        // 40 points of 30 s one after the other are 1200 s; four such rounds fit into the hour.
        for index in 0..shape.len() {
            let starts = simulation.starts_of(index);
            assert!(starts.len() >= 2, "point {index} was looked at {} times", starts.len());
        }
    }
}
