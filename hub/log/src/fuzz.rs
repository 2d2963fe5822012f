//! The parsers of stored bytes for `tests/fuzz`, which are private otherwise. Check sums are set right first, so that what
//! stands behind them is reached; the bytes are also read as they are.

use std::path::Path;

use bytes::Bytes;

use crate::{
    frame::{Frame, FrameBuilder, FrameTrailer, u32_at, u64_at},
    index::SealedIndex,
    segment::SegmentHeader,
};

/// Reads a frame, all its leaves and records.
pub fn frame(bytes: &[u8]) {
    read_frame(bytes);
    let mut bytes = bytes.to_vec();
    if let Some(head) = bytes.get_mut(..64) {
        head[..4].copy_from_slice(crate::frame::MAGIC);
        let crc = crc32c::crc32c(&head[..60]);
        head[60..].copy_from_slice(&crc.to_le_bytes());
    }
    mend_tables(&mut bytes);
    read_frame(&bytes);
}

/// Sets the check sum of the tables right, where the bytes go so far.
fn mend_tables(bytes: &mut [u8]) {
    let Some(head) = bytes.get(..64) else { return };
    let rows = |at: usize, width: usize| (u32_at(head, at) as usize).saturating_mul(width);
    let end = rows(24, crate::frame::LEAF_ROW_BYTES).saturating_add(rows(28, crate::frame::RECORD_ROW_BYTES));
    let Some(tables) = bytes.get_mut(64..).filter(|rest| rest.len() >= end.saturating_add(4)) else { return };
    let crc = crc32c::crc32c(&tables[..end]);
    tables[end..end + 4].copy_from_slice(&crc.to_le_bytes());
}

fn read_frame(bytes: &[u8]) {
    Frame::looks_torn(bytes, 0);
    Frame::looks_torn(bytes, 100);
    let Ok(frame) = Frame::parse(Bytes::copy_from_slice(bytes)) else { return };
    let leaves: Vec<_> = frame.leaves().collect();
    let records: Vec<_> = frame.records().collect();
    assert_eq!(leaves.len(), frame.header.leaves as usize);
    assert_eq!(records.len(), frame.header.records as usize);
    for fault in leaves.iter().filter_map(|leaf| leaf.as_ref().err()) {
        frame.place_of(*fault);
    }
    for fault in records.iter().filter_map(|record| record.as_ref().err()) {
        frame.place_of(*fault);
    }
    let owned: u32 = leaves.iter().flatten().map(|leaf| leaf.records).fold(0, u32::wrapping_add);
    assert!(leaves.iter().any(Result::is_err) || owned == frame.header.records);
    frame.trailer().ok();
}

/// A right frame of two leaves and three records.
pub fn sample_frame() -> Vec<u8> {
    let mut frame = FrameBuilder::new(4, 17, 2);
    for (leaf, records) in [(&b"leaf one"[..], 2), (b"leaf two, longer", 1)] {
        for number in 0..records {
            let seal = |clear: &mut [u8]| {
                clear.reverse();
                [number; 16]
            };
            frame.push_record(u64::from(number), &[7; 32], b"header", [&[1; 32], b"payload"], seal);
        }
        frame.push_leaf(leaf, usize::from(records));
    }
    frame.finish(&FrameTrailer { tree_size: 6, root: [3; 32], previous_signature: [9; 64] })
}

/// Reads the first page of a segment, as it is and with its check sum set right.
pub fn segment_header(page: &[u8]) {
    let read = |page: &[u8]| {
        if let Some(header) = SegmentHeader::parse(page) {
            assert_eq!(header.encode()[..12], page[..12]);
        }
    };
    read(page);
    let mut page = page.to_vec();
    page.resize(4096, 0);
    let crc = crc32c::crc32c(&page[..96]);
    page[96..100].copy_from_slice(&crc.to_le_bytes());
    read(&page);
}

/// A right first page, without the zeros behind it.
pub fn sample_segment_header() -> Vec<u8> {
    let header = SegmentHeader { first_leaf: 4, first_position: 17, root: [3; 32], origin: [5; 32] };
    header.encode()[..100].to_vec()
}

/// Reads a sealed segment's index, as it is and with every section's check sum set right, and looks things up in it.
pub fn index(bytes: &[u8]) {
    for bytes in [bytes.to_vec(), mended_index(bytes)] {
        if let Some(index) = SealedIndex::parse(bytes.into()) {
            index.look_up_everything();
        }
    }
}

fn mended_index(bytes: &[u8]) -> Vec<u8> {
    let (mut bytes, mut at) = (bytes.to_vec(), crate::index::HEAD_BYTES);
    while let Some(length) = bytes.get(at..at + 8).map(|length| u64_at(length, 0)) {
        let body = at + 12;
        let Some(end) = usize::try_from(length).ok().and_then(|length| body.checked_add(length)) else {
            break;
        };
        let Some(section) = bytes.get(body..end) else { break };
        let crc = crc32c::crc32c(section);
        bytes[at + 8..body].copy_from_slice(&crc.to_le_bytes());
        at = end;
    }
    bytes
}

/// Writes a small right index file.
///
/// # Errors
/// Of the disk.
pub fn write_sample_index(path: &Path) -> std::io::Result<()> {
    SealedIndex::sample().write(path)
}
