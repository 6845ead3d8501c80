//! What others would use to pull streams: one ffmpeg per camera, GStreamer's rtspsrc, and ffprobe for a look.

use crate::sink::open_streams;
use anyhow::Context;
use gstreamer as gst;
use gstreamer::prelude::*;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// Starts one `ffmpeg -c copy` per stream.
pub(crate) fn ffmpegs(port: u16, count: usize) -> anyhow::Result<Vec<Child>> {
    let start = |url: String| {
        Command::new("ffmpeg")
            .args(["-v", "error", "-nostdin", "-rtsp_transport", "tcp", "-i", &url])
            .args(["-c", "copy", "-f", "null", "-"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("start ffmpeg")
    };
    open_streams(port, count)?.into_iter().map(start).collect()
}

/// Pulls `count` streams with rtspsrc in one process until killed.
pub(crate) fn run_rtspsrc(port: u16, count: usize) -> anyhow::Result<()> {
    gst::init()?;
    let sources = open_streams(port, count)?;
    let sources = sources.iter().map(|url| {
        format!("rtspsrc protocols=tcp latency=0 location=\"{url}\" ! fakesink sync=false async=false")
    });
    let pipeline = gst::parse::launch(&sources.collect::<Vec<_>>().join(" "))?;
    pipeline.set_state(gst::State::Playing)?;
    let bus = pipeline.bus().context("no bus")?;
    // A stream that fails to start is the rival's own; the count of playing ones is taken from the simulator.
    while bus.timed_pop(gst::ClockTime::NONE).is_some() {}
    Ok(())
}

/// Looks at streams with ffprobe, eight at once.
pub(crate) async fn ffprobe(urls: &[String]) -> anyhow::Result<()> {
    for group in urls.chunks(8) {
        let looks = group.iter().map(|url| {
            Command::new("ffprobe")
                .args(["-v", "error", "-rtsp_transport", "tcp", "-show_streams", url])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .status()
        });
        for look in futures::future::join_all(looks).await {
            look.context("run ffprobe")?;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
