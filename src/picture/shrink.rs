//! Makes the small picture, the crop and the picture of a still out of a decoded one.

use crate::domain::picture::{
    CHROMA_HEIGHT, CHROMA_WIDTH, Chroma, Luma, Picture, SMALL_HEIGHT, SMALL_WIDTH, crop_size,
};
use crate::picture::layout::{Plane, Planes};

/// Which levels a stream uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    /// 0 to 255.
    Full,
    /// 16 to 235, chroma to 240.
    Video,
}

impl Range {
    /// The first word of GStreamer's colorimetry: `1` is full, and so are the names of still pictures.
    pub(super) fn of(colorimetry: Option<&str>) -> Self {
        match colorimetry.map(|text| text.split(':').next().unwrap_or(text)) {
            Some("1" | "sRGB") => Self::Full,
            _ => Self::Video,
        }
    }

    /// Brings luma to full range.
    pub(super) fn expand(self, plane: Box<[u8]>) -> Box<[u8]> {
        match self {
            Self::Full => plane,
            Self::Video => {
                let levels = full_levels();
                plane.iter().map(|level| levels.get(usize::from(*level)).copied().unwrap_or(*level)).collect()
            }
        }
    }
}

/// For every level of the video range the one of full range.
fn full_levels() -> [u8; 256] {
    std::array::from_fn(|level| {
        let above_black = level.saturating_sub(16) * 255;
        u8::try_from((above_black + 109) / 219).unwrap_or(u8::MAX)
    })
}

/// Shrinks by the nearest pixel and cuts the crop; luma is brought to full range. `None` for planes that are no picture.
pub(super) fn shrink(planes: &Planes<'_>, range: Range, size: (u32, u32)) -> Option<Picture> {
    let crop = crop_size(size);
    let chroma = planes.chroma.map(|planes| planes.map(|plane| nearest(&plane, CHROMA_WIDTH, CHROMA_HEIGHT)));
    Picture::new(
        size,
        Luma::new(SMALL_WIDTH, range.expand(nearest(&planes.luma, SMALL_WIDTH, SMALL_HEIGHT)))?,
        Luma::new(crop.0, range.expand(centre(&planes.luma, crop)))?,
        chroma.and_then(|[blue, red]| Chroma::new(blue, red)),
    )
}

/// `plane` at `width` x `height` by the nearest pixel.
pub(super) fn nearest(plane: &Plane<'_>, width: usize, height: usize) -> Box<[u8]> {
    // The middle of the pixel that is made, in the plane.
    let middle = |at: usize, of: usize, length: usize| (at * 2 + 1) * length / (of * 2).max(1);
    let columns: Vec<usize> = (0..width).map(|column| middle(column, width, plane.width)).collect();
    let rows = (0..height).map(|row| plane.row(middle(row, height, plane.height)));
    rows.flat_map(|row| columns.iter().map(move |column| row.get(*column).copied().unwrap_or_default()))
        .collect()
}

fn centre(plane: &Plane<'_>, (width, height): (usize, usize)) -> Box<[u8]> {
    let (left, top) = (plane.width.saturating_sub(width) / 2, plane.height.saturating_sub(height) / 2);
    let rows = (top..top + height).map(|row| plane.row(row).get(left..left + width).unwrap_or_default());
    rows.flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::layout::Form;

    #[test]
    fn levels_are_brought_to_full_range() {
        let levels = || -> Box<[u8]> { [0, 16, 126, 235, 255].into() };
        assert_eq!(Range::Video.expand(levels())[..], [0, 0, 128, 255, 255]);
        assert_eq!(Range::Full.expand(levels()), levels());
    }

    #[test]
    fn the_range_is_told_by_the_colorimetry() {
        let check = |text, expected| assert_eq!(Range::of(text), expected, "{text:?}");
        check(None, Range::Video);
        check(Some("bt709"), Range::Video);
        check(Some("2:4:7:1"), Range::Video);
        check(Some("1:4:0:0"), Range::Full);
        check(Some("sRGB"), Range::Full);
    }

    #[test]
    fn pixels_come_from_their_place() {
        // Each pixel says its column and row, 64 x 36.
        let buffer: Vec<u8> =
            (0..36_u8).flat_map(|row| (0..64_u8).map(move |column| column / 4 * 16 + row / 4)).collect();
        let planes = Planes::of(Form::Gray8, (64, 36), &buffer).unwrap();
        let picture = shrink(&planes, Range::Full, (64, 36)).unwrap();
        let small = picture.small().pixels();
        assert_eq!(
            (small.len(), picture.crop().pixels().len(), picture.chroma()),
            (320 * 180, 64 * 36, None)
        );
        assert_eq!(picture.crop().pixels(), &buffer[..], "a small picture is its own crop");
        assert_eq!((small[0], small[319], small[320 * 179]), (0, 15 * 16, 8));
        assert_eq!(centre(&planes.luma, (4, 4))[..4], buffer[16 * 64 + 30..16 * 64 + 34]);
        assert_eq!(nearest(&planes.luma, 16, 9)[17], 16 + 1);
    }
}
