//! Key files: one line, `<label>:<64 hex digits>`. The label says what the secret is for, so that a master key in a
//! signing key's place is refused instead of used.

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use zeroize::Zeroizing;

/// 32 secret bytes, zeroed on drop.
pub(crate) type Secret = Zeroizing<[u8; 32]>;

/// Why bytes or text are not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text does not begin with the label of this kind of key.
    #[error("not a key of this kind: expected one line `{label}:<64 hex digits>`")]
    Label {
        /// What it must begin with.
        label: &'static str,
    },
    /// What follows the label, or the text of a public key, is not 32 bytes in hex.
    #[error("a key has 64 hex digits")]
    Hex,
    /// The 32 bytes are no seed.
    #[error("not an Ed25519 seed")]
    Seed,
}

pub(crate) fn parse(label: &'static str, text: &str) -> Result<Secret, KeyError> {
    let (found, hex) = text.trim().split_once(':').ok_or(KeyError::Label { label })?;
    if found != label {
        return Err(KeyError::Label { label });
    }
    decode_32(hex).map(Zeroizing::new)
}

pub(crate) fn render(label: &'static str, secret: &Secret) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(label.len() + 1 + 64));
    text.push_str(label);
    text.push(':');
    HEXLOWER.encode_append(&secret[..], &mut text);
    text
}

pub(crate) fn decode_32(hex: &str) -> Result<[u8; 32], KeyError> {
    let mut bytes = [0; 32];
    if hex.len() != 64 {
        return Err(KeyError::Hex);
    }
    match HEXLOWER_PERMISSIVE.decode_mut(hex.as_bytes(), &mut bytes) {
        Ok(32) => Ok(bytes),
        _ => Err(KeyError::Hex),
    }
}
