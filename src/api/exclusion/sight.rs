//! What of the exclusions one scope may see.

use crate::api::view::View;
use crate::domain::access::Scope;
use crate::domain::path::{LinkId, PathTree};
use crate::domain::{Exclusion, ExclusionScope, Inventory, LinkCode, PointCode, SiteCode};
use std::collections::BTreeSet;

/// A part of the network with the sites and links that carry its points. These may be of another division: who sees only
/// what is its own by name would not learn why points of its own are excluded.
#[derive(Debug)]
pub(super) struct Sight<'a> {
    scope: Scope,
    inventory: &'a Inventory,
    sites: BTreeSet<&'a SiteCode>,
    tree: PathTree,
    links: BTreeSet<LinkId>,
}

impl<'a> Sight<'a> {
    pub(super) fn of(view: &'a View, scope: Scope) -> Self {
        let inventory = &*view.inventory;
        let points = inventory.points.values().filter(|point| scope.holds(&point.village));
        let sites: BTreeSet<_> = points.filter_map(|point| point.site.as_ref()).collect();
        let tree = PathTree::new(&inventory.links);
        let first = |site: &&SiteCode| tree.id(inventory.sites.get(*site)?.link.as_ref()?);
        let first: BTreeSet<_> = sites.iter().filter_map(first).collect();
        let links = first.into_iter().flat_map(|first| tree.ancestors(first)).copied().collect();
        Self { scope, inventory, sites, tree, links }
    }

    /// An exclusion as the scope may see it, of a list of points only its own; `None` when it means none of them.
    pub(super) fn narrow(&self, mut exclusion: Exclusion) -> Option<Exclusion> {
        if self.scope == Scope::EVERYTHING {
            return Some(exclusion);
        }
        let is_seen = match &mut exclusion.scope {
            ExclusionScope::Points(points) => {
                points.retain(|point| self.holds_point(point));
                !points.is_empty()
            }
            ExclusionScope::Site(site) => self.sites.contains(site) || self.holds_site(site),
            ExclusionScope::Division(division) => self.scope.narrow(Some(*division)).is_some(),
            ExclusionScope::Link(link) => self.is_carried_by(link) || self.holds_link(link),
        };
        is_seen.then_some(exclusion)
    }

    fn holds_point(&self, code: &PointCode) -> bool {
        self.inventory.points.get(code).is_some_and(|point| self.scope.holds(&point.village))
    }

    fn holds_site(&self, code: &SiteCode) -> bool {
        self.inventory.sites.get(code).is_some_and(|site| self.scope.holds(&site.village))
    }

    fn holds_link(&self, code: &LinkCode) -> bool {
        self.inventory.links.get(code).is_some_and(|link| self.scope.holds(&link.division))
    }

    fn is_carried_by(&self, link: &LinkCode) -> bool {
        self.tree.id(link).is_some_and(|link| self.links.contains(&link))
    }
}
