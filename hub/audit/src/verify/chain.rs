//! What a leaf must say in its place behind the leaves before it: positions and sequences without a gap, the key that was
//! registered then. Needs nothing but the leaves, so that whoever has only the tiles can check it too.

use std::{collections::HashMap, sync::Arc};

use simpul_signing::VerifyingKey;
use simpul_types::{Leaf, Position, Sender, Timestamp};

use super::keyring::{KeyRing, Lookup};

/// The state that runs along the leaves of the main log.
pub(crate) struct LeafChain {
    pub(crate) ring: KeyRing,
    next_position: u64,
    sequences: HashMap<Sender, u64>,
    admitted_at: Timestamp,
    /// Leaves whose time lies before that of their predecessor, and the first of them.
    pub(crate) backward: (u64, Option<u64>),
    /// Leaves whose key is known.
    pub(crate) keys_known: u64,
    /// Leaves whose key is not to be had.
    pub(crate) keys_unknown: u64,
}

impl LeafChain {
    pub(crate) fn new(ring: KeyRing) -> Self {
        Self {
            ring,
            next_position: 0,
            sequences: HashMap::new(),
            admitted_at: Timestamp::from_us(i64::MIN),
            backward: (0, None),
            keys_known: 0,
            keys_unknown: 0,
        }
    }

    /// Events of the leaves so far.
    pub(crate) fn events(&self) -> u64 {
        self.next_position
    }

    /// Where the next leaf has to start; it is taken as `events` long.
    pub(crate) fn step(&mut self, first_position: Position, events: u64) -> Result<(), String> {
        let expected =
            std::mem::replace(&mut self.next_position, first_position.get().saturating_add(events));
        if first_position.get() == expected {
            return Ok(());
        }
        Err(format!("LOG-1: starts at position {first_position}, expected {expected}"))
    }

    /// The key to check the leaf's signature with, where one is known.
    pub(crate) fn place(
        &mut self,
        index: u64,
        leaf: &Leaf,
        finding: &mut impl FnMut(String),
    ) -> Option<Arc<VerifyingKey>> {
        if leaf.directory_position > leaf.first_position {
            finding(format!("judged under directory position {}, which lies ahead", leaf.directory_position));
        }
        let statement = &leaf.statement;
        let sequence = self.sequences.entry(statement.sender.clone()).or_insert(1);
        if statement.first_sequence != *sequence {
            let (is, sender) = (statement.first_sequence, &statement.sender);
            finding(format!("sequence {is} of {sender}, expected {sequence}"));
        }
        *sequence = statement.first_sequence + u64::from(statement.event_count);
        if leaf.admitted_at < self.admitted_at {
            self.backward = (self.backward.0 + 1, self.backward.1.or(Some(index)));
        }
        self.admitted_at = self.admitted_at.max(leaf.admitted_at);
        match self.ring.find(leaf) {
            Lookup::Key(key) => {
                self.keys_known += 1;
                Some(key)
            }
            Lookup::Unknown => {
                self.keys_unknown += 1;
                None
            }
            Lookup::NotRegistered => {
                let (key, sender) = (&leaf.key_id, &statement.sender);
                finding(format!("ADM-1: key {key} was not registered for {sender} then"));
                None
            }
        }
    }
}

/// Whether the sender signed what the leaf says.
pub(crate) fn signed_by(leaf: &Leaf, key: &VerifyingKey) -> Result<(), String> {
    let checked = key.verify_dsse(simpul_signing::SUBMISSION_TYPE, &leaf.statement_bytes, &leaf.signature);
    checked.map_err(|_| format!("ADM-1: the signature of {} does not verify", leaf.statement.sender))
}
