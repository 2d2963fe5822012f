//! The append-only, tamper-evident log: segments, frames, Appender, Reader, indexes, recovery.
