//! The cameras of the fleet: how many each village has, on which poles they hang, of which make and how addressed.

use super::ground::{COUNTIES, Village, place_name};
use super::path::{Paths, village_address};
use super::{Channel, Device, FleetError, MEDIA, POINTS, Plan, Watched, asks_for_user, credential_name};
use crate::domain::grid::GridKind;
use crate::domain::point::CatalogueRecord;
use crate::domain::site::{Datum, Position, Site};
use crate::domain::{Inventory, Point, PointClass, PointCode, PointStatus, SiteCode, Timestamp, WatchMode};
use crate::simulate::dice::{pick, roll};
use std::collections::BTreeMap;

/// Host number of a recorder, and of the first camera, in its village's net.
const RECORDER_HOST: usize = 9;
const FIRST_CAMERA_HOST: usize = 10;
/// 2018-03-01T00:00:00Z: the first camera goes into service; the last one 1000 days later.
const FIRST_COMMISSIONED: i64 = 1_519_862_400;
const DAY_SECONDS: i64 = 86_400;
/// What the shared media show.
const SIZE: (u32, u32) = (640, 360);
const FRAMES_PER_SECOND: f64 = 15.0;

/// A make of cameras with its stream addresses (main, sub); `{c}` is the channel. From the makers' public manuals.
struct Make {
    name: &'static str,
    model: &'static str,
    main: &'static str,
    sub: &'static str,
}

const MAKES: [Make; 5] = [
    Make {
        name: "Hikvision",
        model: "DS-2CD3T46",
        main: "/Streaming/Channels/{c}01",
        sub: "/Streaming/Channels/{c}02",
    },
    Make {
        name: "Dahua",
        model: "DH-IPC-HFW4443",
        main: "/cam/realmonitor?channel={c}&subtype=0",
        sub: "/cam/realmonitor?channel={c}&subtype=1",
    },
    Make {
        name: "Hikvision",
        model: "DS-7808N",
        main: "/Streaming/Channels/{c}01",
        sub: "/Streaming/Channels/{c}02",
    },
    Make { name: "Uniview", model: "IPC-B312", main: "/unicast/c{c}/s0/live", sub: "/unicast/c{c}/s1/live" },
    Make { name: "TP-Link", model: "TL-IPC544", main: "/{c}/stream1", sub: "/{c}/stream2" },
];

/// Points of each village, in order; they sum up to [`POINTS`].
pub(super) fn counts(villages: &[Village]) -> Vec<usize> {
    let mut counts: Vec<usize> = villages.iter().map(wished_count).collect();
    let sum: usize = counts.iter().sum();
    // Villages without any keep none: they are the gaps that the coverage report shall find.
    let room = counts.iter_mut().filter(|count| (2..=4).contains(*count));
    if sum < POINTS {
        room.take(POINTS - sum).for_each(|count| *count += 1);
    } else {
        room.take(sum - POINTS).for_each(|count| *count -= 1);
    }
    counts
}

fn wished_count(village: &Village) -> usize {
    match village.kind {
        GridKind::Urban | GridKind::Dedicated => 3,
        GridKind::Rural => *pick(
            &[0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 4, 5],
            roll("points", village.number, 22),
        ),
    }
}

/// Mounts the points and their sites; returns the devices that answer for them.
pub(super) fn mount(
    inventory: &mut Inventory,
    villages: &[Village],
    paths: &Paths,
    plan: Plan,
) -> Result<Vec<Device>, FleetError> {
    let mut devices: BTreeMap<_, Device> = BTreeMap::new();
    for (village, count) in villages.iter().zip(counts(villages)) {
        for index in 0..count {
            let camera = Camera { village, index, count, number: inventory.points.len() };
            let code = camera.code()?;
            let site = camera.site(inventory, paths)?;
            let path = paths.of_village.get(&village.code).cloned().unwrap_or_default();
            let address = village_address(village, camera.host(), plan.port)?;
            let device =
                devices.entry(address).or_insert_with(|| Device { address, path, channels: BTreeMap::new() });
            let point = camera.point(code, site, plan.watched, &format!("rtsp://{address}"))?;
            let make = camera.make();
            for (path, media) in [(make.main, camera.main_media()), (make.sub, camera.media())] {
                device.channels.insert(camera.stream(path), Channel { point: code, media });
            }
            inventory.points.insert(code, point);
        }
    }
    Ok(devices.into_values().collect())
}

/// One camera before it becomes a point.
struct Camera<'a> {
    village: &'a Village,
    /// Number among the cameras of its village, and how many those are.
    index: usize,
    count: usize,
    /// Number among all cameras.
    number: usize,
}

impl Camera<'_> {
    /// A quarter of the villages with several cameras has a recorder, which then answers for all of them.
    fn is_on_recorder(&self) -> bool {
        self.count > 1 && roll("recorder", self.village.number, 4) == 0
    }

    fn host(&self) -> usize {
        if self.is_on_recorder() { RECORDER_HOST } else { FIRST_CAMERA_HOST + self.index }
    }

    fn channel(&self) -> usize {
        if self.is_on_recorder() { self.index + 1 } else { 1 }
    }

    fn make(&self) -> &'static Make {
        const { &MAKES }.get(roll("make", self.village.number, MAKES.len())).unwrap_or(const { &MAKES[0] })
    }

    fn stream(&self, template: &str) -> String {
        template.replace("{c}", &self.channel().to_string())
    }

    /// Whether a device asks for a user is the same for all of its channels.
    fn media(&self) -> usize {
        let asks = roll("asks for user", self.village.number, 2);
        2 * (self.number % (MEDIA / 2)) + asks
    }

    /// One camera in ten is an old one whose main stream is no larger than its sub-stream.
    fn main_media(&self) -> usize {
        let is_old = roll("old", self.number, 10) == 0;
        if is_old { self.media() } else { MEDIA + usize::from(asks_for_user(self.media())) }
    }

    fn county(&self) -> &'static super::ground::County {
        pick(&COUNTIES, self.village.county)
    }

    /// GB/T 28181-2022 annex D: centre 8 (grass-roots part 00), industry 00 (public road), type 132 (network camera)
    /// or 131 (camera on a recorder), network 0, serial 6.
    fn code(&self) -> Result<PointCode, FleetError> {
        let kind = if self.is_on_recorder() { 131 } else { 132 };
        Ok(format!("{}0000{kind}0{:06}", self.county().code, self.number + 1).parse()?)
    }

    /// Every fourth camera hangs on the pole of the one before.
    fn site(&self, inventory: &mut Inventory, paths: &Paths) -> Result<SiteCode, FleetError> {
        let pole = self.index - usize::from(self.index % 4 == 3);
        let code: SiteCode = format!("S-{}-{:02}", self.village.code, pole + 1).parse()?;
        let (longitude, latitude) = self.position();
        inventory.sites.entry(code.clone()).or_insert_with(|| Site {
            code: code.clone(),
            name: format!("{}{}号杆", self.village.name, pole + 1),
            village: self.village.code,
            position: Some(Position {
                longitude,
                latitude,
                source: Datum::Wgs84,
                raw_longitude: longitude,
                raw_latitude: latitude,
            }),
            mount: Some(
                (*pick(&["pole", "wall", "borrowed_pole"], roll("mount", self.number, 3))).to_owned(),
            ),
            power: Some((*pick(&["电业局", "村委会", "居民"], roll("power", self.number, 3))).to_owned()),
            link: paths.of_village.get(&self.village.code).and_then(|path| path.first().cloned()),
        });
        Ok(code)
    }

    /// A village's middle inside its county's area, and the pole up to 300 m from it, to five decimals (1 m).
    fn position(&self) -> (f64, f64) {
        let county = self.county();
        let part = |what: &str, number: usize| {
            f64::from(u32::try_from(roll(what, number, 2001)).unwrap_or(0)) / 1000.0 - 1.0
        };
        let round = |degrees: f64| (degrees * 100_000.0).round() / 100_000.0;
        let longitude = county.longitude + county.spread * part("east", self.village.number);
        let latitude = county.latitude + county.spread * part("north", self.village.number);
        (
            round(longitude + 0.003 * part("pole east", self.number)),
            round(latitude + 0.003 * part("pole north", self.number)),
        )
    }

    fn commissioned(&self) -> Timestamp {
        let days = i64::try_from(roll("commissioned", self.village.number, 1000)).unwrap_or(0);
        Timestamp::from_seconds(FIRST_COMMISSIONED + days * DAY_SECONDS)
    }

    fn class(&self) -> PointClass {
        *pick(
            &[PointClass::One, PointClass::Two, PointClass::Two, PointClass::One, PointClass::Three],
            roll("class", self.number, 5),
        )
    }

    fn watch(&self, watched: Watched) -> WatchMode {
        let within = |count: usize, mode| if self.number < count { mode } else { WatchMode::Off };
        match watched {
            Watched::Mixed if self.number.is_multiple_of(24) => WatchMode::Continuous,
            Watched::Mixed => WatchMode::Patrol,
            Watched::Continuous(count) => within(count, WatchMode::Continuous),
            Watched::Patrol(count) => within(count, WatchMode::Patrol),
        }
    }

    fn point(
        &self,
        code: PointCode,
        site: SiteCode,
        watched: Watched,
        base: &str,
    ) -> Result<Point, FleetError> {
        let place = self.village.places.get(self.index).cloned();
        let grid_index = self.index % self.village.grids.len().max(1);
        let kept = |one_in: usize, what: &str| roll(what, self.number, one_in) != 0;
        Ok(Point {
            code,
            name: format!("{}{}枪机", self.village.name, self.looks_at()),
            village: self.village.code,
            grid: self.village.grids.get(grid_index).cloned(),
            site: Some(site),
            place,
            class: self.class(),
            status: PointStatus::InUse,
            commissioned: self.commissioned(),
            retired: None,
            watch: self.watch(watched),
            sub_stream: Some(format!("{base}{}", self.stream(self.make().sub)).parse()?),
            main_stream: Some(format!("{base}{}", self.stream(self.make().main)).parse()?),
            credential: asks_for_user(self.media()).then(|| credential_name(self.county().code)),
            expected_size: Some(SIZE),
            expected_frames_per_second: Some(FRAMES_PER_SECOND),
            trust: Default::default(),
            maintainer: Some(format!("运维单位{}", self.village.county + 1)),
            maintainer_phone: kept(60, "phone").then(|| format!("000-9{:07}", self.village.county + 1)),
            record: self.record(),
        })
    }

    fn looks_at(&self) -> String {
        use crate::domain::place::PlaceKind;
        let code = self.village.places.get(self.index).map_or("", |place| place.as_str());
        PlaceKind::ALL
            .into_iter()
            .find(|kind| code.ends_with(kind.as_str()))
            .map_or_else(|| format!("{}号", self.index + 1), |kind| place_name(kind).to_owned())
    }

    /// The catalogue record; one in twelve lacks a field or two, which K5 shall find.
    fn record(&self) -> CatalogueRecord {
        let written = |what: &str, value: &str| {
            let lacking = roll("record", self.number, 12) == 0 && roll(what, self.number, 3) == 0;
            (!lacking).then(|| value.to_owned())
        };
        let last_mac = format!("{:02X}:{:02X}", self.number / 256, self.number % 256);
        CatalogueRecord {
            manufacturer: written("manufacturer", self.make().name),
            model: written("model", self.make().model),
            address: written("address", &format!("{}{}", self.village.name, self.looks_at())),
            position: None,
            register_way: written("register way", "1"),
            security_level: written("security level", "C"),
            secrecy: written("secrecy", "0"),
            camera_type: written("camera type", "3"),
            imaging_type: written("imaging type", "1"),
            capture_position_type: written("capture position", "3010000"),
            room_type: written("room", "1"),
            supply_light_type: written("light", "2"),
            direction: written("direction", &(1 + roll("looks to", self.number, 8)).to_string()),
            grassroots_code: written("grass-roots", self.county().code),
            install_time: written("install time", "").map(|_present| self.commissioned()),
            management_unit: written("unit", &format!("{}综治中心", self.county().name)),
            contact: written("contact", &format!("000-8{:07}", self.village.county + 1)),
            record_save_days: written("days", "").map(|_present| 30),
            ip_address: None,
            mac_address: written("mac", &format!("02:00:00:00:{last_mac}")),
        }
    }
}
