//! The hub as an agency among others: what it has to say of its own goes through every stage of admission (ADM-1), signed with
//! a key that the directory lists, in a connector's sequence without gap.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use simpul_admission::Admission;
use simpul_proto::v1;
use simpul_signing::{SUBMISSION_TYPE, SigningKey, commitment};
use simpul_types::{
    Caller, Clock, EventType, ExpectedVersion, Header, IdSource, Receipt, Rejection, Sender, Statement,
    StreamName,
};
use tokio::sync::Mutex;

/// Agency that the hub submits as.
pub const AGENCY: &str = "simpul";
/// Its connector.
pub const CONNECTOR: &str = "hub";

/// One event that the hub submits.
pub(crate) struct Word {
    pub(crate) event_type: &'static str,
    pub(crate) stream: StreamName,
    pub(crate) expected: ExpectedVersion,
    pub(crate) purpose: &'static str,
    pub(crate) payload: Vec<u8>,
}

/// Submits, one event after another.
pub(crate) struct Producer {
    admission: Admission,
    key: SigningKey,
    sender: Sender,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    /// A connector's sequence has no gap: one submission at a time.
    turn: Mutex<()>,
}

impl Producer {
    pub(crate) fn new(
        admission: Admission,
        key: SigningKey,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        let sender = Sender {
            agency: AGENCY.parse().expect("a valid agency code"),
            connector: CONNECTOR.parse().expect("a valid connector name"),
        };
        Self { admission, key, sender, clock, ids, turn: Mutex::default() }
    }

    /// Submits one event; returns after the flush that covers it.
    ///
    /// # Errors
    /// The hub's own rejection.
    pub(crate) async fn say(&self, word: Word) -> Result<Receipt, Rejection> {
        let _turn = self.turn.lock().await;
        let first_sequence = self.admission.next_sequence(&self.sender)?;
        let caller = Caller { sender: self.sender.clone(), certificate: "".into() };
        self.admission.submit(&caller, self.submission(word, first_sequence)).await
    }

    fn submission(&self, word: Word, first_sequence: u64) -> v1::Submission {
        let now = self.clock.now();
        let salt = simpul_signing::random::<32>();
        let event_type: EventType = word.event_type.parse().expect("a name of the catalogue");
        let header = Header {
            event_id: self.ids.event_id(),
            event_type,
            stream: word.stream,
            expected: word.expected,
            occurred_at: now,
            purpose: word.purpose.parse().expect("a valid purpose"),
            legal_basis: "PP 59/2021".into(),
            data_category: "general".into(),
            payload_commitment: commitment(&salt, &word.payload),
            correlation_id: None,
            causation_id: None,
            traceparent: String::new(),
        };
        let event = v1::SubmittedEvent {
            header: header.to_wire().encode_to_vec().into(),
            salt: Bytes::copy_from_slice(&salt),
            payload: word.payload.into(),
        };
        let statement = Statement {
            submission_id: self.ids.submission_id(),
            sender: self.sender.clone(),
            first_sequence,
            event_count: 1,
            events_root: simpul_tlog::tree_hash([event.header.as_ref()].into_iter()),
            created_at: now,
        };
        let statement: Bytes = statement.to_wire().encode_to_vec().into();
        v1::Submission {
            signature: Bytes::copy_from_slice(&self.key.sign_dsse(SUBMISSION_TYPE, &statement)),
            statement,
            key_id: self.key.key_id().as_str().into(),
            events: vec![event],
        }
    }
}
