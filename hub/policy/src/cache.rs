//! Decisions that were made already, of one directory. A cached look-up allocates nothing.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, PoisonError, RwLock},
};

use simpul_types::{AgencyCode, FieldClass, Purpose};

use crate::{Action, Ask, Decision};

/// Questions kept; event types, views, classes and purposes in use are some hundreds, and purposes come from
/// outside.
const ENTRIES_MAX: usize = 8_192;

pub(crate) struct Cache {
    hasher: RandomState,
    entries: RwLock<HashMap<u64, Vec<Entry>>>,
}

struct Entry {
    agency: AgencyCode,
    action: Action,
    resource: Box<str>,
    field_class: Option<FieldClass>,
    purpose: Option<Purpose>,
    decision: Arc<Decision>,
}

impl Entry {
    fn answers(&self, ask: &Ask<'_>) -> bool {
        self.agency == *ask.agency
            && self.action == ask.action
            && *self.resource == *ask.resource
            && self.field_class == ask.field_class
            && self.purpose.as_ref() == ask.purpose
    }
}

impl Cache {
    pub(crate) fn new() -> Self {
        Self { hasher: RandomState::new(), entries: RwLock::new(HashMap::new()) }
    }

    fn hash(&self, ask: &Ask<'_>) -> u64 {
        let Ask { agency, action, resource, field_class, purpose } = *ask;
        self.hasher.hash_one((agency, action, resource, field_class, purpose))
    }

    /// The decision on a question, made by `decide` where it is new.
    pub(crate) fn get_or(&self, ask: &Ask<'_>, decide: impl FnOnce() -> Decision) -> Arc<Decision> {
        let hash = self.hash(ask);
        {
            let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
            let known = entries.get(&hash).and_then(|bucket| bucket.iter().find(|entry| entry.answers(ask)));
            if let Some(entry) = known {
                return Arc::clone(&entry.decision);
            }
        }
        let decision = Arc::new(decide());
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= ENTRIES_MAX {
            entries.clear();
        }
        entries.entry(hash).or_default().push(Entry {
            agency: ask.agency.clone(),
            action: ask.action,
            resource: ask.resource.into(),
            field_class: ask.field_class,
            purpose: ask.purpose.cloned(),
            decision: Arc::clone(&decision),
        });
        decision
    }
}
