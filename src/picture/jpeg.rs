//! Stills: the picture made smaller, with everything that must not be seen painted over, as a JPEG.

use crate::domain::decode::Polygon;
use crate::picture::decoder::{BuildError, Line};
use crate::picture::layout::Planes;
use crate::picture::protocol::{LARGEST_STILL, StillRequest};
use crate::picture::shrink::{Range, nearest};
use gstreamer as gst;

/// Good enough to judge the judgement, small enough to keep: about 40 kB at 640x360.
const QUALITY: u8 = 80;
/// Widths are whole multiples of this, so that no plane has padding.
const STEP: usize = 8;
/// What masks are painted with: black, without colour.
const MASK: (u8, u8) = (0, 128);

/// Makes stills.
#[derive(Debug)]
pub(super) struct StillMaker {
    line: Line,
}

impl StillMaker {
    pub(super) fn new() -> Result<Self, BuildError> {
        let elements = format!("jpegenc quality={QUALITY}");
        let output = gst::Caps::new_empty_simple("image/jpeg");
        Ok(Self { line: Line::new(&elements, &raw_caps((STEP, STEP)), &output)? })
    }

    /// A JPEG of the picture; `None` when it cannot be encoded within the bound.
    pub(super) fn make(
        &mut self,
        planes: &Planes<'_>,
        range: Range,
        wanted: &StillRequest,
    ) -> Option<Box<[u8]>> {
        let size = still_size((planes.luma.width, planes.luma.height), usize::from(wanted.width))?;
        let mut canvas = Canvas::of(planes, range, size);
        wanted.masks.iter().for_each(|mask| canvas.paint(mask));
        self.line.set_input(raw_caps(size));
        let sample = self.line.push(canvas.into_bytes()).sample?;
        let jpeg = sample.buffer()?.map_readable().ok()?;
        (jpeg.len() <= LARGEST_STILL).then(|| jpeg.as_slice().into())
    }
}

fn raw_caps((width, height): (usize, usize)) -> gst::Caps {
    let side = |length| i32::try_from(length).unwrap_or(i32::MAX);
    gst::Caps::builder("video/x-raw")
        .field("format", "I420")
        .field("width", side(width))
        .field("height", side(height))
        .field("framerate", gst::Fraction::new(0, 1))
        .build()
}

/// The size of a still: as wide as allowed and not wider than the picture, of the same shape. `None` for a picture that
/// is narrower than a step.
fn still_size((width, height): (usize, usize), most: usize) -> Option<(usize, usize)> {
    let still_width = width.min(most) / STEP * STEP;
    let still_height = (height * still_width).checked_div(width)? / 2 * 2;
    (still_width > 0 && still_height > 0).then_some((still_width, still_height))
}

/// A picture of three planes, 4:2:0, without padding.
struct Canvas {
    width: usize,
    height: usize,
    luma: Box<[u8]>,
    chroma: [Box<[u8]>; 2],
}

impl Canvas {
    fn of(planes: &Planes<'_>, range: Range, (width, height): (usize, usize)) -> Self {
        let half = (width / 2, height / 2);
        let chroma = match planes.chroma {
            Some(planes) => planes.map(|plane| nearest(&plane, half.0, half.1)),
            None => [(); 2].map(|()| vec![MASK.1; half.0 * half.1].into()),
        };
        // A JPEG is always in full range.
        Self { width, height, luma: range.expand(nearest(&planes.luma, width, height)), chroma }
    }

    fn paint(&mut self, mask: &Polygon) {
        let (size, half) = ((self.width, self.height), (self.width / 2, self.height / 2));
        fill(&mut self.luma, size, mask, MASK.0);
        self.chroma.iter_mut().for_each(|plane| fill(plane, half, mask, MASK.1));
    }

    fn into_bytes(self) -> Vec<u8> {
        let [blue, red] = self.chroma;
        [self.luma, blue, red].concat()
    }
}

fn fill(plane: &mut [u8], size: (usize, usize), mask: &Polygon, level: u8) {
    for (row, pixels) in plane.chunks_exact_mut(size.0.max(1)).enumerate() {
        for span in mask.spans(row, size) {
            pixels.get_mut(span).into_iter().for_each(|pixels| pixels.fill(level));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::layout::Form;

    #[test]
    fn a_still_keeps_the_shape_and_never_grows() {
        let check = |size, most, expected| assert_eq!(still_size(size, most), expected, "{size:?} {most}");
        check((1920, 1080), 640, Some((640, 360)));
        check((640, 480), 640, Some((640, 480)));
        check((353, 289), 640, Some((352, 288)));
        check((7, 100), 640, None);
        check((0, 0), 640, None);
        check((8_192, 8), 640, None);
    }

    #[test]
    fn nothing_is_left_under_a_mask() {
        let buffer = vec![200; 64 * 64 * 3 / 2];
        let planes = Planes::of(Form::I420, (64, 64), &buffer).unwrap();
        let mut canvas = Canvas::of(&planes, Range::Full, (64, 64));
        canvas.paint(&Polygon::new(vec![(0, 0), (500, 0), (500, 500), (0, 500)]).unwrap());
        let seen = |x: usize, y: usize| (canvas.luma[y * 64 + x], canvas.chroma[0][y / 2 * 32 + x / 2]);
        assert_eq!([seen(0, 0), seen(31, 31)], [MASK; 2]);
        assert_eq!([seen(34, 0), seen(0, 34), seen(63, 63)], [(200, 200); 3]);
        assert_eq!(canvas.into_bytes().len(), buffer.len());
    }
}
