//! The command line.

use clap::{Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Tells whether a village camera network is covered, shared, available and under control (雪亮工程).
#[derive(Debug, Parser)]
#[command(name = "sharpeyes", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the settings are.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArg {
    /// Settings file; every key is documented in config/sharpeyes.toml
    #[arg(long, value_name = "FILE", default_value = "/etc/sharpeyes/sharpeyes.toml")]
    pub(crate) config: PathBuf,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch the network and serve the API, metrics and console
    Serve(ConfigArg),
    /// Simulated fleet and service together, on loopback (needs the `simulate` feature)
    Demo(DemoArgs),
    /// Ask the running service whether it lives: exit code 0 when it does, 1 when it hangs or does not answer
    Alive(ConfigArg),
    /// Read the settings and say everything that is wrong with them
    CheckConfig(ConfigArg),
    /// Bring the database schema to this version
    Migrate(ConfigArg),
    /// Bring in divisions, grids, sites, links, points, places and credentials from CSV or XLSX
    Import(ImportArgs),
    /// Give back what was imported, without credentials
    Export(ExportArgs),
    /// Look at one stream or point now and say what is wrong with it
    Probe(ProbeArgs),
    /// The four-target figures of one month
    Report(ReportArgs),
    /// Print the Prometheus rules that watch the targets of the report
    Rules(RulesArgs),
    /// RTSP fleet simulator with faults (needs the `simulate` feature)
    Simulate(SimulateArgs),
    /// Decode key frames from standard input, confined; started by the service itself
    #[command(hide = true)]
    Decode,
    /// Pull one stream for the service, which starts it itself
    #[command(hide = true)]
    Pull,
    /// Print the OpenAPI 3.1 document
    Openapi,
    /// API tokens
    Token(TokenArgs),
    /// Send a test message over the channels of the settings, or one of them
    TestChannel(TestChannelArgs),
    /// Make a consistent copy of the database while the service runs
    Backup(BackupArgs),
    /// Check the audit chain
    VerifyAudit(ConfigArg),
}

#[derive(Debug, clap::Args)]
pub(crate) struct TestChannelArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// Name of the channel; all of them when left out
    pub(crate) name: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Folder of the demo's database, clips and inventory files
    #[arg(long, value_name = "DIR", default_value = "var/demo")]
    pub(crate) dir: PathBuf,
    /// Address of the API and console
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// RTSP port of every simulated camera address (127.x.y.z)
    #[arg(long, default_value_t = 8554)]
    pub(crate) port: u16,
    /// Leave the scripted faults out
    #[arg(long)]
    pub(crate) no_faults: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// Show the difference and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Kind of the records of a CSV file, when its name does not tell (divisions, grids, sites, links, points, places, credentials)
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// Coordinate system of the file when it has no `datum` column
    #[arg(long, default_value = "wgs84")]
    pub(crate) datum: String,
    /// Machine-readable result
    #[arg(long)]
    pub(crate) json: bool,
    /// CSV (UTF-8 or GB18030) or XLSX files; all of them are one import
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

/// Form of a written table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    Csv,
    Xlsx,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// Form of the files
    #[arg(long, value_enum, default_value = "csv")]
    pub(crate) format: TableFormat,
    /// Folder (csv) or file (xlsx) to write
    #[arg(long, value_name = "PATH")]
    pub(crate) to: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ProbeArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// Code of a known point
    #[arg(long, value_name = "CODE", conflicts_with = "url")]
    pub(crate) point: Option<String>,
    /// rtsp:// address, without user and password
    #[arg(required_unless_present = "point")]
    pub(crate) url: Option<String>,
    /// User name; the password is read from SHARPEYES_PASSWORD or asked for
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// Whom a TLS connection may lead to: the SHA-256 of one certificate, or `insecure`; else whom an authority vouches for
    #[arg(long, value_name = "SHA-256")]
    pub(crate) trust: Option<String>,
    /// Measuring window in seconds after the first key frame
    #[arg(long, default_value_t = 6.0)]
    pub(crate) window: f64,
    /// Machine-readable result
    #[arg(long)]
    pub(crate) json: bool,
}

/// Form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    Json,
    Csv,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// Month, as 2026-10
    #[arg(long)]
    pub(crate) month: String,
    /// Division code; the whole inventory when left out
    #[arg(long)]
    pub(crate) division: Option<String>,
    /// Form
    #[arg(long, value_enum, default_value = "json")]
    pub(crate) format: ReportFormat,
    /// Compute a frozen month anew; other figures than before are a new revision
    #[arg(long)]
    pub(crate) reissue: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RulesArgs {
    /// Targets file, as `report.targets_file` names it; the built-in targets when left out
    #[arg(long, value_name = "FILE")]
    pub(crate) targets: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SimulateArgs {
    /// Folder for clips and inventory files
    #[arg(long, value_name = "DIR", default_value = "var/simulator")]
    pub(crate) dir: PathBuf,
    /// RTSP port on every simulated camera address (127.x.y.z)
    #[arg(long, default_value_t = 8554)]
    pub(crate) port: u16,
    /// Leave the scripted faults out
    #[arg(long)]
    pub(crate) no_faults: bool,
    /// Seconds that each scripted fault stays before it moves on
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub(crate) stay: u64,
    /// Seconds before the first picture is spoilt, for the cameras to be learnt
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    pub(crate) learn: u64,
    /// Seconds between the key frames of a camera with slow ones
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    pub(crate) key_frame_gap: u64,
    /// Watch so many points without pause and the others not at all, instead of patrols
    #[arg(long, value_name = "POINTS", conflicts_with = "patrol")]
    pub(crate) continuous: Option<usize>,
    /// Patrol so many points and do not watch the others
    #[arg(long, value_name = "POINTS")]
    pub(crate) patrol: Option<usize>,
    /// Folder of the clips, which several simulators may share; DIR/clips when left out
    #[arg(long, value_name = "DIR")]
    pub(crate) clips: Option<PathBuf>,
    /// End when standard input closes, as a child of `demo` does
    #[arg(long, hide = true)]
    pub(crate) attached: bool,
    /// Give one order to the simulator that runs on DIR and print its answer; `help` lists the orders
    #[arg(long, value_name = "ORDER")]
    pub(crate) tell: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    pub(crate) command: TokenCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Create a token and print it once
    Add {
        #[command(flatten)]
        config: ConfigArg,
        /// Who or what uses it
        #[arg(long)]
        name: String,
        /// read, operate or admin
        #[arg(long, default_value = "read")]
        role: String,
        /// Division that it may see; everything when left out
        #[arg(long)]
        division: Option<String>,
    },
    /// List tokens, never their secrets
    List(ConfigArg),
    /// Make a token useless
    Revoke {
        #[command(flatten)]
        config: ConfigArg,
        /// Name of the token
        #[arg(long)]
        name: String,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// File to write
    #[arg(long, value_name = "FILE")]
    pub(crate) to: PathBuf,
}
