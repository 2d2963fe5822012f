//! What an executed erasure does to the read models. Rows never say what an event says, but they say that somebody is in the log:
//! keyed hashes of identifiers and names, and which record or case they belong to. So the rows of erased events go too.
//!
//! Who wrote a row is not known, and rows depend on each other. So where an execution meets rows of its streams, the state is built
//! from zero beside the live one, in which events under dead keys say nothing, and what differs is written to the live one, in one
//! batch with the execution itself (PRJ-1). The result is by construction what a rebuild gives (PRJ-2). Meanwhile the live state
//! stands still and answers; documents leave erased facts out already, since their payloads do not open.

use std::path::PathBuf;

use simpul_log::Reader;
use simpul_types::{
    Position,
    erasure::{EXECUTED, Executed},
};

use crate::{
    ahead::OpenedLeaf,
    config::StateKeys,
    error::StateError,
    event::gist::Content,
    key,
    projection::record_id,
    rebuild::{self, Rebuild},
    row::Kind,
    state::{Row, RowResult, State},
    store::Rows,
};

/// Folder of the state that is built beside the live one; removed when it has served.
pub(crate) const ERASING: &str = "erasing";
/// Every kind of record that a stream may be.
const KINDS: [Kind; 6] =
    [Kind::Placement, Kind::Licence, Kind::Report, Kind::Intake, Kind::Screening, Kind::Entry];

/// Erases rows.
pub(crate) struct Eraser {
    pub(crate) keys: StateKeys,
    pub(crate) scratch: PathBuf,
}

/// Whether a leaf is an execution, which is alone in its leaf.
pub(crate) fn is_execution(leaf: &OpenedLeaf) -> bool {
    leaf.events
        .iter()
        .filter_map(|(_, event)| event.as_ref().ok())
        .any(|event| matches!(&event.content, Content::Entry(entry) if entry.kind.name() == EXECUTED))
}

/// Whether a stream of this execution has rows: every event that is folded in clear leaves a record. In a state that is built
/// from zero none has, since the keys are dead by then.
pub(crate) fn left_rows(state: &State, reader: &Reader, leaf: &OpenedLeaf) -> Result<bool, StateError> {
    let stored = reader.event(leaf.first_position)?;
    let executed = Executed::decode(&reader.open_payload(&stored)?.payload).map_err(|_| StateError::Row)?;
    for stream in &executed.streams {
        for kind in KINDS {
            if state.has(&key::record(&record_id(&state.blind, kind, stream.as_str())))? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

impl Eraser {
    /// Brings the live state to `until`, the end of an execution's leaf, without what is erased.
    pub(crate) fn erase(&self, live: &State, reader: &Reader, until: Position) -> Result<(), StateError> {
        if self.scratch.exists() {
            std::fs::remove_dir_all(&self.scratch)?;
        }
        tracing::info!(
            position = until.get(),
            "read models are built anew beside the live ones for an erasure"
        );
        let anew = State::open(&self.scratch, rebuild::ROOM, &self.keys)?;
        let rebuild = Rebuild {
            scratch: self.scratch.clone(),
            until,
            changes_from: live.changes_from()?,
            recorded: Vec::new(),
        };
        rebuild::build(&anew, reader, &self.keys, &rebuild, &mut |_, _| ())?;
        let rows = differences(live.range(..), anew.range(..))?;
        live.commit_rows(rows)?;
        // The rows that are gone leave the disk with the runs that held them; this one is on it, so that no crash brings them back.
        live.flush()?;
        drop(anew);
        std::fs::remove_dir_all(&self.scratch)?;
        Ok(())
    }
}

/// What turns the rows of `from` into those of `to`; both come in the order of their keys.
fn differences(
    from: impl Iterator<Item = RowResult>,
    to: impl Iterator<Item = RowResult>,
) -> Result<Rows, StateError> {
    let (mut from, mut to) = (from, to);
    let (mut old, mut new) = (from.next().transpose()?, to.next().transpose()?);
    let mut rows = Rows::default();
    let put = |rows: &mut Rows, (key, value): &Row| rows.put(key, |buffer| buffer.extend_from_slice(value));
    loop {
        match (&old, &new) {
            (None, None) => return Ok(rows),
            (Some((gone, _)), other) if other.as_ref().is_none_or(|(key, _)| gone < key) => {
                rows.remove(gone);
                old = from.next().transpose()?;
            }
            (Some((key, before)), Some(row)) if *key == row.0 => {
                if *before != row.1 {
                    put(&mut rows, row);
                }
                (old, new) = (from.next().transpose()?, to.next().transpose()?);
            }
            (_, Some(row)) => {
                put(&mut rows, row);
                new = to.next().transpose()?;
            }
            // A row of `from` alone is gone, above.
            (Some(_), None) => return Err(StateError::Row),
        }
    }
}
