//! Evidence bundles: what an oversight body takes to where no hub is.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::stream;
use simpul_audit::{
    EVERYBODY,
    bundle::{self, BundleError, BundleSource, make_bundle},
};
use simpul_log::Reader;
use simpul_policy::{AUTHORITY_AGENCY, AUTHORITY_CONNECTOR, Action, Directory};
use simpul_proto::v1::{self, evidence_bundle, get_bundle_request};
use simpul_types::{EventId, Header, KeyId, Position, Sender, StreamName};
use tonic::{Request, Response, Status};

use crate::{
    Answers, AuditEdge,
    gate::Answered,
    proofs::LOG,
    records,
    replay::{Opened, classes_of},
    status,
};

/// Bytes of one message, far below gRPC's usual 4 MiB.
const CHUNK_BYTES: usize = 256 << 10;
/// Bytes of a case's reference.
const CASE_REF_BYTES_MAX: usize = 128;

/// What was asked for, its form checked.
enum Wanted {
    Position(Position),
    Event(EventId),
    Stream(StreamName),
    Case(String),
}

/// What the log holds of it.
struct Found {
    subject: evidence_bundle::Subject,
    positions: Vec<Position>,
    case_ref: String,
}

pub(crate) async fn bundle(
    edge: &AuditEdge,
    request: Request<v1::GetBundleRequest>,
) -> Result<Response<Answers<v1::BundlePart>>, Status> {
    let asked = request.get_ref();
    let visit = edge.gate.enter(&request, "audit.bundle", &asked.official, Some(&asked.purpose))?;
    let wanted = wanted(asked)?;
    let mut decision = edge.gate.allow(&visit, Action::Replay, LOG).await?;
    let opened = Opened::by(&visit);
    let (worker, directory) = (edge.clone(), visit.directory());
    let (policies, quotas) = (opened.policies.clone(), opened.quotas.clone());
    let agency = visit.agency().to_string();
    let made = tokio::task::spawn_blocking(move || -> Result<_, Status> {
        let Some(found) = find(&worker, wanted)? else { return Ok(None) };
        let bundle = make(&worker, &directory, &found, &agency, &opened)?;
        // Whoever is shown events, sealed or not, looked at those whom they concern.
        let subjects = match &worker.records {
            Some(records) => records.concerned(&found.positions).map_err(|error| records::unread(&*error))?,
            None => vec![EVERYBODY],
        };
        Ok(Some((found, bundle, subjects)))
    });
    let end = edge.reader.head().end;
    let (found, mut bundle, subjects) = match made.await.map_err(status::of_join)? {
        Ok(Some(made)) => made,
        Ok(None) => {
            edge.gate.record(&visit, &decision, Answered::plain("NO_RECORD", end)).await?;
            return Err(Status::not_found("the log holds no event of this"));
        }
        Err(status) => {
            let class = if status.code() == tonic::Code::Internal { "FAULT" } else { "OUT_OF_RANGE" };
            edge.gate.record(&visit, &decision, Answered::plain(class, end)).await?;
            return Err(status);
        }
    };
    let disclosed = disclosed(&bundle);
    if !disclosed.is_empty() {
        decision.policies.extend(policies);
        decision.quotas.extend(quotas);
    }
    let classes: BTreeSet<_> = disclosed.iter().flat_map(|event_type| classes_of(event_type)).collect();
    let disclosed = classes.into_iter().copied().collect();
    let answered = Answered { class: "BUNDLE", disclosed, position: end, case_ref: found.case_ref, subjects };
    bundle.access_entry = edge.gate.record(&visit, &decision, answered).await?;
    Ok(Response::new(Box::pin(stream::iter(chunks(bundle::encode(&bundle))))))
}

/// A file in pieces.
pub(crate) fn chunks(file: Bytes) -> impl Iterator<Item = Result<v1::BundlePart, Status>> {
    (0..file.len().div_ceil(CHUNK_BYTES)).map(move |number| {
        let from = number * CHUNK_BYTES;
        Ok(v1::BundlePart { chunk: file.slice(from..file.len().min(from + CHUNK_BYTES)) })
    })
}

fn wanted(asked: &v1::GetBundleRequest) -> Result<Wanted, Status> {
    use get_bundle_request::Subject as S;
    let malformed =
        |field: &str, rule: &dyn std::fmt::Display| Err(Status::invalid_argument(format!("{field}: {rule}")));
    match &asked.subject {
        Some(S::Position(position)) => Ok(Wanted::Position(Position::new(*position))),
        Some(S::EventId(id)) => match EventId::from_wire(id) {
            Ok(id) => Ok(Wanted::Event(id)),
            Err(error) => malformed("event_id", &error),
        },
        Some(S::Stream(stream)) => match stream.parse() {
            Ok(stream) => Ok(Wanted::Stream(stream)),
            Err(error) => malformed("stream", &error),
        },
        Some(S::CaseRef(text)) => {
            let right = (1..=CASE_REF_BYTES_MAX).contains(&text.trim().len());
            if right && !text.chars().any(char::is_control) {
                Ok(Wanted::Case(text.clone()))
            } else {
                malformed("case_ref", &"1 to 128 bytes, no control characters")
            }
        }
        None => malformed("subject", &"a position, an event id, a stream or a case is required"),
    }
}

/// The events of what was asked for; `None` where there are none.
fn find(edge: &AuditEdge, wanted: Wanted) -> Result<Option<Found>, Status> {
    use evidence_bundle::Subject as S;
    let one = |position: Position| Found {
        subject: S::Position(position.get()),
        positions: vec![position],
        case_ref: String::new(),
    };
    Ok(match wanted {
        Wanted::Position(position) => Some(one(position)),
        Wanted::Event(id) => edge.reader.find_event(&id).map(one),
        Wanted::Stream(stream) => {
            let positions = edge.reader.stream(&stream);
            let subject = S::Stream(stream.to_string());
            let found = Found { subject, positions, case_ref: String::new() };
            (!found.positions.is_empty()).then_some(found)
        }
        Wanted::Case(reference) => {
            let case = edge.records()?.events_of(&reference).map_err(|error| records::unread(&*error))?;
            case.map(|case| Found {
                subject: S::CaseRef(case.case_ref.clone()),
                positions: case.positions,
                case_ref: case.case_ref,
            })
        }
    })
}

fn make(
    edge: &AuditEdge,
    directory: &Directory,
    found: &Found,
    agency: &str,
    opened: &Opened,
) -> Result<v1::EvidenceBundle, Status> {
    let authority_key = authority_key(directory)
        .ok_or_else(|| Status::internal("the directory does not hold its authority's key"))?;
    let make = |checkpoint: (String, u64)| {
        let source = BundleSource {
            reader: &edge.reader,
            checkpoint,
            opens: &|event_type, provider| opened.has(event_type, provider),
            registered: &|sender, key_id| registered(directory, sender, key_id),
            authority_key,
        };
        make_bundle(&source, found.subject.clone(), agency, &found.positions)
    };
    // What witnesses cosigned is better evidence; what is younger than that has the log's own signature.
    let made = match make(edge.published()) {
        Err(BundleError::NotYet { .. }) => make(newest(&edge.reader)),
        made => made,
    };
    made.map_err(|error| status::of_bundle(&error))
}

pub(crate) fn newest(reader: &Reader) -> (String, u64) {
    let head = reader.head();
    (head.checkpoint.clone(), head.size.get())
}

fn registered(directory: &Directory, sender: &Sender, key_id: &KeyId) -> Vec<Position> {
    let agency = directory.agency(&sender.agency);
    let connector = agency.and_then(|agency| agency.connectors.get(&sender.connector));
    let Some(key) = connector.and_then(|connector| connector.keys.get(key_id)) else { return Vec::new() };
    key.registered.iter().chain(&key.proposed).chain(&key.revocations).copied().collect()
}

/// The key that was there before any event.
fn authority_key(directory: &Directory) -> Option<[u8; 32]> {
    let agency = directory.agency(&AUTHORITY_AGENCY.parse().ok()?)?;
    let connector = agency.connectors.get(&AUTHORITY_CONNECTOR.parse().ok()?)?;
    connector.keys.values().find(|key| key.registered.is_none()).map(|key| key.public_key)
}

/// Types of the events whose payloads the bundle discloses, the directory's own aside.
fn disclosed(bundle: &v1::EvidenceBundle) -> BTreeSet<String> {
    let events = bundle.leaves.iter().flat_map(|leaf| &leaf.events).filter(|event| !event.opened.is_empty());
    let headers = events.filter_map(|event| Header::decode(&event.header, "header").ok());
    headers.map(|header| header.event_type.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_required_and_named_where_it_is_wrong() {
        let of = |subject| {
            let asked = v1::GetBundleRequest { subject, ..Default::default() };
            wanted(&asked).map(drop).map_err(|status| status.message().to_string())
        };
        use get_bundle_request::Subject as S;
        assert!(of(Some(S::Position(7))).is_ok());
        for (subject, field) in [
            (None, "subject"),
            (Some(S::EventId(Bytes::from_static(b"short"))), "event_id"),
            (Some(S::Stream("no slash".into())), "stream"),
            (Some(S::CaseRef("  ".into())), "case_ref"),
        ] {
            let message = of(subject).expect_err(field);
            assert!(message.starts_with(field), "{message}");
        }
    }
}
