//! What the process says about itself: is it alive, may it get work, what is degraded and why.
//!
//! | component is | required | optional |
//! |---|---|---|
//! | starting | not ready | ready, degraded |
//! | ready | ready | ready |
//! | degraded | ready, degraded | ready, degraded |
//! | failed (only a restart helps) | not ready, not live | ready, degraded |
//!
//! So an outage of NATS or a witness never takes the hub out of service, and a poisoned log always does.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use serde::Serialize;

/// Whether the process can do its work without the component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    /// It cannot.
    Required,
    /// It can, less well.
    Optional,
}

/// How a component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not yet at work.
    Starting,
    /// At work.
    Ready,
    /// At work with something missing; it recovers by itself.
    Degraded,
    /// Out of work until the process is restarted.
    Failed,
}

/// The state of all components. Cheap to clone.
#[derive(Clone, Default)]
pub struct Health(Arc<RwLock<Inner>>);

#[derive(Default)]
struct Inner {
    draining: bool,
    components: BTreeMap<String, Entry>,
}

struct Entry {
    need: Need,
    state: State,
    reason: String,
}

/// What `/healthz` and `/readyz` say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// False where only a restart helps.
    pub live: bool,
    /// Whether work may be sent.
    pub ready: bool,
    /// Whether something is missing.
    pub degraded: bool,
    /// Every component, by name.
    pub components: Vec<ComponentReport>,
}

/// One line of a [`Report`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ComponentReport {
    /// Name, for example `log` or `publisher`.
    pub name: String,
    /// Whether the process can do without.
    pub need: Need,
    /// How it is.
    pub state: State,
    /// Why, in a sentence that names nobody; empty where it is ready.
    pub reason: String,
}

impl Health {
    /// No components yet: live and ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a component, starting; whoever holds the handle says how it goes on.
    pub fn component(&self, name: impl Into<String>, need: Need) -> Component {
        let component = Component { health: self.clone(), name: name.into(), need };
        component.starting("not started yet");
        component
    }

    /// The process is stopping: not ready from now on.
    pub fn drain(&self) {
        self.write(|inner| inner.draining = true);
    }

    /// How everything is now.
    pub fn report(&self) -> Report {
        let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut report =
            Report { live: true, ready: !inner.draining, degraded: false, components: Vec::new() };
        for (name, entry) in &inner.components {
            match (entry.state, entry.need) {
                (State::Ready, _) => {}
                (State::Failed, Need::Required) => (report.live, report.ready) = (false, false),
                (State::Starting, Need::Required) => report.ready = false,
                (State::Degraded, Need::Required) | (_, Need::Optional) => report.degraded = true,
            }
            report.components.push(ComponentReport {
                name: name.clone(),
                need: entry.need,
                state: entry.state,
                reason: entry.reason.clone(),
            });
        }
        report
    }

    fn write(&self, change: impl FnOnce(&mut Inner)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// One component's voice in [`Health`]. Clones speak for the same component.
#[derive(Clone)]
pub struct Component {
    health: Health,
    name: String,
    need: Need,
}

impl Component {
    /// At work.
    pub fn ready(&self) {
        self.set(State::Ready, String::new());
    }

    /// Not yet at work.
    pub fn starting(&self, reason: impl Into<String>) {
        self.set(State::Starting, reason.into());
    }

    /// At work with something missing. A failed component stays failed.
    pub fn degraded(&self, reason: impl Into<String>) {
        self.set(State::Degraded, reason.into());
    }

    /// Out of work until a restart; nothing takes that back.
    pub fn failed(&self, reason: impl Into<String>) {
        self.set(State::Failed, reason.into());
    }

    fn set(&self, state: State, reason: String) {
        self.health.write(|inner| {
            if inner.components.get(&self.name).is_some_and(|entry| entry.state == State::Failed) {
                return;
            }
            inner.components.insert(self.name.clone(), Entry { need: self.need, state, reason });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(health: &Health) -> (bool, bool, bool) {
        let report = health.report();
        (report.live, report.ready, report.degraded)
    }

    #[test]
    fn an_optional_component_never_takes_the_process_out_of_service() {
        let health = Health::new();
        let nats = health.component("publisher", Need::Optional);
        assert_eq!(seen(&health), (true, true, true));
        nats.ready();
        assert_eq!(seen(&health), (true, true, false));
        nats.failed("ended unexpectedly");
        assert_eq!(seen(&health), (true, true, true));
    }

    #[test]
    fn a_failed_required_component_stays_failed() {
        let health = Health::new();
        let log = health.component("log", Need::Required);
        assert_eq!(seen(&health), (true, false, false));
        log.degraded("disk nearly full");
        assert_eq!(seen(&health), (true, true, true));
        log.failed("flush failed");
        log.ready();
        assert_eq!(seen(&health), (false, false, false));
        assert_eq!(health.report().components[0].reason, "flush failed");
    }

    #[test]
    fn a_draining_process_is_alive_and_gets_no_work() {
        let health = Health::new();
        health.drain();
        assert_eq!(seen(&health), (true, false, false));
    }
}
