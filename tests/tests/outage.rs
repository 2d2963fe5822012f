//! PUB-1: NATS goes away and comes back. Ingest never pauses, and every agency ends complete and in order.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::{Duration, Instant};

use serde_json::Value;
use simpul_connector::Client;
use simpul_tests::{World, drafts};

async fn submit(client: &Client, numbers: std::ops::Range<u64>) {
    let draft = |number: u64| match number % 2 {
        0 => drafts::placement_draft(number, 100),
        _ => drafts::licence_draft(number),
    };
    let drafts = numbers.map(draft).collect();
    let start = Instant::now();
    client.submit(drafts).await.expect("accepted");
    assert!(start.elapsed() < Duration::from_secs(10), "ingest paused");
}

/// What an agency finds on NATS: sequence and position of every message.
fn received(world: &World, agency: &str) -> Vec<(u64, u64)> {
    let output = world.cli(agency, "desk", &["watch", "--nats", "--once", "--json"]);
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() || error.contains("is not there"), "{agency}: {error}");
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let number =
        |line: &Value, name: &str| line[name].as_u64().unwrap_or_else(|| panic!("no {name}: {line}"));
    lines.iter().map(|line| (number(line, "sequence"), number(line, "position"))).collect()
}

fn wait_until_complete(world: &World, agency: &str, count: usize) -> Vec<(u64, u64)> {
    let start = Instant::now();
    loop {
        let messages = received(world, agency);
        if messages.len() >= count {
            return messages;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{agency}: {} of {count}", messages.len());
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn check(agency: &str, messages: &[(u64, u64)], count: usize) {
    assert_eq!(messages.len(), count, "{agency}: every change once");
    for (at, (sequence, position)) in messages.iter().enumerate() {
        assert_eq!(*sequence, at as u64 + 1, "{agency}: gapless");
        assert!(at == 0 || messages[at - 1].1 <= *position, "{agency}: in the order of the log");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pub_1_an_outage_of_nats_stops_no_ingest_and_loses_nothing() {
    let world = World::with_nats();
    let nats = world.nats();
    let hub = world.hub();
    let client = world.client("kp2mi", "sisko").await;
    submit(&client, 0..20).await;
    wait_until_complete(&world, "kp2mi", 20);
    nats.kill();
    for batch in 1..6 {
        submit(&client, batch * 20..batch * 20 + 20).await;
    }
    let (_, ready) = hub.get("/readyz").expect("health answers");
    assert!(ready.contains("nats") || ready.contains("publisher"), "health says what is away: {ready}");
    let nats = world.nats();
    submit(&client, 120..140).await;
    // The registry is sent placements and licences, the police licences alone.
    for (agency, count) in [("kp2mi", 140), ("polri", 70)] {
        let messages = wait_until_complete(&world, agency, count);
        check(agency, &messages, count);
    }
    // Killed hub, running NATS: what was published but not tracked is not seen twice.
    hub.kill();
    let hub = world.hub();
    submit(&client, 140..160).await;
    for (agency, count) in [("kp2mi", 160), ("polri", 80)] {
        let messages = wait_until_complete(&world, agency, count);
        check(agency, &messages, count);
    }
    hub.stop();
    nats.stop();
}
