//! Pictures: what is kept of their diagnosis, what people set and say.

use crate::store::fixture::{EAST, at, division, fill, point};
use crate::support::postgres::on_both;
use sharpeyes::domain::decode::Polygon;
use sharpeyes::domain::picture::baseline::{Lesson, Origin};
use sharpeyes::domain::picture::chroma::{ColourFeatures, Hue, Tone};
use sharpeyes::domain::picture::detail::Detail;
use sharpeyes::domain::picture::feature::Levels;
use sharpeyes::domain::picture::grid::{COLUMNS, EdgeGrid, ROWS};
use sharpeyes::domain::picture::stripe::{BANDS, StripeBands};
use sharpeyes::domain::picture::{Area, Areas, Baseline, Framing, Grade, Item, Light, Waiver, When};
use sharpeyes::store::{FalseAlarm, KeptDiagnosis, Store};

fn baseline(mean: f64) -> Baseline {
    let codes: Vec<u8> = (0..COLUMNS * ROWS).map(|cell| u8::try_from(cell % 251).unwrap()).collect();
    let bands: Vec<u8> = (0..2 * BANDS).map(|band| u8::try_from(band).unwrap()).collect();
    Baseline {
        size: (640, 360),
        pictures: 24,
        levels: Levels {
            mean,
            deviation: 0.1,
            core_deviation: 1.0 / 3.0,
            dark_over_all: 0.0,
            bright_over_all: 1e-9,
        },
        colour: ColourFeatures { tone: Tone::Colour, hue: Hue { a: -1.5, b: 2.25 }, spread: 0.7 },
        detail: Detail { noise: 1.25, detail: 33.3, coarse: 410.5, torn_over_sides: 0.001 },
        stripes: StripeBands::from_codes(&bands).unwrap(),
        edges: EdgeGrid::from_codes(codes.into()).unwrap(),
    }
}

fn kept(number: u32) -> KeptDiagnosis {
    KeptDiagnosis {
        point: point(number),
        version: 1,
        origin: Origin::First,
        since: at(10),
        known: vec![(Light::Day, baseline(90.5))],
        lessons: vec![Lesson { light: Light::Infrared, since: at(20), so_far: baseline(20.0) }],
        items: vec![(Item::Blank, Grade::Abnormal, at(30)), (Item::Noise, Grade::Normal, at(10))],
    }
}

#[tokio::test]
async fn a_diagnosis_comes_back_as_it_was_kept() {
    on_both(async |store: Store| {
        assert_eq!(store.kept_diagnoses().await.unwrap(), []);
        store.keep_diagnoses(&[kept(2), kept(1)]).await.unwrap();
        assert_eq!(store.kept_diagnoses().await.unwrap(), [kept(1), kept(2)]);
        store.keep_diagnoses(&[]).await.unwrap();

        // A lesson goes on and ends, an item is not believed any longer.
        let lesson = Lesson { light: Light::Infrared, since: at(20), so_far: baseline(25.0) };
        let longer = KeptDiagnosis { lessons: vec![lesson], items: Vec::new(), ..kept(1) };
        store.keep_diagnoses(std::slice::from_ref(&longer)).await.unwrap();
        assert_eq!(store.kept_diagnoses().await.unwrap(), [longer.clone(), kept(2)]);
        let known = vec![(Light::Day, baseline(90.5)), (Light::Infrared, baseline(26.0))];
        let learnt = KeptDiagnosis { known, lessons: Vec::new(), ..longer };
        store.keep_diagnoses(std::slice::from_ref(&learnt)).await.unwrap();
        assert_eq!(store.kept_diagnoses().await.unwrap(), [learnt.clone(), kept(2)]);

        // What is known never changes.
        let other = KeptDiagnosis { known: vec![(Light::Day, baseline(1.0))], ..learnt.clone() };
        store.keep_diagnoses(&[other]).await.unwrap();
        assert_eq!(store.kept_diagnoses().await.unwrap(), [learnt.clone(), kept(2)]);

        let accepted = KeptDiagnosis {
            version: 2,
            origin: Origin::Accepted,
            since: at(99),
            known: vec![(Light::Day, baseline(120.0))],
            ..learnt
        };
        store.keep_diagnoses(std::slice::from_ref(&accepted)).await.unwrap();
        assert_eq!(store.kept_diagnoses().await.unwrap(), [accepted, kept(2)]);
    })
    .await;
}

#[tokio::test]
async fn what_a_person_sets_replaces_what_was_set_before() {
    on_both(async |store: Store| {
        let mask = Polygon::new(vec![(0, 0), (500, 0), (500, 1_000)]).unwrap();
        let waivers = [
            When::Always,
            When::Daily { from: 1_200, to: 300 },
            When::Within(crate::store::fixture::window(5, 9)),
        ];
        let waiver = |when| Waiver { items: [Item::Moved, Item::TooDark].into_iter().collect(), when };
        let framing = Framing {
            areas: Areas { masked: vec![Area::new(0, 0, 1_000, 90).unwrap()], clock: Area::new(1, 2, 3, 4) },
            privacy_masks: vec![mask],
            waivers: waivers.map(waiver).to_vec(),
        };
        store.set_framing(point(1), &Framing::default(), at(1)).await.unwrap();
        store.set_framing(point(1), &framing, at(2)).await.unwrap();
        store.set_framing(point(2), &Framing::default(), at(3)).await.unwrap();
        let expected = [(point(1), framing), (point(2), Framing::default())].into();
        assert_eq!(store.framings().await.unwrap(), expected);
    })
    .await;
}

#[tokio::test]
async fn false_alarms_are_counted_by_item_and_division() {
    on_both(async |store: Store| {
        fill(&store).await;
        let alarm = |number, second, item| FalseAlarm {
            point: point(number),
            at: at(second),
            item,
            value: Some(0.25),
            threshold: None,
            reporter: "duty".to_owned(),
            note: String::new(),
        };
        for (number, second, item) in [
            (1, 1, Item::Moved),
            (1, 2, Item::Moved),
            (1, 2, Item::Moved),
            (4, 3, Item::Moved),
            (2, 4, Item::Noise),
        ] {
            store.add_false_alarm(&alarm(number, second, item)).await.unwrap();
        }
        let all = store.false_alarms(None).await.unwrap();
        assert_eq!((*all.of(Item::Moved), *all.of(Item::Noise), *all.of(Item::Blank)), (3, 1, 0));
        let east = store.false_alarms(Some(division(EAST))).await.unwrap();
        assert_eq!((*east.of(Item::Moved), *east.of(Item::Noise)), (2, 1));
    })
    .await;
}
