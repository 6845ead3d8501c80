//! Who vouches for the certificates of devices.
//!
//! GLib takes anchors from files only, and asks us about a certificate only when no anchor vouches for it. Where one
//! certificate is expected, whoever made it, the anchor is therefore somebody who vouches for nobody.

use crate::ingest::pull::protocol::TrustWords;
use gio::prelude::*;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// A certificate whose key was thrown away.
const NOBODY: &[u8] = include_bytes!("nobody.pem");

/// Why nobody can be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnchorError {
    #[error("no TLS is installed; install glib-networking")]
    NoTls,
    #[error("read the authorities in {}", .0.display())]
    File(PathBuf, #[source] gio::glib::Error),
    #[error("make an authority that vouches for nobody")]
    Nobody(#[source] io::Error),
}

/// The anchors to hold certificates against; those of the system when there are none. To be called while the process may
/// still open files.
pub(super) fn anchors(trust: &TrustWords) -> Result<Option<gio::TlsFileDatabase>, AnchorError> {
    if !gio::TlsBackend::default().supports_tls() {
        return Err(AnchorError::NoTls);
    }
    match trust {
        TrustWords::Authority(Some(file)) => read(file).map(Some),
        TrustWords::Pinned(_) => nobody().map(Some),
        TrustWords::Authority(None) | TrustWords::Anybody => Ok(None),
    }
}

fn read(file: &Path) -> Result<gio::TlsFileDatabase, AnchorError> {
    gio::TlsFileDatabase::new(file).map_err(|error| AnchorError::File(file.to_owned(), error))
}

/// Read through a pipe, which holds that much without a reader.
fn nobody() -> Result<gio::TlsFileDatabase, AnchorError> {
    let (reader, mut writer) = io::pipe().map_err(AnchorError::Nobody)?;
    writer.write_all(NOBODY).map_err(AnchorError::Nobody)?;
    drop(writer);
    read(Path::new(&format!("/proc/self/fd/{}", reader.as_raw_fd())))
}
