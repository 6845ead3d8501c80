//! The live picture joined with the records, as the desk sees it.

use crate::domain::incident::desk::{Scene, Seen};
use crate::domain::incident::failure::Sight;
use crate::domain::{DivisionCode, Inventory, PointClass, PointCode, SiteCode};
use crate::health::snapshot::{LivePoint, Snapshot};
use crate::ingest::look::host_name;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the desk needs of a point's record.
#[derive(Debug)]
struct Place {
    class: PointClass,
    village: DivisionCode,
    site: Option<SiteCode>,
    host: Option<String>,
}

/// The records as the desk needs them, built anew when they change.
#[derive(Debug)]
pub struct Places {
    inventory: Arc<Inventory>,
    places: BTreeMap<PointCode, Place>,
}

impl Places {
    /// Takes the records.
    pub fn of(inventory: Arc<Inventory>) -> Self {
        let place = |point: &crate::domain::Point| Place {
            class: point.class,
            village: point.village,
            site: point.site.clone(),
            host: point.watched_stream().map(|stream| host_name(stream).to_string()),
        };
        let places = inventory.points.values().map(|point| (point.code, place(point))).collect();
        Self { inventory, places }
    }

    /// The records.
    pub fn records(&self) -> &Inventory {
        &self.inventory
    }

    /// The network as the tracker published it.
    pub fn scene<'a>(&'a self, snapshot: &'a Snapshot) -> Scene<'a> {
        let links = snapshot.roots.iter().filter_map(|root| {
            let link = self.inventory.links.get(&root.link)?;
            Some((root.link.clone(), (link.division, root.since)))
        });
        Scene {
            points: snapshot.points.iter().filter_map(|live| self.seen(live)).collect(),
            links: links.collect(),
            bulk: &snapshot.bulk_causes,
            is_complete: snapshot.first_round_done,
        }
    }

    fn seen<'a>(&'a self, live: &'a LivePoint) -> Option<Seen<'a>> {
        let place = self.places.get(&live.code)?;
        let sight = Sight {
            point: live.code,
            condition: &live.measured,
            since: live.since,
            site: place.site.as_ref(),
            host: place.host.as_deref(),
        };
        Some(Seen { sight, excluded: live.excluded.is_some(), class: place.class, village: place.village })
    }
}
