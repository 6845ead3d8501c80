//! Names, labels, units and help of every process and worker metric; `docs/metrics.md` is checked against them.

use prometheus::{Registry, TextEncoder};
use std::sync::LazyLock;

/// The registry of the process and worker families.
pub static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::new);

/// Renders every registered family in the Prometheus text format.
pub fn render() -> Result<String, prometheus::Error> {
    TextEncoder::new().encode_to_string(&REGISTRY.gather())
}
