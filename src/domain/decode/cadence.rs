//! How often a point's picture is looked at, by its class and by how it stands.

use crate::domain::PointClass;
use std::time::Duration;

/// What is thought of a point's picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Opinion {
    /// Never judged.
    #[default]
    Unknown,
    /// Nothing is wrong.
    Good,
    /// A fault was seen that is not confirmed yet, or was confirmed and is seen no longer.
    Doubtful,
    /// A fault is confirmed.
    Faulty,
}

/// The time from one picture of a point to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    /// Points of class 1 and 2 (public areas).
    pub public: Duration,
    /// Points of class 3 and others (inner places).
    pub inner: Duration,
    /// Any point whose verdict is in doubt: each round confirms it or clears it.
    pub doubtful: Duration,
}

impl Cadence {
    /// The time until the next picture is due. The first one always is.
    pub fn pause(&self, class: PointClass, opinion: Opinion) -> Duration {
        let usual = match class {
            PointClass::One | PointClass::Two => self.public,
            PointClass::Three | PointClass::Other => self.inner,
        };
        match opinion {
            Opinion::Good | Opinion::Faulty => usual,
            Opinion::Unknown | Opinion::Doubtful => self.doubtful.min(usual),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubt_shortens_the_pause_and_never_lengthens_it() {
        let seconds = Duration::from_secs;
        let cadence = Cadence { public: seconds(60), inner: seconds(120), doubtful: seconds(90) };
        let check = |class, opinion, expected: u64| {
            assert_eq!(cadence.pause(class, opinion), seconds(expected), "{class:?} {opinion:?}");
        };
        check(PointClass::Three, Opinion::Unknown, 90);
        check(PointClass::One, Opinion::Good, 60);
        check(PointClass::Two, Opinion::Faulty, 60);
        check(PointClass::Two, Opinion::Doubtful, 60);
        check(PointClass::Three, Opinion::Good, 120);
        check(PointClass::Other, Opinion::Doubtful, 90);
    }
}
