//! The command line, as typed. One definition feeds parsing, help and completions.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValue;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use tcpprobe::flow::Ends;
use tcpprobe_arrow::{Compression, Table};
use tcpprobe_client::DEFAULT_SOCKET;

use crate::format::Format;
use crate::tables::Wanted;
use crate::top::row::SortKey;
use crate::value::{duration, size, timestamp};

const EXIT_CODES: &str = "\
Exit codes:
  0 done       1 failed    2 wrong usage             3 daemon unreachable
  4 denied     5 no such job, or no data             6 done, but events were lost

Start with:
  tcpprobectl start web --filter 'sport==80'
  tcpprobectl plot web";

/// Records the kernel's TCP events with tcpprobed, and shows them.
#[derive(Debug, Parser)]
#[command(name = "tcpprobectl", version, max_term_width = 100, after_help = EXIT_CODES)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = false)]
pub struct Cli {
    /// The daemon's socket [$TCPPROBED_SOCKET, or /run/tcpprobed/tcpprobed.sock]
    #[arg(long, global = true, value_name = "PATH", value_hint = ValueHint::FilePath, help_heading = "Everywhere")]
    #[arg(env = "TCPPROBED_SOCKET", default_value = DEFAULT_SOCKET, hide_env = true, hide_default_value = true)]
    pub socket: PathBuf,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    Start(StartArgs),
    Stop(StopArgs),
    Rm(RmArgs),
    List(ListArgs),
    Status(StatusArgs),
    Fetch(FetchArgs),
    Tail(TailArgs),
    Top(TopArgs),
    Trace(TraceArgs),
    Record(RecordArgs),
    Plot(PlotArgs),
    Diagnose(DiagnoseArgs),
    Summary(SummaryArgs),
    Explain(ExplainArgs),
    Convert(ConvertArgs),
    Doctor(DoctorArgs),
    Version(VersionArgs),
    Completions(CompletionsArgs),
    Filter(FilterArgs),
    #[command(hide = true)]
    Man(ManArgs),
    #[command(hide = true)]
    Names(NamesArgs),
}

/// Print names for a shell to complete: of the jobs, unless told otherwise
#[derive(Debug, Args)]
pub struct NamesArgs {
    /// The numbers of this job's runs
    #[arg(long, value_name = "NAME")]
    pub runs_of: Option<String>,
    /// The events that are known
    #[arg(long)]
    pub events: bool,
}

/// The verbs as the overview groups them.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Record", &["start", "stop", "rm", "list", "status", "record"]),
    ("Read", &["fetch", "tail", "trace", "convert"]),
    ("Understand", &["top", "diagnose", "summary", "explain", "plot", "filter"]),
    ("This program", &["doctor", "version", "completions", "help"]),
];

/// The definition, with the verbs grouped in the overview.
#[must_use]
pub fn command() -> clap::Command {
    let mut command = Cli::command();
    command.build();
    let mut overview = String::new();
    for (title, names) in GROUPS {
        overview.push_str(&format!("{title}:\n"));
        for verb in names.iter().filter_map(|name| command.find_subcommand(name)) {
            let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
            overview.push_str(&format!("  {:<12} {about}\n", verb.get_name()));
        }
        overview.push('\n');
    }
    Cli::command().help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{overview}{{options}}{{after-help}}"
    ))
}

/// What `--max-age none` and the like mean: as the daemon has it by default.
fn or_default<E>(text: &str, parse: impl Fn(&str) -> Result<u64, E>) -> Result<u64, E> {
    if matches!(text, "none" | "default") { Ok(0) } else { parse(text) }
}

/// What `--snapshots` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Snapshots {
    /// As the daemon has it by default.
    Default,
    /// Seconds from one to the next; 0 for none.
    Every(u64),
}

impl Snapshots {
    fn parse(text: &str) -> Result<Self, duration::DurationError> {
        match text {
            "off" => Ok(Snapshots::Every(0)),
            "none" | "default" => Ok(Snapshots::Default),
            _ => duration::parse_s(text).map(|seconds| Snapshots::Every(seconds.max(1))),
        }
    }
}

/// A run, counted from 1.
fn run_number(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ if text == "all" => Err("a run at a time; `tcpprobectl status NAME` lists them".to_owned()),
        _ => Err("a run is a number, counted from 1".to_owned()),
    }
}

/// Most events that `tail` shows of the past: it holds their lines until it knows that they are the newest.
const TAIL_LINES_MAX: u64 = 100_000;

fn tail_lines(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(lines) if lines <= TAIL_LINES_MAX => Ok(lines),
        Ok(_) => Err(format!("at most {TAIL_LINES_MAX}; `tcpprobectl fetch NAME --format text` gives all")),
        Err(_) => Err("not a number of events".to_owned()),
    }
}

/// Start a job, and make it if there is none of that name
#[derive(Debug, Args)]
#[command(after_help = "\
start begins a new run and keeps the old ones; --no-clear continues the last run instead.
A job that is there keeps what is not named, and start prints what changes. Back to the defaults:
--filter '', --events '', and `none` for --buffer, --duration, --max-size, --max-age and --snapshots.
The set `minimal` is tcp_probe and tcp_retransmit_skb; `default` has besides what changes congestion control's state and the
socket's, resets, and SYN-ACKs sent again; `all` is all that can be recorded. What a kernel lacks of a set is said.
--dry-run lists what the kernel filters and what the daemon filters.

Examples:
  tcpprobectl start web --filter 'sport==80'
  tcpprobectl start web --filter 'sport==80' --buffer 2000000    # 2 GB, for heavy traffic
  tcpprobectl start all --duration 10m --max-size 500M
  tcpprobectl start loss --events minimal,tcp:tcp_cong_state_set
  tcpprobectl start web --filter 'saddr == 10.0.0.0/8' --dry-run --sample")]
pub struct StartArgs {
    /// The job's name: letters, digits, `.`, `_` and `-`
    pub name: String,
    /// Record only what matches: `sport==80 || dport==80`; see `help filter`
    #[arg(long, value_name = "F")]
    pub filter: Option<String>,
    /// Events, globs and sets (default, minimal, all), comma-separated [default: default]
    #[arg(long, value_name = "L", value_delimiter = ',')]
    pub events: Option<Vec<String>>,
    /// The kernel's ring buffer over all CPUs, in KB, or with a unit: 64M
    #[arg(long, value_name = "KB", value_parser = |text: &str| or_default(text, size::parse_kb))]
    #[arg(help_heading = "Limits")]
    pub buffer: Option<u64>,
    /// Stop by itself after this time: 90s, 5m, 2h30m, 1d
    #[arg(long, value_name = "D", value_parser = |text: &str| or_default(text, duration::parse_s))]
    #[arg(help_heading = "Limits")]
    pub duration: Option<u64>,
    /// Delete the oldest trace beyond this size: 500M, 2GiB
    #[arg(long, value_name = "S", value_parser = |text: &str| or_default(text, size::parse))]
    #[arg(help_heading = "Limits")]
    pub max_size: Option<u64>,
    /// Delete trace older than this: 12h, 7d
    #[arg(long, value_name = "D", value_parser = |text: &str| or_default(text, duration::parse_s))]
    #[arg(help_heading = "Limits")]
    pub max_age: Option<u64>,
    /// What the kernel says of each connection (event tcp_info), this often while it is active; `off` for never [default: 1s]
    #[arg(long, value_name = "D", value_parser = Snapshots::parse)]
    pub snapshots: Option<Snapshots>,
    /// Continue the job's last run instead of beginning a new one
    #[arg(long)]
    pub no_clear: bool,
    /// Change nothing; show what the kernel would filter, and the memory it takes
    #[arg(long)]
    pub dry_run: bool,
    /// With --dry-run: count for two seconds; estimate events a second and disk a day
    #[arg(long, requires = "dry_run")]
    pub sample: bool,
    /// Print the reply as JSON
    #[arg(long)]
    pub json: bool,
}

/// Stop jobs, and store what the kernel still holds
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  tcpprobectl stop web mail")]
pub struct StopArgs {
    /// The jobs
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "NAME")]
    pub names: Vec<String>,
    /// Stop all jobs that run and are the caller's to stop
    #[arg(long)]
    pub all: bool,
}

/// Remove jobs and everything they recorded
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  tcpprobectl rm web --force")]
pub struct RmArgs {
    /// The jobs
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// Stop them first when they run
    #[arg(long)]
    pub force: bool,
}

/// List the jobs, one a line
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tcpprobectl list\n  tcpprobectl list --json | jq -r '.[] | select(.runs[-1].lost > 0) | .name'"
)]
pub struct ListArgs {
    /// Print a JSON array
    #[arg(long)]
    pub json: bool,
}

/// Show one job, or all, with counts, limits and warnings
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tcpprobectl status web
  tcpprobectl status --watch
  tcpprobectl status web --json | jq '.runs[-1].lost'")]
pub struct StatusArgs {
    /// The job; all of them when none is named
    pub name: Option<String>,
    /// Keep showing every change, until Ctrl-C
    #[arg(long)]
    pub watch: bool,
    /// Print JSON: an object for a named job, else an array; with --watch one object a line
    #[arg(long)]
    pub json: bool,
}

/// Which part of a trace.
#[derive(Debug, Clone, Args)]
pub struct RangeArgs {
    /// The run, counted from 1 [default: the newest that has events]
    #[arg(long, value_name = "N", value_parser = run_number, help_heading = "Which events")]
    pub run: Option<u32>,
    #[command(flatten)]
    pub time: TimeArgs,
    /// Only events that match; see `help filter`
    #[arg(long, value_name = "F", help_heading = "Which events")]
    pub filter: Option<String>,
    /// Only connections with this end: ADDR, :PORT or ADDR:PORT; two, with a comma between, are both
    #[arg(long, value_name = "C", help_heading = "Which events")]
    pub connection: Option<Ends>,
}

/// Which time of a trace.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct TimeArgs {
    /// From this time on: `5m ago`, 10:30, RFC 3339, seconds since 1970
    #[arg(long, value_name = "T", value_parser = timestamp::parse, help_heading = "Which events")]
    pub since: Option<i64>,
    /// Up to this time
    #[arg(long, value_name = "T", value_parser = timestamp::parse, help_heading = "Which events")]
    pub until: Option<i64>,
    /// The last 5m, 2h30m and the like, counted back from the newest event
    #[arg(long, value_name = "D", value_parser = duration::parse, conflicts_with_all = ["since", "until"])]
    #[arg(help_heading = "Which events")]
    pub last: Option<Duration>,
}

/// What a trace can be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceFormat(pub Format);

impl ValueEnum for TraceFormat {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [TraceFormat; Format::ALL.len()] = {
            let mut all = [TraceFormat(Format::Parquet); Format::ALL.len()];
            let mut at = 0;
            while at < all.len() {
                all[at] = TraceFormat(Format::ALL[at]);
                at += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.name()).help(self.0.help()))
    }
}

const FETCH_HELP: &str = "\
Formats:
  tcpp     as stored: binary, compressed, exact; a time range is sent in whole blocks
  text     the kernel's own text, as trace_pipe shows it
  text.gz  the same, through gzip
  json     one object a line: time (RFC 3339), time_ns (since 1970), clock_ns (the trace's clock),
           cpu, pid, comm, event, and every field by its name; addresses and ports as such
  csv      the same as one table, with the columns of all events; empty where an event has none
  parquet  tables for pandas, polars, DuckDB and Spark: events, connections, intervals and losses,
           joined by conn; FILE is a folder of all, or ends in .parquet for the events alone
  perfetto a trace for ui.perfetto.dev: a track for each connection, with its counters, what held it
           back, and its retransmissions
Where events were lost, json has an object whose event is null, csv a line without one: lost tells
how many, null or empty where nobody knows. A clock of ticks gives clock_ticks, not clock_ns.
Text in csv that a spreadsheet would take for a formula (= + - @) has an apostrophe before it.

In json and csv: srtt is in microseconds; snd_wnd, rcv_wnd and data_len are bytes; snd_cwnd and
ssthresh are packets, and an ssthresh of 2147483647 is one that is not set. state, oldstate and
newstate count from 1: ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE CLOSE_WAIT
LAST_ACK LISTEN CLOSING NEW_SYN_RECV; family is 2 for IPv4, 10 for IPv6.

FILE (.tcpp, .txt, .log, .txt.gz, .json, .csv, .parquet, .pftrace) is replaced only when all is
written; a folder must not be there yet.

Examples:
  tcpprobectl fetch web -o web.tcpp
  tcpprobectl fetch web --last 5m --format text | less
  tcpprobectl fetch web --events tcp_probe -o web.csv
  tcpprobectl fetch web --table connections -o web.parquet";

/// A table, as `--table` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TableName {
    /// Each event
    Events,
    /// Each connection
    Connections,
    /// What held each connection back, and when
    Intervals,
    /// Where events are missing
    Losses,
}

/// How Parquet is compressed, as `--compression` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CompressionName {
    /// Quick
    Snappy,
    /// Smaller
    Gzip,
    /// Not at all
    None,
}

/// How tables are written.
#[derive(Debug, Args)]
pub struct TableArgs {
    /// Only this table, as a file: events, connections, intervals or losses [default: a folder of all]
    #[arg(long, value_enum, value_name = "TABLE", hide_possible_values = true, help_heading = "In parquet")]
    pub table: Option<TableName>,
    /// snappy, gzip (smaller, slower) or none [default: snappy]
    #[arg(long, value_enum, value_name = "HOW", hide_possible_values = true, help_heading = "In parquet")]
    pub compression: Option<CompressionName>,
}

impl TableArgs {
    /// What is wanted.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        Wanted {
            table: self.table.map(|table| match table {
                TableName::Events => Table::Events,
                TableName::Connections => Table::Connections,
                TableName::Intervals => Table::Intervals,
                TableName::Losses => Table::Losses,
            }),
            compression: match self.compression {
                None | Some(CompressionName::Snappy) => Compression::Snappy,
                Some(CompressionName::Gzip) => Compression::Gzip,
                Some(CompressionName::None) => Compression::None,
            },
        }
    }
}

/// Write a job's trace to a file or stdout
#[derive(Debug, Args)]
#[command(after_help = FETCH_HELP)]
pub struct FetchArgs {
    /// The job
    pub name: String,
    /// Write to this file; `-` is stdout
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// tcpp, text, text.gz, json, csv, parquet or perfetto [default: as the name of FILE ends, else tcpp]
    #[arg(long, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    pub format: Option<TraceFormat>,
    /// Only these fields, comma-separated, in json and csv
    #[arg(long, value_name = "L", value_delimiter = ',', help_heading = "Which events")]
    pub fields: Option<Vec<String>>,
    /// Only these events: names and globs, comma-separated
    #[arg(long, value_name = "L", value_delimiter = ',', help_heading = "Which events")]
    pub events: Vec<String>,
    #[command(flatten)]
    pub range: RangeArgs,
    #[command(flatten)]
    pub tables: TableArgs,
}

/// Print a job's newest events as text
#[derive(Debug, Args)]
#[command(after_help = "\
With --filter, the newest that match among the last million events.

Examples:
  tcpprobectl tail web -n 100
  tcpprobectl tail web -f --filter 'srtt > 20ms'
  tcpprobectl tail web -f --format json | jq .srtt")]
pub struct TailArgs {
    /// The job
    pub name: String,
    /// How many events
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10, value_parser = tail_lines)]
    pub lines: u64,
    /// Keep printing new events, until Ctrl-C or the end of the run
    #[arg(short, long)]
    pub follow: bool,
    /// Only events that match; see `help filter`
    #[arg(long, value_name = "F")]
    pub filter: Option<String>,
    /// short, text or json [default: short on a terminal, else text]
    #[arg(long, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    pub format: Option<LineFormat>,
}

/// What events are printed as, a line each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LineFormat {
    /// Time of day, connection, congestion window and ssthresh, srtt, bytes in flight
    Short,
    /// The kernel's own text
    Text,
    /// An object a line
    Json,
}

/// Watch the connections of jobs as they are now, sorted, with what holds each back
#[derive(Debug, Args)]
#[command(after_help = "\
On a terminal it takes the whole of it, until q: Enter shows a connection in full, with its
curves and limits; / filters while typing; s sorts by the next column, r the other way round;
Space stands still; ? lists all keys. Elsewhere it prints one table.

BIT/S is of data in both directions, FLIGHT bytes sent and not acknowledged, RESENT
retransmissions since the connection was first seen. HELD BACK BY is the headline of the last
ten seconds. Where an owner was told before the last million events, it is not known.

A filter chooses connections as they are now: by address and port, srtt, snd_cwnd, ssthresh,
snd_wnd, rcv_wnd, in_flight (bytes), retransmissions, rate (bit/s), owner, cc, limit and cause.
A word that is no filter is looked for in addresses, owners and jobs.

Examples:
  tcpprobectl top
  tcpprobectl top web --filter 'srtt > 20ms' --sort retransmissions
  tcpprobectl top web -n 1 --top 10
  tcpprobectl top web --json | jq -c '.connections[0].headline'")]
pub struct TopArgs {
    /// The jobs; all that run when none is named
    #[arg(value_name = "NAME", num_args = 0..=16)]
    pub names: Vec<String>,
    /// Only connections that match; see `help filter`
    #[arg(long, value_name = "F")]
    pub filter: Option<String>,
    /// rate, in-flight, cwnd, srtt, retransmissions, connection or owner; of numbers the most first
    #[arg(long, value_name = "WHAT", value_enum, default_value = "rate", hide_possible_values = true)]
    pub sort: SortKey,
    /// Show it anew so often
    #[arg(short, long, value_name = "D", value_parser = tick, default_value = "1s")]
    pub delay: Duration,
    /// End after so many times [default: once where stdout is no terminal; with --json at Ctrl-C]
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub times: Option<u64>,
    /// In a table or JSON at most so many connections [default: 40; all with --json]
    #[arg(long, value_name = "N")]
    pub top: Option<usize>,
    /// Print JSON, a line each time
    #[arg(long)]
    pub json: bool,
}

/// How often something is shown anew.
fn tick(text: &str) -> Result<Duration, String> {
    // As top(1) has it, a number is one of seconds.
    let is_number = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let seconds = text.parse().ok().filter(|_| is_number).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let delay = match seconds {
        Some(delay) => delay,
        None => duration::parse(text).map_err(|error| error.to_string())?,
    };
    let is_sensible = (Duration::from_millis(100)..=Duration::from_secs(3600)).contains(&delay);
    if is_sensible { Ok(delay) } else { Err("from 0.1s to 1h".to_owned()) }
}

/// Record now and print the events as text, until Ctrl-C
///
/// The events are also saved in job trace-UID, a run for each trace; it is stopped at exit. It is never a job that
/// somebody else made.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tcpprobectl trace 'sport==80' > web.txt\n  tcpprobectl trace --buffer 64M | head -1000"
)]
pub struct TraceArgs {
    /// Record only what matches; see `help filter`
    #[arg(default_value = "", hide_default_value = true)]
    pub filter: String,
    /// Events, globs and sets (default, minimal, all), comma-separated [default: default]
    #[arg(long, value_name = "L", value_delimiter = ',')]
    pub events: Vec<String>,
    /// The kernel's ring buffer over all CPUs, in KB, or with a unit: 64M
    #[arg(long, value_name = "KB", value_parser = size::parse_kb)]
    pub buffer: Option<u64>,
    /// Print what the last trace recorded, and go on from there
    #[arg(long)]
    pub no_clear: bool,
    /// The job's name [default: trace-UID]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// short, text or json [default: short on a terminal, else text]
    #[arg(long, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    pub format: Option<LineFormat>,
}

/// Run a command, and record the connections of it and of all that it starts
///
/// The file is written when the command has ended, and has the connections that its processes connected, accepted and used, with all
/// their events, and no others. The command has the terminal and its files to itself, and gets the signals. No job is left.
#[derive(Debug, Args)]
#[command(after_help = "\
The exit code is the command's: 128 and the signal where one ended it, 127 where it is not there,
126 where it cannot be run. Before it runs, errors are those of every command.

Which connections are its own the kernel tells: who began each process and thread, and in whose
course a socket was connected, closed or read. Of connections that were open before the command
and still are after it, nothing may be told; they are counted, and left out. The recording ends
with the command: what it leaves running in the background is recorded up to then.

FILE may end as those of `fetch` do (.tcpp, .txt, .json, .csv, .parquet, .pftrace). Without -o it
is named after the command, and a file that is there is left alone: curl.tcpp, then curl-2.tcpp.
A FILE that is named is replaced.

Examples:
  tcpprobectl record -- curl -sO https://example.com/large
  tcpprobectl record -o backup.tcpp -- sh -c './backup.sh | ssh store cat'
  tcpprobectl diagnose backup.tcpp")]
pub struct RecordArgs {
    /// Write to this file [default: CMD.tcpp]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Of its connections, record only what matches: `dport==443`; see `help filter`
    #[arg(long, value_name = "F")]
    pub filter: Option<String>,
    /// Events, globs and sets (default, minimal, all), comma-separated [default: default]
    #[arg(long, value_name = "L", value_delimiter = ',')]
    pub events: Vec<String>,
    /// The kernel's ring buffer over all CPUs, in KB, or with a unit: 64M
    #[arg(long, value_name = "KB", value_parser = size::parse_kb)]
    pub buffer: Option<u64>,
    /// Room for what all of the host does meanwhile; then the oldest goes [default: 1G]
    #[arg(long, value_name = "S", value_parser = size::parse)]
    pub max_size: Option<u64>,
    /// What the kernel says of each connection (event tcp_info), this often while it is active; `off` for never [default: 1s]
    #[arg(long, value_name = "D", value_parser = Snapshots::parse)]
    pub snapshots: Option<Snapshots>,
    /// The command and its arguments
    #[arg(value_name = "CMD", required = true, num_args = 1.., trailing_var_arg = true)]
    #[arg(value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

/// What a plot can be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlotFormat {
    /// Pixels
    Png,
    /// Vectors
    Svg,
    /// A page for a browser
    Html,
}

/// A panel of a plot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlotPanel {
    Throughput,
    Cwnd,
    Flight,
    Srtt,
    Retransmissions,
    Limits,
}

/// Which connections are drawn first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlotBy {
    Bytes,
    Retransmissions,
    Srtt,
    Duration,
    Rate,
}

/// Draw what happened to connections over time: one trace, or several to compare
#[derive(Debug, Args)]
#[command(after_help = "\
A file (.tcpp, ftrace text, trace.dat, perf.data, each with .gz too) is taken before a job of the
same name; --run means the job.
NAME:RUN is that run of a job. Several are compared: from their first events on, over the same axes,
the connection with the most traffic of each, with a table of what differs.

HTML is a page to zoom and search in: all connections, what held back each, and its events, in one file that opens
from disk and asks no network for anything. Events that exceed --size are thinned out, and no extreme is lost.
Of several traces it has the connections of all, and the table of what differs.

Panels: throughput, cwnd (with ssthresh), flight (in flight, of one connection against cwnd times MSS and the
peer's window), srtt, retransmissions, limits (what held back; see `tcpprobectl explain`).

Examples:
  tcpprobectl plot web --open
  tcpprobectl plot web --top 1 --by retransmissions
  tcpprobectl plot web --connection 10.1.2.3:443 --panels cwnd,srtt
  tcpprobectl plot trace.txt.gz --format svg --output-dir plots
  tcpprobectl plot web --format html -o web.html
  tcpprobectl plot web:1 web:2 -o before-and-after.png
  tcpprobectl plot web:1 web:2 -o before-and-after.html")]
pub struct PlotArgs {
    /// The job or file, or several to compare
    #[arg(value_name = "NAME|FILE", required = true, num_args = 1..=16, value_hint = ValueHint::AnyPath)]
    pub sources: Vec<String>,
    /// png, svg or html [default: as the name of FILE ends, else png]
    #[arg(long, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    pub format: Option<PlotFormat>,
    /// Write to this file; `-` is stdout [default: NAME.png]
    #[arg(short, long, value_name = "FILE", conflicts_with = "output_dir", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Write into this directory, which is made if need be
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub output_dir: Option<PathBuf>,
    /// Show it with the desktop's viewer
    #[arg(long)]
    pub open: bool,
    /// Of HTML: the most that the file may take; what does not fit is said [default: 20MB]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub size: Option<u64>,
    /// Show the trace's clock instead of seconds since the first event
    #[arg(long)]
    pub raw_time: bool,
    /// Draw SSH (port 22) too
    #[arg(long)]
    pub ssh: bool,
    /// Draw the first N connections, at most 16 [default: 8; of each when comparing, 1; on a page of one trace, 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=16))]
    pub top: Option<u16>,
    /// First come those with the most of this: bytes, retransmissions, srtt, duration or rate
    #[arg(long, value_name = "WHAT", value_enum, default_value = "bytes", hide_possible_values = true)]
    pub by: PlotBy,
    /// Only these panels, in this order, with commas between [default: all that show something]
    #[arg(long, value_name = "LIST", value_enum, value_delimiter = ',', hide_possible_values = true)]
    pub panels: Option<Vec<PlotPanel>>,
    /// Draw both ends of a connection within this host, and not only the one that sends more
    #[arg(long)]
    pub both_ends: bool,
    /// When comparing, give each its own panels, one below the other
    #[arg(long)]
    pub stack: bool,
    #[command(flatten)]
    pub range: RangeArgs,
}

/// Say what holds each connection back, and why it retransmitted
#[derive(Debug, Args)]
#[command(after_help = "\
A file (.tcpp, ftrace text, trace.dat, perf.data, each with .gz too) is taken before a job of the
same name.

Examples:
  tcpprobectl diagnose web
  tcpprobectl diagnose web --last 5m --connection 198.51.100.7
  tcpprobectl diagnose web --filter 'limit == receive_window'
  tcpprobectl diagnose trace.txt.gz --json | jq '.connections[].headline'

In --filter, `limit == NAME` (the headline) and `cause == NAME` (of retransmissions) choose
whole connections, joined to the rest by &&; `tcpprobectl explain` lists the names. So do
comm, unit, container, pod, exe, uid and pid of the owner, and cc:
`unit == nginx.service && cc == bbr`.")]
pub struct DiagnoseArgs {
    /// The job or file
    #[arg(value_name = "NAME|FILE", value_hint = ValueHint::AnyPath)]
    pub source: String,
    /// Print JSON: for each connection its limits, intervals, retransmissions and findings
    #[arg(long)]
    pub json: bool,
    /// Tell at most so many connections in full, the worst first [default: 20; all with --json]
    #[arg(long, value_name = "N")]
    pub top: Option<usize>,
    /// Tell it again every two seconds, until Ctrl-C; with --json a line each time
    #[arg(long)]
    pub watch: bool,
    #[command(flatten)]
    pub range: RangeArgs,
}

/// What connections have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GroupBy {
    Connection,
    Peer,
    Process,
    Unit,
    Port,
    Cc,
}

/// What a table is sorted by, the most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SortBy {
    Bytes,
    Duration,
    Rate,
    Loss,
    Retransmissions,
    Srtt,
    Connections,
}

/// Show a table of connections: data, rate, loss, RTT, and what holds them back
#[derive(Debug, Args)]
#[command(after_help = "\
SRTT MS is the least, the median and the 95th percentile. LOSS is retransmissions of all segments sent.
--by peer puts networks together, /24 and /48. Process and unit (or container) are the owner's.
Several are compared: a row each, of all their connections, with what differs from the first in
brackets.

Examples:
  tcpprobectl summary web
  tcpprobectl summary web --by peer --sort loss --top 10
  tcpprobectl summary trace.tcpp --csv > connections.csv
  tcpprobectl summary web:1 web:2")]
pub struct SummaryArgs {
    /// The job or file, or several to compare; NAME:RUN is that run of a job
    #[arg(value_name = "NAME|FILE", required = true, num_args = 1..=16, value_hint = ValueHint::AnyPath)]
    pub sources: Vec<String>,
    /// A row for each
    #[arg(long, value_name = "WHAT", value_enum, default_value = "connection")]
    pub by: GroupBy,
    /// With --by peer: bits of an address that are one network [default: 24, and 48 of IPv6]
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(0..=128))]
    pub prefix: Option<u8>,
    /// The most of this first
    #[arg(long, value_name = "WHAT", value_enum, default_value = "bytes")]
    pub sort: SortBy,
    /// At most so many rows [default: 40; all with --json and --csv]
    #[arg(long, value_name = "N")]
    pub top: Option<usize>,
    /// Print JSON
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// Print CSV
    #[arg(long)]
    pub csv: bool,
    #[command(flatten)]
    pub range: RangeArgs,
}

/// Explain a limit, a cause of retransmissions or a finding; without a name, list all
#[derive(Debug, Args)]
#[command(after_help = "\
Each page says what it means, how it is decided and from what, what looks like it, how to confirm
it with other tools, and what helps.

Examples:
  tcpprobectl explain
  tcpprobectl explain receive_window")]
pub struct ExplainArgs {
    /// As reports and --json call it
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Turn a trace file, or pages saved by hand, into another format
#[derive(Debug, Args)]
#[command(after_help = "\
The end of the output's name tells its format: .tcpp, .txt, .txt.gz, .json, .csv, .parquet,
.pftrace (see `help fetch`).
FILE is a .tcpp trace, ftrace text, a trace.dat of trace-cmd (version 6 or 7), or a perf.data with
tracepoints (perf record -e 'tcp:*' -a), each also with .gz; what it is, its bytes tell.
Text and pages do not tell the time of day: `time` and `time_ns` are empty, and there is no --since.
A trace.dat does with trace-cmd's --date, a perf.data with perf's -k.

DIR holds the pages of each CPU as cpuN.raw, and if you have them, saved_cmdlines (names of tasks),
cpuN.stats, trace_clock and uname (`uname -r`); each may be gzipped. To save them, as root:
  cd /sys/kernel/tracing; echo 1 > events/tcp/tcp_probe/enable; sleep 10
  echo 0 > events/tcp/tcp_probe/enable; cp saved_cmdlines trace_clock DIR; uname -r > DIR/uname
  for cpu in per_cpu/cpu*; do timeout 1 cat $cpu/trace_pipe_raw > DIR/${cpu#*/}.raw; done
  cp -r events/header_page events/tcp events/sock EVENTS_DIR

Examples:
  tcpprobectl convert web.tcpp -o web.txt.gz
  tcpprobectl convert old-trace.txt.gz -o old.json
  tcpprobectl convert perf.data -o web.tcpp
  tcpprobectl convert DIR --formats EVENTS_DIR -o web.tcpp")]
pub struct ConvertArgs {
    /// The trace: .tcpp, ftrace text, trace.dat, perf.data, each with .gz too; or, with --formats, a folder of cpuN.raw
    #[arg(value_name = "FILE|DIR", value_hint = ValueHint::AnyPath)]
    pub file: PathBuf,
    /// The events/ folder of the kernel that wrote the pages in DIR
    #[arg(long, value_name = "EVENTS_DIR", value_hint = ValueHint::DirPath)]
    pub formats: Option<PathBuf>,
    /// Write to this file; `-` is stdout, and needs --format
    #[arg(short, long, value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub output: PathBuf,
    /// tcpp, text, text.gz, json, csv, parquet or perfetto, however the name of FILE ends
    #[arg(long, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    pub format: Option<TraceFormat>,
    /// Only these fields, comma-separated, in json and csv
    #[arg(long, value_name = "L", value_delimiter = ',', help_heading = "Which events")]
    pub fields: Option<Vec<String>>,
    /// Only these events: names and globs, comma-separated
    #[arg(long, value_name = "L", value_delimiter = ',', help_heading = "Which events")]
    pub events: Vec<String>,
    #[command(flatten)]
    pub time: TimeArgs,
    /// Only events that match; see `help filter`
    #[arg(long, value_name = "F", help_heading = "Which events")]
    pub filter: Option<String>,
    #[command(flatten)]
    pub tables: TableArgs,
}

/// Check whether captures work here, and say how to fix it
#[derive(Debug, Args)]
#[command(after_help = "\
One check a line: ok, warning (captures work, but not as well as they could), failure, or skipped
(it could not be checked); what was found; and how to fix it. To try a capture out, the daemon
makes a kernel instance for a moment. The exit code is 0 only if a capture would work for you, and
3 where no daemon answers; then the machine is looked at from here.

Examples:
  tcpprobectl doctor
  tcpprobectl doctor --json | jq -r '.checks[] | select(.level != \"ok\") | .finding'")]
pub struct DoctorArgs {
    /// Print JSON: `works`, and the checks
    #[arg(long)]
    pub json: bool,
}

/// Print the versions of this program, the daemon and its kernel
#[derive(Debug, Args)]
pub struct VersionArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Explain the language of filters
#[derive(Debug, Args)]
#[command(override_help = tcpprobe::filter::HELP)]
pub struct FilterArgs {}

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  tcpprobectl completions bash > /etc/bash_completion.d/tcpprobectl")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Write the manual pages into a folder
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The folder
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub folder: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_verb_is_in_one_group() {
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let mut built = command();
        built.build();
        let shown = built.get_subcommands().filter(|verb| !verb.is_hide_set());
        let mut verbs: Vec<&str> = shown.map(clap::Command::get_name).collect();
        grouped.sort_unstable();
        verbs.sort_unstable();
        assert_eq!(grouped, verbs);
    }
}
