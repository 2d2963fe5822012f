//! The first submission of a realm: the directory authority declares agencies, connectors, keys and the policy, signed
//! like any other submission. The hub admits it on its first start.

use bytes::Bytes;
use prost::Message;
use simpul_proto::{directory, v1};
use simpul_signing::{SUBMISSION_TYPE, SigningKey};
use simpul_types::{ExpectedVersion, Header, IdSource, Sender, Statement, Timestamp};

use super::AgencySeed;

/// Days that the agreements of a development realm run: ten years.
const FRAME_DAYS: i64 = 3_650;

/// A directory event before it has an id.
pub(super) struct Draft {
    event_type: &'static str,
    stream: String,
    payload: Vec<u8>,
}

/// All directory events of a new realm, agencies before what hangs on them.
pub(super) fn events(
    agencies: &[AgencySeed],
    keys: &[(Sender, [u8; 32])],
    now: Timestamp,
    further_policies: &str,
) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for agency in agencies {
        drafts.push(Draft {
            event_type: "simpul.directory.v1.AgencyDeclared",
            stream: format!("directory/agency-{}", agency.code),
            payload: directory::AgencyDeclared {
                code: agency.code.clone(),
                name: agency.name.clone(),
                kind: agency.kind.clone(),
            }
            .encode_to_vec(),
        });
    }
    for (sender, public_key) in keys {
        // A stream's ref is at most 64 characters, less than two names together; the key id is short and unique.
        let reference = simpul_signing::key_id(public_key);
        let (agency, connector) = (sender.agency.to_string(), sender.connector.to_string());
        drafts.push(Draft {
            event_type: "simpul.directory.v1.ConnectorDeclared",
            stream: format!("directory/connector-{reference}"),
            payload: directory::ConnectorDeclared { agency: agency.clone(), connector: connector.clone() }
                .encode_to_vec(),
        });
        drafts.push(Draft {
            event_type: "simpul.directory.v1.KeyRegistered",
            stream: format!("directory/key-{reference}"),
            payload: directory::KeyRegistered {
                agency,
                connector,
                public_key: Bytes::copy_from_slice(public_key),
                valid_from_us: now.as_us(),
                valid_until_us: 0,
                certificate_pem: String::new(),
            }
            .encode_to_vec(),
        });
    }
    for agency in agencies.iter().filter(|agency| agency.kind != "hub") {
        drafts.push(Draft {
            event_type: "simpul.directory.v1.AgreementConcluded",
            stream: format!("directory/agreement-{}", agency.code),
            payload: frame(&agency.code, now).encode_to_vec(),
        });
    }
    for (number, purpose) in purposes().into_iter().enumerate() {
        drafts.push(Draft {
            event_type: "simpul.directory.v1.PurposeDeclared",
            stream: format!("directory/purpose-{number}"),
            payload: purpose.encode_to_vec(),
        });
    }
    drafts.push(Draft {
        event_type: "simpul.directory.v1.PolicyDeclared",
        stream: "directory/policy".into(),
        payload: directory::PolicyDeclared {
            cedar: format!("{}{further_policies}", simpul_policy::first_policy()),
            version: simpul_policy::FIRST_MATRIX_VERSION.into(),
        }
        .encode_to_vec(),
    });
    // The last word of one key alone.
    drafts.push(Draft {
        event_type: "simpul.directory.v1.DualControlBegun",
        stream: "directory/control".into(),
        payload: directory::DualControlBegun { reason: "the realm is set up".into() }.encode_to_vec(),
    });
    drafts
}

/// What data may be processed for, of [`simpul_policy::FIRST_PURPOSES`].
pub(super) fn purposes() -> Vec<directory::PurposeDeclared> {
    #[derive(serde::Deserialize)]
    struct File {
        purpose: Vec<Purpose>,
    }
    #[derive(serde::Deserialize)]
    struct Purpose {
        code: String,
        id: String,
        en: String,
        legal_basis: String,
    }
    let file: File = toml::from_str(simpul_policy::FIRST_PURPOSES).expect("a test reads it");
    let declared = |purpose: Purpose| directory::PurposeDeclared {
        purpose: purpose.code,
        title_id: purpose.id,
        title_en: purpose.en,
        legal_basis: purpose.legal_basis,
    };
    file.purpose.into_iter().map(declared).collect()
}

/// What a development realm begins with: each agency is given what policy permits its kind. A realm in use ends these and concludes
/// narrow ones.
fn frame(agency: &str, now: Timestamp) -> directory::AgreementConcluded {
    let all = || vec!["*".to_owned()];
    directory::AgreementConcluded {
        agreement: format!("frame-{agency}"),
        providers: all(),
        consumer: agency.into(),
        actions: all(),
        purposes: all(),
        resources: all(),
        field_classes: all(),
        legal_basis: "Perpres 49/2023".into(),
        valid_from_us: now.as_us(),
        valid_until_us: now.as_us() + FRAME_DAYS * 86_400_000_000,
        answers_a_day: 0,
        jurisdictions: Vec::new(),
    }
}

/// Encodes and signs them as one submission of `directory/authority`.
pub(super) fn submission(key: &SigningKey, drafts: &[Draft], now: Timestamp, ids: &dyn IdSource) -> Vec<u8> {
    let events: Vec<v1::SubmittedEvent> = drafts.iter().map(|draft| event(draft, now, ids)).collect();
    let statement: Bytes = Statement {
        submission_id: ids.submission_id(),
        sender: Sender {
            agency: "directory".parse().expect("a valid agency code"),
            connector: "authority".parse().expect("a valid connector name"),
        },
        first_sequence: 1,
        event_count: u32::try_from(events.len()).expect("a realm has fewer than 2^32 agencies"),
        events_root: simpul_tlog::tree_hash(events.iter().map(|event| event.header.as_ref())),
        created_at: now,
    }
    .to_wire()
    .encode_to_vec()
    .into();
    v1::Submission {
        signature: Bytes::copy_from_slice(&key.sign_dsse(SUBMISSION_TYPE, &statement)),
        statement,
        key_id: key.key_id().as_str().into(),
        events,
    }
    .encode_to_vec()
}

fn event(draft: &Draft, now: Timestamp, ids: &dyn IdSource) -> v1::SubmittedEvent {
    let salt = simpul_signing::random::<32>();
    let header = Header {
        event_id: ids.event_id(),
        event_type: draft.event_type.parse().expect("a name of the catalogue"),
        stream: draft.stream.parse().expect("a source and a short ref of the stream alphabet"),
        expected: ExpectedVersion::NoStream,
        occurred_at: now,
        purpose: "DIRECTORY".parse().expect("a valid purpose"),
        legal_basis: "Perpres 49/2023".into(),
        data_category: "general".into(),
        payload_commitment: simpul_signing::commitment(&salt, &draft.payload),
        correlation_id: None,
        causation_id: None,
        traceparent: String::new(),
    };
    v1::SubmittedEvent {
        header: header.to_wire().encode_to_vec().into(),
        salt: Bytes::copy_from_slice(&salt),
        payload: draft.payload.clone().into(),
    }
}
