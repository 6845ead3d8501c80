//! The package for Prometheus and Alertmanager in `deploy/prometheus`, held by Debian's promtool and amtool, and the
//! dashboards in `deploy/grafana`.

pub(crate) mod dashboard;
mod package;
mod rule;
