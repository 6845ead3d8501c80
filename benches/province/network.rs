//! A network of about 100 000 points: the made-up city over and over, each copy under the codes of a city of its own.

use anyhow::Context;
use sharpeyes::domain::{DivisionCode, Inventory};
use sharpeyes::simulate::fleet::{Fleet, Plan, Watched};
use std::str::FromStr;

/// Copies of 960 points: 99 840.
pub(crate) const COPIES: usize = 104;
/// Codes of the copies: `11xx` and `12xx`, below the real city's.
const FIRST_CITY: usize = 1100;

/// Builds the network.
pub(crate) fn province() -> anyhow::Result<Fleet> {
    let mut fleet = Fleet::build(Plan { port: 8554, watched: Watched::Patrol(usize::MAX) })?;
    let mut province = Inventory::default();
    for copy in 0..COPIES {
        add(&mut province, &fleet.inventory, &(FIRST_CITY + copy).to_string())?;
    }
    fleet.inventory = province;
    Ok(fleet)
}

/// The county of the copy in the middle.
pub(crate) fn county() -> anyhow::Result<DivisionCode> {
    Ok(format!("{}21", FIRST_CITY + COPIES / 2).parse()?)
}

fn add(province: &mut Inventory, city: &Inventory, as_city: &str) -> anyhow::Result<()> {
    for division in city.divisions.values().cloned() {
        let code = recode(&division.code, as_city)?;
        province.divisions.insert(code, sharpeyes::domain::division::Division { code, ..division });
    }
    for mut grid in city.grids.values().cloned() {
        grid.code = recode(&grid.code, as_city)?;
        grid.village = recode(&grid.village, as_city)?;
        province.grids.insert(grid.code.clone(), grid);
    }
    for mut link in city.links.values().cloned() {
        link.code = recode(&link.code, as_city)?;
        link.division = recode(&link.division, as_city)?;
        link.parents = link.parents.iter().map(|parent| recode(parent, as_city)).collect::<Result<_, _>>()?;
        province.links.insert(link.code.clone(), link);
    }
    for mut site in city.sites.values().cloned() {
        site.code = recode(&site.code, as_city)?;
        site.village = recode(&site.village, as_city)?;
        site.link = site.link.map(|link| recode(&link, as_city)).transpose()?;
        province.sites.insert(site.code.clone(), site);
    }
    for mut place in city.places.values().cloned() {
        place.code = recode(&place.code, as_city)?;
        place.village = recode(&place.village, as_city)?;
        province.places.insert(place.code.clone(), place);
    }
    for mut point in city.points.values().cloned() {
        point.code = recode(&point.code, as_city)?;
        point.village = recode(&point.village, as_city)?;
        point.grid = point.grid.map(|grid| recode(&grid, as_city)).transpose()?;
        point.site = point.site.map(|site| recode(&site, as_city)).transpose()?;
        point.place = point.place.map(|place| recode(&place, as_city)).transpose()?;
        province.points.insert(point.code, point);
    }
    Ok(())
}

/// The same code in another city; the province above it is that city's.
fn recode<T: ToString + FromStr>(code: &T, as_city: &str) -> anyhow::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text = code.to_string();
    let recoded = if text == "23" {
        as_city.get(..2).context("a city has four digits")?.to_owned()
    } else {
        text.replacen("2305", as_city, 1)
    };
    recoded.parse().with_context(|| format!("recode {text}"))
}
