//! Access: bearer tokens, roles, the division that a token may see.
//!
//! Every token is looked up in the store at every request, so that a revocation takes effect at once; an answer that does
//! not end asks again and again. While the store cannot be read, what the last lookup found stays valid, so that
//! `/metrics` and the lists go on.
//!
//! Until the first token is made the service listens on loopback only and serves every request as role `admin`: the
//! first steps and the demo. Pages of other sites are kept out by the `Host` and `Sec-Fetch-Site` headers. Once a token
//! was made, every request needs one for good: revoking the last token closes the service, it does not open it.

use crate::api::problem::ApiError;
use crate::api::prose::{self, Layout};
use crate::api::state::ApiState;
use crate::domain::DivisionCode;
use crate::domain::access::{Role, Scope};
use crate::store::token::{Token, TokenHash};
use crate::store::{Store, StoreError};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use std::collections::BTreeMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Name under which requests without a token are entered in the audit.
const LOCAL: &str = "local";
/// How many tokens are remembered for the time that the store cannot be read; more are forgotten.
const REMEMBERED: usize = 1_024;
/// How long the store is asked about what is remembered; a connection of its pool alone may take five times as long.
const SOON: Duration = Duration::from_secs(1);

/// Why the service may not listen on an address.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Not loopback, and everyone could do everything.
    #[error(
        "{listen} is not loopback and no API token exists: create one with `sharpeyes token add --name NAME --role admin`, or listen on 127.0.0.1"
    )]
    NoToken {
        /// The address.
        listen: SocketAddr,
    },
    /// The tokens could not be counted.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether requests need a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarding {
    /// A token was made: every request needs a valid one.
    Tokens,
    /// No token was ever made and the address is loopback: every request is served as role `admin`. Say so at start-up.
    LoopbackOpen,
}

/// Refuses an address that is not loopback until a token is made. Call it before listening.
pub async fn check_listen(store: &Store, listen: SocketAddr) -> Result<Guarding, ListenError> {
    if store.token_count().await? > 0 {
        Ok(Guarding::Tokens)
    } else if listen.ip().is_loopback() {
        Ok(Guarding::LoopbackOpen)
    } else {
        Err(ListenError::NoToken { listen })
    }
}

/// Makes a token: the secret to hand out once, and what the store keeps of it.
pub fn new_secret() -> (String, TokenHash) {
    let bytes: [u8; 32] = rand::random();
    let secret = bytes.iter().fold("se_".to_owned(), |secret, byte| format!("{secret}{byte:02x}"));
    let hash = TokenHash::of(&secret);
    (secret, hash)
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Name of the token, for the audit.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) role: Role,
    /// What it may see.
    pub(crate) scope: Scope,
    /// What it showed; `None` as long as no token was ever made.
    token: Option<TokenHash>,
}

impl Caller {
    fn local() -> Self {
        Self { name: LOCAL.to_owned(), role: Role::Admin, scope: Scope::EVERYTHING, token: None }
    }

    fn with(token: Token, hash: &TokenHash) -> Self {
        Self { name: token.name, role: token.role, scope: token.scope, token: Some(hash.clone()) }
    }

    /// Whether who was let in would be let in again. While the store cannot be read, nobody is turned out.
    pub(crate) async fn is_still_valid(&self, store: &Store) -> bool {
        let valid = match &self.token {
            Some(hash) => store.token_by_hash(hash).await.map(|token| token.is_some()),
            None => store.token_count().await.map(|count| count == 0),
        };
        valid.unwrap_or(true)
    }

    /// Whether no token was ever made and the request came from this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.name == LOCAL
    }

    /// Refuses a caller who may see one division only.
    pub(crate) fn needs_everything(&self) -> Result<(), ApiError> {
        if self.scope == Scope::EVERYTHING { Ok(()) } else { Err(ApiError::WholeNetworkOnly) }
    }

    /// Whether it may see a part of what lies in a division, or across all of them.
    pub(crate) fn sees_part_of(&self, division: Option<DivisionCode>) -> bool {
        self.scope.narrow(division).is_some()
    }

    /// Refuses to let a caller act on what lies outside, or reaches beyond its own division.
    pub(crate) fn may_act_in(&self, division: Option<DivisionCode>) -> Result<(), ApiError> {
        let is_inside =
            division.map_or(self.scope == Scope::EVERYTHING, |division| self.scope.holds(&division));
        if is_inside { Ok(()) } else { Err(ApiError::OutsideScope) }
    }

    /// The person who acts: the owner of the token, or who is named in `field` where no token exists.
    pub(crate) fn person(&self, field: &'static str, named: Option<String>) -> Result<String, ApiError> {
        let named = named.unwrap_or_default();
        prose::check(field, &named, Layout::Line, 100)?;
        if !self.is_local() {
            return Ok(self.name.clone());
        }
        if named.trim().is_empty() {
            return Err(ApiError::Unprocessable(format!("without a token `{field}` must be named")));
        }
        Ok(named)
    }

    /// The division that a figure is about; a figure is never narrowed, because it would mean something else.
    pub(crate) fn admit(&self, asked: Option<DivisionCode>) -> Result<Scope, ApiError> {
        match asked {
            Some(division) if !self.scope.holds(&division) => Err(ApiError::OutsideScope),
            Some(division) => Ok(Scope::new(Some(division))),
            None => Ok(self.scope),
        }
    }

    /// The part of the network that a list shows: the division asked for, silently narrowed to the token's.
    pub(crate) fn narrow(&self, asked: Option<DivisionCode>) -> Result<Scope, ApiError> {
        self.scope.narrow(asked).ok_or(ApiError::OutsideScope)
    }
}

macro_rules! role_extractors {
    ($($(#[$doc:meta])* $name:ident => $role:ident;)*) => {
        $($(#[$doc])*
        #[derive(Clone, Debug)]
        pub(crate) struct $name(pub(crate) Caller);

        impl<S: Sync> FromRequestParts<S> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
                caller_with(parts, Role::$role).map(Self)
            }
        })*
    };
}

role_extractors! {
    /// A caller who may see.
    Reader => Read;
    /// A caller who may act.
    Operator => Operate;
    /// A caller who may change the records.
    Administrator => Admin;
}

fn caller_with(parts: &Parts, role: Role) -> Result<Caller, ApiError> {
    let caller = parts.extensions.get::<Caller>().ok_or(ApiError::Unauthenticated)?;
    if caller.role >= role { Ok(caller.clone()) } else { Err(ApiError::Forbidden) }
}

/// Finds out who asks and refuses who may not.
pub(crate) async fn authenticate(
    State(state): State<ApiState>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    refuse_cross_site(request.method(), request.headers())?;
    let path = request.uri().path();
    let is_open = path == "/metrics" && !state.inputs().settings.metrics.require_token;
    let caller = if is_open { Caller::local() } else { identify(&state, request.headers()).await? };
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

async fn identify(state: &ApiState, headers: &HeaderMap) -> Result<Caller, ApiError> {
    if let Some(secret) = bearer(headers) {
        return state.remembered().find(&state.inputs().store, &TokenHash::of(secret)).await;
    }
    let listens_on_loopback = state.inputs().settings.server.listen.ip().is_loopback();
    if !listens_on_loopback || state.remembered().guarding(&state.inputs().store).await? == Guarding::Tokens {
        return Err(ApiError::Unauthenticated);
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    if host.is_some_and(is_loopback_name) { Ok(Caller::local()) } else { Err(ApiError::ForeignHost) }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, secret) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

/// Whether a `Host` header names this machine: a page elsewhere that rebinds its name to 127.0.0.1 does not pass.
fn is_loopback_name(host: &str) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let name = name.map_or(host, |(name, _)| name).trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn refuse_cross_site(method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
    let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    if method.is_safe() || matches!(site, None | Some("same-origin" | "none")) {
        Ok(())
    } else {
        Err(ApiError::CrossSite)
    }
}

/// What the last lookups found, for the time that the store cannot be read.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    tokens: Mutex<BTreeMap<TokenHash, Token>>,
    guarding: Mutex<Option<Guarding>>,
}

impl Remembered {
    async fn find(&self, store: &Store, hash: &TokenHash) -> Result<Caller, ApiError> {
        let known = self.tokens().get(hash).cloned();
        let found = if known.is_some() {
            soon(store.token_by_hash(hash)).await
        } else {
            store.token_by_hash(hash).await
        };
        match (found, known) {
            (Ok(Some(token)), _) => {
                self.note(Guarding::Tokens);
                self.remember(hash, &token);
                Ok(Caller::with(token, hash))
            }
            (Ok(None), _) => {
                self.tokens().remove(hash);
                Err(ApiError::Unauthenticated)
            }
            (Err(_), Some(token)) => Ok(Caller::with(token, hash)),
            (Err(error), None) => Err(error.into()),
        }
    }

    /// Whether requests need a token. Once they do, they do for good.
    async fn guarding(&self, store: &Store) -> Result<Guarding, ApiError> {
        let known = *self.guarding.lock().unwrap_or_else(PoisonError::into_inner);
        let count = match known {
            Some(Guarding::Tokens) => return Ok(Guarding::Tokens),
            Some(Guarding::LoopbackOpen) => soon(store.token_count()).await,
            None => store.token_count().await,
        };
        match (count, known) {
            (Ok(0), _) => Ok(self.note(Guarding::LoopbackOpen)),
            (Ok(_), _) => Ok(self.note(Guarding::Tokens)),
            // A token that was made since would not be known. Nothing can be changed meanwhile: that is audited first.
            (Err(_), Some(known)) => Ok(known),
            (Err(error), None) => Err(error.into()),
        }
    }

    fn note(&self, guarding: Guarding) -> Guarding {
        *self.guarding.lock().unwrap_or_else(PoisonError::into_inner) = Some(guarding);
        guarding
    }

    fn remember(&self, hash: &TokenHash, token: &Token) {
        let mut tokens = self.tokens();
        if tokens.len() >= REMEMBERED {
            tokens.pop_first();
        }
        tokens.insert(hash.clone(), token.clone());
    }

    fn tokens(&self) -> MutexGuard<'_, BTreeMap<TokenHash, Token>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the store no longer than a scrape can wait: what it told before will do.
async fn soon<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let answered = tokio::time::timeout(SOON, asked).await;
    answered.unwrap_or(Err(StoreError::Deadline { operation: "look a caller up" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_long_random_and_marked() {
        let (first, hash) = new_secret();
        assert!(first.starts_with("se_") && first.len() == 67);
        assert_eq!(hash, TokenHash::of(&first));
        assert_ne!(first, new_secret().0);
    }

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        let check = |host: &str, expected| assert_eq!(is_loopback_name(host), expected, "{host}");
        check("127.0.0.1:8080", true);
        check("127.0.0.1", true);
        check("[::1]:8080", true);
        check("localhost:8080", true);
        check("localhost.evil.example:8080", false);
        check("evil.example", false);
        check("10.0.0.1:8080", false);
    }

    #[test]
    fn another_site_may_look_but_not_act() {
        let check = |method: Method, site: Option<&'static str>, passes: bool| {
            let mut headers = HeaderMap::new();
            site.map(|site| headers.insert("sec-fetch-site", site.parse().unwrap()));
            assert_eq!(refuse_cross_site(&method, &headers).is_ok(), passes, "{method} {site:?}");
        };
        check(Method::POST, None, true);
        check(Method::POST, Some("same-origin"), true);
        check(Method::POST, Some("cross-site"), false);
        check(Method::POST, Some("same-site"), false);
        check(Method::GET, Some("cross-site"), true);
    }
}
