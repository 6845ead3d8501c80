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
