//! What a script sees of the tool: exit codes, stdout and stderr.

use std::process::{Command, Output, Stdio};

fn simpul(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_simpul")).args(arguments).output().expect("the tool runs")
}

#[test]
fn a_wrong_command_line_exits_2() {
    assert_eq!(simpul(&["legality", "check"]).status.code(), Some(2));
    assert_eq!(simpul(&["no-such-command"]).status.code(), Some(2));
}

#[test]
fn a_failure_exits_1_and_says_why_on_stderr() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let missing = dir.path().join("missing").to_string_lossy().into_owned();
    for arguments in [
        &["audit", "verify", "--data", &missing][..],
        &["audit", "verify", "--url", "https://example.invalid"],
        &["--client", &missing, "directory", "list"],
        &["legality", "verify", &missing],
    ] {
        let output = simpul(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert!(output.stderr.starts_with(b"simpul: "), "{arguments:?}");
    }
}

#[test]
fn json_is_one_object_on_stdout() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("sample").to_string_lossy().into_owned();
    let output = simpul(&["sample", "--persons", "5", "--out", &out, "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let made: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(made["placements"], 5);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("sample").to_string_lossy().into_owned();
    let mut child = Command::new(env!("CARGO_BIN_EXE_simpul"))
        .args(["sample", "--persons", "5", "--out", &out])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tool runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the tool ends");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}
