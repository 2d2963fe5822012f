//! The events that peers store: as large as Simpul's, and no better to compress than ciphertext.

use uuid::Uuid;

/// Payload of one event, bytes; the same as Simpul's.
pub const PAYLOAD_BYTES: usize = 600;
/// Type of every event.
pub const TYPE: &str = "simpul.registry.v1.PlacementRecorded";

/// Streams that take turns, as in Simpul's own events.
const STREAMS_IN_TURN: u64 = 1_000;

/// One event to append.
pub struct Event {
    pub id: Uuid,
    pub stream: String,
    /// Position in its stream.
    pub version: i64,
    pub payload: Vec<u8>,
}

/// Makes events that no earlier run made.
pub struct Source {
    run: String,
    events_per_stream: u64,
    payload: Vec<u8>,
}

impl Source {
    pub fn new(events_per_stream: u64) -> Self {
        let run = Uuid::new_v4().simple().to_string();
        let payload = std::iter::repeat_with(|| Uuid::new_v4().into_bytes()).flatten();
        Self { run: run[..8].into(), events_per_stream, payload: payload.take(PAYLOAD_BYTES).collect() }
    }

    /// Events `from..from + count` of this run.
    pub fn events(&self, from: u64, count: usize) -> Vec<Event> {
        (from..from + count as u64).map(|number| self.event(number)).collect()
    }

    fn event(&self, number: u64) -> Event {
        let mut payload = self.payload.clone();
        payload[..8].copy_from_slice(&number.to_le_bytes());
        let (block, place) = (number / (STREAMS_IN_TURN * self.events_per_stream), number % STREAMS_IN_TURN);
        Event {
            id: Uuid::new_v4(),
            stream: format!("placement-{}-{}", self.run, block * STREAMS_IN_TURN + place),
            version: (number / STREAMS_IN_TURN % self.events_per_stream) as i64,
            payload,
        }
    }
}
