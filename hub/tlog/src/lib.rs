//! RFC 6962 tree, proofs, signed notes, checkpoints, cosignatures, tiles; no I/O, no panic.
