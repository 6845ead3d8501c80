//! Icinga DB's named SLA cases with our own expected values, the peers' faults, and the properties of the algebra.

use super::*;
use crate::domain::coverage::{Counts, Ratio, time_counts};
use crate::domain::indicator::Measure;
use crate::domain::{Evidence, PointCode};

/// Icinga's states; 99 is its "pending".
fn icinga(state: u8) -> Condition {
    match state {
        0 => Condition::Good,
        2 => Condition::Because(Cause::ConnectTimeout),
        _ => Condition::Because(Cause::NotYetProbed),
    }
}

fn window(start: i64, end: i64) -> Window {
    Window::new(Timestamp::from_seconds(start), Timestamp::from_seconds(end)).unwrap()
}

fn change(at: i64, from: Condition, to: Condition) -> Transition {
    let point: PointCode = "23052100001320000001".parse().unwrap();
    let at = Timestamp::from_seconds(at);
    Transition {
        point,
        at,
        decided: at,
        from,
        to,
        evidence: Evidence::default(),
        provenance: Provenance::Probe,
    }
}

/// The service figure of 1000 s to `end`; `changes` are (time, state, previous state), `downtimes` leave.
fn sla(changes: &[(i64, u8, u8)], downtimes: &[(i64, i64)], end: i64) -> Counts {
    let noted: Vec<Transition> =
        changes.iter().map(|(at, to, from)| change(*at, icinga(*from), icinga(*to))).collect();
    let intervals = normalise(&noted, window(1000, end));
    let downtimes = union(downtimes.iter().map(|(start, end)| window(*start, *end)).collect());
    let tally = tally(&pieces(&intervals, window(1000, end), &downtimes));
    assert_eq!(tally.raw.total(), u64::try_from(window(1000, end).millis()).unwrap());
    time_counts(Measure::Online, &tally.adjusted(), tally.excluded.total()).unwrap()
}

/// Numerator, denominator, unknown and excluded seconds of a case.
fn check(changes: &[(i64, u8, u8)], downtimes: &[(i64, i64)], end: i64, expected: [u64; 4]) {
    let counts = sla(changes, downtimes, end);
    let found = [counts.numerator, counts.denominator, counts.unknown, counts.excluded];
    assert_eq!(found.map(|millis| millis / 1000), expected);
    assert_eq!(counts.value(), Ratio::new(expected[0], expected[1]));
}

#[test]
fn icinga_empty_history_is_no_data() {
    check(&[], &[], 2000, [0, 0, 1000, 0]);
    assert_eq!(sla(&[], &[], 2000).value(), None);
}

#[test]
fn icinga_multiple_state_changes() {
    let changes =
        [(1000, 2, 99), (1100, 0, 2), (1300, 2, 0), (1400, 0, 2), (1600, 2, 0), (1700, 0, 2), (1900, 2, 0)];
    check(&changes, &[], 2000, [600, 1000, 0, 0]);
}

#[test]
fn icinga_multiple_state_changes_decimals_odd_numbers() {
    let changes = [
        (1000, 2, 99),
        (1023, 0, 2),
        (1100, 2, 0),
        (1242, 0, 2),
        (1300, 2, 0),
        (1307, 0, 2),
        (1400, 2, 0),
        (1666, 0, 2),
    ];
    check(&changes, &[], 2000, [562, 1000, 0, 0]);
}

#[test]
fn icinga_multiple_state_changes_decimals_fraction_one_third() {
    check(&[(1000, 2, 99), (1100, 0, 2)], &[], 1300, [200, 300, 0, 0]);
    assert_eq!(sla(&[(1000, 2, 99), (1100, 0, 2)], &[], 1300).value().unwrap().percent(), "66.66");
}

#[test]
fn icinga_multiple_state_changes_decimals_fraction_seventh_part() {
    check(&[(1000, 2, 99), (1600, 0, 2)], &[], 1700, [100, 700, 0, 0]);
    assert_eq!(sla(&[(1000, 2, 99), (1600, 0, 2)], &[], 1700).value().unwrap().percent(), "14.28");
}

#[test]
fn icinga_overlapping_downtimes_and_problems() {
    // Icinga says 90 %: its downtime counts as good. Ours leaves: 500 good of 600 left.
    let changes = [(1200, 2, 0), (1500, 0, 2)];
    check(&changes, &[(1100, 1300), (1400, 1600)], 2000, [500, 600, 0, 400]);
}

#[test]
fn icinga_critical_before_interval() {
    check(&[(0, 2, 99)], &[], 2000, [0, 1000, 0, 0]);
}

#[test]
fn icinga_critical_before_interval_with_downtime() {
    // Icinga says 80 %. The downtime leaves; what is left is all bad.
    check(&[(800, 2, 99)], &[(600, 1800)], 2000, [0, 200, 0, 800]);
}

#[test]
fn icinga_critical_before_interval_with_overlapping_downtimes() {
    // Icinga says 80 %. Only 1400-1600 is left, all bad.
    let downtimes = [(600, 1000), (800, 1200), (1000, 1400), (1600, 2000), (1800, 2200)];
    check(&[(800, 2, 99)], &downtimes, 2000, [0, 200, 0, 800]);
}

#[test]
fn icinga_fallback_to_previous_state() {
    check(&[(1200, 0, 2)], &[], 2000, [800, 1000, 0, 0]);
}

#[test]
fn icinga_fallback_to_current_state_is_no_data() {
    // Icinga says 0 % from the state of now. What is true now proves nothing of the past.
    check(&[(2500, 2, 99)], &[], 2000, [0, 0, 1000, 0]);
}

#[test]
fn icinga_prefer_initial_state_from_before_over_later_state() {
    check(&[(800, 2, 99), (1200, 0, 0)], &[], 2000, [800, 1000, 0, 0]);
}

#[test]
fn icinga_prefer_initial_state_from_before_over_current_state() {
    check(&[(800, 2, 99), (2000, 0, 2)], &[], 2000, [0, 1000, 0, 0]);
}

#[test]
fn icinga_prefer_later_state_over_current_state() {
    check(&[(1200, 0, 2), (2000, 2, 0)], &[], 2000, [800, 1000, 0, 0]);
}

#[test]
fn icinga_initial_unknown_reduces_total_time() {
    check(&[(1500, 2, 99), (1700, 0, 2)], &[], 2000, [300, 500, 500, 0]);
}

#[test]
fn icinga_intermediate_unknown_reduces_total_time() {
    check(&[(1000, 0, 2), (1100, 2, 0), (1600, 0, 99), (1800, 2, 0)], &[], 2000, [300, 500, 500, 0]);
}

#[test]
fn icinga_zero_and_negative_duration_are_no_window() {
    let at = Timestamp::from_seconds;
    assert_eq!(Window::new(at(1000), at(1000)), None);
    assert_eq!(Window::new(at(2000), at(1000)), None);
}

/// Intervals from (start, condition) to `end`, in seconds.
fn intervals(changes: &[(i64, Condition)], end: i64) -> Vec<StateInterval> {
    let ends = changes.iter().skip(1).map(|(at, _)| *at).chain([end]);
    let interval = |((start, condition), end): (&(i64, Condition), i64)| StateInterval {
        window: window(*start, end),
        condition: condition.clone(),
        provenance: Provenance::Probe,
    };
    changes.iter().zip(ends).map(interval).collect()
}

fn because(cause: Cause) -> Condition {
    Condition::Because(cause)
}

/// Seconds of each state in the order of [`MEASURED`].
fn seconds(sums: &StateMillis) -> [u64; 6] {
    sums.as_array().map(|millis| millis / 1000)
}

mod faults_of_peers {
    //! What other monitoring systems were found to get wrong, and what ours does instead.

    use super::*;

    #[test]
    fn uptime_over_100_percent_after_a_clock_step_or_power_loss() {
        // Two intervals overlap, as after a clock that went back: the sum stays the window.
        let mut broken = intervals(&[(0, Condition::Good)], 700);
        broken.extend(intervals(&[(400, Condition::Good), (900, because(Cause::NoPackets))], 1000));
        let tally = tally(&pieces(&broken, window(0, 1000), &[]));
        assert_eq!(seconds(&tally.raw), [900, 0, 100, 0, 0, 0]);
    }

    #[test]
    fn monitor_restart_counted_as_target_downtime() {
        let history = intervals(
            &[(0, Condition::Good), (300, because(Cause::MonitorDown)), (500, Condition::Good)],
            1000,
        );
        let sums = tally(&pieces(&history, window(0, 1000), &[])).raw;
        assert_eq!(seconds(&sums), [800, 0, 0, 0, 0, 200]);
        let counts = time_counts(Measure::Online, &sums, 0).unwrap();
        assert_eq!(counts.value(), Some(Ratio::ONE));
        assert_eq!(monitor_gaps(&history, window(0, 1000)), [window(300, 500)]);
    }

    #[test]
    fn denser_probes_while_failing_do_not_weigh_more() {
        let mut noted = vec![change(1000, Condition::Good, Condition::Good)];
        let down = || because(Cause::ConnectTimeout);
        noted.push(change(1500, Condition::Good, down()));
        noted.extend((1501..1600).map(|at| change(at, down(), down())));
        noted.push(change(1600, down(), Condition::Good));
        let sums = tally(&pieces(&normalise(&noted, window(1000, 2000)), window(1000, 2000), &[])).raw;
        assert_eq!(seconds(&sums), [900, 0, 0, 100, 0, 0]);
    }

    #[test]
    fn soft_state_time_is_not_lost() {
        // Decided at 1180, back-dated to the first failed look at 1000.
        let mut noted = change(1000, Condition::Good, because(Cause::ConnectTimeout));
        noted.decided = Timestamp::from_seconds(1180);
        let sums = tally(&pieces(&normalise(&[noted], window(900, 1200)), window(900, 1200), &[])).raw;
        assert_eq!(seconds(&sums), [100, 0, 0, 200, 0, 0]);
    }

    #[test]
    fn open_downtime_takes_part() {
        let down = [(0, because(Cause::ConnectTimeout))];
        let found = outages(&pieces(&intervals(&down, 1000), window(0, 1000), &[]), View::Service);
        assert_eq!(found, [Outage { start: Timestamp::from_seconds(0), end: None, down_ms: 1_000_000 }]);
    }

    #[test]
    fn no_data_is_not_100_percent() {
        let counts = time_counts(Measure::Online, &StateMillis::default(), 0).unwrap();
        assert_ne!(counts.value(), Some(Ratio::ONE));
        assert_eq!(counts.value(), None);
    }

    #[test]
    fn no_data_is_not_0_percent() {
        let nothing: &[StateInterval] = &[];
        let sums = tally(&pieces(nothing, window(0, 1000), &[])).raw;
        assert_eq!(seconds(&sums), [0, 0, 0, 0, 0, 1000]);
        assert_eq!(time_counts(Measure::IntactInstalled, &sums, 0).unwrap().value(), None);
    }

    #[test]
    fn reports_of_the_parts_agree_with_the_whole() {
        let history = intervals(
            &[(0, Condition::Good), (333, because(Cause::Loss)), (777, because(Cause::NoRoute))],
            1000,
        );
        let of = |start, end| tally(&pieces(&history, window(start, end), &[window(300, 400)]));
        assert_eq!(of(0, 350).plus(of(350, 778)).plus(of(778, 1000)), of(0, 1000));
    }

    #[test]
    fn data_that_starts_mid_period_starts_at_commissioning() {
        let history = intervals(&[(600, Condition::Good)], 1000);
        let considered = window(0, 1000).intersect(window(600, 5000)).unwrap();
        assert_eq!(seconds(&tally(&pieces(&history, considered, &[])).raw), [400, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn warning_is_counted() {
        // `degraded` is online and not intact, in every figure.
        let history = intervals(&[(0, Condition::Good), (900, because(Cause::LowFrameRate))], 1000);
        let sums = tally(&pieces(&history, window(0, 1000), &[])).raw;
        let of = |measure| time_counts(measure, &sums, 0).unwrap().value().unwrap().percent();
        assert_eq!(of(Measure::Online), "100.00");
        assert_eq!(of(Measure::IntactInstalled), "90.00");
        assert_eq!(of(Measure::IntactOnline), "90.00");
    }

    #[test]
    fn maintenance_is_not_good_time() {
        let down = intervals(&[(0, because(Cause::ConnectTimeout)), (500, Condition::Good)], 1000);
        let tally = tally(&pieces(&down, window(0, 1000), &[window(0, 500)]));
        let adjusted = time_counts(Measure::Online, &tally.adjusted(), tally.excluded.total()).unwrap();
        assert_eq!(
            (adjusted.numerator, adjusted.denominator, adjusted.excluded),
            (500_000, 500_000, 500_000)
        );
        assert_eq!(time_counts(Measure::Online, &tally.raw, 0).unwrap().value().unwrap().percent(), "50.00");
    }

    #[test]
    fn overlapping_maintenance_does_not_drift() {
        let windows = vec![window(300, 500), window(100, 200), window(400, 450), window(200, 250)];
        assert_eq!(union(windows.clone()), [window(100, 250), window(300, 500)]);
        assert_eq!(
            subtract(window(0, 600), &union(windows)),
            [window(0, 100), window(250, 300), window(500, 600)]
        );
        assert_eq!(subtract(window(120, 180), &[window(100, 250)]), []);
    }

    #[test]
    fn maintenance_across_a_clock_change_keeps_its_instants() {
        // The day on which Berlin's clocks go forward has 23 hours; a window of it excludes 23 hours, not 24.
        let calendar = crate::domain::Calendar::of_zone("Europe/Berlin").unwrap();
        let day = calendar.window_of("2026-03-29".parse().unwrap()).unwrap();
        let nothing: &[StateInterval] = &[];
        assert_eq!(tally(&pieces(nothing, day, &[day])).excluded.total(), 23 * 3_600_000);
    }

    #[test]
    fn day_buckets_are_not_cut_in_utc() {
        // 08:00 Beijing is midnight UTC: one Beijing day, not two.
        let calendar = crate::domain::Calendar::of_zone("Asia/Shanghai").unwrap();
        let midnight_utc: jiff::Timestamp = "2026-10-31T00:00:00Z".parse().unwrap();
        let at = Timestamp::from_millis(midnight_utc.as_millisecond());
        let around = Window::new(
            at.minus(std::time::Duration::from_secs(3600)),
            at.plus(std::time::Duration::from_secs(3600)),
        );
        assert_eq!(calendar.split(around.unwrap()).len(), 1);
    }

    #[test]
    fn a_store_of_samples_grows_and_ours_does_not() {
        // 10,000 looks with one result are one interval.
        let noted: Vec<Transition> =
            (1000..11_000).map(|at| change(at, Condition::Good, Condition::Good)).collect();
        assert_eq!(normalise(&noted, window(1000, 11_000)).len(), 1);
    }

    #[test]
    fn a_last_value_is_not_frozen_into_a_fresh_one() {
        // The history ends at 400; what follows is unknown, not the last value.
        let history = intervals(&[(0, Condition::Good)], 400);
        let sums = tally(&pieces(&history, window(0, 1000), &[])).raw;
        assert_eq!(seconds(&sums), [400, 0, 0, 0, 0, 600]);
    }

    #[test]
    fn unknown_leaves_whatever_the_closing_event_says() {
        // Icinga's SQL counts unknown time as good when a downtime event lies inside it.
        check(&[(1000, 0, 99), (1200, 99, 0), (1800, 0, 99)], &[(1300, 1400)], 2000, [400, 400, 500, 100]);
    }

    #[test]
    fn a_mean_of_percentages_is_not_a_pooled_figure() {
        let of = |good, bad| StateMillis::new([good, 0, 0, bad, 0, 0]);
        let pooled = of(1_000, 0).plus(of(0, 99_000));
        assert_eq!(time_counts(Measure::Online, &pooled, 0).unwrap().value().unwrap().percent(), "1.00");
    }
}

#[test]
fn pauses_do_not_split_an_outage() {
    let check = |letters: &str, view, expected: &[(i64, Option<i64>, u64)]| {
        let condition = |letter| match letter {
            'g' => Condition::Good,
            'd' => because(Cause::Loss),
            'n' => because(Cause::NoPackets),
            'o' => because(Cause::ConnectTimeout),
            'l' => because(Cause::LinkDown("L1".parse().unwrap())),
            _ => because(Cause::MonitorDown),
        };
        let changes: Vec<(i64, Condition)> = (0..).zip(letters.chars().map(condition)).collect();
        let end = i64::try_from(letters.len()).unwrap();
        let found = outages(&pieces(&intervals(&changes, end), window(0, end), &[window(2, 3)]), view);
        let found: Vec<(i64, Option<i64>, u64)> = found
            .iter()
            .map(|outage| {
                let seconds = |at: Timestamp| at.as_millis() / 1000;
                (seconds(outage.start), outage.end.map(seconds), outage.down_ms / 1000)
            })
            .collect();
        assert_eq!(found, expected, "{letters}");
    };
    // The third second is excluded.
    check("ggggg", View::Device, &[]);
    check("oougoo", View::Device, &[(0, Some(3), 2), (4, None, 2)]);
    check("ooggg", View::Device, &[(0, Some(3), 2)]);
    check("oogo", View::Device, &[(0, None, 3)]);
    check("dugnuog", View::Device, &[(0, Some(6), 3)]);
    check("ouuuog", View::Device, &[(0, Some(5), 2)]);
    check("olulog", View::Device, &[(0, Some(5), 2)]);
    check("olulog", View::Service, &[(0, Some(5), 4)]);
    check("glulgg", View::Service, &[(1, Some(4), 2)]);
    check("glulgg", View::Device, &[]);
}

mod properties {
    //! Invariants on random histories, and a second implementation that counts single seconds.

    use super::*;
    use proptest::prelude::*;

    const END: i64 = 240;

    fn condition() -> impl Strategy<Value = Condition> {
        prop::sample::select(vec![
            Condition::Good,
            because(Cause::Loss),
            because(Cause::NoPackets),
            because(Cause::ConnectTimeout),
            because(Cause::LinkDown("L1".parse().unwrap())),
            because(Cause::MonitorDown),
        ])
    }

    /// Instants with the condition from there on; the first interval begins up to 20 s late, the last ends early.
    fn history() -> impl Strategy<Value = Vec<StateInterval>> {
        let changes = prop::collection::btree_map(0..END, condition(), 0..12);
        (changes, 0..20_i64, 0..20_i64).prop_map(|(changes, late, early)| {
            let changes: Vec<(i64, Condition)> =
                changes.into_iter().filter(|(at, _)| *at >= late && *at < END - early).collect();
            intervals(&changes, END - early)
        })
    }

    fn exclusions() -> impl Strategy<Value = Vec<Window>> {
        let one = (-20..END, 1..60_i64).prop_map(|(start, length)| window(start, start + length));
        prop::collection::vec(one, 0..5)
    }

    fn considered() -> impl Strategy<Value = Window> {
        (0..END, 1..END).prop_map(|(start, length)| window(start, (start + length).min(END + 30)))
    }

    /// One state for each second of `considered`, and whether it is excluded.
    fn naive(history: &[StateInterval], considered: Window, exclusions: &[Window]) -> Vec<(State, bool)> {
        let seconds = considered.start().as_millis() / 1000..considered.end().as_millis() / 1000;
        seconds
            .map(|second| {
                let at = Timestamp::from_seconds(second);
                let interval = history.iter().find(|interval| interval.window.contains(at));
                let state = interval.map_or(State::Unknown, |interval| interval.condition.state());
                (state, exclusions.iter().any(|exclusion| exclusion.contains(at)))
            })
            .collect()
    }

    fn naive_tally(seconds: &[(State, bool)]) -> Tally {
        let mut sums = Tally::default();
        for (state, excluded) in seconds {
            sums.raw.add(*state, 1000);
            if *excluded {
                sums.excluded.add(*state, 1000);
            }
        }
        sums
    }

    /// (seconds down, closed) of each outage, counted second by second.
    fn naive_outages(seconds: &[(State, bool)], view: View) -> Vec<(u64, bool)> {
        let (mut found, mut down) = (Vec::new(), 0);
        for (state, excluded) in seconds {
            let link = *state == State::Unreachable && view == View::Device;
            if *excluded || *state == State::Unknown || link {
                continue;
            }
            if *state != State::Good {
                down += 1;
            } else if down > 0 {
                found.push((down, true));
                down = 0;
            }
        }
        if down > 0 {
            found.push((down, false));
        }
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn a_naive_array_of_seconds_agrees(
            history in history(), exclusions in exclusions(), considered in considered(),
        ) {
            let seconds = naive(&history, considered, &exclusions);
            let pieces = pieces(&history, considered, &union(exclusions));
            prop_assert_eq!(tally(&pieces), naive_tally(&seconds));
            for view in [View::Service, View::Device] {
                let found: Vec<(u64, bool)> = outages(&pieces, view)
                    .iter()
                    .map(|outage| (outage.down_ms / 1000, outage.end.is_some()))
                    .collect();
                prop_assert_eq!(found, naive_outages(&seconds, view));
            }
        }

        #[test]
        fn all_states_sum_to_the_window_exactly(
            history in history(), exclusions in exclusions(), considered in considered(),
        ) {
            let tally = tally(&pieces(&history, considered, &union(exclusions)));
            prop_assert_eq!(tally.raw.total(), u64::try_from(considered.millis()).unwrap());
            prop_assert_eq!(
                tally.adjusted().total() + tally.excluded.total(),
                u64::try_from(considered.millis()).unwrap()
            );
        }

        #[test]
        fn splitting_and_pooling_gives_the_same_sums(
            history in history(), exclusions in exclusions(), considered in considered(), cut in 1..END,
        ) {
            let exclusions = union(exclusions);
            let middle = Timestamp::from_seconds(cut);
            let part = |part: Option<Window>| {
                part.map(|part| tally(&pieces(&history, part, &exclusions))).unwrap_or_default()
            };
            let left = Window::new(considered.start(), considered.end().min(middle));
            let right = Window::new(considered.start().max(middle), considered.end());
            prop_assert_eq!(part(left).plus(part(right)), part(Some(considered)));
        }

        #[test]
        fn permuted_and_repeated_events_give_the_same_timeline(
            events in prop::collection::vec((0..END, condition(), condition()), 0..12).prop_flat_map(|events| {
                let doubled: Vec<_> = events.iter().chain(&events).cloned().collect();
                (Just(events), Just(doubled).prop_shuffle())
            }),
        ) {
            let noted = |events: &[(i64, Condition, Condition)]| -> Vec<Transition> {
                events.iter().map(|(at, from, to)| change(*at, from.clone(), to.clone())).collect()
            };
            let (ordered, shuffled) = events;
            let timeline = normalise(&noted(&ordered), window(0, END));
            prop_assert_eq!(&normalise(&noted(&shuffled), window(0, END)), &timeline);
            let mut from = Timestamp::from_seconds(0);
            for interval in &timeline {
                prop_assert_eq!(interval.window.start(), from);
                from = interval.window.end();
            }
            prop_assert_eq!(from, Timestamp::from_seconds(END));
        }

        #[test]
        fn more_unknown_never_moves_low_up_or_high_down(
            numerator in 0..1_000_000_u64, missed in 0..1_000_000_u64,
            unknown in 0..1_000_000_u64, more in 0..1_000_000_u64,
        ) {
            let counts = |unknown| Counts { numerator, denominator: numerator + missed, unknown, ..Counts::default() };
            let (before, after) = (counts(unknown), counts(unknown + more));
            if let (Some(low), Some(high)) = (before.low(), before.high()) {
                prop_assert!(after.low().unwrap() <= low);
                prop_assert!(after.high().unwrap() >= high);
                if let Some(value) = before.value() {
                    prop_assert!(low <= value && value <= high);
                }
            }
        }

        #[test]
        fn a_shown_ratio_never_exceeds_the_exact_one(over in 0..u64::MAX, under in 1..u64::MAX) {
            let (over, under) = (over.min(under), over.max(under));
            let ratio = Ratio::new(over, under).unwrap();
            let shown = Ratio::of_millionths(u32::try_from(ratio.millionths()).unwrap());
            prop_assert!(shown <= ratio);
            prop_assert_eq!(ratio.millionths() == 1_000_000, over == under);
        }
    }
}
