//! What a log is opened with.

use std::path::PathBuf;

use simpul_signing::seal::WrapKey;
use simpul_tlog::note::NoteSigner;

/// Configuration of one log; [`Config::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder of the log; made where it is missing.
    pub dir: PathBuf,
    /// Origin of the checkpoints, for example `simpul.example/demo`; equals the signer's name.
    pub origin: String,
    /// A segment that has reached this size is sealed; bytes.
    pub segment_bytes: u64,
    /// A frame takes no further submission beyond this size; bytes.
    pub frame_bytes_max: usize,
    /// Events that may wait for the writer; more are refused with [`crate::AppendError::Full`].
    pub queue_events_max: usize,
    /// Bytes that may wait for the writer.
    pub queue_bytes_max: usize,
    /// Data keys kept on disk ahead of use.
    pub key_pool: u32,
    /// Size of the first segment, filled with zeros before use; later ones are prepared four times as large each, up to
    /// `segment_bytes`.
    pub zero_ahead_bytes: u64,
    /// Open also where stored frames are damaged: what is damaged is named and everything else is served. Otherwise damage
    /// is an error at open.
    pub open_damaged: bool,
    /// How fast sealed segments are read again in the background, bytes per second; 0 for not at all.
    pub scrub_bytes_per_second: u64,
}

impl Config {
    /// The defaults for a log in `dir`.
    pub fn new(dir: impl Into<PathBuf>, origin: impl Into<String>) -> Self {
        Self {
            dir: dir.into(),
            origin: origin.into(),
            segment_bytes: 64 << 20,
            frame_bytes_max: 256 << 10,
            queue_events_max: 65_536,
            queue_bytes_max: 64 << 20,
            key_pool: 4_096,
            zero_ahead_bytes: 4 << 20,
            open_damaged: false,
            scrub_bytes_per_second: 0,
        }
    }
}

/// Secrets of one log.
pub struct Keys {
    /// Signs the checkpoints.
    pub signer: NoteSigner,
    /// Wraps the data keys at rest.
    pub wrap: WrapKey,
}
