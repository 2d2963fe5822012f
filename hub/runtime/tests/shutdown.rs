//! The two signals, sent to a child that is this very test binary.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
};

const CHILD: &str = "SIMPUL_SHUTDOWN_CHILD";

/// The child: says `ready`, then `stopping` after the first signal, then hangs as a stuck part would.
#[test]
fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let stopping = simpul_runtime::shutdown_signal().unwrap();
        say("ready");
        stopping.cancelled().await;
        say("stopping");
        std::future::pending::<()>().await;
    });
}

/// Straight to the descriptor, past what the test harness captures.
fn say(word: &str) {
    let mut out = std::fs::OpenOptions::new().append(true).open("/proc/self/fd/2").unwrap();
    writeln!(out, "{word}").unwrap();
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn the_first_signal_asks_and_the_second_ends_at_once() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, "1")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut heard = |word: &str| assert!(lines.by_ref().any(|line| line.unwrap() == word), "no {word:?}");
    heard("ready");
    signal(&child, "-TERM");
    heard("stopping");
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
