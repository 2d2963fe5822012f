//! Damage to the files of a log that was closed well: cuts at every offset, flipped bits, segment files that are missing,
//! swapped or doubled.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use crate::{check, harness, random::Random, witness::Witness};

/// A closed log and what was acknowledged by it.
pub(crate) struct Whole {
    pub(crate) dir: PathBuf,
    pub(crate) witness: Witness,
}

/// What is done to a copy of it.
#[derive(Clone, Debug)]
pub(crate) enum Damage {
    /// The last frame ends at this offset in the file, and so does the file, or zeros follow. `known`: the checkpoint file
    /// speaks of the frame.
    Cut { at: u64, zeros: bool, known: bool },
    /// One bit of a file, named below the log's folder.
    Flip { file: PathBuf, bit: u64 },
    /// Segment files; the number picks which.
    Segments { case: SegmentCase, which: usize, indexes: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SegmentCase {
    Missing,
    Swapped,
    Doubled,
    Reordered,
    Repeated,
}

impl SegmentCase {
    pub(crate) const ALL: [Self; 5] =
        [Self::Missing, Self::Swapped, Self::Doubled, Self::Reordered, Self::Repeated];
}

/// Every offset of the last frame, both ways.
pub(crate) fn cuts(of: &Whole) -> Vec<Damage> {
    let (start, end) = harness::last_frame(&of.dir);
    let mut all = Vec::new();
    for at in start..end {
        for (zeros, known) in [(false, false), (true, false), (false, true), (true, true)] {
            all.push(Damage::Cut { at, zeros, known });
        }
    }
    all
}

/// The cuts that leave everything of the last frame but some of its commit marker.
pub(crate) fn cuts_of_marker(of: &Whole) -> Vec<Damage> {
    const MARKER_BYTES: u64 = 8;
    let end = harness::last_frame(&of.dir).1;
    (end - MARKER_BYTES..end).map(|at| Damage::Cut { at, zeros: true, known: false }).collect()
}

/// Every bit of the headers of the first, a middle and the last frame.
pub(crate) fn header_flips(of: &Whole) -> Vec<Damage> {
    let frames = harness::frames(&of.dir);
    let file = PathBuf::from("segments").join(harness::segment(&of.dir).file_name().unwrap_or_default());
    let chosen = [0, frames.len() / 2, frames.len() - 1];
    let bits = chosen.iter().flat_map(|at| frames[*at].0 * 8..(frames[*at].0 + 64) * 8);
    bits.map(|bit| Damage::Flip { file: file.clone(), bit }).collect()
}

/// Some bit of some file: most in frames, some in what is derived.
pub(crate) fn any_flip(of: &Whole, random: &mut Random) -> Damage {
    let files: Vec<PathBuf> = harness::files(&of.dir);
    let named = files.iter().filter_map(|path| Some((path, path.strip_prefix(&of.dir).ok()?.to_path_buf())));
    let candidates: Vec<_> =
        named.filter(|(_, name)| !matches!(name.to_str(), Some("lock" | "tree"))).collect();
    loop {
        let (path, file) = random.pick(&candidates);
        let bytes = fs::read(path).unwrap_or_default();
        // The zeros ahead of use hold nothing.
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
        if used > 0 {
            return Damage::Flip { file: file.clone(), bit: random.below(used * 8) };
        }
    }
}

impl Damage {
    /// Damages a copy of the log in `dir` and judges what it does then.
    pub(crate) fn judge(&self, of: &Whole, dir: &Path) -> Result<(), String> {
        harness::copy(&of.dir, dir);
        let system = |error: io::Error| format!("battery: {error}");
        match self {
            Self::Cut { at, zeros, known } => {
                let end = harness::last_frame(dir).1;
                let file = OpenOptions::new().write(true).open(harness::segment(dir)).map_err(system)?;
                match zeros {
                    true => file.write_all_at(&vec![0; (end - at) as usize], *at).map_err(system)?,
                    false => file.set_len(*at).map_err(system)?,
                }
                if *known {
                    return check::damaged(dir, &of.witness);
                }
                harness::forget_last_checkpoint(dir);
                let mut witness = of.witness.clone();
                let last = witness.entries.values().max_by_key(|entry| entry.leaf_index).cloned();
                let last = last.ok_or("battery: an empty log")?;
                witness.entries.remove(&last.number);
                witness.checkpoints.retain(|note| *note != last.checkpoint);
                check::whole(dir, &witness, Some(last.leaf_index))
            }
            Self::Flip { file, bit } => {
                let path = dir.join(file);
                let mut bytes = fs::read(&path).map_err(system)?;
                bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
                fs::write(&path, bytes).map_err(system)?;
                if path.extension().is_some_and(|name| name == "seg") && !check::violates(dir) {
                    return Err("verification found nothing".into());
                }
                check::damaged(dir, &of.witness)
            }
            Self::Segments { case, which, indexes } => {
                if !indexes {
                    let files = harness::files(dir).into_iter();
                    for path in files.filter(|path| path.extension().is_some_and(|name| name == "idx")) {
                        fs::remove_file(path).map_err(system)?;
                    }
                }
                case.apply(dir, *which).map_err(system)?;
                if !check::violates(dir) {
                    return Err("verification found nothing".into());
                }
                check::damaged(dir, &of.witness)
            }
        }
    }
}

impl SegmentCase {
    fn apply(self, dir: &Path, which: usize) -> io::Result<()> {
        let segments = harness::segments(dir);
        let one = &segments[which % segments.len()];
        let other = &segments[(which + 1) % segments.len()];
        let aside = dir.join("aside");
        match self {
            Self::Missing => fs::remove_file(one),
            Self::Swapped => {
                fs::rename(one, &aside)?;
                fs::rename(other, one)?;
                fs::rename(&aside, other)
            }
            Self::Doubled => fs::copy(one, other).map(|_| ()),
            Self::Reordered => {
                fs::rename(one, &aside)?;
                for pair in segments.iter().filter(|path| *path != one).collect::<Vec<_>>().windows(2) {
                    if pair[1] > one && pair[0] < one {
                        fs::rename(pair[1], one)?;
                    }
                }
                fs::rename(&aside, dir.join("segments/99999999999999999999.seg"))
            }
            Self::Repeated => fs::copy(one, dir.join("segments/00000000000000099999.seg")).map(|_| ()),
        }
    }
}
