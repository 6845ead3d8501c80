//! What parent and child say to each other: frames of a 32-bit length and a body, numbers big-endian.
//!
//! Every length is bounded before anything is allocated for it, on both sides: the parent distrusts the child, which has
//! read what a stranger sent.

use crate::domain::decode::{DecodeFailure, DecodedPicture, Polygon};
use crate::domain::picture::{
    CHROMA_HEIGHT, CHROMA_WIDTH, Chroma, Luma, Picture, SMALL_HEIGHT, SMALL_WIDTH, crop_size,
};
use crate::domain::{Codec, key_frame};
use std::io::{self, Read, Write};
use std::time::Duration;

/// Largest body of a request: a key frame and its masks.
pub(super) const LARGEST_REQUEST: usize = key_frame::LARGEST + 4 * 1024;
/// Largest still: at 640 pixels wide and quality 80 they have 30-60 kB, pure noise 250 kB.
pub(super) const LARGEST_STILL: usize = 1024 * 1024;
/// Largest body of a reply: the planes, a still and the numbers.
pub(super) const LARGEST_REPLY: usize =
    2 * SMALL_WIDTH * SMALL_HEIGHT + 2 * CHROMA_WIDTH * CHROMA_HEIGHT + LARGEST_STILL + 64;
/// Longest word of a child that cannot serve.
const LONGEST_REASON: usize = 1_024;
/// The first body of a child that can.
const READY: &[u8] = b"ready";
/// What the first body of one that cannot begins with.
const FAILED: &[u8] = b"failed:";

/// A still that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StillRequest {
    /// Greatest width in pixels.
    pub(super) width: u16,
    /// What must not be seen on it.
    pub(super) masks: Vec<Polygon>,
}

/// What the parent asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request<'a> {
    pub(super) sequence: u32,
    pub(super) codec: Codec,
    pub(super) still: Option<StillRequest>,
    pub(super) frame: &'a [u8],
}

/// What the child answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) sequence: u32,
    /// The child ends after this one: its time is up.
    pub(super) is_last: bool,
    pub(super) outcome: Result<Box<DecodedPicture>, DecodeFailure>,
}

/// The first word of a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hello {
    /// It is confined and waits for work.
    Ready,
    /// It cannot serve, and why, in its own words: without control characters and short.
    Failed(String),
}

/// Writes the length and the body.
pub(super) fn write_frame(to: &mut impl Write, body: &[u8]) -> io::Result<()> {
    to.write_all(&frame_of(body))?;
    to.flush()
}

/// The length and the body in one piece.
pub(super) fn frame_of(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), body].concat()
}

/// The length of a body, when it is within `largest`.
pub(super) fn length_of(header: [u8; 4], largest: usize) -> Option<usize> {
    usize::try_from(u32::from_be_bytes(header)).ok().filter(|length| *length <= largest)
}

/// Reads a body; `None` at the end of the stream.
pub(super) fn read_frame(from: &mut impl Read, largest: usize) -> io::Result<Option<Vec<u8>>> {
    let mut header = [0; 4];
    if let Err(error) = from.read_exact(&mut header) {
        let is_end = error.kind() == io::ErrorKind::UnexpectedEof;
        return if is_end { Ok(None) } else { Err(error) };
    }
    let length = length_of(header, largest).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok(Some(body))
}

impl Hello {
    pub(super) fn body(&self) -> Vec<u8> {
        match self {
            Self::Ready => READY.to_vec(),
            Self::Failed(reason) => {
                let mut reason = reason.clone();
                reason.truncate(reason.floor_char_boundary(LONGEST_REASON));
                [FAILED, reason.as_bytes()].concat()
            }
        }
    }

    pub(super) fn read(body: &[u8]) -> Option<Self> {
        if body == READY {
            return Some(Self::Ready);
        }
        let reason = String::from_utf8_lossy(body.strip_prefix(FAILED)?);
        Some(Self::Failed(reason.chars().filter(|c| !c.is_control()).take(LONGEST_REASON).collect()))
    }

    /// The largest body.
    pub(super) const LARGEST: usize = FAILED.len() + LONGEST_REASON;
}

impl<'a> Request<'a> {
    pub(super) fn body(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.frame.len().saturating_add(4 * 1024));
        body.extend_from_slice(&self.sequence.to_be_bytes());
        body.push(match self.codec {
            Codec::H264 => 0,
            Codec::H265 => 1,
            Codec::Mjpeg => 2,
        });
        let nothing = StillRequest { width: 0, masks: Vec::new() };
        let still = self.still.as_ref().unwrap_or(&nothing);
        body.extend_from_slice(&still.width.to_be_bytes());
        let masks = still.masks.get(..Polygon::MOST).unwrap_or(&still.masks);
        body.push(u8::try_from(masks.len()).unwrap_or(u8::MAX));
        for mask in masks {
            body.push(u8::try_from(mask.corners().len()).unwrap_or(u8::MAX));
            for (x, y) in mask.corners() {
                body.extend_from_slice(&x.to_be_bytes());
                body.extend_from_slice(&y.to_be_bytes());
            }
        }
        body.extend_from_slice(self.frame);
        body
    }

    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        let mut fields = Fields(body);
        let sequence = fields.number_32()?;
        let codec = *Codec::ALL.get(usize::from(fields.byte()?))?;
        let width = fields.number_16()?;
        let count = usize::from(fields.byte()?);
        if count > Polygon::MOST {
            return None;
        }
        let masks = (0..count).map(|_| fields.polygon()).collect::<Option<Vec<_>>>()?;
        let still = (width > 0).then_some(StillRequest { width, masks });
        Some(Self { sequence, codec, still, frame: fields.0 })
    }
}

/// The outcome byte of a picture; failures follow it in their order.
const PICTURE: u8 = 0;

impl Reply {
    pub(super) fn body(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(LARGEST_REPLY / 4);
        body.extend_from_slice(&self.sequence.to_be_bytes());
        body.push(u8::from(self.is_last));
        match &self.outcome {
            Ok(picture) => {
                body.push(PICTURE);
                write_decoded(&mut body, picture);
            }
            Err(failure) => {
                let place = DecodeFailure::ALL.iter().position(|known| known == failure).unwrap_or_default();
                body.push(u8::try_from(place + 1).unwrap_or(u8::MAX));
            }
        }
        body
    }

    /// Reads a body; `None` when it is not exactly what a child may say.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let mut fields = Fields(body);
        let sequence = fields.number_32()?;
        let is_last = match fields.byte()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let outcome = match fields.byte()? {
            PICTURE => Ok(Box::new(fields.decoded()?)),
            place => {
                let failure = *DecodeFailure::ALL.get(usize::from(place) - 1)?;
                // The others are for the parent to see, not for the child to claim.
                Err(Some(failure).filter(|failure| !failure.ends_process())?)
            }
        };
        fields.0.is_empty().then_some(Self { sequence, is_last, outcome })
    }
}

fn write_decoded(body: &mut Vec<u8>, decoded: &DecodedPicture) {
    let cost = u32::try_from(decoded.cost.as_micros()).unwrap_or(u32::MAX);
    let (picture, (width, height)) = (&decoded.picture, decoded.picture.size());
    for number in [width, height, decoded.complaints, cost] {
        body.extend_from_slice(&number.to_be_bytes());
    }
    body.extend_from_slice(picture.small().pixels());
    body.extend_from_slice(picture.crop().pixels());
    body.push(u8::from(picture.chroma().is_some()));
    if let Some(chroma) = picture.chroma() {
        body.extend_from_slice(chroma.blue());
        body.extend_from_slice(chroma.red());
    }
    let still = decoded.still.as_deref().filter(|still| still.len() <= LARGEST_STILL).unwrap_or_default();
    body.extend_from_slice(&u32::try_from(still.len()).unwrap_or_default().to_be_bytes());
    body.extend_from_slice(still);
}

/// What is left to read.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.first_chunk().copied()
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn number_16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn number_32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn polygon(&mut self) -> Option<Polygon> {
        let count = self.byte()?;
        let corners = (0..count).map(|_| Some((self.number_16()?, self.number_16()?)));
        Polygon::new(corners.collect::<Option<_>>()?)
    }

    fn decoded(&mut self) -> Option<DecodedPicture> {
        let size = (self.number_32()?, self.number_32()?);
        let complaints = self.number_32()?;
        let cost = Duration::from_micros(u64::from(self.number_32()?));
        let small = Luma::new(SMALL_WIDTH, self.bytes(SMALL_WIDTH * SMALL_HEIGHT)?.into())?;
        let (width, height) = crop_size(size);
        let crop = Luma::new(width, self.bytes(width * height)?.into())?;
        let chroma = match self.byte()? {
            0 => None,
            1 => Some(Chroma::new(self.chroma_plane()?, self.chroma_plane()?)?),
            _ => return None,
        };
        let picture = Picture::new(size, small, crop, chroma)?;
        let length = length_of(self.array()?, LARGEST_STILL)?;
        let still = self.bytes(length)?;
        // Neither a name nor a type is taken from the child, so this is all that is checked before it is kept.
        let is_still =
            still.is_empty() || (still.starts_with(&[0xff, 0xd8, 0xff]) && still.ends_with(&[0xff, 0xd9]));
        let still = (!still.is_empty()).then(|| still.into());
        is_still.then_some(DecodedPicture { picture, complaints, cost, still })
    }

    fn chroma_plane(&mut self) -> Option<Box<[u8]>> {
        self.bytes(CHROMA_WIDTH * CHROMA_HEIGHT).map(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop, proptest};

    fn picture(size: (u32, u32), chroma: Option<Chroma>) -> Picture {
        let luma = |width, height, level| Luma::new(width, vec![level; width * height].into()).unwrap();
        let crop = crop_size(size);
        Picture::new(size, luma(SMALL_WIDTH, SMALL_HEIGHT, 7), luma(crop.0, crop.1, 9), chroma).unwrap()
    }

    fn decoded() -> DecodedPicture {
        let plane = || vec![128; CHROMA_WIDTH * CHROMA_HEIGHT].into_boxed_slice();
        DecodedPicture {
            picture: picture((176, 144), Chroma::new(plane(), plane())),
            complaints: 3,
            cost: Duration::from_micros(1_500),
            still: Some([0xff, 0xd8, 0xff, 1, 0xff, 0xd9].into()),
        }
    }

    fn reply(outcome: Result<DecodedPicture, DecodeFailure>) -> Reply {
        Reply { sequence: 5, is_last: false, outcome: outcome.map(Box::new) }
    }

    #[test]
    fn what_is_said_is_understood() {
        let mask = Polygon::new(vec![(0, 0), (500, 0), (500, 1_000)]).unwrap();
        let still = Some(StillRequest { width: 640, masks: vec![mask; 3] });
        for codec in Codec::ALL {
            let request = Request { sequence: 9, codec, still: still.clone(), frame: &[1, 2, 3] };
            assert_eq!(Request::read(&request.body()), Some(request));
        }
        let request = Request { sequence: 9, codec: Codec::H264, still: None, frame: &[] };
        assert_eq!(Request::read(&request.body()), Some(request));
        for outcome in [
            Ok(decoded()),
            Ok(DecodedPicture { picture: picture((640, 360), None), still: None, ..decoded() }),
            Err(DecodeFailure::NoPicture),
            Err(DecodeFailure::TooLarge),
        ] {
            let reply = reply(outcome);
            assert_eq!(Reply::read(&reply.body()), Some(reply));
        }
        for hello in [Hello::Ready, Hello::Failed("no plugin".to_owned())] {
            assert_eq!(Hello::read(&hello.body()), Some(hello));
        }
    }

    #[test]
    fn the_largest_picture_fits_into_the_bound() {
        let still = [vec![0xff, 0xd8, 0xff], vec![0; LARGEST_STILL - 5], vec![0xff, 0xd9]].concat();
        let chroma = decoded().picture.chroma().cloned();
        let picture = picture((640, 360), chroma);
        let largest = DecodedPicture { picture, still: Some(still.into()), ..decoded() };
        let body = reply(Ok(largest)).body();
        assert!(body.len() <= LARGEST_REPLY && Reply::read(&body).is_some());
    }

    #[test]
    fn a_reply_is_exact_or_garbage() {
        let whole = reply(Ok(decoded())).body();
        assert_eq!(Reply::read(&whole[..whole.len() - 1]), None);
        assert_eq!(Reply::read(&[&whole[..], &[0]].concat()), None);
        let html = DecodedPicture { still: Some((*b"<html>").into()), ..decoded() };
        assert_eq!(Reply::read(&reply(Ok(html)).body()), None, "a still is a JPEG");
        assert_eq!(Reply::read(&reply(Err(DecodeFailure::Crashed)).body()), None, "the dead do not speak");
        let mut empty = whole;
        // Behind sequence, last and outcome: a width of zero.
        empty.splice(6..10, [0; 4]);
        assert_eq!(Reply::read(&empty), None);
    }

    #[test]
    fn a_length_beyond_the_bound_is_refused_before_anything_is_read() {
        let endless = [&u32::MAX.to_be_bytes()[..], &[0; 8]].concat();
        let read = read_frame(&mut endless.as_slice(), 1_000);
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(read_frame(&mut &b""[..], 1_000).unwrap(), None);
        assert!(read_frame(&mut &frame_of(&[1; 9])[..12], 1_000).is_err(), "cut short");
        assert_eq!(read_frame(&mut frame_of(&[1; 9]).as_slice(), 9).unwrap(), Some(vec![1; 9]));
    }

    #[test]
    fn the_last_words_of_a_child_are_harmless() {
        let words = Hello::read(b"failed:\x1b[2J\nno plugin").unwrap();
        assert_eq!(words, Hello::Failed("[2Jno plugin".to_owned()));
        let long = Hello::Failed("x".repeat(5_000)).body();
        assert!(long.len() <= Hello::LARGEST && Hello::read(&long).is_some());
        assert_eq!(Hello::read(b"hello"), None);
    }

    proptest! {
        #[test]
        fn random_bodies_never_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            Request::read(&body);
            Reply::read(&body);
            Hello::read(&body);
        }
    }
}
