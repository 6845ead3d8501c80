//! A picture in memory: three planes of levels, as encoders take them (I420, video range: black is 16, white 235).

/// Width and height of a picture, both even.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    width: u16,
    height: u16,
}

/// Smallest width and height that still show something.
const SMALLEST: u16 = 32;
/// Largest width and height; coordinates stay far from overflow.
const LARGEST: u16 = 4096;

impl Size {
    /// What many village cameras send as their sub-stream.
    pub const SUB: Self = Self { width: 640, height: 360 };
    /// Their main stream.
    pub const MAIN: Self = Self { width: 1920, height: 1080 };

    /// A size, made even and kept between 32 and 4096.
    pub const fn new(width: u16, height: u16) -> Self {
        Self { width: to_even(width), height: to_even(height) }
    }

    /// Width in pixels.
    pub const fn width(self) -> u16 {
        self.width
    }

    /// Height in pixels.
    pub const fn height(self) -> u16 {
        self.height
    }

    /// The size with a 16th of the picture more on every side.
    pub(super) const fn widened(self) -> Self {
        Self { width: self.width + self.width / 32 * 4, height: self.height + self.height / 32 * 4 }
    }

    /// What is `length` pixels in a picture 640 wide.
    pub(super) fn scale(self, length: i32) -> i32 {
        length * i32::from(self.width) / 640
    }
}

const fn to_even(side: u16) -> u16 {
    let side = if side < SMALLEST { SMALLEST } else { side };
    (if side > LARGEST { LARGEST } else { side }) & !1
}

/// The levels of one component, row by row without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plane {
    width: u16,
    height: u16,
    levels: Vec<u8>,
}

impl Plane {
    /// A plane of one level; a side of nothing is taken as one.
    pub(super) fn filled(width: u16, height: u16, level: u8) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        Self { width, height, levels: vec![level; usize::from(width) * usize::from(height)] }
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        usize::from(self.width)
    }

    /// Rows.
    pub fn height(&self) -> usize {
        usize::from(self.height)
    }

    /// Width and height, for coordinates that may leave the plane.
    pub(super) fn sides(&self) -> (i32, i32) {
        (i32::from(self.width), i32::from(self.height))
    }

    /// Every level.
    pub fn levels(&self) -> &[u8] {
        &self.levels
    }

    /// Every level, to change.
    pub(super) fn levels_mut(&mut self) -> &mut [u8] {
        &mut self.levels
    }

    /// The rows from the top.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, u8> {
        self.levels.chunks_exact(self.width())
    }

    /// The rows from the top with their numbers, to change.
    pub(super) fn rows_mut(&mut self) -> impl Iterator<Item = (i32, &mut [u8])> {
        let width = self.width();
        (0_i32..).zip(self.levels.chunks_exact_mut(width))
    }

    /// A row; outside the plane the nearest one.
    pub(super) fn row(&self, y: i32) -> &[u8] {
        let y = index(y).min(self.height() - 1);
        self.levels.get(y * self.width()..(y + 1) * self.width()).unwrap_or_default()
    }

    /// A level; outside the plane the nearest one.
    pub(super) fn at(&self, x: i32, y: i32) -> u8 {
        self.row(y).get(index(x).min(self.width() - 1)).copied().unwrap_or_default()
    }

    /// The level of a place in the plane, to change.
    pub(super) fn at_mut(&mut self, x: i32, y: i32) -> Option<&mut u8> {
        let (x, y) = (usize::try_from(x).ok()?, usize::try_from(y).ok()?);
        if x < self.width() { self.levels.get_mut(y * usize::from(self.width) + x) } else { None }
    }

    /// The part that begins at `left` and `top`; beyond the edges they go on as they are.
    pub(super) fn crop(&self, left: i32, top: i32, width: u16, height: u16) -> Self {
        let left = index(left).min(self.width().saturating_sub(usize::from(width)));
        let mut levels = Vec::with_capacity(usize::from(width) * usize::from(height));
        for y in (top..).take(usize::from(height)) {
            levels.extend_from_slice(self.row(y).get(left..left + usize::from(width)).unwrap_or_default());
        }
        Self { width, height, levels }
    }
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawing {
    /// Brightness, at full size.
    pub luma: Plane,
    /// Blue difference, at half the size; 128 is none.
    pub blue: Plane,
    /// Red difference, likewise.
    pub red: Plane,
}

/// A colour, as the three planes hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Paint {
    pub(super) luma: u8,
    pub(super) blue: u8,
    pub(super) red: u8,
}

impl Paint {
    pub(super) const fn new(luma: u8, blue: u8, red: u8) -> Self {
        Self { luma, blue, red }
    }
}

impl Drawing {
    /// A picture of one colour.
    pub(super) fn filled(size: Size, paint: Paint) -> Self {
        let (width, height) = (size.width(), size.height());
        Self {
            luma: Plane::filled(width, height, paint.luma),
            blue: Plane::filled(width / 2, height / 2, paint.blue),
            red: Plane::filled(width / 2, height / 2, paint.red),
        }
    }

    /// Its size.
    pub const fn size(&self) -> Size {
        Size { width: self.luma.width, height: self.luma.height }
    }

    /// The planes one after the other, each row filled up to a multiple of four bytes: what GStreamer calls I420.
    pub fn to_i420(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for plane in [&self.luma, &self.blue, &self.red] {
            for row in plane.rows() {
                bytes.extend_from_slice(row);
                bytes.resize(bytes.len() + (row.len().next_multiple_of(4) - row.len()), 0);
            }
        }
        bytes
    }

    /// Each plane, to change.
    pub(super) fn planes_mut(&mut self) -> [&mut Plane; 3] {
        [&mut self.luma, &mut self.blue, &mut self.red]
    }

    /// Both colour planes, to change.
    pub(super) fn colours_mut(&mut self) -> [&mut Plane; 2] {
        [&mut self.blue, &mut self.red]
    }

    /// Mixes `share` of 256 parts of a colour into every pixel.
    pub(super) fn veil(&mut self, paint: Paint, share: impl Fn(i32) -> i32) {
        for (plane, level) in self.planes_mut().into_iter().zip([paint.luma, paint.blue, paint.red]) {
            let (_width, height) = plane.sides();
            for (y, row) in plane.rows_mut() {
                let share = share(y * 256 / height);
                row.iter_mut().for_each(|pixel| *pixel = mix(*pixel, level, share));
            }
        }
    }
}

/// The level nearest to a value.
pub(super) fn level(value: i32) -> u8 {
    u8::try_from(value.clamp(0, 255)).unwrap_or(u8::MAX)
}

/// A mixture of two levels, `share` of 256 parts of it the second.
pub(super) fn mix(first: u8, second: u8, share: i32) -> u8 {
    let (first, second) = (i32::from(first), i32::from(second));
    level(first + (((second - first) * share.clamp(0, 256) + 128) >> 8))
}

/// A coordinate as an index; left of the first is the first.
pub(super) fn index(coordinate: i32) -> usize {
    usize::try_from(coordinate).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_even_and_bounded() {
        let check = |width, height, expected: (u16, u16)| {
            let size = Size::new(width, height);
            assert_eq!((size.width(), size.height()), expected);
        };
        check(641, 361, (640, 360));
        check(0, 9999, (32, 4096));
    }

    #[test]
    fn rows_are_filled_up_as_gstreamer_wants_them() {
        let check = |width, height, expected| {
            let drawing = Drawing::filled(Size::new(width, height), Paint::new(16, 128, 128));
            assert_eq!(drawing.to_i420().len(), expected, "{width}x{height}");
        };
        check(640, 360, 640 * 360 * 3 / 2);
        check(34, 32, 36 * 32 + 2 * 20 * 16);
    }

    #[test]
    fn a_crop_beyond_the_edge_repeats_it() {
        let mut plane = Plane::filled(4, 4, 0);
        *plane.at_mut(3, 3).unwrap() = 9;
        let cropped = plane.crop(2, 2, 2, 3);
        assert_eq!(cropped.levels(), [0, 0, 0, 9, 0, 9]);
        assert_eq!(plane.at(99, 99), 9);
        assert_eq!(plane.at_mut(4, 0), None);
    }
}
