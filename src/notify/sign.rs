//! The signature of webhooks and files: HMAC-SHA256, RFC 2104.

use crate::domain::Timestamp;
use crate::domain::hex::hex;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// HMAC-SHA256 of `text`.
#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
pub(super) fn hmac(key: &SecretString, text: &str) -> [u8; 32] {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()).expect("a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

/// What was sent when, signed: the timestamp keeps an old one from being sent once more by somebody else.
#[derive(Debug)]
pub(super) struct Signed {
    /// Whole seconds since 1970.
    pub(super) timestamp: String,
    /// `sha256=` and the HMAC of timestamp, `.` and body in hexadecimal.
    pub(super) signature: String,
}

impl Signed {
    pub(super) fn new(key: &SecretString, body: &str, now: Timestamp) -> Self {
        let timestamp = now.as_millis().div_euclid(1_000).to_string();
        let signature = format!("sha256={}", hex(&hmac(key, &format!("{timestamp}.{body}"))));
        Self { timestamp, signature }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_that_of_the_standard() {
        // RFC 4231, test case 2.
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex(&hmac(&SecretString::from("Jefe"), "what do ya want for nothing?")), expected);
    }
}
