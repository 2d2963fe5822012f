//! The catalogue of event types: which payload messages the hub admits, and how to read them by name.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

/// Full names of every payload message that may be an event.
pub const EVENT_TYPES: &[&str] = &[
    "simpul.registry.v1.PlacementRecorded",
    "simpul.registry.v1.LicenceRecorded",
    "simpul.police.v1.CaseUpdated",
    "simpul.embassy.v1.IntakeRecorded",
    "simpul.embassy.v1.ScreeningSubmitted",
    "simpul.directory.v1.AgencyDeclared",
    "simpul.directory.v1.ConnectorDeclared",
    "simpul.directory.v1.KeyRegistered",
    "simpul.directory.v1.KeyRevoked",
    "simpul.directory.v1.PolicyDeclared",
];

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(crate::FILE_DESCRIPTOR_SET).expect("build.rs wrote a valid descriptor set")
});

/// Descriptor of an event type, or `None` where the catalogue does not have it.
pub fn event_descriptor(event_type: &str) -> Option<MessageDescriptor> {
    EVENT_TYPES.contains(&event_type).then(|| POOL.get_message_by_name(event_type)).flatten()
}

/// Decodes a payload by the name of its type. `None` where the type is not in the catalogue.
///
/// # Errors
/// The decoder's own error where the bytes are not such a message.
pub fn decode_payload(
    event_type: &str,
    payload: &[u8],
) -> Option<Result<DynamicMessage, prost::DecodeError>> {
    event_descriptor(event_type).map(|descriptor| DynamicMessage::decode(descriptor, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_type_has_a_descriptor() {
        for name in EVENT_TYPES {
            assert!(event_descriptor(name).is_some(), "{name}");
        }
    }
}
