//! What the log itself has to know of erasure: where its events stand, and what an execution says is dead.

use prost::Message;
use simpul_proto::erasure::ErasureExecuted;

use crate::{StreamName, id::IdError};

/// The one stream of all erasure events.
pub const REGISTER: &str = "erasure/register";
/// Source of that stream; no other stream has it.
pub const SOURCE: &str = "erasure";
/// Package of the erasure events, with the dot.
pub const EVENT_PACKAGE: &str = "simpul.erasure.v1.";
/// Type of the event that makes keys dead.
pub const EXECUTED: &str = "simpul.erasure.v1.ErasureExecuted";

/// An executed erasure. The keys of all events of its streams that stand before it in the log are dead (KEY-1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// Erased streams.
    pub streams: Vec<StreamName>,
}

/// Why an execution could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ExecutedError {
    /// Not such a message.
    #[error("not an ErasureExecuted")]
    Decode(#[from] prost::DecodeError),
    /// A stream's name.
    #[error("a stream's name")]
    Stream(#[from] IdError),
}

impl Executed {
    /// Reads the payload of an event of type [`EXECUTED`].
    ///
    /// # Errors
    /// [`ExecutedError`].
    pub fn decode(payload: &[u8]) -> Result<Self, ExecutedError> {
        let wire = ErasureExecuted::decode(payload)?;
        let streams: Result<_, IdError> = wire.streams.iter().map(|stream| stream.parse()).collect();
        Ok(Self { streams: streams? })
    }
}

/// The register's name.
///
/// # Panics
/// Never: the name is a constant.
pub fn register() -> StreamName {
    REGISTER.parse().expect("a valid stream name")
}
