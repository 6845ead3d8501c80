//! How many faults of pictures are found, and how many of what only looks wrong are called faults.
//!
//! `cargo bench --bench picture` draws village cameras, has each learnt, spoils it in every way and lets it meet what only
//! looks wrong, encodes with x264 and x265 at the rates that cameras have, decodes with the service's own decoder and
//! judges with its own judge. It prints a table for the sub-stream and one for 1080p, with the usual methods beside it,
//! and what a picture costs from the key frame to the verdict.
//!
//! `-- cameras 50` takes so many cameras, 500 when left out: one case of each item and four harmless ones at each; `-- size 640` or `1920` only one size; `-- keep FOLDER` keeps
//! what was decoded, so that another judge is measured without drawing it again; `-- dump FILE` writes every reading.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench that cannot go on should stop, and prints"
)]

mod judge;
mod rival;
mod shoot;
mod shown;
mod table;
mod trial;

use judge::{Judge, Record};
use sharpeyes::simulate::scene::{Case, Harm, Light, Look, Size, Stage};
use shoot::{Decoder, Recorder, shoot};
use shown::{Album, Shown};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use trial::{Event, Trial, trials};

/// Cameras when nothing is said: as many cases of each item.
const CAMERAS: u32 = 500;

/// What came of a trial.
struct Outcome {
    trial: Trial,
    records: Vec<Record>,
}

/// What came of everything at one size.
#[derive(Default)]
struct Results {
    outcomes: Vec<Outcome>,
    judging: Vec<Duration>,
    decoding: Vec<Duration>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| arguments.iter().skip_while(|argument| *argument != name).nth(1);
    let cameras = option("cameras").and_then(|number| number.parse().ok()).unwrap_or(CAMERAS);
    let album = option("keep").map(|folder| Album::new(Path::new(folder)));
    for size in [Size::SUB, Size::MAIN] {
        if option("size").is_none_or(|width| *width == size.width().to_string()) {
            let mut results = measure(size, cameras, album.as_ref());
            results.outcomes.sort_by_key(|outcome| (outcome.trial.event, outcome.trial.number));
            if let Some(path) = option("dump") {
                std::fs::write(path, table::dump(&results)).unwrap();
            }
            table::print(size, &mut results);
        }
    }
}

fn measure(size: Size, cameras: u32, album: Option<&Album>) -> Results {
    let (next, results) = (AtomicU32::new(0), Mutex::new(Results::default()));
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut decoder = Decoder::new(Path::new(env!("CARGO_BIN_EXE_sharpeyes")));
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= cameras {
                        break;
                    }
                    put_through(number, size, album, &mut decoder, &results);
                }
            });
        }
    });
    results.into_inner().unwrap()
}

/// Puts one camera through everything.
fn put_through(
    number: u32,
    size: Size,
    album: Option<&Album>,
    decoder: &mut Decoder,
    results: &Mutex<Results>,
) {
    let trials = trials(number);
    let case = &trials[0].case;
    let mut studio = Studio { recorder: Recorder::of(number, size), size, stage: None, album, decoder };
    let mut judge = Judge::new(case, size);
    let learnt = studio.show(case, &format!("learnt-{number}"), &case.learnt, None);
    case.learnt.iter().zip(&learnt).for_each(|(look, shown)| {
        judge.see(*look, shown);
    });
    let mut done =
        Results { decoding: learnt.iter().filter_map(Shown::cost).collect(), ..Results::default() };
    for trial in trials {
        let harm = if let Event::Harm(harm) = trial.event { Some(harm) } else { None };
        let shown = match trial.event {
            Event::Silence => Vec::new(),
            Event::Flaw(..) | Event::Harm(_) | Event::Harmless(_) => {
                studio.show(&trial.case, &trial.name(), &trial.case.judged, harm)
            }
        };
        let mut judge = judge.clone();
        let records = judge.judge(&trial, &shown);
        done.judging.append(&mut judge.costs);
        done.outcomes.push(Outcome { trial, records });
    }
    let mut results = results.lock().unwrap();
    results.outcomes.append(&mut done.outcomes);
    results.judging.append(&mut done.judging);
    results.decoding.append(&mut done.decoding);
}

/// Where the pictures of one camera come from.
struct Studio<'a> {
    recorder: Recorder,
    size: Size,
    stage: Option<Stage>,
    album: Option<&'a Album>,
    decoder: &'a mut Decoder,
}

impl Studio<'_> {
    fn show(&mut self, case: &Case, name: &str, looks: &[Look], harm: Option<Harm>) -> Vec<Shown> {
        if looks.is_empty() {
            return Vec::new();
        }
        let Self { recorder, size, stage, album, decoder } = self;
        let mut make = || {
            let stage = stage.get_or_insert_with(|| {
                let mut stage = Stage::set(&case.camera, *size, case.learnt[0].setting);
                let by_day = case.learnt.iter().find(|look| look.setting.light == Light::Day).unwrap();
                recorder.settle(stage.look(*by_day));
                stage
            });
            shoot(stage, *recorder, looks, harm, decoder)
        };
        match album {
            Some(album) => album.get_or(&format!("{}-{name}", size.width()), make),
            None => make(),
        }
    }
}
