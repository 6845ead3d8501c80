//! Single looks at a server that misbehaves on order.

use super::fake::{
    Answer, Counts, Fake, Flood, GROUP, Greeting, Media, Parameters, ReportClock, SIZE, STEP, Script,
};
use super::look::{admin, failed, look, measured};
use sharpeyes::clock::Clock;
use sharpeyes::config::Deadlines;
use sharpeyes::domain::point::StreamUrl;
use sharpeyes::domain::{Cause, ClockReading, Outcome, Stage, Trust};
use sharpeyes::ingest::{LookRequest, Sight, look_once};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Short deadlines, for servers that let them pass.
fn hasty() -> Deadlines {
    Deadlines {
        connect: millis(1_000),
        describe: millis(1_000),
        setup: millis(1_000),
        play: millis(1_000),
        first_packet: millis(1_000),
        first_key_frame: millis(1_500),
        frame_gap: millis(700),
    }
}

async fn sight(script: Script) -> Sight {
    sight_of_window(script, millis(600)).await
}

async fn sight_of_window(script: Script, window: Duration) -> Sight {
    let fake = Fake::start(script).await;
    look(&fake.url("cam"), None, &hasty(), window).await
}

fn media(change: impl FnOnce(&mut Media)) -> Script {
    let mut script = Script::default();
    change(&mut script.media);
    script
}

#[tokio::test]
async fn a_good_stream_is_measured() {
    let sight = sight(media(|media| media.lose_every = 10)).await;
    let measured = measured(&sight);
    assert_eq!(measured.size, Some(SIZE));
    // Every second group lacks its last picture; which of them took longest is chance.
    assert!(
        matches!(measured.gop_frames, Some(frames) if frames == GROUP || frames == GROUP - 1),
        "{measured:?}"
    );
    assert!(measured.lost_packets >= 2 && measured.lost_over_sent() < 0.2, "{measured:?}");
    let rate = measured.frames_per_second();
    assert!((35.0..50.0).contains(&rate), "50 per second less every tenth: {rate}");
    assert_eq!(measured.declared.server.as_deref(), Some("fake/1"));
    let ClockReading::ErrorMs(error) = measured.clock else { panic!("{:?}", measured.clock) };
    assert!((-1_500..=500).contains(&error), "whole seconds are sent: {error}");
}

#[tokio::test]
async fn what_does_not_answer_as_an_rtsp_server_is_told_apart() {
    let check = async |greeting, expected: Cause| {
        let sight = sight(Script { greeting, ..Script::default() }).await;
        assert_eq!(failed(&sight), (Stage::Options, expected, None), "{greeting:?}");
    };
    check(Greeting::Silence, Cause::RtspTimeout).await;
    check(Greeting::Garbage, Cause::NotRtsp).await;
    check(Greeting::Close, Cause::ConnectionLost).await;
    let refused = look("rtsp://127.0.0.1:9/cam", None, &hasty(), STEP).await;
    assert_eq!(failed(&refused), (Stage::Connect, Cause::ConnectRefused, None));
}

#[tokio::test]
async fn a_status_gives_the_cause_of_its_stage() {
    let check = async |method, status, stage, expected: Cause| {
        let answer = Answer { hold: Duration::ZERO, status };
        let sight = sight(Script { answers: [(method, answer)].into(), ..Script::default() }).await;
        assert_eq!(failed(&sight), (stage, expected, Some(status)), "{method}");
    };
    check("DESCRIBE", 302, Stage::Describe, Cause::Redirected).await;
    check("DESCRIBE", 403, Stage::Describe, Cause::Forbidden).await;
    check("DESCRIBE", 404, Stage::Describe, Cause::StreamNotFound).await;
    check("DESCRIBE", 453, Stage::Describe, Cause::SessionLimit).await;
    check("DESCRIBE", 500, Stage::Describe, Cause::RtspError).await;
    check("SETUP", 461, Stage::Setup, Cause::TransportRefused).await;
    check("SETUP", 453, Stage::Setup, Cause::SessionLimit).await;
    check("PLAY", 503, Stage::Play, Cause::SessionLimit).await;
}

#[tokio::test]
async fn a_held_answer_is_waited_for_up_to_the_deadline() {
    let answer = Answer { hold: millis(1_500), status: 404 };
    let script = Script { answers: [("DESCRIBE", answer)].into(), ..Script::default() };
    let fake = Fake::start(script).await;
    let check = async |describe, expected| {
        let deadlines = Deadlines { describe, ..hasty() };
        let sight = look(&fake.url("cam"), None, &deadlines, STEP).await;
        assert_eq!(failed(&sight), expected);
    };
    check(millis(600), (Stage::Describe, Cause::RequestUnanswered, None)).await;
    check(millis(8_000), (Stage::Describe, Cause::StreamNotFound, Some(404))).await;
}

#[tokio::test]
async fn a_playing_stream_fails_by_what_it_lacks() {
    let check = async |script, expected| {
        let sight = sight_of_window(script, millis(5_000)).await;
        assert_eq!(failed(&sight), expected);
    };
    let described = Parameters::TrailingSemicolon;
    let (packet, key_frame) = (Stage::FirstPacket, Stage::FirstKeyFrame);
    check(media(|media| media.silent_after = 0), (packet, Cause::NoPackets, None)).await;
    check(media(|media| media.key_frames = false), (key_frame, Cause::NoKeyFrame, None)).await;
    check(media(|media| media.silent_after = 10), (Stage::Measure, Cause::Stalled, None)).await;
    check(media(|media| media.close_after = 10), (Stage::Measure, Cause::ConnectionLost, None)).await;
    let reset = |after| media(|media| (media.close_after, media.resets) = (after, true));
    check(reset(10), (Stage::Measure, Cause::ConnectionLost, None)).await;
    check(reset(0), (packet, Cause::NoPackets, None)).await;
    check(media(|media| media.new_source_after = 10), (Stage::Measure, Cause::BadStream, None)).await;
    let without = Script { parameters: described, ..Script::default() };
    check(without, (key_frame, Cause::NoParameters, None)).await;
}

/// The library has no limit: what it took in would only end with the memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_without_an_end_ends_the_look_at_once() {
    // As many reads as one poll has, each of all that the largest socket buffer holds.
    const MOST_TAKEN: usize = 128 * 1024 * 1024;
    let check = async |script, expected: (Stage, Cause, Option<u16>)| {
        let fake = Fake::start(script).await;
        let patient = Deadlines {
            describe: millis(60_000),
            play: millis(60_000),
            frame_gap: millis(60_000),
            ..hasty()
        };
        let sight = look(&fake.url("cam"), None, &patient, millis(60_000)).await;
        assert_eq!(failed(&sight), expected);
        let end = Instant::now() + millis(20_000);
        while Counts::of(&fake.counts.cut_off) == 0 {
            assert!(Instant::now() < end, "{expected:?}: the connection is still open");
            tokio::time::sleep(STEP).await;
        }
        let taken = Counts::of(&fake.counts.flooded);
        assert!(taken < MOST_TAKEN, "{expected:?}: {taken} bytes");
    };
    let answer = |method, flood| Script { floods: [(method, flood)].into(), ..Script::default() };
    check(answer("OPTIONS", Flood::Header), (Stage::Options, Cause::NotRtsp, None)).await;
    check(answer("DESCRIBE", Flood::Header), (Stage::Describe, Cause::NotRtsp, None)).await;
    check(answer("DESCRIBE", Flood::Body), (Stage::Describe, Cause::NotRtsp, None)).await;
    check(answer("SETUP", Flood::Header), (Stage::Setup, Cause::NotRtsp, None)).await;
    check(answer("PLAY", Flood::Header), (Stage::Play, Cause::NotRtsp, None)).await;
    check(media(|media| media.flood_after = 0), (Stage::FirstPacket, Cause::BadStream, None)).await;
    check(media(|media| media.flood_after = 8), (Stage::Measure, Cause::BadStream, None)).await;
}

#[tokio::test]
async fn parameters_that_come_only_in_band_are_found() {
    for parameters in [Parameters::Missing, Parameters::TrailingSemicolon] {
        let script = Script { parameters, ..media(|media| media.in_band_parameters = true) };
        let sight = sight(script).await;
        assert_eq!(
            (measured(&sight).size, measured(&sight).declared.size),
            (Some(SIZE), None),
            "{parameters:?}"
        );
    }
}

#[tokio::test]
async fn a_burst_of_old_pictures_does_not_raise_the_rate() {
    let sight = sight(media(|media| media.burst = 60)).await;
    let rate = measured(&sight).frames_per_second();
    assert!((40.0..56.0).contains(&rate), "{rate}");
}

#[tokio::test]
async fn the_device_clock_is_read_from_sender_reports() {
    let clock_of = async |clock| measured(&sight(media(|media| media.clock = clock)).await).clock;
    let ClockReading::ErrorMs(error) = clock_of(ReportClock::Offset(37)).await else { panic!("no reading") };
    assert!((35_500..=37_500).contains(&error), "{error}");
    assert_eq!(clock_of(ReportClock::Uptime).await, ClockReading::NotAWallClock);
}

#[tokio::test]
async fn every_session_is_torn_down_also_when_the_look_is_cancelled() {
    let fake = Fake::start(Script::default()).await;
    let stream: StreamUrl = fake.url("cam").parse().unwrap();
    let deadlines = hasty();
    look(stream.as_str(), None, &deadlines, millis(200)).await;
    assert_eq!(Counts::of(&fake.counts.teardowns), 1);

    let cancel = CancellationToken::new();
    let request = LookRequest {
        stream: &stream,
        credential: None,
        deadlines: &deadlines,
        window: millis(60_000),
        pictures: None,
        trust: Trust::Authority,
        puller: None,
    };
    let cancelled = async {
        wait_until(|| Counts::of(&fake.counts.plays) == 2).await;
        cancel.cancel();
    };
    let clock = Clock::system();
    let (sight, ()) = tokio::join!(look_once(&request, &clock, &cancel), cancelled);
    assert_eq!(sight.outcome, Outcome::NotLooked(Cause::Backlog));
    assert_eq!((Counts::of(&fake.counts.teardowns), Counts::of(&fake.counts.playing)), (2, 0));
}

#[tokio::test]
async fn a_wrong_password_costs_one_more_login_and_no_third() {
    let fake = Fake::start(Script { needs_login: true, ..Script::default() }).await;
    let sight = look(&fake.url("cam"), Some(&admin("wrong")), &hasty(), STEP).await;
    assert_eq!(failed(&sight), (Stage::Describe, Cause::WrongCredential, Some(401)));
    // The connect that proves the way, and two sessions of a challenge and an answer each.
    assert_eq!((Counts::of(&fake.counts.connections), Counts::of(&fake.counts.describes)), (3, 4));
    let sight = look(&fake.url("cam"), Some(&admin("secret")), &hasty(), millis(200)).await;
    assert!(measured(&sight).frames > 0);
}

/// Waits for a condition; gives up loudly after ten seconds.
pub(super) async fn wait_until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "the condition did not come true");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
