//! The tables.

use crate::trial::Event;
use crate::{Outcome, Results, rival};
use sharpeyes::domain::picture::settings::WeatherRule;
use sharpeyes::domain::picture::weather::weather;
use sharpeyes::domain::picture::{Areas, Features, Grade, Item, ItemSet, PictureRules, Rule};
use sharpeyes::simulate::scene::{Harmless, Size};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// Points of a township.
const TOWNSHIP: usize = 8;
/// Looks that confirm.
const ROUNDS: usize = 3;

/// Prints everything.
pub(super) fn print(size: Size, results: &mut Results) {
    let harmless: Vec<&Outcome> =
        results.outcomes.iter().filter(|outcome| outcome.trial.expected.is_empty()).collect();
    let faulty: Vec<&Outcome> =
        results.outcomes.iter().filter(|outcome| !outcome.trial.expected.is_empty()).collect();
    let weather = weathers(&harmless);
    println!(
        "\n{}x{}: {} cases with a fault, {} without, at {} cameras",
        size.width(),
        size.height(),
        faulty.len(),
        harmless.len(),
        harmless.iter().map(|outcome| outcome.trial.number).max().map_or(0, |last| last + 1)
    );
    print_items(&faulty, &harmless, &weather);
    print_flaws(&faulty);
    print_harmless(&harmless, &weather);
    print_rivals(&faulty, &harmless);
    let total = [&mut results.judging, &mut results.decoding].map(|costs| {
        costs.sort_unstable();
        costs.get(costs.len() / 2).copied().unwrap_or_default()
    });
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    println!(
        "\nmedian of a picture: decode and shrink {:.2} ms CPU, features and verdict {:.2} ms; key frame to verdict {:.2} ms",
        ms(total[1]),
        ms(total[0]),
        ms(total[0] + total[1])
    );
}

fn percent(part: usize, whole: usize) -> f64 {
    let of = |number: usize| f64::from(u32::try_from(number).unwrap());
    if whole == 0 { 0.0 } else { 100.0 * of(part) / of(whole) }
}

fn believed(outcome: &Outcome) -> ItemSet {
    outcome.records.iter().fold(ItemSet::default(), |all, record| all.union(record.faults))
}

fn items(set: ItemSet) -> impl Iterator<Item = Item> {
    Item::ALL.into_iter().filter(move |item| set.contains(*item))
}

/// Whether what is wrong was called by a right name.
fn is_found(outcome: &Outcome) -> bool {
    items(believed(outcome)).any(|item| outcome.trial.expected.contains(&item))
}

fn found(outcomes: &[&Outcome]) -> f64 {
    percent(outcomes.iter().filter(|outcome| is_found(outcome)).count(), outcomes.len())
}

/// The share of cases in which an item is believed.
fn share(outcomes: &[&Outcome], item: Item) -> f64 {
    percent(outcomes.iter().filter(|outcome| believed(outcome).contains(item)).count(), outcomes.len())
}

fn print_items(faulty: &[&Outcome], harmless: &[&Outcome], weather: &[ItemSet]) {
    println!(
        "found: by its name; noticed: by any. false: of the harmless cases; left: of them with the weather rule.\n\
         5 % of the faults and 99.5 % of the harmless cases stay on the harmless side of the two values.\n\
         {:<14}{:>7}{:>9}{:>11}{:>9}{:>8}{:>9}{:>9}{:>11}",
        "item", "cases", "found %", "noticed %", "false %", "left %", "limit", "faults", "harmless"
    );
    for item in Item::ALL {
        let own: Vec<&Outcome> =
            faulty.iter().filter(|outcome| outcome.trial.expected.first() == Some(&item)).copied().collect();
        let named = own.iter().filter(|outcome| items(believed(outcome)).next().is_some()).count();
        let false_alone = share(harmless, item);
        let pairs = harmless.iter().zip(weather);
        let false_left = pairs.filter(|(outcome, weather)| left(outcome, **weather).contains(item)).count();
        let (limit, weakest, strongest) = margin(item, &own, harmless);
        println!(
            "{:<14}{:>7}{:>9.1}{:>11.1}{:>9.2}{:>8.2}{:>9.3}{:>9.3}{:>11.3}",
            item.as_str(),
            own.len(),
            found(&own),
            percent(named, own.len()),
            false_alone,
            percent(false_left, harmless.len()),
            limit,
            weakest,
            strongest
        );
    }
    let any = harmless.iter().filter(|outcome| items(believed(outcome)).next().is_some()).count();
    let any_left = harmless
        .iter()
        .zip(weather)
        .filter(|(outcome, weather)| items(left(outcome, **weather)).next().is_some());
    println!(
        "{:<14}{:>7}{:>9}{:>11}{:>9.2}{:>8.2}",
        "any of them",
        "",
        "",
        "",
        percent(any, harmless.len()),
        percent(any_left.count(), harmless.len())
    );
}

/// The limit of an item, the value that 95 % of its faults reach, and the one that 99.5 % of the harmless cases do not.
fn margin(item: Item, faulty: &[&Outcome], harmless: &[&Outcome]) -> (f64, f64, f64) {
    let rule = Rule::of(item);
    let limit = rule.warning.or(rule.alarm).unwrap_or(f64::NAN);
    let is_below = matches!(item, Item::Blank | Item::Blurred);
    let sign = if is_below { -1.0 } else { 1.0 };
    let at = |outcomes: &[&Outcome], thousandth: usize| {
        let mut values: Vec<f64> =
            outcomes.iter().filter_map(|outcome| sustained(outcome, item, sign)).collect();
        values.sort_by(f64::total_cmp);
        let place = (values.len() * thousandth / 1000).min(values.len().saturating_sub(1));
        values.get(place).map_or(f64::NAN, |value| value * sign)
    };
    // What has two right names may have the value of either.
    let plain: Vec<&Outcome> =
        faulty.iter().filter(|outcome| outcome.trial.expected == [item]).copied().collect();
    (limit, at(if plain.is_empty() { faulty } else { &plain }, 50), at(harmless, 995))
}

/// The value that a case keeps up for as many looks as confirm it.
fn sustained(outcome: &Outcome, item: Item, sign: f64) -> Option<f64> {
    let values: Vec<Option<f64>> = outcome
        .records
        .iter()
        .map(|record| record.readings.of(item).value.map(|value| value * sign))
        .collect();
    let rounds = values.windows(ROUNDS).filter_map(|values| {
        values.iter().copied().try_fold(f64::MAX, |least, value| Some(least.min(value?)))
    });
    rounds.reduce(f64::max)
}

fn print_flaws(faulty: &[&Outcome]) {
    println!("\n{:<28}{:>7}{:>9}  otherwise", "fault", "cases", "found %");
    let mut by_event: BTreeMap<Event, Vec<&Outcome>> = BTreeMap::new();
    faulty.iter().for_each(|outcome| by_event.entry(outcome.trial.event).or_default().push(outcome));
    for (event, outcomes) in by_event {
        let mut others: BTreeMap<String, usize> = BTreeMap::new();
        for outcome in outcomes.iter().filter(|outcome| !is_found(outcome)) {
            let names: Vec<&str> = items(believed(outcome)).map(Item::as_str).collect();
            *others.entry(names.join("+")).or_default() += 1;
        }
        let name = format!("{event:?}");
        println!("{name:<28}{:>7}{:>9.1}  {others:?}", outcomes.len(), found(&outcomes));
    }
}

fn print_harmless(harmless: &[&Outcome], weather: &[ItemSet]) {
    println!("\n{:<22}{:>7}{:>9}{:>8}  false alarms", "harmless", "cases", "false %", "left %");
    let mut kinds: BTreeMap<Event, Vec<(&Outcome, ItemSet)>> = BTreeMap::new();
    for (outcome, weather) in harmless.iter().zip(weather) {
        kinds.entry(outcome.trial.event).or_default().push((outcome, *weather));
    }
    for (event, cases) in kinds {
        let mut named: BTreeMap<&str, usize> = BTreeMap::new();
        for (outcome, _) in &cases {
            items(believed(outcome)).for_each(|item| *named.entry(item.as_str()).or_default() += 1);
        }
        let alone = cases.iter().filter(|(outcome, _)| items(believed(outcome)).next().is_some()).count();
        let left =
            cases.iter().filter(|(outcome, weather)| items(left(outcome, *weather)).next().is_some()).count();
        let Event::Harmless(kind) = event else { continue };
        let name = format!("{kind:?}");
        println!(
            "{name:<22}{:>7}{:>9.1}{:>8.1}  {named:?}",
            cases.len(),
            percent(alone, cases.len()),
            percent(left, cases.len())
        );
    }
}

/// What is believed and not weather.
fn left(outcome: &Outcome, weather: ItemSet) -> ItemSet {
    items(believed(outcome)).filter(|item| !weather.contains(*item)).collect()
}

/// The items that are weather in the last look of each case: all points of a township meet the same weather, and each other
/// thing on their own.
fn weathers(harmless: &[&Outcome]) -> Vec<ItemSet> {
    let rule: WeatherRule = PictureRules::default().weather;
    let mut weathers = Vec::new();
    for kind in harmless.chunk_by(|one, other| one.trial.event == other.trial.event) {
        for township in kind.chunks(TOWNSHIP) {
            let last: Vec<_> = township
                .iter()
                .filter_map(|outcome| outcome.records.last())
                .map(|record| &record.shown)
                .collect();
            let found =
                if is_weather(kind[0].trial.event) { weather(last, &rule) } else { ItemSet::default() };
            weathers.extend(township.iter().map(|_| found));
        }
    }
    weathers
}

const fn is_weather(event: Event) -> bool {
    matches!(
        event,
        Event::Harmless(
            Harmless::Snowfall
                | Harmless::InfraredSnowfall
                | Harmless::SnowCover
                | Harmless::Fog
                | Harmless::Rain
                | Harmless::Wind
        )
    )
}

fn print_rivals(faulty: &[&Outcome], harmless: &[&Outcome]) {
    println!("\n{:<34}{:<14}{:>9}{:>9}", "usual method", "item", "found %", "false %");
    for (item, method) in rival::ITEMS {
        let own: Vec<&Outcome> =
            faulty.iter().filter(|outcome| outcome.trial.expected.first() == Some(&item)).copied().collect();
        let rounds = if item == Item::Frozen { ROUNDS - 1 } else { ROUNDS };
        let says = |outcome: &&&Outcome| {
            outcome
                .records
                .windows(rounds)
                .any(|records| records.iter().all(|record| record.rivals.contains(item)))
        };
        println!(
            "{method:<34}{:<14}{:>9.1}{:>9.1}",
            item.as_str(),
            percent(own.iter().filter(says).count(), own.len()),
            percent(harmless.iter().filter(says).count(), harmless.len())
        );
    }
}

/// Every reading of every look, for whoever looks for better limits.
pub(super) fn dump(results: &Results) -> String {
    let mut text = String::new();
    for Outcome { trial, records } in &results.outcomes {
        let mut before: Option<&Features> = None;
        for (look, record) in trial.case.judged.iter().zip(records) {
            write!(text, "{} {:?} {:?}", trial.name(), trial.case.camera.place, look.setting.light).unwrap();
            for (item, reading) in record.readings.iter() {
                let grade = match reading.grade {
                    Grade::NotChecked(skip) => skip.as_str(),
                    Grade::Normal => "",
                    Grade::Warning => "!",
                    Grade::Abnormal => "!!",
                };
                let value = reading.value.map_or(String::new(), |value| format!("{value:.4}"));
                write!(text, " {item}={value}{grade}").unwrap();
            }
            if let Some(features) = &record.features {
                if let Some(before) = before.replace(features) {
                    let same = before
                        .imprint
                        .likeness(&features.imprint, &Areas::default().mask())
                        .untouched_over_structured();
                    let clock = before.imprint.has_same_clock(&features.imprint);
                    write!(text, " same={same:.4} clock={clock:?}").unwrap();
                }
                write!(text, " {:?} {:?} {:?}", features.levels, features.colour, features.detail).unwrap();
            }
            text.push('\n');
        }
    }
    text
}
