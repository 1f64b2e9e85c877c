//! Role by method by owner: allowed or not, asked by real users of this machine, every method of the API.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use tcpprobe_proto::v1::tcp_probe_client::TcpProbeClient;
use tcpprobe_proto::v1::{
    DoctorRequest, GetJobRequest, JobSpec, JobState, ListJobsRequest, ReadRequest, RemoveJobRequest, StartJobRequest,
    StopJobRequest, VersionRequest, WatchJobsRequest,
};
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

use crate::common::{Daemon, Users, channel_over, copied, job};

/// The columns of [`TABLE`].
const ROLES: [&str; 5] = ["stranger", "viewer", "operator", "admin", "root"];

/// Whether a role may: a method, the job that it is about, and by role `y` or `-`. Of a job of one's own, one is the owner,
/// also where one has lost the role in which one made it. The first word of a job says in which state it is before.
const TABLE: [(&str, &str, &str); 34] = [
    ("check", "", "y y y y y"),
    ("check-watch", "", "y y y y y"),
    ("reflection", "", "y y y y y"),
    ("version", "", "- y y y y"),
    ("doctor", "", "- y y y y"),
    ("list", "", "- y y y y"),
    ("watch", "", "- y y y y"),
    ("get", "stopped-looked-at own", "- y y y y"),
    ("get", "stopped-looked-at others", "- y y y y"),
    ("read", "stopped-looked-at own", "- y y y y"),
    ("read", "stopped-looked-at others", "- y y y y"),
    ("follow", "stopped-looked-at own", "- y y y y"),
    ("follow", "stopped-looked-at others", "- y y y y"),
    ("plan", "none new", "- - y y y"),
    ("plan", "stopped-looked-at own", "- - y y y"),
    ("plan", "stopped-looked-at others", "- - - y y"),
    ("sample", "none new", "- - y y y"),
    ("sample", "stopped-looked-at others", "- - - y y"),
    ("start", "none new", "- - y y y"),
    ("start", "stopped-start own", "- - y y y"),
    ("start", "stopped-start others", "- - - y y"),
    ("go-on", "none new-no-clear", "- - y y y"),
    ("go-on", "stopped-go-on own", "- - y y y"),
    ("go-on", "stopped-go-on others", "- - - y y"),
    ("stop", "running-stop own", "- - y y y"),
    ("stop", "running-stop others", "- - - y y"),
    ("remove", "stopped-remove own", "- - y y y"),
    ("remove", "stopped-remove others", "- - - y y"),
    ("remove-force", "running-remove own", "- - y y y"),
    ("remove-force", "running-remove others", "- - - y y"),
    // Of others' jobs nobody is the one who wants them.
    ("hold", "running-hold own", "- - y y y"),
    ("hold", "running-hold others", "- - - - -"),
    // Who may not is not told whether there is one.
    ("get", "none never", "- n n n n"),
    ("stop", "none never", "- - n n n"),
];

/// Where the other side finds the daemon.
const SOCKET: &str = "TCPPROBE_TEST_SOCKET";

/// The name of the job of a cell, which is nobody else's.
fn job_of(role: &str, job: &str) -> String {
    format!("{role}-{}", job.replace(' ', "-"))
}

/// A line for the other side: do this to that job.
fn line(method: &str, job: &str) -> String {
    format!("{method} {job}\n")
}

#[test]
fn every_method_for_everybody() {
    let Some(mut users) = Users::new() else { return };
    let Some(daemon) = Daemon::configured("") else { return };
    daemon.open_to_all();
    ["people", "viewers", "operators", "admins"].iter().for_each(|group| users.add_group(group));
    users.add_user("stranger", "people", &[]);
    users.add_user("owner", "people", &["operators"]);
    ["viewer", "operator", "admin"].iter().for_each(|role| users.add_user(role, "people", &[&format!("{role}s")]));
    let binary = copied(&std::env::current_exe().unwrap(), &daemon.path("other-side"));
    let run = |role: &str, lines: &str| {
        let command = match role {
            "root" => Command::new(&binary),
            _ => users.command(role, "people", &binary),
        };
        answers(command, &daemon.socket(), lines)
    };

    // All may start jobs, and make those that will be theirs.
    let limits = "[limits]\njobs = 100\njobs_per_user = 100\n";
    daemon.reload(&format!("{limits}[access]\noperators = [{:?}]\n", users.name("people")));
    let mut to_make: BTreeMap<&str, String> = BTreeMap::new();
    for role in ROLES {
        let mut jobs: Vec<&str> = TABLE.iter().map(|(_, job, _)| *job).filter(|job| !job.is_empty()).collect();
        jobs.sort_unstable();
        jobs.dedup();
        for job in jobs.into_iter().filter(|job| !job.starts_with("none")) {
            let owner = if job.ends_with("own") { role } else { "owner" };
            let lines = to_make.entry(owner).or_default();
            lines.push_str(&line("start", &job_of(role, job)));
            if job.starts_with("stopped") {
                lines.push_str(&line("stop", &job_of(role, job)));
            }
        }
    }
    at_once(to_make, |(owner, lines)| assert!(run(owner, &lines).iter().all(|answer| answer == "Ok"), "{owner}"));

    let groups = ["viewers", "operators", "admins"].map(|group| format!("{group} = [{:?}]\n", users.name(group)));
    daemon.reload(&format!("{limits}[access]\n{}", groups.concat()));
    at_once(ROLES.into_iter().enumerate(), |(column, role)| {
        let api = daemon.api();
        let lines = TABLE.iter().map(|(method, job, _)| line(method, &job_of(role, job)));
        let answers = run(role, &lines.collect::<String>());
        assert_eq!(answers.len(), TABLE.len(), "{role}: {answers:?}");
        for ((method, job, may), answer) in TABLE.iter().zip(&answers) {
            let expected = match may.split(' ').nth(column).unwrap() {
                "y" => Code::Ok,
                "n" => Code::NotFound,
                _ => Code::PermissionDenied,
            };
            assert_eq!(answer, &format!("{expected:?}"), "{role}: {method} {job}");
            // What was denied was not done.
            if expected == Code::PermissionDenied && !job.is_empty() {
                let state = api.try_get(&job_of(role, job)).map(|job| job.state());
                match job.split(['-', ' ']).next() {
                    Some("stopped") => assert_eq!(state.unwrap(), JobState::Stopped, "{role}: {method} {job}"),
                    Some("running") => assert_eq!(state.unwrap(), JobState::Running, "{role}: {method} {job}"),
                    _ => assert_eq!(state.unwrap_err().code(), Code::NotFound, "{role}: {method} {job}"),
                }
            }
        }
    });
}

/// Does something for all at the same time.
fn at_once<T: Send>(all: impl IntoIterator<Item = T>, work: impl Fn(T) + Sync) {
    let work = &work;
    thread::scope(|scope| all.into_iter().for_each(|one| drop(scope.spawn(move || work(one)))));
}

/// What the other side gets for each line.
fn answers(mut command: Command, socket: &Path, lines: &str) -> Vec<String> {
    command.args(["--exact", "roles::the_other_side", "--nocapture"]).env(SOCKET, socket).current_dir("/");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| Some(line.strip_prefix("answer: ")?.to_owned())).collect()
}

/// Not a test of its own: who asks, in a process of the user that asks.
#[test]
fn the_other_side() {
    let Some(socket) = std::env::var_os(SOCKET) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
    runtime.block_on(async {
        let channel = channel_over(stream).await;
        println!();
        for line in std::io::stdin().lines() {
            let line = line.unwrap();
            let (method, job) = line.split_once(' ').unwrap();
            let code = ask(channel.clone(), method, job).await.map_or_else(|status| status.code(), |()| Code::Ok);
            println!("answer: {code:?}");
        }
    });
}

async fn ask(channel: Channel, method: &str, name: &str) -> Result<(), Status> {
    let mut api = TcpProbeClient::new(channel.clone());
    let name = name.to_owned();
    let spec = || Some(JobSpec { buffer_kb: 64, ..job(&name, "port == 1") });
    let start = |dry_run, sample, no_clear| StartJobRequest { spec: spec(), dry_run, no_clear, sample, own: false };
    let check = HealthCheckRequest::default;
    match method {
        "check" => HealthClient::new(channel).check(check()).await.map(drop),
        "check-watch" => first(HealthClient::new(channel).watch(check()).await?.into_inner()).await,
        "reflection" => {
            let message_request = Some(MessageRequest::ListServices(String::new()));
            let request = ServerReflectionRequest { host: String::new(), message_request };
            let mut client = ServerReflectionClient::new(channel);
            first(client.server_reflection_info(tokio_stream::once(request)).await?.into_inner()).await
        }
        "version" => api.version(VersionRequest {}).await.map(drop),
        "doctor" => api.doctor(DoctorRequest {}).await.map(drop),
        "list" => api.list_jobs(ListJobsRequest {}).await.map(drop),
        "watch" => first(api.watch_jobs(WatchJobsRequest::default()).await?.into_inner()).await,
        "hold" => first(api.watch_jobs(WatchJobsRequest { names: vec![name], remove: true }).await?.into_inner()).await,
        "get" => api.get_job(GetJobRequest { name }).await.map(drop),
        "read" => first(api.read(ReadRequest { name, ..Default::default() }).await?.into_inner()).await,
        "follow" => first(api.read(ReadRequest { name, follow: true, ..Default::default() }).await?.into_inner()).await,
        "plan" => api.start_job(start(true, false, false)).await.map(drop),
        "sample" => api.start_job(start(true, true, false)).await.map(drop),
        "start" => api.start_job(start(false, false, false)).await.map(drop),
        "go-on" => api.start_job(start(false, false, true)).await.map(drop),
        "stop" => api.stop_job(StopJobRequest { name }).await.map(drop),
        "remove" => api.remove_job(RemoveJobRequest { name, force: false }).await.map(drop),
        "remove-force" => api.remove_job(RemoveJobRequest { name, force: true }).await.map(drop),
        _ => panic!("there is no method {method:?}"),
    }
}

/// Waits for the first message of a stream.
async fn first<T>(mut messages: Streaming<T>) -> Result<(), Status> {
    messages.message().await?.ok_or_else(|| Status::internal("no message")).map(drop)
}

/// No method is left out.
#[test]
fn the_table_has_every_method() {
    let proto = include_str!("../../../proto/tcpprobe/v1/tcpprobe.proto");
    let source = include_str!("roles.rs");
    for method in proto.lines().filter_map(|line| line.trim().strip_prefix("rpc ")?.split('(').next()) {
        assert!(source.contains(&format!("{method}Request {{")), "{method} is in no row");
    }
}
