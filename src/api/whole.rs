//! Whole numbers in JSON bodies.

use serde::{Deserialize, Serialize};

/// A whole number that is not negative. JSON has one kind of numbers: `329.0` is as whole as `329`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(try_from = "f64", bound(deserialize = "Self: TryFrom<f64, Error = String>"))]
pub(crate) struct Whole<T>(pub(crate) T);

macro_rules! whole {
    ($($number:ty),*) => {
        $(impl TryFrom<f64> for Whole<$number> {
            type Error = String;

            fn try_from(number: f64) -> Result<Self, String> {
                // A negative zero is zero; whole numbers are written without a point.
                let written = (number + 0.0).to_string();
                written
                    .parse()
                    .map(Self)
                    .map_err(|_not_whole| format!("{number} is not a whole number from 0 to {}", <$number>::MAX))
            }
        })*
    };
}

whole!(u16, u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_may_have_a_point() {
        let check = |text: &str, expected| {
            assert_eq!(
                serde_json::from_str::<Whole<u16>>(text).ok().map(|Whole(number)| number),
                expected,
                "{text}"
            );
        };
        check("329", Some(329));
        check("329.0", Some(329));
        check("-0.0", Some(0));
        check("0.5", None);
        check("-1", None);
        check("65536", None);
        check("\"1\"", None);
        assert_eq!(serde_json::to_string(&Whole(7_u16)).unwrap(), "7");
    }
}
