//! One division surveyed over one window: what every village, grid, place and point adds to each figure.
//!
//! A figure is the sum of its contributions, and so is every list behind it: nothing is counted that cannot be
//! named. Points, grids, places and villages are taken as the inventory knows them at the last instant of the window;
//! divisions that are not assessed are left out and counted apart.

use crate::domain::coverage::{Counts, Figure, time_counts};
use crate::domain::decode::DecodedSize;
use crate::domain::division::Division;
use crate::domain::grid::{Grid, GridKind};
use crate::domain::history::{Basis, History};
use crate::domain::indicator::{FigureId, Measure};
use crate::domain::key_frame::StreamRole;
use crate::domain::place::{Place, PlaceKind};
use crate::domain::record::{missing_people, record_faults};
use crate::domain::target::{Targets, VillageRule};
use crate::domain::timeline::Tally;
use crate::domain::{
    Calendar, ClockReading, DivisionCode, DivisionLevel, GridCode, Inventory, PlaceCode, Point, PointClass,
    PointCode, State, Timestamp, Window,
};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What a figure counts one of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Member {
    /// A village; in time-weighted figures all its points together.
    Village(DivisionCode),
    /// A grid.
    Grid(GridCode),
    /// A required place.
    Place(PlaceCode),
    /// A point.
    Point(PointCode),
}

impl Member {
    /// The code.
    pub fn code(&self) -> &str {
        match self {
            Self::Village(code) => code.as_str(),
            Self::Grid(code) => code.as_str(),
            Self::Place(code) => code.as_str(),
            Self::Point(code) => code.as_str(),
        }
    }

    /// The word used in JSON.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Village(_) => "village",
            Self::Grid(_) => "grid",
            Self::Place(_) => "place",
            Self::Point(_) => "point",
        }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.code())
    }
}

/// What one member adds to one figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contribution {
    /// The member.
    pub member: Member,
    /// The village that it belongs to.
    pub village: DivisionCode,
    /// What it adds.
    pub counts: Counts,
    /// Why it does not meet the rule, in stable words.
    pub why: Vec<&'static str>,
}

/// What is measured of a point's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Width and height of the watched stream.
    pub size: Option<(u32, u32)>,
    /// Width and height of the main stream where another one is watched.
    pub main_size: Option<(u32, u32)>,
    /// The device's clock.
    pub clock: ClockReading,
}

impl Measured {
    /// Takes the size of a decoded picture instead of what the bitstream promises, as long as it promises the same.
    pub fn prove(&mut self, decoded: &DecodedSize) {
        let size = match decoded.stream {
            StreamRole::Watched => &mut self.size,
            StreamRole::Main => &mut self.main_size,
        };
        if *size == decoded.promised {
            *size = Some(decoded.size);
        }
    }
}

/// Time of the points of one village and class; of one point where lists are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeRow {
    /// Whose time it is.
    pub member: Member,
    /// The village.
    pub village: DivisionCode,
    /// Class of the points.
    pub class: PointClass,
    /// Sums per state.
    pub tally: Tally,
}

/// Records left out because their division is not assessed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotAssessed {
    /// Villages.
    pub villages: u64,
    /// Grids.
    pub grids: u64,
    /// Required places.
    pub places: u64,
    /// Points.
    pub points: u64,
}

/// The assessed records of a division at one instant.
#[derive(Debug)]
pub struct Extent<'a> {
    inventory: &'a Inventory,
    /// The instant.
    pub at: Timestamp,
    /// Villages in force.
    pub villages: Vec<&'a Division>,
    /// Grids.
    pub grids: Vec<&'a Grid>,
    /// Required places.
    pub places: Vec<&'a Place>,
    /// Points that count.
    pub points: Vec<&'a Point>,
    /// What was left out.
    pub not_assessed: NotAssessed,
}

impl<'a> Extent<'a> {
    /// Gathers the records of `division` (the whole inventory when `None`) at `at`.
    pub fn of(inventory: &'a Inventory, division: Option<DivisionCode>, at: Timestamp) -> Self {
        let inside = |village: &DivisionCode| division.is_none_or(|division| division.contains(village));
        let mut not_assessed = NotAssessed::default();
        let mut keep = |village: &DivisionCode, left_out: fn(&mut NotAssessed) -> &mut u64| {
            let assessed = is_assessed(inventory, village);
            if !assessed {
                let count = left_out(&mut not_assessed);
                *count = count.saturating_add(1);
            }
            assessed
        };
        let villages = inventory.villages_in(division).filter(|village| is_in_force(village, at));
        let villages = villages.filter(|village| keep(&village.code, |left| &mut left.villages)).collect();
        let grids = inventory.grids.values().filter(|grid| inside(&grid.village));
        let grids = grids.filter(|grid| keep(&grid.village, |left| &mut left.grids)).collect();
        let places = inventory.places.values().filter(|place| place.required && inside(&place.village));
        let places = places.filter(|place| keep(&place.village, |left| &mut left.places)).collect();
        let points = inventory.points.values().filter(|point| inside(&point.village) && point.counts_at(at));
        let points = points.filter(|point| keep(&point.village, |left| &mut left.points)).collect();
        Self { inventory, at, villages, grids, places, points, not_assessed }
    }

    /// The inventory behind it.
    pub const fn inventory(&self) -> &'a Inventory {
        self.inventory
    }
}

/// Whether neither the division nor one above it is marked as not assessed.
pub fn is_assessed(inventory: &Inventory, division: &DivisionCode) -> bool {
    DivisionLevel::ALL
        .into_iter()
        .filter_map(|level| inventory.divisions.get(&division.ancestor(level)?))
        .all(|ancestor| ancestor.assessed)
}

fn is_in_force(division: &Division, at: Timestamp) -> bool {
    division.valid_from.is_none_or(|from| from <= at) && division.valid_to.is_none_or(|to| at < to)
}

/// Everything that the figures of one division and window are made of.
#[derive(Debug)]
pub struct Survey<'a> {
    /// Days of the zone.
    pub calendar: &'a Calendar,
    /// Rules and thresholds.
    pub targets: &'a Targets,
    /// The window.
    pub window: Window,
    /// The records.
    pub extent: Extent<'a>,
    /// What was measured of the streams.
    pub measured: &'a BTreeMap<PointCode, Measured>,
    /// Histories of the points that have any.
    pub histories: &'a BTreeMap<PointCode, History>,
    /// Time for the time-weighted figures.
    pub time: &'a [TimeRow],
}

/// What a point is worth for a rule that asks for points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// Counts.
    Counts,
    /// May count: too much of its time is unknown.
    Undetermined,
    /// Left out by exclusions.
    Excluded,
    /// Does not count.
    Fails,
}

/// The points of a survey with their standing, found by what they belong to.
#[derive(Debug, Default)]
struct Standings<'a> {
    by_village: BTreeMap<DivisionCode, Vec<(&'a Point, Standing)>>,
    by_grid: BTreeMap<&'a GridCode, Vec<Standing>>,
    by_place: BTreeMap<&'a PlaceCode, Vec<Standing>>,
}

impl<'a> Standings<'a> {
    fn of(points: &[&'a Point], standing: impl Fn(&Point) -> Standing) -> Self {
        let mut found = Self::default();
        for point in points {
            let standing = standing(point);
            found.by_village.entry(point.village).or_default().push((point, standing));
            if let Some(grid) = &point.grid {
                found.by_grid.entry(grid).or_default().push(standing);
            }
            if let Some(place) = &point.place {
                found.by_place.entry(place).or_default().push(standing);
            }
        }
        found
    }
}

/// Judges a rule three times: with what is certain, with what may be, with what is excluded.
fn judge(meets: impl Fn(Standing) -> bool) -> Counts {
    if meets(Standing::Counts) {
        Counts::MET
    } else if meets(Standing::Undetermined) {
        Counts::UNKNOWN
    } else if meets(Standing::Excluded) {
        Counts::EXCLUDED
    } else {
        Counts::MISSED
    }
}

/// A rule that one point fulfils.
fn judge_any(standings: Option<&Vec<Standing>>) -> Counts {
    let best = standings.and_then(|standings| standings.iter().min().copied()).unwrap_or(Standing::Fails);
    judge(|accepted| best <= accepted)
}

impl Survey<'_> {
    /// What each member adds to a figure, in the order of the inventory.
    pub fn contributions(&self, figure: FigureId, basis: Basis) -> Vec<Contribution> {
        match figure.measure {
            Measure::Village => self.villages(&self.targets.default_rule, |_| Standing::Counts),
            Measure::VillageTarget => self.villages(&self.targets.target_rule, |_| Standing::Counts),
            Measure::EffectiveVillage => {
                self.villages(&self.targets.default_rule, |point| self.effective(point, basis))
            }
            Measure::Place => self.places(),
            Measure::Grid => self.grids(|_| Standing::Counts),
            Measure::EffectiveGrid => self.grids(|point| self.effective(point, basis)),
            Measure::Household => self.households(),
            Measure::HighDefinition => self.points(|point| self.high_definition(point)),
            Measure::HighDefinitionNew => {
                self.points(|point| if self.is_new(point) { self.high_definition(point) } else { None })
            }
            Measure::Networked => self.points(|point| Some((self.networked(point, basis), Vec::new()))),
            Measure::Clock => self.points(|point| Some((self.clock(point), Vec::new()))),
            Measure::Repair => self.points(|point| Some((self.repairs(point, basis), Vec::new()))),
            Measure::Responsible => self.points(|point| {
                let missing = missing_people(self.extent.inventory, point, self.extent.at);
                Some((Counts::judged(missing.is_empty()), missing))
            }),
            Measure::Record => self.points(|point| {
                let takes_part = figure.class.is_none_or(|class| class == point.class);
                let faults = takes_part.then(|| record_faults(self.extent.inventory, point))?;
                Some((Counts::judged(faults.is_empty()), faults))
            }),
            Measure::Online | Measure::OnlineDevice | Measure::IntactInstalled | Measure::IntactOnline => {
                self.time_weighted(figure, basis)
            }
        }
    }

    /// A figure over the whole survey from its summed contributions.
    pub fn figure(&self, id: FigureId, adjusted: Counts, raw: Counts) -> Figure {
        let target = self.targets.value(id);
        Figure { id, window: self.window, adjusted, raw, target, sufficient: self.targets.sufficient }
    }

    fn time_weighted(&self, figure: FigureId, basis: Basis) -> Vec<Contribution> {
        let rows = self.time.iter().filter(|row| figure.class.is_none_or(|class| class == row.class));
        let contribution = |row: &TimeRow| {
            let (sums, excluded_ms) = match basis {
                Basis::Adjusted => (row.tally.adjusted(), row.tally.excluded.total()),
                Basis::Raw => (row.tally.raw, 0),
            };
            let counts = time_counts(figure.measure, &sums, excluded_ms)?;
            Some(Contribution { member: row.member.clone(), village: row.village, counts, why: Vec::new() })
        };
        rows.filter_map(contribution).collect()
    }

    fn points(&self, judge: impl Fn(&Point) -> Option<(Counts, Vec<&'static str>)>) -> Vec<Contribution> {
        let contribution = |point: &&Point| {
            let (counts, why) = judge(point)?;
            Some(Contribution { member: Member::Point(point.code), village: point.village, counts, why })
        };
        self.extent.points.iter().filter_map(contribution).collect()
    }

    fn grids(&self, standing: impl Fn(&Point) -> Standing) -> Vec<Contribution> {
        let standings = Standings::of(&self.extent.points, standing);
        let contribution = |grid: &&Grid| {
            let points = standings.by_grid.get(&grid.code);
            let counts = judge_any(points);
            let why = if points.is_none() { vec!["no_point"] } else { shortfall(counts, "not_good_enough") };
            Contribution { member: Member::Grid(grid.code.clone()), village: grid.village, counts, why }
        };
        self.extent.grids.iter().map(contribution).collect()
    }

    fn places(&self) -> Vec<Contribution> {
        let standings = Standings::of(&self.extent.points, |_| Standing::Counts);
        let contribution = |place: &&Place| {
            let counts = judge_any(standings.by_place.get(&place.code));
            let why = shortfall(counts, "no_point");
            Contribution { member: Member::Place(place.code.clone()), village: place.village, counts, why }
        };
        self.extent.places.iter().map(contribution).collect()
    }

    fn villages(&self, rule: &VillageRule, standing: impl Fn(&Point) -> Standing) -> Vec<Contribution> {
        let standings = Standings::of(&self.extent.points, standing);
        let contribution = |village: &&Division| {
            let points = standings.by_village.get(&village.code).map_or(&[][..], Vec::as_slice);
            let counts = judge(|accepted| self.village_faults(rule, points, accepted).is_empty());
            let why = self.village_faults(rule, points, Standing::Counts);
            Contribution { member: Member::Village(village.code), village: village.code, counts, why }
        };
        self.extent.villages.iter().map(contribution).collect()
    }

    /// What a village lacks for its rule when points of `accepted` standing and better count.
    fn village_faults(
        &self,
        rule: &VillageRule,
        points: &[(&Point, Standing)],
        accepted: Standing,
    ) -> Vec<&'static str> {
        let counting =
            || points.iter().filter(|(_, standing)| *standing <= accepted).map(|(point, _)| *point);
        let mut faults = Vec::new();
        if points.is_empty() {
            faults.push("no_point");
        } else if counting().count() < usize::try_from(rule.min_points).unwrap_or(usize::MAX) {
            faults.push("too_few_points");
        }
        let covered: Vec<PlaceKind> = counting().filter_map(|point| self.place_kind(point)).collect();
        for group in &rule.required_places {
            if !group.iter().any(|kind| covered.contains(kind)) {
                faults.extend(group.first().map(|kind| kind.as_str()));
            }
        }
        faults
    }

    fn place_kind(&self, point: &Point) -> Option<PlaceKind> {
        point.place.as_ref().and_then(|place| self.extent.inventory.places.get(place)).map(|place| place.kind)
    }

    fn households(&self) -> Vec<Contribution> {
        let contribution = |grid: &&Grid| {
            let norm = match grid.kind {
                GridKind::Urban => &self.targets.urban_households,
                GridKind::Rural => &self.targets.rural_households,
                GridKind::Dedicated => return None,
            };
            let (counts, why) = match grid.households {
                None => (Counts::UNKNOWN, vec!["not_recorded"]),
                Some(households) if norm.contains(&households) => (Counts::MET, Vec::new()),
                Some(households) if households < *norm.start() => (Counts::MISSED, vec!["too_few"]),
                Some(_) => (Counts::MISSED, vec!["too_many"]),
            };
            Some(Contribution { member: Member::Grid(grid.code.clone()), village: grid.village, counts, why })
        };
        self.extent.grids.iter().filter_map(contribution).collect()
    }

    /// A smaller sub-stream says nothing about a main stream that was not measured.
    fn high_definition(&self, point: &Point) -> Option<(Counts, Vec<&'static str>)> {
        let measured = self.measured.get(&point.code);
        let watched = measured.and_then(|measured| measured.size);
        let main =
            measured.and_then(|measured| measured.main_size).filter(|_| point.unwatched_main().is_some());
        let is_large = |(width, height)| width >= self.targets.hd.width && height >= self.targets.hd.height;
        Some(match (watched, main) {
            (None, None) => (Counts::UNKNOWN, vec!["not_measured"]),
            _ if watched.is_some_and(is_large) || main.is_some_and(is_large) => (Counts::MET, Vec::new()),
            (Some(_), None) if point.unwatched_main().is_some() => {
                (Counts::UNKNOWN, vec!["main_stream_not_measured"])
            }
            _ => (Counts::MISSED, vec!["too_small"]),
        })
    }

    fn is_new(&self, point: &Point) -> bool {
        let built = point.record.install_time.unwrap_or(point.commissioned);
        self.calendar.day_of(built) >= self.targets.hd.new_since
    }

    fn clock(&self, point: &Point) -> Counts {
        match self.measured.get(&point.code).map(|measured| measured.clock) {
            Some(ClockReading::ErrorMs(error)) => {
                Counts::judged(Duration::from_millis(error.unsigned_abs()) <= self.targets.clock_tolerance)
            }
            Some(ClockReading::NotSeen | ClockReading::NotAWallClock) | None => Counts::UNKNOWN,
        }
    }

    fn networked(&self, point: &Point, basis: Basis) -> Counts {
        let Some(history) = self.histories.get(&point.code) else { return Counts::UNKNOWN };
        let sums = history.sums(basis);
        let (online, unknown) = (sums.of_all(&[State::Good, State::Degraded]), sums.of(State::Unknown));
        let known = sums.total().saturating_sub(unknown);
        if online > 0 {
            Counts::MET
        } else if sums.total() == 0 {
            Counts::EXCLUDED
        } else if known > 0 && self.targets.sufficient.is_reached_by(known, sums.total()) {
            Counts::MISSED
        } else {
            Counts::UNKNOWN
        }
    }

    fn repairs(&self, point: &Point, basis: Basis) -> Counts {
        let outages = self.histories.get(&point.code).map_or(&[][..], |history| history.outages(basis));
        let deadline = u64::try_from(self.targets.deadline(point.class).as_millis()).unwrap_or(u64::MAX);
        let judged = |outage: &crate::domain::timeline::Outage| {
            let in_time = outage.down_ms <= deadline;
            (outage.end.is_some() || !in_time).then(|| Counts::judged(in_time))
        };
        outages.iter().filter_map(judged).fold(Counts::default(), Counts::plus)
    }

    fn effective(&self, point: &Point, basis: Basis) -> Standing {
        let Some(history) = self.histories.get(&point.code) else { return Standing::Undetermined };
        let sums = history.sums(basis);
        let (good, considered) = (sums.of(State::Good), sums.total());
        let share = self.targets.effective_share;
        if considered == 0 {
            Standing::Excluded
        } else if share.is_reached_by(good, considered) {
            Standing::Counts
        } else if share.is_reached_by(good.saturating_add(sums.of(State::Unknown)), considered) {
            Standing::Undetermined
        } else {
            Standing::Fails
        }
    }
}

/// The word for a member that does not meet its rule.
fn shortfall(counts: Counts, word: &'static str) -> Vec<&'static str> {
    if counts.numerator > 0 { Vec::new() } else { vec![word] }
}

#[cfg(test)]
mod tests;
