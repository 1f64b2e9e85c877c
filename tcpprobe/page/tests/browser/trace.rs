//! Traces with known properties, and their pages.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tcpprobe::diagnose::{Diagnoser, Diagnosis};
use tcpprobe::event::{AF_INET, Event, Owner, SSTHRESH_INFINITE, TcpProbe};
use tcpprobe::flow::{Collect, Collector, Label, Limits};
use tcpprobe::source::Item;
use tcpprobe_page::{Page, PageInput};
use tcpprobe_plot::{Gap, Options, PanelKind, choose};

/// The first event of connection `number`, with sequence numbers that wrap soon.
pub fn first(number: u32) -> TcpProbe {
    let [a, b] = [number / 250, number % 250 + 1];
    TcpProbe {
        family: AF_INET,
        src: "10.0.0.1:80".parse().unwrap(),
        dest: format!("10.1.{a}.{b}:4000").parse().unwrap(),
        mark: 0,
        data_len: 0,
        snd_nxt: 0xffff_f000,
        snd_una: 0xffff_f000,
        snd_cwnd: 10,
        ssthresh: SSTHRESH_INFINITE,
        snd_wnd: 1 << 20,
        srtt: 25_000,
        rcv_wnd: 65_535,
        sock_cookie: u64::from(number) + 1,
        skbaddr: 0,
        skaddr: 0,
    }
}

/// Takes an event with its time.
pub type Take<'a> = &'a mut dyn FnMut(u64, &Event);
/// Gives the events of a trace, the same each time.
pub type Events<'a> = &'a dyn Fn(Take<'_>);

/// The page of events, of at most so many bytes; the first connection's owner has the title as its name.
pub fn page_of(events: Events<'_>, size: u64, title: &str, gaps: &[Gap]) -> Page {
    let mut flows = Collector::new(Collect::Nothing, Limits::default());
    events(&mut |time, event| flows.push(time, event));
    let owner = Owner { pid: 812, comm: title.into(), unit: title.into(), ..Owner::default() };
    flows.label(&Event::TcpProbe(first(0)).socket(), Label::Owner(Arc::new(owner)));
    let input = PageInput {
        gaps,
        host: Some(title),
        kernel: Some(title),
        command: title,
        size,
        ..PageInput::new(&flows, title)
    };
    let read = |_, rows: &mut tcpprobe_page::Rows| {
        events(&mut |time, event| rows.push(time, event));
        Ok::<(), ()>(())
    };
    Page::fitting(&[input], |_| true, read).unwrap()
}

/// A trace of the fixtures.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/diagnose").join(name).join("trace.tcpp")
}

fn items(path: &Path, mut take: impl FnMut(&Item)) {
    for item in tcpprobe::open(path).unwrap() {
        take(&item.unwrap());
    }
}

/// Its connections with every value that they had, and what was found of them.
pub fn read(path: &Path) -> (Collector, Vec<Diagnosis>) {
    let limits = Limits { bins: 1 << 20, bins_total: 1 << 22, ..Limits::default() };
    let (mut flows, mut diagnoser) = (Collector::new(Collect::All, limits), Diagnoser::default());
    diagnoser.keep_moments(4096);
    items(path, |item| {
        flows.item(item);
        diagnoser.item(item);
    });
    (flows, diagnoser.finish())
}

/// The page of a trace.
pub fn page(path: &Path, input: &PageInput) -> Page {
    let read = |_, rows: &mut tcpprobe_page::Rows| {
        items(path, |item| rows.item(item));
        Ok::<(), ()>(())
    };
    Page::fitting(std::slice::from_ref(input), |_| true, read).unwrap()
}

/// The page of a connection that a policer held back, with all that is said of it, and these panels.
pub fn policed(panels: Option<&[PanelKind]>) -> Page {
    let path = fixture("policed-slow");
    let (flows, diagnoses) = read(&path);
    page(&path, &PageInput { diagnoses: &diagnoses, panels, ..PageInput::new(&flows, "policed") })
}

/// The page that compares traces of the fixtures, of at most so many bytes.
pub fn compared(names: &[&str], size: u64) -> Page {
    let paths: Vec<PathBuf> = names.iter().map(|name| fixture(name)).collect();
    let known: Vec<_> = paths.iter().map(|path| read(path)).collect();
    let chosen: Vec<Vec<u64>> = known
        .iter()
        .map(|(flows, _)| choose(flows, &Options { top: 1, ..Options::default() }).unwrap().shown)
        .collect();
    let of = |at: usize| {
        let (flows, diagnoses) = &known[at];
        PageInput { diagnoses, chosen: &chosen[at], size, ..PageInput::new(flows, names[at]) }
    };
    let inputs: Vec<PageInput> = (0..names.len()).map(of).collect();
    let read = |at: usize, rows: &mut tcpprobe_page::Rows| {
        items(&paths[at], |item| rows.item(item));
        Ok::<(), ()>(())
    };
    Page::fitting(&inputs, |_| true, read).unwrap()
}
