//! KEY-2: after the turn of a key epoch no key file from before it opens, and until it is done every key does.

#![allow(clippy::unwrap_used, reason = "a test")]

mod harness;

use std::{env, fs, path::Path, process::Command, sync::Arc};

use harness::{Model, ORIGIN, config, draft, execution, stream};
use simpul_log::{
    Appender, Keys, OpenError, Reader, Schema,
    faults::{self, EPOCH_POINTS, Plan},
};
use simpul_signing::{EpochKeys, MasterKey, seal::WrapKey};
use simpul_tlog::note::NoteSigner;
use simpul_types::{Position, clock::System};

const CHILD: &str = "SIMPUL_EPOCH_CHILD";
const FIRST: &str = "simpul-epoch-key:1:5:1111111111111111111111111111111111111111111111111111111111111111\n";
const SECOND: &str =
    "simpul-epoch-key:2:9:2222222222222222222222222222222222222222222222222222222222222222\n";

/// Key of the epochs in these lines.
fn wrap(lines: &[&str]) -> WrapKey {
    let master = format!("simpul-master-key:{}", "07".repeat(32));
    let epochs = EpochKeys::from_text(&lines.concat()).unwrap();
    MasterKey::from_text(&master).unwrap().with_epochs(epochs).wrap_key()
}

fn try_open(dir: &Path, lines: &[&str]) -> Result<(Appender, Reader), OpenError> {
    let keys = Keys { signer: NoteSigner::new(ORIGIN, &[7; 32]).unwrap(), wrap: wrap(lines) };
    simpul_log::open(config(dir), Schema::Submissions, keys, Arc::new(System))
}

fn open(dir: &Path, lines: &[&str]) -> (Appender, Reader) {
    try_open(dir, lines).unwrap()
}

#[tokio::test]
async fn key_2_a_key_file_from_before_the_turn_opens_no_more_and_everything_else_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("log");
    let mut model = Model::default();
    let (mut appender, reader) = open(&data, &[FIRST]);
    for number in 1..=20 {
        model.append(&mut appender, number, 3).await;
    }
    let before = dir.path().join("before");
    harness::copy(&data, &before);
    let keys = reader.rewrap_keys(wrap(&[FIRST, SECOND])).unwrap();
    assert_eq!((keys.live, keys.erased_until), (keys.slots, 0), "none was dead");
    reader.settle_keys(wrap(&[SECOND]));
    // More than the pool holds: new rows are of the new epoch.
    for number in 21..=60 {
        model.append(&mut appender, number, 3).await;
    }
    model.check(&appender, &reader);
    appender.close();
    drop(reader);
    let (appender, reader) = open(&data, &[SECOND]);
    model.check(&appender, &reader);
    assert_eq!(reader.live_keys(keys.slots, Position::ZERO).unwrap(), keys, "found again by anybody");
    appender.close();
    drop(reader);

    open(&before, &[FIRST]).0.close();
    for lines in [&[SECOND][..], &["simpul-epoch-key:0:0:-"]] {
        let refused = try_open(&before, lines).err().expect("of another epoch");
        assert!(matches!(refused, OpenError::Keys(_)), "{refused}");
    }
    // The old key file in the new folder neither opens nor is taken for empty.
    let bytes = fs::read(before.join("keys")).unwrap();
    fs::write(data.join("keys"), &bytes).unwrap();
    assert!(try_open(&data, &[SECOND]).is_err());
    assert_eq!(fs::read(data.join("keys")).unwrap(), bytes, "left as it was");
}

#[tokio::test]
async fn key_2_dead_keys_are_not_wrapped_anew_and_the_record_of_the_epoch_does_not_count_them() {
    let dir = tempfile::tempdir().unwrap();
    let (mut appender, reader) = open(dir.path(), &[FIRST]);
    appender.enqueue(draft(1, 2)).unwrap().await.unwrap();
    let victim = stream(1, 0);
    appender.enqueue_erasing(execution(2, std::slice::from_ref(&victim)), &[victim]).unwrap().await.unwrap();
    let slot = reader.event(Position::ZERO).unwrap().slot as usize;
    let row = |dir: &Path| fs::read(dir.join("keys")).unwrap()[slot * 128..][..128].to_vec();
    let tombstone = row(dir.path());
    let keys = reader.rewrap_keys(wrap(&[FIRST, SECOND])).unwrap();
    assert_eq!(row(dir.path()), tombstone);
    assert_eq!((keys.live, keys.erased_until), (keys.slots - 1, 3));
    // What dies later changes nothing about what was said.
    let other = stream(1, 1);
    appender.enqueue_erasing(execution(3, std::slice::from_ref(&other)), &[other]).unwrap().await.unwrap();
    assert_eq!(reader.live_keys(keys.slots, Position::new(3)).unwrap(), keys);
    assert_eq!(reader.live_keys(keys.slots, Position::new(4)).unwrap().live, keys.live - 1);
    let reading = simpul_log::open_reader(
        dir.path(),
        Schema::Submissions,
        &harness::verifier(),
        wrap(&[FIRST, SECOND]),
    );
    let reading = reading.unwrap();
    assert_eq!(reading.live_keys(keys.slots, Position::new(3)).unwrap(), keys);
    assert!(reading.rewrap_keys(wrap(&[FIRST, SECOND])).is_err(), "not by a reader");
}

#[tokio::test]
async fn key_2_a_damaged_row_is_named_and_the_epoch_before_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (mut appender, reader) = open(dir.path(), &[FIRST]);
    appender.enqueue(draft(1, 2)).unwrap().await.unwrap();
    let mut keys = fs::read(dir.path().join("keys")).unwrap();
    keys[128 + 20] ^= 1;
    fs::write(dir.path().join("keys"), &keys).unwrap();
    let error = reader.rewrap_keys(wrap(&[FIRST, SECOND])).unwrap_err();
    assert!(error.to_string().starts_with("slot 1 "), "{error}");
    keys[128 + 20] ^= 1;
    fs::write(dir.path().join("keys"), &keys).unwrap();
    reader.rewrap_keys(wrap(&[FIRST, SECOND])).unwrap();
    appender.close();
}

/// What the test below starts anew for each crash; alone it does nothing.
#[test]
#[allow(clippy::disallowed_methods, reason = "a test tells its child where to work")]
fn child_that_crashes_at_a_point() {
    let Ok(dir) = env::var(CHILD) else { return };
    let (dir, point) = dir.split_once('|').unwrap();
    let (_appender, reader) = open(Path::new(dir), &[FIRST]);
    faults::begin(Plan { crash: Some((point.into(), 1)), ..Plan::default() });
    reader.rewrap_keys(wrap(&[FIRST, SECOND])).unwrap();
}

#[tokio::test]
async fn key_2_a_crash_in_a_turn_leaves_keys_that_open_with_both_epochs_and_the_next_turn_finishes_it() {
    for point in EPOCH_POINTS {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("log");
        let mut model = Model::default();
        let (mut appender, reader) = open(&data, &[FIRST]);
        model.append(&mut appender, 1, 9).await;
        appender.close();
        drop(reader);
        let status = Command::new(env::current_exe().unwrap())
            .args(["--exact", "child_that_crashes_at_a_point"])
            .env(CHILD, format!("{}|{point}", data.display()))
            .status()
            .unwrap();
        assert!(!status.success(), "{point} was passed");
        let (appender, reader) = open(&data, &[FIRST, SECOND]);
        model.check(&appender, &reader);
        reader.rewrap_keys(wrap(&[FIRST, SECOND])).unwrap();
        appender.close();
        drop(reader);
        let (appender, reader) = open(&data, &[SECOND]);
        model.check(&appender, &reader);
    }
}
