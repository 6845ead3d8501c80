//! When each link is probed next: once a period, starts spread over the first one, or at once when hurried.

use crate::domain::link::LinkTarget;
use crate::domain::schedule::spread;
use crate::domain::{Link, LinkCode};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// A probe to be started now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) link: LinkCode,
    pub(super) target: LinkTarget,
    /// How long after its due time it starts.
    pub(super) lag: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Plan {
    links: BTreeMap<LinkCode, (LinkTarget, Instant)>,
    due: BTreeSet<(Instant, LinkCode)>,
}

impl Plan {
    /// Takes the links that have a target. A link that is already planned keeps its time.
    pub(super) fn replace(&mut self, links: &[Link], now: Instant, period: Duration) {
        let mut planned = BTreeMap::new();
        for link in links {
            let Some(target) = &link.target else { continue };
            let next = match self.links.get(&link.code) {
                Some((known, next)) if known == target => *next,
                _ => now + spread(link.code.as_str(), period),
            };
            planned.insert(link.code.clone(), (target.clone(), next));
        }
        self.due = planned.iter().map(|(link, (_, next))| (*next, link.clone())).collect();
        self.links = planned;
    }

    /// Makes a link due now.
    pub(super) fn hurry(&mut self, link: &LinkCode, now: Instant) {
        if let Some((_, next)) = self.links.get_mut(link) {
            self.due.remove(&(*next, link.clone()));
            *next = now.min(*next);
            self.due.insert((*next, link.clone()));
        }
    }

    /// Takes the link that has been due longest and plans its next probe one period on.
    pub(super) fn next_due(&mut self, now: Instant, period: Duration) -> Option<Due> {
        let (since, _) = self.due.first()?;
        if *since > now {
            return None;
        }
        let (since, link) = self.due.pop_first()?;
        let (target, next) = self.links.get_mut(&link)?;
        *next = now + period;
        self.due.insert((*next, link.clone()));
        Some(Due { link, target: target.clone(), lag: now.saturating_duration_since(since) })
    }

    /// Links that are due and wait.
    pub(super) fn waiting(&self, now: Instant) -> usize {
        self.due.iter().take_while(|(since, _)| *since <= now).count()
    }

    /// Links that are probed.
    pub(super) fn len(&self) -> usize {
        self.links.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::LinkKind;
    use crate::domain::link::Redundancy;

    const PERIOD: Duration = Duration::from_secs(30);

    fn link(code: &str, port: Option<u16>) -> Link {
        Link {
            code: code.parse().unwrap(),
            name: code.to_owned(),
            kind: LinkKind::Village,
            division: "230521".parse().unwrap(),
            parents: Vec::new(),
            redundancy: Redundancy::All,
            budget_kbps: None,
            budget_sessions: None,
            target: port.map(|port| LinkTarget::Tcp { host: "127.0.0.1".to_owned(), port }),
        }
    }

    fn drain(plan: &mut Plan, now: Instant) -> Vec<String> {
        std::iter::from_fn(|| plan.next_due(now, PERIOD)).map(|due| due.link.as_str().to_owned()).collect()
    }

    #[test]
    fn every_link_with_a_target_is_due_once_a_period() {
        let start = Instant::now();
        let mut plan = Plan::default();
        plan.replace(&[link("A", Some(1)), link("B", Some(2)), link("C", None)], start, PERIOD);
        let mut probed = drain(&mut plan, start + PERIOD);
        probed.sort();
        assert_eq!(probed, ["A", "B"]);
        assert!(drain(&mut plan, start + PERIOD).is_empty());
        assert_eq!(drain(&mut plan, start + 2 * PERIOD).len(), 2);
    }

    #[test]
    fn what_waits_is_counted_and_starts_with_its_lag() {
        let start = Instant::now();
        let mut plan = Plan::default();
        plan.replace(&[link("A", Some(1)), link("B", Some(2))], start, PERIOD);
        plan.hurry(&"A".parse().unwrap(), start);
        plan.hurry(&"B".parse().unwrap(), start);
        let late = start + Duration::from_secs(7);
        assert_eq!((plan.len(), plan.waiting(start), plan.waiting(late)), (2, 2, 2));
        assert_eq!(plan.next_due(late, PERIOD).unwrap().lag, Duration::from_secs(7));
        assert_eq!(plan.waiting(late), 1);
    }

    #[test]
    fn a_hurried_link_is_due_at_once_and_a_reload_keeps_the_times() {
        let start = Instant::now();
        let mut plan = Plan::default();
        let links = [link("A", Some(1)), link("B", Some(2))];
        plan.replace(&links, start, PERIOD);
        drain(&mut plan, start + PERIOD);
        plan.replace(&links, start + PERIOD, PERIOD);
        assert!(drain(&mut plan, start + PERIOD).is_empty());
        plan.hurry(&"B".parse().unwrap(), start + PERIOD);
        assert_eq!(drain(&mut plan, start + PERIOD), ["B"]);
        plan.hurry(&"unknown".parse().unwrap(), start + PERIOD);
    }
}
