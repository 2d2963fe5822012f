//! DSSE, Ed25519, key ids, sealing and key commitments; no I/O.
