//! Quotas: how much of the daemon each user takes, so that nobody can take all of it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Limits;
use crate::lock::lock;
use crate::user::User;

/// Requests open at once: what each holds of memory is bounded ([`super::server`]), so this bounds all of it.
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
enum Resource {
    Connection,
    Call,
    Stream,
}

const RESOURCES: usize = 3;

/// What all users take, and what they may.
#[derive(Debug, Clone)]
pub struct Quota {
    users: Arc<Mutex<HashMap<User, Usage>>>,
    /// Connections for which there are descriptors.
    places: usize,
    /// The one preflight or sample at a time, in the order of who asked.
    preflight: Arc<Semaphore>,
}

#[derive(Debug)]
struct Usage {
    open: [usize; RESOURCES],
    requests: Pace,
    bytes: Pace,
    working: Arc<Semaphore>,
    /// Of preflights and samples, one at a time waits for its turn among all.
    preflight: Arc<Semaphore>,
}

impl Default for Usage {
    fn default() -> Self {
        let (working, preflight) = (Arc::new(Semaphore::new(WORKING_PER_USER_MAX)), Arc::new(Semaphore::new(1)));
        Usage { open: [0; RESOURCES], requests: Pace::default(), bytes: Pace::default(), working, preflight }
    }
}

impl Usage {
    /// Whether nothing would be forgotten with it.
    fn is_gone(&self, now: Instant) -> bool {
        self.open == [0; RESOURCES] && self.requests.ahead(now).is_zero() && self.bytes.ahead(now).is_zero()
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
pub struct Permit {
    quota: Quota,
    user: User,
    resource: Resource,
}

/// A limit that would be passed; the message is one line that says which, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Leave to work, until this is dropped.
#[derive(Debug)]
pub struct WorkPermit(#[expect(dead_code, reason = "held")] Vec<OwnedSemaphorePermit>);

impl Quota {
    /// Nobody yet, and at most `places` connections, whatever the configuration allows.
    #[must_use]
    pub fn new(places: usize) -> Self {
        Quota { users: Arc::default(), places, preflight: Arc::new(Semaphore::new(1)) }
    }

    /// One more connection. `is_privileged` is who finds room whoever else is there: root, who must be able to look after the
    /// daemon.
    ///
    /// # Errors
    /// When there are too many.
    pub fn connect(&self, user: &User, is_privileged: bool, limits: &Limits) -> Result<Permit, Refusal> {
        let places = (self.places, "LimitNOFILE=");
        let all = if is_privileged { places } else { places.min((limits.connections, "limits.connections")) };
        self.open(Resource::Connection, user, all, (limits.connections_per_user, "limits.connections_per_user"))
    }

    /// One more request, which is open until its answer is sent, and how long it is to wait.
    ///
    /// # Errors
    /// When there are too many, or they come too fast.
    pub fn call(&self, user: &User, limits: &Limits) -> Result<(Permit, Duration), Refusal> {
        let (now, rate) = (Instant::now(), limits.requests_per_second);
        let permit = self.open(Resource::Call, user, (CALLS_MAX, "the daemon"), (CALLS_PER_USER_MAX, "the daemon"))?;
        let wait = self.with(user, |usage| {
            let wait = usage.requests.ahead(now).saturating_sub(REQUESTS_AHEAD);
            if wait > REQUEST_WAIT_MAX {
                return Err(Refusal(format!(
                    "{user} asks more than {rate} times a second, which limits.requests_per_second allows; wait a moment"
                )));
            }
            usage.requests.take(now, Duration::from_secs(1) / rate);
            Ok(wait)
        })?;
        Ok((permit, wait))
    }

    /// One more stream.
    ///
    /// # Errors
    /// When there are too many.
    pub fn stream(&self, user: &User, limits: &Limits) -> Result<Permit, Refusal> {
        let all = (limits.streams, "limits.streams");
        self.open(Resource::Stream, user, all, (limits.streams_per_user, "limits.streams_per_user"))
    }

    /// Leave to work, as soon as not too many of the same user do.
    pub async fn work(&self, user: &User) -> WorkPermit {
        let working = self.with(user, |usage| Arc::clone(&usage.working));
        all_of([working]).await
    }

    /// A turn for a preflight or a sample, which takes seconds in which nobody else has one.
    pub async fn preflight(&self, user: &User) -> WorkPermit {
        let own = self.with(user, |usage| Arc::clone(&usage.preflight));
        all_of([own, Arc::clone(&self.preflight)]).await
    }

    fn with<T>(&self, user: &User, work: impl FnOnce(&mut Usage) -> T) -> T {
        work(lock(&self.users).entry(user.clone()).or_default())
    }

    fn open(&self, resource: Resource, user: &User, all: (usize, &str), own: (usize, &str)) -> Result<Permit, Refusal> {
        let (mut users, now) = (lock(&self.users), Instant::now());
        let open: usize = users.values().map(|usage| usage.open[resource as usize]).sum();
        let what = resource.plural();
        let own_open = users.get(user).map_or(0, |usage| usage.open[resource as usize]);
        if own_open >= own.0 {
            let (most, who) = own;
            return Err(Refusal(format!("{user} has {own_open} {what} open, and {who} allows {most}; close some")));
        }
        if open >= all.0 {
            let (most, who) = all;
            return Err(Refusal(format!("{open} {what} are open, and {who} allows {most}; try later")));
        }
        users.retain(|_, usage| !usage.is_gone(now));
        users.entry(user.clone()).or_default().open[resource as usize] += 1;
        Ok(Permit { quota: self.clone(), user: user.clone(), resource })
    }
}

/// All of these, one after the other.
async fn all_of<const COUNT: usize>(all: [Arc<Semaphore>; COUNT]) -> WorkPermit {
    let mut permits = Vec::new();
    for semaphore in all {
        // None is ever closed.
        permits.extend(semaphore.acquire_owned().await);
    }
    WorkPermit(permits)
}

impl Resource {
    fn plural(self) -> &'static str {
        match self {
            Resource::Connection => "connections",
            Resource::Call => "requests",
            Resource::Stream => "streams",
        }
    }
}

impl Permit {
    /// Notes that so many bytes came; how long to wait before more are read.
    #[must_use]
    pub fn sent(&self, bytes: usize) -> Duration {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let now = Instant::now();
        self.quota.with(&self.user, |usage| {
            usage.bytes.take(now, Duration::from_secs(1) * bytes / BYTES_PER_SECOND);
            usage.bytes.ahead(now).saturating_sub(BYTES_AHEAD)
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.quota.with(&self.user, |usage| usage.open[self.resource as usize] -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: User = User::of_uid(1001);
    const BOB: User = User::of_uid(1002);
    const ROOT: User = User::root();

    fn limits() -> Limits {
        Limits { connections: 5, connections_per_user: 3, streams: 3, streams_per_user: 2, ..Limits::default() }
    }

    #[test]
    fn nobody_takes_all() {
        let (quota, limits) = (Quota::new(100), limits());
        let anns: Vec<Permit> = (0..3).map(|_| quota.connect(&ANN, false, &limits).unwrap()).collect();
        let refused = quota.connect(&ANN, false, &limits).unwrap_err().to_string();
        assert!(refused.contains("uid 1001") && refused.contains("connections_per_user allows 3"), "{refused}");
        let _bobs: Vec<Permit> = (0..2).map(|_| quota.connect(&BOB, false, &limits).unwrap()).collect();
        let refused = quota.connect(&BOB, false, &limits).unwrap_err().to_string();
        assert!(refused.contains("5 connections are open") && refused.contains("limits.connections"), "{refused}");
        let roots: Vec<_> = (0..3).map(|_| quota.connect(&ROOT, true, &limits).unwrap()).collect();
        assert!(quota.connect(&ROOT, true, &limits).is_err());
        drop((anns, roots));
        quota.connect(&BOB, false, &limits).unwrap();
    }

    /// Descriptors that captures need are nobody's connections, not even root's.
    #[test]
    fn no_more_than_there_are_descriptors() {
        let (quota, limits) = (Quota::new(4), limits());
        let _anns: Vec<Permit> = (0..3).map(|_| quota.connect(&ANN, false, &limits).unwrap()).collect();
        let _root = quota.connect(&ROOT, true, &limits).unwrap();
        for (user, is_privileged) in [(BOB, false), (ROOT, true)] {
            let refused = quota.connect(&user, is_privileged, &limits).unwrap_err().to_string();
            assert!(refused.contains("LimitNOFILE= allows 4"), "{refused}");
        }
    }

    #[test]
    fn a_lower_limit_counts_those_that_are_open() {
        let (quota, limits) = (Quota::new(100), limits());
        let (one, two) = (quota.stream(&ANN, &limits).unwrap(), quota.stream(&ANN, &limits).unwrap());
        assert!(quota.stream(&ANN, &limits).is_err());
        let three = quota.stream(&BOB, &limits).unwrap();
        assert!(quota.stream(&BOB, &limits).is_err());
        drop((one, three));
        let lower = Limits { streams: 1, ..limits };
        assert!(quota.stream(&BOB, &lower).is_err());
        drop(two);
        quota.stream(&BOB, &lower).unwrap();
    }

    #[test]
    fn who_asks_too_fast_waits() {
        let (quota, limits) = (Quota::new(100), Limits { requests_per_second: 10, ..Limits::default() });
        // Each is over at once: to leave and come again makes nobody a new user.
        let waits: Vec<_> = (0..200).map_while(|_| Some(quota.call(&ANN, &limits).ok()?.1)).collect();
        assert!((110..130).contains(&waits.len()), "{}", waits.len());
        assert!(waits[..10].iter().all(Duration::is_zero) && waits[15] > Duration::ZERO && waits.is_sorted());
        let refused = quota.call(&ANN, &limits).unwrap_err().to_string();
        assert!(refused.contains("more than 10 times a second"), "{refused}");
        assert!(quota.call(&BOB, &limits).unwrap().1.is_zero());
    }

    #[test]
    fn who_sends_too_much_waits() {
        let permit = Quota::new(100).connect(&ANN, false, &limits()).unwrap();
        assert_eq!(permit.sent(BYTES_PER_SECOND as usize), Duration::ZERO);
        let wait = permit.sent(2 * BYTES_PER_SECOND as usize);
        assert!(wait > Duration::from_millis(500) && wait <= Duration::from_secs(1), "{wait:?}");
    }

    #[test]
    fn who_is_gone_is_forgotten() {
        let (quota, limits) = (Quota::new(100), limits());
        (0..100).for_each(|uid| drop(quota.connect(&User::of_uid(uid), false, &limits).unwrap()));
        assert!(lock(&quota.users).len() <= 2);
    }
}
