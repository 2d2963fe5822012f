//! A refusal: the sender's fault or the hub's want of room, normal, with one closed reason.

use std::fmt;

use simpul_proto::{status, v1};

pub use v1::RejectReason;

/// Why a submission was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Rejection {
    /// The closed reason.
    pub reason: RejectReason,
    /// A sentence for the sender's operator; never content of the submission.
    pub message: String,
    /// Path of the offending field, for example `events[3].header.stream`; empty where none applies.
    pub field: String,
    /// The number the hub expects, where the reason speaks of one.
    pub expected: Option<u64>,
}

impl Rejection {
    /// A refusal that speaks of no field.
    pub fn new(reason: RejectReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), field: String::new(), expected: None }
    }

    /// The same, naming the field.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = field.into();
        self
    }

    /// The same, naming the number that is expected.
    #[must_use]
    pub fn expecting(mut self, expected: u64) -> Self {
        self.expected = Some(expected);
        self
    }

    /// The wire form.
    pub fn to_wire(&self) -> v1::Rejection {
        v1::Rejection {
            reason: self.reason as i32,
            message: self.message.clone(),
            field: self.field.clone(),
            expected: self.expected,
            retryable: status::retryable(self.reason),
        }
    }
}

impl From<v1::Rejection> for Rejection {
    fn from(wire: v1::Rejection) -> Self {
        Self { reason: wire.reason(), message: wire.message, field: wire.field, expected: wire.expected }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason.as_str_name())?;
        if !self.field.is_empty() {
            write!(f, " at {}", self.field)?;
        }
        write!(f, ": {}", self.message)
    }
}
