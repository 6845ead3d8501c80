//! Whom to call about what failed (联系人): whoever answers for every point of it.

use crate::domain::{Inventory, Point, PointCode};

/// What somebody answers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContactRole {
    /// 网格长: the leader of the grid.
    GridLeader,
    /// 维护单位: who maintains the points.
    Maintainer,
}

impl ContactRole {
    /// Every role.
    pub const ALL: [Self; 2] = [Self::GridLeader, Self::Maintainer];

    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GridLeader => "grid_leader",
            Self::Maintainer => "maintainer",
        }
    }

    /// The word that people read.
    pub const fn name_zh(self) -> &'static str {
        match self {
            Self::GridLeader => "网格长",
            Self::Maintainer => "维护单位",
        }
    }
}

/// Somebody to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// What they answer for.
    pub role: ContactRole,
    /// Their name.
    pub name: String,
    /// Their telephone.
    pub phone: Option<String>,
}

/// The contacts that all of some points share: of a camera both, of a link mostly its maintainer alone.
pub fn contacts(points: impl Iterator<Item = PointCode> + Clone, records: &Inventory) -> Vec<Contact> {
    let of = |role| {
        let mut found = points.clone().map(|point| contact(role, records.points.get(&point)?, records));
        let first = found.next()??;
        found.all(|other| other.as_ref() == Some(&first)).then_some(first)
    };
    ContactRole::ALL.into_iter().filter_map(of).collect()
}

fn contact(role: ContactRole, point: &Point, records: &Inventory) -> Option<Contact> {
    let (name, phone) = match role {
        ContactRole::GridLeader => {
            let leader = records.grids.get(point.grid.as_ref()?)?.leader.as_ref()?;
            (leader.name.clone(), leader.phone.clone())
        }
        ContactRole::Maintainer => (point.maintainer.clone()?, point.maintainer_phone.clone()),
    };
    let filled = |text: &String| !text.is_empty();
    filled(&name).then(|| Contact { role, name, phone: phone.filter(filled) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::grid::{Grid, GridKind, Leader};

    #[test]
    fn whoever_answers_for_all_of_it_is_called() {
        let code = |number: u32| format!("2305210013200000{number:02}").parse::<PointCode>().unwrap();
        let mut records = Inventory::default();
        let grid = Grid {
            code: "230521100201001".parse().unwrap(),
            name: "一网格".to_owned(),
            village: "230521100201".parse().unwrap(),
            kind: GridKind::Rural,
            households: None,
            leader: Some(Leader {
                name: "甲".to_owned(),
                phone: Some("139".to_owned()),
                from: None,
                to: None,
            }),
        };
        for number in 0..3 {
            let mut point = Point::bare(code(number), "230521100201".parse().unwrap());
            point.grid = (number < 2).then(|| grid.code.clone());
            point.maintainer = Some("乙公司".to_owned());
            point.maintainer_phone = Some(String::new());
            records.points.insert(point.code, point);
        }
        records.grids.insert(grid.code.clone(), grid);
        let roles = |numbers: &[u32]| {
            let found = contacts(numbers.iter().map(|number| code(*number)), &records);
            found.iter().map(|contact| contact.role).collect::<Vec<_>>()
        };
        assert_eq!(roles(&[0, 1]), [ContactRole::GridLeader, ContactRole::Maintainer]);
        assert_eq!(roles(&[0, 1, 2]), [ContactRole::Maintainer]);
        assert_eq!(roles(&[0, 7]), []);
        assert_eq!(roles(&[]), []);
        let found = contacts([code(2)].into_iter(), &records);
        assert_eq!(found[0].phone, None, "an empty cell is no telephone");
    }
}
