//! What the engine writes down: before a submission leaves, and when its fate is known.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
};

use prost::Message;
use simpul_proto::{catalogue, v1};
use simpul_types::{Header, Receipt, Rejection};

use super::{
    Spool, SpoolError, key, number, state_key,
    stored::{StoredItem, StoredSubmission},
};
use crate::{
    assemble::Assembled,
    engine::{Group, InFlight, event_index},
    quarantine::{Entry, Quarantine},
    receipt::Seen,
};

const TREE: &[u8] = b"mtree";

/// The spool as the engine sees it.
pub(crate) struct Journal {
    pub(super) spool: Spool,
    pub(super) quarantine: Arc<Quarantine>,
}

impl Journal {
    /// Stores a submission; on disk when this returns, and only then may its first byte leave.
    pub(crate) async fn built(&self, submission: &InFlight) -> Result<(), SpoolError> {
        let envelope = v1::Submission { events: Vec::new(), ..submission.wire.clone() };
        let stored = StoredSubmission {
            envelope: envelope.encode_to_vec().into(),
            items: submission.groups.iter().map(|group| group.item).collect(),
        };
        let db = &self.spool.0.db;
        db.insert(key(b'b', submission.first_sequence), stored.encode_to_vec())?;
        db.flush_async().await?;
        Ok(())
    }

    /// Deletes an acknowledged submission and its items. The flush may come later: until then a crash sends the same
    /// bytes again, and the hub answers with the same receipt.
    pub(crate) async fn accepted(
        &self,
        submission: &InFlight,
        receipt: &Receipt,
        tree: Option<Seen>,
    ) -> Result<(), SpoolError> {
        let mut batch = sled::Batch::default();
        batch.remove(key(b'b', submission.first_sequence).as_slice());
        for group in &submission.groups {
            batch.remove(key(b'i', group.item).as_slice());
        }
        if let Some(tree) = tree {
            batch.insert(TREE, [tree.size.to_be_bytes().as_slice(), &tree.root].concat());
        }
        let inner = &self.spool.0;
        inner.db.apply_batch(batch)?;
        let count = submission.groups.len() as u64;
        let counter = if receipt.duplicate { &inner.duplicate } else { &inner.accepted };
        counter.fetch_add(count, Ordering::Relaxed);
        tracing::debug!(
            leaf = receipt.leaf_index.get(),
            position = receipt.first_position.get(),
            events = count,
            duplicate = receipt.duplicate,
            "receipt verified"
        );
        inner.waiting.send_modify(|waiting| *waiting = waiting.saturating_sub(count));
        Ok(())
    }

    /// Forgets submissions that were refused, and sets refused items aside. What they remember is forgotten too, so that
    /// the source may offer the record again; not where a newer version of it waits already.
    pub(crate) async fn withdrawn(
        &self,
        first_sequences: &[u64],
        refused: &[(Group, Rejection)],
    ) -> Result<(), SpoolError> {
        let mut batch = sled::Batch::default();
        for sequence in first_sequences {
            batch.remove(key(b'b', *sequence).as_slice());
        }
        let inner = &self.spool.0;
        for (group, rejection) in refused {
            let Some(item) = self.spool.item(group.item)? else { continue };
            self.set_aside(&item, rejection)?;
            batch.remove(key(b'i', group.item).as_slice());
            if !item.state_key.is_empty()
                && self.spool.recall(&item.state_key)?.is_some_and(|now| now == item.state_value)
            {
                batch.remove(inner.seal.state_key(&item.state_key));
                batch.remove(state_key(&item.state_key));
            }
        }
        inner.db.apply_batch(batch)?;
        inner.db.flush_async().await?;
        let count = refused.len() as u64;
        inner.refused.fetch_add(count, Ordering::Relaxed);
        inner.waiting.send_modify(|waiting| *waiting = waiting.saturating_sub(count));
        Ok(())
    }

    fn set_aside(&self, item: &StoredItem, rejection: &Rejection) -> Result<(), SpoolError> {
        let field = event_index(&rejection.field).map_or(rejection.field.as_str(), |(_, rest)| rest);
        let reason = format!("{}: {}", rejection.reason.as_str_name(), rejection.message);
        let entry = Entry {
            file: &item.file,
            line: item.line,
            field: field.trim_start_matches('.'),
            reason: &reason,
        };
        Ok(self.quarantine.put(&entry, &readable(item))?)
    }

    /// Submissions of an earlier run, in order, and the largest tree it saw.
    pub(super) fn restore(&self) -> Result<(VecDeque<InFlight>, Option<Seen>), SpoolError> {
        let mut window = VecDeque::new();
        for pair in self.spool.0.db.scan_prefix(b"b") {
            let (key, value) = pair?;
            window.push_back(self.restored(number(&key)?, &value)?);
        }
        let tree = self.spool.0.db.get(TREE)?.and_then(|value| {
            let (size, root) = value.split_at_checked(8)?;
            Some(Seen { size: u64::from_be_bytes(size.try_into().ok()?), root: root.try_into().ok()? })
        });
        Ok((window, tree))
    }

    fn restored(&self, sequence: u64, value: &[u8]) -> Result<InFlight, SpoolError> {
        let damaged = || SpoolError::Damaged(format!("b{sequence}"));
        let stored = StoredSubmission::decode(value).map_err(|_| damaged())?;
        let mut wire = v1::Submission::decode(stored.envelope).map_err(|_| damaged())?;
        let mut groups = Vec::with_capacity(stored.items.len());
        for item in stored.items {
            let event = self.spool.item(item)?.ok_or_else(damaged)?.event();
            wire.events.push(event.clone());
            let event = Assembled::from_wire(event).ok_or_else(damaged)?;
            groups.push(Group { item, ..Group::new(vec![event]) });
        }
        InFlight::new(wire, groups).ok_or_else(damaged)
    }
}

/// The event as an operator can read it; the bare payload where it cannot be read.
fn readable(item: &StoredItem) -> Vec<u8> {
    let header = Header::decode(&item.header, "header").ok();
    let message = header.and_then(|header| {
        let message = catalogue::decode_payload(header.event_type.as_str(), &item.payload)?.ok()?;
        serde_json::to_vec_pretty(&message).ok()
    });
    message.unwrap_or_else(|| item.payload.to_vec())
}
