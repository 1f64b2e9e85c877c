//! The API's server: what a connection may cost is limited here, how many there are in [`super::quota`].

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tcpprobe_proto::v1::tcp_probe_server::TcpProbeServer;
use tokio::net::UnixListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;

use super::admission::Admission;
use super::connection::Connection;
use super::quota::Quota;
use super::service::Service;
use crate::jobs::Jobs;
use crate::user::User;

/// Largest request: a filter has at most 8 KiB, a list of all jobs 66 bytes each.
const REQUEST_BYTES_MAX: usize = 64 << 10;
/// Largest request to health check and reflection, which strangers may ask too: the name of a service or symbol.
const SMALL_REQUEST_BYTES_MAX: usize = 4 << 10;
/// Requests open at once on a connection: who wants more makes another one.
const REQUESTS_PER_CONNECTION: u32 = 32;
/// What a client may send before the daemon has looked at it, by request and by connection: a request that is usual, and the
/// least that HTTP/2 has.
const REQUEST_WINDOW_BYTES: u32 = 16 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 64 << 10;
/// Names and values of a request's headers, 32 bytes more for each: those of gRPC are some hundred.
const HEADER_BYTES_MAX: u32 = 8 << 10;
/// Requests that a client took back, which are not done with yet; a connection with more is a flood and ends.
const RESETS_PENDING_MAX: usize = 20;
/// Mistakes in requests of a connection, after which it ends.
const MISTAKES_MAX: usize = 64;
/// The longest that an answer takes to begin, also where the rest of a request never comes: a stop drains a whole kernel
/// buffer. As long waits tcpprobectl.
const ANSWER_TIME: Duration = Duration::from_secs(120);
/// Connections that are told why they are rejected; with more at once, the rest is closed without a word.
const REJECTED_MAX: usize = 64;
/// A wait before the next connection where none can be taken: there are no descriptors left, or no memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The log says at most this often that somebody was rejected.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

/// Serves the API until `stop` is over and all connections are closed.
///
/// # Errors
/// When it cannot begin.
pub async fn serve(
    listener: UnixListener,
    jobs: Arc<Jobs>,
    service: Service,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<TcpProbeServer<Service>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(tcpprobe_proto::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let quota = service.quota().clone();
    let (sender, connections) = mpsc::channel(1);
    tokio::spawn(accept(listener, Arc::clone(&jobs), quota.clone(), sender));
    Server::builder()
        .max_concurrent_streams(REQUESTS_PER_CONNECTION)
        .initial_stream_window_size(REQUEST_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_max_header_list_size(HEADER_BYTES_MAX)
        .http2_max_pending_accept_reset_streams(Some(RESETS_PENDING_MAX))
        .http2_max_local_error_reset_streams(Some(MISTAKES_MAX))
        .timeout(ANSWER_TIME)
        .layer(Admission::new(quota, jobs))
        .add_service(health_service.max_decoding_message_size(SMALL_REQUEST_BYTES_MAX))
        .add_service(reflection.max_decoding_message_size(SMALL_REQUEST_BYTES_MAX))
        .add_service(TcpProbeServer::new(service).max_decoding_message_size(REQUEST_BYTES_MAX))
        .serve_with_incoming_shutdown(ReceiverStream::new(connections), stop)
        .await?;
    Ok(())
}

/// Takes connections until nobody serves them any more.
async fn accept(
    listener: UnixListener,
    jobs: Arc<Jobs>,
    quota: Quota,
    sender: mpsc::Sender<std::io::Result<Connection>>,
) {
    let rejecting = Arc::new(Semaphore::new(REJECTED_MAX));
    let mut complaints = Complaints::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted.and_then(|(stream, _)| Ok((stream.peer_cred()?, stream))),
            () = sender.closed() => return,
        };
        let (credentials, stream) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                complaints.warn(&format!("no connection can be taken: {error}"));
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let user = User::of_uid(credentials.uid());
        let is_privileged = user.is_privileged(&User::own());
        let connection = match quota.connect(&user, is_privileged, &jobs.config().limits) {
            Ok(permit) => Connection::accepted(stream, credentials, permit),
            Err(refusal) => {
                complaints.warn(&format!("a connection was rejected: {refusal}"));
                let Ok(place) = Arc::clone(&rejecting).try_acquire_owned() else { continue };
                Connection::rejected(stream, credentials, refusal, place)
            }
        };
        if sender.send(Ok(connection)).await.is_err() {
            return;
        }
    }
}

/// What is wrong, said now and then.
#[derive(Default)]
struct Complaints(Option<Instant>);

impl Complaints {
    fn warn(&mut self, what: &str) {
        let now = Instant::now();
        if self.0.is_none_or(|last| now - last >= COMPLAINT_INTERVAL) {
            self.0 = Some(now);
            tracing::warn!("{what}");
        }
    }
}
