//! Who is connected, and how much of the daemon each user takes, so that nobody can take all of it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Limits;
use crate::jobs::lock;

/// Requests open at once: what each holds of memory is bounded ([`crate::server`]), so this bounds all of it.
const CALLS_MAX: usize = 4096;
/// Of one user: half of all, and more than the connections that one may have.
const CALLS_PER_USER_MAX: usize = 2048;
/// Requests of one user that work at the same time, each on a thread; more wait. Most take less than a millisecond, but
/// some seconds where a job is stopped or tried out.
const WORKING_PER_USER_MAX: usize = 8;
/// Requests of so many seconds by `limits.requests_per_second` may come at once, as those of a thousand clients do; more wait
/// for their turn.
const REQUESTS_AHEAD: Duration = Duration::from_secs(1);
/// A request that would have to wait longer is refused.
const REQUEST_WAIT_MAX: Duration = Duration::from_secs(10);
/// Bytes a second that are read from one user: a request has some hundred, and what is no request costs as much as its bytes.
const BYTES_PER_SECOND: u32 = 1 << 20;
/// So long may a user send faster.
const BYTES_AHEAD: Duration = Duration::from_secs(2);

/// What a user has open.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Connection,
    Call,
    Stream,
}

const KINDS: usize = 3;

/// Everybody who is connected.
#[derive(Debug, Clone)]
pub struct Guests {
    users: Arc<Mutex<HashMap<u32, User>>>,
    /// Connections for which there are descriptors.
    places: usize,
    /// The one trial at a time, in the order of who asked.
    trial: Arc<Semaphore>,
}

#[derive(Debug)]
struct User {
    open: [usize; KINDS],
    requests: Pace,
    bytes: Pace,
    working: Arc<Semaphore>,
    /// Of trials, one at a time waits for its turn among all.
    trying: Arc<Semaphore>,
}

impl Default for User {
    fn default() -> Self {
        let (working, trying) = (Arc::new(Semaphore::new(WORKING_PER_USER_MAX)), Arc::new(Semaphore::new(1)));
        User { open: [0; KINDS], requests: Pace::default(), bytes: Pace::default(), working, trying }
    }
}

impl User {
    /// Whether nothing would be forgotten with it.
    fn is_gone(&self, now: Instant) -> bool {
        self.open == [0; KINDS] && self.requests.ahead(now).is_zero() && self.bytes.ahead(now).is_zero()
    }
}

/// How much more than its share something took: the time until when all is paid for.
#[derive(Debug, Default)]
struct Pace(Option<Instant>);

impl Pace {
    fn ahead(&self, now: Instant) -> Duration {
        self.0.map_or(Duration::ZERO, |paid| paid.saturating_duration_since(now))
    }

    fn take(&mut self, now: Instant, cost: Duration) {
        self.0 = Some(self.0.map_or(now, |paid| paid.max(now)) + cost);
    }
}

/// Something that is counted until this is dropped.
#[derive(Debug)]
pub struct Stay {
    guests: Guests,
    uid: u32,
    kind: Kind,
}

/// A limit that would be passed; the message is one line that says which, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A turn to work, until this is dropped.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "held")] Vec<OwnedSemaphorePermit>);

impl Guests {
    /// Nobody yet, and at most `places` connections, whatever the configuration allows.
    #[must_use]
    pub fn new(places: usize) -> Self {
        Guests { users: Arc::default(), places, trial: Arc::new(Semaphore::new(1)) }
    }

    /// One more connection. `is_keeper` is who finds room whoever else is there: root, who must be able to look after the
    /// daemon.
    ///
    /// # Errors
    /// When there are too many.
    pub fn connect(&self, uid: u32, is_keeper: bool, limits: &Limits) -> Result<Stay, Refusal> {
        let places = (self.places, "LimitNOFILE=");
        let all = if is_keeper { places } else { places.min((limits.connections, "limits.connections")) };
        self.open(Kind::Connection, uid, all, (limits.connections_per_user, "limits.connections_per_user"))
    }

    /// One more request, which is open until its answer is sent, and how long it is to wait.
    ///
    /// # Errors
    /// When there are too many, or they come too fast.
    pub fn call(&self, uid: u32, limits: &Limits) -> Result<(Stay, Duration), Refusal> {
        let (now, rate) = (Instant::now(), limits.requests_per_second);
        let stay = self.open(Kind::Call, uid, (CALLS_MAX, "the daemon"), (CALLS_PER_USER_MAX, "the daemon"))?;
        let wait = self.with(uid, |user| {
            let wait = user.requests.ahead(now).saturating_sub(REQUESTS_AHEAD);
            if wait > REQUEST_WAIT_MAX {
                return Err(Refusal(format!(
                    "uid {uid} asks more than {rate} times a second, which limits.requests_per_second allows; wait a moment"
                )));
            }
            user.requests.take(now, Duration::from_secs(1) / rate);
            Ok(wait)
        })?;
        Ok((stay, wait))
    }

    /// One more stream.
    ///
    /// # Errors
    /// When there are too many.
    pub fn stream(&self, uid: u32, limits: &Limits) -> Result<Stay, Refusal> {
        let all = (limits.streams, "limits.streams");
        self.open(Kind::Stream, uid, all, (limits.streams_per_user, "limits.streams_per_user"))
    }

    /// A turn to work, as soon as not too many of the same user do.
    pub async fn turn(&self, uid: u32) -> Turn {
        let working = self.with(uid, |user| Arc::clone(&user.working));
        turn([working]).await
    }

    /// A turn for a trial, which takes seconds in which nobody else has one.
    pub async fn trial(&self, uid: u32) -> Turn {
        let trying = self.with(uid, |user| Arc::clone(&user.trying));
        turn([trying, Arc::clone(&self.trial)]).await
    }

    fn with<T>(&self, uid: u32, work: impl FnOnce(&mut User) -> T) -> T {
        work(lock(&self.users).entry(uid).or_default())
    }

    fn open(&self, kind: Kind, uid: u32, all: (usize, &str), own: (usize, &str)) -> Result<Stay, Refusal> {
        let (mut users, now) = (lock(&self.users), Instant::now());
        let open: usize = users.values().map(|user| user.open[kind as usize]).sum();
        let what = kind.of_many();
        let own_open = users.get(&uid).map_or(0, |user| user.open[kind as usize]);
        if own_open >= own.0 {
            let (most, who) = own;
            return Err(Refusal(format!("uid {uid} has {own_open} {what} open, and {who} allows {most}; close some")));
        }
        if open >= all.0 {
            let (most, who) = all;
            return Err(Refusal(format!("{open} {what} are open, and {who} allows {most}; try later")));
        }
        users.retain(|_, user| !user.is_gone(now));
        users.entry(uid).or_default().open[kind as usize] += 1;
        Ok(Stay { guests: self.clone(), uid, kind })
    }
}

/// All of these, one after the other.
async fn turn<const COUNT: usize>(all: [Arc<Semaphore>; COUNT]) -> Turn {
    let mut permits = Vec::new();
    for semaphore in all {
        // None is ever closed.
        permits.extend(semaphore.acquire_owned().await);
    }
    Turn(permits)
}

impl Kind {
    fn of_many(self) -> &'static str {
        match self {
            Kind::Connection => "connections",
            Kind::Call => "requests",
            Kind::Stream => "streams",
        }
    }
}

impl Stay {
    /// Notes that so many bytes came; how long to wait before more are read.
    #[must_use]
    pub fn sent(&self, bytes: usize) -> Duration {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let now = Instant::now();
        self.guests.with(self.uid, |user| {
            user.bytes.take(now, Duration::from_secs(1) * bytes / BYTES_PER_SECOND);
            user.bytes.ahead(now).saturating_sub(BYTES_AHEAD)
        })
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.guests.with(self.uid, |user| user.open[self.kind as usize] -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: u32 = 1001;
    const BOB: u32 = 1002;
    const ROOT: u32 = 0;

    fn limits() -> Limits {
        Limits { connections: 5, connections_per_user: 3, streams: 3, streams_per_user: 2, ..Limits::default() }
    }

    #[test]
    fn nobody_takes_all() {
        let (guests, limits) = (Guests::new(100), limits());
        let anns: Vec<Stay> = (0..3).map(|_| guests.connect(ANN, false, &limits).unwrap()).collect();
        let refused = guests.connect(ANN, false, &limits).unwrap_err().to_string();
        assert!(refused.contains("uid 1001") && refused.contains("connections_per_user allows 3"), "{refused}");
        let _bobs: Vec<Stay> = (0..2).map(|_| guests.connect(BOB, false, &limits).unwrap()).collect();
        let refused = guests.connect(BOB, false, &limits).unwrap_err().to_string();
        assert!(refused.contains("5 connections are open") && refused.contains("limits.connections"), "{refused}");
        let roots: Vec<_> = (0..3).map(|_| guests.connect(ROOT, true, &limits).unwrap()).collect();
        assert!(guests.connect(ROOT, true, &limits).is_err());
        drop((anns, roots));
        guests.connect(BOB, false, &limits).unwrap();
    }

    /// Descriptors that captures need are nobody's connections, not even root's.
    #[test]
    fn no_more_than_there_are_descriptors() {
        let (guests, limits) = (Guests::new(4), limits());
        let _anns: Vec<Stay> = (0..3).map(|_| guests.connect(ANN, false, &limits).unwrap()).collect();
        let _root = guests.connect(ROOT, true, &limits).unwrap();
        for (uid, is_keeper) in [(BOB, false), (ROOT, true)] {
            let refused = guests.connect(uid, is_keeper, &limits).unwrap_err().to_string();
            assert!(refused.contains("LimitNOFILE= allows 4"), "{refused}");
        }
    }

    #[test]
    fn a_lower_limit_counts_those_that_are_open() {
        let (guests, limits) = (Guests::new(100), limits());
        let (one, two) = (guests.stream(ANN, &limits).unwrap(), guests.stream(ANN, &limits).unwrap());
        assert!(guests.stream(ANN, &limits).is_err());
        let three = guests.stream(BOB, &limits).unwrap();
        assert!(guests.stream(BOB, &limits).is_err());
        drop((one, three));
        let lower = Limits { streams: 1, ..limits };
        assert!(guests.stream(BOB, &lower).is_err());
        drop(two);
        guests.stream(BOB, &lower).unwrap();
    }

    #[test]
    fn who_asks_too_fast_waits() {
        let (guests, limits) = (Guests::new(100), Limits { requests_per_second: 10, ..Limits::default() });
        // Each is over at once: to leave and come again makes nobody a new guest.
        let waits: Vec<_> = (0..200).map_while(|_| Some(guests.call(ANN, &limits).ok()?.1)).collect();
        assert!((110..130).contains(&waits.len()), "{}", waits.len());
        assert!(waits[..10].iter().all(Duration::is_zero) && waits[15] > Duration::ZERO && waits.is_sorted());
        let refused = guests.call(ANN, &limits).unwrap_err().to_string();
        assert!(refused.contains("more than 10 times a second"), "{refused}");
        assert!(guests.call(BOB, &limits).unwrap().1.is_zero());
    }

    #[test]
    fn who_sends_too_much_waits() {
        let stay = Guests::new(100).connect(ANN, false, &limits()).unwrap();
        assert_eq!(stay.sent(BYTES_PER_SECOND as usize), Duration::ZERO);
        let wait = stay.sent(2 * BYTES_PER_SECOND as usize);
        assert!(wait > Duration::from_millis(500) && wait <= Duration::from_secs(1), "{wait:?}");
    }

    #[test]
    fn who_is_gone_is_forgotten() {
        let (guests, limits) = (Guests::new(100), limits());
        (0..100).for_each(|uid| drop(guests.connect(uid, false, &limits).unwrap()));
        assert!(lock(&guests.users).len() <= 2);
    }
}
