//! Credentials of cameras, and the hold that keeps a wrong one from locking an account.
//!
//! Hikvision, Dahua and Foscam lock the source address for about half an hour after repeated bad logins, so a
//! credential that was answered with 401 twice is not used again on that host until the hold ends or a person
//! releases it. Only fingerprints of this module reach logs and the API: names, never secrets.

use crate::domain::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What to log in with.
#[derive(Clone)]
pub struct Credential {
    /// Name of the entry in the credential table; safe to show.
    pub name: String,
    /// User name.
    pub username: String,
    /// Password.
    pub password: SecretString,
}

impl PartialEq for Credential {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.username == other.username
            && self.password.expose_secret() == other.password.expose_secret()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A credential that is not used on a host for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Name of the credential.
    pub credential: String,
    /// Host and port of the device.
    pub host: String,
    /// When the wrong answer came.
    pub since: Timestamp,
    /// When it is tried again.
    pub until: Timestamp,
}

/// Every hold in force: a cheap handle, shared with the API so that a person sees and releases them.
#[derive(Clone, Debug, Default)]
pub struct Holds(Arc<Mutex<BTreeMap<(String, String), Hold>>>);

impl Holds {
    /// Holds `credential` on `host` from `now` on.
    pub fn hold(&self, credential: &str, host: &str, now: Timestamp, span: Duration) {
        let hold = Hold {
            credential: credential.to_owned(),
            host: host.to_owned(),
            since: now,
            until: now.plus(span),
        };
        self.lock().insert((credential.to_owned(), host.to_owned()), hold);
    }

    /// Until when `credential` is held on `host`; forgets a hold that is over.
    pub fn held_until(&self, credential: &str, host: &str, now: Timestamp) -> Option<Timestamp> {
        let key = (credential.to_owned(), host.to_owned());
        let mut holds = self.lock();
        let until = holds.get(&key)?.until;
        if until <= now {
            holds.remove(&key);
            return None;
        }
        Some(until)
    }

    /// Every hold in force.
    pub fn list(&self) -> Vec<Hold> {
        self.lock().values().cloned().collect()
    }

    /// Ends a hold at once; `false` when there was none.
    pub fn release_hold(&self, credential: &str, host: &str) -> bool {
        self.lock().remove(&(credential.to_owned(), host.to_owned())).is_some()
    }

    /// Ends every hold of a credential whose secret was changed.
    pub fn release_credential(&self, credential: &str) {
        self.lock().retain(|(name, _), _| name != credential);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, String), Hold>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_ends_by_time_or_by_hand() {
        let at = Timestamp::from_seconds;
        let holds = Holds::default();
        holds.hold("camera", "10.0.0.1:554", at(100), Duration::from_secs(1_800));
        let held = |now| holds.held_until("camera", "10.0.0.1:554", now);
        assert_eq!(held(at(101)), Some(at(1_900)));
        assert_eq!(holds.held_until("camera", "10.0.0.2:554", at(101)), None, "another host");
        assert_eq!(holds.held_until("other", "10.0.0.1:554", at(101)), None, "another credential");
        assert_eq!(held(at(1_900)), None);
        assert!(holds.list().is_empty());

        holds.hold("camera", "10.0.0.1:554", at(100), Duration::from_secs(1_800));
        assert!(holds.release_hold("camera", "10.0.0.1:554"));
        assert!(!holds.release_hold("camera", "10.0.0.1:554"));
        assert_eq!(held(at(101)), None);
    }

    #[test]
    fn a_credential_shows_its_name_only() {
        let credential =
            Credential { name: "north".into(), username: "admin".into(), password: "12345".into() };
        let shown = format!("{credential:?}");
        assert!(shown.contains("north") && !shown.contains("12345") && !shown.contains("admin"), "{shown}");
    }
}
