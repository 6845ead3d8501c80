//! What the watching may use of each link and host, and what it uses now.
//!
//! A look claims its bit rate and one session on every link of its path, and one session of its host, all or nothing.

use crate::domain::{LinkCode, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Name of a device that serves sessions: host and port.
pub type HostName = Arc<str>;

/// For how long fewer sessions are asked of a host that refused one: other viewers may have held the rest, and they
/// leave. Then one look in an hour may be refused again.
const CAP_LASTS: Duration = Duration::from_secs(60 * 60);

/// Limit of one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkLimit {
    /// kbit/s.
    pub kbps: u32,
    /// Sessions at once.
    pub sessions: u16,
}

/// Something that can be used up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// A link of the path.
    Link(LinkCode),
    /// A camera or recorder.
    Host(HostName),
}

/// What a look needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    /// The device.
    pub host: &'a HostName,
    /// The links passed.
    pub path: &'a [LinkCode],
    /// Expected bit rate.
    pub kbps: u32,
}

/// What a look was given; to be given back once.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Grant {
    host: HostName,
    links: Vec<(LinkCode, u32)>,
}

impl Grant {
    /// Whether the grant holds some of `resource`.
    pub fn holds(&self, resource: &Resource) -> bool {
        match resource {
            Resource::Host(host) => *host == self.host,
            Resource::Link(link) => self.links.iter().any(|(held, _)| held == link),
        }
    }

    /// Everything that the grant holds some of.
    pub fn resources(&self) -> impl Iterator<Item = Resource> + '_ {
        let links = self.links.iter().map(|(link, _)| Resource::Link(link.clone()));
        links.chain(std::iter::once(Resource::Host(Arc::clone(&self.host))))
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Use {
    kbps: u32,
    sessions: u16,
}

/// Limits and use of every link and host.
#[derive(Debug)]
pub struct Budgets {
    default_limit: LinkLimit,
    sessions_per_host: u16,
    limits: BTreeMap<LinkCode, LinkLimit>,
    links: BTreeMap<LinkCode, Use>,
    hosts: BTreeMap<HostName, u16>,
    /// Hosts that have shown to serve fewer sessions than we may hold, and until when that is believed.
    caps: BTreeMap<HostName, (u16, Timestamp)>,
    /// Hosts that are left alone until then: a session that was left is not yet gone there.
    rests: BTreeMap<HostName, Timestamp>,
}

impl Budgets {
    /// Budgets with nothing in use. A limit of no session at all would watch nothing, so one is always granted.
    pub fn new(default_limit: LinkLimit, sessions_per_host: u16) -> Self {
        let sessions_per_host = sessions_per_host.max(1);
        let (limits, links, hosts, caps, rests) = Default::default();
        Self { default_limit, sessions_per_host, limits, links, hosts, caps, rests }
    }

    /// Replaces the limits of the links that name their own. What is in use stays in use until it is given back. What was
    /// learnt of hosts is forgotten: a reload may have brought other devices.
    pub fn set_limits(&mut self, limits: BTreeMap<LinkCode, LinkLimit>) {
        self.limits = limits;
        self.caps.clear();
    }

    /// Notes that a host refused a session while we held `served` others; no more are asked of it for a while.
    pub fn cap_host(&mut self, host: &HostName, served: u16, now: Timestamp) {
        if served > 0 {
            self.caps.insert(Arc::clone(host), (served, now.plus(CAP_LASTS)));
        }
    }

    /// Lets nobody begin at a host until `until`.
    pub fn rest_host(&mut self, host: &HostName, until: Timestamp) {
        let known = self.rests.entry(Arc::clone(host)).or_insert(until);
        *known = until.max(*known);
    }

    /// When the next host has rested.
    pub fn next_rested(&self) -> Option<Timestamp> {
        self.rests.values().min().copied()
    }

    /// Takes out a host that has rested by `now`.
    pub fn pop_rested(&mut self, now: Timestamp) -> Option<HostName> {
        self.rests.extract_if(.., |_, until| *until <= now).next().map(|(host, _)| host)
    }

    fn host_limit(&mut self, host: &HostName, now: Timestamp) -> u16 {
        match self.caps.get(host) {
            Some((cap, until)) if now < *until => self.sessions_per_host.min(*cap),
            Some(_) => {
                self.caps.remove(host);
                self.sessions_per_host
            }
            None => self.sessions_per_host,
        }
    }

    /// The limit of a link.
    pub fn limit(&self, link: &LinkCode) -> LinkLimit {
        let limit = self.limits.get(link).copied().unwrap_or(self.default_limit);
        LinkLimit { sessions: limit.sessions.max(1), ..limit }
    }

    /// Takes everything that a look needs, or names the first thing that it lacks and takes nothing.
    ///
    /// A stream wider than a whole link is charged the whole link: it runs alone on it rather than never.
    pub fn take(&mut self, claim: &Claim<'_>, now: Timestamp) -> Result<Grant, Resource> {
        let rests = self.rests.get(claim.host).is_some_and(|until| now < *until);
        if rests || self.host_sessions(claim.host) >= self.host_limit(claim.host, now) {
            return Err(Resource::Host(Arc::clone(claim.host)));
        }
        let mut links = Vec::with_capacity(claim.path.len());
        for link in claim.path {
            let limit = self.limit(link);
            let used = self.links.get(link).copied().unwrap_or_default();
            let charge = claim.kbps.min(limit.kbps);
            if used.sessions >= limit.sessions || used.kbps.saturating_add(charge) > limit.kbps {
                return Err(Resource::Link(link.clone()));
            }
            links.push((link.clone(), charge));
        }
        for (link, charge) in &links {
            let used = self.links.entry(link.clone()).or_default();
            used.kbps = used.kbps.saturating_add(*charge);
            used.sessions = used.sessions.saturating_add(1);
        }
        *self.hosts.entry(Arc::clone(claim.host)).or_default() += 1;
        Ok(Grant { host: Arc::clone(claim.host), links })
    }

    /// Gives back what a look had.
    pub fn give_back(&mut self, grant: Grant) {
        for (link, charge) in grant.links {
            if let Some(used) = self.links.get_mut(&link) {
                used.kbps = used.kbps.saturating_sub(charge);
                used.sessions = used.sessions.saturating_sub(1);
                if used.sessions == 0 {
                    self.links.remove(&link);
                }
            }
        }
        if let Some(sessions) = self.hosts.get_mut(&grant.host) {
            *sessions = sessions.saturating_sub(1);
            if *sessions == 0 {
                self.hosts.remove(&grant.host);
            }
        }
    }

    /// Sessions that we hold to a host.
    pub fn host_sessions(&self, host: &HostName) -> u16 {
        self.hosts.get(host).copied().unwrap_or(0)
    }

    /// kbit/s and sessions in use on a link.
    pub fn in_use(&self, link: &LinkCode) -> (u32, u16) {
        let used = self.links.get(link).copied().unwrap_or_default();
        (used.kbps, used.sessions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

    fn budgets(kbps: u32, sessions: u16, per_host: u16) -> Budgets {
        Budgets::new(LinkLimit { kbps, sessions }, per_host)
    }

    fn link(code: &str) -> LinkCode {
        code.parse().unwrap()
    }

    #[test]
    fn a_claim_takes_all_or_nothing() {
        let mut budgets = budgets(1_000, 4, 2);
        budgets.set_limits([(link("thin"), LinkLimit { kbps: 500, sessions: 4 })].into());
        let path = [link("wide"), link("thin")];
        let (first, second) = (HostName::from("a:554"), HostName::from("b:554"));
        let grant = budgets.take(&Claim { host: &first, path: &path, kbps: 400 }, NOW).unwrap();
        let lacking = budgets.take(&Claim { host: &second, path: &path, kbps: 400 }, NOW);
        assert_eq!(lacking, Err(Resource::Link(link("thin"))));
        assert_eq!(budgets.in_use(&link("wide")), (400, 1), "nothing was taken by the refused claim");
        budgets.give_back(grant);
        assert_eq!((budgets.in_use(&link("wide")), budgets.host_sessions(&first)), ((0, 0), 0));
    }

    #[test]
    fn hosts_and_links_are_capped_in_sessions() {
        let mut budgets = budgets(10_000, 2, 1);
        let path = [link("L")];
        let hosts: Vec<HostName> = ["a", "b", "c"].map(HostName::from).into();
        let mut take = |host: &HostName| budgets.take(&Claim { host, path: &path, kbps: 1 }, NOW);
        let _kept = (take(&hosts[0]).unwrap(), take(&hosts[1]).unwrap());
        assert_eq!(take(&hosts[0]), Err(Resource::Host("a".into())));
        assert_eq!(take(&hosts[2]), Err(Resource::Link(link("L"))));
    }

    #[test]
    fn a_host_that_refused_a_session_is_asked_for_more_after_an_hour() {
        let mut budgets = budgets(10_000, 9, 2);
        let host = HostName::from("recorder");
        let claim = Claim { host: &host, path: &[], kbps: 1 };
        let _kept = budgets.take(&claim, NOW).unwrap();
        budgets.cap_host(&host, 1, NOW);
        let mut is_served = |minutes: u64| {
            let granted = budgets.take(&claim, NOW.plus(Duration::from_secs(60 * minutes)));
            granted.map(|grant| budgets.give_back(grant)).is_ok()
        };
        assert_eq!([0, 59, 60, 61].map(&mut is_served), [false, false, true, true]);
    }

    #[test]
    fn a_stream_wider_than_its_link_runs_alone() {
        let mut budgets = budgets(500, 4, 2);
        let path = [link("L")];
        let (first, second) = (HostName::from("a"), HostName::from("b"));
        let _wide = budgets.take(&Claim { host: &first, path: &path, kbps: 4_000 }, NOW).unwrap();
        assert!(budgets.take(&Claim { host: &second, path: &path, kbps: 1 }, NOW).is_err());
        assert_eq!(budgets.in_use(&link("L")), (500, 1));
    }
}
