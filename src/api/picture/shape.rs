//! Areas and polygons in a picture, as JSON arrays of thousandths of its width and height.

use crate::api::whole::Whole;
use crate::domain::decode::Polygon;
use crate::domain::picture::Area;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};

/// Left, top, right and bottom.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct EdgesDto([Whole<u16>; 4]);

/// The corners of a polygon.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CornersDto(Vec<[Whole<u16>; 2]>);

impl EdgesDto {
    pub(crate) fn of(area: &Area) -> Self {
        Self(area.edges().map(Whole))
    }

    /// Reads it; tells what is wrong with it.
    pub(crate) fn read(&self) -> Result<Area, String> {
        let edges @ [left, top, right, bottom] = self.0.map(|Whole(edge)| edge);
        let problem = || format!("{edges:?} is no area: left, top, right and bottom in thousandths");
        Area::new(left, top, right, bottom).ok_or_else(problem)
    }
}

impl CornersDto {
    pub(crate) fn of(polygon: &Polygon) -> Self {
        Self(polygon.corners().iter().map(|(x, y)| [*x, *y].map(Whole)).collect())
    }

    /// Reads it; tells what is wrong with it.
    pub(crate) fn read(&self) -> Result<Polygon, String> {
        let problem = || "a privacy mask has 3 to 32 corners in thousandths".to_owned();
        Polygon::new(self.0.iter().map(|[Whole(x), Whole(y)]| (*x, *y)).collect()).ok_or_else(problem)
    }
}

/// Exactly so many thousandths.
fn thousandths(length: usize) -> RefOr<Schema> {
    let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).maximum(Some(1_000));
    ArrayBuilder::new().items(number).min_items(Some(length)).max_items(Some(length)).into()
}

impl utoipa::PartialSchema for EdgesDto {
    fn schema() -> RefOr<Schema> {
        thousandths(4)
    }
}

impl utoipa::ToSchema for EdgesDto {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Edges")
    }
}

impl utoipa::PartialSchema for CornersDto {
    fn schema() -> RefOr<Schema> {
        ArrayBuilder::new().items(thousandths(2)).min_items(Some(3)).max_items(Some(32)).into()
    }
}

impl utoipa::ToSchema for CornersDto {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Corners")
    }
}
