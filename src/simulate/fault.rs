//! What can be wrong with a simulated camera or link, and what the service must then show.

use crate::domain::{Cause, Condition, LinkCode, PointCode};
use crate::simulate::fleet::Device;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident => $text:literal, $expected:expr;)*) => {
        /// A fault of one camera.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $($(#[$doc])* $name,)*
        }

        impl Fault {
            /// Every fault.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word used in commands and in `faults.json`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// What the service must show.
            pub const fn expected(self) -> Condition {
                match self {
                    $(Self::$name => $expected,)*
                }
            }
        }
    };
}

faults! {
    /// The device refuses connections.
    Refused => "refused", Condition::Because(Cause::ConnectRefused);
    /// The device accepts connections and never answers.
    Silent => "silent", Condition::Because(Cause::RtspTimeout);
    /// The password was changed: every answer to the challenge is wrong.
    WrongPassword => "wrong_password", Condition::Because(Cause::WrongCredential);
    /// The stream is gone: 404.
    NotFound => "not_found", Condition::Because(Cause::StreamNotFound);
    /// The device has no session left: 453.
    SessionLimit => "session_limit", Condition::Because(Cause::SessionLimit);
    /// Pictures stop one second after the first random-access picture.
    Stall => "stall", Condition::Because(Cause::Stalled);
    /// Packets without any random-access picture.
    NoKeyFrame => "no_key_frame", Condition::Because(Cause::NoKeyFrame);
    /// One packet in twelve is lost.
    Loss => "loss", Condition::Because(Cause::Loss);
    /// One picture in six is sent.
    LowFrameRate => "low_frame_rate", Condition::Because(Cause::LowFrameRate);
    /// The device's clock is 37 minutes fast.
    WrongClock => "wrong_clock", Condition::Because(Cause::ClockWrong);
    /// Random-access pictures are far apart, as smart codings send them: the first long after the start.
    SlowKeyFrames => "slow_key_frames", Condition::Because(Cause::SlowKeyFrames);
    /// The picture is black. This fault and those of pictures below are found once the camera has been learnt.
    Black => "black", Condition::Because(Cause::Blank);
    /// The picture stands still.
    Frozen => "frozen", Condition::Because(Cause::Frozen);
    /// The picture is out of focus.
    Blurred => "blurred", Condition::Because(Cause::Blurred);
    /// Something covers the lens.
    Covered => "covered", Condition::Because(Cause::Covered);
    /// The camera was turned away.
    Moved => "moved", Condition::Because(Cause::Moved);
    /// The picture is full of noise.
    Noise => "noise", Condition::Because(Cause::Noise);
    /// One colour lies over the picture.
    ColourCast => "colour_cast", Condition::Because(Cause::ColourCast);
    /// The picture is too dark.
    TooDark => "too_dark", Condition::Because(Cause::TooDark);
    /// No fault: the camera sees by infrared. To be called good for ever, as the two below.
    InfraredSwitch => "infrared_switch", Condition::Good;
    /// No fault: snow falls.
    Snowfall => "snowfall", Condition::Good;
    /// No fault: where the camera looks it is always night, and nothing moves. Shown from the start, to be learnt.
    StillNight => "still_night", Condition::Good;
}

impl Fault {
    /// Whether only the pictures are other ones than before, for good or ill.
    pub const fn is_of_picture(self) -> bool {
        self.clip().is_some()
    }

    /// The clip that a camera with it shows instead of its own.
    pub const fn clip(self) -> Option<&'static str> {
        match self {
            Self::Black => Some("black"),
            Self::Frozen => Some("frozen"),
            Self::Blurred => Some("blurred"),
            Self::Covered => Some("covered"),
            Self::Moved => Some("moved"),
            Self::Noise => Some("noise"),
            Self::ColourCast => Some("colour-cast"),
            Self::TooDark => Some("too-dark"),
            Self::InfraredSwitch => Some("infrared"),
            Self::Snowfall => Some("snowfall"),
            Self::StillNight => Some("still-night"),
            Self::Refused
            | Self::Silent
            | Self::WrongPassword
            | Self::NotFound
            | Self::SessionLimit
            | Self::Stall
            | Self::NoKeyFrame
            | Self::Loss
            | Self::LowFrameRate
            | Self::SlowKeyFrames
            | Self::WrongClock => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no fault; one of {all}", all = Fault::ALL.iter().map(|fault| fault.as_str()).collect::<Vec<_>>().join(", "))]
pub struct UnknownFault(String);

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        Self::ALL
            .iter()
            .find(|fault| fault.as_str() == text)
            .copied()
            .ok_or_else(|| UnknownFault(text.to_owned()))
    }
}

/// Everything that is wrong at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Links that are cut; everything behind them is dark.
    pub cut: BTreeSet<LinkCode>,
    /// Faulty points.
    pub points: BTreeMap<PointCode, Fault>,
}

/// How an address meets a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// It accepts.
    Open,
    /// It refuses.
    Closed,
    /// Nothing comes back: the network in front of it is cut.
    Dark,
}

impl Faults {
    /// The cut link that hides whatever hangs on `path`: the highest, because those below it are only hidden too.
    pub fn cut_on<'a>(&self, path: &'a [LinkCode]) -> Option<&'a LinkCode> {
        path.iter().rev().find(|link| self.cut.contains(*link))
    }

    /// How a device meets a client.
    pub fn face_of(&self, device: &Device) -> Face {
        let refuses = |point| self.points.get(point) == Some(&Fault::Refused);
        if self.cut_on(&device.path).is_some() {
            Face::Dark
        } else if device.channels.values().any(|channel| refuses(&channel.point)) {
            Face::Closed
        } else {
            Face::Open
        }
    }

    /// What the service must show for a point that hangs on `path`.
    pub fn expected(&self, point: &PointCode, path: &[LinkCode]) -> Condition {
        match (self.cut_on(path), self.points.get(point)) {
            (Some(link), _) => Condition::Because(Cause::LinkDown(link.clone())),
            (None, Some(fault)) => fault.expected(),
            (None, None) => Condition::Good,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::fleet::{Fleet, Plan, Watched};

    #[test]
    fn a_fault_survives_its_text() {
        for fault in Fault::ALL {
            assert_eq!(fault.as_str().parse(), Ok(*fault));
        }
        assert!("gone fishing".parse::<Fault>().unwrap_err().to_string().contains("no_key_frame"));
    }

    #[test]
    fn the_highest_cut_link_hides_the_device() {
        let fleet = Fleet::build(Plan { port: 8554, watched: Watched::Mixed }).unwrap();
        let device = fleet.devices.iter().find(|device| device.path.len() == 4).unwrap();
        let point = device.channels.values().next().unwrap().point;
        let check = |cut: &[usize], face, hidden_by: Option<usize>| {
            let faults = Faults {
                cut: cut.iter().map(|index| device.path[*index].clone()).collect(),
                points: BTreeMap::from([(point, Fault::Refused)]),
            };
            let cause =
                hidden_by.map_or(Cause::ConnectRefused, |index| Cause::LinkDown(device.path[index].clone()));
            assert_eq!(faults.face_of(device), face, "{cut:?}");
            assert_eq!(faults.expected(&point, &device.path), Condition::Because(cause), "{cut:?}");
        };
        check(&[], Face::Closed, None);
        check(&[0], Face::Dark, Some(0));
        check(&[1], Face::Dark, Some(1));
        check(&[1, 2], Face::Dark, Some(2));
    }
}
