//! The API: authorize, translate, delegate.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tcpprobe_proto::v1::tcp_probe_server::TcpProbe;
use tcpprobe_proto::v1::{self as api};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::codegen::Bytes;
use tonic::{Request, Response, Status};

use crate::access::{Peer, Role, Rules};
use crate::config::Config;
use crate::connection::Guest;
use crate::doctor::{self, Check, Level};
use crate::guests::{Guests, Stay};
use crate::jobs::{Caller, JobError, JobView, Jobs, Plan, RunView, Sample, Spec, State, lock};
use crate::reading::{Cursor, Next, Wanted};

/// Replies of a read that wait for a slow reader: then the disk waits, never the capture.
const REPLIES_WAITING: usize = 1;
/// Bytes of trace in a reply: on their way they are held several times.
const REPLY_BYTES: usize = 64 << 10;
/// Most names that can be watched: a reply is for looking at.
const WATCHED_MAX: usize = 1024;
/// A watcher gets a reply at most this often.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Serves the API of one daemon.
#[derive(Clone)]
pub struct Service {
    jobs: Arc<Jobs>,
    rules: Arc<Mutex<Arc<Rules>>>,
    guests: Guests,
}

impl Service {
    /// Of these jobs, for these guests.
    #[must_use]
    pub fn new(jobs: Arc<Jobs>, guests: Guests) -> Self {
        let rules = Rules::new(&jobs.config().access);
        Service { jobs, rules: Arc::new(Mutex::new(Arc::new(rules))), guests }
    }

    /// Follows another configuration from now on; streams that are open go on. See [`Jobs::configure`].
    #[must_use]
    pub fn configure(&self, new: Config) -> Vec<&'static str> {
        let waiting = self.jobs.configure(new);
        *lock(&self.rules) = Arc::new(Rules::new(&self.jobs.config().access));
        waiting
    }

    /// Who is connected to it.
    #[must_use]
    pub fn guests(&self) -> &Guests {
        &self.guests
    }

    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&lock(&self.rules))
    }

    fn authorize<T>(&self, request: &Request<T>, needed: Role) -> Result<Caller, Status> {
        self.rules().require(peer(request), needed)
    }

    /// Runs what may block where it may, for a user who has a turn.
    async fn blocking<T: Send + 'static>(
        &self,
        caller: Caller,
        work: impl FnOnce(&Jobs) -> Result<T, JobError> + Send + 'static,
    ) -> Result<T, Status> {
        let jobs = Arc::clone(&self.jobs);
        let turn = self.guests.turn(caller.uid).await;
        let work = move || {
            // Until the work is done, also where nobody waits for it any more.
            let _turn = turn;
            work(&jobs)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result.map_err(status),
            Err(_) => Err(Status::internal("the daemon failed in this request; its log says how")),
        }
    }

    fn open_stream(&self, caller: Caller) -> Result<Stay, Status> {
        let opened = self.guests.stream(caller.uid, &self.jobs.config().limits);
        opened.map_err(|refusal| Status::resource_exhausted(refusal.to_string()))
    }
}

/// Who is at the other end.
fn peer<T>(request: &Request<T>) -> Option<Peer> {
    let credentials = request.extensions().get::<Arc<Guest>>()?.credentials;
    Some(Peer::new(credentials.uid(), credentials.gid(), credentials.pid()))
}

type ReplyStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl TcpProbe for Service {
    async fn start_job(&self, request: Request<api::StartJobRequest>) -> Result<Response<api::StartJobReply>, Status> {
        let caller = self.authorize(&request, Role::Operator)?;
        let api::StartJobRequest { spec, dry_run, no_clear, sample } = request.into_inner();
        let spec = spec.ok_or_else(|| Status::invalid_argument("the request has no spec"))?;
        if sample && !dry_run {
            return Err(Status::invalid_argument("only a dry run takes a sample; ask for both, or for neither"));
        }
        let _trial = if sample { Some(self.guests.trial(caller.uid).await) } else { None };
        let (started, sample) = self
            .blocking(caller, move |jobs| {
                let (name, spec) = from_spec(spec);
                let started = jobs.start(&name, spec, no_clear, dry_run, caller)?;
                let sample = sample.then(|| jobs.sample(&started.plan)).transpose()?;
                Ok((started, sample))
            })
            .await?;
        let mut reply = to_plan(&started.plan);
        reply.sample = sample.as_ref().map(to_sample);
        reply.run = started.run;
        reply.job = started.job.map(|job| self.to_job(job));
        Ok(Response::new(reply))
    }

    async fn stop_job(&self, request: Request<api::StopJobRequest>) -> Result<Response<api::StopJobReply>, Status> {
        let caller = self.authorize(&request, Role::Operator)?;
        let name = request.into_inner().name;
        let job = self.blocking(caller, move |jobs| jobs.stop(&name, caller)).await?;
        Ok(Response::new(api::StopJobReply { job: Some(self.to_job(job)) }))
    }

    async fn remove_job(
        &self,
        request: Request<api::RemoveJobRequest>,
    ) -> Result<Response<api::RemoveJobReply>, Status> {
        let caller = self.authorize(&request, Role::Operator)?;
        let api::RemoveJobRequest { name, force } = request.into_inner();
        let removed_bytes = self.blocking(caller, move |jobs| jobs.remove(&name, force, caller)).await?;
        Ok(Response::new(api::RemoveJobReply { removed_bytes }))
    }

    async fn list_jobs(&self, request: Request<api::ListJobsRequest>) -> Result<Response<api::ListJobsReply>, Status> {
        let caller = self.authorize(&request, Role::Viewer)?;
        let jobs = self.blocking(caller, |jobs| Ok(jobs.list())).await?;
        Ok(Response::new(api::ListJobsReply { jobs: jobs.into_iter().map(|job| self.to_job(job)).collect() }))
    }

    async fn get_job(&self, request: Request<api::GetJobRequest>) -> Result<Response<api::GetJobReply>, Status> {
        let caller = self.authorize(&request, Role::Viewer)?;
        let name = request.into_inner().name;
        let job = self.blocking(caller, move |jobs| jobs.get(&name)).await?;
        Ok(Response::new(api::GetJobReply { job: Some(self.to_job(job)) }))
    }

    type WatchJobsStream = ReplyStream<api::WatchJobsReply>;

    async fn watch_jobs(
        &self,
        request: Request<api::WatchJobsRequest>,
    ) -> Result<Response<Self::WatchJobsStream>, Status> {
        let caller = self.authorize(&request, Role::Viewer)?;
        let names = request.into_inner().names;
        if names.len() > WATCHED_MAX {
            let count = names.len();
            return Err(Status::invalid_argument(format!(
                "{count} jobs are too many to watch; name up to {WATCHED_MAX}, or none to watch all"
            )));
        }
        let open = self.open_stream(caller)?;
        let (sender, receiver) = mpsc::channel(1);
        let service = self.clone();
        tokio::spawn(async move {
            let _open = open;
            let mut last = None;
            loop {
                let mut views = service.jobs.list();
                views.retain(|job| names.is_empty() || names.contains(&job.name));
                if last.as_ref() != Some(&views) {
                    last = Some(views.clone());
                    let jobs = views.into_iter().map(|job| service.to_job(job)).collect();
                    if sender.send(Ok(api::WatchJobsReply { jobs })).await.is_err() {
                        return;
                    }
                }
                tokio::select! {
                    () = tokio::time::sleep(WATCH_INTERVAL) => {}
                    () = sender.closed() => return,
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    type ReadStream = ReplyStream<api::ReadReply>;

    async fn read(&self, request: Request<api::ReadRequest>) -> Result<Response<Self::ReadStream>, Status> {
        let caller = self.authorize(&request, Role::Viewer)?;
        let open = self.open_stream(caller)?;
        let request = request.into_inner();
        let bound = |wall: i64| (wall != 0).then_some(wall);
        let wanted = Wanted {
            since: bound(request.since_ns),
            until: bound(request.until_ns),
            last_events: request.last_events,
            connection: (request.connection != 0).then_some(request.connection),
        };
        let (name, follow) = (request.name, request.follow);
        let cursor = self
            .blocking(caller, move |jobs| {
                let source = jobs.source(&name, request.run, follow)?;
                let run = source.key.rsplit('/').next().and_then(|run| run.parse().ok()).unwrap_or(request.run);
                Ok(Cursor::open(jobs, &name, run, source, wanted, follow)?)
            })
            .await?;
        let (sender, receiver) = mpsc::channel(REPLIES_WAITING);
        tokio::spawn(async move {
            let _open = open;
            send_pieces(cursor, sender).await;
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver).map(|reply| reply))))
    }

    async fn doctor(&self, request: Request<api::DoctorRequest>) -> Result<Response<api::DoctorReply>, Status> {
        let peer = peer(&request);
        let rules = self.rules();
        let caller = rules.require(peer.clone(), Role::Viewer)?;
        let _trial = self.guests.trial(caller.uid).await;
        let mut checks = vec![access_check(&rules, peer.as_ref())];
        checks.extend(self.blocking(caller, |jobs| Ok(doctor::examine(jobs))).await?);
        Ok(Response::new(api::DoctorReply { checks: checks.into_iter().map(to_check).collect() }))
    }

    async fn version(&self, request: Request<api::VersionRequest>) -> Result<Response<api::VersionReply>, Status> {
        self.authorize(&request, Role::Viewer)?;
        let cpus = crate::tracefs::possible_cpus().map_or(0, |cpus| cpus.len() as u32);
        Ok(Response::new(api::VersionReply {
            version: env!("CARGO_PKG_VERSION").into(),
            file_format: tcpprobe::file::FORMAT_VERSION,
            kernel: crate::tracefs::kernel_release(),
            tracefs: self.jobs.tracefs().root().display().to_string(),
            cpus,
        }))
    }
}

/// Sends all that the cursor gives, until it ends or nobody listens. Whoever waits here holds no thread.
async fn send_pieces(mut cursor: Cursor, sender: mpsc::Sender<Result<api::ReadReply, Status>>) {
    let mut total_bytes = cursor.total_bytes;
    let mut piece = Bytes::new();
    // No piece is read before there is room for it.
    while let Ok(room) = sender.reserve().await {
        if !piece.is_empty() {
            let frames = piece.split_to(REPLY_BYTES.min(piece.len()));
            room.send(Ok(api::ReadReply { frames, total_bytes: std::mem::take(&mut total_bytes) }));
            continue;
        }
        let turn = move || (cursor.next_piece(), cursor);
        let next = match tokio::task::spawn_blocking(turn).await {
            Ok((next, back)) => {
                cursor = back;
                next
            }
            Err(_) => return room.send(Err(Status::internal("the daemon failed in this request; its log says how"))),
        };
        match next {
            Ok(Next::Piece(next)) => piece = next.into(),
            Ok(Next::More) => {}
            Ok(Next::Later) => {
                let goes_on = tokio::select! {
                    more = cursor.wait() => more,
                    () = sender.closed() => false,
                };
                if !goes_on {
                    return;
                }
            }
            Ok(Next::End) => return,
            Err(error) => return room.send(Err(Status::internal(format!("reading the store failed: {error}")))),
        }
    }
}

impl Service {
    fn to_job(&self, job: JobView) -> api::Job {
        let stored_bytes = self.jobs.stored_bytes(&job.name);
        api::Job {
            spec: Some(api::JobSpec {
                name: job.name,
                filter: job.spec.filter,
                events: job.spec.events,
                buffer_kb: job.spec.buffer_kb,
                duration_s: job.spec.duration_s,
                max_size_bytes: job.spec.max_size_bytes,
                max_age_s: job.spec.max_age_s,
            }),
            state: match job.state {
                State::Stopped => api::JobState::Stopped,
                State::Running => api::JobState::Running,
                State::Stopping => api::JobState::Stopping,
                State::Failed => api::JobState::Failed,
            }
            .into(),
            owner_uid: job.owner_uid,
            created_ns: job.created_ns,
            runs: job.runs.into_iter().map(to_run).collect(),
            stored_bytes,
            events_per_s: job.events_per_s,
            kernel_buffer_kb: job.kernel_buffer_kb,
            message: job.message,
        }
    }
}

/// What the caller may do.
fn access_check(rules: &Rules, peer: Option<&Peer>) -> Check {
    let who = peer.map_or_else(|| "nobody".to_owned(), |peer| format!("uid {}", peer.uid));
    match rules.role_of(peer) {
        Role::Admin => Check::ok("access", format!("{who} may do everything")),
        Role::Operator => Check::ok("access", format!("{who} may start jobs, and stop and remove its own")),
        Role::Viewer | Role::Stranger => Check::failure(
            "access",
            format!("{who} may look and fetch, but start no jobs"),
            rules.way_in(Role::Operator),
        ),
    }
}

fn to_check(check: Check) -> api::Check {
    let level = match check.level {
        Level::Ok => api::CheckLevel::Ok,
        Level::Warning => api::CheckLevel::Warning,
        Level::Failure => api::CheckLevel::Failure,
    };
    api::Check { name: check.name, level: level.into(), finding: check.finding, remedy: check.remedy }
}

fn to_sample(sample: &Sample) -> api::Sample {
    api::Sample {
        duration_ns: u64::try_from(sample.duration.as_nanos()).unwrap_or(u64::MAX),
        events: sample.events.iter().map(|&(stored, filtered)| api::EventSample { stored, filtered }).collect(),
        stored_bytes: sample.bytes,
        lost: sample.lost,
    }
}

fn to_run(run: RunView) -> api::Run {
    let (first, last) = run.walls.unwrap_or_default();
    api::Run {
        number: run.number,
        started_ns: run.started_ns,
        ended_ns: run.ended_ns,
        ledger: Some(api::Ledger {
            stored: run.ledger.stored,
            filtered: run.ledger.filtered,
            lost: run.ledger.lost,
            dropped: run.ledger.dropped,
        }),
        stored_bytes: run.bytes,
        segments: run.segments,
        first_event_ns: first,
        last_event_ns: last,
        ended_why: run.ended_why,
    }
}

fn to_plan(plan: &Plan) -> api::StartJobReply {
    let event = |event: &crate::jobs::EventPlan| api::EventPlan {
        event: format!("{}:{}", event.event.system, event.event.name),
        kernel_filter: event.kernel.clone().unwrap_or_default(),
        residual: event.residual.as_ref().map(ToString::to_string).unwrap_or_default(),
        missing_fields: event.missing.clone(),
    };
    api::StartJobReply {
        job: None,
        plan: plan.events.iter().map(event).collect(),
        buffer_kb_per_cpu: plan.buffer_kb_per_cpu,
        buffer_kb_total: plan.buffer_kb_total(),
        cpus: plan.cpus,
        warnings: plan.warnings.clone(),
        run: 0,
        sample: None,
    }
}

fn from_spec(spec: api::JobSpec) -> (String, Spec) {
    let of = Spec {
        filter: spec.filter,
        events: spec.events,
        buffer_kb: spec.buffer_kb,
        duration_s: spec.duration_s,
        max_size_bytes: spec.max_size_bytes,
        max_age_s: spec.max_age_s,
    };
    (spec.name, of)
}

fn status(error: JobError) -> Status {
    let message = error.to_string();
    match error {
        JobError::Name(_) | JobError::Filter(_) | JobError::Events(_) => Status::invalid_argument(message),
        JobError::Tracefs(error) if error.is_bad_request() => Status::invalid_argument(message),
        JobError::NotFound(_) | JobError::NoRun { .. } => Status::not_found(message),
        JobError::Running(_) | JobError::NotRunning(_) => Status::failed_precondition(message),
        JobError::NotOwner { .. } => Status::permission_denied(message),
        JobError::Memory { .. } | JobError::TooMany(_) | JobError::TooManyOwn(_) => Status::resource_exhausted(message),
        JobError::Stopping => Status::unavailable(message),
        JobError::Tracefs(_) => Status::failed_precondition(message),
        JobError::Store(_) | JobError::Io { .. } => Status::internal(message),
    }
}
