//! The package for Prometheus and Alertmanager in `deploy/prometheus`, held by Debian's promtool and amtool.

mod package;
mod rule;
