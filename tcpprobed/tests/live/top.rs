//! What is shown on a terminal while a real daemon records: `top`, of thousands of connections, and `diagnose --watch`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tcpprobe_proto::v1::JobSpec;

use crate::common::{Client, Daemon, Site, Tmux, job};

const CONNECTIONS: usize = 3000;
/// Room for what they do at once.
const BUFFER_KB: u64 = 64 << 10;

/// Connections that stay open, both ends of each.
struct Crowd(Vec<(TcpStream, TcpStream)>);

impl Crowd {
    fn of(site: &Site, count: usize) -> Self {
        let ends = (0..count).map(|_| (TcpStream::connect(site.address()).unwrap(), site.accept()));
        Crowd(ends.collect())
    }

    /// A question and an answer on each.
    fn talk(&mut self) {
        let mut buffer = [0; 8];
        for (client, server) in &mut self.0 {
            client.write_all(b"question").unwrap();
            server.read_exact(&mut buffer).unwrap();
            server.write_all(b"response").unwrap();
            client.read_exact(&mut buffer).unwrap();
        }
    }

    /// Talks until told to stop.
    fn beside(mut self, look: impl FnOnce()) {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    self.talk();
                    thread::sleep(Duration::from_millis(100));
                }
            });
            let _end = End(&is_over);
            look();
        });
    }
}

/// Ends the talk, also where a test fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn line(client: &Client, arguments: &[&str]) -> String {
    let command = client.command(arguments);
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| format!("'{}'", word.to_str().unwrap())).collect::<Vec<_>>().join(" ")
}

/// The number before a word of the screen.
fn number_before(screen: &str, word: &str) -> Option<u64> {
    let before = screen[..screen.find(word)?].trim_end();
    before.rsplit(' ').next()?.replace(',', "").parse().ok()
}

#[test]
fn top_shows_thousands_of_connections() {
    let Some(mut daemon) = Daemon::start() else { return };
    let (Some(client), Some(tmux)) = (Client::of(&daemon), Tmux::open(140, 30)) else { return };
    let (api, site) = (daemon.api(), Site::v4());
    api.start(JobSpec { buffer_kb: BUFFER_KB, ..job("web", &site.filter()) });
    let before = tmux.settings("before");
    let (port, both) = (site.port(), 2 * CONNECTIONS as u64);
    Crowd::of(&site, CONNECTIONS).beside(|| {
        tmux.run(&format!("clear; {}; echo it ended with $?", line(&client, &["top", "web", "-d", "0.5"])));
        // Both ends of each.
        let rows = |screen: &str| screen.lines().filter(|line| line.contains("127.0.0.1:")).count();
        let shown = |screen: &str| number_before(screen, " connections") == Some(both) && rows(screen) == 27;
        let screen = tmux.wait("all are shown, on all of the screen", shown);
        assert!(screen.contains("none lost"), "{screen}");
        tmux.wait("events come", |screen| !screen.contains("  0 events/s"));
        tmux.wait("what holds them back is told", |screen| {
            screen.contains("sender application") || screen.contains("round trips")
        });
        tmux.type_text("s");
        tmux.wait("it is sorted", |screen| screen.contains("▼FLIGHT"));
        tmux.type_text(&format!("/sport == {port}"));
        tmux.press("Enter");
        tmux.wait("a half is left", |screen| screen.contains(&format!("{} of", thousands(CONNECTIONS))));
        tmux.press("G");
        tmux.press("Enter");
        tmux.wait("one is shown in full", |screen| screen.contains("last 10 s:") && screen.contains("in job web"));
        tmux.type_text("q");
        tmux.wait("it ended well", |screen| screen.contains("it ended with 0"));
    });
    assert_eq!((tmux.is_taken(), tmux.settings("after")), ((false, false), before.clone()));

    // The daemon goes away without a word.
    tmux.run(&format!("clear; {}; echo it ended with $?", line(&client, &["top"])));
    tmux.wait("top is there", |screen| screen.contains("tcpprobectl top  web"));
    daemon.kill();
    let screen = tmux.wait("it ended", |screen| screen.contains("it ended with 3"));
    assert!(screen.contains("tcpprobectl: "), "{screen}");
    assert_eq!((tmux.is_taken(), tmux.settings("killed")), ((false, false), before));
}

fn thousands(number: usize) -> String {
    format!("{},{:03}", number / 1000, number % 1000)
}

/// The worst stands at the top of the screen, and stays there, however many there are.
#[test]
fn a_diagnosis_is_watched_on_a_terminal() {
    let Some(daemon) = Daemon::start() else { return };
    let (Some(client), Some(tmux)) = (Client::of(&daemon), Tmux::open(100, 12)) else { return };
    let (api, site) = (daemon.api(), Site::v4());
    api.start(job("web", &site.filter()));
    tmux.run(&format!("clear; {}; echo it ended with $?", line(&client, &["diagnose", "web", "--watch"])));
    tmux.wait("it says that there is nothing yet", |screen| screen.contains("no such events"));
    site.bulk(12, 4 << 20);
    let screen = tmux.wait("connections are told", |screen| screen.contains("Mbit/s of data"));
    let first = screen.lines().next().unwrap();
    assert!(first.contains(" → ") && first.contains("of data"), "the first line is that of a connection: {screen}");
    assert!(screen.contains("more lines"), "{screen}");
    let again = tmux.wait("it is told again", |screen| screen.contains("more lines"));
    assert!(again.lines().next().unwrap().contains("of data"), "{again}");
    tmux.press("C-c");
    tmux.wait("Ctrl-C ends it", |screen| screen.contains("it ended with 0"));
}
