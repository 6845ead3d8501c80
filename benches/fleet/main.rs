//! What the whole service costs on a simulated fleet, beside a plain TCP sink and what others would use.
//!
//! `make bench` runs the comparison, `make soak MINUTES=30` the endurance run. Everything is measured from outside, in
//! `/proc`, in rounds that alternate between the contenders: on a busy machine the ratios within one run count, not the
//! milliseconds.

mod process;
mod report;
mod rival;
mod service;
mod sink;

use anyhow::{Context, bail};
use report::{row, say};
use service::{Pace, Service, program, sessions, wait_for_clients};
use sharpeyes::simulate::child::{ChildOptions, Simulator};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// Rounds; the middle one counts.
const ROUNDS: usize = 3;
/// From the last connection to the measurement, and its length.
const SETTLE: Duration = Duration::from_secs(8);
const WINDOW: Duration = Duration::from_secs(12);
/// Streams of the two comparisons.
const FEW: usize = 200;
const ALL: usize = 960;
/// Streams of the rivals: one process each, or four threads each, starve two cores long before 960.
const RIVALS: usize = 50;
/// Looks of one round of ffprobe.
const FFPROBES: usize = 40;
/// Patrols: every point once in this time, with the shortest measuring window.
const PATROL: Pace = Pace { period_seconds: 20, patrol_window_seconds: 0.5, decoders: 0 };
const CONTINUOUS: Pace = Pace { period_seconds: 300, patrol_window_seconds: 4.0, decoders: 0 };

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    match *words {
        [] => runtime.block_on(compare()),
        ["soak", minutes] => runtime.block_on(soak(minutes.parse()?)),
        ["sink", port, count] => runtime.block_on(sink::run(port.parse()?, count.parse()?)),
        ["rtspsrc", port, count] => rival::run_rtspsrc(port.parse()?, count.parse()?),
        _ => bail!("usage: [soak MINUTES]"),
    }
}

/// The figures of every round, by row.
#[derive(Default)]
struct Figures(BTreeMap<&'static str, Vec<f64>>);

impl Figures {
    fn add(&mut self, what: &'static str, figure: f64) {
        self.0.entry(what).or_default().push(figure);
    }

    fn of(&self, what: &str) -> &[f64] {
        self.0.get(what).map_or(&[], Vec::as_slice)
    }

    /// Round by round, one row over another.
    fn ratio(&self, over: &str, under: &str) -> Vec<f64> {
        self.of(over).iter().zip(self.of(under)).map(|(over, under)| over / under).collect()
    }
}

async fn compare() -> anyhow::Result<()> {
    let mut figures = Figures::default();
    for round in 1..=ROUNDS {
        say(&format!("round {round} of {ROUNDS}"));
        few_streams(&mut figures).await?;
        all_streams(&mut figures).await?;
        patrols(&mut figures).await?;
    }
    print(&figures);
    Ok(())
}

fn print(figures: &Figures) {
    let per_stream = "CPU ms/stream-second";
    say("\nmiddle (least .. greatest) of the rounds");
    row(
        "sharpeyes, 200 streams",
        figures.of("service 200"),
        per_stream,
        "whole service: store, health, API on",
    );
    row("plain TCP sink, 200 streams", figures.of("sink 200"), per_stream, "");
    row("sharpeyes / sink, 200", &figures.ratio("service 200", "sink 200"), "", "aim <= 1.6");
    row("ffmpeg -c copy, 50 streams", figures.of("ffmpeg"), per_stream, "one process each; 200 starve");
    row("GStreamer rtspsrc, 50 streams", figures.of("rtspsrc"), per_stream, "one process; 200 starve");
    row("ffmpeg / sharpeyes", &figures.ratio("ffmpeg", "service 200"), "", "");
    row("rtspsrc / sharpeyes", &figures.ratio("rtspsrc", "service 200"), "", "");
    row("sharpeyes, 960 streams", figures.of("service 960"), per_stream, "");
    row("plain TCP sink, 960 streams", figures.of("sink 960"), per_stream, "");
    row("sharpeyes / sink, 960", &figures.ratio("service 960", "sink 960"), "", "aim <= 1.6");
    row("memory of a stream", figures.of("memory"), "KiB", "RSS from 200 to 960 streams; aim <= 120");
    row("stop with 960 sessions", figures.of("stop"), "s", "SIGTERM to exit, TEARDOWN sent");
    row("left without TEARDOWN", figures.of("abandoned"), "sessions", "aim 0");
    row("sharpeyes, key-frame patrol", figures.of("patrol"), "CPU ms/look", "960 points each 20 s; aim <= 1");
    row("ffprobe -show_streams", figures.of("ffprobe"), "CPU ms/look", "");
    row("ffprobe / sharpeyes", &figures.ratio("ffprobe", "patrol"), "", "");
}

async fn few_streams(figures: &mut Figures) -> anyhow::Result<()> {
    let simulator = simulator(&["--continuous", &FEW.to_string()]).await?;
    let service = service_turn(&simulator, FEW).await?;
    figures.add("service 200", service.cost);
    figures.add("memory 200", service.memory_kib);
    figures.add("sink 200", sink_turn(&simulator, FEW).await?);
    let ffmpegs = rival::ffmpegs(simulator.port(), RIVALS)?;
    figures.add("ffmpeg", rivals_turn(&simulator, ffmpegs).await?);
    let rtspsrc = again("rtspsrc", simulator.port(), RIVALS)?;
    figures.add("rtspsrc", rivals_turn(&simulator, vec![rtspsrc]).await?);
    Ok(simulator.stop().await?)
}

async fn all_streams(figures: &mut Figures) -> anyhow::Result<()> {
    let simulator = simulator(&["--continuous", &ALL.to_string()]).await?;
    let service = service_turn(&simulator, ALL).await?;
    figures.add("service 960", service.cost);
    figures.add("stop", service.stop.as_secs_f64());
    figures.add("abandoned", service.abandoned);
    figures.add("sink 960", sink_turn(&simulator, ALL).await?);
    let few = figures.of("memory 200").last().copied().unwrap_or_default();
    figures.add("memory", (service.memory_kib - few) / as_float(ALL - FEW)?);
    Ok(simulator.stop().await?)
}

/// What one turn of the service cost.
struct Turn {
    cost: f64,
    memory_kib: f64,
    stop: Duration,
    abandoned: f64,
}

async fn service_turn(simulator: &Simulator, streams: usize) -> anyhow::Result<Turn> {
    let before = sessions(simulator).await?.abandoned;
    let mut service = Service::start(simulator, CONTINUOUS).await?;
    wait_for(simulator, streams).await?;
    service.check()?;
    let cost = cost_of(&[service.id()?], streams).await?;
    let memory_kib = as_float(usize::try_from(process::memory_kib(service.id()?)?)?)?;
    let stop = service.stop().await?;
    let abandoned = sessions(simulator).await?.abandoned - before;
    Ok(Turn { cost, memory_kib, stop, abandoned: as_float(usize::try_from(abandoned)?)? })
}

async fn sink_turn(simulator: &Simulator, streams: usize) -> anyhow::Result<f64> {
    let mut sink = again("sink", simulator.port(), streams)?;
    wait_for(simulator, streams).await?;
    let cost = cost_of(&[sink.id().context("the sink has ended")?], streams).await?;
    sink.kill().await?;
    Ok(cost)
}

async fn rivals_turn(simulator: &Simulator, mut rivals: Vec<Child>) -> anyhow::Result<f64> {
    wait_for(simulator, RIVALS).await?;
    let processes: Vec<u32> = rivals.iter().filter_map(Child::id).collect();
    let cost = cost_of(&processes, RIVALS).await?;
    for rival in &mut rivals {
        rival.kill().await?;
    }
    Ok(cost)
}

/// Milliseconds of CPU per second of one stream, over a window.
async fn cost_of(processes: &[u32], streams: usize) -> anyhow::Result<f64> {
    tokio::time::sleep(SETTLE).await;
    let cpu = || processes.iter().map(|process| process::cpu(*process)).sum::<anyhow::Result<Duration>>();
    let before = cpu()?;
    tokio::time::sleep(WINDOW).await;
    let spent = cpu()?.saturating_sub(before);
    Ok(spent.as_secs_f64() * 1000.0 / (WINDOW.as_secs_f64() * as_float(streams)?))
}

async fn patrols(figures: &mut Figures) -> anyhow::Result<()> {
    let simulator = simulator(&["--patrol", &ALL.to_string()]).await?;
    let mut service = Service::start(&simulator, PATROL).await?;
    // One period to look at everything once, then two to measure.
    let period = Duration::from_secs(u64::from(PATROL.period_seconds));
    tokio::time::sleep(period + SETTLE).await;
    service.check()?;
    let (cpu, looks) = (process::cpu(service.id()?)?, sessions(&simulator).await?.played);
    tokio::time::sleep(2 * period).await;
    let spent = process::cpu(service.id()?)?.saturating_sub(cpu).as_secs_f64() * 1000.0;
    let looks = sessions(&simulator).await?.played - looks;
    figures.add("patrol", spent / as_float(usize::try_from(looks)?)?);
    service.stop().await?;
    let before = process::cpu_of_children()?;
    rival::ffprobe(&sink::open_streams(simulator.port(), FFPROBES)?).await?;
    let spent = process::cpu_of_children()?.saturating_sub(before);
    figures.add("ffprobe", spent.as_secs_f64() * 1000.0 / as_float(FFPROBES)?);
    Ok(simulator.stop().await?)
}

/// All streams without pause, and a picture of each decoded and judged once a minute.
async fn soak(minutes: u32) -> anyhow::Result<()> {
    let simulator = simulator(&["--continuous", &ALL.to_string()]).await?;
    let mut service = Service::start(&simulator, Pace { decoders: 1, ..CONTINUOUS }).await?;
    wait_for(&simulator, ALL).await?;
    let (mut memory, mut minute) = (Vec::new(), tokio::time::interval(Duration::from_secs(60)));
    let mut before = None;
    for number in 0..=minutes {
        minute.tick().await;
        service.check()?;
        let (kib, played) = (process::memory_kib(service.id()?)?, sessions(&simulator).await?.played);
        say(&format!("minute {number}: RSS {kib} KiB, {played} sessions opened since the start"));
        memory.push((f64::from(number), as_float(usize::try_from(kib)?)?));
        before = Some(pictures(&service, before).await?);
    }
    // The first fifth is the filling of buffers and pools.
    let settled: Vec<(f64, f64)> = memory.iter().skip(memory.len() / 5).copied().collect();
    say(&format!("slope after the first fifth: {:.1} KiB a minute", slope(&settled)));
    service.stop().await?;
    Ok(simulator.stop().await?)
}

/// What was decoded so far, and the CPU that decoders and service took.
#[derive(Clone, Copy)]
struct Decoded {
    count: f64,
    decoders: f64,
    service: Duration,
}

/// Tells of the pictures of the last minute.
async fn pictures(service: &Service, before: Option<Decoded>) -> anyhow::Result<Decoded> {
    let now = Decoded {
        count: service.metric("sharpeyes_picture_decodes_total").await?,
        decoders: service.metric("sharpeyes_picture_decode_cpu_seconds_total").await?,
        service: process::cpu(service.id()?)?,
    };
    let children = process::children(service.id()?)?;
    // One that retires just now is left out.
    let kib: u64 = children.iter().filter_map(|child| process::memory_kib(*child).ok()).sum();
    let lag = service.metric("sharpeyes_picture_lag_seconds").await?;
    if let Some(before) = before {
        let share = |seconds: f64| seconds / 60.0 * 100.0;
        say(&format!(
            "  {:.0} pictures, decoding {:.2} % of a core, the service itself {:.1} %; lag {lag:.1} s; decoders' RSS {kib} KiB",
            now.count - before.count,
            share(now.decoders - before.decoders),
            share(now.service.saturating_sub(before.service).as_secs_f64()),
        ));
    }
    Ok(now)
}

/// Slope of the least-squares line.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.iter().map(|_| 1.0).sum::<f64>();
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count));
    let over: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let under: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    if under > 0.0 { over / under } else { 0.0 }
}

async fn wait_for(simulator: &Simulator, streams: usize) -> anyhow::Result<()> {
    let connected = wait_for_clients(simulator, streams).await?;
    if connected < streams {
        say(&format!("  only {connected} of {streams} clients are connected; the figure is too good"));
    }
    Ok(())
}

async fn simulator(arguments: &[&str]) -> anyhow::Result<Simulator> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-simulator");
    let arguments = arguments.iter().copied().chain(["--no-faults"]).map(str::to_owned).collect();
    let options = ChildOptions { program: program(), folder, port: 8655, arguments };
    Ok(Simulator::start(options).await?)
}

/// This program once more, as another contender.
fn again(what: &str, port: u16, streams: usize) -> anyhow::Result<Child> {
    Command::new(std::env::current_exe()?)
        .args([what, &port.to_string(), &streams.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("start a contender")
}

fn as_float(count: usize) -> anyhow::Result<f64> {
    Ok(f64::from(u32::try_from(count)?))
}
