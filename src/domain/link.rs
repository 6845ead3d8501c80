//! Links: the nodes of the network path from a site up to the county.

use crate::domain::{DivisionCode, LinkCode};
use std::net::IpAddr;

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

/// How several parents carry a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Redundancy {
    /// Every parent is needed (the default).
    All,
    /// Any one parent carries it (redundant uplinks).
    Any,
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
