//! The decoder process: `sharpeyes decode`, hidden from people.
//!
//! Loads what it needs, confines itself, says so on standard output and then answers one request after the other from
//! standard input until that closes. It has one thread of its own, no runtime and no log: what goes wrong before it is
//! confined is its first and last word, what goes wrong later is an answer or its death.

use crate::child::{self, PluginError};
use crate::picture::confine::{self, ConfineError, RETIREMENT};
use crate::picture::decoder::{BuildError, Decoders, cpu_time};
use crate::picture::protocol::{Hello, LARGEST_REQUEST, Reply, Request, read_frame, write_frame};
use std::io::{self, Read, Write};
use std::process::ExitCode;

/// Plugin files: appsink; h264parse and h265parse; avdec_h264 and avdec_h265; jpegdec and jpegenc; videoconvert.
const PLUGINS: [&str; 5] = [
    "libgstapp.so",
    "libgstvideoparsersbad.so",
    "libgstlibav.so",
    "libgstjpeg.so",
    "libgstvideoconvertscale.so",
];

/// Why a child cannot serve.
#[derive(Debug, thiserror::Error)]
enum PrepareError {
    #[error("give up every privilege")]
    Privileges(#[source] rustix::io::Errno),
    #[error("load the decoders")]
    Load(#[from] PluginError),
    #[error("build the decoders")]
    Build(#[from] BuildError),
    #[error("confine the decoders")]
    Confine(#[from] ConfineError),
}

/// Runs the decoder process until its standard input closes.
pub fn run() -> ExitCode {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let served = match prepare() {
        Ok(mut decoders) => write_frame(&mut output, &Hello::Ready.body())
            .and_then(|()| serve(&mut decoders, &mut input, &mut output)),
        Err(error) => write_frame(&mut output, &Hello::Failed(child::chain(&error)).body())
            .and(Err(io::ErrorKind::Other.into())),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        // The parent sees the end of the pipe; there is nobody else to tell.
        Err(_) => ExitCode::FAILURE,
    }
}

fn prepare() -> Result<Decoders, PrepareError> {
    child::drop_privileges().map_err(PrepareError::Privileges)?;
    child::load_plugins(&PLUGINS)?;
    let decoders = Decoders::new()?;
    confine::confine()?;
    Ok(decoders)
}

fn serve(decoders: &mut Decoders, input: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
    while let Some(body) = read_frame(input, LARGEST_REQUEST)? {
        let request = Request::read(&body).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        let outcome = decoders.decode(&request);
        let is_last = cpu_time() >= RETIREMENT;
        write_frame(output, &Reply { sequence: request.sequence, is_last, outcome }.body())?;
        if is_last {
            break;
        }
    }
    Ok(())
}
