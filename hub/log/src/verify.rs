//! Offline verification of a log's folder with nothing but its public key: every byte of every frame, the chain of
//! segments, the tree, the signature of every checkpoint, and the files beside the segments.

mod files;

use std::{io, path::Path};

use serde::Serialize;
use simpul_signing::sha256;
use simpul_tlog::{
    checkpoint::{self, Checkpoint},
    note::NoteVerifier,
    stored::Frontier,
};
use simpul_types::Digest;

use crate::{
    disk::{self, File},
    frame::{Frame, FrameFault},
    reader::{StoredLeaf, stored_leaves},
    segment::{self, SegmentHeader, SegmentWalk, Step},
};

pub use files::FileFault;

use files::Files;

/// The first thing that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// File name of the segment.
    pub segment: String,
    /// First leaf affected.
    pub leaf: u64,
    /// First position affected.
    pub position: u64,
    /// What is wrong.
    pub what: String,
}

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Segment files read.
    pub segments: u64,
    /// Group commits read.
    pub frames: u64,
    /// Leaves read.
    pub leaves: u64,
    /// Events read.
    pub events: u64,
    /// Bytes of frames read.
    pub bytes: u64,
    /// Checkpoint signatures verified.
    pub signatures: u64,
    /// Root over all leaves read, hex.
    pub root: String,
    /// The newest checkpoint whose signature a frame keeps and that was verified, as it was signed.
    #[serde(skip)]
    pub checkpoint: Option<String>,
    /// Size that the checkpoint file signs, if it is there.
    pub checkpoint_size: Option<u64>,
    /// Bytes of an incomplete tail frame that was never acknowledged.
    pub incomplete_tail_bytes: u64,
    /// The first violation; nothing behind it was read.
    pub violation: Option<Violation>,
    /// Files beside the segments that are not as they were written.
    pub files: Vec<FileFault>,
}

/// Walks a log's folder and calls `visit` for every leaf that passed, with its place. `visit` may find a violation of its own.
///
/// # Errors
/// Only where a file cannot be read; what is read and wrong is in the report.
pub fn walk(
    dir: &Path,
    verifier: &NoteVerifier,
    visit: &mut dyn FnMut(&StoredLeaf, &Report) -> Result<(), String>,
) -> io::Result<Report> {
    let mut walk = Walk {
        verifier,
        visit,
        report: Report::default(),
        tree: Frontier::empty(),
        signed: true,
        files: Files::new(dir),
    };
    let floor = walk.checkpoint_file(dir);
    let paths = segment::list(dir)?;
    for (number, path) in paths.iter().enumerate() {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let outcome = walk.segment(&name, &File::open(path)?, number + 1 == paths.len(), &floor)?;
        if let Err((what, leaf, position)) = outcome {
            walk.report.violation = Some(Violation { segment: name, leaf, position, what });
            return walk.finish(false);
        }
    }
    walk.report.root = data_encoding::HEXLOWER.encode(&walk.tree.root());
    if let Some(checkpoint) = floor.filter(|checkpoint| checkpoint.size > walk.tree.size()) {
        walk.report.violation = Some(Violation {
            segment: paths
                .last()
                .and_then(|path| Some(path.file_name()?.to_string_lossy().into()))
                .unwrap_or_default(),
            leaf: walk.tree.size(),
            position: walk.report.events,
            what: format!("the signed checkpoint speaks of {} leaves", checkpoint.size),
        });
    }
    walk.finish(true)
}

struct Walk<'a> {
    verifier: &'a NoteVerifier,
    visit: &'a mut dyn FnMut(&StoredLeaf, &Report) -> Result<(), String>,
    report: Report,
    tree: Frontier,
    /// Whether the signature over the present tree was found.
    signed: bool,
    files: Files<'a>,
}

type Found = Result<(), (String, u64, u64)>;

/// The last member of an error tells whether it stands whatever comes behind the frame.
type Judged = Result<(), (String, u64, u64, bool)>;

impl Walk<'_> {
    fn finish(mut self, complete: bool) -> io::Result<Report> {
        self.report.files = self.files.finish(self.verifier, complete)?;
        Ok(self.report)
    }

    fn checkpoint_file(&mut self, dir: &Path) -> Option<Checkpoint> {
        let note = disk::read(&dir.join("checkpoint")).ok()?;
        let checkpoint = checkpoint::open(std::str::from_utf8(&note).ok()?, self.verifier).ok()?;
        self.report.checkpoint_size = Some(checkpoint.size);
        Some(checkpoint)
    }

    fn segment(
        &mut self,
        name: &str,
        file: &File,
        last: bool,
        floor: &Option<Checkpoint>,
    ) -> io::Result<Found> {
        let (leaf, position) = (self.tree.size(), self.report.events);
        let mut page = vec![0; segment::PAGE_BYTES as usize];
        let whole = file.read_exact_at(&mut page, 0).is_ok();
        let Some(header) = SegmentHeader::parse(&page).filter(|_| whole) else {
            return Ok(Err(("segment header".into(), leaf, position)));
        };
        let origin = sha256(&[self.verifier.name().as_bytes()]);
        let expected =
            SegmentHeader { first_leaf: leaf, first_position: position, root: self.tree.root(), origin };
        if header != expected || format!("{leaf:020}.seg") != name {
            let what = "the segment does not go on where the one before ends".into();
            return Ok(Err((what, leaf, position)));
        }
        self.report.segments += 1;
        if !last {
            self.files.tables(name, &header);
        }
        let mut steps = SegmentWalk::new(file)?;
        // What the last look saw where no whole frame stood.
        let mut seen = None;
        loop {
            let start = steps.offset;
            let broken = match steps.step()? {
                Step::Frame(_, frame) => match self.frame(&frame, floor)? {
                    Ok(()) => continue,
                    Err((what, leaf, position, true)) => return Ok(Err((what, leaf, position))),
                    Err((what, leaf, position, false)) => Some((what, leaf, position)),
                },
                Step::End => None,
                Step::Broken(fault) => Some((fault.to_string(), self.tree.size(), self.report.events)),
            };
            let followed = steps.frame_behind(start + 1, self.tree.size())?;
            let used = steps.used_behind(start)?;
            steps.offset = start;
            let bytes = steps.peek(used - start)?;
            // A hub may write meanwhile: a fault stands once two looks have seen the same bytes.
            if last && seen.as_ref() != Some(&(start, bytes.clone())) {
                seen = Some((start, bytes));
                continue;
            }
            let acknowledged = floor.as_ref().is_some_and(|checkpoint| checkpoint.size > self.tree.size());
            let tail = last && !acknowledged && !followed;
            if tail && (used == start || Frame::looks_torn(&bytes, start)) {
                self.report.incomplete_tail_bytes = used - start;
                return Ok(Ok(()));
            }
            return Ok(match broken {
                Some(found) => Err(found),
                None if used == start => Ok(()),
                None => Err((FrameFault::Header.to_string(), self.tree.size(), self.report.events)),
            });
        }
    }

    fn frame(&mut self, frame: &Frame, floor: &Option<Checkpoint>) -> io::Result<Judged> {
        let mut hashes = Vec::new();
        let judged = self.judge(frame, floor, &mut hashes);
        if judged.is_ok() {
            self.files.frame(frame, &hashes)?;
        }
        Ok(judged)
    }

    fn judge(&mut self, frame: &Frame, floor: &Option<Checkpoint>, hashes: &mut Vec<Digest>) -> Judged {
        let fault = |fault: FrameFault| {
            let (leaf, position) = frame.place_of(fault);
            (fault.to_string(), leaf, position, false)
        };
        let wrong =
            |what: &str| (what.to_string(), frame.header.first_leaf, frame.header.first_position, true);
        if (frame.header.first_leaf, frame.header.first_position) != (self.tree.size(), self.report.events) {
            return Err(("leaf or position out of order".into(), self.tree.size(), self.report.events, true));
        }
        let trailer = frame.trailer().map_err(fault)?;
        let leaves = stored_leaves(frame).map_err(fault)?;
        self.check_signature(&trailer.previous_signature).map_err(wrong)?;
        for leaf in &leaves {
            self.tree.push(simpul_tlog::leaf_hash(&leaf.bytes), hashes);
            (self.visit)(leaf, &self.report)
                .map_err(|what| (what, leaf.index.get(), leaf.first_position.get(), true))?;
            self.report.leaves += 1;
            self.report.events += leaf.events.len() as u64;
        }
        if (self.tree.size(), self.tree.root()) != (trailer.tree_size, trailer.root) {
            return Err(wrong("the leaves do not give the root in the frame's trailer"));
        }
        let signed = floor.as_ref().filter(|checkpoint| checkpoint.size == self.tree.size());
        if signed.is_some_and(|checkpoint| checkpoint.root != self.tree.root()) {
            return Err(wrong("the root is not that of the signed checkpoint"));
        }
        self.signed = false;
        self.report.frames += 1;
        self.report.bytes += u64::from(frame.header.length);
        Ok(())
    }

    /// The signature over the tree before this frame, which the frame keeps.
    fn check_signature(&mut self, signature: &[u8; 64]) -> Result<(), &'static str> {
        if self.tree.size() == 0 {
            return if *signature == [0; 64] { Ok(()) } else { Err("a signature before the first leaf") };
        }
        let (origin, size, root) = (self.verifier.name().to_string(), self.tree.size(), self.tree.root());
        let checkpoint = Checkpoint { origin, size, root };
        if !self.verifier.verify_raw(&checkpoint.body(), signature) {
            return Err("the signature of the checkpoint before this frame");
        }
        self.signed = true;
        self.report.signatures += 1;
        self.report.checkpoint = Some(checkpoint.with_signature(self.verifier, signature));
        Ok(())
    }
}
