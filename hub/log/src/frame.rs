//! The bytes of a frame: one group commit, self-contained and deterministic.
//!
//! All numbers are little-endian; CRC is CRC-32C.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | magic `SFR1` (the digit is the version) |
//! | 4 | 4 | length of the frame, header to marker |
//! | 8 | 8 | index of the first leaf |
//! | 16 | 8 | position of the first record |
//! | 24 | 4 | leaves |
//! | 28 | 4 | records |
//! | 32 | 4 | epoch of the hub start that sealed it |
//! | 36 | 4 | bytes of all leaves |
//! | 40 | 20 | zero |
//! | 60 | 4 | CRC of the 60 bytes before |
//! | 64 | 12 × leaves | leaf table: length, records, CRC of the leaf (4 bytes each) |
//! | | 8 × records | record table: length, CRC of the record (4 bytes each) |
//! | | 4 | CRC of both tables |
//! | | | leaves, one after another |
//! | | | records, one after another: header length (4), key slot (8), key commitment (32), header, sealed payload |
//! | end − 116 | 8 | size of the tree after this frame |
//! | | 32 | its root |
//! | | 64 | signature of the checkpoint before this frame; zero in the first |
//! | | 4 | CRC of the 104 bytes before |
//! | end − 8 | 8 | commit marker `SIMPUL\r\n` |
//!
//! Every byte is under a CRC or a constant, and every CRC belongs to one part, so that a flipped bit is named with its
//! leaf and position. The checkpoint of a frame needs no room in it: Ed25519 is deterministic, and the next frame keeps
//! the signature for those who do not hold the key.

use bytes::Bytes;
use simpul_types::Digest;

use crate::disk::seeded;

pub(crate) const HEADER_BYTES: usize = 64;
pub(crate) const TRAILER_BYTES: usize = 116;
pub(crate) const RECORD_PREFIX_BYTES: usize = 44;
pub(crate) const LEAF_ROW_BYTES: usize = 12;
pub(crate) const RECORD_ROW_BYTES: usize = 8;
pub(crate) const MAGIC: &[u8; 4] = b"SFR1";
const MARKER: &[u8; 8] = b"SIMPUL\r\n";
/// Read with a frame's header: all of a small frame, and the tables of one with some hundred events.
const FIRST_READ_BYTES: usize = 4_096;

/// What a frame's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) length: u32,
    pub(crate) first_leaf: u64,
    pub(crate) first_position: u64,
    pub(crate) leaves: u32,
    pub(crate) records: u32,
    pub(crate) epoch: u32,
    pub(crate) leaf_bytes: u32,
}

/// What a frame's trailer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameTrailer {
    pub(crate) tree_size: u64,
    pub(crate) root: Digest,
    pub(crate) previous_signature: [u8; 64],
}

/// Which part of a frame is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// Header: magic, CRC or a length that cannot be.
    #[error("frame header")]
    Header,
    /// Leaf or record table.
    #[error("frame tables")]
    Tables,
    /// The leaf with this index within the frame.
    #[error("leaf {0} of the frame")]
    Leaf(u32),
    /// The record with this index within the frame.
    #[error("record {0} of the frame")]
    Record(u32),
    /// Tree size, root or signature.
    #[error("frame trailer")]
    Trailer,
    /// The commit marker.
    #[error("commit marker")]
    Marker,
    /// The file that holds the frame is not there.
    #[error("the segment file is missing")]
    Missing,
}

/// Collects leaves and records and lays them out as a frame.
pub(crate) struct FrameBuilder {
    pub(crate) first_leaf: u64,
    pub(crate) first_position: u64,
    pub(crate) epoch: u32,
    leaf_rows: Vec<u8>,
    leaves: Vec<u8>,
    record_rows: Vec<u8>,
    records: Vec<u8>,
}

impl FrameBuilder {
    pub(crate) fn new(first_leaf: u64, first_position: u64, epoch: u32) -> Self {
        let (leaf_rows, leaves, record_rows, records) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { first_leaf, first_position, epoch, leaf_rows, leaves, record_rows, records }
    }

    pub(crate) fn bytes(&self) -> usize {
        HEADER_BYTES
            + self.leaf_rows.len()
            + self.record_rows.len()
            + 4
            + self.leaves.len()
            + self.records.len()
            + TRAILER_BYTES
    }

    pub(crate) fn next_leaf(&self) -> u64 {
        self.first_leaf + (self.leaf_rows.len() / LEAF_ROW_BYTES) as u64
    }

    pub(crate) fn next_position(&self) -> u64 {
        self.first_position + (self.record_rows.len() / RECORD_ROW_BYTES) as u64
    }

    /// Adds a record; `seal` gets the place of salt and payload in clear and must leave ciphertext there and return the tag.
    /// Returns the sealed payload as it stands in the frame.
    pub(crate) fn push_record(
        &mut self,
        slot: u64,
        key_commitment: &Digest,
        header: &[u8],
        clear: [&[u8]; 2],
        seal: impl FnOnce(&mut [u8]) -> [u8; 16],
    ) -> &[u8] {
        let start = self.records.len();
        self.records.extend_from_slice(&u32_of(header.len()).to_le_bytes());
        self.records.extend_from_slice(&slot.to_le_bytes());
        self.records.extend_from_slice(key_commitment);
        self.records.extend_from_slice(header);
        let sealed = self.records.len();
        self.records.extend_from_slice(clear[0]);
        self.records.extend_from_slice(clear[1]);
        let tag = seal(&mut self.records[sealed..]);
        self.records.extend_from_slice(&tag);
        let record = &self.records[start..];
        self.record_rows.extend_from_slice(&u32_of(record.len()).to_le_bytes());
        self.record_rows.extend_from_slice(&crc32c::crc32c(record).to_le_bytes());
        &self.records[sealed..]
    }

    /// Adds the leaf of the last `records` records.
    pub(crate) fn push_leaf(&mut self, leaf: &[u8], records: usize) {
        self.leaf_rows.extend_from_slice(&u32_of(leaf.len()).to_le_bytes());
        self.leaf_rows.extend_from_slice(&u32_of(records).to_le_bytes());
        self.leaf_rows.extend_from_slice(&crc32c::crc32c(leaf).to_le_bytes());
        self.leaves.extend_from_slice(leaf);
    }

    /// The frame's bytes.
    pub(crate) fn finish(&self, trailer: &FrameTrailer) -> Vec<u8> {
        let length = self.bytes();
        let mut out = Vec::with_capacity(length);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&u32_of(length).to_le_bytes());
        out.extend_from_slice(&self.first_leaf.to_le_bytes());
        out.extend_from_slice(&self.first_position.to_le_bytes());
        out.extend_from_slice(&u32_of(self.leaf_rows.len() / LEAF_ROW_BYTES).to_le_bytes());
        out.extend_from_slice(&u32_of(self.record_rows.len() / RECORD_ROW_BYTES).to_le_bytes());
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(&u32_of(self.leaves.len()).to_le_bytes());
        out.resize(60, 0);
        seal_crc(&mut out, 0);
        out.extend_from_slice(&self.leaf_rows);
        out.extend_from_slice(&self.record_rows);
        seal_crc(&mut out, HEADER_BYTES);
        out.extend_from_slice(&self.leaves);
        out.extend_from_slice(&self.records);
        let start = out.len();
        out.extend_from_slice(&trailer.tree_size.to_le_bytes());
        out.extend_from_slice(&trailer.root);
        out.extend_from_slice(&trailer.previous_signature);
        seal_crc(&mut out, start);
        out.extend_from_slice(MARKER);
        debug_assert_eq!(out.len(), length);
        out
    }
}

fn seal_crc(out: &mut Vec<u8>, from: usize) {
    let crc = crc32c::crc32c(&out[from..]);
    out.extend_from_slice(&crc.to_le_bytes());
}

fn u32_of(length: usize) -> u32 {
    u32::try_from(length).expect("a frame stays far below 4 GiB")
}

impl FrameHeader {
    /// Reads and checks the first 64 bytes of a frame.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, FrameFault> {
        let bytes: &[u8; HEADER_BYTES] =
            bytes.get(..HEADER_BYTES).and_then(|head| head.try_into().ok()).ok_or(FrameFault::Header)?;
        if &bytes[..4] != MAGIC || crc32c::crc32c(&bytes[..60]) != u32_at(bytes, 60) {
            return Err(FrameFault::Header);
        }
        let header = Self {
            length: u32_at(bytes, 4),
            first_leaf: u64_at(bytes, 8),
            first_position: u64_at(bytes, 16),
            leaves: u32_at(bytes, 24),
            records: u32_at(bytes, 28),
            epoch: u32_at(bytes, 32),
            leaf_bytes: u32_at(bytes, 36),
        };
        let least = header.tables_end() + u64::from(header.leaf_bytes) + TRAILER_BYTES as u64;
        // Check sums are no signatures: whoever forges a folder can set them right.
        let ends = header.first_leaf.checked_add(u64::from(header.leaves)).is_some()
            && header.first_position.checked_add(u64::from(header.records)).is_some();
        if u64::from(header.length) < least || header.leaves == 0 || !ends {
            return Err(FrameFault::Header);
        }
        Ok(header)
    }

    fn tables_end(&self) -> u64 {
        HEADER_BYTES as u64
            + u64::from(self.leaves) * LEAF_ROW_BYTES as u64
            + u64::from(self.records) * RECORD_ROW_BYTES as u64
            + 4
    }
}

/// A frame whose tables were checked; leaves and records are checked as they are taken.
pub(crate) struct Frame {
    pub(crate) header: FrameHeader,
    bytes: Bytes,
}

/// One leaf of a frame and how many records belong to it.
pub(crate) struct FrameLeaf {
    pub(crate) bytes: Bytes,
    pub(crate) records: u32,
}

/// One record of a frame.
pub(crate) struct FrameRecord {
    pub(crate) slot: u64,
    pub(crate) key_commitment: Digest,
    pub(crate) header: Bytes,
    pub(crate) sealed: Bytes,
}

impl Frame {
    /// Reads a frame's header and tables. `bytes` may go on beyond the frame.
    pub(crate) fn parse(bytes: Bytes) -> Result<Self, FrameFault> {
        let header = FrameHeader::parse(&bytes)?;
        if bytes.len() < header.length as usize {
            return Err(FrameFault::Marker);
        }
        let bytes = bytes.slice(..header.length as usize);
        let end = usize::try_from(header.tables_end()).map_err(|_| FrameFault::Tables)?;
        if crc32c::crc32c(&bytes[HEADER_BYTES..end - 4]) != u32_at(&bytes, end - 4) {
            return Err(FrameFault::Tables);
        }
        let frame = Self { header, bytes };
        let leaf_bytes: u64 = (0..header.leaves).map(|leaf| u64::from(frame.leaf_row(leaf).0)).sum();
        let owned: u64 = (0..header.leaves).map(|leaf| u64::from(frame.leaf_row(leaf).1)).sum();
        let record_bytes: u64 = (0..header.records).map(|record| u64::from(frame.record_row(record).0)).sum();
        let whole = header.tables_end() + leaf_bytes + record_bytes + TRAILER_BYTES as u64;
        let right = leaf_bytes == u64::from(header.leaf_bytes)
            && owned == u64::from(header.records)
            && whole == u64::from(header.length);
        if right { Ok(frame) } else { Err(FrameFault::Tables) }
    }

    /// The whole frame, header to marker.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    fn leaf_row(&self, leaf: u32) -> (u32, u32, u32) {
        let at = HEADER_BYTES + leaf as usize * LEAF_ROW_BYTES;
        (u32_at(&self.bytes, at), u32_at(&self.bytes, at + 4), u32_at(&self.bytes, at + 8))
    }

    fn record_row(&self, record: u32) -> (u32, u32) {
        let at =
            HEADER_BYTES + self.header.leaves as usize * LEAF_ROW_BYTES + record as usize * RECORD_ROW_BYTES;
        (u32_at(&self.bytes, at), u32_at(&self.bytes, at + 4))
    }

    /// First leaf and first position that a fault of this frame affects.
    pub(crate) fn place_of(&self, fault: FrameFault) -> (u64, u64) {
        let (mut leaf, mut position) = (self.header.first_leaf, self.header.first_position);
        for number in 0..self.header.leaves {
            let records = u64::from(self.leaf_row(number).1);
            match fault {
                FrameFault::Leaf(wrong) if wrong == number => return (leaf, position),
                FrameFault::Record(wrong) => {
                    let wrong = self.header.first_position + u64::from(wrong);
                    if wrong < position + records {
                        return (leaf, wrong);
                    }
                }
                _ => {}
            }
            leaf += 1;
            position += records;
        }
        (self.header.first_leaf, self.header.first_position)
    }

    /// All leaves in order, each checked against its CRC.
    pub(crate) fn leaves(&self) -> impl Iterator<Item = Result<FrameLeaf, FrameFault>> + '_ {
        let mut at = self.header.tables_end() as usize;
        (0..self.header.leaves).map(move |leaf| {
            let (length, records, crc) = self.leaf_row(leaf);
            let bytes = self.bytes.slice(at..at + length as usize);
            at += length as usize;
            if crc32c::crc32c(&bytes) == crc {
                Ok(FrameLeaf { bytes, records })
            } else {
                Err(FrameFault::Leaf(leaf))
            }
        })
    }

    /// All records in order, each checked against its CRC.
    pub(crate) fn records(&self) -> impl Iterator<Item = Result<FrameRecord, FrameFault>> + '_ {
        let mut at = self.header.tables_end() as usize + self.header.leaf_bytes as usize;
        (0..self.header.records).map(move |record| {
            let (length, crc) = self.record_row(record);
            let bytes = self.bytes.slice(at..at + length as usize);
            at += length as usize;
            if crc32c::crc32c(&bytes) != crc {
                return Err(FrameFault::Record(record));
            }
            FrameRecord::parse(&bytes).ok_or(FrameFault::Record(record))
        })
    }

    /// Checks trailer and marker.
    pub(crate) fn trailer(&self) -> Result<FrameTrailer, FrameFault> {
        let marker = self.bytes.len() - MARKER.len();
        let start = self.bytes.len() - TRAILER_BYTES;
        let crc_at = marker - 4;
        if &self.bytes[marker..] != MARKER && !seeded!(AcceptUnmarkedFrame) {
            return Err(FrameFault::Marker);
        }
        if crc32c::crc32c(&self.bytes[start..crc_at]) != u32_at(&self.bytes, crc_at) {
            return Err(FrameFault::Trailer);
        }
        Ok(FrameTrailer {
            tree_size: u64_at(&self.bytes, start),
            root: array_at(&self.bytes, start + 8),
            previous_signature: array_at(&self.bytes, start + 40),
        })
    }

    /// Whether a frame that is not whole can be the remains of a write that was cut off: segment files are filled with
    /// zeros ahead of use and disks write sectors whole, so a cut leaves at least one sector of zeros (or the marker
    /// missing), which a flipped bit does not. `bytes` end with the last byte that is not zero.
    pub(crate) fn looks_torn(bytes: &[u8], offset_in_file: u64) -> bool {
        const SECTOR: usize = 512;
        let skip = (SECTOR - (offset_in_file % SECTOR as u64) as usize) % SECTOR;
        let zero = |part: &[u8]| !part.is_empty() && part.iter().all(|byte| *byte == 0);
        if bytes.len() < HEADER_BYTES {
            return true;
        }
        let Ok(header) = FrameHeader::parse(bytes) else {
            let head = &bytes[..HEADER_BYTES.min(bytes.len())];
            let (before, after) = head.split_at(skip.min(head.len()));
            return zero(head) || zero(before) || (!before.is_empty() && zero(after));
        };
        let Some(frame) = bytes.get(..header.length as usize) else { return true };
        let (head, tail) = (&frame[..skip.min(frame.len())], &frame[frame.len() - MARKER.len()..]);
        zero(tail) || zero(head) || frame[skip.min(frame.len())..].chunks(SECTOR).any(zero)
    }
}

impl FrameRecord {
    fn parse(bytes: &Bytes) -> Option<Self> {
        if bytes.len() < RECORD_PREFIX_BYTES {
            return None;
        }
        let sealed_at = RECORD_PREFIX_BYTES.checked_add(u32_at(bytes, 0) as usize)?;
        if sealed_at > bytes.len() {
            return None;
        }
        Some(Self {
            slot: u64_at(bytes, 4),
            key_commitment: array_at(bytes, 12),
            header: bytes.slice(RECORD_PREFIX_BYTES..sealed_at),
            sealed: bytes.slice(sealed_at..),
        })
    }
}

/// Parts of a frame, read through `read(offset in the frame, bytes)`: header and tables at once, leaves and records one by one.
pub(crate) struct FrameParts<R> {
    header: FrameHeader,
    read: R,
    head: Bytes,
    tables: Bytes,
}

impl<E, R: Fn(u64, usize) -> Result<Bytes, E>> FrameParts<R> {
    /// Reads and checks header and tables of a frame of `length` bytes.
    pub(crate) fn open(length: u32, read: R) -> Result<Result<Self, FrameFault>, E> {
        let head = read(0, FIRST_READ_BYTES.min(length as usize))?;
        let header = match FrameHeader::parse(&head) {
            Ok(header) if header.length == length => header,
            Ok(_) => return Ok(Err(FrameFault::Header)),
            Err(fault) => return Ok(Err(fault)),
        };
        let mut parts = Self { header, read, head, tables: Bytes::new() };
        let tables = parts.bytes(HEADER_BYTES as u64, header.tables_end() as usize - HEADER_BYTES)?;
        if crc32c::crc32c(&tables[..tables.len() - 4]) != u32_at(&tables, tables.len() - 4) {
            return Ok(Err(FrameFault::Tables));
        }
        parts.tables = tables;
        Ok(Ok(parts))
    }

    pub(crate) fn header(&self) -> &FrameHeader {
        &self.header
    }

    /// What came with the header is not read twice.
    fn bytes(&self, from: u64, length: usize) -> Result<Bytes, E> {
        let end = from as usize + length;
        if end <= self.head.len() {
            Ok(self.head.slice(from as usize..end))
        } else {
            (self.read)(from, length)
        }
    }

    fn leaf_row(&self, leaf: u32) -> usize {
        leaf as usize * LEAF_ROW_BYTES
    }

    fn record_row(&self, record: u32) -> usize {
        self.leaf_row(self.header.leaves) + record as usize * RECORD_ROW_BYTES
    }

    /// Numbers of the leaf that a record belongs to, of the leaf's first record, and of the record behind its last.
    pub(crate) fn leaf_of(&self, record: u32) -> Result<(u32, u32, u32), FrameFault> {
        let mut first = 0_u32;
        for leaf in 0..self.header.leaves {
            let end = first.saturating_add(u32_at(&self.tables, self.leaf_row(leaf) + 4));
            if record < end {
                return Ok((leaf, first, end));
            }
            first = end;
        }
        Err(FrameFault::Tables)
    }

    /// One leaf, checked against its CRC.
    pub(crate) fn leaf(&self, leaf: u32) -> Result<Result<Bytes, FrameFault>, E> {
        let row = |leaf: u32| self.leaf_row(leaf);
        let before: u64 = (0..leaf).map(|leaf| u64::from(u32_at(&self.tables, row(leaf)))).sum();
        let (length, crc) = (u32_at(&self.tables, row(leaf)), u32_at(&self.tables, row(leaf) + 8));
        if before + u64::from(length) > u64::from(self.header.leaf_bytes) {
            return Ok(Err(FrameFault::Tables));
        }
        let bytes = self.bytes(self.header.tables_end() + before, length as usize)?;
        Ok(if crc32c::crc32c(&bytes) == crc { Ok(bytes) } else { Err(FrameFault::Leaf(leaf)) })
    }

    /// One record, checked against its CRC.
    pub(crate) fn record(&self, record: u32) -> Result<Result<FrameRecord, FrameFault>, E> {
        if record >= self.header.records {
            return Ok(Err(FrameFault::Header));
        }
        let row = |record: u32| self.record_row(record);
        let before: u64 = (0..record).map(|record| u64::from(u32_at(&self.tables, row(record)))).sum();
        let (length, crc) = (u32_at(&self.tables, row(record)), u32_at(&self.tables, row(record) + 4));
        let at = self.header.tables_end() + u64::from(self.header.leaf_bytes) + before;
        if at + u64::from(length) > u64::from(self.header.length) {
            return Ok(Err(FrameFault::Tables));
        }
        let bytes = self.bytes(at, length as usize)?;
        let whole = crc32c::crc32c(&bytes) == crc;
        Ok(whole.then(|| FrameRecord::parse(&bytes)).flatten().ok_or(FrameFault::Record(record)))
    }
}

/// Reads the leaves of a frame of `length` bytes without its records, which may be many times larger.
pub(crate) fn read_leaves<E>(
    length: u32,
    read: impl Fn(u64, usize) -> Result<Bytes, E>,
) -> Result<Result<Vec<Bytes>, FrameFault>, E> {
    let header = match FrameHeader::parse(&read(0, HEADER_BYTES)?) {
        Ok(header) if header.length == length => header,
        Ok(_) => return Ok(Err(FrameFault::Header)),
        Err(fault) => return Ok(Err(fault)),
    };
    let tables = header.tables_end() as usize - HEADER_BYTES;
    let bytes = read(HEADER_BYTES as u64, tables + header.leaf_bytes as usize)?;
    if crc32c::crc32c(&bytes[..tables - 4]) != u32_at(&bytes, tables - 4) {
        return Ok(Err(FrameFault::Tables));
    }
    let mut at = tables;
    let leaves = (0..header.leaves).map(|leaf| {
        let row = leaf as usize * LEAF_ROW_BYTES;
        let end = at + u32_at(&bytes, row) as usize;
        if end > bytes.len() {
            return Err(FrameFault::Tables);
        }
        let leaf_bytes = bytes.slice(at..end);
        at = end;
        if crc32c::crc32c(&leaf_bytes) == u32_at(&bytes, row + 8) {
            Ok(leaf_bytes)
        } else {
            Err(FrameFault::Leaf(leaf))
        }
    });
    Ok(leaves.collect())
}

pub(crate) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the slice has N bytes")
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut builder = FrameBuilder::new(7, 40, 3);
        for record in 0..3u8 {
            let clear: [&[u8]; 2] = [&[record; 32], b"payload"];
            builder.push_record(9, &[5; 32], b"header", clear, |clear| {
                clear.iter_mut().for_each(|byte| *byte ^= 0x5a);
                [6; 16]
            });
        }
        builder.push_leaf(b"first leaf", 2);
        builder.push_leaf(b"second leaf", 1);
        builder.finish(&FrameTrailer { tree_size: 9, root: [1; 32], previous_signature: [2; 64] })
    }

    fn read(bytes: &[u8]) -> Result<(Vec<u32>, usize), FrameFault> {
        let frame = Frame::parse(Bytes::copy_from_slice(bytes))?;
        let leaves = frame.leaves().map(|leaf| leaf.map(|leaf| leaf.records)).collect::<Result<_, _>>()?;
        let records = frame.records().collect::<Result<Vec<_>, _>>()?.len();
        frame.trailer()?;
        Ok((leaves, records))
    }

    #[test]
    fn a_frame_makes_the_round_trip() {
        assert_eq!(read(&sample()), Ok((vec![2, 1], 3)));
    }

    #[test]
    fn parts_of_a_frame_are_those_of_the_whole_and_a_flipped_bit_in_them_is_found() {
        let (whole, reads) = (sample(), std::cell::Cell::new(0));
        let open = |bytes: &[u8]| {
            let bytes = Bytes::copy_from_slice(bytes);
            let reads = &reads;
            FrameParts::open(bytes.len() as u32, move |from, length| {
                reads.set(reads.get() + 1);
                Ok::<_, ()>(bytes.slice(from as usize..from as usize + length))
            })
            .expect("read")
        };
        let frame = Frame::parse(Bytes::from(whole.clone())).expect("whole");
        let parts = open(&whole).map_err(drop).expect("whole");
        for (number, record) in frame.records().flatten().enumerate() {
            let part = parts.record(number as u32).expect("read").expect("right");
            assert_eq!((part.slot, part.header, part.sealed), (record.slot, record.header, record.sealed));
        }
        for (number, leaf) in frame.leaves().flatten().enumerate() {
            assert_eq!(parts.leaf(number as u32), Ok(Ok(leaf.bytes)));
        }
        let leaves: Vec<_> = (0..4).map(|record| parts.leaf_of(record).ok()).collect();
        assert_eq!(leaves, [Some((0, 0, 2)), Some((0, 0, 2)), Some((1, 2, 3)), None]);
        assert_eq!(reads.get(), 1, "a small frame is read at once");
        assert!(matches!(parts.record(3), Ok(Err(FrameFault::Header))));

        for bit in 0..(whole.len() - TRAILER_BYTES) * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let Ok(parts) = open(&flipped) else { continue };
            let records = (0..3).filter(|record| matches!(parts.record(*record), Ok(Err(_)))).count();
            let leaves = (0..2).filter(|leaf| matches!(parts.leaf(*leaf), Ok(Err(_)))).count();
            assert_eq!(records + leaves, 1, "bit {bit}");
        }
    }

    /// The stored format is fixed: a change of layout needs a new magic, and this vector stays readable.
    #[test]
    fn the_frame_format_is_golden() {
        let digest = crc32c::crc32c(&sample());
        assert_eq!((sample().len(), digest), (568, 4_288_304_388));
    }

    #[test]
    fn every_flipped_bit_is_found_and_named() {
        let whole = sample();
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                assert!(read(&bytes).is_err(), "byte {at} bit {bit}");
                assert!(!Frame::looks_torn(&bytes, 0), "a flipped bit is no torn write: byte {at} bit {bit}");
            }
        }
    }

    #[test]
    fn every_cut_is_found_and_looks_torn() {
        let whole = sample();
        for cut in (512..whole.len()).step_by(512) {
            let mut bytes = whole.clone();
            bytes[cut..].fill(0);
            assert!(read(&bytes).is_err(), "cut at {cut}");
            assert!(Frame::looks_torn(&bytes, 0), "cut at {cut}");
        }
    }

    #[test]
    fn a_cut_within_the_header_or_between_the_bytes_of_the_marker_looks_torn() {
        let whole = sample();
        for cut in 1..HEADER_BYTES {
            assert!(Frame::looks_torn(&whole[..cut], 4_096), "cut in the header at {cut}");
        }
        for behind in 1..MARKER.len() {
            // The last sector holds the last bytes of the marker and nothing else, and did not reach the disk.
            let mut bytes = whole.clone();
            let cut = bytes.len() - behind;
            bytes[cut..].fill(0);
            let offset = (512 - cut as u64 % 512) % 512 + 4_096;
            assert!(Frame::looks_torn(&bytes, offset), "{behind} bytes of the marker");
        }
    }
}
