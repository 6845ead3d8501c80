//! Which key frames are decoded, when, and what comes out of the decoder.
//!
//! Plain data and plain decisions: the decoder itself is in `picture`. Time is a `Duration` since any fixed instant, the
//! same for all calls.

mod budget;
mod cadence;
mod queue;
mod suspect;

pub use budget::DecodeBudget;
pub use cadence::{Cadence, Opinion};
pub use queue::{Offer, Queue, Urgency};
pub use suspect::Suspects;

use crate::domain::key_frame::{Candidate, StreamRole};
use crate::domain::picture::{Areas, Damage, Features, Picture, Shot, StreamFacts};
use crate::domain::{PointClass, PointCode, Timestamp};
use std::fmt;
use std::time::Duration;

/// What a decoder gives for one key frame.
#[derive(Clone, PartialEq, Eq)]
pub struct DecodedPicture {
    /// The picture, as small as the checks need it.
    pub picture: Picture,
    /// What the decoder complained of while it concealed: any at all makes the picture damaged.
    pub complaints: u32,
    /// CPU time that the decoder took, shrinking and a still included.
    pub cost: Duration,
    /// A JPEG with the privacy masks burnt in, when one was asked for.
    pub still: Option<Box<[u8]>>,
}

impl fmt::Debug for DecodedPicture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { picture, complaints, cost, still } = self;
        let (width, height) = picture.size();
        let still = still.as_ref().map(|still| still.len());
        write!(f, "DecodedPicture({width}x{height}, {complaints} complaints, {cost:?}, still: {still:?})")
    }
}

/// Why a key frame gave no picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DecodeFailure {
    /// The decoder gave no picture for it.
    NoPicture,
    /// Its parameter sets name a size that no camera has.
    TooLarge,
    /// The decoder process died over it.
    Crashed,
    /// The decoder process did not answer in time and was killed.
    Hung,
    /// The decoder process answered something that is no answer, and was killed.
    Garbled,
}

impl DecodeFailure {
    /// Every failure.
    pub const ALL: [Self; 5] = [Self::NoPicture, Self::TooLarge, Self::Crashed, Self::Hung, Self::Garbled];

    /// The word used in SQL, JSON, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoPicture => "no_picture",
            Self::TooLarge => "too_large",
            Self::Crashed => "crashed",
            Self::Hung => "hung",
            Self::Garbled => "garbled",
        }
    }

    /// Whether the process is gone and has to be started anew.
    pub const fn ends_process(self) -> bool {
        match self {
            Self::NoPicture | Self::TooLarge => false,
            Self::Crashed | Self::Hung | Self::Garbled => true,
        }
    }
}

/// What came of one key frame that was given to the decoder.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoding {
    /// The point.
    pub point: PointCode,
    /// The stream.
    pub stream: StreamRole,
    /// When the key frame was received.
    pub taken: Timestamp,
    /// What its packets tell.
    pub facts: StreamFacts,
    /// Width and height that its parameter sets promised.
    pub promised: Option<(u32, u32)>,
    /// What was painted over on its still.
    pub masks: Vec<Polygon>,
    /// The picture, or why there is none.
    pub outcome: Result<Box<DecodedPicture>, DecodeFailure>,
}

impl Decoding {
    /// The picture, when it can be judged. One that a decoder complained of was concealed: it may look like anything.
    pub fn sound(&self) -> Result<&DecodedPicture, Damage> {
        match &self.outcome {
            Ok(decoded) if decoded.complaints == 0 => Ok(decoded),
            Ok(_) | Err(_) => Err(Damage::NotDecoded),
        }
    }

    /// What a judge is told of it: the features outside of what a person left out, and what packets and decoder tell.
    pub fn seen(&self, areas: &Areas) -> (Shot, StreamFacts) {
        let (shot, broken) = match self.sound() {
            Ok(decoded) => (Shot::Seen(Box::new(Features::of(&decoded.picture, areas))), 0.0),
            Err(damage) => (Shot::Damaged(damage), 1.0),
        };
        (shot, StreamFacts { broken_over_decoded: Some(broken), ..self.facts })
    }
}

/// The size of a picture that a decoder really gave, which a parameter set only promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodedSize {
    /// The point.
    pub point: PointCode,
    /// The stream.
    pub stream: StreamRole,
    /// When the key frame was received.
    pub at: Timestamp,
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// What its parameter sets promised: while the stream promises the same, it is taken to give the same.
    pub promised: Option<(u32, u32)>,
}

/// What those who judge pictures ask of the decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// What is thought of a point's picture decides how soon its next one is due.
    Opinion(PointCode, Opinion),
    /// The next picture of the point shall come with a still.
    Still(PointCode),
}

/// What the plan needs to know of a key frame that may be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameFacts {
    /// The point.
    pub point: PointCode,
    /// Its class.
    pub class: PointClass,
    /// Coded size in bytes.
    pub bytes: usize,
    /// Picture size in pixels.
    pub pixels: Option<u64>,
}

impl FrameFacts {
    /// The facts of a candidate.
    pub fn of(candidate: &Candidate) -> Self {
        let frame = &candidate.frame;
        let pixels = frame.size.map(|(width, height)| u64::from(width) * u64::from(height));
        Self { point: candidate.point, class: candidate.class, bytes: frame.bytes.len(), pixels }
    }
}

/// Thousandths of a side.
const WHOLE: u16 = 1_000;
/// A person draws some corners; more would make painting dear.
const MOST_CORNERS: usize = 32;

/// A privacy mask: a polygon whose corners are thousandths of the picture's width and height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Polygon(Vec<(u16, u16)>);

impl Polygon {
    /// Most masks of one point.
    pub const MOST: usize = 16;

    /// Takes 3 to 32 corners; `None` for fewer, more, or one outside the picture.
    pub fn new(corners: Vec<(u16, u16)>) -> Option<Self> {
        let fits = (3..=MOST_CORNERS).contains(&corners.len())
            && corners.iter().all(|(x, y)| *x <= WHOLE && *y <= WHOLE);
        fits.then_some(Self(corners))
    }

    /// The corners.
    pub fn corners(&self) -> &[(u16, u16)] {
        &self.0
    }

    /// The spans of pixels that it touches in row `row` of a picture of `size`. Whatever it or its edge touches at all is
    /// inside: a mask that is a pixel too large hides, one that is too small does not. Where its edges cross each other, all that
    /// they go around is inside (the non-zero rule): whoever draws across a face means the middle too.
    pub fn spans(&self, row: usize, (width, height): (usize, usize)) -> Vec<std::ops::Range<usize>> {
        let mut spans = Vec::new();
        // The top, the middle and the bottom of the row, in half pixels.
        for line in [row * 2, row * 2 + 1, row * 2 + 2] {
            let mut crossings = self.crossings(line, (width, height));
            crossings.sort_unstable();
            let (mut winding, mut from, mut to) = (0, 0, 0);
            for Crossing { left, right, turn } in crossings {
                (from, to) = if winding == 0 { (left, right) } else { (from, right.max(to)) };
                winding += turn;
                if winding == 0 {
                    spans.push(from..to.min(width));
                }
            }
        }
        spans
    }

    /// Where the horizontal line at `line` half pixels crosses an edge.
    fn crossings(&self, line: usize, (width, height): (usize, usize)) -> Vec<Crossing> {
        let whole = usize::from(WHOLE);
        // Thousandths times twice the height, so that both sides of a comparison are whole numbers.
        let line = line * whole;
        let next = self.0.iter().cycle().skip(1);
        let edges = self.0.iter().zip(next);
        edges
            .map(|(from, to)| if from.1 <= to.1 { (from, to, 1) } else { (to, from, -1) })
            .filter_map(|(upper, lower, turn)| {
                let at = |corner: &(u16, u16)| (usize::from(corner.0), usize::from(corner.1) * height * 2);
                let ((upper_x, upper_y), (lower_x, lower_y)) = (at(upper), at(lower));
                let is_crossed = upper_y <= line && line < lower_y;
                let (run, fall) = (line.checked_sub(upper_y)?, lower_y.checked_sub(upper_y)?);
                let reach = lower_x.abs_diff(upper_x) * run;
                let shift = |rounded: usize| {
                    if lower_x >= upper_x { upper_x + rounded } else { upper_x.saturating_sub(rounded) }
                };
                is_crossed.then(|| {
                    let (least, most) = (shift(reach / fall), shift(reach.div_ceil(fall)));
                    let left = least.min(most) * width / whole;
                    let right = (least.max(most) * width).div_ceil(whole).max(left + 1);
                    Crossing { left, right, turn }
                })
            })
            .collect()
    }
}

/// Where a line crosses an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Crossing {
    /// The pixel that holds it.
    left: usize,
    /// The next one.
    right: usize,
    /// 1 for an edge that goes down, -1 for one that goes up.
    turn: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered(polygon: &[(u16, u16)], size: (usize, usize)) -> Vec<String> {
        let polygon = Polygon::new(polygon.to_vec()).unwrap();
        let row = |row| {
            let spans = polygon.spans(row, size);
            (0..size.0).map(|x| if spans.iter().any(|span| span.contains(&x)) { '#' } else { '.' }).collect()
        };
        (0..size.1).map(row).collect()
    }

    #[test]
    fn a_mask_covers_every_pixel_that_it_touches() {
        let rectangle = [(250, 250), (750, 250), (750, 750), (250, 750)];
        assert_eq!(covered(&rectangle, (8, 4)), ["..#####.", "..#####.", "..#####.", "........"]);
        let whole = [(0, 0), (1_000, 0), (1_000, 1_000), (0, 1_000)];
        assert!(covered(&whole, (7, 5)).iter().all(|row| row == "#######"));
        let triangle = [(0, 0), (1_000, 1_000), (0, 1_000)];
        assert_eq!(covered(&triangle, (4, 4)), ["##..", "###.", "####", "####"]);
    }

    #[test]
    fn a_mask_that_crosses_itself_covers_its_middle() {
        let star = [(500, 0), (800, 1_000), (0, 380), (1_000, 380), (200, 1_000)];
        let rows = covered(&star, (20, 20));
        assert!(rows[10].chars().skip(4).take(12).all(|pixel| pixel == '#'), "{rows:?}");
        let bow = [(0, 0), (1_000, 1_000), (1_000, 0), (0, 1_000)];
        let rows = covered(&bow, (10, 10));
        let part = |row: usize, from| rows[row].chars().skip(from).take(4).collect::<String>();
        assert_eq!([part(1, 3), part(8, 3), part(5, 0)], ["....", "....", "####"], "{rows:?}");
    }

    #[test]
    fn a_mask_has_corners_inside_the_picture() {
        assert_eq!(Polygon::new(vec![(0, 0), (1, 1)]), None);
        assert_eq!(Polygon::new(vec![(0, 0), (1_001, 0), (0, 5)]), None);
        assert_eq!(Polygon::new(vec![(0, 0); 33]), None);
        assert!(Polygon::new(vec![(0, 0); 32]).is_some());
    }
}
