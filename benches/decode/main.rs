//! What a key frame costs, and what damaged ones do to a decoder.
//!
//! `cargo bench --bench decode` encodes street-like key frames with x264 and x265, has them decoded by one confined child
//! and prints its CPU time, with a still and without, and the median of the time from asking to answer; then sends damaged ones, each harmed in its own way
//! (`-- damaged COUNT`, 10 000 when left out), and prints what came of them, the memory of the child at the beginning and at the end, and how many were
//! taken for whole although they look different.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot go on should stop, and prints"
)]

mod damage;
mod material;

use material::Material;
use sharpeyes::domain::Codec;
use sharpeyes::domain::decode::DecodedPicture;
use sharpeyes::domain::key_frame::KeyFrame;
use sharpeyes::picture::{Ask, Worker};
use std::path::Path;
use std::time::{Duration, Instant};

/// Rounds over the frames of each material.
const ROUNDS: usize = 10;
const DEADLINE: Duration = Duration::from_secs(20);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let count = arguments.iter().skip_while(|argument| *argument != "damaged").nth(1);
    let count = count.and_then(|count| count.parse().ok()).unwrap_or(10_000);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        println!(
            "{:<28}{:>10}{:>12}{:>12}{:>14}",
            "key frames, means", "bytes", "CPU ms", "(median) ms", "with still ms"
        );
        let materials = material::encode_all();
        for material in &materials {
            measure(material).await;
        }
        damage::measure(&materials, count).await;
    });
}

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_sharpeyes"))
}

fn ask(codec: Codec, bytes: &[u8], still_width: Option<u16>) -> Ask {
    let frame = KeyFrame { codec, bytes: bytes.to_vec(), ticks: 0, size: None };
    Ask { frame, still_width, masks: Vec::new() }
}

async fn measure(material: &Material) {
    let mut worker = Worker::start(program()).await.unwrap();
    let mut costs = [Vec::new(), Vec::new(), Vec::new()];
    for (round, frame) in
        (0..ROUNDS).flat_map(|round| material.frames.iter().map(move |frame| (round, frame)))
    {
        let began = Instant::now();
        let plain = decoded(&mut worker, &ask(material.codec, frame, None)).await;
        let took = began.elapsed();
        let with_still = decoded(&mut worker, &ask(material.codec, frame, Some(640))).await;
        // The first round warms caches and pools up.
        if round > 0 {
            for (column, value) in costs.iter_mut().zip([plain.cost, took, with_still.cost]) {
                column.push(value);
            }
        }
    }
    worker.stop().await;
    let bytes = material.frames.iter().map(Vec::len).sum::<usize>() / material.frames.len();
    let [cpu, answer, still] = costs;
    let (cpu, answer, still) = (mean(cpu), median(answer), mean(still));
    println!("{:<28}{bytes:>10}{cpu:>12.2}{answer:>12.2}{still:>14.2}", material.name);
}

async fn decoded(worker: &mut Worker, ask: &Ask) -> Box<DecodedPicture> {
    let decoded = worker.decode(ask, DEADLINE).await.0.unwrap();
    assert_eq!(decoded.complaints, 0, "a whole frame");
    decoded
}

/// The median in milliseconds.
fn median(mut values: Vec<Duration>) -> f64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default().as_secs_f64() * 1000.0
}

/// The mean in milliseconds: some kernels count CPU time in steps of ten.
fn mean(values: Vec<Duration>) -> f64 {
    let count = u32::try_from(values.len()).unwrap().max(1);
    (values.into_iter().sum::<Duration>() / count).as_secs_f64() * 1000.0
}
