//! Threads that can wait: what is derived from the log never takes the processor from those who wait for a receipt.

use std::{os::unix::thread::JoinHandleExt, thread::JoinHandle};

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadId, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// Makes the calling thread run only when nobody else wants the processor, or (`false`) as usual again. The idle policy
/// and not a low priority: a thread of low priority still keeps its slice while somebody's wake-up waits. Where the system
/// refuses, everything works, a little slower.
pub fn run_when_idle(idle: bool) {
    schedule(thread_native_id(), idle);
}

/// Makes another thread run as usual again: somebody waits for it to end.
pub fn run_as_usual<T>(thread: &JoinHandle<T>) {
    schedule(thread.as_pthread_t(), false);
}

fn schedule(thread: ThreadId, idle: bool) {
    let policy = if idle { NormalThreadSchedulePolicy::Idle } else { NormalThreadSchedulePolicy::Other };
    let policy = ThreadSchedulePolicy::Normal(policy);
    let priority = ThreadPriority::from_posix(thread_priority::ScheduleParams { sched_priority: 0 });
    if let Err(error) = set_thread_priority_and_policy(thread, priority, policy) {
        tracing::debug!(?error, "the scheduling of a background thread stays as it is");
    }
}
