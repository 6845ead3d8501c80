//! What fails now, one failure for each highest cause: of many points that fail, who failed first of all.
//!
//! A failed link, our own network and a bulk change are told by the tracker; points of one pole or of one device that are
//! all offline are told here. What is left fails by itself.

use crate::domain::correlate::{BulkCause, Shared};
use crate::domain::incident::Root;
use crate::domain::{Cause, Condition, DivisionCode, LinkCode, PointCode, SiteCode, State, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Fewer offline points than this are no failure of what they hang on.
const LEAST_TOGETHER: usize = 2;

/// What is known of a point, exclusions left aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight<'a> {
    /// The point.
    pub point: PointCode,
    /// What is measured.
    pub condition: &'a Condition,
    /// Since when.
    pub since: Timestamp,
    /// The pole or wall that it hangs on.
    pub site: Option<&'a SiteCode>,
    /// Host and port of the device that it is a channel of.
    pub host: Option<&'a str>,
}

/// One cause and the points that it takes down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What failed.
    pub root: Root,
    /// How.
    pub cause: Cause,
    /// When the first of it was seen.
    pub since: Timestamp,
    /// The points that fail because of it; never empty.
    pub members: BTreeSet<PointCode>,
}

/// Every failure of now, in the order of roots. `links` tells since when each failed link cuts points off.
pub fn failures(
    sights: &[&Sight<'_>],
    links: &BTreeMap<LinkCode, (DivisionCode, Timestamp)>,
    bulk: &[BulkCause],
) -> Vec<Failure> {
    let of_bulk = in_bulk(bulk);
    let devices = together(sights, |sight| sight.host, &of_bulk);
    let sites = together(sights, |sight| sight.site, &of_bulk);
    let mut found = BTreeMap::new();
    for sight in sights {
        let Some(cause) = sight.condition.cause() else { continue };
        let root = match (cause, cause.state(), of_bulk.get(&sight.point)) {
            (Cause::OwnNetwork, _, _) => Root::OwnNetwork,
            (Cause::LinkDown(link), _, _) => Root::Link(link.clone()),
            (_, State::Unknown | State::Excluded, _) => continue,
            (_, _, Some(root)) => (*root).clone(),
            (_, State::Offline, None) => shared_root(sight, &sites, &devices),
            (_, _, None) => Root::Point(sight.point),
        };
        add(&mut found, root, sight, cause);
    }
    for (link, (_, since)) in links {
        if let Some(failure) = found.get_mut(&Root::Link(link.clone())) {
            failure.since = failure.since.min(*since);
        }
    }
    found.into_values().collect()
}

fn add(found: &mut BTreeMap<Root, Failure>, root: Root, sight: &Sight<'_>, cause: &Cause) {
    let failure = found.entry(root.clone()).or_insert_with(|| Failure {
        root,
        cause: cause.clone(),
        since: sight.since,
        members: BTreeSet::new(),
    });
    if sight.since < failure.since {
        (failure.since, failure.cause) = (sight.since, cause.clone());
    }
    failure.members.insert(sight.point);
}

fn in_bulk(bulk: &[BulkCause]) -> BTreeMap<PointCode, Root> {
    let root = |shared: &Shared| match shared {
        Shared::Credential(name) => Root::Credential(name.clone()),
        Shared::Host(host) => Root::Device(host.clone()),
    };
    let members = |cause: &BulkCause| {
        let root = root(&cause.shared);
        cause.points.iter().map(|point| (*point, root.clone())).collect::<Vec<_>>()
    };
    bulk.iter().flat_map(members).collect()
}

/// What a pole or a device takes down with it: the keys of which every point, and more than one, is offline, with how many.
fn together<'a, K: Ord + ?Sized>(
    sights: &[&Sight<'a>],
    key: impl Fn(&Sight<'a>) -> Option<&'a K>,
    of_bulk: &BTreeMap<PointCode, Root>,
) -> BTreeMap<&'a K, usize> {
    let is_offline = |sight: &&&Sight<'_>| {
        sight.condition.state() == State::Offline && !of_bulk.contains_key(&sight.point)
    };
    let mut offline: BTreeMap<&K, usize> = BTreeMap::new();
    for key in sights.iter().filter(is_offline).filter_map(|sight| key(sight)) {
        *offline.entry(key).or_default() += 1;
    }
    offline.retain(|_, count| *count >= LEAST_TOGETHER);
    if offline.is_empty() {
        return offline;
    }
    let others = sights.iter().filter(|sight| !is_offline(sight)).filter_map(|sight| key(sight));
    for answering in others.collect::<BTreeSet<&K>>() {
        offline.remove(answering);
    }
    offline
}

/// The larger of what a point shares with others that are offline too, its own where there is nothing.
fn shared_root(
    sight: &Sight<'_>,
    sites: &BTreeMap<&SiteCode, usize>,
    devices: &BTreeMap<&str, usize>,
) -> Root {
    let of_site = sight.site.and_then(|site| sites.get(site).map(|count| (site, *count)));
    let of_device = sight.host.and_then(|host| devices.get(host).map(|count| (host, *count)));
    match (of_site, of_device) {
        (Some((site, on_pole)), device) if device.is_none_or(|(_, channels)| on_pole >= channels) => {
            Root::Site(site.clone())
        }
        (_, Some((host, _))) => Root::Device(host.to_owned()),
        (_, None) => Root::Point(sight.point),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(number: u32) -> PointCode {
        format!("2305210000132{number:07}").parse().unwrap()
    }

    fn cause(word: &str) -> Cause {
        match word.split_once(':') {
            Some((word, detail)) => Cause::parse(word, Some(detail)).unwrap(),
            None => Cause::parse(word, None).unwrap(),
        }
    }

    /// Points as `number@second condition site host`; `-` for none. Expects failures as `root cause second members`.
    fn check_with(points: &str, bulk: &[BulkCause], expected: &[&str]) {
        let rows: Vec<Vec<&str>> = points.split(';').map(|row| row.split_whitespace().collect()).collect();
        let conditions: Vec<Condition> = rows
            .iter()
            .map(|row| if row[1] == "good" { Condition::Good } else { Condition::Because(cause(row[1])) })
            .collect();
        let sites: Vec<Option<SiteCode>> = rows.iter().map(|row| row[2].parse().ok()).collect();
        let sights: Vec<Sight<'_>> = rows
            .iter()
            .zip(&conditions)
            .zip(&sites)
            .map(|((row, condition), site)| {
                let (number, second) = row[0].split_once('@').unwrap();
                Sight {
                    point: point(number.parse().unwrap()),
                    condition,
                    since: Timestamp::from_seconds(second.parse().unwrap()),
                    site: site.as_ref().filter(|_| row[2] != "-"),
                    host: Some(row[3]).filter(|host| *host != "-"),
                }
            })
            .collect();
        let division = "230521100201".parse().unwrap();
        let links = [("V".parse().unwrap(), (division, Timestamp::from_seconds(5)))].into();
        let sights: Vec<&Sight<'_>> = sights.iter().collect();
        let found: Vec<String> = failures(&sights, &links, bulk)
            .into_iter()
            .map(|Failure { root, cause, since, members }| {
                let number = |member: &PointCode| {
                    let digits = member.as_str().trim_start_matches("2305210000132");
                    digits.trim_start_matches('0').to_owned()
                };
                let members: Vec<String> = members.iter().map(number).collect();
                format!("{root} {cause} {} {}", since.as_millis() / 1000, members.join(","))
            })
            .collect();
        assert_eq!(found, expected, "{points}");
    }

    fn check(points: &str, expected: &[&str]) {
        check_with(points, &[], expected);
    }

    #[test]
    fn points_fail_by_themselves_unless_something_above_them_did() {
        check("1@9 good - -", &[]);
        check("1@9 backlog - -", &[]);
        check(
            "1@9 frozen - -;2@8 connect_timeout - -",
            &["point:23052100001320000001 frozen 9 1", "point:23052100001320000002 connect_timeout 8 2"],
        );
        check(
            "1@9 link_down:V - -;2@8 link_down:V - -;3@7 link_down:W - -",
            &["link:V link_down 5 1,2", "link:W link_down 7 3"],
        );
        check("1@9 own_network - -;2@8 own_network - -", &["own_network own_network 8 1,2"]);
    }

    #[test]
    fn a_pole_or_a_device_fails_when_everything_of_it_is_offline() {
        check("1@9 connect_timeout S a;2@8 no_route S b", &["site:S no_route 8 1,2"]);
        check("1@9 connect_timeout S a;2@8 good S b", &["point:23052100001320000001 connect_timeout 9 1"]);
        check(
            "1@9 connect_timeout S a;2@8 frozen S b",
            &["point:23052100001320000001 connect_timeout 9 1", "point:23052100001320000002 frozen 8 2"],
        );
        check(
            "1@9 connect_refused S a;2@8 connect_refused T a;3@8 connect_refused T a",
            &["device:a connect_refused 8 1,2,3"],
        );
        check("1@9 connect_refused S a;2@8 connect_refused S a", &["site:S connect_refused 8 1,2"]);
        check("1@9 connect_refused S a", &["point:23052100001320000001 connect_refused 9 1"]);
    }

    #[test]
    fn a_bulk_change_is_one_failure() {
        let bulk = BulkCause {
            shared: Shared::Credential("city".to_owned()),
            cause: Cause::WrongCredential,
            since: Timestamp::from_seconds(4),
            points: vec![point(1), point(2)],
        };
        let expected =
            ["credential:city wrong_credential 4 1,2", "point:23052100001320000003 wrong_credential 6 3"];
        check_with(
            "1@4 wrong_credential - -;2@6 wrong_credential - -;3@6 wrong_credential - -",
            &[bulk],
            &expected,
        );
    }
}
