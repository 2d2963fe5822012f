//! What stories are told with: agencies that submit lines, ask, and receive.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use simpul_tests::World;

/// Patience with what comes behind: read models, words about answers, NATS.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Submits one event as an agency's desk; gives its position.
pub fn submit(
    world: &World,
    agency: &str,
    purpose: &str,
    stream_key: &str,
    event_type: &str,
    payload: Value,
) -> u64 {
    let line = json!({
        "type": event_type, "stream_key": stream_key, "purpose": purpose, "legal_basis": "UU 18/2017",
        "occurred_at": "2026-02-11T08:00:00Z", "payload": payload,
    });
    let file = world.path().join(format!("{agency}-line.jsonl"));
    fs::write(&file, line.to_string()).unwrap();
    world.cli_json(agency, "desk", &["submit", file.to_str().unwrap()])["position"].as_u64().unwrap()
}

/// Everything that an agency has been sent on NATS so far.
pub fn received(world: &World, agency: &str) -> Vec<Value> {
    let output = world.cli(agency, "desk", &["watch", "--nats", "--once", "--json"]);
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() || error.contains("is not there"), "{agency}: {error}");
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Waits until what an agency was sent has something that `wanted` takes; gives it.
pub fn sent(world: &World, agency: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let messages = received(world, agency);
        if let Some(found) = messages.iter().find(|message| wanted(message)) {
            return found.clone();
        }
        assert!(start.elapsed() < PATIENCE, "{agency} was not sent it; it has {messages:#?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
