//! How many records of one kind go into the next commit: all that may, or fewer while one is looked for that the
//! database refuses for good.
//!
//! A refused batch is halved from the front until the first record that is refused stands alone. What lies before it is
//! committed on the way, so that one bad record holds up nothing but itself.

/// Records of each kind in one commit: larger batches gain little (measured at 100 and 500).
pub(super) const BATCH: usize = 500;
/// How often a record that stands alone is refused before it is given up.
const REFUSALS: u32 = 3;

/// How many records to take.
#[derive(Debug)]
pub(super) struct Portion {
    size: usize,
    refusals: u32,
}

/// What follows from a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Search {
    /// One of several is at fault: try fewer at once.
    Narrow,
    /// It is this one: try it again later.
    Repeat,
    /// It was tried often enough.
    GiveUp,
}

impl Portion {
    pub(super) const fn new() -> Self {
        Self { size: BATCH, refusals: 0 }
    }

    pub(super) const fn size(&self) -> usize {
        self.size
    }

    /// The database took a portion.
    pub(super) fn note_taken(&mut self) {
        *self = Self { size: self.size.saturating_mul(2).min(BATCH), refusals: 0 };
    }

    /// The database refuses something among the first `count`, whenever it is tried.
    pub(super) const fn note_refused(&mut self, count: usize) -> Search {
        if count > 1 {
            *self = Self { size: count / 2, refusals: 0 };
            return Search::Narrow;
        }
        self.refusals += 1;
        if self.refusals < REFUSALS {
            self.size = 1;
            return Search::Repeat;
        }
        self.refusals = 0;
        Search::GiveUp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commits the records `0..count`, of which the database refuses `bad`; returns what was given up and the tries.
    fn search(count: usize, bad: &[usize]) -> (Vec<usize>, u32) {
        let (mut portion, mut left) = (Portion::new(), (0..count).collect::<Vec<_>>());
        let (mut given_up, mut tries) = (Vec::new(), 0);
        while !left.is_empty() {
            tries += 1;
            let taken: Vec<usize> = left.iter().copied().take(portion.size()).collect();
            if !taken.iter().any(|record| bad.contains(record)) {
                portion.note_taken();
                left.drain(..taken.len());
            } else if portion.note_refused(taken.len()) == Search::GiveUp {
                given_up.extend(left.drain(..1));
            }
        }
        (given_up, tries)
    }

    #[test]
    fn the_bad_records_and_no_others_are_given_up() {
        let check = |count, bad: &[usize], most_tries| {
            let (given_up, tries) = search(count, bad);
            assert_eq!(given_up, bad);
            assert!(tries <= most_tries, "{tries} tries for {count} with {bad:?}");
        };
        check(1_000, &[], 2);
        check(1, &[0], 3);
        check(2, &[0, 1], 7);
        check(500, &[0], 25);
        check(500, &[499], 40);
        check(2_000, &[3, 700, 701], 120);
    }

    #[test]
    fn a_lone_record_is_tried_again_before_it_is_given_up() {
        let mut portion = Portion::new();
        let refused: Vec<Search> = (0..3).map(|_| portion.note_refused(1)).collect();
        assert_eq!(refused, [Search::Repeat, Search::Repeat, Search::GiveUp]);
        assert_eq!(portion.note_refused(1), Search::Repeat, "the next one is counted anew");
    }
}
