//! Room for connections: how many may be open at once, and which share of them one client may hold.

use crate::telemetry;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};
use tokio::task::Id;

/// Time from one warning to the next one about the same.
const TELL_AGAIN: Duration = Duration::from_secs(60);
/// The part of an IPv6 address that names a network of one client, which picks the other half as it likes.
const NETWORK: u128 = !0 << 64;

/// The connections that are open, each with its client.
#[derive(Debug)]
pub(super) struct Room {
    limit: usize,
    open: HashMap<Id, IpAddr>,
    told_of_no_room: Told,
    told_of_greed: Told,
}

impl Room {
    pub(super) fn new(limit: usize) -> Self {
        let (told_of_no_room, told_of_greed) = (Told::default(), Told::default());
        Self { limit, open: HashMap::new(), told_of_no_room, told_of_greed }
    }

    /// Whether one more connection may be accepted; who has to wait stays in the backlog of the listener.
    pub(super) fn is_left(&mut self) -> bool {
        let is_left = self.free() > 0;
        if !is_left && self.told_of_no_room.is_due() {
            telemetry::connections_exhausted(self.limit);
        }
        is_left
    }

    /// Whether this client may have one more. It may hold as many as it leaves free to others: half of them while it
    /// is alone, and however many clients do the same, the next one still finds room.
    pub(super) fn admits(&mut self, address: IpAddr) -> bool {
        let client = client_of(address);
        let held = self.open.values().filter(|holder| **holder == client).count();
        let is_admitted = held < self.free();
        if !is_admitted && self.told_of_greed.is_due() {
            telemetry::client_refused(address, held, self.limit);
        }
        is_admitted
    }

    pub(super) fn enter(&mut self, connection: Id, address: IpAddr) {
        self.open.insert(connection, client_of(address));
    }

    pub(super) fn leave(&mut self, connection: Id) {
        self.open.remove(&connection);
    }

    fn free(&self) -> usize {
        self.limit.saturating_sub(self.open.len())
    }
}

/// Who is behind an address.
fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
    }
}

/// When something was told last.
#[derive(Debug, Default)]
struct Told(Option<Instant>);

impl Told {
    /// Whether it is time to tell; if so, it counts as told.
    fn is_due(&mut self) -> bool {
        let is_due = self.0.is_none_or(|told| told.elapsed() >= TELL_AGAIN);
        if is_due {
            self.0 = Some(Instant::now());
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_an_ipv4_address_or_an_ipv6_network() {
        let check = |address: &str, expected: &str| {
            let client = client_of(address.parse().unwrap());
            assert_eq!(client, expected.parse::<IpAddr>().unwrap(), "{address}");
        };
        check("10.1.2.3", "10.1.2.3");
        check("::ffff:10.1.2.3", "10.1.2.3");
        check("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::");
    }

    #[test]
    fn the_same_is_told_once_a_minute() {
        let mut told = Told::default();
        assert!(told.is_due() && !told.is_due());
        told.0 = Instant::now().checked_sub(TELL_AGAIN);
        assert!(told.is_due());
    }
}
