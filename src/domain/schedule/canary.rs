//! Dead links: the points behind one are not looked at, but for one canary at a time, taken in turn.

use crate::domain::schedule::entry::{Entry, Place, Plan};
use crate::domain::{LinkCode, PointCode, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

#[derive(Debug, Default)]
pub(super) struct Canaries {
    down: BTreeMap<LinkCode, Down>,
    due: BTreeSet<(Timestamp, LinkCode)>,
}

#[derive(Debug)]
struct Down {
    members: Vec<PointCode>,
    /// Which member is asked next.
    turn: usize,
    /// The member that was asked last.
    asked: Option<PointCode>,
}

impl Canaries {
    pub(super) fn link_down(&mut self, link: &LinkCode, members: Vec<PointCode>, now: Timestamp) {
        let down = Down { members, turn: 0, asked: None };
        if self.down.insert(link.clone(), down).is_none() {
            self.due.insert((now, link.clone()));
        }
    }

    /// Forgets a dead link and names its members.
    pub(super) fn link_up(&mut self, link: &LinkCode) -> Vec<PointCode> {
        self.due.retain(|(_, due)| due != link);
        self.down.remove(link).map(|down| down.members).unwrap_or_default()
    }

    /// Makes a point a member of the dead links that it needs, and names them.
    pub(super) fn join(&mut self, plan: &Plan) -> BTreeSet<LinkCode> {
        let mut cut = BTreeSet::new();
        for link in &plan.needs {
            if let Some(down) = self.down.get_mut(link) {
                if !down.members.contains(&plan.point) {
                    down.members.push(plan.point);
                }
                cut.insert(link.clone());
            }
        }
        cut
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The next canary that is due: of its link, the next member in turn that is not looked at already.
    pub(super) fn pop_due(
        &mut self,
        now: Timestamp,
        every: Duration,
        entries: &BTreeMap<PointCode, Entry>,
    ) -> Option<PointCode> {
        loop {
            let (due, _) = self.due.first()?;
            if *due > now {
                return None;
            }
            let (_, link) = self.due.pop_first()?;
            self.due.insert((now.plus(every.max(Duration::from_millis(1))), link.clone()));
            let point = self.down.get_mut(&link).and_then(|down| down.next_canary(entries));
            if point.is_some() {
                return point;
            }
        }
    }
}

impl Down {
    fn next_canary(&mut self, entries: &BTreeMap<PointCode, Entry>) -> Option<PointCode> {
        let idle = |point: &PointCode| {
            entries.get(point).is_some_and(|entry| matches!(entry.place, Place::Suppressed))
        };
        if self.asked.is_some_and(|asked| entries.contains_key(&asked) && !idle(&asked)) {
            return None;
        }
        let in_turn = self.members.iter().cycle().skip(self.turn).take(self.members.len());
        let (steps, point) = in_turn.enumerate().find(|(_, point)| idle(point))?;
        let point = *point;
        self.turn = (self.turn + steps + 1) % self.members.len();
        self.asked = Some(point);
        Some(point)
    }
}
