//! Key frames out of RTP packets: whole ones only, ready for a decoder.
//!
//! A decoder conceals what is missing and says nothing, so a picture is handed on only when every packet of it came: no
//! sequence number is missing before any of its packets, nor before the packet that follows it. That costs the time of
//! one picture and is exact even with cameras that mark the end of every slice.

mod jpeg;
mod nal;
mod parameter;

use crate::domain::irap::{Unit, visit_units};
use crate::domain::meter::PacketFacts;
use crate::domain::picture::StreamFacts;
use crate::domain::{Codec, PointClass, PointCode, Timestamp, sps};
use jpeg::{Head, Tables};
use nal::{Piece, visit_pieces};
pub use parameter::ParameterSets;
use std::fmt;

/// The largest key frame that is taken: 4K cameras send up to about 1 MB.
pub const LARGEST: usize = 4 * 1024 * 1024;

/// A coded picture that can be decoded by itself.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyFrame {
    /// Its coding.
    pub codec: Codec,
    /// An Annex B byte stream that begins with its parameter sets, or a JPEG file. Never empty.
    pub bytes: Vec<u8>,
    /// Its RTP time in clock ticks, unwrapped.
    pub ticks: i64,
    /// Width and height that its parameter sets or header name.
    pub size: Option<(u32, u32)>,
}

impl fmt::Debug for KeyFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { codec, bytes, ticks, size } = self;
        write!(f, "KeyFrame {{ {codec:?}, {} bytes, ticks: {ticks}, size: {size:?} }}", bytes.len())
    }
}

/// Which of a point's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StreamRole {
    /// The one that is watched and judged.
    Watched,
    /// The main one, where another one is watched: looked at once a day for its size.
    Main,
}

impl StreamRole {
    /// Every role.
    pub const ALL: [Self; 2] = [Self::Watched, Self::Main];

    /// The word used in SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Watched => "watched",
            Self::Main => "main",
        }
    }
}

/// A key frame of a point that may be decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The point.
    pub point: PointCode,
    /// The stream.
    pub stream: StreamRole,
    /// Its class.
    pub class: PointClass,
    /// When the last packet of the picture was received.
    pub taken: Timestamp,
    /// What the packets since the one before it tell.
    pub facts: StreamFacts,
    /// The picture.
    pub frame: KeyFrame,
}

/// A key frame of a point began and did not come whole, and none else did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BrokenFrame {
    /// The point.
    pub point: PointCode,
    /// When it was known.
    pub taken: Timestamp,
    /// What the packets since the last offer tell.
    pub facts: StreamFacts,
}

/// A key frame ended that cannot be decoded: a packet of it is missing, it is too large or breaks the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incomplete;

/// Puts the key frames of one stream together.
#[derive(Debug)]
pub struct Assembler {
    codec: Codec,
    parameters: ParameterSets,
    tables: Tables,
    picture: Option<Gathering>,
}

/// The picture whose packets are arriving.
#[derive(Debug)]
struct Gathering {
    ticks: i64,
    bytes: Vec<u8>,
    /// The header of an RFC 2435 picture.
    head: Option<Head>,
    /// A slice of it came, so it is a key frame, unless it is void.
    is_key: bool,
    /// A slice came that belongs to a key frame, void or not.
    has_key_slice: bool,
    /// Its first packet may not be the first one that was sent: the stream was joined here.
    is_joined: bool,
    /// A packet before one of its own is missing.
    has_gap: bool,
    /// It is no key frame, or not whole, or too large.
    is_void: bool,
    /// Its last packet so far ended with the marker.
    is_marked: bool,
    /// A unit has begun and not ended.
    in_fragment: bool,
    has_sequence_parameters: bool,
    has_picture_parameters: bool,
}

impl Assembler {
    /// An assembler for a stream of `codec`; `parameters` are those of the session description.
    pub fn new(codec: Codec, parameters: ParameterSets) -> Self {
        Self { codec, parameters, tables: Tables::default(), picture: None }
    }

    /// Takes a packet and gives the key frame that ended before it, or tells that one ended that did not come whole.
    pub fn packet(&mut self, packet: &PacketFacts<'_>) -> Option<Result<KeyFrame, Incomplete>> {
        let slices = Slices::of(self.codec, packet.payload);
        let is_joined = self.picture.is_none();
        let ended = self.picture.take_if(|picture| picture.ends_before(packet, slices));
        let finished = ended.and_then(|picture| {
            let is_broken = picture.is_broken_key_frame(packet.lost > 0);
            let whole = Some(picture).filter(|_| packet.lost == 0).and_then(|picture| self.finish(picture));
            whole.map(Ok).or_else(|| is_broken.then_some(Err(Incomplete)))
        });
        let mut picture = self.picture.take().unwrap_or_else(|| Gathering::new(packet.ticks, is_joined));
        picture.take(packet, slices);
        match self.codec {
            Codec::H264 | Codec::H265 => self.take_units(&mut picture, packet.payload),
            Codec::Mjpeg => picture.take_scan(&mut self.tables, packet.payload),
        }
        self.picture = Some(picture);
        finished
    }

    /// Forgets the picture that is arriving: the packets in between were not shown to us.
    pub fn skip(&mut self) {
        self.picture = None;
    }

    fn take_units(&mut self, picture: &mut Gathering, payload: &[u8]) {
        let (codec, parameters) = (self.codec, &mut self.parameters);
        let is_whole = visit_pieces(codec, payload, &mut |piece| {
            if let Piece::Unit(unit) = piece
                && parameter::is_parameter_set(codec, unit)
            {
                parameters.note(codec, unit);
            }
            picture.take_piece(codec, piece);
        });
        picture.is_void |= !is_whole;
    }

    fn finish(&self, picture: Gathering) -> Option<KeyFrame> {
        if picture.is_void || !picture.is_key || picture.in_fragment {
            return None;
        }
        let (codec, ticks) = (self.codec, picture.ticks);
        if codec == Codec::Mjpeg {
            let head = picture.head?;
            return Some(KeyFrame {
                codec,
                ticks,
                size: Some(head.size()),
                bytes: head.file(&picture.bytes),
            });
        }
        let bytes = if picture.has_sequence_parameters && picture.has_picture_parameters {
            picture.bytes
        } else {
            self.parameters.before(&picture.bytes)?
        };
        Some(KeyFrame { codec, ticks, size: self.parameters.size(codec), bytes })
    }
}

/// What the slices of a packet tell about its picture.
#[derive(Clone, Copy, Debug, Default)]
struct Slices {
    any: bool,
    all_random_access: bool,
    begins_picture: bool,
}

impl Slices {
    fn of(codec: Codec, payload: &[u8]) -> Self {
        let mut slices = Self { any: false, all_random_access: true, begins_picture: false };
        visit_units(codec, payload, &mut |unit| match unit {
            Unit::Slice { random_access, begins_picture } => {
                slices.begins_picture |= begins_picture && !slices.any;
                slices.any = true;
                slices.all_random_access &= random_access;
            }
            Unit::SequenceParameters(_) | Unit::Other => {}
        });
        slices
    }
}

impl Gathering {
    const fn new(ticks: i64, is_joined: bool) -> Self {
        Self {
            ticks,
            bytes: Vec::new(),
            head: None,
            is_key: false,
            has_key_slice: false,
            is_joined,
            has_gap: false,
            is_void: false,
            is_marked: false,
            in_fragment: false,
            has_sequence_parameters: false,
            has_picture_parameters: false,
        }
    }

    /// Another time means another picture. Some cameras give every picture the same one; there the marker ends it, unless
    /// a later slice of the same picture follows.
    const fn ends_before(&self, packet: &PacketFacts<'_>, slices: Slices) -> bool {
        self.ticks != packet.ticks || (self.is_marked && slices.begins_picture)
    }

    /// Whether it is a key frame that should have come whole; whoever joins in the middle of one misses its beginning.
    const fn is_broken_key_frame(&self, has_gap_behind: bool) -> bool {
        self.has_key_slice && (!self.is_joined || self.has_gap || has_gap_behind)
    }

    fn take(&mut self, packet: &PacketFacts<'_>, slices: Slices) {
        let is_late_start = slices.any && !self.is_key && !slices.begins_picture;
        let is_other_picture = slices.any && !slices.all_random_access;
        self.has_gap |= packet.lost > 0;
        self.has_key_slice |= slices.any && slices.all_random_access;
        self.is_void |= packet.lost > 0 || is_late_start || is_other_picture;
        self.is_key |= slices.any;
        self.is_marked |= slices.any && packet.marker;
        if self.is_void {
            self.bytes = Vec::new();
        }
    }

    fn take_piece(&mut self, codec: Codec, piece: Piece<'_>) {
        match piece {
            Piece::Unit(unit) => {
                self.has_sequence_parameters |= parameter::is_sequence_parameters(codec, unit);
                self.has_picture_parameters |= parameter::is_picture_parameters(codec, unit);
                self.append(&[&nal::START_CODE, unit]);
            }
            Piece::Begin { header, body } => {
                self.is_void |= self.in_fragment;
                self.in_fragment = true;
                self.append(&[&nal::START_CODE, header.as_slice(), body]);
            }
            Piece::Middle { body, is_end } => {
                // Without a beginning the session joined in the middle of it.
                self.is_void |= !self.in_fragment;
                self.in_fragment = !is_end;
                self.append(&[body]);
            }
        }
    }

    fn take_scan(&mut self, tables: &mut Tables, payload: &[u8]) {
        let Some(fragment) = jpeg::fragment(payload, tables) else {
            self.is_void = true;
            return;
        };
        // Fragments follow each other without a gap.
        self.is_void |= fragment.offset != self.bytes.len();
        if fragment.head.is_some() {
            self.head = fragment.head;
        }
        self.append(&[fragment.scan]);
    }

    fn append(&mut self, parts: &[&[u8]]) {
        let added: usize = parts.iter().map(|part| part.len()).sum();
        self.is_void |= self.bytes.len().saturating_add(added) > LARGEST;
        if self.is_void {
            self.bytes = Vec::new();
        } else {
            parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        }
    }
}

/// The picture size of a unit, when it is a sequence parameter set.
fn size_of(codec: Codec, unit: &[u8]) -> Option<(u32, u32)> {
    parameter::is_sequence_parameters(codec, unit).then(|| sps::size_of(codec, unit)).flatten()
}

#[cfg(test)]
mod tests;
