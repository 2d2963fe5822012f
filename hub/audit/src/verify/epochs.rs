//! Whether the key files hold the keys that the newest key epoch was begun with, and none that was dead then.

use prost::Message;
use simpul_log::Reader;
use simpul_proto::hub::{KeyEpochBegun, LiveKeys};
use simpul_types::{Position, StreamName};

use super::report::{Findings, LogName, Violation};

/// Stream of the key epochs in the log.
pub const EPOCHS: &str = "hub-state/key-epoch";

/// Compares the newest recorded epoch with the key files; gives its number. What does not open is reported with the payloads.
pub(super) fn compare(main: &Reader, access: &Reader, findings: &mut Findings) -> Option<u32> {
    let stream: StreamName = EPOCHS.parse().expect("a stream's name");
    let position = main.stream(&stream).pop()?;
    let payload = main.open_payload(&main.event(position).ok()?).ok()?.payload;
    let begun = KeyEpochBegun::decode(payload).ok()?;
    let logs = [(LogName::Main, main, &begun.log), (LogName::Access, access, &begun.access)];
    for (log, reader, recorded) in logs {
        if let Err(what) = holds(reader, recorded.as_ref()) {
            findings.violation(Violation {
                log,
                file: Some("keys".into()),
                segment: None,
                leaf: None,
                position: Some(position.get()),
                what: format!("KEY-2: the key epoch begun at position {position} {what}"),
            });
        }
    }
    Some(begun.epoch)
}

fn holds(reader: &Reader, recorded: Option<&LiveKeys>) -> Result<(), String> {
    let recorded = recorded.ok_or("names no keys")?;
    let found = reader
        .live_keys(recorded.slots, Position::new(recorded.erased_until))
        .map_err(|error| format!("could not be compared with the key file: {error}"))?;
    if found.live != recorded.live {
        return Err(format!("had {} live keys; the key file has {} of them", recorded.live, found.live));
    }
    if data_encoding::HEXLOWER.encode(&found.root) != recorded.root {
        return Err("had other live keys than the key file".into());
    }
    Ok(())
}
