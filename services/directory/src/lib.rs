//! gRPC edge of the directory.
