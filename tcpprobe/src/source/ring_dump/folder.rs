//! The folder: `cpuN.raw`, and what may lie beside them.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::super::losses::Problem;
use super::super::part::Part;
use super::Guard;
use crate::Error;
use crate::kernel::ring::{CpuStats, current_clock, saved_cmdlines};

/// Enough that reading pages is not held up by system calls.
const BUFFER_BYTES: usize = 256 << 10;
/// Longest file beside the pages: of 32,768 tasks, which are all that a kernel saves, `saved_cmdlines` has less than 1 MB.
const BESIDE_BYTES_MAX: u64 = 4 << 20;
/// More CPUs than any kernel has (`NR_CPUS` is at most 8192).
const CPUS_MAX: u32 = 1 << 16;

/// The pages of one CPU as they are read.
pub type Pages = Box<dyn Read>;

/// Where the pages of a CPU are.
pub enum Place {
    /// In a file of their own.
    File(PathBuf),
    /// In a file that was read, as messages call the place.
    Part(String, Part),
}

/// What was saved of a buffer.
pub struct Folder {
    /// `cpuN.raw`, by CPU; of several buffers a CPU has several.
    pub pages: Vec<(u32, Place)>,
    /// How many CPUs there are files of.
    pub cpus: u32,
    /// `cpuN.stats`.
    pub stats: BTreeMap<u32, CpuStats>,
    /// `saved_cmdlines`: pid → comm.
    pub comms: HashMap<i32, String>,
    /// The clock in use by `trace_clock`; empty where that is not there.
    pub clock: String,
    /// What should be known of it.
    pub notes: Vec<Problem>,
}

impl Folder {
    /// Looks what is in the folder at `path`, and reads all but the pages.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let files = Files::list(path).map_err(Error::read(&path.display().to_string()))?;
        let pages = files.of_cpus(".raw")?;
        if pages.is_empty() {
            let what = format!("{} holds no cpuN.raw", path.display());
            return Err(Error::RingDump { what, hint: "`tcpprobectl convert --help` shows how to save them" });
        }
        let (mut stats, mut notes) = (BTreeMap::new(), Vec::new());
        let stats_files = files.of_cpus(".stats")?;
        for (&cpu, file) in &stats_files {
            let text = String::from_utf8_lossy(&read(file)?).into_owned();
            match CpuStats::parse(&text) {
                Ok(counts) => {
                    stats.insert(cpu, counts);
                }
                Err((line, _, reason)) => {
                    let words = format!("{}, line {line}: {reason}; it is not used", file.display());
                    notes.push(Problem::Note(words));
                }
            }
        }
        let beside = |name: &str| files.get(name).map(read).transpose();
        let clock = beside("trace_clock")?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let places = pages.iter().map(|(&cpu, path)| (cpu, Place::File(path.clone())));
        Ok(Folder {
            pages: places.collect(),
            cpus: pages.keys().chain(stats_files.keys().filter(|cpu| !pages.contains_key(cpu))).count() as u32,
            comms: beside("saved_cmdlines")?.map(|bytes| saved_cmdlines(&bytes)).unwrap_or_default(),
            clock: clock.as_deref().and_then(current_clock).unwrap_or_default().to_owned(),
            stats,
            notes,
        })
    }

    /// Opens the pages of every CPU.
    pub fn pages(&self, guard: &Guard) -> Result<Vec<(u32, Pages)>, Error> {
        let open = |(cpu, place): &(u32, Place)| -> Result<(u32, Pages), Error> {
            match place {
                Place::File(path) => {
                    let file = open_file(path).map_err(Error::read(&path.display().to_string()))?;
                    let file = BufReader::with_capacity(BUFFER_BYTES, guard(Box::new(file)));
                    Ok((*cpu, unpacked(path, file)))
                }
                Place::Part(_, part) => Ok((*cpu, Box::new(part.clone()))),
            }
        };
        self.pages.iter().map(open).collect()
    }

    /// The place of a CPU's pages.
    pub fn name(&self, cpu: u32) -> String {
        match self.pages.iter().find(|(number, _)| *number == cpu) {
            Some((_, Place::File(path))) => path.display().to_string(),
            Some((_, Place::Part(name, _))) => name.clone(),
            None => String::new(),
        }
    }
}

/// The files of a folder, by name without `.gz`; the plain one where there are both.
struct Files(BTreeMap<String, PathBuf>);

impl Files {
    fn list(folder: &Path) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else { continue };
            match name.strip_suffix(".gz") {
                Some(plain) => {
                    files.entry(plain.to_owned()).or_insert(path);
                }
                None => {
                    files.insert(name, path);
                }
            }
        }
        Ok(Files(files))
    }

    fn get(&self, name: &str) -> Option<&Path> {
        self.0.get(name).map(PathBuf::as_path)
    }

    /// The files `cpuN` with this end, by CPU.
    fn of_cpus(&self, end: &str) -> Result<BTreeMap<u32, PathBuf>, Error> {
        let mut found: BTreeMap<u32, PathBuf> = BTreeMap::new();
        for (name, path) in &self.0 {
            let number = name.strip_prefix("cpu").and_then(|rest| rest.strip_suffix(end));
            let number = number.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
            let Some(cpu) = number.and_then(|digits| digits.parse().ok()).filter(|cpu| *cpu < CPUS_MAX) else {
                continue;
            };
            if let Some(other) = found.insert(cpu, path.clone()) {
                let what = format!("{} and {} are both of CPU {cpu}", other.display(), path.display());
                return Err(Error::RingDump { what, hint: "take one of them away" });
            }
        }
        Ok(found)
    }
}

/// Opens a file. A pipe or a device in a folder would be waited for, or never end.
pub(super) fn open_file(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a pipe, a device or a folder, and no file"));
    }
    File::open(path)
}

/// A whole file, inflated if its name ends in `.gz`. (Two bytes cannot tell: a page may begin with any.)
fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let read = open_file(path).and_then(|file| unpacked(path, file).take(BESIDE_BYTES_MAX).read_to_end(&mut bytes));
    read.map_err(Error::read(&path.display().to_string()))?;
    Ok(bytes)
}

fn unpacked(path: &Path, file: impl Read + 'static) -> Pages {
    if path.extension().is_some_and(|extension| extension == "gz") {
        return Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(file)));
    }
    Box::new(file)
}
