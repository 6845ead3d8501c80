//! Root cause: whether a failure is the point's own, a link's, or one change that hit many points alike.
//!
//! Plain questions over facts that others hold: what failed, what answered when, which points share what.

use crate::domain::link::Redundancy;
use crate::domain::machine::Rules;
use crate::domain::path::{LinkId, PathTree};
use crate::domain::streak::Streak;
use crate::domain::{Cause, PointCode, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Fewer failing points than this prove no dead link; two of two make it suspected.
pub const LEAST_TO_INFER: usize = 3;
/// Fewer points with one cause are no bulk change.
const LEAST_IN_BULK: usize = 3;
/// Points that changed within this time changed together.
const BULK_WINDOW: Duration = Duration::from_secs(600);

/// What is known of the links at the moment of a decision.
pub trait LinkFacts {
    /// Whether the link itself failed.
    fn failed(&self, link: LinkId) -> bool;
    /// Start of the newest look or probe that was answered from behind the link.
    fn alive(&self, link: LinkId) -> Timestamp;
    /// Whether a verdict on the link can be had: it can be probed, or enough points hang on it.
    fn decidable(&self, link: LinkId) -> bool;
}

/// Whose failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The nearest failed link.
    Link(LinkId),
    /// Not to be said yet: a link on the path has not answered since the question was asked.
    Undecided,
    /// The point's (or the lower link's) own.
    Own,
}

/// Decides at hard time whose failure it is. `asked` is the start of the look that made the failure hard: a link is
/// out of question when something came through it after that.
pub fn blame(tree: &PathTree, link: LinkId, asked: Timestamp, facts: &impl LinkFacts) -> Blame {
    if let Some(failed) = tree.blocked_by(link, &|id| facts.failed(id)) {
        Blame::Link(failed)
    } else if awaits(tree, link, asked, facts, crate::domain::path::MAX_DEPTH) {
        Blame::Undecided
    } else {
        Blame::Own
    }
}

/// As [`blame`], for a link that would go down itself: only the links above it are asked.
pub fn blame_of_link(tree: &PathTree, link: LinkId, asked: Timestamp, facts: &impl LinkFacts) -> Blame {
    if let Some(failed) = tree.parents_blocked_by(link, &|id| facts.failed(id)) {
        Blame::Link(failed)
    } else if awaits_above(tree, link, asked, facts, crate::domain::path::MAX_DEPTH) {
        Blame::Undecided
    } else {
        Blame::Own
    }
}

fn awaits(tree: &PathTree, link: LinkId, asked: Timestamp, facts: &impl LinkFacts, depth: usize) -> bool {
    facts.alive(link) < asked
        && (facts.decidable(link) || awaits_above(tree, link, asked, facts, depth.saturating_sub(1)))
}

fn awaits_above(
    tree: &PathTree,
    link: LinkId,
    asked: Timestamp,
    facts: &impl LinkFacts,
    depth: usize,
) -> bool {
    let parents = tree.parents(link);
    if depth == 0 || parents.is_empty() {
        return false;
    }
    let mut waiting = parents.iter().map(|&parent| awaits(tree, parent, asked, facts, depth));
    match tree.redundancy(link) {
        Redundancy::All => waiting.any(|waits| waits),
        Redundancy::Any => waiting.all(|waits| waits),
    }
}

/// What the points behind a link say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inference {
    /// Nothing.
    Nothing,
    /// Both of its two points fail.
    Suspected(Timestamp),
    /// Enough points fail and nothing came through.
    Down(Timestamp),
}

/// A watched point behind a link, as the inference sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its failed looks, when all of them failed in the network layer.
    pub failing: Option<Streak>,
    /// The link directly below, through which it hangs; `None` when it hangs on the link itself.
    pub branch: Option<LinkId>,
}

/// Infers the status of a link from the points behind it: since something last came through (`alive`), every look at
/// three points or more failed in the network layer, one of them confirmed, the looks spread over the confirmation time and
/// over more than one branch (a single branch below is to blame itself). A point that was dead before says nothing.
pub fn infer(members: impl IntoIterator<Item = Member>, alive: Timestamp, rules: &Rules) -> Inference {
    let (mut watched, mut failed) = (0_usize, 0_usize);
    let (mut first, mut last, mut confirmed) = (Timestamp::MAX, Timestamp::MIN, false);
    let (mut branches, mut failed_branches) = (BTreeSet::new(), BTreeSet::new());
    for member in members {
        watched += 1;
        branches.insert(member.branch);
        if let Some(failing) = member.failing.filter(|failing| failing.first > alive) {
            failed += 1;
            failed_branches.insert(member.branch);
            (first, last) = (first.min(failing.first), last.max(failing.last));
            confirmed |= rules.confirm(failing);
        }
    }
    let widespread = failed_branches.len() >= 2 || branches == BTreeSet::from([None]);
    if !confirmed || !widespread || last.since(first) < rules.confirm_time {
        Inference::Nothing
    } else if failed >= LEAST_TO_INFER {
        Inference::Down(first)
    } else if failed == 2 && watched == 2 {
        Inference::Suspected(first)
    } else {
        Inference::Nothing
    }
}

/// What points that changed together share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shared {
    /// The named credential: its password was changed on many devices (口令批量变更).
    Credential(String),
    /// The host and port: a recorder or platform whose streams were renamed.
    Host(String),
}

/// One change that hit many points alike; an incident of its own kind, never a dead link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkCause {
    /// What the points share.
    pub shared: Shared,
    /// Their cause.
    pub cause: Cause,
    /// Since when.
    pub since: Timestamp,
    /// The points, by code.
    pub points: Vec<PointCode>,
}

/// A watched point as the search for bulk causes sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkCase {
    /// The point.
    pub point: PointCode,
    /// What it shares with others.
    pub shared: Shared,
    /// Since when the cause in question holds; `None` when another or no cause does.
    pub since: Option<Timestamp>,
}

/// Finds the groups in which most points took the same cause together. All cases are about the same cause.
pub fn bulk_causes(cause: &Cause, cases: impl IntoIterator<Item = BulkCase>) -> Vec<BulkCause> {
    let mut groups: BTreeMap<Shared, (usize, Vec<(Timestamp, PointCode)>)> = BTreeMap::new();
    for case in cases {
        let (size, hit) = groups.entry(case.shared).or_default();
        *size += 1;
        hit.extend(case.since.map(|since| (since, case.point)));
    }
    groups
        .into_iter()
        .filter_map(|(shared, (size, mut hit))| {
            hit.sort_unstable();
            let together = hit.len() >= LEAST_IN_BULK && 2 * hit.len() > size && changed_together(&hit);
            let since = hit.first()?.0;
            let mut points: Vec<PointCode> = hit.into_iter().map(|(_, point)| point).collect();
            points.sort_unstable();
            together.then(|| BulkCause { shared, cause: cause.clone(), since, points })
        })
        .collect()
}

fn changed_together(hit: &[(Timestamp, PointCode)]) -> bool {
    hit.windows(LEAST_IN_BULK).any(|near| match (near.first(), near.last()) {
        (Some((first, _)), Some((last, _))) => last.since(*first) <= BULK_WINDOW,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Link, LinkKind};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(second)
    }

    /// Members as `branch:first-last*count`, `branch:` for one that does not fail; `.` hangs on the link itself.
    fn members(text: &str, tree: &PathTree) -> Vec<Member> {
        text.split_whitespace()
            .map(|member| {
                let (branch, looks) = member.split_once(':').unwrap();
                let failing = looks.split_once('-').map(|(first, rest)| {
                    let (last, count) = rest.split_once('*').unwrap();
                    let (first, last) = (at(first.parse().unwrap()), at(last.parse().unwrap()));
                    Streak { count: count.parse().unwrap(), first, last }
                });
                Member {
                    failing,
                    branch: (branch != ".").then(|| tree.id(&branch.parse().unwrap()).unwrap()),
                }
            })
            .collect()
    }

    fn tree() -> PathTree {
        let link = |name: &str, parents: &[&str]| Link {
            code: name.parse().unwrap(),
            name: name.to_owned(),
            kind: LinkKind::Township,
            division: "230521".parse().unwrap(),
            parents: parents.iter().map(|parent| parent.parse().unwrap()).collect(),
            redundancy: Redundancy::All,
            budget_kbps: None,
            budget_sessions: None,
            target: None,
        };
        let links = [link("T", &[]), link("V", &["T"]), link("W", &["T"])];
        PathTree::new(&links.into_iter().map(|link| (link.code.clone(), link)).collect())
    }

    #[test]
    fn three_points_that_fail_over_time_infer_a_dead_link() {
        let check = |text: &str, alive, expected| {
            assert_eq!(infer(members(text, &tree()), at(alive), &Rules::OF_EXAMPLES), expected, "{text}");
        };
        check(".:100-160*3 .:110-150*2 .:120-125*1", 50, Inference::Down(at(100)));
        check(".:100-160*3 .:110-150*2 .:120-125*1 .: .:", 50, Inference::Down(at(100)));
        check(".:100-160*3 .:110-150*2 .:120-125*1", 105, Inference::Nothing);
        check(".:100-150*3 .:110-150*2 .:120-125*1", 50, Inference::Nothing);
        check(".:100-160*2 .:110-150*2 .:120-125*1", 50, Inference::Nothing);
        check(".:100-160*3 .:110-150*2", 50, Inference::Suspected(at(100)));
        check(".:100-160*3 .:110-150*2 .:", 50, Inference::Nothing);
        check(".:10-900*30 .:110-150*2 .:120-125*1", 50, Inference::Nothing);
    }

    #[test]
    fn one_branch_below_is_to_blame_itself() {
        let check = |text: &str, expected| {
            assert_eq!(infer(members(text, &tree()), at(50), &Rules::OF_EXAMPLES), expected, "{text}");
        };
        check("V:100-160*3 V:110-150*2 V:120-125*1", Inference::Nothing);
        check("V:100-160*3 V:110-150*2 V:120-125*1 W:", Inference::Nothing);
        check("V:100-160*3 V:110-150*2 W:120-125*1", Inference::Down(at(100)));
    }

    struct Known {
        failed: &'static str,
        alive: &'static [(&'static str, i64)],
        decidable: &'static str,
    }

    struct Facts<'a>(&'a PathTree, Known);

    impl LinkFacts for Facts<'_> {
        fn failed(&self, link: LinkId) -> bool {
            self.0.code(link).unwrap().as_str() == self.1.failed
        }

        fn alive(&self, link: LinkId) -> Timestamp {
            let name = self.0.code(link).unwrap().as_str();
            self.1
                .alive
                .iter()
                .find(|(other, _)| *other == name)
                .map_or(Timestamp::MIN, |(_, second)| at(*second))
        }

        fn decidable(&self, link: LinkId) -> bool {
            self.1.decidable.contains(self.0.code(link).unwrap().as_str())
        }
    }

    #[test]
    fn a_point_is_blamed_only_when_its_links_have_answered() {
        let tree = tree();
        let village = tree.id(&"V".parse().unwrap()).unwrap();
        let above = tree.id(&"T".parse().unwrap()).unwrap();
        let check = |failed, alive, decidable, expected| {
            let facts = Facts(&tree, Known { failed, alive, decidable });
            assert_eq!(blame(&tree, village, at(100), &facts), expected, "{failed} {alive:?} {decidable}");
        };
        check("V", &[], "", Blame::Link(village));
        check("T", &[], "", Blame::Link(above));
        check("", &[], "", Blame::Own);
        check("", &[], "V", Blame::Undecided);
        check("", &[], "T", Blame::Undecided);
        check("", &[("V", 99)], "V", Blame::Undecided);
        check("", &[("V", 100)], "VT", Blame::Own);
        check("", &[("T", 100)], "VT", Blame::Undecided);
        check("", &[("T", 100)], "T", Blame::Own);
    }

    #[test]
    fn most_of_a_group_changing_together_is_one_cause() {
        let point = |number: usize| format!("2305210000132{number:07}").parse().unwrap();
        let check = |since: &[Option<i64>], expected: Option<usize>| {
            let shared = Shared::Credential("village".to_owned());
            let cases = since.iter().enumerate().map(|(number, since)| BulkCase {
                point: point(number),
                shared: shared.clone(),
                since: since.map(at),
            });
            let found = bulk_causes(&Cause::WrongCredential, cases);
            assert_eq!(found.first().map(|bulk| bulk.points.len()), expected, "{since:?}");
        };
        check(&[Some(0), Some(60), Some(120)], Some(3));
        check(&[Some(0), Some(60)], None);
        check(&[Some(0), Some(60), Some(120), None, None], Some(3));
        check(&[Some(0), Some(60), Some(120), None, None, None], None);
        check(&[Some(0), Some(9_000), Some(90_000)], None);
        check(&[Some(0), Some(90_000), Some(90_001), Some(90_002)], Some(4));
    }
}
