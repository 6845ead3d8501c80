//! The puller process: `sharpeyes pull`, hidden from people.
//!
//! Pulls one stream with GStreamer's `rtspsrc` and hands its packets to the service. It reads what it is asked to do from
//! standard input, writes frames to standard output and ends the session, with its TEARDOWN, when standard input closes:
//! however the service ends, no session is left behind. It has no log; what goes wrong is a word.

use crate::child::{self, PluginError};
use crate::ingest::pull::anchor::{self, AnchorError};
use crate::ingest::pull::protocol::{self, Request, Word};
use crate::ingest::pull::source::{Source, SourceError};
use bytes::BytesMut;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

/// Plugin files: appsink; queues and funnels; rtspsrc; the storage and the rest of rtpbin; udpsrc and udpsink.
const PLUGINS: [&str; 6] = [
    "libgstapp.so",
    "libgstcoreelements.so",
    "libgstrtsp.so",
    "libgstrtp.so",
    "libgstrtpmanager.so",
    "libgstudp.so",
];

/// No proxies, no desktop settings: GLib would look for modules and load what it finds. Beside what every child is given.
pub(super) const ENVIRONMENT: [(&str, &str); 3] =
    [("GIO_USE_PROXY_RESOLVER", "dummy"), ("GIO_USE_VFS", "local"), ("GSETTINGS_BACKEND", "memory")];

/// Memory of the process that is its own: some 100 MB are stacks of threads and the libraries' own. Packets that the service does not fetch
/// pile up to here, then the process fails.
const MEMORY_BYTES: u64 = 384 * 1024 * 1024;

/// The longest time from the end of standard input to the end of the process: a TEARDOWN, or a library that hangs.
pub(super) const LEAVE_DEADLINE: Duration = Duration::from_millis(2_500);

/// Writes frames, from whichever thread has something to say.
#[derive(Debug)]
pub(super) struct Speaker(Mutex<io::Stdout>);

impl Speaker {
    /// Says a word. A service that is gone hears nothing, and the end of standard input tells us so.
    pub(super) fn say(&self, word: &Word) {
        let _gone = self.write(protocol::words(word));
    }

    /// Hands on a packet; whether there is anybody to take it.
    pub(super) fn packet(&self, packet: &[u8]) -> bool {
        self.write(protocol::packet(packet)).is_ok()
    }

    /// Hands on the time of a sender report.
    pub(super) fn report(&self, ntp: u64) {
        let _gone = self.write(protocol::report(ntp));
    }

    fn write(&self, frame: Option<Vec<u8>>) -> io::Result<()> {
        let frame = frame.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        let mut output = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        output.write_all(&frame)?;
        output.flush()
    }
}

/// Why a puller cannot begin.
#[derive(Debug, thiserror::Error)]
enum PrepareError {
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    #[error("give up every privilege and limit the rest")]
    Confine(#[from] rustix::io::Errno),
    #[error("load the puller")]
    Load(#[from] PluginError),
    #[error("build the puller")]
    Build(#[from] SourceError),
}

/// Runs the puller process until its standard input closes or the session ends.
pub fn run() -> ExitCode {
    let speaker = Arc::new(Speaker(Mutex::new(io::stdout())));
    let Some(request) = read_request() else { return ExitCode::FAILURE };
    match prepare(&request, &speaker) {
        Ok(source) => {
            speaker.say(&Word::Ready);
            watch_input(&source);
            source.run();
            ExitCode::SUCCESS
        }
        Err(error) => {
            speaker.say(&Word::Unavailable(child::chain(&error)));
            ExitCode::FAILURE
        }
    }
}

fn prepare(request: &Request, speaker: &Arc<Speaker>) -> Result<Source, PrepareError> {
    let anchors = if request.is_encrypted() { anchor::anchors(&request.trust)? } else { None };
    child::drop_privileges()?;
    rustix::thread::set_no_new_privs(true)?;
    for (resource, limit) in [(Resource::Data, MEMORY_BYTES), (Resource::Core, 0), (Resource::Fsize, 0)] {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    child::load_plugins(&PLUGINS)?;
    Ok(Source::new(request, anchors.as_ref(), speaker)?)
}

fn read_request() -> Option<Request> {
    let (mut received, mut piece) = (BytesMut::new(), [0; 4_096]);
    loop {
        if let Some(request) = protocol::take_request(&mut received).ok()? {
            return Some(request);
        }
        let length = io::stdin().read(&mut piece).ok().filter(|length| *length > 0)?;
        received.extend_from_slice(piece.get(..length)?);
    }
}

/// Waits in a thread for the end of standard input, then has the session ended, and the process when that hangs.
fn watch_input(source: &Source) {
    let leave = source.leave();
    thread::spawn(move || {
        let _ended = io::copy(&mut io::stdin(), &mut io::sink());
        leave();
        // Nobody ever sends: the process is over before, or this is the end of it.
        let (_hold, never) = mpsc::channel::<()>();
        let _late = never.recv_timeout(LEAVE_DEADLINE);
        std::process::exit(1);
    });
}
