//! A trace that is read in a thread of its own, while what it gave is looked at.

use std::panic;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::losses::Losses;
use super::{Item, Trace};
use crate::Error;
use crate::file::Totals;

/// Items that wait, decoded: with the one that is looked at and the one that is read, the events of some four blocks.
const WAITING_MAX: usize = 2;

/// An item, and what is known with it; the last is none or an error.
struct Step {
    item: Option<Result<Item, Error>>,
    losses: Losses,
    ledger: Option<Totals>,
}

/// The items of a trace that another thread reads. That thread ends with the trace, or with the next item that nobody takes.
pub struct Ahead {
    steps: Receiver<Step>,
    thread: Option<JoinHandle<()>>,
    pub ledger: Option<Totals>,
}

impl Ahead {
    /// Begins to read what `open` opens, and says what it is called.
    pub fn new(open: impl FnOnce() -> Result<Trace<'static>, Error> + Send + 'static) -> Result<(String, Self), Error> {
        let (tell_name, name) = sync_channel(1);
        let (give, steps) = sync_channel(WAITING_MAX);
        let thread = thread::Builder::new().name("read-ahead".to_owned()).spawn(move || match open() {
            Ok(trace) => {
                // Somebody waits for it.
                let _ = tell_name.send(Ok(trace.name().to_owned()));
                read(trace, &give);
            }
            Err(error) => _ = tell_name.send(Err(error)),
        });
        let thread = thread.map_err(|source| Error::Read { name: "a thread that reads".to_owned(), source })?;
        let mut ahead = Ahead { steps, thread: Some(thread), ledger: None };
        match name.recv() {
            Ok(name) => Ok((name?, ahead)),
            Err(_) => ahead.fail(),
        }
    }

    /// The next item; `losses` becomes what was missing up to it.
    pub fn next_item(&mut self, losses: &mut Losses) -> Option<Result<Item, Error>> {
        match self.steps.recv() {
            Ok(step) => {
                (*losses, self.ledger) = (step.losses, step.ledger);
                step.item
            }
            Err(_) => self.fail(),
        }
    }

    /// The other thread is gone, and had not come to the end.
    fn fail(&mut self) -> ! {
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(panicked)) => panic::resume_unwind(panicked),
            _ => unreachable!("a trace that is read ahead was read on after its end"),
        }
    }
}

fn read(mut trace: Trace<'static>, give: &SyncSender<Step>) {
    loop {
        let item = trace.next();
        let is_last = !matches!(item, Some(Ok(_)));
        let step = Step { item, losses: *trace.losses(), ledger: trace.ledger() };
        if give.send(step).is_err() || is_last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};
    use std::sync::mpsc;

    use super::*;
    use crate::source::Wanted;

    const TEXT: &str = "../fixtures/captures/6.18.44-fc-v669/overrun/trace.txt.gz";
    const BLOCKS: &str = "../fixtures/traces/version-2.tcpp";

    /// Reads nothing but what it is told, or fails.
    struct Told(Receiver<Vec<u8>>);

    impl Read for Told {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let bytes = self.0.recv().map_err(io::Error::other)?;
            buffer[..bytes.len()].copy_from_slice(&bytes);
            Ok(bytes.len())
        }
    }

    #[test]
    fn it_gives_the_same() {
        for path in [TEXT, BLOCKS] {
            let read = |mut trace: Trace<'_>| {
                let items: Vec<String> = trace.by_ref().map(|item| format!("{:?}", item.unwrap())).collect();
                (items, trace.name().to_owned(), *trace.losses(), trace.ledger(), trace.selected())
            };
            let ahead = read(Trace::ahead(move || crate::open(path)).unwrap());
            assert_eq!(ahead, read(crate::open(path).unwrap()));
            assert!(ahead.4 > 0);
        }
    }

    #[test]
    fn errors_come_through() {
        let found = Trace::ahead(|| crate::open("no such file")).unwrap_err();
        assert!(matches!(found, Error::Read { .. }), "{found}");
        let (tell, told) = mpsc::channel();
        let mut trace = Trace::ahead(move || Ok(Trace::tcpp("told", Told(told), Wanted::default()))).unwrap();
        drop(tell);
        assert!(matches!(trace.next(), Some(Err(Error::Read { .. }))));
        assert!(trace.next().is_none());
    }

    #[test]
    fn what_came_is_given_before_more_comes() {
        let bytes = std::fs::read(BLOCKS).unwrap();
        let (tell, told) = mpsc::channel();
        let mut trace = Trace::ahead(move || Ok(Trace::tcpp("told", Told(told), Wanted::default()))).unwrap();
        bytes.chunks(1000).for_each(|chunk| tell.send(chunk.to_vec()).unwrap());
        // The other end is still open.
        assert!(matches!(trace.next(), Some(Ok(Item::Begin(_)))));
        drop(trace);
        // Nobody takes any more, and the thread ends when it sees that.
        while tell.send(bytes[..1000].to_vec()).is_ok() {
            thread::yield_now();
        }
    }

    #[test]
    #[should_panic(expected = "a reader's own fault")]
    fn a_panic_is_no_end() {
        struct Faulty;
        impl Read for Faulty {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                panic!("a reader's own fault")
            }
        }
        let trace = Trace::ahead(|| Ok(Trace::tcpp("faulty", Faulty, Wanted::default()))).unwrap();
        assert_eq!(trace.count(), 0);
    }
}
