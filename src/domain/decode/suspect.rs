//! Whose key frames decoder processes die over: our failure, or the camera's?
//!
//! A process dies for reasons of its own as well: memory, a killed child, a machine that stood still. So a death says something
//! of a camera only when its frames end one process after the other while those of other points are decoded well.

use crate::domain::PointCode;
use std::collections::BTreeMap;
use std::time::Duration;

/// So many deaths in a row, with pictures of other points in between, are the camera's doing.
const PROVEN: u32 = 3;
/// A point over whose frame a process died waits for this long, doubling with each such death..
const REST_FIRST: Duration = Duration::from_secs(60);
/// ..up to this: each death costs a deadline's time of everybody's budget.
const REST_CAP: Duration = Duration::from_secs(3_600);

/// The points that are suspected of breaking decoders.
#[derive(Debug, Default)]
pub struct Suspects {
    points: BTreeMap<PointCode, Suspect>,
    /// Pictures that were decoded, of any point.
    decoded: u64,
}

#[derive(Clone, Copy, Debug)]
struct Suspect {
    died: Duration,
    /// In a row, not counting those between which nothing else was decoded.
    deaths: u32,
    /// What had been decoded by the last of them.
    decoded: u64,
}

impl Suspects {
    /// Notes that a process died over a frame of a point. Tells whether that is the camera's doing.
    pub fn died(&mut self, point: PointCode, now: Duration) -> bool {
        let fresh = Suspect { died: now, deaths: 1, decoded: self.decoded };
        let suspect = self.points.entry(point).and_modify(|known| {
            let is_witnessed = self.decoded > known.decoded;
            *known = Suspect { deaths: known.deaths.saturating_add(is_witnessed.into()), ..fresh };
        });
        suspect.or_insert(fresh).deaths >= PROVEN
    }

    /// Notes that a frame of a point was decoded: it is suspected no longer.
    pub fn decoded(&mut self, point: PointCode) {
        self.points.remove(&point);
        self.decoded = self.decoded.saturating_add(1);
    }

    /// Whether a point is suspected.
    pub fn holds(&self, point: PointCode) -> bool {
        self.points.contains_key(&point)
    }

    /// Whether a point still has to wait.
    pub fn rests(&self, point: PointCode, now: Duration) -> bool {
        self.points.get(&point).is_some_and(|suspect| now < suspect.died.saturating_add(suspect.rest()))
    }

    /// Forgets the points over whose frames nothing died since `before`.
    pub fn forget(&mut self, before: Duration) {
        self.points.retain(|_point, suspect| suspect.died >= before);
    }
}

impl Suspect {
    const fn rest(&self) -> Duration {
        let doubled = REST_FIRST.saturating_mul(2_u32.saturating_pow(self.deaths.saturating_sub(1)));
        if doubled.as_secs() < REST_CAP.as_secs() { doubled } else { REST_CAP }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    fn point(number: u32) -> PointCode {
        format!("230521000013{number:08}").parse().unwrap()
    }

    /// Deaths over the frames of the first point (`x`), pictures of it (`.`) and of another one (`o`).
    fn check(story: &str, expected: bool) {
        let mut suspects = Suspects::default();
        let mut is_proven = false;
        for act in story.chars() {
            match act {
                'x' => is_proven = suspects.died(point(1), at(0)),
                '.' => suspects.decoded(point(1)),
                _ => suspects.decoded(point(2)),
            }
        }
        assert_eq!(is_proven, expected, "{story}");
    }

    #[test]
    fn a_camera_is_blamed_when_others_are_decoded_between_the_deaths() {
        check("x", false);
        check("xxxxxx", false);
        check("xoxo", false);
        check("xoxox", true);
        check("xxoxxox", true);
        check("xoxo.x", false);
        check("xoxo.oxoxox", true);
    }

    #[test]
    fn each_death_makes_the_point_wait_for_longer() {
        let mut suspects = Suspects::default();
        for rest in [60, 120, 240, 480, 960, 1_920, 3_600, 3_600] {
            suspects.died(point(1), at(0));
            assert!(suspects.rests(point(1), at(rest - 1)) && !suspects.rests(point(1), at(rest)), "{rest}");
            suspects.decoded(point(2));
        }
        assert!(suspects.holds(point(1)) && !suspects.rests(point(2), at(0)));
        suspects.decoded(point(1));
        assert!(!suspects.holds(point(1)) && !suspects.rests(point(1), at(0)));
    }

    #[test]
    fn what_is_long_ago_is_forgotten() {
        let mut suspects = Suspects::default();
        suspects.died(point(1), at(5));
        suspects.forget(at(5));
        assert!(suspects.holds(point(1)));
        suspects.forget(at(6));
        assert!(!suspects.holds(point(1)));
    }
}
