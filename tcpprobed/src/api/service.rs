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

use super::access::{Role, Rules};
use super::convert::{from_spec, status, to_check, to_defaults, to_job, to_plan, to_sample};
use super::peer::Peer;
use super::quota::{Permit, Quota};
use crate::config::Config;
use crate::doctor::{self, Check};
use crate::jobs::{Caller, How, JobError, JobView, Jobs};
use crate::lock::lock;
use crate::read_stream::{Next, RunReader, Wanted};

/// Replies of a read that wait for a slow reader: then the disk waits, never the capture.
const REPLIES_WAITING: usize = 1;
/// Bytes of trace in a reply: on their way they are held several times.
const REPLY_BYTES: usize = 64 << 10;
/// Most names that can be watched: a reply is for looking at.
const WATCHED_MAX: usize = 1024;
/// Most connections of a reading: every block is looked at for each.
const CONNECTIONS_MAX: usize = 16;
/// A watcher gets a reply at most this often.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Serves the API of one daemon.
#[derive(Clone)]
pub struct Service {
    jobs: Arc<Jobs>,
    rules: Arc<Mutex<Arc<Rules>>>,
    quota: Quota,
    /// Why the last reload of the configuration changed nothing.
    not_reloaded: Arc<Mutex<Option<String>>>,
}

impl Service {
    /// Of these jobs, by this quota.
    #[must_use]
    pub fn new(jobs: Arc<Jobs>, quota: Quota) -> Self {
        let rules = Rules::new(&jobs.config().access);
        Service { jobs, rules: Arc::new(Mutex::new(Arc::new(rules))), quota, not_reloaded: Arc::default() }
    }

    /// Follows another configuration from now on; streams that are open go on. See [`Jobs::configure`].
    #[must_use]
    pub fn configure(&self, new: Config) -> Vec<&'static str> {
        *lock(&self.not_reloaded) = None;
        let waiting = self.jobs.configure(new);
        *lock(&self.rules) = Arc::new(Rules::new(&self.jobs.config().access));
        waiting
    }

    /// The configuration was to be read again, and is not valid: doctor says so.
    pub fn keep_configuration(&self, why: String) {
        *lock(&self.not_reloaded) = Some(why);
    }

    /// What its users take.
    #[must_use]
    pub fn quota(&self) -> &Quota {
        &self.quota
    }

    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&lock(&self.rules))
    }

    fn authorize<T>(&self, request: &Request<T>, needed: Role) -> Result<Caller, Status> {
        self.rules().require(peer(request), needed)
    }

    /// Runs what may block where it may, for a user who has leave.
    async fn blocking<T: Send + 'static>(
        &self,
        caller: Caller,
        work: impl FnOnce(&Jobs, &Caller) -> Result<T, JobError> + Send + 'static,
    ) -> Result<T, Status> {
        let jobs = Arc::clone(&self.jobs);
        let permit = self.quota.work(&caller.user).await;
        let work = move || {
            // Until the work is done, also where nobody waits for it any more.
            let _permit = permit;
            work(&jobs, &caller)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result.map_err(status),
            Err(_) => Err(Status::internal("the daemon failed in this request; its log says how")),
        }
    }

    /// Waits until all is stored that a job, or all of them, recorded until now. Whoever waits here holds no thread.
    async fn up_to_now(&self, name: Option<&str>) {
        for asked in self.jobs.ask(name) {
            asked.stored().await;
        }
    }

    fn job(&self, job: JobView) -> api::Job {
        let stored_bytes = self.jobs.stored_bytes(&job.name);
        let lacking = self.jobs.tracefs().lacking(&job.spec.events);
        to_job(job, stored_bytes, &lacking)
    }

    /// Jobs for who asks once: with what holds for all of them.
    fn jobs(&self, jobs: Vec<JobView>, store_warning: Option<String>) -> Vec<api::Job> {
        let (defaults, store_warning) = (to_defaults(&self.jobs.config()), store_warning.unwrap_or_default());
        let with_all =
            |job| api::Job { defaults: Some(defaults), store_warning: store_warning.clone(), ..self.job(job) };
        jobs.into_iter().map(with_all).collect()
    }

    fn open_stream(&self, caller: &Caller) -> Result<Permit, Status> {
        let opened = self.quota.stream(&caller.user, &self.jobs.config().limits);
        opened.map_err(|refusal| Status::resource_exhausted(refusal.to_string()))
    }
}

/// Jobs that go with the stream that watches them.
struct Held {
    jobs: Arc<Jobs>,
    names: Vec<String>,
    caller: Caller,
}

impl Drop for Held {
    fn drop(&mut self) {
        // The next daemon goes on with what this one recorded.
        if self.jobs.is_stopping() {
            return;
        }
        let Held { jobs, names, caller } = self;
        let (jobs, names, caller) = (Arc::clone(jobs), std::mem::take(names), caller.clone());
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        // Nobody waits for it.
        drop(runtime.spawn_blocking(move || {
            for name in names {
                match jobs.remove(&name, true, &caller) {
                    Ok(_) | Err(JobError::NotFound(_)) => {}
                    Err(error) => {
                        tracing::warn!(job = name, %error, "nobody holds it any more, and it cannot be removed")
                    }
                }
            }
        }));
    }
}

/// Who is at the other end.
fn peer<T>(request: &Request<T>) -> Option<&Peer> {
    Some(request.extensions().get::<Arc<Peer>>()?)
}

type ReplyStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl TcpProbe for Service {
    async fn start_job(&self, request: Request<api::StartJobRequest>) -> Result<Response<api::StartJobReply>, Status> {
        let caller = self.authorize(&request, Role::Operator)?;
        let api::StartJobRequest { spec, dry_run, no_clear, sample, own } = request.into_inner();
        let spec = spec.ok_or_else(|| Status::invalid_argument("the request has no spec"))?;
        if sample && !dry_run {
            return Err(Status::invalid_argument("only a dry run takes a sample; ask for both, or for neither"));
        }
        let _preflight = if sample { Some(self.quota.preflight(&caller.user).await) } else { None };
        let (started, sample, small_store) = self
            .blocking(caller, move |jobs, caller| {
                let (name, spec) = from_spec(spec);
                let started = jobs.start(&name, spec, How { no_clear, dry_run, own }, caller)?;
                let sample = sample.then(|| jobs.sample(&started.plan)).transpose()?;
                Ok((started, sample, doctor::small_store(jobs)))
            })
            .await?;
        let mut reply = to_plan(&started.plan);
        reply.warnings.extend(small_store);
        reply.sample = sample.as_ref().map(to_sample);
        reply.run = started.run;
        reply.defaults = Some(to_defaults(&self.jobs.config()));
        reply.job = started.job.map(|job| self.job(job));
        Ok(Response::new(reply))
    }

    async fn stop_job(&self, request: Request<api::StopJobRequest>) -> Result<Response<api::StopJobReply>, Status> {
        let caller = self.authorize(&request, Role::Operator)?;
        let name = request.into_inner().name;
        let job = self.blocking(caller, move |jobs, caller| jobs.stop(&name, caller)).await?;
        Ok(Response::new(api::StopJobReply { job: Some(self.job(job)) }))
    }

    async fn remove_job(
        &self,
        request: Request<api::RemoveJobRequest>,
    ) -> Result<Response<api::RemoveJobReply>, Status> {
        let caller = self.authorize(&request, Role::Operator)?;
        let api::RemoveJobRequest { name, force } = request.into_inner();
        let removed_bytes = self.blocking(caller, move |jobs, caller| jobs.remove(&name, force, caller)).await?;
        Ok(Response::new(api::RemoveJobReply { removed_bytes }))
    }

    async fn list_jobs(&self, request: Request<api::ListJobsRequest>) -> Result<Response<api::ListJobsReply>, Status> {
        let caller = self.authorize(&request, Role::Viewer)?;
        self.up_to_now(None).await;
        let (jobs, store) = self.blocking(caller, |jobs, _| Ok((jobs.list(), doctor::small_store(jobs)))).await?;
        Ok(Response::new(api::ListJobsReply { jobs: self.jobs(jobs, store) }))
    }

    async fn get_job(&self, request: Request<api::GetJobRequest>) -> Result<Response<api::GetJobReply>, Status> {
        let caller = self.authorize(&request, Role::Viewer)?;
        let name = request.into_inner().name;
        self.up_to_now(Some(&name)).await;
        let (job, store) =
            self.blocking(caller, move |jobs, _| Ok((jobs.get(&name)?, doctor::small_store(jobs)))).await?;
        Ok(Response::new(api::GetJobReply { job: self.jobs(vec![job], store).pop() }))
    }

    type WatchJobsStream = ReplyStream<api::WatchJobsReply>;

    async fn watch_jobs(
        &self,
        request: Request<api::WatchJobsRequest>,
    ) -> Result<Response<Self::WatchJobsStream>, Status> {
        let remove = request.get_ref().remove;
        let caller = self.authorize(&request, if remove { Role::Operator } else { Role::Viewer })?;
        let names = request.into_inner().names;
        if remove {
            if names.is_empty() {
                return Err(Status::invalid_argument("which jobs are to be removed must be named"));
            }
            self.jobs.check_own(&names, &caller).map_err(status)?;
        }
        if names.len() > WATCHED_MAX {
            let count = names.len();
            return Err(Status::invalid_argument(format!(
                "{count} jobs are too many to watch; name up to {WATCHED_MAX}, or none to watch all"
            )));
        }
        let open = self.open_stream(&caller)?;
        let (sender, receiver) = mpsc::channel(1);
        let service = self.clone();
        tokio::spawn(async move {
            let _open = open;
            let _held = remove.then(|| Held { jobs: Arc::clone(&service.jobs), names: names.clone(), caller });
            let mut last = None;
            loop {
                let mut views = service.jobs.list();
                views.retain(|job| names.is_empty() || names.contains(&job.name));
                if last.as_ref() != Some(&views) {
                    last = Some(views.clone());
                    let jobs = views.into_iter().map(|job| service.job(job)).collect();
                    if sender.send(Ok(api::WatchJobsReply { jobs })).await.is_err() {
                        return;
                    }
                }
                if remove {
                    // Who holds jobs does not look at them.
                    return sender.closed().await;
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
        let open = self.open_stream(&caller)?;
        let request = request.into_inner();
        let bound = |wall: i64| (wall != 0).then_some(wall);
        let wanted = Wanted {
            since: bound(request.since_ns),
            until: bound(request.until_ns),
            last_events: request.last_events,
            connections: request.connections,
        };
        if wanted.connections.len() > CONNECTIONS_MAX {
            return Err(Status::invalid_argument(format!(
                "more than {CONNECTIONS_MAX} connections; read without, and filter"
            )));
        }
        let (name, follow) = (request.name, request.follow);
        self.up_to_now(Some(&name)).await;
        let reader = self
            .blocking(caller, move |jobs, _| {
                let source = jobs.readable_run(&name, request.run, follow)?;
                let run = source.key.rsplit('/').next().and_then(|run| run.parse().ok()).unwrap_or(request.run);
                Ok(RunReader::open(jobs, &name, run, source, wanted, follow)?)
            })
            .await?;
        let (sender, receiver) = mpsc::channel(REPLIES_WAITING);
        tokio::spawn(async move {
            let _open = open;
            send_frames(reader, sender).await;
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver).map(|reply| reply))))
    }

    async fn doctor(&self, request: Request<api::DoctorRequest>) -> Result<Response<api::DoctorReply>, Status> {
        let peer = peer(&request);
        let rules = self.rules();
        let caller = rules.require(peer, Role::Viewer)?;
        let mut checks = vec![access_check(&rules, peer)];
        checks.extend(lock(&self.not_reloaded).as_ref().map(|why| {
            let finding = format!("not valid, so the one before it is in use: {why}");
            Check::failure("configuration", finding, "mend the file, then: sudo systemctl reload tcpprobed")
        }));
        let _preflight = self.quota.preflight(&caller.user).await;
        checks.extend(self.blocking(caller, |jobs, _| Ok(doctor::examine(jobs))).await?);
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

/// Sends all that the reader gives, until it ends or nobody listens. Whoever waits here holds no thread.
async fn send_frames(mut reader: RunReader, sender: mpsc::Sender<Result<api::ReadReply, Status>>) {
    let mut total_bytes = reader.total_bytes;
    let mut frames = Bytes::new();
    // Nothing is read before there is room for it.
    while let Ok(room) = sender.reserve().await {
        if !frames.is_empty() {
            let some = frames.split_to(REPLY_BYTES.min(frames.len()));
            room.send(Ok(api::ReadReply { frames: some, total_bytes: std::mem::take(&mut total_bytes) }));
            continue;
        }
        let read = move || (reader.next_frames(), reader);
        let next = match tokio::task::spawn_blocking(read).await {
            Ok((next, back)) => {
                reader = back;
                next
            }
            Err(_) => return room.send(Err(Status::internal("the daemon failed in this request; its log says how"))),
        };
        match next {
            Ok(Next::Frames(next)) => frames = next.into(),
            Ok(Next::More) => {}
            Ok(Next::Later) => {
                let goes_on = tokio::select! {
                    more = reader.wait() => more,
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

/// What the caller may do.
fn access_check(rules: &Rules, peer: Option<&Peer>) -> Check {
    let who = peer.map_or_else(|| "nobody".to_owned(), |peer| peer.user.to_string());
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
