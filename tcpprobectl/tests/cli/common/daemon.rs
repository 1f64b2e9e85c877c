//! A daemon of the test's own on a real Unix socket: it knows the jobs and the trace that it is given, and the names
//! of jobs tell it what to answer. The API's behaviour is the real daemon's to test; this is for what the client
//! makes of the answers.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tcpprobe_proto::v1::tcp_probe_server::{TcpProbe, TcpProbeServer};
use tcpprobe_proto::v1::{
    Check, CheckLevel, Defaults, DoctorReply, DoctorRequest, EventPlan, EventSample, FinalSnapshots, GetJobReply,
    GetJobRequest, Job, JobSpec, JobState, Ledger, ListJobsReply, ListJobsRequest, Owners, ReadReply, ReadRequest,
    RemoveJobReply, RemoveJobRequest, Run, Sample, Snapshots, StartJobReply, StartJobRequest, StopJobReply,
    StopJobRequest, VersionReply, VersionRequest, WatchJobsReply, WatchJobsRequest,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tonic::{Request, Response, Status};

/// 2026-01-31 12:00:00 UTC.
const NOON_NS: i64 = 1_769_860_800_000_000_000;
const SECOND_NS: i64 = 1_000_000_000;

const DEFAULTS: Defaults = Defaults { buffer_kb: 16_384, max_size_bytes: 0, store_max_size_bytes: 10_000_000_000 };

/// A daemon that lives as long as the test.
pub struct Daemon {
    directory: tempfile::TempDir,
    /// What was asked, newest last.
    pub asked: Arc<Mutex<Vec<String>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Daemon {
    /// Starts one with these jobs; every job has recorded `trace`.
    pub fn start(jobs: Vec<Job>, trace: Vec<u8>) -> Self {
        Self::with_checks(jobs, trace, vec![check("tracefs", CheckLevel::Ok, "mounted", "")])
    }

    /// One that finds this of itself.
    pub fn with_checks(jobs: Vec<Job>, trace: Vec<u8>, checks: Vec<Check>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (stopped, _) = tokio::sync::watch::channel(false);
        let service = Service { jobs, trace, checks, asked: Arc::clone(&asked), stopped };
        let socket = directory.path().join("socket");
        let entered = runtime.enter();
        let listener = UnixListenerStream::new(tokio::net::UnixListener::bind(socket).unwrap());
        drop(entered);
        let server = tonic::transport::Server::builder().add_service(TcpProbeServer::new(service));
        runtime.spawn(server.serve_with_incoming(listener));
        Daemon { directory, asked, _runtime: runtime }
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    /// A place for the test's files.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Waits until something was asked that begins like this.
    pub fn wait_for(&self, beginning: &str) {
        for _ in 0..600 {
            if self.asked.lock().unwrap().iter().any(|asked| asked.starts_with(beginning)) {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("nobody asked {beginning}: {:?}", self.asked.lock().unwrap());
    }
}

/// Something that a daemon finds.
pub fn check(name: &str, level: CheckLevel, finding: &str, remedy: &str) -> Check {
    Check { name: name.to_owned(), level: level.into(), finding: finding.to_owned(), remedy: remedy.to_owned() }
}

/// Three jobs: one that runs, one that stopped and lost events, one that failed.
pub fn jobs() -> Vec<Job> {
    let spec = |name: &str| JobSpec { name: name.to_owned(), ..JobSpec::default() };
    let run = |number, stored, lost| Run {
        number,
        started_ns: NOON_NS,
        ended_ns: NOON_NS + 90 * SECOND_NS,
        ledger: Some(Ledger { stored, filtered: 7, lost, dropped: 0, unknown: 0 }),
        stored_bytes: 4 * stored,
        segments: 1,
        first_event_ns: NOON_NS + SECOND_NS,
        last_event_ns: NOON_NS + 89 * SECOND_NS,
        ended_why: "stopped by uid 0".to_owned(),
    };
    let defaults = Some(DEFAULTS);
    vec![
        Job {
            spec: Some(JobSpec {
                filter: "sport==80".to_owned(),
                events: vec!["default".to_owned()],
                buffer_kb: 2_000_000,
                duration_s: 9000,
                max_size_bytes: 500_000_000,
                max_age_s: 86_400,
                ..spec("web")
            }),
            state: JobState::Running.into(),
            owner_uid: 0,
            created_ns: NOON_NS,
            runs: vec![
                run(1, 1_000_000, 0),
                Run {
                    ended_ns: 0,
                    last_event_ns: NOON_NS + 3600 * SECOND_NS,
                    ended_why: String::new(),
                    ..run(2, 1_234_567, 0)
                },
            ],
            stored_bytes: 8_938_268,
            events_per_s: 12_345.4,
            kernel_buffer_kb: 2_000_000,
            message: String::new(),
            lacking_events: vec!["tcp:tcp_cong_state_set".to_owned()],
            snapshots: Some(Snapshots {
                interval_s: 1,
                per_s: 199.7,
                taken: 12_345,
                left_out: 67,
                not_found: 8,
                failed: 0,
                finals: Some(FinalSnapshots { taken: 321, emptied: 4, fell_behind: 2, ..FinalSnapshots::default() }),
            }),
            defaults,
            store_warning: String::new(),
            owners: Some(Owners { known: 1234, bare: 2, changed: 1, ended: 3, unseen: 40, ..Owners::default() }),
        },
        Job {
            spec: Some(spec("lossy")),
            defaults,
            state: JobState::Stopped.into(),
            owner_uid: 4_000_000_000,
            created_ns: NOON_NS,
            runs: vec![run(1, 500, 42)],
            stored_bytes: 2000,
            ..Job::default()
        },
        Job {
            spec: Some(spec("broken")),
            state: JobState::Failed.into(),
            created_ns: NOON_NS,
            message: "cannot read cpu1: Input/output error".to_owned(),
            ..Job::default()
        },
    ]
}

struct Service {
    jobs: Vec<Job>,
    trace: Vec<u8>,
    checks: Vec<Check>,
    asked: Arc<Mutex<Vec<String>>>,
    stopped: tokio::sync::watch::Sender<bool>,
}

impl Service {
    fn note(&self, what: String) {
        self.asked.lock().unwrap().push(what);
    }

    fn find(&self, name: &str) -> Result<Job, Status> {
        if name == "denied" {
            return Err(Status::permission_denied("uid 1000 may not see jobs"));
        }
        if ["breaks", "hangs"].contains(&name) || name.starts_with("record-") {
            return Ok(self.jobs[0].clone());
        }
        let known = self.jobs.iter().find(|job| job.spec.as_ref().is_some_and(|spec| spec.name == name));
        known.cloned().ok_or_else(|| Status::not_found(format!("no job {name}")))
    }
}

#[tonic::async_trait]
impl TcpProbe for Service {
    async fn start_job(&self, request: Request<StartJobRequest>) -> Result<Response<StartJobReply>, Status> {
        let StartJobRequest { spec, dry_run, no_clear, sample, .. } = request.into_inner();
        let spec = spec.unwrap();
        self.note(format!("start {spec:?} dry_run={dry_run} no_clear={no_clear}"));
        match spec.name.as_str() {
            "denied" => return Err(Status::permission_denied("uid 1000 may not start jobs")),
            "twice" => return Err(Status::failed_precondition("twice runs already; stop it: tcpprobectl stop twice")),
            "large" => return Err(Status::resource_exhausted("a buffer of 2 GB is more than there is; 512000 KB fit")),
            "../etc" => return Err(Status::invalid_argument("`../etc` is no name for a job; use letters and digits")),
            _ => {}
        }
        let plan = |event: &str, kernel: &str, residual: &str, missing: &[&str]| EventPlan {
            event: event.to_owned(),
            kernel_filter: kernel.to_owned(),
            residual: residual.to_owned(),
            missing_fields: missing.iter().map(|&field| field.to_owned()).collect(),
        };
        Ok(Response::new(StartJobReply {
            job: (!dry_run).then(|| self.jobs[0].clone()),
            plan: vec![
                plan("tcp:tcp_probe", "sport==80", "saddr == 10.0.0.0/8", &[]),
                plan("tcp:tcp_retransmit_skb", "", "", &["snd_cwnd", "srtt"]),
            ],
            buffer_kb_per_cpu: 1_000_000,
            buffer_kb_total: 2_000_000,
            cpus: 2,
            warnings: vec!["the buffer was rounded to 2000000 KB".to_owned()],
            run: if dry_run { 0 } else { 3 },
            sample: sample.then(|| Sample {
                duration_ns: 2_000_000_000,
                events: vec![EventSample { stored: 20_000, filtered: 5 }, EventSample { stored: 4, filtered: 0 }],
                stored_bytes: 80_016,
                lost: 0,
            }),
            defaults: Some(DEFAULTS),
        }))
    }

    async fn stop_job(&self, request: Request<StopJobRequest>) -> Result<Response<StopJobReply>, Status> {
        let name = request.into_inner().name;
        self.note(format!("stop {name}"));
        let job = if name.starts_with("trace") { self.jobs[0].clone() } else { self.find(&name)? };
        self.stopped.send_replace(true);
        Ok(Response::new(StopJobReply { job: Some(job) }))
    }

    async fn remove_job(&self, request: Request<RemoveJobRequest>) -> Result<Response<RemoveJobReply>, Status> {
        let RemoveJobRequest { name, force } = request.into_inner();
        self.note(format!("rm {name} {force}"));
        let job = self.find(&name)?;
        if job.state() == JobState::Running && !force {
            return Err(Status::failed_precondition(format!("{name} runs; stop it first, or rm --force")));
        }
        Ok(Response::new(RemoveJobReply { removed_bytes: job.stored_bytes }))
    }

    async fn list_jobs(&self, _: Request<ListJobsRequest>) -> Result<Response<ListJobsReply>, Status> {
        let newest = self.jobs.iter().map(|job| {
            let runs = job.runs.last().cloned().into_iter().collect();
            Job { runs, ..job.clone() }
        });
        Ok(Response::new(ListJobsReply { jobs: newest.collect() }))
    }

    async fn get_job(&self, request: Request<GetJobRequest>) -> Result<Response<GetJobReply>, Status> {
        Ok(Response::new(GetJobReply { job: Some(self.find(&request.into_inner().name)?) }))
    }

    type WatchJobsStream = ReceiverStream<Result<WatchJobsReply, Status>>;

    async fn watch_jobs(&self, request: Request<WatchJobsRequest>) -> Result<Response<Self::WatchJobsStream>, Status> {
        let names = request.into_inner().names;
        self.note(format!("watch {names:?}"));
        let named = |job: &&Job| names.is_empty() || names.contains(&job.spec.as_ref().unwrap().name);
        let jobs = self.jobs.iter().filter(named).cloned().collect();
        let (sender, receiver) = mpsc::channel(1);
        sender.send(Ok(WatchJobsReply { jobs })).await.unwrap();
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    type ReadStream = ReceiverStream<Result<ReadReply, Status>>;

    /// Sends the trace in pieces that end anywhere. A follower gets it until the job is stopped; of the job `breaks`
    /// a half comes and then an error, of `hangs` a half and then nothing.
    async fn read(&self, request: Request<ReadRequest>) -> Result<Response<Self::ReadStream>, Status> {
        let request = request.into_inner();
        self.note(format!("read {request:?}"));
        if !request.name.starts_with("trace") && !["breaks", "hangs"].contains(&request.name.as_str()) {
            self.find(&request.name)?;
        }
        let (sender, receiver) = mpsc::channel(4);
        let (trace, mut stopped) = (self.trace.clone(), self.stopped.subscribe());
        tokio::spawn(async move {
            let total_bytes = trace.len() as u64;
            let is_whole = !["breaks", "hangs"].contains(&request.name.as_str());
            let half = if is_whole { trace.len() } else { trace.len() / 2 };
            for (number, piece) in trace[..half].chunks(10_007).enumerate() {
                let total_bytes = if number == 0 { total_bytes } else { 0 };
                if sender.send(Ok(ReadReply { frames: piece.to_vec().into(), total_bytes })).await.is_err() {
                    return;
                }
            }
            if request.name == "breaks" {
                let _ = sender.send(Err(Status::unavailable("the daemon is stopping; try again later"))).await;
            }
            if request.follow || request.name == "hangs" {
                let _ = stopped.wait_for(|stopped| *stopped).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    /// Denies where the job `denied` is among its own.
    async fn doctor(&self, _: Request<DoctorRequest>) -> Result<Response<DoctorReply>, Status> {
        if self.jobs.iter().any(|job| job.spec.as_ref().is_some_and(|spec| spec.name == "denied")) {
            return Err(Status::permission_denied("denied; to be let in: ask"));
        }
        Ok(Response::new(DoctorReply { checks: self.checks.clone() }))
    }

    async fn version(&self, _: Request<VersionRequest>) -> Result<Response<VersionReply>, Status> {
        Ok(Response::new(VersionReply {
            version: "0.1.0".to_owned(),
            file_format: 1,
            kernel: "6.18.44".to_owned(),
            tracefs: "/sys/kernel/tracing".to_owned(),
            cpus: 2,
        }))
    }
}
