//! Configuration, telemetry, supervision, signals, clock and id source.
