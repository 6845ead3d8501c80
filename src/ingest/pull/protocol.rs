//! What the service and a puller process say to each other over the pipes between them.
//!
//! Every message is a frame: its length in four bytes, its kind in one, then words as JSON, a packet or a report. The
//! service believes nothing: lengths are bounded, and what it cannot read ends the session.

use crate::domain::Stage;
use bytes::{Buf, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// An RTP packet has at most 64 KiB, a description with all its parameter sets is far below.
const LARGEST_FRAME: usize = 256 * 1024;

const WORD: u8 = 0;
const PACKET: u8 = 1;
const REPORT: u8 = 2;

/// What a puller is asked to do; its first and only input. What closes its input afterwards ends it.
#[derive(Serialize, Deserialize)]
pub(super) struct Request {
    /// The stream, without user and password.
    pub(super) address: String,
    pub(super) login: Option<LoginWords>,
    pub(super) carrier: Carrier,
    pub(super) trust: TrustWords,
    pub(super) goal: Goal,
    pub(super) user_agent: String,
}

impl Request {
    pub(super) fn is_encrypted(&self) -> bool {
        self.address.starts_with("rtsps:")
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct LoginWords {
    pub(super) user: String,
    pub(super) password: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Carrier {
    Tcp,
    Udp,
}

/// Whom the other end of a TLS connection may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum TrustWords {
    /// Whom an authority of the file vouches for; of the system where there is none.
    Authority(Option<PathBuf>),
    /// Who shows the certificate with this SHA-256.
    Pinned([u8; 32]),
    Anybody,
}

/// How far a session is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::ingest) enum Goal {
    /// Up to the description.
    Describe,
    /// Until it is told to end.
    Play,
}

/// A step of opening a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::ingest) enum Step {
    /// TCP connect, and TLS where there is.
    Connect,
    Options,
    Describe,
    Setup,
    Play,
}

impl Step {
    /// The stage of a look that the step belongs to: that a TCP connection comes about was found before.
    pub(in crate::ingest) const fn stage(self, is_encrypted: bool) -> Stage {
        match self {
            Self::Connect if is_encrypted => Stage::Tls,
            Self::Connect => Stage::Connect,
            Self::Options => Stage::Options,
            Self::Describe => Stage::Describe,
            Self::Setup => Stage::Setup,
            Self::Play => Stage::Play,
        }
    }
}

/// The video stream as the session description has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::ingest) struct Description {
    /// Name of the coding, in small letters.
    pub(in crate::ingest) encoding: String,
    pub(in crate::ingest) clock_rate: u32,
    pub(in crate::ingest) frames_per_second: Option<f64>,
    /// Annex B.
    pub(in crate::ingest) parameter_sets: Vec<u8>,
}

/// What a puller says beside packets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::ingest) enum Word {
    /// It cannot pull here: the reason, for people.
    Unavailable(String),
    /// It begins.
    Ready,
    /// A step begins.
    Step(Step),
    /// The device described its stream.
    Described(Description),
    /// It described none that we read.
    NoVideo,
    /// PLAY was answered.
    Playing,
    /// The device showed a certificate that is not believed: its SHA-256.
    Distrusted([u8; 32]),
    /// The session failed, with the status that the device answered.
    Failed(Option<u16>),
}

/// A frame from a puller.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::ingest) enum Frame {
    Word(Word),
    /// An RTP packet of the video stream.
    Packet(Bytes),
    /// NTP time of a sender report.
    Report(u64),
}

/// What came is no frame.
#[derive(Debug, thiserror::Error)]
#[error("the puller talks nonsense")]
pub(super) struct Garbled;

/// The head of a frame of `kind` with a body of `length`; what is too long is not sent.
fn head(kind: u8, length: usize) -> Option<[u8; 5]> {
    let length = u32::try_from(length.checked_add(1)?).ok().filter(|_| length < LARGEST_FRAME)?;
    let [a, b, c, d] = length.to_be_bytes();
    Some([a, b, c, d, kind])
}

/// A whole frame.
fn framed(kind: u8, body: &[u8]) -> Option<Vec<u8>> {
    Some([&head(kind, body.len())?, body].concat())
}

/// The frame of some words.
pub(super) fn words(word: &impl Serialize) -> Option<Vec<u8>> {
    framed(WORD, &serde_json::to_vec(word).ok()?)
}

/// The frame of a packet.
pub(super) fn packet(packet: &[u8]) -> Option<Vec<u8>> {
    framed(PACKET, packet)
}

/// The frame of a report.
pub(super) fn report(ntp: u64) -> Option<Vec<u8>> {
    framed(REPORT, &ntp.to_be_bytes())
}

/// Takes the next whole frame out of what was received.
pub(super) fn take_frame(received: &mut BytesMut) -> Result<Option<Frame>, Garbled> {
    let Some((kind, body)) = take_body(received)? else { return Ok(None) };
    match kind {
        WORD => {
            serde_json::from_slice(&body).map(|word| Some(Frame::Word(word))).map_err(|_not_ours| Garbled)
        }
        PACKET => Ok(Some(Frame::Packet(body))),
        REPORT => match body.first_chunk() {
            Some(ntp) => Ok(Some(Frame::Report(u64::from_be_bytes(*ntp)))),
            None => Err(Garbled),
        },
        _ => Err(Garbled),
    }
}

/// Takes the request.
pub(super) fn take_request(received: &mut BytesMut) -> Result<Option<Request>, Garbled> {
    let Some((_, body)) = take_body(received)? else { return Ok(None) };
    serde_json::from_slice(&body).map(Some).map_err(|_not_ours| Garbled)
}

fn take_body(received: &mut BytesMut) -> Result<Option<(u8, Bytes)>, Garbled> {
    let Some(([a, b, c, d, kind], _)) = received.split_first_chunk::<5>() else { return Ok(None) };
    let (length, kind) = (u32::from_be_bytes([*a, *b, *c, *d]), *kind);
    let length = usize::try_from(length).ok().filter(|length| (1..=LARGEST_FRAME).contains(length));
    let whole = length.ok_or(Garbled)? + 4;
    if received.len() < whole {
        return Ok(None);
    }
    let mut frame = received.split_to(whole).freeze();
    frame.advance(5);
    Ok(Some((kind, frame)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop, proptest};

    #[test]
    fn frames_come_out_as_they_went_in_however_they_are_cut() {
        let description = Description {
            encoding: "h264".to_owned(),
            clock_rate: 90_000,
            frames_per_second: Some(12.5),
            parameter_sets: vec![0, 0, 0, 1, 0x67],
        };
        let said =
            [Word::Ready, Word::Step(Step::Describe), Word::Described(description), Word::Failed(Some(461))];
        let mut stream: Vec<u8> = said.iter().flat_map(|word| words(word).unwrap()).collect();
        stream.extend(packet(&[0x80; 1_400]).unwrap());
        stream.extend(report(7).unwrap());
        let mut expected: Vec<Frame> = said.into_iter().map(Frame::Word).collect();
        expected.extend([Frame::Packet(Bytes::from(vec![0x80; 1_400])), Frame::Report(7)]);
        for cut in [1, 3, 1_000, stream.len()] {
            let (mut received, mut taken) = (BytesMut::new(), Vec::new());
            for piece in stream.chunks(cut) {
                received.extend_from_slice(piece);
                while let Some(frame) = take_frame(&mut received).unwrap() {
                    taken.push(frame);
                }
            }
            assert_eq!(taken, expected, "pieces of {cut}");
        }
    }

    #[test]
    fn what_is_too_long_is_neither_sent_nor_believed() {
        assert_eq!(packet(&vec![0; LARGEST_FRAME]), None);
        let mut received = BytesMut::from(&[0xff, 0xff, 0xff, 0xff, PACKET][..]);
        assert!(take_frame(&mut received).is_err());
        let mut received = BytesMut::from(&[0, 0, 0, 0, WORD][..]);
        assert!(take_frame(&mut received).is_err());
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut received = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = take_frame(&mut received) {}
        }
    }
}
