//! What is wrong with the simulated network now: the script, and over it what a person ordered.
//!
//! Pure: the time is an argument. The orders are the words of the control socket; the rows are those of `faults.json`.

use crate::domain::{DivisionCode, LinkCode, PointCode, Timestamp};
use crate::simulate::fault::{Fault, Faults, UnknownFault};
use crate::simulate::fleet::{Device, Fleet};
use crate::simulate::script::{Script, Visit};
use serde::Serialize;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

/// What a person orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Cuts a link.
    Cut(LinkCode),
    /// Mends a link.
    MendLink(LinkCode),
    /// Gives a point a fault.
    Spoil(PointCode, Fault),
    /// Takes a point's fault away.
    MendPoint(PointCode),
    /// Takes every fault away and stops the script.
    MendAll,
    /// Asks for the sessions.
    Sessions,
    /// Asks for the rows of `faults.json`.
    Faults,
}

/// A text that is no order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// Not one of the orders.
    #[error(
        "orders are: cut LINK-OR-VILLAGE | repair LINK-OR-VILLAGE-OR-POINT | repair all | fault POINT KIND | sessions | faults"
    )]
    Unknown,
    /// Not a kind of fault.
    #[error(transparent)]
    Fault(#[from] UnknownFault),
    /// Neither a link nor a division nor a point.
    #[error("`{0}` is no code of a link, village or point")]
    Code(String),
}

impl FromStr for Order {
    type Err = OrderError;

    fn from_str(line: &str) -> Result<Self, OrderError> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let no_code = |text: &str| OrderError::Code(text.to_owned());
        match *words {
            ["cut", link] => Ok(Self::Cut(link_of(link).ok_or_else(|| no_code(link))?)),
            ["repair", "all"] => Ok(Self::MendAll),
            ["repair", code] => match code.parse() {
                Ok(point) => Ok(Self::MendPoint(point)),
                Err(_no_point) => Ok(Self::MendLink(link_of(code).ok_or_else(|| no_code(code))?)),
            },
            ["fault", point, fault] => {
                let point = point.parse().map_err(|_code_error| no_code(point))?;
                Ok(Self::Spoil(point, fault.parse()?))
            }
            ["sessions"] => Ok(Self::Sessions),
            ["faults"] => Ok(Self::Faults),
            _ => Err(OrderError::Unknown),
        }
    }
}

/// A link's code, or the uplink of a division.
fn link_of(text: &str) -> Option<LinkCode> {
    match text.parse::<DivisionCode>() {
        Ok(division) => format!("UP-{division}").parse().ok(),
        Err(_no_division) => text.parse().ok(),
    }
}

/// The network's faults.
#[derive(Clone, Debug)]
pub struct World {
    started: Timestamp,
    script: Script,
    /// Links that a person cut, or mended.
    links: BTreeMap<LinkCode, Ordered<Line>>,
    points: BTreeMap<PointCode, Ordered<Option<Fault>>>,
}

#[derive(Clone, Copy, Debug)]
enum Line {
    Cut,
    Whole,
}

/// What was ordered, and when.
#[derive(Clone, Copy, Debug)]
struct Ordered<T> {
    what: T,
    at: Timestamp,
}

/// One faulty point, as `faults.json` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FaultRow {
    /// Code of the point.
    pub point: String,
    /// Kind of the fault; `link_cut` for a point behind a cut link.
    pub fault: &'static str,
    /// RFC 3339.
    pub from: String,
    /// RFC 3339; absent while nobody knows.
    pub to: Option<String>,
    /// State that the service must show once confirmed.
    pub expected_state: &'static str,
    /// Cause that the service must show; absent for `good`.
    pub expected_cause: Option<&'static str>,
    /// The failed link, for `link_down`.
    pub expected_link: Option<String>,
}

impl World {
    /// A world that follows a script from `started` on.
    pub const fn new(script: Script, started: Timestamp) -> Self {
        Self { started, script, links: BTreeMap::new(), points: BTreeMap::new() }
    }

    /// What is wrong at `now`.
    pub fn at(&self, now: Timestamp) -> Faults {
        let mut faults = self.script.at(now.since(self.started));
        for (link, ordered) in &self.links {
            match ordered.what {
                Line::Cut => faults.cut.insert(link.clone()),
                Line::Whole => faults.cut.remove(link),
            };
        }
        for (point, ordered) in &self.points {
            match ordered.what {
                Some(fault) => drop(faults.points.insert(*point, fault)),
                None => drop(faults.points.remove(point)),
            }
        }
        faults
    }

    /// How long after `now` the script changes something.
    pub fn next_change(&self, now: Timestamp) -> Option<Duration> {
        let elapsed = now.since(self.started);
        self.script.next_change(elapsed).map(|next| next.saturating_sub(elapsed))
    }

    /// Follows an order.
    pub fn follow(&mut self, order: Order, now: Timestamp) {
        match order {
            Order::Cut(link) => self.order_link(link, Line::Cut, now),
            Order::MendLink(link) => self.order_link(link, Line::Whole, now),
            Order::Spoil(point, fault) => self.order_point(point, Some(fault), now),
            Order::MendPoint(point) => self.order_point(point, None, now),
            Order::MendAll => *self = Self::new(Script::default(), self.started),
            Order::Sessions | Order::Faults => {}
        }
    }

    fn order_link(&mut self, link: LinkCode, what: Line, at: Timestamp) {
        self.links.insert(link, Ordered { what, at });
    }

    fn order_point(&mut self, point: PointCode, what: Option<Fault>, at: Timestamp) {
        self.points.insert(point, Ordered { what, at });
    }

    /// The faulty points at `now`, with what the service must show.
    pub fn rows(&self, fleet: &Fleet, now: Timestamp) -> Vec<FaultRow> {
        let faults = self.at(now);
        let points = fleet.devices.iter().flat_map(|device| {
            let points: std::collections::BTreeSet<PointCode> =
                device.channels.values().map(|channel| channel.point).collect();
            points.into_iter().map(move |point| (device, point))
        });
        points.filter_map(|(device, point)| self.row(&faults, device, point, now)).collect()
    }

    fn row(&self, faults: &Faults, device: &Device, point: PointCode, now: Timestamp) -> Option<FaultRow> {
        let visit = match (faults.cut_on(&device.path), faults.points.get(&point)) {
            (Some(link), _) => Visit::Cut(link.clone()),
            (None, Some(fault)) => Visit::Point(point, *fault),
            (None, None) => return None,
        };
        let (from, to) = self.times(&visit, now);
        let expected = faults.expected(&point, &device.path);
        Some(FaultRow {
            point: point.to_string(),
            fault: if let Visit::Point(_, fault) = &visit { fault.as_str() } else { "link_cut" },
            from: from.to_string(),
            to: to.map(|to| to.to_string()),
            expected_state: expected.state().as_str(),
            expected_cause: expected.cause().map(|cause| cause.as_str()),
            expected_link: expected.cause().and_then(|cause| cause.detail()).map(str::to_owned),
        })
    }

    fn times(&self, visit: &Visit, now: Timestamp) -> (Timestamp, Option<Timestamp>) {
        let ordered = match visit {
            Visit::Cut(link) => self.links.get(link).map(|ordered| ordered.at),
            Visit::Point(point, _) => self.points.get(point).map(|ordered| ordered.at),
        };
        let stays = self.script.stays(now.since(self.started));
        match (ordered, stays.into_iter().find(|stay| stay.visit == *visit)) {
            (Some(at), _) => (at, None),
            (None, Some(stay)) => (self.started.plus(stay.from), stay.to.map(|to| self.started.plus(to))),
            (None, None) => (self.started, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::fleet::{Plan, Watched};
    use crate::simulate::script::STAY;

    const NOON: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn world() -> (Fleet, World) {
        let fleet = Fleet::build(Plan { port: 8554, watched: Watched::Mixed }).unwrap();
        let script = Script::write(&fleet, STAY);
        (fleet, World::new(script, NOON))
    }

    #[test]
    fn orders_are_read_or_refused() {
        let point: PointCode = "23052100001320000001".parse().unwrap();
        let link = |text: &str| text.parse::<LinkCode>().unwrap();
        let check = |line: &str, expected: Result<Order, ()>| {
            assert_eq!(line.parse::<Order>().map_err(|_error| ()), expected, "{line}");
        };
        check("cut 230521100201", Ok(Order::Cut(link("UP-230521100201"))));
        check("cut SW-230521100201", Ok(Order::Cut(link("SW-230521100201"))));
        check("repair 230521", Ok(Order::MendLink(link("UP-230521"))));
        check("repair 23052100001320000001", Ok(Order::MendPoint(point)));
        check("repair all", Ok(Order::MendAll));
        check("fault 23052100001320000001 stall", Ok(Order::Spoil(point, Fault::Stall)));
        check("fault 23052100001320000001 gone", Err(()));
        check("fault 2305 stall", Err(()));
        check("sessions", Ok(Order::Sessions));
        check("", Err(()));
    }

    #[test]
    fn a_persons_order_stands_over_the_script() {
        let (_fleet, mut world) = world();
        let (point, _) = world.at(NOON).points.into_iter().next().unwrap();
        world.follow(Order::MendPoint(point), NOON);
        assert!(!world.at(NOON).points.contains_key(&point));
        world.follow(Order::Spoil(point, Fault::Stall), NOON);
        assert_eq!(world.at(NOON).points.get(&point), Some(&Fault::Stall));
        world.follow(Order::MendAll, NOON);
        assert_eq!((world.at(NOON), world.next_change(NOON)), (Faults::default(), None));
    }

    #[test]
    fn a_cut_link_tells_what_its_members_must_show() {
        let (fleet, world) = world();
        let rows = world.rows(&fleet, NOON);
        let cut: Vec<&FaultRow> = rows.iter().filter(|row| row.fault == "link_cut").collect();
        assert!(cut.len() >= 3, "{}", cut.len());
        for row in &cut {
            assert_eq!((row.expected_state, row.expected_cause), ("unreachable", Some("link_down")));
            assert!(row.expected_link.as_ref().unwrap().starts_with("UP-") && row.to.is_some());
        }
        assert_eq!(rows.len() - cut.len(), Fault::ALL.len());
    }
}
