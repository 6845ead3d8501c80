//! Damaged key frames: the decoder must live, stay small, and take none of them for whole.

use crate::material::Material;
use crate::{DEADLINE, ask, decoded, program};
use sharpeyes::domain::decode::DecodedPicture;
use sharpeyes::picture::{Breakdown, Worker};
use sharpeyes::simulate::scene::Harm;
use std::collections::BTreeMap;

/// Mean difference of the small pictures, in levels, that a person sees.
const VISIBLE: u64 = 4;

#[derive(Debug, Default)]
struct Tally {
    refused: u64,
    complained: u64,
    /// Decoded without a complaint and it looks the same.
    harmless: u64,
    /// Decoded without a complaint and it looks different.
    missed: u64,
    died: u64,
}

/// Sends `count` damaged frames in all.
pub(super) async fn measure(materials: &[Material], count: usize) {
    let mut worker = Worker::start(program()).await.unwrap();
    let mut tallies = BTreeMap::<_, Tally>::new();
    let mut whole = Vec::new();
    for material in materials {
        let mut pictures = Vec::new();
        for frame in &material.frames {
            pictures.push(decoded(&mut worker, &ask(material.codec, frame, None)).await);
        }
        whole.push(pictures);
    }
    let before = memory_kb(&worker);
    for index in 0..count {
        let which = index % materials.len();
        let (material, harm) = (&materials[which], Harm::ALL[index / materials.len() % Harm::ALL.len()]);
        let picture = index / (materials.len() * Harm::ALL.len()) % material.frames.len();
        let broken = harm.apply(&material.frames[picture], u64::try_from(index).unwrap());
        let (outcome, breakdown) = worker.decode(&ask(material.codec, &broken, None), DEADLINE).await;
        let tally = tallies.entry((material.name.as_str(), harm)).or_default();
        *match &outcome {
            Ok(seen) if seen.complaints > 0 => &mut tally.complained,
            Ok(seen) if differs(seen, &whole[which][picture]) => &mut tally.missed,
            Ok(_) => &mut tally.harmless,
            Err(failure) if failure.ends_process() => &mut tally.died,
            Err(_) => &mut tally.refused,
        } += 1;
        if !matches!(breakdown, Breakdown::None) {
            worker = Worker::start(program()).await.unwrap();
        }
    }
    println!("\n{count} damaged key frames; memory {before} kB before, {} kB after", memory_kb(&worker));
    println!(
        "{:<40}{:>10}{:>12}{:>10}{:>10}{:>8}",
        "", "refused", "complained", "harmless", "missed", "died"
    );
    for ((name, harm), Tally { refused, complained, harmless, missed, died }) in tallies {
        let label = format!("{name} {harm:?}");
        println!("{label:<40}{refused:>10}{complained:>12}{harmless:>10}{missed:>10}{died:>8}");
    }
    worker.stop().await;
}

fn differs(seen: &DecodedPicture, whole: &DecodedPicture) -> bool {
    let (seen, whole) = (seen.picture.small().pixels(), whole.picture.small().pixels());
    let differences = seen.iter().zip(whole).map(|(a, b)| u64::from(a.abs_diff(*b)));
    differences.sum::<u64>() > VISIBLE * u64::try_from(whole.len()).unwrap()
}

/// Resident memory of the decoder.
fn memory_kb(worker: &Worker) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", worker.id().unwrap())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
