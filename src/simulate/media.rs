//! The pictures of the simulated cameras: short clips, encoded once and kept in the work folder.
//!
//! A clip file is a plain Annex B stream that any player opens. Encoding all of them takes half a minute of two
//! cores at the first start; later starts read the files.

use crate::domain::Timestamp;
use crate::simulate::encode::{EncodeError, Encoding, PICTURES_PER_SECOND, Rate, encode};
use crate::simulate::fleet::{Coding, MEDIA, asks_for_user};
use crate::simulate::scene::{Camera, Flaw, Light, Occasion, Place, Setting, Size, Stage, Strength};
use gstreamer as gst;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Changes when a recipe changes, so that old files are not taken.
const VERSION: u32 = 2;
/// With the headers of RTP, RTSP and TCP this comes to 256 kbit/s on the line; for the main clip too, which is looked at
/// for its size only.
const KBPS: u32 = 225;
/// For pictures that stand still.
const QUANTISER: u32 = 22;
/// Pictures from one random-access picture to the next: two seconds, as village cameras send them.
pub const GROUP: u32 = 30;
/// Seven groups are fourteen seconds. No usual pace of looking is a multiple of it, so that a camera that is looked at
/// again hardly ever shows the very picture that it showed before, which would make it a frozen one.
const PICTURES: u32 = 7 * GROUP;
/// When the pictures are said to be taken: 10:00 in China, and 22:00.
const MORNING: Timestamp = Timestamp::from_seconds(1_780_279_200);
const EVENING: Timestamp = Timestamp::from_seconds(1_780_322_400);

/// Why there are no pictures.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// GStreamer does not start.
    #[error("start GStreamer")]
    Start(#[source] gst::glib::Error),
    /// The encoder failed.
    #[error("encode clip {clip}")]
    Encode {
        /// The clip.
        clip: &'static str,
        /// Why.
        #[source]
        source: EncodeError,
    },
    /// A file cannot be read or written.
    #[error("keep clip {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A clip holds no pictures.
    #[error("clip {0} holds no pictures")]
    Empty(&'static str),
}

/// A clip in memory: its access units in order, the first one a random-access picture.
#[derive(Clone, Debug)]
pub struct Clip {
    /// Name, unique among the clips.
    pub name: &'static str,
    /// Coding.
    pub coding: Coding,
    /// Access units.
    pub units: Vec<gst::Buffer>,
}

/// How a clip is made.
struct Recipe {
    name: &'static str,
    coding: Coding,
    place: Place,
    setting: Setting,
    size: Size,
    pictures: u32,
}

/// Lays out the places; another number is another village.
const SEED: u64 = 21;
const DAY: Setting = Setting::sound(Light::Day, Occasion::Lively);

/// Pictures that stand still need one group, and one is enough of a main stream: a large picture takes nine times as long
/// to encode.
const RECIPES: [Recipe; 16] = [
    street("street", DAY),
    Recipe { place: Place::Yard, ..street("yard", DAY) },
    Recipe { place: Place::Square, coding: Coding::H265, ..street("junction", DAY) },
    Recipe { place: Place::River, coding: Coding::H265Open, ..street("open-group", DAY) },
    Recipe { size: Size::MAIN, pictures: GROUP, ..street("main", DAY) },
    Recipe { pictures: GROUP, ..flawed("black", Flaw::Black) },
    Recipe { pictures: GROUP, ..flawed("frozen", Flaw::Frozen) },
    flawed("blurred", Flaw::Blurred),
    flawed("covered", Flaw::Covered),
    flawed("moved", Flaw::Moved),
    flawed("noise", Flaw::Noise),
    flawed("colour-cast", Flaw::ColourCast),
    flawed("too-dark", Flaw::TooDark),
    street("infrared", Setting::sound(Light::Infrared, Occasion::Lively)),
    street("snowfall", Setting::sound(Light::Dim(80), Occasion::Snowfall)),
    street("still-night", Setting::sound(Light::Night, Occasion::Still)),
];

/// The camera on which faults are shown: all its clips show the same road, so that only the fault is new.
const fn street(name: &'static str, setting: Setting) -> Recipe {
    Recipe { name, coding: Coding::H264, place: Place::Road, setting, size: Size::SUB, pictures: PICTURES }
}

const fn flawed(name: &'static str, flaw: Flaw) -> Recipe {
    street(name, Setting::spoilt(Light::Day, flaw, Strength::Clear))
}

/// The clip that a shared media shows.
pub const fn clip_of_media(media: usize, coding: Coding) -> &'static str {
    match coding {
        Coding::H264 if media >= MEDIA => "main",
        Coding::H264 if asks_for_user(media) => "yard",
        Coding::H264 => "street",
        Coding::H265 => "junction",
        Coding::H265Open => "open-group",
    }
}

/// Loads every clip from `folder`; encodes those that are not there yet. Takes seconds of CPU: not for async code.
pub fn load(folder: &Path) -> Result<Vec<Clip>, MediaError> {
    gst::init().map_err(MediaError::Start)?;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| MediaError::File { path, source }
    };
    std::fs::create_dir_all(folder).map_err(failed(folder))?;
    // Two simulators may share a folder; the second waits for what the first encodes.
    let lock = folder.join("lock");
    let lock_file = std::fs::File::create(&lock).map_err(failed(&lock))?;
    lock_file.lock().map_err(failed(&lock))?;
    let load_one = |recipe: &Recipe| {
        let path = folder.join(recipe.file_name());
        if !path.exists() {
            let unfinished = path.with_extension("part");
            std::fs::write(&unfinished, recipe.encode()?).map_err(failed(&unfinished))?;
            std::fs::rename(&unfinished, &path).map_err(failed(&unfinished))?;
        }
        recipe.read(std::fs::read(&path).map_err(failed(&path))?)
    };
    RECIPES.iter().map(load_one).collect()
}

impl Recipe {
    fn file_name(&self) -> String {
        let extension = match self.coding {
            Coding::H264 => "h264",
            Coding::H265 | Coding::H265Open => "h265",
        };
        format!("{}-{VERSION}.{extension}", self.name)
    }

    fn encode(&self) -> Result<Vec<u8>, MediaError> {
        let rate = if self.stands_still() { Rate::Quantiser(QUANTISER) } else { Rate::Kbps(KBPS) };
        let encoding = Encoding { coding: self.coding, size: self.size, rate, group: GROUP };
        let stage = Stage::set(&Camera::at(self.place, SEED), self.size, self.setting);
        let start = match self.setting.light {
            Light::Day | Light::Dim(_) => MORNING,
            Light::Night | Light::Infrared => EVENING,
        };
        let pace = Duration::from_secs(1) / PICTURES_PER_SECOND;
        let drawings = (0..self.pictures).map(move |number| stage.draw(start.plus(pace * number)));
        let units =
            encode(&encoding, drawings).map_err(|source| MediaError::Encode { clip: self.name, source })?;
        Ok(units.concat())
    }

    /// A picture that stands still must decode to the same bytes each time, which only a fixed quantiser gives.
    fn stands_still(&self) -> bool {
        self.setting.spoilt.is_some_and(|spoilt| matches!(spoilt.flaw, Flaw::Black | Flaw::Frozen))
    }

    fn read(&self, bytes: Vec<u8>) -> Result<Clip, MediaError> {
        let units: Vec<gst::Buffer> = access_units(self.coding, &bytes)
            .into_iter()
            .map(|unit| gst::Buffer::from_slice(unit.to_vec()))
            .collect();
        if units.is_empty() {
            return Err(MediaError::Empty(self.name));
        }
        Ok(Clip { name: self.name, coding: self.coding, units })
    }
}

/// Splits an Annex B stream at its access unit delimiters.
fn access_units(coding: Coding, bytes: &[u8]) -> Vec<&[u8]> {
    let is_delimiter = |header: u8| match coding {
        Coding::H264 => header & 0x1f == 9,
        Coding::H265 | Coding::H265Open => (header >> 1) & 0x3f == 35,
    };
    let starts = bytes.windows(5).enumerate().filter_map(|(at, window)| match window {
        [0, 0, 0, 1, header] if is_delimiter(*header) => Some(at),
        _ => None,
    });
    let starts: Vec<usize> = starts.collect();
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    starts.iter().zip(ends).filter_map(|(start, end)| bytes.get(*start..end)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::fault::Fault;

    #[test]
    fn access_units_begin_at_their_delimiters() {
        let bytes = [0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 9, 0xf0, 2];
        assert_eq!(access_units(Coding::H264, &bytes), [&bytes[..12], &bytes[12..]]);
        assert_eq!(access_units(Coding::H265, &bytes), Vec::<&[u8]>::new());
        let bytes = [0, 0, 0, 1, 35 << 1, 1, 3];
        assert_eq!(access_units(Coding::H265, &bytes), [&bytes[..]]);
    }

    #[test]
    fn every_clip_that_is_asked_for_has_a_recipe() {
        let known = |name| RECIPES.iter().any(|recipe| recipe.name == name);
        for media in 0..MEDIA + crate::simulate::fleet::MAIN_MEDIA {
            assert!(known(clip_of_media(media, crate::simulate::fleet::coding(media))));
        }
        assert!(Fault::ALL.iter().filter_map(|fault| fault.clip()).all(known));
    }
}
