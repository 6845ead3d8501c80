//! The fleet as the CSV files of the import, so that the demo goes the way that a real inventory goes.
//!
//! Columns are those of `config/templates/`; UTF-8, English headers, one file per kind.

use super::fleet::{Fleet, Secret};
use crate::domain::division::Division;
use crate::domain::grid::Grid;
use crate::domain::link::{Link, LinkTarget, Redundancy};
use crate::domain::place::Place;
use crate::domain::site::{Position, Site};
use crate::domain::{Point, Timestamp};
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

/// Why the files could not be written.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The folder cannot be made.
    #[error("make the folder {path}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("write {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: csv::Error,
    },
}

/// Writes the seven files into `folder`; returns their paths in the order of the import.
pub fn write(fleet: &Fleet, folder: &Path) -> Result<Vec<PathBuf>, TableError> {
    std::fs::create_dir_all(folder)
        .map_err(|source| TableError::Folder { path: folder.to_owned(), source })?;
    let inventory = &fleet.inventory;
    Ok(vec![
        table(folder, "divisions", DIVISIONS, inventory.divisions.values().map(division))?,
        table(folder, "grids", GRIDS, inventory.grids.values().map(grid))?,
        table(folder, "links", LINKS, inventory.links.values().map(link))?,
        table(folder, "sites", SITES, inventory.sites.values().map(site))?,
        table(folder, "places", PLACES, inventory.places.values().map(place))?,
        table(folder, "points", POINTS, inventory.points.values().map(point))?,
        table(folder, "credentials", CREDENTIALS, fleet.secrets.iter().map(secret))?,
    ])
}

fn table<const N: usize>(
    folder: &Path,
    kind: &str,
    header: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> Result<PathBuf, TableError> {
    let path = folder.join(format!("{kind}.csv"));
    let failed = |source| TableError::File { path: path.clone(), source };
    let mut writer = csv::Writer::from_path(&path).map_err(failed)?;
    writer.write_record(header).map_err(failed)?;
    for row in rows {
        writer.write_record(row).map_err(failed)?;
    }
    writer.flush().map_err(|source| failed(source.into()))?;
    Ok(path)
}

fn text<T: Display>(value: Option<&T>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

fn yes_no(value: bool) -> String {
    (if value { "yes" } else { "no" }).to_owned()
}

/// A day; the fleet's instants are all midnights of UTC.
fn instant(value: Option<Timestamp>) -> String {
    text(value.as_ref())
}

const DIVISIONS: [&str; 7] =
    ["code", "name", "assessed", "households", "has_centre", "valid_from", "valid_to"];

fn division(division: &Division) -> [String; 7] {
    [
        division.code.to_string(),
        division.name.clone(),
        yes_no(division.assessed),
        text(division.households.as_ref()),
        yes_no(division.has_centre),
        instant(division.valid_from),
        instant(division.valid_to),
    ]
}

const GRIDS: [&str; 9] =
    ["code", "name", "village", "kind", "households", "leader", "leader_phone", "leader_from", "leader_to"];

fn grid(grid: &Grid) -> [String; 9] {
    let leader = grid.leader.as_ref();
    [
        grid.code.to_string(),
        grid.name.clone(),
        grid.village.to_string(),
        grid.kind.as_str().to_owned(),
        text(grid.households.as_ref()),
        text(leader.map(|leader| &leader.name)),
        text(leader.and_then(|leader| leader.phone.as_ref())),
        instant(leader.and_then(|leader| leader.from)),
        instant(leader.and_then(|leader| leader.to)),
    ]
}

const LINKS: [&str; 9] =
    ["code", "name", "kind", "division", "parents", "redundancy", "budget_kbps", "budget_sessions", "target"];

fn link(link: &Link) -> [String; 9] {
    let parents: Vec<&str> = link.parents.iter().map(|parent| parent.as_str()).collect();
    let redundancy = match link.redundancy {
        Redundancy::All => "all",
        Redundancy::Any => "any",
    };
    let target = match &link.target {
        Some(LinkTarget::Tcp { host, port }) => format!("tcp://{host}:{port}"),
        Some(LinkTarget::Icmp(address)) => format!("icmp://{address}"),
        None => String::new(),
    };
    [
        link.code.to_string(),
        link.name.clone(),
        link.kind.as_str().to_owned(),
        link.division.to_string(),
        parents.join(" "),
        redundancy.to_owned(),
        text(link.budget_kbps.as_ref()),
        text(link.budget_sessions.as_ref()),
        target,
    ]
}

const SITES: [&str; 9] =
    ["code", "name", "village", "longitude", "latitude", "datum", "mount", "power", "link"];

fn site(site: &Site) -> [String; 9] {
    let position = site.position.as_ref();
    let (longitude, latitude, datum) = position_text(position);
    [
        site.code.to_string(),
        site.name.clone(),
        site.village.to_string(),
        longitude,
        latitude,
        datum,
        text(site.mount.as_ref()),
        text(site.power.as_ref()),
        text(site.link.as_ref()),
    ]
}

fn position_text(position: Option<&Position>) -> (String, String, String) {
    (
        text(position.map(|position| &position.raw_longitude)),
        text(position.map(|position| &position.raw_latitude)),
        text(position.map(|position| position.source.as_str()).as_ref()),
    )
}

const PLACES: [&str; 5] = ["code", "name", "village", "kind", "required"];

fn place(place: &Place) -> [String; 5] {
    [
        place.code.to_string(),
        place.name.clone(),
        place.village.to_string(),
        place.kind.as_str().to_owned(),
        yes_no(place.required),
    ]
}

const POINTS: [&str; 38] = [
    "code",
    "name",
    "village",
    "grid",
    "site",
    "place",
    "class",
    "status",
    "commissioned",
    "retired",
    "watch",
    "sub_stream",
    "main_stream",
    "credential",
    "expected_width",
    "expected_height",
    "expected_frames_per_second",
    "maintainer",
    "maintainer_phone",
    "manufacturer",
    "model",
    "address",
    "register_way",
    "security_level",
    "secrecy",
    "camera_type",
    "imaging_type",
    "capture_position_type",
    "room_type",
    "supply_light_type",
    "direction",
    "grassroots_code",
    "install_time",
    "management_unit",
    "contact",
    "record_save_days",
    "ip_address",
    "mac_address",
];

fn point(point: &Point) -> [String; 38] {
    let record = &point.record;
    [
        point.code.to_string(),
        point.name.clone(),
        point.village.to_string(),
        text(point.grid.as_ref()),
        text(point.site.as_ref()),
        text(point.place.as_ref()),
        point.class.as_str().to_owned(),
        point.status.as_str().to_owned(),
        point.commissioned.to_string(),
        instant(point.retired),
        point.watch.as_str().to_owned(),
        text(point.sub_stream.as_ref()),
        text(point.main_stream.as_ref()),
        text(point.credential.as_ref()),
        text(point.expected_size.map(|(width, _)| width).as_ref()),
        text(point.expected_size.map(|(_, height)| height).as_ref()),
        text(point.expected_frames_per_second.as_ref()),
        text(point.maintainer.as_ref()),
        text(point.maintainer_phone.as_ref()),
        text(record.manufacturer.as_ref()),
        text(record.model.as_ref()),
        text(record.address.as_ref()),
        text(record.register_way.as_ref()),
        text(record.security_level.as_ref()),
        text(record.secrecy.as_ref()),
        text(record.camera_type.as_ref()),
        text(record.imaging_type.as_ref()),
        text(record.capture_position_type.as_ref()),
        text(record.room_type.as_ref()),
        text(record.supply_light_type.as_ref()),
        text(record.direction.as_ref()),
        text(record.grassroots_code.as_ref()),
        instant(record.install_time),
        text(record.management_unit.as_ref()),
        text(record.contact.as_ref()),
        text(record.record_save_days.as_ref()),
        text(record.ip_address.as_ref()),
        text(record.mac_address.as_ref()),
    ]
}

const CREDENTIALS: [&str; 3] = ["name", "username", "password"];

fn secret(secret: &Secret) -> [String; 3] {
    [secret.name.clone(), secret.username.clone(), secret.password.clone()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::fleet::{Plan, Watched};

    #[test]
    fn every_record_becomes_a_row() {
        let fleet = Fleet::build(Plan { port: 8554, watched: Watched::Mixed }).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let files = write(&fleet, folder.path()).unwrap();
        let rows =
            |path: &PathBuf| csv::Reader::from_path(path).unwrap().records().map(Result::unwrap).count();
        let inventory = &fleet.inventory;
        let expected = [
            inventory.divisions.len(),
            inventory.grids.len(),
            inventory.links.len(),
            inventory.sites.len(),
            inventory.places.len(),
            inventory.points.len(),
            fleet.secrets.len(),
        ];
        assert_eq!(files.iter().map(rows).collect::<Vec<_>>(), expected);
    }
}
