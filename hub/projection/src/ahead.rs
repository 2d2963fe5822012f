//! Reads and opens leaves, on a thread of its own while there is a lot to fold: opening a payload costs about as much as
//! folding it.

use std::sync::mpsc::sync_channel;

use bytes::Bytes;
use simpul_log::{Reader, Scan, StoredLeaf};
use simpul_types::{AgencyCode, Leaf, Position, Timestamp};

use crate::{
    error::StateError,
    event::{
        Event, Unreadable,
        gist::{self, Fault, Opened},
    },
    key::Blind,
    state::State,
};

/// Frames that are opened before they are folded; bounds the memory.
const FRAMES_AHEAD: usize = 4;

/// A leaf whose events are open. Holds personal data: no `Debug`.
pub(crate) struct OpenedLeaf {
    pub(crate) bytes: Bytes,
    pub(crate) first_position: Position,
    /// Who sent it, and when it was admitted; `None` where the leaf does not decode.
    pub(crate) heard: Option<(AgencyCode, Timestamp)>,
    pub(crate) events: Vec<(Position, Result<Event, Fault>)>,
}

/// Opens a leaf's events below `until`.
pub(crate) fn open(
    reader: &Reader,
    blind: &Blind,
    leaf: StoredLeaf,
    until: Position,
) -> Result<OpenedLeaf, StateError> {
    let heard = Leaf::decode(&leaf.bytes).ok().map(|leaf| (leaf.statement.sender.agency, leaf.admitted_at));
    let mut events = Vec::with_capacity(leaf.events.len());
    for stored in leaf.events.iter().filter(|stored| stored.position < until) {
        let opened = match &heard {
            Some((source, _)) => gist::open(reader, blind, stored)?.map(|opened| {
                let Opened { occurred_at, record, mentions, content } = opened;
                let (position, source) = (stored.position, AgencyCode::clone(source));
                Event { position, source, occurred_at, record, mentions, content }
            }),
            None => Err(Fault { event_type: String::new(), why: Unreadable::Leaf }),
        };
        events.push((stored.position, opened));
    }
    Ok(OpenedLeaf { bytes: leaf.bytes, first_position: leaf.first_position, heard, events })
}

/// Folds every leaf from `scan` on to the acknowledged head or `until`, while another thread reads and opens the next
/// ones. Ends early where `fold` fails or says that it is enough (`false`).
pub(crate) fn each(
    mut scan: Scan,
    reader: &Reader,
    until: Position,
    state: &State,
    mut fold: impl FnMut(OpenedLeaf) -> Result<bool, StateError>,
) -> Result<(), StateError> {
    let (send, opened) = sync_channel(FRAMES_AHEAD);
    std::thread::scope(|scope| {
        let opener = std::thread::Builder::new().name("projection-open".into());
        opener.spawn_scoped(scope, move || {
            let mut at = None;
            while scan.position() < until {
                state.pace().follow(&mut at);
                let leaves = match scan.next_frame() {
                    Ok(Some(leaves)) => {
                        let below = leaves.into_iter().filter(|leaf| leaf.first_position < until);
                        below.map(|leaf| open(reader, &state.blind, leaf, until)).collect()
                    }
                    Ok(None) => return,
                    Err(error) => Err(error.into()),
                };
                // Nobody takes it any more: folding has ended.
                if send.send(leaves).is_err() {
                    return;
                }
            }
        })?;
        for leaves in opened {
            let leaves: Vec<_> = leaves?;
            for leaf in leaves {
                if !fold(leaf)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    })
}
