//! A segment's frames one after another, past what is damaged: what is whole, and from where to where it is not.
//!
//! ```text
//! page │ frame │ frame │ ///damaged/// │ frame │ zeros
//!                        └── gap: offsets, leaves, positions; its end is where the next whole header stands
//! ```

use std::{io, ops::Range};

use crate::{
    frame::{Frame, FrameFault, FrameHeader, HEADER_BYTES},
    reader::stored_leaves,
    segment::{FrameRef, SegmentWalk, Step},
};

/// A stretch of a segment that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    /// In the file.
    pub(crate) offsets: Range<u64>,
    pub(crate) leaves: Range<u64>,
    pub(crate) positions: Range<u64>,
    /// First leaf and position that are known to be affected, and how.
    pub(crate) leaf: u64,
    pub(crate) position: u64,
    pub(crate) fault: FrameFault,
}

/// What stands next in a segment.
pub(crate) enum Piece {
    /// A frame of which every leaf, record and the trailer were read.
    Frame(FrameRef, Frame),
    Gap(Gap),
    /// What stands behind the last frame: zeros, or (up to `used`) bytes that no later frame vouches for.
    Rest {
        from: u64,
        used: u64,
    },
}

/// Walks a segment.
pub(crate) struct Pieces<'a> {
    walk: SegmentWalk<'a>,
    leaf: u64,
    position: u64,
    /// Where the next segment begins: leaf and position.
    next: Option<(u64, u64)>,
    ended: bool,
}

impl<'a> Pieces<'a> {
    /// From the first frame on, which begins with this leaf and position. `next` is where the next segment begins.
    pub(crate) fn new(walk: SegmentWalk<'a>, leaf: u64, position: u64, next: Option<(u64, u64)>) -> Self {
        Self { walk, leaf, position, next, ended: false }
    }

    /// Leaf and position that come next.
    pub(crate) fn place(&self) -> (u64, u64) {
        (self.leaf, self.position)
    }

    /// Where the next piece would begin; at the end, where the last whole frame ends.
    pub(crate) fn offset(&self) -> u64 {
        self.walk.offset
    }

    pub(crate) fn walk(&self) -> &SegmentWalk<'a> {
        &self.walk
    }

    /// The next piece; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Piece>> {
        if self.ended {
            return Ok(None);
        }
        let start = self.walk.offset;
        match self.walk.step()? {
            Step::Frame(at, frame) if (at.first_leaf, at.first_position) == self.place() => {
                match whole(&frame) {
                    Ok(()) => {
                        self.leaf += u64::from(frame.header.leaves);
                        self.position += u64::from(frame.header.records);
                        Ok(Some(Piece::Frame(at, frame)))
                    }
                    Err(fault) => {
                        self.walk.offset = start;
                        // At the very end it may be the rest of a write that was cut off.
                        if !self.followed(&frame.header)? {
                            return self.resync(fault);
                        }
                        let place = frame.place_of(fault);
                        Ok(Some(self.gap_of(&frame.header, place, fault)))
                    }
                }
            }
            Step::Frame(..) => {
                self.walk.offset = start;
                self.resync(FrameFault::Header)
            }
            Step::Broken(fault) => {
                let head = self.walk.peek(HEADER_BYTES as u64)?;
                match FrameHeader::parse(&head) {
                    Ok(header)
                        if (header.first_leaf, header.first_position) == self.place()
                            && self.followed(&header)? =>
                    {
                        let place = self.place();
                        Ok(Some(self.gap_of(&header, place, fault)))
                    }
                    _ => self.resync(fault),
                }
            }
            Step::End => self.resync(FrameFault::Header),
        }
    }

    /// Whether the length in a header that holds leads to a later frame or to where the next segment begins.
    fn followed(&self, header: &FrameHeader) -> io::Result<bool> {
        let end = self.walk.offset + u64::from(header.length);
        let leaf = header.first_leaf + u64::from(header.leaves);
        Ok(self.next.is_some_and(|(next, _)| next == leaf) || self.walk.find_frame(end, leaf - 1)?.is_some())
    }

    fn gap_of(&mut self, header: &FrameHeader, (leaf, position): (u64, u64), fault: FrameFault) -> Piece {
        let start = self.walk.offset;
        let end = start + u64::from(header.length);
        let (first_leaf, first_position) = self.place();
        self.walk.offset = end;
        self.leaf += u64::from(header.leaves);
        self.position += u64::from(header.records);
        Piece::Gap(Gap {
            offsets: start..end,
            leaves: first_leaf..self.leaf,
            positions: first_position..self.position,
            leaf,
            position,
            fault,
        })
    }

    /// Goes on at the next whole header of a later leaf, or at the next segment.
    fn resync(&mut self, fault: FrameFault) -> io::Result<Option<Piece>> {
        let start = self.walk.offset;
        let (leaf, position) = self.place();
        let found =
            self.walk.find_frame(start, leaf)?.filter(|(_, header)| header.first_position >= position);
        let (end, to_leaf, to_position) = match (found, self.next) {
            (Some((at, header)), _) => (at, header.first_leaf, header.first_position),
            (None, Some((next_leaf, next_position))) if next_leaf > leaf => {
                self.ended = true;
                (self.walk.used_behind(start)?, next_leaf, next_position)
            }
            (None, _) => {
                self.ended = true;
                let used = self.walk.used_behind(start)?;
                return Ok(Some(Piece::Rest { from: start, used }));
            }
        };
        self.walk.offset = end;
        (self.leaf, self.position) = (to_leaf, to_position);
        Ok(Some(Piece::Gap(Gap {
            offsets: start..end,
            leaves: leaf..to_leaf,
            positions: position..to_position,
            leaf,
            position,
            fault,
        })))
    }
}

/// Reads every part of a frame.
pub(crate) fn whole(frame: &Frame) -> Result<(), FrameFault> {
    stored_leaves(frame)?;
    frame.trailer().map(drop)
}
