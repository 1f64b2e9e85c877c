//! Where a command's data goes: stdout, or a file that is replaced only when it is complete.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::os::unix;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::escape;
use crate::exit::{Exit, Failure};

/// Enough that a write is worth its system call.
const BUFFER_BYTES: usize = 256 << 10;

/// Whether data for `path` comes out on a terminal.
#[must_use]
pub fn is_terminal(path: Option<&Path>) -> bool {
    path.is_none_or(|path| path == Path::new("-")) && io::stdout().is_terminal()
}

/// Refuses to write what is not text to a terminal; `try_file` is the file name that the hint proposes.
pub fn refuse_terminal(path: Option<&Path>, what: &str, try_file: &str) -> Result<(), Failure> {
    if is_terminal(path) {
        return Err(Failure::new(
            Exit::Usage,
            format!("{what} is binary and would garble the terminal"),
            format!("write it to a file: -o {try_file}"),
        ));
    }
    Ok(())
}

/// Takes a command's data. What is not [finished](Output::finish) leaves no file behind.
#[derive(Debug)]
pub enum Output {
    /// Stdout, buffered.
    Stdout(BufWriter<Stdout>),
    /// The same where it is a terminal; what is written at once has whole characters.
    Terminal(BufWriter<Stdout>),
    /// A device or pipe that the path names: written as it is.
    Device(BufWriter<File>, PathBuf),
    /// A file, under another name until it is finished.
    File(NewFile),
    /// Any of these, through gzip.
    Gzip(GzEncoder<Box<Output>>),
}

impl Output {
    /// Opens `path`, or stdout where there is none or it is `-`.
    pub fn open(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            let out = BufWriter::with_capacity(BUFFER_BYTES, io::stdout());
            return Ok(if io::stdout().is_terminal() { Output::Terminal(out) } else { Output::Stdout(out) });
        };
        // Renaming over /dev/null would replace the device.
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
            let file = File::options().write(true).open(path).with_context(|| path.display().to_string())?;
            return Ok(Output::Device(BufWriter::with_capacity(BUFFER_BYTES, file), path.to_owned()));
        }
        NewFile::create(path).map(Output::File)
    }

    /// The same, through gzip.
    #[must_use]
    pub fn gzip(self) -> Self {
        Output::Gzip(GzEncoder::new(Box::new(self), Compression::default()))
    }

    /// Flushes; a file gets its name.
    pub fn finish(self) -> Result<()> {
        match self {
            Output::Stdout(mut out) | Output::Terminal(mut out) => out.flush().context("stdout"),
            Output::Device(mut out, path) => out.flush().map_err(|error| named(&path, &error).into()),
            Output::File(file) => file.finish(),
            // What it writes into names itself.
            Output::Gzip(packer) => packer.finish()?.finish(),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Output::Stdout(out) => out.write(bytes),
            Output::Terminal(out) => out.write_all(&escape::lines(bytes)).map(|()| bytes.len()),
            Output::Device(out, path) => out.write(bytes).map_err(|error| named(path, &error)),
            Output::File(file) => file.writer.write(bytes).map_err(|error| named(&file.target, &error)),
            Output::Gzip(packer) => packer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Output::Stdout(out) | Output::Terminal(out) => out.flush(),
            Output::Device(out, path) => out.flush().map_err(|error| named(path, &error)),
            Output::File(file) => file.writer.flush().map_err(|error| named(&file.target, &error)),
            Output::Gzip(packer) => packer.flush(),
        }
    }
}

/// The same error, of this file.
fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()))
}

/// A file being written beside the one that it will replace.
#[derive(Debug)]
pub struct NewFile {
    writer: BufWriter<File>,
    temporary: PathBuf,
    target: PathBuf,
    finished: bool,
}

impl NewFile {
    fn create(path: &Path) -> Result<Self> {
        // A link is followed: what it points to is replaced, not the link.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        target.file_name().filter(|_| !target.is_dir()).ok_or_else(|| {
            let what = format!("{} is a directory", path.display());
            Failure::new(Exit::Failed, what, "give the name of a file in it")
        })?;
        let named = || format!("cannot write {}", path.display());
        // Whoever may write into the folder could have put a link under a name that can be known.
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other).with_context(named)?;
        let temporary = target.with_file_name(format!(".tcpprobectl-{:016x}.tmp", u64::from_ne_bytes(random)));
        let replaced = fs::metadata(&target).ok();
        let mode = if replaced.is_some() { 0o600 } else { 0o666 };
        let file = File::options().write(true).create_new(true).mode(mode).open(&temporary).with_context(named)?;
        let file = NewFile { writer: BufWriter::with_capacity(BUFFER_BYTES, file), temporary, target, finished: false };
        if let Some(replaced) = replaced {
            // Another's file stays his, where we may give it away; who could read it can still.
            let _ = unix::fs::fchown(file.writer.get_ref(), Some(replaced.uid()), Some(replaced.gid()));
            file.writer.get_ref().set_permissions(replaced.permissions()).with_context(named)?;
        }
        Ok(file)
    }

    fn finish(mut self) -> Result<()> {
        let named = || format!("cannot write {}", self.target.display());
        self.writer.flush().with_context(named)?;
        fs::rename(&self.temporary, &self.target).with_context(named)?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.finished {
            // Nothing can be done about a leftover, and the error that led here is the one to tell.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// A folder being written beside the place where it will be: whole, or not at all.
#[derive(Debug)]
pub struct NewFolder {
    temporary: PathBuf,
    target: PathBuf,
    finished: bool,
}

impl NewFolder {
    /// Begins the folder `path`, where nothing may be but an empty folder.
    pub fn create(path: &Path) -> Result<Self> {
        let named = || format!("cannot write {}", path.display());
        let is_taken = match fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_some(),
            Err(_) => path.symlink_metadata().is_ok(),
        };
        if is_taken {
            let what = format!("{} is there already", path.display());
            return Err(Failure::new(Exit::Failed, what, "give another name, or remove it").into());
        }
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other).with_context(named)?;
        let temporary = parent.join(format!(".tcpprobectl-{:016x}.tmp", u64::from_ne_bytes(random)));
        fs::create_dir(&temporary).with_context(named)?;
        Ok(NewFolder { temporary, target: path.to_owned(), finished: false })
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> Result<Output> {
        Output::open(Some(&self.temporary.join(name)))
    }

    /// The folder gets its name.
    pub fn finish(mut self) -> Result<()> {
        let named = || format!("cannot write {}", self.target.display());
        fs::rename(&self.temporary, &self.target).with_context(named)?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        if !self.finished {
            // As above.
            let _ = fs::remove_dir_all(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_appears_only_when_it_is_finished() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.tcpp");
        fs::write(&path, "old").unwrap();
        let mut output = Output::open(Some(&path)).unwrap();
        output.write_all(b"new").unwrap();
        output.flush().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        output.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(directory.path()), ["out.tcpp"]);
    }

    #[test]
    fn what_is_not_finished_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let mut output = Output::open(Some(&directory.path().join("out"))).unwrap();
        output.write_all(b"half").unwrap();
        drop(output);
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn a_link_stays_a_link_and_a_device_a_device() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&file, "old").unwrap();
        unix::fs::symlink(&file, &link).unwrap();
        let mut output = Output::open(Some(&link)).unwrap();
        output.write_all(b"new").unwrap();
        output.finish().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert!(matches!(Output::open(Some(Path::new("/dev/null"))).unwrap(), Output::Device(..)));
    }

    #[test]
    fn what_is_replaced_keeps_its_permissions() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret.csv");
        fs::write(&path, "old").unwrap();
        for mode in [0o600, 0o640, 0o444] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let output = Output::open(Some(&path)).unwrap();
            output.finish().unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode);
        }
    }

    #[test]
    fn no_link_is_written_through() {
        // The name that was taken once, and whatever else can be known of the process.
        let directory = tempfile::tempdir().unwrap();
        let victim = directory.path().join("victim");
        fs::write(&victim, "kept").unwrap();
        let pid = std::process::id();
        for name in [format!(".out.{pid}.tmp"), ".out.tmp".to_owned(), format!("out.{pid}")] {
            unix::fs::symlink(&victim, directory.path().join(name)).unwrap();
        }
        let mut output = Output::open(Some(&directory.path().join("out"))).unwrap();
        output.write_all(b"data").unwrap();
        output.finish().unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"kept");
        let (Output::File(a), Output::File(b)) =
            (Output::open(Some(&victim)).unwrap(), Output::open(Some(&victim)).unwrap())
        else {
            unreachable!()
        };
        assert_ne!(a.temporary, b.temporary);
    }

    #[test]
    fn a_write_that_fails_names_the_file() {
        // A device that is full.
        let path = Path::new("/dev/full");
        let expected = "cannot write /dev/full: No space left on device (os error 28)";
        let bytes = vec![0; 2 * BUFFER_BYTES];
        let error = Output::open(Some(path)).unwrap().write_all(&bytes).unwrap_err();
        assert_eq!((error.kind(), &*error.to_string()), (io::ErrorKind::StorageFull, expected));
        for output in [Output::open(Some(path)).unwrap(), Output::open(Some(path)).unwrap().gzip()] {
            let mut output = output;
            output.write_all(b"little").unwrap();
            assert_eq!(output.finish().unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_directory_is_no_target() {
        let directory = tempfile::tempdir().unwrap();
        let error = Output::open(Some(directory.path())).unwrap_err();
        assert!(error.to_string().ends_with("is a directory"), "{error}");
    }
}
