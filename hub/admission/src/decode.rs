//! Stage 1: the form of the statement. The events stay bytes until the signature holds.

use bytes::Bytes;
use simpul_proto::v1;
use simpul_types::{KeyId, RejectReason, Rejection, Statement, SubmissionId, id::IdError};

/// Bytes of an Ed25519 signature.
const SIGNATURE_BYTES: usize = 64;

/// A submission whose statement has the right form; nothing says yet that anybody signed it.
pub(crate) struct Decoded {
    pub(crate) statement_bytes: Bytes,
    pub(crate) statement: Statement,
    pub(crate) signature: Bytes,
    pub(crate) key_id: KeyId,
    pub(crate) events: Vec<v1::SubmittedEvent>,
    /// Only this module makes one.
    _sealed: (),
}

impl Decoded {
    /// # Errors
    /// MALFORMED, OVERSIZED or UNKNOWN_VERSION of the statement, its signature or key id.
    pub(crate) fn decode(wire: v1::Submission) -> Result<Self, Rejection> {
        let statement = Statement::decode(&wire.statement)?;
        if wire.signature.len() != SIGNATURE_BYTES {
            return Err(Rejection::new(RejectReason::Malformed, "64 bytes").at("signature"));
        }
        let key_id = wire.key_id.parse().map_err(|error: IdError| {
            Rejection::new(RejectReason::Malformed, error.to_string()).at("key_id")
        })?;
        Ok(Self {
            statement_bytes: wire.statement,
            statement,
            signature: wire.signature,
            key_id,
            events: wire.events,
            _sealed: (),
        })
    }

    pub(crate) fn submission_id(&self) -> SubmissionId {
        self.statement.submission_id
    }
}
