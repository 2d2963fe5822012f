//! Threads that can wait: what is derived from the log never takes the processor from those who wait for a receipt.

use std::{os::unix::thread::JoinHandleExt, thread::JoinHandle};

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadId, ThreadPriority, ThreadPriorityOsValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// Makes the calling thread run only when nobody else wants the processor, or (`false`) as usual again. The idle policy
/// and not a low priority: a thread of low priority still keeps its slice while somebody's wake-up waits. Where the system
/// refuses, everything works, a little slower.
pub fn run_when_idle(idle: bool) {
    schedule(thread_native_id(), idle);
}

/// Does something on the calling thread when nobody else wants the processor; the thread runs as usual when it is done, or has
/// panicked.
pub fn when_idle<R>(work: impl FnOnce() -> R) -> R {
    struct Usual;
    impl Drop for Usual {
        fn drop(&mut self) {
            run_when_idle(false);
        }
    }
    run_when_idle(true);
    let _usual = Usual;
    work()
}

/// Makes another thread run as usual again: somebody waits for it to end.
pub fn run_as_usual<T>(thread: &JoinHandle<T>) {
    schedule(thread.as_pthread_t(), false);
}

fn schedule(thread: ThreadId, idle: bool) {
    let policy = if idle { NormalThreadSchedulePolicy::Idle } else { NormalThreadSchedulePolicy::Other };
    let policy = ThreadSchedulePolicy::Normal(policy);
    // As it is: the crate maps any other kind of value to a niceness, which the idle policy refuses.
    let priority = ThreadPriority::Os(ThreadPriorityOsValue::default());
    if let Err(error) = set_thread_priority_and_policy(thread, priority, policy) {
        tracing::debug!(?error, "the scheduling of a background thread stays as it is");
    }
}

#[cfg(test)]
mod tests {
    use thread_priority::thread_schedule_policy_param;

    use super::*;

    fn is_idle(thread: ThreadId) -> bool {
        let (policy, _) = thread_schedule_policy_param(thread).expect("a thread's policy can be read");
        policy == ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle)
    }

    #[test]
    fn a_thread_runs_when_idle_and_as_usual_again() {
        let me = thread_native_id();
        run_when_idle(true);
        assert!(is_idle(me), "the system took the idle policy");
        run_when_idle(false);
        assert!(!is_idle(me));
        let panicked = std::panic::catch_unwind(|| {
            when_idle(|| {
                assert!(is_idle(thread_native_id()));
                std::panic::resume_unwind(Box::new(()));
            })
        });
        assert!(panicked.is_err() && !is_idle(me), "as usual after a panic too");
    }
}
