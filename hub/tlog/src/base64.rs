//! Base64 with padding (RFC 4648 section 4), one text for each value.

use data_encoding::BASE64;
use simpul_types::Digest;

/// The bytes of a text; `None` where it is not the one text of these bytes. `data_encoding` alone also takes padded pieces
/// one after the other (`QQ==Qg==`), which other verifiers refuse.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let bytes = BASE64.decode(text.as_bytes()).ok()?;
    (BASE64.encode(&bytes) == text).then_some(bytes)
}

/// The same for a hash.
pub fn decode_digest(text: &str) -> Option<Digest> {
    decode(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_one_text() {
        assert_eq!(decode("QUI="), Some(b"AB".to_vec()));
        assert_eq!(decode(""), Some(Vec::new()));
        for other in ["QQ==Qg==", "QQ==QUJD", "QUI", "QUJ=", "QUI=\n", " QUI=", "QU-_"] {
            assert_eq!(decode(other), None, "{other}");
        }
    }
}
