//! Why a channel cannot be opened, and why a message was not delivered. Neither holds a secret.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a channel could not be made from its settings.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// A file of the settings cannot be read.
    #[error("read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others may read a secret.
    #[error("{path} holds a secret and others may read it; run: chmod 600 {path}")]
    OpenToOthers {
        /// The file.
        path: PathBuf,
    },
    /// A file of a secret holds none.
    #[error("{path} must hold one secret on one line, as UTF-8")]
    NoSecret {
        /// The file.
        path: PathBuf,
    },
    /// A file of authorities holds none that can be used.
    #[error("{path} holds no certificate in PEM that can be used: {why}")]
    NoAuthorities {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The system vouches for nobody.
    #[error(
        "the system has no certificates of those who vouch for others; install ca-certificates or name an authorities_file"
    )]
    NoSystemAuthorities,
    /// TLS cannot be set up.
    #[error("set up TLS: {0}")]
    Tls(String),
}

/// Whether a message that was not delivered may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The receiver or the way to it is at fault, or the settings are.
    Again {
        /// Not before this time has passed, when the receiver says so.
        after: Option<Duration>,
    },
    /// The receiver refuses this message for good.
    Never,
}

/// Why a message was not delivered: where it was sent to, what came of it and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct SendError {
    /// Whether it may be sent again.
    pub retry: Retry,
    /// Whether the receiver may have taken it all the same.
    pub perhaps: bool,
    /// In one sentence.
    pub why: String,
}

impl SendError {
    pub(super) const fn again(why: String) -> Self {
        Self { retry: Retry::Again { after: None }, perhaps: false, why }
    }

    /// It left, and what became of it is not known.
    pub(super) const fn unclear(why: String) -> Self {
        Self { retry: Retry::Again { after: None }, perhaps: true, why }
    }

    pub(super) const fn never(why: String) -> Self {
        Self { retry: Retry::Never, perhaps: false, why }
    }

    /// Whether it must not be sent again.
    pub const fn is_final(&self) -> bool {
        matches!(self.retry, Retry::Never)
    }
}
