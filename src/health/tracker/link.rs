//! Links: what passes them, when they go down and come back, and whom to ask about them.

use super::Tracker;
use super::decide::SOON;
use crate::domain::correlate::{self, Blame, Inference, LEAST_TO_INFER, LinkFacts, Member};
use crate::domain::link_machine::{LinkMachine, LinkStatus};
use crate::domain::machine::Rules;
use crate::domain::path::{LinkId, PathTree};
use crate::domain::{Cause, Condition, Order, PointCode, State, Timestamp};
use crate::store::OpenState;
use crate::telemetry;
use std::collections::BTreeSet;
use std::time::Duration;

/// Other points asked when one fails: enough to infer with (two beside it) and one from the next branch.
const NEIGHBOURS: usize = 3;
/// A link is not probed by order more often than this.
const PROBE_STEP: Duration = Duration::from_secs(2);

/// How a link lies in the network, and when it was last asked about.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// Points that hang on the link itself.
    pub(super) points: Vec<usize>,
    /// Points whose path passes it.
    pub(super) members: u32,
    /// Whether a verdict on it can be had.
    pub(super) decidable: bool,
    probe_ordered: Timestamp,
    neighbours_asked: Timestamp,
}

impl Layout {
    /// Moves what was asked along with a stepped clock.
    pub(super) fn shift(&mut self, step_ms: i64) {
        self.probe_ordered = self.probe_ordered.shifted(step_ms);
        self.neighbours_asked = self.neighbours_asked.shifted(step_ms);
    }
}

/// The links as the root-cause questions see them.
pub(super) struct Facts<'a> {
    links: &'a [LinkMachine],
    layout: &'a [Layout],
}

impl LinkFacts for Facts<'_> {
    fn failed(&self, link: LinkId) -> bool {
        self.links.get(link.index()).is_some_and(LinkMachine::is_failed)
    }

    fn alive(&self, link: LinkId) -> Timestamp {
        self.links.get(link.index()).map_or(Timestamp::MIN, LinkMachine::alive)
    }

    fn decidable(&self, link: LinkId) -> bool {
        self.layout.get(link.index()).is_some_and(|layout| layout.decidable)
    }
}

/// Lays the watched points out over the links.
pub(super) fn lay_out(tree: &PathTree, points: impl Iterator<Item = (usize, LinkId, bool)>) -> Vec<Layout> {
    let empty = Layout {
        points: Vec::new(),
        members: 0,
        decidable: false,
        probe_ordered: Timestamp::MIN,
        neighbours_asked: Timestamp::MIN,
    };
    let mut layout = vec![empty; tree.len()];
    let mut carried = vec![0_usize; tree.len()];
    for (index, link, watched) in points {
        if let Some(direct) = layout.get_mut(link.index()) {
            direct.points.extend(watched.then_some(index));
        }
        for above in tree.ancestors(link) {
            layout.get_mut(above.index()).into_iter().for_each(|entry| entry.members += 1);
        }
        for above in tree.carriers(link).iter().filter(|_| watched) {
            carried.get_mut(above.index()).into_iter().for_each(|count| *count += 1);
        }
    }
    for &id in tree.top_down() {
        let branches = tree.dependents(id).filter(|child| carried.get(child.index()) != Some(&0)).count();
        let enough = carried.get(id.index()).is_some_and(|count| *count >= LEAST_TO_INFER);
        if let Some(entry) = layout.get_mut(id.index()) {
            let several = branches + usize::from(!entry.points.is_empty()) > 1 || branches == 0;
            entry.decidable = tree.has_target(id) || (enough && several);
        }
    }
    layout
}

impl Tracker {
    pub(super) fn facts(&self) -> Facts<'_> {
        Facts { links: &self.links, layout: &self.layout }
    }

    pub(super) fn is_failed(&self, link: LinkId) -> bool {
        self.facts().failed(link)
    }

    /// The nearest failed link that cuts off what hangs on `link`.
    pub(super) fn blocked_by(&self, link: LinkId) -> Option<LinkId> {
        self.tree.blocked_by(link, &|id| self.is_failed(id))
    }

    /// Something came through these links.
    pub(super) fn note_passage(&mut self, link: Option<LinkId>, started: Timestamp) {
        let Some(link) = link else { return };
        for &id in self.tree.carriers(link) {
            if let Some(machine) = self.links.get_mut(id.index()) {
                machine.observe_passage(started);
                if machine.status() != LinkStatus::Up {
                    self.touched_links.insert(id);
                }
            }
        }
    }

    /// A look at a point behind these links failed in the network layer.
    pub(super) fn note_silence(&mut self, link: Option<LinkId>, started: Timestamp) {
        let Some(link) = link else { return };
        for &id in self.tree.carriers(link) {
            if let Some(machine) = self.links.get_mut(id.index()) {
                machine.observe_silence(started);
                if !machine.was_probed() && machine.status() != LinkStatus::Down {
                    let newest = self.silent_links.entry(id).or_insert(started);
                    *newest = started.max(*newest);
                }
            }
        }
    }

    pub(super) fn settle_link(&mut self, id: LinkId, now: Timestamp) {
        let rules = self.settings.rules;
        let Some(machine) = self.links.get_mut(id.index()) else { return };
        if let Some(at) = machine.confirmed_up(&rules) {
            let was_down = machine.status() == LinkStatus::Down;
            machine.enter(LinkStatus::Up, at);
            if was_down {
                self.bring_up(id, at, now);
            }
        } else if machine.status() != LinkStatus::Down
            && !self.suspicion.is_raised()
            && let Some(at) = machine.confirmed_down(&rules)
        {
            let asked = machine.suspicion().map_or(at, |failing| failing.last);
            self.take_down(id, at, asked, now);
        }
    }

    /// The evidence says that the link is down since `at`; it goes down unless something above it explains it, or might.
    fn take_down(&mut self, id: LinkId, at: Timestamp, asked: Timestamp, now: Timestamp) {
        let waited = now.since(at) >= self.settings.hold;
        let behind = match correlate::blame_of_link(&self.tree, id, asked, &self.facts()) {
            Blame::Link(above) => Some(above),
            Blame::Undecided if !waited => return self.order_probes(id, asked, now),
            Blame::Undecided | Blame::Own => None,
        };
        if let Some(machine) = self.links.get_mut(id.index()) {
            machine.enter(LinkStatus::Down, at);
            machine.explain(behind);
        }
        if behind.is_none() {
            self.cut_off(id, now);
        }
    }

    /// A link failed by itself: everything behind it is cut off. Outages that were only inferred below are part of it.
    fn cut_off(&mut self, id: LinkId, now: Timestamp) {
        let below = self.tree.below(id);
        for &lower in below.iter().filter(|lower| **lower != id) {
            let blocked = self.tree.parents_blocked_by(lower, &|link| self.is_failed(link)).is_some();
            if let Some(machine) = self.links.get_mut(lower.index())
                && machine.is_failed()
                && machine.is_inferred()
                && blocked
            {
                machine.explain(Some(id));
            }
        }
        self.touch_points_of(&below);
        self.announce(id, now);
    }

    /// A link answers again: what was down only because of it is asked anew, its members are looked at soon.
    fn bring_up(&mut self, id: LinkId, at: Timestamp, now: Timestamp) {
        let below = self.tree.below(id);
        self.announce(id, now);
        for &lower in &below {
            self.explain_anew(lower, now);
        }
        let cut_off = self.release(&below, at);
        self.touch_points_of(&below);
        self.released_points.extend(cut_off);
    }

    /// Looks at the points that links have released: ordered after those links are told to be up, for until then the
    /// watchers look at a canary only.
    pub(super) fn order_released(&mut self) {
        let points: Vec<PointCode> = std::mem::take(&mut self.released_points).into_iter().collect();
        if !points.is_empty() {
            let spread = self.spread_of(u64::try_from(points.len()).unwrap_or(u64::MAX));
            self.effects.orders.push(Order::LookSoon { points, spread });
        }
    }

    /// A link that was down behind another one: another failed link may explain it now; else it is to be proven anew. Neither
    /// points nor probes say anything of it, nothing could come through.
    fn explain_anew(&mut self, id: LinkId, now: Timestamp) {
        let above = self.tree.parents_blocked_by(id, &|link| self.is_failed(link));
        let Some(machine) = self.links.get_mut(id.index()).filter(|machine| machine.behind().is_some())
        else {
            return;
        };
        match (above, machine.is_inferred()) {
            (Some(_), _) => machine.explain(above),
            (None, true) => machine.enter(LinkStatus::Unknown, now),
            (None, false) => {
                machine.doubt(now);
                self.order_probe(id, now);
            }
        }
    }

    /// Forgets what was seen of the points while the link was down. Returns those that wait for their proof.
    fn release(&mut self, links: &BTreeSet<LinkId>, at: Timestamp) -> Vec<PointCode> {
        let mut waiting = Vec::new();
        for index in self.points_of(links) {
            let Some(point) = self.points.get_mut(index) else { continue };
            if point.machine.condition().state() == State::Unreachable {
                point.machine.forget_failures_before(at);
                self.changed_points.insert(index);
                waiting.push(point.code);
            }
        }
        waiting
    }

    fn announce(&mut self, id: LinkId, now: Timestamp) {
        self.view.touch_link();
        self.canaries_changed = true;
        let members = self.layout.get(id.index()).map_or(0, |layout| layout.members);
        if let (Some(code), Some(machine)) = (self.tree.code(id), self.links.get(id.index())) {
            telemetry::link_changed(code, machine.status().as_str(), members, machine.since().min(now));
        }
    }

    /// Tells the watchers behind which links one canary is enough: failed links that no redundant path bypasses.
    pub(super) fn order_canaries(&mut self) {
        if !std::mem::take(&mut self.canaries_changed) {
            return;
        }
        let failed = self.tree.top_down().iter().copied().filter(|id| self.is_failed(*id));
        let wanted: BTreeSet<LinkId> = failed.filter(|id| !self.is_bypassed(*id)).collect();
        let before = std::mem::replace(&mut self.canaries, wanted);
        let code = |id: &LinkId| self.tree.code(*id).cloned();
        let up = |id: &LinkId| Some(Order::LinkUp { link: code(id)?, spread: self.recovery_spread(*id) });
        let up = before.difference(&self.canaries).filter_map(up);
        let down = self.canaries.difference(&before).filter_map(code).map(Order::LinkDown);
        let orders: Vec<Order> = up.chain(down).collect();
        self.effects.orders.extend(orders);
    }

    /// The time over which the points behind a link are looked at after its repair.
    pub(super) fn recovery_spread(&self, id: LinkId) -> Duration {
        let members = self.layout.get(id.index()).map_or(0, |layout| layout.members);
        self.spread_of(members.into())
    }

    /// One look a second, within bounds.
    fn spread_of(&self, looks: u64) -> Duration {
        let least = self.settings.recovery;
        Duration::from_secs(looks).clamp(least, least * 2)
    }

    fn is_bypassed(&self, id: LinkId) -> bool {
        self.tree.below(id).into_iter().any(|lower| self.blocked_by(lower).is_none())
    }

    pub(super) fn points_of(&self, links: &BTreeSet<LinkId>) -> Vec<usize> {
        let layouts = links.iter().filter_map(|id| self.layout.get(id.index()));
        layouts.flat_map(|layout| layout.points.iter().copied()).collect()
    }

    fn touch_points_of(&mut self, links: &BTreeSet<LinkId>) {
        let points = self.points_of(links);
        self.touched_points.extend(points);
    }

    /// Time for the links: inference, suspicions that want another probe, verdicts that became stale.
    pub(super) fn tick_links(&mut self, now: Timestamp) {
        self.infer_links(now);
        let rules = self.settings.rules;
        for id in self.restless_links(now) {
            let Some(machine) = self.links.get(id.index()) else { continue };
            let (probe_due, is_stale) = (machine.probe_due(&rules), machine.is_stale(&rules, now));
            self.touched_links.insert(id);
            if probe_due.is_some_and(|due| due <= now) {
                self.order_probe(id, now);
            }
            if is_stale {
                self.expire_link(id, now);
            }
        }
    }

    /// The links that time alone concerns; of a quiet network none.
    fn restless_links(&self, now: Timestamp) -> Vec<LinkId> {
        let is_restless = |link: &LinkMachine| {
            link.suspicion().is_some()
                || link.status() == LinkStatus::Down
                || link.is_stale(&self.settings.rules, now)
        };
        let links = self.tree.top_down().iter().copied();
        links.filter(|id| self.links.get(id.index()).is_some_and(is_restless)).collect()
    }

    fn expire_link(&mut self, id: LinkId, now: Timestamp) {
        let Some(machine) = self.links.get_mut(id.index()) else { return };
        let was_down = machine.status() == LinkStatus::Down;
        machine.enter(LinkStatus::Unknown, now);
        if was_down {
            self.announce(id, now);
            let below = self.tree.below(id);
            below.iter().for_each(|lower| self.explain_anew(*lower, now));
            self.expire_points(&below, now);
        }
    }

    fn expire_points(&mut self, links: &BTreeSet<LinkId>, now: Timestamp) {
        let rules = self.settings.rules;
        for index in self.points_of(links) {
            if let Some(point) = self.points.get_mut(index) {
                point.machine.expire_at(now, &rules);
                self.touched_points.insert(index);
            }
        }
    }

    fn infer_links(&mut self, now: Timestamp) {
        if self.suspicion.is_raised() {
            return;
        }
        let silent = std::mem::take(&mut self.silent_links);
        let mut silent: Vec<(LinkId, Timestamp)> = silent.into_iter().collect();
        silent.sort_by_key(|(id, _)| self.tree.rank(*id));
        for (id, newest) in silent {
            self.infer_link(id, newest, now);
        }
    }

    /// Infers one link. While looks fail and nothing came through since, it is asked again at each tick.
    fn infer_link(&mut self, id: LinkId, newest: Timestamp, now: Timestamp) {
        let Some(machine) = self.links.get(id.index()) else { return };
        let (alive, status) = (machine.alive(), machine.status());
        if alive >= newest || status == LinkStatus::Down || machine.was_probed() {
            return;
        }
        match correlate::infer(self.members(id), alive, &self.settings.rules) {
            Inference::Nothing => {}
            Inference::Suspected(at) => self.suspect_link(id, status, at, now),
            Inference::Down(at) => self.infer_down(id, at, now),
        }
        if self.links.get(id.index()).is_some_and(|link| link.status() != LinkStatus::Down) {
            self.silent_links.insert(id, newest);
        }
    }

    fn suspect_link(&mut self, id: LinkId, status: LinkStatus, at: Timestamp, now: Timestamp) {
        if status != LinkStatus::Suspected
            && let Some(machine) = self.links.get_mut(id.index())
        {
            machine.enter_inferred(LinkStatus::Suspected, at);
            self.view.touch_link();
            if let (Some(code), Some(layout)) = (self.tree.code(id), self.layout.get(id.index())) {
                telemetry::link_changed(code, LinkStatus::Suspected.as_str(), layout.members, at.min(now));
            }
        }
    }

    fn infer_down(&mut self, id: LinkId, at: Timestamp, now: Timestamp) {
        self.take_down(id, at, at, now);
        let machine = self.links.get_mut(id.index());
        if let Some(machine) = machine.filter(|machine| machine.status() == LinkStatus::Down) {
            machine.mark_inferred();
        }
    }

    /// The watched points that the link surely carries; what has another way says nothing about it.
    fn members(&self, id: LinkId) -> Vec<Member> {
        let member = |index: &usize, branch| {
            let failing = self.points.get(*index)?.machine.failing_network();
            Some(Member { failing, branch })
        };
        let direct = self.layout.get(id.index()).map_or(&[][..], |layout| &layout.points);
        let mut members: Vec<Member> = direct.iter().filter_map(|index| member(index, None)).collect();
        for child in self.tree.dependents(id) {
            let below = self.points_of(&self.tree.carried(child));
            members.extend(below.iter().filter_map(|index| member(index, Some(child))));
        }
        members
    }

    /// The first failed look of a point: its links are probed and its neighbours looked at, at once.
    pub(super) fn ask_neighbours(&mut self, index: usize, now: Timestamp) {
        let Some(point) = self.points.get(index) else { return };
        let (Some((failing, cause)), Some(link)) = (point.machine.failing(), point.link) else { return };
        if failing.count > 1 || cause.state() != State::Offline || self.blocked_by(link).is_some() {
            return;
        }
        self.order_probes(link, failing.first, now);
        self.order_neighbours(index, link, now);
    }

    pub(super) fn order_neighbours(&mut self, index: usize, link: LinkId, now: Timestamp) {
        let Some(layout) = self.layout.get_mut(link.index()) else { return };
        if now.since(layout.neighbours_asked) < self.settings.rules.confirm_step() {
            return;
        }
        layout.neighbours_asked = now;
        let points = self.neighbours(index, link);
        if !points.is_empty() {
            self.effects.orders.push(Order::LookSoon { points, spread: SOON });
        }
    }

    /// Up to three other points: two on the same link, one from the branches beside it.
    fn neighbours(&self, index: usize, link: LinkId) -> Vec<PointCode> {
        let mut found = BTreeSet::new();
        for (level, &id) in self.tree.ancestors(link).iter().enumerate() {
            let wanted = if level == 0 { NEIGHBOURS - 1 } else { NEIGHBOURS };
            let near = self.points_of(&self.tree.below(id));
            let fresh: Vec<usize> =
                near.into_iter().filter(|&other| other != index && !found.contains(&other)).collect();
            found.extend(fresh.into_iter().take(wanted - found.len().min(wanted)));
            if found.len() >= NEIGHBOURS {
                break;
            }
        }
        found.into_iter().filter_map(|other| self.points.get(other)).map(|point| point.code).collect()
    }

    /// Probes the links on a path from which nothing has come since `asked`.
    pub(super) fn order_probes(&mut self, link: LinkId, asked: Timestamp, now: Timestamp) {
        for id in self.tree.ancestors(link).to_vec() {
            if self.links.get(id.index()).is_some_and(|machine| machine.alive() < asked) {
                self.order_probe(id, now);
            }
        }
    }

    fn order_probe(&mut self, id: LinkId, now: Timestamp) {
        let Some(layout) = self.layout.get_mut(id.index()) else { return };
        if self.tree.has_target(id) && now.since(layout.probe_ordered) >= PROBE_STEP {
            layout.probe_ordered = now;
            self.effects.orders.extend(self.tree.code(id).cloned().map(Order::ProbeLink));
        }
    }

    /// After an outage of ours nothing is known of the links; those that were down need one failed probe only.
    pub(super) fn forget_links(&mut self, now: Timestamp) {
        for id in self.tree.top_down().to_vec() {
            let Some(machine) = self.links.get_mut(id.index()) else { continue };
            let failed = machine.is_failed();
            *machine = LinkMachine::new(now);
            if failed {
                machine.remember_down();
                self.announce(id, now);
            }
        }
    }

    /// Links whose points were `unreachable` when we stopped were down then.
    pub(super) fn remember_down_links(&mut self, restored: &[OpenState]) {
        for open in restored {
            if let Condition::Because(Cause::LinkDown(code)) = &open.condition
                && let Some(id) = self.tree.id(code)
                && let Some(machine) = self.links.get_mut(id.index())
            {
                machine.remember_down();
            }
        }
    }

    /// The suspicion against ourselves is over: what failed meanwhile was ours, and what we called unknown is looked at.
    pub(super) fn clear_suspicion(&mut self, now: Timestamp) {
        self.links.iter_mut().for_each(LinkMachine::forget_failures);
        let mut waiting = Vec::new();
        for (index, point) in self.points.iter_mut().enumerate() {
            if *point.machine.condition() == Condition::Because(Cause::OwnNetwork) {
                point.machine.forget_failures_before(now);
                self.changed_points.insert(index);
                waiting.push(point.code);
            }
        }
        self.released_points.extend(waiting);
    }

    pub(super) const fn rules(&self) -> &Rules {
        &self.settings.rules
    }
}
