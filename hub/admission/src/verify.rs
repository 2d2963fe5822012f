//! Stage 2: who sent it, and is it what they signed? First certificate, key and signature; only then the
//! events' form and the two commitments that tie them to the signature.

use simpul_policy::Directory;
use simpul_signing::{SUBMISSION_TYPE, VerifyingKey};
use simpul_types::{Caller, Event, KeyId, RejectReason, Rejection, Sender, Statement, Submission, Timestamp};

use crate::decode::Decoded;

/// A submission that its sender signed, byte for byte. Holds personal data: no `Debug`.
pub(crate) struct Verified(Submission);

impl Verified {
    pub(crate) fn into_submission(self) -> Submission {
        self.0
    }
}

impl Decoded {
    /// `now` is the hub's time: a key counts by the hub's clock, not by the statement's.
    ///
    /// # Errors
    /// IDENTITY_MISMATCH, UNKNOWN_KEY, BAD_SIGNATURE; then, to the sender who proved to be one, MALFORMED,
    /// OVERSIZED, UNKNOWN_VERSION and COMMITMENT_MISMATCH of the events.
    pub(crate) fn verify(
        self,
        caller: &Caller,
        directory: &Directory,
        now: Timestamp,
    ) -> Result<Verified, Rejection> {
        let Self { statement_bytes, statement, signature, key_id, events, .. } = self;
        if caller.sender != statement.sender {
            let message = "the client certificate names another agency or connector than the statement";
            return Err(Rejection::new(RejectReason::IdentityMismatch, message).at("statement.agency"));
        }
        let key = registered(directory, &statement.sender, &key_id, now)?;
        key.verify_dsse(SUBMISSION_TYPE, &statement_bytes, &signature).map_err(|_| {
            Rejection::new(RejectReason::BadSignature, "the signature does not verify").at("signature")
        })?;
        // From here on the sender is who it says it is.
        let events = Event::decode_all(&statement, events)?;
        check_commitments(&statement, &events)?;
        Ok(Verified(Submission { statement_bytes, statement, signature, key_id, events }))
    }
}

/// The key, if the directory counts it for this sender at that time.
pub(crate) fn registered(
    directory: &Directory,
    sender: &Sender,
    key_id: &KeyId,
    now: Timestamp,
) -> Result<VerifyingKey, Rejection> {
    let key = directory.key(sender, key_id, now).map(VerifyingKey::from_bytes);
    key.ok_or_else(|| {
        Rejection::new(RejectReason::UnknownKey, "no such key for this connector at this time").at("key_id")
    })
}

fn check_commitments(statement: &Statement, events: &[Event]) -> Result<(), Rejection> {
    let mismatch = |message: &str, field: String| {
        Err(Rejection::new(RejectReason::CommitmentMismatch, message).at(field))
    };
    let root = simpul_log::tree_hash(events.iter().map(|event| event.header_bytes.as_ref()));
    if root != statement.events_root {
        return mismatch("not the tree hash over the headers", "statement.events_root".into());
    }
    for (index, event) in events.iter().enumerate() {
        if simpul_signing::commitment(&event.salt, &event.payload) != event.header.payload_commitment {
            let field = format!("events[{index}].header.payload_commitment");
            return mismatch("not SHA-256 of salt and payload", field);
        }
    }
    Ok(())
}
