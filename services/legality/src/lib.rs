//! gRPC edge of the legality check.
