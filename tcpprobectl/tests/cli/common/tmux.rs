//! A terminal of the test's own: tmux, which obeys what a program writes, and tells what a person would see.
#![allow(dead_code, reason = "the tests of the client and those of the daemon use parts of it")]

use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// A terminal with a shell. Dropped, it is closed, and what runs in it gets SIGHUP.
pub struct Tmux {
    folder: TempDir,
}

impl Tmux {
    /// Opens one of this size; `None`, with the reason printed, where there is no tmux.
    pub fn open(width: u16, height: u16) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            let required = std::env::var_os("TCPPROBE_REQUIRE_TRACEFS").is_some_and(|value| value != "0");
            assert!(!required, "this run may not skip, and there is no tmux");
            eprintln!("skipped: there is no tmux");
            return None;
        }
        let tmux = Tmux { folder: TempDir::new().unwrap() };
        let (width, height) = (width.to_string(), height.to_string());
        // Nobody's configuration, and a shell that says no more than its prompt.
        tmux.call(&["-f", "/dev/null", "new-session", "-d", "-x", &width, "-y", &height, "sh"]);
        tmux.run("PS1='$ '; unset NO_COLOR");
        Some(tmux)
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.folder.path().join("socket")).args(arguments);
        command.env("TZ", "UTC").env("LC_ALL", "C.UTF-8").env_remove("TMUX").output().unwrap()
    }

    fn call(&self, arguments: &[&str]) -> String {
        let output = self.tmux(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Types text.
    pub fn type_text(&self, text: &str) {
        self.call(&["send-keys", "-l", text]);
    }

    /// Presses a key: `Enter`, `Escape`, `Down`, `C-c`.
    pub fn press(&self, key: &str) {
        self.call(&["send-keys", key]);
    }

    /// Has the shell run a line.
    pub fn run(&self, line: &str) {
        self.type_text(line);
        self.press("Enter");
    }

    /// What is on the screen.
    pub fn screen(&self) -> String {
        self.call(&["capture-pane", "-p"])
    }

    /// Waits until the screen is as it should be.
    #[track_caller]
    pub fn wait(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        for _ in 0..600 {
            let screen = self.screen();
            if is_so(&screen) {
                return screen;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("{what}, but:\n{}", self.screen());
    }

    /// Makes it larger or smaller.
    pub fn resize(&self, width: u16, height: u16) {
        self.call(&["resize-window", "-x", &width.to_string(), "-y", &height.to_string()]);
    }

    /// Whether a program has the whole screen, and whether the cursor is hidden.
    pub fn is_taken(&self) -> (bool, bool) {
        let told = self.call(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]);
        (told.starts_with('1'), told.trim_end().ends_with('0'))
    }

    /// Notes how the terminal is set, whatever its size.
    pub fn settings(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        self.run(&format!("stty -a | sed 's/rows.*columns [0-9]*;//' > {0}.new && mv {0}.new {0}", path.display()));
        for _ in 0..600 {
            if let Ok(settings) = std::fs::read_to_string(&path) {
                return settings;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("the shell does not answer:\n{}", self.screen());
    }

    /// The id of the process that the shell runs.
    pub fn child(&self) -> Option<i32> {
        let shell = self.call(&["display-message", "-p", "#{pane_pid}"]);
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", shell.trim())).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}
