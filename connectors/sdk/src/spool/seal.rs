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

/// Nothing, sealed: tells whether a key is the one.
const CHECK: &[u8] = b"mcheck";

/// Seals and opens the spool's values.
pub(super) struct Seal {
    sealer: StateSealer,
    index: IndexKey,
}

impl Seal {
    /// Reads the key, or makes it on the first start, and counts this start.
    pub(super) fn open(db: &sled::Db, dir: &Path) -> Result<Self, SpoolError> {
        let before = db.get(EPOCH)?.and_then(|value| value.as_ref().try_into().ok().map(u32::from_be_bytes));
        let mut path = dir.as_os_str().to_owned();
        path.push(".key");
        let path = Path::new(&path);
        let key = read_or_make(path, before.is_some())?;
        let epoch = before.unwrap_or_default().wrapping_add(1);
        let sealer = key.state_key("spool").with_epoch(epoch);
        if let Some(check) = db.get(CHECK)?
            && sealer.open(&check).is_err()
        {
            let source = std::io::Error::new(std::io::ErrorKind::InvalidData, "it is another key");
            return Err(SpoolError::Key { path: path.to_path_buf(), source });
        }
        db.insert(EPOCH, &epoch.to_be_bytes())?;
        // The epoch is on the disk before anything is sealed in it.
        db.flush()?;
        db.insert(CHECK, sealer.seal(b""))?;
        Ok(Self { sealer, index: key.index_key() })
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

/// A key is made once: a spool that was sealed before is not opened under another, which could send nothing of what waits and would take
/// every record that was sent for a new one.
fn read_or_make(path: &Path, sealed_before: bool) -> Result<MasterKey, SpoolError> {
    let failed = |source| SpoolError::Key { path: path.to_path_buf(), source };
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let text = Zeroizing::new(text);
            let wrong = |error| failed(std::io::Error::new(std::io::ErrorKind::InvalidData, error));
            MasterKey::from_text(text.trim_end()).map_err(wrong)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !sealed_before => {
            let key = MasterKey::generate();
            let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let mut file = made.map_err(failed)?;
            writeln!(file, "{}", *key.to_text()).and_then(|()| file.sync_all()).map_err(failed)?;
            Ok(key)
        }
        Err(error) => Err(failed(error)),
    }
}
