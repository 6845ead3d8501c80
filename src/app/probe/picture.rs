//! The picture of a probed stream: one key frame, decoded in a confined child as the service does, and what every item
//! says of it. One look confirms nothing: what is believed is the service's.

use crate::config::Settings;
use crate::domain::decode::Decoding;
use crate::domain::key_frame::Candidate;
use crate::domain::picture::diagnosis::{Circumstances, PictureLook};
use crate::domain::picture::{Baselines, Diagnosis, Framing, Grade, ItemSet};
use crate::domain::{PointCode, Timestamp};
use crate::health::examiner::sky_over;
use crate::picture::{Ask, Worker};
use crate::store::{Store, StoreError};
use serde::Serialize;

/// What a point's picture is held against.
#[derive(Debug, Default)]
pub(super) struct Known {
    diagnosis: Option<Diagnosis>,
    framing: Framing,
    position: Option<(f64, f64)>,
}

#[derive(Debug, Serialize)]
pub(super) struct PictureDocument {
    pub(super) width: Option<u32>,
    pub(super) height: Option<u32>,
    /// Why there is no picture.
    pub(super) missing: Option<String>,
    /// The worst first.
    pub(super) items: Vec<ItemDocument>,
}

#[derive(Debug, Serialize)]
pub(super) struct ItemDocument {
    pub(super) item: &'static str,
    pub(super) item_zh: &'static str,
    /// `not_checked`, `normal`, `warning` or `abnormal`.
    pub(super) grade: &'static str,
    pub(super) not_checked: Option<&'static str>,
    pub(super) value: Option<f64>,
    pub(super) threshold: Option<f64>,
}

impl Known {
    /// What the store knows of a point that is somewhere.
    pub(super) async fn read(
        store: &Store,
        point: PointCode,
        position: Option<(f64, f64)>,
    ) -> Result<Self, StoreError> {
        let kept = store.kept_diagnoses().await?.into_iter().find(|kept| kept.point == point);
        let framing = store.framings().await?.remove(&point).unwrap_or_default();
        Ok(Self { diagnosis: kept.map(|kept| kept.restore()), framing, position })
    }
}

/// Decodes the key frame and checks its picture.
pub(super) async fn check(
    candidate: Option<Candidate>,
    known: Known,
    settings: &Settings,
) -> PictureDocument {
    let missing = |why: &str| PictureDocument {
        width: None,
        height: None,
        missing: Some(why.to_owned()),
        items: Vec::new(),
    };
    if settings.picture.decoders == 0 {
        return missing("pictures are turned off: [picture] decoders = 0");
    }
    let Some(candidate) = candidate else { return missing("no key frame came without loss") };
    let (point, stream) = (candidate.point, candidate.stream);
    let (taken, facts) = (candidate.taken, candidate.facts);
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return missing(&format!("find this program: {error}")),
    };
    let mut worker = match Worker::start(&program).await {
        Ok(worker) => worker,
        Err(error) => return missing(&error.to_string()),
    };
    let promised = candidate.frame.size;
    let ask = Ask { frame: candidate.frame, still_width: None, masks: Vec::new() };
    let (outcome, _breakdown) = worker.decode(&ask, settings.picture.deadline).await;
    worker.stop().await;
    if let Err(failure) = &outcome
        && failure.ends_process()
    {
        return missing(&format!("the decoder failed over the key frame: {}", failure.as_str()));
    }
    judged(&Decoding { point, stream, taken, facts, promised, masks: Vec::new(), outcome }, known, settings)
}

fn judged(decoding: &Decoding, known: Known, settings: &Settings) -> PictureDocument {
    let (shot, facts) = decoding.seen(&known.framing.areas);
    let at: Timestamp = decoding.taken;
    let mask = known.framing.areas.mask();
    let around = Circumstances {
        rules: &settings.picture.rules,
        mask: &mask,
        sky: sky_over(settings.picture.sky, known.position, at),
        waived: ItemSet::default(),
    };
    let mut diagnosis = known.diagnosis.unwrap_or_else(|| Diagnosis::new(Baselines::new(at)));
    diagnosis.observe(PictureLook { at, shot, facts }, &around);
    let items = diagnosis.statuses().map(|(item, status)| {
        let newest = status.newest;
        ItemDocument {
            item: item.as_str(),
            item_zh: item.name_zh(),
            grade: newest.grade.as_str(),
            not_checked: match newest.grade {
                Grade::NotChecked(skip) => Some(skip.as_str()),
                Grade::Normal | Grade::Warning | Grade::Abnormal => None,
            },
            value: newest.value,
            threshold: newest.threshold,
        }
    });
    let (width, height) = decoding.sound().ok().map(|decoded| decoded.picture.size()).unzip();
    PictureDocument { width, height, missing: None, items: items.collect() }
}
