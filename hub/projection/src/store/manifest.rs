//! Which runs are the state. Replaced as a whole, sealed, and durable before anything that it names is relied on.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use prost::Message;
use simpul_signing::StateSealer;

use crate::{error::StateError, row};

const FILE: &str = "manifest";
const EPOCH: &str = "epoch";

/// Runs, the newest first.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Manifest {
    /// Number of the next run.
    #[prost(uint64, tag = "1")]
    pub next: u64,
    #[prost(message, repeated, tag = "2")]
    pub runs: Vec<RunEntry>,
}

/// One run.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RunEntry {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// How often its rows were merged.
    #[prost(uint32, tag = "2")]
    pub level: u32,
    #[prost(uint64, tag = "3")]
    pub rows: u64,
    /// Offset behind the last page.
    #[prost(uint64, tag = "4")]
    pub pages_end: u64,
    #[prost(uint64, tag = "5")]
    pub index_bytes: u64,
    #[prost(uint64, tag = "6")]
    pub filter_bytes: u64,
    /// Rows that the filter knows, those that are looked up by their whole key.
    #[prost(uint64, tag = "7")]
    pub sought: u64,
}

impl Manifest {
    /// What stands in the folder; empty where nothing does.
    pub(crate) fn read(dir: &Path, sealer: &StateSealer) -> Result<Self, StateError> {
        match fs::read(dir.join(FILE)) {
            Ok(sealed) => row::decode(&sealer.open(&sealed).map_err(|_| StateError::Sealed)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn write(&self, dir: &Path, sealer: &StateSealer) -> Result<(), StateError> {
        Ok(replace(dir, FILE, &sealer.seal(&row::encode(self)))?)
    }
}

/// Counts the starts of this store, in clear: no two runs of the hub seal under the same nonces, so the number is on disk
/// before anything is sealed.
pub(crate) fn next_epoch(dir: &Path) -> Result<u32, StateError> {
    let epoch = match fs::read(dir.join(EPOCH)) {
        Ok(bytes) => u32::from_be_bytes(bytes.try_into().map_err(|_| StateError::Damaged("the epoch"))?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error.into()),
    };
    let next = epoch.wrapping_add(1);
    replace(dir, EPOCH, &next.to_be_bytes())?;
    Ok(next)
}

/// Replaces a file: after a crash it is the old or the new one.
fn replace(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let new = dir.join(format!("{name}.new"));
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(new, dir.join(name))?;
    File::open(dir)?.sync_all()
}
