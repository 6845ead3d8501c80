//! The path tree of the fleet: county, township, village uplink, and an access switch where a village has several cameras.

use super::ground::{COUNTIES, Village};
use super::{FleetError, Uplink, camera, loopback};
use crate::domain::link::{Link, LinkKind, LinkTarget, Redundancy};
use crate::domain::{DivisionCode, DivisionLevel, Inventory, LinkCode};
use std::collections::BTreeMap;
use std::net::SocketAddrV4;

/// Second part of the loopback addresses: villages and their devices, townships, counties.
pub(super) const VILLAGE_NET: usize = 16;
const TOWNSHIP_NET: usize = 32;
const COUNTY_NET: usize = 48;
/// Points from which on a village has an access switch.
const SWITCH_FROM: usize = 3;

/// The paths of the fleet.
pub(super) struct Paths {
    pub(super) uplinks: Vec<Uplink>,
    /// The links that a village's cameras hang on, nearest first.
    pub(super) of_village: BTreeMap<DivisionCode, Vec<LinkCode>>,
}

/// Lays the links and their probe targets.
pub(super) fn lay(inventory: &mut Inventory, villages: &[Village], port: u16) -> Result<Paths, FleetError> {
    let mut paths = Paths { uplinks: Vec::new(), of_village: BTreeMap::new() };
    let counts = camera::counts(villages);
    for (index, county) in COUNTIES.iter().enumerate() {
        let code: DivisionCode = county.code.parse()?;
        let link = add(inventory, LinkKind::County, code, &[])?;
        let address = loopback(COUNTY_NET, index + 1, 1, port)?;
        target(inventory, &mut paths, &[link], address);
    }
    for (village, count) in villages.iter().zip(counts) {
        let mut path = township_path(inventory, &mut paths, village, port)?;
        path.insert(0, add(inventory, LinkKind::Village, village.code, &path)?);
        target(inventory, &mut paths, &path, village_address(village, 1, port)?);
        if count >= SWITCH_FROM {
            path.insert(0, add(inventory, LinkKind::Access, village.code, &path)?);
            target(inventory, &mut paths, &path, village_address(village, 2, port)?);
        }
        paths.of_village.insert(village.code, path);
    }
    Ok(paths)
}

/// An address inside a village's own net.
pub(super) fn village_address(village: &Village, host: usize, port: u16) -> Result<SocketAddrV4, FleetError> {
    loopback(VILLAGE_NET + village.county, village.in_county + 1, host, port)
}

fn township_path(
    inventory: &mut Inventory,
    paths: &mut Paths,
    village: &Village,
    port: u16,
) -> Result<Vec<LinkCode>, FleetError> {
    let county = village.township.ancestor(DivisionLevel::County).ok_or(FleetError::Missing("county"))?;
    let county_link = link_code(LinkKind::County, county)?;
    let township_link = link_code(LinkKind::Township, village.township)?;
    let path = vec![township_link.clone(), county_link.clone()];
    if !inventory.links.contains_key(&township_link) {
        let number = inventory.links.values().filter(|link| link.kind == LinkKind::Township).count();
        add(inventory, LinkKind::Township, village.township, &[county_link])?;
        target(inventory, paths, &path, loopback(TOWNSHIP_NET, number + 1, 1, port)?);
    }
    Ok(path)
}

fn link_code(kind: LinkKind, division: DivisionCode) -> Result<LinkCode, FleetError> {
    let prefix = match kind {
        LinkKind::Access => "SW",
        LinkKind::Village | LinkKind::Township | LinkKind::County => "UP",
    };
    Ok(format!("{prefix}-{division}").parse()?)
}

fn add(
    inventory: &mut Inventory,
    kind: LinkKind,
    division: DivisionCode,
    above: &[LinkCode],
) -> Result<LinkCode, FleetError> {
    let code = link_code(kind, division)?;
    let of = inventory.divisions.get(&division).map_or("", |division| division.name.as_str());
    // What the watching may take of the line: half of a 10 Mbit/s village line, and so on upwards.
    let (what, kbps, sessions) = match kind {
        LinkKind::Access => ("接入交换机", 5_000, 8),
        LinkKind::Village => ("上联", 5_000, 8),
        LinkKind::Township => ("汇聚", 50_000, 100),
        LinkKind::County => ("核心", 200_000, 400),
    };
    let link = Link {
        code: code.clone(),
        name: format!("{of}{what}"),
        kind,
        division,
        parents: above.first().cloned().into_iter().collect(),
        redundancy: Redundancy::All,
        budget_kbps: Some(kbps),
        budget_sessions: Some(sessions),
        target: None,
    };
    inventory.links.insert(code.clone(), link);
    Ok(code)
}

fn target(inventory: &mut Inventory, paths: &mut Paths, path: &[LinkCode], address: SocketAddrV4) {
    let Some(code) = path.first() else { return };
    if let Some(link) = inventory.links.get_mut(code) {
        link.target = Some(LinkTarget::Tcp { host: address.ip().to_string(), port: address.port() });
    }
    paths.uplinks.push(Uplink { link: code.clone(), address, path: path.to_vec() });
}
