//! Credentials on their way in: compared with what is kept, sealed, and never told apart in a message.

use super::{ImportError, ImportRequest, Importer, Mode};
use crate::ingest::credential::Credential;
use crate::inventory::TableKind;
use crate::inventory::credential::{CredentialError, Key};
use crate::inventory::fault::{Fault, Wrong};
use crate::inventory::merge::Edit;
use crate::inventory::report::{Change, Difference, FieldChange};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a difference shows instead of a secret.
const HIDDEN: &str = "***";

impl Importer {
    /// Seals the credentials of a batch that are new or changed.
    pub(super) fn take_secrets(
        &mut self,
        request: &ImportRequest,
        label: &str,
        batch: Vec<Edit>,
    ) -> Result<(), ImportError> {
        if batch.is_empty() {
            return Ok(());
        }
        let (key, kept) = self.key(request, &batch)?;
        for edit in batch {
            let before = kept.get(&edit.code);
            let Some(credential) = self.credential(label, edit, before) else { continue };
            self.compare_secret(before, &credential);
            if before != Some(&credential) && !self.report.is_refused() {
                self.credentials.push((credential.name.clone(), key.seal(&credential)?));
            }
        }
        Ok(())
    }

    /// The key and what it opens. A missing key is made, unless the store holds credentials that would be lost.
    fn key(
        &self,
        request: &ImportRequest,
        batch: &[Edit],
    ) -> Result<(Key, BTreeMap<String, Credential>), ImportError> {
        let sealed = self.handle.block_on(self.store.sealed_credentials())?;
        if let Some(key) = Key::read(&request.key_file)? {
            // One that does not open is as good as none: the remedy is to import it again.
            let open = |(name, sealed): (String, Vec<u8>)| {
                let opened = key.open(&name, &sealed).ok()?;
                Some((name, opened))
            };
            let kept = sealed.into_iter().filter_map(open).collect();
            return Ok((key, kept));
        }
        let lost = sealed.iter().filter(|(name, _)| !batch.iter().any(|edit| edit.code == *name)).count();
        if lost > 0 {
            let path = request.key_file.clone();
            return Err(CredentialError::KeyMissing { path, count: sealed.len() }.into());
        }
        let key = match request.mode {
            Mode::Apply => Key::create(&request.key_file)?,
            Mode::DryRun => Key::generate(),
        };
        Ok((key, BTreeMap::new()))
    }

    /// Joins a row with what is kept; an empty cell is a fault, because a credential without a half is none.
    fn credential(&mut self, label: &str, edit: Edit, before: Option<&Credential>) -> Option<Credential> {
        let (name, row) = (edit.code, edit.row);
        let mut halves: BTreeMap<&str, Option<SecretString>> = BTreeMap::new();
        for (column, value) in edit.given {
            let half = value.as_ref().and_then(Value::as_str).map(SecretString::from);
            halves.insert(column.name, half);
        }
        let kept = |column: &str| match column {
            "username" => before.map(|kept| SecretString::from(kept.username.as_str())),
            _ => before.map(|kept| kept.password.clone()),
        };
        let mut take = |column: &'static str| {
            let half = halves.remove(column).unwrap_or_else(|| kept(column));
            if half.is_none() {
                let wrong = Wrong::new("is missing", "write both username and password");
                self.report.blame(Fault::of_source(label, wrong).in_row(row).in_column(column));
            }
            half
        };
        let (username, password) = (take("username"), take("password"));
        Some(Credential { name, username: username?.expose_secret().to_owned(), password: password? })
    }

    fn compare_secret(&mut self, before: Option<&Credential>, credential: &Credential) {
        let hidden = |field| FieldChange { field, from: HIDDEN.to_owned(), to: HIDDEN.to_owned() };
        let change = match before {
            Some(before) if before == credential => {
                self.count(TableKind::Credentials).unchanged += 1;
                return;
            }
            Some(before) => {
                self.count(TableKind::Credentials).changed += 1;
                let same_user = before.username == credential.username;
                let same_password = before.password.expose_secret() == credential.password.expose_secret();
                let fields = [("username", same_user), ("password", same_password)];
                Change::Changed(
                    fields.into_iter().filter(|(_, same)| !same).map(|(field, _)| hidden(field)).collect(),
                )
            }
            None => {
                self.count(TableKind::Credentials).new += 1;
                Change::New
            }
        };
        let kind = TableKind::Credentials.as_str();
        self.report.differ(Difference { kind, code: credential.name.clone(), change });
    }
}
