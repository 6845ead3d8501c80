//! Secrets out of files.

use crate::notify::ChannelError;
use secrecy::SecretString;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Finds and reads the files of secrets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Secrets<'a> {
    credentials_directory: Option<&'a str>,
}

impl<'a> Secrets<'a> {
    pub(super) const fn new(credentials_directory: Option<&'a str>) -> Self {
        Self { credentials_directory }
    }

    /// Reads the secret that `configured` names, without white space around it.
    pub(super) fn read(self, configured: &Path) -> Result<SecretString, ChannelError> {
        let path = self.find(configured);
        let failed = |source| ChannelError::Read { path: path.clone(), source };
        if std::fs::metadata(&path).map_err(failed)?.mode() & 0o007 != 0 {
            return Err(ChannelError::OpenToOthers { path });
        }
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => SecretString::from(text.trim()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(ChannelError::NoSecret { path });
            }
            Err(source) => return Err(failed(source)),
        };
        let length = secrecy::ExposeSecret::expose_secret(&text).lines().count();
        if length == 1 { Ok(text) } else { Err(ChannelError::NoSecret { path }) }
    }

    fn find(self, configured: &Path) -> PathBuf {
        let given = self.credentials_directory.zip(configured.file_name());
        given
            .map(|(directory, name)| Path::new(directory).join(name))
            .filter(|file| file.exists())
            .unwrap_or_else(|| configured.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;

    fn file(folder: &Path, bytes: &[u8], mode: u32) -> PathBuf {
        let path = folder.join("channel.key");
        write(&path, bytes).unwrap();
        set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_secret_is_one_line_that_others_may_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let read = |bytes: &[u8], mode| {
            let read = Secrets::new(None).read(&file(folder.path(), bytes, mode));
            read.map(|secret| secret.expose_secret().to_owned()).map_err(|error| error.to_string())
        };
        assert_eq!(read(b" hidden \n", 0o640).as_deref(), Ok("hidden"));
        for (bytes, mode, expected) in [
            (&b"hidden"[..], 0o644, "others may read it"),
            (b"", 0o600, "must hold one secret"),
            (b"hidden\nhidden", 0o600, "must hold one secret"),
            (b"hidden\xff", 0o600, "must hold one secret"),
        ] {
            let error = read(bytes, mode).unwrap_err();
            assert!(error.contains(expected) && !error.contains("hidden"), "{error}");
        }
    }

    #[test]
    fn what_systemd_gives_comes_first() {
        let (folder, given) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let configured = file(folder.path(), b"configured", 0o600);
        let secrets = Secrets::new(given.path().to_str());
        assert_eq!(secrets.read(&configured).unwrap().expose_secret(), "configured");
        file(given.path(), b"given", 0o400);
        assert_eq!(secrets.read(&configured).unwrap().expose_secret(), "given");
    }
}
