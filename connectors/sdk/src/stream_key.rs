//! The connector's own secret, from which opaque references are derived: whoever reads the log's headers cannot tell
//! whether two streams of two agencies speak of one person, nor try all 10^16 NIKs.
//!
//! The secret stands beside the signing key and outlives it: keys rotate, the names of streams must not.

use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use ring::hmac;
use simpul_types::{StreamName, id::IdError};

const PREFIX: &str = "simpul-stream-key:";
/// Hex digits of a reference: 128 bits, so that 10^9 records meet a collision with probability 10^-21.
const REF_DIGITS: usize = 32;

/// Derives stream references and digests of source records. No `Debug`: it is a secret.
#[derive(Clone)]
pub struct StreamKey(hmac::Key);

/// Why there is no stream key.
#[derive(Debug, thiserror::Error)]
pub enum StreamKeyError {
    /// The file could not be read or made.
    #[error("stream key {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("stream key {0} is not one line `{PREFIX}<64 hex digits>`")]
    Form(PathBuf),
}

impl StreamKey {
    /// From 32 secret bytes.
    pub fn from_bytes(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// Reads `stream.key` in the folder of `signing_key`; makes it, readable by its owner only, where there is none.
    /// Losing it gives every source record a new stream: back it up like the signing key.
    ///
    /// # Errors
    /// [`StreamKeyError`], naming the file.
    pub fn beside(signing_key: &Path) -> Result<Self, StreamKeyError> {
        let path = signing_key.with_file_name("stream.key");
        let failed = |source| StreamKeyError::File { path: path.clone(), source };
        let fresh = format!("{PREFIX}{}\n", HEXLOWER.encode(&simpul_signing::random::<32>()));
        let mut options = fs::OpenOptions::new();
        match options.write(true).create_new(true).mode(0o600).open(&path) {
            Ok(mut file) => {
                file.write_all(fresh.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
                if let Some(folder) = path.parent() {
                    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
                }
                Self::parse(&fresh).ok_or_else(|| StreamKeyError::Form(path.clone()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                let text = fs::read_to_string(&path).map_err(failed)?;
                Self::parse(&text).ok_or_else(|| StreamKeyError::Form(path.clone()))
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let hex = text.trim_end().strip_prefix(PREFIX)?;
        let secret: [u8; 32] = HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok()?;
        Some(Self::from_bytes(&secret))
    }

    /// `<source>/<ref>` of the record that `key` names; the parts are told apart, so that `["ab","c"]` is not
    /// `["a","bc"]`.
    ///
    /// # Errors
    /// [`IdError`] where `source` breaks its alphabet.
    pub fn stream<T: AsRef<str>>(&self, source: &str, key: &[T]) -> Result<StreamName, IdError> {
        let mut parts = Vec::with_capacity(1 + key.len());
        parts.push(source.as_bytes());
        parts.extend(key.iter().map(|part| part.as_ref().as_bytes()));
        let reference = HEXLOWER.encode(&self.digest("stream", &parts));
        format!("{source}/{}", &reference[..REF_DIGITS]).parse()
    }

    /// Keyed digest of a source record, to know it again without keeping it.
    pub fn digest(&self, label: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in std::iter::once(label.as_bytes()).chain(parts.iter().copied()) {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        context.sign().as_ref().try_into().expect("HMAC-SHA256 gives 32 bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pii_1_a_stream_ref_is_keyed_and_tells_parts_apart() {
        let (one, two) = (StreamKey::from_bytes(&[1; 32]), StreamKey::from_bytes(&[2; 32]));
        let name = one.stream("sisko-placement", &["PN-1"]).expect("valid");
        let reference = name.as_str().strip_prefix("sisko-placement/").expect("its source");
        assert_eq!(reference.len(), 32);
        assert!(reference.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)));
        assert_eq!(name, one.stream("sisko-placement", &["PN-1"]).expect("valid"), "the same again");
        assert_ne!(name, two.stream("sisko-placement", &["PN-1"]).expect("valid"), "another key");
        assert_ne!(
            one.stream("s", &["ab", "c"]).expect("valid"),
            one.stream("s", &["a", "bc"]).expect("valid")
        );
        assert!(one.stream("NIK", &["1"]).is_err());
    }

    #[test]
    fn the_key_is_made_once_and_read_again() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a folder");
        let signing = dir.path().join("signing.key");
        let first = StreamKey::beside(&signing).expect("made").digest("x", &[b"y"]);
        assert_eq!(first, StreamKey::beside(&signing).expect("read").digest("x", &[b"y"]));
        let path = dir.path().join("stream.key");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(&path, "something else").expect("written");
        assert!(matches!(StreamKey::beside(&signing), Err(StreamKeyError::Form(_))));
    }
}
