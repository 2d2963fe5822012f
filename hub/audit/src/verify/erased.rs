//! Whether every execution in the log was rightful: asked for, approved by others with other keys, not before its time, not vetoed.

use simpul_erasure::{Request, Stage};
use simpul_log::Reader;

use super::report::{ErasureNote, Findings, LogName, Violation};
use crate::erasures::{Erasures, RegisterError};

/// The executed erasures; a violation where the register holds an event that does not follow (ERA-1 to ERA-3).
pub(super) fn executed(reader: &Reader, findings: &mut Findings) -> Vec<ErasureNote> {
    let mut erasures = Erasures::default();
    if let Err(error) = erasures.catch_up(reader) {
        let (position, what) = match &error {
            RegisterError::Follow(position, refusal) => (Some(*position), format!("ERA: {refusal}")),
            RegisterError::Decode(position) => (Some(*position), error.to_string()),
            RegisterError::Read(source) => (None, format!("{error}: {source}")),
        };
        findings.violation(Violation {
            log: LogName::Main,
            file: None,
            segment: None,
            leaf: None,
            position,
            what,
        });
    }
    let mut notes: Vec<ErasureNote> = erasures.register().requests().filter_map(note).collect();
    notes.sort_by_key(|note| note.position);
    notes
}

fn note(request: &Request) -> Option<ErasureNote> {
    let Stage::Executed { position } = request.stage else { return None };
    Some(ErasureNote {
        position: position.get(),
        request: request.request.clone(),
        requested_by: request.agency.to_string(),
        approved_by: request.approvals.iter().map(|given| given.agency.to_string()).collect(),
        streams: request.streams.iter().map(ToString::to_string).collect(),
    })
}
