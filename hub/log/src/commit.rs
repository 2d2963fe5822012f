//! The commit step: what makes a frame durable. A trait, so that faults can be injected and so that several nodes can one
//! day agree on a frame before it is acknowledged.

use std::io;

use crate::disk::{File, point, seeded};

/// Makes a frame durable at an offset of a segment file.
///
/// When it returns `Ok`, the bytes MUST be on stable storage. When it returns `Err`, nothing is known of them, and the
/// log is poisoned until it is opened again.
pub trait Commit: Send + 'static {
    /// Writes and flushes one frame.
    fn commit(&mut self, segment: &File, offset: u64, frame: &[u8]) -> io::Result<()>;
}

/// One `pwrite` and one `fdatasync` on this machine's disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalDisk;

impl Commit for LocalDisk {
    fn commit(&mut self, segment: &File, offset: u64, frame: &[u8]) -> io::Result<()> {
        segment.write_all_at(frame, offset)?;
        point!("append.written");
        let flushed = segment.sync_data();
        if seeded!(IgnoreFlushError) {
            return Ok(());
        }
        flushed
    }
}
