//! A job as `list` and `status` show it: JSON with stable keys, a table row, a page of details.

use std::fmt::Write as _;

use serde::Serialize;
use tcpprobe_proto::v1::{Defaults, FinalSnapshots, Job, JobSpec, JobState, Ledger, Owners, Run, Snapshots};

use crate::escape;
use crate::paint::{Paint, Tone};
use crate::table::Table;
use crate::users;
use crate::value::{count, duration, size, timestamp};

/// A job for programs. Times are RFC 3339 in UTC, and nanoseconds since 1970 beside it; null where there is none.
#[derive(Debug, Serialize)]
pub struct JobJson {
    name: String,
    state: &'static str,
    message: Option<String>,
    filter: String,
    events: Vec<String>,
    lacking_events: Vec<String>,
    buffer_kb: u64,
    duration_s: u64,
    max_size_bytes: u64,
    max_age_s: u64,
    /// 0 for none; null for the daemon's default.
    snapshots_s: Option<u64>,
    owner_uid: u32,
    owner: Option<String>,
    created: Option<String>,
    created_ns: Option<i64>,
    events_per_s: f64,
    kernel_buffer_kb: u64,
    stored_bytes: u64,
    /// Of the run that goes on; null where it has none.
    snapshots: Option<SnapshotsJson>,
    /// Of the newest run; null where nobody asked whose the sockets are.
    owners: Option<OwnersJson>,
    /// Oldest first; in a list only the newest.
    runs: Vec<RunJson>,
}

/// Sockets whose owner is known, and those that were closed and whose owner is not, by why.
#[derive(Debug, Serialize)]
struct OwnersJson {
    known: u64,
    /// Of these, those whose owner had ended, and of whom only pid and name are known.
    bare: u64,
    changed: u64,
    unknown: UnknownJson,
    trouble: Option<String>,
}

#[derive(Debug, Serialize)]
struct UnknownJson {
    ended: u64,
    hidden: u64,
    too_many: u64,
    unseen: u64,
}

/// `generated = stored + filtered + lost + dropped`.
#[derive(Debug, Serialize)]
struct LedgerJson {
    generated: u64,
    stored: u64,
    filtered: u64,
    lost: u64,
    dropped: u64,
    /// Intervals of which nobody knows how many events there were.
    unknown: u64,
}

/// What became of snapshots since the daemon reads the run.
#[derive(Debug, Serialize)]
struct SnapshotsJson {
    interval_s: u64,
    per_s: f64,
    taken: u64,
    left_out: u64,
    not_found: u64,
    failed: u64,
    #[serde(rename = "final")]
    finals: Option<FinalsJson>,
}

/// The same of sockets that closed.
#[derive(Debug, Serialize)]
struct FinalsJson {
    taken: u64,
    emptied: u64,
    is_listening: bool,
    fell_behind: u64,
    lost: u64,
    trouble: Option<String>,
}

impl From<&Snapshots> for SnapshotsJson {
    fn from(told: &Snapshots) -> Self {
        let Snapshots { interval_s, per_s, taken, left_out, not_found, failed, .. } = *told;
        let finals = told.finals.as_ref().map(FinalsJson::from);
        SnapshotsJson { interval_s, per_s, taken, left_out, not_found, failed, finals }
    }
}

impl From<&FinalSnapshots> for FinalsJson {
    fn from(told: &FinalSnapshots) -> Self {
        let FinalSnapshots { taken, emptied, is_listening, fell_behind, lost, .. } = *told;
        FinalsJson { taken, emptied, is_listening, fell_behind, lost, trouble: some(&told.trouble) }
    }
}

#[derive(Debug, Serialize)]
struct RunJson {
    number: u32,
    started: Option<String>,
    started_ns: Option<i64>,
    ended: Option<String>,
    ended_ns: Option<i64>,
    ended_why: Option<String>,
    #[serde(flatten)]
    ledger: LedgerJson,
    stored_bytes: u64,
    segments: u32,
    first_event: Option<String>,
    first_event_ns: Option<i64>,
    last_event: Option<String>,
    last_event_ns: Option<i64>,
}

impl From<&Job> for JobJson {
    fn from(job: &Job) -> Self {
        let spec = spec(job);
        JobJson {
            name: spec.name.clone(),
            state: state(job),
            message: some(&job.message),
            filter: spec.filter.clone(),
            events: spec.events.clone(),
            lacking_events: job.lacking_events.clone(),
            buffer_kb: spec.buffer_kb,
            duration_s: spec.duration_s,
            max_size_bytes: spec.max_size_bytes,
            max_age_s: spec.max_age_s,
            snapshots_s: spec.snapshots_s,
            owner_uid: job.owner_uid,
            owner: users::name(job.owner_uid),
            created: time(job.created_ns),
            created_ns: time_ns(job.created_ns),
            events_per_s: job.events_per_s,
            kernel_buffer_kb: job.kernel_buffer_kb,
            stored_bytes: job.stored_bytes,
            snapshots: job.snapshots.as_ref().map(SnapshotsJson::from),
            owners: job.owners.as_ref().map(OwnersJson::from),
            runs: job.runs.iter().map(RunJson::from).collect(),
        }
    }
}

impl From<&Owners> for OwnersJson {
    fn from(owners: &Owners) -> Self {
        let &Owners { known, bare, changed, ended, hidden, too_many, unseen, .. } = owners;
        let unknown = UnknownJson { ended, hidden, too_many, unseen };
        OwnersJson { known, bare, changed, unknown, trouble: some(&owners.trouble) }
    }
}

impl From<&Ledger> for LedgerJson {
    fn from(ledger: &Ledger) -> Self {
        LedgerJson {
            generated: generated(ledger),
            stored: ledger.stored,
            filtered: ledger.filtered,
            lost: ledger.lost,
            dropped: ledger.dropped,
            unknown: ledger.unknown,
        }
    }
}

impl From<&Run> for RunJson {
    fn from(run: &Run) -> Self {
        RunJson {
            number: run.number,
            started: time(run.started_ns),
            started_ns: time_ns(run.started_ns),
            ended: time(run.ended_ns),
            ended_ns: time_ns(run.ended_ns),
            ended_why: some(&run.ended_why),
            ledger: (&run.ledger.unwrap_or_default()).into(),
            stored_bytes: run.stored_bytes,
            segments: run.segments,
            first_event: time(run.first_event_ns),
            first_event_ns: time_ns(run.first_event_ns),
            last_event: time(run.last_event_ns),
            last_event_ns: time_ns(run.last_event_ns),
        }
    }
}

/// The job's name.
#[must_use]
pub fn name(job: &Job) -> &str {
    job.spec.as_ref().map_or("", |spec| &spec.name)
}

/// The ledgers of all runs that the daemon told about, added up.
#[must_use]
pub fn ledger(job: &Job) -> Ledger {
    job.runs.iter().filter_map(|run| run.ledger).fold(Ledger::default(), |sum, run| Ledger {
        stored: sum.stored.saturating_add(run.stored),
        filtered: sum.filtered.saturating_add(run.filtered),
        lost: sum.lost.saturating_add(run.lost),
        dropped: sum.dropped.saturating_add(run.dropped),
        unknown: sum.unknown.saturating_add(run.unknown),
    })
}

/// Events that should be in the store and are not.
#[must_use]
pub fn missing(ledger: &Ledger) -> u64 {
    ledger.lost.saturating_add(ledger.dropped)
}

/// The jobs, one a line, for people: counts and size of the newest run, and the size of all of them.
#[must_use]
pub fn table(jobs: &[Job], paint: Paint) -> String {
    let mut table =
        Table::new(&["NAME", "STATE", "RUN>", "EVENTS/S>", "STORED>", "LOST>", "SIZE>", "ALL RUNS>", "OWNER"]);
    for job in jobs {
        let ledger = ledger(job);
        let cells = [
            name(job).to_owned(),
            state(job).to_owned(),
            job.runs.last().map_or(0, |run| run.number).to_string(),
            rate(job),
            count::human(ledger.stored),
            count::human(missing(&ledger)),
            size::human(job.runs.last().map_or(0, |run| run.stored_bytes)),
            size::human(job.stored_bytes),
            users::name(job.owner_uid).unwrap_or_else(|| job.owner_uid.to_string()),
        ];
        table.row(tone(job), cells);
    }
    table.render(paint)
}

/// Everything about one job, for people; a run that goes on lasted until `now_ns`.
#[must_use]
pub fn details(job: &Job, now_ns: i64, paint: Paint) -> String {
    let spec = spec(job);
    let mut text = String::new();
    let title = paint.text(Tone::Strong, name(job));
    let state = tone(job).map_or(state(job).into(), |tone| paint.text(tone, state(job)));
    let rate = if job.state() == JobState::Running { format!(", {} events/s", rate(job)) } else { String::new() };
    let _ = writeln!(text, "{title}: {state}{rate}");
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "  {:<9}{value}", format!("{label}:"));
    };
    if !job.message.is_empty() {
        line("warning", &paint.text(Tone::Bad, escape::text(&job.message)));
    }
    line("filter", if spec.filter.is_empty() { "none".into() } else { escape::text(&spec.filter) }.as_ref());
    line("events", &events(&spec, &job.lacking_events));
    line("owner", &format!("{}, since {}", users::with_number(job.owner_uid), timestamp::human(job.created_ns)));
    line("buffer", &buffer(job, &spec));
    line("limits", &limits(&spec, job.defaults.as_ref()));
    if !job.store_warning.is_empty() {
        line("store", &paint.text(Tone::Warning, escape::text(&job.store_warning)));
    }
    line("stored", &format!("{} in {}", size::human(job.stored_bytes), runs_in_words(job)));
    if let Some(held) = held(job) {
        line("held", &held);
    }
    if let Some(told) = sockets(job, &spec) {
        line("sockets", &told);
    }
    line("ledger", &account(&ledger(job), paint));
    if let Some(owners) = &job.owners {
        line("owners", &owners_in_words(owners, paint));
    }
    if !job.runs.is_empty() {
        text.push('\n');
        text.push_str(&indented(&runs(job, now_ns, paint)));
    }
    text
}

/// One line about a job, for `status --watch` into a file or pipe.
#[must_use]
pub fn line(job: &Job) -> String {
    let ledger = ledger(job);
    let missing = missing(&ledger);
    let lost = if missing > 0 { format!(", {} LOST", count::human(missing)) } else { String::new() };
    let warning = if job.message.is_empty() { String::new() } else { format!(" ({})", escape::text(&job.message)) };
    let (name, state, rate) = (name(job), state(job), rate(job));
    format!("{name}: {state}, {rate} events/s, {} stored{lost}{warning}", count::human(ledger.stored))
}

/// The time of which there still are events. What retention removed stays in the ledger, which is about what was recorded.
fn held(job: &Job) -> Option<String> {
    let some = |ns: i64| (ns > 0).then_some(ns);
    let first = job.runs.iter().filter_map(|run| some(run.first_event_ns)).min()?;
    let last = job.runs.iter().filter_map(|run| some(run.last_event_ns)).max()?;
    Some(format!("events from {} to {}", timestamp::human(first), timestamp::human(last)))
}

/// What the kernel is asked of the job's sockets.
fn sockets(job: &Job, spec: &JobSpec) -> Option<String> {
    let Some(told) = &job.snapshots else {
        return (spec.snapshots_s == Some(0)).then(|| "no snapshots".to_owned());
    };
    let mut text = format!(
        "a snapshot every {} while they are active, {:.0} a second now; {} taken",
        duration::human_s(told.interval_s),
        told.per_s,
        count::human(told.taken)
    );
    for (number, what) in [(told.left_out, "left out"), (told.not_found, "not found"), (told.failed, "failed")] {
        if number > 0 {
            let _ = write!(text, ", {} {what}", count::human(number));
        }
    }
    if let Some(told) = &told.finals {
        let _ = write!(text, "; {}", finals(told));
    }
    Some(text)
}

/// What became of the sockets that closed.
fn finals(told: &FinalSnapshots) -> String {
    if !told.trouble.is_empty() {
        return format!("no final ones: {}", escape::text(&told.trouble));
    }
    let mut text = format!("{} final", count::human(told.taken));
    for (number, what) in [(told.emptied, "emptied by a reset"), (told.lost, "of closes of the host unsure")] {
        if number > 0 {
            let _ = write!(text, ", {} {what}", count::human(number));
        }
    }
    match (told.is_listening, told.fell_behind) {
        (true, 0) => {}
        (true, times) => _ = write!(text, "; the daemon fell behind {} times", count::human(times)),
        (false, 0) => text.push_str("; not listening now"),
        (false, times) => _ = write!(text, "; not listening now, it fell behind {} times", count::human(times)),
    }
    text
}

fn runs(job: &Job, now_ns: i64, paint: Paint) -> String {
    let mut table = Table::new(&["RUN>", "STARTED", "LASTED>", "STORED>", "LOST>", "SIZE>", "ENDED"]);
    for run in &job.runs {
        let ledger = run.ledger.unwrap_or_default();
        let ended_ns = if run.ended_ns > 0 { run.ended_ns } else { now_ns };
        let lasted_s = ended_ns.saturating_sub(run.started_ns).max(0).unsigned_abs() / 1_000_000_000;
        let cells = [
            run.number.to_string(),
            timestamp::human(run.started_ns),
            duration::human_s(lasted_s),
            count::human(ledger.stored),
            count::human(missing(&ledger)),
            size::human(run.stored_bytes),
            if run.ended_ns > 0 { named(&run.ended_why) } else { "running".to_owned() },
        ];
        table.row((missing(&ledger) > 0).then_some(Tone::Bad), cells);
    }
    table.render(paint)
}

/// `stopped by uid 1004` with the user's name.
fn named(why: &str) -> String {
    let known = || {
        let (before, number) = why.rsplit_once("uid ")?;
        Some(format!("{before}{}", users::name(number.parse().ok()?)?))
    };
    known().unwrap_or_else(|| why.to_owned())
}

fn account(ledger: &Ledger, paint: Paint) -> String {
    let part = |label: &str, events: u64, tone: Option<Tone>| {
        let text = format!("{} {label}", count::human(events));
        tone.filter(|_| events > 0).map_or(text.clone(), |tone| paint.text(tone, text).into_owned())
    };
    let unknown = match ledger.unknown {
        0 => String::new(),
        1 => paint.text(Tone::Bad, ", and an unknown number in one place".to_owned()).into_owned(),
        places => paint.text(Tone::Bad, format!(", and an unknown number in {places} places")).into_owned(),
    };
    format!(
        "{} = {} + {} + {} + {}{unknown}",
        part("generated", generated(ledger), None),
        part("stored", ledger.stored, None),
        part("filtered", ledger.filtered, None),
        part("lost", ledger.lost, Some(Tone::Bad)),
        part("dropped", ledger.dropped, Some(Tone::Bad)),
    )
}

fn owners_in_words(owners: &Owners, paint: Paint) -> String {
    if !owners.trouble.is_empty() {
        return paint.text(Tone::Bad, escape::text(&owners.trouble)).into_owned();
    }
    let mut text = format!("known of {} sockets", count::human(owners.known));
    if owners.bare > 0 {
        let _ = write!(text, ", of {} by the name of the process alone, which had ended", count::human(owners.bare));
    }
    if owners.changed > 0 {
        let _ = write!(text, ", taken over by another process {}×", count::human(owners.changed));
    }
    let reasons = [
        (owners.ended, "whose process had ended"),
        (owners.hidden, "whose process /proc hides"),
        (owners.too_many, "of too many at a time"),
        (owners.unseen, "that nobody was seen to use"),
    ];
    let unknown: Vec<String> = reasons
        .iter()
        .filter(|(sockets, _)| *sockets > 0)
        .map(|(sockets, why)| format!("{} {why}", count::human(*sockets)))
        .collect();
    if !unknown.is_empty() {
        let _ = write!(text, "; not of {}", unknown.join(", "));
    }
    text
}

fn events(spec: &JobSpec, lacking: &[String]) -> String {
    let events = if spec.events.is_empty() { "default".to_owned() } else { spec.events.join(", ") };
    match lacking {
        [] => events,
        lacking => format!("{events}; this kernel does not have {}", lacking.join(", ")),
    }
}

fn buffer(job: &Job, spec: &JobSpec) -> String {
    match (job.kernel_buffer_kb, spec.buffer_kb) {
        (0, 0) => match job.defaults {
            Some(defaults) => {
                format!("{} when it runs, the default", size::human(defaults.buffer_kb.saturating_mul(1024)))
            }
            None => "the daemon's default; no kernel memory held now".to_owned(),
        },
        (0, asked) => format!("{} when it runs", size::human(asked.saturating_mul(1024))),
        (held, _) => format!("{} of kernel memory over all CPUs", size::human(held.saturating_mul(1024))),
    }
}

/// What a job may keep, and what all of them together.
#[must_use]
pub fn limits(spec: &JobSpec, defaults: Option<&Defaults>) -> String {
    let mut parts = Vec::new();
    if spec.duration_s > 0 {
        parts.push(format!("stops after {}", duration::human_s(spec.duration_s)));
    }
    let default = defaults.map_or(0, |defaults| defaults.max_size_bytes);
    if spec.max_size_bytes > 0 {
        parts.push(format!("keeps at most {}", size::human(spec.max_size_bytes)));
    } else if default > 0 {
        parts.push(format!("keeps at most {} by default", size::human(default)));
    }
    if spec.max_age_s > 0 {
        parts.push(format!("keeps the last {}", duration::human_s(spec.max_age_s)));
    }
    let own = if parts.is_empty() { "none of its own".to_owned() } else { parts.join(", ") };
    match defaults {
        Some(Defaults { store_max_size_bytes, .. }) => {
            format!("{own}; all jobs keep at most {}", size::human(*store_max_size_bytes))
        }
        None if parts.is_empty() => format!("{own}; [job] and [store] in tcpprobed.toml hold"),
        None => own,
    }
}

fn runs_in_words(job: &Job) -> String {
    match job.runs.len() {
        1 => "1 run".to_owned(),
        runs => format!("{runs} runs"),
    }
}

fn tone(job: &Job) -> Option<Tone> {
    match job.state() {
        JobState::Failed => Some(Tone::Bad),
        _ if missing(&ledger(job)) > 0 || ledger(job).unknown > 0 => Some(Tone::Bad),
        _ if !job.message.is_empty() => Some(Tone::Warning),
        JobState::Running => Some(Tone::Good),
        JobState::Stopped => Some(Tone::Faint),
        JobState::Stopping | JobState::Unspecified => None,
    }
}

fn state(job: &Job) -> &'static str {
    match job.state() {
        JobState::Unspecified => "unknown",
        JobState::Stopped => "stopped",
        JobState::Running => "running",
        JobState::Stopping => "stopping",
        JobState::Failed => "failed",
    }
}

fn rate(job: &Job) -> String {
    if job.state() != JobState::Running {
        return "-".to_owned();
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate; `as` saturates")]
    count::human(job.events_per_s.round() as u64)
}

fn generated(ledger: &Ledger) -> u64 {
    [ledger.stored, ledger.filtered, ledger.lost, ledger.dropped].into_iter().fold(0, u64::saturating_add)
}

fn spec(job: &Job) -> JobSpec {
    job.spec.clone().unwrap_or_default()
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn time(ns: i64) -> Option<String> {
    time_ns(ns).map(timestamp::rfc3339)
}

fn time_ns(ns: i64) -> Option<i64> {
    (ns != 0).then_some(ns)
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
