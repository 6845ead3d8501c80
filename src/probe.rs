//! Floor 2: probes that are no RTSP look. One file per probe, and `link`, which runs them for the links of the path.

mod icmp;
pub mod link;
mod plan;
