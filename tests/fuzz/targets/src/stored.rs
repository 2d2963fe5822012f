//! What lies on the hub's disk.

use bytes::Bytes;
use simpul_types::Leaf;

pub(crate) fn frame(data: &[u8]) {
    simpul_log::fuzz::frame(data);
}

pub(crate) fn segment_header(data: &[u8]) {
    simpul_log::fuzz::segment_header(data);
}

pub(crate) fn index_file(data: &[u8]) {
    simpul_log::fuzz::index(data);
}

pub(crate) fn leaf(data: &[u8]) {
    if let Ok(leaf) = Leaf::decode(&Bytes::copy_from_slice(data)) {
        let again = leaf.encode();
        let read = Leaf::decode(&again).expect("what was encoded is read");
        assert_eq!(read.encode(), again, "a leaf has one encoding");
    }
}
