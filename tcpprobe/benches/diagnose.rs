//! What a diagnosis costs an event beyond reading: the events are decoded before, and the same table with an observer that does
//! nothing is beside it. `cargo bench --bench diagnose -- FILE…` takes traces of yours instead of those of the repository.
#![expect(clippy::print_stdout, reason = "it reports")]

mod common;

use std::error::Error;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use tcpprobe::diagnose::Diagnoser;
use tcpprobe::file::Select;
use tcpprobe::file::block::Projection;
use tcpprobe::flow::{Connection, FlowTable, OPEN_MAX, Observation, Observer};
use tcpprobe::source::{Batch, Item, Trace, Wanted};

/// So many events are fed, at least, a trace again and again.
const EVENTS: usize = 1_000_000;
const ROUNDS: usize = 9;

/// Looks at nothing.
struct Nothing;

impl Observer for Nothing {
    type State = ();

    fn fields() -> Vec<&'static str> {
        Vec::new()
    }

    fn open(&mut self, _: &Connection) {}

    fn event(&mut self, (): &mut (), time: u64, seen: &Observation) {
        black_box((time, seen));
    }

    fn close(&mut self, _: &Connection, (): ()) {}
}

fn items(path: &PathBuf) -> Result<Vec<Item>, Box<dyn Error>> {
    let select = Select { wanted: Projection::fields(Diagnoser::fields()), ..Select::default() };
    Ok(Trace::open(path, Wanted { select, ..Wanted::default() }, |file| file)?.collect::<Result<_, _>>()?)
}

fn count(items: &[Item]) -> usize {
    let batches = items.iter().filter_map(|item| if let Item::Events(batch) = item { Some(batch) } else { None });
    batches.map(|batch| if let Batch::Columns(batch) = batch { batch.order().len() } else { 0 }).sum()
}

/// Nanoseconds an event, the median of the rounds.
fn median(events: usize, mut work: impl FnMut()) -> f64 {
    let times = EVENTS.div_ceil(events);
    let mut all: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            (0..times).for_each(|_| work());
            begun.elapsed().as_nanos() as f64 / (times * events) as f64
        })
        .collect();
    all.sort_by(f64::total_cmp);
    all[ROUNDS / 2]
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut paths: Vec<PathBuf> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).map(PathBuf::from).collect();
    if paths.is_empty() {
        let folder = std::fs::read_dir(common::fixtures().join("diagnose"))?;
        paths = folder.map(|entry| Ok(entry?.path().join("trace.tcpp"))).collect::<Result<_, std::io::Error>>()?;
        paths.sort();
    }
    println!("{:>9} {:>8} {:>8}  (ns an event)", "events", "table", "diagnose");
    for path in paths {
        let items = items(&path)?;
        let events = count(&items);
        let table = median(events, || {
            let mut table = FlowTable::new(Nothing, OPEN_MAX);
            for item in &items {
                if let Item::Events(Batch::Columns(batch)) = item {
                    table.batch(batch);
                }
            }
            table.finish();
        });
        let diagnose = median(events, || {
            let mut diagnoser = Diagnoser::default();
            items.iter().for_each(|item| diagnoser.item(item));
            black_box(diagnoser.finish());
        });
        println!("{events:>9} {table:>8.1} {diagnose:>8.1}  {}", path.display());
    }
    Ok(())
}
