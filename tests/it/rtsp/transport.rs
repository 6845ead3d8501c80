//! The ways that the plain one cannot go: TLS, UDP, descriptions that are not read, keepalives that are not answered.

use super::fake::{Answer, Counts, Fake, Media, Parameters, SIZE, Script};
use super::faults::wait_until;
use super::foreign::{Carrier, Server, clip, ffprobe};
use super::look::{admin, assert_agrees, deadlines, failed, look_until_served, measured};
use super::relay::Relay;
use super::schedule::{Watching, code, is_video, set, settings, target};
use crate::store::fixture::{EAST, at, import, point};
use crate::support::process::{children_of, eventually};
use crate::support::service::Service;
use sharpeyes::clock::Clock;
use sharpeyes::config::Watch;
use sharpeyes::domain::point::StreamUrl;
use sharpeyes::domain::{
    Cause, ClockReading, Outcome, PointCode, RecordKind, Stage, StageTimes, Transport, Trust, WatchMode,
};
use sharpeyes::ingest::{Credential, LookRequest, Note, Puller, Sight, Transports, look_once};
use sharpeyes::store::Store;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A puller of the program under test.
fn puller(authorities: Option<&Path>) -> Puller {
    Puller::new(env!("CARGO_BIN_EXE_sharpeyes").into(), authorities.map(Path::to_owned), 8)
}

/// Looks once with a puller.
async fn pull(
    url: &str,
    credential: Option<&Credential>,
    trust: Trust,
    puller: &Puller,
    window: Duration,
) -> Sight {
    let stream: StreamUrl = url.parse().unwrap();
    let (deadlines, puller) = (deadlines(), Some(puller));
    let request = LookRequest {
        stream: &stream,
        credential,
        deadlines: &deadlines,
        window,
        pictures: None,
        trust,
        puller,
    };
    look_once(&request, &Clock::system(), &CancellationToken::new()).await
}

fn openssl(folder: &Path, arguments: &str) -> String {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Two authorities, and a camera that the first one vouches for.
struct Authorities {
    folder: tempfile::TempDir,
}

impl Authorities {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        for name in ["ours", "other"] {
            let subject = format!("-subj /CN={name} -keyout {name}.key -out {name}.pem");
            openssl(path, &format!("req -x509 -newkey rsa:2048 -nodes -days 2 {subject}"));
        }
        openssl(path, "req -newkey rsa:2048 -nodes -subj /CN=camera -keyout camera.key -out camera.csr");
        fs::write(path.join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
        openssl(
            path,
            "x509 -req -in camera.csr -CA ours.pem -CAkey ours.key -CAcreateserial -days 2 -extfile names -out camera.pem",
        );
        let [certificate, key] = ["camera.pem", "camera.key"].map(|name| fs::read(path.join(name)).unwrap());
        fs::write(path.join("identity"), [certificate, key].concat()).unwrap();
        Self { folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What `openssl` prints of the camera's certificate.
    fn fingerprint(&self) -> String {
        let printed = openssl(self.folder.path(), "x509 -in camera.pem -noout -fingerprint -sha256");
        printed.trim().split_once('=').unwrap().1.to_owned()
    }
}

#[tokio::test]
async fn a_stream_over_tls_is_pulled_from_whom_a_private_authority_vouches_for() {
    let authorities = Authorities::new();
    let server = Server::gst_tls(&authorities.file("identity"));
    let url = |path| server.url(path).replace("rtsp:", "rtsps:");
    let (ours, other) =
        (puller(Some(&authorities.file("ours.pem"))), puller(Some(&authorities.file("other.pem"))));
    let camera = admin("pass 123!");
    for path in ["/h264", "/h265"] {
        let sight = pull(&url(path), Some(&camera), Trust::Authority, &ours, seconds(3)).await;
        let with_login = url(path).replace("rtsps://", "rtsps://admin:pass%20123!@");
        let probed =
            tokio::task::spawn_blocking(move || ffprobe(&with_login, Carrier::Tcp, 3)).await.unwrap();
        assert_agrees(measured(&sight), &probed);
        assert_eq!((sight.transport, sight.note), (Transport::Tls, None), "{path}");
        for stage in Stage::ALL {
            assert!(sight.stages.of(stage).is_some(), "{path} took no time at {stage}");
        }
    }
    let distrusted = (Stage::Tls, Cause::TlsFailed, None);
    let shown = Some(Note::Distrusted(authorities.fingerprint().parse().unwrap()));
    let stranger = pull(&url("/h264"), Some(&camera), Trust::Authority, &other, seconds(1)).await;
    assert_eq!((failed(&stranger), stranger.note), (distrusted.clone(), shown.clone()));
    let of_the_system = pull(&url("/h264"), Some(&camera), Trust::Authority, &puller(None), seconds(1)).await;
    assert_eq!((failed(&of_the_system), of_the_system.note), (distrusted, shown));
}

#[tokio::test]
async fn a_pinned_certificate_is_believed_and_no_other_and_insecure_believes_any() {
    let authorities = Authorities::new();
    let server = Server::gst_tls(&authorities.file("identity"));
    let url = server.url("/h264").replace("rtsp:", "rtsps:");
    let pull = async |trust: &str, password| {
        // An authority that vouches for the camera does not make up for a pin that is another's.
        let puller = puller(Some(&authorities.file("ours.pem")));
        pull(&url, Some(&admin(password)), trust.parse().unwrap(), &puller, seconds(1)).await
    };
    let right = authorities.fingerprint();
    assert!(measured(&pull(&right, "pass 123!").await).frames > 5);
    assert!(measured(&pull("insecure", "pass 123!").await).frames > 5);
    let wrong = "00:".repeat(31) + "00";
    assert_eq!(failed(&pull(&wrong, "pass 123!").await), (Stage::Tls, Cause::TlsFailed, None));
    let refused = (Stage::Describe, Cause::WrongCredential, Some(401));
    assert_eq!(failed(&pull(&right, "12345").await), refused);
}

#[tokio::test]
async fn what_speaks_no_tls_fails_at_tls() {
    let server = Server::gst("open");
    let url = server.url("/h264").replace("rtsp:", "rtsps:");
    let sight = pull(&url, None, Trust::Anybody, &puller(None), seconds(1)).await;
    assert_eq!(failed(&sight), (Stage::Tls, Cause::TlsFailed, None));
}

#[tokio::test]
async fn servers_that_serve_udp_only_end_good_with_the_codec_and_size_of_ffprobe() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let clip = clip(folder.path());
    let (vlc, perl, gst) = (Server::vlc(&clip, folder.path()), Server::perl(&clip), Server::gst("udp"));
    let of_clip = [vlc.url("/cam"), perl.url("/cam")];
    for url in &of_clip {
        look_until_served(url, seconds(1)).await;
    }
    for url in of_clip.into_iter().chain([gst.url("/h265")]) {
        let sight = pull(&url, None, Trust::Authority, &puller(None), seconds(4)).await;
        let probed = {
            let url = url.clone();
            tokio::task::spawn_blocking(move || ffprobe(&url, Carrier::Udp, 4)).await.unwrap()
        };
        let measured = measured(&sight);
        assert_eq!(measured.codec.as_str(), probed.codec, "{url}");
        assert_eq!(
            measured.size.map(|(width, height)| (u64::from(width), u64::from(height))),
            Some(probed.size)
        );
        // Without a base in its description, the addresses of a device's streams have to be told to the puller.
        assert!(
            matches!(sight.transport, Transport::Udp | Transport::UdpAddressed),
            "{url}: {:?}",
            sight.transport
        );
        assert_eq!(measured.lost_packets, 0, "{url}");
    }
}

#[tokio::test]
async fn loss_and_disorder_on_udp_are_told_apart() {
    let server = Server::gst("udp");
    let relay = Relay::start(server.port).await;
    let sight = pull(&relay.url("/busy"), None, Trust::Authority, &puller(None), seconds(15)).await;
    let (passed, lost, swapped) = relay.counts();
    assert!(lost >= 10 && swapped > 5 * lost, "{passed} passed, {lost} lost, {swapped} swapped");
    let measured = measured(&sight);
    let ratio = measured.lost_over_sent();
    assert!((0.007..0.013).contains(&ratio), "{ratio}: {measured:?}; {passed} passed, {lost} lost");
    let rate = measured.frames_per_second();
    assert!((23.0..27.0).contains(&rate), "25 per second: {rate}");
    assert!(measured.longest_gap < seconds(2), "{measured:?}");
}

/// Windows of ten seconds of the soak.
const SOAKED: usize = 180;

/// Memory of the puller process of this test in KiB.
fn puller_memory() -> u64 {
    let is_puller = |child: &u32| {
        let line = fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default();
        line.split('\0').eq(["sharpeyes", "pull", ""])
    };
    let child = children_of(std::process::id()).into_iter().find(is_puller).unwrap();
    let status = fs::read_to_string(format!("/proc/{child}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// `make soak-udp`: one session for half an hour over a line that loses one packet of a hundred and has ten overtaken.
#[tokio::test]
#[ignore = "takes half an hour"]
async fn udp_is_soaked() {
    let server = Server::gst("udp");
    let relay = Relay::start(server.port).await;
    let targets = set([target(1, &relay.url("/busy"), WatchMode::Continuous)]);
    let transports = Transports::remembering(&BTreeMap::from([(code(1), Transport::Udp)]));
    let settings = Watch { continuous_window: seconds(10), ..settings() };
    let mut watching = Watching::start_with(settings, targets, None, transports, Some(puller(None)));
    let (mut lost, mut sent, mut memory) = (0, 0, Vec::new());
    for window in 1..=SOAKED {
        let observation = watching.next().await;
        let Outcome::Video(measured) = &observation.outcome else { panic!("{observation:?}") };
        assert_eq!(observation.stages == StageTimes::default(), window > 1, "one session: {observation:?}");
        let rate = measured.frames_per_second();
        assert!((23.0..27.0).contains(&rate) && measured.longest_gap < seconds(2), "{measured:?}");
        (lost, sent) = (lost + measured.lost_packets, sent + measured.packets + measured.lost_packets);
        memory.push(puller_memory());
        if window % 30 == 0 {
            println!("minute {}: {lost} of {sent} lost, puller {} KiB", window / 6, memory[window - 1]);
        }
    }
    let (passed, really_lost, swapped) = relay.counts();
    println!("the line lost {really_lost} of {}, {swapped} were overtaken", passed + really_lost);
    let share = |lost: u64, sent: u64| u32::try_from(lost * 1_000_000 / sent).unwrap();
    assert!(share(lost, sent).abs_diff(share(really_lost, passed + really_lost)) < 300, "parts of a million");
    let (early, late) = (memory[SOAKED / 6], memory[SOAKED - 1]);
    assert!(late * 100 < early * 105, "{early} KiB, then {late} KiB");
    watching.stop().await;
}

#[tokio::test]
async fn parameters_and_streams_that_retina_gives_up_are_read() {
    let window = Duration::from_millis(600);
    let described = Script { parameters: Parameters::TrailingSemicolon, ..Script::default() };
    let fake = Fake::start(described).await;
    let sight = pull(&fake.url("cam"), None, Trust::Authority, &puller(None), window).await;
    assert_eq!((measured(&sight).size, measured(&sight).declared.size), (Some(SIZE), Some(SIZE)));
    assert_eq!(measured(&sight).declared.server.as_deref(), Some("fake/1"));
    assert_eq!(sight.transport, Transport::Tolerant);
    wait_until(|| Counts::of(&fake.counts.playing) == 0).await;
    assert_eq!(Counts::of(&fake.counts.teardowns), 2, "both sessions");

    let media = Media { new_source_after: 40, ..Script::default().media };
    let fake = Fake::start(Script { media, ..Script::default() }).await;
    let sight = pull(&fake.url("cam"), None, Trust::Authority, &puller(None), seconds(2)).await;
    assert_eq!((sight.transport, measured(&sight).lost_packets), (Transport::Tolerant, 0));
    assert!(
        matches!(measured(&sight).clock, ClockReading::ErrorMs(error) if error.abs() < 2_000),
        "{sight:?}"
    );
}

/// A scheduler that has a puller, and knows that the tolerant way serves its point.
fn watching_by_puller(fake: &Fake, watch: WatchMode, credential: Option<Credential>) -> Watching {
    let known = BTreeMap::from([(code(1), Transport::Tolerant)]);
    let mut target = target(1, &fake.url("cam"), watch);
    target.credential = credential.map(Into::into);
    let transports = Transports::remembering(&known);
    Watching::start_with(settings(), set([target]), None, transports, Some(puller(None)))
}

#[tokio::test]
async fn a_session_of_the_puller_reports_windows_and_is_torn_down_at_shutdown() {
    let fake = Fake::start(Script::default()).await;
    let mut watching = watching_by_puller(&fake, WatchMode::Continuous, None);
    for _ in 0..4 {
        let observation = watching.next().await;
        assert!(is_video(&observation), "{observation:?}");
    }
    assert_eq!(Counts::of(&fake.counts.plays), 1, "one session for all windows");
    assert!(watching.stop().await < seconds(8));
    wait_until(|| Counts::of(&fake.counts.teardowns) == 1 && Counts::of(&fake.counts.playing) == 0).await;
}

#[tokio::test]
async fn a_wrong_password_costs_the_puller_one_more_login_and_no_third() {
    let fake = Fake::start(Script { needs_login: true, ..Script::default() }).await;
    let mut watching = watching_by_puller(&fake, WatchMode::Patrol, Some(admin("wrong")));
    let Outcome::Failed(failure) = watching.next().await.outcome else { panic!("logged in") };
    assert_eq!((failure.cause, failure.status), (Cause::WrongCredential, Some(401)));
    // Two sessions of a challenge and an answer each.
    assert_eq!(Counts::of(&fake.counts.describes), 4);
    watching.stop().await;
}

/// What the next look comes to.
async fn next_failure(watching: &mut Watching) -> (Stage, Cause, Option<u16>) {
    let Outcome::Failed(failure) = watching.next().await.outcome else { panic!("it did not fail") };
    (failure.stage, failure.cause, failure.status)
}

#[tokio::test]
async fn a_transport_that_nobody_can_read_is_asked_for_twice_and_holds_nobody_up() {
    let fake = Fake::start(Script { transport: "nonsense", ..Script::default() }).await;
    let mut watching = watching_by_puller(&fake, WatchMode::Patrol, None);
    let began = Instant::now();
    let (stage, ..) = next_failure(&mut watching).await;
    assert!(began.elapsed() < deadlines().setup + seconds(3), "{:?}", began.elapsed());
    let setups = Counts::of(&fake.counts.setups);
    assert!((1..=2).contains(&setups) && stage == Stage::Setup, "{setups} at {stage}");
    watching.stop().await;
}

#[tokio::test]
async fn the_puller_is_not_sent_elsewhere() {
    let other = Fake::start(Script::default()).await;
    let answer = Answer { hold: Duration::ZERO, status: 302 };
    let answers = [("DESCRIBE", answer)].into();
    let location = format!("Location: {}\r\n", other.url("cam"));
    let fake = Fake::start(Script { answers, refusal_headers: location, ..Script::default() }).await;
    let mut watching = watching_by_puller(&fake, WatchMode::Patrol, None);
    assert_eq!(next_failure(&mut watching).await, (Stage::Describe, Cause::Redirected, Some(302)));
    assert_eq!(Counts::of(&other.counts.connections), 0);
    watching.stop().await;
}

#[tokio::test]
async fn a_stream_that_its_pullers_die_of_is_a_bad_one() {
    let (folder, fake) = (tempfile::tempdir().unwrap(), Fake::start(Script::default()).await);
    let mortal = folder.path().join("mortal");
    // Takes its errand, says that it is ready, and is gone.
    fs::write(&mortal, "#!/bin/sh\nhead -c 4 >/dev/null\nprintf '\\000\\000\\000\\010\\000\"Ready\"'\n")
        .unwrap();
    fs::set_permissions(&mortal, fs::Permissions::from_mode(0o755)).unwrap();
    let known = BTreeMap::from([(code(1), Transport::Tolerant)]);
    let targets = set([target(1, &fake.url("cam"), WatchMode::Patrol)]);
    let puller = Puller::new(mortal, None, 1);
    let transports = Transports::remembering(&known);
    let mut watching = Watching::start_with(settings(), targets, None, transports, Some(puller));
    for _ in 0..2 {
        assert_eq!(watching.next().await.outcome, Outcome::NotLooked(Cause::Backlog));
    }
    assert_eq!(next_failure(&mut watching).await, (Stage::Connect, Cause::BadStream, None));
    assert_eq!(watching.transports.way(code(1)).note, Some(Note::Died(Stage::Connect)));
    watching.stop().await;
}

#[tokio::test]
async fn the_way_to_what_lies_elsewhere_or_is_gone_is_forgotten() {
    let url = |host| format!("rtsp://127.0.0.{host}:9/cam");
    let (known, off) = ((1..=3).map(|index| (code(index), Transport::Udp)).collect(), WatchMode::Off);
    let transports = Transports::remembering(&known);
    let targets = set([target(1, &url(1), off), target(2, &url(2), off)]);
    let watching = Watching::start_with(settings(), targets, None, transports, None);
    let kept = |watching: &Watching| watching.transports.worth_keeping().into_keys().collect::<Vec<_>>();
    wait_until(|| kept(&watching) == [code(1), code(2)]).await;
    watching.targets.send(set([target(1, &url(1), off), target(2, &url(3), off)])).unwrap();
    wait_until(|| kept(&watching) == [code(1)]).await;
    watching.stop().await;
}

#[test]
fn a_puller_outlives_sigterm_and_ends_with_its_input() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sharpeyes"));
    let mut puller = command.arg("pull").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", puller.id());
    eventually(seconds(10), "SIGTERM is caught", || {
        let status = fs::read_to_string(&status).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
        let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
        (caught & (1 << 14) != 0).then_some(())
    });
    assert!(Command::new("kill").arg(puller.id().to_string()).status().unwrap().success());
    std::thread::park_timeout(Duration::from_millis(300));
    assert_eq!(puller.try_wait().unwrap(), None, "it lives");
    drop(puller.stdin.take());
    eventually(seconds(5), "it ends", || puller.try_wait().unwrap());
}

#[tokio::test]
async fn a_camera_that_answers_no_keepalive_is_kept_by_the_puller() {
    let script = Script { timeout_seconds: 1, answers_keepalives: false, ..Script::default() };
    let fake = Fake::start(script).await;
    let targets = set([target(1, &fake.url("cam"), WatchMode::Continuous)]);
    let transports = Transports::default();
    let mut watching = Watching::start_with(settings(), targets, None, transports, Some(puller(None)));
    let by = |watching: &Watching| watching.transports.way(code(1)).served;
    while by(&watching) != Some(Transport::Tolerant) {
        let observation = watching.next().await;
        assert!(is_video(&observation), "{observation:?}");
    }
    assert_eq!(Counts::of(&fake.counts.plays), 3, "two sessions of retina broke off");
    // Three keepalives later it is the same session.
    for _ in 0..8 {
        assert!(is_video(&watching.next().await));
    }
    assert_eq!(Counts::of(&fake.counts.plays), 3);
    watching.stop().await;
}

#[tokio::test]
async fn the_way_that_served_is_remembered() {
    let server = Server::gst("udp");
    let point: PointCode = code(1);
    let mut watching = Watching::start_with(
        settings(),
        set([target(1, &server.url("/h264"), WatchMode::Patrol)]),
        None,
        Transports::default(),
        Some(puller(None)),
    );
    watching.next_where(is_video).await;
    let kept = watching.transports.worth_keeping();
    assert_eq!(kept, BTreeMap::from([(point, Transport::Udp)]));
    // SETUP was asked twice in the first look, and once in those after it.
    let later = watching.next_where(is_video).await;
    assert!(later.stages.of(Stage::Setup).is_some());
    watching.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_shows_the_way_and_keeps_it_over_a_restart() {
    let (folder, server) = (tempfile::tempdir().unwrap(), Server::gst("udp"));
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let village = format!(r#"{{"code":"{EAST}","name":"村","assessed":true,"has_centre":false}}"#);
    let watched = format!(
        r#"{{"code":"{}","name":"点","village":"{EAST}","class":"1","status":"in_use","commissioned_ms":0,"watch":"continuous","trust":"insecure","sub_stream":"{}"}}"#,
        point(1),
        server.url("/h264")
    );
    let store = Store::open(&url).await.unwrap();
    store.migrate().await.unwrap();
    import(&store, at(1), &[(RecordKind::Division, &[village]), (RecordKind::Point, &[watched])]).await;
    let settings = format!(
        "[server]\nlisten = \"@LISTEN@\"\n[store]\nurl = \"{url}\"\n[watch]\ncontinuous_window_seconds = 1\n\
         [picture]\ndecoders = 0\n[credentials]\nkey_file = \"{}\"\n",
        folder.path().join("camera.key").display()
    );
    let mut service = Service::start(folder.path(), &settings);
    let path = format!("/api/v1/points/{}", point(1));
    let shown = eventually(seconds(30), "the way is shown", || {
        let shown = service.json(&path);
        (!shown["live"]["transport"].is_null()).then_some(shown)
    });
    let expected = serde_json::json!({ "carrier": "rtsp-udp", "puller": "rtspsrc", "note": null });
    assert_eq!((&shown["live"]["transport"], &shown["trust"]), (&expected, &"insecure".into()));
    service.process.signal("TERM");
    assert!(service.process.wait(seconds(10)).success(), "{}", service.process.output());
    assert_eq!(store.kept_transports().await.unwrap(), BTreeMap::from([(point(1), Transport::Udp)]));
    store.close().await;
}

#[tokio::test]
async fn a_machine_without_a_puller_says_so_and_blames_nobody() {
    let nowhere = Puller::new("/nonexistent/sharpeyes".into(), None, 1);
    let server = Server::gst("udp");
    let url = server.url("/h264");
    let sight = pull(&url, None, Trust::Authority, &nowhere, seconds(1)).await;
    assert_eq!(failed(&sight), (Stage::Setup, Cause::TransportRefused, Some(461)));
    assert!(
        matches!(&sight.note, Some(Note::Unavailable(reason)) if reason.contains("nonexistent")),
        "{sight:?}"
    );
    let encrypted = url.replace("rtsp:", "rtsps:");
    let sight = pull(&encrypted, None, Trust::Authority, &nowhere, seconds(1)).await;
    assert_eq!(sight.outcome, Outcome::NotLooked(Cause::NotWatchable));
    assert!(matches!(&sight.note, Some(Note::Unavailable(_))), "{sight:?}");
}
