//! The daemon, as programs call it: plain blocking functions over gRPC on a Unix socket.

use std::io;
use std::path::Path;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tcpprobe_proto::v1::tcp_probe_client::TcpProbeClient;
use tcpprobe_proto::v1::{
    Check, DoctorRequest, GetJobRequest, Job, ListJobsRequest, ReadReply, ReadRequest, RemoveJobReply,
    RemoveJobRequest, StartJobReply, StartJobRequest, StopJobRequest, VersionReply, VersionRequest, WatchJobsReply,
    WatchJobsRequest,
};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status, Streaming};

use crate::error::{Error, root_cause};

/// Where the daemon listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/tcpprobed/tcpprobed.sock";

/// A daemon on this machine accepts at once, or not at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A wait where others are before this one.
const CONNECT_PAUSE: Duration = Duration::from_millis(20);
/// The longest that a call may take to answer: stopping a job drains its whole kernel buffer.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);
/// What may be on its way unread, so that a fetch is not held up by round trips.
const WINDOW_BYTES: u32 = 8 << 20;
/// Largest frame of HTTP/2 that is taken: a reply of 64 KiB is one, not five.
const FRAME_BYTES_MAX: u32 = 128 << 10;
/// Largest reply that is taken.
const REPLY_BYTES_MAX: usize = 16 << 20;

/// A connection to the daemon.
pub struct Client {
    // Its one worker moves bytes while the caller's own thread decodes.
    runtime: Runtime,
    api: TcpProbeClient<Channel>,
}

impl Client {
    /// Connects, or says why nobody answers at `socket`.
    pub fn connect(socket: &Path) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(Error::Runtime)?;
        let channel = runtime.block_on(channel(socket))?;
        let api = TcpProbeClient::new(channel).max_decoding_message_size(REPLY_BYTES_MAX);
        Ok(Client { runtime, api })
    }

    /// Starts a job, or explains what that would do.
    pub fn start(&self, request: StartJobRequest) -> Result<StartJobReply, Error> {
        self.call(self.api.clone().start_job(request))
    }

    /// Stops a job; its state afterwards.
    pub fn stop(&self, name: &str) -> Result<Job, Error> {
        let reply = self.call(self.api.clone().stop_job(StopJobRequest { name: name.to_owned() }))?;
        reply.job.ok_or(Error::Incomplete { what: "the job" })
    }

    /// Removes a job.
    pub fn remove(&self, name: &str, force: bool) -> Result<RemoveJobReply, Error> {
        self.call(self.api.clone().remove_job(RemoveJobRequest { name: name.to_owned(), force }))
    }

    /// All jobs, each with its newest run only.
    pub fn list(&self) -> Result<Vec<Job>, Error> {
        Ok(self.call(self.api.clone().list_jobs(ListJobsRequest {}))?.jobs)
    }

    /// A job with all its runs.
    pub fn get(&self, name: &str) -> Result<Job, Error> {
        let reply = self.call(self.api.clone().get_job(GetJobRequest { name: name.to_owned() }))?;
        reply.job.ok_or(Error::Incomplete { what: "the job" })
    }

    /// The named jobs (all, when none is named), now and at every change.
    pub fn watch(&self, names: Vec<String>) -> Result<Stream<'_, WatchJobsReply>, Error> {
        let stream = self.call(self.api.clone().watch_jobs(WatchJobsRequest { names, remove: false }))?;
        Ok(Stream { runtime: &self.runtime, stream })
    }

    /// The same of one job of the caller's, which the daemon removes when the stream is dropped, or this process ends, however it does.
    pub fn hold(&self, name: &str) -> Result<Stream<'_, WatchJobsReply>, Error> {
        let request = WatchJobsRequest { names: vec![name.to_owned()], remove: true };
        let stream = self.call(self.api.clone().watch_jobs(request))?;
        Ok(Stream { runtime: &self.runtime, stream })
    }

    /// A run's frames as stored.
    pub fn read(&self, request: ReadRequest) -> Result<Stream<'_, ReadReply>, Error> {
        let stream = self.call(self.api.clone().read(request))?;
        Ok(Stream { runtime: &self.runtime, stream })
    }

    /// The versions of the daemon and what is under it.
    pub fn version(&self) -> Result<VersionReply, Error> {
        self.call(self.api.clone().version(VersionRequest {}))
    }

    /// What the daemon finds of itself and its kernel.
    pub fn doctor(&self) -> Result<Vec<Check>, Error> {
        Ok(self.call(self.api.clone().doctor(DoctorRequest {}))?.checks)
    }

    fn call<T>(&self, call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Error> {
        // A deadline here and not in the endpoint: it tells a slow daemon from a slow reader of a stream.
        let answer = self.runtime.block_on(async { tokio::time::timeout(CALL_TIMEOUT, call).await });
        match answer {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(status.into()),
            Err(_) => Err(Error::TimedOut),
        }
    }
}

/// Messages of a call that goes on.
pub struct Stream<'a, T> {
    runtime: &'a Runtime,
    stream: Streaming<T>,
}

/// What came of waiting for a message.
pub enum Next<T> {
    /// A message.
    Message(T),
    /// The daemon has sent all.
    End,
    /// Nothing within the time given.
    Waiting,
}

impl<T> Stream<'_, T> {
    /// The next message, waiting for it no longer than `patience`.
    pub fn next(&mut self, patience: Duration) -> Result<Next<T>, Error> {
        let message = self.stream.message();
        match self.runtime.block_on(async { tokio::time::timeout(patience, message).await }) {
            Ok(Ok(Some(message))) => Ok(Next::Message(message)),
            Ok(Ok(None)) => Ok(Next::End),
            Ok(Err(status)) => Err(status.into()),
            Err(_) => Ok(Next::Waiting),
        }
    }
}

async fn channel(socket: &Path) -> Result<Channel, Error> {
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, connect(socket)).await;
    let stream = connected
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(|error| unreachable(socket, error))?;
    // The connection that was tried out is the one that is used; there is never a second.
    let mut stream = Some(stream);
    let connector = tower::service_fn(move |_: tonic::transport::Uri| {
        let stream = stream.take().map(TokioIo::new);
        async move { stream.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionReset)) }
    });
    let connected = match endpoint() {
        Ok(endpoint) => endpoint.connect_with_connector(connector).await,
        Err(error) => Err(error),
    };
    connected.map_err(|error| Error::NotTheDaemon { socket: socket.to_owned(), why: root_cause(&error) })
}

fn endpoint() -> Result<Endpoint, tonic::transport::Error> {
    let endpoint =
        Endpoint::from_static("http://tcpprobed").user_agent(concat!("tcpprobe-client/", env!("CARGO_PKG_VERSION")))?;
    Ok(endpoint
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX))
}

/// Connects; where very many do at the same time, when it is its turn.
async fn connect(socket: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(socket).await {
            // The queue of the socket is full: connect(2), EAGAIN.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => tokio::time::sleep(CONNECT_PAUSE).await,
            connected => return connected,
        }
    }
}

fn unreachable(socket: &Path, source: io::Error) -> Error {
    let socket = socket.to_owned();
    match source.kind() {
        io::ErrorKind::PermissionDenied => Error::Denied { socket },
        _ => Error::Unreachable { socket, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_others_wait_for() {
        use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let descriptor = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        bind(&descriptor, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        // One may wait.
        listen(&descriptor, 0).unwrap();
        let listener = std::os::unix::net::UnixListener::from(descriptor);
        let _first = std::os::unix::net::UnixStream::connect(&path).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let second = connect(&path);
            let mut second = std::pin::pin!(second);
            let early = tokio::time::timeout(Duration::from_millis(200), &mut second).await;
            assert!(early.is_err(), "{early:?}");
            listener.accept().unwrap();
            second.await.unwrap();
        });
    }
}
