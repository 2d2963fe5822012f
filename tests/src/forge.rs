//! Submissions made by hand, right or wrong in exactly one place, sent past the SDK.

use bytes::Bytes;
use prost::Message;
use simpul_connector::{ClientConfig, connect_channel};
use simpul_proto::v1::{self, submission_service_client::SubmissionServiceClient};
use simpul_signing::{SUBMISSION_TYPE, SigningKey, commitment};
use simpul_types::{Clock, IdSource, Sender, clock::System};
use tonic::transport::Channel;

use crate::drafts;

/// A submission before it is signed. Change what you like, then [`Forge::sign`].
pub struct Forge {
    /// What will be signed.
    pub statement: v1::SubmissionStatement,
    /// Headers, salts and payloads.
    pub events: Vec<(v1::EventHeader, Vec<u8>, Vec<u8>)>,
    /// The key.
    pub key: SigningKey,
}

impl Forge {
    /// A right submission of placements with these numbers.
    ///
    /// # Panics
    /// Where the signing key cannot be read.
    pub fn new(config: &ClientConfig, first_sequence: u64, numbers: std::ops::Range<u64>) -> Self {
        let text = std::fs::read_to_string(&config.signing_key).expect("the signing key is there");
        let key = SigningKey::from_text(&text).expect("the signing key is one");
        let events: Vec<_> = numbers.map(event).collect();
        let Sender { agency, connector } = config.sender();
        let statement = v1::SubmissionStatement {
            version: 1,
            submission_id: Bytes::copy_from_slice(&System.uuid_v7()),
            agency: agency.as_str().into(),
            connector: connector.as_str().into(),
            first_sequence,
            event_count: events.len() as u32,
            events_root: Bytes::new(),
            created_at_us: System.now().as_us(),
        };
        Self { statement, events, key }
    }

    /// Fills in the events root and signs.
    pub fn sign(mut self) -> v1::Submission {
        let events: Vec<_> = std::mem::take(&mut self.events)
            .into_iter()
            .map(|(header, salt, payload)| v1::SubmittedEvent {
                header: header.encode_to_vec().into(),
                salt: salt.into(),
                payload: payload.into(),
            })
            .collect();
        if self.statement.events_root.is_empty() {
            let root = simpul_tlog::tree_hash(events.iter().map(|event| event.header.as_ref()));
            self.statement.events_root = Bytes::copy_from_slice(&root);
        }
        let statement = self.statement.encode_to_vec();
        let signature = self.key.sign_dsse(SUBMISSION_TYPE, &statement);
        v1::Submission {
            statement: statement.into(),
            signature: Bytes::copy_from_slice(&signature),
            key_id: self.key.key_id().to_string(),
            events,
        }
    }
}

/// A right event: header, salt, payload.
pub fn event(number: u64) -> (v1::EventHeader, Vec<u8>, Vec<u8>) {
    let payload = drafts::placement(number, 200).encode_to_vec();
    let salt = simpul_signing::random::<32>().to_vec();
    let any = v1::expected_version::Kind::Any(v1::expected_version::Any {});
    let header = v1::EventHeader {
        version: 1,
        event_id: Bytes::copy_from_slice(&System.uuid_v7()),
        r#type: "simpul.registry.v1.PlacementRecorded".into(),
        stream: format!("sisko-placement/t{number}"),
        expected: Some(v1::ExpectedVersion { kind: Some(any) }),
        occurred_at_us: System.now().as_us(),
        purpose: "PLACEMENT".into(),
        legal_basis: "UU 18/2017".into(),
        data_category: "general".into(),
        payload_commitment: Bytes::copy_from_slice(&commitment(&salt, &payload)),
        ..Default::default()
    };
    (header, salt, payload)
}

/// Puts a new payload behind a header and commits to it.
pub fn recommit(event: &mut (v1::EventHeader, Vec<u8>, Vec<u8>), payload: Vec<u8>) {
    event.2 = payload;
    event.0.payload_commitment = Bytes::copy_from_slice(&commitment(&event.1, &event.2));
}

/// A bare gRPC client with a connector's certificate.
///
/// # Panics
/// Where the hub cannot be reached.
pub async fn service(config: &ClientConfig) -> SubmissionServiceClient<Channel> {
    let channel = connect_channel(&config.tls_files()).await.expect("the hub is reached");
    SubmissionServiceClient::new(channel).max_encoding_message_size(64 << 20)
}
