//! Floor 2: what the service lives on and may run out of in silence: room on disks, and the validity of the certificates that
//! it was given.
//!
//! Measures and tells; whether it is too little is for who reads the metrics to say.

mod certificate;

pub use certificate::{Certificate, CertificateError};

use crate::telemetry;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often everything is measured.
const PERIOD: Duration = Duration::from_secs(60);
/// Certificates told of, those first that end first: a bundle of a whole system holds hundreds.
const CERTIFICATES: usize = 64;

/// What to measure.
#[derive(Debug, Default)]
pub struct Vitals {
    /// Folders whose disks are measured, with the word for each; one that is not there yet will be made in the folder above it.
    pub folders: Vec<(&'static str, PathBuf)>,
    /// The file with those who vouch for devices.
    pub authorities_file: Option<PathBuf>,
    /// The subjects that were told of last.
    told: BTreeSet<String>,
    /// Whether the file could be read last time.
    is_unreadable: bool,
}

/// Measures at once and then every minute until `cancel`. A disk that does not answer holds up the measuring, never the end.
pub async fn run(mut vitals: Vitals, cancel: CancellationToken) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            _instant = ticks.tick() => {}
        }
        let measuring = spawn_blocking(move || {
            vitals.measure();
            vitals
        });
        tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            measured = measuring => match measured {
                Ok(back) => vitals = back,
                Err(error) => return telemetry::task_failed("vitals", &error),
            },
        }
    }
}

impl Vitals {
    /// Those of a service that keeps its things in these folders.
    pub fn new(folders: Vec<(&'static str, PathBuf)>, authorities_file: Option<PathBuf>) -> Self {
        Self { folders, authorities_file, ..Self::default() }
    }

    /// Measures everything once.
    pub fn measure(&mut self) {
        for (word, folder) in &self.folders {
            match free_bytes(folder) {
                Ok(free) => telemetry::disk_measured(word, free),
                Err(error) => telemetry::disk_unmeasured(word, folder, &error),
            }
        }
        let Some(file) = &self.authorities_file else { return };
        match certificate::read(file) {
            Ok(certificates) => self.tell(certificates),
            Err(error) if !std::mem::replace(&mut self.is_unreadable, true) => {
                telemetry::certificates_unreadable(&error);
            }
            Err(_told_already) => {}
        }
    }

    fn tell(&mut self, mut certificates: Vec<Certificate>) {
        self.is_unreadable = false;
        certificates.sort_by_key(|certificate| certificate.not_after);
        let mut told = BTreeSet::new();
        for Certificate { subject, not_after } in certificates.into_iter().take(CERTIFICATES) {
            // Of two with one subject the one that ends later comes later and stays: it follows the other.
            telemetry::certificate_measured(&subject, not_after);
            told.insert(subject);
        }
        self.told.difference(&told).for_each(|subject| telemetry::certificate_gone(subject));
        self.told = told;
    }
}

/// Bytes that this process may still write below `folder`.
fn free_bytes(folder: &Path) -> io::Result<u64> {
    let there = folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let disk = rustix::fs::statvfs(there)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_told_as_long_as_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authorities.pem");
        let mut vitals = Vitals::new(Vec::new(), Some(file.clone()));
        let mut check = |text: &str, is_told: bool| {
            std::fs::write(&file, text).unwrap();
            vitals.measure();
            let told = telemetry::metric::render().unwrap();
            let series =
                "sharpeyes_certificate_not_after_timestamp_seconds{subject=\"CN=nobody\"} 1795718176";
            assert_eq!(told.contains(series), is_told, "{text}");
        };
        check(include_str!("ingest/pull/nobody.pem"), true);
        check("-----BEGIN CERTIFICATE-----\nhalf", true);
        check("", false);
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_on_the_disk_of_the_one_above() {
        let folder = tempfile::tempdir().unwrap();
        let disk = rustix::fs::statvfs(folder.path()).unwrap();
        let free = free_bytes(&folder.path().join("stills/of/tomorrow")).unwrap();
        assert!(free > 0 && free <= disk.f_blocks * disk.f_frsize, "{free}");
        assert!(free_bytes(Path::new("stills-of-tomorrow")).is_ok(), "relative to where the service runs");
    }
}
