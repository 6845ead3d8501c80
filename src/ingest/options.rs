//! Our own OPTIONS request on the connection that proves the device reachable.
//!
//! The RTSP library hides whether a peer closed, stayed silent or spoke something else; here the three are told
//! apart before it is asked for anything. The answer's status does not matter: even a 401 proves an RTSP server.

use crate::domain::answer::{cause_of_break, cause_of_silence};
use crate::domain::point::StreamUrl;
use crate::domain::{Cause, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest header that is read; real ones have a few hundred bytes.
const LONGEST_ANSWER: usize = 16 * 1024;

/// What is skipped of a stale session before its answer is given up: more than a main stream of 4 Mbit/s brings within
/// the deadline. The largest frame (64 KiB) is well below it.
const MOST_SKIPPED: usize = 8 * 1024 * 1024;

/// A `Server` header or tool line is kept up to here; it is stored with every look and shown.
const LONGEST_SERVER: usize = 128;

/// What we call ourselves; some cameras refuse requests without it.
pub(super) const USER_AGENT: &str = concat!("sharpeyes/", env!("CARGO_PKG_VERSION"));

/// Asks and reads the answer. Gives the `Server` header, or why there was no answer.
pub(super) async fn ask(stream: &mut TcpStream, url: &StreamUrl) -> Result<Option<String>, Cause> {
    let lost = |_: std::io::Error| cause_of_break(Stage::Options);
    let request = format!("OPTIONS {url} RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: {USER_AGENT}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(lost)?;
    let mut received = Vec::with_capacity(1024);
    let mut skipped: usize = 0;
    loop {
        let frames = frames_length(&received);
        received.drain(..frames);
        skipped = skipped.saturating_add(frames);
        match read_answer(&received) {
            Reading::Answer { server } => return Ok(server),
            Reading::NotRtsp => return Err(Cause::NotRtsp),
            Reading::Frame if skipped > MOST_SKIPPED => return Err(cause_of_silence(Stage::Options)),
            Reading::Incomplete if received.len() > LONGEST_ANSWER => return Err(Cause::NotRtsp),
            Reading::Frame | Reading::Incomplete => {}
        }
        if stream.read_buf(&mut received).await.map_err(lost)? == 0 {
            return Err(if received.is_empty() { cause_of_break(Stage::Options) } else { Cause::NotRtsp });
        }
    }
}

/// What the bytes received so far are.
#[derive(Debug, PartialEq, Eq)]
enum Reading {
    Incomplete,
    /// The beginning of an interleaved frame.
    Frame,
    NotRtsp,
    Answer {
        server: Option<String>,
    },
}

/// Length of the whole interleaved frames that the bytes begin with: old live555 servers send those of a stale session
/// on any new connection.
fn frames_length(received: &[u8]) -> usize {
    let mut rest = received;
    while let [b'$', _channel, high, low, behind @ ..] = rest {
        match behind.get(usize::from(u16::from_be_bytes([*high, *low]))..) {
            Some(behind) => rest = behind,
            None => break,
        }
    }
    received.len() - rest.len()
}

/// Reads the head of an RTSP answer.
fn read_answer(received: &[u8]) -> Reading {
    let magic = b"RTSP/";
    let text = received.trim_ascii_start();
    if received.first() == Some(&b'$') {
        return Reading::Frame;
    }
    if !text.iter().zip(magic).all(|(byte, expected)| byte == expected) {
        return Reading::NotRtsp;
    }
    match find(text, b"\r\n\r\n").or_else(|| find(text, b"\n\n")) {
        Some(length) => Reading::Answer { server: text.get(..length).and_then(server_header) },
        None => Reading::Incomplete,
    }
}

/// What a device calls itself, up to a length that fits into a list. Characters that steer a terminal are left out.
pub(super) fn shortened(server: &str) -> String {
    server.chars().filter(|char| !char.is_control()).take(LONGEST_SERVER).collect()
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn server_header(head: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(head);
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let value = value.trim();
        (name.trim().eq_ignore_ascii_case("server") && !value.is_empty()).then(|| shortened(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop, proptest};
    use tokio::net::TcpListener;

    fn answer(server: Option<&str>) -> Reading {
        Reading::Answer { server: server.map(str::to_owned) }
    }

    #[test]
    fn an_answer_is_told_from_silence_and_from_other_protocols() {
        let check = |received: &[u8], expected| {
            let read = read_answer(&received[frames_length(received)..]);
            assert_eq!(read, expected, "{}", String::from_utf8_lossy(received));
        };
        check(b"", Reading::Incomplete);
        check(b"RTS", Reading::Incomplete);
        check(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n", Reading::Incomplete);
        check(b"RTSP/1.0 200 OK\r\nserver:  Hik/1.0 \r\nCSeq: 1\r\n\r\n", answer(Some("Hik/1.0")));
        check(b"RTSP/1.0 401 Unauthorized\nCSeq: 1\n\n", answer(None));
        check(b"\r\nRTSP/1.0 200 OK\r\n\r\n", answer(None));
        check(b"HTTP/1.1 400 Bad Request\r\n\r\n", Reading::NotRtsp);
        check(b"SSH-2.0-OpenSSH_9.2\r\n", Reading::NotRtsp);
        // A frame of somebody's stale session, whole and cut.
        check(b"$\x00\x00\x03abcRTSP/1.0 200 OK\r\n\r\n", answer(None));
        check(b"$\x00\x00\x05ab", Reading::Frame);
        check(b"$\x00", Reading::Frame);
    }

    #[test]
    fn a_device_cannot_call_itself_an_endless_name() {
        let head = format!("RTSP/1.0 200 OK\r\nServer: {}\r\n\r\n", "摄".repeat(200));
        assert_eq!(read_answer(head.as_bytes()), answer(Some(&"摄".repeat(128))));
        let head = b"RTSP/1.0 200 OK\r\nServer: \x1b[31mHik\x07\r\n\r\n";
        assert_eq!(read_answer(head), answer(Some("[31mHik")));
    }

    /// Answers after so many frames of a stale session, each of 1000 bytes.
    async fn asked_behind(frame_count: usize) -> Result<Option<String>, Cause> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            let (mut peer, _) = listener.accept().await.unwrap();
            assert!(peer.read(&mut [0; 1_024]).await.unwrap() > 0);
            let frame = [&b"$\x00\x03\xe8"[..], &[0x80; 1_000]].concat();
            for _ in 0..frame_count {
                // Whoever gives up closes, and the rest cannot be written.
                if peer.write_all(&frame).await.is_err() {
                    return;
                }
            }
            peer.write_all(b"RTSP/1.0 200 OK\r\nServer: old\r\n\r\n").await.unwrap();
        };
        let client = async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            ask(&mut stream, &format!("rtsp://{address}/").parse().unwrap()).await
        };
        tokio::join!(server, client).1
    }

    #[tokio::test]
    async fn the_frames_of_a_stale_session_are_skipped_within_bounds() {
        assert_eq!(asked_behind(400).await, Ok(Some("old".to_owned())), "400 kB");
        assert_eq!(asked_behind(10_000).await, Err(Cause::RtspTimeout), "10 MB");
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(received in prop::collection::vec(any::<u8>(), 0..200)) {
            assert!(frames_length(&received) <= received.len());
            read_answer(&received);
        }
    }
}
