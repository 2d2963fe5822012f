//! Payloads of some event types in log order, for counts that anyone who replays can make again.

use prost::Message;
use simpul_types::{Header, Position};

use super::ReadModels;
use crate::{error::StateError, event};

/// One event on its way to a count. Holds personal data: no `Debug`.
pub struct Told {
    /// Where it stands.
    pub position: Position,
    /// Its header.
    pub header: Header,
    /// Its payload; `None` where it does not open any more.
    pub payload: Option<bytes::Bytes>,
}

/// The one field of a header that tells whether the rest is wanted.
#[derive(Clone, PartialEq, Message)]
struct TypeOfHeader {
    #[prost(string, tag = "3")]
    r#type: String,
}

impl ReadModels {
    /// Gives every event of these types below `until`, oldest first; reads the whole log, sealed payloads of other types unopened.
    ///
    /// # Errors
    /// The log.
    pub fn each_payload(
        &self,
        types: &[&str],
        until: Position,
        mut take: impl FnMut(Told),
    ) -> Result<(), StateError> {
        let reader = &self.shared.reader;
        let mut scan = reader.scan(Position::ZERO);
        while scan.position() < until {
            let Some(leaves) = scan.next_frame()? else { return Ok(()) };
            for event in leaves.into_iter().flat_map(|leaf| leaf.events) {
                let name = TypeOfHeader::decode(&event.header[..]).unwrap_or_default().r#type;
                if event.position >= until || !types.contains(&name.as_str()) {
                    continue;
                }
                let Ok(header) = Header::decode(&event.header, "header") else { continue };
                let payload = match reader.open_payload(&event) {
                    Ok(opened) => Some(opened.payload),
                    Err(error) if event::is_sealed(&error) => None,
                    Err(error) => return Err(error.into()),
                };
                take(Told { position: event.position, header, payload });
            }
        }
        Ok(())
    }
}
