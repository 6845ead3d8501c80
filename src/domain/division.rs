//! Administrative divisions, the tree of accountability.

use crate::domain::{DivisionCode, Timestamp};

/// Province, city, county, township or village.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Division {
    /// National statistical code; tells level and parent.
    pub code: DivisionCode,
    /// Chinese name.
    pub name: String,
    /// Whether the division is assessed. Farms, forests, mines and prisons belong to other systems and are not.
    pub assessed: bool,
    /// Households, known for villages.
    pub households: Option<u32>,
    /// Whether a governance centre (综治中心) exists here.
    pub has_centre: bool,
    /// Valid from this instant (units merge, codes end).
    pub valid_from: Option<Timestamp>,
    /// No longer valid from this instant on.
    pub valid_to: Option<Timestamp>,
}
