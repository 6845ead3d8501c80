//! Shapes and how they are painted into a picture: places are 1024th parts of its sides, so that a scene is the same at
//! every size.

use crate::simulate::scene::chance::Chance;
use crate::simulate::scene::drawing::{Drawing, Paint, Plane, Size, index, level};

/// What a whole side of the picture counts.
pub(super) const SIDE: i32 = 1024;
/// Side of the relief in cells, a power of two.
const RELIEF: i32 = 256;
/// Cells of the finest, the fine and the coarse roughness down the height of a picture. The finest is seen from so many
/// rows on.
const FINEST_CELLS: i32 = 720;
const FINEST_ROWS: i32 = 540;
const FINE_CELLS: i32 = 240;
const COARSE_CELLS: i32 = 14;

/// A place in the view; what is right of or below the picture is above [`SIDE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) x: i32,
    pub(super) y: i32,
}

pub(super) const fn spot(x: i32, y: i32) -> Spot {
    Spot { x, y }
}

/// How something looks close by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Surface {
    pub(super) paint: Paint,
    /// Levels by which single grains differ.
    pub(super) rough: i32,
    /// Levels by which patches differ.
    pub(super) patchy: i32,
}

/// Something to be seen.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) outline: Outline,
    pub(super) surface: Surface,
}

#[derive(Clone, Debug)]
pub(super) enum Outline {
    /// Without dents: a line across enters it once.
    Polygon(Vec<Spot>),
    /// An ellipse with upright axes.
    Disc { centre: Spot, radius: Spot },
}

impl Shape {
    pub(super) fn block(left: i32, top: i32, right: i32, bottom: i32, surface: Surface) -> Self {
        Self::polygon([spot(left, top), spot(right, top), spot(right, bottom), spot(left, bottom)], surface)
    }

    pub(super) fn polygon<const N: usize>(corners: [Spot; N], surface: Surface) -> Self {
        Self { outline: Outline::Polygon(corners.to_vec()), surface }
    }

    pub(super) const fn disc(centre: Spot, radius: Spot, surface: Surface) -> Self {
        Self { outline: Outline::Disc { centre, radius }, surface }
    }
}

/// Where the parts of the view come to lie in one plane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lens {
    width: i32,
    height: i32,
    left: i32,
    top: i32,
    aim: Spot,
}

/// How a camera of a size looks at a scene.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    pub(super) size: Size,
    /// What of the scene is in the upper left corner.
    pub(super) aim: Spot,
}

impl Sight {
    /// Pixels drawn left of and above what is seen, so that a camera that shakes sees what is there: a 16th of a side,
    /// as [`Size::widened`] has it, and even.
    pub(super) fn margin(self) -> (i32, i32) {
        let of = |side: u16| i32::from(side) / 32 * 2;
        (of(self.size.width()), of(self.size.height()))
    }

    /// For the brightness of what is drawn.
    pub(super) fn lens(self) -> Lens {
        let (width, height) = (i32::from(self.size.width()), i32::from(self.size.height()));
        let (left, top) = self.margin();
        Lens { width, height, left, top, aim: self.aim }
    }
}

impl Lens {
    /// For a plane of half the size.
    const fn half(self) -> Self {
        Self {
            width: self.width / 2,
            height: self.height / 2,
            left: self.left / 2,
            top: self.top / 2,
            aim: self.aim,
        }
    }

    pub(super) const fn pixel(self, spot: Spot) -> Spot {
        Spot {
            x: self.left + (((spot.x - self.aim.x) * self.width) >> 10),
            y: self.top + (((spot.y - self.aim.y) * self.height) >> 10),
        }
    }

    /// So many parts across and down in pixels.
    pub(super) const fn lengths(self, parts: Spot) -> Spot {
        Spot { x: parts.x * self.width / SIDE, y: parts.y * self.height / SIDE }
    }
}

/// Unevenness of everything, one for each camera: random heights between which one walks straight.
#[derive(Clone, Debug)]
pub(super) struct Relief {
    heights: Vec<i8>,
}

impl Relief {
    pub(super) fn of(chance: Chance) -> Self {
        let chance = chance.about("relief");
        let eights = i64::from(RELIEF) * i64::from(RELIEF) / 8;
        let bytes = (0..eights).flat_map(|number| chance.number(number).bytes());
        Self { heights: bytes.map(|byte| i8::from_le_bytes([byte])).collect() }
    }

    /// The height, -128 to 127, at a place in 256th parts of a cell.
    fn at(&self, x: i32, y: i32) -> i32 {
        let (column, row) = (x >> 8, y >> 8);
        let (right, down) = (x & 255, y & 255);
        let upper = between(self.cell(column, row), self.cell(column + 1, row), right);
        let lower = between(self.cell(column, row + 1), self.cell(column + 1, row + 1), right);
        between(upper, lower, down)
    }

    fn cell(&self, column: i32, row: i32) -> i32 {
        let at = ((row & (RELIEF - 1)) * RELIEF) + (column & (RELIEF - 1));
        i32::from(self.heights.get(index(at)).copied().unwrap_or_default())
    }
}

const fn between(first: i32, second: i32, share: i32) -> i32 {
    first + (((second - first) * share) >> 8)
}

/// Paints shapes one over the other, as `lens` sees them.
pub(super) fn paint(drawing: &mut Drawing, lens: Lens, relief: &Relief, shapes: &[Shape]) {
    for (number, shape) in (0_i32..).zip(shapes) {
        paint_one(drawing, lens, relief, shape, number * 37);
    }
}

fn paint_one(drawing: &mut Drawing, lens: Lens, relief: &Relief, shape: &Shape, elsewhere: i32) {
    let Surface { paint, rough, patchy } = shape.surface;
    let origin = lens.pixel(spot(0, 0));
    let per_pixel = |cells: i32| cells * 256 / lens.height;
    let (finest, fine, coarse) = (per_pixel(FINEST_CELLS), per_pixel(FINE_CELLS), per_pixel(COARSE_CELLS));
    let most = if lens.height >= FINEST_ROWS { rough / 2 } else { 0 };
    fill(&mut drawing.luma, &shape.outline.seen(lens), |x, y, pixels| {
        let y = y - origin.y;
        for (x, pixel) in (x - origin.x + elsewhere..).zip(pixels) {
            let grain = relief.at(x * fine, y * fine) * rough
                + if most > 0 { relief.at(x * finest, y * finest) * most } else { 0 };
            let patch = relief.at(x * coarse, y * coarse) * patchy;
            *pixel = level(i32::from(paint.luma) + ((grain + patch) >> 7));
        }
    });
    let outline = shape.outline.seen(lens.half());
    fill(&mut drawing.blue, &outline, |_x, _y, pixels| pixels.fill(paint.blue));
    fill(&mut drawing.red, &outline, |_x, _y, pixels| pixels.fill(paint.red));
}

/// Hands out the pixels of each row that lie inside, with the place of the first.
fn fill(plane: &mut Plane, outline: &Outline, mut ink: impl FnMut(i32, i32, &mut [u8])) {
    let (top, bottom) = outline.extent();
    let rows = plane.rows_mut().skip(index(top)).take(index(bottom - top.max(0)));
    for (y, row) in rows {
        let Some((from, to)) = outline.span(y) else { continue };
        let inside = index(from)..index(to).min(row.len());
        if let Some(pixels) = row.get_mut(inside) {
            ink(from.max(0), y, pixels);
        }
    }
}

impl Outline {
    /// The same in pixels.
    fn seen(&self, lens: Lens) -> Self {
        match self {
            Self::Polygon(corners) => {
                Self::Polygon(corners.iter().map(|corner| lens.pixel(*corner)).collect())
            }
            Self::Disc { centre, radius } => {
                Self::Disc { centre: lens.pixel(*centre), radius: lens.lengths(*radius) }
            }
        }
    }

    /// First row, and the one after the last.
    fn extent(&self) -> (i32, i32) {
        match self {
            Self::Polygon(corners) => {
                let rows = || corners.iter().map(|corner| corner.y);
                (rows().min().unwrap_or(0), rows().max().unwrap_or(0))
            }
            Self::Disc { centre, radius } => (centre.y - radius.y, centre.y + radius.y),
        }
    }

    /// First column inside in a row, and the one after the last.
    fn span(&self, y: i32) -> Option<(i32, i32)> {
        match self {
            Self::Polygon(corners) => {
                let nexts = corners.iter().cycle().skip(1);
                let crossed = corners.iter().zip(nexts).filter_map(|(from, to)| crossing(*from, *to, y));
                let both = crossed.map(|x| (x, x));
                both.reduce(|(left, right), (x, _same)| (left.min(x), right.max(x)))
            }
            Self::Disc { centre, radius } => {
                let (across, down) = (i64::from(radius.x), i64::from(radius.y.max(1)));
                let off = i64::from(y - centre.y);
                let half = across * (down * down - off * off).max(0).isqrt() / down;
                let half = i32::try_from(half).unwrap_or(0);
                (half > 0).then_some((centre.x - half, centre.x + half))
            }
        }
    }
}

/// Where an edge crosses a row.
fn crossing(from: Spot, to: Spot, y: i32) -> Option<i32> {
    let crosses = (from.y.min(to.y)..from.y.max(to.y)).contains(&y);
    crosses.then(|| from.x + (to.x - from.x) * (y - from.y) / (to.y - from.y))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAT: Surface = Surface { paint: Paint::new(200, 90, 160), rough: 0, patchy: 0 };
    const SIZE: Size = Size::new(64, 64);

    /// A shape as it is seen, without what is drawn around it.
    fn painted(shape: Shape, aim: Spot) -> Drawing {
        let mut drawing = Drawing::filled(SIZE.widened(), Paint::new(16, 128, 128));
        let sight = Sight { size: SIZE, aim };
        paint(&mut drawing, sight.lens(), &Relief::of(Chance::of(1)), &[shape]);
        let (left, top) = sight.margin();
        Drawing {
            luma: drawing.luma.crop(left, top, 64, 64),
            blue: drawing.blue.crop(left / 2, top / 2, 32, 32),
            red: drawing.red.crop(left / 2, top / 2, 32, 32),
        }
    }

    #[test]
    fn a_shape_fills_its_share_of_the_picture() {
        let check = |shape, expected: usize| {
            let drawing = painted(shape, spot(0, 0));
            let count = |plane: &Plane, level| plane.levels().iter().filter(|pixel| **pixel == level).count();
            let (luma, blue) = (count(&drawing.luma, 200), count(&drawing.blue, 90));
            assert!(luma.abs_diff(expected) <= 64 + expected / 20, "{luma} of {expected}");
            assert!((blue * 4).abs_diff(luma) <= 128 + expected / 10, "{blue} of {luma}");
        };
        check(Shape::block(0, 0, SIDE, SIDE, FLAT), 64 * 64);
        check(Shape::block(-500, 512, 2000, 5000, FLAT), 32 * 64);
        check(Shape::disc(spot(512, 512), spot(256, 256), FLAT), 804);
        check(Shape::polygon([spot(0, 0), spot(1024, 0), spot(0, 1024)], FLAT), 2048);
        check(Shape::block(2000, 0, 3000, 500, FLAT), 0);
        check(Shape::block(0, -900, 1024, -100, FLAT), 0);
    }

    #[test]
    fn roughness_moves_with_what_it_is_on() {
        let wall = || Shape::block(-1024, -1024, 2048, 2048, Surface { rough: 30, ..FLAT });
        let (ahead, aside) = (painted(wall(), spot(0, 0)), painted(wall(), spot(64, 128)));
        assert_eq!(ahead.luma.crop(4, 8, 32, 32), aside.luma.crop(0, 0, 32, 32));
    }
}
