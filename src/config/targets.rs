//! The keys of `config/targets.toml`: name, unit, range and the rule that each one fills.
//!
//! A targets file is a complete document: a missing key is a fault, so that its version says everything.

use crate::config::LoadError;
use crate::config::reader::{
    ConfigFaults, Fault, Section, Value, number, parsed, read_document, text, texts, whole,
};
use crate::domain::place::PlaceKind;
use crate::domain::target::{HighDefinition, Targets, VillageRule};
use crate::domain::{FigureId, PointClass, Ratio};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The targets that hold when no file is named.
const BUILT_IN: &str = include_str!("../../config/targets.toml");

/// Reads and validates the targets file at `path`; without one, the built-in targets.
pub fn load_targets(path: Option<&Path>) -> Result<Targets, LoadError> {
    let (file, document) = match path {
        Some(path) => {
            let read = std::fs::read_to_string(path);
            (path.to_owned(), read.map_err(|source| LoadError::Read { path: path.to_owned(), source })?)
        }
        None => (PathBuf::from("config/targets.toml"), BUILT_IN.to_owned()),
    };
    parse(&document).map_err(|faults| LoadError::Faults(ConfigFaults { file, faults }))
}

fn parse(document: &str) -> Result<Targets, Vec<Fault>> {
    // What a fault leaves out is filled with anything: the value is thrown away with the faults told.
    read_document(document, |root| {
        let version = root.required("version", text).unwrap_or_default();
        let (default_rule, target_rule) = root.section("village_rule", |rules| {
            (rules.section("default", village_rule), rules.section("target", village_rule))
        });
        let (urban_households, rural_households) = root.section("households", households);
        Targets {
            version,
            default_rule,
            target_rule,
            hd: root.section("hd", high_definition),
            effective_share: root.section("effective", |section| share(section, "good_percent")),
            sufficient: root.section("observed", |section| share(section, "sufficient_percent")),
            clock_tolerance: root.section("clock", |section| {
                Duration::from_secs(section.required("tolerance_seconds", whole(0..=3_600_u64)).unwrap_or(0))
            }),
            repair_deadline: root
                .section("repair", |section| section.section("deadline_hours", repair_deadlines)),
            urban_households,
            rural_households,
            late_entry_after: root.section("exclusion", |section| hours(section, "late_after_hours", 0.0)),
            values: root.section("target_percent", target_values),
        }
    })
}

fn village_rule(section: &mut Section<'_>) -> VillageRule {
    VillageRule {
        min_points: section.required("min_points", whole(1..=1_000_u32)).unwrap_or(1),
        required_places: section.required("required_places", place_groups).unwrap_or_default(),
    }
}

fn place_groups(value: &Value) -> Result<Vec<Vec<PlaceKind>>, String> {
    let Value::List(groups) = value else { return Err("must be a list of lists of place kinds".to_owned()) };
    groups.iter().map(place_group).collect()
}

fn place_group(value: &Value) -> Result<Vec<PlaceKind>, String> {
    let words = texts(value).map_err(|_not_a_list| "must be a list of lists of place kinds".to_owned())?;
    if words.is_empty() {
        return Err("holds an empty list: no place could ever meet it".to_owned());
    }
    let known = || PlaceKind::ALL.map(PlaceKind::as_str).join(", ");
    let kind = |word: &String| {
        let found = PlaceKind::ALL.into_iter().find(|kind| kind.as_str() == word);
        found.ok_or_else(|| format!("`{word}` is no place kind; one of {}", known()))
    };
    words.iter().map(kind).collect()
}

fn high_definition(section: &mut Section<'_>) -> HighDefinition {
    HighDefinition {
        width: section.required("width", whole(1..=16_384_u32)).unwrap_or(1),
        height: section.required("height", whole(1..=16_384_u32)).unwrap_or(1),
        new_since: section.required("new_since", parsed("a day like 2015-05-13")).unwrap_or_default(),
    }
}

fn households(section: &mut Section<'_>) -> (RangeInclusive<u32>, RangeInclusive<u32>) {
    (range(section, "urban_min", "urban_max"), range(section, "rural_min", "rural_max"))
}

fn range(section: &mut Section<'_>, min: &str, max: &str) -> RangeInclusive<u32> {
    let low = section.required(min, whole(0..=100_000_u32));
    let high = section.required(max, whole(0..=100_000_u32));
    let (low, high) = (low.unwrap_or(0), high.unwrap_or(u32::MAX));
    if low > high {
        section.fault(min, format!("must not be more than {max}"));
    }
    low..=high
}

fn repair_deadlines(section: &mut Section<'_>) -> BTreeMap<PointClass, Duration> {
    let deadline = |class: PointClass| (class, hours(section, &format!("class{}", class.as_str()), 0.1));
    PointClass::ALL.map(deadline).into_iter().collect()
}

fn hours(section: &mut Section<'_>, key: &str, least: f64) -> Duration {
    let hours = section.required(key, number(least..=8_760.0)).unwrap_or(0.0);
    Duration::try_from_secs_f64(hours * 3_600.0).unwrap_or_default()
}

fn share(section: &mut Section<'_>, key: &str) -> Ratio {
    section.required(key, percent).unwrap_or(Ratio::ONE)
}

/// Takes a percentage and keeps it exactly: settings have at most four decimals.
fn percent(value: &Value) -> Result<Ratio, String> {
    let percent = number(0.0..=100.0)(value)?;
    let millionths = format!("{:.0}", percent * 10_000.0).parse::<u32>();
    let millionths = millionths.map_err(|error| error.to_string())?;
    let exact = (f64::from(millionths) / 10_000.0 - percent).abs() < 1e-9;
    if exact { Ok(Ratio::of_millionths(millionths)) } else { Err("has more than four decimals".to_owned()) }
}

fn target_values(section: &mut Section<'_>) -> BTreeMap<FigureId, Ratio> {
    let mut values = BTreeMap::new();
    for name in section.names() {
        match name.parse::<FigureId>() {
            Ok(figure) => values.extend(section.optional(&name, percent).map(|value| (figure, value))),
            Err(unknown) => {
                section.optional(&name, |_| Err::<(), String>(unknown.to_string()));
            }
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Measure;

    /// The built-in file with one text replaced.
    fn spoiled(from: &str, to: &str) -> Vec<String> {
        assert!(BUILT_IN.contains(from), "{from}");
        let faults = parse(&BUILT_IN.replacen(from, to, 1)).err().unwrap_or_default();
        faults.iter().map(|fault| format!("{}: {}", fault.key, fault.problem)).collect()
    }

    #[test]
    fn the_built_in_targets_are_right_and_national() {
        let targets = load_targets(None).unwrap();
        let installed = |class| FigureId { measure: Measure::IntactInstalled, class: Some(class) };
        let check = |figure, percent: Option<&str>| {
            assert_eq!(targets.value(figure).map(|target| target.percent()).as_deref(), percent, "{figure}");
        };
        check(installed(PointClass::One), Some("98.00"));
        check(installed(PointClass::Two), Some("95.00"));
        check(installed(PointClass::Three), None);
        check(FigureId::of(Measure::Village), Some("100.00"));
        assert_eq!(targets.default_rule, VillageRule { min_points: 1, required_places: Vec::new() });
        assert_eq!(targets.target_rule.required_places.len(), 4);
        assert_eq!(targets.deadline(PointClass::One), Duration::from_secs(12 * 3_600));
        assert_eq!(targets.late_entry_after, Duration::from_secs(72 * 3_600));
        assert_eq!(targets.rural_households, 0..=150);
    }

    #[test]
    fn each_fault_is_told_with_its_key() {
        let check = |from: &str, to: &str, expected: &str| assert_eq!(spoiled(from, to), [expected], "{to}");
        check("version = \"2026-1\"", "", "version: is missing");
        check(
            "min_points = 1\n",
            "min_points = 0\n",
            "village_rule.default.min_points: must be a whole number from 1 to 1000",
        );
        check(
            "[\"committee\"]",
            "[\"comittee\"]",
            "village_rule.target.required_places: `comittee` is no place kind; one of village_entrance, \
             main_junction, committee, school, clinic, water_source, fuel_station, square, other",
        );
        check(
            "[\"committee\"]",
            "[]",
            "village_rule.target.required_places: holds an empty list: no place could ever meet it",
        );
        check(
            "required_places = []",
            "required_places = [\"school\"]",
            "village_rule.default.required_places: must be a list of lists of place kinds",
        );
        check("width = 1280\n", "", "hd.width: is missing");
        check("\"2015-05-13\"", "\"2015-5-13\"", "hd.new_since: `2015-5-13` is not a day like 2015-05-13");
        check(
            "good_percent = 80",
            "good_percent = 101",
            "effective.good_percent: must be a number from 0 to 100",
        );
        check(
            "good_percent = 80",
            "good_percent = 80.00001",
            "effective.good_percent: has more than four decimals",
        );
        check(
            "tolerance_seconds = 30",
            "tolerance_seconds = -1",
            "clock.tolerance_seconds: must be a whole number from 0 to 3600",
        );
        check("class2 = 24", "class2 = 0", "repair.deadline_hours.class2: must be a number from 0.1 to 8760");
        check("urban_min = 200", "urban_min = 501", "households.urban_min: must not be more than urban_max");
        check("\"A1\" = 95", "\"A9\" = 95", "target_percent.A9: `A9` is no indicator of this version");
        check("\"A1\" = 95", "\"A3\" = 95", "target_percent.A3: `A3` is no indicator of this version");
        check("\"A1\" = 95", "\"A1\" = \"95 %\"", "target_percent.A1: must be a number from 0 to 100");
    }

    #[test]
    fn every_fault_of_a_file_is_told_at_once() {
        let faults = parse("version = \"\"\n[hd]\nwidth = 0\ncolour = true\n").err().unwrap_or_default();
        let keys: Vec<&str> = faults.iter().map(|fault| fault.key.as_str()).collect();
        for key in ["version", "hd.width", "hd.colour", "hd.height", "effective.good_percent"] {
            assert!(keys.contains(&key), "{key}: {keys:?}");
        }
    }
}
