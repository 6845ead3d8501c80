//! Stories with one lesson each.

use super::world::{Deed, Story, healthy, is_offline, second_of, world};
use sharpeyes::domain::{Cause, ClockReading, Order, State};
use std::collections::BTreeSet;
use std::time::Duration;

fn no_point_was_offline(story: &Story) {
    let offline = story.transitions.iter().find(|transition| is_offline(&transition.to));
    assert_eq!(offline, None);
}

#[test]
fn a_healthy_network_goes_from_unprobed_to_good_and_stays() {
    let story = world("V*=4").until(2_000);
    for number in 1..=4 {
        assert_eq!(story.words(number), "not_yet_probed good");
    }
    assert!(story.snapshot.first_round_done);
}

#[test]
fn a_dead_camera_is_offline_since_its_first_failed_look() {
    let story = world("V*=4").at(300).fail(2, Cause::ConnectTimeout).until(700);
    assert_eq!(story.words(2), "not_yet_probed good connect_timeout");
    let first_failed = story.since(2);
    assert!((300..=425).contains(&first_failed), "{first_failed}");
    let decided = story.of(2).last().unwrap().decided;
    let waited = decided.since(story.of(2).last().unwrap().at).as_secs();
    assert!((60..=120).contains(&waited), "{waited}");
    assert_eq!(story.words(1), "not_yet_probed good");
}

#[test]
fn a_cut_link_makes_every_member_unreachable_and_none_offline() {
    for text in ["V*=7", "T*;V*<T=7;W*<T=5", "T;V*<T=7;W<T=5", "V=7", "T;V<T=4;W<T=4"] {
        let story = world(text).at(300).cut("V").at(900).repair("V").until(1_500);
        no_point_was_offline(&story);
        let members = story.points.len().min(if text.contains("V<T=4") { 4 } else { 7 });
        for number in 1..=members {
            assert_eq!(story.words(number), "not_yet_probed good link_down:V good", "{text} P{number}");
        }
        for number in members + 1..=story.points.len() {
            assert_eq!(story.words(number), "not_yet_probed good", "{text} P{number}");
        }
    }
}

#[test]
fn a_cut_above_is_one_outage_of_the_highest_link() {
    for text in ["T*;V*<T=4;W*<T=4", "T*;V<T=4;W<T=4", "T;V*<T=4;W*<T=4", "T;V<T=4;W<T=4"] {
        let story = world(text).at(300).cut("T").until(900);
        no_point_was_offline(&story);
        let roots: Vec<_> =
            story.snapshot.roots.iter().map(|root| (root.link.as_str(), root.members.len())).collect();
        assert_eq!(roots, [("T", 8)], "{text}");
    }
}

#[test]
fn a_link_behind_another_one_is_no_root_by_what_could_not_come_from_it() {
    let mut roots = BTreeSet::new();
    let script = world("T*;V*<T=4;W*<T=4").at(300).cut("T").at(400).cut("V").at(900).repair("T");
    let story = script.watched_until(1_500, |moment| {
        roots.extend(moment.snapshot.roots.iter().map(|root| root.link.to_string()));
    });
    assert_eq!(roots.iter().collect::<Vec<_>>(), ["T", "V"], "W answers as soon as T does");
    let now: Vec<_> =
        story.snapshot.roots.iter().map(|root| (root.link.as_str(), root.members.len())).collect();
    assert_eq!(now, [("V", 4)]);
    no_point_was_offline(&story);
}

#[test]
fn a_redundant_uplink_hides_the_loss_of_one_parent() {
    let story = world("A*;B*;V*<A,B|=4").at(300).cut("A").until(900);
    for number in 1..=4 {
        assert_eq!(story.words(number), "not_yet_probed good");
    }
    let story = world("A*;B*;V*<A,B|=4").at(300).cut("A").cut("B").until(900);
    no_point_was_offline(&story);
    for number in 1..=4 {
        assert_eq!(story.of(number).last().unwrap().to.state(), State::Unreachable);
    }
}

#[test]
fn a_link_is_not_inferred_from_points_that_have_another_way() {
    let story = world("C*;A<C;B<C;V<B,A|=2;W<B,A|=2;X<A=3;Z*<C=1")
        .at(374)
        .fail(3, Cause::ConnectTimeout)
        .at(422)
        .cut("C")
        .at(477)
        .repair("C")
        .until(1_500);
    assert_eq!(story.snapshot.roots, []);
}

#[test]
fn a_camera_that_died_in_the_outage_is_offline_after_it_with_the_outage_told() {
    let story = world("V*=5")
        .at(300)
        .cut("V")
        .at(500)
        .fail(3, Cause::ConnectTimeout)
        .at(900)
        .repair("V")
        .until(1_500);
    assert_eq!(story.words(3), "not_yet_probed good link_down:V connect_timeout");
    let last = story.of(3).last().copied().unwrap();
    assert!(last.evidence.0.iter().any(|(word, _)| word == "outage_start"), "{last:?}");
    assert!(story.since(3) >= 900);
}

#[test]
fn a_link_outage_leaves_the_outages_before_it_as_they_were() {
    for cause in [Cause::ConnectTimeout, Cause::NoPackets] {
        let story = world("V*=5").at(300).fail(3, cause.clone()).at(900).cut("V").until(1_500);
        assert_eq!(story.words(3), format!("not_yet_probed good {cause} link_down:V"));
        let own = second_of(story.of(3)[2].at);
        assert!((300..=425).contains(&own), "{cause}: {own}");
        assert!((900..=935).contains(&story.since(3)), "{cause}: {}", story.since(3));
    }
}

#[test]
fn two_dead_cameras_of_two_make_their_link_suspected_only() {
    let story = world("V=2").at(300).cut("V").until(900);
    for number in 1..=2 {
        assert_eq!(story.words(number), "not_yet_probed good connect_timeout");
    }
    assert_eq!(story.snapshot.links[0].status.as_str(), "suspected");
}

#[test]
fn a_bulk_of_wrong_passwords_is_no_dead_link() {
    let mut script = world("V=6").at(300);
    for number in 1..=5 {
        script = script.fail(number, Cause::WrongCredential);
    }
    let story = script.until(900);
    for number in 1..=5 {
        assert_eq!(story.words(number), "not_yet_probed good wrong_credential");
    }
    assert_eq!(story.snapshot.bulk_causes.len(), 1);
    assert_eq!(story.snapshot.bulk_causes[0].points.len(), 5);
    assert!(story.snapshot.roots.is_empty());
}

#[test]
fn our_own_network_is_suspected_before_the_cameras() {
    for text in ["V=30", "T*;V*<T=30;W*<T=10"] {
        let story =
            world(text).at(400).then(Deed::OwnNetworkDown).at(1_000).then(Deed::OwnNetworkUp).until(1_600);
        for transition in &story.transitions {
            let state = transition.to.state();
            assert!(matches!(state, State::Good | State::Unknown), "{text} {transition:?}");
        }
        for number in 1..=30 {
            assert_eq!(story.of(number).last().unwrap().to.state(), State::Good);
        }
        assert!(!story.snapshot.suspects_itself);
    }
}

#[test]
fn our_own_outage_is_unknown_and_nothing_else() {
    for (kill, start) in [(Deed::Kill, Deed::Start), (Deed::Freeze, Deed::Thaw)] {
        let story = world("V*=6").at(500).fail(2, Cause::NoPackets).at(900).then(kill).at(1_200).then(start);
        let story = story.until(1_800);
        assert_eq!(story.words(1), "not_yet_probed good monitor_down good");
        assert_eq!(story.words(2), "not_yet_probed good no_packets monitor_down no_packets");
        let gap = story.of(1)[2].at;
        assert!(gap >= super::world::at(890) && gap <= super::world::at(900), "{gap}");
        let reopened = story.of(2).last().copied().unwrap();
        assert!(reopened.evidence.0.contains(&("first_round".into(), "true".to_owned())), "{reopened:?}");
    }
}

#[test]
fn a_clock_that_is_set_back_blocks_nothing() {
    for set_at in [350, 460, 600, 960, 1_100, 1_260] {
        let script = world("V*=5").at(300).fail(2, Cause::ConnectTimeout);
        let script = script.at(900).cut("V").at(1_200).repair("V").at(1_300).fail(4, Cause::NoPackets);
        let story = script.at(set_at).then(Deed::SetClock(-36_000)).until(1_800);
        assert_eq!(story.words(1), "not_yet_probed good link_down:V good", "set at {set_at}");
        assert_eq!(story.words(4), "not_yet_probed good link_down:V good no_packets", "set at {set_at}");
        let last = story.of(2).last().unwrap().to.clone();
        assert_eq!(last.cause(), Some(&Cause::ConnectTimeout), "set at {set_at}");
    }
}

#[test]
fn a_clock_that_was_set_back_while_we_were_down_leaves_the_history_as_it_was() {
    let script = world("V*=2").at(300).fail(2, Cause::NoPackets).at(902).then(Deed::Kill);
    let story = script.then(Deed::SetClock(-600)).at(950).then(Deed::Start).until(1_400);
    assert_eq!(story.words(1), "not_yet_probed good monitor_down good");
    assert_eq!(story.words(2), "not_yet_probed good no_packets monitor_down no_packets");
    for number in 1..=2 {
        let gap = story.of(number)[story.of(number).len() - 2];
        assert_eq!(second_of(gap.at), 900, "the last heartbeat");
    }
    assert!(story.snapshot.clock_in_doubt);
}

#[test]
fn faults_of_the_stream_are_confirmed_and_named() {
    let lossy = || sharpeyes::domain::Measurement { lost_packets: 40, ..healthy() };
    let check = |measurement, expected: &str| {
        let story = world("V*=1").at(300).send(1, measurement).at(900).mend(1).until(1_500);
        assert_eq!(story.words(1), format!("not_yet_probed good {expected} good"));
    };
    check(lossy(), "loss");
    check(sharpeyes::domain::Measurement { frames: 20, ..healthy() }, "low_frame_rate");
    check(sharpeyes::domain::Measurement { size: Some((320, 240)), ..healthy() }, "resolution_changed");
    check(
        sharpeyes::domain::Measurement { clock: ClockReading::ErrorMs(-3_600_000), ..healthy() },
        "clock_wrong",
    );
    check(
        sharpeyes::domain::Measurement { gop_time: Some(Duration::from_secs(20)), ..healthy() },
        "slow_key_frames",
    );
}

#[test]
fn a_dead_link_leaves_one_canary_and_its_members_are_looked_at_after_it() {
    let story = world("V*=9").at(300).cut("V").at(900).repair("V").until(1_500);
    let down = story.orders.iter().filter(|(_, order)| matches!(order, Order::LinkDown(_))).count();
    let up = story.orders.iter().filter(|(_, order)| matches!(order, Order::LinkUp { .. })).count();
    assert_eq!((down, up), (1, 1));
    let spread = story.orders.iter().find_map(|(_, order)| match order {
        Order::LookSoon { points, spread } if points.len() == 9 => Some(spread.as_secs()),
        _ => None,
    });
    assert_eq!(spread, Some(24));
    let orders = || story.orders.iter().map(|(_, order)| order);
    let up = orders().position(|order| matches!(order, Order::LinkUp { .. })).unwrap();
    let looks =
        orders().position(|order| matches!(order, Order::LookSoon { points, .. } if points.len() == 9));
    assert!(Some(up) < looks, "watchers look at a canary only until the link is up");
}

#[test]
fn a_suspicion_against_ourselves_does_not_last_for_ever() {
    let story = world("V=30").at(400).then(Deed::OwnNetworkDown).until(5_200);
    let last = story.of(1).last().copied().unwrap();
    assert_ne!(last.to.state(), State::Unknown, "{last:?}");
    assert!(story.transitions.iter().any(|change| change.to.cause() == Some(&Cause::OwnNetwork)));
    assert!(!story.snapshot.suspects_itself);
}

#[test]
fn names_that_are_not_resolved_are_our_own_fault_first() {
    let mut script = world("V=30").at(400);
    for number in 1..=30 {
        script = script.fail(number, Cause::NameNotResolved);
    }
    let story = script.until(1_000);
    for number in 1..=30 {
        assert_eq!(story.words(number), "not_yet_probed good own_network");
    }
}

#[test]
fn a_point_nobody_can_look_at_becomes_stale_not_offline() {
    let story = world("V*=2").at(400).then(Deed::Freeze).at(404).then(Deed::Thaw).until(800);
    assert_eq!(story.words(1), "not_yet_probed good");
}
