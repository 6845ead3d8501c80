//! Start-up: what was open when we stopped becomes `unknown` from our last sign of life on.
//!
//! The first looks decide. A condition that was confirmed before and is seen again needs no second confirmation, so that
//! a restart raises no storm of changes.

use crate::domain::budget::HostName;
use crate::domain::machine::Machine;
use crate::domain::{Cause, Condition, Evidence, Inventory, Provenance, State, Timestamp, Transition};
use crate::ingest::look::host_name;
use crate::store::OpenState;
use std::time::Duration;

/// When we were last known to live: the heartbeat, or else the newest start of an open interval.
pub fn last_sign_of_life(heartbeat: Option<Timestamp>, open: &[OpenState]) -> Option<Timestamp> {
    heartbeat.or_else(|| open.iter().map(|state| state.since).max())
}

/// A credential that a device was refusing when we stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Name of the credential.
    pub credential: String,
    /// The device.
    pub host: HostName,
    /// When the refusal began.
    pub since: Timestamp,
}

/// The credentials that were being refused: a restart must not try them as if nothing had happened.
pub fn refused(open: &[OpenState], inventory: &Inventory) -> Vec<Refused> {
    let refused = |open: &OpenState| {
        let cause = open.condition.cause()?;
        let is_refused = matches!(cause, Cause::WrongCredential | Cause::CredentialHold);
        let point = inventory.points.get(&open.point).filter(|_| is_refused)?;
        let (credential, host) = (point.credential.clone()?, host_name(point.watched_stream()?));
        Some(Refused { credential, host, since: open.since })
    };
    open.iter().filter_map(refused).collect()
}

/// Takes up a point where the store left it. `alive` is our last sign of life; on a clock that was set back meanwhile it
/// lies after `now`, and nothing from before it is written again all the same: that time is kept already.
pub fn resume(open: &OpenState, alive: Timestamp, now: Timestamp) -> (Machine, Option<Transition>) {
    let mut machine = Machine::resumed(open.condition.clone(), open.since, now);
    if is_our_own_gap(&open.condition) {
        return (machine, None);
    }
    let to = Condition::Because(Cause::MonitorDown);
    let at = machine.enter(to.clone(), alive);
    let transition = Transition {
        point: open.point,
        at,
        decided: now.max(at),
        from: open.condition.clone(),
        to,
        evidence: Evidence(vec![("last_heartbeat".into(), alive.to_string())]),
        provenance: Provenance::Derived,
    };
    (machine, Some(transition))
}

/// A gap that is open already stays one, and a point that cannot be watched missed nothing.
fn is_our_own_gap(condition: &Condition) -> bool {
    matches!(condition, Condition::Because(Cause::MonitorDown | Cause::NotWatchable))
}

/// Whether a point that is seen in `seen` at `at` may keep its condition over a gap that began at `since`.
pub fn may_merge(before: Option<&Condition>, seen: &Condition, gap: Duration, longest: Duration) -> bool {
    before == Some(seen) && gap < longest && seen.state() != State::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Point;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(second)
    }

    /// An interval open since 100 at a start at 500 with the last sign of life at `alive`.
    fn check(cause: Option<Cause>, alive: i64, expected: Option<i64>) {
        let condition = cause.map_or(Condition::Good, Condition::Because);
        let open = OpenState { point: "23052100001320000001".parse().unwrap(), since: at(100), condition };
        let (machine, transition) = resume(&open, at(alive), at(500));
        assert_eq!(transition.map(|transition| transition.at.as_millis()), expected);
        assert_eq!(machine.condition().state(), State::Unknown);
    }

    #[test]
    fn an_open_interval_ends_at_the_last_sign_of_life() {
        check(None, 480, Some(480_000));
        check(Some(Cause::ConnectTimeout), 480, Some(480_000));
        check(Some(Cause::NotYetProbed), 480, Some(480_000));
        check(None, 90, Some(100_001));
        check(Some(Cause::MonitorDown), 480, None);
        check(Some(Cause::NotWatchable), 480, None);
    }

    #[test]
    fn nothing_is_written_before_a_heartbeat_that_the_clock_has_fallen_behind() {
        check(None, 9_999, Some(9_999_000));
        check(Some(Cause::Stalled), 9_999, Some(9_999_000));
        check(Some(Cause::MonitorDown), 9_999, None);
    }

    #[test]
    fn a_refused_credential_is_remembered_with_its_device() {
        let check = |cause: Option<Cause>, credential: Option<&str>, expected: Option<&str>| {
            let condition = cause.map_or(Condition::Good, Condition::Because);
            let open =
                OpenState { point: "23052100001320000001".parse().unwrap(), since: at(100), condition };
            let inventory = inventory(credential);
            let refused = refused(&[open], &inventory);
            let expected = expected.map(|credential| Refused {
                credential: credential.to_owned(),
                host: "10.0.0.1:8554".into(),
                since: at(100),
            });
            assert_eq!(refused, Vec::from_iter(expected), "{credential:?}");
        };
        check(Some(Cause::WrongCredential), Some("north"), Some("north"));
        check(Some(Cause::CredentialHold), Some("north"), Some("north"));
        check(Some(Cause::WrongCredential), None, None);
        check(Some(Cause::CredentialMissing), Some("north"), None);
        check(None, Some("north"), None);
        let gone = OpenState {
            point: "23052100001320000002".parse().unwrap(),
            since: at(100),
            condition: Condition::Because(Cause::WrongCredential),
        };
        assert_eq!(refused(&[gone], &inventory(Some("north"))), []);
    }

    fn inventory(credential: Option<&str>) -> Inventory {
        let code = "23052100001320000001".parse().unwrap();
        let point = Point {
            sub_stream: Some("rtsp://10.0.0.1:8554/sub".parse().unwrap()),
            credential: credential.map(str::to_owned),
            ..Point::bare(code, "230521100200".parse().unwrap())
        };
        Inventory { points: [(point.code, point)].into(), ..Inventory::default() }
    }

    #[test]
    fn without_a_heartbeat_the_newest_interval_is_the_last_sign_of_life() {
        let open = |since| OpenState {
            point: "23052100001320000001".parse().unwrap(),
            since: at(since),
            condition: Condition::Good,
        };
        assert_eq!(last_sign_of_life(None, &[open(3), open(7), open(5)]), Some(at(7)));
        assert_eq!(last_sign_of_life(Some(at(9)), &[open(3)]), Some(at(9)));
        assert_eq!(last_sign_of_life(None, &[]), None);
    }
}
