//! `sharpeyes probe`: what a technician runs in the field. Looks once at a stream and says what is wrong with it.

mod document;
mod explain;
mod picture;
mod print;

use crate::app::cli::ProbeArgs;
use crate::app::{COULD_NOT_RUN, FOUND_FAULTS, say, say_error};
use crate::clock::Clock;
use crate::config::{self, LoadError, Settings};
use crate::domain::judge::{Expectation, Verdict, judge};
use crate::domain::point::StreamUrl;
use crate::domain::{Look, Observation, Point, PointCode, Trust};
use crate::health::examiner;
use crate::health::settings::TrackerSettings;
use crate::ingest::{Credential, LookRequest, Puller, Sight, Tap, look_once};
use crate::inventory::credential::{CredentialBook, key_file};
use crate::store::Store;
use anyhow::{Context, bail};
use document::{Document, TransportDocument};
use picture::{Known, PictureDocument};
use secrecy::SecretString;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A look at a bare address belongs to no point; the judge wants a code all the same.
const NO_POINT: &str = "00000000000000000000";

/// The longest measuring window: nobody holds a camera's session for longer by hand.
const LONGEST_WINDOW: Duration = Duration::from_secs(3_600);

pub(super) fn run(args: &ProbeArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(probe(args))
}

/// What is looked at.
struct Subject {
    point: Option<Point>,
    stream: StreamUrl,
    credential: Option<Credential>,
    picture: Known,
    trust: Trust,
}

async fn probe(args: &ProbeArgs) -> anyhow::Result<ExitCode> {
    let settings = settings(args)?;
    let window = window(args.window)?;
    let mut subject = subject(args, &settings).await?;
    if let Some(user) = &args.user {
        subject.credential = Some(credential_of(user)?);
    }
    if let Some(trust) = &args.trust {
        subject.trust = trust.parse().with_context(|| format!("--trust {trust}"))?;
    }
    let (candidates, mut offered) = mpsc::channel(1);
    // One key frame is enough: no second one is offered.
    // That none came whole is told by none having come.
    let tap = Tap { candidates, broken: mpsc::channel(1).0, pause: LONGEST_WINDOW };
    let sight = look(&subject, &settings, window, &tap).await?;
    let picture =
        picture::check(offered.try_recv().ok(), std::mem::take(&mut subject.picture), &settings).await;
    Ok(tell(args, &settings, subject, sight, picture))
}

/// The settings file is needed for a known point only; an address can be probed from any machine.
fn settings(args: &ProbeArgs) -> anyhow::Result<Settings> {
    match config::load(&args.config.config) {
        Ok(settings) => Ok(settings),
        Err(LoadError::Read { source, .. })
            if args.point.is_none() && source.kind() == io::ErrorKind::NotFound =>
        {
            Ok(Settings::default())
        }
        Err(error) => Err(error.into()),
    }
}

fn window(seconds: f64) -> anyhow::Result<Duration> {
    let window = Duration::try_from_secs_f64(seconds).ok();
    window.filter(|window| !window.is_zero() && *window <= LONGEST_WINDOW).with_context(|| {
        format!("--window {seconds} is not between 0 and {} seconds", LONGEST_WINDOW.as_secs())
    })
}

async fn subject(args: &ProbeArgs, settings: &Settings) -> anyhow::Result<Subject> {
    if let Some(code) = &args.point {
        return known_point(code, settings).await;
    }
    let text = args.url.as_deref().context("give an rtsp:// address or --point CODE")?;
    // The text is not repeated: it may hold a password.
    let stream = text.parse().map_err(|error| {
        anyhow::anyhow!(
            "{error}; write rtsp://host:554/path, the user in --user, the password in SHARPEYES_PASSWORD"
        )
    })?;
    Ok(Subject { point: None, stream, credential: None, picture: Known::default(), trust: Trust::Authority })
}

async fn known_point(code: &str, settings: &Settings) -> anyhow::Result<Subject> {
    let code: PointCode = code.parse()?;
    let store = Store::open_existing(settings.store.url.expose()).await?;
    let mut inventory = store.load_inventory().await?;
    let position = inventory.points.get(&code).and_then(|point| examiner::position(&inventory, point));
    let point = inventory.points.remove(&code).with_context(|| {
        format!("no point {code} in the inventory; look the code up with `sharpeyes export`")
    })?;
    let picture = Known::read(&store, code, position).await?;
    let stream = point.watched_stream().cloned().with_context(|| {
        format!("point {code} has no stream address; import one in `sub_stream` or `main_stream` of the points file")
    })?;
    let directory = config::environment("CREDENTIALS_DIRECTORY");
    let key = key_file(&settings.credentials.key_file, directory.as_deref());
    let credential = match &point.credential {
        Some(name) => {
            let mut opened = CredentialBook::open(&key)?.load(&store).await?;
            if let Some(unusable) = opened.unusable.remove(name) {
                return Err(unusable.into());
            }
            let known = opened.credentials.remove(name);
            Some(known.with_context(|| {
                format!("point {code} names credential `{name}`, which was never imported")
            })?)
        }
        None => None,
    };
    let trust = point.trust;
    Ok(Subject { point: Some(point), stream, credential, picture, trust })
}

/// The password comes from the environment or the terminal, never from the command line, where everyone sees it.
fn credential_of(user: &str) -> anyhow::Result<Credential> {
    let password = match config::environment("SHARPEYES_PASSWORD") {
        Some(password) => SecretString::from(password),
        None if io::stdin().is_terminal() => {
            let terminal = console::Term::stderr();
            terminal.write_str(&format!("password of {user} 密码: "))?;
            SecretString::from(terminal.read_secure_line()?)
        }
        None => bail!("no password for {user}: set SHARPEYES_PASSWORD, or run on a terminal to be asked"),
    };
    Ok(Credential { name: user.to_owned(), username: user.to_owned(), password })
}

/// Looks once. Ctrl-C ends the look, with its TEARDOWN sent.
async fn look(subject: &Subject, settings: &Settings, window: Duration, tap: &Tap) -> anyhow::Result<Sight> {
    let program = std::env::current_exe().context("find this program")?;
    let puller = Puller::new(program, settings.watch.authorities_file.clone(), 1);
    let request = LookRequest {
        stream: &subject.stream,
        credential: subject.credential.as_ref(),
        deadlines: &settings.watch.deadlines,
        window,
        pictures: code_of(subject).map(|code| (tap, code)),
        trust: subject.trust,
        puller: Some(&puller).filter(|_| settings.watch.puller_sessions > 0),
    };
    let (clock, cancel) = (Clock::system(), CancellationToken::new());
    let looked = look_once(&request, &clock, &cancel);
    tokio::pin!(looked);
    Ok(tokio::select! {
        sight = &mut looked => sight,
        Ok(()) = tokio::signal::ctrl_c() => {
            cancel.cancel();
            looked.await
        }
    })
}

/// The code of the point, or the one that stands for none.
fn code_of(subject: &Subject) -> Option<PointCode> {
    subject.point.as_ref().map(|point| point.code).or_else(|| NO_POINT.parse().ok())
}

fn tell(
    args: &ProbeArgs,
    settings: &Settings,
    subject: Subject,
    sight: Sight,
    picture: PictureDocument,
) -> ExitCode {
    let Some(judged) = code_of(&subject) else { return ExitCode::from(COULD_NOT_RUN) };
    let Subject { point, stream, credential, .. } = subject;
    let code = point.as_ref().map(|point| point.code);
    let Sight { started, ended, stages, outcome, transport, note } = sight;
    let observation = Observation { point: judged, started, ended, look: Look::Manual, stages, outcome };
    let expected = Expectation {
        size: point.as_ref().and_then(|point| point.expected_size),
        frames_per_second: point.as_ref().and_then(|point| point.expected_frames_per_second),
    };
    let limits = TrackerSettings::new(&settings.health, &settings.watch).thresholds;
    let verdict = judge(&observation, &expected, &limits);
    let way = TransportDocument::new(transport, note.as_ref());
    let document = Document::new(code, &stream, way, &observation, &verdict).with_picture(picture);
    if args.json {
        match serde_json::to_string_pretty(&document) {
            Ok(text) => say(&text),
            Err(error) => say_error(&error.to_string()),
        }
    } else {
        print::print(&document, credential.is_some());
    }
    exit_code(&verdict)
}

fn exit_code(verdict: &Verdict) -> ExitCode {
    match verdict {
        Verdict::Good(_) => ExitCode::SUCCESS,
        Verdict::Faulty(..) | Verdict::Failed(_) => ExitCode::from(FOUND_FAULTS),
        Verdict::Reachable | Verdict::NotLooked(_) => ExitCode::from(COULD_NOT_RUN),
    }
}
