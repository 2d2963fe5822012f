//! What every leaf of the access log must say, and what both logs say about each other.
//!
//! An access entry holds the digest of the main log's signed checkpoint that the answer was given under. So whoever rolls
//! the main log back, even to a checkpoint it once signed, leaves entries here that speak of a checkpoint it no longer has.

use std::collections::HashMap;

use simpul_log::StoredLeaf;
use simpul_types::Digest;

use super::{
    Open,
    report::{Finding, LogReport},
    submissions::sealed_root,
};
use crate::{access::stream_text, entries, subjects::Chains};

/// The state that runs along the access log.
#[derive(Default)]
pub(super) struct Accesses {
    at_us: i64,
    /// Entries whose time lies before that of their predecessor, and the first of them.
    pub(super) backward: (u64, Option<u64>),
    /// Checkpoints of the main log that entries speak of: short digest → first entry.
    pub(super) checkpoints: HashMap<u128, u64>,
    /// The furthest position of the main log that an entry speaks of, and the first entry that does.
    pub(super) furthest: (u64, u64),
    chains: Chains,
    pub(super) report: LogReport,
}

impl Accesses {
    /// Judges the leaves that come next in the log.
    pub(super) fn check(&mut self, leaves: &[StoredLeaf], open: Option<&dyn Open>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for leaf in leaves {
            self.judge(leaf, open, &mut findings);
        }
        findings
    }

    fn judge(&mut self, stored: &StoredLeaf, open: Option<&dyn Open>, findings: &mut Vec<Finding>) {
        let index = stored.index.get();
        let mut finding = |what: String| {
            findings.push(Finding::new(index, Some(stored.first_position.get()), what));
        };
        let [event] = &stored.events[..] else {
            finding(format!("{} records beside an access entry, expected 1", stored.events.len()));
            return;
        };
        if event.position.get() != index {
            finding(format!("LOG-1: entry {index} stands at position {}", event.position));
        }
        let Some(entry) = entries::decode(&stored.bytes) else {
            finding("not an access entry of version 1".into());
            return;
        };
        if entry.sealed_digest[..] != sealed_root(&stored.events) {
            finding("the sealed parameters do not match the entry's digest".into());
        }
        if event.header[..] != *stream_text(&entry.agency).as_bytes() {
            finding("the parameters are sealed for another agency's stream".into());
        }
        if let Some(wrong) = self.chains.take(index, &entry.links) {
            finding(format!("QRY-2: {wrong}"));
        }
        if index > 0 && entry.at_us < self.at_us {
            self.backward = (self.backward.0 + 1, self.backward.1.or(Some(index)));
        }
        self.at_us = entry.at_us.max(self.at_us);
        if entry.position > self.furthest.0 {
            self.furthest = (entry.position, index);
        }
        match <&Digest>::try_from(&entry.checkpoint_digest[..]) {
            // Before the first event the main log's checkpoint signs an empty tree, and no frame holds it.
            Ok(digest) if entry.position > 0 => {
                self.checkpoints.entry(short(digest)).or_insert(index);
            }
            Err(_) if !entry.checkpoint_digest.is_empty() => {
                finding("the checkpoint digest is not 32 bytes".into());
            }
            _ => {}
        }
        if let Some(open) = open {
            match open.open(event) {
                Ok(_) => self.report.payloads_opened += 1,
                Err(error) => finding(format!("the parameters do not open: {error}")),
            }
        }
    }

    /// A checkpoint of the main log: what spoke of it is settled.
    pub(super) fn settle(&mut self, checkpoint: &str) {
        if !self.checkpoints.is_empty() {
            self.checkpoints.remove(&short(&simpul_signing::sha256(&[checkpoint.as_bytes()])));
        }
    }
}

/// Half a digest: 2⁶⁴ entries before two checkpoints are mistaken for one another.
fn short(digest: &Digest) -> u128 {
    digest.iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte))
}
