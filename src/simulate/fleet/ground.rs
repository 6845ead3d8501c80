//! The accountability tree of the fleet: divisions, grids and the places that must be covered.

use super::{FleetError, GRIDS, VILLAGES};
use crate::domain::division::Division;
use crate::domain::grid::{Grid, GridKind, Leader};
use crate::domain::place::{Place, PlaceKind};
use crate::domain::{DivisionCode, GridCode, Inventory, PlaceCode, Timestamp};
use crate::simulate::dice::{pick, roll};

/// National statistics of 2023-06-30, public.
const TOWNSHIPS: &str = include_str!("../../../config/townships_2305.csv");
/// Communities under each urban subdistrict.
const COMMUNITIES: usize = 2;
/// Third part of a township code from which a farm, forest, mine or prison unit begins; those are not assessed.
const SPECIAL_UNITS: u32 = 400;
/// 2020-01-01T00:00:00Z, when the grid leaders took office.
const LEADERS_SINCE: Timestamp = Timestamp::from_seconds(1_577_836_800);

/// First and second syllables of the invented village names.
const FIRST: [&str; 16] =
    ["永", "新", "兴", "和", "富", "德", "安", "长", "福", "广", "宏", "太", "庆", "景", "瑞", "嘉"];
const SECOND: [&str; 16] =
    ["胜", "发", "丰", "民", "泰", "林", "河", "山", "源", "田", "岭", "泉", "盛", "明", "合", "居"];

/// A county or district with the middle and half width of the area that its invented positions lie in, WGS-84 degrees.
pub(super) struct County {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) longitude: f64,
    pub(super) latitude: f64,
    pub(super) spread: f64,
}

const fn county(
    code: &'static str,
    name: &'static str,
    (longitude, latitude): (f64, f64),
    spread: f64,
) -> County {
    County { code, name, longitude, latitude, spread }
}

/// The eight of city 2305; middles to a tenth of a degree.
pub(super) const COUNTIES: [County; 8] = [
    county("230502", "尖山区", (131.2, 46.6), 0.05),
    county("230503", "岭东区", (131.2, 46.5), 0.05),
    county("230505", "四方台区", (131.3, 46.6), 0.05),
    county("230506", "宝山区", (131.4, 46.6), 0.05),
    county("230521", "集贤县", (131.1, 46.7), 0.25),
    county("230522", "友谊县", (131.8, 46.8), 0.20),
    county("230523", "宝清县", (132.2, 46.3), 0.30),
    county("230524", "饶河县", (133.9, 46.9), 0.25),
];

/// A village or community of the fleet, in the order of the codes.
pub(super) struct Village {
    pub(super) code: DivisionCode,
    pub(super) name: String,
    pub(super) township: DivisionCode,
    /// Index of its county in [`COUNTIES`].
    pub(super) county: usize,
    /// Number among all villages.
    pub(super) number: usize,
    /// Number among the villages of its county.
    pub(super) in_county: usize,
    pub(super) grids: Vec<GridCode>,
    pub(super) places: Vec<PlaceCode>,
    pub(super) kind: GridKind,
}

#[derive(serde::Deserialize)]
struct TownshipRow {
    code: String,
    name: String,
}

/// Lays divisions, grids and places; returns the villages in the order of their codes.
pub(super) fn lay(inventory: &mut Inventory) -> Result<Vec<Village>, FleetError> {
    lay_upper_divisions(inventory)?;
    let mut villages = Vec::with_capacity(VILLAGES);
    let mut rural_townships = 0;
    for row in csv::Reader::from_reader(TOWNSHIPS.as_bytes()).deserialize() {
        let township = lay_township(inventory, row?)?;
        let count = match kind_of(township) {
            None => continue,
            Some(GridKind::Rural) => {
                rural_townships += 1;
                // 42 towns and townships share the 402 villages that the communities leave.
                if rural_townships <= 24 { 10 } else { 9 }
            }
            Some(GridKind::Urban | GridKind::Dedicated) => COMMUNITIES,
        };
        for index in 0..count {
            villages.push(lay_village(inventory, township, index, &villages)?);
        }
    }
    villages.iter_mut().try_for_each(|village| lay_places(inventory, village))?;
    lay_grids(inventory, &mut villages)?;
    Ok(villages)
}

fn lay_upper_divisions(inventory: &mut Inventory) -> Result<(), FleetError> {
    let top = [("23", "黑龙江省"), ("2305", "双鸭山市")];
    for (code, name) in top.into_iter().chain(COUNTIES.iter().map(|county| (county.code, county.name))) {
        add_division(inventory, code.parse()?, name.to_owned(), true);
    }
    Ok(())
}

fn add_division(inventory: &mut Inventory, code: DivisionCode, name: String, assessed: bool) {
    let division = Division {
        code,
        name,
        assessed,
        households: None,
        has_centre: false,
        valid_from: None,
        valid_to: None,
    };
    inventory.divisions.insert(code, division);
}

fn lay_township(inventory: &mut Inventory, row: TownshipRow) -> Result<DivisionCode, FleetError> {
    let code: DivisionCode = row.code.parse()?;
    let assessed = kind_of(code).is_some();
    add_division(inventory, code, row.name, assessed);
    // The report of 2020: governance centres in 60 % of the townships.
    set_centre(inventory, code, assessed && roll("township centre", inventory.divisions.len(), 10) < 6);
    Ok(code)
}

fn set_centre(inventory: &mut Inventory, code: DivisionCode, has_centre: bool) {
    if let Some(division) = inventory.divisions.get_mut(&code) {
        division.has_centre = has_centre;
    }
}

/// Urban under a subdistrict (001-099), rural under a town or township (100-399), none under a special unit.
fn kind_of(township: DivisionCode) -> Option<GridKind> {
    let last: u32 = township.as_str().get(6..9)?.parse().ok()?;
    match last {
        ..100 => Some(GridKind::Urban),
        SPECIAL_UNITS.. => None,
        _ => Some(GridKind::Rural),
    }
}

fn lay_village(
    inventory: &mut Inventory,
    township: DivisionCode,
    index: usize,
    before: &[Village],
) -> Result<Village, FleetError> {
    let kind = kind_of(township).unwrap_or(GridKind::Rural);
    // Residents' committees are numbered from 001, villagers' from 200 (national statistical codes).
    let (first, suffix) = if kind == GridKind::Rural { (200, "村") } else { (1, "社区") };
    let code: DivisionCode = format!("{township}{:03}", first + index).parse()?;
    let number = before.len();
    let county = COUNTIES
        .iter()
        .position(|county| township.as_str().starts_with(county.code))
        .ok_or(FleetError::Missing("county"))?;
    let in_county = before.iter().filter(|village| village.county == county).count();
    let name = format!("{}{suffix}", village_name(number));
    add_division(inventory, code, name.clone(), true);
    set_centre(inventory, code, roll("village centre", number, 10) < 4);
    let (grids, places) = (Vec::new(), Vec::new());
    Ok(Village { code, name, township, county, number, in_county, grids, places, kind })
}

/// Two syllables; the 256 pairs follow each other so that neighbours never share a name.
fn village_name(number: usize) -> String {
    format!("{}{}", pick(&FIRST, number), pick(&SECOND, number / FIRST.len() + number))
}

fn lay_grids(inventory: &mut Inventory, villages: &mut [Village]) -> Result<(), FleetError> {
    let urban = villages.iter().filter(|village| village.kind == GridKind::Urban).count();
    let rural = villages.len().saturating_sub(urban);
    // Five grids in a community, three in a village, and a fourth in as many villages as bring the sum to GRIDS.
    let mut fourths = GRIDS.saturating_sub(5 * urban + 3 * rural);
    for village in villages {
        let mut count = if village.kind == GridKind::Urban { 5 } else { 3 };
        if count == 3 && fourths > 0 {
            fourths -= 1;
            count += 1;
        }
        for index in 1..=count {
            let grid = lay_grid(inventory, village, index)?;
            village.grids.push(grid);
        }
    }
    Ok(())
}

fn lay_grid(inventory: &mut Inventory, village: &Village, index: usize) -> Result<GridCode, FleetError> {
    let code: GridCode = format!("{}{index:03}", village.code).parse()?;
    let number = inventory.grids.len();
    let spread = |least: usize, most: usize| least + roll("households", number, most - least);
    // A tenth of the rural grids is larger than the norm of about 150 households: a gap that C6 shall find.
    let households = u32::try_from(match village.kind {
        GridKind::Urban | GridKind::Dedicated => spread(200, 500),
        GridKind::Rural if roll("large grid", number, 10) == 0 => spread(151, 220),
        GridKind::Rural => spread(60, 150),
    });
    let households = households.unwrap_or(0);
    let grid = Grid {
        code: code.clone(),
        name: format!("{}第{index}网格", village.name),
        village: village.code,
        kind: village.kind,
        households: Some(households),
        leader: leader(number),
    };
    inventory.grids.insert(code.clone(), grid);
    if let Some(division) = inventory.divisions.get_mut(&village.code) {
        division.households = Some(division.households.unwrap_or(0).saturating_add(households));
    }
    Ok(code)
}

/// One leader per grid; one in fifty posts is vacant, which K4 shall find.
fn leader(number: usize) -> Option<Leader> {
    (roll("vacant post", number, 50) != 0).then(|| Leader {
        name: format!("网格长{:04}", number + 1),
        phone: Some(format!("000-{:08}", number + 1)),
        from: Some(LEADERS_SINCE),
        to: None,
    })
}

fn lay_places(inventory: &mut Inventory, village: &mut Village) -> Result<(), FleetError> {
    let mut kinds = vec![PlaceKind::VillageEntrance, PlaceKind::MainJunction, PlaceKind::Committee];
    let others = [
        (PlaceKind::Clinic, 2),
        (PlaceKind::School, 3),
        (PlaceKind::Square, 4),
        (PlaceKind::WaterSource, 7),
        (PlaceKind::FuelStation, 11),
    ];
    kinds.extend(
        others
            .into_iter()
            .filter(|(kind, one_in)| roll(kind.as_str(), village.number, *one_in) == 0)
            .map(|(kind, _)| kind),
    );
    for kind in kinds {
        let code: PlaceCode = format!("{}-{}", village.code, kind.as_str()).parse()?;
        let place = Place {
            code: code.clone(),
            name: format!("{}{}", village.name, place_name(kind)),
            village: village.code,
            kind,
            required: kind != PlaceKind::Square,
        };
        inventory.places.insert(code.clone(), place);
        village.places.push(code);
    }
    Ok(())
}

/// What people call a place of this kind.
pub(super) const fn place_name(kind: PlaceKind) -> &'static str {
    match kind {
        PlaceKind::VillageEntrance => "村口",
        PlaceKind::MainJunction => "主要路口",
        PlaceKind::Committee => "村委会",
        PlaceKind::School => "学校",
        PlaceKind::Clinic => "卫生室",
        PlaceKind::WaterSource => "水源地",
        PlaceKind::FuelStation => "加油站",
        PlaceKind::Square => "广场",
        PlaceKind::Other => "其他",
    }
}
