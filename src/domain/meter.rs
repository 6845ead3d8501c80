//! Turns the packets of one stream into measurements: what arrived per wall second, never what was declared.
//!
//! Called inline for every packet, so it allocates nothing. Time is a `Duration` since any fixed instant, the
//! same for all calls.

mod burst;
mod clock;

use crate::domain::irap::{Unit, jpeg_size, visit_units};
use crate::domain::{ClockReading, Codec, Declared, Measurement, Timestamp, sps};
use burst::Burst;
pub use clock::clock_reading;
use std::time::Duration;

/// What is taken from one RTP packet.
#[derive(Clone, Copy, Debug)]
pub struct PacketFacts<'a> {
    /// When it was received.
    pub received: Duration,
    /// Its RTP time in clock ticks, unwrapped.
    pub ticks: i64,
    /// Marker bit: the last packet of its picture.
    pub marker: bool,
    /// Sequence numbers missing before it.
    pub lost: u16,
    /// Its payload.
    pub payload: &'a [u8],
}

/// Measures one video stream.
#[derive(Debug)]
pub struct Meter {
    codec: Codec,
    declared: Declared,
    size: Option<(u32, u32)>,
    has_parameters: bool,
    first_packet: Option<Duration>,
    last_packet: Option<Duration>,
    last_picture: Option<Duration>,
    first_key_frame: Option<Duration>,
    picture: Option<Picture>,
    group: Option<Group>,
    burst: Burst,
    window_start: Option<Duration>,
    tally: Tally,
}

/// The picture whose packets are arriving.
#[derive(Clone, Copy, Debug)]
struct Picture {
    ticks: i64,
    random_access: bool,
    /// Its last packet came: a new beginning with the same time is another picture.
    is_complete: bool,
}

/// The group of pictures that is arriving.
#[derive(Clone, Copy, Debug)]
struct Group {
    began: Duration,
    frames: u64,
}

/// Counters of the window.
#[derive(Clone, Copy, Debug)]
struct Tally {
    frames: u64,
    key_frames: u64,
    packets: u64,
    lost_packets: u64,
    bytes: u64,
    longest_gap: Duration,
    longest_group: Option<(u64, Duration)>,
    clock: ClockReading,
}

impl Tally {
    const EMPTY: Self = Self {
        frames: 0,
        key_frames: 0,
        packets: 0,
        lost_packets: 0,
        bytes: 0,
        longest_gap: Duration::ZERO,
        longest_group: None,
        clock: ClockReading::NotSeen,
    };
}

impl Meter {
    /// A meter for a stream of `codec` with `clock_rate` RTP ticks per second. `size` is known when the session
    /// description holds the parameter sets.
    pub fn new(codec: Codec, clock_rate: u32, declared: Declared, size: Option<(u32, u32)>) -> Self {
        Self {
            codec,
            declared,
            size,
            has_parameters: size.is_some() || codec == Codec::Mjpeg,
            first_packet: None,
            last_packet: None,
            last_picture: None,
            first_key_frame: None,
            picture: None,
            group: None,
            burst: Burst::new(clock_rate),
            window_start: None,
            tally: Tally::EMPTY,
        }
    }

    /// Takes a packet.
    pub fn packet(&mut self, packet: &PacketFacts<'_>) {
        self.first_packet.get_or_insert(packet.received);
        self.last_packet = Some(packet.received);
        self.tally.packets += 1;
        self.tally.lost_packets += u64::from(packet.lost);
        self.tally.bytes += u64::try_from(packet.payload.len()).unwrap_or(0);
        let mut holds_slice = false;
        visit_units(self.codec, packet.payload, &mut |unit| match unit {
            Unit::Slice { random_access, begins_picture } => {
                holds_slice = true;
                self.slice(packet, random_access, begins_picture);
            }
            Unit::SequenceParameters(unit) => self.parameters(unit),
            Unit::Other => {}
        });
        if holds_slice && packet.marker {
            self.picture.iter_mut().for_each(|picture| picture.is_complete = true);
        }
    }

    /// Takes the NTP time of a sender report that was received at `received` by our own clock.
    pub fn sender_report(&mut self, ntp: u64, received: Timestamp) {
        self.tally.clock = clock_reading(ntp, received);
    }

    fn parameters(&mut self, unit: &[u8]) {
        if let Some(size) = sps::size_of(self.codec, unit) {
            self.size = Some(size);
            self.has_parameters = true;
        }
    }

    fn slice(&mut self, packet: &PacketFacts<'_>, random_access: bool, begins_picture: bool) {
        let is_new = match self.picture {
            None => true,
            Some(picture) => picture.ticks != packet.ticks || (picture.is_complete && begins_picture),
        };
        if is_new {
            self.picture = Some(Picture { ticks: packet.ticks, random_access: false, is_complete: false });
            self.begin_picture(packet);
        }
        let Some(picture) = &mut self.picture else { return };
        if random_access && !picture.random_access {
            picture.random_access = true;
            self.begin_group(packet);
        }
        if is_new && self.window_start.is_none() && self.first_key_frame.is_some() {
            self.begin_window(packet);
        }
    }

    fn begin_picture(&mut self, packet: &PacketFacts<'_>) {
        let now = packet.received;
        let gap = self.last_picture.map_or(Duration::ZERO, |last| now.saturating_sub(last));
        self.tally.longest_gap = self.tally.longest_gap.max(gap);
        self.last_picture = Some(now);
        self.tally.frames += 1;
        self.group.iter_mut().for_each(|group| group.frames += 1);
        if self.codec == Codec::Mjpeg {
            self.size = jpeg_size(packet.payload).or(self.size);
        }
    }

    fn begin_group(&mut self, packet: &PacketFacts<'_>) {
        let now = packet.received;
        self.tally.key_frames += 1;
        if self.first_key_frame.is_none() {
            self.first_key_frame = Some(now);
            self.burst.begin(now, packet.ticks);
        }
        let next = Group { began: now, frames: 0 };
        if let Some(ended) = self.group.replace(next) {
            let took = now.saturating_sub(ended.began);
            // This picture was counted into the ended group as it began, which makes up for its own first one.
            let longest = self.tally.longest_group.filter(|(_, longest)| *longest >= took);
            self.tally.longest_group = longest.or(Some((ended.frames, took)));
        }
    }

    /// Begins the window with the picture that ends the burst; it is the fence post and not counted.
    fn begin_window(&mut self, packet: &PacketFacts<'_>) {
        let is_first_key_frame = self.first_key_frame == Some(packet.received);
        if !is_first_key_frame && self.burst.is_over(packet.received, packet.ticks) {
            self.window_start = Some(packet.received);
            // The random-access picture that proved the stream stays on record.
            let Tally { clock, longest_group, .. } = self.tally;
            self.tally = Tally { clock, longest_group, key_frames: 1, ..Tally::EMPTY };
        }
    }

    /// Closes the window at `now`, gives what it measured and begins the next one.
    pub fn cut(&mut self, now: Duration) -> Measurement {
        let measurement = self.measurement(now);
        self.window_start = Some(now);
        self.tally = Tally::EMPTY;
        measurement
    }

    /// What was measured up to `now`: since the window began, or since the first packet when it has not.
    pub fn measurement(&self, now: Duration) -> Measurement {
        let start = self.window_start.or(self.first_packet).unwrap_or(now);
        let last = self.last_picture.unwrap_or(start);
        let tally = &self.tally;
        Measurement {
            window: now.saturating_sub(start),
            frames: tally.frames,
            key_frames: tally.key_frames,
            packets: tally.packets,
            lost_packets: tally.lost_packets,
            bytes: tally.bytes,
            longest_gap: tally.longest_gap.max(now.saturating_sub(last)),
            gop_frames: tally.longest_group.map(|(frames, _)| frames),
            gop_time: tally.longest_group.map(|(_, took)| took),
            codec: self.codec,
            size: self.size,
            clock: tally.clock,
            declared: self.declared.clone(),
        }
    }

    /// When the first packet came.
    pub const fn first_packet(&self) -> Option<Duration> {
        self.first_packet
    }

    /// When the latest packet came.
    pub const fn last_packet(&self) -> Option<Duration> {
        self.last_packet
    }

    /// When the latest picture began.
    pub const fn last_picture(&self) -> Option<Duration> {
        self.last_picture
    }

    /// When the first random-access picture began.
    pub const fn first_key_frame(&self) -> Option<Duration> {
        self.first_key_frame
    }

    /// Whether the stream can be decoded: its parameter sets are known.
    pub const fn has_parameters(&self) -> bool {
        self.has_parameters
    }

    /// When the measuring window began; `None` until the burst after the first key frame is over.
    pub const fn window_start(&self) -> Option<Duration> {
        self.window_start
    }

    /// Pictures counted in the window.
    pub const fn frames(&self) -> u64 {
        self.tally.frames
    }
}

#[cfg(test)]
mod tests;
