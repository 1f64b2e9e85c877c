//! A connection to the API's socket: what it is counted by, and how long it is waited for.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::net::unix::UCred;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::transport::server::Connected;

use super::peer::Peer;
use super::quota::{Permit, Refusal};

/// Who connects asks something by then, or is cut off: so long does half a handshake hold a place.
const FIRST_REQUEST_TIME: Duration = Duration::from_secs(10);
/// Who is rejected asks by then, is told why, and is cut off.
const REJECTED_TIME: Duration = Duration::from_secs(1);

/// What it is counted by.
#[derive(Debug)]
enum Slot {
    Accepted(Permit),
    Rejected(#[expect(dead_code, reason = "held until the connection is closed")] OwnedSemaphorePermit),
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    peer: Arc<Peer>,
    slot: Slot,
    /// Until when nothing is read.
    pause: Pin<Box<Sleep>>,
    is_paused: bool,
    /// When it ends, unless something was asked.
    deadline: Pin<Box<Sleep>>,
}

impl Connection {
    /// With somebody who has a permit.
    #[must_use]
    pub fn accepted(stream: UnixStream, credentials: UCred, permit: Permit) -> Self {
        Self::new(stream, Peer::new(credentials, None), Slot::Accepted(permit), FIRST_REQUEST_TIME)
    }

    /// With somebody whose requests are refused, and who holds one of the places for such.
    #[must_use]
    pub fn rejected(stream: UnixStream, credentials: UCred, why: Refusal, place: OwnedSemaphorePermit) -> Self {
        Self::new(stream, Peer::new(credentials, Some(why)), Slot::Rejected(place), REJECTED_TIME)
    }

    fn new(stream: UnixStream, peer: Peer, slot: Slot, time: Duration) -> Self {
        let now = Instant::now();
        let (pause, deadline) = (Box::pin(sleep_until(now)), Box::pin(sleep_until(now + time)));
        Connection { stream, peer: Arc::new(peer), slot, pause, is_paused: false, deadline }
    }

    /// An error where it has had its time.
    fn check_time(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let is_in_use = self.peer.rejected.is_none() && self.peer.has_asked();
        if !is_in_use && self.deadline.as_mut().poll(cx).is_ready() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

impl Connected for Connection {
    type ConnectInfo = Arc<Peer>;

    fn connect_info(&self) -> Arc<Peer> {
        Arc::clone(&self.peer)
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check_time(cx)?;
        if self.is_paused {
            ready!(self.pause.as_mut().poll(cx));
            self.is_paused = false;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let wait = match &self.slot {
            Slot::Accepted(permit) => permit.sent(buffer.filled().len() - before),
            Slot::Rejected(_) => Duration::ZERO,
        };
        if !wait.is_zero() {
            self.pause.as_mut().reset(Instant::now() + wait);
            self.is_paused = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check_time(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_time(cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
