//! Small networks in one line each: `T; V1<T*; V2<T` and how many points hang on each link.

use sharpeyes::domain::link::{LinkTarget, Redundancy};
use sharpeyes::domain::site::Site;
use sharpeyes::domain::{Inventory, Link, LinkCode, LinkKind, Point, PointCode, SiteCode};

/// The code of the n-th point, counted from 1 over the whole network.
pub(crate) fn point(number: usize) -> PointCode {
    format!("2305210000132{number:07}").parse().unwrap()
}

/// Builds a network. Each entry is `name[*][<parent[,parent][|]][=points]`: `*` means that it can be probed, `|` that any
/// one parent carries it.
pub(crate) fn network(text: &str) -> Inventory {
    let mut inventory = Inventory::default();
    for entry in text.split(';').map(str::trim) {
        let (entry, points) = entry.split_once('=').unwrap_or((entry, "0"));
        let (name, parents) = entry.split_once('<').unwrap_or((entry, ""));
        let code: LinkCode = name.trim_end_matches('*').parse().unwrap();
        let redundancy = if parents.ends_with('|') { Redundancy::Any } else { Redundancy::All };
        let parents = parents.trim_end_matches('|').split(',').filter(|parent| !parent.is_empty());
        let link = Link {
            code: code.clone(),
            name: code.to_string(),
            kind: LinkKind::Village,
            division: "230521".parse().unwrap(),
            parents: parents.map(|parent| parent.parse().unwrap()).collect(),
            redundancy,
            budget_kbps: None,
            budget_sessions: None,
            target: name.ends_with('*').then(|| LinkTarget::Tcp { host: code.to_string(), port: 80 }),
        };
        let site = site_on(&code);
        for _ in 0..points.parse::<usize>().unwrap() {
            let point = point_at(&site.code, inventory.points.len() + 1);
            inventory.points.insert(point.code, point);
        }
        inventory.sites.insert(site.code.clone(), site);
        inventory.links.insert(code, link);
    }
    inventory
}

fn site_on(link: &LinkCode) -> Site {
    Site {
        code: format!("S-{link}").parse().unwrap(),
        name: String::new(),
        village: "230521100201".parse().unwrap(),
        position: None,
        mount: None,
        power: None,
        link: Some(link.clone()),
    }
}

fn point_at(site: &SiteCode, number: usize) -> Point {
    Point {
        site: Some(site.clone()),
        sub_stream: Some(format!("rtsp://10.0.0.{number}/s").parse().unwrap()),
        credential: Some("village".to_owned()),
        expected_frames_per_second: Some(25.0),
        ..Point::bare(point(number), "230521100201".parse().unwrap())
    }
}
