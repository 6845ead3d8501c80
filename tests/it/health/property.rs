//! The invariants of root cause and restart on random networks and random histories of faults.

use super::network::point;
use super::world::{Deed, PERIOD, Script, Story, failed, is_offline, word, world};
use proptest::collection::vec;
use proptest::prelude::*;
use sharpeyes::domain::{Cause, Condition, Order, Outcome, State};

/// The faults of a history lie between these seconds; what comes after is quiet.
pub(super) const FROM: i64 = 300;
pub(super) const TO: i64 = 1_500;
/// A look comes within a period, is confirmed within two more, and a held decision within three confirmations.
pub(super) const BOUND: i64 = 3 * PERIOD + 3 * 60 + 60;
const END: i64 = TO + BOUND + 2 * PERIOD;

/// Whether every link of a random network can be probed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Probes {
    Everywhere,
    Anywhere,
}

/// A random network of up to three levels, as text.
pub(super) fn any_network(probes: Probes) -> impl Strategy<Value = String> {
    let mark = move |probed: bool| if probed || matches!(probes, Probes::Everywhere) { "*" } else { "" };
    let village = (any::<bool>(), any::<bool>(), 0_usize..6);
    let township = (any::<bool>(), vec(village, 1..4));
    vec(township, 1..4).prop_map(move |townships| {
        let mut text = format!("C{}", mark(true));
        for (i, (probed, villages)) in townships.iter().enumerate() {
            text += &format!(";T{i}{}<C", mark(*probed));
            for (j, (probed, redundant, points)) in villages.iter().enumerate() {
                let parents = if *redundant && i > 0 { format!("T{i},T0|") } else { format!("T{i}") };
                text += &format!(";V{i}{j}{}<{parents}={points}", mark(*probed));
            }
        }
        text + ";Z*<C=1"
    })
}

/// A random stroke of fate: which kind, which link or point, when, how long.
pub(super) type Stroke = (u8, usize, i64, i64);

pub(super) fn strokes() -> impl Strategy<Value = Vec<Stroke>> {
    vec((0_u8..6, 0_usize..40, FROM..TO, 5_i64..900), 0..8)
}

/// Cuts and repairs of links only, or also sick cameras.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    LinksOnly,
    LinksAndCameras,
}

pub(super) fn tell(text: &str, strokes: &[Stroke], fate: Fate) -> Script {
    let mut script = world(text);
    let links: Vec<String> = script.inventory.links.keys().map(ToString::to_string).collect();
    let points = script.inventory.points.len();
    for &(kind, which, start, lasts) in strokes {
        let end = (start + lasts).min(TO);
        let link = &links[which % links.len()];
        let sick = point(1 + which % points);
        script = match (kind, fate) {
            (0..=2, _) | (_, Fate::LinksOnly) => script.at(start).cut(link).at(end).repair(link),
            (3, _) => ail(script, sick, Cause::ConnectTimeout, start, end),
            (4, _) => ail(script, sick, Cause::NoPackets, start, end),
            (_, _) => ail(script, sick, Cause::StreamNotFound, start, end),
        };
    }
    script
}

fn ail(script: Script, sick: sharpeyes::domain::PointCode, cause: Cause, start: i64, end: i64) -> Script {
    // Half of the sick cameras stay sick.
    let script = script.at(start).then(Deed::Break(sick, Box::new(failed(cause))));
    if end % 2 == 0 { script.at(end).then(Deed::Mend(sick)) } else { script }
}

/// When the clock is set, and by how many seconds.
fn clock_steps(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<(i64, i64)>> {
    vec((FROM..TO, -4_000_i64..4_000), count)
}

fn set(script: Script, steps: &[(i64, i64)]) -> Script {
    steps.iter().fold(script, |script, (when, step)| script.at(*when).then(Deed::SetClock(*step)))
}

/// The condition that a point must have at the end, when everything had the time to be seen.
fn expected_at_end(script: &Script, number: usize) -> Option<Cause> {
    let mine = point(number);
    let deeds = script.deeds.iter().filter(|(_, deed)| match deed {
        Deed::Break(other, _) | Deed::Mend(other) => *other == mine,
        _ => false,
    });
    // Deeds of one second happen in the order in which they were told.
    let mut deeds: Vec<_> = deeds.collect();
    deeds.sort_by_key(|(when, _)| *when);
    match deeds.last() {
        Some((_, Deed::Break(_, outcome))) => match outcome.as_ref() {
            Outcome::Failed(failure) => Some(failure.cause.clone()),
            _ => None,
        },
        _ => None,
    }
}

fn assert_ends_as_expected(script: &Script, story: &Story) {
    for number in 1..=story.points.len() {
        let last = &story.of(number).last().unwrap().to;
        let expected = expected_at_end(script, number).map_or(Condition::Good, Condition::Because);
        assert_eq!(word(last), word(&expected), "P{number}: {}", story.words(number));
    }
}

fn sorted(mut story: Story) -> Vec<sharpeyes::domain::Transition> {
    story.transitions.sort_by_key(|transition| (transition.point, transition.at));
    story.transitions
}

/// A story costs about 20 ms: a sixteenth of the usual number of cases (`PROPTEST_CASES` raises it).
fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases / 16, failure_persistence: None, ..usual }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_well_camera_is_never_offline_where_links_are_probed(
        text in any_network(Probes::Everywhere), strokes in strokes()
    ) {
        let story = tell(&text, &strokes, Fate::LinksOnly).until(END);
        let offline = story.transitions.iter().find(|transition| is_offline(&transition.to));
        prop_assert_eq!(offline, None);
    }

    #[test]
    fn everything_is_decided_within_the_bound(text in any_network(Probes::Anywhere), strokes in strokes()) {
        let script = tell(&text, &strokes, Fate::LinksAndCameras);
        let story = script.clone().until(END);
        assert_ends_as_expected(&script, &story);
        prop_assert!(story.snapshot.roots.is_empty());
        prop_assert!(story.snapshot.first_round_done);
    }

    #[test]
    fn the_order_of_one_instant_changes_nothing(
        text in any_network(Probes::Anywhere), strokes in strokes(), seed in any::<u64>(),
        steps in clock_steps(0..3)
    ) {
        let script = set(tell(&text, &strokes, Fate::LinksAndCameras), &steps);
        let mut shuffled = script.clone();
        shuffled.seed = seed;
        prop_assert_eq!(sorted(script.until(END)), sorted(shuffled.until(END)));
    }

    #[test]
    fn a_restart_at_any_step_costs_a_bounded_unknown_and_nothing_else(
        text in any_network(Probes::Everywhere), strokes in strokes(), kill in FROM..TO, lasts in 1_i64..400
    ) {
        let start = (kill + lasts).min(TO);
        let script = tell(&text, &strokes, Fate::LinksAndCameras);
        let restarted = script.clone().at(kill).then(Deed::Kill).at(start).then(Deed::Start);
        let story = restarted.clone().until(END);
        assert_ends_as_expected(&script, &story);
        for number in 1..=story.points.len() {
            assert_gap_is_bounded(&story, number, start);
        }
    }

    #[test]
    fn our_own_stops_and_stalls_make_unknown_only(
        text in any_network(Probes::Anywhere), stops in vec((FROM..TO, 1_i64..300, any::<bool>()), 1..3)
    ) {
        let mut script = world(&text);
        let mut free_from = FROM;
        for (start, lasts, kill) in stops {
            let start = start.max(free_from);
            free_from = start + lasts + 1;
            let (stop, go) = if kill { (Deed::Kill, Deed::Start) } else { (Deed::Freeze, Deed::Thaw) };
            script = script.at(start).then(stop).at(start + lasts).then(go);
        }
        let story = script.until(free_from.max(TO) + BOUND);
        for transition in &story.transitions {
            prop_assert!(matches!(transition.to.state(), State::Good | State::Unknown), "{:?}", transition);
        }
        for number in 1..=story.points.len() {
            prop_assert_eq!(&story.of(number).last().unwrap().to, &Condition::Good);
        }
    }

    #[test]
    fn a_clock_that_is_set_loses_no_decision(
        text in any_network(Probes::Anywhere), strokes in strokes(), steps in clock_steps(1..4)
    ) {
        let script = tell(&text, &strokes, Fate::LinksAndCameras);
        let story = set(script.clone(), &steps).until(END);
        assert_ends_as_expected(&script, &story);
        prop_assert!(story.snapshot.roots.is_empty());
        prop_assert!(story.snapshot.first_round_done);
    }

    #[test]
    fn a_clock_that_is_set_makes_no_well_camera_offline(
        text in any_network(Probes::Everywhere), strokes in strokes(), steps in clock_steps(1..4)
    ) {
        let story = set(tell(&text, &strokes, Fate::LinksOnly), &steps).until(END);
        let offline = story.transitions.iter().find(|transition| is_offline(&transition.to));
        prop_assert_eq!(offline, None);
    }

    #[test]
    fn a_clock_that_is_set_while_we_are_down_costs_a_gap_and_nothing_else(
        text in any_network(Probes::Everywhere), strokes in strokes(), kill in FROM..TO, lasts in 2_i64..400,
        step in -4_000_i64..4_000
    ) {
        let start = (kill + lasts).min(TO);
        let script = tell(&text, &strokes, Fate::LinksAndCameras);
        let restarted = script.clone().at(kill).then(Deed::Kill).then(Deed::SetClock(step));
        let story = restarted.at(start).then(Deed::Start).until(END);
        assert_ends_as_expected(&script, &story);
    }

    #[test]
    fn a_lasting_cut_is_the_one_root_of_all_that_hangs_behind_it(
        text in any_network(Probes::Everywhere), which in 0_usize..40, start in FROM..TO
    ) {
        let script = world(&text);
        // The whole network at once would be our own fault, not the first link's.
        let links: Vec<String> = script.inventory.links.keys().skip(1).map(ToString::to_string).collect();
        let link = &links[which % links.len()];
        let story = script.at(start).cut(link).until(start + BOUND);
        let roots: Vec<&str> = story.snapshot.roots.iter().map(|root| root.link.as_str()).collect();
        prop_assert_eq!(roots, [link.as_str()]);
        let cut_off = story.points.iter().filter(|point| story.well[point].last() == Some(&false)).count();
        prop_assert_eq!(story.snapshot.roots[0].members.len(), cut_off);
    }

    #[test]
    fn every_down_has_its_up_and_no_link_comes_back_that_was_not_down(
        text in any_network(Probes::Anywhere), strokes in strokes()
    ) {
        let story = tell(&text, &strokes, Fate::LinksAndCameras).until(END);
        let mut down = std::collections::BTreeSet::new();
        for (second, order) in &story.orders {
            match order {
                Order::LinkDown(link) => prop_assert!(down.insert(link.clone()), "{link} twice down at {second}"),
                Order::LinkUp { link, .. } => prop_assert!(down.remove(link), "{link} up without down at {second}"),
                Order::LookSoon { .. } | Order::ProbeLink(_) => {}
            }
        }
        prop_assert!(down.is_empty(), "{down:?}");
    }
}

/// After the restart the gap ends with the point's own proof, or with the verdict on its link.
fn assert_gap_is_bounded(story: &Story, number: usize, start: i64) {
    let transitions = story.of(number);
    let gap = transitions.iter().position(|transition| word(&transition.to) == "monitor_down");
    let Some(next) = gap.and_then(|gap| transitions.get(gap + 1)) else {
        panic!("P{number} has no gap: {}", story.words(number));
    };
    let decided = next.decided.as_millis() / 1000 - super::world::at(0).as_millis() / 1000;
    assert!(decided - start <= BOUND, "P{number} was unknown until {decided}, we started at {start}");
}

/// A probe that began before a repair and one that began after it may end in one instant.
#[test]
fn the_order_of_an_answer_and_a_failure_of_one_instant_changes_nothing() {
    let text = "C*;T0<C;V00<T0=5;V01<T0=3;V02*<T0=5;T1*<C;V10<T1=5;V11*<T1=4;V12*<T1,T0|=5;Z*<C=1";
    let script = tell(text, &[(0, 30, 312, 104), (0, 30, 1316, 184)], Fate::LinksAndCameras);
    let mut shuffled = script.clone();
    shuffled.seed = 1_146_278_834_067_692_403;
    assert_eq!(sorted(script.until(END)), sorted(shuffled.until(END)));
}
