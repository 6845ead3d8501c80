//! Starts RTSP servers that nobody here wrote, and asks ffprobe, the independent client.

use crate::support::postgres::is_root;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server process on its own port; killed when dropped.
pub(super) struct Server {
    child: Child,
    helper: Option<Child>,
    pub(super) port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        for child in [Some(&mut self.child), self.helper.as_mut()].into_iter().flatten() {
            let _already_gone = child.kill();
            child.wait().unwrap();
        }
    }
}

impl Server {
    /// gst-rtsp-server in mode `open`, `udp`, `basic` or `digest`.
    pub(super) fn gst(mode: &str) -> Self {
        Self::gst_at(free_port(), mode)
    }

    pub(super) fn gst_at(port: u16, mode: &str) -> Self {
        Self::gst_with(port, mode, None)
    }

    /// gst-rtsp-server with digest logins over TLS, with the certificate and key in a file.
    pub(super) fn gst_tls(identity: &Path) -> Self {
        Self::gst_with(free_port(), "tls", Some(identity))
    }

    fn gst_with(port: u16, mode: &str, identity: Option<&Path>) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/rtsp/gst_server.py");
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).arg(port.to_string()).arg(mode).args(identity);
        let child = command.stdout(Stdio::piped()).spawn();
        let mut server = Self { child: child.unwrap(), helper: None, port };
        let mut line = String::new();
        BufReader::new(server.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready");
        server
    }

    /// VLC: serves UDP only. It refuses to run as root; then it runs as nobody.
    pub(super) fn vlc(clip: &Path, home: &Path) -> Self {
        let port = free_port();
        let chain = format!("#rtp{{sdp=rtsp://127.0.0.1:{port}/cam}}");
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "cvlc"]);
            command
        } else {
            Command::new("cvlc")
        };
        command
            .args(["-I", "dummy", "--no-audio", "--loop"])
            .arg(clip)
            .args(["--sout", &chain, "--sout-keep"])
            .env("HOME", home);
        Self::spawned(command, port)
    }

    /// rtsp-server-perl: a strict relay that serves UDP only; ffmpeg feeds it.
    pub(super) fn perl(clip: &Path) -> Self {
        let (port, source_port) = (free_port(), free_port());
        let mut command = Command::new("rtsp-server-perl");
        command
            .args(["-c", &port.to_string(), "-s", &source_port.to_string()])
            .args(["--client_listen_address", "127.0.0.1", "--source_listen_address", "127.0.0.1"])
            .args(["--rtp_start_port", &(free_port() & !1).to_string()]);
        let mut server = Self::spawned(command, port);
        wait_for_port(source_port);
        let mut feed = Command::new("ffmpeg");
        feed.args(["-v", "quiet", "-re", "-stream_loop", "-1", "-i"])
            .arg(clip)
            .args(["-c", "copy", "-f", "rtsp", "-rtsp_transport", "udp"])
            .arg(format!("rtsp://127.0.0.1:{source_port}/cam"));
        server.helper = Some(feed.stdin(Stdio::null()).spawn().unwrap());
        server
    }

    fn spawned(mut command: Command, port: u16) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Self { child: command.spawn().unwrap(), helper: None, port };
        wait_for_port(port);
        server
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("rtsp://127.0.0.1:{}{path}", self.port)
    }

    /// Sends a signal: `STOP`, `CONT`, `KILL`.
    pub(super) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.unwrap().success());
    }
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn wait_for_port(port: u16) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), Duration::from_millis(200)).is_err() {
        assert!(Instant::now() < deadline, "nothing listens on port {port}");
        std::thread::yield_now();
    }
}

/// An H.264 clip, made by ffmpeg. VLC ends its sessions when a clip does: it is longer than a test.
pub(super) fn clip(folder: &Path) -> PathBuf {
    let file = folder.join("clip.mp4");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=10", "-t", "120"])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-g", "10"])
        .arg(&file)
        .stdin(Stdio::null())
        .status();
    assert!(made.unwrap().success());
    file
}

/// What ffprobe says of a stream.
#[derive(Debug)]
pub(super) struct Probed {
    pub(super) codec: String,
    pub(super) size: (u64, u64),
    /// Packets per second of stream time.
    pub(super) rate: f64,
    /// Packets from one key frame to the next.
    pub(super) group: Option<u64>,
}

/// What ffprobe asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Carrier {
    Tcp,
    Udp,
}

/// Lets ffprobe read a stream for some seconds.
pub(super) fn ffprobe(url: &str, carrier: Carrier, seconds: u32) -> Probed {
    let carrier = match carrier {
        Carrier::Tcp => "tcp",
        Carrier::Udp => "udp",
    };
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-rtsp_transport", carrier, "-select_streams", "v:0", "-of", "json"])
        .args(["-show_entries", "stream=codec_name,width,height:packet=pts_time,flags"])
        .args(["-read_intervals", &format!("%+{seconds}")])
        .arg(url)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let stream = &json["streams"][0];
    // ffprobe hands out parameter sets as packets of their own, with the time of their picture: a picture is a time.
    let mut pictures: BTreeMap<i64, bool> = BTreeMap::new();
    for packet in json["packets"].as_array().unwrap() {
        let Some(at) = packet["pts_time"].as_str().and_then(|at| at.parse::<f64>().ok()) else { continue };
        let is_key = packet["flags"].as_str().is_some_and(|flags| flags.starts_with('K'));
        *pictures.entry(milliseconds(at)).or_default() |= is_key;
    }
    let keys: Vec<usize> =
        pictures.values().enumerate().filter(|(_, is_key)| **is_key).map(|(index, _)| index).collect();
    let (first, last) = (*pictures.keys().next().unwrap(), *pictures.keys().last().unwrap());
    let span = Duration::from_millis(u64::try_from(last - first).unwrap());
    Probed {
        codec: stream["codec_name"].as_str().unwrap().replace("hevc", "h265"),
        size: (stream["width"].as_u64().unwrap(), stream["height"].as_u64().unwrap()),
        rate: f64::from(u32::try_from(pictures.len()).unwrap() - 1) / span.as_secs_f64(),
        group: keys.windows(2).last().map(|pair| u64::try_from(pair[1] - pair[0]).unwrap()),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "seconds of a short test")]
fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}
