//! Single looks at servers that nobody here wrote.

use super::foreign::{Carrier, Probed, Server, clip, ffprobe};
use sharpeyes::clock::Clock;
use sharpeyes::config::{Deadlines, Settings};
use sharpeyes::domain::point::StreamUrl;
use sharpeyes::domain::{Cause, Measurement, Outcome, Stage, Trust};
use sharpeyes::ingest::{Credential, LookRequest, Sight, look_once};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

pub(super) fn admin(password: &str) -> Credential {
    Credential { name: "camera".into(), username: "admin".into(), password: password.into() }
}

pub(super) fn deadlines() -> Deadlines {
    Settings::default().watch.deadlines
}

/// Looks once.
pub(super) async fn look(
    url: &str,
    credential: Option<&Credential>,
    deadlines: &Deadlines,
    window: Duration,
) -> Sight {
    let stream: StreamUrl = url.parse().unwrap();
    let (trust, pictures) = (Trust::Authority, None);
    let request =
        LookRequest { stream: &stream, credential, deadlines, window, pictures, trust, puller: None };
    look_once(&request, &Clock::system(), &CancellationToken::new()).await
}

/// The measurement of a good look.
#[track_caller]
pub(super) fn measured(sight: &Sight) -> &Measurement {
    match &sight.outcome {
        Outcome::Video(measured) => measured,
        other => panic!("no video: {other:?}"),
    }
}

/// Stage, cause and status of a failed look.
#[track_caller]
pub(super) fn failed(sight: &Sight) -> (Stage, Cause, Option<u16>) {
    match &sight.outcome {
        Outcome::Failed(failure) => (failure.stage, failure.cause.clone(), failure.status),
        other => panic!("no failure: {other:?}"),
    }
}

#[track_caller]
pub(super) fn assert_agrees(measured: &Measurement, probed: &Probed) {
    assert_eq!(measured.codec.as_str(), probed.codec);
    assert_eq!(measured.size.map(|(width, height)| (u64::from(width), u64::from(height))), Some(probed.size));
    let rate = measured.frames_per_second();
    assert!((rate - probed.rate).abs() < 0.1 * probed.rate, "ours {rate}, ffprobe's {}", probed.rate);
    assert_eq!(measured.lost_packets, 0);
}

#[tokio::test]
async fn codec_size_and_rate_equal_those_of_ffprobe() {
    let server = Server::gst("open");
    for path in ["/h264", "/h265", "/av"] {
        let url = server.url(path);
        let sight = look(&url, None, &deadlines(), Duration::from_secs(3)).await;
        let probed = tokio::task::spawn_blocking(move || ffprobe(&url, Carrier::Tcp, 3)).await.unwrap();
        let measured = measured(&sight);
        assert_agrees(measured, &probed);
        assert_eq!(measured.gop_frames, probed.group, "{path}");
        for stage in Stage::ALL.into_iter().filter(|stage| *stage != Stage::Tls) {
            assert!(sight.stages.of(stage).is_some(), "{path} took no time at {stage}");
        }
    }
}

#[tokio::test]
async fn basic_and_digest_logins_work_and_a_missing_or_wrong_one_is_named() {
    for mode in ["basic", "digest"] {
        let server = Server::gst(mode);
        let url = server.url("/h264");
        let window = Duration::from_secs(1);
        let good = look(&url, Some(&admin("pass 123!")), &deadlines(), window).await;
        assert!(measured(&good).frames > 5, "{mode}");
        let missing = look(&url, None, &deadlines(), window).await;
        assert_eq!(failed(&missing), (Stage::Describe, Cause::CredentialMissing, Some(401)), "{mode}");
        let wrong = look(&url, Some(&admin("12345")), &deadlines(), window).await;
        assert_eq!(failed(&wrong), (Stage::Describe, Cause::WrongCredential, Some(401)), "{mode}");
    }
}

#[tokio::test]
async fn open_group_h265_has_the_key_frame_interval_of_ffprobe() {
    let server = Server::gst("open");
    let url = server.url("/opengop");
    let sight = look(&url, None, &deadlines(), Duration::from_secs(4)).await;
    let probed = tokio::task::spawn_blocking(move || ffprobe(&url, Carrier::Tcp, 4)).await.unwrap();
    let measured = measured(&sight);
    assert_agrees(measured, &probed);
    assert!(measured.key_frames >= 3, "{measured:?}");
    assert_eq!(measured.gop_frames, probed.group);
    let interval = measured.gop_time.unwrap().as_secs_f64();
    assert!((0.7..1.4).contains(&interval), "ten pictures at ten per second: {interval} s");
}

#[tokio::test]
async fn servers_that_serve_udp_only_refuse_the_plain_way() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let clip = clip(folder.path());
    let window = Duration::from_secs(1);

    let vlc = Server::vlc(&clip, folder.path());
    let sight = look_until_served(&vlc.url("/cam"), window).await;
    assert_eq!(failed(&sight), (Stage::Setup, Cause::TransportRefused, Some(461)));

    let perl = Server::perl(&clip);
    let sight = look_until_served(&perl.url("/cam"), window).await;
    assert_eq!(failed(&sight), (Stage::Setup, Cause::TransportRefused, Some(400)));
}

/// Looks again while the server has no stream yet.
pub(super) async fn look_until_served(url: &str, window: Duration) -> Sight {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let sight = look(url, None, &deadlines(), window).await;
        let has_no_stream_yet =
            matches!(failed(&sight), (Stage::Describe, Cause::StreamNotFound | Cause::RtspError, _));
        if !has_no_stream_yet || Instant::now() > deadline {
            return sight;
        }
    }
}

#[tokio::test]
async fn a_stopped_server_is_stalled_within_our_own_limit() {
    let server = Server::gst("open");
    let url = server.url("/h264");
    let deadlines = Deadlines { frame_gap: Duration::from_secs(1), ..deadlines() };
    let began = Instant::now();
    let watched = look(&url, None, &deadlines, Duration::from_secs(60));
    let stopped = async {
        // The look is playing once the server's other client has seen a second of video.
        look(&url, None, &deadlines, Duration::from_secs(1)).await;
        server.signal("STOP");
        Instant::now()
    };
    let (sight, stopped) = tokio::join!(watched, stopped);
    assert_eq!(failed(&sight), (Stage::Measure, Cause::Stalled, None));
    assert!(
        stopped.elapsed() < Duration::from_secs(8),
        "{:?} after the stop, {:?} in all",
        stopped.elapsed(),
        began.elapsed()
    );
    let Outcome::Failed(failure) = &sight.outcome else { unreachable!() };
    assert!(failure.measured.as_ref().unwrap().frames > 0, "what came before the stall is kept");
}

#[tokio::test]
async fn a_missing_stream_is_not_found() {
    let server = Server::gst("open");
    let sight = look(&server.url("/nothing"), None, &deadlines(), Duration::from_secs(1)).await;
    assert_eq!(failed(&sight), (Stage::Describe, Cause::StreamNotFound, Some(404)));
}
