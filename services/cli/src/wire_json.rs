//! Messages of the contract as JSON for scripts: field names as in the `.proto` files, 64-bit numbers as numbers, every
//! field present.

use std::sync::LazyLock;

use anyhow::Context;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(simpul_proto::FILE_DESCRIPTOR_SET).expect("the build wrote a valid descriptor set")
});

const OPTIONS: SerializeOptions = SerializeOptions::new()
    .use_proto_field_name(true)
    .stringify_64_bit_integers(false)
    .skip_default_fields(false);

/// `message`, which is a `simpul.v1.<name>`, as a JSON object.
///
/// # Errors
/// Where the message is not of that name.
pub fn of(name: &str, message: &impl Message) -> anyhow::Result<serde_json::Value> {
    let name = format!("simpul.v1.{name}");
    let descriptor =
        POOL.get_message_by_name(&name).with_context(|| format!("{name} is not in the contract"))?;
    let message = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice())?;
    Ok(message.serialize_with_options(serde_json::value::Serializer, &OPTIONS)?)
}

#[cfg(test)]
mod tests {
    use simpul_proto::v1;

    #[test]
    fn names_are_those_of_the_contract() {
        let verdict =
            v1::Verdict { kind: v1::VerdictKind::Procedural as i32, position: 7, ..Default::default() };
        let json = super::of("Verdict", &verdict).expect("a message of the contract");
        assert_eq!(json["kind"], "PROCEDURAL");
        assert_eq!(json["position"], 7);
        assert_eq!(json["rule_set"], "");
    }
}
