//! The captured camera dialogues that lie in the retina crate, replayed: no panic, no hang, the right media.
//!
//! They are read from the cargo registry when the test runs; nothing is copied. Expected values are those of the
//! crate's own tests and of the captures' texts.

use super::look::{admin, failed, look, measured};
use serde_json::Value;
use sharpeyes::config::Deadlines;
use sharpeyes::domain::{Cause, Codec, Outcome, Stage, sps};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn deadlines() -> Deadlines {
    let short = millis(3_000);
    Deadlines {
        connect: short,
        describe: short,
        setup: short,
        play: short,
        first_packet: short,
        first_key_frame: short,
        frame_gap: short,
    }
}

/// Every capture by name.
fn captures() -> Vec<(String, Vec<u8>)> {
    // Without the filter cargo wants the packages of every other platform too.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", &platform])
        .arg("--manifest-path")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let retina = packages.iter().find(|package| package["name"] == "retina").unwrap();
    let manifest = PathBuf::from(retina["manifest_path"].as_str().unwrap());
    let folder = manifest.with_file_name("src").join("client/testdata");
    let mut captures: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap())
        })
        .collect();
    captures.sort();
    captures
}

/// What is answered to each method; `None` gives a plain 200.
#[derive(Clone, Default)]
struct Dialogue {
    options: Option<Vec<u8>>,
    describe: Option<Vec<u8>>,
    setup: Option<Vec<u8>>,
    play: Option<Vec<u8>>,
    teardown: Option<Vec<u8>>,
    codec: Option<Codec>,
}

/// Serves a dialogue, and after PLAY some pictures of its codec.
async fn replay(dialogue: Dialogue) -> (u16, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let dialogue = Arc::new(dialogue);
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(stream, Arc::clone(&dialogue)));
        }
    });
    (port, serving)
}

async fn serve(stream: TcpStream, dialogue: Arc<Dialogue>) {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    let (mut method, mut cseq) = (String::new(), String::new());
    while let Ok(Some(line)) = lines.next_line().await {
        if method.is_empty() {
            method = line.split(' ').next().unwrap_or_default().to_owned();
        } else if let Some(value) = line.strip_prefix("CSeq: ") {
            cseq = value.to_owned();
        }
        if !line.is_empty() {
            continue;
        }
        let captured = match method.as_str() {
            "OPTIONS" => &dialogue.options,
            "DESCRIBE" => &dialogue.describe,
            "SETUP" => &dialogue.setup,
            "PLAY" => &dialogue.play,
            "TEARDOWN" => &dialogue.teardown,
            _ => &None,
        };
        let plain = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nSession: 1\r\n\r\n".to_vec();
        let answer = with_cseq(captured.as_ref().unwrap_or(&plain), &cseq);
        let Ok(()) = writer.write_all(&answer).await else { return };
        if method == "PLAY"
            && let Some(codec) = dialogue.codec
        {
            let (channel, source) = transport_of(dialogue.setup.as_ref().unwrap_or(&plain));
            for index in 0..20_u16 {
                let picture = picture(codec, index, channel, source);
                let Ok(()) = writer.write_all(&picture).await else { return };
                tokio::time::sleep(millis(10)).await;
            }
        }
        method.clear();
    }
}

/// Puts the request's number into a captured answer, whatever the maker's spelling of the header.
fn with_cseq(captured: &[u8], cseq: &str) -> Vec<u8> {
    let head_length = captured.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(captured[..head_length].to_vec()).unwrap();
    let mut answer: String =
        head.split_inclusive("\r\n").filter(|line| !line.to_ascii_lowercase().starts_with("cseq:")).collect();
    answer.insert_str(answer.find("\r\n").unwrap() + 2, &format!("CSeq: {cseq}\r\n"));
    [answer.as_bytes(), &captured[head_length..]].concat()
}

/// Interleaved channel and SSRC of a SETUP answer.
fn transport_of(setup: &[u8]) -> (u8, u32) {
    let text = String::from_utf8_lossy(setup).into_owned();
    let field = |name: &str| {
        let (_, behind) = text.split_once(name)?;
        Some(
            behind
                .trim()
                .trim_start_matches("0x")
                .chars()
                .take_while(char::is_ascii_hexdigit)
                .collect::<String>(),
        )
    };
    let channel = field("interleaved=").and_then(|text| text.parse().ok()).unwrap_or(0);
    let source = field("ssrc=").and_then(|text| u32::from_str_radix(&text, 16).ok()).unwrap_or(7);
    (channel, source)
}

fn picture(codec: Codec, index: u16, channel: u8, source: u32) -> Vec<u8> {
    let payload: &[u8] = match (codec, index.is_multiple_of(10)) {
        (Codec::H264, true) => &[0x65, 0x88, 0x84],
        (Codec::H264, false) => &[0x41, 0x9a, 0x24],
        // A CRA picture: random access that retina itself does not see.
        (_, true) => &[21 << 1, 1, 0x80, 0],
        (_, false) => &[1 << 1, 1, 0x80, 0],
    };
    let mut packet = vec![0x80, 0x80 | 96];
    packet.extend_from_slice(&index.to_be_bytes());
    packet.extend_from_slice(&(u32::from(index) * 900).to_be_bytes());
    packet.extend_from_slice(&source.to_be_bytes());
    packet.extend_from_slice(payload);
    let mut frame = vec![b'$', channel, 0, u8::try_from(packet.len()).unwrap()];
    frame.append(&mut packet);
    frame
}

/// A complete answer around a captured bare session description.
fn described(sdp: &[u8]) -> Vec<u8> {
    let head = format!(
        "RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Type: application/sdp\r\nContent-Base: rtsp://127.0.0.1/\r\nContent-Length: {}\r\n\r\n",
        sdp.len()
    );
    [head.as_bytes(), sdp].concat()
}

type Size = Option<(u32, u32)>;

/// Codec and size of every captured description. The sizes are those that the crate's tests assert.
const MEDIA: &[(&str, Codec, Size)] = &[
    ("anjvision_describe", Codec::H265, None),
    ("anpviz_sdp", Codec::H264, None),
    ("bunny_describe", Codec::H264, Some((240, 160))),
    ("dahua_describe_h264_aac_onvif", Codec::H264, Some((704, 480))),
    ("dahua_describe_h265_pcma", Codec::H265, None),
    ("foscam_describe", Codec::H264, Some((1280, 720))),
    ("geovision_sdp", Codec::H264, None),
    ("gw_main_describe", Codec::H264, None),
    ("gw_sub_describe", Codec::H264, None),
    ("h264dvr_describe", Codec::H264, None),
    ("hikvision_describe", Codec::H264, Some((1920, 1080))),
    ("ipcam_describe", Codec::H264, None),
    ("macrovideo_describe", Codec::H264, None),
    ("missing_content_type_describe", Codec::H264, None),
    ("reolink_describe", Codec::H264, Some((2560, 1440))),
    ("reolink_describe_control_first", Codec::H264, Some((2560, 1440))),
    ("tplink_sdp", Codec::H265, None),
    ("ubiquiti_sdp", Codec::H264, None),
    ("vstarcam_describe", Codec::H264, Some((1920, 1080))),
];

fn capture(captures: &[(String, Vec<u8>)], name: &str) -> Vec<u8> {
    let (_, bytes) = captures.iter().find(|(known, _)| known == name).unwrap();
    if name.ends_with("_sdp") { described(bytes) } else { bytes.clone() }
}

#[tokio::test]
async fn captured_descriptions_give_the_right_media() {
    let captures = captures();
    for (name, codec, size) in MEDIA {
        let maker = name.split('_').next().unwrap();
        let of_maker = |suffix: &str| {
            let name = format!("{maker}_{suffix}");
            captures.iter().find(|(known, _)| *known == name).map(|(_, bytes)| bytes.clone())
        };
        // The recorder of H264DVR was captured over UDP; its own answers are tried below.
        let setup = of_maker("setup").filter(|_| maker != "h264dvr");
        let dialogue = Dialogue {
            options: of_maker("options"),
            describe: Some(capture(&captures, name)),
            setup: Some(setup.unwrap_or_else(|| capture(&captures, "hikvision_setup"))),
            play: of_maker("play"),
            teardown: of_maker("teardown"),
            codec: Some(*codec),
        };
        let described = String::from_utf8_lossy(dialogue.describe.as_ref().unwrap()).into_owned();
        let (port, _serving) = replay(dialogue).await;
        let sight = look(&format!("rtsp://127.0.0.1:{port}/cam"), None, &deadlines(), millis(50)).await;
        let measured = measured(&sight);
        assert_eq!(measured.codec, *codec, "{name}");
        assert!(size.is_none() || measured.size == *size, "{name}: {:?}", measured.size);
        assert!(measured.size.is_some(), "{name}: parameters are described");
        assert_eq!(
            measured.size,
            described_size(*codec, &described),
            "{name}: our reading and retina's agree"
        );
        assert!(measured.key_frames > 0 && measured.lost_packets == 0, "{name}: {measured:?}");
    }
}

/// The size in the description's parameter sets, by our own parser.
fn described_size(codec: Codec, described: &str) -> Option<(u32, u32)> {
    let sets = |name: &str| {
        let (_, behind) = described.split_once(name)?;
        Some(behind.split([';', '\r', '\n']).next()?.trim().to_owned())
    };
    let unit = match codec {
        Codec::H264 => {
            sets("sprop-parameter-sets=")?.split(',').map(base64).find(|unit| unit[0] & 0x1f == 7)?
        }
        Codec::H265 | Codec::Mjpeg => base64(&sets("sprop-sps=")?),
    };
    sps::size_of(codec, &unit)
}

fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for digit in text.bytes().filter_map(|byte| DIGITS.iter().position(|digit| *digit == byte)) {
        bits = (bits << 6) | u32::try_from(digit).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).unwrap());
        }
    }
    bytes
}

#[tokio::test]
async fn every_other_capture_replays_to_a_precise_end() {
    let captures = captures();
    let described: BTreeSet<&str> = MEDIA.iter().map(|(name, ..)| *name).collect();
    for (name, bytes) in captures.iter().filter(|(name, _)| !described.contains(name.as_str())) {
        let mut dialogue = Dialogue {
            describe: Some(capture(&captures, "hikvision_describe")),
            setup: Some(capture(&captures, "hikvision_setup")),
            codec: Some(Codec::H264),
            ..Dialogue::default()
        };
        let replaced =
            match name.split('_').find(|part| ["options", "setup", "play", "teardown"].contains(part)) {
                Some("options") => &mut dialogue.options,
                Some("setup") => &mut dialogue.setup,
                Some("play") => &mut dialogue.play,
                Some("teardown") => &mut dialogue.teardown,
                _ if name == "bad_rtptime" => &mut dialogue.play,
                _ => &mut dialogue.describe,
            };
        *replaced = Some(bytes.clone());
        let (port, _serving) = replay(dialogue).await;
        let url = format!("rtsp://127.0.0.1:{port}/cam");
        let sight = look(&url, Some(&admin("12345")), &deadlines(), millis(50)).await;
        match name.as_str() {
            "longse_unauthorized" => {
                assert_eq!(failed(&sight), (Stage::Describe, Cause::WrongCredential, Some(401)), "{name}");
            }
            // Captured over UDP: the answer names ports instead of channels.
            "h264dvr_setup_audio" | "h264dvr_setup_video" | "luckfox_rkipc_setup_udp" => {
                assert_eq!(failed(&sight), (Stage::Setup, Cause::TransportRefused, None), "{name}");
            }
            _ => assert!(matches!(sight.outcome, Outcome::Video(_)), "{name}: {sight:?}"),
        }
    }
    assert!(captures.len() >= 46, "{} captures", captures.len());
}
