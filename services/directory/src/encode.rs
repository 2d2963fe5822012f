//! Directory records as messages.

use bytes::Bytes;
use simpul_policy::{
    AgencyRecord, Agreement, ConnectorRecord, KeyRecord, OfficialRecord, Proposal, PurposeRecord, Rules,
    Those, UnitRecord,
};
use simpul_proto::v1;
use simpul_types::{AgencyCode, ConnectorName, KeyId, Purpose, Timestamp};

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
        jurisdictions: match &agreement.jurisdictions {
            Those::All => Vec::new(),
            these @ Those::Some(_) => these.to_wire(),
        },
    }
}

pub(crate) fn unit(record: &UnitRecord) -> v1::Unit {
    let succession = record.succession.as_ref();
    v1::Unit {
        unit: record.unit.clone(),
        agency: record.agency.to_string(),
        name: record.name.clone(),
        parent: record.parent.clone().unwrap_or_default(),
        jurisdiction: record.jurisdiction.iter().map(ToString::to_string).collect(),
        valid_from_us: record.valid_from.as_us(),
        successors: succession.map(|end| end.successors.clone()).unwrap_or_default(),
        succeeded_at_us: succession.map_or(0, |end| end.at.as_us()),
        decision_no: succession.map(|end| end.decision_no.clone()).unwrap_or_default(),
    }
}

pub(crate) fn official(
    (agency, official, record): (&AgencyCode, &str, &OfficialRecord),
    now: Timestamp,
) -> v1::Official {
    v1::Official {
        official: official.into(),
        agency: agency.to_string(),
        unit: record.unit.clone().unwrap_or_default(),
        valid_from_us: record.valid_from.as_us(),
        valid_until_us: record.valid_until.map_or(0, Timestamp::as_us),
        counts: record.counts(now),
    }
}

pub(crate) fn purpose((purpose, record): (&Purpose, &PurposeRecord)) -> v1::DeclaredPurpose {
    v1::DeclaredPurpose {
        purpose: purpose.to_string(),
        title_id: record.title_id.clone(),
        title_en: record.title_en.clone(),
        legal_basis: record.legal_basis.clone(),
        ended_at_us: record.ended_at.map_or(0, Timestamp::as_us),
    }
}

pub(crate) fn rule_book(rules: &Rules) -> v1::RuleBook {
    v1::RuleBook { version: rules.version.to_string(), digest: Bytes::copy_from_slice(&rules.digest) }
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
