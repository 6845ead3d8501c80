//! The pictures of the simulated cameras: short clips, encoded once and kept in the work folder.
//!
//! A clip file is a plain Annex B stream that any player opens. Encoding all of them takes some ten seconds of one
//! core at the first start; later starts read the files.

use crate::simulate::fault::Fault;
use crate::simulate::fleet::{Coding, MEDIA};
use gstreamer as gst;
use gstreamer::prelude::*;
use std::io;
use std::path::{Path, PathBuf};

/// Changes when a recipe changes, so that old files are not taken.
const VERSION: u32 = 1;
/// With the headers of RTP, RTSP and TCP this comes to 256 kbit/s on the line; for the main clip too, at whose pictures
/// nobody looks.
const KBPS: u32 = 225;
/// Longest time for one clip; a second or two on an idle core.
const ENCODE_DEADLINE: gst::ClockTime = gst::ClockTime::from_seconds(120);

/// Why there are no pictures.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// GStreamer does not start.
    #[error("start GStreamer")]
    Start(#[source] gst::glib::Error),
    /// An element is missing or a recipe is wrong.
    #[error("build the encoder of clip {clip}; are gstreamer1.0-plugins-{{base,good,bad,ugly}} installed?")]
    Build {
        /// The clip.
        clip: &'static str,
        /// Why.
        #[source]
        source: gst::glib::Error,
    },
    /// The encoder stopped.
    #[error("encode clip {clip}: {reason}")]
    Encode {
        /// The clip.
        clip: &'static str,
        /// What GStreamer said.
        reason: String,
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
    scene: Scene,
    size: (u32, u32),
    pictures: u32,
    /// Pictures from one random-access picture to the next.
    group: u32,
}

enum Scene {
    /// Something moves, and the sensor has noise; named by its test pattern.
    Street(&'static str),
    Black,
    Frozen,
    Blurred,
    Covered,
}

/// Eight seconds in groups of two, as village cameras send them. One group is enough of a main stream: a large picture
/// takes nine times as long to encode.
const RECIPES: [Recipe; 9] = [
    recipe("street", Coding::H264, Scene::Street("pinwheel")),
    recipe("yard", Coding::H264, Scene::Street("spokes")),
    recipe("junction", Coding::H265, Scene::Street("pinwheel")),
    recipe("open-group", Coding::H265Open, Scene::Street("spokes")),
    recipe("black", Coding::H264, Scene::Black),
    recipe("frozen", Coding::H264, Scene::Frozen),
    recipe("blurred", Coding::H264, Scene::Blurred),
    recipe("covered", Coding::H264, Scene::Covered),
    Recipe { size: (1920, 1080), pictures: 30, ..recipe("main", Coding::H264, Scene::Street("pinwheel")) },
];

const fn recipe(name: &'static str, coding: Coding, scene: Scene) -> Recipe {
    Recipe { name, coding, scene, size: (640, 360), pictures: 120, group: 30 }
}

/// The clip that a shared media shows.
pub const fn clip_of_media(media: usize, coding: Coding) -> &'static str {
    match coding {
        Coding::H264 if media >= MEDIA => "main",
        Coding::H264 if (media / 2).is_multiple_of(2) => "street",
        Coding::H264 => "yard",
        Coding::H265 => "junction",
        Coding::H265Open => "open-group",
    }
}

/// The clip that a faulty camera shows instead of its own.
pub const fn clip_of_fault(fault: Fault) -> Option<&'static str> {
    match fault {
        Fault::Black => Some("black"),
        Fault::Frozen => Some("frozen"),
        Fault::Blurred => Some("blurred"),
        Fault::Covered => Some("covered"),
        Fault::Refused
        | Fault::Silent
        | Fault::WrongPassword
        | Fault::NotFound
        | Fault::SessionLimit
        | Fault::Stall
        | Fault::NoKeyFrame
        | Fault::Loss
        | Fault::LowFrameRate
        | Fault::SlowKeyFrames
        | Fault::WrongClock => None,
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
            recipe.encode(&unfinished)?;
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

    fn encode(&self, to: &Path) -> Result<(), MediaError> {
        let launch = self.launch();
        let pipeline =
            gst::parse::launch(&launch).map_err(|source| MediaError::Build { clip: self.name, source })?;
        let failed = |reason: String| MediaError::Encode { clip: self.name, reason };
        let pipeline = pipeline
            .downcast::<gst::Pipeline>()
            .map_err(|_other_element| failed("the launch line is no pipeline".to_owned()))?;
        if let Some(sink) = pipeline.by_name("file") {
            sink.set_property("location", to.to_string_lossy().as_ref());
        }
        let result = play_to_end(&pipeline).map_err(failed);
        let stopped = pipeline.set_state(gst::State::Null);
        result.and(stopped.map(|_success| ()).map_err(|error| failed(error.to_string())))
    }

    fn launch(&self) -> String {
        let ((width, height), group) = (self.size, self.group);
        let caps = format!("video/x-raw,format=I420,width={width},height={height},framerate=15/1");
        let scene = self.scene.launch(self.pictures, &caps);
        let noise = self.scene.noise();
        let encoder = match self.coding {
            Coding::H264 => format!(
                "x264enc {} speed-preset=veryfast bframes=0 aud=true key-int-max={group} \
                 option-string=scenecut=0:min-keyint={group} \
                 ! video/x-h264,profile=main,stream-format=byte-stream ! h264parse",
                self.scene.rate()
            ),
            Coding::H265 | Coding::H265Open => {
                let open = u8::from(self.coding == Coding::H265Open);
                format!(
                    "x265enc bitrate={KBPS} speed-preset=superfast option-string=keyint={group}:min-keyint={group}:\
                     scenecut=0:open-gop={open}:bframes={bframes}:aud=1:repeat-headers=1:log-level=0 \
                     ! video/x-h265,stream-format=byte-stream ! h265parse",
                    bframes = 2 * open
                )
            }
        };
        format!(
            "compositor name=mix sink_1::alpha={noise} ! {caps} ! {encoder} ! filesink name=file \
             {scene} ! mix.sink_0 videotestsrc pattern=snow num-buffers={} ! {caps} ! mix.sink_1",
            self.pictures
        )
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

impl Scene {
    fn launch(&self, pictures: u32, caps: &str) -> String {
        let source =
            |pattern: &str| format!("videotestsrc pattern={pattern} num-buffers={pictures} ! {caps}");
        match self {
            Self::Street(pattern) => source(pattern),
            Self::Black => source("black"),
            Self::Frozen => format!(
                "videotestsrc pattern=pinwheel num-buffers=1 ! {caps} ! imagefreeze num-buffers={pictures} ! {caps}"
            ),
            Self::Blurred => {
                format!(
                    "{} ! videoscale ! video/x-raw,width=20,height=12 ! videoscale ! {caps}",
                    source("pinwheel")
                )
            }
            Self::Covered => source("solid-color foreground-color=0xff2a2420"),
        }
    }

    /// A picture that stands still must decode to the same bytes each time, which only a fixed quantiser gives.
    fn rate(&self) -> String {
        match self {
            Self::Street(_) | Self::Blurred | Self::Covered => {
                format!("bitrate={KBPS} vbv-buf-capacity=2000")
            }
            Self::Black | Self::Frozen => "pass=quant quantizer=22".to_owned(),
        }
    }

    /// Share of the sensor's noise in the picture.
    fn noise(&self) -> f64 {
        match self {
            Self::Street(_) | Self::Blurred => 0.08,
            Self::Covered => 0.03,
            Self::Black | Self::Frozen => 0.0,
        }
    }
}

fn play_to_end(pipeline: &gst::Pipeline) -> Result<(), String> {
    let bus = pipeline.bus().ok_or("the pipeline has no bus")?;
    pipeline.set_state(gst::State::Playing).map_err(|error| error.to_string())?;
    let message = bus
        .timed_pop_filtered(ENCODE_DEADLINE, &[gst::MessageType::Eos, gst::MessageType::Error])
        .ok_or("the encoder did not end in time")?;
    if let gst::MessageView::Error(error) = message.view() { Err(error.error().to_string()) } else { Ok(()) }
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
        assert!(Fault::ALL.iter().filter_map(|fault| clip_of_fault(*fault)).all(known));
    }
}
