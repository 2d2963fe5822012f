//! The published checkpoint over a real log.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::{fs, path::Path, time::Duration};

use simpul_audit::{Gatherer, PublishConfig, Published, Publishing, published};
use simpul_log::Reader;
use simpul_tlog::checkpoint;
use support::{Fact, Folder};

const PATIENCE: Duration = Duration::from_secs(20);

fn start(dir: &Path, reader: &Reader) -> Publishing {
    let config =
        PublishConfig { file: dir.join("published/checkpoint"), interval: Duration::from_millis(20) };
    published::start(config, reader.clone(), Gatherer::new(reader.clone(), Vec::new()))
}

async fn grown_to(published: &Published, size: u64) {
    let reached = async {
        while published.size() < size {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.expect("it follows the head");
}

#[tokio::test(flavor = "multi_thread")]
async fn log_3_it_follows_the_head_and_a_start_takes_up_what_was_published() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("published/checkpoint");
    let mut folder = Folder::new(dir.path()).await;
    let publishing = start(dir.path(), &folder.reader);
    let published = publishing.published().clone();
    assert_eq!(published.size(), 1, "there is a note at once");
    folder.desk(vec![Fact::licence("kp2mi/a")]).await;
    grown_to(&published, 2).await;
    folder.desk(vec![Fact::licence("kp2mi/b")]).await;
    publishing.stop().await;
    assert_eq!(published.size(), 3, "the last head is published at the stop");
    let note = fs::read(&file).unwrap();
    assert_eq!(note, published.note());
    let opened = checkpoint::open(std::str::from_utf8(&note).unwrap(), &folder.reader.verifier()).unwrap();
    assert_eq!((opened.size, opened.root), (3, folder.reader.head().root));

    let cosigned = format!("{}— witness.example AAAAAEE=\n", String::from_utf8(note).unwrap());
    fs::write(&file, &cosigned).unwrap();
    let again = start(dir.path(), &folder.reader);
    assert_eq!(again.published().note(), cosigned, "lines of witnesses outlive a restart");
    again.stop().await;

    fs::write(&file, "torn").unwrap();
    let mended = start(dir.path(), &folder.reader);
    assert_eq!(mended.published().size(), 3);
    mended.stop().await;
    assert_eq!(fs::read_to_string(&file).unwrap(), folder.reader.head().checkpoint);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_written_degrades_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::new(dir.path()).await;
    fs::write(dir.path().join("published"), "in the way").unwrap();
    let publishing = start(dir.path(), &folder.reader);
    let published = publishing.published().clone();
    let said = async {
        while published.degraded().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, said).await.unwrap();
    assert!(published.degraded().unwrap().contains("could not be written"));
    assert_eq!(published.size(), 1);
    publishing.stop().await;
}
