//! A log whose stored frames are damaged opens all the same where it may: what is damaged is named, the rest is served.
#![allow(clippy::unwrap_used, reason = "a test")]

mod harness;

use std::{
    fs::OpenOptions,
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use harness::{Model, draft, keys, verifier};
use simpul_log::{AppendError, Appender, OpenError, ReadError, Reader, Schema, StoredEvent};
use simpul_tlog::{checkpoint, leaf_hash, proof};
use simpul_types::{LeafIndex, Position, clock::System};

fn open_damaged(dir: &Path, scrub: u64) -> Result<(Appender, Reader), OpenError> {
    let mut config = harness::config(dir);
    (config.open_damaged, config.scrub_bytes_per_second) = (true, scrub);
    simpul_log::open(config, Schema::Submissions, keys(), Arc::new(System))
}

async fn log(leaves: u64) -> (tempfile::TempDir, Model) {
    let dir = tempfile::tempdir().unwrap();
    let mut model = Model::default();
    let (mut appender, _) = harness::open(dir.path());
    for number in 0..leaves {
        model.append(&mut appender, number, 3).await;
    }
    appender.close();
    (dir, model)
}

fn flip(path: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
}

/// Everything but the damage is read and proved; gives how many events are lost.
fn rest_is_served(reader: &Reader, leaves: u64) -> u64 {
    let head = reader.head();
    let signed = checkpoint::open(&head.checkpoint, &verifier()).unwrap();
    assert_eq!((signed.size, signed.root), (head.size.get(), head.root));
    let damages = reader.condition().damages;
    let mut lost = 0;
    for leaf in 0..leaves {
        let index = LeafIndex::new(leaf);
        match reader.leaf(index) {
            Ok(stored) => {
                let path = reader.inclusion_proof(index, head.size).unwrap();
                let hash = leaf_hash(&stored.bytes);
                proof::verify_inclusion(leaf, head.size.get(), &hash, &path, &head.root).unwrap();
                for StoredEvent { position, .. } in &stored.events {
                    let event = reader.event(*position).unwrap();
                    reader.open_payload(&event).unwrap();
                }
            }
            Err(ReadError::Corrupt { segment, leaf: place, .. }) => {
                assert!(damages.iter().any(|damage| damage.leaves.contains(&leaf)), "{segment} {place}");
                lost += 1;
            }
            Err(error) => panic!("leaf {leaf}: {error}"),
        }
    }
    lost
}

#[tokio::test]
async fn log_5_a_damaged_sealed_segment_hides_its_frame_and_nothing_else() {
    for indexed in [true, false] {
        let (dir, _) = log(200).await;
        let segments = harness::segments(dir.path());
        flip(&segments[1], 20_000);
        if !indexed {
            std::fs::remove_file(segments[1].with_extension("idx")).unwrap();
        }
        let (mut appender, reader) = open_damaged(dir.path(), 1 << 30).unwrap();
        let start = Instant::now();
        while reader.condition().damages.is_empty() || reader.condition().scrub.passes == 0 {
            assert!(start.elapsed() < Duration::from_secs(20), "the scrub finds it");
            std::thread::sleep(Duration::from_millis(10));
        }
        let condition = reader.condition();
        assert_eq!(condition.damages.len(), 1, "{condition:?}");
        assert_eq!(condition.damages[0].file, segments[1].file_name().unwrap().to_str().unwrap());
        assert_eq!(rest_is_served(&reader, 200), 1);
        // Ids are known by the index tables, or nothing is taken: a duplicate could not be told from news.
        match appender.enqueue(draft(900, 1)) {
            Ok(ticket) => assert!(indexed && ticket.await.unwrap().leaf_index.get() == 200),
            Err(AppendError::Poisoned(why)) => assert!(!indexed && why.contains("duplicate"), "{why}"),
            Err(other) => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn log_5_a_damaged_frame_of_the_newest_segment_is_passed_over_on_the_stored_hashes() {
    let (dir, _) = log(30).await;
    let frames = harness::frames(dir.path());
    let newest = harness::segment(dir.path());
    for (number, (start, end)) in frames.iter().enumerate() {
        for at in [*start + 2, *start + 70, (*start + *end) / 2, *end - 3] {
            let copy = tempfile::tempdir().unwrap();
            harness::copy(dir.path(), copy.path());
            flip(&copy.path().join(newest.strip_prefix(dir.path()).unwrap()), at);
            let strict =
                simpul_log::open(harness::config(copy.path()), Schema::Submissions, keys(), Arc::new(System));
            assert!(matches!(strict, Err(OpenError::Corrupt { .. })), "byte {at}");
            let (mut appender, reader) = open_damaged(copy.path(), 0).unwrap();
            let condition = reader.condition();
            assert_eq!(condition.damages.len(), 1, "byte {at}: {condition:?}");
            assert!(condition.read_only.is_some());
            assert!(matches!(appender.enqueue(draft(900, 1)), Err(AppendError::Poisoned(_))));
            let last = number + 1 == frames.len();
            let size = reader.head().size.get();
            assert_eq!(size, if last { 29 } else { 30 }, "byte {at}");
            // A damaged commit marker hides no record.
            let hidden = !last && at != *end - 3;
            assert_eq!(rest_is_served(&reader, size), u64::from(hidden), "byte {at}");
            let lost = reader.leaf(LeafIndex::new(29));
            assert_eq!(matches!(lost, Err(ReadError::Corrupt { .. })), last, "byte {at}");
        }
    }
}

#[tokio::test]
async fn log_5_a_hub_that_only_reads_leaves_every_byte_as_it_was() {
    let (dir, _) = log(30).await;
    let (start, end) = harness::last_frame(dir.path());
    flip(&harness::segment(dir.path()), (start + end) / 2);
    let files = ["segments", "checkpoint", "tree"];
    let copy = tempfile::tempdir().unwrap();
    harness::copy(dir.path(), copy.path());
    let (appender, _) = open_damaged(dir.path(), 0).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    appender.close();
    for path in harness::files(copy.path()) {
        let name = path.strip_prefix(copy.path()).unwrap();
        if files.iter().any(|file| name.starts_with(file)) {
            assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(dir.path().join(name)).unwrap());
        }
    }
}

#[tokio::test]
async fn segments_without_header_or_file_are_named_and_the_rest_is_served() {
    let (dir, _) = log(200).await;
    let segments = harness::segments(dir.path());
    flip(&segments[1], 30);
    std::fs::remove_file(&segments[2]).unwrap();
    let (_appender, reader) = open_damaged(dir.path(), 0).unwrap();
    let condition = reader.condition();
    let name = |at: usize| segments[at].file_name().unwrap().to_str().unwrap().to_owned();
    let named: Vec<_> = condition.damages.iter().map(|damage| damage.file.clone()).collect();
    assert_eq!(named, [name(1), name(2)], "{condition:?}");
    assert!(condition.read_only.is_some());
    let missing = condition.damages[1].leaves.clone();
    assert_eq!(rest_is_served(&reader, 200), missing.end - missing.start);
    let mut scan = reader.scan(Position::ZERO);
    let error = loop {
        match scan.next_frame() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a scan does not pass over what is missing"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, ReadError::Corrupt { .. }), "{error}");
}

#[tokio::test]
async fn the_scrub_puts_wrong_stored_hashes_right() {
    let (dir, model) = log(200).await;
    flip(&dir.path().join("tree"), 100);
    let (appender, reader) = open_damaged(dir.path(), 1 << 30).unwrap();
    let start = Instant::now();
    while reader.condition().scrub.passes == 0 {
        assert!(start.elapsed() < Duration::from_secs(20), "a pass ends");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(reader.condition().damages, []);
    assert_eq!(rest_is_served(&reader, 200), 0);
    model.check(&appender, &reader);
    appender.close();
    let report = simpul_log::verify::walk(dir.path(), &verifier(), &mut |_, _| Ok(())).unwrap();
    assert_eq!((report.violation, report.files), (None, vec![]));
}
