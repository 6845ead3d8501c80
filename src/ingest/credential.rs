//! Credentials of cameras, and the hold that keeps a wrong one from locking an account.
//!
//! Hikvision, Dahua and Foscam lock the source address for about half an hour after repeated bad logins, so a
//! credential that was answered with 401 twice is not used again on that host until the hold ends or a person
//! releases it. A hold runs on the monotonic clock, so that a step of the wall clock does not end it. Only fingerprints
//! of this module reach logs and the API: names, never secrets.

use crate::domain::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

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

/// A credential that is not used on a host for a while, as a person sees it.
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

/// Name of a credential, and the host on which it is used.
type Use = (String, String);

/// What is known of the credentials that were refused.
#[derive(Debug, Default)]
struct Refusals {
    held: BTreeMap<Use, (Timestamp, Instant)>,
    /// When a refusal came that our other sessions to the host may explain.
    doubted: BTreeMap<Use, Instant>,
}

/// Every hold in force: a cheap handle, shared with the API so that a person sees and releases them.
#[derive(Clone, Debug, Default)]
pub struct Holds(Arc<Mutex<Refusals>>);

impl Holds {
    /// Holds `credential` on `host` until `until`; the wrong answer came at `since`.
    pub fn hold(&self, credential: &str, host: &str, since: Timestamp, until: Instant) {
        let mut refusals = self.lock();
        refusals.doubted.remove(&used(credential, host));
        refusals.held.insert(used(credential, host), (since, until));
    }

    /// How long `credential` is still held on `host`.
    pub fn left(&self, credential: &str, host: &str, now: Instant) -> Option<Duration> {
        let (_, until) = *self.lock().held.get(&used(credential, host))?;
        Some(until.saturating_duration_since(now)).filter(|left| !left.is_zero())
    }

    /// Notes that a look begun at `began` was refused at `now` while other sessions of ours played on the host, and says
    /// whether the password is to blame. Dahua answers so when it has no session left; but when the credential has served
    /// no session since and is refused again, the sessions that play are of others. A look that was under way at the
    /// first refusal proves no more than it did.
    pub fn doubt(&self, credential: &str, host: &str, began: Instant, now: Instant) -> bool {
        let mut refusals = self.lock();
        let first = *refusals.doubted.entry(used(credential, host)).or_insert(now);
        first < began
    }

    /// Notes that a session plays with the credential.
    pub fn trust(&self, credential: &str, host: &str) {
        self.lock().doubted.remove(&used(credential, host));
    }

    /// Every hold in force at `now`, which the wall clock shows as `wall`.
    pub fn list(&self, now: Instant, wall: Timestamp) -> Vec<Hold> {
        let refusals = self.lock();
        let in_force = refusals.held.iter().filter(|(_, (_, until))| *until > now);
        let hold = |((credential, host), (since, until)): (&Use, &(Timestamp, Instant))| Hold {
            credential: credential.clone(),
            host: host.clone(),
            since: *since,
            until: wall.plus(until.saturating_duration_since(now)),
        };
        in_force.map(hold).collect()
    }

    /// Forgets the holds that are over and gives the number of the others.
    pub fn prune(&self, now: Instant) -> usize {
        let mut refusals = self.lock();
        refusals.held.retain(|_, (_, until)| *until > now);
        refusals.held.len()
    }

    /// Ends a hold at once; `false` when there was none.
    pub fn release_hold(&self, credential: &str, host: &str) -> bool {
        self.lock().held.remove(&used(credential, host)).is_some()
    }

    /// Ends every hold of a credential whose secret was changed.
    pub fn release_credential(&self, credential: &str) {
        let mut refusals = self.lock();
        refusals.held.retain(|(name, _), _| name != credential);
        refusals.doubted.retain(|(name, _), _| name != credential);
    }

    fn lock(&self) -> MutexGuard<'_, Refusals> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn used(credential: &str, host: &str) -> Use {
    (credential.to_owned(), host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "10.0.0.1:554";
    const SPAN: Duration = Duration::from_secs(1_800);

    /// An instant so many seconds after `start`.
    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_hold_ends_by_time_or_by_hand() {
        let (start, since) = (Instant::now(), Timestamp::from_seconds(100));
        let holds = Holds::default();
        holds.hold("camera", HOST, since, start + SPAN);
        let left = |seconds| holds.left("camera", HOST, after(start, seconds)).map(|left| left.as_secs());
        assert_eq!(left(1), Some(1_799));
        assert_eq!(holds.left("camera", "10.0.0.2:554", start), None, "another host");
        assert_eq!(holds.left("other", HOST, start), None, "another credential");
        assert_eq!(left(1_800), None);

        assert!(holds.release_hold("camera", HOST));
        assert!(!holds.release_hold("camera", HOST));
        assert_eq!(left(1), None);
    }

    #[test]
    fn a_list_has_only_holds_in_force_and_shows_them_by_the_wall_clock() {
        let (start, since) = (Instant::now(), Timestamp::from_seconds(100));
        let holds = Holds::default();
        holds.hold("camera", HOST, since, start + SPAN);
        // The wall clock was set back by a day: the hold goes on all the same.
        let wall = Timestamp::from_seconds(-86_000);
        let listed = holds.list(after(start, 300), wall);
        let until = wall.plus(Duration::from_secs(1_500));
        let expected = Hold { credential: "camera".to_owned(), host: HOST.to_owned(), since, until };
        assert_eq!(listed, [expected]);
        assert_eq!(holds.list(after(start, 1_800), wall), []);
        assert_eq!((holds.prune(after(start, 1_799)), holds.prune(after(start, 1_800))), (1, 0));
    }

    #[test]
    fn the_second_refusal_while_others_play_is_the_passwords_own() {
        let start = Instant::now();
        let at = |seconds| after(start, seconds);
        let holds = Holds::default();
        let doubt = |began, now| holds.doubt("camera", HOST, at(began), at(now));
        assert!(!doubt(0, 1), "the first may be a session limit");
        assert!(!doubt(0, 2), "under way at the first");
        assert!(doubt(5, 6), "no session with it came about since");
        holds.trust("camera", HOST);
        assert!(!doubt(7, 8), "a login in between proves the password");
        assert!(!holds.doubt("other", HOST, at(9), at(10)), "another credential");
        holds.release_credential("camera");
        assert!(!doubt(11, 12), "a new password");
    }

    #[test]
    fn a_credential_shows_its_name_only() {
        let credential =
            Credential { name: "north".into(), username: "admin".into(), password: "12345".into() };
        let shown = format!("{credential:?}");
        assert!(shown.contains("north") && !shown.contains("12345") && !shown.contains("admin"), "{shown}");
    }
}
