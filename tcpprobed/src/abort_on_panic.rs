//! Threads without which the daemon is none.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::Builder;

/// Starts a thread. Where it panics, the process ends with SIGABRT: the kernel goes on recording, what is staged stays, and
/// whoever looks after the daemon starts the next one, which is better than one that does half of its work.
///
/// # Errors
/// When no thread can be made.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let aborting = || {
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            tracing::error!("the daemon ends: a thread panicked that it cannot do without");
            std::process::abort();
        }
    };
    Builder::new().name(name.to_owned()).spawn(aborting).map(drop)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;
    use std::time::Duration;

    /// Set in the process that is to end.
    const INNER: &str = "TCPPROBE_TEST_INNER";
    const SIGABRT: i32 = 6;

    #[test]
    fn a_panic_ends_the_process() {
        if std::env::var_os(INNER).is_some() {
            super::spawn("a-test", || panic!("a test")).unwrap();
            std::thread::sleep(Duration::from_secs(60));
            return;
        }
        let own = std::env::current_exe().unwrap();
        let mut command = Command::new(own);
        command.args(["--exact", "abort_on_panic::tests::a_panic_ends_the_process", "--nocapture"]).env(INNER, "1");
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(SIGABRT), "{text}");
        assert!(text.contains("'a-test'") && text.contains("a test"), "{text}");
    }
}
