//! tcpprobed: the flight recorder's daemon.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser};
use tcpprobed::api::quota::Quota;
use tcpprobed::api::service::Service;
use tcpprobed::api::{server, socket};
use tcpprobed::cli::{Command, Flags};
use tcpprobed::config::Config;
use tcpprobed::hash::fnv1a;
use tcpprobed::jobs::Jobs;
use tcpprobed::runtime_folder::RuntimeFolder;
use tcpprobed::sockdiag::SockDiag;
use tcpprobed::store::Store;
use tcpprobed::tracefs::Tracefs;
use tcpprobed::{abort_on_panic, descriptors, systemd};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

/// Streams that do not end by themselves are cut this long after a stop.
const DRAIN_TIME: Duration = Duration::from_secs(2);
/// What is logged unless `RUST_LOG` says otherwise. h2 warns of each connection that floods it: a log could be filled with that.
const LOGGED: &str = "info,sled=warn,h2=error";
/// The status line of systemd is written this often.
const STATUS_INTERVAL: Duration = Duration::from_secs(5);
/// Threads for what may block: that of one user takes a few ([`tcpprobed::api::quota`]), a stream one for a moment at a time.
const BLOCKING_THREADS_MAX: usize = 512;

fn main() -> ExitCode {
    let flags = Flags::parse();
    log_to_the_right_place();
    let done = match flags.command {
        Some(Command::Check { repair, json }) => check(&flags, repair, json),
        Some(Command::Man { ref folder }) => man(folder).map(|()| ExitCode::SUCCESS),
        None => run(&flags).map(|()| ExitCode::SUCCESS),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// journald under systemd, stderr otherwise.
fn log_to_the_right_place() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOGGED));
    let registry = tracing_subscriber::registry().with(filter);
    let under_systemd = std::env::var_os("JOURNAL_STREAM").is_some();
    match under_systemd.then(tracing_journald::layer).and_then(Result::ok) {
        Some(journald) => registry.with(journald).init(),
        None => registry
            .with(
                fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal()).with_target(false),
            )
            .init(),
    }
}

/// What the manual says beside the options.
const MANUAL: [(&str, &str); 3] = [
    (
        "FILES",
        "\
/etc/tcpprobed/tcpprobed.toml  the configuration, see tcpprobed.toml(5)
/run/tcpprobed/tcpprobed.sock  the socket that tcpprobectl asks
/run/tcpprobed/*.staging       what was read from the kernel and is not stored yet
/var/lib/tcpprobed             jobs and what they recorded
/sys/kernel/tracing/instances  the kernel's instances, tcpprobed.* of them",
    ),
    (
        "SIGNALS",
        "\
SIGHUP           reads the configuration again; captures go on
SIGTERM, SIGINT  end the daemon; jobs go on in the kernel, and the next daemon takes them over
SIGKILL          costs nothing that was recorded: the next daemon recovers it",
    ),
    (
        "EXIT STATUS",
        "\
0  ended by SIGTERM or SIGINT; of check: all is well
1  could not start, or failed; of check: something is not well
2  the command line is wrong",
    ),
];

fn man(folder: &Path) -> Result<()> {
    tcpprobe_man::write_program(Flags::command(), "8", &MANUAL, folder).with_context(|| folder.display().to_string())
}

fn check(flags: &Flags, repair: bool, json: bool) -> Result<ExitCode> {
    let state = match &flags.state {
        Some(state) => state.clone(),
        None => flags.configuration()?.state,
    };
    let summary = tcpprobed::check::check(&state, repair)?;
    tcpprobed::check::report(&summary, json, &mut std::io::stdout().lock())?;
    eprintln!("{}", summary.line());
    Ok(if summary.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run(flags: &Flags) -> Result<()> {
    // Modes are those that the documentation says, whoever started this.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let config = flags.configuration()?;

    let quota = Quota::new(descriptors::raise(&config.limits));
    let tracefs = Tracefs::locate(config.tracefs.as_deref())?;
    let runtime_folder = RuntimeFolder::open(&config.runtime)?;
    let store = Store::open(&config.state, config.upkeep())?;
    let prefix = instance_prefix(&config);
    let activated = systemd::activated();
    let listener = match activated.listener {
        Some(listener) => listener,
        None => socket::listen(&config.socket(), &config.access.group)?,
    };
    let socket_path = config.socket();
    let sock_diag = SockDiag::open(activated.sock_diag, config.snapshots.cost());
    let sock_diag = sock_diag.map_err(|error| format!("the kernel cannot be asked about sockets: {error}"));
    match &sock_diag {
        Ok(sock_diag) => sock_diag.start()?,
        Err(why) => tracing::warn!("there will be no snapshots: {why}"),
    }
    let jobs = Jobs::open(config, tracefs, store, runtime_folder, prefix, sock_diag)?;
    tracing::info!(socket = %socket_path.display(), tracefs = %jobs.tracefs().root().display(), "ready");
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).max_blocking_threads(BLOCKING_THREADS_MAX).enable_all().build()?;
    let served = runtime.block_on(serve(flags, Arc::clone(&jobs), quota, listener));
    runtime.shutdown_timeout(DRAIN_TIME);
    if let Some(folder) = &flags.private {
        std::fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    tracing::info!("stopped");
    served
}

/// Daemons with another state folder have instances of other names, so that they can run side by side.
fn instance_prefix(config: &Config) -> String {
    if config.state == Config::default().state {
        return "tcpprobed.".into();
    }
    let path = std::fs::canonicalize(&config.state).unwrap_or_else(|_| config.state.clone());
    format!("tcpprobed-{:08x}.", fnv1a(path.as_os_str().as_encoded_bytes()))
}

async fn serve(flags: &Flags, jobs: Arc<Jobs>, quota: Quota, listener: std::os::unix::net::UnixListener) -> Result<()> {
    listener.set_nonblocking(true)?;
    let listener = UnixListener::from_std(listener)?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let maintained = Arc::clone(&jobs);
    abort_on_panic::spawn("maintenance", move || maintained.maintain())?;
    let owned = Arc::clone(&jobs);
    abort_on_panic::spawn("owners", move || owned.tell_owners())?;
    let (trouble, told) = watch::channel(String::new());
    tokio::spawn(tell_systemd(Arc::clone(&jobs), told));
    let service = Service::new(Arc::clone(&jobs), quota);

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(server::serve(listener, Arc::clone(&jobs), service.clone(), async {
        let _ = stopped.await;
    }));
    systemd::ready();

    let mut alone = std::pin::pin!(left_alone(flags.private.is_some()));
    loop {
        tokio::select! {
            _ = terminate.recv() => break tracing::info!("SIGTERM: stopping"),
            _ = interrupt.recv() => break tracing::info!("SIGINT: stopping"),
            () = &mut alone => break tracing::info!("the program whose daemon this is has ended: stopping"),
            _ = hangup.recv() => drop(trouble.send_replace(reload(flags, &service))),
        }
    }
    systemd::stopping();
    let is_private = flags.private.is_some();
    let suspended = tokio::task::spawn_blocking(move || {
        if is_private {
            jobs.remove_all();
        }
        jobs.suspend();
        if let Ok(sock_diag) = jobs.sock_diag() {
            sock_diag.end();
        }
    });
    suspended.await.context("the captures could not be drained")?;
    let _ = stop.send(());
    match tokio::time::timeout(DRAIN_TIME, server).await {
        Ok(served) => Ok(served??),
        // Somebody keeps a connection open; everything is stored.
        Err(_) => Ok(()),
    }
}

/// Returns when the program that this daemon belongs to has ended, never where it belongs to none.
async fn left_alone(is_private: bool) {
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    if !is_private {
        return std::future::pending().await;
    }
    // A thread of its own, for nothing else ends a read of stdin.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        drop(end);
    });
    let _ = ended.await;
}

/// Reads the configuration again. What to say of it in the status line, nothing where all is well; where it is not valid,
/// the one before stays.
fn reload(flags: &Flags, service: &Service) -> String {
    systemd::reloading();
    let words = match flags.configuration() {
        Err(error) => {
            tracing::error!("SIGHUP: {error:#}; the configuration before it stays");
            service.keep_configuration(format!("{error:#}"));
            format!("; not reloaded: {error:#}")
        }
        Ok(config) => {
            let waiting = service.configure(config).join(", ");
            let words = match waiting.as_str() {
                "" => String::new(),
                _ => format!("; waits for a restart: {waiting}"),
            };
            if !waiting.is_empty() {
                tracing::warn!("{waiting}: changed, which takes a restart; until then the old value holds");
            }
            tracing::info!("SIGHUP: the configuration was read again");
            words
        }
    };
    systemd::ready();
    words
}

/// Feeds the watchdog, and writes the line of `systemctl status`, with what is wrong with the configuration.
async fn tell_systemd(jobs: Arc<Jobs>, mut trouble: watch::Receiver<String>) {
    let mut tick = tokio::time::interval(systemd::watchdog_interval().unwrap_or(STATUS_INTERVAL).min(STATUS_INTERVAL));
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            // An error is the end of the daemon, which ends this too.
            Ok(()) = trouble.changed() => {}
        }
        systemd::watchdog();
        let list = jobs.list();
        let running = list.iter().filter(|job| job.state == tcpprobed::jobs::State::Running);
        // Not `sum()`: that of nothing is -0.
        let rate = running.clone().fold(0.0, |sum, job| sum + job.events_per_s);
        let lost: u64 = running.clone().filter_map(|job| Some(job.runs.last()?.ledger.missing())).sum();
        let running = running.count();
        let all = list.len();
        let trouble = trouble.borrow_and_update().clone();
        systemd::status(&format!("{running} of {all} jobs running, {rate:.0} events/s, {lost} lost{trouble}"));
    }
}
