//! The machine on series of looks, each a line of seconds and words.

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_seconds(second)
}

/// The verdict behind a word: `good`, `pictures` (no key frame), `reachable`, `-cause` (not looked) or a cause.
fn verdict(word: &str) -> Verdict {
    let cause = |word| Cause::parse(word, None).unwrap();
    match word {
        "good" => Verdict::Good(Proof::KeyFrame),
        "pictures" => Verdict::Good(Proof::PicturesOnly),
        "reachable" => Verdict::Reachable,
        word if word.starts_with('-') => Verdict::NotLooked(cause(word.trim_start_matches('-'))),
        word if cause(word).state() == State::Degraded => Verdict::Faulty(vec![cause(word)], Proof::KeyFrame),
        word => Verdict::Failed(cause(word)),
    }
}

fn condition(word: &str) -> Condition {
    if word == "good" { Condition::Good } else { Condition::Because(Cause::parse(word, None).unwrap()) }
}

fn word(condition: &Condition) -> &'static str {
    condition.cause().map_or("good", Cause::as_str)
}

/// Feeds `second word` looks of one second each (`wait` only lets time pass) to a point that was `start` since 0;
/// expects the intervals that follow as `second word`.
fn check(start: &str, looks: &str, expected: &str) {
    let mut machine = Machine::new(condition(start), at(0));
    check_from(&mut machine, looks, expected);
}

fn check_from(machine: &mut Machine, looks: &str, expected: &str) {
    let mut intervals = Vec::new();
    let words: Vec<&str> = looks.split_whitespace().collect();
    for pair in words.chunks(2) {
        let started = at(pair[0].parse().unwrap());
        let ended = started.plus(Duration::from_secs(1));
        if let Some(faults) = pair[1].strip_prefix("picture:") {
            let words = faults.split(',').filter(|word| !word.is_empty());
            let fault = |word| ConfirmedFault { cause: Cause::parse(word, None).unwrap(), since: started };
            machine.believe_picture(words.map(fault).collect(), started);
        } else if pair[1] != "wait" {
            machine.observe(&verdict(pair[1]), LookTime { started, ended });
        }
        while let Some(proposal) = machine.proposal(&Rules::OF_EXAMPLES, ended) {
            let start = machine.enter(proposal.to, proposal.at).as_millis();
            intervals.push(format!("{} {}", start.div_euclid(1000), word(machine.condition())));
        }
    }
    assert_eq!(intervals.join(" "), expected, "{looks}");
}

#[test]
fn a_failure_needs_looks_and_time_and_begins_with_its_first_look() {
    check("good", "100 no_packets 110 no_packets 120 no_packets", "");
    check("good", "100 no_packets 400 no_packets", "");
    check("good", "100 no_packets 130 no_packets 160 no_packets", "100 no_packets");
    check("good", "100 connect_timeout 130 connect_timeout 140 good 170 connect_timeout", "");
    check("good", "100 stalled 130 connect_timeout 160 connect_timeout", "100 connect_timeout");
}

#[test]
fn a_failure_ends_with_two_proofs_from_a_key_frame() {
    check("no_packets", "100 good", "");
    check("no_packets", "100 good 160 good", "100 good");
    check("no_packets", "100 good 160 no_packets 220 good", "");
    check("no_packets", "100 pictures 110 pictures 120 good", "");
    check("no_packets", "100 good 110 pictures 120 good", "100 good");
    check("no_packets", "100 loss 160 loss", "100 loss");
    check("no_packets", "100 loss 160 good", "100 good");
}

#[test]
fn a_cause_inside_a_failure_changes_only_when_confirmed() {
    check("connect_timeout", "100 no_route 130 connect_timeout 160 no_route 190 connect_timeout", "");
    check("connect_timeout", "100 no_route 130 no_route 160 no_route", "100 no_route");
    check(
        "connect_timeout",
        "100 stream_not_found 130 no_packets 160 stream_not_found",
        "100 stream_not_found",
    );
}

#[test]
fn a_fault_is_confirmed_like_a_failure_and_keeps_its_name() {
    check("good", "100 loss 130 loss 160 loss", "100 loss");
    check("good", "100 loss 130 good 160 loss", "");
    check("loss", "100 clock_wrong 130 clock_wrong 160 clock_wrong", "100 clock_wrong");
    check("loss", "100 clock_wrong 130 loss 160 clock_wrong", "");
    check("loss", "100 good", "");
    check("loss", "100 good 160 good", "100 good");
    check("loss", "100 no_packets 130 no_packets 160 no_packets", "100 no_packets");
}

#[test]
fn unknown_ends_with_one_clean_proof() {
    check("not_yet_probed", "100 good", "100 good");
    check("not_yet_probed", "100 pictures", "");
    check("not_yet_probed", "100 loss", "");
    check("not_yet_probed", "100 loss 130 loss 160 loss", "100 loss");
    check("not_yet_probed", "100 connect_timeout 130 connect_timeout", "");
    check("stale", "100 connect_timeout 130 no_route 160 no_route", "100 no_route");
}

#[test]
fn a_point_behind_a_repaired_link_is_what_its_first_pictures_show() {
    let cut_off = |before: &str| {
        let mut machine = Machine::new(condition(before), at(0));
        machine.enter(Condition::Because(Cause::LinkDown("V".parse().unwrap())), at(50));
        machine
    };
    check_from(&mut cut_off("good"), "100 loss", "100 good");
    check_from(&mut cut_off("good"), "100 loss 130 loss 160 loss 190 loss", "100 good 130 loss");
    check_from(&mut cut_off("loss"), "100 good", "100 good");
    check_from(&mut cut_off("loss"), "100 loss", "100 loss");
    check_from(&mut cut_off("loss"), "100 clock_wrong", "100 clock_wrong");
    check_from(&mut cut_off("connect_timeout"), "100 loss", "100 loss");
    check_from(&mut cut_off("loss"), "100 pictures", "");
}

#[test]
fn a_failure_seen_again_after_a_gap_needs_no_second_confirmation() {
    let resumed = |before: &str| {
        let mut machine = Machine::new(condition(before), at(0));
        let gap = machine.enter(Condition::Because(Cause::MonitorDown), at(50));
        assert_eq!(gap, at(50));
        machine
    };
    check_from(&mut resumed("connect_timeout"), "100 connect_timeout", "100 connect_timeout");
    check_from(&mut resumed("connect_timeout"), "100 connect_refused", "100 connect_refused");
    check_from(&mut resumed("connect_timeout"), "100 no_packets", "");
    check_from(&mut resumed("connect_timeout"), "100 good", "100 good");
    check_from(&mut resumed("loss"), "100 loss", "100 loss");
    check_from(&mut resumed("good"), "100 connect_timeout", "");
}

#[test]
fn a_wrong_credential_is_confirmed_by_time_because_the_hold_forbids_looks() {
    check("good", "100 wrong_credential", "");
    check("good", "100 wrong_credential 130 -credential_hold 161 wait", "100 wrong_credential");
    check("good", "100 wrong_credential 130 good 200 wait", "");
    // The hold keeps the verdict that caused it; without word of the hold it becomes stale.
    check("wrong_credential", "1000 -credential_hold 2000 -credential_hold 3000 wait", "");
    check("wrong_credential", "1300 wait", "1200 stale");
}

#[test]
fn what_was_not_looked_at_is_unknown_only_when_the_last_look_is_stale() {
    check("good", "100 -backlog 1198 wait", "");
    check("good", "100 good 200 -backlog 1302 wait", "1301 backlog");
    check("good", "100 good 200 -credential_hold 1302 wait", "1301 credential_hold");
    check("good", "100 good 1302 wait", "1301 stale");
    check("good", "100 -not_watchable", "101 not_watchable");
    check("not_yet_probed", "100 -credential_hold 200 -backlog", "101 credential_hold");
}

#[test]
fn a_hold_after_our_own_outage_is_named_and_the_refusal_is_known_when_it_ends() {
    let mut machine = Machine::new(condition("wrong_credential"), at(0));
    machine.enter(condition("monitor_down"), at(50));
    let looks = "100 -credential_hold 1900 -credential_hold 2000 wrong_credential";
    check_from(&mut machine, looks, "101 credential_hold 2000 wrong_credential");
    check("monitor_down", "100 -backlog", "");
}

#[test]
fn a_device_that_answers_was_not_offline_but_proves_no_video() {
    check("good", "100 connect_timeout 130 reachable 160 connect_timeout 190 connect_timeout", "");
    check("good", "100 no_packets 130 reachable 160 no_packets 190 no_packets", "100 no_packets");
    check("connect_timeout", "100 reachable 160 reachable", "");
}

#[test]
fn a_fault_of_the_picture_is_believed_at_once_and_until_it_is_taken_back() {
    check("good", "100 picture:blank", "100 blank");
    check("good", "100 picture:blank 110 good 120 good 130 good", "100 blank");
    check("good", "100 picture:blank 200 picture:", "100 blank 200 good");
    check("good", "100 picture:moved,noise 200 picture:noise", "100 moved 200 noise");
    check("good", "100 picture:noise 200 picture:moved,noise", "100 noise");
    check(
        "good",
        "100 picture:blank 130 no_packets 160 no_packets 190 no_packets",
        "100 blank 130 no_packets",
    );
}

#[test]
fn a_fault_of_the_picture_goes_before_one_of_the_stream() {
    check("good", "100 loss 130 loss 140 picture:blank 160 loss", "140 blank");
    check("loss", "100 picture:blank", "");
    check("loss", "100 picture:blank 130 good 160 good", "130 blank");
    check("good", "100 picture:blank 110 loss 140 loss 200 picture: 210 loss", "100 blank 200 good");
    check("good", "100 picture:blank 110 loss 140 loss 170 loss 200 picture: 210 loss", "100 blank 200 loss");
    check("no_packets", "100 picture:blank 130 good 160 good", "130 blank");
    check("not_yet_probed", "50 picture:blank 100 good 200 picture:", "100 blank 200 good");
    check("not_yet_probed", "50 picture:blank", "");
}

#[test]
fn a_fault_of_the_picture_asks_for_no_looks() {
    let look_due = |start: &str, looks: &str| {
        let mut machine = Machine::new(condition(start), at(0));
        check_from(&mut machine, looks, "");
        machine.look_due(&Rules::OF_EXAMPLES).is_some()
    };
    assert!(!look_due("blank", "0 picture:blank 100 good"));
    assert!(look_due("loss", "100 good"));
}

#[test]
fn every_fault_is_told_the_named_one_first() {
    let mut machine = Machine::new(condition("loss"), at(0));
    machine.observe(&verdict("loss"), LookTime { started: at(100), ended: at(101) });
    let fault = |word| ConfirmedFault { cause: Cause::parse(word, None).unwrap(), since: at(90) };
    machine.believe_picture(vec![fault("blank"), fault("noise")], at(102));
    let words: Vec<&str> = machine.faults().iter().map(Cause::as_str).collect();
    assert_eq!(words, ["loss", "blank", "noise"]);
}

#[test]
fn an_interval_is_never_empty() {
    let mut machine = Machine::new(Condition::Good, at(100));
    assert_eq!(machine.enter(Condition::Because(Cause::Stalled), at(90)), Timestamp::from_millis(100_001));
    assert_eq!(machine.enter(Condition::Good, at(200)), at(200));
}

#[test]
fn a_stepped_clock_neither_confirms_nor_forgets() {
    let mut machine = Machine::new(Condition::Good, at(0));
    machine.observe(&verdict("no_packets"), LookTime { started: at(100), ended: at(101) });
    machine.shift(-3_600_000);
    check_from(&mut machine, "-3470 no_packets -3440 no_packets", "0 no_packets");
    let mut machine = Machine::new(Condition::Good, at(0));
    machine.observe(&verdict("no_packets"), LookTime { started: at(100), ended: at(101) });
    machine.shift(3_600_000);
    check_from(&mut machine, "3710 no_packets 3720 no_packets", "");
}
