//! The log as its users see it: append, read, prove, reopen, survive.

mod harness;

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::FileExt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use harness::{Model, config, draft, event_id, keys, open, open_with, tamper, verifier};
use proptest::prelude::*;
use simpul_log::{AppendError, Commit, LocalDisk, OpenError, Schema, disk};
use simpul_tlog::{checkpoint, leaf_hash, proof};
use simpul_types::{LeafIndex, Position, clock::System};

#[tokio::test]
async fn a_receipt_proves_its_leaf_offline() {
    let dir = tempfile::tempdir().unwrap();
    let (mut appender, reader) = open(dir.path());
    for number in 0..40 {
        let receipt = appender.enqueue(draft(number, 1 + number as usize % 3)).unwrap().await.unwrap();
        let signed = checkpoint::open(&receipt.checkpoint, &verifier()).unwrap();
        let leaf = leaf_hash(&receipt.leaf);
        proof::verify_inclusion(
            receipt.leaf_index.get(),
            signed.size,
            &leaf,
            &receipt.inclusion_proof,
            &signed.root,
        )
        .unwrap();
        let again = reader.receipt(receipt.leaf_index).unwrap();
        assert_eq!((again.leaf, again.first_position), (receipt.leaf, receipt.first_position));
    }
}

#[tokio::test]
async fn log_1_positions_are_gapless_under_concurrent_callers() {
    let dir = tempfile::tempdir().unwrap();
    let (appender, reader) = open(dir.path());
    let appender = Arc::new(std::sync::Mutex::new(appender));
    let tasks: Vec<_> = (0..200u64)
        .map(|number| {
            let appender = Arc::clone(&appender);
            tokio::spawn(async move {
                let ticket = appender.lock().unwrap().enqueue(draft(number, 2)).unwrap();
                ticket.await.unwrap()
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let mut next = 0;
    let mut scan = reader.scan(Position::ZERO);
    while let Some(leaves) = scan.next_frame().unwrap() {
        for leaf in leaves {
            assert_eq!(leaf.first_position.get(), next, "LOG-1");
            next += leaf.events.len() as u64;
        }
    }
    assert_eq!(next, 400);
    assert_eq!(reader.head().end.get(), 400);
}

#[tokio::test]
async fn payloads_are_sealed_on_disk_and_open_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mut appender, reader) = open(dir.path());
    appender.enqueue(draft(1, 3)).unwrap().await.unwrap();
    let event = reader.event(Position::new(2)).unwrap();
    let opened = reader.open_payload(&event).unwrap();
    assert_eq!(&opened.payload[..], harness::payload(1, 2).as_bytes());
    appender.close();
    for path in harness::files(dir.path()) {
        let bytes = fs::read(&path).unwrap();
        let clear = bytes.windows(14).any(|window| window == b"canary payload");
        assert!(!clear, "PII-1: payload in clear in {}", path.display());
    }
}

#[tokio::test]
async fn log_3_every_later_checkpoint_is_consistent_with_every_earlier_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut checkpoints = Vec::new();
    for start in 0..3u64 {
        let (mut appender, reader) = open(dir.path());
        for number in start * 10..start * 10 + 10 {
            let receipt = appender.enqueue(draft(number, 1)).unwrap().await.unwrap();
            checkpoints.push(checkpoint::open(&receipt.checkpoint, &verifier()).unwrap());
        }
        let newest = checkpoints.last().unwrap();
        for old in &checkpoints {
            let proof =
                reader.consistency_proof(LeafIndex::new(old.size), LeafIndex::new(newest.size)).unwrap();
            proof::verify_consistency(old.size, newest.size, &proof, &old.root, &newest.root).unwrap();
        }
    }
}

#[tokio::test]
async fn log_2_a_failed_flush_acknowledges_nothing_and_poisons_the_appender() {
    struct Failing(Arc<AtomicBool>);
    impl Commit for Failing {
        fn commit(&mut self, segment: &disk::File, offset: u64, frame: &[u8]) -> io::Result<()> {
            if self.0.load(Ordering::SeqCst) {
                return Err(io::Error::from_raw_os_error(5));
            }
            LocalDisk.commit(segment, offset, frame)
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let broken = Arc::new(AtomicBool::new(false));
    {
        let (mut appender, reader) = open_with(dir.path(), Box::new(Failing(Arc::clone(&broken))));
        appender.enqueue(draft(0, 1)).unwrap().await.unwrap();
        broken.store(true, Ordering::SeqCst);
        let failed = appender.enqueue(draft(1, 1)).unwrap().await;
        assert!(matches!(failed, Err(AppendError::Poisoned(_))), "{failed:?}");
        broken.store(false, Ordering::SeqCst);
        let refused = appender.enqueue(draft(2, 1)).err();
        assert!(
            matches!(refused, Some(AppendError::Poisoned(_))),
            "poison lasts until the log is opened again"
        );
        assert_eq!(reader.head().size.get(), 1, "LOG-2");
    }
    let (mut appender, reader) = open(dir.path());
    assert_eq!(reader.head().size.get(), 1);
    appender.enqueue(draft(3, 1)).unwrap().await.unwrap();
}

#[tokio::test]
async fn ids_streams_and_sequences_survive_segment_rolls_and_lost_indexes() {
    let dir = tempfile::tempdir().unwrap();
    let mut model = Model::default();
    {
        let (mut appender, reader) = open(dir.path());
        for number in 0..300 {
            model.append(&mut appender, number, 3).await;
        }
        model.check(&appender, &reader);
    }
    assert!(fs::read_dir(dir.path().join("segments")).unwrap().count() > 4, "several segments");
    {
        let (appender, reader) = open(dir.path());
        model.check(&appender, &reader);
    }
    for path in harness::files(dir.path()) {
        if path.extension().is_some_and(|extension| extension == "idx") || path.ends_with("tree") {
            fs::remove_file(path).unwrap();
        }
    }
    let (appender, reader) = open(dir.path());
    model.check(&appender, &reader);
}

#[tokio::test]
async fn log_5_a_cut_tail_is_cleared_and_the_acknowledged_head_stays() {
    let whole = tempfile::tempdir().unwrap();
    {
        let (mut appender, _) = open(whole.path());
        for number in 0..5 {
            appender.enqueue(draft(number, 2)).unwrap().await.unwrap();
        }
    }
    let (start, end) = harness::last_frame(whole.path());
    // A frame that was being written when the machine stopped: sectors from some offset on never reached the disk, and
    // the checkpoint file never spoke of it.
    for cut in (start..end).step_by(64) {
        let dir = tempfile::tempdir().unwrap();
        harness::copy(whole.path(), dir.path());
        let sector = cut.next_multiple_of(512);
        harness::forget_last_checkpoint(dir.path());
        if sector >= end {
            continue;
        }
        tamper(dir.path(), sector, &vec![0; (end - sector) as usize]);
        let (mut appender, reader) = open(dir.path());
        assert_eq!(reader.head().size.get(), 4, "cut at {cut}");
        appender.enqueue(draft(9, 1)).unwrap().await.unwrap();
        assert_eq!(reader.leaf(LeafIndex::new(4)).unwrap().events.len(), 1);
    }
}

#[tokio::test]
async fn any_flipped_byte_of_a_stored_frame_is_refused_at_open_and_named_by_verification() {
    let whole = tempfile::tempdir().unwrap();
    {
        let (mut appender, _) = open(whole.path());
        for number in 0..4 {
            appender.enqueue(draft(number, 2)).unwrap().await.unwrap();
        }
    }
    let frames = harness::frames(whole.path());
    for (leaf, (start, end)) in frames.into_iter().enumerate() {
        for at in start..end {
            let dir = tempfile::tempdir().unwrap();
            harness::copy(whole.path(), dir.path());
            let file = OpenOptions::new().read(true).write(true).open(harness::segment(dir.path())).unwrap();
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ 0x40], at).unwrap();
            let report = simpul_log::verify::walk(dir.path(), &verifier(), &mut |_, _| Ok(())).unwrap();
            let violation = report.violation.unwrap_or_else(|| panic!("byte {at} of leaf {leaf} passed"));
            assert_eq!(violation.leaf, leaf as u64, "byte {at}: {}", violation.what);
            let positions = leaf as u64 * 2..leaf as u64 * 2 + 2;
            assert!(positions.contains(&violation.position), "byte {at}: {}", violation.what);
            if at % 16 == 0 {
                let opened =
                    simpul_log::open(config(dir.path()), Schema::Submissions, keys(), Arc::new(System));
                assert!(matches!(opened, Err(OpenError::Corrupt { .. })), "byte {at} of leaf {leaf} opened");
            }
        }
    }
}

#[tokio::test]
async fn segments_that_are_missing_or_swapped_are_found() {
    let whole = tempfile::tempdir().unwrap();
    {
        let (mut appender, _) = open(whole.path());
        for number in 0..200 {
            appender.enqueue(draft(number, 3)).unwrap().await.unwrap();
        }
    }
    let segments = harness::segments(whole.path());
    assert!(segments.len() > 3);
    let check = |change: &dyn Fn(&std::path::Path)| {
        let dir = tempfile::tempdir().unwrap();
        harness::copy(whole.path(), dir.path());
        change(dir.path());
        let report = simpul_log::verify::walk(dir.path(), &verifier(), &mut |_, _| Ok(())).unwrap();
        assert!(report.violation.is_some());
        let opened = simpul_log::open(config(dir.path()), Schema::Submissions, keys(), Arc::new(System));
        assert!(opened.is_err());
    };
    let name = |at: usize| segments[at].file_name().unwrap().to_owned();
    check(&|dir| fs::remove_file(dir.join("segments").join(name(0))).unwrap());
    check(&|dir| fs::remove_file(dir.join("segments").join(name(1))).unwrap());
    check(&|dir| fs::remove_file(dir.join("segments").join(name(segments.len() - 1))).unwrap());
    check(&|dir| {
        let (one, two) = (dir.join("segments").join(name(1)), dir.join("segments").join(name(2)));
        let bytes = fs::read(&one).unwrap();
        fs::copy(&two, &one).unwrap();
        fs::write(&two, bytes).unwrap();
    });
    check(&|dir| {
        fs::copy(dir.join("segments").join(name(1)), dir.join("segments").join(name(2))).unwrap();
    });
}

#[tokio::test]
async fn a_second_opener_is_refused_and_a_read_only_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (mut appender, _) = open(dir.path());
    appender.enqueue(draft(0, 2)).unwrap().await.unwrap();
    let second = simpul_log::open(config(dir.path()), Schema::Submissions, keys(), Arc::new(System));
    assert!(matches!(second, Err(OpenError::Locked)));
    let reader = simpul_log::open_reader(dir.path(), Schema::Submissions, &verifier(), keys().wrap).unwrap();
    let event = reader.event(Position::new(1)).unwrap();
    assert_eq!(&reader.open_payload(&event).unwrap().payload[..], harness::payload(0, 1).as_bytes());
}

#[tokio::test]
async fn a_full_queue_is_refused_and_the_draft_is_not_stored() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.queue_events_max = 4;
    let (mut appender, reader) =
        simpul_log::open(config, Schema::Submissions, keys(), Arc::new(System)).unwrap();
    let mut tickets = Vec::new();
    let mut full = 0;
    for number in 0..50 {
        match appender.enqueue(draft(number, 2)) {
            Ok(ticket) => tickets.push(ticket),
            Err(AppendError::Full) => full += 1,
            Err(other) => panic!("{other}"),
        }
    }
    let accepted = tickets.len() as u64;
    for ticket in tickets {
        ticket.await.unwrap();
    }
    assert!(full > 0);
    assert_eq!(reader.head().size.get(), accepted);
    assert!(appender.find_event(&event_id(0, 0)).is_some());
}

/// Rolls often, with several callers at work: whatever the timing of spares, every frame stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn log_5_segments_that_roll_under_load_keep_every_frame() {
    let dir = tempfile::tempdir().unwrap();
    {
        let (appender, _) = open(dir.path());
        let appender = Arc::new(std::sync::Mutex::new(appender));
        let tasks: Vec<_> = (0..8u64)
            .map(|task| {
                let appender = Arc::clone(&appender);
                tokio::spawn(async move {
                    for number in task * 1_000..task * 1_000 + 400 {
                        let ticket = appender.lock().unwrap().enqueue(draft(number, 4)).unwrap();
                        ticket.await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    }
    let report = simpul_log::verify::walk(dir.path(), &verifier(), &mut |_, _| Ok(())).unwrap();
    assert_eq!((report.violation, report.events), (None, 8 * 400 * 4));
    assert!(report.segments > 10, "{} segments", report.segments);
    let (_, reader) = open(dir.path());
    assert_eq!(reader.head().end.get(), 8 * 400 * 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Append, read and reopen against a model.
    #[test]
    fn the_log_behaves_like_its_model(steps in prop::collection::vec((0u8..6, 1usize..5), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut model = Model::default();
        let (mut appender, mut reader) = open(dir.path());
        for (number, (step, events)) in steps.into_iter().enumerate() {
            if step == 0 {
                drop((appender, reader));
                (appender, reader) = open(dir.path());
            }
            runtime.block_on(model.append(&mut appender, number as u64, events));
        }
        model.check(&appender, &reader);
        drop((appender, reader));
        let report = simpul_log::verify::walk(dir.path(), &verifier(), &mut |_, _| Ok(())).unwrap();
        prop_assert_eq!(report.violation, None);
        prop_assert_eq!(report.events, model.events());
    }
}
