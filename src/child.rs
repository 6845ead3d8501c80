//! Floor 1: what the child processes of this program have in common.
//!
//! C code that reads what strangers sent runs in a process of its own: what happens to it there happens to it alone. The
//! process is this same program, started with an empty environment; it gives up every privilege and loads the parts of
//! GStreamer that it needs by name. The registry is left out: without a cache of its own each child would look through
//! every plugin of the system, in a process of its own, for seconds. And what is not loaded cannot be attacked.

use gstreamer as gst;
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{CapabilitySet, CapabilitySets, clear_ambient_capability_set, set_capabilities};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

/// Environment of a child: no registry, no code made at run time, one pool of memory. Nothing else is handed down.
const ENVIRONMENT: [(&str, &str); 3] =
    [("GST_REGISTRY_DISABLE", "yes"), ("ORC_CODE", "backup"), ("MALLOC_ARENA_MAX", "1")];

/// The command that starts `program` as the child `word`: it talks through its pipes, inherits nothing, and stands nowhere.
pub fn command(program: &Path, word: &str) -> Command {
    let mut command = Command::new(program);
    command
        .arg0("sharpeyes")
        .arg(word)
        .env_clear()
        .envs(ENVIRONMENT)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // A child that was taken over shall not write into our log.
        .stderr(Stdio::null())
        // Ctrl-C at a terminal goes to the whole group: we end our children ourselves.
        .process_group(0);
    command
}

/// Why GStreamer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// The library does not start.
    #[error("start GStreamer")]
    Start(#[source] gst::glib::Error),
    /// A plugin is not installed.
    #[error(
        "{0} is in none of GStreamer's folders; install gstreamer1.0-libav and gstreamer1.0-plugins-base, -good, -bad"
    )]
    Missing(&'static str),
    /// A plugin cannot be loaded.
    #[error("load {}", .0.display())]
    Load(PathBuf, #[source] gst::glib::Error),
}

/// Starts GStreamer and loads plugins by the names of their files.
pub fn load_plugins(files: &[&'static str]) -> Result<(), PluginError> {
    gst::init().map_err(PluginError::Start)?;
    for name in files {
        let file = find(name).ok_or(PluginError::Missing(name))?;
        gst::Plugin::load_file(&file).map_err(|error| PluginError::Load(file, error))?;
    }
    Ok(())
}

/// Where distributions put them: Debian, Fedora, others.
fn find(plugin: &str) -> Option<PathBuf> {
    let debian = format!("/usr/lib/{}-linux-gnu/gstreamer-1.0", std::env::consts::ARCH);
    [debian.as_str(), "/usr/lib64/gstreamer-1.0", "/usr/lib/gstreamer-1.0"]
        .into_iter()
        .map(|folder| Path::new(folder).join(plugin))
        .find(|file| file.exists())
}

/// Gives up every privilege; before anything else, so that threads of libraries never have any.
pub fn drop_privileges() -> Result<(), Errno> {
    let none = CapabilitySet::empty();
    clear_ambient_capability_set()?;
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    // Memory that holds pictures or a password is neither dumped nor read by another process of the same user.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

/// An error with all its sources, in one line.
pub fn chain(error: &dyn Error) -> String {
    let sources = std::iter::successors(error.source(), |error| Error::source(*error));
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}
