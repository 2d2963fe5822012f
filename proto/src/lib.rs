//! The wire contract: messages and services generated from `simpul/**.proto`, and the one mapping between reject
//! reasons and gRPC statuses ([`status`]).
//!
//! Bytes are signed as sent and never re-encoded; see `simpul/v1/submission.proto`.

pub mod catalogue;
mod redacted;
pub mod status;

#[allow(clippy::all, missing_docs)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/simpul.rs"));
}

/// Payloads of the directory, package `simpul.directory.v1`.
pub use generated::simpul::directory::v1 as directory;
/// Payloads of the missions abroad, package `simpul.embassy.v1`.
pub use generated::simpul::embassy::v1 as embassy;
/// Payloads of the police, package `simpul.police.v1`.
pub use generated::simpul::police::v1 as police;
/// Payloads of the registry, package `simpul.registry.v1`.
pub use generated::simpul::registry::v1 as registry;
/// Services and messages of the hub, package `simpul.v1`.
pub use generated::simpul::v1;

/// Encoded `FileDescriptorSet` of the whole contract, for reflection and for mapping by field name.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/simpul.binpb"));
