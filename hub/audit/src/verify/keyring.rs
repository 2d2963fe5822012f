//! Which public key speaks for which sender at which time, as the directory events of the log say it.
//!
//! The keys come from the opened directory events (then the ring is complete, and an unknown key is a violation), from a
//! bootstrap file or by hand (then it is not, and a signature of an unknown key counts as not checked).

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use prost::Message;
use simpul_proto::{directory, v1};
use simpul_signing::VerifyingKey;
use simpul_types::{KeyId, Leaf, Position, Sender, Submission, Timestamp};

use super::VerifyError;

/// Agency and connector of the directory authority, whose key is given from outside.
const AUTHORITY: (&str, &str) = ("directory", "authority");

/// A submission is judged before it is admitted, and the leaf holds only the later time. A key that ended in between was
/// still right; no submission waits longer than this.
const JUDGED_BEFORE_US_MAX: i64 = 60 * 1_000_000;

#[derive(Default)]
pub(crate) struct KeyRing {
    registered: HashMap<(Sender, KeyId), Vec<Registration>>,
    revoked: HashMap<KeyId, Vec<(Position, Timestamp)>>,
    by_hand: HashMap<KeyId, Arc<VerifyingKey>>,
    authority: Option<(KeyId, Arc<VerifyingKey>)>,
    /// Changes that were proposed, by reference: type and payload.
    proposed: HashMap<String, (String, Bytes)>,
    complete: bool,
}

struct Registration {
    /// Where the event stands that registered it; zero where it came from the bootstrap file.
    position: Position,
    key: Arc<VerifyingKey>,
    valid_from: Timestamp,
    valid_until: Option<Timestamp>,
}

/// What the ring says about a signature's key.
pub(crate) enum Lookup {
    /// This key speaks for the sender.
    Key(Arc<VerifyingKey>),
    /// The directory is known in full, and no such key was valid then.
    NotRegistered,
    /// The ring does not know enough to tell.
    Unknown,
}

impl KeyRing {
    /// `complete`: every directory event will be [`apply`](Self::apply)ed in the order of the log.
    pub(crate) fn new(authority: Option<[u8; 32]>, by_hand: &[[u8; 32]], complete: bool) -> Self {
        let authority = authority.map(entry);
        let by_hand = by_hand.iter().map(|key| entry(*key)).collect();
        Self { authority, by_hand, complete, ..Self::default() }
    }

    /// Takes a key for a sender at all times, on the verifier's own word.
    pub(crate) fn trust(&mut self, sender: Sender, public_key: [u8; 32]) {
        let (key_id, key) = entry(public_key);
        let (position, valid_from) = (Position::ZERO, Timestamp::from_us(i64::MIN));
        let registration = Registration { position, key, valid_from, valid_until: None };
        self.registered.entry((sender, key_id)).or_default().push(registration);
    }

    /// Takes the keys that a bootstrap submission registers.
    pub(crate) fn apply_bootstrap(&mut self, file: &Bytes) -> Result<(), VerifyError> {
        let refused = |what: String| VerifyError::Bootstrap(what);
        let wire = v1::Submission::decode(file.clone()).map_err(|_| refused("not a submission".into()))?;
        let submission = Submission::decode(wire).map_err(|rejection| refused(rejection.to_string()))?;
        if let Some((key_id, key)) = &self.authority {
            let signature = &submission.signature;
            let statement = &submission.statement_bytes;
            if *key_id != submission.key_id
                || key.verify_dsse(simpul_signing::SUBMISSION_TYPE, statement, signature).is_err()
            {
                return Err(refused("not signed by the directory authority".into()));
            }
        }
        let root = simpul_tlog::tree_hash(submission.events.iter().map(|event| &event.header_bytes[..]));
        if root != submission.statement.events_root {
            return Err(refused("the events root does not match".into()));
        }
        for event in &submission.events {
            if simpul_signing::commitment(&event.salt, &event.payload) != event.header.payload_commitment {
                return Err(refused("a payload does not match its commitment".into()));
            }
            self.apply(event.header.event_type.as_str(), &event.payload, Position::ZERO);
        }
        Ok(())
    }

    /// Applies one directory event; others, and what does not decode, change nothing.
    pub(crate) fn apply(&mut self, event_type: &str, payload: &[u8], position: Position) {
        match event_type {
            "simpul.directory.v1.KeyRegistered" => {
                if let Ok(registered) = directory::KeyRegistered::decode(payload) {
                    self.register(registered, position);
                }
            }
            "simpul.directory.v1.KeyRevoked" => {
                if let Ok(revoked) = directory::KeyRevoked::decode(payload)
                    && let Ok(key_id) = revoked.key_id.parse()
                {
                    let at = Timestamp::from_us(revoked.revoked_at_us);
                    self.revoked.entry(key_id).or_default().push((position, at));
                }
            }
            "simpul.directory.v1.ChangeProposed" => {
                if let Ok(proposed) = directory::ChangeProposed::decode(payload) {
                    self.proposed.insert(proposed.proposal, (proposed.r#type, proposed.payload));
                }
            }
            // Whether the approval was right is judged by admission, and again by whoever folds the directory.
            "simpul.directory.v1.ChangeApproved" => {
                if let Ok(approved) = directory::ChangeApproved::decode(payload)
                    && let Some((event_type, payload)) = self.proposed.remove(&approved.proposal)
                    && !event_type.ends_with(".ChangeApproved")
                {
                    self.apply(&event_type, &payload, position);
                }
            }
            _ => {}
        }
    }

    fn register(&mut self, wire: directory::KeyRegistered, position: Position) {
        let (Ok(agency), Ok(connector)) = (wire.agency.parse(), wire.connector.parse()) else { return };
        let Ok(public_key) = <[u8; 32]>::try_from(&wire.public_key[..]) else { return };
        let (key_id, key) = entry(public_key);
        self.registered.entry((Sender { agency, connector }, key_id)).or_default().push(Registration {
            position,
            key,
            valid_from: Timestamp::from_us(wire.valid_from_us),
            valid_until: (wire.valid_until_us != 0).then(|| Timestamp::from_us(wire.valid_until_us)),
        });
    }

    /// The key that the leaf's sender may have signed with, by the directory that the leaf was judged under.
    pub(crate) fn find(&self, leaf: &Leaf) -> Lookup {
        let Leaf { key_id, admitted_at, directory_position: judged_at, .. } = leaf;
        let sender = &leaf.statement.sender;
        let ended_before = Timestamp::from_us(admitted_at.as_us().saturating_sub(JUDGED_BEFORE_US_MAX));
        // A revocation or registration that came after the judgment says nothing about it.
        let applied = |position: Position| position < *judged_at || position == Position::ZERO;
        let revoked = self.revoked.get(key_id).is_some_and(|revocations| {
            revocations.iter().any(|(position, at)| applied(*position) && *at <= ended_before)
        });
        let registered = self.registered.get(&(sender.clone(), key_id.clone())).and_then(|registrations| {
            registrations.iter().find(|registration| {
                applied(registration.position)
                    && registration.valid_from <= *admitted_at
                    && registration.valid_until.is_none_or(|until| until > ended_before)
            })
        });
        if let Some(registration) = registered {
            return if revoked { Lookup::NotRegistered } else { Lookup::Key(Arc::clone(&registration.key)) };
        }
        if (sender.agency.as_str(), sender.connector.as_str()) == AUTHORITY {
            match &self.authority {
                Some((id, key)) if id == key_id && !revoked => return Lookup::Key(Arc::clone(key)),
                Some(_) => {}
                None => return Lookup::Unknown,
            }
        }
        match self.by_hand.get(key_id) {
            _ if self.complete => Lookup::NotRegistered,
            Some(key) => Lookup::Key(Arc::clone(key)),
            None => Lookup::Unknown,
        }
    }
}

fn entry(public_key: [u8; 32]) -> (KeyId, Arc<VerifyingKey>) {
    (simpul_signing::key_id(&public_key), Arc::new(VerifyingKey::from_bytes(public_key)))
}
