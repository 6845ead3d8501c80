//! What a decoded picture says about its camera, never about who is in it.
//!
//! Owns the pictures as the decoder hands them over, the items of video quality diagnosis and their words; the files below
//! own the features, the baselines, the checks and the confirmation. Knows no codec, no file and no person: of a
//! picture only sums over cells are kept, from which it cannot be seen again.
//!
//! The way of one picture: [`Picture`] -> [`Features`] -> checks against the point's [`Baselines`] -> [`Diagnosis`].

pub mod area;
pub mod baseline;
pub mod check;
pub mod chroma;
pub mod detail;
pub mod diagnosis;
pub mod feature;
mod fourier;
pub mod framing;
pub mod grid;
pub mod settings;
pub mod shift;
pub mod sky;
pub mod still;
pub mod stripe;
pub mod torn;
pub mod verdict;
pub mod waiver;
pub mod weather;

pub use area::{Area, Areas, Mask};
pub use baseline::{Baseline, Baselines};
pub use check::{Context, Reading, check};
pub use diagnosis::{Diagnosis, Status};
pub use feature::Features;
pub use framing::{Framing, Framings};
pub use settings::{PictureRules, Rule};
pub use sky::{Light, Sky};
pub use verdict::{ConfirmedFault, PictureVerdict, StillNote};
pub use waiver::{Waiver, When};

use std::fmt;
use std::str::FromStr;

/// Width of the fixed small picture (domain.md 3.3).
pub const SMALL_WIDTH: usize = 320;
/// Height of the fixed small picture.
pub const SMALL_HEIGHT: usize = 180;
/// Width of a small chroma plane: 4:2:0.
pub const CHROMA_WIDTH: usize = SMALL_WIDTH / 2;
/// Height of a small chroma plane.
pub const CHROMA_HEIGHT: usize = SMALL_HEIGHT / 2;
/// The crop is at most this large: a pixel of it is a pixel of the stream.
pub const CROP_WIDTH: usize = SMALL_WIDTH;
/// Height of the largest crop.
pub const CROP_HEIGHT: usize = SMALL_HEIGHT;

/// A grey picture in full range: black is 0, white is 255. Streams mostly carry 16-235: whoever decodes expands them,
/// else pure black would have the mean 16 and pass every limit made for black.
#[derive(Clone, PartialEq, Eq)]
pub struct Luma {
    width: usize,
    pixels: Box<[u8]>,
}

impl Luma {
    /// Takes rows of `width` pixels; `None` when they do not make whole rows, or none.
    pub fn new(width: usize, pixels: Box<[u8]>) -> Option<Self> {
        let whole = width > 0 && !pixels.is_empty() && pixels.len().is_multiple_of(width);
        whole.then_some(Self { width, pixels })
    }

    /// Pixels in a row.
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub const fn height(&self) -> usize {
        self.pixels.len() / self.width
    }

    /// Every row, from the top.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, u8> {
        self.pixels.chunks_exact(self.width)
    }

    /// Every pixel, row by row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }
}

impl fmt::Debug for Luma {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Luma({}x{})", self.width, self.height())
    }
}

/// The colour of the small picture: the two chroma planes of 4:2:0, 128 is no colour.
#[derive(Clone, PartialEq, Eq)]
pub struct Chroma {
    blue: Box<[u8]>,
    red: Box<[u8]>,
}

impl Chroma {
    /// Takes the planes Cb and Cr; `None` unless each has [`CHROMA_WIDTH`] x [`CHROMA_HEIGHT`] values.
    pub fn new(blue: Box<[u8]>, red: Box<[u8]>) -> Option<Self> {
        let length = CHROMA_WIDTH * CHROMA_HEIGHT;
        (blue.len() == length && red.len() == length).then_some(Self { blue, red })
    }

    /// The plane Cb.
    pub fn blue(&self) -> &[u8] {
        &self.blue
    }

    /// The plane Cr.
    pub fn red(&self) -> &[u8] {
        &self.red
    }
}

impl fmt::Debug for Chroma {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chroma({CHROMA_WIDTH}x{CHROMA_HEIGHT})")
    }
}

/// A decoded picture, as small as the checks need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    size: (u32, u32),
    small: Luma,
    crop: Luma,
    chroma: Option<Chroma>,
}

impl Picture {
    /// Takes the decoded size, the whole picture scaled to [`SMALL_WIDTH`] x [`SMALL_HEIGHT`] by the nearest pixel (an
    /// average would hide noise), the centre of the picture at 1:1, and the chroma of the small picture where the
    /// stream has any. `None` when a size is not as said.
    pub fn new(size: (u32, u32), small: Luma, crop: Luma, chroma: Option<Chroma>) -> Option<Self> {
        let small_fits = small.width() == SMALL_WIDTH && small.height() == SMALL_HEIGHT;
        let crop_fits = (crop.width(), crop.height()) == crop_size(size);
        (small_fits && crop_fits).then_some(Self { size, small, crop, chroma })
    }

    /// Width and height in pixels as decoded.
    pub const fn size(&self) -> (u32, u32) {
        self.size
    }

    /// The whole picture, small.
    pub const fn small(&self) -> &Luma {
        &self.small
    }

    /// The centre at 1:1.
    pub const fn crop(&self) -> &Luma {
        &self.crop
    }

    /// The colour of the small picture.
    pub const fn chroma(&self) -> Option<&Chroma> {
        self.chroma.as_ref()
    }
}

/// Width and height of the crop from a picture of `size`.
pub fn crop_size(size: (u32, u32)) -> (usize, usize) {
    let cut = |length: u32, most: usize| usize::try_from(length).unwrap_or(usize::MAX).min(most);
    (cut(size.0, CROP_WIDTH), cut(size.1, CROP_HEIGHT))
}

/// What came of one try to see a picture.
#[derive(Clone, Debug, PartialEq)]
pub enum Shot {
    /// A picture was decoded from a key frame that arrived without loss.
    Seen(Box<Features>),
    /// A key frame arrived, but it cannot be judged.
    Damaged(Damage),
    /// No key frame arrived, or none that can be decoded, within the deadlines of the look (domain.md 3.3: no RTP for 10 s,
    /// no decodable key frame for 30 s or two groups).
    Lost,
}

/// Why a key frame cannot be judged. Decoders conceal what is missing and flag next to nothing (media.md 5: 98 of 100
/// damaged key frames gave a picture without a flag), so that packets decide, not pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Damage {
    /// RTP packets of the key frame are missing, or it cannot be put together from them.
    PacketsLost,
    /// The decoder reported an error, gave no picture or died over it.
    NotDecoded,
}

/// What packets and decoder tell of a look, beside the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StreamFacts {
    /// Lost over sent RTP packets of the look; `None` when too few were sent to say.
    pub lost_over_sent: Option<f64>,
    /// Key frames that could not be put together or decoded, over all; `None` when there was none.
    pub broken_over_decoded: Option<f64>,
    /// Whether RTP time went on while packets came.
    pub pace: Pace,
}

/// Whether RTP time goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// It goes on, or too little came to say.
    #[default]
    Moving,
    /// Packets come again and again with the same RTP time.
    Stopped,
}

macro_rules! items {
    ($($(#[$doc:meta])* $name:ident => $text:literal, $zh:literal;)*) => {
        /// An item of video quality diagnosis (视频质量诊断).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Item {
            $($(#[$doc])* $name,)*
        }

        impl Item {
            /// Every item, the worst first.
            pub const ALL: [Self; 13] = [$(Self::$name,)*];

            /// The word used in SQL, JSON, metrics and logs.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The Chinese name.
            pub const fn name_zh(self) -> &'static str {
                match self { $(Self::$name => $zh,)* }
            }
        }
    };
}

items! {
    /// No picture can be had.
    SignalLost => "signal_lost", "信号丢失";
    /// Black, or one colour all over (a blue screen).
    Blank => "blank", "黑屏/单色";
    /// The picture stands still.
    Frozen => "frozen", "画面冻结";
    /// Something hides the view.
    Covered => "covered", "遮挡";
    /// The camera looks elsewhere.
    Moved => "moved", "移位";
    /// Out of focus, or a dirty window.
    Blurred => "blurred", "模糊";
    /// Too dark to see.
    TooDark => "too_dark", "过暗";
    /// Too bright to see.
    TooBright => "too_bright", "过亮";
    /// The stream is damaged.
    Damaged => "damaged", "花屏/丢包";
    /// Snow-like noise.
    Noise => "noise", "雪花/噪声";
    /// Stripes.
    Stripes => "stripes", "条纹";
    /// One colour lies over the picture.
    ColourCast => "colour_cast", "偏色";
    /// The camera shakes.
    Shaking => "shaking", "抖动";
}

impl Item {
    /// Whether it is held against the point's baseline.
    pub const fn needs_baseline(self) -> bool {
        match self {
            Self::Covered
            | Self::Moved
            | Self::Blurred
            | Self::TooDark
            | Self::TooBright
            | Self::Noise
            | Self::Stripes
            | Self::ColourCast
            | Self::Shaking => true,
            Self::SignalLost | Self::Blank | Self::Frozen | Self::Damaged => false,
        }
    }

    /// Whether snow, fog, heavy rain or frost can look like it (domain.md 3.3, 6).
    pub const fn may_be_weather(self) -> bool {
        match self {
            Self::Covered
            | Self::Moved
            | Self::Blurred
            | Self::TooDark
            | Self::TooBright
            | Self::Noise
            | Self::ColourCast
            | Self::Shaking => true,
            Self::SignalLost | Self::Blank | Self::Frozen | Self::Damaged | Self::Stripes => false,
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no item.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no item of picture diagnosis")]
pub struct UnknownItem(String);

impl FromStr for Item {
    type Err = UnknownItem;

    fn from_str(text: &str) -> Result<Self, UnknownItem> {
        Self::ALL.into_iter().find(|item| item.as_str() == text).ok_or_else(|| UnknownItem(text.to_owned()))
    }
}

/// One value for each item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerItem<T>([T; Item::ALL.len()]);

impl<T> PerItem<T> {
    /// Makes the value of every item.
    pub fn new(make: impl FnMut(Item) -> T) -> Self {
        Self(Item::ALL.map(make))
    }

    /// The items with their values, the worst item first.
    pub fn iter(&self) -> impl Iterator<Item = (Item, &T)> {
        Item::ALL.into_iter().zip(&self.0)
    }

    /// The items with their values to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Item, &mut T)> {
        Item::ALL.into_iter().zip(&mut self.0)
    }

    /// The value of one item.
    #[expect(clippy::indexing_slicing, reason = "there is a value for every item")]
    pub const fn of(&self, item: Item) -> &T {
        &self.0[item as usize]
    }

    /// The value of one item to change.
    #[expect(clippy::indexing_slicing, reason = "there is a value for every item")]
    pub const fn of_mut(&mut self, item: Item) -> &mut T {
        &mut self.0[item as usize]
    }
}

/// A set of items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ItemSet(u16);

impl ItemSet {
    /// Every item.
    pub const ALL: Self = Self((1 << Item::ALL.len()) - 1);

    /// Adds an item.
    pub const fn insert(&mut self, item: Item) {
        self.0 |= 1 << item as u16;
    }

    /// The items of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Its items that the other one does not hold.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The items, the worst first.
    pub fn iter(self) -> impl Iterator<Item = Item> {
        Item::ALL.into_iter().filter(move |item| self.contains(*item))
    }

    /// Whether it holds an item.
    pub const fn contains(self, item: Item) -> bool {
        self.0 & (1 << item as u16) != 0
    }
}

impl FromIterator<Item> for ItemSet {
    fn from_iter<I: IntoIterator<Item = Item>>(items: I) -> Self {
        let mut set = Self::default();
        items.into_iter().for_each(|item| set.insert(item));
        set
    }
}

/// How bad an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Grade {
    /// 未检测, and why.
    NotChecked(Skip),
    /// 正常.
    Normal,
    /// 预警.
    Warning,
    /// 异常.
    Abnormal,
}

impl Grade {
    /// The word used in SQL, JSON and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotChecked(_) => "not_checked",
            Self::Normal => "normal",
            Self::Warning => "warning",
            Self::Abnormal => "abnormal",
        }
    }

    /// Whether something is wrong.
    pub const fn is_fault(self) -> bool {
        match self {
            Self::Warning | Self::Abnormal => true,
            Self::NotChecked(_) | Self::Normal => false,
        }
    }
}

/// Why an item was not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Skip {
    /// The settings turn it off.
    Off,
    /// A person said that it shall not be checked here now.
    Waived,
    /// There was no picture to check.
    NoPicture,
    /// What it needs was not measured in this look.
    NotMeasured,
    /// The baseline for this light is still being learnt.
    Learning,
    /// The stream has another size than the baseline: the two cannot be compared.
    Resized,
    /// The picture has no colour.
    NoColour,
    /// It is not judged in this light: at dawn, dusk or night.
    Light,
    /// What could be held against something does not allow it: the baseline has too few edges, no detail or one colour by
    /// nature, or nothing of the picture is looked at.
    Featureless,
    /// Another item explains what is seen.
    Explained(Item),
}

impl Skip {
    /// Whether what was believed of the item goes on: it only could not be checked this time. Else there is nothing that it
    /// could be held against, or nobody wants to know.
    pub const fn leaves_belief(self) -> bool {
        match self {
            Self::NoPicture | Self::NotMeasured | Self::NoColour | Self::Light | Self::Explained(_) => true,
            Self::Off | Self::Waived | Self::Learning | Self::Resized | Self::Featureless => false,
        }
    }

    /// The word used in SQL and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Waived => "waived",
            Self::NoPicture => "no_picture",
            Self::NotMeasured => "not_measured",
            Self::Learning => "learning",
            Self::Resized => "resized",
            Self::NoColour => "no_colour",
            Self::Light => "light",
            Self::Featureless => "featureless",
            Self::Explained(_) => "explained",
        }
    }
}

/// The number of things as a float; what is counted here is far below 2^52.
#[expect(
    clippy::cast_precision_loss,
    reason = "a picture of 57600 pixels has far fewer than 2^52 of anything"
)]
pub(crate) const fn count(things: usize) -> f64 {
    things as f64
}

/// `part` of `whole`; zero of nothing is zero.
pub(crate) fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// The nearest byte.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a byte")]
pub(crate) const fn byte(value: f64) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

/// The middle of some values; `None` of none.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let (_, value, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    Some(*value)
}

#[cfg(test)]
mod scene;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_survives_its_text_and_has_its_own_place() {
        for (place, item) in Item::ALL.into_iter().enumerate() {
            assert_eq!(item.as_str().parse(), Ok(item));
            assert_eq!(item as usize, place);
        }
        assert!("face".parse::<Item>().is_err());
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        let set: ItemSet = [Item::Frozen, Item::Shaking].into_iter().collect();
        let held: Vec<Item> = Item::ALL.into_iter().filter(|item| set.contains(*item)).collect();
        assert_eq!(held, [Item::Frozen, Item::Shaking]);
        assert!(Item::ALL.into_iter().all(|item| ItemSet::ALL.contains(item)));
    }

    #[test]
    fn a_picture_of_another_shape_is_refused() {
        let luma = |width: usize, height| Luma::new(width, vec![0; width * height].into()).unwrap();
        let check = |size, crop, expected: bool| {
            let made = Picture::new(size, luma(320, 180), crop, None);
            assert_eq!(made.is_some(), expected, "{size:?}");
        };
        check((640, 360), luma(320, 180), true);
        check((176, 144), luma(176, 144), true);
        check((1920, 80), luma(320, 80), true);
        check((640, 360), luma(320, 179), false);
        check((176, 144), luma(320, 180), false);
        assert!(Picture::new((640, 360), luma(160, 90), luma(320, 180), None).is_none());
        assert!(Luma::new(3, vec![0; 8].into()).is_none());
        assert!(Luma::new(0, Box::default()).is_none());
        assert!(Chroma::new(vec![128; 14_400].into(), vec![128; 100].into()).is_none());
    }
}
