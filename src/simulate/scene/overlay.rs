//! The camera's own writing over its picture: the clock and its name. It is drawn after everything else, as cameras do.

use crate::domain::Timestamp;
use crate::simulate::scene::chance::Chance;
use crate::simulate::scene::drawing::{Drawing, Paint, Size};
use crate::simulate::scene::font;
use jiff::tz::Offset;

/// Dots of margin between the writing and the edge.
const MARGIN: i32 = 4;
/// Video levels of the letters and of their rims.
const WHITE: Paint = Paint::new(235, 128, 128);
const BLACK: Paint = Paint::new(16, 128, 128);
/// China has one time.
const LOCAL: Offset = Offset::constant(8);
/// One camera in so many writes no clock.
const CLOCKLESS_ONE_IN: i32 = 8;
/// Names as village cameras bear them.
const NAMES: [&str; 8] =
    ["CUN KOU", "DONG LU", "GUANG CHANG", "HE AN", "XUE XIAO", "DA MEN", "NAN TIAN", "CUN WEI"];

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// First column.
    pub left: i32,
    /// First row.
    pub top: i32,
    /// Columns.
    pub width: i32,
    /// Rows.
    pub height: i32,
}

/// What a camera writes over its pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlay {
    /// Whether there is a clock.
    pub clock: Clock,
    /// The camera's name.
    pub name: String,
    /// Whether the clock stands at the right edge; the name stands at the other one, below.
    is_right: bool,
}

/// Whether a camera writes the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// It does.
    Shown,
    /// It does not.
    Absent,
}

impl Overlay {
    pub(super) fn of(chance: Chance) -> Self {
        let name =
            crate::simulate::dice::pick(&NAMES, usize::try_from(chance.about("name").below(8)).unwrap_or(0));
        let number = chance.about("number of the camera").between(1, 24);
        Self {
            clock: if chance.about("clock").is_one_in(CLOCKLESS_ONE_IN) {
                Clock::Absent
            } else {
                Clock::Shown
            },
            name: format!("{name} {number:02}"),
            is_right: chance.about("side of the clock").is_one_in(2),
        }
    }

    /// Where the writing is in a picture: the clock, then the name.
    pub fn areas(&self, size: Size) -> Vec<Area> {
        let name = std::iter::once(self.name_area(size));
        let clock = self.clock_area(size).filter(|_area| self.clock == Clock::Shown);
        clock.into_iter().chain(name).collect()
    }

    fn clock_area(&self, size: Size) -> Option<Area> {
        Some(area(&clock_text(Timestamp::default())?, size, self.is_right, Edge::Top))
    }

    fn name_area(&self, size: Size) -> Area {
        area(&self.name, size, !self.is_right, Edge::Bottom)
    }

    /// Writes over a picture.
    pub(super) fn write(&self, drawing: &mut Drawing, at: Timestamp) {
        let size = drawing.size();
        if self.clock == Clock::Shown
            && let (Some(area), Some(text)) = (self.clock_area(size), clock_text(at))
        {
            write(drawing, &text, area);
        }
        write(drawing, &self.name, self.name_area(size));
    }
}

#[derive(Clone, Copy)]
enum Edge {
    Top,
    Bottom,
}

/// Pixels of a dot: letters are a 26th of the height, as on common cameras.
fn dot(size: Size) -> i32 {
    (i32::from(size.height()) / 180).max(1)
}

fn area(text: &str, size: Size, is_right: bool, edge: Edge) -> Area {
    let dot = dot(size);
    let letters = i32::try_from(text.chars().count()).unwrap_or(i32::MAX);
    // A dot more on every side for the rim.
    let (width, height) = ((letters * font::ADVANCE + 1) * dot, (font::HEIGHT + 2) * dot);
    let margin = MARGIN * dot;
    let left = if is_right { i32::from(size.width()) - width - margin } else { margin };
    let top = match edge {
        Edge::Top => margin,
        Edge::Bottom => i32::from(size.height()) - height - margin,
    };
    Area { left, top, width, height }
}

fn clock_text(at: Timestamp) -> Option<String> {
    let instant = jiff::Timestamp::from_millisecond(at.as_millis()).ok()?;
    Some(LOCAL.to_datetime(instant).strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// White letters with a black rim, to be read on any ground.
fn write(drawing: &mut Drawing, text: &str, area: Area) {
    let dot = dot(drawing.size());
    let rim = (dot / 2).max(1);
    for (rim, paint) in [(rim, BLACK), (0, WHITE)] {
        for (number, letter) in (0_i32..).zip(text.chars()) {
            for (x, y) in font::dots(letter) {
                let (left, top) = (number * font::ADVANCE + x + 1, y + 1);
                let corner = (area.left + left * dot - rim, area.top + top * dot - rim);
                fill(drawing, corner, dot + 2 * rim, paint);
            }
        }
    }
}

fn fill(drawing: &mut Drawing, (left, top): (i32, i32), side: i32, paint: Paint) {
    for (x, y) in (top..top + side).flat_map(|y| (left..left + side).map(move |x| (x, y))) {
        for (plane, level, half) in [
            (&mut drawing.luma, paint.luma, 1),
            (&mut drawing.blue, paint.blue, 2),
            (&mut drawing.red, paint.red, 2),
        ] {
            if let Some(pixel) = plane.at_mut(x.div_euclid(half), y.div_euclid(half)) {
                *pixel = level;
            }
        }
    }
}

/// Writes words into the middle of a picture, as recorders do for a camera that is gone.
pub(super) fn announce(drawing: &mut Drawing, words: &str) {
    let mut area = area(words, drawing.size(), false, Edge::Top);
    area.left = (i32::from(drawing.size().width()) - area.width) / 2;
    area.top = (i32::from(drawing.size().height()) - area.height) / 2;
    write(drawing, words, area);
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREY: Paint = Paint::new(100, 90, 150);

    #[test]
    fn the_clock_tells_chinese_time() {
        assert_eq!(clock_text(Timestamp::default()).unwrap(), "1970-01-01 08:00:00");
    }

    #[test]
    fn nothing_is_written_outside_the_areas() {
        for size in [Size::SUB, Size::MAIN, Size::new(352, 288)] {
            let overlay = Overlay { clock: Clock::Shown, name: "DA MEN 01".to_owned(), is_right: true };
            let mut drawing = Drawing::filled(size, GREY);
            overlay.write(&mut drawing, Timestamp::default());
            let areas = overlay.areas(size);
            let is_inside = |x: i32, y: i32| {
                areas.iter().any(|area| {
                    (area.left..area.left + area.width).contains(&x)
                        && (area.top..area.top + area.height).contains(&y)
                })
            };
            let mut written = 0;
            for (y, row) in drawing.luma.rows_mut() {
                for (x, pixel) in (0..).zip(row) {
                    written += usize::from(*pixel != GREY.luma);
                    assert!(*pixel == GREY.luma || is_inside(x, y), "{size:?} {x} {y}");
                }
            }
            assert!(written > 500, "{size:?}: {written}");
        }
    }
}
