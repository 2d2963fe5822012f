//! Offline verification against real folders, honest ones and seeded ones.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use simpul_audit::{
    VerifyOptions, VerifyReport,
    replay::count,
    verify::{LogName, VerifyError, verify_data},
};
use simpul_signing::SigningKey;
use support::{Fact, Fault, Folder, sender};
use tempfile::TempDir;

fn verify(dir: &Path, options: &VerifyOptions) -> VerifyReport {
    verify_data(dir, options, &mut |_| {}).unwrap()
}

fn authority() -> Option<[u8; 32]> {
    Some(SigningKey::from_seed(&[1; 32]).unwrap().public_key())
}

fn with_master() -> VerifyOptions {
    VerifyOptions { master: Some(support::master()), authority: authority(), ..VerifyOptions::default() }
}

/// A folder with `submissions` of two events each, several segments, and a look after each.
async fn honest(submissions: usize) -> (TempDir, bytes::Bytes) {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = Folder::new(dir.path()).await;
    for number in 0..submissions {
        let stream = format!("sisko-licence/s{}", number % 7);
        folder.desk(vec![Fact::licence(&stream), Fact::licence("sisko-licence/all")]).await;
        folder.look("ombudsman").await;
    }
    let bootstrap = folder.bootstrap.clone();
    folder.close();
    (dir, bootstrap)
}

#[tokio::test]
async fn an_honest_folder_verifies_with_whatever_one_holds() {
    let (dir, bootstrap) = honest(150).await;
    let bare = verify(dir.path(), &VerifyOptions::default());
    assert!(bare.ok, "{:?}", bare.violations);
    assert_eq!((bare.main.bytes.leaves, bare.main.bytes.events), (151, 301));
    assert!(bare.main.bytes.segments > 1, "several segments are walked");
    assert_eq!(bare.access.as_ref().unwrap().bytes.leaves, 150);
    assert_eq!((bare.main.signatures_checked, bare.main.signatures_not_checked), (0, 151));
    assert!(bare.notes.iter().any(|note| note.contains("signatures were not checked")), "{:?}", bare.notes);

    let options =
        VerifyOptions { bootstrap: Some(bootstrap), authority: authority(), ..VerifyOptions::default() };
    let report = verify(dir.path(), &options);
    assert!(report.ok, "{:?}", report.violations);
    assert_eq!((report.main.signatures_checked, report.main.signatures_not_checked), (151, 0));
    assert_eq!(report.main.payloads_opened, 0);

    let desk = SigningKey::from_seed(&[2; 32]).unwrap().public_key();
    let report = verify(dir.path(), &VerifyOptions { public_keys: vec![desk], ..VerifyOptions::default() });
    assert_eq!((report.main.signatures_checked, report.main.signatures_not_checked), (150, 1));

    let mut steps = 0;
    let report = verify_data(dir.path(), &with_master(), &mut |progress| {
        assert!(progress.bytes <= progress.bytes_total);
        steps += 1;
    });
    let report = report.unwrap();
    assert!(report.ok && steps > 2, "{:?}", report.violations);
    assert_eq!((report.main.payloads_opened, report.main.signatures_not_checked), (301, 0));
    assert_eq!(report.access.unwrap().payloads_opened, 150);
    let json = serde_json::to_value(verify(dir.path(), &with_master())).unwrap();
    assert_eq!((&json["ok"], &json["main"]["leaves"]), (&true.into(), &151.into()));
}

#[tokio::test]
async fn adm_1_every_seeded_fault_is_named_with_its_leaf_and_position() {
    let cases = [
        (Fault::Signature, "ADM-1: the signature of kp2mi/desk does not verify"),
        (Fault::EventsRoot, "ADM-1: the headers do not match the signed events root"),
        (Fault::Commitment, "ADM-1: the payload does not match its commitment"),
        (Fault::SealedRoot, "the sealed payloads do not match the leaf's sealed root"),
        (Fault::Position, "LOG-1: the leaf says position 4"),
        (Fault::Sequence, "sequence 4 of kp2mi/desk, expected 3"),
    ];
    for (fault, what) in cases {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(dir.path()).await;
        folder.desk(vec![Fact::licence("sisko-licence/a"), Fact::licence("sisko-licence/b")]).await;
        folder.desk_with(Fact::licence("sisko-licence/c"), fault).await;
        folder.close();
        let report = verify(dir.path(), &with_master());
        let first = &report.violations[0];
        assert_eq!((report.ok, report.violations_total), (false, 1), "{fault:?}: {:?}", report.violations);
        assert_eq!((first.log, first.leaf, first.position), (LogName::Main, Some(2), Some(3)), "{fault:?}");
        assert_eq!(first.what, what, "{fault:?}");
        assert!(first.segment.as_deref().unwrap().ends_with(".seg"));
    }
}

#[tokio::test]
async fn adm_1_a_key_that_the_directory_never_registered_is_a_violation() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = Folder::new(dir.path()).await;
    let stranger = SigningKey::from_seed(&[9; 32]).unwrap();
    let facts = vec![Fact::licence("sisko-licence/a")];
    folder.submit(&sender("kp2mi", "desk"), &stranger, facts, Fault::None).await;
    let bootstrap = Some(folder.bootstrap.clone());
    folder.close();
    let report = verify(dir.path(), &with_master());
    assert!(report.violations[0].what.starts_with("ADM-1: key "), "{:?}", report.violations);
    // Without the master key a later directory event could have registered it: not checked, and said so.
    let report =
        verify(dir.path(), &VerifyOptions { bootstrap, authority: authority(), ..Default::default() });
    assert!(report.ok);
    assert_eq!((report.main.signatures_checked, report.main.signatures_not_checked), (1, 1));
}

#[tokio::test]
async fn adm_1_a_key_that_was_revoked_before_is_a_violation_and_only_from_then_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = Folder::new(dir.path()).await;
    folder.desk(vec![Fact::licence("sisko-licence/a")]).await;
    let desk = SigningKey::from_seed(&[2; 32]).unwrap();
    let authority_key = SigningKey::from_seed(&[1; 32]).unwrap();
    let facts = vec![support::revoke(&desk, 1)];
    folder.submit(&sender("directory", "authority"), &authority_key, facts, Fault::None).await;
    folder.desk(vec![Fact::licence("sisko-licence/a")]).await;
    folder.close();
    let report = verify(dir.path(), &with_master());
    assert_eq!(report.violations_total, 1, "{:?}", report.violations);
    assert_eq!((report.violations[0].leaf, report.violations[0].position), (Some(3), Some(3)));
    assert!(report.violations[0].what.ends_with("was not registered for kp2mi/desk then"));
}

#[tokio::test]
async fn a_flipped_byte_is_found_wherever_it_stands() {
    let (dir, _) = honest(12).await;
    for log in ["log", "access"] {
        let segment = fs::read_dir(dir.path().join(log).join("segments")).unwrap();
        let path = segment
            .map(|entry| entry.unwrap().path())
            .find(|path| path.extension().unwrap() == "seg")
            .unwrap();
        let bytes = fs::read(&path).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        for at in (0..used).step_by(used / 60) {
            let mut broken = bytes.clone();
            broken[at] ^= 0x10;
            fs::write(&path, broken).unwrap();
            let report = verify(dir.path(), &VerifyOptions::default());
            assert!(!report.ok, "{log} byte {at} of {used}");
            assert!(report.violations[0].leaf.is_some() && report.violations[0].position.is_some());
        }
        fs::write(&path, bytes).unwrap();
    }
    assert!(verify(dir.path(), &VerifyOptions::default()).ok);
}

#[tokio::test]
async fn log_3_a_main_log_rolled_back_to_an_earlier_honest_state_is_found_through_the_access_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = Folder::new(dir.path()).await;
    folder.desk(vec![Fact::licence("sisko-licence/a")]).await;
    let earlier = tempfile::tempdir().unwrap();
    support::copy(&dir.path().join("log"), &earlier.path().join("log"));
    folder.desk(vec![Fact::licence("sisko-licence/b")]).await;
    folder.look("ombudsman").await;
    folder.close();
    assert!(verify(dir.path(), &VerifyOptions::default()).ok);

    fs::remove_dir_all(dir.path().join("log")).unwrap();
    support::copy(&earlier.path().join("log"), &dir.path().join("log"));
    let report = verify(dir.path(), &VerifyOptions::default());
    let first = &report.violations[0];
    assert_eq!((first.log, first.leaf), (LogName::Access, Some(0)), "{:?}", report.violations);
    assert_eq!(first.what, "LOG-3: answered at position 3, but the main log ends at 2");
}

#[tokio::test]
async fn log_3_a_main_log_that_was_rolled_back_and_went_on_otherwise_is_found_through_the_access_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = Folder::new(dir.path()).await;
    let earlier = tempfile::tempdir().unwrap();
    support::copy(&dir.path().join("log"), &earlier.path().join("log"));
    folder.desk(vec![Fact::licence("sisko-licence/a")]).await;
    folder.look("kbri-yangon").await;
    folder.close();

    fs::remove_dir_all(dir.path().join("log")).unwrap();
    support::copy(&earlier.path().join("log"), &dir.path().join("log"));
    let mut folder = Folder::open(dir.path());
    for _ in 0..3 {
        folder.desk(vec![Fact::licence("sisko-licence/b")]).await;
    }
    folder.look("ombudsman").await;
    folder.close();
    let report = verify(dir.path(), &with_master());
    let first = &report.violations[0];
    assert_eq!((first.log, first.leaf), (LogName::Access, Some(0)), "{:?}", report.violations);
    assert_eq!(first.what, "LOG-3: answered under a checkpoint that the main log does not have");
}

#[tokio::test]
async fn a_folder_verifies_while_the_hub_goes_on_writing() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = Folder::new(dir.path()).await;
    let path = dir.path().to_owned();
    let written = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&written);
    let verifying = tokio::task::spawn_blocking(move || {
        let mut reports = vec![verify(&path, &VerifyOptions::default())];
        while !done.load(Ordering::Relaxed) {
            reports.push(verify(&path, &VerifyOptions::default()));
        }
        reports
    });
    for _ in 0..200 {
        folder.desk(vec![Fact::licence("sisko-licence/a")]).await;
        folder.look("ombudsman").await;
    }
    written.store(true, Ordering::Relaxed);
    for report in verifying.await.unwrap() {
        assert!(report.ok, "{:?}", report.violations);
    }
    folder.close();
}

#[tokio::test]
async fn without_a_key_or_with_a_foreign_bootstrap_file_nothing_is_claimed() {
    let (dir, bootstrap) = honest(1).await;
    let other = Some(SigningKey::from_seed(&[8; 32]).unwrap().public_key());
    let options = VerifyOptions { bootstrap: Some(bootstrap), authority: other, ..VerifyOptions::default() };
    assert!(matches!(verify_data(dir.path(), &options, &mut |_| {}), Err(VerifyError::Bootstrap(_))));
    fs::remove_file(dir.path().join("log.vkey")).unwrap();
    let refused = verify_data(dir.path(), &VerifyOptions::default(), &mut |_| {});
    assert!(matches!(refused, Err(VerifyError::NoKey(LogName::Main))));
}

#[tokio::test]
async fn a_replay_counts_by_type_and_agency() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = Folder::new(dir.path()).await;
    for _ in 0..5 {
        folder.desk(vec![Fact::licence("sisko-licence/a"), Fact::licence("sisko-licence/b")]).await;
    }
    let all = count(&folder.reader, support::position(0), support::position(11), &mut |_| {}).unwrap();
    assert_eq!((all.leaves, all.events, all.end_position.get()), (6, 11, 11));
    assert_eq!(all.by_type["simpul.registry.v1.LicenceRecorded"], 10);
    assert_eq!((all.by_agency["kp2mi"], all.by_agency["directory"]), (10, 1));
    let some = count(&folder.reader, support::position(2), support::position(4), &mut |_| {}).unwrap();
    assert_eq!((some.leaves, some.events, some.first_position.unwrap().get()), (2, 2, 2));
    folder.close();
}
