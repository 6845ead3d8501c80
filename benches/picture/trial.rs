//! What each camera is put through.

use sharpeyes::domain::picture::Item;
use sharpeyes::simulate::scene::{Case, Clock, Flaw, Harm, Harmless, Strength};

/// What happens to a camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// Its key frames do not come any longer.
    Silence,
    /// Its picture is spoilt.
    Flaw(Flaw, Strength),
    /// Its key frames come damaged.
    Harm(Harm),
    /// Nothing is wrong with it.
    Harmless(Harmless),
}

/// One case.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    pub(super) number: u32,
    pub(super) event: Event,
    /// The item of its row, and what else is a right word for it; none of harmless ones.
    pub(super) expected: &'static [Item],
    pub(super) case: Case,
}

impl Trial {
    /// The name of its pictures.
    pub(super) fn name(&self) -> String {
        match self.event {
            Event::Silence => format!("silence-{}", self.number),
            Event::Flaw(flaw, strength) => format!("{flaw:?}-{strength:?}-{}", self.number),
            Event::Harm(harm) => format!("{harm:?}-{}", self.number),
            Event::Harmless(kind) => format!("harmless-{kind:?}-{}", self.number),
        }
    }
}

/// Everything that the `number`-th camera is put through. Of flaws that make one item each camera has one.
pub(super) fn trials(number: u32) -> Vec<Trial> {
    let one_of = |flaws: &[Flaw]| flaws[usize::try_from(number).unwrap() % flaws.len()];
    let frozen = one_of(&[Flaw::Frozen, Flaw::FrozenScene, Flaw::StoppedClock]);
    let calm = Case::harmless(Harmless::Day, number).unwrap();
    // A camera without a clock can only freeze as a whole.
    let frozen = if calm.camera.overlay.clock == Clock::Shown { frozen } else { Flaw::Frozen };
    let flaws: [(&'static [Item], Flaw); 12] = [
        (&[Item::Blank], one_of(&[Flaw::Black, Flaw::OneColour])),
        (&[Item::Frozen], frozen),
        (&[Item::Covered], Flaw::Covered),
        (&[Item::Moved], Flaw::Moved),
        (&[Item::Blurred], Flaw::Blurred),
        // Ice hides as well as it blurs.
        (&[Item::Blurred, Item::Covered], Flaw::Frosted),
        // A tenth of the light of a grey scene is black.
        (&[Item::TooDark, Item::Blank], Flaw::TooDark),
        (&[Item::TooBright], Flaw::TooBright),
        (&[Item::Noise], one_of(&[Flaw::Noise, Flaw::Speckles])),
        (&[Item::Stripes], Flaw::Stripes),
        (&[Item::ColourCast], Flaw::ColourCast),
        (&[Item::Shaking], Flaw::Shaking),
    ];
    let trial = |event, expected: &'static [Item], case| Trial { number, event, expected, case };
    let mut trials = vec![trial(Event::Silence, &[Item::SignalLost], calm.clone())];
    trials.extend(flaws.into_iter().map(|(items, flaw)| {
        let case = Case::spoilt(flaw, Strength::Clear, number).unwrap();
        trial(Event::Flaw(flaw, Strength::Clear), items, case)
    }));
    trials.push(damaged(number, &calm));
    trials.extend(harmless(number).map(|(kind, case)| trial(Event::Harmless(kind), &[], case)));
    trials
}

/// Every other damaged picture was damaged before it was encoded, as a recorder's is.
fn damaged(number: u32, calm: &Case) -> Trial {
    let harms = [Harm::Truncated, Harm::Holed, Harm::Flipped, Harm::Overwritten];
    let (event, case) = if number.is_multiple_of(2) {
        let case = Case::spoilt(Flaw::Damaged, Strength::Clear, number).unwrap();
        (Event::Flaw(Flaw::Damaged, Strength::Clear), case)
    } else {
        let harm = harms[usize::try_from(number / 2).unwrap() % harms.len()];
        let judged = calm.judged.iter().copied().take(3).collect();
        (Event::Harm(harm), Case { judged, ..calm.clone() })
    };
    Trial { number, event, expected: &[Item::Damaged], case }
}

/// Four kinds or so of those that the camera can meet, so that each kind is met about as often.
fn harmless(number: u32) -> impl Iterator<Item = (Harmless, Case)> {
    let turn = |kind: Harmless| match kind {
        Harmless::Fence | Harmless::CropRows | Harmless::SmoothWater | Harmless::StillClockless => 1,
        Harmless::StillNight | Harmless::Headlights => 2,
        Harmless::StillInfrared
        | Harmless::InfraredSwitch
        | Harmless::InfraredSnowfall
        | Harmless::Insect => 3,
        Harmless::Day
        | Harmless::Night
        | Harmless::StillDay
        | Harmless::DenoisedDay
        | Harmless::DenoisedNight
        | Harmless::Dawn
        | Harmless::LowSun
        | Harmless::Snowfall
        | Harmless::SnowCover
        | Harmless::Fog
        | Harmless::Rain
        | Harmless::Wind
        | Harmless::Lorry => 5,
    };
    let kinds = Harmless::ALL.into_iter().zip(number..);
    let due = kinds.filter(move |(kind, number)| number.is_multiple_of(turn(*kind)));
    due.filter_map(move |(kind, _)| Some((kind, Case::harmless(kind, number)?)))
}
