//! `sharpeyes rules`: prints the Prometheus rules that tell when a target is in danger.
//!
//! Their numbers come from the targets alone, so that the report and the alerts cannot disagree. The rules that need no
//! target, and the recordings that these read, are files in `deploy/prometheus/rules`.

use crate::app::cli::RulesArgs;
use crate::app::{FOUND_FAULTS, say_error};
use crate::config;
use crate::domain::Measure;
use crate::domain::burn::{self, Burn, Limit, Source, Urgency};
use crate::domain::target::Targets;
use anyhow::Context;
use std::io::Write;
use std::process::ExitCode;

const HEAD: &str = "# Written by `sharpeyes rules` from the targets of version @VERSION@: change those and write this file anew.
# The error of a county must exceed a multiple of what its target leaves, on the mean of a long and of a short window; a
# history that does not reach back half of the long window says nothing. No multiple reaches all points.
groups:
  - name: sharpeyes-targets
    rules:
";

/// One alert. What stands in double braces is Prometheus' own.
const ALERT: &str = "      # @FIGURE@ @NAME@, target @TARGET@ %.
      - alert: @ALERT@
        expr: |
@EXPR@        keep_firing_for: 5m
        labels:
          severity: @SEVERITY@
          scope: county
          target: @FIGURE@
        annotations:
          summary: 'County {{ $labels.county }} misses its target @FIGURE@ (@TARGET@ %): {{ $value | humanizePercentage }} lost'
          description: '县区 {{ $labels.county }} @NAME@目标 @TARGET@ % @DANGER@，当前损失 {{ $value | humanizePercentage }}。'
          runbook: /usr/share/doc/sharpeyes/runbook.md#@ANCHOR@
";

pub(super) fn run(args: &RulesArgs) -> anyhow::Result<ExitCode> {
    let targets = config::load_targets(args.targets.as_deref())?;
    match burn::watch(&targets) {
        Ok(burns) => {
            let written = std::io::stdout().write_all(rules(&targets, &burns).as_bytes());
            written.context("write the rules")?;
            Ok(ExitCode::SUCCESS)
        }
        Err(faults) => {
            for fault in &faults {
                say_error(&format!("target_percent: {fault}"));
            }
            Ok(ExitCode::from(FOUND_FAULTS))
        }
    }
}

fn rules(targets: &Targets, burns: &[Burn]) -> String {
    let head = HEAD.replace("@VERSION@", &targets.version);
    if burns.is_empty() {
        return head.replace("rules:", "rules: []");
    }
    head + &burns.iter().map(alert).collect::<Vec<_>>().join("\n")
}

fn alert(burn: &Burn) -> String {
    let (alert, danger) = match (burn.source, burn.urgency) {
        (Source::Scraped, Urgency::Page) => ("SharpEyesCountyAvailabilityBurn", "正在快速失守"),
        (Source::Scraped, Urgency::Ticket) => ("SharpEyesCountyAvailabilityBurnSlow", "持续未达"),
        (Source::Computed, _) => ("SharpEyesCountyTargetBurn", "持续未达"),
    };
    let severity = match burn.urgency {
        Urgency::Page => "page",
        Urgency::Ticket => "ticket",
    };
    ALERT
        .replace("@EXPR@", &expression(burn))
        .replace("@ALERT@", alert)
        .replace("@ANCHOR@", &alert.to_lowercase())
        .replace("@SEVERITY@", severity)
        .replace("@DANGER@", danger)
        .replace("@FIGURE@", &burn.figure.to_string())
        .replace("@NAME@", burn.figure.measure.name_zh())
        .replace("@TARGET@", &burn.target.percent())
}

/// The limits, one below the other, joined by `or`.
fn expression(burn: &Burn) -> String {
    let limit = |limit: &Limit| match burn.source {
        Source::Scraped => scraped(limit),
        Source::Computed => computed(burn, limit),
    };
    burn.limits.iter().map(limit).collect::<Vec<_>>().join("          or\n")
}

fn scraped(limit: &Limit) -> String {
    let Limit { long, half, short, error } = limit;
    let error = error.shown();
    format!(
        "          (
            county:sharpeyes_error:ratio_avg{long} > {error}
            and county:sharpeyes_error:ratio_avg{short} > {error}
            and present_over_time(county:sharpeyes_points_online:ratio[{half}] offset {half})
          )
"
    )
}

/// The high bound of the figure: what is unknown is not held against the county. How far back the history of the service
/// itself reaches is its own matter.
fn computed(burn: &Burn, limit: &Limit) -> String {
    let kind = if burn.figure.measure == Measure::Online { "service" } else { "device" };
    let class = burn.figure.class.map_or("all", |class| class.as_str());
    let mean = |window: &str| {
        format!(
            "(1 - max by (county) (sharpeyes_sli_ratio{{kind=\"{kind}\", class=\"{class}\", window=\"{window}\", bound=\"high\"}}) > {})",
            limit.error.shown()
        )
    };
    format!(
        "          (\n            {}\n            and {}\n          )\n",
        mean(limit.long),
        mean(limit.short)
    )
}
