//! What may follow what in a stream (`EventRule.begins` and `after` in `proto/`): no acceptance without an offer, no arrival before a
//! departure, one hold on a bed. Judged in the same step that gives a submission its place, so that of two agencies that
//! accept at once one is first, and the other is told who was.
//!
//! Public parts only: no payload is opened. The first ten types, whose streams are snapshots, have no order.

use std::collections::HashMap;

use simpul_log::{Appender, Reader};
use simpul_proto::catalogue;
use simpul_types::{AgencyCode, Event, Header, Leaf, Position, RejectReason, Rejection, StreamName};

/// Streams whose newest event is remembered; of more, only what is not readable yet.
const REMEMBERED_MAX: usize = 65_536;

/// The newest event of streams, as far as it was written since the start; of others the log is asked.
#[derive(Default)]
pub(crate) struct Order(HashMap<StreamName, Newest>);

#[derive(Clone)]
struct Newest {
    position: Position,
    event_type: String,
    agency: AgencyCode,
}

impl Order {
    /// Whether each event may stand where it would.
    pub(crate) fn check(
        &self,
        appender: &Appender,
        reader: &Reader,
        agency: &AgencyCode,
        events: &[Event],
    ) -> Result<(), Rejection> {
        let mut ahead: HashMap<&StreamName, Newest> = HashMap::new();
        for (index, Event { header, .. }) in events.iter().enumerate() {
            let Some(kind) = catalogue::kind(header.event_type.as_str()) else { continue };
            let newest = match ahead.get(&header.stream) {
                Some(newest) => Some(newest.clone()),
                None => self.newest(appender, reader, &header.stream)?,
            };
            let before = newest.as_ref().map(|newest| newest.event_type.as_str());
            if !kind.may_follow(before) {
                return Err(refusal(kind, newest.as_ref()).at(format!("events[{index}].header.stream")));
            }
            ahead.insert(
                &header.stream,
                Newest {
                    position: appender.end().plus(index as u64),
                    event_type: header.event_type.to_string(),
                    agency: agency.clone(),
                },
            );
        }
        Ok(())
    }

    /// Who was faster, for whoever expected the stream at an older version: its newest event. `None` for the first ten types, whose
    /// newest events are not remembered, and where nothing can be told.
    pub(crate) fn newest_in_words(
        &self,
        appender: &Appender,
        reader: &Reader,
        header: &Header,
    ) -> Option<String> {
        catalogue::kind(header.event_type.as_str())?;
        let newest = self.newest(appender, reader, &header.stream).ok()?;
        newest.map(|newest| stands(Some(&newest)))
    }

    /// Remembers what was given its place from `first` on.
    pub(crate) fn note(
        &mut self,
        reader: &Reader,
        first: Position,
        agency: &AgencyCode,
        events: &[(StreamName, String)],
    ) {
        if self.0.len() + events.len() > REMEMBERED_MAX {
            let readable = reader.head().end;
            self.0.retain(|_, newest| newest.position >= readable);
        }
        for (index, (stream, event_type)) in events.iter().enumerate() {
            let position = first.plus(index as u64);
            let newest = Newest { position, event_type: event_type.clone(), agency: agency.clone() };
            self.0.insert(stream.clone(), newest);
        }
    }

    /// What is not remembered was written before the start, or is readable since: one record is read, under the gate's lock, the
    /// first time a stream is met.
    fn newest(
        &self,
        appender: &Appender,
        reader: &Reader,
        stream: &StreamName,
    ) -> Result<Option<Newest>, Rejection> {
        if let Some(newest) = self.0.get(stream) {
            return Ok(Some(newest.clone()));
        }
        if appender.stream_version(stream) == 0 {
            return Ok(None);
        }
        let unreadable = || {
            let message = "the newest event of the stream cannot be read; the hub's operator is told where";
            Rejection::new(RejectReason::BrokenChain, message)
        };
        let position = reader.stream(stream).last().copied().ok_or_else(unreadable)?;
        let leaf = reader.leaf_of(position).map_err(|error| {
            tracing::error!(%position, %error, "the newest event of a stream cannot be read");
            unreadable()
        })?;
        let event = leaf.events.iter().find(|event| event.position == position).ok_or_else(unreadable)?;
        let header = Header::decode(&event.header, "header").map_err(|_| unreadable())?;
        let agency = Leaf::decode(&leaf.bytes).map_err(|_| unreadable())?.statement.sender.agency;
        Ok(Some(Newest { position, event_type: header.event_type.to_string(), agency }))
    }
}

/// The streams and types of events that have an order, for [`Order::note`].
pub(crate) fn ordered(events: &[Event]) -> Vec<(StreamName, String)> {
    let all = events.iter().map(|event| (event.header.stream.clone(), event.header.event_type.to_string()));
    if events.iter().any(|event| catalogue::kind(event.header.event_type.as_str()).is_some()) {
        all.collect()
    } else {
        Vec::new()
    }
}

fn refusal(kind: &catalogue::EventKind, newest: Option<&Newest>) -> Rejection {
    let mut places: Vec<String> = kind.after.iter().map(|name| format!("after {}", short(name))).collect();
    if kind.begins {
        places.insert(0, "at the beginning of a stream".into());
    }
    let stands = stands(newest);
    let may =
        if places.is_empty() { "not in a stream of another kind".to_owned() } else { places.join(" or ") };
    Rejection::new(RejectReason::OutOfOrder, format!("{} may stand {may}; {stands}", kind.short_name()))
}

fn stands(newest: Option<&Newest>) -> String {
    match newest {
        None => "the stream has no event yet".to_owned(),
        Some(newest) => format!(
            "the newest event of the stream is {} by {}, at position {}",
            short(&newest.event_type),
            newest.agency,
            newest.position
        ),
    }
}

fn short(name: &str) -> String {
    name.rsplit('.').next().unwrap_or_default().to_owned()
}
