//! Import and export: what a person's files become, and what is said about files that are wrong.

mod broken;
mod command;
mod file;
#[cfg(feature = "simulate")]
mod memory;
mod round_trip;
mod secret;

use jiff::tz::TimeZone;
use sharpeyes::clock::Clock;
use sharpeyes::domain::Timestamp;
use sharpeyes::domain::site::Datum;
use sharpeyes::inventory::brand::Brands;
use sharpeyes::inventory::{ImportReport, ImportRequest, Mode, SourceFile, import};
use sharpeyes::store::Store;
use std::path::PathBuf;
use tempfile::TempDir;

/// 2026-10-01 08:00 in Shanghai.
const NOW: Timestamp = Timestamp::from_seconds(1_790_812_800);

/// A village with everything above it.
const DIVISIONS: &str = "code,name,households\n23,黑龙江省,\n2305,双鸭山市,\n230521,集贤县,\n230521100,福利镇,\n\
    230521100201,东村,150\n230521100202,西村,90\n";
const GRIDS: &str =
    "code,name,village,kind,leader,leader_phone\nG1,东一网格,230521100201,rural,张三,13912345678\n";
const LINKS: &str =
    "code,name,kind,division,parents\nL-C,县,county,230521,\nL-V,村,village,230521100201,L-C\n";
const SITES: &str = "code,name,village,longitude,latitude,link\nS1,村口杆,230521100201,131.157,46.65,L-V\n";
const PLACES: &str = "code,name,village,kind\nP1,东村村口,230521100201,village_entrance\n";
const POINTS: &str = "code,name,village,grid,site,place,class,commissioned,sub_stream\n\
    23052100001320000001,东村村口,230521100201,G1,S1,P1,1,2024-05-01,rtsp://10.1.2.3/2\n";

/// An empty store with a folder for its key.
struct Bench {
    store: Store,
    folder: TempDir,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite:{}", folder.path().join("s.db").display())).await.unwrap();
        store.migrate().await.unwrap();
        Self { store, folder }
    }

    /// An inventory of one village with one point.
    async fn village() -> Self {
        let bench = Self::new().await;
        let report = bench.import(&village_files()).await;
        assert_eq!(report.faults, [], "{:?}", report.faults);
        bench
    }

    fn key_file(&self) -> PathBuf {
        self.folder.path().join("camera.key")
    }

    fn request(&self, files: Vec<SourceFile>, mode: Mode) -> ImportRequest {
        ImportRequest {
            files,
            kind: None,
            datum: Datum::Wgs84,
            zone: zone(),
            mode,
            by: "test".to_owned(),
            key_file: self.key_file(),
            brands: Brands::built_in().unwrap(),
            progress: None,
        }
    }

    async fn run(&self, request: ImportRequest) -> ImportReport {
        import(&self.store, &Clock::manual(NOW), request).await.unwrap()
    }

    async fn import(&self, files: &[(&str, &str)]) -> ImportReport {
        self.run(self.request(sources(files), Mode::Apply)).await
    }
}

fn zone() -> TimeZone {
    TimeZone::get("Asia/Shanghai").unwrap()
}

fn sources(files: &[(&str, &str)]) -> Vec<SourceFile> {
    let source = |(name, text): &(&str, &str)| SourceFile {
        name: (*name).to_owned(),
        bytes: text.as_bytes().to_vec(),
    };
    files.iter().map(source).collect()
}

fn village_files() -> [(&'static str, &'static str); 6] {
    [
        ("divisions.csv", DIVISIONS),
        ("grids.csv", GRIDS),
        ("links.csv", LINKS),
        ("sites.csv", SITES),
        ("places.csv", PLACES),
        ("points.csv", POINTS),
    ]
}
