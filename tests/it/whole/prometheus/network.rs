//! Three villages with twelve cameras each, and the service that watches them.
//!
//! The simulated fleet has at most five cameras in a village, so each of ours takes in those of its neighbours; to cut
//! it is to cut them all.

use crate::support::process::free_port;
use crate::support::service::{Service, sharpeyes};
use crate::whole::{Fleet, STOPPED};
use csv::StringRecord;
use sharpeyes::domain::picture::Item;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Fast: a failure is confirmed within some seconds.
const SETTINGS: &str = r#"
[server]
listen = "@LISTEN@"
[store]
url = "sqlite:@FOLDER@/sharpeyes.db"
flush_interval_ms = 500
[credentials]
key_file = "@FOLDER@/camera.key"
[watch]
period_seconds = 10
light_period_seconds = 0
patrol_window_seconds = 3
retry_first_seconds = 1
retry_cap_seconds = 5
link_period_seconds = 2
reconcile_period_seconds = 2
[watch.deadlines]
connect_seconds = 3
first_packet_seconds = 5
first_key_frame_seconds = 12
[health]
confirm_seconds = 5
# A machine that builds and tests at once starves a stream or two; that is not what is tested.
frame_rate_ratio = 0.2
frame_rate_floor = 0.5
key_frame_interval_seconds = 30
loss_ratio = 0.5
stale_after_seconds = 120
[picture]
stills_folder = "@FOLDER@/stills"
sky = "day"
[metrics]
per_point = "full"
"#;

/// A village of the small network.
#[derive(Clone, Debug)]
pub(super) struct Village {
    pub(super) code: String,
    pub(super) points: Vec<String>,
    /// The villages of the fleet whose cameras it has, itself among them.
    sources: BTreeSet<String>,
}

/// The network and its service.
pub(super) struct Network {
    fleet: Fleet,
    service: Option<Service>,
    pub(super) port: u16,
    pub(super) token: String,
    pub(super) villages: Vec<Village>,
}

impl Network {
    pub(super) fn start(rtsp_port: u16) -> Self {
        let fleet = Fleet::launch(rtsp_port, &["--no-faults"]);
        let villages = shrink(&fleet.path().join("inventory"));
        fleet.import();
        let mut network = Self { fleet, service: None, port: free_port(), token: String::new(), villages };
        network.token = network.add_token();
        network.start_service();
        network
    }

    pub(super) fn settings(&self) -> String {
        // Pictures are looked at, but what a starved machine makes of them confirms no fault.
        let unconfirmed = |item: Item| format!("[picture.item.{}]\nconfirm_seconds = 86400\n", item.as_str());
        let items: String = Item::ALL.into_iter().map(unconfirmed).collect();
        SETTINGS.replace("@FOLDER@", &self.fleet.path().display().to_string()) + &items
    }

    /// What Prometheus shows; with it the service is no longer open to everybody.
    fn add_token(&self) -> String {
        let file = self.fleet.path().join("token.toml");
        std::fs::write(&file, self.settings().replace("@LISTEN@", "127.0.0.1:0")).unwrap();
        let added =
            sharpeyes().args(["token", "add", "--name", "prometheus", "--config"]).arg(&file).output();
        let added = added.unwrap();
        assert!(added.status.success(), "{added:?}");
        String::from_utf8(added.stdout).unwrap().trim().to_owned()
    }

    pub(super) fn start_service(&mut self) {
        self.service = Some(Service::start_at(self.fleet.path(), &self.settings(), self.port));
    }

    /// Kills it without a word.
    pub(super) fn kill_service(&mut self) {
        let mut service = self.service.take().unwrap();
        service.process.signal("KILL");
        service.process.wait(STOPPED);
    }

    pub(super) fn cut(&self, village: &Village) {
        village.sources.iter().for_each(|source| self.tell(&format!("cut {source}")));
    }

    pub(super) fn repair(&self, village: &Village) {
        village.sources.iter().for_each(|source| self.tell(&format!("repair {source}")));
    }

    pub(super) fn tell(&self, order: &str) {
        assert_eq!(self.fleet.tell(order), "ok", "{order}");
    }
}

/// A file of the inventory.
struct Table {
    header: StringRecord,
    rows: Vec<StringRecord>,
}

impl Table {
    fn read(folder: &Path, kind: &str) -> Self {
        let mut reader = csv::Reader::from_path(folder.join(format!("{kind}.csv"))).unwrap();
        Self {
            header: reader.headers().unwrap().clone(),
            rows: reader.records().map(Result::unwrap).collect(),
        }
    }

    fn write(&self, folder: &Path, kind: &str) {
        let mut writer = csv::Writer::from_path(folder.join(format!("{kind}.csv"))).unwrap();
        writer.write_record(&self.header).unwrap();
        self.rows.iter().for_each(|row| writer.write_record(row).unwrap());
        writer.flush().unwrap();
    }

    fn column(&self, name: &str) -> usize {
        self.header.iter().position(|column| column == name).unwrap()
    }

    /// Keeps the rows whose value in a column is wanted.
    fn keep(mut self, column: &str, wanted: impl Fn(&str) -> bool) -> Self {
        let column = self.column(column);
        self.rows.retain(|row| wanted(&row[column]));
        self
    }

    /// The first row with a value in a column, and its code.
    fn code_of(&self, column: &str, value: &str) -> String {
        let (code, column) = (self.column("code"), self.column(column));
        self.rows.iter().find(|row| &row[column] == value).unwrap()[code].to_owned()
    }
}

const VILLAGES: usize = 3;
const POINTS_EACH: usize = 12;

/// Leaves three villages of one county in the inventory, each with twelve cameras behind its access switch.
fn shrink(folder: &Path) -> Vec<Village> {
    let points = Table::read(folder, "points");
    let villages = choose(&points);
    let is_one = |code: &str| villages.iter().any(|village| village.code == code);
    let is_above = |code: &str| villages.iter().any(|village| village.code.starts_with(code));
    Table::read(folder, "divisions").keep("code", is_above).write(folder, "divisions");
    Table::read(folder, "links").keep("division", is_above).write(folder, "links");
    Table::read(folder, "places").keep("village", is_one).write(folder, "places");
    let grids = Table::read(folder, "grids").keep("village", is_one);
    let sites = Table::read(folder, "sites").keep("village", is_one);
    grids.write(folder, "grids");
    sites.write(folder, "sites");
    moved(points, &villages, &grids, &sites).write(folder, "points");
    villages
}

/// The largest villages, each with those neighbours of its county that fill it up.
fn choose(points: &Table) -> Vec<Village> {
    let (code, village) = (points.column("code"), points.column("village"));
    let mut cameras: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in &points.rows {
        cameras.entry(row[village].to_owned()).or_default().push(row[code].to_owned());
    }
    let mut by_size: Vec<String> = cameras.keys().cloned().collect();
    by_size.sort_by_key(|village| (std::cmp::Reverse(cameras[village].len()), village.clone()));
    let county = by_size[0][..6].to_owned();
    let mut county = by_size.into_iter().filter(|village| village.starts_with(&county));
    let mut chosen: Vec<Village> = county
        .by_ref()
        .take(VILLAGES)
        .map(|code| Village { points: cameras[&code].clone(), sources: [code.clone()].into(), code })
        .collect();
    for village in &mut chosen {
        while village.points.len() < POINTS_EACH {
            let neighbour = county.next().unwrap();
            village.points.extend(cameras[&neighbour].clone());
            village.sources.insert(neighbour);
        }
        village.points.truncate(POINTS_EACH);
    }
    chosen
}

/// The cameras of the chosen villages, in them.
fn moved(points: Table, villages: &[Village], grids: &Table, sites: &Table) -> Table {
    let columns = ["code", "village", "grid", "site", "place"].map(|column| points.column(column));
    let mut rows = Vec::new();
    for village in villages {
        let values = [
            &village.code,
            &grids.code_of("village", &village.code),
            &sites.code_of("village", &village.code),
            "",
        ];
        for row in
            points.rows.iter().filter(|row| village.points.iter().any(|point| *point == row[columns[0]]))
        {
            let mut fields: Vec<String> = row.iter().map(str::to_owned).collect();
            for (column, value) in columns.iter().skip(1).zip(values) {
                fields[*column] = value.to_owned();
            }
            rows.push(fields.into());
        }
    }
    Table { rows, ..points }
}
