//! Directory records as messages.

use bytes::Bytes;
use simpul_policy::{AgencyRecord, ConnectorRecord, KeyRecord};
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
