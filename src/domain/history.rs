//! What is known of one point in one window: sums per state and outages, with and without exclusions.

use crate::domain::timeline::{self, Outage, Span, StateMillis, Tally, View};
use crate::domain::{State, Window};

/// Whether exclusions have left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// 剔除后: excluded time has left; the figure that counts.
    Adjusted,
    /// 剔除前: as measured.
    Raw,
}

/// A point's history in a window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Sums per state within the considered part of the window.
    pub tally: Tally,
    adjusted: Vec<Outage>,
    /// Outages as measured, where exclusions make a difference.
    raw: Option<Vec<Outage>>,
}

impl History {
    /// Reads the spans of a point, in order; they may begin before the window, so that an outage that is open at
    /// its start keeps its whole length. Time outside `counted` does not take part. `exclusions` are a union.
    pub fn read(spans: &[Span], counted: Window, window: Window, exclusions: &[Window]) -> Self {
        let Some(considered) = counted.intersect(window) else { return Self::default() };
        let tally = timeline::tally(&timeline::pieces(spans, considered, exclusions));
        let first = spans.first().map_or(considered.start(), |span| span.window.start());
        let from = first.max(counted.start()).min(considered.start());
        let whole = Window::new(from, considered.end()).unwrap_or(considered);
        let outages = |exclusions: &[Window]| {
            let mut found = timeline::outages(&timeline::pieces(spans, whole, exclusions), View::Device);
            found.retain(|outage| outage.end.is_none_or(|end| end >= considered.start()));
            found
        };
        let raw = (!exclusions.is_empty()).then(|| outages(&[]));
        Self { tally, adjusted: outages(exclusions), raw }
    }

    /// Sums per state.
    pub fn sums(&self, basis: Basis) -> StateMillis {
        match basis {
            Basis::Adjusted => self.tally.adjusted(),
            Basis::Raw => self.tally.raw,
        }
    }

    /// Outages that were closed in the window or are open at its end, in order (device view).
    pub fn outages(&self, basis: Basis) -> &[Outage] {
        match (basis, &self.raw) {
            (Basis::Raw, Some(raw)) => raw,
            (Basis::Raw, None) | (Basis::Adjusted, _) => &self.adjusted,
        }
    }

    /// Whether an exclusion lies over one of the outages, also over a part of it before the window.
    pub fn is_paused_by(&self, exclusion: Window) -> bool {
        let overlaps = |outage: &Outage| {
            outage.start < exclusion.end() && outage.end.is_none_or(|end| exclusion.start() < end)
        };
        self.outages(Basis::Raw).iter().any(overlaps)
    }
}

/// Repair times of the outages of a window (device view).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RepairTimes {
    /// Outages closed in the window.
    pub closed: u64,
    /// Outages open at its end.
    pub open: u64,
    /// Outages that began in it.
    pub failures: u64,
    /// Mean time to repair of the closed ones (MTTR), whole milliseconds, cut off.
    pub mean_ms: Option<u64>,
    /// Median of them.
    pub median_ms: Option<u64>,
    /// Nine of ten were not longer (nearest rank).
    pub p90_ms: Option<u64>,
    /// Good time per failure (MTBF); `None` is "no failure".
    pub mtbf_ms: Option<u64>,
}

impl RepairTimes {
    /// Pools the histories of points.
    pub fn of<'a>(histories: impl Iterator<Item = &'a History>, window: Window, basis: Basis) -> Self {
        let (mut repairs, mut times, mut good_ms) = (Vec::new(), Self::default(), 0_u64);
        for history in histories {
            good_ms = good_ms.saturating_add(history.sums(basis).of(State::Good));
            for outage in history.outages(basis) {
                match outage.end {
                    Some(_) => repairs.push(outage.down_ms),
                    None => times.open = times.open.saturating_add(1),
                }
                times.failures = times.failures.saturating_add(u64::from(window.contains(outage.start)));
            }
        }
        repairs.sort_unstable();
        times.closed = u64::try_from(repairs.len()).unwrap_or(u64::MAX);
        times.mean_ms = repairs.iter().sum::<u64>().checked_div(times.closed);
        times.median_ms = median(&repairs);
        times.p90_ms = repairs.get((repairs.len() * 9).div_ceil(10).saturating_sub(1)).copied();
        times.mtbf_ms = good_ms.checked_div(times.failures);
        times
    }
}

/// The middle value; of an even number the mean of the two in the middle, cut off.
fn median(sorted: &[u64]) -> Option<u64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *sorted.get((sorted.len() / 2).checked_sub(1)?)?;
    Some(lower.midpoint(upper))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    fn window(start: i64, end: i64) -> Window {
        Window::new(Timestamp::from_millis(start), Timestamp::from_millis(end)).unwrap()
    }

    /// Spans from (start, state) up to `end`; `g` good, `o` offline, `u` unknown.
    fn spans(changes: &[(i64, char)], end: i64) -> Vec<Span> {
        let ends = changes.iter().skip(1).map(|(at, _)| *at).chain([end]);
        let state = |letter| match letter {
            'g' => State::Good,
            'o' => State::Offline,
            _ => State::Unknown,
        };
        let span = |((start, letter), end): (&(i64, char), i64)| Span {
            window: window(*start, end),
            state: state(*letter),
        };
        changes.iter().zip(ends).map(span).collect()
    }

    #[test]
    fn an_outage_from_before_the_window_keeps_its_whole_length() {
        let spans = spans(&[(0, 'g'), (40, 'o'), (120, 'g'), (150, 'o'), (160, 'g')], 200);
        let history = History::read(&spans, window(0, 900), window(100, 200), &[]);
        let repairs: Vec<u64> =
            history.outages(Basis::Adjusted).iter().map(|outage| outage.down_ms).collect();
        assert_eq!(repairs, [80, 10]);
        assert_eq!(history.tally.raw.of(State::Offline), 30);
        assert!(history.is_paused_by(window(39, 41)) && !history.is_paused_by(window(0, 40)));
        let times = RepairTimes::of([&history].into_iter(), window(100, 200), Basis::Adjusted);
        assert_eq!((times.closed, times.open, times.failures), (2, 0, 1));
        assert_eq!((times.mean_ms, times.median_ms, times.p90_ms), (Some(45), Some(45), Some(80)));
        assert_eq!(times.mtbf_ms, Some(70));
    }

    #[test]
    fn time_before_commissioning_is_no_part_of_an_outage() {
        let spans = spans(&[(0, 'o'), (150, 'g')], 200);
        let history = History::read(&spans, window(120, 900), window(100, 200), &[]);
        assert_eq!(history.outages(Basis::Raw).iter().map(|outage| outage.down_ms).collect::<Vec<_>>(), [30]);
        assert_eq!(history.tally.raw.total(), 80);
        assert_eq!(History::read(&spans, window(200, 900), window(100, 200), &[]), History::default());
    }

    #[test]
    fn an_outage_closed_before_the_window_is_not_of_it() {
        let spans = spans(&[(0, 'o'), (50, 'g')], 200);
        assert_eq!(History::read(&spans, window(0, 900), window(100, 200), &[]).outages(Basis::Raw), []);
        assert_eq!(History::read(&spans, window(0, 900), window(50, 200), &[]).outages(Basis::Raw).len(), 1);
    }

    #[test]
    fn an_exclusion_stops_the_repair_clock_and_only_there() {
        let spans = spans(&[(0, 'g'), (110, 'o'), (190, 'g')], 200);
        let history = History::read(&spans, window(0, 900), window(100, 200), &[window(120, 150)]);
        let check = |basis, down_ms, total| {
            assert_eq!(history.outages(basis).iter().map(|outage| outage.down_ms).sum::<u64>(), down_ms);
            assert_eq!(history.sums(basis).total(), total);
        };
        check(Basis::Adjusted, 50, 70);
        check(Basis::Raw, 80, 100);
    }

    #[test]
    fn an_exclusion_before_the_window_stops_the_clock_of_an_outage_that_runs_across_its_start() {
        // 80 ms of fault, 30 of them excluded before the window and 5 in it; the window itself is down for 20.
        let spans = spans(&[(0, 'g'), (40, 'o'), (120, 'g')], 200);
        let exclusions = [window(50, 80), window(95, 105)];
        let history = History::read(&spans, window(0, 900), window(100, 200), &exclusions);
        let repairs = |basis| history.outages(basis).iter().map(|outage| outage.down_ms).collect::<Vec<_>>();
        assert_eq!((repairs(Basis::Adjusted), repairs(Basis::Raw)), (vec![40], vec![80]));
        assert_eq!(history.tally.excluded.total(), 5);
    }

    #[test]
    fn no_failure_has_no_time_between_failures() {
        let history = History::read(&spans(&[(0, 'g')], 200), window(0, 900), window(100, 200), &[]);
        let times = RepairTimes::of([&history].into_iter(), window(100, 200), Basis::Raw);
        assert_eq!(times, RepairTimes::default());
    }

    /// Down time and first good instant of each outage, counted instant by instant from commissioning on.
    fn naive(states: &[char], counted: i64, exclusions: &[Window]) -> Vec<(u64, Option<i64>)> {
        let (mut found, mut down) = (Vec::new(), 0);
        for (at, state) in (0..).zip(states).skip_while(|(at, _)| *at < counted) {
            let is_excluded = exclusions.iter().any(|it| it.contains(Timestamp::from_millis(at)));
            match state {
                'o' if !is_excluded => down += 1,
                'g' if !is_excluded && down > 0 => found.push((std::mem::take(&mut down), Some(at))),
                _ => {}
            }
        }
        found.extend((down > 0).then_some((down, None)));
        found
    }

    proptest::proptest! {
        #[test]
        fn a_naive_walk_over_every_instant_agrees(
            states in proptest::collection::vec(proptest::sample::select(vec!['g', 'o', 'o', 'u']), 60),
            exclusions in proptest::collection::vec((0..60_i64, 1..20_i64), 0..4),
            counted in 0..60_i64,
            start in 0..60_i64,
        ) {
            let exclusions = timeline::union(exclusions.iter().map(|(from, length)| window(*from, from + length)).collect());
            let changes: Vec<(i64, char)> = (0..).zip(states.iter().copied()).collect();
            let history = History::read(&spans(&changes, 60), window(counted, 900), window(start, 60), &exclusions);
            let first = start.max(counted);
            for (basis, exclusions) in [(Basis::Adjusted, &exclusions[..]), (Basis::Raw, &[])] {
                let end = |outage: &Outage| outage.end.map(Timestamp::as_millis);
                let found: Vec<(u64, Option<i64>)> =
                    history.outages(basis).iter().map(|outage| (outage.down_ms, end(outage))).collect();
                let mut expected = naive(&states, counted, exclusions);
                expected.retain(|(_, end)| end.is_none_or(|end| end >= first));
                proptest::prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn median_and_p90_are_exact() {
        let check = |repairs: &[u64], expected_median, expected_p90| {
            let outage = |down_ms: &u64| Outage {
                start: Timestamp::from_millis(1),
                end: Some(Timestamp::from_millis(2)),
                down_ms: *down_ms,
            };
            let history = History { adjusted: repairs.iter().map(outage).collect(), ..History::default() };
            let times = RepairTimes::of([&history].into_iter(), window(0, 9), Basis::Adjusted);
            assert_eq!((times.median_ms, times.p90_ms), (expected_median, expected_p90), "{repairs:?}");
        };
        check(&[], None, None);
        check(&[7], Some(7), Some(7));
        check(&[4, 1, 3, 2], Some(2), Some(4));
        check(&[10, 9, 8, 7, 6, 5, 4, 3, 2, 1], Some(5), Some(9));
    }
}
