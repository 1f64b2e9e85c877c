//! Who may do what, decided by the daemon itself: the socket's mode is opened for the test, so that everybody gets there.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::common::{Answer, Client, Daemon};

/// Group ids of no special meaning, which need no entry: those of users in no group of ours.
const NOBODYS_GID: u32 = 64_999;

/// Somebody who runs the client.
#[derive(Clone, Copy)]
struct Person {
    uid: u32,
    gid: u32,
}

/// A daemon to which everybody may connect, and the client.
struct Scene {
    daemon: Daemon,
    client: Client,
    /// Viewers, operators, admins.
    gids: [u32; 3],
}

impl Scene {
    fn new() -> Option<Self> {
        Self::configured("")
    }

    fn configured(more: &str) -> Option<Self> {
        let [viewers, operators, admins] = groups();
        let config = format!(
            "[access]\ngroup = {:?}\nviewers = [{:?}]\noperators = [{:?}]\nadmins = [{:?}, \"no-such-group\"]\n{more}",
            operators.0, viewers.0, operators.0, admins.0
        );
        let daemon = Daemon::configured(&config)?;
        let gids = [viewers.1, operators.1, admins.1];
        check_modes(&daemon, operators.1);
        daemon.open_to_all();
        let client = Client::of(&daemon)?.copied_to(&daemon.path("tcpprobectl"));
        Some(Scene { daemon, client, gids })
    }

    fn person(&self, uid: u32, role: &str) -> Person {
        let gid = match role {
            "viewer" => self.gids[0],
            "operator" => self.gids[1],
            "admin" => self.gids[2],
            _ => NOBODYS_GID,
        };
        Person { uid, gid }
    }

    fn run(&self, person: Person, line: &str) -> Answer {
        let mut command = self.client.command(&line.split(' ').collect::<Vec<_>>());
        Answer::of(command.uid(person.uid).gid(person.gid))
    }
}

/// Three groups of this machine.
fn groups() -> [(String, u32); 3] {
    let text = fs::read_to_string("/etc/group").unwrap();
    let groups = text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
    });
    let mut groups: Vec<(String, u32)> = groups.filter(|(_, gid)| *gid != 0).collect();
    groups.dedup_by_key(|(_, gid)| *gid);
    groups.truncate(3);
    groups.try_into().expect("a machine has three groups")
}

/// The modes before the test changes them.
fn check_modes(daemon: &Daemon, group: u32) {
    let of = |name: &str| {
        let found = fs::metadata(daemon.path(name)).unwrap();
        (found.mode() & 0o7777, found.uid(), found.gid())
    };
    assert_eq!(of("run/tcpprobed.sock"), (0o660, 0, group));
    assert_eq!(of("state").0, 0o700);
    assert_eq!(of("state/jobs").0, 0o700);
}

/// Role by role: what each may do with a job of his own, and with another's.
#[test]
fn roles_and_owners() {
    let Some(scene) = Scene::new() else { return };
    let root = Person { uid: 0, gid: 0 };
    let (owner, other) = (scene.person(61_001, "operator"), scene.person(61_002, "operator"));
    let (viewer, admin) = (scene.person(61_003, "viewer"), scene.person(61_004, "admin"));
    let stranger = scene.person(61_005, "");
    scene.run(owner, "start web --filter port==1").expect(0);
    scene.run(root, "start roots --filter port==1").expect(0);
    for (person, looks, starts, own, others) in
        [(stranger, 4, 4, 4, 4), (viewer, 0, 4, 4, 4), (other, 0, 0, 0, 4), (admin, 0, 0, 0, 0), (root, 0, 0, 0, 0)]
    {
        let check = |line: &str, code: i32| {
            let answer = scene.run(person, line);
            assert_eq!(answer.code, code, "uid {}: {line}: {}", person.uid, answer.err);
            if code == 4 {
                let lines: Vec<&str> = answer.err.lines().collect();
                assert!(
                    matches!(lines[..], [line] if line.contains("denied") || line.contains("belongs")),
                    "{}",
                    answer.err
                );
            }
        };
        for line in ["list", "status web", "version"] {
            check(line, looks);
        }
        check("fetch web --format text", if looks == 0 { 5 } else { looks });
        check("start mine --filter port==1 --dry-run", starts);
        let doctor = scene.run(person, "doctor");
        assert_eq!(doctor.code, starts, "uid {}: {}", person.uid, doctor.out);
        check("start mine --filter port==1", starts);
        check("stop mine", own);
        check("rm mine", own);
        check("stop web", others);
        check("start web", others);
        check("rm roots", if others == 0 { 1 } else { others });
        if others == 0 {
            check("rm --force roots", 0);
            scene.run(root, "start roots --filter port==1").expect(0);
            if scene.run(root, "status web").code == 5 {
                scene.run(owner, "start web --filter port==1").expect(0);
            }
        }
    }
    // Whoever starts it again, it stays its maker's.
    scene.run(other, "stop web").refused(4, &["61001"]);
    scene.run(owner, "stop web").expect(0);
    scene.run(owner, "rm web").expect(0);
    let log = scene.daemon.log();
    for words in ["started", "stopped", "removed"] {
        let told = log.lines().any(|line| line.contains(words) && line.contains("uid=61001") && line.contains("pid="));
        assert!(told, "{words} is not logged\n{log}");
    }
}

/// Kernel memory: a user has half of it at most, asked for at once or in pieces; what is left at last is for administrators.
#[test]
fn nobody_takes_all_kernel_memory() {
    let Some(scene) = Scene::configured("[limits]\nkernel_memory_percent = 1\n") else { return };
    let (one, other, third) =
        (scene.person(61_001, "operator"), scene.person(61_002, "operator"), scene.person(61_003, "operator"));
    let admin = scene.person(61_004, "admin");
    let start = |person: Person, name: &str, kb: u64| {
        scene.run(person, &format!("start {name} --filter port==1 --buffer {kb}"))
    };
    // What fits is told to whoever asks for too much.
    let fits = |person: Person| {
        let answer = scene.run(person, "start more --filter port==1 --buffer 1000000000000");
        assert_eq!(answer.code, 1, "{}", answer.err);
        let words: Vec<&str> = answer.err.split([' ', ';']).collect();
        let at = words.windows(2).position(|pair| pair[0] == "KB" && pair[1].starts_with("fit"));
        at.map_or(0, |at| words[at - 1].parse::<u64>().unwrap())
    };
    let (all, share) = (fits(admin), fits(one));
    assert!(share > 0 && share <= all / 2, "{share} of {all}");
    start(one, "large", share).expect(0);
    assert!(fits(one) <= all / 100, "his share is used up: {}", fits(one));
    let rest = fits(other);
    assert!(rest > all / 5 && rest < share, "another has a part of the rest: {rest} of {all}");
    start(other, "rest", rest).expect(0);
    assert!(fits(third) <= all / 100, "there is no more for one who comes late: {}", fits(third));
    let reserve = fits(admin);
    assert!(reserve >= all / 5, "the reserve: {reserve} of {all}");
    start(third, "late", reserve).refused(1, &["memory"]);
    start(admin, "reserve", reserve).expect(0);
    // What is let go of is there again.
    scene.run(one, "stop large").expect(0);
    assert!(fits(one) >= share / 3, "{} of {share}", fits(one));
}

#[test]
fn a_stranger_learns_nothing() {
    let Some(scene) = Scene::new() else { return };
    scene.run(Person { uid: 0, gid: 0 }, "start web --filter port==1").expect(0);
    let stranger = scene.person(61_005, "");
    let [viewers, operators, _] = groups();
    let check = |(group, _): (String, u32), lines: &[&str]| {
        let denied = format!("tcpprobectl: denied; to be let in: sudo usermod -aG {group} $USER, then log in again\n");
        for answer in lines.iter().map(|line| scene.run(stranger, line)) {
            assert_eq!((answer.code, answer.out.as_str(), &answer.err), (4, "", &denied));
        }
    };
    check(viewers, &["status web", "status nosuch", "fetch web", "fetch nosuch", "list"]);
    check(operators, &["start web", "start ../x", "stop web", "stop nosuch", "rm web", "rm nosuch"]);
}

#[test]
fn supplementary_groups_count() {
    let Some(scene) = Scene::new() else { return };
    let with = |groups: &str| {
        let client = scene.client.command(&["list"]);
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "61006", "--regid", "64999", "--groups", groups, "--"]);
        Answer::of(command.arg(client.get_program()).args(client.get_args()))
    };
    if Command::new("setpriv").arg("--version").output().is_err() {
        return println!("skipped: there is no setpriv");
    }
    assert_eq!(with("64998").code, 4);
    assert_eq!(with(&format!("64998,{}", scene.gids[0])).code, 0);
}

/// Without the group on the machine, the socket is its owner's alone.
#[test]
fn a_group_that_does_not_exist() {
    let Some(daemon) = Daemon::configured("[access]\ngroup = \"no-such-group\"\n") else { return };
    assert_eq!(fs::metadata(daemon.socket()).unwrap().mode() & 0o777, 0o600);
    assert!(daemon.log().contains("no such group"), "{}", daemon.log());
}

/// A trace is never in a job that somebody else made, and can stop or remove: not even an administrator's.
#[test]
fn a_trace_is_in_a_job_of_ones_own() {
    let Some(scene) = Scene::new() else { return };
    let (root, other) = (Person { uid: 0, gid: 0 }, scene.person(61_002, "operator"));
    let person = scene.person(61_001, "operator");
    let trace = |person: Person, taken: &str| {
        let mut command = scene.client.command(&["trace", "port==1"]);
        let mut child =
            command.uid(person.uid).gid(person.gid).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut told = String::new();
        BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut told).unwrap();
        let list = scene.run(root, "list").expect(0);
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::INT).unwrap();
        child.wait().unwrap();
        assert!(told.contains(&format!("recording as job {taken}-")), "{told}");
        let runs = |line: &&str| line.starts_with(&format!("{taken}-")) && line.contains("running");
        assert_eq!(list.lines().filter(runs).count(), 1, "{list}");
    };
    for (person, taken) in [(root, "trace-0"), (person, "trace-61001")] {
        scene.run(other, &format!("start {taken} --filter port==1")).expect(0);
        scene.run(other, &format!("stop {taken}")).expect(0);
        trace(person, taken);
    }
    scene.run(root, "trace port==1 --name trace-0").refused(4, &["61002", "another name"]);
    // `start` is as it was.
    scene.run(root, "start trace-0").expect(0);
}
