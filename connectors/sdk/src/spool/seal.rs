//! The spool at rest (PII-1): what waits is sealed, what the source remembers stands under keyed hashes. The key is in a file of its own
//! beside the spool's folder, so that a copy of the folder says nothing.

use std::{io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use simpul_signing::{IndexKey, MasterKey, StateSealer};
use zeroize::Zeroizing;

use super::SpoolError;

/// Begins a sealed value; no value in clear begins so, since a field of Protobuf has a number.
const SEALED: u8 = 0;
/// Starts of the spool, 4 bytes, big-endian: no two of them share a nonce.
const EPOCH: &[u8] = b"mepoch";

/// Seals and opens the spool's values.
pub(super) struct Seal {
    sealer: StateSealer,
    index: IndexKey,
}

impl Seal {
    /// Reads the key, or makes it on the first start, and counts this start.
    pub(super) fn open(db: &sled::Db, dir: &Path) -> Result<Self, SpoolError> {
        let key = read_or_make(&dir.with_extension("key"))?;
        let before = db.get(EPOCH)?.and_then(|value| value.as_ref().try_into().ok().map(u32::from_be_bytes));
        let epoch = before.unwrap_or_default().wrapping_add(1);
        db.insert(EPOCH, &epoch.to_be_bytes())?;
        db.flush()?;
        Ok(Self { sealer: key.state_key("spool").with_epoch(epoch), index: key.index_key() })
    }

    pub(super) fn seal(&self, value: &[u8]) -> Vec<u8> {
        [&[SEALED], &self.sealer.seal(value)[..]].concat()
    }

    /// Opens a value; one that an older connector stored in clear is taken as it is.
    pub(super) fn open_value(&self, stored: &[u8], key: &[u8]) -> Result<Vec<u8>, SpoolError> {
        let Some((&SEALED, sealed)) = stored.split_first() else { return Ok(stored.to_vec()) };
        let damaged = || SpoolError::Damaged(data_encoding::HEXLOWER.encode(key));
        self.sealer.open(sealed).map_err(|_| damaged())
    }

    /// Under which key the source remembers something.
    pub(super) fn state_key(&self, key: &[u8]) -> Vec<u8> {
        let blind = self.index.blind("spool", &data_encoding::HEXLOWER.encode(key));
        [b"s", &blind[..]].concat()
    }
}

fn read_or_make(path: &Path) -> Result<MasterKey, SpoolError> {
    let failed = |source| SpoolError::Folder { path: path.to_path_buf(), source };
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let text = Zeroizing::new(text);
            let wrong = |error| failed(std::io::Error::new(std::io::ErrorKind::InvalidData, error));
            MasterKey::from_text(text.trim_end()).map_err(wrong)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = MasterKey::generate();
            let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let mut file = made.map_err(failed)?;
            writeln!(file, "{}", *key.to_text()).and_then(|()| file.sync_all()).map_err(failed)?;
            Ok(key)
        }
        Err(error) => Err(failed(error)),
    }
}
