//! Stills on disk: evidence, small, with an end.
//!
//! A folder for each UTC day, in it one file for each still: `POINT-MILLISECONDS-HASH.jpg`. The name is all that is to be
//! known of a still, so nothing can disagree with it; what refers to a still (an interval's evidence) keeps its instant
//! and hash, and finds it or learns that its time is over. Kept within an age and a size: the oldest go first.

use crate::domain::{PointCode, Timestamp};
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;
/// Letters of the hash in a name: 64 bits tell the stills of one point apart; the reference keeps as many.
const HASH_LETTERS: usize = 16;

/// Why a still could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// A file or folder could not be worked on.
    #[error("{verb} {}", path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// What is on disk is not what was written.
    #[error("the still {0} was changed on disk")]
    Changed(Still),
}

/// A kept still: its name says everything.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Still {
    /// When its picture was received.
    pub at: Timestamp,
    /// Whose picture it is.
    pub point: PointCode,
    /// The first 64 bits of its SHA-256, in hex.
    pub hash: String,
}

impl fmt::Display for Still {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.point, self.at.as_millis(), self.hash)
    }
}

impl Still {
    fn of_name(name: &str) -> Option<Self> {
        let mut parts = name.strip_suffix(".jpg")?.splitn(3, '-');
        let (point, at, hash) = (parts.next()?, parts.next()?, parts.next()?);
        let is_hash = hash.len() == HASH_LETTERS && hash.bytes().all(|letter| letter.is_ascii_hexdigit());
        let at = Timestamp::from_millis(at.parse().ok()?);
        is_hash.then_some(Self { at, point: point.parse().ok()?, hash: hash.to_owned() })
    }

    fn day(&self) -> i64 {
        self.at.as_millis().div_euclid(DAY_MS)
    }
}

/// The stills of one data folder. Every method blocks: callers are on a thread that may. One task keeps; any may read.
#[derive(Clone, Debug)]
pub struct Shelf {
    folder: PathBuf,
}

/// How much may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShelfBudget {
    /// Bytes in all.
    pub bytes: u64,
    /// Age.
    pub age: Duration,
}

/// What a clearing did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleared {
    /// Stills that are kept.
    pub kept_count: u64,
    /// Their bytes.
    pub kept_bytes: u64,
    /// Stills that were removed.
    pub removed_count: u64,
}

impl Shelf {
    /// The shelf in `folder`, which is made when the first still is kept.
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Keeps a still. The same one again changes nothing.
    pub fn keep(&self, point: PointCode, at: Timestamp, jpeg: &[u8]) -> Result<Still, ShelfError> {
        let still = Still { at, point, hash: hash_of(jpeg) };
        let folder = self.day_folder(still.day());
        fs::create_dir_all(&folder).map_err(|source| failed("make folder", &folder, source))?;
        // A file is there in whole or not at all; the next one writes over what a crash left unfinished.
        let unfinished = self.folder.join("unfinished");
        let path = self.path(&still);
        let written = fs::File::create(&unfinished).and_then(|mut file| {
            file.write_all(jpeg)?;
            // A name that is on disk before its bytes would be an empty still after a power failure.
            file.sync_all()
        });
        written.map_err(|source| failed("write", &unfinished, source))?;
        fs::rename(&unfinished, &path).map_err(|source| failed("put in place", &path, source))?;
        Ok(still)
    }

    /// Reads a still; `None` when its time is over.
    pub fn read(&self, still: &Still) -> Result<Option<Vec<u8>>, ShelfError> {
        let path = self.path(still);
        match fs::read(&path) {
            Ok(jpeg) if hash_of(&jpeg) == still.hash => Ok(Some(jpeg)),
            Ok(_other) => Err(ShelfError::Changed(still.clone())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed("read", &path, source)),
        }
    }

    /// The last still of a point at or before `at`, looked for `back` days back.
    pub fn last_before(
        &self,
        point: PointCode,
        at: Timestamp,
        back: u16,
    ) -> Result<Option<Still>, ShelfError> {
        let last = at.as_millis().div_euclid(DAY_MS);
        for day in (last.saturating_sub(i64::from(back))..=last).rev() {
            let stills = self.stills_of(day)?;
            let found = stills
                .into_iter()
                .map(|(still, _)| still)
                .filter(|still| still.point == point && still.at <= at);
            if let Some(still) = found.max() {
                return Ok(Some(still));
            }
        }
        Ok(None)
    }

    /// Removes what is too old, then the oldest until the rest fits. `believed` is the time up to which the clock is believed:
    /// what is removed does not come back, so without it nothing is too old.
    pub fn clear(
        &self,
        budget: &ShelfBudget,
        now: Timestamp,
        believed: Option<Timestamp>,
    ) -> Result<Cleared, ShelfError> {
        let mut kept = Vec::new();
        for day in self.days()? {
            kept.extend(self.stills_of(day)?);
        }
        let outdated = outdated(&mut kept, budget, now, believed);
        for (still, _) in kept.iter().take(outdated) {
            self.remove(still)?;
        }
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let kept_bytes = kept.iter().skip(outdated).map(|(_, bytes)| bytes).sum();
        Ok(Cleared { kept_count: count(kept.len() - outdated), kept_bytes, removed_count: count(outdated) })
    }

    /// Removes every still of a point, and tells how many there were.
    pub fn remove_of(&self, point: PointCode) -> Result<usize, ShelfError> {
        let mut removed = 0;
        for day in self.days()? {
            let of_point =
                self.stills_of(day)?.into_iter().map(|(still, _)| still).filter(|still| still.point == point);
            for still in of_point {
                self.remove(&still)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Removes a still, and its folder when it was the last one there.
    pub fn remove(&self, still: &Still) -> Result<(), ShelfError> {
        let path = self.path(still);
        remove(&path)?;
        // A folder that still holds something stays.
        let _not_empty = path.parent().map(fs::remove_dir);
        Ok(())
    }

    fn day_folder(&self, day: i64) -> PathBuf {
        self.folder.join(day.to_string())
    }

    fn path(&self, still: &Still) -> PathBuf {
        self.day_folder(still.day()).join(format!("{still}.jpg"))
    }

    fn days(&self) -> Result<Vec<i64>, ShelfError> {
        let names = names_in(&self.folder)?;
        Ok(names.iter().filter_map(|(name, _)| name.parse().ok()).collect())
    }

    fn stills_of(&self, day: i64) -> Result<Vec<(Still, u64)>, ShelfError> {
        let names = names_in(&self.day_folder(day))?;
        Ok(names.into_iter().filter_map(|(name, bytes)| Some((Still::of_name(&name)?, bytes))).collect())
    }
}

/// Puts first what has to go, and tells how many that are. A still of the future was kept by a clock that was wrong: nobody
/// knows how old it is, so it goes before all that are not too old.
fn outdated(
    stills: &mut [(Still, u64)],
    budget: &ShelfBudget,
    now: Timestamp,
    believed: Option<Timestamp>,
) -> usize {
    let oldest = believed.map(|believed| believed.min(now).minus(budget.age));
    let is_kept = |still: &Still| oldest.is_none_or(|oldest| still.at >= oldest);
    stills.sort_unstable_by(|(one, _), (other, _)| {
        let rank = |still: &Still| (is_kept(still), still.at <= now);
        rank(one).cmp(&rank(other)).then_with(|| one.cmp(other))
    });
    let too_old = stills.partition_point(|(still, _)| !is_kept(still));
    let mut bytes: u64 = stills.iter().skip(too_old).map(|(_, bytes)| bytes).sum();
    let too_many = stills.iter().skip(too_old).take_while(|(_, length)| {
        let is_over = bytes > budget.bytes;
        bytes = bytes.saturating_sub(*length);
        is_over
    });
    too_old + too_many.count()
}

/// Names and sizes of what is in a folder; nothing when there is none. What is removed meanwhile is not there.
fn names_in(folder: &Path) -> Result<Vec<(String, u64)>, ShelfError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(failed("list", folder, source)),
    };
    let named = entries.filter_map(|entry| {
        let entry = match entry {
            Ok(entry) => entry,
            Err(source) => return Some(Err(source)),
        };
        let name = entry.file_name().to_string_lossy().into_owned();
        match entry.metadata() {
            Ok(metadata) => Some(Ok((name, metadata.len()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => Some(Err(source)),
        }
    });
    named.collect::<io::Result<_>>().map_err(|source| failed("list", folder, source))
}

fn remove(path: &Path) -> Result<(), ShelfError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(failed("remove", path, source)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn failed(verb: &'static str, path: &Path, source: io::Error) -> ShelfError {
    ShelfError::File { verb, path: path.to_owned(), source }
}

fn hash_of(jpeg: &[u8]) -> String {
    let hash = Sha256::digest(jpeg);
    hash.iter().take(HASH_LETTERS / 2).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const JPEG: &[u8] = &[0xff, 0xd8, 0xff, 1, 0xff, 0xd9];

    fn point(number: u32) -> PointCode {
        format!("230521000013{number:08}").parse().unwrap()
    }

    fn shelf() -> (tempfile::TempDir, Shelf) {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(folder.path().join("stills"));
        (folder, shelf)
    }

    const fn day(count: i64) -> Timestamp {
        Timestamp::from_millis(count * DAY_MS)
    }

    #[test]
    fn a_still_is_found_by_its_reference_and_by_its_time() {
        let (_folder, shelf) = shelf();
        assert_eq!(shelf.last_before(point(1), day(20_000), 30).unwrap(), None);
        let first = shelf.keep(point(1), day(20_000), JPEG).unwrap();
        let second = shelf.keep(point(1), day(20_000).plus(Duration::from_secs(60)), JPEG).unwrap();
        shelf.keep(point(2), day(20_001), JPEG).unwrap();
        assert_eq!(
            shelf.keep(point(1), day(20_000), JPEG).unwrap(),
            first,
            "keeping it twice changes nothing"
        );
        assert_eq!(shelf.read(&first).unwrap().as_deref(), Some(JPEG));
        let check = |at, back, expected: Option<&Still>| {
            assert_eq!(shelf.last_before(point(1), at, back).unwrap().as_ref(), expected, "{at} {back}");
        };
        check(day(20_000), 0, Some(&first));
        check(day(20_005), 5, Some(&second));
        check(day(20_005), 4, None);
        check(day(19_999), 30, None);
    }

    #[test]
    fn listing_goes_on_while_stills_are_removed() {
        let (_folder, shelf) = shelf();
        let kept: Vec<Still> =
            (0..500).map(|ms| shelf.keep(point(1), Timestamp::from_millis(ms), JPEG).unwrap()).collect();
        std::thread::scope(|scope| {
            scope.spawn(|| kept.iter().for_each(|still| shelf.remove(still).unwrap()));
            for _ in 0..50 {
                shelf.last_before(point(1), day(0).plus(Duration::from_secs(1)), 0).unwrap();
            }
        });
    }

    #[test]
    fn the_stills_of_one_point_are_removed() {
        let (_folder, shelf) = shelf();
        for number in [1, 2] {
            shelf.keep(point(number), day(20_000), JPEG).unwrap();
            shelf.keep(point(number), day(20_001), JPEG).unwrap();
        }
        assert_eq!((shelf.remove_of(point(1)).unwrap(), shelf.remove_of(point(1)).unwrap()), (2, 0));
        assert_eq!(shelf.last_before(point(1), day(20_001), 9).unwrap(), None);
        assert!(shelf.last_before(point(2), day(20_001), 9).unwrap().is_some());
    }

    #[test]
    fn a_changed_still_is_no_evidence() {
        let (_folder, shelf) = shelf();
        let still = shelf.keep(point(1), day(20_000), JPEG).unwrap();
        fs::write(shelf.path(&still), b"other").unwrap();
        assert!(matches!(shelf.read(&still), Err(ShelfError::Changed(changed)) if changed == still));
        fs::remove_file(shelf.path(&still)).unwrap();
        assert_eq!(shelf.read(&still).unwrap(), None);
    }

    #[test]
    fn the_oldest_go_first() {
        let (_folder, shelf) = shelf();
        let kept: Vec<Still> =
            (0..10).map(|count| shelf.keep(point(1), day(20_000 + count), JPEG).unwrap()).collect();
        let length = u64::try_from(JPEG.len()).unwrap();
        let clear = |bytes, days: u64| {
            let budget = ShelfBudget { bytes, age: Duration::from_secs(days * 86_400) };
            shelf.clear(&budget, day(20_010), Some(day(20_010))).unwrap()
        };
        let all = Cleared { kept_count: 10, kept_bytes: 10 * length, removed_count: 0 };
        assert_eq!(clear(u64::MAX, 30), all);
        assert_eq!(clear(u64::MAX, 8).removed_count, 2, "by age");
        let left = Cleared { kept_count: 3, kept_bytes: 3 * length, removed_count: 5 };
        assert_eq!(clear(4 * length - 1, 8), left, "by size");
        assert_eq!(shelf.read(&kept[6]).unwrap(), None);
        assert!(shelf.read(&kept[7]).unwrap().is_some());
        assert_eq!(shelf.days().unwrap().len(), 3, "empty folders go too");
    }

    #[test]
    fn a_clock_that_is_wrong_removes_no_still_by_age() {
        let (_folder, shelf) = shelf();
        let [old, new, future] =
            [20_000, 20_001, 20_400].map(|at| shelf.keep(point(1), day(at), JPEG).unwrap());
        let budget = ShelfBudget { bytes: u64::MAX, age: Duration::from_secs(30 * 86_400) };
        let removed = |believed| shelf.clear(&budget, day(20_365), believed).unwrap().removed_count;
        assert_eq!((removed(None), removed(Some(day(20_002)))), (0, 0));
        // Of the future is what was kept before the clock was set right: it goes first when there is no room.
        let length = u64::try_from(JPEG.len()).unwrap();
        let narrow = ShelfBudget { bytes: 2 * length, ..budget };
        assert_eq!(shelf.clear(&narrow, day(20_002), Some(day(20_002))).unwrap().removed_count, 1);
        assert_eq!(shelf.read(&future).unwrap(), None);
        assert!(shelf.read(&old).unwrap().is_some() && shelf.read(&new).unwrap().is_some());
        assert_eq!(removed(Some(day(20_365))), 2, "the clock was right");
    }

    #[test]
    fn what_is_no_still_is_left_alone() {
        let check = |name: &str| assert_eq!(Still::of_name(name), None, "{name}");
        check("unfinished");
        check("23052100001300000001-1700000000000-0123456789abcde.jpg");
        check("x-1700000000000-0123456789abcdef.jpg");
        check("notes.txt");
        let name = "23052100001300000001-1700000000000-0123456789abcdef.jpg";
        assert_eq!(format!("{}.jpg", Still::of_name(name).unwrap()), name);
    }
}
