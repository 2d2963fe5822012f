//! Bounds of what a sender may send; the same numbers stand in `proto/simpul/v1/submission.proto`.

/// Events in one submission.
pub const EVENTS_PER_SUBMISSION_MAX: usize = 1_024;
/// Header, salt and payload of one event, bytes.
pub const EVENT_BYTES_MAX: usize = 262_144;
/// One submission on the wire, bytes.
pub const SUBMISSION_BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// One header, bytes.
pub const HEADER_BYTES_MAX: usize = 2_048;
/// One statement, bytes.
pub const STATEMENT_BYTES_MAX: usize = 512;
/// How far `occurred_at` and `created_at` may lie ahead of the hub's clock, microseconds.
pub const CLOCK_AHEAD_US_MAX: i64 = 5 * 60 * 1_000_000;
/// Bytes of salt in front of every payload.
pub const SALT_BYTES: usize = 32;
