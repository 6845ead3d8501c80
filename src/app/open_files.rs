//! The limit of open files of this process: a look at a camera, a request and a database connection take one each.

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit as far as the system lets this process, and gives it; `None` when there is none. Debian's soft
/// limit is 1024, made for programs that call `select`; the hard one is usually far above.
pub(super) fn raise() -> anyhow::Result<Option<u64>> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
            .context("raise the limit of open files")?;
    }
    Ok(limit.maximum)
}
