//! `record`: the connections of a command and of what it starts, and of nobody else.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use tcpprobe::event::Event;

use crate::common::actor::{Log, QUICK, RELATIVES};
use crate::common::{Answer, Client, Daemon, Users, wait_for, wait_until};

const NOWHERE: &str = "/nonexistent/tcpprobed.sock";

/// Answers everybody, as long as the test's process lives.
fn server() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || {
                let (mut stream, mut buffer) = (stream.unwrap(), [0; 64]);
                while let Ok(length @ 1..) = stream.read(&mut buffer) {
                    let _ = stream.write_all(&buffer[..length]);
                }
            });
        }
    });
    port
}

/// `record -o FILE --filter F -- COMMAND`, where the command is a program of the tests.
fn recording(client: &Client, file: &Path, filter: &str, program: &Command) -> Command {
    let mut command = client.command(&["record", "-o", file.to_str().unwrap(), "--filter", filter, "--"]);
    command.arg(program.get_program()).args(program.get_args());
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

/// The same, with signals as a shell gives them: who runs the tests may have some ignored, as nohup and jobs in the background do.
fn signalled(command: &Command) -> Command {
    let mut plain = Command::new("env");
    plain.args(["--default-signal=INT", "--default-signal=TERM"]);
    plain.arg(command.get_program()).args(command.get_args());
    plain.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    plain
}

/// A log in a folder of its own.
fn log(daemon: &Daemon, name: &str) -> Log {
    let folder = daemon.path(name);
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    Log::at(&folder)
}

/// What a file has.
#[derive(Default)]
struct Recorded {
    /// Local and peer port of its connections.
    sockets: BTreeSet<(u16, u16)>,
    /// Those of which it has that they began to connect, by the peer's port: they have none of their own then.
    connects: usize,
    /// Those of which it has the end.
    closed: BTreeSet<(u16, u16)>,
    /// Names of its events.
    names: BTreeSet<String>,
}

impl Recorded {
    fn of(file: &Path) -> Self {
        let mut recorded = Recorded::default();
        for event in tcpprobe::open(file).unwrap().events() {
            let event = event.unwrap();
            recorded.names.insert(event.format.name.clone());
            let Some(typed) = event.event else { continue };
            let ends = (typed.socket().local.port(), typed.socket().peer.port());
            match typed {
                Event::InetSockSetState(state) if (state.oldstate, state.newstate) == (7, 2) => recorded.connects += 1,
                _ if ends.0 == 0 || ends.1 == 0 => continue,
                Event::InetSockSetState(state) if state.newstate == 7 => drop(recorded.closed.insert(ends)),
                _ => {}
            }
            if ends.0 != 0 && ends.1 != 0 {
                recorded.sockets.insert(ends);
            }
        }
        recorded
    }
}

fn sockets(log: &Log) -> BTreeSet<(u16, u16)> {
    log.owned().into_iter().map(|owned| (owned.local, owned.peer)).collect()
}

fn is_left(daemon: &Daemon) -> bool {
    !daemon.api().list().is_empty() || !daemon.instances().is_empty()
}

/// Twenty children, some of whom outlive their parents, make two hundred connections that are over at once; as many processes beside
/// them do the same to the same server.
#[test]
fn each_connection_of_a_command_and_of_nobody_else() {
    let Some(daemon) = Daemon::start() else { return };
    let Some(client) = Client::of(&daemon) else { return };
    let (port, ours, others) = (server(), log(&daemon, "ours"), log(&daemon, "others"));
    let file = daemon.path("family.tcpp");
    let mut strangers = others.start("family", port);
    let answer = Answer::of(recording(&client, &file, "", &ours.command("family", port)).stderr(Stdio::piped()));
    assert!(strangers.wait().unwrap().success());
    let words = answer.err.clone();
    answer.expect(0);
    let (recorded, expected) = (Recorded::of(&file), sockets(&ours));
    assert_eq!(expected.len(), QUICK * RELATIVES);
    assert!(!sockets(&others).is_empty());
    assert_eq!(recorded.sockets, expected, "{words}");
    // Whole: from the first state to the last.
    assert_eq!((recorded.connects, recorded.closed.len()), (expected.len(), expected.len()), "{words}");
    assert!(!recorded.names.contains("sched_process_fork"), "{:?}", recorded.names);
    assert!(words.contains(&format!("with {} connections", expected.len())), "{words}");
    assert!(!is_left(&daemon));
}

/// What it accepts is its own too, and the other end, which is another program's, is not.
#[test]
fn what_a_command_accepts() {
    let Some(daemon) = Daemon::configured("[owners]\nenabled = false\n") else { return };
    let Some(client) = Client::of(&daemon) else { return };
    let (port, ours) = (server_port(), log(&daemon, "ours"));
    let file = daemon.path("server.tcpp");
    let mut strange = TcpStream::connect((Ipv4Addr::LOCALHOST, server())).unwrap();
    let mut recording = recording(&client, &file, "", &ours.command("quick-server", port));
    let child = recording.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    for _ in 0..QUICK {
        let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok();
        let mut stream = wait_for("the command listens", connect);
        stream.write_all(b"question").unwrap();
        stream.read_exact(&mut [0; 8]).unwrap();
        strange.write_all(b"question").unwrap();
        strange.read_exact(&mut [0; 8]).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("left out: "), "a connection of which nobody is known, both ends: {words}");
    let (recorded, expected) = (Recorded::of(&file), sockets(&ours));
    assert_eq!((expected.len(), &recorded.sockets), (QUICK, &expected));
    assert_eq!((recorded.connects, recorded.closed.len()), (0, QUICK));
    assert!(!is_left(&daemon));
}

/// A port that nobody listens on.
fn server_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn record(client: &Client, folder: &Path, command: &[&str]) -> Command {
    let mut recording = client.command(&[&["record", "--"], command].concat());
    recording.current_dir(folder);
    recording
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), signal).unwrap();
}

/// It ends as the command does, whose output is untouched, and leaves neither job nor instance.
#[test]
fn it_ends_as_the_command_does() {
    let Some(daemon) = Daemon::start() else { return };
    let Some(client) = Client::of(&daemon) else { return };
    let folder = daemon.path("here");
    fs::create_dir(&folder).unwrap();
    for (command, code, out, said) in [
        (&["sh", "-c", "echo out; echo err >&2"][..], 0, "out\n", "had no TCP connection; nothing was written"),
        (&["sh", "-c", "exit 7"], 7, "", "nothing was written"),
        (&["sh", "-c", "kill -KILL $$"], 137, "", "nothing was written"),
        (&["no-such-program"], 127, "", "cannot run no-such-program"),
        (&["/etc/passwd"], 126, "", "cannot run /etc/passwd"),
    ] {
        let answer = Answer::of(&mut record(&client, &folder, command));
        assert_eq!((answer.code, answer.out.as_str()), (code, out), "{command:?}: {}", answer.err);
        assert!(answer.err.contains(said), "{command:?}: {}", answer.err);
        assert!(!is_left(&daemon), "{command:?}");
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

/// A signal is for the command; the file is written all the same. Where nothing can be done any more, the daemon does it.
#[test]
fn signals_are_the_commands() {
    let Some(daemon) = Daemon::start() else { return };
    let Some(client) = Client::of(&daemon) else { return };
    let (port, ours, folder) = (server(), log(&daemon, "ours"), daemon.path("here"));
    fs::create_dir(&folder).unwrap();
    for signal in [Signal::TERM, Signal::INT] {
        let file = folder.join(format!("{}.tcpp", signal.as_raw()));
        let before = if signal == Signal::TERM { 0 } else { ours.owned().len() };
        let mut recording = signalled(&recording(&client, &file, "", &ours.command("waiting-client", port)));
        let child = recording.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        wait_until("it is connected", || ours.count() > before);
        send(&child, signal);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(128 + signal.as_raw()), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(Recorded::of(&file).sockets.len(), 1);
        assert!(!is_left(&daemon));
    }
    let before = ours.owned().len();
    let mut recording = recording(&client, &folder.join("k.tcpp"), "", &ours.command("waiting-client", port));
    let mut child = recording.stdout(Stdio::null()).spawn().unwrap();
    wait_until("it is connected", || ours.count() > before);
    assert!(is_left(&daemon));
    send(&child, Signal::KILL);
    child.wait().unwrap();
    wait_until("the daemon has removed the job", || !is_left(&daemon));
    let orphan = ours.owned().last().unwrap().pid;
    kill_process(Pid::from_raw(orphan).unwrap(), Signal::KILL).unwrap();
    assert!(!folder.join("k.tcpp").exists());
}

/// Somebody in the daemon's group can do it, with files of its own.
#[test]
fn it_needs_no_privileges() {
    let Some(mut users) = Users::new() else { return };
    let Some(daemon) = Daemon::configured("") else { return };
    let Some(client) = Client::of(&daemon) else { return };
    daemon.open_to_all();
    users.add_group("people");
    users.add_user("somebody", "people", &[]);
    daemon.reload(&format!("[access]\noperators = [{:?}]\n", users.name("people")));
    let (port, folder) = (server(), daemon.path("here"));
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let binary = client.copied_to(&daemon.path("client"));
    let of = binary.command(&[
        "record",
        "--",
        "bash",
        "-c",
        &format!("exec 3<>/dev/tcp/127.0.0.1/{port}; echo x >&3; read -u 3"),
    ]);
    let mut command = users.command("somebody", "people", Path::new(of.get_program()));
    let answer = Answer::of(command.args(of.get_args()).current_dir(&folder).stdin(Stdio::null()));
    assert!(answer.err.contains("wrote bash.tcpp with 1 connection;"), "{}", answer.err);
    assert_eq!(answer.code, 0);
    assert_eq!(Recorded::of(&folder.join("bash.tcpp")).sockets.len(), 1);
    assert!(!is_left(&daemon));
}

/// Root needs no daemon; nothing of the one that runs meanwhile is left. Beginnings of tasks are told whatever the filter.
#[test]
fn without_a_daemon() {
    let Some(daemon) = Daemon::start() else { return };
    let Some(client) = Client::of(&daemon) else { return };
    let (port, ours, file) = (server(), log(&daemon, "ours"), daemon.path("alone.tcpp"));
    let (alone, filter) = (client.at(Path::new(NOWHERE)), format!("dport == {port} && daddr == 127.0.0.0/8"));
    let answer = Answer::of(&mut recording(&alone, &file, &filter, &ours.command("quick-client", port)));
    assert!(answer.err.contains("no daemon answers"), "{}", answer.err);
    answer.expect(0);
    assert_eq!(Recorded::of(&file).sockets, sockets(&ours));
    assert!(!is_left(&daemon));
}
