//! CloudEvents 1.0 on NATS in binary content mode: attributes in headers, data as the body.
//!
//! By the CloudEvents NATS binding every attribute, `datacontenttype` included, becomes a header `ce-<name>`; a
//! `Content-Type` header would mean structured mode and is never set. Values are percent-encoded by the binding's own
//! rule (space, `"`, `%` and everything outside U+0021–U+007E), which is not the rule of URLs.
//!
//! | header | value |
//! |---|---|
//! | `ce-specversion` | `1.0` |
//! | `ce-id` | `<view>-<position>-<n>`; the same as `Nats-Msg-Id`, what consumers dedupe by |
//! | `ce-source` | `//<origin of the log>/<agency>`: one id has one content per source, and agencies see different parts |
//! | `ce-type` | for example `id.simpul.case.changed.v1` |
//! | `ce-subject` | reference of the document |
//! | `ce-time` | when the event happened, by its source |
//! | `ce-datacontenttype` | `application/json` |
//! | `ce-sequence` | gapless per agency, from 1; 20 digits, so that it orders as text (CloudEvents *sequence* extension) |
//! | `ce-position` | position in the log of the event that caused the change |
//! | `ce-eventid` | id of that event |
//! | `ce-checkpoint` | base64 of the signed checkpoint this message reflects (binary attribute: a note has newlines) |
//! | `ce-oversized` | `true` where the document is larger than NATS takes; the body is `{}` then: ask the hub |

use async_nats::HeaderMap;
use data_encoding::BASE64;
use simpul_types::AgencyCode;

use crate::outbox::OutboxMessage;

/// Header of the per-agency sequence.
pub const SEQUENCE: &str = "ce-sequence";
/// Header of the CloudEvents id.
pub const ID: &str = "ce-id";
/// Header that marks a message whose document did not fit.
pub const OVERSIZED: &str = "ce-oversized";

/// Headers of one message.
pub(crate) fn headers(origin: &str, agency: &AgencyCode, message: &OutboxMessage) -> HeaderMap {
    let id = message.id();
    let mut headers = HeaderMap::new();
    let mut attribute = |name: &str, value: &str| headers.insert(name, encode(value));
    attribute("ce-specversion", "1.0");
    attribute(ID, &id);
    attribute("ce-source", &format!("//{origin}/{agency}"));
    attribute("ce-type", &message.r#type);
    attribute("ce-subject", &message.r#ref);
    attribute("ce-time", &message.occurred_at.to_string());
    attribute("ce-datacontenttype", "application/json");
    attribute(SEQUENCE, &format!("{:020}", message.sequence));
    attribute("ce-position", &message.key.position.to_string());
    attribute("ce-eventid", &message.event_id.to_string());
    attribute("ce-checkpoint", &BASE64.encode(message.checkpoint.as_bytes()));
    headers.insert("Nats-Msg-Id", id);
    headers
}

/// Percent-encodes an attribute value by the binding's rule.
pub fn encode(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if matches!(byte, 0x21..=0x7e) && byte != b'"' && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Decodes a header value: unquotes it first where it is a quoted string, then one round of percent-decoding. `None`
/// where the result is not UTF-8 or an escape is broken, as the binding demands.
pub fn decode(value: &str) -> Option<String> {
    let value = unquote(value)?;
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let (high, low) = (digit(rest.next())?, digit(rest.next())?);
            bytes.push(u8::try_from(high << 4 | low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn unquote(value: &str) -> Option<String> {
    let Some(inner) = value.strip_prefix('"') else { return Some(value.into()) };
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.strip_suffix('"')?.chars();
    while let Some(char) = chars.next() {
        text.push(if char == '\\' { chars.next()? } else { char });
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_encoded_as_the_binding_says() {
        let euro = "Euro € 😀";
        assert_eq!(encode(euro), "Euro%20%E2%82%AC%20%F0%9F%98%80");
        assert_eq!(encode("100%\"\n\u{7f}"), "100%25%22%0A%7F");
        assert_eq!(encode("id.simpul.case.changed.v1+a/b=~"), "id.simpul.case.changed.v1+a/b=~");
        for text in [euro, "", "a b", "\"q\\", "%41", "Ngurah—Rai"] {
            assert_eq!(decode(&encode(text)).as_deref(), Some(text));
        }
    }

    #[test]
    fn values_are_decoded_as_the_binding_says() {
        assert_eq!(
            decode("%e2%82%ac%41").as_deref(),
            Some("€A"),
            "lower case and needless escapes are taken"
        );
        assert_eq!(
            decode(r#""a \"b\" %20c""#).as_deref(),
            Some("a \"b\"  c"),
            "quoted strings of older senders"
        );
        for broken in ["%C0%A0", "%4", "%zz", "\"open"] {
            assert_eq!(decode(broken), None, "{broken}");
        }
    }
}
