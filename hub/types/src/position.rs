//! Where things stand in the log and in time.
//!
//! ```text
//! positions   0   1   2   3   4   5        one per event
//! leaves      └───0───┘   1   └─2─┘        one per submission
//! end of the log: 6, the position of the next event
//! ```

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// The first one.
            pub const ZERO: Self = Self(0);

            /// From its number.
            pub const fn new(value: u64) -> Self {
                Self(value)
            }

            /// Its number.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// `count` further on.
            ///
            /// # Panics
            /// On overflow, which 584 thousand years at a million events per second do not reach.
            #[must_use]
            pub fn plus(self, count: u64) -> Self {
                Self(self.0.checked_add(count).expect("positions fit 64 bits"))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// Gapless number of an event in the log, from 0. As an end it is exclusive: the position of the next event.
    Position
}
number! {
    /// Index of a submission's leaf in the Merkle tree, from 0. As an end it is exclusive: the size of the tree.
    LeafIndex
}

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the epoch.
    pub const fn from_us(us: i64) -> Self {
        Self(us)
    }

    /// Microseconds since the epoch.
    pub const fn as_us(self) -> i64 {
        self.0
    }
}

/// Not a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time by RFC 3339, for example 2026-11-22T08:00:00Z")]
pub struct TimestampError;

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let time: jiff::Timestamp = text.parse().map_err(|_| TimestampError)?;
        Ok(Self(time.as_microsecond()))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with microseconds; the bare number where it lies outside what a calendar can show.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => write!(f, "{time:.6}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}
