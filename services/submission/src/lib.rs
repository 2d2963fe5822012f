//! gRPC edge of submission.
