//! The register of erasures as the log has it: who asked, who approved, what was vetoed and executed.

use bytes::Bytes;
use simpul_erasure::{Entry, Event, Refusal, Register};
use simpul_log::{ReadError, Reader};
use simpul_signing::sha256;
use simpul_types::{Header, Leaf, Position, erasure};

/// The register as far as it was read.
#[derive(Default)]
pub struct Erasures {
    register: Register,
    /// Events of the register that are in it.
    folded: usize,
}

/// Why the register cannot be read from the log.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The log.
    #[error("reading the register of erasures")]
    Read(#[from] ReadError),
    /// A leaf, header or payload.
    #[error("the event of the register at position {0} does not decode")]
    Decode(u64),
    /// An event that admission would not have let pass.
    #[error("the event of the register at position {0} does not follow")]
    Follow(u64, #[source] Refusal),
}

impl Erasures {
    /// All of it, up to the acknowledged head. Reads the disk; blocking.
    ///
    /// # Errors
    /// [`RegisterError`], naming the position.
    pub fn read(reader: &Reader) -> Result<Self, RegisterError> {
        let mut erasures = Self::default();
        erasures.catch_up(reader)?;
        Ok(erasures)
    }

    /// What stands in it.
    pub fn register(&self) -> &Register {
        &self.register
    }

    /// Reads what was committed since.
    ///
    /// # Errors
    /// [`RegisterError`]; what came before stays read.
    pub fn catch_up(&mut self, reader: &Reader) -> Result<(), RegisterError> {
        for position in reader.stream(&erasure::register()).into_iter().skip(self.folded) {
            let entry = entry_at(reader, position)?;
            self.register.apply(entry).map_err(|refusal| RegisterError::Follow(position.get(), refusal))?;
            self.folded += 1;
        }
        Ok(())
    }
}

fn entry_at(reader: &Reader, position: Position) -> Result<Entry, RegisterError> {
    let undecodable = || RegisterError::Decode(position.get());
    let stored = reader.leaf_of(position)?;
    let leaf = Leaf::decode(&stored.bytes).map_err(|_| undecodable())?;
    let event = stored.events.iter().find(|event| event.position == position).ok_or_else(undecodable)?;
    let header = Header::decode(&event.header, "header").map_err(|_| undecodable())?;
    let payload: Bytes = reader.open_payload(event)?.payload;
    let said = Event::decode(header.event_type.as_str(), &payload).map_err(|_| undecodable())?;
    Ok(Entry {
        position,
        digest: sha256(&[&event.header]),
        agency: leaf.statement.sender.agency,
        key_id: leaf.key_id,
        at: leaf.admitted_at,
        event: said,
    })
}
