//! Between the API's messages and what the daemon makes of them.

use tcpprobe_proto::v1::{self as api};
use tonic::Status;

use crate::config::Config;
use crate::doctor::{Check, Level};
use crate::jobs::{EventPlan, JobError, JobView, Plan, RunView, Sample, SnapshotView, Spec, State};
use crate::owners::{Counts, Standing};
use crate::sockdiag::Listening;

pub fn to_job(job: JobView, stored_bytes: u64, lacking: &[&str]) -> api::Job {
    api::Job {
        spec: Some(api::JobSpec {
            name: job.name,
            filter: job.spec.filter,
            events: job.spec.events,
            buffer_kb: job.spec.buffer_kb,
            duration_s: job.spec.duration_s,
            max_size_bytes: job.spec.max_size_bytes,
            max_age_s: job.spec.max_age_s,
            snapshots_s: job.spec.snapshots_s,
        }),
        state: match job.state {
            State::Stopped => api::JobState::Stopped,
            State::Running => api::JobState::Running,
            State::Stopping => api::JobState::Stopping,
            State::Failed => api::JobState::Failed,
        }
        .into(),
        owner_uid: job.owner.uid(),
        created_ns: job.created_ns,
        runs: job.runs.into_iter().map(to_run).collect(),
        stored_bytes,
        events_per_s: job.events_per_s,
        kernel_buffer_kb: job.kernel_buffer_kb,
        message: job.message,
        lacking_events: lacking.iter().map(|&event| event.to_owned()).collect(),
        snapshots: job.snapshots.map(|snapshots| api::Snapshots {
            interval_s: snapshots.interval_s,
            per_s: snapshots.per_s,
            taken: snapshots.taken,
            left_out: snapshots.left_out,
            not_found: snapshots.not_found,
            failed: snapshots.failed,
            finals: job.finals.map(|told| to_finals(told, snapshots)),
        }),
        defaults: None,
        store_warning: String::new(),
        owners: job.owners.map(to_owners),
    }
}

fn to_finals(told: Result<Listening, String>, of_job: SnapshotView) -> api::FinalSnapshots {
    let (listening, trouble) = match told {
        Ok(listening) => (listening, String::new()),
        Err(why) => (Listening::default(), why),
    };
    api::FinalSnapshots {
        taken: of_job.finals,
        emptied: of_job.emptied,
        is_listening: listening.is_listening,
        fell_behind: listening.fell_behind,
        lost: listening.lost,
        trouble,
    }
}

pub fn to_defaults(config: &Config) -> api::Defaults {
    let cpus = crate::tracefs::possible_cpus().map_or(1, |cpus| cpus.len().max(1) as u64);
    api::Defaults {
        buffer_kb: config.job.buffer_kb_per_cpu.saturating_mul(cpus),
        max_size_bytes: config.job.max_size,
        store_max_size_bytes: config.store.max_size,
    }
}

fn to_owners(of: Standing) -> api::Owners {
    let Counts { known, bare, changed, ended, hidden, too_many, unseen } = of.counts;
    api::Owners { known, bare, changed, ended, hidden, too_many, unseen, trouble: of.trouble }
}

pub fn to_check(check: Check) -> api::Check {
    let level = match check.level {
        Level::Ok => api::CheckLevel::Ok,
        Level::Warning => api::CheckLevel::Warning,
        Level::Failure => api::CheckLevel::Failure,
    };
    api::Check { name: check.name, level: level.into(), finding: check.finding, remedy: check.remedy }
}

pub fn to_sample(sample: &Sample) -> api::Sample {
    api::Sample {
        duration_ns: u64::try_from(sample.duration.as_nanos()).unwrap_or(u64::MAX),
        events: sample.events.iter().map(|&(stored, filtered)| api::EventSample { stored, filtered }).collect(),
        stored_bytes: sample.bytes,
        lost: sample.lost,
    }
}

pub fn to_run(run: RunView) -> api::Run {
    let (first, last) = run.walls.unwrap_or_default();
    api::Run {
        number: run.number,
        started_ns: run.started_ns,
        ended_ns: run.ended_ns,
        ledger: Some(api::Ledger {
            stored: run.ledger.stored,
            filtered: run.ledger.filtered,
            lost: run.ledger.lost,
            dropped: run.ledger.dropped,
            unknown: run.ledger.unknown,
        }),
        stored_bytes: run.bytes,
        segments: run.segments,
        first_event_ns: first,
        last_event_ns: last,
        ended_why: run.ended_why,
    }
}

pub fn to_plan(plan: &Plan) -> api::StartJobReply {
    let event = |event: &EventPlan| api::EventPlan {
        event: format!("{}:{}", event.event.system, event.event.name),
        kernel_filter: event.kernel.clone().unwrap_or_default(),
        residual: event.residual.as_ref().map(ToString::to_string).unwrap_or_default(),
        missing_fields: event.missing.clone(),
    };
    api::StartJobReply {
        job: None,
        plan: plan.events.iter().map(event).collect(),
        buffer_kb_per_cpu: plan.buffer_kb_per_cpu,
        buffer_kb_total: plan.buffer_kb_total(),
        cpus: plan.cpus,
        warnings: plan.warnings.clone(),
        run: 0,
        sample: None,
        defaults: None,
    }
}

pub fn from_spec(spec: api::JobSpec) -> (String, Spec) {
    let of = Spec {
        filter: spec.filter,
        events: spec.events,
        buffer_kb: spec.buffer_kb,
        duration_s: spec.duration_s,
        max_size_bytes: spec.max_size_bytes,
        max_age_s: spec.max_age_s,
        snapshots_s: spec.snapshots_s,
    };
    (spec.name, of)
}

pub fn status(error: JobError) -> Status {
    let message = error.to_string();
    match error {
        JobError::Name(_) | JobError::Filter(_) | JobError::Events(_) => Status::invalid_argument(message),
        JobError::Tracefs(error) if error.is_bad_request() => Status::invalid_argument(message),
        JobError::NotFound(_) | JobError::NoRun { .. } => Status::not_found(message),
        JobError::Running(_) | JobError::NotRunning(_) => Status::failed_precondition(message),
        JobError::NotOwner { .. } => Status::permission_denied(message),
        JobError::Memory { .. } | JobError::TooMany(_) | JobError::TooManyOwn(_) => Status::resource_exhausted(message),
        JobError::Stopping => Status::unavailable(message),
        JobError::Tracefs(_) => Status::failed_precondition(message),
        JobError::FolderGone { .. } => Status::data_loss(message),
        JobError::Store(_) | JobError::Staging { .. } | JobError::Io { .. } => Status::internal(message),
    }
}
