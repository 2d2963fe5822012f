//! Segment files: one page of header, then frames, then zeros up to where the disk was prepared.
//!
//! The header page (4,096 bytes) binds a segment to its place, so that a missing, swapped or foreign file is found:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | magic `SIMPULSG` |
//! | 8 | 4 | version, 1 |
//! | 12 | 4 | zero |
//! | 16 | 8 | index of the first leaf |
//! | 24 | 8 | position of the first record |
//! | 32 | 32 | root of the tree before the first leaf |
//! | 64 | 32 | SHA-256 of the origin |
//! | 96 | 4 | CRC-32C of the 96 bytes before |

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use bytes::Bytes;
use simpul_types::Digest;

use crate::{
    disk::{self, File, point, seeded},
    frame::{self, Frame, FrameFault, FrameHeader, array_at, u32_at, u64_at},
};

pub(crate) const PAGE_BYTES: u64 = 4_096;
const MAGIC: &[u8; 8] = b"SIMPULSG";

/// What the header page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) first_leaf: u64,
    pub(crate) first_position: u64,
    pub(crate) root: Digest,
    pub(crate) origin: Digest,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut page = Vec::with_capacity(PAGE_BYTES as usize);
        page.extend_from_slice(MAGIC);
        page.extend_from_slice(&1u32.to_le_bytes());
        page.extend_from_slice(&[0; 4]);
        page.extend_from_slice(&self.first_leaf.to_le_bytes());
        page.extend_from_slice(&self.first_position.to_le_bytes());
        page.extend_from_slice(&self.root);
        page.extend_from_slice(&self.origin);
        let crc = crc32c::crc32c(&page);
        page.extend_from_slice(&crc.to_le_bytes());
        page.resize(PAGE_BYTES as usize, 0);
        page
    }

    /// The version of a whole header that a newer version wrote.
    pub(crate) fn newer(page: &[u8]) -> Option<u32> {
        let whole = page.len() == PAGE_BYTES as usize
            && &page[..8] == MAGIC
            && crc32c::crc32c(&page[..96]) == u32_at(page, 96);
        whole.then(|| u32_at(page, 8)).filter(|version| *version > 1)
    }

    /// `None` where the page is not a whole header of version 1, padding included.
    pub(crate) fn parse(page: &[u8]) -> Option<Self> {
        let right = page.len() == PAGE_BYTES as usize
            && &page[..8] == MAGIC
            && u32_at(page, 8) == 1
            && crc32c::crc32c(&page[..96]) == u32_at(page, 96)
            && page[100..].iter().all(|byte| *byte == 0);
        right.then(|| Self {
            first_leaf: u64_at(page, 16),
            first_position: u64_at(page, 24),
            root: array_at(page, 32),
            origin: array_at(page, 64),
        })
    }
}

/// Where a frame stands in its segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameRef {
    pub(crate) offset: u64,
    pub(crate) length: u32,
    pub(crate) first_leaf: u64,
    pub(crate) first_position: u64,
}

/// One segment file and the places of its acknowledged frames.
pub(crate) struct Segment {
    pub(crate) header: SegmentHeader,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<File>,
    frames: RwLock<Vec<FrameRef>>,
}

impl Segment {
    pub(crate) fn new(header: SegmentHeader, path: PathBuf, file: File, frames: Vec<FrameRef>) -> Self {
        Self { header, path, file: Arc::new(file), frames: RwLock::new(frames) }
    }

    /// `segments/<first leaf>.seg`, so that names sort as the log does.
    pub(crate) fn path(dir: &Path, first_leaf: u64) -> PathBuf {
        dir.join("segments").join(format!("{first_leaf:020}.seg"))
    }

    /// Makes the file with its header, flushed, and its name flushed too; filled with zeros up to `prepared` bytes. It gets
    /// its name last: a cut leaves a whole segment or none.
    pub(crate) fn create(dir: &Path, header: SegmentHeader, prepared: u64) -> io::Result<Self> {
        let path = Self::path(dir, header.first_leaf);
        let fresh = if seeded!(NameSegmentFirst) { path.clone() } else { dir.join("segments").join("fresh") };
        let file = File::create(&fresh)?;
        point!("roll.created");
        let mut page = header.encode();
        page.resize(page.len().max(prepared as usize), 0);
        file.write_all_at(&page, 0)?;
        point!("roll.header-written");
        file.sync_all()?;
        point!("roll.header-flushed");
        disk::rename(&fresh, &path)?;
        disk::sync_dir(&dir.join("segments"))?;
        Ok(Self::new(header, path, file, Vec::new()))
    }

    /// Gives a prepared file its header and then its name, both flushed.
    pub(crate) fn adopt(dir: &Path, header: SegmentHeader, file: File, spare: &Path) -> io::Result<Self> {
        let path = Self::path(dir, header.first_leaf);
        file.write_all_at(&header.encode(), 0)?;
        point!("roll.header-written");
        file.sync_data()?;
        point!("roll.header-flushed");
        disk::rename(spare, &path)?;
        point!("roll.renamed");
        disk::sync_dir(&dir.join("segments"))?;
        point!("roll.name-flushed");
        Ok(Self::new(header, path, file, Vec::new()))
    }

    pub(crate) fn name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Bytes up to the end of the last frame.
    pub(crate) fn used_bytes(&self) -> u64 {
        let frames = self.frames.read().unwrap_or_else(PoisonError::into_inner);
        frames.last().map_or(PAGE_BYTES, |last| last.offset + u64::from(last.length))
    }

    /// The frame behind the one that begins with this leaf.
    pub(crate) fn frame_behind(&self, first_leaf: u64) -> Option<FrameRef> {
        let frames = self.frames.read().unwrap_or_else(PoisonError::into_inner);
        frames.get(frames.partition_point(|frame| frame.first_leaf <= first_leaf)).copied()
    }

    pub(crate) fn push_frame(&self, frame: FrameRef) {
        self.frames.write().unwrap_or_else(PoisonError::into_inner).push(frame);
    }

    pub(crate) fn frames(&self) -> Vec<FrameRef> {
        self.frames.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The frame that holds what `key` is asked for, the last whose first number is not beyond it.
    pub(crate) fn frame_with(&self, number: u64, key: impl Fn(&FrameRef) -> u64) -> Option<FrameRef> {
        let frames = self.frames.read().unwrap_or_else(PoisonError::into_inner);
        let after = frames.partition_point(|frame| key(frame) <= number);
        after.checked_sub(1).map(|at| frames[at])
    }

    /// Up to `bytes_max` of consecutive frames from the one that holds `position`; at least one.
    pub(crate) fn run_from(&self, position: u64, bytes_max: u64) -> Vec<FrameRef> {
        let frames = self.frames.read().unwrap_or_else(PoisonError::into_inner);
        let after = frames.partition_point(|frame| frame.first_position <= position);
        let Some(start) = after.checked_sub(1) else { return Vec::new() };
        let mut bytes = 0;
        frames[start..]
            .iter()
            .take_while(|frame| {
                let first = bytes == 0;
                bytes += u64::from(frame.length);
                first || bytes <= bytes_max
            })
            .copied()
            .collect()
    }

    pub(crate) fn read(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let mut buffer = vec![0; length];
        self.file.read_exact_at(&mut buffer, offset)?;
        Ok(buffer.into())
    }

    pub(crate) fn read_frame(&self, at: FrameRef) -> io::Result<Result<Frame, FrameFault>> {
        Ok(Frame::parse(self.read(at.offset, at.length as usize)?))
    }
}

/// Reads frame after frame from an open segment file, for recovery and verification.
pub(crate) struct SegmentWalk<'a> {
    file: &'a File,
    pub(crate) offset: u64,
    pub(crate) file_bytes: u64,
}

/// What stands at an offset.
pub(crate) enum Step {
    Frame(FrameRef, Frame),
    /// No header here, and zeros where one would be.
    End,
    /// Something that is not a whole frame.
    Broken(FrameFault),
}

impl<'a> SegmentWalk<'a> {
    pub(crate) fn new(file: &'a File) -> io::Result<Self> {
        Ok(Self { file, offset: PAGE_BYTES, file_bytes: file.size()? })
    }

    /// Looks at the next frame; a whole one moves on. Leaves and records inside are not checked yet.
    pub(crate) fn step(&mut self) -> io::Result<Step> {
        let head = self.peek(frame::HEADER_BYTES as u64)?;
        if head.iter().all(|byte| *byte == 0) {
            return Ok(Step::End);
        }
        let header = match FrameHeader::parse(&head) {
            Ok(header) => header,
            Err(fault) => return Ok(Step::Broken(fault)),
        };
        let bytes = self.peek(u64::from(header.length))?;
        match Frame::parse(bytes) {
            Ok(frame) => {
                let at = FrameRef {
                    offset: self.offset,
                    length: header.length,
                    first_leaf: header.first_leaf,
                    first_position: header.first_position,
                };
                self.offset += u64::from(header.length);
                Ok(Step::Frame(at, frame))
            }
            Err(fault) => Ok(Step::Broken(fault)),
        }
    }

    /// Up to `length` bytes from the present offset; fewer at the end of the file.
    pub(crate) fn peek(&self, length: u64) -> io::Result<Bytes> {
        self.peek_at(self.offset, length)
    }

    fn peek_at(&self, offset: u64, length: u64) -> io::Result<Bytes> {
        let length = length.min(self.file_bytes.saturating_sub(offset));
        let mut buffer = vec![0; length as usize];
        self.file.read_exact_at(&mut buffer, offset)?;
        Ok(buffer.into())
    }

    /// Whether a frame of a later leaf stands anywhere behind `offset`: then what is broken before it was acknowledged.
    pub(crate) fn frame_behind(&self, offset: u64, beyond_leaf: u64) -> io::Result<bool> {
        self.find_frame(offset, beyond_leaf).map(|found| found.is_some())
    }

    /// The first whole frame header from `offset` on that is of a later leaf, and where it stands.
    pub(crate) fn find_frame(&self, offset: u64, beyond_leaf: u64) -> io::Result<Option<(u64, FrameHeader)>> {
        const CHUNK: u64 = 1 << 20;
        let mut at = offset;
        while at < self.file_bytes {
            let chunk = self.peek_at(at, CHUNK + frame::HEADER_BYTES as u64)?;
            let starts = chunk.len().saturating_sub(frame::HEADER_BYTES - 1).min(CHUNK as usize);
            for start in 0..starts {
                if chunk[start] == b'S'
                    && let Ok(header) = FrameHeader::parse(&chunk[start..])
                    && header.first_leaf > beyond_leaf
                {
                    return Ok(Some((at + start as u64, header)));
                }
            }
            at += CHUNK;
        }
        Ok(None)
    }

    /// End of the last byte behind `offset` that is not zero; `offset` where all are.
    pub(crate) fn used_behind(&self, offset: u64) -> io::Result<u64> {
        const CHUNK: u64 = 1 << 20;
        let (mut at, mut used) = (offset, offset);
        while at < self.file_bytes {
            let chunk = self.peek_at(at, CHUNK)?;
            if let Some(last) = chunk.iter().rposition(|byte| *byte != 0) {
                used = at + last as u64 + 1;
            }
            at += CHUNK;
        }
        Ok(used)
    }
}

/// All segment files of a log, in order of their names.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = disk::list(&dir.join("segments"))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    paths.sort();
    Ok(paths)
}
