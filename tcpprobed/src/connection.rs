//! A connection to the API's socket: who is at the other end, and how long it is waited for.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::net::unix::UCred;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::transport::server::Connected;

use crate::guests::{Refusal, Stay};

/// Who connects asks something by then, or is cut off: so long does half a handshake hold a place.
const FIRST_REQUEST_TIME: Duration = Duration::from_secs(10);
/// Who is turned away asks by then, is told why, and is cut off.
const REFUSAL_TIME: Duration = Duration::from_secs(1);

/// Who is at the other end.
#[derive(Debug)]
pub struct Guest {
    /// As the kernel noted when it connected.
    pub credentials: UCred,
    /// Why its requests are refused.
    pub refused: Option<Refusal>,
    has_asked: AtomicBool,
}

impl Guest {
    /// It has made a request.
    pub fn asks(&self) {
        self.has_asked.store(true, Ordering::Relaxed);
    }
}

/// What it is counted by.
#[derive(Debug)]
enum Place {
    Guest(Stay),
    Door(#[expect(dead_code, reason = "held until the connection is closed")] OwnedSemaphorePermit),
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    guest: Arc<Guest>,
    place: Place,
    /// Until when nothing is read.
    pause: Pin<Box<Sleep>>,
    is_paused: bool,
    /// When it ends, unless something was asked.
    deadline: Pin<Box<Sleep>>,
}

impl Connection {
    /// With somebody who may stay.
    #[must_use]
    pub fn new(stream: UnixStream, credentials: UCred, stay: Stay) -> Self {
        Self::with(stream, credentials, None, Place::Guest(stay), FIRST_REQUEST_TIME)
    }

    /// With somebody whose requests are refused, and who holds one of the places for such.
    #[must_use]
    pub fn turned_away(stream: UnixStream, credentials: UCred, why: Refusal, place: OwnedSemaphorePermit) -> Self {
        Self::with(stream, credentials, Some(why), Place::Door(place), REFUSAL_TIME)
    }

    fn with(stream: UnixStream, credentials: UCred, refused: Option<Refusal>, place: Place, time: Duration) -> Self {
        let guest = Arc::new(Guest { credentials, refused, has_asked: AtomicBool::new(false) });
        let now = Instant::now();
        let (pause, deadline) = (Box::pin(sleep_until(now)), Box::pin(sleep_until(now + time)));
        Connection { stream, guest, place, pause, is_paused: false, deadline }
    }

    /// An error where it has had its time.
    fn check_time(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let may_stay = self.guest.refused.is_none() && self.guest.has_asked.load(Ordering::Relaxed);
        if !may_stay && self.deadline.as_mut().poll(cx).is_ready() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

impl Connected for Connection {
    type ConnectInfo = Arc<Guest>;

    fn connect_info(&self) -> Arc<Guest> {
        Arc::clone(&self.guest)
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
        let wait = match &self.place {
            Place::Guest(stay) => stay.sent(buffer.filled().len() - before),
            Place::Door(_) => Duration::ZERO,
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
