//! Replay: leaves and events in order, sealed, or opened where the caller's policy opens payloads of that type.
//!
//! The log is read on a blocking thread, which waits for the client through a bounded channel; a client that goes away
//! ends it. Policy is asked once, under one snapshot of the directory, and the access entry is durable before the first
//! leaf leaves (QRY-1).

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use prost::Message;
use simpul_audit::EVERYBODY;
use simpul_log::{ReadError, Reader, StoredEvent, StoredLeaf};
use simpul_policy::Action;
use simpul_proto::{catalogue::EVENT_TYPES, v1};
use simpul_types::{AgencyCode, FieldClass, Leaf, Position, StreamName};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::{
    Answers, AuditEdge,
    gate::{Answered, Visit},
    proofs::LOG,
    status,
};

/// Frames read ahead of the client; a frame is about 256 KiB.
const FRAMES_AHEAD_MAX: usize = 4;

/// A leaf with more event bytes than this comes in several messages, so that clients with gRPC's usual limit of 4 MiB a
/// message can take any leaf. The largest event, sealed and opened, fits twice on top.
const MESSAGE_EVENT_BYTES: usize = 1 << 20;

pub(crate) async fn replay(
    edge: &AuditEdge,
    request: Request<v1::ReplayRequest>,
) -> Result<Response<Answers<v1::ReplayLeaf>>, Status> {
    let asked = request.get_ref();
    let visit = edge.gate.enter(&request, "audit.replay", &asked.official, Some(&asked.purpose))?;
    let stream = match asked.stream.as_str() {
        "" => None,
        name => Some(name.parse().map_err(|error| Status::invalid_argument(format!("stream: {error}")))?),
    };
    let (from, until) = (asked.from_position, asked.until_position);
    let decision = edge.gate.allow(&visit, Action::Replay, LOG).await?;

    let end = edge.reader.head().end;
    let until = if until == 0 { end } else { Position::new(until) };
    let from = Position::new(from);
    if from > until || until > end {
        edge.gate.record(&visit, &decision, Answered::plain("OUT_OF_RANGE", end)).await?;
        return Err(Status::out_of_range(format!("positions {from}..{until}; the log ends at {end}")));
    }

    let opened = Opened::by(&visit);
    let mut record = decision.clone();
    record.policies.extend(opened.policies.iter().cloned());
    record.quotas.extend(opened.quotas.clone());
    // What is opened may be about anybody on record; what stays sealed shows nobody.
    let disclosed = opened.disclosed();
    let subjects = if disclosed.is_empty() { Vec::new() } else { vec![EVERYBODY] };
    let answered = Answered { disclosed, subjects, ..Answered::plain("REPLAY", until) };
    edge.gate.record(&visit, &record, answered).await?;

    let (frames, receiver) = mpsc::channel(FRAMES_AHEAD_MAX);
    let reader = edge.reader.clone();
    tokio::task::spawn_blocking(move || {
        let work = Work { reader, opened, until, frames: &frames };
        let outcome = match stream {
            Some(stream) => work.stream(&stream, from),
            None => work.range(from),
        };
        if let Err(error) = outcome {
            // A client that has gone needs no error either.
            let _ = frames.blocking_send(Err(status::of_read(&error)));
        }
    });
    Ok(Response::new(flatten(receiver)))
}

/// One message after another from batches of them.
pub(crate) fn flatten<T: Send + 'static>(receiver: mpsc::Receiver<Result<Vec<T>, Status>>) -> Answers<T> {
    let messages = ReceiverStream::new(receiver).flat_map(|batch| {
        stream::iter(match batch {
            Ok(messages) => messages.into_iter().map(Ok).collect(),
            Err(status) => vec![Err(status)],
        })
    });
    Box::pin(messages)
}

/// Which event types the caller may see in clear.
pub(crate) struct Opened {
    /// Whoever brought the event.
    types: BTreeSet<&'static str>,
    /// Where it is otherwise for what one agency brought.
    named: BTreeMap<AgencyCode, BTreeSet<&'static str>>,
    pub(crate) policies: BTreeSet<String>,
    pub(crate) quotas: BTreeMap<String, u32>,
}

impl Opened {
    pub(crate) fn by(visit: &Visit) -> Self {
        let (mut policies, mut quotas) = (BTreeSet::new(), BTreeMap::new());
        let mut of = |provider: Option<&AgencyCode>| {
            let mut types = BTreeSet::new();
            for event_type in EVENT_TYPES.iter().copied() {
                let decision = visit.may_open(event_type, provider);
                if decision.allowed {
                    types.insert(event_type);
                    policies.extend(decision.grounds());
                    quotas.extend(decision.quotas.iter().cloned());
                }
            }
            types
        };
        let types = of(None);
        let directory = visit.directory();
        let named = directory.named_providers(visit.agency_code());
        let named = named.into_iter().map(|provider| (provider.clone(), of(Some(provider)))).collect();
        Self { types, named, policies, quotas }
    }

    /// Whether an event of that type is opened that this agency brought.
    pub(crate) fn has(&self, event_type: &str, provider: &AgencyCode) -> bool {
        self.named.get(provider).unwrap_or(&self.types).contains(event_type)
    }

    fn is_empty(&self) -> bool {
        self.types.is_empty() && self.named.values().all(BTreeSet::is_empty)
    }

    fn disclosed(&self) -> Vec<FieldClass> {
        let types = self.named.values().flatten().chain(&self.types);
        let classes: BTreeSet<_> = types.flat_map(|event_type| classes_of(event_type)).collect();
        classes.into_iter().copied().collect()
    }
}

/// What a whole payload of a type can tell; the proto comments say it field by field.
pub(crate) fn classes_of(event_type: &str) -> &'static [FieldClass] {
    use FieldClass as C;
    match event_type {
        "simpul.registry.v1.PlacementRecorded" => &[C::Reference, C::Identity, C::Placement, C::Health],
        "simpul.registry.v1.LicenceRecorded" => &[C::Placement],
        "simpul.police.v1.CaseUpdated" => &[C::Reference, C::Identity, C::Suspect],
        "simpul.embassy.v1.ScreeningSubmitted" => {
            &[C::Reference, C::Identity, C::Screening, C::ScreeningResult]
        }
        directory if directory.starts_with("simpul.directory.v1.") => &[C::Reference],
        // Intake, and any type that comes to the catalogue before it comes here.
        _ => FieldClass::ALL,
    }
}

/// The one field of a header that opening needs.
#[derive(Clone, PartialEq, Message)]
struct TypeOfHeader {
    #[prost(string, tag = "3")]
    r#type: String,
}

/// One replay on its blocking thread.
struct Work<'a> {
    reader: Reader,
    opened: Opened,
    until: Position,
    frames: &'a mpsc::Sender<Result<Vec<v1::ReplayLeaf>, Status>>,
}

impl Work<'_> {
    fn range(&self, from: Position) -> Result<(), ReadError> {
        let mut scan = self.reader.scan(from);
        while scan.position() < self.until {
            let Some(leaves) = scan.next_frame()? else { return Ok(()) };
            let mut messages = Vec::with_capacity(leaves.len());
            for mut leaf in leaves {
                leaf.events.retain(|event| event.position < self.until);
                self.push(leaf, &mut messages)?;
            }
            if self.send(messages).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn stream(&self, stream: &StreamName, from: Position) -> Result<(), ReadError> {
        let mut wanted = self.reader.stream(stream);
        wanted.retain(|position| (from..self.until).contains(position));
        let mut wanted = &wanted[..];
        while !wanted.is_empty() {
            let leaf = self.reader.leaf_with(wanted)?;
            wanted = &wanted[leaf.events.len()..];
            let mut messages = Vec::new();
            self.push(leaf, &mut messages)?;
            if self.send(messages).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn send(&self, messages: Vec<v1::ReplayLeaf>) -> Result<(), ()> {
        self.frames.blocking_send(Ok(messages)).map_err(drop)
    }

    /// The leaf as one message, or as several where its events are many bytes.
    fn push(&self, leaf: StoredLeaf, messages: &mut Vec<v1::ReplayLeaf>) -> Result<(), ReadError> {
        let mut events = Vec::with_capacity(leaf.events.len());
        let mut bytes = 0;
        let message = |events: Vec<v1::ReplayEvent>| v1::ReplayLeaf {
            leaf_index: leaf.index.get(),
            leaf: leaf.bytes.clone(),
            events,
        };
        let provider = match self.opened.is_empty() {
            true => None,
            false => Leaf::decode(&leaf.bytes).ok().map(|leaf| leaf.statement.sender.agency),
        };
        for event in &leaf.events {
            let opened = match &provider {
                Some(provider) => self.open(event, provider)?,
                None => Bytes::new(),
            };
            bytes += event.header.len() + event.sealed.len() + opened.len();
            events.push(v1::ReplayEvent {
                position: event.position.get(),
                header: event.header.clone(),
                sealed: event.sealed.clone(),
                opened,
            });
            if bytes >= MESSAGE_EVENT_BYTES {
                messages.push(message(std::mem::take(&mut events)));
                bytes = 0;
            }
        }
        if !events.is_empty() {
            messages.push(message(events));
        }
        Ok(())
    }

    /// salt ‖ payload where policy opens the type; empty otherwise.
    fn open(&self, event: &StoredEvent, provider: &AgencyCode) -> Result<Bytes, ReadError> {
        let header = TypeOfHeader::decode(&event.header[..]).unwrap_or_default();
        if !self.opened.has(&header.r#type, provider) {
            return Ok(Bytes::new());
        }
        let opened = match self.reader.open_payload(event) {
            Ok(opened) => opened,
            // Sealed for ever, as for everybody.
            Err(error) if error.erased_by().is_some() => return Ok(Bytes::new()),
            Err(error) => return Err(error),
        };
        let mut clear = BytesMut::with_capacity(opened.salt.len() + opened.payload.len());
        clear.extend_from_slice(&opened.salt);
        clear.extend_from_slice(&opened.payload);
        Ok(clear.freeze())
    }
}
