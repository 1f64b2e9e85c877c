//! A daemon of the test's own, in a temporary folder, which leaves nothing behind.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tcpprobed::tracefs::{Instance, Tracefs};
use tempfile::TempDir;

use super::{Api, wait_for, wait_until};

/// A daemon process and its folders. Dropped, it is killed, and its kernel instances are removed.
pub struct Daemon {
    child: Option<Child>,
    /// What is run.
    binary: PathBuf,
    folder: TempDir,
    tracefs: Tracefs,
    /// Of the names of its kernel instances.
    prefix: String,
}

impl Daemon {
    /// Starts one with the default configuration; `None`, with the reason printed, where there is no tracefs for it.
    pub fn start() -> Option<Self> {
        Self::configured("")
    }

    /// Starts one with this configuration.
    pub fn configured(config: &str) -> Option<Self> {
        Self::prepared(config, |_| {})
    }

    /// Starts one whose folder is prepared before.
    pub fn prepared(config: &str, prepare: impl FnOnce(&Path)) -> Option<Self> {
        let tracefs = super::tracefs()?;
        let folder = tempfile::Builder::new().prefix("tcpprobed-test-").tempdir().unwrap();
        write_config(folder.path(), config);
        prepare(folder.path());
        let state = folder.path().canonicalize().unwrap().join("state");
        let prefix = format!("tcpprobed-{:08x}.", fnv1a(state.as_os_str().as_encoded_bytes()));
        let mut daemon = Daemon { child: None, binary: tcpprobed(), folder, tracefs, prefix };
        daemon.run();
        Some(daemon)
    }

    /// Has the next process be one of another binary: a copy.
    pub fn upgrade(&mut self) {
        self.binary = super::copied(&tcpprobed(), &self.path("tcpprobed"));
    }

    /// Starts the process.
    pub fn launch(&mut self) {
        assert!(self.child.is_none());
        let log = File::options().create(true).append(true).open(self.path("log")).unwrap();
        let (state, runtime, config) = (self.path("state"), self.path("run"), self.path("config.toml"));
        let child = command(&self.binary, &state, &runtime, &config).stderr(log).spawn();
        self.child = Some(child.unwrap());
    }

    /// Starts the process and waits until it serves.
    pub fn run(&mut self) {
        self.launch();
        let child = self.child.as_mut().unwrap();
        let socket = self.folder.path().join("run/tcpprobed.sock");
        let gone = wait_for("the daemon serves", || match child.try_wait().unwrap() {
            Some(status) => Some(Some(status)),
            None => UnixStream::connect(&socket).is_ok().then_some(None),
        });
        assert_eq!(gone, None, "the daemon ended\n{}", self.log());
        // It listens before it has resumed its jobs; then it answers.
        self.api().list();
    }

    /// A file or folder of its own: `state`, `run`, `log`, `config.toml`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.path("run/tcpprobed.sock")
    }

    /// Whoever is on this machine may connect: the daemon decides about roles.
    pub fn open_to_all(&self) {
        for (name, mode) in [("", 0o755), ("run", 0o755), ("run/tcpprobed.sock", 0o666)] {
            fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
        }
    }

    /// Its API.
    pub fn api(&self) -> Api {
        Api::connect(&self.socket())
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// The kernel instance of a job.
    pub fn instance(&self, job: &str) -> PathBuf {
        self.tracefs.root().join("instances").join(format!("{}{job}", self.prefix))
    }

    /// Names of its kernel instances, without the prefix.
    pub fn instances(&self) -> Vec<String> {
        let all = self.tracefs.instances(&self.prefix).unwrap();
        all.iter().map(|name| name[self.prefix.len()..].to_owned()).collect()
    }

    /// The newest segment of a run.
    pub fn live_segment(&self, job: &str, run: u32) -> PathBuf {
        let folder = self.path("state/jobs").join(job).join(format!("{run:06}"));
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|extension| extension == "tcpp")).max().unwrap()
    }

    /// The folders of its threads in /proc.
    fn tasks(&self) -> Vec<PathBuf> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        tasks.map(|task| task.unwrap().path()).collect()
    }

    /// CPU time of all its threads that there are.
    pub fn cpu_time(&self) -> Duration {
        let time = |task: PathBuf| -> Option<u64> {
            fs::read_to_string(task.join("schedstat")).ok()?.split(' ').next()?.parse().ok()
        };
        Duration::from_nanos(self.tasks().into_iter().filter_map(time).sum())
    }

    /// A file of a thread in /proc.
    pub fn thread(&self, name: &str, file: &str) -> String {
        let read = |path: PathBuf| fs::read_to_string(path).unwrap_or_default();
        // It gives itself its name.
        let find = || self.tasks().into_iter().find(|task| read(task.join("comm")).trim_end() == name);
        read(wait_for("the thread runs", find).join(file))
    }

    /// How often a thread has waited for something.
    pub fn waits(&self, thread: &str) -> u64 {
        let status = self.thread(thread, "status");
        let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
        count.trim().parse().unwrap()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(self.child.as_ref().unwrap())
    }

    fn end(&mut self, signal: Signal) -> ExitStatus {
        kill_process(self.pid(), signal).unwrap();
        self.child.take().unwrap().wait().unwrap()
    }

    /// Seconds of CPU that it took so far.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        // utime and stime, the 14th and 15th of proc_pid_stat(5); the third is the first behind the name.
        let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
        ticks as f64 / rustix::param::clock_ticks_per_second() as f64
    }

    /// Another configuration, and SIGHUP; what is logged of it.
    pub fn reload(&self, config: &str) -> String {
        write_config(self.folder.path(), config);
        let before = self.log().len();
        kill_process(self.pid(), Signal::HUP).unwrap();
        wait_for("the daemon has read it", || {
            let log = self.log().split_off(before);
            // Warnings come before the line that says how it ended.
            log.lines().any(|line| line.contains("SIGHUP")).then_some(log)
        })
    }

    /// A size in /proc/PID/status, in bytes: `VmRSS`, `VmHWM`.
    pub fn memory(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        value.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// How many file descriptors it has open.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// SIGKILL; gone when this returns.
    pub fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    /// SIGTERM; gone when this returns.
    pub fn terminate(&mut self) {
        let status = self.end(Signal::TERM);
        assert!(status.success(), "{status}\n{}", self.log());
    }

    /// What systemd does to a daemon that hangs: SIGABRT; gone when this returns.
    pub fn abort(&mut self) {
        self.pause();
        kill_process(self.pid(), Signal::ABORT).unwrap();
        let status = self.end(Signal::CONT);
        assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()), "{status}");
    }

    /// SIGSTOP; no thread runs any more when this returns.
    pub fn pause(&self) {
        kill_process(self.pid(), Signal::STOP).unwrap();
        let stopped = |path: PathBuf| {
            let stat = fs::read_to_string(path.join("stat")).unwrap_or_default();
            // The name may hold anything, the state is behind its parenthesis.
            stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
        };
        wait_until("all threads are stopped", || self.tasks().into_iter().all(stopped));
    }

    /// SIGCONT.
    pub fn go_on(&self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        for name in self.tracefs.instances(&self.prefix).unwrap_or_default() {
            if let Err(error) = Instance::open(&self.tracefs, &name).and_then(Instance::remove) {
                eprintln!("left behind: {error}");
            }
        }
        if std::thread::panicking() {
            eprintln!("the daemon's log:\n{}", self.log());
        }
    }
}

fn write_config(folder: &Path, config: &str) {
    // Events of our own are the business of those tests that say so: others count what the kernel traced.
    let config = match config {
        _ if config.contains("[owners]") => config.to_owned(),
        _ => format!("{config}\n[owners]\nenabled = false\n"),
    };
    // Retention by free disk is the business of those tests that say so.
    let store = "[store]\nfree_min = 0\n";
    let config = match config {
        _ if config.contains("free_min") => config,
        _ if config.contains("[store]\n") => config.replace("[store]\n", store),
        _ => format!("{config}\n{store}"),
    };
    // So that what is stored is what the kernel recorded, and nothing of our own.
    let config = match config.contains("[snapshots]") {
        true => config,
        false => format!("{config}\n[snapshots]\ninterval_seconds = 0\n"),
    };
    fs::write(folder.join("config.toml"), config).unwrap();
}

fn tcpprobed() -> PathBuf {
    env!("CARGO_BIN_EXE_tcpprobed").into()
}

fn command(binary: &Path, state: &Path, runtime: &Path, config: &Path) -> Command {
    let mut command = Command::new(binary);
    command.arg("--state").arg(state).arg("--runtime").arg(runtime).arg("--config").arg(config);
    // Nothing of a systemd that runs the tests.
    for name in ["JOURNAL_STREAM", "NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// Runs a daemon in these folders that is expected to refuse; its words.
pub fn refused(state: &Path, runtime: &Path, config: &Path, more: &[&str]) -> String {
    let mut child = command(&tcpprobed(), state, runtime, config).args(more).stderr(Stdio::piped()).spawn().unwrap();
    let ended = wait_for("the daemon refuses", || child.try_wait().unwrap().or_else(|| serves(runtime)));
    assert_eq!(ended.code(), Some(1));
    let mut words = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut words).unwrap();
    words
}

fn serves(runtime: &Path) -> Option<ExitStatus> {
    assert!(UnixStream::connect(runtime.join("tcpprobed.sock")).is_err(), "it serves");
    std::thread::sleep(Duration::from_millis(10));
    None
}

fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
