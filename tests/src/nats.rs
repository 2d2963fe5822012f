//! The real NATS server.

use std::path::PathBuf;

/// `target/tools/nats-server`, as `deploy/install-nats` leaves it.
///
/// # Panics
/// Where it is missing.
pub fn server() -> PathBuf {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/nats-server"));
    assert!(path.exists(), "{} is missing; run deploy/install-nats or tests/run", path.display());
    path
}
