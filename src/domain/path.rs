//! The path tree: which links carry a point, and which failed one explains it.
//!
//! Built once per inventory. Knows codes, parents and redundancy; what has failed is told by whoever asks.

use crate::domain::link::Redundancy;
use crate::domain::{Link, LinkCode};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Levels of a path, access device to county with room for more; deeper parents are left out.
pub const MAX_DEPTH: usize = 8;

/// A link of one path tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(usize);

impl LinkId {
    /// Position among the links ordered by code.
    pub const fn index(self) -> usize {
        self.0
    }
}

#[derive(Clone, Debug)]
struct Node {
    code: LinkCode,
    parents: Vec<LinkId>,
    children: Vec<LinkId>,
    redundancy: Redundancy,
    has_target: bool,
    /// Itself and every link above, nearest first.
    ancestors: Vec<LinkId>,
    /// Itself and the links above that surely carry it: redundant parents are left out, either may be down.
    carriers: Vec<LinkId>,
}

/// The links of a network with their parents.
#[derive(Clone, Debug, Default)]
pub struct PathTree {
    nodes: Vec<Node>,
    by_code: BTreeMap<LinkCode, LinkId>,
    top_down: Vec<LinkId>,
    rank: Vec<usize>,
}

impl PathTree {
    /// Builds the tree. Unknown parents and parents beyond [`MAX_DEPTH`] are left out; cycles were refused by the import
    /// and would only shorten paths here.
    pub fn new(links: &BTreeMap<LinkCode, Link>) -> Self {
        let by_code: BTreeMap<_, _> = links.keys().cloned().zip((0..).map(LinkId)).collect();
        let nodes = links.values().map(|link| Node::new(link, &by_code)).collect();
        let mut tree = Self { nodes, by_code, top_down: Vec::new(), rank: Vec::new() };
        tree.connect();
        tree
    }

    fn connect(&mut self) {
        let ids: Vec<LinkId> = (0..self.nodes.len()).map(LinkId).collect();
        for &id in &ids {
            let ancestors = self.climb(id, |_| true);
            let carriers =
                self.climb(id, |node| node.parents.len() == 1 || node.redundancy == Redundancy::All);
            for parent in self.parents(id).to_vec() {
                if let Some(parent) = self.nodes.get_mut(parent.0) {
                    parent.children.push(id);
                }
            }
            if let Some(node) = self.nodes.get_mut(id.0) {
                (node.ancestors, node.carriers) = (ancestors, carriers);
            }
        }
        self.top_down = ids;
        let depths: Vec<usize> = self.nodes.iter().map(|node| node.ancestors.len()).collect();
        self.top_down.sort_by_key(|id| (depths.get(id.0).copied(), *id));
        let mut ranked: Vec<(LinkId, usize)> = self.top_down.iter().copied().zip(0..).collect();
        ranked.sort_unstable();
        self.rank = ranked.into_iter().map(|(_, rank)| rank).collect();
    }

    /// The link itself and the links above, nearest first, through the nodes that `passes` lets through.
    fn climb(&self, from: LinkId, passes: impl Fn(&Node) -> bool) -> Vec<LinkId> {
        let (mut found, mut seen) = (Vec::new(), BTreeSet::from([from]));
        let mut queue = VecDeque::from([(from, 1)]);
        while let Some((id, depth)) = queue.pop_front() {
            found.push(id);
            let Some(node) = self.nodes.get(id.0).filter(|node| depth < MAX_DEPTH && passes(node)) else {
                continue;
            };
            for &parent in node.parents.iter().filter(|parent| seen.insert(**parent)) {
                queue.push_back((parent, depth + 1));
            }
        }
        found
    }

    /// Number of links.
    pub const fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no link.
    pub const fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The link with a code.
    pub fn id(&self, code: &LinkCode) -> Option<LinkId> {
        self.by_code.get(code).copied()
    }

    /// The code of a link.
    pub fn code(&self, id: LinkId) -> Option<&LinkCode> {
        self.nodes.get(id.0).map(|node| &node.code)
    }

    /// Whether the link can be probed.
    pub fn has_target(&self, id: LinkId) -> bool {
        self.nodes.get(id.0).is_some_and(|node| node.has_target)
    }

    /// How the parents of a link carry it.
    pub fn redundancy(&self, id: LinkId) -> Redundancy {
        self.nodes.get(id.0).map_or(Redundancy::All, |node| node.redundancy)
    }

    /// Every link, those with the fewest links above first: a link stands after all of its parents.
    pub fn top_down(&self) -> &[LinkId] {
        &self.top_down
    }

    /// Place of a link in [`PathTree::top_down`].
    pub fn rank(&self, id: LinkId) -> usize {
        self.rank.get(id.0).copied().unwrap_or(usize::MAX)
    }

    /// The links directly above.
    pub fn parents(&self, id: LinkId) -> &[LinkId] {
        self.nodes.get(id.0).map_or(&[], |node| &node.parents)
    }

    /// The links directly below.
    pub fn children(&self, id: LinkId) -> &[LinkId] {
        self.nodes.get(id.0).map_or(&[], |node| &node.children)
    }

    /// The link itself and every link above, nearest first.
    pub fn ancestors(&self, id: LinkId) -> &[LinkId] {
        self.nodes.get(id.0).map_or(&[], |node| &node.ancestors)
    }

    /// The link itself and those above that surely carried whatever came through it.
    pub fn carriers(&self, id: LinkId) -> &[LinkId] {
        self.nodes.get(id.0).map_or(&[], |node| &node.carriers)
    }

    /// The link itself and every link below.
    pub fn below(&self, id: LinkId) -> BTreeSet<LinkId> {
        let (mut found, mut queue) = (BTreeSet::from([id]), vec![id]);
        while let Some(next) = queue.pop() {
            queue.extend(self.children(next).iter().filter(|child| found.insert(**child)));
        }
        found
    }

    /// The links directly below that cannot do without this one.
    pub fn dependents(&self, id: LinkId) -> impl Iterator<Item = LinkId> + '_ {
        let needs = |child: &LinkId| self.nodes.get(child.0).is_some_and(Node::needs_its_parents);
        self.children(id).iter().copied().filter(needs)
    }

    /// The link itself and every link below that cannot do without it: what it surely carries.
    pub fn carried(&self, id: LinkId) -> BTreeSet<LinkId> {
        let (mut found, mut queue) = (BTreeSet::from([id]), vec![id]);
        while let Some(next) = queue.pop() {
            queue.extend(self.dependents(next).filter(|child| found.insert(*child)));
        }
        found
    }

    /// The nearest failed link that cuts `from` off: itself, else what cuts its parents off (any of them where all are
    /// needed; where any one carries, all of them, and then the first).
    pub fn blocked_by(&self, from: LinkId, failed: &impl Fn(LinkId) -> bool) -> Option<LinkId> {
        if failed(from) { Some(from) } else { self.parents_blocked_by(from, failed) }
    }

    /// As [`PathTree::blocked_by`], the link itself left aside.
    pub fn parents_blocked_by(&self, from: LinkId, failed: &impl Fn(LinkId) -> bool) -> Option<LinkId> {
        self.blocked_above(from, failed, MAX_DEPTH)
    }

    fn blocked_above(&self, from: LinkId, failed: &impl Fn(LinkId) -> bool, depth: usize) -> Option<LinkId> {
        let node = self.nodes.get(from.0).filter(|_| depth > 1)?;
        let mut blocks = node.parents.iter().map(|&parent| {
            if failed(parent) { Some(parent) } else { self.blocked_above(parent, failed, depth - 1) }
        });
        match node.redundancy {
            Redundancy::All => blocks.flatten().next(),
            Redundancy::Any => {
                let first = blocks.next()??;
                blocks.all(|block| block.is_some()).then_some(first)
            }
        }
    }
}

impl Node {
    fn needs_its_parents(&self) -> bool {
        self.parents.len() == 1 || self.redundancy == Redundancy::All
    }

    fn new(link: &Link, by_code: &BTreeMap<LinkCode, LinkId>) -> Self {
        Self {
            code: link.code.clone(),
            parents: link.parents.iter().filter_map(|parent| by_code.get(parent).copied()).collect(),
            children: Vec::new(),
            redundancy: link.redundancy,
            has_target: link.target.is_some(),
            ancestors: Vec::new(),
            carriers: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::LinkKind;

    /// `V<A,B|` hangs on A or B, `V<A,B` on both.
    fn tree(text: &str) -> PathTree {
        let links = text.split_whitespace().map(|entry| {
            let (name, parents) = entry.split_once('<').unwrap_or((entry, ""));
            let any = parents.ends_with('|');
            let parents = parents.trim_end_matches('|').split(',').filter(|parent| !parent.is_empty());
            let link = Link {
                code: name.parse().unwrap(),
                name: name.to_owned(),
                kind: LinkKind::Village,
                division: "230521".parse().unwrap(),
                parents: parents.map(|parent| parent.parse().unwrap()).collect(),
                redundancy: if any { Redundancy::Any } else { Redundancy::All },
                budget_kbps: None,
                budget_sessions: None,
                target: None,
            };
            (link.code.clone(), link)
        });
        PathTree::new(&links.collect())
    }

    fn id(tree: &PathTree, name: &str) -> LinkId {
        tree.id(&name.parse().unwrap()).unwrap()
    }

    fn names(tree: &PathTree, ids: impl IntoIterator<Item = LinkId>) -> String {
        let names: Vec<&str> = ids.into_iter().filter_map(|id| tree.code(id)).map(LinkCode::as_str).collect();
        names.join(" ")
    }

    #[test]
    fn the_nearest_failed_ancestor_cuts_off() {
        let check = |links: &str, failed: &str, expected: Option<&str>| {
            let tree = tree(links);
            let failed: Vec<LinkId> = failed.split_whitespace().map(|name| id(&tree, name)).collect();
            let blocked = tree.blocked_by(id(&tree, "V"), &|link| failed.contains(&link));
            assert_eq!(
                blocked.and_then(|id| tree.code(id)).map(LinkCode::as_str),
                expected,
                "{links} {failed:?}"
            );
        };
        check("C T<C V<T", "", None);
        check("C T<C V<T", "V T C", Some("V"));
        check("C T<C V<T", "T C", Some("T"));
        check("C T<C V<T", "C", Some("C"));
        check("A B V<A,B", "B", Some("B"));
        check("A B V<A,B|", "B", None);
        check("A B V<A,B|", "A B", Some("A"));
        check("C A<C B<C V<A,B|", "C", Some("C"));
        check("C D A<C B<D V<A,B|", "C", None);
        check("C D A<C B<D V<A,B|", "C B", Some("C"));
    }

    #[test]
    fn ancestors_are_nearest_first_and_bounded() {
        let deep = tree("L0 L1<L0 L2<L1 L3<L2 L4<L3 L5<L4 L6<L5 L7<L6 L8<L7 L9<L8");
        assert_eq!(deep.ancestors(id(&deep, "L9")).len(), MAX_DEPTH);
        let diamond = tree("C A<C B<C V<A,B");
        assert_eq!(names(&diamond, diamond.ancestors(id(&diamond, "V")).iter().copied()), "V A B C");
        assert_eq!(names(&diamond, diamond.below(id(&diamond, "A"))), "A V");
    }

    #[test]
    fn a_redundant_parent_is_not_sure_to_carry() {
        let tree = tree("C A<C B<C V<A,B| W<A");
        assert_eq!(names(&tree, tree.carriers(id(&tree, "V")).iter().copied()), "V");
        assert_eq!(names(&tree, tree.carriers(id(&tree, "W")).iter().copied()), "W A C");
        assert_eq!(names(&tree, tree.carried(id(&tree, "A"))), "A W");
        assert_eq!(names(&tree, tree.below(id(&tree, "A"))), "A V W");
    }

    #[test]
    fn a_link_comes_after_all_of_its_parents() {
        let tree = tree("V<T T<C C X<V,C");
        for &link in tree.top_down() {
            for &parent in tree.parents(link) {
                assert!(tree.rank(parent) < tree.rank(link));
            }
        }
    }

    #[test]
    fn a_cycle_ends() {
        let tree = tree("A<B B<A");
        assert_eq!(tree.blocked_by(id(&tree, "A"), &|_| false), None);
        assert_eq!(tree.ancestors(id(&tree, "A")).len(), 2);
    }
}
