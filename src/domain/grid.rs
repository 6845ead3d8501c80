//! Grids, the accountable cells inside one village or community.

use crate::domain::{DivisionCode, GridCode, Timestamp};

/// Kind of a grid; decides its household norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GridKind {
    /// Urban: 200-500 households.
    Urban,
    /// Rural: a natural village or about 150 households.
    Rural,
    /// 专属网格: a school, market, enterprise.
    Dedicated,
}

impl GridKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Urban, Self::Rural, Self::Dedicated];

    /// The word used in SQL, JSON and files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Urban => "urban",
            Self::Rural => "rural",
            Self::Dedicated => "dedicated",
        }
    }
}

/// A grid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Unique code.
    pub code: GridCode,
    /// Name.
    pub name: String,
    /// The village or community (12 digits) that it belongs to.
    pub village: DivisionCode,
    /// Kind.
    pub kind: GridKind,
    /// Households.
    pub households: Option<u32>,
    /// The grid leader (网格长) of now.
    pub leader: Option<Leader>,
}

/// A grid leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leader {
    /// Name.
    pub name: String,
    /// Telephone.
    pub phone: Option<String>,
    /// In office from.
    pub from: Option<Timestamp>,
    /// In office until.
    pub to: Option<Timestamp>,
}
