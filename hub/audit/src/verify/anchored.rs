//! Whether the access log still is what the log says it was: the hub records its checkpoints there.

use prost::Message;
use simpul_log::Reader;
use simpul_proto::hub::AccessCheckpointRecorded;
use simpul_tlog::checkpoint;
use simpul_types::{LeafIndex, Position, StreamName};

use super::report::{Findings, LogName, Violation};

/// Stream of the access log's checkpoints in the log.
pub const ANCHORS: &str = "hub-state/access";

/// Compares every recorded checkpoint of the access log with what the access log is now; gives their number. What does not open is
/// reported with the payloads.
pub(super) fn compare(main: &Reader, access: &Reader, findings: &mut Findings) -> u64 {
    let stream: StreamName = ANCHORS.parse().expect("a stream's name");
    let mut compared = 0;
    for position in main.stream(&stream) {
        let Some(note) = recorded(main, position) else { continue };
        compared += 1;
        if let Err(what) = holds(access, &note) {
            findings.violation(Violation {
                log: LogName::Access,
                file: None,
                segment: None,
                leaf: None,
                position: None,
                what: format!("LOG-3: position {position} of the log records a checkpoint that {what}"),
            });
        }
    }
    compared
}

fn recorded(main: &Reader, position: Position) -> Option<String> {
    let payload = main.open_payload(&main.event(position).ok()?).ok()?.payload;
    AccessCheckpointRecorded::decode(payload).ok().map(|recorded| recorded.checkpoint)
}

fn holds(access: &Reader, note: &str) -> Result<(), String> {
    let recorded = checkpoint::open(note, &access.verifier())
        .map_err(|error| format!("does not hold under the access log's key: {error}"))?;
    let size = access.head().size.get();
    if recorded.size > size {
        return Err(format!("has {} entries; the access log has {size}", recorded.size));
    }
    match access.root_at(LeafIndex::new(recorded.size)) {
        Ok(root) if root == recorded.root => Ok(()),
        Ok(_) => Err(format!("of {} entries has another root", recorded.size)),
        Err(error) => Err(format!("of {} entries could not be compared: {error}", recorded.size)),
    }
}
