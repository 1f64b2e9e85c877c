//! The daemon's API, as plain calls.

use std::cell::RefCell;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use hyper_util::rt::TokioIo;

use tcpprobe_proto::v1::tcp_probe_client::TcpProbeClient;
use tcpprobe_proto::v1::{
    GetJobRequest, Job, JobSpec, Ledger, ListJobsRequest, ReadReply, ReadRequest, RemoveJobRequest, StartJobReply,
    StartJobRequest, StopJobRequest, WatchJobsReply, WatchJobsRequest,
};
use tokio::runtime::Runtime;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status, Streaming};

use super::{PATIENCE, Trace};

/// Largest reply that is taken.
const REPLY_BYTES_MAX: usize = 16 << 20;

/// A job of this name and filter, the rest by default.
pub fn job(name: &str, filter: &str) -> JobSpec {
    JobSpec { name: name.into(), filter: filter.into(), ..JobSpec::default() }
}

/// A connection to a daemon, made anew when the daemon was.
pub struct Api {
    runtime: Runtime,
    client: TcpProbeClient<Channel>,
}

/// A client whose one connection is this.
pub async fn client_over(stream: UnixStream) -> TcpProbeClient<Channel> {
    TcpProbeClient::new(channel_over(stream).await).max_decoding_message_size(REPLY_BYTES_MAX)
}

/// The same for any service.
pub async fn channel_over(stream: UnixStream) -> Channel {
    stream.set_nonblocking(true).unwrap();
    let mut stream = Some(TokioIo::new(tokio::net::UnixStream::from_std(stream).unwrap()));
    let connector = tower::service_fn(move |_: tonic::transport::Uri| {
        let stream = stream.take();
        async move { stream.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::ConnectionReset)) }
    });
    Endpoint::from_static("http://tcpprobed").connect_with_connector(connector).await.unwrap()
}

impl Api {
    pub fn connect(socket: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display())).unwrap();
        let channel = runtime.block_on(async { endpoint.connect_lazy() });
        Api { runtime, client: TcpProbeClient::new(channel).max_decoding_message_size(REPLY_BYTES_MAX) }
    }

    /// Over a connection that was made before.
    pub fn over(stream: UnixStream) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let client = runtime.block_on(client_over(stream));
        Api { runtime, client }
    }

    fn call<T>(&self, call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Status> {
        let answer = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, call).await });
        Ok(answer.expect("the daemon does not answer")?.into_inner())
    }

    pub fn try_ask(&self, request: StartJobRequest) -> Result<StartJobReply, Status> {
        self.call(self.client.clone().start_job(request))
    }

    pub fn try_start(&self, spec: JobSpec) -> Result<StartJobReply, Status> {
        self.try_ask(StartJobRequest { spec: Some(spec), ..Default::default() })
    }

    pub fn start(&self, spec: JobSpec) -> StartJobReply {
        self.try_start(spec).unwrap()
    }

    /// Goes on with the last run.
    pub fn go_on(&self, spec: JobSpec) -> StartJobReply {
        self.try_ask(StartJobRequest { spec: Some(spec), no_clear: true, ..Default::default() }).unwrap()
    }

    /// What starting would do.
    pub fn plan(&self, spec: JobSpec) -> Result<StartJobReply, Status> {
        self.try_ask(StartJobRequest { spec: Some(spec), dry_run: true, ..Default::default() })
    }

    /// What it would record in two seconds.
    pub fn sample(&self, spec: JobSpec) -> Result<StartJobReply, Status> {
        self.try_ask(StartJobRequest { spec: Some(spec), dry_run: true, sample: true, ..Default::default() })
    }

    pub fn try_stop(&self, name: &str) -> Result<Job, Status> {
        let reply = self.call(self.client.clone().stop_job(StopJobRequest { name: name.into() }))?;
        Ok(reply.job.unwrap())
    }

    pub fn stop(&self, name: &str) -> Job {
        self.try_stop(name).unwrap()
    }

    pub fn remove(&self, name: &str, force: bool) -> Result<u64, Status> {
        let reply = self.call(self.client.clone().remove_job(RemoveJobRequest { name: name.into(), force }))?;
        Ok(reply.removed_bytes)
    }

    pub fn try_get(&self, name: &str) -> Result<Job, Status> {
        Ok(self.call(self.client.clone().get_job(GetJobRequest { name: name.into() }))?.job.unwrap())
    }

    pub fn get(&self, name: &str) -> Job {
        self.try_get(name).unwrap()
    }

    pub fn try_list(&self) -> Result<Vec<Job>, Status> {
        Ok(self.call(self.client.clone().list_jobs(ListJobsRequest {}))?.jobs)
    }

    pub fn list(&self) -> Vec<Job> {
        self.try_list().unwrap()
    }

    /// The account of the newest run.
    pub fn ledger(&self, name: &str) -> Ledger {
        self.get(name).runs.last().and_then(|run| run.ledger).unwrap()
    }

    pub fn stream(&self, request: ReadRequest) -> Result<Stream<'_, ReadReply>, Status> {
        Ok(Stream { api: self, stream: RefCell::new(self.call(self.client.clone().read(request))?) })
    }

    pub fn stream_all(&self, name: &str) -> Result<Stream<'_, ReadReply>, Status> {
        self.stream(ReadRequest { name: name.into(), ..Default::default() })
    }

    /// A follower. As long as it lives, blocks of the job are sealed four times a second.
    pub fn follow(&self, name: &str) -> Stream<'_, ReadReply> {
        self.stream(ReadRequest { name: name.into(), follow: true, ..Default::default() }).unwrap()
    }

    pub fn watch(&self, names: &[&str]) -> Stream<'_, WatchJobsReply> {
        let names = names.iter().map(ToString::to_string).collect();
        let stream = self.call(self.client.clone().watch_jobs(WatchJobsRequest { names, remove: false })).unwrap();
        Stream { api: self, stream: RefCell::new(stream) }
    }

    /// The bytes of a read.
    pub fn read(&self, request: ReadRequest) -> Vec<u8> {
        let stream = self.stream(request).unwrap();
        let mut bytes = Vec::new();
        while let Some(reply) = stream.next(PATIENCE).expect("the stream goes on") {
            bytes.extend_from_slice(&reply.frames);
        }
        bytes
    }

    /// All of a job's newest run.
    pub fn trace(&self, name: &str) -> Trace {
        Trace::decode(&self.read(ReadRequest { name: name.into(), ..Default::default() }))
    }
}

/// Messages of a call that goes on.
pub struct Stream<'a, T> {
    api: &'a Api,
    stream: RefCell<Streaming<T>>,
}

impl<T> Stream<'_, T> {
    /// The next message, or `None` at the end; an error where none comes in time.
    pub fn next(&self, patience: Duration) -> Result<Option<T>, ()> {
        let mut stream = self.stream.borrow_mut();
        let next = self.api.runtime.block_on(async { tokio::time::timeout(patience, stream.message()).await });
        next.map(|message| message.unwrap()).map_err(|_| ())
    }
}
