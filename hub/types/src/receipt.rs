//! What the hub gives back, and the leaf it speaks of.

use bytes::Bytes;
use prost::Message;
use simpul_proto::v1;

use crate::{Digest, KeyId, LeafIndex, Position, Statement, Timestamp};

/// Proof that a submission is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Index of the leaf in the Merkle tree.
    pub leaf_index: LeafIndex,
    /// Encoded `Leaf`.
    pub leaf: Bytes,
    /// RFC 6962 inclusion proof, from the leaf upward.
    pub inclusion_proof: Vec<Digest>,
    /// Signed checkpoint (C2SP) the proof leads to.
    pub checkpoint: String,
    /// Position of the first event.
    pub first_position: Position,
    /// Number of events.
    pub event_count: u32,
    /// Whether this answers a submission that was known already.
    pub duplicate: bool,
}

impl Receipt {
    /// The wire form.
    pub fn to_wire(&self) -> v1::Receipt {
        v1::Receipt {
            leaf_index: self.leaf_index.get(),
            leaf: self.leaf.clone(),
            inclusion_proof: self.inclusion_proof.iter().map(|hash| Bytes::copy_from_slice(hash)).collect(),
            checkpoint: self.checkpoint.clone(),
            first_position: self.first_position.get(),
            event_count: self.event_count,
            duplicate: self.duplicate,
        }
    }

    /// From the wire. Says nothing about whether the proof holds.
    ///
    /// # Errors
    /// [`LeafError::Field`] where a hash does not have 32 bytes.
    pub fn from_wire(wire: v1::Receipt) -> Result<Self, LeafError> {
        let mut inclusion_proof = Vec::with_capacity(wire.inclusion_proof.len());
        for hash in &wire.inclusion_proof {
            inclusion_proof.push(hash.as_ref().try_into().map_err(|_| LeafError::Field("inclusion_proof"))?);
        }
        Ok(Self {
            leaf_index: LeafIndex::new(wire.leaf_index),
            leaf: wire.leaf,
            inclusion_proof,
            checkpoint: wire.checkpoint,
            first_position: Position::new(wire.first_position),
            event_count: wire.event_count,
            duplicate: wire.duplicate,
        })
    }
}

/// One admitted submission as it stands in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The bytes that were signed.
    pub statement_bytes: Bytes,
    /// What they say.
    pub statement: Statement,
    /// Ed25519, 64 bytes.
    pub signature: Bytes,
    /// Which key signed.
    pub key_id: KeyId,
    /// Position of the first event.
    pub first_position: Position,
    /// When the hub admitted it.
    pub admitted_at: Timestamp,
    /// Position up to which the directory was applied when it was judged.
    pub directory_position: Position,
    /// RFC 6962 tree hash over the digests of the sealed payloads.
    pub sealed_root: Digest,
}

/// Why bytes are not a leaf or a receipt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    /// The bytes do not decode.
    #[error("not a leaf")]
    Decode,
    /// A field is missing or out of bounds.
    #[error("field {0} is missing or out of bounds")]
    Field(&'static str),
}

impl Leaf {
    /// Decodes leaf bytes.
    ///
    /// # Errors
    /// [`LeafError`], naming the field.
    pub fn decode(bytes: &Bytes) -> Result<Self, LeafError> {
        let wire = v1::Leaf::decode(bytes.clone()).map_err(|_| LeafError::Decode)?;
        if wire.version != 1 {
            return Err(LeafError::Field("version"));
        }
        Ok(Self {
            statement: Statement::decode(&wire.statement).map_err(|_| LeafError::Field("statement"))?,
            statement_bytes: wire.statement,
            signature: wire.signature,
            key_id: wire.key_id.parse().map_err(|_| LeafError::Field("key_id"))?,
            first_position: Position::new(wire.first_position),
            admitted_at: Timestamp::from_us(wire.admitted_at_us),
            directory_position: Position::new(wire.directory_position),
            sealed_root: wire.sealed_root.as_ref().try_into().map_err(|_| LeafError::Field("sealed_root"))?,
        })
    }

    /// Encodes it; done once, when it is admitted.
    pub fn encode(&self) -> Bytes {
        let wire = v1::Leaf {
            version: 1,
            statement: self.statement_bytes.clone(),
            signature: self.signature.clone(),
            key_id: self.key_id.as_str().into(),
            first_position: self.first_position.get(),
            admitted_at_us: self.admitted_at.as_us(),
            directory_position: self.directory_position.get(),
            sealed_root: Bytes::copy_from_slice(&self.sealed_root),
        };
        wire.encode_to_vec().into()
    }
}
