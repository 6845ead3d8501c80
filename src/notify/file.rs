//! Files for a one-way relay (单向光闸): what a webhook would be sent, one signed file each.
//!
//! A file is complete once its name ends in `.json`. What lies there is bounded: nobody would notice a relay that stopped
//! by a disk that it fills.

use crate::clock::Clock;
use crate::config::channel::FileSettings;
use crate::domain::message::{Message, digest};
use crate::notify::secret::Secrets;
use crate::notify::sign::Signed;
use crate::notify::{ChannelError, SendError, body};
use secrecy::SecretString;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Nobody reads more of a digest.
const DIGEST_BYTES: usize = 16 * 1024;
/// What a small file takes of a disk.
const BLOCK_BYTES: u64 = 4_096;

#[derive(Debug)]
pub(super) struct FileDrop {
    folder: PathBuf,
    secret: SecretString,
    limit_bytes: u64,
    clock: Clock,
}

/// The content of a file; `signature` is over `timestamp`, `.` and `body`, as in the headers of a webhook.
#[derive(Serialize)]
struct Envelope<'a> {
    id: &'a str,
    timestamp: String,
    signature: String,
    body: String,
}

impl FileDrop {
    pub(super) fn new(
        settings: &FileSettings,
        secrets: Secrets<'_>,
        clock: &Clock,
    ) -> Result<Self, ChannelError> {
        Ok(Self {
            folder: settings.folder.clone(),
            secret: secrets.read(&settings.secret_file)?,
            limit_bytes: settings.limit_bytes,
            clock: clock.clone(),
        })
    }

    /// A message that is sent again replaces its file.
    pub(super) async fn send(&self, messages: &[Message]) -> Result<(), SendError> {
        let Some(message) = digest(messages, DIGEST_BYTES) else { return Ok(()) };
        let (name, content) = (file_name(&message), self.content(&message));
        let (folder, limit) = (self.folder.clone(), self.limit_bytes);
        let written = tokio::task::spawn_blocking(move || write(&folder, limit, &name, &content)).await;
        let written = written.unwrap_or_else(|panicked| Err(io::Error::other(panicked)));
        written.map_err(|error| SendError::again(format!("{}: {error}", self.folder.display())))
    }

    fn content(&self, message: &Message) -> String {
        let body = body::json(message);
        let signed = Signed::new(&self.secret, &body, self.clock.now());
        let envelope =
            Envelope { id: &message.id, timestamp: signed.timestamp, signature: signed.signature, body };
        // Texts always have a JSON form.
        serde_json::to_string(&envelope).unwrap_or_default()
    }
}

/// Sorts by the time at which messages were queued; the id is no path.
fn file_name(message: &Message) -> String {
    let keeps = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let id: String = message.id.chars().map(|c| if keeps(c) { c } else { '_' }).collect();
    format!("{:013}-{id}.json", message.at.as_millis())
}

fn write(folder: &Path, limit: u64, name: &str, content: &str) -> io::Result<()> {
    let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
    let lying = lying_bytes(folder)?;
    if lying.saturating_add(on_disk(length)) > limit {
        let told =
            format!("{lying} of {limit} bytes lie there already; whatever takes the files away has stopped");
        return Err(io::Error::other(told));
    }
    let unfinished = folder.join(format!(".{name}.part"));
    let mut file = File::create(&unfinished)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, folder.join(name))?;
    File::open(folder)?.sync_all()
}

fn lying_bytes(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0_u64;
    for entry in fs::read_dir(folder)? {
        // One that is taken away meanwhile does not lie there.
        let length = entry?.metadata().map_or(0, |metadata| on_disk(metadata.len()));
        bytes = bytes.saturating_add(length);
    }
    Ok(bytes)
}

const fn on_disk(length: u64) -> u64 {
    length.div_ceil(BLOCK_BYTES).saturating_mul(BLOCK_BYTES)
}
