//! The made-up fleet: the real townships of city 2305 with invented villages, grids, sites, links and cameras.
//!
//! The same plan builds the same fleet on every machine. Sizes are those of the city's report of 2020: 452 villages
//! with 960 points and 1654 grids. Every person, telephone and password in it is recognisably made up.

mod camera;
mod ground;
mod path;

use crate::domain::{CodeError, Inventory, LinkCode, PointCode, point::StreamUrlError};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

/// Villages and communities.
pub const VILLAGES: usize = 452;
/// Grids, each with a leader.
pub const GRIDS: usize = 1654;
/// Points.
pub const POINTS: usize = 960;
/// Shared media: each is encoded once and serves every 20th point.
pub const MEDIA: usize = 20;
/// The shared media behind them, of full size: an open and a guarded one for the main streams.
pub const MAIN_MEDIA: usize = 2;

/// What to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// RTSP port on every camera address; link targets listen on the same port of their own addresses.
    pub port: u16,
    /// How the points are watched.
    pub watched: Watched,
}

/// How the points of the fleet are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// As a city would: patrols, and a kept session for every 24th point.
    Mixed,
    /// A kept session for the first so many points; the others are not watched.
    Continuous(usize),
    /// Patrols for the first so many points; the others are not watched.
    Patrol(usize),
}

/// The fleet.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// Every record, as the import brings it in.
    pub inventory: Inventory,
    /// What answers RTSP.
    pub devices: Vec<Device>,
    /// What answers the probes of the links.
    pub uplinks: Vec<Uplink>,
    /// Credentials of the devices that ask for one.
    pub secrets: Vec<Secret>,
}

/// A camera or a recorder: one address with one channel per point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Where it listens.
    pub address: SocketAddrV4,
    /// The links it hangs on, nearest first.
    pub path: Vec<LinkCode>,
    /// Path and query of each stream address, and what is behind it.
    pub channels: BTreeMap<String, Channel>,
}

/// What one stream address shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// The point.
    pub point: PointCode,
    /// Which of the shared media it shows.
    pub media: usize,
}

/// The probe target of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// The link.
    pub link: LinkCode,
    /// Where it listens.
    pub address: SocketAddrV4,
    /// The link and those above it, nearest first.
    pub path: Vec<LinkCode>,
}

/// A made-up credential of made-up cameras.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Name of the entry.
    pub name: String,
    /// User.
    pub username: String,
    /// Password.
    pub password: String,
}

/// Why a fleet could not be built.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The table of townships cannot be read.
    #[error("read the table of townships")]
    Townships(#[from] csv::Error),
    /// A generated code is malformed.
    #[error("generate a code")]
    Code(#[from] CodeError),
    /// A generated stream address is malformed.
    #[error("generate a stream address")]
    Address(#[from] StreamUrlError),
    /// A row of a table of this module is missing.
    #[error("no {0} for the fleet")]
    Missing(&'static str),
}

impl Fleet {
    /// Builds the fleet.
    pub fn build(plan: Plan) -> Result<Self, FleetError> {
        let mut inventory = Inventory::default();
        let villages = ground::lay(&mut inventory)?;
        let paths = path::lay(&mut inventory, &villages, plan.port)?;
        let devices = camera::mount(&mut inventory, &villages, &paths, plan)?;
        Ok(Self { inventory, devices, uplinks: paths.uplinks, secrets: secrets() })
    }
}

/// Whether the shared media with this number asks for a user (digest); the others are open, as many village cameras are.
pub const fn asks_for_user(media: usize) -> bool {
    media % 2 == 1
}

/// How a shared media is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// H.264.
    H264,
    /// H.265 whose random-access pictures are IDR.
    H265,
    /// H.265 with open groups: its random-access pictures are CRA, after the first.
    H265Open,
}

/// How the shared media with this number is coded: six in ten H.264, three H.265, one H.265 with open groups; main
/// streams H.264.
pub const fn coding(media: usize) -> Coding {
    match media / 2 {
        ..6 | 10.. => Coding::H264,
        6..9 => Coding::H265,
        9 => Coding::H265Open,
    }
}

fn secrets() -> Vec<Secret> {
    let secret = |county: &ground::County| Secret {
        name: credential_name(county.code),
        username: format!("viewer-{}", county.code),
        password: format!("Made-up {}!", county.code),
    };
    ground::COUNTIES.iter().map(secret).collect()
}

fn credential_name(county: &str) -> String {
    format!("cameras-{county}")
}

/// An address of the fleet inside 127.0.0.0/8, which no other machine can reach.
fn loopback(second: usize, third: usize, fourth: usize, port: u16) -> Result<SocketAddrV4, FleetError> {
    let part =
        |number: usize| u8::try_from(number).map_err(|_too_large| FleetError::Missing("loopback address"));
    Ok(SocketAddrV4::new(Ipv4Addr::new(127, part(second)?, part(third)?, part(fourth)?), port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DivisionLevel, WatchMode};
    use std::collections::BTreeSet;

    fn fleet() -> Fleet {
        Fleet::build(Plan { port: 8554, watched: Watched::Mixed }).unwrap()
    }

    #[test]
    fn the_fleet_has_the_sizes_of_the_report() {
        let inventory = fleet().inventory;
        let count = |level| inventory.divisions.keys().filter(|code| code.level() == level).count();
        assert_eq!(count(DivisionLevel::City), 1);
        assert_eq!(count(DivisionLevel::County), 8);
        assert_eq!(count(DivisionLevel::Township), 110);
        assert_eq!(count(DivisionLevel::Village), VILLAGES);
        assert_eq!(inventory.divisions.values().filter(|division| !division.assessed).count(), 43);
        assert_eq!(inventory.grids.len(), GRIDS);
        assert_eq!(inventory.points.len(), POINTS);
    }

    #[test]
    fn every_record_points_at_known_ones() {
        let inventory = fleet().inventory;
        for point in inventory.points.values() {
            let grid = inventory.grids.get(point.grid.as_ref().unwrap()).unwrap();
            let site = inventory.sites.get(point.site.as_ref().unwrap()).unwrap();
            assert_eq!((grid.village, site.village), (point.village, point.village));
            assert!(inventory.link_of(point).is_some(), "{}", point.code);
            assert!(inventory.divisions.get(&point.village).unwrap().assessed);
            if let Some(place) = &point.place {
                assert_eq!(inventory.places.get(place).unwrap().village, point.village);
            }
        }
        for link in inventory.links.values() {
            assert!(link.parents.iter().all(|parent| inventory.links.contains_key(parent)));
        }
    }

    #[test]
    fn every_stream_address_has_its_own_channel() {
        let fleet = fleet();
        let addresses: BTreeSet<_> = fleet.devices.iter().map(|device| device.address).collect();
        let uplinks: BTreeSet<_> = fleet.uplinks.iter().map(|uplink| uplink.address).collect();
        assert_eq!((addresses.len(), uplinks.len()), (fleet.devices.len(), fleet.uplinks.len()));
        assert!(addresses.is_disjoint(&uplinks));
        assert!(addresses.union(&uplinks).all(|address| address.ip().is_loopback()));
        for point in fleet.inventory.points.values() {
            for url in [&point.sub_stream, &point.main_stream].into_iter().flatten() {
                let device = fleet
                    .devices
                    .iter()
                    .find(|device| device.address.ip().to_string() == url.host())
                    .unwrap();
                let path = &url.as_url()[url::Position::BeforePath..url::Position::AfterQuery];
                assert_eq!(device.channels.get(path).unwrap().point, point.code);
            }
        }
    }

    #[test]
    fn the_fleet_has_gaps_to_report() {
        let inventory = fleet().inventory;
        let covered: BTreeSet<_> = inventory.points.values().map(|point| point.village).collect();
        assert!((420..452).contains(&covered.len()), "{} villages with a point", covered.len());
        let grids: BTreeSet<_> = inventory.points.values().filter_map(|point| point.grid.clone()).collect();
        assert!(grids.len() < 960);
        assert!(inventory.grids.values().any(|grid| grid.leader.is_none()));
        assert!(inventory.points.values().any(|point| point.maintainer_phone.is_none()));
    }

    #[test]
    fn the_plan_decides_what_is_watched() {
        let check = |watched, mode, expected| {
            let inventory = Fleet::build(Plan { port: 8554, watched }).unwrap().inventory;
            let count = inventory.points.values().filter(|point| point.watch == mode).count();
            assert_eq!(count, expected, "{watched:?}");
        };
        check(Watched::Mixed, WatchMode::Continuous, 40);
        check(Watched::Mixed, WatchMode::Patrol, 920);
        check(Watched::Continuous(200), WatchMode::Continuous, 200);
        check(Watched::Continuous(200), WatchMode::Off, 760);
        check(Watched::Patrol(960), WatchMode::Patrol, 960);
    }
}
