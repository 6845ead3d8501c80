//! The RTSP servers behind the simulated cameras: gst-rtsp-server with shared media, fed with encoded pictures.
//!
//! Two servers on ephemeral loopback ports, one open and one that asks for a user, over one pool of sessions. Each
//! media is fed from a key frame of its clip on as soon as it plays, so that nobody waits for one to be described;
//! from which one is told by the time, as if the camera had gone on while nobody looked. Knows nothing of villages and
//! faults: `relay` stands in front.

use crate::simulate::encode::PICTURES_PER_SECOND;
use crate::simulate::fleet::{Coding, MAIN_MEDIA, MEDIA, Secret, coding};
use crate::simulate::media::{Clip, GROUP, clip_of_media};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_rtsp as gst_rtsp;
use gstreamer_rtsp_server as gst_rtsp_server;
use gstreamer_rtsp_server::prelude::*;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// Media are fed in so many turns within one picture's time, so that packets do not leave in one burst.
const PHASES: usize = 20;
/// Sender reports at least this often; gst-rtsp-server's own pace of five seconds may miss a short look.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// What a media may hold unsent: two seconds; older pictures are dropped.
const QUEUE_BYTES: u64 = 64 * 1024;
const ROLE: &str = "viewer";
/// Longest wait for the first picture of a media on PLAY; pictures come every 67 ms.
const FIRST_PICTURE: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(5);

/// Why the servers cannot run.
#[derive(Debug, thiserror::Error)]
pub enum StudioError {
    /// A server cannot listen.
    #[error("start an RTSP server on loopback")]
    Listen(#[source] gst::glib::BoolError),
    /// A clip is missing.
    #[error("no clip {0}")]
    NoClip(&'static str),
    /// The thread of the servers cannot start.
    #[error("start the thread of the RTSP servers")]
    Thread(#[source] std::io::Error),
}

/// The running servers.
#[derive(Debug)]
pub struct Studio {
    /// The server without users.
    pub open: SocketAddr,
    /// The server that asks for a user.
    pub guarded: SocketAddr,
    pool: gst_rtsp_server::RTSPSessionPool,
    feeds: Vec<Arc<Feed>>,
    main_loop: gst::glib::MainLoop,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// What feeds one media.
#[derive(Debug)]
struct Feed {
    clip: Clip,
    /// Where the pictures go, and the next one; nowhere while nobody looks.
    source: Mutex<Option<(gst_app::AppSrc, usize)>>,
    /// The media that was built last; gone when nobody looked.
    media: gst::glib::WeakRef<gst_rtsp_server::RTSPMedia>,
    /// When the camera was switched on.
    on_since: Instant,
}

/// What feeds the media of a server, by path.
type Mounted = BTreeMap<String, Arc<Feed>>;

/// Path of a shared media on the servers.
pub fn media_path(media: usize) -> String {
    format!("/m/{media:02}")
}

/// Path of a clip's own media on the servers.
pub fn clip_path(clip: &str) -> String {
    format!("/clip/{clip}")
}

impl Studio {
    /// Starts the servers.
    pub fn open(clips: &[Clip], secrets: &[Secret]) -> Result<Self, StudioError> {
        let context = gst::glib::MainContext::new();
        let pool = gst_rtsp_server::RTSPSessionPool::new();
        let mut feeds = Vec::new();
        let mut serve = |auth: Option<gst_rtsp_server::RTSPAuth>| {
            let (mounts, mounted) = mount_all(clips, auth.is_some())?;
            feeds.extend(mounted.values().cloned());
            serve(&context, &pool, &mounts, mounted, auth.as_ref())
        };
        let (open, guarded) = (serve(None)?, serve(Some(users(secrets)))?);
        let main_loop = gst::glib::MainLoop::new(Some(&context), false);
        let looping = main_loop.clone();
        let thread = std::thread::Builder::new()
            .name("rtsp-servers".to_owned())
            .spawn(move || looping.run())
            .map_err(StudioError::Thread)?;
        Ok(Self { open, guarded, pool, feeds, main_loop, thread: Some(thread) })
    }

    /// RTSP sessions that the servers hold now; those that timed out are cleared first.
    pub fn sessions(&self) -> u32 {
        self.pool.cleanup();
        self.pool.n_sessions()
    }

    /// Feeds the media until cancelled.
    pub async fn feed(&self, cancel: &CancellationToken) {
        let pace = Duration::from_secs(1) / PICTURES_PER_SECOND / u32::try_from(PHASES).unwrap_or(1);
        let mut ticks = tokio::time::interval(pace);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut phase = 0;
        while cancel.run_until_cancelled(ticks.tick()).await.is_some() {
            self.feeds.iter().skip(phase).step_by(PHASES).for_each(|feed| feed.push());
            phase = (phase + 1) % PHASES;
        }
    }

    /// Stops the servers.
    pub fn close(mut self) {
        self.main_loop.quit();
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been reported by the runtime; there is nothing left to do with it.
            let _panicked = thread.join();
        }
    }
}

impl Feed {
    fn begin(&self, source: gst_app::AppSrc) {
        let first = group_at(self.on_since.elapsed(), self.clip.units.len());
        *self.source.lock().unwrap_or_else(PoisonError::into_inner) = Some((source, first));
    }

    fn push(&self) {
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((target, next)) = source.as_mut() else { return };
        let Some(unit) = self.clip.units.get(*next) else { return };
        let Some(time) = running_time(target) else { return };
        *next = (*next + 1) % self.clip.units.len().max(1);
        let mut unit = unit.copy();
        let stamped = unit.make_mut();
        stamped.set_pts(time);
        stamped.set_dts(time);
        // A media that was taken down refuses: it is built anew for the next viewer.
        if target.push_buffer(unit).is_err() {
            *source = None;
        }
    }
}

/// The first picture of the group that a clip of so many pictures shows after a time.
fn group_at(elapsed: Duration, pictures: usize) -> usize {
    let group = usize::try_from(GROUP).unwrap_or(1);
    let groups = u64::try_from(pictures / group).unwrap_or(1).max(1);
    let shown = elapsed.as_secs().saturating_mul(u64::from(PICTURES_PER_SECOND)) / u64::from(GROUP);
    usize::try_from(shown % groups).unwrap_or(0) * group
}

/// Time since the media began to play; none before. A media is given its clock an instant before its base time: who
/// stamps in between, as appsrc's own `do-timestamp` does, counts from the machine's start, and the media then waits
/// for hours with that picture in its sink.
fn running_time(source: &gst_app::AppSrc) -> Option<gst::ClockTime> {
    let base = source.base_time().filter(|base| !base.is_zero())?;
    source.clock()?.time().checked_sub(base)
}

fn serve(
    context: &gst::glib::MainContext,
    pool: &gst_rtsp_server::RTSPSessionPool,
    mounts: &gst_rtsp_server::RTSPMountPoints,
    mounted: Mounted,
    auth: Option<&gst_rtsp_server::RTSPAuth>,
) -> Result<SocketAddr, StudioError> {
    let server = gst_rtsp_server::RTSPServer::new();
    server.set_address("127.0.0.1");
    server.set_service("0");
    server.set_session_pool(Some(pool));
    server.set_mount_points(Some(mounts));
    server.set_auth(auth);
    let mounted = Arc::new(mounted);
    server.connect_client_connected(move |_server, client| {
        let mounted = Arc::clone(&mounted);
        client.connect_pre_play_request(move |_client, context| {
            await_first_picture(&mounted, context);
            gst_rtsp::RTSPStatusCode::Ok
        });
    });
    // The source holds the server for as long as the context lives.
    let _source = server.attach(Some(context)).map_err(StudioError::Listen)?;
    Ok(SocketAddr::from(([127, 0, 0, 1], u16::try_from(server.bound_port()).unwrap_or(0))))
}

fn users(secrets: &[Secret]) -> gst_rtsp_server::RTSPAuth {
    let auth = gst_rtsp_server::RTSPAuth::new();
    auth.set_supported_methods(gst_rtsp::RTSPAuthMethod::Digest);
    let token = gst_rtsp_server::RTSPToken::builder().field("media.factory.role", ROLE).build();
    secrets.iter().for_each(|secret| auth.add_digest(&secret.username, &secret.password, &token));
    auth
}

/// The media by path, and what feeds each.
fn mount_all(
    clips: &[Clip],
    guarded: bool,
) -> Result<(gst_rtsp_server::RTSPMountPoints, Mounted), StudioError> {
    let mounts = gst_rtsp_server::RTSPMountPoints::new();
    let mut mounted = Mounted::new();
    let shared =
        (0..MEDIA + MAIN_MEDIA).map(|media| (media_path(media), clip_of_media(media, coding(media))));
    let own = clips.iter().map(|clip| (clip_path(clip.name), clip.name));
    for (path, name) in shared.chain(own) {
        let clip = clips.iter().find(|clip| clip.name == name).ok_or(StudioError::NoClip(name))?;
        let media = gst::glib::WeakRef::new();
        let feed =
            Arc::new(Feed { clip: clip.clone(), source: Mutex::new(None), media, on_since: Instant::now() });
        mounts.add_factory(&path, factory(&feed, guarded));
        mounted.insert(path, feed);
    }
    Ok((mounts, mounted))
}

/// gst-rtsp-server 1.22 aborts the process when PLAY comes before the first picture has reached the stream
/// (`gst_rtsp_media_get_rates`), as it does on a busy machine. The picture is under way: it is waited for.
fn await_first_picture(mounted: &Mounted, context: &gst_rtsp_server::RTSPContext) {
    let Some(url) = context.uri() else { return };
    // The first component is what stands before the first slash: nothing.
    let path = url.decode_path_components().join("/");
    let media = mounted.get(path.trim_end_matches('/')).and_then(|feed| feed.media.upgrade());
    let Some(stream) = media.and_then(|media| media.stream(0)) else { return };
    let deadline = Instant::now() + FIRST_PICTURE;
    while stream.is_complete() && stream.rates().is_none() && Instant::now() < deadline {
        std::thread::park_timeout(POLL);
    }
}

fn factory(feed: &Arc<Feed>, guarded: bool) -> gst_rtsp_server::RTSPMediaFactory {
    let factory = gst_rtsp_server::RTSPMediaFactory::new();
    let name = match feed.clip.coding {
        Coding::H264 => "h264",
        Coding::H265 | Coding::H265Open => "h265",
    };
    factory.set_launch(&format!(
        "( appsrc name=source is-live=true format=time max-bytes={QUEUE_BYTES} \
         leaky-type=downstream caps=\"video/x-{name},stream-format=byte-stream,alignment=au,\
         width=640,height=360,framerate={PICTURES_PER_SECOND}/1\" \
         ! {name}parse ! rtp{name}pay name=pay0 pt=96 mtu=1400 config-interval=-1 aggregate-mode=zero-latency )"
    ));
    factory.set_shared(true);
    factory.set_protocols(gst_rtsp::RTSPLowerTrans::TCP);
    if guarded {
        let role = gst::Structure::builder(ROLE)
            .field("media.factory.access", true)
            .field("media.factory.construct", true)
            .build();
        factory.add_role_from_structure(&role);
    }
    let feed = Arc::clone(feed);
    factory.connect_media_configure(move |_factory, media| begin_feed(&feed, media));
    factory
}

fn begin_feed(feed: &Feed, media: &gst_rtsp_server::RTSPMedia) {
    let element = media.element();
    let source = element.downcast_ref::<gst::Bin>().and_then(|bin| bin.by_name("source"));
    if let Some(source) = source.and_then(|source| source.downcast::<gst_app::AppSrc>().ok()) {
        feed.begin(source);
    }
    feed.media.set(Some(media));
    media.connect_prepared(|media| {
        if let Some(session) = media.stream(0).and_then(|stream| stream.rtpsession()) {
            let interval = u64::try_from(REPORT_INTERVAL.as_nanos()).unwrap_or(u64::MAX);
            session.set_property("rtcp-min-interval", interval);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_goes_on_while_nobody_looks() {
        let check = |second, pictures, expected| {
            assert_eq!(group_at(Duration::from_secs(second), pictures), expected, "{second} {pictures}");
        };
        check(0, 210, 0);
        check(2, 210, 30);
        check(13, 210, 180);
        check(20, 210, 90);
        check(9, 30, 0);
        check(9, 0, 0);
    }

    #[test]
    fn a_media_is_fed_once_it_plays_and_counts_from_then_on() {
        gst::init().unwrap();
        let clip = Clip {
            name: "street",
            coding: Coding::H264,
            units: vec![gst::Buffer::from_slice(*b"first"), gst::Buffer::from_slice(*b"second")],
        };
        let feed = Feed {
            clip,
            source: Mutex::new(None),
            media: gst::glib::WeakRef::new(),
            on_since: Instant::now(),
        };
        let source = gst_app::AppSrc::builder().format(gst::Format::Time).build();
        feed.begin(source.clone());
        let clock = gst::SystemClock::obtain();
        source.set_clock(Some(&clock)).unwrap();
        feed.push();
        assert_eq!(source.current_level_buffers(), 0);

        let start = clock.time();
        source.set_base_time(start);
        assert!(running_time(&source).unwrap() < start);
        feed.push();
        assert_eq!(source.current_level_bytes(), u64::try_from(b"first".len()).unwrap());
    }
}
