//! The fence of KEY-1: a key that the log says is dead is never served again, from whatever copy of the key file. At every start
//! the executed erasures are replayed from the log, and each key that they name is destroyed once more where its row still holds it.
//!
//! ```text
//! execution queued ─▶ retired: nothing later is sealed under the keys ─▶ flushed ─▶ dead: no reader is served
//!                  ─▶ rows overwritten and flushed ─▶ head moves ─▶ receipt
//! ```
//!
//! A crash between flush and overwriting leaves rows that the next start destroys before it serves anything. All executions are
//! looked at at every start: one stream of the index, some reads an erased stream.

use simpul_types::{
    Header, Position,
    erasure::{self, Executed, ExecutedError},
};

use crate::{
    keystore::{DeadKey, KeyError},
    reader::{ReadError, Reader},
};

/// Why it is not known which keys are dead. Nothing is served then: an execution that cannot be read may be of any key.
#[derive(Debug, thiserror::Error)]
pub enum FenceError {
    /// An event of the register, or of an erased stream.
    #[error("reading the erasures; mend the log from a copy (`simpul audit repair`)")]
    Read(#[from] ReadError),
    /// An execution that admission would not have let pass.
    #[error("the execution at position {0} does not decode")]
    Decode(u64, #[source] ExecutedError),
    /// A header of the register.
    #[error("the header at position {0} does not decode")]
    Header(u64),
    /// The key file.
    #[error("destroying dead keys")]
    Keys(#[from] KeyError),
}

impl From<std::io::Error> for FenceError {
    fn from(error: std::io::Error) -> Self {
        Self::Keys(error.into())
    }
}

/// Executed erasures from a position on, up to the acknowledged head, in order.
pub(crate) fn executions(reader: &Reader, from: Position) -> Result<Vec<(Position, Executed)>, FenceError> {
    let mut executions = Vec::new();
    for position in reader.stream(&erasure::register()).into_iter().filter(|position| *position >= from) {
        let event = reader.event(position)?;
        let header =
            Header::decode(&event.header, "header").map_err(|_| FenceError::Header(position.get()))?;
        if header.event_type.as_str() != erasure::EXECUTED {
            continue;
        }
        let opened = reader.open_payload(&event)?;
        let executed = Executed::decode(&opened.payload);
        executions.push((position, executed.map_err(|error| FenceError::Decode(position.get(), error))?));
    }
    Ok(executions)
}

/// Learns which keys are dead, and with `destroy` overwrites those that are still there.
pub(crate) fn replay(reader: &Reader, destroy: bool) -> Result<(), FenceError> {
    let mut dead = Vec::new();
    for (by, executed) in executions(reader, Position::ZERO)? {
        for stream in &executed.streams {
            for position in reader.stream(stream).into_iter().take_while(|position| *position < by) {
                let event = reader.event(position)?;
                dead.push(DeadKey { slot: event.slot, commitment: event.key_commitment, by: by.get() });
            }
        }
    }
    Ok(reader.shared.keystore.fence(dead, reader.head().end.get(), destroy)?)
}
