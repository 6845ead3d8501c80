//! Points: what a proposal of the looks becomes, given the links and the suspicion against ourselves.

use super::Tracker;
use super::tracked::{Hold, Proof};
use crate::domain::correlate::{self, Blame};
use crate::domain::machine::Proposal;
use crate::domain::path::LinkId;
use crate::domain::{Cause, Condition, Evidence, Order, PointCode, Provenance, State, Timestamp, Transition};
use crate::health::restore;
use crate::telemetry;
use std::borrow::Cow;
use std::time::Duration;

/// Looks that shall confirm or refute something are spread over this time.
pub(super) const SOON: Duration = Duration::from_secs(5);
/// A held decision is looked at again after this time.
const HOLD_STEP: Duration = Duration::from_secs(1);

/// What a decision rests on.
pub(super) struct Change<'a> {
    now: Timestamp,
    looks: u32,
    provenance: Provenance,
    proof: &'a [(Cow<'static, str>, String)],
}

impl<'a> Change<'a> {
    /// Derived from something else than looks at the point.
    pub(super) const fn derived(now: Timestamp, proof: &'a [(Cow<'static, str>, String)]) -> Self {
        Self { now, looks: 0, provenance: Provenance::Derived, proof }
    }
}

impl Tracker {
    /// Decides one point. A look that is wanted soon is added to `looks`.
    pub(super) fn settle_point(&mut self, index: usize, now: Timestamp, looks: &mut Vec<PointCode>) {
        let Some(point) = self.points.get(index) else { return };
        let (watched, link) = (point.watched, point.link);
        let blocked = link.and_then(|link| self.blocked_by(link));
        if watched {
            match blocked {
                Some(failed) => self.settle_cut_off(index, failed, now),
                None => self.settle_reachable(index, now),
            }
        }
        self.plan(index, blocked.is_some() || !watched, now, looks);
    }

    /// A point behind a failed link is `unreachable`, unless pictures came from it since.
    fn settle_cut_off(&mut self, index: usize, failed: LinkId, now: Timestamp) {
        let (Some(point), Some(code)) = (self.points.get(index), self.tree.code(failed)) else { return };
        let to = Condition::Because(Cause::LinkDown(code.clone()));
        let machine = &point.machine;
        if *machine.condition() == to {
            return;
        }
        if let Some(proposal) =
            machine.proposal(self.rules(), now).filter(|proposal| proposal.to.state().is_online())
        {
            return self.enter(index, &proposal, now);
        }
        let failed_at = self.links.get(failed.index()).map_or(now, |link| link.since());
        let at = match (machine.condition().state(), machine.failing()) {
            (State::Unreachable, _) => now,
            // An outage of its own is kept already, up to the start of the link's; its failed looks go back further.
            (State::NoVideo | State::Offline, _) => failed_at.min(now),
            (_, Some((failing, _))) => failing.first,
            (_, None) => failed_at.max(machine.conclusive()).min(now),
        };
        let inferred = self.links.get(failed.index()).is_some_and(|link| link.is_inferred());
        let proof: Proof = vec![
            ("link".into(), code.to_string()),
            ("link_down_since".into(), failed_at.to_string()),
            ("inferred".into(), inferred.to_string()),
        ];
        self.commit(index, &to, at, Change::derived(now, &proof));
        self.mark_seen(index);
    }

    /// A point whose path is not known to be cut: its own looks decide, but never `offline` while a link is in question.
    fn settle_reachable(&mut self, index: usize, now: Timestamp) {
        let Some(point) = self.points.get(index) else { return };
        let state = point.machine.condition().state();
        if self.suspicion.is_raised()
            && !matches!(state, State::Offline | State::Unreachable)
            && let Some(failing) = point.machine.failing_perhaps_by_us()
        {
            return self.blame_ourselves(index, failing.first, now);
        }
        let Some(proposal) = point.machine.proposal(self.rules(), now) else {
            return self.drop_hold(index);
        };
        if proposal.to.state() == State::Offline && !self.is_own_failure(index, now) {
            return;
        }
        self.enter(index, &proposal, now);
    }

    fn blame_ourselves(&mut self, index: usize, since: Timestamp, now: Timestamp) {
        let to = Condition::Because(Cause::OwnNetwork);
        if self.points.get(index).is_some_and(|point| *point.machine.condition() != to) {
            self.commit(index, &to, since, Change::derived(now, &[]));
        }
    }

    /// Whether a hard failure is the point's own: its links have answered since, and it failed once more after that. Until
    /// then the point is held, at most for the hold time, and both are asked for.
    fn is_own_failure(&mut self, index: usize, now: Timestamp) -> bool {
        let Some(point) = self.points.get_mut(index) else { return true };
        let (Some(link), Some((failing, _))) = (point.link, point.machine.failing()) else { return true };
        let newly = point.hold.is_none();
        let hold = *point.hold.get_or_insert(Hold { asked: failing.last, cleared: None });
        if now.since(hold.asked) >= self.settings.hold || hold.cleared.is_some_and(|at| failing.last >= at) {
            return true;
        }
        match correlate::blame(&self.tree, link, hold.asked, &self.facts()) {
            Blame::Link(_) => {}
            Blame::Own if hold.cleared.is_none() => self.clear_links_of(index, now),
            Blame::Own => {}
            Blame::Undecided => {
                self.order_probes(link, hold.asked, now);
                if newly {
                    self.order_neighbours(index, link, now);
                }
            }
        }
        false
    }

    fn clear_links_of(&mut self, index: usize, now: Timestamp) {
        let Some(point) = self.points.get_mut(index) else { return };
        point.hold.iter_mut().for_each(|hold| hold.cleared = Some(now));
        let points = vec![point.code];
        self.effects.orders.push(Order::LookSoon { points, spread: SOON });
    }

    fn drop_hold(&mut self, index: usize) {
        if let Some(point) = self.points.get_mut(index) {
            point.hold = None;
        }
    }

    fn enter(&mut self, index: usize, proposal: &Proposal, now: Timestamp) {
        // Where the picture decides no look of ours is counted.
        let measured = proposal.looks > 0 || proposal.to.state().is_measured();
        let provenance = if measured { Provenance::Probe } else { Provenance::Derived };
        let proof = self.points.get(index).map(|point| point.proof(&proposal.to)).unwrap_or_default();
        let change = Change { now, looks: proposal.looks, provenance, proof: &proof };
        self.commit(index, &proposal.to, proposal.at, change);
    }

    /// Enters a condition: the transition, its proof and its traces.
    pub(super) fn commit(&mut self, index: usize, to: &Condition, at: Timestamp, change: Change<'_>) {
        let restart_gap = self.settings.restart_gap;
        let Some(point) = self.points.get_mut(index) else { return };
        let machine = &mut point.machine;
        let from = machine.condition().clone();
        let (gap_start, gap) = (machine.since(), at.since(machine.since()));
        let merged = from == Condition::Because(Cause::MonitorDown)
            && restore::may_merge(machine.before(), to, gap, restart_gap);
        let outage = point.outage.filter(|_| to.state().is_measured());
        let decided = to.state() != State::Unknown;
        let first_round = decided && std::mem::take(&mut point.in_first_round);
        let start = machine.enter(to.clone(), if merged { gap_start } else { at });
        point.note_entered();
        let mut evidence = change.proof.to_vec();
        if change.looks > 0 {
            evidence.push(("looks".into(), change.looks.to_string()));
        }
        evidence.extend(outage.map(|outage| ("outage_start".into(), outage.to_string())));
        evidence.extend(first_round.then(|| ("first_round".into(), "true".to_owned())));
        evidence.extend(merged.then(|| ("merged".into(), "true".to_owned())));
        let transition = Transition {
            point: point.code,
            at: start,
            decided: change.now.max(start),
            from,
            to: to.clone(),
            evidence: Evidence(evidence),
            provenance: change.provenance,
        };
        self.changed_points.insert(index);
        self.view.note_transition(&transition);
        telemetry::point_changed(&transition);
        self.effects.transitions.push(transition);
    }

    /// Plans when time alone concerns the point again, and asks for the look that a confirmation waits for.
    fn plan(&mut self, index: usize, idle: bool, now: Timestamp, looks: &mut Vec<PointCode>) {
        let rules = self.settings.rules;
        let (Some(point), Some(due)) = (self.points.get_mut(index), self.due.get_mut(index)) else { return };
        if idle {
            *due = Timestamp::MAX;
            return;
        }
        *due = point.machine.due(&rules);
        if let Some(wanted) = point.machine.look_due(&rules) {
            let wanted = wanted.max(point.look_ordered.plus(rules.confirm_step()));
            if wanted <= now {
                point.look_ordered = now;
                looks.push(point.code);
            }
            *due = (*due).min(wanted.max(now.plus(HOLD_STEP)));
        }
        if point.hold.is_some() {
            *due = (*due).min(now.plus(HOLD_STEP));
        }
    }
}
