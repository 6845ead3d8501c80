//! The text of an RTSP dialogue (RFC 2326) as far as a relay needs it: where one piece ends, and whose address it holds.

use std::ops::Range;

/// Longest head of a message; real ones are below 2 KiB.
const LONGEST_HEAD: usize = 16 * 1024;
/// First byte of an interleaved frame (RFC 2326 section 10.12): `$`, channel, two bytes of length.
const INTERLEAVED: u8 = b'$';

/// What begins a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Not yet whole.
    Partial,
    /// An RTP or RTCP packet: its channel and where its bytes are.
    Frame(u8, Range<usize>),
    /// A request or answer: length of its head (with the empty line) and of the whole.
    Message(usize, usize),
    /// Neither.
    Broken,
}

/// Looks at the beginning of a buffer.
pub(crate) fn first_piece(buffer: &[u8]) -> Piece {
    match *buffer {
        [] | [INTERLEAVED] | [INTERLEAVED, _] | [INTERLEAVED, _, _] => Piece::Partial,
        [INTERLEAVED, channel, high, low, ..] => {
            let end = 4 + usize::from(u16::from_be_bytes([high, low]));
            if buffer.len() < end { Piece::Partial } else { Piece::Frame(channel, 4..end) }
        }
        [first, ..] if first.is_ascii_uppercase() => first_message(buffer),
        _ => Piece::Broken,
    }
}

fn first_message(buffer: &[u8]) -> Piece {
    let Some(head) = buffer.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4) else {
        return if buffer.len() > LONGEST_HEAD { Piece::Broken } else { Piece::Partial };
    };
    let text = buffer.get(..head).map(String::from_utf8_lossy).unwrap_or_default();
    let body = header(&text, "content-length").and_then(|value| value.parse::<usize>().ok()).unwrap_or(0);
    let whole = head.saturating_add(body);
    if buffer.len() < whole { Piece::Partial } else { Piece::Message(head, whole) }
}

/// The value of a header.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// Method and address of a request.
pub(crate) fn request_line(head: &str) -> Option<(&str, &str)> {
    let mut words = head.lines().next()?.split(' ');
    let (method, uri) = (words.next()?, words.next()?);
    words.next()?.starts_with("RTSP/").then_some((method, uri))
}

/// Path and query of an address, without a trailing slash.
pub(crate) fn path_of(uri: &str) -> Option<&str> {
    let (_scheme, rest) = uri.split_once("://")?;
    Some(rest.get(rest.find('/')?..)?.trim_end_matches('/'))
}

/// Turns the address of a request from `outside` to `inside`.
pub(crate) fn turn_request(head: &str, outside: &str, inside: &str) -> String {
    head.replacen(outside, inside, 1)
}

/// Turns every address in the head of an answer from `inside` to `outside`.
pub(crate) fn turn_answer(head: &str, inside: &str, outside: &str) -> String {
    head.replace(inside, outside)
}

/// Makes the answer to a digest challenge wrong, as a changed password would.
pub(crate) fn spoil_authorization(head: &str) -> String {
    const FIELD: &str = "response=\"";
    let Some(at) = head.find(FIELD).map(|at| at + FIELD.len()) else { return head.to_owned() };
    let (before, after) = head.split_at(at);
    let mut digits = after.chars();
    let wrong = if digits.next() == Some('0') { '1' } else { '0' };
    format!("{before}{wrong}{}", digits.as_str())
}

/// The answer of a device that has no session left.
pub(crate) fn no_session_left(head: &str) -> String {
    let sequence = header(head, "cseq").unwrap_or("0");
    format!("RTSP/1.0 453 Not Enough Bandwidth\r\nCSeq: {sequence}\r\n\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SETUP: &str = "SETUP rtsp://127.1.2.3:8554/cam?x=1/stream=0 RTSP/1.0\r\nCSeq: 4\r\n\
                         Authorization: Digest username=\"a\", response=\"0123\"\r\n\r\n";

    #[test]
    fn pieces_end_where_they_end() {
        let check = |buffer: &[u8], expected| assert_eq!(first_piece(buffer), expected, "{buffer:?}");
        check(b"", Piece::Partial);
        check(b"$\x01\x00\x02ab$", Piece::Frame(1, 4..6));
        check(b"$\x01\x00\x02a", Piece::Partial);
        check(b"RTSP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabcRTSP", Piece::Message(38, 41));
        check(b"RTSP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nab", Piece::Partial);
        check(SETUP.as_bytes(), Piece::Message(SETUP.len(), SETUP.len()));
        check(b"\x16\x03\x01", Piece::Broken);
    }

    #[test]
    fn a_request_tells_method_address_and_path() {
        assert_eq!(request_line(SETUP), Some(("SETUP", "rtsp://127.1.2.3:8554/cam?x=1/stream=0")));
        assert_eq!(path_of("rtsp://127.1.2.3:8554/cam?x=1/"), Some("/cam?x=1"));
        assert_eq!(path_of("*"), None);
        assert_eq!(request_line("GET / HTTP/1.1\r\n\r\n"), None);
    }

    #[test]
    fn addresses_turn_and_turn_back() {
        let (outside, inside) = ("rtsp://127.1.2.3:8554/cam?x=1", "rtsp://127.0.0.1:9/m/07");
        let turned = turn_request(SETUP, outside, inside);
        assert!(turned.starts_with("SETUP rtsp://127.0.0.1:9/m/07/stream=0 RTSP/1.0"));
        assert_eq!(turn_answer(&turned, inside, outside), SETUP);
    }

    #[test]
    fn a_spoilt_authorization_is_wrong_and_as_long() {
        let spoilt = spoil_authorization(SETUP);
        assert!(spoilt.contains("response=\"1123\""));
        assert_eq!(spoilt.len(), SETUP.len());
        assert_eq!(spoil_authorization("OPTIONS * RTSP/1.0\r\n\r\n"), "OPTIONS * RTSP/1.0\r\n\r\n");
    }

    #[test]
    fn the_refusal_answers_the_request() {
        assert!(no_session_left(SETUP).contains("453 Not Enough Bandwidth\r\nCSeq: 4\r\n"));
    }

    proptest! {
        #[test]
        fn no_buffer_is_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Piece::Frame(_, range) = first_piece(&bytes) {
                prop_assert!(range.end <= bytes.len());
            }
        }
    }
}
