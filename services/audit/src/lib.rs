//! gRPC edge of oversight: proofs, replay, who looked.
