//! Record completeness (建档率) and people who answer for a point: what a point's record lacks.
//!
//! Mandatory are the fields of the GB/T 28181-2022 catalogue item for the class of the point. What the platform derives
//! itself (`CivilCode`, `Parental`, `ParentID`, `Status`, `PointType`) cannot be missing.

use crate::domain::grid::Leader;
use crate::domain::point::CatalogueRecord;
use crate::domain::site::Position;
use crate::domain::{Inventory, Point, PointClass, Timestamp};

/// The mandatory fields that are missing, and the fields that hold no value of the standard, by their names there.
pub fn record_faults(inventory: &Inventory, point: &Point) -> Vec<&'static str> {
    let record = &point.record;
    let site = point.site.as_ref().and_then(|site| inventory.sites.get(site));
    let position = record.position.as_ref().or_else(|| site.and_then(|site| site.position.as_ref()));
    let mut faults = Vec::new();
    let mut need = |name, fine: bool| {
        if !fine {
            faults.push(name);
        }
    };
    need("DeviceID", matches!(point.code.device_type(), Some("131" | "132")));
    need("Name", !point.name.trim().is_empty());
    need("Manufacturer", is_filled(record.manufacturer.as_deref()));
    need("Model", is_filled(record.model.as_deref()));
    need("Address", is_filled(record.address.as_deref()));
    need("Secrecy", record.secrecy.as_deref().is_some_and(|text| is_digit(text, 0..=1)));
    need("GrassrootsCode", record.grassroots_code.as_deref().is_some_and(|text| is_digits(text, 6)));
    match point.class {
        PointClass::One => {
            need("Position", position.is_some_and(is_on_earth));
            need("InstallTime", record.install_time.is_some());
            need("ContactInfo", is_filled(record.contact.as_deref()));
            need("RecordSaveDays", record.record_save_days.is_some_and(|days| days > 0));
        }
        PointClass::Two => need("Position", position.is_some_and(is_on_earth)),
        PointClass::Three | PointClass::Other => need("Position", position.is_none_or(is_on_earth)),
    }
    for (name, fine) in optional_fields(record) {
        need(name, fine);
    }
    faults
}

/// Fields that may be left out, but must hold a value of the standard when they are there.
fn optional_fields(record: &CatalogueRecord) -> [(&'static str, bool); 8] {
    let absent_or = |value: &Option<String>, fine: fn(&str) -> bool| value.as_deref().is_none_or(fine);
    [
        ("RegisterWay", absent_or(&record.register_way, |text| is_digit(text, 1..=4))),
        ("SecurityLevelCode", absent_or(&record.security_level, |text| matches!(text, "A" | "B" | "C"))),
        ("PTZType", absent_or(&record.camera_type, |text| is_digit(text, 1..=7))),
        ("PhotoelectricImagingType", absent_or(&record.imaging_type, is_imaging_type)),
        ("CapturePositionType", absent_or(&record.capture_position_type, |text| is_digits(text, 7))),
        ("RoomType", absent_or(&record.room_type, |text| is_digit(text, 1..=2))),
        (
            "SupplyLightType",
            absent_or(&record.supply_light_type, |text| matches!(text, "1" | "2" | "3" | "4" | "9")),
        ),
        ("DirectionType", absent_or(&record.direction, |text| is_digit(text, 1..=8))),
    ]
}

/// One kind (1-5, 9), or several joined with `/` for multi-sensor cameras.
fn is_imaging_type(text: &str) -> bool {
    text.split('/').all(|part| is_digit(part, 1..=5) || part == "9")
}

fn is_filled(text: Option<&str>) -> bool {
    text.is_some_and(|text| !text.trim().is_empty())
}

fn is_digits(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_digit(text: &str, range: std::ops::RangeInclusive<u32>) -> bool {
    is_digits(text, 1) && text.parse::<u32>().is_ok_and(|digit| range.contains(&digit))
}

fn is_on_earth(position: &Position) -> bool {
    (-180.0..=180.0).contains(&position.longitude) && (-90.0..=90.0).contains(&position.latitude)
}

/// Who is missing to answer for a point at `at`: `leader`, `maintainer`, `maintainer_phone`.
pub fn missing_people(inventory: &Inventory, point: &Point, at: Timestamp) -> Vec<&'static str> {
    let grid = point.grid.as_ref().and_then(|grid| inventory.grids.get(grid));
    let leader = grid.and_then(|grid| grid.leader.as_ref());
    let people = [
        ("leader", leader.is_some_and(|leader| is_in_office(leader, at))),
        ("maintainer", is_filled(point.maintainer.as_deref())),
        ("maintainer_phone", is_filled(point.maintainer_phone.as_deref())),
    ];
    people.into_iter().filter(|(_, there)| !there).map(|(who, _)| who).collect()
}

fn is_in_office(leader: &Leader, at: Timestamp) -> bool {
    !leader.name.trim().is_empty()
        && leader.from.is_none_or(|from| from <= at)
        && leader.to.is_none_or(|to| at < to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::site::Datum;

    fn complete(class: PointClass) -> Point {
        let text = |text: &str| Some(text.to_owned());
        let position = Position {
            longitude: 131.1,
            latitude: 46.6,
            source: Datum::Wgs84,
            raw_longitude: 131.1,
            raw_latitude: 46.6,
        };
        Point {
            class,
            commissioned: Timestamp::from_millis(0),
            record: CatalogueRecord {
                manufacturer: text("M"),
                model: text("X1"),
                address: text("road 1"),
                position: Some(position),
                secrecy: text("0"),
                grassroots_code: text("000000"),
                install_time: Some(Timestamp::from_millis(0)),
                contact: text("0469-1"),
                record_save_days: Some(30),
                ..CatalogueRecord::default()
            },
            ..Point::bare("23052100001320000001".parse().unwrap(), "230521100201".parse().unwrap())
        }
    }

    #[track_caller]
    fn check(class: PointClass, spoil: fn(&mut Point), expected: &[&str]) {
        let mut point = complete(class);
        spoil(&mut point);
        assert_eq!(record_faults(&Inventory::default(), &point), expected);
    }

    #[test]
    fn every_class_needs_the_common_fields() {
        for class in PointClass::ALL {
            check(class, |_| {}, &[]);
            check(class, |point| point.name = " ".to_owned(), &["Name"]);
            check(class, |point| point.record.manufacturer = None, &["Manufacturer"]);
            check(class, |point| point.record.model = Some(String::new()), &["Model"]);
            check(class, |point| point.record.address = None, &["Address"]);
            check(class, |point| point.record.secrecy = Some("2".to_owned()), &["Secrecy"]);
            check(
                class,
                |point| point.record.grassroots_code = Some("12345".to_owned()),
                &["GrassrootsCode"],
            );
            check(class, |point| point.code = "23052100001180000001".parse().unwrap(), &["DeviceID"]);
            check(class, |point| point.code = "230521000000000001".parse().unwrap(), &["DeviceID"]);
        }
    }

    #[test]
    fn the_class_decides_what_else_is_mandatory() {
        let lacking = |class, expected: &[&str]| {
            let bare = |point: &mut Point| {
                point.record.position = None;
                point.record.install_time = None;
                point.record.contact = None;
                point.record.record_save_days = None;
            };
            check(class, bare, expected);
        };
        lacking(PointClass::One, &["Position", "InstallTime", "ContactInfo", "RecordSaveDays"]);
        lacking(PointClass::Two, &["Position"]);
        lacking(PointClass::Three, &[]);
        lacking(PointClass::Other, &[]);
        check(PointClass::One, |point| point.record.record_save_days = Some(0), &["RecordSaveDays"]);
    }

    #[test]
    fn an_optional_field_holds_a_value_of_the_standard_or_none() {
        let class = PointClass::Three;
        check(class, |point| point.record.register_way = Some("5".to_owned()), &["RegisterWay"]);
        check(class, |point| point.record.security_level = Some("D".to_owned()), &["SecurityLevelCode"]);
        check(class, |point| point.record.camera_type = Some("8".to_owned()), &["PTZType"]);
        check(class, |point| point.record.imaging_type = Some("1/2".to_owned()), &[]);
        check(
            class,
            |point| point.record.imaging_type = Some("1/7".to_owned()),
            &["PhotoelectricImagingType"],
        );
        check(
            class,
            |point| point.record.capture_position_type = Some("12345".to_owned()),
            &["CapturePositionType"],
        );
        check(class, |point| point.record.room_type = Some("3".to_owned()), &["RoomType"]);
        check(class, |point| point.record.supply_light_type = Some("5".to_owned()), &["SupplyLightType"]);
        check(class, |point| point.record.direction = Some("0".to_owned()), &["DirectionType"]);
    }

    #[test]
    fn the_position_of_the_site_stands_in() {
        let mut point = complete(PointClass::One);
        let position = point.record.position.take();
        let site = crate::domain::site::Site {
            code: "S1".parse().unwrap(),
            name: String::new(),
            village: point.village,
            position,
            mount: None,
            power: None,
            link: None,
        };
        point.site = Some(site.code.clone());
        let mut inventory = Inventory::default();
        assert_eq!(record_faults(&inventory, &point), ["Position"]);
        inventory.sites.insert(site.code.clone(), site);
        assert_eq!(record_faults(&inventory, &point), [""; 0]);
    }
}
