//! Links: the nodes of the network path from a site up to the county.

use crate::domain::{DivisionCode, LinkCode};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Longest path from a link to the top, the link itself counted. Four kinds of links exist; a redundant ring or a
/// second aggregation may double a level, more is a mistake in the list.
pub const DEPTH_LIMIT: usize = 8;

/// Kind of a link, from the camera upwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkKind {
    /// Access device: switch, ONU, recorder.
    Access,
    /// Village uplink.
    Village,
    /// Township aggregation.
    Township,
    /// County.
    County,
}

impl LinkKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Access, Self::Village, Self::Township, Self::County];

    /// The word used in SQL, JSON, metrics and files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Village => "village",
            Self::Township => "township",
            Self::County => "county",
        }
    }
}

/// How a link is probed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LinkTarget {
    /// TCP connect to host and port.
    Tcp {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// ICMP echo, where the system permits it.
    Icmp(IpAddr),
}

/// A text that is no probe target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither tcp://host:port nor icmp://address")]
pub struct NoTarget(String);

impl FromStr for LinkTarget {
    type Err = NoTarget;

    fn from_str(text: &str) -> Result<Self, NoTarget> {
        let (icmp, tcp) = (text.strip_prefix("icmp://"), text.strip_prefix("tcp://"));
        if let (Ok(address), None) = (icmp.unwrap_or(text).parse(), tcp) {
            return Ok(Self::Icmp(address));
        }
        let (host, port) = tcp.unwrap_or(text).rsplit_once(':').ok_or_else(|| NoTarget(text.to_owned()))?;
        let bare = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
        let is_host = !bare.is_empty()
            && (bare.parse::<IpAddr>().is_ok()
                || bare.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')));
        match port.parse() {
            Ok(port) if port > 0 && is_host => Ok(Self::Tcp { host: bare.to_owned(), port }),
            Ok(_) | Err(_) => Err(NoTarget(text.to_owned())),
        }
    }
}

impl fmt::Display for LinkTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp://[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            Self::Icmp(address) => write!(f, "icmp://{address}"),
        }
    }
}

/// How several parents carry a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Redundancy {
    /// Every parent is needed (the default).
    All,
    /// Any one parent carries it (redundant uplinks).
    Any,
}

impl Redundancy {
    /// Both.
    pub const ALL: [Self; 2] = [Self::All, Self::Any];

    /// The word used in SQL, JSON and files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Any => "any",
        }
    }
}

/// A node of the network path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Unique code.
    pub code: LinkCode,
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: LinkKind,
    /// The division that it serves; tags alerts.
    pub division: DivisionCode,
    /// The links above.
    pub parents: Vec<LinkCode>,
    /// Whether all parents are needed or any.
    pub redundancy: Redundancy,
    /// Share of the capacity that the watching may use, kbit/s.
    pub budget_kbps: Option<u32>,
    /// Sessions that the watching may hold at once.
    pub budget_sessions: Option<u16>,
    /// What to probe; without a target its state can only be inferred.
    pub target: Option<LinkTarget>,
}

/// What is wrong with the way from a link to the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathFault {
    /// The link is its own ancestor, over these links.
    Cycle(Vec<LinkCode>),
    /// The path is longer than [`DEPTH_LIMIT`].
    TooDeep(usize),
}

/// Finds every link whose way to the top is a cycle or too long. Unknown parents end a way; they are told elsewhere.
///
/// A cycle is told once, at the first of its links; a link that merely leads into a cycle is not blamed.
pub fn path_faults(parents: &BTreeMap<LinkCode, Vec<LinkCode>>) -> Vec<(LinkCode, PathFault)> {
    let depths = depths(parents);
    let deep = depths
        .iter()
        .filter(|(_, depth)| **depth > DEPTH_LIMIT)
        .map(|(link, depth)| ((*link).clone(), PathFault::TooDeep(*depth)));
    let mut faults: Vec<_> = cycles(parents, &depths)
        .into_iter()
        .filter_map(|cycle| Some((cycle.first()?.clone(), PathFault::Cycle(cycle))))
        .collect();
    faults.extend(deep);
    faults
}

/// Links from each link to the top, itself counted, parents first; links in or below a cycle are left out.
fn depths(parents: &BTreeMap<LinkCode, Vec<LinkCode>>) -> BTreeMap<&LinkCode, usize> {
    let mut children: BTreeMap<&LinkCode, Vec<&LinkCode>> = BTreeMap::new();
    let mut waiting: BTreeMap<&LinkCode, usize> = BTreeMap::new();
    for (link, above) in parents {
        let known: Vec<&LinkCode> = above.iter().filter(|parent| parents.contains_key(*parent)).collect();
        waiting.insert(link, known.len());
        for parent in known {
            children.entry(parent).or_default().push(link);
        }
    }
    let mut ready: Vec<&LinkCode> =
        waiting.iter().filter(|(_, count)| **count == 0).map(|(link, _)| *link).collect();
    let mut depths: BTreeMap<&LinkCode, usize> = ready.iter().map(|link| (*link, 1)).collect();
    while let Some(link) = ready.pop() {
        let below = depths.get(link).copied().unwrap_or(1).saturating_add(1);
        for child in children.get(link).into_iter().flatten().copied() {
            let depth = depths.entry(child).or_insert(below);
            *depth = below.max(*depth);
            if let Some(count) = waiting.get_mut(child) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    ready.push(child);
                }
            }
        }
    }
    depths.retain(|link, _| waiting.get(link) == Some(&0));
    depths
}

/// At least one cycle of every knot among the links without a depth.
fn cycles(
    parents: &BTreeMap<LinkCode, Vec<LinkCode>>,
    depths: &BTreeMap<&LinkCode, usize>,
) -> Vec<Vec<LinkCode>> {
    let mut seen: BTreeSet<&LinkCode> = BTreeSet::new();
    let mut cycles = Vec::new();
    for start in parents.keys().filter(|link| !depths.contains_key(link)) {
        let mut way: Vec<&LinkCode> = Vec::new();
        let mut next = Some(start);
        while let Some(link) = next.filter(|link| seen.insert(link)) {
            way.push(link);
            next = parents
                .get(link)
                .into_iter()
                .flatten()
                .find(|parent| parents.contains_key(*parent) && !depths.contains_key(*parent));
        }
        let begin = next.and_then(|again| way.iter().position(|passed| *passed == again));
        if let Some(begin) = begin {
            cycles.push(way.into_iter().skip(begin).cloned().collect());
        }
    }
    cycles
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(text: &[(&str, &str)]) -> BTreeMap<LinkCode, Vec<LinkCode>> {
        let code = |text: &str| text.parse().unwrap();
        text.iter()
            .map(|(link, parents)| (code(link), parents.split_whitespace().map(code).collect()))
            .collect()
    }

    fn check(text: &[(&str, &str)], expected: &[(&str, PathFault)]) {
        let expected: Vec<_> =
            expected.iter().map(|(link, fault)| (link.parse().unwrap(), fault.clone())).collect();
        assert_eq!(path_faults(&links(text)), expected, "{text:?}");
    }

    #[test]
    fn a_tree_and_a_diamond_are_no_fault() {
        check(&[("a", ""), ("b", "a"), ("c", "a"), ("d", "b c")], &[]);
        check(&[("a", "unknown")], &[]);
    }

    #[test]
    fn a_cycle_is_told_once_with_its_links() {
        let cycle =
            |codes: &[&str]| PathFault::Cycle(codes.iter().map(|code| code.parse().unwrap()).collect());
        check(&[("a", "a")], &[("a", cycle(&["a"]))]);
        check(&[("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")], &[("a", cycle(&["a", "b", "c"]))]);
    }

    #[test]
    fn a_path_over_eight_links_is_too_deep() {
        let chain = |length: usize| {
            (0..length)
                .map(|i| {
                    let parents = if i == 0 { String::new() } else { format!("L{}", i - 1) };
                    (format!("L{i}"), parents)
                })
                .collect::<Vec<_>>()
        };
        let borrowed = |chain: &[(String, String)]| {
            let pairs: Vec<(&str, &str)> = chain.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            path_faults(&links(&pairs))
        };
        assert_eq!(borrowed(&chain(DEPTH_LIMIT)), []);
        assert_eq!(borrowed(&chain(9)), [("L8".parse().unwrap(), PathFault::TooDeep(9))]);
    }

    #[test]
    fn a_target_survives_its_text() {
        for text in ["icmp://10.1.2.3", "tcp://switch-1.local:22", "tcp://[fd00::1]:80", "icmp://fd00::1"] {
            assert_eq!(text.parse::<LinkTarget>().unwrap().to_string(), text);
        }
        let check = |bare: &str, full: &str| assert_eq!(bare.parse::<LinkTarget>(), full.parse(), "{bare}");
        check("10.1.2.3", "icmp://10.1.2.3");
        check("10.1.2.3:80", "tcp://10.1.2.3:80");
        for text in ["", "host", "host:0", "host:70000", "a b:80", ":80", "tcp://10.1.2.3", "icmp://host"] {
            assert!(text.parse::<LinkTarget>().is_err(), "{text}");
        }
    }
}
