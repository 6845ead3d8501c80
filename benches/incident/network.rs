//! A county of 20 000 points in 1 667 villages behind one uplink, and what the tracker would publish of it.

use anyhow::Context;
use sharpeyes::domain::correlate::{BulkCause, Shared};
use sharpeyes::domain::division::Division;
use sharpeyes::domain::link::Redundancy;
use sharpeyes::domain::site::Site;
use sharpeyes::domain::{
    Cause, Condition, DivisionCode, Inventory, Link, LinkCode, LinkKind, Point, PointCode, Timestamp,
};
use sharpeyes::health::snapshot::{LinkStatus, LiveLink, LivePoint, RootCause, Snapshot};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) const POINTS: u32 = 20_000;
const POINTS_PER_VILLAGE: u32 = 12;
const UPLINK: &str = "U-230521";
const CREDENTIAL: &str = "county";

/// As the settings have it by default.
const MOST_TICKETS: u32 = 500;

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failing {
    /// One camera: somebody works on its incident meanwhile.
    OneCamera,
    /// Every village by its own link.
    EveryVillageLink,
    /// Everything behind the county's uplink.
    TheUplink,
    /// The password of every camera.
    ThePassword,
    /// Every camera, each by itself.
    EveryCamera,
}

impl Failing {
    /// Every flood.
    pub(crate) const FLOODS: [Self; 4] =
        [Self::TheUplink, Self::ThePassword, Self::EveryVillageLink, Self::EveryCamera];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::OneCamera => "one camera",
            Self::EveryVillageLink => "every village's link",
            Self::TheUplink => "the county's uplink",
            Self::ThePassword => "the password of all",
            Self::EveryCamera => "every camera by itself",
        }
    }

    /// Alerts that Alertmanager gets: not more tickets than it takes, and one that counts the others.
    pub(crate) const fn alerts(self) -> u32 {
        match self {
            Self::OneCamera | Self::EveryVillageLink | Self::TheUplink | Self::ThePassword => {
                self.incidents()
            }
            Self::EveryCamera => MOST_TICKETS + 1,
        }
    }

    /// Incidents that it makes, that of the one camera among them.
    pub(crate) const fn incidents(self) -> u32 {
        match self {
            Self::OneCamera => 1,
            Self::EveryVillageLink => POINTS.div_ceil(POINTS_PER_VILLAGE) + 1,
            Self::TheUplink | Self::ThePassword => 2,
            Self::EveryCamera => POINTS,
        }
    }
}

pub(crate) fn county() -> anyhow::Result<Inventory> {
    let mut inventory = Inventory::default();
    for code in ["23", "2305", "230521"] {
        add_division(&mut inventory, code.parse()?);
    }
    add_link(&mut inventory, UPLINK, "230521".parse()?, None)?;
    for number in 0..POINTS {
        let index = number / POINTS_PER_VILLAGE;
        let township: DivisionCode = format!("230521{:03}", 100 + index / 20).parse()?;
        let village: DivisionCode = format!("{township}{:03}", 200 + index % 20).parse()?;
        if number % POINTS_PER_VILLAGE == 0 {
            add_division(&mut inventory, township);
            add_division(&mut inventory, village);
            add_link(&mut inventory, &village_link(index), village, Some(UPLINK))?;
        }
        add_point(&mut inventory, number, village)?;
    }
    Ok(inventory)
}

fn village_link(index: u32) -> String {
    format!("V-{index}")
}

fn add_division(inventory: &mut Inventory, code: DivisionCode) {
    let division = Division {
        code,
        name: format!("区划{code}"),
        assessed: true,
        households: None,
        has_centre: false,
        valid_from: None,
        valid_to: None,
    };
    inventory.divisions.insert(code, division);
}

fn add_link(
    inventory: &mut Inventory,
    code: &str,
    division: DivisionCode,
    parent: Option<&str>,
) -> anyhow::Result<()> {
    let code: LinkCode = code.parse()?;
    let link = Link {
        code: code.clone(),
        name: "上行链路".to_owned(),
        kind: if parent.is_some() { LinkKind::Village } else { LinkKind::County },
        division,
        parents: parent.map(str::parse).transpose()?.into_iter().collect(),
        redundancy: Redundancy::All,
        budget_kbps: None,
        budget_sessions: None,
        target: None,
    };
    inventory.links.insert(code, link);
    Ok(())
}

/// A pole and an address of its own for each point.
fn add_point(inventory: &mut Inventory, number: u32, village: DivisionCode) -> anyhow::Result<()> {
    let code: PointCode = format!("2305210000132{:07}", number + 1).parse()?;
    let site = Site {
        code: format!("S-{number}").parse()?,
        name: String::new(),
        village,
        position: None,
        mount: None,
        power: None,
        link: Some(village_link(number / POINTS_PER_VILLAGE).parse()?),
    };
    let point = Point {
        name: format!("{}号枪机", number + 1),
        site: Some(site.code.clone()),
        sub_stream: Some(format!("rtsp://10.{}.{}.1/s", number / 200, number % 200).parse()?),
        credential: Some(CREDENTIAL.to_owned()),
        ..Point::bare(code, village)
    };
    inventory.sites.insert(site.code.clone(), site);
    inventory.points.insert(code, point);
    Ok(())
}

/// The picture of the network while something fails.
pub(crate) fn picture(
    inventory: &Inventory,
    failing: Failing,
    sequence: u64,
    now: Timestamp,
) -> anyhow::Result<Snapshot> {
    let mut points = Vec::new();
    let mut members: BTreeMap<LinkCode, Vec<PointCode>> = BTreeMap::new();
    for (index, point) in inventory.points.values().enumerate() {
        let condition = condition(inventory, point, index, failing)?;
        if let Condition::Because(Cause::LinkDown(link)) = &condition {
            members.entry(link.clone()).or_default().push(point.code);
        }
        points.push(Arc::new(live(point.code, condition, now)));
    }
    let links = inventory.links.keys().map(|code| live_link(code, members.contains_key(code), now)).collect();
    let root = |(link, members): (LinkCode, Vec<PointCode>)| RootCause {
        link,
        since: now,
        inferred: false,
        members: members.into(),
    };
    let bulk = BulkCause {
        shared: Shared::Credential(CREDENTIAL.to_owned()),
        cause: Cause::WrongCredential,
        since: now,
        points: inventory.points.keys().skip(1).copied().collect(),
    };
    Ok(Snapshot {
        taken: now,
        sequence,
        points,
        links,
        first_round_done: true,
        roots: members.into_iter().map(root).collect(),
        bulk_causes: (failing == Failing::ThePassword).then_some(bulk).into_iter().collect(),
        ..Snapshot::default()
    })
}

fn condition(
    inventory: &Inventory,
    point: &Point,
    index: usize,
    failing: Failing,
) -> anyhow::Result<Condition> {
    let cause = match failing {
        _ if index == 0 => Cause::Frozen,
        Failing::OneCamera => return Ok(Condition::Good),
        Failing::EveryVillageLink => {
            Cause::LinkDown(inventory.link_of(point).context("a point without a link")?.code.clone())
        }
        Failing::TheUplink => Cause::LinkDown(UPLINK.parse()?),
        Failing::ThePassword => Cause::WrongCredential,
        Failing::EveryCamera => Cause::ConnectTimeout,
    };
    Ok(Condition::Because(cause))
}

fn live(code: PointCode, measured: Condition, now: Timestamp) -> LivePoint {
    LivePoint {
        code,
        measured,
        excluded: None,
        since: now,
        last_known_up: Some(true),
        last_look: Some(now),
        last_frame: Some(now),
        measurement: None,
        picture: None,
        suspected: None,
        faults: Vec::new(),
        flapping: false,
        frames_total: 0,
        bytes_total: 0,
    }
}

fn live_link(code: &LinkCode, is_down: bool, now: Timestamp) -> LiveLink {
    LiveLink {
        code: code.clone(),
        status: if is_down { LinkStatus::Down } else { LinkStatus::Up },
        since: now,
        last_probe: Some(now),
        round_trip: None,
        members: POINTS_PER_VILLAGE,
        behind: None,
        inferred: false,
    }
}
