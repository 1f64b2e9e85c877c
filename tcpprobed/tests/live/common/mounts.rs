//! File systems of a test's own, in a mount namespace of its own, so that no mount is left behind.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount};

use super::{skip, tracefs};

/// Set in the process that has a mount namespace of its own.
const INNER: &str = "TCPPROBE_TEST_INNER";

/// Runs a test in a mount namespace of its own: gives whether this is the process in it. The other one waits, and says
/// what that one said.
pub fn is_alone(name: &str) -> bool {
    if std::env::var_os(INNER).is_some() {
        let recursive = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", recursive).unwrap();
        return true;
    }
    if tracefs().is_none() {
        return false;
    }
    let own = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "--"]).arg(own).args(["--exact", name, "--nocapture"]);
    let Ok(output) = command.env(INNER, "1").output() else {
        return skip::<()>("there is no unshare").is_some();
    };
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    println!("{text}");
    false
}

/// A mounted file system; unmounted when this is dropped.
pub struct Mounted(pub PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(error) = unmount(&self.0, UnmountFlags::DETACH) {
            eprintln!("{}: {error}", self.0.display());
        }
    }
}

/// Mounts a tmpfs of so many MiB.
pub fn tmpfs(at: &Path, size_mb: u64) {
    let options = std::ffi::CString::new(format!("size={size_mb}m,mode=700")).unwrap();
    mount("none", at, "tmpfs", MountFlags::empty(), Some(options.as_c_str())).unwrap();
}

/// The file that takes all the room that is left, for [`fill`].
pub fn filler(state: &Path) -> PathBuf {
    state.join("filler")
}

/// Takes all the room that is left.
pub fn fill(state: &Path) {
    let mut file = File::options().create(true).append(true).open(filler(state)).unwrap();
    for piece in [64 << 10, 4096, 512, 1] {
        while file.write_all(&vec![b'x'; piece]).is_ok() {}
    }
}
