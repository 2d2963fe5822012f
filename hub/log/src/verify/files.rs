//! The files beside the segments: what is derived has to be what the segments give, and data keys what was written.

use std::{io, path::Path};

use serde::Serialize;
use simpul_tlog::{checkpoint, note::NoteVerifier, stored};
use simpul_types::Digest;

use crate::{
    disk::{self, File},
    frame::Frame,
    index::SealedIndex,
    keystore,
    segment::SegmentHeader,
};

/// A file beside the segments that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileFault {
    /// Below the log's folder.
    pub file: String,
    /// First leaf affected, where it is about leaves.
    pub leaf: Option<u64>,
    /// What is wrong, and whether it matters.
    pub what: String,
}

/// Compares the files beside the segments with what a walk through the segments shows.
pub(super) struct Files<'a> {
    dir: &'a Path,
    tree: Option<(File, u64)>,
    tree_wrong: bool,
    slots_end: u64,
    epoch: u32,
    faults: Vec<FileFault>,
}

impl<'a> Files<'a> {
    pub(super) fn new(dir: &'a Path) -> Self {
        let tree = File::open(&dir.join("tree")).ok();
        let tree = tree.and_then(|tree| Some((tree.size().ok()? / 32, tree)));
        Self {
            dir,
            tree: tree.map(|(held, tree)| (tree, held)),
            tree_wrong: false,
            slots_end: 0,
            epoch: 0,
            faults: Vec::new(),
        }
    }

    fn fault(&mut self, file: impl Into<String>, leaf: Option<u64>, what: impl Into<String>) {
        self.faults.push(FileFault { file: file.into(), leaf, what: what.into() });
    }

    /// A frame that passed, with the hashes that its leaves complete.
    pub(super) fn frame(&mut self, frame: &Frame, hashes: &[Digest]) -> io::Result<()> {
        self.epoch = self.epoch.max(frame.header.epoch);
        for record in frame.records().flatten() {
            self.slots_end = self.slots_end.max(record.slot + 1);
        }
        let first = stored::stored_count(frame.header.first_leaf);
        let Some((tree, held)) = &self.tree else { return Ok(()) };
        let length = held.saturating_sub(first).min(hashes.len() as u64) as usize;
        let mut bytes = vec![0; length * 32];
        tree.read_exact_at(&mut bytes, first * 32)?;
        if bytes != hashes[..length].as_flattened() && !self.tree_wrong {
            // The first one tells; a shifted file would give one for every frame.
            self.tree_wrong = true;
            let what = "stored hashes are not those of the leaves; proofs made from them would not hold";
            self.fault("tree", Some(frame.header.first_leaf), what);
        }
        Ok(())
    }

    /// The index tables of a segment that another follows.
    pub(super) fn tables(&mut self, name: &str, header: &SegmentHeader) {
        let file = format!("segments/{}", name.replace(".seg", ".idx"));
        let path = self.dir.join(&file);
        let right = match SealedIndex::load(&path) {
            Some(index) => index.is_of(header.first_leaf, header.first_position),
            None => disk::read_if_there(&path).is_ok_and(|file| file.is_none()),
        };
        if !right {
            let what =
                "index tables are not as they were written; the hub builds them again at its next start";
            self.fault(file, Some(header.first_leaf), what);
        }
    }

    /// Keys, checkpoint and epoch; `complete` where every segment was read.
    pub(super) fn finish(mut self, verifier: &NoteVerifier, complete: bool) -> io::Result<Vec<FileFault>> {
        self.keys()?;
        let checkpoint = disk::read_if_there(&self.dir.join("checkpoint"))?.unwrap_or_default();
        // A power cut can leave it without bytes, or with zeros, for it is not flushed.
        let cut = checkpoint.iter().all(|byte| *byte == 0);
        let note = String::from_utf8(checkpoint).unwrap_or_default();
        if !cut && checkpoint::open(&note, verifier).is_err() {
            self.fault("checkpoint", None, "the checkpoint file is not signed by the log's key");
        }
        if let Some(epoch) = disk::read_if_there(&self.dir.join("epoch"))? {
            let number =
                std::str::from_utf8(&epoch).ok().and_then(|text| text.trim_end().parse::<u32>().ok());
            match number {
                None => self.fault("epoch", None, "the epoch file is not a number"),
                Some(number) if complete && number < self.epoch => {
                    let what =
                        format!("the epoch file says {number}, frames were sealed in epoch {}", self.epoch);
                    self.fault("epoch", None, what);
                }
                Some(_) => {}
            }
        }
        Ok(self.faults)
    }

    /// Every row that was ever whole. A hub may write rows meanwhile: a fault stands once two looks have found it.
    fn keys(&mut self) -> io::Result<()> {
        let mut seen = Vec::new();
        loop {
            let found = key_faults(disk::read_if_there(&self.dir.join("keys"))?, self.slots_end);
            if found == seen {
                found.into_iter().for_each(|what| self.fault("keys", None, what));
                return Ok(());
            }
            seen = found;
        }
    }
}

fn key_faults(file: Option<Vec<u8>>, slots_end: u64) -> Vec<String> {
    let Some(bytes) = file else {
        let missing = (slots_end > 0).then(|| "the key file is missing: payloads cannot be opened".into());
        return missing.into_iter().collect();
    };
    let rows: Vec<_> = bytes.chunks(keystore::ROW_BYTES as usize).collect();
    let good = |slot: usize| keystore::read_row(rows[slot]).is_some_and(|row| row.slot == slot as u64);
    let mut faults = Vec::new();
    if slots_end > rows.len() as u64 {
        faults.push(format!("the key file ends at slot {}, streams use {slots_end}", rows.len()));
    }
    // A cut write leaves zeros or a short row behind the rows that are used, and nothing else.
    let cut = |row: &[u8]| row.len() < keystore::ROW_BYTES as usize || row.iter().all(|byte| *byte == 0);
    for slot in 0..rows.len() as u64 {
        if !good(slot as usize) && (slot < slots_end || !cut(rows[slot as usize])) {
            let use_of = if slot < slots_end { "a stream uses it" } else { "no stream uses it yet" };
            faults.push(format!("data key of slot {slot} is not as it was written; {use_of}"));
        }
    }
    faults
}
