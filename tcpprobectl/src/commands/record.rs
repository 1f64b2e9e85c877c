//! `record`: the connections of a command and of what it starts, as a file.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::fs::{Access, access};
use tcpprobe::event::EventSet;
use tcpprobe::event::fork;
use tcpprobe::export::ExportFormat;
use tcpprobe::file::Select;
use tcpprobe::flow::{OfTree, ProcessTree, TreeSockets};
use tcpprobe::source::{EventFilter, Trace, Wanted};
use tcpprobe_client::{Client, Code, Error, JobStream};
use tcpprobe_proto::v1::{Job, JobSpec, ReadRequest, StartJobRequest};

use super::start_job;
use crate::child::Relay;
use crate::cli::{RecordArgs, Snapshots};
use crate::exit::{self, Exit, Failure};
use crate::export::{self, Request, Source};
use crate::format::Format;
use crate::value::count;
use crate::{escape, filter, job, owned, private_daemon, say, tables};

/// What is kept of a recording: what is older goes.
const KEPT_BYTES_MAX: u64 = 1 << 30;
/// The same where it is kept in memory.
const PRIVATE_BYTES_MAX: u64 = 64 << 20;
/// What is on its way when the command ends (FINs, the last ACKs) is waited for so long.
const SETTLE: Duration = Duration::from_millis(500);
/// A daemon that was restarted meanwhile is back within this.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(50);
/// What the names of such jobs begin with; user and process follow.
const PREFIX: &str = "record-";
/// What tells whose the sockets are, whatever else is recorded.
const TELLING: [&str; 3] = [fork::NAME, "sock:inet_sock_set_state", "tcp:tcp_destroy_sock"];
/// `PROC_PID_INIT_INO` (`include/linux/proc_ns.h`): where processes have the numbers that events have.
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

pub fn run(socket: &Path, args: &RecordArgs) -> Result<ExitCode> {
    owned::refuse(&filter::parse(args.filter.as_deref().unwrap_or_default())?)?;
    let target = target(args)?;
    require_numbers()?;
    // Goes last: by then its job is read.
    let (client, private) = private_daemon::connect(socket)?;
    let is_private = private.is_some();
    let socket = private.as_ref().map_or_else(|| socket.to_owned(), private_daemon::PrivateDaemon::socket);
    let relay = Relay::install()?;
    remove_left(&client);
    let job = Started::start(&client, &socket, args, is_private)?;
    if is_private {
        say("no daemon answers, so this command has its own");
    }
    relay.check()?;
    let spawner = rustix::thread::gettid().as_raw_pid();
    let running = match relay.spawn(&args.command) {
        Ok(running) => running,
        Err((code, error)) => {
            say(&format!("cannot run {}: {error}", shown(&args.command[..1])));
            return Ok(code.into());
        }
    };
    let tree = ProcessTree::new(spawner, running.id());
    let code = running.wait()?;
    thread::sleep(SETTLE);
    // The status is the command's, whatever becomes of the recording; but no success where that failed.
    match write(&job, tree, &relay, args, &target) {
        Ok(()) => Ok(code.into()),
        Err(error) if code != 0 => {
            say(&exit::line(&error));
            Ok(code.into())
        }
        Err(error) => Err(error),
    }
}

/// Stops the job, and writes those of its connections that are the command's.
fn write(job: &Started<'_>, tree: ProcessTree, relay: &Relay, args: &RecordArgs, target: &Target) -> Result<()> {
    let client = job.connect()?;
    let stopped = client.stop(&job.name)?;
    let name = target.path.display().to_string();
    let open = || {
        let request = ReadRequest { name: job.name.clone(), run: job.run, ..ReadRequest::default() };
        JobStream::open(&client, request, |_| {
            relay.check()?;
            Ok(std::ops::ControlFlow::Continue(()))
        })
    };
    let mut trace = Trace::tcpp(&name, open()?, Wanted::default());
    let mut found = OfTree::new(tree);
    for item in &mut trace {
        found.feed(&item?);
    }
    let found = found.finish();
    tell(&found, gone(&stopped, trace.selected()));
    if found.lives.is_empty() {
        say(&format!("{} had no TCP connection; nothing was written", shown(&args.command)));
        return Ok(());
    }
    let mut events = args.events.clone();
    if !events.is_empty() {
        events.push("tcpprobe:*".to_owned());
    }
    let filter = EventFilter::new(events, None).of_lives(found.lives.into_iter().collect());
    let format = target.format;
    let request =
        Request { select: Select::default(), filter, fields: None, format, tables: tables::Wanted::default() };
    // What was lost is told by it.
    let exit = export::write(&name, Source::Stream(Box::new(open()?)), request, Some(&target.path))?;
    let also = if exit == Exit::Lossy { "; connections may be missing" } else { "" };
    let connections = plural(found.connections, "connection");
    say(&format!("wrote {name} with {connections}{also}; `tcpprobectl summary {name}` shows them"));
    Ok(())
}

/// Tells what was left out.
fn tell(found: &TreeSockets, gone: u64) {
    if found.unknown > 0 {
        let unknown = plural(found.unknown, "connection");
        say(&format!(
            "left out: {unknown} of this host of which nothing told whose they are, as of those open before and after"
        ));
    }
    if gone > 0 {
        let events = count::human(gone);
        say(&format!(
            "the first {events} events went, for the recording was too large; give more room with --max-size"
        ));
    }
}

/// How many events had to go for newer ones.
fn gone(stopped: &Job, read: u64) -> u64 {
    let stored = stopped.runs.last().and_then(|run| run.ledger).map_or(0, |ledger| ledger.stored);
    stored.saturating_sub(read)
}

fn plural(number: u64, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {what}{s}", count::human(number))
}

/// A command as one types it, about.
fn shown(words: &[OsString]) -> String {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    escape::text(&words.join(" ")).into_owned()
}

/// A file that is to be written.
struct Target {
    path: PathBuf,
    format: Format,
}

/// The file asked for, or one named after the command that is not there yet.
fn target(args: &RecordArgs) -> Result<Target> {
    let tcpp = Format::Of(ExportFormat::Tcpp);
    let Some(path) = &args.output else {
        let path = free_name(args.command.first().map_or(OsStr::new(""), OsString::as_os_str), |path| path.exists());
        require_folder(&path)?;
        return Ok(Target { path, format: tcpp });
    };
    if path == Path::new("-") {
        let what = "stdout is the command's";
        return Err(Failure::new(Exit::Usage, what, "give the name of a file").into());
    }
    let known = export::format_of(None, Some(path));
    if known.is_none() {
        export::refuse_other(path)?;
    }
    require_folder(path)?;
    Ok(Target { path: path.clone(), format: known.unwrap_or(tcpp) })
}

/// `curl.tcpp` for `/usr/bin/curl`; `curl-2.tcpp` where that `is_taken`.
fn free_name(program: &OsStr, is_taken: impl Fn(&Path) -> bool) -> PathBuf {
    let stem = Path::new(program).file_name().unwrap_or(OsStr::new("command")).to_string_lossy();
    // One that begins with a dash or a dot would be hidden, or taken for an option.
    let stem = stem.trim_start_matches(['-', '.']);
    let stem = if stem.is_empty() { "command" } else { stem };
    let first = PathBuf::from(format!("{stem}.tcpp"));
    let later = (2_u64..).map(|number| PathBuf::from(format!("{stem}-{number}.tcpp")));
    std::iter::once(first).chain(later).find(|path| !is_taken(path)).unwrap_or_default()
}

/// Fails before the command runs where its recording could not be written.
fn require_folder(path: &Path) -> Result<(), Failure> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let why = match access(parent, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) if path.is_dir() => "it is a folder".to_owned(),
        Ok(()) => return Ok(()),
        Err(error) => std::io::Error::from(error).to_string(),
    };
    let what = format!("cannot write {}: {why}", path.display());
    Err(Failure::new(Exit::Failed, what, "give another name with -o"))
}

/// Fails where this process has another number here than in events.
fn require_numbers() -> Result<(), Failure> {
    if fs::read_link("/proc/self/ns/pid").is_ok_and(|name| name.as_os_str() == FIRST_PID_NAMESPACE) {
        return Ok(());
    }
    let what =
        "processes have other numbers here than in the kernel's events: this is a container, or another PID namespace";
    Err(Failure::new(Exit::Failed, what, "run it outside, or record by a filter: tcpprobectl start NAME --filter F"))
}

/// Removes jobs of the caller's that such commands left, which were killed while no daemon ran.
fn remove_left(client: &Client) {
    let own = format!("{PREFIX}{}-", rustix::process::getuid().as_raw());
    for job in client.list().unwrap_or_default() {
        let pid = job::name(&job).strip_prefix(&own).and_then(|pid| pid.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            // If not now, then the next time.
            let _ = client.remove(job::name(&job), true);
        }
    }
}

/// A job that lasts as long as this, and is gone with this process however that ends.
struct Started<'a> {
    name: String,
    run: u32,
    socket: &'a Path,
    _held: Option<tcpprobe_client::Stream<'a, tcpprobe_proto::v1::WatchJobsReply>>,
}

impl<'a> Started<'a> {
    fn start(client: &'a Client, socket: &'a Path, args: &RecordArgs, is_private: bool) -> Result<Self> {
        let name = format!("{PREFIX}{}-{}", rustix::process::getuid().as_raw(), std::process::id());
        let mut events = args.events.clone();
        if events.is_empty() {
            events.push(EventSet::Default.name().to_owned());
        }
        events.extend(TELLING.map(str::to_owned));
        let kept = if is_private { PRIVATE_BYTES_MAX } else { KEPT_BYTES_MAX };
        let spec = JobSpec {
            name: name.clone(),
            filter: args.filter.clone().unwrap_or_default(),
            events,
            buffer_kb: args.buffer.unwrap_or(0),
            max_size_bytes: args.max_size.unwrap_or(kept),
            snapshots_s: match args.snapshots {
                Some(Snapshots::Every(seconds)) => Some(seconds),
                Some(Snapshots::Default) | None => None,
            },
            ..JobSpec::default()
        };
        let request = StartJobRequest { spec: Some(spec), own: true, ..StartJobRequest::default() };
        let reply = start_job(client, request)?;
        let mut started = Started { name, run: reply.run, socket, _held: None };
        reply.warnings.iter().for_each(|warning| say(warning));
        started._held = Some(client.hold(&started.name)?);
        Ok(started)
    }

    /// A connection to the daemon, which may have been restarted since.
    fn connect(&self) -> Result<Client, Error> {
        let began = Instant::now();
        loop {
            match Client::connect(self.socket) {
                Err(Error::Unreachable { .. }) if began.elapsed() < PATIENCE => thread::sleep(LOOK),
                connected => return connected,
            }
        }
    }
}

impl Drop for Started<'_> {
    fn drop(&mut self) {
        let removed = self.connect().and_then(|client| client.remove(&self.name, true));
        match removed {
            Ok(_) | Err(Error::Status { code: Code::NotFound, .. }) => {}
            Err(error) => {
                let why = exit::line(&error.into());
                say(&format!("job {} is still there: {why}; remove it: tcpprobectl rm {0} --force", self.name));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_after_the_command_and_replaces_none() {
        let check = |program: &str, taken: &[&str], expected: &str| {
            let is_taken = |path: &Path| taken.iter().any(|taken| path == Path::new(taken));
            assert_eq!(free_name(OsStr::new(program), is_taken), Path::new(expected), "{program}");
        };
        check("curl", &[], "curl.tcpp");
        check("/usr/bin/curl", &["curl.tcpp"], "curl-2.tcpp");
        check("./a.out", &["a.out.tcpp", "a.out-2.tcpp"], "a.out-3.tcpp");
        check(".hidden", &[], "hidden.tcpp");
        check("--x", &[], "x.tcpp");
        check("..", &[], "command.tcpp");
        check("", &[], "command.tcpp");
    }
}
