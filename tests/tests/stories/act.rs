//! How agencies act on what others have begun: in its own stream, at the version they saw, told who was faster.

use std::fs;

use serde_json::{Value, json};
use simpul_tests::World;

/// Where an event goes.
pub enum In<'a> {
    /// A record of the agency's own, by its key.
    Key(&'a str),
    /// A stream that a document or an answer named, at the version it named.
    Stream(&'a str, u64),
}

/// Submits one event; gives its position, or field and reason of the refusal.
pub fn act(
    world: &World,
    (agency, purpose): (&str, &str),
    place: In<'_>,
    event_type: &str,
    payload: Value,
) -> Result<u64, (String, String)> {
    let mut line = json!({
        "type": event_type, "purpose": purpose, "legal_basis": "UU 21/2007", "occurred_at": "2026-02-11T08:00:00Z",
        "payload": payload,
    });
    match place {
        In::Key(key) => line["stream_key"] = key.into(),
        In::Stream(stream, 0) => (line["stream"], line["expected"]) = (stream.into(), "none".into()),
        In::Stream(stream, seen) => (line["stream"], line["expected"]) = (stream.into(), seen.into()),
    }
    let file = world.path().join(format!("{agency}-act.jsonl"));
    fs::write(&file, line.to_string()).unwrap();
    let output = world.cli(agency, "desk", &["submit", file.to_str().unwrap(), "--json"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let first = text
        .lines()
        .next()
        .unwrap_or_else(|| panic!("{agency} got no answer: {}", String::from_utf8_lossy(&output.stderr)));
    let answer: Value = serde_json::from_str(first).unwrap();
    let word = |name: &str| answer["error"][name].as_str().unwrap_or_default().to_owned();
    answer["position"].as_u64().ok_or_else(|| (word("field"), word("reason")))
}

/// The case as an agency sees it, from a position on.
pub fn case(world: &World, (agency, purpose): (&str, &str), reference: &str, at: u64) -> Value {
    let reached = (at + 1).to_string();
    world.cli_json(agency, "desk", &["case", "show", reference, "--purpose", purpose, "--at-least", &reached])
}

/// A day, so many days from today in Jakarta.
pub fn day(from_today: i64) -> String {
    let jakarta = jiff::tz::offset(7).to_datetime(jiff::Timestamp::now()).date();
    jakarta.checked_add(jiff::Span::new().days(from_today)).unwrap().to_string()
}
