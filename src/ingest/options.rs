//! Our own OPTIONS request on the connection that proves the device reachable.
//!
//! The RTSP library hides whether a peer closed, stayed silent or spoke something else; here the three are told
//! apart before it is asked for anything. The answer's status does not matter: even a 401 proves an RTSP server.

use crate::domain::point::StreamUrl;
use crate::domain::{Cause, Stage, answer::cause_of_break};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest header that is read; real ones have a few hundred bytes.
const LONGEST_ANSWER: usize = 16 * 1024;

/// What we call ourselves; some cameras refuse requests without it.
pub(super) const USER_AGENT: &str = concat!("sharpeyes/", env!("CARGO_PKG_VERSION"));

/// Asks and reads the answer. Gives the `Server` header, or why there was no answer.
pub(super) async fn ask(stream: &mut TcpStream, url: &StreamUrl) -> Result<Option<String>, Cause> {
    let lost = |_: std::io::Error| cause_of_break(Stage::Options);
    let request = format!("OPTIONS {url} RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: {USER_AGENT}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(lost)?;
    let mut received = Vec::with_capacity(1024);
    loop {
        match read_answer(&received) {
            Reading::Answer { server } => return Ok(server),
            Reading::NotRtsp => return Err(Cause::NotRtsp),
            Reading::Incomplete if received.len() > LONGEST_ANSWER => return Err(Cause::NotRtsp),
            Reading::Incomplete => {}
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
    NotRtsp,
    Answer { server: Option<String> },
}

/// Reads the head of an RTSP answer. Interleaved frames before it are skipped: old live555 servers send those of a
/// stale session on any new connection.
fn read_answer(received: &[u8]) -> Reading {
    let mut rest = received;
    while let [b'$', _channel, high, low, behind @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        match behind.get(length..) {
            Some(behind) => rest = behind,
            None => return Reading::Incomplete,
        }
    }
    let rest = rest.trim_ascii_start();
    let magic = b"RTSP/";
    if rest.first() != Some(&b'$') && !rest.iter().zip(magic).all(|(byte, expected)| byte == expected) {
        return Reading::NotRtsp;
    }
    match find(rest, b"\r\n\r\n").or_else(|| find(rest, b"\n\n")) {
        Some(length) => Reading::Answer { server: rest.get(..length).and_then(server_header) },
        None => Reading::Incomplete,
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn server_header(head: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(head);
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let value = value.trim();
        (name.trim().eq_ignore_ascii_case("server") && !value.is_empty()).then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop, proptest};

    fn answer(server: Option<&str>) -> Reading {
        Reading::Answer { server: server.map(str::to_owned) }
    }

    #[test]
    fn an_answer_is_told_from_silence_and_from_other_protocols() {
        let check = |received: &[u8], expected| {
            assert_eq!(read_answer(received), expected, "{}", String::from_utf8_lossy(received));
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
        check(b"$\x00\x00\x05ab", Reading::Incomplete);
        check(b"$\x00", Reading::Incomplete);
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(received in prop::collection::vec(any::<u8>(), 0..200)) {
            read_answer(&received);
        }
    }
}
