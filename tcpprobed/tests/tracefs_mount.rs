//! Finding tracefs, mounting it where it is not, and what is said where that cannot be: each in a mount namespace
//! of its own, so that the machine's mounts stay as they are.
//!
//! Needs root and `unshare`; without them it says so and passes, unless `TCPPROBE_REQUIRE_TRACEFS=1`.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::process::Command;

use tcpprobed::tracefs::{Instance, Tracefs, TracefsError};

const INNER: &str = "TCPPROBE_TEST_INNER";

/// Runs the test `name` of this program again after `setup`, in a mount namespace of its own.
fn in_namespace(name: &str, setup: &str) {
    let own = std::env::current_exe().unwrap();
    // Where nobody may run it too, wherever the build directory is.
    let copy = "mount -t tmpfs -o mode=755 none /mnt; cp \"$0\" /mnt/test;";
    let script = format!("{copy} {setup} /mnt/test --exact {name} --nocapture");
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-ec", &script]).arg(own).env(INNER, setup);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{setup}: {text}");
}

/// The way to run as somebody without rights, after which the shell is replaced.
const NOBODY: &str = "exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all";
const UNMOUNT: &str =
    "umount /sys/kernel/debug/tracing || true; umount /sys/kernel/debug || true; umount /sys/kernel/tracing;";
const READ_ONLY: &str = "mount -o remount,bind,ro /sys/kernel/tracing;";
const ONLY_INSTANCES: &str = "cd /sys/kernel/tracing; mount --bind instances instances; mount -o remount,bind,ro .;";
const OTHER_FS: &str = "umount /sys/kernel/debug || true; mount -t tmpfs none /sys/kernel/tracing;";

#[test]
fn finding_mounting_and_refusals() {
    const NAME: &str = "finding_mounting_and_refusals";
    let usual = Path::new("/sys/kernel/tracing");
    let located = Tracefs::locate(None);
    let refused = |located: Result<Tracefs, TracefsError>| located.unwrap_err().to_string();
    match std::env::var(INNER).ok().as_deref() {
        Some(UNMOUNT) => {
            assert!(fs::read_to_string("/proc/self/mountinfo").unwrap().contains(" - tracefs "), "it was mounted");
            assert_eq!(located.unwrap().root(), usual);
        }
        Some(OTHER_FS) => assert_eq!(located.unwrap().root(), usual, "mounted over what is not tracefs"),
        Some(READ_ONLY) => {
            let message = refused(located);
            assert!(message.contains("read-only") && message.contains("ProtectKernelTunables"), "{message}");
        }
        Some(ONLY_INSTANCES) => {
            let name = format!("tcpprobe-test-{}-mount", std::process::id());
            let instance = Instance::create(&located.unwrap(), &name).unwrap();
            let set = instance.set_clock("boot");
            instance.remove().unwrap();
            set.unwrap();
        }
        Some(NOBODY) => assert!(refused(located).contains("CAP_DAC_OVERRIDE")),
        Some(_) => assert!(refused(located).contains("may not be mounted")),
        None => {
            if !usual.join("instances").is_dir() || Command::new("unshare").arg("--version").output().is_err() {
                let reason = "needs root, tracefs at /sys/kernel/tracing, and unshare";
                assert!(std::env::var_os("TCPPROBE_REQUIRE_TRACEFS").is_none(), "{reason}");
                return eprintln!("skipped: {reason}");
            }
            for setup in [UNMOUNT, OTHER_FS, READ_ONLY, ONLY_INSTANCES, NOBODY, &format!("{UNMOUNT} {NOBODY}")] {
                in_namespace(NAME, setup);
            }
        }
    }
}
