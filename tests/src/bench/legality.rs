//! Legality checks: each one evaluated, signed, and its access entry durable before it is answered.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use simpul_connector::{Client, ClientConfig, connect_channel};
use simpul_proto::v1::{
    CheckRequest, FindPersonsRequest, GetPositionRequest, check_request::Subject,
    legality_service_client::LegalityServiceClient, picture_service_client::PictureServiceClient,
};

use super::measure::{Row, closed_loop, row};
use crate::drafts;

/// Puts placements with their evidence into the hub, 1,000 events a submission, histories of `per_stream` events; the rate
/// of loading.
///
/// # Panics
/// Where a submission is refused.
pub async fn load(client: &Client, numbers: Range<u64>, per_stream: u64) -> Row {
    const BATCH: u64 = 1_000;
    let (next, end, count) =
        (Arc::new(AtomicU64::new(numbers.start)), numbers.end, numbers.end - numbers.start);
    let start = Instant::now();
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let (client, next) = (client.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                let mut taken = Vec::new();
                loop {
                    let from = next.fetch_add(BATCH, Ordering::Relaxed);
                    if from >= end {
                        return taken;
                    }
                    let drafts = (from..(from + BATCH).min(end))
                        .map(|number| drafts::history_number(number, per_stream))
                        .map(|placement| drafts::draft(placement, &drafts::evidenced_placement(placement)))
                        .collect();
                    let before = Instant::now();
                    client.submit(drafts).await.expect("accepted");
                    taken.push(before.elapsed());
                }
            })
        })
        .collect();
    let mut calls = Vec::new();
    for task in tasks {
        calls.extend(task.await.expect("ends well"));
    }
    let took = start.elapsed();
    let mut row =
        row(&format!("load {count} placement events, 4x1000"), "Simpul", true, BATCH as usize, calls, took);
    row.events_per_s = count as f64 / took.as_secs_f64();
    row
}

/// Waits until the read models have everything; how long it took.
///
/// # Panics
/// Where the hub does not answer.
pub async fn caught_up(config: &ClientConfig) -> Duration {
    let channel = connect_channel(&config.tls_files()).await.expect("connected");
    let (mut client, start) = (PictureServiceClient::new(channel), Instant::now());
    loop {
        let at = client.get_position(GetPositionRequest {}).await.expect("answered").into_inner();
        if at.read_position >= at.log_position {
            return start.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// `callers` callers who ask for persons all over the registry.
///
/// # Panics
/// Where a check fails.
pub async fn check(config: &ClientConfig, persons: u64, callers: usize, time: Duration) -> Row {
    let channel = connect_channel(&config.tls_files()).await.expect("connected");
    let call = move |caller: usize, number: u64| {
        let mut client = LegalityServiceClient::new(channel.clone());
        let person = (number * 7_919 + caller as u64 * 104_729) % persons;
        async move {
            let request = CheckRequest {
                subject: Some(Subject::Nik(drafts::nik(person))),
                purpose: "VERIFY_LEGALITY".into(),
                official: "bench".into(),
                ..Default::default()
            };
            let answer = client.check(request).await.expect("answered").into_inner();
            assert!(answer.signed.is_some());
        }
    };
    let (calls, took) = closed_loop(callers, time / 10, time, call).await;
    row(&format!("legality check of {persons}, c{callers}"), "Simpul", true, 1, calls, took)
}

/// `callers` callers who look for persons by name: one letter doubled, the words turned, of two in three the year of birth.
///
/// # Panics
/// Where a search fails, or finds nobody.
pub async fn find(config: &ClientConfig, persons: u64, callers: usize, time: Duration) -> Row {
    let channel = connect_channel(&config.tls_files()).await.expect("connected");
    let call = move |caller: usize, number: u64| {
        let mut client = PictureServiceClient::new(channel.clone());
        let person = (number * 7_919 + caller as u64 * 104_729) % persons;
        async move {
            let name: Vec<String> = drafts::name(person).split(' ').rev().map(misspelt).collect();
            let year =
                if number.is_multiple_of(3) { String::new() } else { drafts::birth_date(person)[..4].into() };
            let request = FindPersonsRequest {
                name: name.join(" "),
                birth_date: year,
                purpose: "ASSIST".into(),
                official: "bench".into(),
                ..Default::default()
            };
            let found = client.find_persons(request).await.expect("answered").into_inner();
            assert!(!found.candidates.is_empty());
        }
    };
    let (calls, took) = closed_loop(callers, time / 10, time, call).await;
    row(&format!("find persons among {persons}, c{callers}"), "Simpul", true, 1, calls, took)
}

/// Its last letter twice, and `u` as it was written once.
fn misspelt(word: &str) -> String {
    let mut word = word.replace('u', "oe");
    word.extend(word.chars().next_back());
    word
}

/// Line-ups of 1,000 persons, streamed, one after another; each one is a call.
///
/// # Panics
/// Where a person is not answered.
pub async fn line_up(config: &ClientConfig, persons: u64, time: Duration) -> Row {
    const PERSONS: u64 = 1_000;
    let channel = connect_channel(&config.tls_files()).await.expect("connected");
    let call = move |_: usize, number: u64| {
        let mut client = LegalityServiceClient::new(channel.clone());
        let request = move |n: u64| CheckRequest {
            subject: Some(Subject::Nik(drafts::nik((number * PERSONS + n) * 7_919 % persons))),
            purpose: "VERIFY_LEGALITY".into(),
            official: "bench".into(),
            ..Default::default()
        };
        async move {
            let asked = futures_util::stream::iter((0..PERSONS).map(request));
            let mut answers = client.check_batch(asked).await.expect("answered").into_inner();
            let mut verdicts = 0;
            while let Some(answer) = answers.message().await.expect("answered") {
                verdicts += u64::from(answer.signed.is_some());
            }
            assert_eq!(verdicts, PERSONS);
        }
    };
    let (calls, took) = closed_loop(1, time / 10, time, call).await;
    row(&format!("legality line-up of {PERSONS}"), "Simpul", true, PERSONS as usize, calls, took)
}
