//! What the machine gives at best: the disk's flush, empty calls over the same TLS, one signature.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

use simpul_connector::{ClientConfig, connect_channel};
use simpul_signing::SigningKey;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::measure::{Row, closed_loop, row};

/// Name of the floors among the systems.
pub const FLOOR: &str = "floor";
/// What a stored event of 600 bytes of payload takes with its header, salt and frame, about.
const EVENT_BYTES: usize = 1_024;
const PREPARED_BYTES: usize = 128 << 20;

/// Appends groups of 1, 64 and 256 events into a file prepared with zeros, one `fdatasync` each, one group at a time.
///
/// # Panics
/// Where the disk fails.
pub fn flushes(dir: &Path, time: Duration) -> Vec<Row> {
    let path = dir.join("flush-floor");
    let file = File::create(&path).expect("a file");
    let zeros = vec![0; 1 << 20];
    for at in (0..PREPARED_BYTES).step_by(zeros.len()) {
        file.write_all_at(&zeros, at as u64).expect("room");
    }
    file.sync_all().expect("flushed");
    let rows = [1, 64, 256].map(|group| flush(&file, group, time / 3)).to_vec();
    std::fs::remove_file(&path).ok();
    rows
}

fn flush(file: &File, group: usize, time: Duration) -> Row {
    let block = vec![0x5a; group * EVENT_BYTES];
    let (mut calls, start) = (Vec::new(), Instant::now());
    while start.elapsed() < time {
        let before = Instant::now();
        let at = calls.len() % (PREPARED_BYTES / block.len()) * block.len();
        file.write_all_at(&block, at as u64).expect("written");
        file.sync_data().expect("flushed");
        calls.push(before.elapsed());
    }
    row(&format!("append {group} KiB + fdatasync"), FLOOR, true, group, calls, start.elapsed())
}

/// The health service's unary call over mutual TLS.
///
/// # Panics
/// Where the hub does not answer.
pub async fn unary(config: &ClientConfig, callers: usize, time: Duration) -> Row {
    let channel = connect_channel(&config.tls_files()).await.expect("connected");
    let call = move |_, _| {
        let mut client = HealthClient::new(channel.clone());
        async move {
            client.check(HealthCheckRequest { service: String::new() }).await.expect("healthy");
        }
    };
    let (calls, took) = closed_loop(callers, time / 10, time, call).await;
    row(&format!("empty unary over TLS, c{callers}"), FLOOR, false, 1, calls, took)
}

/// Ed25519 over 200 bytes: sign, then verify.
///
/// # Panics
/// Never.
pub fn signature() -> [Row; 2] {
    const ROUNDS: usize = 2_000;
    let (key, message) = (SigningKey::generate(), [7; 200]);
    let mut signed = Vec::with_capacity(ROUNDS);
    let start = Instant::now();
    let mut signature = [0; 64];
    for _ in 0..ROUNDS {
        let before = Instant::now();
        signature = key.sign(&message);
        signed.push(before.elapsed());
    }
    let signing = start.elapsed();
    let (public, start) = (key.verifying_key(), Instant::now());
    let mut verified = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let before = Instant::now();
        public.verify(&message, &signature).expect("its own signature");
        verified.push(before.elapsed());
    }
    [
        row("Ed25519 sign", FLOOR, false, 1, signed, signing),
        row("Ed25519 verify", FLOOR, false, 1, verified, start.elapsed()),
    ]
}
