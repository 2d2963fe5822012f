//! A connector killed in the middle of its spool: nothing is lost, nothing stands in the log twice.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{collections::HashSet, fmt::Write, fs, process::Command};

use simpul_log::Schema;
use simpul_tests::{
    World,
    process::{Process, binary},
};
use simpul_tlog::note::NoteVerifier;
use simpul_types::Position;

const ROWS: u64 = 6_000;

/// Header and first row of the committed sample, and that row again with numbers of its own.
fn licences() -> String {
    let sample =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../connectors/sample/sisko/licences.csv"));
    let sample = sample.expect("the sample is there");
    let mut lines = sample.trim_start_matches('\u{feff}').lines();
    let (header, row) = (lines.next().expect("a header"), lines.next().expect("a row"));
    let number = row.split(';').nth(1).expect("a second column: the number");
    let mut text = format!("{header}\n");
    for at in 0..ROWS {
        writeln!(text, "{}", row.replacen(number, &format!("{number}-{at}"), 1)).expect("strings take text");
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_killed_in_the_middle_of_its_spool_loses_and_doubles_nothing() {
    let world = World::new();
    let hub = world.hub();
    let folder = world.realm.sender_dir("kp2mi", "sisko");
    let config = folder.join("connector.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(
        &config,
        text.replace("poll_ms = 500", "poll_ms = 20").replace("quiet_ms = 2000", "quiet_ms = 50"),
    )
    .unwrap();
    fs::write(folder.join("input/licences.csv"), licences()).unwrap();
    let connector = |once: bool| {
        let mut command = Command::new(binary("simpul-connector"));
        command.arg("--config").arg(&config);
        if once {
            command.arg("--once");
        }
        command
    };
    let log = world.path().join("connector.log");
    let mut in_the_middle = 0;
    for _ in 0..4 {
        let before = rows(&world).1;
        let mut process = Process::start(connector(false), &log);
        process.wait_for("a row in the log", || (rows(&world).1 > before.min(ROWS - 1)).then_some(()));
        process.kill();
        in_the_middle += u32::from(rows(&world).1 < ROWS);
    }
    assert!(in_the_middle > 0, "no kill came in the middle: make the file larger");
    let last = connector(true).output().expect("the connector runs");
    assert!(last.status.success(), "{}", String::from_utf8_lossy(&last.stderr));
    let quarantined = fs::read_to_string(folder.join("quarantine/quarantine.jsonl")).unwrap_or_default();
    assert!(quarantined.is_empty(), "{quarantined}");
    hub.stop();
    assert_eq!(rows(&world), (ROWS, ROWS), "every row once");
}

/// Streams and events of the log that are not the directory's.
fn rows(world: &World) -> (u64, u64) {
    let verifier = NoteVerifier::parse(&world.realm.log_vkey).unwrap();
    let wrap = world.master_key().wrap_key();
    let reader =
        simpul_log::open_reader(&world.data().join("log"), Schema::Submissions, &verifier, wrap).unwrap();
    let (mut scan, mut streams, mut count) = (reader.scan(Position::ZERO), HashSet::new(), 0);
    while let Some(leaves) = scan.next_frame().unwrap() {
        for event in leaves.into_iter().flat_map(|leaf| leaf.events) {
            let header = simpul_types::Header::decode(&event.header, "header").unwrap();
            if header.stream.source() != "directory" {
                streams.insert(header.stream.clone());
                count += 1;
            }
        }
    }
    (streams.len() as u64, count)
}
