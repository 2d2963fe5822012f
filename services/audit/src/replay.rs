//! Replay: leaves and events in order, sealed, or opened where the caller's policy opens payloads of that type.
//!
//! The log is read on a blocking thread, which waits for the client through a bounded channel; a client that goes away
//! ends it. Policy is asked once, under one snapshot of the directory, and the access entry is durable before the first
//! leaf leaves (QRY-1).

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use prost::Message;
use simpul_log::{ReadError, Reader, StoredEvent, StoredLeaf};
use simpul_policy::Action;
use simpul_proto::{catalogue::EVENT_TYPES, v1};
use simpul_types::{FieldClass, Position, StreamName};
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
    let answered =
        Answered { class: "REPLAY", disclosed: opened.disclosed(), position: until, case_ref: String::new() };
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
    pub(crate) types: BTreeSet<&'static str>,
    pub(crate) policies: BTreeSet<String>,
}

impl Opened {
    pub(crate) fn by(visit: &Visit) -> Self {
        let mut this = Self { types: BTreeSet::new(), policies: BTreeSet::new() };
        for event_type in EVENT_TYPES.iter().copied() {
            let decision = visit.decide(Action::OpenPayload, event_type);
            if decision.allowed {
                this.types.insert(event_type);
                this.policies.extend(decision.policies);
            }
        }
        this
    }

    fn disclosed(&self) -> Vec<FieldClass> {
        let classes: BTreeSet<_> = self.types.iter().flat_map(|event_type| classes_of(event_type)).collect();
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
        for event in &leaf.events {
            let opened = self.open(event)?;
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
    fn open(&self, event: &StoredEvent) -> Result<Bytes, ReadError> {
        if self.opened.types.is_empty() {
            return Ok(Bytes::new());
        }
        let header = TypeOfHeader::decode(&event.header[..]).unwrap_or_default();
        if !self.opened.types.contains(header.r#type.as_str()) {
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
