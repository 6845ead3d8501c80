//! What the command line changes is entered in the audit first; what cannot be entered is not done.

use crate::clock::Clock;
use crate::config::environment;
use crate::store::audit::AuditNote;
use crate::store::{Store, StoreError};

/// Begins the name of everyone at the command line in the audit.
const COMMAND_LINE: &str = "cli";

/// Who calls the command: `cli:` and the user, by number where the environment gives no name.
pub(super) fn actor() -> String {
    let user = environment("USER").unwrap_or_else(|| rustix::process::getuid().as_raw().to_string());
    format!("{COMMAND_LINE}:{user}")
}

/// Whether the audit uses a name for callers without a token, so that no token may have it.
pub(super) fn is_taken(name: &str) -> bool {
    matches!(name, "local" | COMMAND_LINE) || name.starts_with("cli:")
}

/// Enters what is about to be done.
pub(super) async fn enter(store: &Store, action: &str, subject: &str, body: &str) -> Result<(), StoreError> {
    let note = AuditNote {
        at: Clock::system().now(),
        actor: actor(),
        action: action.to_owned(),
        subject: subject.to_owned(),
        body: body.to_owned(),
    };
    store.append_audit(&note).await?;
    Ok(())
}
