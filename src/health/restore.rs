//! Start-up: what was open when we stopped becomes `unknown` from our last sign of life on.
//!
//! The first looks decide. A condition that was confirmed before and is seen again needs no second confirmation, so that
//! a restart raises no storm of changes.

use crate::domain::machine::Machine;
use crate::domain::{Cause, Condition, Evidence, Provenance, State, Timestamp, Transition};
use crate::store::OpenState;
use std::time::Duration;

/// When we were last known to live: the heartbeat, or else the newest start of an open interval.
pub fn last_sign_of_life(heartbeat: Option<Timestamp>, open: &[OpenState]) -> Option<Timestamp> {
    heartbeat.or_else(|| open.iter().map(|state| state.since).max())
}

/// Takes up a point where the store left it. `alive` is our last sign of life.
pub fn resume(open: &OpenState, alive: Timestamp, now: Timestamp) -> (Machine, Option<Transition>) {
    let mut machine = Machine::new(open.condition.clone(), open.since);
    if is_our_own_gap(&open.condition) {
        return (machine, None);
    }
    let to = Condition::Because(Cause::MonitorDown);
    let at = machine.enter(to.clone(), alive.min(now));
    let transition = Transition {
        point: open.point,
        at,
        decided: now,
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
