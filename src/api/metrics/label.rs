//! Label sets of the points, rendered once per inventory into one text and cut out of it at every scrape.

use crate::api::metrics::text::push_escaped;
use crate::domain::{DivisionCode, DivisionLevel, Inventory, Point, PointCode, PointStatus};

/// The label sets of every point that is in use, in the order of their codes.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    text: String,
    points: Vec<Cut>,
}

/// Where the label sets of one point lie in the text: they follow each other.
#[derive(Clone, Copy, Debug)]
struct Cut {
    code: PointCode,
    start: usize,
    grid_start: usize,
    info_start: usize,
    end: usize,
}

/// The label sets of one point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PointLabels<'a> {
    pub(crate) code: PointCode,
    /// `point="..",village="..",township="..",county=".."`
    pub(crate) place: &'a str,
    /// `,grid=".."`
    pub(crate) grid: &'a str,
    /// `,vendor="..",access="..",class=".."`
    pub(crate) info: &'a str,
}

impl Labels {
    /// Renders the label sets of an inventory.
    pub(crate) fn of(inventory: &Inventory) -> Self {
        let mut labels = Self::default();
        for point in inventory.points.values().filter(|point| point.status != PointStatus::Removed) {
            labels.push(point);
        }
        labels.text.shrink_to_fit();
        labels.points.shrink_to_fit();
        labels
    }

    /// The label sets in the order of the codes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = PointLabels<'_>> {
        let cut = |from: usize, to: usize| self.text.get(from..to).unwrap_or("");
        self.points.iter().map(move |at| PointLabels {
            code: at.code,
            place: cut(at.start, at.grid_start),
            grid: cut(at.grid_start, at.info_start),
            info: cut(at.info_start, at.end),
        })
    }

    fn push(&mut self, point: &Point) {
        let start = self.text.len();
        push_label(&mut self.text, "point=\"", point.code.as_str());
        push_division(&mut self.text, point.village);
        let grid_start = self.text.len();
        push_label(&mut self.text, ",grid=\"", point.grid.as_ref().map_or("", |grid| grid.as_str()));
        let info_start = self.text.len();
        push_label(&mut self.text, ",vendor=\"", point.record.manufacturer.as_deref().unwrap_or(""));
        push_label(&mut self.text, ",access=\"", access(point));
        push_label(&mut self.text, ",class=\"", point.class.as_str());
        self.points.push(Cut { code: point.code, start, grid_start, info_start, end: self.text.len() });
    }
}

/// By what the point is reached: the scheme of the watched stream, or `none`.
fn access(point: &Point) -> &'static str {
    match point.watched_stream() {
        Some(stream) if stream.is_encrypted() => "rtsps",
        Some(_plain) => "rtsp",
        None => "none",
    }
}

/// Appends `,village="..",township="..",county=".."`; a level below the division stays empty.
pub(crate) fn push_division(text: &mut String, division: DivisionCode) {
    for (name, level) in [
        (",village=\"", DivisionLevel::Village),
        (",township=\"", DivisionLevel::Township),
        (",county=\"", DivisionLevel::County),
    ] {
        push_label(text, name, division.ancestor(level).as_ref().map_or("", DivisionCode::as_str));
    }
}

/// Appends a label; `opening` is its name up to the opening quote.
pub(crate) fn push_label(text: &mut String, opening: &str, value: &str) {
    text.push_str(opening);
    push_escaped(text, value);
    text.push('"');
}
