//! The simulator is what it says it is: independent players read it, and each fault shows on the wire.

#![expect(clippy::indexing_slicing, reason = "a test that meets something else should stop")]

mod client;

use client::Session;
use sharpeyes::domain::PointCode;
use sharpeyes::simulate::child::{ChildOptions, Simulator};
use sharpeyes::simulate::dice::roll;
use sharpeyes::simulate::fault::{Fault, Faults};
use sharpeyes::simulate::fleet::{Coding, Fleet, MEDIA, Plan, Watched, asks_for_user, coding};
use sharpeyes::simulate::script::{STAY, Script};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

/// A simulator with its fleet.
struct Fixture {
    simulator: Simulator,
    fleet: Fleet,
    _folder: tempfile::TempDir,
}

impl Fixture {
    async fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let clips = format!("--clips={}", concat!(env!("CARGO_TARGET_TMPDIR"), "/clips"));
        let arguments = arguments.iter().map(|argument| (*argument).to_owned());
        let options = ChildOptions {
            program: PathBuf::from(env!("CARGO_BIN_EXE_sharpeyes")),
            folder: folder.path().to_owned(),
            port,
            arguments: arguments.chain([clips]).collect(),
        };
        let simulator = Simulator::start(options).await.unwrap();
        let fleet = Fleet::build(Plan { port, watched: Watched::Mixed }).unwrap();
        Self { simulator, fleet, _folder: folder }
    }

    /// Code and address of the `number`-th point that is coded so and asks, or not, for a user.
    fn point(&self, wanted: Coding, asks: bool, number: usize) -> (String, String) {
        let fits = |media| media < MEDIA && coding(media) == wanted && asks_for_user(media) == asks;
        let mut points = BTreeMap::new();
        for device in &self.fleet.devices {
            let channels = device.channels.iter().filter(|(_, channel)| fits(channel.media));
            points.extend(channels.map(|(path, channel)| {
                (channel.point.to_string(), format!("rtsp://{}{path}", device.address))
            }));
        }
        points.into_iter().nth(number).unwrap()
    }

    /// A point of a village with three points or more: its address, the village and its uplink's probe target.
    fn village(&self) -> (String, String, SocketAddrV4) {
        let device = self.fleet.devices.iter().find(|device| {
            device.path.len() == 4 && device.channels.values().all(|channel| !asks_for_user(channel.media))
        });
        let device = device.unwrap();
        let link = &device.path[1];
        let uplink = self.fleet.uplinks.iter().find(|uplink| uplink.link == *link).unwrap();
        let (path, _) = device.channels.iter().find(|(_, channel)| channel.media < MEDIA).unwrap();
        let village = link.as_str().trim_start_matches("UP-").to_owned();
        (format!("rtsp://{}{path}", device.address), village, uplink.address)
    }

    async fn order(&self, order: &str) {
        assert_eq!(self.simulator.tell(order).await.unwrap(), "ok", "{order}");
    }

    /// Asks for the sessions until they are as wanted.
    async fn wait_for_sessions(&self, wanted: &str) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let sessions = self.simulator.tell("sessions").await.unwrap();
            if sessions == wanted {
                return;
            }
            assert!(Instant::now() < deadline, "{sessions}, not {wanted}");
            tokio::task::yield_now().await;
        }
    }
}

/// A port that no other simulator has, below the range of outgoing connections.
fn free_port() -> u16 {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let process = usize::try_from(std::process::id()).unwrap();
    let first = process * 10_000 + CALLS.fetch_add(100, Ordering::Relaxed);
    (first..first + 100)
        .map(|attempt| u16::try_from(20_000 + roll("port", attempt, 12_000)).unwrap())
        .find(|port| std::net::TcpListener::bind(("127.16.1.10", *port)).is_ok())
        .unwrap()
}

/// What ffprobe says of a stream: codec, width, height; and flags with times of its packets.
async fn ffprobe(url: &str, seconds: u32) -> (Option<String>, Vec<(f64, bool)>, String) {
    let output = Command::new("ffprobe")
        .args(["-v", "warning", "-rtsp_transport", "tcp", "-timeout", "8000000"])
        .args(["-read_intervals", &format!("%+{seconds}")])
        .args(["-show_entries", "stream=codec_name,width,height:packet=pts_time,flags", "-of", "json", url])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(Duration::from_secs(60), output).await.unwrap().unwrap();
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let stream = &said["streams"][0];
    let name =
        stream["codec_name"].as_str().map(|name| format!("{name} {}x{}", stream["width"], stream["height"]));
    let packet = |packet: &serde_json::Value| {
        let time = packet["pts_time"].as_str().and_then(|time| time.parse().ok()).unwrap_or(0.0);
        (time, packet["flags"].as_str().is_some_and(|flags| flags.starts_with('K')))
    };
    let packets = said["packets"].as_array().map(|packets| packets.iter().map(packet).collect());
    (name, packets.unwrap_or_default(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Key frames of a bare session, told by the packets' own NAL types; pictures; and packets missing by number.
async fn measure(url: &str, span: Duration) -> (usize, usize, usize) {
    let mut session = Session::play(url).await.unwrap().unwrap();
    let (mut pictures, mut key_pictures) = (BTreeSet::new(), BTreeSet::new());
    let (mut missing, mut last): (u16, Option<u16>) = (0, None);
    let end = tokio::time::Instant::now() + span;
    while let Ok(packet) = tokio::time::timeout_at(end, session.packet()).await {
        let packet = packet.unwrap();
        if packet.channel != 0 {
            continue;
        }
        let number = u16::from_be_bytes([packet.bytes[2], packet.bytes[3]]);
        missing += last.map_or(0, |last| number.wrapping_sub(last).wrapping_sub(1));
        last = Some(number);
        let time = u32::from_be_bytes(packet.bytes[4..8].try_into().unwrap());
        pictures.insert(time);
        // H.264: a fragment of an IDR picture, or a bundle that begins with a delimiter and holds parameter sets.
        if packet.bytes[12] & 0x1f == 28 && packet.bytes[13] & 0x1f == 5 {
            key_pictures.insert(time);
        }
    }
    session.ask("TEARDOWN", "", "").await.unwrap();
    (key_pictures.len(), pictures.len(), usize::from(missing))
}

#[tokio::test]
async fn an_independent_player_reads_every_coding() {
    let fixture = Fixture::start(&["--no-faults"]).await;
    let secret = |code: &str| {
        let secret = fixture.fleet.secrets.iter().find(|secret| secret.name.ends_with(&code[..6])).unwrap();
        format!("{}:{}@", secret.username, secret.password.replace(' ', "%20").replace('!', "%21"))
    };
    for (wanted, asks, expected) in [
        (Coding::H264, false, "h264"),
        (Coding::H264, true, "h264"),
        (Coding::H265, false, "hevc"),
        (Coding::H265Open, true, "hevc"),
    ] {
        let (code, url) = fixture.point(wanted, asks, 0);
        let user = if asks { secret(&code) } else { String::new() };
        let (name, packets, said) = ffprobe(&url.replacen("rtsp://", &format!("rtsp://{user}"), 1), 6).await;
        assert_eq!(name.as_deref(), Some(format!("{expected} 640x360").as_str()), "{url}: {said}");
        let times: Vec<f64> = packets.iter().map(|(time, _)| *time).collect();
        let span = times.last().unwrap() - times[1];
        let per_second = f64::from(u32::try_from(times.len() - 2).unwrap()) / span;
        assert!((14.0..16.0).contains(&per_second), "{url}: {per_second} pictures a second");
        let keys: Vec<f64> = packets.iter().filter(|(_, key)| *key).map(|(time, _)| *time).collect();
        assert!((2..=4).contains(&keys.len()), "{url}: key frames at {keys:?}");
    }
}

#[tokio::test]
async fn a_point_that_asks_for_a_user_refuses_without_one() {
    let fixture = Fixture::start(&["--no-faults"]).await;
    let (code, url) = fixture.point(Coding::H264, true, 0);
    assert_eq!(Session::play(&url).await.unwrap().err(), Some(401));
    fixture.order(&format!("fault {code} wrong_password")).await;
    let secret = fixture.fleet.secrets.iter().find(|secret| secret.name.ends_with(&code[..6])).unwrap();
    let user =
        format!("rtsp://{}:{}@", secret.username, secret.password.replace(' ', "%20").replace('!', "%21"));
    let (name, _packets, said) = ffprobe(&url.replacen("rtsp://", &user, 1), 1).await;
    assert!(name.is_none() && said.contains("401 Unauthorized"), "{said}");
}

#[tokio::test]
async fn each_refusal_has_its_own_answer() {
    let fixture = Fixture::start(&["--no-faults"]).await;
    for (number, fault, expected) in
        [(0, Fault::NotFound, 404), (1, Fault::SessionLimit, 453), (2, Fault::WrongPassword, 401)]
    {
        let (code, url) = fixture.point(Coding::H264, false, number);
        fixture.order(&format!("fault {code} {fault}")).await;
        assert_eq!(Session::play(&url).await.unwrap().err(), Some(expected), "{fault}");
        fixture.order(&format!("repair {code}")).await;
        // The device forgets a session a moment after its connection is closed.
        let deadline = Instant::now() + Duration::from_secs(5);
        while Session::play(&url).await.unwrap().is_err() {
            assert!(Instant::now() < deadline, "{fault}");
        }
    }
    let (code, url) = fixture.point(Coding::H264, false, 3);
    fixture.order(&format!("fault {code} silent")).await;
    assert!(timeout(Duration::from_secs(1), Session::play(&url)).await.is_err());
    fixture.order(&format!("fault {code} refused")).await;
    // The address closes a moment after the order was taken.
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let kind = Session::play(&url).await.err().map(|error| error.kind());
        if kind == Some(std::io::ErrorKind::ConnectionRefused) {
            break;
        }
        assert!(Instant::now() < deadline, "{kind:?}");
    }
}

#[tokio::test]
async fn each_fault_of_the_stream_is_on_the_wire() {
    let fixture = Fixture::start(&["--no-faults"]).await;
    let span = Duration::from_secs(7);
    let look = async |number, fault: Option<Fault>| {
        let (code, url) = fixture.point(Coding::H264, false, number);
        if let Some(fault) = fault {
            fixture.order(&format!("fault {code} {fault}")).await;
        }
        measure(&url, span).await
    };
    let (good, no_key_frame, loss, slow_pictures, stall, slow_keys) = tokio::join!(
        look(0, None),
        look(1, Some(Fault::NoKeyFrame)),
        look(2, Some(Fault::Loss)),
        look(3, Some(Fault::LowFrameRate)),
        look(4, Some(Fault::Stall)),
        look(5, Some(Fault::SlowKeyFrames)),
    );
    let (keys, pictures, missing) = good;
    assert!((3..=4).contains(&keys) && (90..=110).contains(&pictures) && missing == 0, "{good:?}");
    assert!(no_key_frame.0 == 0 && no_key_frame.1 > 80 && no_key_frame.2 == 0, "{no_key_frame:?}");
    assert!(loss.2 > 5 && loss.1 > 80, "{loss:?}");
    assert!((14..=30).contains(&slow_pictures.1) && slow_pictures.2 == 0, "{slow_pictures:?}");
    assert!(stall.1 < 60, "{stall:?}");
    assert!(slow_keys.0 == 0 && slow_keys.1 > 80 && slow_keys.2 == 0, "{slow_keys:?}");
}

#[tokio::test]
async fn a_wrong_clock_is_in_the_sender_reports() {
    let fixture = Fixture::start(&["--no-faults"]).await;
    let (code, url) = fixture.point(Coding::H264, false, 0);
    let now = || i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    for (order, expected) in [(format!("repair {code}"), 0), (format!("fault {code} wrong_clock"), 37 * 60)] {
        fixture.order(&order).await;
        let mut session = Session::play(&url).await.unwrap().unwrap();
        let report = async {
            loop {
                let packet = session.packet().await.unwrap();
                if packet.channel == 1 && packet.bytes[1] == 200 {
                    return u32::from_be_bytes(packet.bytes[8..12].try_into().unwrap());
                }
            }
        };
        let seconds = timeout(Duration::from_secs(10), report).await.unwrap();
        let error = i64::from(seconds) - 2_208_988_800 - now();
        assert!((error - expected).abs() <= 2, "{order}: {error} s");
    }
}

#[tokio::test]
async fn a_cut_village_is_a_black_hole_until_repaired() {
    let fixture = Fixture::start(&["--no-faults"]).await;
    let (url, village, uplink) = fixture.village();
    let short = Duration::from_millis(500);
    let mut playing = Session::play(&url).await.unwrap().unwrap();
    playing.packet().await.unwrap();
    fixture.order(&format!("cut {village}")).await;
    // What was under way may still arrive; then nothing does, not even the end of the connection.
    while let Ok(packet) = timeout(short, playing.packet()).await {
        packet.unwrap();
    }
    assert!(timeout(short, Session::play(&url)).await.is_err());
    assert!(timeout(short, TcpStream::connect(uplink)).await.is_err());
    fixture.order(&format!("repair {village}")).await;
    let again = timeout(Duration::from_secs(10), Session::play(&url)).await.unwrap();
    assert!(again.unwrap().is_ok());
    assert!(timeout(Duration::from_secs(10), TcpStream::connect(uplink)).await.unwrap().is_ok());
}

#[tokio::test]
async fn sessions_tell_who_left_without_teardown() {
    let fixture = Fixture::start(&["--no-faults"]).await;
    let (_code, url) = fixture.point(Coding::H264, false, 0);
    let mut polite = Session::play(&url).await.unwrap().unwrap();
    let rude = Session::play(&url).await.unwrap().unwrap();
    let sessions = |sessions, connections, torn_down, abandoned| {
        format!(
            r#"{{"sessions":{sessions},"connections":{connections},"played":2,"torn_down":{torn_down},"abandoned":{abandoned}}}"#
        )
    };
    fixture.wait_for_sessions(&sessions(2, 2, 0, 0)).await;
    assert_eq!(polite.ask("TEARDOWN", "", "").await.unwrap(), 200);
    drop(polite);
    fixture.wait_for_sessions(&sessions(1, 1, 1, 0)).await;
    drop(rude);
    // The server keeps a session that nobody tore down until it times out, as cameras do.
    fixture.wait_for_sessions(&sessions(1, 0, 1, 1)).await;
}

#[tokio::test]
async fn the_script_says_what_must_be_shown() {
    let fixture = Fixture::start(&["--learn=0"]).await;
    let told = std::fs::read(fixture.simulator.folder().join("faults.json")).unwrap();
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&told).unwrap();
    let kinds: BTreeSet<&str> = rows.iter().filter_map(|row| row["fault"].as_str()).collect();
    let expected = Fault::ALL.iter().map(|fault| fault.as_str()).chain(["link_cut"]).collect();
    assert_eq!(kinds, expected);
    let not_found = rows.iter().find(|row| row["fault"] == "not_found").unwrap();
    assert_eq!(not_found["expected_state"], "no_video");
    assert_eq!(not_found["expected_cause"], "stream_not_found");
}

#[test]
fn the_walk_of_the_readme_names_what_the_fleet_has_and_the_script_leaves_alone() {
    let readme = include_str!("../../README.md");
    let fleet = Fleet::build(Plan { port: 8554, watched: Watched::Mixed }).unwrap();
    let script = Script::write(&fleet, STAY);
    let faults: Vec<Faults> = (0..120).map(|minute| script.at(Duration::from_secs(60 * minute))).collect();
    let words: BTreeSet<&str> = readme.split(|c: char| !c.is_ascii_digit()).collect();
    let points: Vec<PointCode> = words.iter().filter_map(|word| word.parse().ok()).collect();
    assert!(!points.is_empty());
    for point in points {
        assert!(fleet.inventory.points.contains_key(&point), "{point}");
        assert!(faults.iter().all(|faults| !faults.points.contains_key(&point)), "{point}");
    }
    let villages: Vec<&&str> = words.iter().filter(|word| word.len() == 12).collect();
    assert!(!villages.is_empty());
    for village in villages {
        let link = format!("UP-{village}").parse().unwrap();
        assert!(fleet.inventory.links.contains_key(&link), "{village}");
        assert!(faults.iter().all(|faults| !faults.cut.contains(&link)), "{village}");
    }
}

#[tokio::test]
async fn an_interrupt_ends_it() {
    let mut fixture = Fixture::start(&["--no-faults"]).await;
    let process = fixture.simulator.id().unwrap();
    let process = rustix::process::Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    let ended = timeout(Duration::from_secs(10), fixture.simulator.ended()).await.unwrap();
    assert!(ended.unwrap().success());
}
