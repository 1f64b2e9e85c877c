//! The events of real kernels, and records of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use tcpprobe::file::block::Schema;
use tcpprobe::kernel::format::{Format, Kind};

/// Of each kernel in `fixtures/formats`, in the order of their names, as the events are.
static SCHEMAS: LazyLock<Vec<Arc<Schema>>> = LazyLock::new(|| {
    let of_system = |events: &Path, system: &str| -> Vec<Format> {
        let read = |event: PathBuf| Format::parse(system, &fs::read_to_string(event.join("format")).unwrap()).unwrap();
        folder(&events.join(system)).into_iter().map(read).collect()
    };
    let formats = |kernel: PathBuf| {
        let events = kernel.join("events");
        Schema::new(["tcp", "sock"].iter().flat_map(|system| of_system(&events, system))).unwrap()
    };
    folder(&fixtures().join("formats")).into_iter().map(formats).collect()
});

/// `fixtures/`, of whichever of the crates this is compiled into.
pub fn fixtures() -> PathBuf {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("fixtures"));
    above.into_iter().find(|folder| folder.is_dir()).expect("fixtures")
}

/// What is in a folder, by name.
pub fn folder(path: &Path) -> Vec<PathBuf> {
    let mut list: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    list.sort();
    list
}

/// The events of a kernel, any number being one.
pub fn schema(kernel: u8) -> &'static Arc<Schema> {
    &SCHEMAS[usize::from(kernel) % SCHEMAS.len()]
}

/// An event of a kernel, likewise.
pub fn event(kernel: u8, event: u8) -> &'static Format {
    let layouts = schema(kernel).layouts();
    &layouts[usize::from(event) % layouts.len()].format
}

/// A record of an event made of any bytes: of its type, long enough, its dynamic fields what is behind the fixed ones.
pub fn record(format: &Format, bytes: &[u8]) -> Vec<u8> {
    let size = format.record_size().max(8);
    let mut record = bytes.to_vec();
    record.resize(size.max(bytes.len()), 0);
    record[..2].copy_from_slice(&format.id.to_le_bytes());
    let length = (record.len() - size).min(0xffff) as u32;
    for field in format.fields.iter().filter(|field| field.kind.is_dynamic()) {
        let word = field.offset as usize..field.offset as usize + 4;
        let start = if field.kind == Kind::RelLoc { size - word.end } else { size };
        record[word].copy_from_slice(&(length << 16 | start.min(0xffff) as u32).to_le_bytes());
    }
    record
}
