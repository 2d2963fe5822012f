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

/// Package `simpul.complaint.v1`.
pub use generated::simpul::complaint::v1 as complaint;
/// Package `simpul.coordination.v1`.
pub use generated::simpul::coordination::v1 as coordination;
/// Payloads of the directory, package `simpul.directory.v1`.
pub use generated::simpul::directory::v1 as directory;
/// Payloads of the missions abroad, package `simpul.embassy.v1`.
pub use generated::simpul::embassy::v1 as embassy;
/// Package `simpul.erasure.v1`.
pub use generated::simpul::erasure::v1 as erasure;
/// Package `simpul.foreign.v1`.
pub use generated::simpul::foreign::v1 as foreign;
/// Package `simpul.health.v1`.
pub use generated::simpul::health::v1 as health;
/// Events of the hub itself, package `simpul.hub.v1`.
pub use generated::simpul::hub::v1 as hub;
/// Package `simpul.identity.v1`.
pub use generated::simpul::identity::v1 as identity;
/// Package `simpul.immigration.v1`.
pub use generated::simpul::immigration::v1 as immigration;
/// Package `simpul.justice.v1`.
pub use generated::simpul::justice::v1 as justice;
/// Package `simpul.nrm.v1`.
pub use generated::simpul::nrm::v1 as nrm;
/// Package `simpul.organisation.v1`.
pub use generated::simpul::organisation::v1 as organisation;
/// Payloads of the police, package `simpul.police.v1`.
pub use generated::simpul::police::v1 as police;
/// Package `simpul.prevention.v1`.
pub use generated::simpul::prevention::v1 as prevention;
/// Payloads of the registry, package `simpul.registry.v1`.
pub use generated::simpul::registry::v1 as registry;
/// Package `simpul.returns.v1`.
pub use generated::simpul::returns::v1 as returns;
/// Package `simpul.screening.v1`.
pub use generated::simpul::screening::v1 as screening;
/// Package `simpul.shelter.v1`.
pub use generated::simpul::shelter::v1 as shelter;
/// Package `simpul.social.v1`.
pub use generated::simpul::social::v1 as social;
/// Package `simpul.statistics.v1`.
pub use generated::simpul::statistics::v1 as statistics;
/// Services and messages of the hub, package `simpul.v1`.
pub use generated::simpul::v1;
/// Package `simpul.village.v1`.
pub use generated::simpul::village::v1 as village;

/// Encoded `FileDescriptorSet` of the whole contract, for reflection and for mapping by field name.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/simpul.binpb"));
