//! The catalogue of event types: which payload messages the hub admits, how to read them by name, and what their options
//! (`simpul/v1/options.proto`) say of each.
//!
//! An event type of the newer packages stands in one place, its `.proto` file: admission's rules, the index of cases and
//! persons, and the views are derived from [`kind`]. The first sixteen types have code of their own in those places.

use std::{collections::HashMap, sync::LazyLock};

use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

pub mod rules;

pub use rules::{EventKind, Field, FieldForm, MessageRules};

/// Event types whose rules and views are code.
const BY_CODE: &[&str] = &[
    "simpul.registry.v1.PlacementRecorded",
    "simpul.registry.v1.LicenceRecorded",
    "simpul.police.v1.CaseUpdated",
    "simpul.embassy.v1.IntakeRecorded",
    "simpul.embassy.v1.ScreeningSubmitted",
    "simpul.directory.v1.AgencyDeclared",
    "simpul.directory.v1.ConnectorDeclared",
    "simpul.directory.v1.KeyRegistered",
    "simpul.directory.v1.KeyRevoked",
    "simpul.directory.v1.CertificateRevoked",
    "simpul.directory.v1.PolicyDeclared",
    "simpul.directory.v1.RuleBookDeclared",
    "simpul.directory.v1.UnitDeclared",
    "simpul.directory.v1.UnitSucceeded",
    "simpul.directory.v1.OfficialDeclared",
    "simpul.directory.v1.OfficialEnded",
    "simpul.directory.v1.PurposeDeclared",
    "simpul.directory.v1.PurposeEnded",
    "simpul.directory.v1.AgreementConcluded",
    "simpul.directory.v1.AgreementEnded",
    "simpul.directory.v1.EmbargoOrdered",
    "simpul.directory.v1.EmbargoEnded",
    "simpul.directory.v1.DualControlBegun",
    "simpul.directory.v1.ChangeProposed",
    "simpul.directory.v1.ChangeApproved",
    "simpul.directory.v1.ChangeWithdrawn",
];

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(crate::FILE_DESCRIPTOR_SET).expect("build.rs wrote a valid descriptor set")
});

static KINDS: LazyLock<Vec<EventKind>> = LazyLock::new(|| rules::read(&POOL));

static BY_NAME: LazyLock<HashMap<&'static str, &'static EventKind>> =
    LazyLock::new(|| KINDS.iter().map(|kind| (kind.name(), kind)).collect());

/// Full names of every payload message that may be an event, in a fixed order.
pub static EVENT_TYPES: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| BY_CODE.iter().copied().chain(KINDS.iter().map(EventKind::name)).collect());

/// What the options of an event type say; `None` where the catalogue does not have it, or its rules are code.
pub fn kind(event_type: &str) -> Option<&'static EventKind> {
    BY_NAME.get(event_type).copied()
}

/// Every event type that is described by options, in the order of their packages and files.
pub fn kinds() -> &'static [EventKind] {
    &KINDS
}

/// Whether the catalogue has an event type.
pub fn knows(event_type: &str) -> bool {
    BY_CODE.contains(&event_type) || BY_NAME.contains_key(event_type)
}

/// Descriptor of an event type, or `None` where the catalogue does not have it.
pub fn event_descriptor(event_type: &str) -> Option<MessageDescriptor> {
    knows(event_type).then(|| POOL.get_message_by_name(event_type)).flatten()
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
        for name in EVENT_TYPES.iter() {
            assert!(event_descriptor(name).is_some(), "{name}");
        }
    }

    #[test]
    fn types_that_follow_another_name_types_of_their_package() {
        for kind in kinds() {
            let package = kind.name().rsplit_once('.').unwrap().0;
            for after in kind.after {
                assert!(super::kind(after).is_some(), "{}: after {after}", kind.name());
                assert!(after.starts_with(package), "{}: {after} is of another package", kind.name());
            }
        }
    }

    #[test]
    fn every_type_says_what_it_is_in_two_languages() {
        assert!(kinds().len() >= 40, "{}", kinds().len());
        for kind in kinds() {
            assert!(!kind.title_id.is_empty() && !kind.title_en.is_empty(), "{}", kind.name());
            assert!(!kind.view.is_empty() && !kind.class.is_empty() && kind.version > 0, "{}", kind.name());
        }
    }

    /// A claim about a person can only be shown to those who may know who it is.
    #[test]
    fn persons_are_never_of_class_reference() {
        fn walk(rules: &MessageRules, of: &str) {
            for field in &rules.fields {
                if let FieldForm::Message(inner) = field.form {
                    if inner.name == rules::PERSON_CLAIM {
                        assert!(["identity", "suspect"].contains(&field.class), "{of}.{}", field.name);
                    }
                    walk(inner, of);
                }
            }
        }
        for kind in kinds() {
            walk(kind.rules, kind.name());
        }
    }
}
