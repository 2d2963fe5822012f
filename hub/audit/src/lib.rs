//! The access log, offline verification and audit queries.
