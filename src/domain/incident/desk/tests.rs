use super::*;
use crate::domain::incident::Stage;
use crate::domain::{Condition, SiteCode};

const VERIFY: Duration = Duration::from_secs(100);
const ESCALATE: Duration = Duration::from_secs(1_000);

fn rules() -> DeskRules {
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    let deadlines = [(PointClass::One, hours(1)), (PointClass::Two, hours(2)), (PointClass::Three, hours(3))];
    DeskRules { verify: VERIFY, escalate: ESCALATE, deadlines: deadlines.into() }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_seconds(second)
}

fn point(number: u32) -> PointCode {
    format!("2305210000132{number:07}").parse().unwrap()
}

/// A desk and the conditions of some points, told as a story. Points 1 to 9 stand in village 230521100201, 11 to 19 in
/// 230521101201; 1 and 2 hang on one pole.
struct Story {
    desk: Desk,
    conditions: BTreeMap<u32, (Condition, Timestamp)>,
    excluded: BTreeSet<u32>,
    links: BTreeMap<LinkCode, (DivisionCode, Timestamp)>,
    bulk: Vec<BulkCause>,
    is_complete: bool,
    next: i64,
    told: Vec<String>,
}

fn story() -> Story {
    let conditions = (1..=4).chain(11..=12).map(|number| (number, (Condition::Good, at(0)))).collect();
    Story {
        desk: Desk::default(),
        conditions,
        excluded: BTreeSet::new(),
        links: BTreeMap::new(),
        bulk: Vec::new(),
        is_complete: true,
        next: 1,
        told: Vec::new(),
    }
}

impl Story {
    /// `1=connect_timeout 2=link_down:V` at a second; `good` ends it. A link is in the list of roots while anything is cut
    /// off by it.
    fn at(mut self, second: i64, changes: &str) -> Self {
        for change in changes.split_whitespace() {
            let (number, word) = change.split_once('=').unwrap();
            let (word, detail) =
                word.split_once(':').map_or((word, None), |(word, detail)| (word, Some(detail)));
            let condition = match word {
                "good" => Condition::Good,
                _ => Condition::Because(Cause::parse(word, detail).unwrap()),
            };
            if let Some(link) = detail {
                let division = "230521100201".parse().unwrap();
                self.links.entry(link.parse().unwrap()).or_insert((division, at(second)));
            }
            self.conditions.insert(number.parse().unwrap(), (condition, at(second)));
        }
        let cut = |link: &LinkCode| Condition::Because(Cause::LinkDown(link.clone()));
        let conditions = &self.conditions;
        self.links.retain(|link, _| conditions.values().any(|(condition, _)| *condition == cut(link)));
        self.pass(second)
    }

    fn excluding(mut self, second: i64, numbers: &[u32]) -> Self {
        self.excluded = numbers.iter().copied().collect();
        self.pass(second)
    }

    /// Lets the desk look, and take over what it said, until it has nothing to say.
    fn pass(mut self, second: i64) -> Self {
        for _ in 0..4 {
            let steps = self.step(second);
            if steps.is_empty() {
                return self;
            }
            for step in steps {
                self.take(second, step);
            }
            // A restart at any step changes nothing.
            self.desk = Desk::new(self.desk.live().cloned());
        }
        panic!("the desk does not come to rest: {:?}", self.told);
    }

    fn step(&self, second: i64) -> Vec<Step> {
        let pole: SiteCode = "S".parse().unwrap();
        let points = self.conditions.iter().map(|(number, (condition, since))| Seen {
            sight: Sight {
                point: point(*number),
                condition,
                since: *since,
                site: Some(&pole).filter(|_| *number <= 2),
                host: None,
            },
            excluded: self.excluded.contains(number),
            class: if *number == 1 { PointClass::One } else { PointClass::Three },
            village: if *number < 10 { "230521100201" } else { "230521101201" }.parse().unwrap(),
        });
        let scene = Scene {
            points: points.collect(),
            links: self.links.clone(),
            bulk: &self.bulk,
            is_complete: self.is_complete,
        };
        self.desk.step(&scene, at(second), &rules())
    }

    fn take(&mut self, second: i64, step: Step) {
        match step {
            Step::Open(opening) => {
                let since = opening.since.as_millis() / 1_000;
                self.told.push(format!("{second} #{} {} since {since}", self.next, short(&opening.root)));
                self.desk.open(Incident::open(self.next, &opening, at(second)));
                self.next += 1;
            }
            Step::Event(id, happening) => self.tell(second, id, &happening),
        }
    }

    fn tell(&mut self, second: i64, id: i64, happening: &Happening) {
        let detail = match happening {
            Happening::Joined(points) | Happening::Recovered(points) => format!(" {}", numbers(points)),
            Happening::CauseChanged(cause) => format!(" {cause}"),
            Happening::Merged { into } => format!(" #{into}"),
            Happening::Escalated(level) => format!(" {}", level.as_str()),
            Happening::Restored
            | Happening::FailedAgain
            | Happening::Closed
            | Happening::Gone
            | Happening::Excluded
            | Happening::Included
            | Happening::Overdue
            | Happening::Acknowledged { .. }
            | Happening::Dispatched { .. }
            | Happening::Repairing(_)
            | Happening::Suspended { .. }
            | Happening::Resumed
            | Happening::FalseAlarm
            | Happening::Noted => String::new(),
        };
        self.told.push(format!("{second} #{id} {}{detail}", happening.as_str()));
        self.desk.apply(id, happening, at(second));
    }

    /// A person does something.
    fn deed(mut self, second: i64, id: i64, deed: impl Fn(&Incident) -> Happening) -> Self {
        let happening = deed(self.desk.incident(id).unwrap());
        self.tell(second, id, &happening);
        self.pass(second)
    }

    fn is(self, expected: &[&str]) -> Self {
        assert_eq!(self.told, expected);
        self
    }
}

fn short(root: &Root) -> String {
    if let Root::Point(point) = root {
        format!("point {}", numbers(&[*point].into()))
    } else {
        root.to_string()
    }
}

fn numbers(points: &BTreeSet<PointCode>) -> String {
    let number = |point: &PointCode| {
        point.as_str().trim_start_matches("2305210000132").trim_start_matches('0').to_owned()
    };
    points.iter().map(number).collect::<Vec<_>>().join(",")
}

#[test]
fn a_camera_fails_and_its_recovery_is_verified() {
    story().at(10, "3=connect_timeout").at(50, "3=good").at(149, "").at(150, "").is(&[
        "10 #1 point 3 since 10",
        "50 #1 recovered 3",
        "50 #1 restored",
        "150 #1 closed",
    ]);
}

#[test]
fn what_fails_again_before_the_recovery_is_verified_is_the_same_incident() {
    let story = story().at(10, "3=connect_timeout").at(50, "3=good").at(140, "3=frozen").at(200, "3=good");
    story.at(300, "").at(400, "3=frozen").is(&[
        "10 #1 point 3 since 10",
        "50 #1 recovered 3",
        "50 #1 restored",
        "140 #1 cause_changed frozen",
        "140 #1 joined 3",
        "140 #1 failed_again",
        "200 #1 recovered 3",
        "200 #1 restored",
        "300 #1 closed",
        "400 #2 point 3 since 400",
    ]);
}

#[test]
fn an_unknown_point_has_neither_failed_nor_recovered() {
    let story = story().at(10, "3=connect_timeout 4=backlog").at(50, "3=monitor_down").at(500, "");
    story.is(&["10 #1 point 3 since 10"]).at(600, "3=good").is(&[
        "10 #1 point 3 since 10",
        "600 #1 recovered 3",
        "600 #1 restored",
    ]);
}

#[test]
fn a_dead_link_is_one_incident_and_what_stays_dead_behind_it_another_one() {
    let story = story().at(10, "1=link_down:V 2=link_down:V 3=link_down:V").at(90, "1=good 2=good");
    story.at(95, "3=connect_timeout").at(195, "").is(&[
        "10 #1 link:V since 10",
        "90 #1 recovered 1,2",
        "95 #2 point 3 since 10",
        "95 #1 recovered 3",
        "95 #1 restored",
        "195 #1 closed",
    ]);
}

#[test]
fn a_camera_that_was_dead_before_its_link_keeps_its_incident_and_is_told_once() {
    let story = story().at(5, "3=connect_timeout").at(10, "1=link_down:V 2=link_down:V 3=link_down:V");
    story.at(90, "1=good 2=good 3=connect_timeout").at(190, "").is(&[
        "5 #1 point 3 since 5",
        "10 #2 link:V since 10",
        "90 #2 recovered 1,2,3",
        "90 #2 restored",
        "190 #2 closed",
    ]);
}

#[test]
fn what_a_higher_root_explains_is_merged_into_it() {
    let story = story().at(20, "3=connect_timeout");
    let mut story = story.at(25, "1=link_down:V 2=link_down:V 3=link_down:V");
    // The link turns out to have failed first.
    story.told.clear();
    let mut earlier = story.desk.clone();
    earlier.live.values_mut().for_each(|incident| {
        if incident.root == Root::Link("V".parse().unwrap()) {
            incident.since = at(15);
        }
    });
    story.desk = earlier;
    story.at(26, "").is(&["26 #1 merged #2", "26 #1 gone"]);
}

#[test]
fn a_pole_without_power_is_one_incident_until_its_last_point_is_back() {
    story().at(10, "1=connect_timeout 2=connect_timeout").at(50, "2=good").at(60, "1=good").is(&[
        "10 #1 site:S since 10",
        "50 #1 recovered 2",
        "60 #1 recovered 1",
        "60 #1 restored",
    ]);
}

#[test]
fn a_bulk_change_keeps_its_last_members() {
    let mut story = story();
    let shared = crate::domain::correlate::Shared::Credential("city".to_owned());
    let points = vec![point(3), point(4), point(11)];
    story.bulk = vec![BulkCause { shared, cause: Cause::WrongCredential, since: at(10), points }];
    let mut story = story.at(10, "3=wrong_credential 4=wrong_credential 11=wrong_credential");
    story.bulk.clear();
    story.at(50, "3=good 4=good").at(60, "11=good").is(&[
        "10 #1 credential:city since 10",
        "50 #1 recovered 3,4",
        "60 #1 recovered 11",
        "60 #1 restored",
    ]);
}

#[test]
fn nothing_is_opened_before_the_first_round_is_done_or_while_it_is_excluded() {
    let mut story = story();
    story.is_complete = false;
    let mut story = story.at(10, "3=connect_timeout 4=connect_timeout").is(&[]);
    story.is_complete = true;
    story
        .excluding(20, &[3])
        .is(&["20 #1 point 4 since 10"])
        .excluding(30, &[])
        .is(&["20 #1 point 4 since 10", "30 #2 point 3 since 10"]);
}

#[test]
fn an_exclusion_stops_the_clock_and_changes_no_recovery() {
    let story = story().at(0, "3=connect_timeout").excluding(3_600, &[3]).excluding(7_200, &[]);
    let story = story.deed(7_200, 1, |incident| incident.acknowledge("local").unwrap());
    let story = story.at(3 * 3_600 + 3_599, "").at(4 * 3_600, "");
    assert_eq!(story.desk.incident(1).unwrap().clock.spent(at(4 * 3_600)), Duration::from_secs(3 * 3_600));
    let told: Vec<&str> =
        story.told.iter().filter(|line| !line.contains("escalated")).map(String::as_str).collect();
    assert_eq!(
        told,
        [
            "0 #1 point 3 since 0",
            "3600 #1 excluded",
            "7200 #1 included",
            "7200 #1 acknowledged",
            "14400 #1 overdue",
        ]
    );
}

#[test]
fn whoever_does_not_acknowledge_is_passed_over() {
    let story = story().at(0, "3=connect_timeout").at(1_000, "").at(1_500, "").at(2_000, "");
    let story = story.deed(2_100, 1, |incident| incident.acknowledge("local").unwrap()).at(9_000, "");
    story.is(&[
        "0 #1 point 3 since 0",
        "1000 #1 escalated village",
        "2000 #1 escalated township",
        "2100 #1 acknowledged",
    ]);
}

#[test]
fn nobody_is_pressed_for_a_camera_behind_a_dead_link() {
    let story = story().at(0, "3=connect_timeout").deed(1, 1, |it| it.dispatch("Longtong", VERIFY).unwrap());
    let story =
        story.at(2, "4=connect_timeout").at(50, "1=link_down:V 2=link_down:V 3=link_down:V 4=link_down:V");
    let story = story.deed(60, 3, |it| it.acknowledge("local").unwrap()).at(1_500, "");
    story.at(1_600, "1=good 2=good 3=connect_timeout 4=connect_timeout").is(&[
        "0 #1 point 3 since 0",
        "1 #1 dispatched",
        "2 #2 point 4 since 2",
        "50 #3 link:V since 50",
        "60 #3 acknowledged",
        "1600 #1 overdue",
        "1600 #2 escalated village",
        "1600 #3 recovered 1,2,3,4",
        "1600 #3 restored",
    ]);
}

#[test]
fn nobody_is_pressed_in_the_step_in_which_the_link_is_found_dead() {
    let story = story().at(0, "3=connect_timeout").at(999, "");
    story
        .at(1_000, "1=link_down:V 2=link_down:V 3=link_down:V")
        .at(1_500, "")
        .is(&["0 #1 point 3 since 0", "1000 #2 link:V since 1000"]);
}

#[test]
fn a_false_alarm_is_not_opened_again_until_it_was_gone() {
    let story = story().at(0, "3=frozen").deed(5, 1, |incident| incident.call_false("a still pond").unwrap());
    story.at(10, "").at(20, "3=good").at(30, "3=frozen").is(&[
        "0 #1 point 3 since 0",
        "5 #1 false_alarm",
        "20 #1 gone",
        "30 #2 point 3 since 30",
    ]);
}

#[test]
fn what_a_person_ended_is_not_forgotten_while_it_cannot_be_seen() {
    let story = story().at(0, "3=frozen 4=frozen");
    let other = story.desk.incident(2).unwrap().clone();
    let story = story.deed(5, 1, |incident| incident.merge_into(&other).unwrap());
    let story = story.deed(6, 2, |incident| incident.call_false("a still pond").unwrap());
    // After a restart every point is unknown until it was looked at.
    let story = story.at(10, "3=monitor_down 4=monitor_down").at(20, "3=frozen 4=frozen");
    story.at(30, "3=link_down:V 4=link_down:V").at(40, "3=frozen 4=frozen").at(50, "3=good 4=good").is(&[
        "0 #1 point 3 since 0",
        "0 #2 point 4 since 0",
        "5 #1 merged #2",
        "5 #2 joined 3",
        "6 #2 false_alarm",
        "30 #3 link:V since 30",
        "40 #3 recovered 3,4",
        "40 #3 restored",
        "50 #1 gone",
        "50 #2 gone",
    ]);
}

#[test]
fn what_a_person_ended_is_over_although_a_part_of_it_is_not_seen() {
    let story = story().at(0, "1=link_down:V 2=link_down:V 3=link_down:V");
    let story = story.deed(5, 1, |incident| incident.call_false("a planned test").unwrap());
    let story = story.at(10, "1=good 2=good 3=monitor_down").at(20, "1=link_down:V 2=link_down:V");
    story.is(&["0 #1 link:V since 0", "5 #1 false_alarm", "10 #1 gone", "20 #2 link:V since 20"]);
}

#[test]
fn a_clock_that_was_ahead_holds_nothing_up() {
    let ahead = 8 * 3_600;
    let story = story().at(ahead, "3=frozen").at(ahead + 10, "4=frozen").at(ahead + 20, "4=good");
    story.at(30, "").is(&[
        "28800 #1 point 3 since 28800",
        "28810 #2 point 4 since 28810",
        "28820 #2 recovered 4",
        "28820 #2 restored",
        "30 #1 escalated village",
        "30 #2 closed",
    ]);
}

#[test]
fn what_a_person_merged_is_followed_in_the_other_incident() {
    let story = story().at(0, "3=frozen 4=frozen");
    let other = story.desk.incident(2).unwrap().clone();
    let story = story.deed(5, 1, |incident| incident.merge_into(&other).unwrap());
    story.at(20, "4=good").at(30, "3=good").is(&[
        "0 #1 point 3 since 0",
        "0 #2 point 4 since 0",
        "5 #1 merged #2",
        "5 #2 joined 3",
        "20 #2 recovered 4",
        "30 #1 gone",
        "30 #2 recovered 3",
        "30 #2 restored",
    ]);
}

#[test]
fn a_repair_goes_its_way_and_only_the_probe_ends_it() {
    let story = story().at(0, "1=frozen").deed(10, 1, |it| it.acknowledge("local").unwrap());
    let story = story.deed(20, 1, |it| it.dispatch("Longtong", Duration::from_secs(60)).unwrap());
    assert_eq!(story.desk.incident(1).unwrap().due(), Some(at(60)));
    let story =
        story.deed(30, 1, |it| it.begin_repair(crate::domain::incident::RepairReason::Cable).unwrap());
    assert_eq!(story.desk.incident(1).unwrap().stage(), Stage::InRepair);
    let story = story.deed(40, 1, |it| it.suspend("a", "b", "flood").unwrap()).at(500, "");
    let incident = story.desk.incident(1).unwrap();
    assert_eq!((incident.stage(), incident.due()), (Stage::Suspended, None));
    let story = story.deed(600, 1, |it| it.resume().unwrap());
    assert_eq!(story.desk.incident(1).unwrap().level_since, at(600), "nobody was to be pressed meanwhile");
    let story = story.at(619, "").at(620, "").at(700, "1=good");
    assert_eq!(story.desk.incident(1).unwrap().stage(), Stage::Restored);
    story.is(&[
        "0 #1 point 1 since 0",
        "10 #1 acknowledged",
        "20 #1 dispatched",
        "30 #1 repairing",
        "40 #1 suspended",
        "600 #1 resumed",
        "620 #1 overdue",
        "700 #1 recovered 1",
        "700 #1 restored",
    ]);
}

#[test]
fn a_person_is_told_why_something_is_not_possible() {
    let story = story().at(0, "1=frozen");
    let incident = story.desk.incident(1).unwrap();
    let check = |done: Result<Happening, crate::domain::incident::DeedError>, text: &str| {
        assert_eq!(done.unwrap_err().to_string(), text);
    };
    check(
        incident.begin_repair(crate::domain::incident::RepairReason::Cable),
        "nobody was dispatched yet; dispatch somebody first",
    );
    check(incident.dispatch("  ", Duration::from_secs(1)), "assignee must not be empty");
    check(
        incident.suspend("Ann", " ann ", "flood"),
        "a suspension must be approved by another person than the one who enters it",
    );
    check(incident.resume(), "the incident is not suspended");
    check(incident.merge_into(incident), "an incident cannot be merged into itself");
    let mut ended = incident.clone();
    ended.apply(&ended.call_false("pond").unwrap(), at(1));
    check(ended.acknowledge("local"), "the incident has ended: it is false_alarm");
}

#[test]
fn an_incident_serves_the_smallest_division_that_holds_it() {
    let check = |villages: &[&str], expected: Option<&str>| {
        let villages = villages.iter().map(|village| village.parse().unwrap());
        assert_eq!(smallest_division(villages).map(|division| division.to_string()).as_deref(), expected);
    };
    check(&["230521100201"], Some("230521100201"));
    check(&["230521100201", "230521100202"], Some("230521100"));
    check(&["230521100201", "230521101201"], Some("230521"));
    check(&["230521100201", "230602101201"], Some("23"));
    check(&["230521100201", "310602101201"], None);
    check(&[], None);
}
