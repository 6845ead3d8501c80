//! `sharpeyes token`: makes API tokens, lists them without their secrets, makes them useless.

use crate::api::guard::new_secret;
use crate::app::audit::{enter, is_taken};
use crate::app::cli::{ConfigArg, TokenArgs, TokenCommand};
use crate::app::{FOUND_FAULTS, say, say_error};
use crate::clock::Clock;
use crate::config;
use crate::domain::access::{Role, Scope};
use crate::domain::{DivisionCode, RecordKind};
use crate::store::Store;
use crate::store::token::Token;
use anyhow::Context;
use std::process::ExitCode;

pub(super) fn run(args: &TokenArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    runtime.block_on(async {
        match &args.command {
            TokenCommand::Add { config, name, role, division } => {
                let role: Role = role.parse()?;
                let division = division.as_deref().map(str::parse::<DivisionCode>).transpose()?;
                add(&open(config).await?, name, role, Scope::new(division)).await
            }
            TokenCommand::List(config) => list(&open_existing(config).await?).await,
            TokenCommand::Revoke { config, name } => revoke(&open_existing(config).await?, name).await,
        }
    })
}

/// The first token may be made before anything else: then the database is made, too.
async fn open(config: &ConfigArg) -> anyhow::Result<Store> {
    let settings = config::load(&config.config)?;
    let store = Store::open(settings.store.url.expose()).await?;
    store.migrate().await?;
    Ok(store)
}

async fn open_existing(config: &ConfigArg) -> anyhow::Result<Store> {
    let settings = config::load(&config.config)?;
    let store = Store::open_existing(settings.store.url.expose()).await?;
    store.migrate().await?;
    Ok(store)
}

async fn add(store: &Store, name: &str, role: Role, scope: Scope) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        is_good_name(name),
        "a name has 1 to 100 characters, is neither `local` nor `cli` and does not begin with `cli:`"
    );
    warn_of_unknown(store, scope).await?;
    let (secret, hash) = new_secret();
    let created = Clock::system().now();
    let body = serde_json::json!({ "role": role.as_str(), "division": scope.division().map(|code| code.to_string()) });
    let token = Token { name: name.to_owned(), role, scope, created, revoked: None };
    enter(store, "token.add", name, &body.to_string()).await?;
    if !store.add_token(&token, &hash).await? {
        say_error(&format!(
            "a token with the name `{name}` exists already, valid or revoked; take another name"
        ));
        return Ok(ExitCode::from(FOUND_FAULTS));
    }
    say_error("This is the only time that the secret is shown:");
    say(&secret);
    Ok(ExitCode::SUCCESS)
}

/// A division may be imported after the token is made, and may be a slip.
async fn warn_of_unknown(store: &Store, scope: Scope) -> anyhow::Result<()> {
    let Some(division) = scope.division() else { return Ok(()) };
    if store.record_bodies(RecordKind::Division, &[division.as_str()]).await?.is_empty() {
        say_error(&format!("no division has the code {division} yet; until one has, the token sees nothing"));
    }
    Ok(())
}

/// Names that the audit uses for callers without a token are taken.
fn is_good_name(name: &str) -> bool {
    let is_short = (1..=100).contains(&name.trim().chars().count()) && !name.chars().any(char::is_control);
    is_short && name == name.trim() && !is_taken(name)
}

async fn list(store: &Store) -> anyhow::Result<ExitCode> {
    for token in store.tokens().await? {
        let division = token.scope.division().map_or("everything".to_owned(), |code| code.to_string());
        let state = token.revoked.map_or("valid".to_owned(), |at| format!("revoked {at}"));
        say(&format!("{}\t{}\t{division}\tcreated {}\t{state}", token.name, token.role, token.created));
    }
    Ok(ExitCode::SUCCESS)
}

async fn revoke(store: &Store, name: &str) -> anyhow::Result<ExitCode> {
    enter(store, "token.revoke", name, "{}").await?;
    if store.revoke_token(name, Clock::system().now()).await? {
        say(&format!("token `{name}` is useless from now on"));
        Ok(ExitCode::SUCCESS)
    } else {
        say_error(&format!("no valid token has the name `{name}`"));
        Ok(ExitCode::from(FOUND_FAULTS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_cannot_be_named_as_the_audit_names_others() {
        let check = |name: &str, expected| assert_eq!(is_good_name(name), expected, "{name}");
        check("duty room", true);
        check("值班室", true);
        check("local", false);
        check("cli", false);
        check("cli:root", false);
        check(" padded", false);
        check("", false);
        check("two\nlines", false);
    }
}
