//! The daemon's configuration: a TOML file, overruled by flags.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde::Deserialize;

use crate::byte_size;
use crate::disk::OptionalHook;
use crate::sockdiag::Cost;
use crate::store::{SegmentLimits, Upkeep};

/// Where the configuration is looked for when no `--config` is given; it may be missing there.
pub const DEFAULT_PATH: &str = "/etc/tcpprobed/tcpprobed.toml";

/// Everything that can be configured, with its defaults. `packaging/tcpprobed.toml` explains each.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What is recorded.
    pub state: PathBuf,
    /// Socket and staging.
    pub runtime: PathBuf,
    /// The API's socket; in `runtime` where it is not set.
    pub socket: Option<PathBuf>,
    /// tracefs; found or mounted where it is not set.
    pub tracefs: Option<PathBuf>,
    /// What jobs may use.
    pub limits: Limits,
    /// Defaults of a job.
    pub job: JobDefaults,
    /// What the kernel is asked of sockets.
    pub snapshots: SnapshotConfig,
    /// Whether jobs are told whose the sockets are.
    pub owners: OwnersConfig,
    /// What the store may use.
    pub store: StoreConfig,
    /// Who may do what.
    pub access: Access,
}

/// What jobs and clients may use, all together, and how much of it one user.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Most jobs.
    pub jobs: usize,
    /// Most jobs of one user.
    pub jobs_per_user: usize,
    /// Most connections at once.
    pub connections: usize,
    /// Most connections of one user.
    pub connections_per_user: usize,
    /// Requests of one user a second, on average.
    pub requests_per_second: u32,
    /// Most streams (reads and watches) open at once.
    pub streams: usize,
    /// Most streams of one user.
    pub streams_per_user: usize,
    /// Kernel memory of all instances, in percent of the machine's memory.
    pub kernel_memory_percent: u64,
}

/// What a job gets that does not say otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JobDefaults {
    /// Kernel buffer in KB for each CPU.
    pub buffer_kb_per_cpu: u64,
    /// Sub-buffer in KiB, where the kernel can (6.8).
    pub subbuf_kb: u64,
    /// Bytes kept; 0 is no limit.
    #[serde(deserialize_with = "byte_size::deserialize")]
    pub max_size: u64,
}

/// What the kernel is asked of the sockets of running jobs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SnapshotConfig {
    /// Seconds from one snapshot of a socket to the next, of jobs that do not say otherwise; 0 for none.
    pub interval_seconds: u64,
    /// Most snapshots a second, of all jobs; 0 for none, whatever jobs say.
    pub per_second: u32,
    /// Most of a CPU that taking them costs, in thousandths.
    pub cpu_permille: u32,
    /// Whether the kernel is to tell of each socket that closes.
    pub r#final: bool,
}

/// Whether jobs are told whose the sockets are that they record.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OwnersConfig {
    /// Those that start from now on.
    pub enabled: bool,
}

/// What the store may use.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// Bytes of all jobs.
    #[serde(deserialize_with = "byte_size::deserialize")]
    pub max_size: u64,
    /// Bytes that stay free on the file system.
    #[serde(deserialize_with = "byte_size::deserialize")]
    pub free_min: u64,
    /// A segment is closed at this length…
    #[serde(deserialize_with = "byte_size::deserialize")]
    pub segment_bytes: u64,
    /// …or at this age in seconds.
    pub segment_seconds: u64,
    /// What was written is made durable after at most so many seconds.
    pub sync_seconds: u64,
}

/// Who may do what. Root, and the user that the daemon runs as, may do everything.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    /// Group that owns the socket.
    pub group: String,
    /// Groups that may look and fetch.
    pub viewers: Vec<String>,
    /// Groups that may also start jobs, and stop and remove their own.
    pub operators: Vec<String>,
    /// Groups that may do everything.
    pub admins: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            state: "/var/lib/tcpprobed".into(),
            runtime: "/run/tcpprobed".into(),
            socket: None,
            tracefs: None,
            limits: Limits::default(),
            job: JobDefaults::default(),
            snapshots: SnapshotConfig::default(),
            owners: OwnersConfig::default(),
            store: StoreConfig::default(),
            access: Access::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            jobs: 64,
            jobs_per_user: 48,
            connections: 2048,
            connections_per_user: 1280,
            requests_per_second: 1000,
            streams: 256,
            streams_per_user: 128,
            kernel_memory_percent: 50,
        }
    }
}

impl Default for JobDefaults {
    fn default() -> Self {
        JobDefaults { buffer_kb_per_cpu: 8192, subbuf_kb: 64, max_size: 0 }
    }
}

impl Default for SnapshotConfig {
    fn default() -> Self {
        SnapshotConfig { interval_seconds: 1, per_second: 200, cpu_permille: 1, r#final: false }
    }
}

impl SnapshotConfig {
    /// What they may cost.
    #[must_use]
    pub fn cost(&self) -> Cost {
        Cost { per_second: self.per_second, cpu_permille: self.cpu_permille, has_finals: self.r#final }
    }
}

impl Default for OwnersConfig {
    fn default() -> Self {
        OwnersConfig { enabled: true }
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        StoreConfig {
            max_size: 20 << 30,
            free_min: 1 << 30,
            segment_bytes: crate::store::SEGMENT_BYTES,
            segment_seconds: crate::store::SEGMENT_AGE.as_secs(),
            sync_seconds: crate::store::SYNC_INTERVAL.as_secs(),
        }
    }
}

impl Default for Access {
    fn default() -> Self {
        Access { group: "tcpprobe".into(), viewers: Vec::new(), operators: vec!["tcpprobe".into()], admins: Vec::new() }
    }
}

impl Config {
    /// Reads the file; the default one may be missing.
    ///
    /// # Errors
    /// When a file that was asked for cannot be read, or one is not valid: the line says where.
    pub fn load(path: Option<&Path>) -> Result<Self> {
        let text = match path {
            Some(path) => std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))?,
            None => match std::fs::read_to_string(DEFAULT_PATH) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
                read => read.context(DEFAULT_PATH)?,
            },
        };
        let shown = path.unwrap_or(Path::new(DEFAULT_PATH)).display();
        let config: Config = toml::from_str(&text).map_err(|error| {
            // The error's own words are a picture of several lines.
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or("");
            let line = before.matches('\n').count() + 1;
            anyhow!("{shown}, line {line}: {}", error.message().replace('\n', " "))
        })?;
        config.check().with_context(|| shown.to_string())?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        for (name, most) in [
            ("jobs", self.limits.jobs),
            ("jobs_per_user", self.limits.jobs_per_user),
            ("connections", self.limits.connections),
            ("connections_per_user", self.limits.connections_per_user),
            ("streams", self.limits.streams),
            ("streams_per_user", self.limits.streams_per_user),
        ] {
            anyhow::ensure!(most > 0, "limits.{name} must be at least 1");
        }
        anyhow::ensure!(
            (1..=1_000_000).contains(&self.limits.requests_per_second),
            "limits.requests_per_second: 1 to 1000000"
        );
        anyhow::ensure!((1..=90).contains(&self.limits.kernel_memory_percent), "limits.kernel_memory_percent: 1 to 90");
        anyhow::ensure!(self.store.segment_bytes >= 64 << 10, "store.segment_bytes: at least 65536");
        anyhow::ensure!(self.store.segment_seconds > 0, "store.segment_seconds must be at least 1");
        anyhow::ensure!((1..=60).contains(&self.store.sync_seconds), "store.sync_seconds: 1 to 60");
        anyhow::ensure!(self.snapshots.interval_seconds <= 3600, "snapshots.interval_seconds: 0 to 3600");
        anyhow::ensure!(self.snapshots.per_second <= 100_000, "snapshots.per_second: 0 to 100000");
        anyhow::ensure!((1..=1000).contains(&self.snapshots.cpu_permille), "snapshots.cpu_permille: 1 to 1000");
        anyhow::ensure!((4..=512).contains(&self.job.subbuf_kb), "job.subbuf_kb: 4 to 512");
        Ok(())
    }

    /// What follows this configuration while the daemon runs: the new one, but for what only another start can change.
    /// The names of those settings, where they differ.
    #[must_use]
    pub fn followed_by(&self, mut new: Config) -> (Config, Vec<&'static str>) {
        let mut waiting = Vec::new();
        keep("state", &self.state, &mut new.state, &mut waiting);
        keep("runtime", &self.runtime, &mut new.runtime, &mut waiting);
        keep("socket", &self.socket, &mut new.socket, &mut waiting);
        keep("tracefs", &self.tracefs, &mut new.tracefs, &mut waiting);
        keep("access.group", &self.access.group, &mut new.access.group, &mut waiting);
        (new, waiting)
    }

    /// The API's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.socket.clone().unwrap_or_else(|| self.runtime.join("tcpprobed.sock"))
    }

    /// How the store is to be kept.
    #[must_use]
    pub fn upkeep(&self) -> Upkeep {
        let StoreConfig { segment_bytes: bytes, segment_seconds, sync_seconds, .. } = self.store;
        let limits = SegmentLimits { bytes, age: Duration::from_secs(segment_seconds) };
        Upkeep { limits, sync_interval: Duration::from_secs(sync_seconds), hook: OptionalHook::default() }
    }
}

/// Leaves a setting as it is, and notes that it was to change.
fn keep<T: Clone + PartialEq>(name: &'static str, old: &T, new: &mut T, waiting: &mut Vec<&'static str>) {
    if old != new {
        new.clone_from(old);
        waiting.push(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_settings_wait_for_a_start() {
        let old = Config::default();
        let (limits, socket) = (Limits { jobs: 1, ..old.limits.clone() }, Some("/s".into()));
        let new = Config { state: "/elsewhere".into(), socket, limits: limits.clone(), ..old.clone() };
        let (config, waiting) = old.followed_by(new);
        assert_eq!(waiting, ["state", "socket"]);
        assert_eq!(config, Config { limits, ..old });
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(toml::from_str::<Config>("").unwrap(), Config::default());
        Config::default().check().unwrap();
    }

    #[test]
    fn mistakes_are_named() {
        let error = toml::from_str::<Config>("[limits]\njbos = 3\n").unwrap_err().to_string();
        assert!(error.contains("jbos") && error.contains("line 2"), "{error}");
    }
}
