//! Tiles of a real log as files, and a stranger's check of them.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::{fs, path::Path};

use simpul_audit::tiles::{
    FilesError, TileError, TileFolder, TilesOptions, TilesReport, Written, checkpoint_of, read_tile,
    verify_tiles, write_files,
};
use simpul_audit::trust::TrustedKeys;
use simpul_log::Reader;
use simpul_signing::SigningKey;
use simpul_tlog::{policy::Policy, tile::Tile};
use support::{Fact, Fault, Folder, ORIGIN};

/// A log of `leaves` leaves, the bootstrap among them.
async fn log_of(dir: &Path, leaves: u64) -> Folder {
    let mut folder = Folder::new(dir).await;
    grow(&mut folder, leaves).await;
    folder
}

async fn grow(folder: &mut Folder, leaves: u64) {
    while folder.reader.head().size.get() < leaves {
        folder.desk(vec![Fact::licence("sisko-licence/a"), Fact::licence("sisko-licence/b")]).await;
    }
}

fn write(reader: &Reader, out: &Path) -> Result<Written, FilesError> {
    write_files(reader, &reader.head().checkpoint, out, &mut |_| {})
}

fn keys() -> TrustedKeys {
    let authority = SigningKey::from_seed(&[1; 32]).unwrap().public_key();
    let desk = SigningKey::from_seed(&[2; 32]).unwrap().public_key();
    let senders = vec![(support::sender("kp2mi", "desk"), desk)];
    TrustedKeys { authority: Some(authority), senders, bootstrap: None }
}

fn check(out: &Path, remembered: Option<String>) -> TilesReport {
    check_with(out, keys(), remembered)
}

fn check_with(out: &Path, keys: TrustedKeys, remembered: Option<String>) -> TilesReport {
    let policy = Policy::of_log(support::signer(ORIGIN).verifier());
    let options = TilesOptions { policy, keys, remembered };
    verify_tiles(&TileFolder(out.into()), &options, &mut |_, _| {}).unwrap()
}

/// Every file below a folder, by its path.
fn files(out: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![out.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(out).unwrap().to_str().unwrap().to_string());
            }
        }
    }
    found.retain(|name| name != ".lock");
    found.sort();
    found
}

#[tokio::test]
async fn a_second_run_adds_what_is_new_and_takes_nothing_away() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("tiles");
    let mut folder = log_of(dir.path(), 250).await;
    let first = write(&folder.reader, &out).unwrap();
    assert_eq!((first.from, first.size, first.tiles, first.bundles), (0, 250, 1, 1));
    let remembered = fs::read_to_string(out.join("checkpoint")).unwrap();
    let report = check(&out, None);
    assert_eq!((report.ok, report.leaves, report.signatures_checked), (true, 250, 250), "{report:?}");
    assert_eq!(report.events, 2 * 250 - 1);

    grow(&mut folder, 515).await;
    let second = write(&folder.reader, &out).unwrap();
    assert_eq!((second.from, second.size, second.tiles, second.bundles), (250, 515, 4, 3));
    assert_eq!(
        files(&out),
        [
            "checkpoint",
            "tile/0/000",
            "tile/0/000.p/250",
            "tile/0/001",
            "tile/0/002.p/3",
            "tile/1/000.p/2",
            "tile/entries/000",
            "tile/entries/000.p/250",
            "tile/entries/001",
            "tile/entries/002.p/3",
            "vkey",
        ]
    );
    let report = check(&out, Some(remembered));
    assert_eq!((report.ok, report.continues), (true, Some(250)), "{report:?}");
    assert_eq!(write(&folder.reader, &out).unwrap().bytes, 0);
    // What is computed for HTTPS is what stands in the files, partial tiles of earlier sizes too.
    for name in files(&out).iter().filter(|name| name.starts_with("tile")) {
        let tile: Tile = name.parse().unwrap();
        assert_eq!(
            read_tile(&folder.reader, &tile, 515).unwrap(),
            fs::read(out.join(name)).unwrap(),
            "{name}"
        );
    }
    let later: Tile = "tile/0/002.p/4".parse().unwrap();
    let refused = read_tile(&folder.reader, &later, 515).unwrap_err();
    assert!(matches!(refused, TileError::NotYet { size: 515, .. }), "{refused}");
    assert!(read_tile(&folder.reader, &"tile/1/000.p/2".parse().unwrap(), 511).is_err());
}

#[tokio::test]
async fn the_files_can_be_made_from_a_data_folder_without_its_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("tiles");
    let folder = log_of(dir.path(), 30).await;
    folder.close();
    let verifier = support::signer(ORIGIN).verifier();
    let log = dir.path().join("log");
    let reader = simpul_log::open_reader(&log, simpul_log::Schema::Submissions, &verifier, None).unwrap();
    let event = reader.event(support::position(3)).unwrap();
    assert!(
        reader
            .open_payload(&event)
            .is_err_and(|error| matches!(error, simpul_log::ReadError::Key(simpul_log::KeyError::Sealed)))
    );
    let note = checkpoint_of(dir.path()).unwrap();
    let written = write_files(&reader, &note, &out, &mut |_| {}).unwrap();
    assert_eq!(written.size, 30);
    assert!(check(&out, None).ok);
}

#[tokio::test]
async fn tiles_of_another_log_of_another_history_or_ahead_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("tiles");
    let folder = log_of(dir.path(), 5).await;
    write(&folder.reader, &out).unwrap();
    let before = fs::read(out.join("checkpoint")).unwrap();

    let other = tempfile::tempdir().unwrap();
    let forked = log_of(other.path(), 5).await;
    assert!(matches!(write(&forked.reader, &out), Err(FilesError::Forked(5))));
    let shorter = tempfile::tempdir().unwrap();
    let shorter = log_of(shorter.path(), 4).await;
    assert!(matches!(write(&shorter.reader, &out), Err(FilesError::Ahead { there: 5, here: 4 })));
    let note = support::signer("simpul.example/else").sign("simpul.example/else\n5\nAAAA\n");
    fs::write(out.join("checkpoint"), note).unwrap();
    assert!(matches!(write(&folder.reader, &out), Err(FilesError::Foreign(_))));
    fs::write(out.join("checkpoint"), &before).unwrap();
    // A checkpoint that the log's hashes do not bear out is never shown to anybody.
    let refused = write_files(&shorter.reader, &folder.reader.head().checkpoint, &out, &mut |_| {});
    assert!(matches!(refused, Err(FilesError::Tile(_) | FilesError::Root(_))), "{refused:?}");
    assert_eq!(fs::read(out.join("checkpoint")).unwrap(), before);

    // A split view: the same key signed two trees of five leaves.
    let split = check(&out, Some(forked.reader.head().checkpoint.clone()));
    assert!(split.violation.unwrap().what.contains("two different trees"));
    let rolled_back = tempfile::tempdir().unwrap();
    write(&shorter.reader, rolled_back.path()).unwrap();
    let report = check(rolled_back.path(), Some(folder.reader.head().checkpoint.clone()));
    assert!(report.violation.unwrap().what.contains("shrank from 5 to 4"));
    let mut longer = forked;
    grow(&mut longer, 9).await;
    let rewritten = tempfile::tempdir().unwrap();
    write(&longer.reader, rewritten.path()).unwrap();
    let report = check(rewritten.path(), Some(folder.reader.head().checkpoint.clone()));
    assert!(report.violation.unwrap().what.contains("the log was rewritten: its first 5 leaves"));
}

#[tokio::test]
async fn every_flipped_byte_is_named_with_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("tiles");
    let folder = log_of(dir.path(), 260).await;
    write(&folder.reader, &out).unwrap();
    for name in files(&out) {
        let path = out.join(&name);
        let whole = fs::read(&path).unwrap();
        let step = if whole.len() > 1_000 { whole.len() / 9 } else { 5 };
        for at in (0..whole.len()).step_by(step) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            // White space around the key of `vkey` says nothing.
            if name == "vkey" && bytes.trim_ascii() == whole.trim_ascii() {
                continue;
            }
            fs::write(&path, &bytes).unwrap();
            let report = check_with(&out, TrustedKeys::default(), None);
            let violation = report.violation.unwrap_or_else(|| panic!("{name} byte {at}"));
            assert_eq!(violation.file, name, "byte {at}: {violation}");
        }
        fs::remove_file(&path).unwrap();
        match (name.as_str(), check(&out, None).violation) {
            ("vkey", None) => {}
            (_, Some(violation)) => assert_eq!(violation.file, name),
            (_, None) => panic!("{name} is gone and was not missed"),
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(check(&out, None).ok);
}

#[tokio::test]
async fn a_log_that_lies_in_its_leaves_is_named_by_leaf() {
    for (fault, words) in
        [(Fault::Signature, "does not verify"), (Fault::Position, "LOG-1"), (Fault::Sequence, "sequence")]
    {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = log_of(dir.path(), 4).await;
        folder.desk_with(Fact::licence("sisko-licence/a"), fault).await;
        grow(&mut folder, 7).await;
        let out = dir.path().join("tiles");
        write(&folder.reader, &out).unwrap();
        let violation = check(&out, None).violation.unwrap();
        assert_eq!((violation.leaf, violation.file.as_str()), (Some(4), "tile/entries/000.p/7"));
        assert!(violation.what.contains(words), "{violation}");
    }
}

#[tokio::test]
async fn a_partial_tile_that_is_gone_is_cut_from_the_full_one() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("tiles");
    let mut folder = log_of(dir.path(), 200).await;
    write(&folder.reader, &out).unwrap();
    let note = fs::read(out.join("checkpoint")).unwrap();
    grow(&mut folder, 256).await;
    write(&folder.reader, &out).unwrap();
    fs::write(out.join("checkpoint"), note).unwrap();
    fs::remove_file(out.join("tile/0/000.p/200")).unwrap();
    fs::remove_file(out.join("tile/entries/000.p/200")).unwrap();
    let report = check(&out, None);
    assert_eq!((report.ok, report.leaves), (true, 200), "{report:?}");
}
