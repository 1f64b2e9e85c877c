//! `start`: makes and starts a job, or explains what that would do.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;
use tcpprobe_client::{Client, Code, Error};
use tcpprobe_proto::v1::{EventPlan, Job, JobSpec, JobState, StartJobReply, StartJobRequest};

use super::{keep, print, print_json, start_job};
use crate::cli::StartArgs;
use crate::exit::Exit;
use crate::job::{self, JobJson};
use crate::sample::{self, SampleJson};
use crate::value::size;
use crate::{escape, filter, say};

/// A start that takes longer says how long it took.
const SLOW: Duration = Duration::from_secs(1);

pub fn run(client: &Client, args: StartArgs) -> Result<Exit> {
    // Here, for the caret; what only the kernel's events can tell, the daemon does.
    filter::parse(args.filter.as_deref().unwrap_or_default())?;
    let (json, dry_run) = (args.json, args.dry_run);
    let name = args.name.clone();
    let known = known(client, &name)?;
    let (spec, changes) = keep::merge(&args, known.as_ref().and_then(|job| job.spec.as_ref()));
    let began = Instant::now();
    let reply = start_job(client, request(spec.clone(), &args))?;
    let took = began.elapsed();
    if json {
        print_json(&ReplyJson::from(&reply))?;
        return Ok(Exit::Ok);
    }
    for warning in &reply.warnings {
        say(warning);
    }
    if dry_run {
        if known.is_some_and(|job| job.state() == JobState::Running) {
            say(&format!("{name} runs: this is what it would do if it were stopped and started"));
        }
        print(&explain(&reply, &spec))?;
    } else {
        for plan in reply.plan.iter().filter(|plan| !plan.missing_fields.is_empty()) {
            let fields = plan.missing_fields.join(", ");
            say(&format!("{} has no {fields}: terms on those fields are ignored for this event", plan.event));
        }
        changes.iter().for_each(|change| say(&format!("{name} changed: {change}")));
        let slow = if took >= SLOW { format!(" in {:.1} s", took.as_secs_f64()) } else { String::new() };
        say(&format!(
            "started {name}, run {}{slow}, with kernel memory of {}; `tcpprobectl status {name}` shows it",
            reply.run,
            memory(&reply)
        ));
    }
    Ok(Exit::Ok)
}

/// The job of this name, where there is one.
fn known(client: &Client, name: &str) -> Result<Option<Job>> {
    match client.get(name) {
        Ok(job) => Ok(Some(job)),
        Err(Error::Status { code: Code::NotFound | Code::PermissionDenied, .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn request(spec: JobSpec, args: &StartArgs) -> StartJobRequest {
    StartJobRequest {
        spec: Some(spec),
        dry_run: args.dry_run,
        no_clear: args.no_clear,
        sample: args.sample,
        own: false,
    }
}

fn explain(reply: &StartJobReply, spec: &JobSpec) -> String {
    let mut text = String::new();
    for (number, plan) in reply.plan.iter().enumerate() {
        text.push_str(&plan.event);
        text.push('\n');
        let kernel = or(&plan.kernel_filter, "nothing: every event is recorded");
        let daemon = or(&plan.residual, "nothing more");
        text.push_str(&format!("  kernel filters:  {}\n", escape::text(kernel)));
        text.push_str(&format!("  daemon filters:  {}\n", escape::text(daemon)));
        if !plan.missing_fields.is_empty() {
            text.push_str(&format!("  fields it lacks: {}\n", plan.missing_fields.join(", ")));
        }
        if let Some((sample, event)) =
            reply.sample.as_ref().and_then(|sample| Some((sample, sample.events.get(number)?)))
        {
            text.push_str(&format!("  in the sample:   {}\n", sample::event(sample, event)));
        }
    }
    if let Some(sample) = &reply.sample {
        text.push_str(&sample::estimate(sample));
    }
    let limits = job::limits(spec, reply.defaults.as_ref());
    text.push_str(&format!("kernel memory: {}\nlimits: {limits}\nnothing was changed\n", memory(reply)));
    text
}

fn memory(reply: &StartJobReply) -> String {
    let bytes = |kb: u64| size::human(kb.saturating_mul(1024));
    let cpus = if reply.cpus == 1 { "1 CPU".to_owned() } else { format!("{} CPUs", reply.cpus) };
    format!("{} over {cpus}, {} each", bytes(reply.buffer_kb_total), bytes(reply.buffer_kb_per_cpu))
}

fn or<'a>(text: &'a str, empty: &'a str) -> &'a str {
    if text.is_empty() { empty } else { text }
}

/// What `start --json` prints; `job` is null in a dry run.
#[derive(Debug, Serialize)]
struct ReplyJson<'a> {
    job: Option<JobJson>,
    run: Option<u32>,
    plan: Vec<PlanJson<'a>>,
    buffer_kb_per_cpu: u64,
    buffer_kb_total: u64,
    cpus: u32,
    warnings: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    sample: Option<SampleJson>,
}

#[derive(Debug, Serialize)]
struct PlanJson<'a> {
    event: &'a str,
    kernel_filter: Option<&'a str>,
    residual: Option<&'a str>,
    missing_fields: &'a [String],
}

impl<'a> From<&'a StartJobReply> for ReplyJson<'a> {
    fn from(reply: &'a StartJobReply) -> Self {
        ReplyJson {
            job: reply.job.as_ref().map(JobJson::from),
            run: (reply.run > 0).then_some(reply.run),
            plan: reply.plan.iter().map(PlanJson::from).collect(),
            buffer_kb_per_cpu: reply.buffer_kb_per_cpu,
            buffer_kb_total: reply.buffer_kb_total,
            cpus: reply.cpus,
            warnings: &reply.warnings,
            sample: reply.sample.as_ref().map(|sample| SampleJson::new(sample, &reply.plan)),
        }
    }
}

impl<'a> From<&'a EventPlan> for PlanJson<'a> {
    fn from(plan: &'a EventPlan) -> Self {
        let some = |text: &'a String| (!text.is_empty()).then_some(text.as_str());
        PlanJson {
            event: &plan.event,
            kernel_filter: some(&plan.kernel_filter),
            residual: some(&plan.residual),
            missing_fields: &plan.missing_fields,
        }
    }
}
