//! A capture goes before other programs: it needs little time, but must have it before a buffer has run full.

use std::sync::Once;

use thread_priority::unix::{set_thread_priority_and_policy, thread_native_id};
use thread_priority::{RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy};

/// The lowest of the real-time priorities: above all that is not real-time, below all that is.
const PRIORITY: u8 = 1;

/// Gives the calling thread a real-time priority (`SCHED_RR`, sched(7)), which needs `CAP_SYS_NICE` or an `RLIMIT_RTPRIO`
/// of 1. Without, it goes on as it is.
///
/// Shares of the CPU are not enough, whatever the nice value: they are the session's or the service's (autogroup, cgroup),
/// and one that mostly sleeps may wait for its share for seconds. A capture uses a few percent of what the traffic costs
/// that it records, and the kernel lets real-time threads have 95 % of a CPU at the most.
pub fn raise() {
    let priority = ThreadPriorityValue::try_from(PRIORITY).map(ThreadPriority::Crossplatform);
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
    let Ok(priority) = priority else { return };
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), priority, policy) {
        static SAID: Once = Once::new();
        SAID.call_once(|| {
            tracing::info!(
                ?error,
                "no real-time priority: beside other load, events may come faster than they are read"
            )
        });
    }
}
