//! Directory records as messages.

use bytes::Bytes;
use simpul_policy::{AgencyRecord, Agreement, ConnectorRecord, KeyRecord, Proposal};
use simpul_proto::v1;
use simpul_types::{ConnectorName, KeyId, Timestamp};

pub(crate) fn agency(record: &AgencyRecord) -> v1::Agency {
    v1::Agency {
        code: record.code.as_str().into(),
        name: record.name.clone(),
        kind: record.kind.clone(),
        connectors: record.connectors.iter().map(connector).collect(),
    }
}

fn connector((name, record): (&ConnectorName, &ConnectorRecord)) -> v1::Connector {
    v1::Connector { name: name.as_str().into(), keys: record.keys.iter().map(key).collect() }
}

/// The authority's first key counts since ever, which the wire shows as 0.
fn key((key_id, record): (&KeyId, &KeyRecord)) -> v1::RegisteredKey {
    let time = |time: Option<Timestamp>| time.map_or(0, |time| time.as_us().max(0));
    v1::RegisteredKey {
        key_id: key_id.as_str().into(),
        public_key: Bytes::copy_from_slice(&record.public_key),
        valid_from_us: time(Some(record.valid_from)),
        valid_until_us: time(record.valid_until),
        revoked_at_us: time(record.revoked_at),
    }
}

pub(crate) fn agreement(agreement: &Agreement, now: Timestamp) -> v1::Agreement {
    v1::Agreement {
        agreement: agreement.reference.clone(),
        providers: agreement.providers.to_wire(),
        consumer: agreement.consumer.to_string(),
        actions: agreement.actions.to_wire(),
        purposes: agreement.purposes.to_wire(),
        resources: agreement.resources.to_wire(),
        field_classes: agreement.field_classes.to_wire(),
        legal_basis: agreement.legal_basis.clone(),
        valid_from_us: agreement.valid_from.as_us(),
        valid_until_us: agreement.valid_until.as_us(),
        answers_a_day: agreement.answers_a_day.unwrap_or(0),
        ended_at_us: agreement.ended_at.map_or(0, Timestamp::as_us),
        in_force: agreement.in_force(now),
        position: agreement.position.get(),
    }
}

pub(crate) fn proposal(proposal: &Proposal, now: Timestamp) -> v1::DirectoryProposal {
    v1::DirectoryProposal {
        proposal: proposal.reference.clone(),
        r#type: proposal.event_type.clone(),
        payload: proposal.payload.clone().into(),
        reason: proposal.reason.clone(),
        expires_at_us: proposal.expires_at.as_us(),
        proposed_by: proposal.proposed_by.to_string(),
        digest: proposal.digest.to_vec().into(),
        state: proposal.state(now).into(),
        position: proposal.position.get(),
    }
}
