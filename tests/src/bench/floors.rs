//! What the machine gives at best: the disk's flush, an empty call over the same TLS, one signature.

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

/// One write of 4 KiB into a prepared file and one `fdatasync`, one at a time.
///
/// # Panics
/// Where the disk fails.
pub fn flush(dir: &Path, time: Duration) -> Row {
    let path = dir.join("flush-floor");
    let file = File::create(&path).expect("a file");
    file.write_all_at(&vec![0; 64 << 20], 0).expect("room");
    file.sync_all().expect("flushed");
    let (block, mut calls, start) = ([0x5a; 4_096], Vec::new(), Instant::now());
    while start.elapsed() < time {
        let before = Instant::now();
        file.write_all_at(&block, (calls.len() as u64 % 16_000) * 4_096).expect("written");
        file.sync_data().expect("flushed");
        calls.push(before.elapsed());
    }
    std::fs::remove_file(&path).ok();
    row("write 4 KiB + fdatasync", "floor", true, 1, calls, start.elapsed())
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
    let (calls, took) = closed_loop(callers, time, call).await;
    row(&format!("empty unary over TLS, c{callers}"), "floor", false, 1, calls, took)
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
        row("Ed25519 sign", "floor", false, 1, signed, signing),
        row("Ed25519 verify", "floor", false, 1, verified, start.elapsed()),
    ]
}
