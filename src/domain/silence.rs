//! Silences (静默): what is not told for a while. A silence only mutes: it changes no figure, it expires, and it shows.
//!
//! What it holds back is told when it is over, unless it ended meanwhile. Planned work that shall change figures is an
//! [`Exclusion`](crate::domain::Exclusion).

use crate::domain::incident::Root;
use crate::domain::message::Message;
use crate::domain::{DivisionCode, Timestamp, Window};
use std::time::Duration;

/// The longest silence; whoever needs more enters another one.
pub const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// What a silence mutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Muted {
    /// What failed; every incident of the division when left out.
    pub root: Option<Root>,
    /// Where: the division of the root, or the one whose incidents are muted; the whole network when left out.
    pub division: Option<DivisionCode>,
}

impl Muted {
    /// Whether the incident of this root in this division is muted. One that reaches beyond the division is not.
    pub fn holds(&self, root: &Root, division: Option<DivisionCode>) -> bool {
        match (&self.root, self.division) {
            (Some(muted), _) => muted == root,
            (None, Some(muted)) => division.is_some_and(|division| muted.contains(&division)),
            (None, None) => true,
        }
    }
}

/// What a person asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilenceRequest {
    /// What is muted.
    pub muted: Muted,
    /// When.
    pub window: Window,
    /// Why.
    pub reason: String,
    /// Who asks.
    pub by: String,
}

/// Why a silence is not entered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    /// Nobody knows later what it was for.
    #[error("`reason` must not be empty")]
    NoReason,
    /// It would mute nothing.
    #[error("`ends` has passed already")]
    Past,
    /// It would be forgotten.
    #[error("a silence lasts up to 7 days; enter another one when it is over")]
    TooLong,
}

impl SilenceRequest {
    /// Whether a message is muted.
    pub fn mutes(&self, message: &Message) -> bool {
        message.root().is_some_and(|root| self.muted.holds(&root, message.division))
    }

    /// Refuses what nobody should enter.
    pub fn check(&self, now: Timestamp) -> Result<(), SilenceError> {
        if self.reason.trim().is_empty() {
            return Err(SilenceError::NoReason);
        }
        if self.window.end() <= now {
            return Err(SilenceError::Past);
        }
        if self.window.end().since(self.window.start()) > LONGEST {
            return Err(SilenceError::TooLong);
        }
        Ok(())
    }
}

/// How far a silence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SilenceState {
    /// 待生效: it has not begun.
    Pending,
    /// 生效中: it mutes.
    InForce,
    /// 已结束: it expired, or a person ended it.
    Over,
}

impl SilenceState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Pending, Self::InForce, Self::Over];

    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InForce => "in_force",
            Self::Over => "over",
        }
    }
}

/// A silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Its number.
    pub id: i64,
    /// What was asked for.
    pub request: SilenceRequest,
    /// When it was entered.
    pub entered: Timestamp,
    /// When a person ended it early, and who.
    pub ended: Option<(Timestamp, String)>,
}

impl Silence {
    /// How far it is.
    pub fn state(&self, now: Timestamp) -> SilenceState {
        if self.ended.is_some() || self.request.window.end() <= now {
            SilenceState::Over
        } else if now < self.request.window.start() {
            SilenceState::Pending
        } else {
            SilenceState::InForce
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    fn request(begins: i64, ends: i64, reason: &str) -> SilenceRequest {
        let at = Timestamp::from_seconds;
        SilenceRequest {
            muted: Muted { root: None, division: None },
            window: Window::new(at(begins), at(ends)).unwrap(),
            reason: reason.to_owned(),
            by: "王".to_owned(),
        }
    }

    #[test]
    fn a_silence_has_a_reason_and_an_end_within_a_week() {
        let check = |begins, ends, reason, expected| {
            assert_eq!(request(begins, ends, reason).check(NOW), expected, "{begins} {ends} {reason}");
        };
        check(900, 1_001, "割接", Ok(()));
        check(2_000, 2_000 + 7 * 86_400, "割接", Ok(()));
        check(2_000, 2_001 + 7 * 86_400, "割接", Err(SilenceError::TooLong));
        check(900, 1_000, "割接", Err(SilenceError::Past));
        check(900, 2_000, " \n", Err(SilenceError::NoReason));
    }

    #[test]
    fn a_silence_mutes_from_its_beginning_to_its_end() {
        let mut silence =
            Silence { id: 1, request: request(1_000, 1_100, "割接"), entered: NOW, ended: None };
        let state = |silence: &Silence, second| silence.state(Timestamp::from_seconds(second));
        assert_eq!(state(&silence, 999), SilenceState::Pending);
        assert_eq!(state(&silence, 1_000), SilenceState::InForce);
        assert_eq!(state(&silence, 1_099), SilenceState::InForce);
        assert_eq!(state(&silence, 1_100), SilenceState::Over);
        silence.ended = Some((Timestamp::from_seconds(1_050), "李".to_owned()));
        assert_eq!(state(&silence, 1_060), SilenceState::Over);
    }

    #[test]
    fn a_root_mutes_itself_and_a_division_what_lies_inside() {
        let link = |code: &str| Root::Link(code.parse().unwrap());
        let division = |code: &str| code.parse().ok();
        let check = |muted: &Muted, root: &Root, place: &str, expected| {
            assert_eq!(muted.holds(root, division(place)), expected, "{muted:?} {root} {place}");
        };
        let one = Muted { root: Some(link("L-1")), division: division("230521100201") };
        check(&one, &link("L-1"), "230521100201", true);
        check(&one, &link("L-2"), "230521100201", false);
        let county = Muted { root: None, division: division("230521") };
        check(&county, &link("L-2"), "230521100201", true);
        check(&county, &link("L-2"), "230521", true);
        check(&county, &link("L-2"), "2305", false);
        check(&county, &Root::OwnNetwork, "", false);
        let all = Muted { root: None, division: None };
        check(&all, &Root::OwnNetwork, "", true);
    }
}
