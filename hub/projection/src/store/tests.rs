//! The store against a map, over memories, runs, merges and starts.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use simpul_signing::{MasterKey, StateSealer};

use super::*;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Small enough for a run every few batches, and a merge every few runs.
const MEMORY_BYTES: usize = 512;

fn sealer() -> StateSealer {
    MasterKey::generate().state_key("test")
}

fn open(dir: &Path, sealer: &StateSealer) -> Store {
    Store::open(dir, sealer, 64 << 10, MEMORY_BYTES).unwrap()
}

fn batch(writes: &[(Vec<u8>, Option<u8>)]) -> Rows {
    let mut rows = Rows::default();
    for (key, value) in writes {
        match value {
            Some(value) => rows.put(key, |buffer| buffer.extend([*value; 9])),
            None => rows.remove(key),
        }
    }
    rows
}

fn apply(model: &mut Model, writes: &[(Vec<u8>, Option<u8>)]) {
    for (key, value) in writes {
        match value {
            Some(value) => model.insert(key.clone(), vec![*value; 9]),
            None => model.remove(key),
        };
    }
}

fn check(store: &Store, model: &Model) {
    let mut all = Model::new();
    store
        .each(&store.snapshot().unwrap(), |key, value| {
            all.insert(key.to_vec(), value.to_vec()).map_or(Ok(()), |_| Err(StateError::Row))
        })
        .unwrap();
    assert_eq!(&all, model);
    for family in [b'S', b'K'] {
        let expected: Vec<_> = model.iter().filter(|(key, _)| key[0] == family).collect();
        let mut walked: Vec<_> = store.walk(Span::prefix(&[family]), false).map(Result::unwrap).collect();
        assert!(walked.iter().map(|(key, value)| (key, value)).eq(expected.iter().copied()));
        walked.reverse();
        let back: Vec<_> = store.walk(Span::prefix(&[family]), true).map(Result::unwrap).collect();
        assert_eq!(back, walked);
    }
    let (from, to) = (key(b'K', 9), key(b'K', 40));
    let expected: Vec<_> = model.range(from.clone()..=to.clone()).map(|(key, _)| key.clone()).collect();
    let walked = store.walk(Span::of(from..=to), false).map(|row| row.unwrap().0);
    assert_eq!(walked.collect::<Vec<_>>(), expected);
    for number in 0..60 {
        for family in [b'S', b'K'] {
            let key = key(family, number);
            assert_eq!(store.get(&key, <[u8]>::to_vec).unwrap().as_ref(), model.get(&key), "{key:?}");
        }
    }
}

fn key(family: u8, number: u8) -> Vec<u8> {
    let mut key = vec![family; if family == b'S' { 17 } else { 33 }];
    key[1] = number;
    key
}

fn write() -> impl Strategy<Value = (Vec<u8>, Option<u8>)> {
    let family = prop_oneof![Just(b'S'), Just(b'K')];
    (family, 0..60_u8, prop::option::weighted(0.8, any::<u8>()))
        .prop_map(|(family, number, value)| (key(family, number), value))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn prj_1_the_store_is_a_map_over_runs_merges_and_starts(
        batches in prop::collection::vec((prop::collection::vec(write(), 1..12), 0..20_u8), 1..120),
    ) {
        let (dir, sealer) = (tempfile::tempdir().unwrap(), sealer());
        let mut store = open(dir.path(), &sealer);
        let mut model = Model::new();
        for (writes, then) in &batches {
            store.commit(batch(writes)).unwrap();
            apply(&mut model, writes);
            match then {
                0 => check(&store, &model),
                1 => {
                    store.flush().unwrap();
                    drop(store);
                    store = open(dir.path(), &sealer);
                    check(&store, &model);
                }
                _ => {}
            }
        }
        check(&store, &model);
    }
}

#[test]
fn prj_1_a_start_without_a_flush_finds_the_state_of_a_whole_batch() {
    let (dir, sealer) = (tempfile::tempdir().unwrap(), sealer());
    let store = open(dir.path(), &sealer);
    for number in 0..200_u8 {
        let writes: Vec<_> = (0..5).map(|row| (key(b'S', row), Some(number))).collect();
        store.commit(batch(&writes)).unwrap();
    }
    drop(store);
    let store = open(dir.path(), &sealer);
    let first = store.get(&key(b'S', 0), |value| value[0]).unwrap().unwrap();
    assert!(first > 100, "most batches are on disk: {first}");
    for row in 1..5 {
        assert_eq!(store.get(&key(b'S', row), |value| value[0]).unwrap(), Some(first));
    }
}

#[test]
fn runs_are_merged_and_their_files_removed() {
    let (dir, sealer) = (tempfile::tempdir().unwrap(), sealer());
    let store = open(dir.path(), &sealer);
    for number in 0..250_u8 {
        let writes: Vec<_> = (0..20).map(|row| (key(b'K', row), Some(number))).collect();
        store.commit(batch(&writes)).unwrap();
    }
    store.flush().unwrap();
    store.shared.wait(|tables| work::to_merge(&tables.runs).is_none()).unwrap();
    let runs = store.tables().runs.len();
    assert!(runs < 20, "{runs} runs");
    let rows: u64 = store.tables().runs.iter().map(|run| run.entry.rows).sum();
    assert!(rows < 20 * 20, "{rows} rows for 20 keys");
    drop(store);
    let store = open(dir.path(), &sealer);
    let files = fs::read_dir(dir.path())
        .unwrap()
        .filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "run"));
    assert_eq!(files.count(), store.tables().runs.len());
}

#[test]
fn what_is_removed_leaves_nothing_behind_once_all_is_merged() {
    let (dir, sealer) = (tempfile::tempdir().unwrap(), sealer());
    let store = open(dir.path(), &sealer);
    for number in 0..60_u8 {
        store.commit(batch(&[(key(b'S', number), Some(number))])).unwrap();
        store.flush().unwrap();
        store.commit(batch(&[(key(b'S', number), None)])).unwrap();
        store.flush().unwrap();
    }
    store.shared.wait(|tables| work::to_merge(&tables.runs).is_none()).unwrap();
    check(&store, &Model::new());
}

#[test]
fn a_changed_byte_and_other_keys_are_errors_and_never_another_answer() {
    let (dir, sealer) = (tempfile::tempdir().unwrap(), sealer());
    let store = open(dir.path(), &sealer);
    store.commit(batch(&[(key(b'S', 1), Some(1))])).unwrap();
    store.flush().unwrap();
    assert!(matches!(Store::open(dir.path(), &sealer, 1 << 10, 1), Err(StateError::Locked)));
    drop(store);
    let other = MasterKey::generate().state_key("test");
    assert!(matches!(Store::open(dir.path(), &other, 1 << 10, 1), Err(StateError::Sealed)));
    let path = run::path(dir.path(), 0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[30] ^= 1;
    fs::write(&path, bytes).unwrap();
    let store = open(dir.path(), &sealer);
    assert!(matches!(store.get(&key(b'S', 1), <[u8]>::to_vec), Err(StateError::Sealed)));
    drop(store);
    fs::write(&path, b"short").unwrap();
    assert!(matches!(Store::open(dir.path(), &sealer, 1 << 10, 1), Err(StateError::Damaged(_))));
}

#[test]
fn readers_go_on_while_batches_are_committed_and_see_each_as_a_whole() {
    let (dir, sealer) = (tempfile::tempdir().unwrap(), sealer());
    let store = open(dir.path(), &sealer);
    let writes = |number| (0..30).map(|row| (key(b'K', row), Some(number))).collect::<Vec<_>>();
    store.commit(batch(&writes(0))).unwrap();
    std::thread::scope(|scope| {
        let writer =
            scope.spawn(|| (0..=255).for_each(|number| store.commit(batch(&writes(number))).unwrap()));
        let mut newest = 0;
        while !writer.is_finished() {
            // One read after the other: what a later read sees is never older.
            for row in [3, 17] {
                let seen = store.get(&key(b'K', row), |value| value[0]).unwrap().unwrap();
                assert!(seen >= newest, "{seen} after {newest}");
                newest = seen;
            }
            std::thread::sleep(Duration::from_micros(50));
        }
    });
}
