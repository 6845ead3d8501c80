//! Where the planes of a raw picture lie, as GStreamer lays them out by default.

/// The raw forms that a decoder may give; anything else (10 bit, packed, RGB) is converted to the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// 4:2:0.
    I420,
    /// 4:2:2.
    Y42B,
    /// 4:4:4.
    Y444,
    /// Luma alone.
    Gray8,
}

impl Form {
    pub(super) const ALL: [Self; 4] = [Self::I420, Self::Y42B, Self::Y444, Self::Gray8];

    /// GStreamer's name.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::I420 => "I420",
            Self::Y42B => "Y42B",
            Self::Y444 => "Y444",
            Self::Gray8 => "GRAY8",
        }
    }

    /// How many luma pixels share a chroma pixel, across and down; `None` without chroma.
    const fn sharing(self) -> Option<(usize, usize)> {
        match self {
            Self::I420 => Some((2, 2)),
            Self::Y42B => Some((2, 1)),
            Self::Y444 => Some((1, 1)),
            Self::Gray8 => None,
        }
    }
}

/// One plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plane<'a> {
    bytes: &'a [u8],
    stride: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl<'a> Plane<'a> {
    /// The pixels of a row; empty outside the picture.
    pub(super) fn row(&self, row: usize) -> &'a [u8] {
        let start = row.saturating_mul(self.stride);
        self.bytes.get(start..start.saturating_add(self.width)).unwrap_or_default()
    }
}

/// The planes of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Planes<'a> {
    pub(super) luma: Plane<'a>,
    pub(super) chroma: Option<[Plane<'a>; 2]>,
}

impl<'a> Planes<'a> {
    /// Finds the planes in a buffer; `None` when it is too short for them.
    pub(super) fn of(form: Form, (width, height): (usize, usize), buffer: &'a [u8]) -> Option<Self> {
        let luma_stride = width.checked_next_multiple_of(4)?;
        let Some((across, down)) = form.sharing() else {
            let (luma, _rest) = cut(buffer, luma_stride, width, height)?;
            return Some(Self { luma, chroma: None });
        };
        // I420 and Y42B pad their rows so that a chroma row is whole words too.
        let rows = height.checked_next_multiple_of(down)?;
        let (luma, rest) = cut(buffer, luma_stride, width, rows)?;
        let stride = width.checked_next_multiple_of(across)?.div_ceil(across).checked_next_multiple_of(4)?;
        let (blue, rest) = cut(rest, stride, width.div_ceil(across), rows / down)?;
        let (red, _rest) = cut(rest, stride, width.div_ceil(across), rows / down)?;
        Some(Self { luma: Plane { height, ..luma }, chroma: Some([blue, red]) })
    }
}

fn cut(bytes: &[u8], stride: usize, width: usize, height: usize) -> Option<(Plane<'_>, &[u8])> {
    let (plane, rest) = bytes.split_at_checked(stride.checked_mul(height)?)?;
    Some((Plane { bytes: plane, stride, width, height }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_planes_lie_where_gstreamer_puts_them() {
        let check = |form, size, length: usize, chroma: Option<(usize, usize, usize)>| {
            let buffer = vec![0; length];
            assert_eq!(Planes::of(form, size, &buffer[..length - 1]), None, "{form:?} {size:?}");
            let planes = Planes::of(form, size, &buffer).unwrap();
            assert_eq!((planes.luma.width, planes.luma.height), size);
            let found = planes.chroma.map(|[blue, _red]| (blue.width, blue.height, blue.stride));
            assert_eq!(found, chroma, "{form:?} {size:?}");
        };
        check(Form::I420, (640, 360), 640 * 360 * 3 / 2, Some((320, 180, 320)));
        check(Form::I420, (35, 25), 36 * 26 + 2 * 20 * 13, Some((18, 13, 20)));
        check(Form::Y42B, (640, 360), 640 * 360 * 2, Some((320, 360, 320)));
        check(Form::Y444, (34, 2), 36 * 2 * 3, Some((34, 2, 36)));
        check(Form::Gray8, (33, 3), 36 * 3, None);
    }

    #[test]
    fn a_row_outside_the_picture_is_empty() {
        let buffer: Vec<u8> = (0..24).collect();
        let planes = Planes::of(Form::Gray8, (3, 6), &buffer).unwrap();
        assert_eq!(planes.luma.row(1), [4, 5, 6]);
        assert!(planes.luma.row(6).is_empty());
        assert!(planes.luma.row(usize::MAX).is_empty());
    }
}
