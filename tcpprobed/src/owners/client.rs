//! A job that is told whose sockets are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tcpprobe::event::{Owner, Socket, owner};
use tcpprobe::file::OWN_CPU;
use tcpprobe::filter::{Context, Ends, Filter, Predicate};
use tcpprobe::kernel::format::Format;

use super::procfs::Unknown;
use super::sockets::Told;
use crate::capture::{OwnEvent, OwnEvents};

/// How many sockets of a run's, and what became known of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sockets whose owner was told.
    pub known: u64,
    /// Of these, those of whose owner no more is known than its pid and perhaps its name, for it had ended.
    pub bare: u64,
    /// How often it was told that another process had taken over.
    pub changed: u64,
    /// Sockets of which was not known whose they are when they were closed: the thread that used them had ended…
    pub ended: u64,
    /// …or `/proc` does not show it…
    pub hidden: u64,
    /// …or there were too many at a time…
    pub too_many: u64,
    /// …or nobody was seen to use them.
    pub unseen: u64,
}

#[derive(Debug, Default)]
struct Counters {
    known: AtomicU64,
    bare: AtomicU64,
    changed: AtomicU64,
    ended: AtomicU64,
    hidden: AtomicU64,
    too_many: AtomicU64,
    unseen: AtomicU64,
}

/// A job whose run goes on.
#[derive(Debug)]
pub struct Client {
    job: String,
    own: OwnEvents,
    filter: Predicate,
    /// What of the filter the kernel evaluates on tcp_rcv_space_adjust.
    pub kernel_filter: Option<String>,
    counters: Counters,
}

impl Client {
    /// One that takes what passes `filter`.
    pub fn new(job: &str, own: OwnEvents, filter: &Filter, (owner, taken): (&Format, &Format)) -> Arc<Self> {
        let (job, kernel_filter) = (job.to_owned(), filter.compile(taken).kernel);
        Arc::new(Client { job, own, filter: filter.predicate(owner), kernel_filter, counters: Counters::default() })
    }

    /// Its job.
    pub fn job(&self) -> &str {
        &self.job
    }

    /// Whether its run has ended.
    pub fn has_ended(&self) -> bool {
        self.own.has_ended()
    }

    /// Tells those that it takes. They are in the order of time.
    pub fn tell(&self, all: &[(Told, Box<[u8]>)]) {
        let mut events = Vec::new();
        for (told, record) in all {
            if self.takes(record) {
                events.push(OwnEvent { time: told.time, record: record.clone() });
                self.count(told);
            }
        }
        if !events.is_empty() {
            self.own.hand_over(events);
        }
    }

    fn count(&self, told: &Told) {
        let add = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        if told.is_change {
            add(&self.counters.changed);
            return;
        }
        add(&self.counters.known);
        if told.owner.uid == owner::UNKNOWN_UID {
            add(&self.counters.bare);
        }
    }

    /// A socket went, and nobody was told whose it was.
    pub fn miss(&self, socket: &Socket, why: Option<Unknown>) {
        if !self.takes(&owner::record(socket, &Owner::default())) {
            return;
        }
        let counter = match why {
            Some(Unknown::Ended) => &self.counters.ended,
            Some(Unknown::Hidden) => &self.counters.hidden,
            Some(Unknown::TooMany) => &self.counters.too_many,
            None => &self.counters.unseen,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn takes(&self, record: &[u8]) -> bool {
        self.filter.matches(record, &Context { cpu: OWN_CPU, comm: None, pid: None, ends: Ends::Unasked })
    }

    /// How it stands.
    pub fn counts(&self) -> Counts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { known, bare, changed, ended, hidden, too_many, unseen } = &self.counters;
        let [known, bare, changed] = [known, bare, changed].map(get);
        let [ended, hidden, too_many, unseen] = [ended, hidden, too_many, unseen].map(get);
        Counts { known, bare, changed, ended, hidden, too_many, unseen }
    }
}

/// A filter that passes what any of the clients takes; none where one takes everything.
pub fn any_of(clients: &[Arc<Client>]) -> Option<String> {
    /// What is longer costs each call of a program more than it spares, and the kernel has no room for it.
    const BYTES_MAX: usize = 2048;
    let mut filters: Vec<&str> = clients.iter().map(|client| client.kernel_filter.as_deref()).collect::<Option<_>>()?;
    filters.sort_unstable();
    filters.dedup();
    let text = match filters[..] {
        [one] => one.to_owned(),
        _ => filters.iter().map(|filter| format!("({filter})")).collect::<Vec<_>>().join(" || "),
    };
    (!text.is_empty() && text.len() <= BYTES_MAX).then_some(text)
}
