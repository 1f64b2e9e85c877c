//! What a start leaves as it was: a job that is there keeps what the command line does not name.

use tcpprobe_proto::v1::JobSpec;

use crate::cli::{Snapshots, StartArgs};
use crate::value::{duration, size};

/// The set that the daemon also takes for no list at all.
const EVENTS: &str = "default";

/// The spec that the command line asks for, of a job that was like `old`, and the lines that say what that changes.
pub fn merge(args: &StartArgs, old: Option<&JobSpec>) -> (JobSpec, Vec<String>) {
    let kept = old.cloned().unwrap_or_default();
    let is_default = args.events.as_ref().is_some_and(|events| matches!(events.as_slice(), [one] if one.is_empty()));
    let mut new = JobSpec {
        name: args.name.clone(),
        filter: args.filter.clone().unwrap_or(kept.filter),
        events: if is_default { vec![EVENTS.to_owned()] } else { args.events.clone().unwrap_or(kept.events) },
        buffer_kb: args.buffer.unwrap_or(kept.buffer_kb),
        duration_s: args.duration.unwrap_or(kept.duration_s),
        max_size_bytes: args.max_size.unwrap_or(kept.max_size_bytes),
        max_age_s: args.max_age.unwrap_or(kept.max_age_s),
        snapshots_s: match args.snapshots {
            None => kept.snapshots_s,
            Some(Snapshots::Default) => None,
            Some(Snapshots::Every(seconds)) => Some(seconds),
        },
    };
    let changes = old.map_or_else(Vec::new, |old| changes(old, &new));
    if !changes.is_empty() && new.events.is_empty() {
        // A spec that names nothing means the old one.
        new.events = vec![EVENTS.to_owned()];
    }
    (new, changes)
}

fn snapshots(seconds: Option<u64>) -> String {
    match seconds {
        None => "default".to_owned(),
        Some(0) => "off".to_owned(),
        Some(seconds) => format!("every {}", duration::human_s(seconds)),
    }
}

fn changes(old: &JobSpec, new: &JobSpec) -> Vec<String> {
    let or = |text: String, none: &str| if text.is_empty() { none.to_owned() } else { text };
    let limit =
        |value: u64, human: &dyn Fn(u64) -> String| if value == 0 { "default".to_owned() } else { human(value) };
    let kb = |kb: u64| size::human(kb.saturating_mul(1024));
    let shown = |spec: &JobSpec| {
        [
            ("filter", or(crate::escape::text(&spec.filter).into_owned(), "none")),
            ("events", or(spec.events.join(","), EVENTS)),
            ("buffer", limit(spec.buffer_kb, &kb)),
            ("duration", limit(spec.duration_s, &duration::human_s)),
            ("max-size", limit(spec.max_size_bytes, &size::human)),
            ("max-age", limit(spec.max_age_s, &duration::human_s)),
            ("snapshots", snapshots(spec.snapshots_s)),
        ]
    };
    let both = shown(old).into_iter().zip(shown(new));
    let changed = both.filter(|((_, old), (_, new))| old != new);
    changed.map(|((name, old), (_, new))| format!("{name}: {new}, was {old}")).collect()
}
