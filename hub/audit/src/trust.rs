//! Keys of senders that a verifier trusts, from wherever it got them: the part that c2sp.org/tlog-policy leaves to the
//! application.
//!
//! | line of a key file | |
//! |---|---|
//! | `authority <64 hex digits>` | the directory authority, which registers everybody else; at most one |
//! | `key <agency>/<connector> <64 hex digits>` | a sender's Ed25519 public key |
//! | `# …`, empty | passed over |

use bytes::Bytes;
use data_encoding::HEXLOWER_PERMISSIVE;
use simpul_types::Sender;

use crate::verify::{VerifyError, keyring::KeyRing};

/// Keys to check senders' signatures with. Empty: every signature counts as not checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedKeys {
    /// Public key of the directory authority.
    pub authority: Option<[u8; 32]>,
    /// Public keys of senders.
    pub senders: Vec<(Sender, [u8; 32])>,
    /// The bootstrap submission, encoded: it registers the first keys.
    pub bootstrap: Option<Bytes>,
}

/// Why a key file was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("key file line {line}: {what}")]
pub struct KeyFileError {
    /// From 1.
    pub line: usize,
    /// What is wrong and what is expected.
    pub what: &'static str,
}

impl TrustedKeys {
    /// Reads a key file.
    ///
    /// # Errors
    /// [`KeyFileError`], naming the line.
    pub fn parse(text: &str) -> Result<Self, KeyFileError> {
        let mut keys = Self::default();
        for (line, text) in (1..).zip(text.lines()) {
            let refused = |what| KeyFileError { line, what };
            let words: Vec<_> = text.split_ascii_whitespace().collect();
            match words.as_slice() {
                [] => {}
                [first, ..] if first.starts_with('#') => {}
                ["authority", _] if keys.authority.is_some() => return Err(refused("a second authority")),
                ["authority", key] => keys.authority = Some(public_key(key).map_err(refused)?),
                ["key", sender, key] => {
                    let sender = sender_of(sender).ok_or(refused("expected <agency>/<connector>"))?;
                    keys.senders.push((sender, public_key(key).map_err(refused)?));
                }
                _ => return Err(refused("expected `authority <hex>` or `key <agency>/<connector> <hex>`")),
            }
        }
        Ok(keys)
    }

    /// Whether there is nothing to check a signature with.
    pub fn is_empty(&self) -> bool {
        self.authority.is_none() && self.senders.is_empty() && self.bootstrap.is_none()
    }

    pub(crate) fn ring(&self) -> Result<KeyRing, VerifyError> {
        let mut ring = KeyRing::new(self.authority, &[], false);
        for (sender, key) in &self.senders {
            ring.trust(sender.clone(), *key);
        }
        if let Some(bootstrap) = &self.bootstrap {
            ring.apply_bootstrap(bootstrap)?;
        }
        Ok(ring)
    }
}

fn sender_of(text: &str) -> Option<Sender> {
    let (agency, connector) = text.split_once('/')?;
    Some(Sender { agency: agency.parse().ok()?, connector: connector.parse().ok()? })
}

fn public_key(hex: &str) -> Result<[u8; 32], &'static str> {
    let key = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok().and_then(|key| key.try_into().ok());
    key.ok_or("expected an Ed25519 public key of 64 hex digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_read_and_a_wrong_line_is_named() {
        let hex = "ab".repeat(32);
        let keys = TrustedKeys::parse(&format!("# keys\n\nauthority {hex}\nkey kp2mi/sisko {hex}\n"));
        let keys = keys.expect("right");
        assert_eq!((keys.authority, keys.senders.len()), (Some([0xab; 32]), 1));
        for (line, text) in [
            (1, format!("key kp2mi {hex}")),
            (2, format!("authority {hex}\nauthority {hex}")),
            (1, "authority abc".to_string()),
            (3, "\n\nwhat".to_string()),
        ] {
            assert_eq!(TrustedKeys::parse(&text).map_err(|error| error.line), Err(line), "{text}");
        }
    }
}
