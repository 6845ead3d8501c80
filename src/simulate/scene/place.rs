//! What stands where village cameras look: six kinds of place, each laid out anew for every camera.

use crate::simulate::scene::chance::{Chance, sine};
use crate::simulate::scene::drawing::{Paint, level};
use crate::simulate::scene::paint::{SIDE, Shape, Spot, Surface, spot};

/// Where a camera looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A village road between fields and houses.
    Road,
    /// A paved square before the village committee.
    Square,
    /// A river bank: much smooth water, little to see.
    River,
    /// A gate in a fence of bars.
    Gate,
    /// A field in rows, without houses.
    Field,
    /// A walled yard.
    Yard,
}

impl Place {
    /// Every place.
    pub const ALL: [Self; 6] = [Self::Road, Self::Square, Self::River, Self::Gate, Self::Field, Self::Yard];
}

/// What moves in a scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stir {
    /// Nothing.
    Still,
    /// Trees a little, and now and then something passes.
    Lively,
    /// Trees a lot.
    Windy,
}

const fn surface(luma: u8, blue: u8, red: u8, rough: i32, patchy: i32) -> Surface {
    Surface { paint: Paint::new(luma, blue, red), rough, patchy }
}

const SKY: Surface = surface(205, 136, 122, 1, 8);
const HILL: Surface = surface(118, 126, 122, 14, 20);
const ASPHALT: Surface = surface(96, 129, 127, 18, 10);
const EARTH: Surface = surface(120, 116, 138, 30, 22);
const GRASS: Surface = surface(100, 106, 114, 44, 20);
const CROP: Surface = surface(112, 100, 116, 40, 12);
const LEAVES: Surface = surface(66, 114, 118, 46, 14);
const WOOD: Surface = surface(60, 120, 136, 16, 8);
const WALL: Surface = surface(178, 124, 132, 8, 10);
const BRICK: Surface = surface(104, 116, 150, 26, 8);
const ROOF: Surface = surface(76, 124, 136, 22, 6);
const GLASS: Surface = surface(46, 134, 126, 4, 10);
const METAL: Surface = surface(62, 130, 127, 4, 4);
const CONCRETE: Surface = surface(150, 126, 130, 16, 12);
const JOINT: Surface = surface(112, 126, 130, 10, 4);
const WATER: Surface = surface(126, 136, 118, 3, 10);
const GLINT: Surface = surface(176, 134, 122, 2, 4);
const PAINTED: Surface = surface(214, 126, 128, 6, 4);
const SIGN: Surface = surface(120, 150, 110, 4, 2);

/// Everything is drawn so far beyond the picture that a camera that was turned away sees more of it.
const LEFT: i32 = -SIDE;
const RIGHT: i32 = 2 * SIDE;
const TOP: i32 = -SIDE;
const BOTTOM: i32 = 2 * SIDE;
/// Milliseconds that something needs to pass the view.
const PASSING_MS: i64 = 9_000;
/// Nothing is seen passing in this share of the time.
const PAUSES: i64 = 3;

/// What stands still.
pub(super) fn standing(place: Place, chance: Chance) -> Vec<Shape> {
    let horizon = chance.about("horizon").between(280, 400);
    let mut shapes = vec![Shape::block(LEFT, TOP, RIGHT, BOTTOM, SKY)];
    match place {
        Place::Road => road(&mut shapes, chance, horizon),
        Place::Square => square(&mut shapes, chance, horizon),
        Place::River => river(&mut shapes, chance, horizon),
        Place::Gate => gate(&mut shapes, chance, horizon),
        Place::Field => field(&mut shapes, chance, horizon),
        Place::Yard => yard(&mut shapes, chance, horizon),
    }
    shapes
}

/// What may move, as it is at one time: `at` in milliseconds.
pub(super) fn moving(chance: Chance, at: i64, stir: Stir) -> Vec<Shape> {
    let mut shapes = trees(chance, at, stir);
    if stir == Stir::Lively {
        shapes.extend((0..3).flat_map(|number| passer(chance.about("passer").number(number), at)));
    }
    shapes
}

fn road(shapes: &mut Vec<Shape>, chance: Chance, horizon: i32) {
    hills(shapes, chance, horizon);
    shapes.push(Shape::block(LEFT, horizon, RIGHT, BOTTOM, GRASS));
    let vanishing = chance.about("vanishing point").between(380, 640);
    let (left, right) = (chance.about("left").between(-80, 160), chance.about("right").between(860, 1100));
    let far = |x| spot(x, horizon);
    shapes.push(Shape::polygon(
        [
            far(vanishing - 18),
            far(vanishing + 18),
            slide(far(vanishing + 18), spot(right, SIDE), BOTTOM),
            slide(far(vanishing - 18), spot(left, SIDE), BOTTOM),
        ],
        ASPHALT,
    ));
    let middle = i32::midpoint(left, right);
    for dash in 0..9 {
        let (from, to) = (horizon + 20 + dash * dash * 14, horizon + 30 + dash * (dash + 1) * 14);
        let (upper, lower) =
            (slide(far(vanishing), spot(middle, SIDE), from), slide(far(vanishing), spot(middle, SIDE), to));
        let half = 2 + dash;
        shapes.push(Shape::polygon(
            [
                spot(upper.x - half, from),
                spot(upper.x + half, from),
                spot(lower.x + half + 2, to),
                spot(lower.x - half - 2, to),
            ],
            PAINTED,
        ));
    }
    houses(shapes, chance, horizon, 3);
    poles(shapes, chance, horizon);
}

fn square(shapes: &mut Vec<Shape>, chance: Chance, horizon: i32) {
    let eaves = horizon - chance.about("eaves").between(150, 240);
    shapes.push(Shape::block(LEFT, horizon, RIGHT, BOTTOM, CONCRETE));
    house(shapes, chance, spot(chance.about("hall").between(60, 260), eaves), spot(620, horizon - eaves));
    let apart = chance.about("joints").between(70, 130);
    for joint in -14..28 {
        let far = spot(512 + (joint - 7) * apart / 3, horizon);
        let near = spot(512 + (joint - 7) * apart * 2, BOTTOM);
        shapes.push(Shape::polygon([far, spot(far.x + 2, far.y), spot(near.x + 7, near.y), near], JOINT));
    }
    for joint in 1..14 {
        let y = horizon + joint * (joint + 3) * 8;
        shapes.push(Shape::block(LEFT, y, RIGHT, y + 2 + joint / 3, JOINT));
    }
    let pole = chance.about("flagpole").between(700, 900);
    shapes.push(Shape::block(pole, 40, pole + 8, horizon + 120, METAL));
    shapes.push(Shape::block(pole + 8, 44, pole + 100, 130, surface(90, 110, 190, 6, 8)));
    for bench in 0..3 {
        let left = 80 + bench * 300 + chance.about("bench").number(i64::from(bench)).below(80);
        shapes.push(Shape::block(left, horizon + 190, left + 120, horizon + 206, WOOD));
        shapes.push(Shape::block(left + 8, horizon + 206, left + 16, horizon + 236, METAL));
        shapes.push(Shape::block(left + 104, horizon + 206, left + 112, horizon + 236, METAL));
    }
}

fn river(shapes: &mut Vec<Shape>, chance: Chance, horizon: i32) {
    hills(shapes, chance, horizon);
    shapes.push(Shape::block(LEFT, horizon, RIGHT, BOTTOM, WATER));
    for glint in 0..26 {
        let chance = chance.about("glint").number(glint);
        let (x, y) = (chance.about("x").between(LEFT, RIGHT), chance.about("y").between(horizon + 10, 900));
        let length = chance.about("length").between(30, 140);
        shapes.push(Shape::block(x, y, x + length, y + 3 + (y - horizon) / 90, GLINT));
    }
    let bank = chance.about("bank").between(660, 800);
    shapes.push(Shape::polygon(
        [spot(LEFT, bank + 160), spot(RIGHT, bank - 160), spot(RIGHT, BOTTOM), spot(LEFT, BOTTOM)],
        EARTH,
    ));
    for stone in 0..14 {
        let chance = chance.about("stone").number(stone);
        let x = chance.about("x").between(-100, 1124);
        let y = bank + 60 - (x - 512) / 10 + chance.about("y").below(200);
        let radius = chance.about("radius").between(8, 34);
        shapes.push(Shape::disc(spot(x, y), spot(radius, radius), CONCRETE));
    }
    shapes.push(Shape::block(LEFT, bank - 60, RIGHT, bank - 48, METAL));
    for post in -4..9 {
        shapes.push(Shape::block(post * 160, bank - 60, post * 160 + 10, bank + 40, METAL));
    }
}

fn gate(shapes: &mut Vec<Shape>, chance: Chance, horizon: i32) {
    hills(shapes, chance, horizon);
    shapes.push(Shape::block(LEFT, horizon, RIGHT, BOTTOM, EARTH));
    houses(shapes, chance, horizon, 2);
    let (top, foot) = (horizon - 60, horizon + 240);
    let apart = chance.about("bars").between(16, 30);
    for bar in LEFT / apart..RIGHT / apart {
        shapes.push(Shape::block(bar * apart, top, bar * apart + apart / 3, foot, METAL));
    }
    for rail in [top + 20, foot - 30] {
        shapes.push(Shape::block(LEFT, rail, RIGHT, rail + 12, METAL));
    }
    let left = chance.about("gate").between(240, 420);
    shapes.push(Shape::polygon(
        [spot(left, foot), spot(left + 320, foot), spot(left + 520, BOTTOM), spot(left - 200, BOTTOM)],
        CONCRETE,
    ));
    for pillar in [left - 40, left + 320] {
        shapes.push(Shape::block(pillar, top - 60, pillar + 50, foot + 20, BRICK));
        shapes.push(Shape::block(pillar - 8, top - 76, pillar + 58, top - 60, CONCRETE));
    }
    shapes.push(Shape::block(left + 10, top - 120, left + 320, top - 60, SIGN));
    writing(shapes, chance, spot(left + 24, top - 104), spot(280, 30));
}

fn field(shapes: &mut Vec<Shape>, chance: Chance, horizon: i32) {
    hills(shapes, chance, horizon);
    shapes.push(Shape::block(LEFT, horizon, RIGHT, BOTTOM, EARTH));
    let vanishing = chance.about("vanishing point").between(300, 720);
    for row in -26..26 {
        let (far, near) = (vanishing + row * 9, vanishing + row * 240);
        let (wide, top) = (4, spot(far, horizon + 8));
        shapes.push(Shape::polygon(
            [top, spot(far + wide, top.y), spot(near + 130, BOTTOM), spot(near, BOTTOM)],
            CROP,
        ));
    }
    poles(shapes, chance, horizon);
    house(shapes, chance, spot(chance.about("shed").between(60, 800), horizon - 50), spot(90, 70));
}

fn yard(shapes: &mut Vec<Shape>, chance: Chance, horizon: i32) {
    let foot = horizon + 180;
    shapes.push(Shape::block(LEFT, horizon - 140, RIGHT, foot, BRICK));
    for course in 0..16 {
        let y = horizon - 140 + course * 20;
        shapes.push(Shape::block(LEFT, y, RIGHT, y + 3, JOINT));
    }
    shapes.push(Shape::block(LEFT, foot, RIGHT, BOTTOM, CONCRETE));
    house(shapes, chance, spot(chance.about("house").between(40, 200), horizon - 240), spot(380, 420));
    let door = chance.about("door").between(640, 800);
    shapes.push(Shape::block(door, horizon - 120, door + 170, foot, METAL));
    shapes.push(Shape::block(door + 82, horizon - 120, door + 88, foot, CONCRETE));
    for crate_number in 0..5 {
        let chance = chance.about("crate").number(crate_number);
        let (x, y) = (chance.about("x").between(40, 900), foot + chance.about("y").between(40, 260));
        let side = chance.about("side").between(40, 90);
        shapes.push(Shape::block(x, y, x + side, y + side, WOOD));
        shapes.push(Shape::block(x + 6, y + 6, x + side - 6, y + side / 3, WALL));
    }
}

/// Where a line from `from` through `through` meets a row.
const fn slide(from: Spot, through: Spot, y: i32) -> Spot {
    Spot { x: from.x + (through.x - from.x) * (y - from.y) / (through.y - from.y), y }
}

fn hills(shapes: &mut Vec<Shape>, chance: Chance, horizon: i32) {
    for hill in 0..7 {
        let chance = chance.about("hill").number(hill);
        let centre = spot(chance.about("x").between(LEFT, RIGHT), horizon + 20);
        let radius = spot(chance.about("width").between(160, 420), chance.about("height").between(30, 130));
        shapes.push(Shape::disc(centre, radius, HILL));
    }
}

fn houses(shapes: &mut Vec<Shape>, chance: Chance, horizon: i32, count: i32) {
    for number in -count..count * 2 {
        let chance = chance.about("house").number(i64::from(number));
        let left = number * SIDE / count + chance.about("place").between(-60, 120);
        let tall = chance.about("height").between(90, 190);
        let corner = spot(left, horizon + 40 - tall);
        house(shapes, chance, corner, spot(chance.about("width").between(140, 240), tall));
    }
}

/// A house with windows and a roof; `corner` is below the roof.
fn house(shapes: &mut Vec<Shape>, chance: Chance, corner: Spot, size: Spot) {
    let wall = if chance.about("wall").is_one_in(3) { BRICK } else { WALL };
    let (right, foot) = (corner.x + size.x, corner.y + size.y);
    shapes.push(Shape::block(corner.x, corner.y, right, foot, wall));
    let ridge = corner.y - size.y / 3;
    let (inset, over) = (size.x / 8, size.x / 20);
    shapes.push(Shape::polygon(
        [
            spot(corner.x + inset, ridge),
            spot(right - inset, ridge),
            spot(right + over, corner.y),
            spot(corner.x - over, corner.y),
        ],
        ROOF,
    ));
    let columns = (size.x / 70).max(1);
    for column in 0..columns {
        let left = corner.x + size.x * (2 * column + 1) / (2 * columns) - 16;
        shapes.push(Shape::block(
            left - 3,
            corner.y + size.y / 4 - 4,
            left + 35,
            corner.y + size.y / 2 + 4,
            PAINTED,
        ));
        shapes.push(Shape::block(left, corner.y + size.y / 4, left + 32, corner.y + size.y / 2, GLASS));
        shapes.push(Shape::block(
            left + 15,
            corner.y + size.y / 4,
            left + 17,
            corner.y + size.y / 2,
            PAINTED,
        ));
    }
}

fn poles(shapes: &mut Vec<Shape>, chance: Chance, horizon: i32) {
    let apart = chance.about("poles").between(180, 300);
    for pole in -4..10 {
        let x = pole * apart;
        shapes.push(Shape::block(x, horizon - 190, x + 7, horizon + 60, METAL));
        shapes.push(Shape::block(x - 24, horizon - 176, x + 31, horizon - 170, METAL));
    }
    for wire in [-182, -168] {
        shapes.push(Shape::block(LEFT, horizon + wire, RIGHT, horizon + wire + 3, METAL));
    }
}

/// Strokes that look like writing.
fn writing(shapes: &mut Vec<Shape>, chance: Chance, corner: Spot, size: Spot) {
    for stroke in 0..24 {
        let chance = chance.about("stroke").number(stroke);
        let (x, y) = (corner.x + chance.about("x").below(size.x), corner.y + chance.about("y").below(size.y));
        let (wide, tall) = if chance.is_one_in(2) { (14, 4) } else { (4, 14) };
        shapes.push(Shape::block(x, y, x + wide, y + tall, PAINTED));
    }
}

/// A few trees; their crowns sway.
fn trees(chance: Chance, at: i64, stir: Stir) -> Vec<Shape> {
    let reach = match stir {
        Stir::Still => 0,
        Stir::Lively => 4,
        Stir::Windy => 20,
    };
    let mut shapes = Vec::new();
    for tree in 0..2 {
        let chance = chance.about("tree").number(tree);
        let foot = spot(chance.about("x").between(20, 1000), chance.about("y").between(420, 620));
        let tall = chance.about("height").between(150, 260);
        shapes.push(Shape::block(foot.x - 9, foot.y - tall, foot.x + 9, foot.y, WOOD));
        for bough in 0..6 {
            let chance = chance.about("bough").number(bough);
            let period = i64::from(chance.about("period").between(1_800, 3_600));
            let angle = i32::try_from(at.rem_euclid(period) * 1024 / period).unwrap_or(0);
            let sway = (sine(angle) * reach) >> 10;
            let (x, y) = (chance.about("x").between(-60, 60), chance.about("y").between(-60, 60));
            let radius = chance.about("radius").between(34, 64);
            shapes.push(Shape::disc(
                spot(foot.x + x + sway, foot.y - tall + y),
                spot(radius, radius * 3 / 2),
                LEAVES,
            ));
        }
    }
    shapes
}

/// Something that passes now and then, as large as a cart or a walker: two blocks.
fn passer(chance: Chance, at: i64) -> Vec<Shape> {
    let shifted = at.saturating_add(i64::from(chance.about("start").below(600_000)));
    let round = PASSING_MS * PAUSES;
    let Ok(gone) = i32::try_from(shifted.rem_euclid(round)) else { return Vec::new() };
    let chance = chance.number(shifted.div_euclid(round));
    let way = gone / 7 - 120;
    let x = if chance.about("way").is_one_in(2) { way } else { SIDE - way };
    let foot = chance.about("lane").between(560, 860);
    let tall = chance.about("height").between(60, 130);
    let wide = tall * chance.about("width").between(30, 160) / 100;
    let luma = level(chance.about("colour").between(40, 200));
    let body = surface(
        luma,
        level(chance.about("blue").between(104, 152)),
        level(chance.about("red").between(104, 152)),
        6,
        8,
    );
    vec![
        Shape::block(x, foot - tall, x + wide, foot, body),
        Shape::block(x + wide / 5, foot - tall, x + wide * 4 / 5, foot - tall * 2 / 3, GLASS),
    ]
}
