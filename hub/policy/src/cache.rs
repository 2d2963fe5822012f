//! Decisions that were made already, of one directory. A cached look-up allocates nothing.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, PoisonError, RwLock},
};

use simpul_types::{AgencyCode, FieldClass, Purpose, Timestamp};

use crate::{Action, Ask, Decision};

/// Questions kept; event types, views, classes and purposes in use are some hundreds, and purposes come from
/// outside.
const ENTRIES_MAX: usize = 8_192;

pub(crate) struct Cache {
    hasher: RandomState,
    entries: RwLock<HashMap<u64, Vec<Entry>>>,
}

/// From when until when a decision is the same, whatever begins or ends by itself.
#[derive(Clone, Copy)]
pub(crate) struct Validity {
    from: Timestamp,
    until: Timestamp,
}

impl Validity {
    pub(crate) const ALWAYS: Self =
        Self { from: Timestamp::from_us(i64::MIN), until: Timestamp::from_us(i64::MAX) };

    /// To the stretch between these moments that `at` lies in.
    pub(crate) fn narrow(&mut self, turns: impl IntoIterator<Item = Timestamp>, at: Timestamp) {
        for turn in turns {
            if turn <= at {
                self.from = self.from.max(turn);
            } else {
                self.until = self.until.min(turn);
            }
        }
    }

    fn holds(self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

struct Entry {
    agency: AgencyCode,
    action: Action,
    resource: Box<str>,
    field_class: Option<FieldClass>,
    purpose: Option<Purpose>,
    provider: Option<AgencyCode>,
    validity: Validity,
    decision: Arc<Decision>,
}

impl Entry {
    fn answers(&self, ask: &Ask<'_>) -> bool {
        self.agency == *ask.agency
            && self.action == ask.action
            && *self.resource == *ask.resource
            && self.field_class == ask.field_class
            && self.purpose.as_ref() == ask.purpose
            && self.provider.as_ref() == ask.provider
    }
}

impl Cache {
    pub(crate) fn new() -> Self {
        Self { hasher: RandomState::new(), entries: RwLock::new(HashMap::new()) }
    }

    fn hash(&self, ask: &Ask<'_>) -> u64 {
        let Ask { agency, official: _, action, resource, field_class, purpose, provider, at: _ } = *ask;
        self.hasher.hash_one((agency, action, resource, field_class, purpose, provider))
    }

    /// The decision on a question, made by `decide` where it is new.
    pub(crate) fn get_or(
        &self,
        ask: &Ask<'_>,
        decide: impl FnOnce() -> (Decision, Validity),
    ) -> Arc<Decision> {
        let hash = self.hash(ask);
        {
            let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
            let known = entries.get(&hash).and_then(|bucket| bucket.iter().find(|entry| entry.answers(ask)));
            if let Some(entry) = known.filter(|entry| entry.validity.holds(ask.at)) {
                return Arc::clone(&entry.decision);
            }
        }
        let (decision, validity) = decide();
        let decision = Arc::new(decision);
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= ENTRIES_MAX {
            entries.clear();
        }
        let bucket = entries.entry(hash).or_default();
        bucket.retain(|entry| !entry.answers(ask));
        bucket.push(Entry {
            agency: ask.agency.clone(),
            action: ask.action,
            resource: ask.resource.into(),
            field_class: ask.field_class,
            purpose: ask.purpose.cloned(),
            provider: ask.provider.cloned(),
            validity,
            decision: Arc::clone(&decision),
        });
        decision
    }
}
