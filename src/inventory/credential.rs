//! Camera credentials: sealed on their way into the store, opened for the watchers, shown to nobody.
//!
//! A sealed credential is a key id byte, a 24-byte nonce and an XChaCha20-Poly1305 ciphertext. The name is bound in as
//! associated data, so a row that was copied under another name does not open. The key is a file of 32 bytes outside
//! the database; without it a copy of the database tells no password.

use crate::ingest::credential::Credential;
use crate::store::{Store, StoreError};
use chacha20poly1305::aead::{Aead, Generate, Key as CipherKey, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// Why credentials could not be sealed or opened. No variant holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// Credentials are stored and the key that seals them is not there.
    #[error(
        "the store holds {count} camera credentials and their key file {path} is missing; restore it from its backup, \
         or import every one of them again"
    )]
    KeyMissing {
        /// Where the key should be.
        path: PathBuf,
        /// How many credentials wait for it.
        count: usize,
    },
    /// The key file cannot be read or made.
    #[error("{operation} the key file {path}")]
    KeyFile {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The key file is not 32 bytes long.
    #[error("key file {path} holds {length} bytes; a key is 32 bytes")]
    KeyLength {
        /// The file.
        path: PathBuf,
        /// Its length.
        length: usize,
    },
    /// A credential was sealed with another key.
    #[error("credential `{name}` was sealed with key {sealed_with}, the key file holds key {key}")]
    OtherKey {
        /// Name of the credential.
        name: String,
        /// Id of the key that it was sealed with.
        sealed_with: u8,
        /// Id of the key in the file.
        key: u8,
    },
    /// A sealed credential was damaged or moved under another name.
    #[error("credential `{name}` does not open: it was damaged, or sealed under another name")]
    Damaged {
        /// Name of the credential.
        name: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where the key lies: `camera.key` in the credentials directory that systemd made, else the configured file.
pub fn key_file(configured: &Path, credentials_directory: Option<&str>) -> PathBuf {
    credentials_directory
        .map(|directory| Path::new(directory).join("camera.key"))
        .filter(|file| file.exists())
        .unwrap_or_else(|| configured.to_owned())
}

/// The key that seals credentials.
#[derive(Debug)]
pub(crate) struct Key {
    bytes: SecretBox<[u8; KEY_BYTES]>,
    id: u8,
}

impl Key {
    /// Reads the key file; `None` when there is none.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, CredentialError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => SecretBox::new(Box::new(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(CredentialError::KeyFile { operation: "read", path: path.to_owned(), source });
            }
        };
        let length = bytes.expose_secret().len();
        let key = <[u8; KEY_BYTES]>::try_from(bytes.expose_secret().as_slice())
            .map_err(|_other_length| CredentialError::KeyLength { path: path.to_owned(), length })?;
        Ok(Some(Self::new(key)))
    }

    /// Makes a new key and its file, readable by its owner only.
    pub(crate) fn create(path: &Path) -> Result<Self, CredentialError> {
        let failed = |source| CredentialError::KeyFile { operation: "make", path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let key = Self::generate();
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(failed)?;
        file.write_all(key.bytes.expose_secret()).and_then(|()| file.sync_all()).map_err(failed)?;
        Ok(key)
    }

    /// A key that is kept nowhere: for rehearsals.
    pub(crate) fn generate() -> Self {
        Self::new(CipherKey::<XChaCha20Poly1305>::generate().into())
    }

    fn new(bytes: [u8; KEY_BYTES]) -> Self {
        let id = Sha256::digest(bytes).first().copied().unwrap_or(0);
        Self { bytes: SecretBox::new(Box::new(bytes)), id }
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&(*self.bytes.expose_secret()).into())
    }

    /// Seals a credential under its name.
    pub(crate) fn seal(&self, credential: &Credential) -> Result<Vec<u8>, CredentialError> {
        let name = credential.name.as_str();
        let damaged = || CredentialError::Damaged { name: name.to_owned() };
        let length = u32::try_from(credential.username.len()).map_err(|_too_long| damaged())?;
        let mut plain = SecretBox::new(Box::new(length.to_be_bytes().to_vec()));
        secrecy::ExposeSecretMut::expose_secret_mut(&mut plain)
            .extend_from_slice(credential.username.as_bytes());
        secrecy::ExposeSecretMut::expose_secret_mut(&mut plain)
            .extend_from_slice(credential.password.expose_secret().as_bytes());
        let nonce = XNonce::generate();
        let payload = Payload { msg: plain.expose_secret(), aad: name.as_bytes() };
        let ciphertext = self.cipher().encrypt(&nonce, payload).map_err(|_opaque| damaged())?;
        let mut sealed = vec![self.id];
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        Ok(sealed)
    }

    /// Opens a credential that was sealed under `name`.
    pub(crate) fn open(&self, name: &str, sealed: &[u8]) -> Result<Credential, CredentialError> {
        let damaged = || CredentialError::Damaged { name: name.to_owned() };
        let (id, rest) = sealed.split_first().ok_or_else(damaged)?;
        if *id != self.id {
            return Err(CredentialError::OtherKey { name: name.to_owned(), sealed_with: *id, key: self.id });
        }
        let (nonce, ciphertext) = rest.split_at_checked(NONCE_BYTES).ok_or_else(damaged)?;
        let nonce = XNonce::try_from(nonce).map_err(|_other_length| damaged())?;
        let payload = Payload { msg: ciphertext, aad: name.as_bytes() };
        let plain = self.cipher().decrypt(&nonce, payload).map_err(|_opaque| damaged())?;
        let plain = SecretBox::new(Box::new(plain));
        split(name, plain.expose_secret()).ok_or_else(damaged)
    }
}

/// Takes a plain text apart: length of the user name, user name, password.
fn split(name: &str, plain: &[u8]) -> Option<Credential> {
    let (length, rest) = plain.split_first_chunk::<4>()?;
    let (username, password) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    Some(Credential {
        name: name.to_owned(),
        username: std::str::from_utf8(username).ok()?.to_owned(),
        password: SecretString::from(std::str::from_utf8(password).ok()?),
    })
}

/// What opening the stored credentials came to, by name.
#[derive(Debug, Default)]
pub struct Opened {
    /// Those that can be used.
    pub credentials: BTreeMap<String, Credential>,
    /// Why the others cannot.
    pub unusable: BTreeMap<String, CredentialError>,
}

/// Opens the stored credentials for the watchers.
#[derive(Debug)]
pub struct CredentialBook {
    key: Option<Key>,
    path: PathBuf,
}

impl CredentialBook {
    /// Takes the key at `path`. A missing key is an error only once there is something to open.
    pub fn open(path: &Path) -> Result<Self, CredentialError> {
        Ok(Self { key: Key::read(path)?, path: path.to_owned() })
    }

    /// Opens the stored credentials, each by itself: one that was damaged or sealed with another key is told and takes
    /// the others no more than its own points.
    pub async fn load(&self, store: &Store) -> Result<Opened, CredentialError> {
        let sealed = store.sealed_credentials().await?;
        let Some(key) = &self.key else {
            if sealed.is_empty() {
                return Ok(Opened::default());
            }
            return Err(CredentialError::KeyMissing { path: self.path.clone(), count: sealed.len() });
        };
        let mut opened = Opened::default();
        for (name, sealed) in sealed {
            match key.open(&name, &sealed) {
                Ok(credential) => opened.credentials.insert(name, credential).map_or((), drop),
                Err(error) => opened.unusable.insert(name, error).map_or((), drop),
            }
        }
        Ok(opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential() -> Credential {
        Credential {
            name: "village".to_owned(),
            username: "admin".to_owned(),
            password: SecretString::from("p@ss 密"),
        }
    }

    #[test]
    fn a_sealed_credential_opens_under_its_own_name_only() {
        let key = Key::generate();
        let sealed = key.seal(&credential()).unwrap();
        assert!(key.open("village", &sealed).unwrap() == credential());
        assert!(matches!(key.open("other", &sealed), Err(CredentialError::Damaged { .. })));
        assert_ne!(key.seal(&credential()).unwrap(), sealed, "a nonce is never used twice");
    }

    #[test]
    fn damage_and_another_key_are_told_apart() {
        let key = Key::new([1; KEY_BYTES]);
        let sealed = key.seal(&credential()).unwrap();
        assert!(matches!(
            Key::new([2; KEY_BYTES]).open("village", &sealed),
            Err(CredentialError::OtherKey { .. })
        ));
        for cut in 1..sealed.len() {
            assert!(
                matches!(key.open("village", &sealed[..cut]), Err(CredentialError::Damaged { .. })),
                "{cut}"
            );
        }
        let mut flipped = sealed;
        *flipped.last_mut().unwrap() ^= 1;
        assert!(matches!(key.open("village", &flipped), Err(CredentialError::Damaged { .. })));
    }

    #[test]
    fn a_key_file_is_made_once_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/camera.key");
        assert!(Key::read(&path).unwrap().is_none());
        let made = Key::create(&path).unwrap();
        let read = Key::read(&path).unwrap().unwrap();
        assert_eq!(made.bytes.expose_secret(), read.bytes.expose_secret());
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        assert!(Key::create(&path).is_err(), "an existing key is never written over");
        std::fs::write(&path, [0; 31]).unwrap();
        assert!(matches!(Key::read(&path), Err(CredentialError::KeyLength { length: 31, .. })));
    }

    #[test]
    fn nothing_prints_a_secret() {
        let key = Key::new([7; KEY_BYTES]);
        let printed = format!("{key:?} {:?}", credential());
        assert!(!printed.contains("p@ss") && !printed.contains("7, 7"), "{printed}");
    }

    #[tokio::test]
    async fn an_empty_store_needs_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("camera.key");
        let store = Store::open("sqlite::memory:").await.unwrap();
        store.migrate().await.unwrap();
        let opened = CredentialBook::open(&path).unwrap().load(&store).await.unwrap();
        assert!(opened.credentials.is_empty() && opened.unusable.is_empty());
    }
}
