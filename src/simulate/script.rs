//! The script of the demo: which faults are where at which time. A pure function of the time since the start.
//!
//! Each kind of fault visits its own points in turn, so that at any time one of each is to be seen and every point
//! that was visited recovers. Every visited point has a village of its own: no two faults explain each other.

use crate::domain::{LinkCode, PointCode};
use crate::simulate::dice::roll;
use crate::simulate::fault::{Fault, Faults};
use crate::simulate::fleet::{Coding, Device, Fleet, asks_for_user, coding};
use std::collections::BTreeSet;
use std::time::Duration;

/// Points, or links, that one kind of fault visits in turn.
const VISITS: usize = 5;
/// How long a fault stays; a patrol of five minutes sees it twice.
pub const STAY: Duration = Duration::from_secs(600);
/// Villages with so many points are cut, so that the one cause has members to show.
const CUT_FROM: usize = 3;

/// What faults do over time.
#[derive(Clone, Debug, Default)]
pub struct Script {
    turns: Vec<Turn>,
    stay: Duration,
    /// Before this every picture is as it should be, for the cameras to be learnt.
    learn: Duration,
}

/// One kind of fault and what it visits.
#[derive(Clone, Debug)]
struct Turn {
    visits: Vec<Visit>,
    /// Time of its first move, so that not everything moves at once.
    offset: Duration,
}

/// A fault and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visit {
    /// A link is cut.
    Cut(LinkCode),
    /// A point has a fault.
    Point(PointCode, Fault),
}

impl Visit {
    /// Whether it waits until the camera has been learnt. One that always shows a still night is learnt as it is.
    fn is_learnt_before(&self) -> bool {
        match self {
            Self::Cut(_) => false,
            Self::Point(_, fault) => fault.is_of_picture() && *fault != Fault::StillNight,
        }
    }
}

/// A visit with its times since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stay {
    /// The fault and where it is.
    pub visit: Visit,
    /// When it came; zero when it was there from the start.
    pub from: Duration,
    /// When it goes; never for one that does not move.
    pub to: Option<Duration>,
}

impl Faults {
    /// Adds a fault.
    pub fn add(&mut self, visit: Visit) {
        match visit {
            Visit::Cut(link) => drop(self.cut.insert(link)),
            Visit::Point(point, fault) => drop(self.points.insert(point, fault)),
        }
    }
}

impl Script {
    /// Writes the script for a fleet; each fault stays for `stay`.
    pub fn write(fleet: &Fleet, stay: Duration) -> Self {
        let mut free = Places::of(fleet);
        let mut turns = vec![free.cut_visits()];
        turns.extend(Fault::ALL.iter().map(|fault| free.visits(*fault)));
        let step = stay / u32::try_from(turns.len().max(1)).unwrap_or(1);
        let turns = (0_u32..).zip(turns).map(|(number, visits)| Turn { visits, offset: step * number });
        let turns = turns.filter(|turn| !turn.visits.is_empty()).collect();
        Self { turns, stay, learn: Duration::ZERO }
    }

    /// The same script whose pictures stay as they should be for a time.
    #[must_use]
    pub fn learnt_for(self, learn: Duration) -> Self {
        Self { learn, ..self }
    }

    /// What is wrong after `elapsed`.
    pub fn at(&self, elapsed: Duration) -> Faults {
        let mut faults = Faults::default();
        self.stays(elapsed).into_iter().for_each(|stay| faults.add(stay.visit));
        faults
    }

    /// What is wrong after `elapsed`, with its times.
    pub fn stays(&self, elapsed: Duration) -> Vec<Stay> {
        let stays = self.turns.iter().filter_map(|turn| turn.stay(elapsed, self.stay));
        let begun = stays.filter(|stay| elapsed >= self.learn || !stay.visit.is_learnt_before());
        let from = |stay: &Stay| if stay.visit.is_learnt_before() { self.learn } else { Duration::ZERO };
        begun.map(|stay| Stay { from: stay.from.max(from(&stay)), ..stay }).collect()
    }

    /// When something changes next after `elapsed`; never for an empty script.
    pub fn next_change(&self, elapsed: Duration) -> Option<Duration> {
        let moves =
            self.turns.iter().filter(|turn| turn.moves()).map(|turn| turn.next_move(elapsed, self.stay));
        let learnt = Some(self.learn).filter(|learn| elapsed < *learn && !self.turns.is_empty());
        moves.chain(learnt).min()
    }
}

impl Turn {
    /// A wrong password stays where it is: whoever met it must not try again for half an hour. So does a still night, which is
    /// the place's own.
    fn moves(&self) -> bool {
        let stays = [Fault::WrongPassword, Fault::StillNight];
        !matches!(self.visits.first(), Some(Visit::Point(_, fault)) if stays.contains(fault))
    }

    fn at(&self, elapsed: Duration, stay: Duration) -> Option<&Visit> {
        let count = u128::try_from(self.visits.len()).ok()?.max(1);
        let number = if self.moves() { self.number_of_stay(elapsed, stay) % count } else { 0 };
        self.visits.get(usize::try_from(number).ok()?)
    }

    fn stay(&self, elapsed: Duration, stay: Duration) -> Option<Stay> {
        let visit = self.at(elapsed, stay)?.clone();
        let end = self.next_move(elapsed, stay);
        let (from, to) =
            if self.moves() { (end.saturating_sub(stay), Some(end)) } else { (Duration::ZERO, None) };
        Some(Stay { visit, from, to })
    }

    fn number_of_stay(&self, elapsed: Duration, stay: Duration) -> u128 {
        let shifted = elapsed + stay.saturating_sub(self.offset);
        shifted.as_millis() / stay.as_millis().max(1)
    }

    fn next_move(&self, elapsed: Duration, stay: Duration) -> Duration {
        let next = self.number_of_stay(elapsed, stay) + 1;
        let shifted = stay.saturating_mul(u32::try_from(next).unwrap_or(u32::MAX));
        shifted.saturating_sub(stay.saturating_sub(self.offset))
    }
}

/// The villages that no fault visits yet.
struct Places<'a> {
    fleet: &'a Fleet,
    /// First links of the villages that are taken.
    taken: BTreeSet<&'a LinkCode>,
}

impl<'a> Places<'a> {
    fn of(fleet: &'a Fleet) -> Self {
        Self { fleet, taken: BTreeSet::new() }
    }

    fn cut_visits(&mut self) -> Vec<Visit> {
        let fleet = self.fleet;
        let big = |device: &&Device| {
            device.path.first().is_some_and(|first| points_behind(fleet, first) >= CUT_FROM)
        };
        let links: Vec<&LinkCode> = self.take(big).into_iter().filter_map(village_link).collect();
        links.into_iter().cloned().map(Visit::Cut).collect()
    }

    fn visits(&mut self, fault: Fault) -> Vec<Visit> {
        let devices = self.take(|device| suits(fault, device));
        let points = devices.into_iter().filter_map(|device| device.channels.values().next());
        points.map(|channel| Visit::Point(channel.point, fault)).collect()
    }

    /// Takes devices in free villages, spread over the whole fleet.
    fn take(&mut self, suits: impl Fn(&&Device) -> bool) -> Vec<&'a Device> {
        let devices = &self.fleet.devices;
        let mut found = Vec::new();
        for _visit in 0..VISITS {
            let start = roll("visit", self.taken.len(), devices.len());
            let from_start = devices.iter().cycle().skip(start).take(devices.len());
            let free = |device: &&Device| device.path.first().is_some_and(|link| !self.taken.contains(link));
            if let Some(device) = from_start.filter(free).find(&suits) {
                self.taken.extend(device.path.first());
                found.push(device);
            }
        }
        found
    }
}

/// The uplink of the village that a device stands in: third from the top of its path.
fn village_link(device: &Device) -> Option<&LinkCode> {
    device.path.iter().rev().nth(2)
}

fn points_behind(fleet: &Fleet, first: &LinkCode) -> usize {
    let devices = fleet.devices.iter().filter(|device| device.path.first() == Some(first));
    let points: BTreeSet<PointCode> =
        devices.flat_map(|device| device.channels.values().map(|channel| channel.point)).collect();
    points.len()
}

/// A fault of a whole device needs a device of one point, a wrong password one that asks for it. The others are
/// shown on open H.264 cameras, where any player can look.
fn suits(fault: Fault, device: &Device) -> bool {
    let points: BTreeSet<PointCode> = device.channels.values().map(|channel| channel.point).collect();
    let asks = device.channels.values().any(|channel| asks_for_user(channel.media));
    let is_h264 = device.channels.values().all(|channel| coding(channel.media) == Coding::H264);
    points.len() == 1 && is_h264 && asks == (fault == Fault::WrongPassword)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::fleet::{Plan, Watched};

    fn script() -> (Fleet, Script) {
        let fleet = Fleet::build(Plan { port: 8554, watched: Watched::Mixed }).unwrap();
        let script = Script::write(&fleet, STAY);
        (fleet, script)
    }

    #[test]
    fn at_any_time_every_fault_is_somewhere_once() {
        let (_fleet, script) = script();
        for minute in 0..120 {
            let faults = script.at(Duration::from_secs(60 * minute));
            assert_eq!(faults.cut.len(), 1, "minute {minute}");
            let kinds: BTreeSet<Fault> = faults.points.values().copied().collect();
            assert_eq!(
                (faults.points.len(), kinds.len()),
                (Fault::ALL.len(), Fault::ALL.len()),
                "minute {minute}"
            );
        }
    }

    #[test]
    fn pictures_are_spoilt_once_the_cameras_are_learnt() {
        let (_fleet, script) = script();
        let learn = Duration::from_secs(90);
        let script = script.learnt_for(learn);
        let spoilt = |second| {
            let stays = script.stays(Duration::from_secs(second)).into_iter();
            stays.filter(|stay| stay.visit.is_learnt_before()).map(|stay| stay.from).collect::<Vec<_>>()
        };
        assert!(spoilt(89).is_empty());
        assert!(spoilt(90).len() > 8 && spoilt(90).iter().all(|from| *from == learn));
        assert!(script.at(Duration::from_secs(89)).points.len() > 8, "the other faults are there");
        assert!(script.next_change(Duration::from_secs(80)).unwrap() <= learn);
    }

    #[test]
    fn every_fault_but_a_wrong_password_and_a_still_night_moves_on() {
        let (_fleet, script) = script();
        let (start, later) = (script.at(Duration::ZERO), script.at(STAY + STAY));
        assert_ne!(start.cut, later.cut);
        for (point, fault) in &start.points {
            let stays = later.points.get(point) == Some(fault);
            assert_eq!(stays, matches!(fault, Fault::WrongPassword | Fault::StillNight), "{fault}");
        }
    }

    #[test]
    fn nothing_changes_before_the_next_change() {
        let (_fleet, script) = script();
        let mut elapsed = Duration::ZERO;
        for _ in 0..40 {
            let next = script.next_change(elapsed).unwrap();
            assert!(next > elapsed);
            assert_eq!(script.at(elapsed), script.at(next - Duration::from_millis(1)));
            assert_ne!(script.at(elapsed), script.at(next));
            elapsed = next;
        }
    }

    #[test]
    fn no_fault_hides_behind_a_cut_link() {
        let (fleet, script) = script();
        for minute in 0..120 {
            let faults = script.at(Duration::from_secs(60 * minute));
            for device in &fleet.devices {
                let faulty =
                    device.channels.values().any(|channel| faults.points.contains_key(&channel.point));
                assert!(!faulty || faults.cut_on(&device.path).is_none(), "{}", device.address);
            }
        }
    }

    #[test]
    fn a_script_of_nothing_never_changes() {
        assert_eq!(Script::default().next_change(Duration::ZERO), None);
        assert_eq!(Script::default().at(STAY), Faults::default());
    }
}
