//! How people name an event.

use std::str::FromStr;

use simpul_types::EventId;

/// An event's id, or its position.
#[derive(Clone, Copy, Debug)]
pub enum EventName {
    /// UUID of version 7.
    Id(EventId),
    /// Gapless number in the log.
    Position(u64),
}

impl FromStr for EventName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(position) = text.parse() {
            return Ok(Self::Position(position));
        }
        text.parse().map(Self::Id).map_err(|_| "neither a position nor a UUID of version 7".into())
    }
}
