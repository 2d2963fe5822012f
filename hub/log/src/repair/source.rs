//! The copy that a log is mended from.

use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use simpul_signing::sha256;
use simpul_tlog::note::NoteVerifier;

use super::{RepairError, at};
use crate::{
    disk::{self, File},
    frame::Frame,
    keystore,
    pieces::{Piece, Pieces},
    segment::{self, SegmentHeader, SegmentWalk},
};

pub(super) struct Source {
    dir: PathBuf,
    segments: Vec<(PathBuf, SegmentHeader)>,
}

impl Source {
    /// Segments whose header cannot be read are passed over.
    pub(super) fn open(dir: &Path, verifier: &NoteVerifier) -> Result<Self, RepairError> {
        let origin = sha256(&[verifier.name().as_bytes()]);
        let mut segments = Vec::new();
        for path in segment::list(dir).map_err(at(dir))? {
            let mut page = vec![0; segment::PAGE_BYTES as usize];
            let file = File::open(&path).map_err(at(&path))?;
            if file.read_exact_at(&mut page, 0).is_err() {
                continue;
            }
            let Some(header) = SegmentHeader::parse(&page) else { continue };
            if header.origin != origin {
                return Err(RepairError::Origin { path: dir.to_owned(), wanted: verifier.name().into() });
            }
            segments.push((path, header));
        }
        Ok(Self { dir: dir.to_owned(), segments })
    }

    /// Whole frames that hold exactly these leaves; `None` where it has not all of them.
    pub(super) fn frames(&self, leaves: Range<u64>) -> Result<Option<Vec<Frame>>, RepairError> {
        let after = self.segments.partition_point(|(_, header)| header.first_leaf <= leaves.start);
        let Some(first) = after.checked_sub(1) else { return Ok(None) };
        let (mut frames, mut next) = (Vec::new(), leaves.start);
        for (path, header) in &self.segments[first..] {
            if next >= leaves.end {
                break;
            }
            let file = File::open(path).map_err(at(path))?;
            let walk = SegmentWalk::new(&file).map_err(at(path))?;
            let mut pieces = Pieces::new(walk, header.first_leaf, header.first_position, None);
            while let Some(piece) = pieces.next().map_err(at(path))? {
                let Piece::Frame(at, frame) = piece else { continue };
                if at.first_leaf < next {
                    continue;
                }
                if at.first_leaf != next || next >= leaves.end {
                    break;
                }
                next += u64::from(frame.header.leaves);
                frames.push(frame);
            }
        }
        Ok((next == leaves.end).then_some(frames))
    }

    /// Its checkpoint file, whatever it says.
    pub(super) fn checkpoint(&self) -> Option<String> {
        String::from_utf8(disk::read(&self.dir.join("checkpoint")).ok()?).ok()
    }

    /// A row of its key file.
    pub(super) fn key_row(&self, slot: u64) -> Result<Option<Vec<u8>>, RepairError> {
        let path = self.dir.join("keys");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(RepairError::Io { path, source }),
        };
        let mut row = vec![0; keystore::ROW_BYTES as usize];
        if file.size().map_err(at(&path))? < (slot + 1) * keystore::ROW_BYTES {
            return Ok(None);
        }
        file.read_exact_at(&mut row, slot * keystore::ROW_BYTES).map_err(at(&path))?;
        Ok(Some(row))
    }
}
