//! Files that are wrong, one fault each, and what is said about them. Each file is imported into an inventory of one
//! village with one point, all others being right.

use super::{Bench, sources};
use sharpeyes::inventory::{Mode, SourceFile};
use std::io::Write;

/// Every fault of the files, as it is told.
async fn told(files: Vec<SourceFile>) -> Vec<String> {
    let bench = Bench::village().await;
    let before = bench.store.load_inventory().await.unwrap();
    let report = bench.run(bench.request(files, Mode::Apply)).await;
    assert_eq!(bench.store.load_inventory().await.unwrap(), before, "a faulty import writes nothing");
    assert_eq!(report.fault_count, report.faults.len() as u64);
    report.faults.iter().map(ToString::to_string).collect()
}

/// A file with one fault.
struct Broken {
    file: &'static str,
    text: &'static str,
    expected: &'static str,
}

async fn check(cases: &[Broken]) {
    for Broken { file, text, expected } in cases {
        assert_eq!(told(sources(&[(file, text)])).await, [*expected], "{text}");
    }
}

const TABLES: &[Broken] = &[
    Broken {
        file: "list.csv",
        text: "code,name\n",
        expected: "list.csv: the name does not tell what the table holds; name the file or sheet after one of \
                credentials, divisions, grids, links, places, sites, points, or say it with --kind",
    },
    Broken {
        file: "grids.csv",
        text: "\n\n",
        expected: "grids.csv: is empty; begin with a row of column names",
    },
    Broken {
        file: "places.csv",
        text: "P9,东村学校,230521100201,school\n",
        expected: "places.csv: has no row of column names of places in its first 10 rows; \
                begin with code, name, village, kind, required",
    },
    Broken {
        file: "places.csv",
        text: "name,village,kind\n东村学校,230521100201,school\n",
        expected: "places.csv, row 1: has no key column; add a column `code` (部位编码)",
    },
    Broken {
        file: "grids.csv",
        text: "code,vilage\nG1,230521100201\n",
        expected: "grids.csv, row 1, column `vilage`: unknown column; did you mean `village`?",
    },
    Broken {
        file: "places.csv",
        text: "code,colour of the sky\nP1,blue\n",
        expected: "places.csv, row 1, column `colour of the sky`: unknown column; \
                remove it, or use one of code, name, village, kind, required",
    },
    Broken {
        file: "points.csv",
        text: "code,Password\n23052100001320000001,geheim\n",
        expected: "points.csv, row 1, column `Password`: passwords are not taken here; \
                put them into the credentials table",
    },
    Broken {
        file: "sites.csv",
        text: "code,name,点位名称\nS1,a,b\n",
        expected: "sites.csv, row 1, column `点位名称`: columns B and C are both `name`; keep one of them",
    },
    Broken {
        file: "sites.csv",
        text: "code,name\nS1,杆,extra\n",
        expected: "sites.csv, row 2, column `C`, value `extra`: stands in a column without a name; \
                name the column or remove the value",
    },
    Broken {
        file: "places.csv",
        text: "code,name,village\nP2,东村学校,230521100201\n",
        expected: "places.csv, row 2: has no column `kind`, and the record is new; write one of \
                village_entrance (村口), main_junction (主要路口), committee (村委会), school (学校), clinic (卫生室), \
                water_source (水源地), fuel_station (加油站), square (广场), other (其他)",
    },
];

const CODES: &[Broken] = &[
    Broken {
        file: "divisions.csv",
        text: "code,name\n23052110020,东村\n",
        expected: "divisions.csv, row 2, column `code`, value `23052110020`: is no division code; \
                write the 2, 4, 6, 9 or 12 digits of the national statistical code",
    },
    Broken {
        file: "divisions.csv",
        text: "code,name\n230599100201,远村\n",
        expected: "divisions.csv, row 2, column `code`, value `230599100201`: its township 230599100 is unknown; \
                add the division above it as well",
    },
    Broken {
        file: "grids.csv",
        text: "code,village\nG1,230521\n",
        expected: "grids.csv, row 2, column `village`, value `230521`: is the code of a county; \
                write the 12 digits of a village or community",
    },
    Broken {
        file: "grids.csv",
        text: "code,name\n,无名\n",
        expected: "grids.csv, row 2, column `code`: is empty; write code (网格编码); no record goes without",
    },
    Broken {
        file: "grids.csv",
        text: "code,name\nG 2,二\n",
        expected: "grids.csv, row 2, column `code`, value `G 2`: is no code; \
                write up to 64 characters without blanks, commas, semicolons and @",
    },
    Broken {
        file: "grids.csv",
        text: "code,name\nG1,一\nG1,二\n",
        expected: "grids.csv, row 3, column `code`, value `G1`: is already in row 2 of grids.csv; \
                keep one of the two rows",
    },
    Broken {
        file: "points.csv",
        text: "code,name\n2305210000132000000,口\n",
        expected: "points.csv, row 2, column `code`, value `2305210000132000000`: is no point code; \
                write the 20 digits of GB/T 28181 annex D",
    },
    Broken {
        file: "points.csv",
        text: "code,name\n23052100001180000001,录像机\n",
        expected: "points.csv, row 2, column `code`, value `23052100001180000001`: has device type 118 \
                (digits 11-13), which is an NVR; write the code of a camera channel, device type 131 or 132",
    },
    Broken {
        file: "points.csv",
        text: "code,name,village,class\n23052200001320000009,口,230521100201,1\n",
        expected: "points.csv, row 2, column `code`, value `23052200001320000009`: begins with county 230522, \
                its village lies in county 230521; correct the code or the village",
    },
];

const REFERENCES: &[Broken] = &[
    Broken {
        file: "points.csv",
        text: "code,village\n23052100001320000001,230521100299\n",
        expected: "points.csv, row 2, column `village`, value `230521100299`: village 230521100299 is unknown; \
                add it to divisions, or correct the code",
    },
    Broken {
        file: "points.csv",
        text: "code,grid\n23052100001320000001,G9\n",
        expected: "points.csv, row 2, column `grid`, value `G9`: grid G9 is unknown; \
                add it to grids, or correct the code",
    },
    Broken {
        file: "points.csv",
        text: "code,site\n23052100001320000001,S9\n",
        expected: "points.csv, row 2, column `site`, value `S9`: site S9 is unknown; \
                add it to sites, or correct the code",
    },
    Broken {
        file: "points.csv",
        text: "code,place\n23052100001320000001,P9\n",
        expected: "points.csv, row 2, column `place`, value `P9`: place P9 is unknown; \
                add it to places, or correct the code",
    },
    Broken {
        file: "sites.csv",
        text: "code,link\nS1,L-X\n",
        expected: "sites.csv, row 2, column `link`, value `L-X`: link L-X is unknown; \
                add it to links, or correct the code",
    },
    Broken {
        file: "links.csv",
        text: "code,parents\nL-V,L-X\n",
        expected: "links.csv, row 2, column `parents`, value `L-X`: link L-X is unknown; \
                add the link, or correct its code",
    },
    Broken {
        file: "links.csv",
        text: "code,parents\nL-C,L-V\n",
        expected: "links.csv, row 2, column `parents`: the way to the top goes in a circle: L-C -> L-V -> L-C; \
                name the link that really lies above",
    },
    Broken {
        file: "links.csv",
        text: "code,name,kind,division,parents\nA,a,access,230521,L-V\nB,b,access,230521,A\nC,c,access,230521,B\n\
                D,d,access,230521,C\nE,e,access,230521,D\nF,f,access,230521,E\nG,g,access,230521,F\n",
        expected: "links.csv, row 8, column `parents`: the way to the top passes 9 links; \
                at most 8 are meant; name the link that really lies above",
    },
    Broken {
        file: "points.csv",
        text: "code,village,grid\n23052100001320000001,230521100202,G1\n",
        expected: "points.csv, row 2, column `grid`, value `G1`: lies in village 230521100201, not in 230521100202; \
                name a grid of the point's own village",
    },
    Broken {
        file: "grids.csv",
        text: "code,village\nG1,230521100202\n",
        expected: "grids.csv, row 2, column `village`: grid G1 leaves the village of its point \
                23052100001320000001; import the point with its new village as well",
    },
];

const VALUES: &[Broken] = &[
    Broken {
        file: "points.csv",
        text: "code,class\n23052100001320000001,4\n",
        expected: "points.csv, row 2, column `class`, value `4`: is none of the known words; \
                write one of 1 (一类), 2 (二类), 3 (三类), 9 (其他)",
    },
    Broken {
        file: "points.csv",
        text: "code,commissioned\n23052100001320000001,2024-02-30\n",
        expected: "points.csv, row 2, column `commissioned`, value `2024-02-30`: is no date; \
                write 2026-10-01, 2026年10月1日 or 2026-10-01 08:30:00",
    },
    Broken {
        file: "points.csv",
        text: "code,retired\n23052100001320000001,2023-01-01\n",
        expected: "points.csv, row 2, column `retired`: is not after `commissioned`; \
                write a later day than that of `commissioned`",
    },
    Broken {
        file: "points.csv",
        text: "code,sub_stream\n23052100001320000001,http://10.1.2.3/\n",
        expected: "points.csv, row 2, column `sub_stream`, value `http://10.1.2.3/`: \
                stream address must begin with rtsp:// or rtsps://; write rtsp://host:port/path",
    },
    Broken {
        file: "points.csv",
        text: "code,sub_stream\n23052100001320000001,rtsp://admin:geheim@10.1.2.3/\n",
        expected: "points.csv, row 2, column `sub_stream`: stream address holds a user or password; \
                leave them out, put them in the credentials file and name the entry in column `credential`",
    },
    Broken {
        file: "points.csv",
        text: "code,sub_stream\n23052100001320000001,rtsp://10.1.2.3/user=admin&PassWord=geheim&channel=1\n",
        expected: "points.csv, row 2, column `sub_stream`: stream address holds a user or password; \
                leave them out, put them in the credentials file and name the entry in column `credential`",
    },
    Broken {
        file: "points.csv",
        text: "code,grid\n23052100001320000001,admin:geheim@10.1.2.3\n",
        expected: "points.csv, row 2, column `grid`: is no code; \
                write up to 64 characters without blanks, commas, semicolons and @",
    },
    Broken {
        file: "places.csv",
        text: "code,rtsp://admin:geheim@10.1.2.3/\nP1,x\n",
        expected: "places.csv, row 1, column `B`: unknown column; \
                remove it, or use one of code, name, village, kind, required",
    },
    Broken {
        file: "points.csv",
        text: "code,expected_width\n23052100001320000001,1280\n",
        expected: "points.csv, row 2, column `expected_height`: is missing beside `expected_width`; \
                write both or none",
    },
    Broken {
        file: "points.csv",
        text: "code,brand,host\n23052100001320000001,hikvison,10.1.2.3\n",
        expected: "points.csv, row 2, column `brand`, value `hikvison`: is an unknown brand; \
                did you mean `hikvision`?",
    },
    Broken {
        file: "points.csv",
        text: "code,host\n23052100001320000001,10.1.2.3\n",
        expected: "points.csv, row 2, column `host`, value `10.1.2.3`: says nothing without brand and host; \
                give both `brand` and `host`, or the stream addresses",
    },
    Broken {
        file: "points.csv",
        text: "code,mac_address\n23052100001320000001,00:1A:2B\n",
        expected: "points.csv, row 2, column `mac_address`, value `00:1A:2B`: is no MAC address; \
                write six bytes as 00:1A:2B:3C:4D:5E",
    },
    Broken {
        file: "grids.csv",
        text: "code,leader_phone\nG1,139\n",
        expected: "grids.csv, row 2, column `leader_phone`, value `139`: is no telephone number; \
                write 5-16 digits, as 13912345678 or 0469-1234567",
    },
    Broken {
        file: "grids.csv",
        text: "code,leader\nG1,\n",
        expected: "grids.csv, row 2, column `leader_phone`: is given without a leader; \
                write the leader's name in column `leader`, or empty this cell",
    },
    Broken {
        file: "grids.csv",
        text: "code,households\nG1,-5\n",
        expected: "grids.csv, row 2, column `households`, value `-5`: is no such number; \
                write a whole number from 0 to 10000000",
    },
    Broken {
        file: "divisions.csv",
        text: "code,assessed\n230521100201,maybe\n",
        expected: "divisions.csv, row 2, column `assessed`, value `maybe`: is neither yes nor no; \
                write yes or no (是 or 否)",
    },
    Broken {
        file: "links.csv",
        text: "code,target\nL-V,switch\n",
        expected: "links.csv, row 2, column `target`, value `switch`: is no probe target; \
                write tcp://host:port or icmp://address",
    },
    Broken {
        file: "places.csv",
        text: "code,name\nP1,\"东村\n村口\"\n",
        expected: "places.csv, row 2, column `name`, value `东村\n村口`: holds a line break or control character; \
                write one line of at most 200 characters",
    },
    Broken {
        file: "credentials.csv",
        text: "name,username,password\nvillage,admin,\n",
        expected: "credentials.csv, row 2, column `password`: is missing; write both username and password",
    },
];

const POSITIONS: &[Broken] = &[
    Broken {
        file: "sites.csv",
        text: "code,longitude,latitude\nS1,46.65,131.157\n",
        expected: "sites.csv, row 2, column `longitude`, value `46.65`: \
                longitude 46.65 and latitude 131.157 are exchanged; \
                write the longitude (72-138) in `longitude` and the latitude (0-56) in `latitude`",
    },
    Broken {
        file: "sites.csv",
        text: "code,longitude,latitude\nS1,13.4,52.5\n",
        expected: "sites.csv, row 2, column `longitude`, value `13.4`: \
                longitude 13.4 and latitude 52.5 lie outside China; \
                write degrees between 72.004 and 137.8347 east, 0.8293 and 55.8271 north",
    },
    Broken {
        file: "sites.csv",
        text: "code,longitude,latitude\nS1,44435463,5169000\n",
        expected: "sites.csv, row 2, column `longitude`, value `44435463.0`: \
                longitude 44435463 and latitude 5169000 are metres of a projected system; convert them to degrees",
    },
    Broken {
        file: "sites.csv",
        text: "code,longitude,latitude\nS1,131.1,\n",
        expected: "sites.csv, row 2, column `latitude`: is missing beside a longitude; write both or none",
    },
    Broken {
        file: "sites.csv",
        text: "code,longitude,latitude,datum\nS1,131.1,46.6,beijing54\n",
        expected: "sites.csv, row 2, column `datum`, value `beijing54`: is none of the known words; \
                write one of wgs84 (大地坐标), gcj02 (火星坐标), bd09 (百度坐标)",
    },
];

#[tokio::test]
async fn a_broken_table_is_told() {
    check(TABLES).await;
}

#[tokio::test]
async fn a_broken_code_is_told() {
    check(CODES).await;
}

#[tokio::test]
async fn a_broken_reference_is_told() {
    check(REFERENCES).await;
}

#[tokio::test]
async fn a_broken_value_is_told() {
    check(VALUES).await;
}

#[tokio::test]
async fn a_broken_position_is_told() {
    check(POSITIONS).await;
}

#[tokio::test]
async fn a_file_that_is_no_table_is_told() {
    let check = async |name: &str, bytes: &[u8], expected: &str| {
        let file = SourceFile { name: name.to_owned(), bytes: bytes.to_vec() };
        let told = told(vec![file]).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with(expected), "{told:?}");
    };
    check(
        "points.csv",
        &[0xff, 0xff, 0x20],
        "points.csv: is neither UTF-8 nor GB18030; save it as CSV UTF-8",
    )
    .await;
    check("points.csv", b"\x00\x01", "points.csv: is no text; give a CSV or XLSX file").await;
    check(
        "points.xls",
        &[0xd0, 0xcf, 0x11, 0xe0],
        "points.xls: is an old or password-protected Excel workbook; ",
    )
    .await;
    check("points.xlsx", b"PK\x03\x04 cut off", "points.xlsx: cannot be unpacked: ").await;
    let unclosed = format!("code,name\nP1,\"东村{}", "x".repeat(9000));
    check(
        "places.csv",
        unclosed.as_bytes(),
        "places.csv, row 2, column `name`, value `东村xxxxxxxxxxxxxxxxxx`: holds 9006 bytes; close the quotation mark",
    )
    .await;
    check(
        "points.xlsx",
        &bomb(&"a".repeat(2 * 1024 * 1024)),
        "points.xlsx: holds a cell longer than Excel allows; ",
    )
    .await;
    let many = "<a/>".repeat(30 * 1024 * 1024);
    check("points.xlsx", &bomb(&many), "points.xlsx: unpacks to more than a workbook of this system may; ")
        .await;
}

/// A small file that unpacks to `content`.
fn bomb(content: &str) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    writer.start_file("xl/sharedStrings.xml", options).unwrap();
    writer.write_all(content.as_bytes()).unwrap();
    writer.finish().unwrap().into_inner()
}

#[tokio::test]
async fn a_code_that_the_spreadsheet_rounded_is_told() {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet().set_name("监控点").unwrap();
    sheet.write_string(0, 0, "编码").unwrap();
    sheet.write_string(0, 1, "名称").unwrap();
    sheet.write_number(1, 0, 23_052_100_001_320_000_001_f64).unwrap();
    sheet.write_string(1, 1, "口").unwrap();
    let file = SourceFile { name: "a.xlsx".to_owned(), bytes: book.save_to_buffer().unwrap() };
    assert_eq!(
        told(vec![file]).await,
        [
            "a.xlsx[监控点], row 2, column `编码`, value `2.305210000132e19`: is a number of more than 15 digits, \
          and the spreadsheet has lost the last ones; format the column as text and enter the code again"
        ]
    );
}

#[tokio::test]
async fn a_faulty_record_is_not_told_again_by_those_that_name_it() {
    let files = [
        ("grids.csv", "code,name,village,kind\nG2,二,230521100201,round\n"),
        ("points.csv", "code,grid\n23052100001320000001,G2\n"),
    ];
    assert_eq!(told(sources(&files)).await.len(), 1);
}
