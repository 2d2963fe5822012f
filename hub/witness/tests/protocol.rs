//! The protocol over real HTTP and TLS: every status code, what is on the disk before an answer, and nonsense from clients.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::{fs, sync::Arc, time::Duration};

use simpul_tlog::{checkpoint, note::SignedNote};
use simpul_witness::{Answer, LedgerError, Refusal, Reply, Witness, origin_hash};
use support::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[tokio::test(flavor = "multi_thread")]
async fn wit_1_it_cosigns_what_extends_and_refuses_the_rest_with_the_code_of_the_specification() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path(), None).await;
    let (honest, forked) = (Log::new(40), Log::forked(40, 6));
    let mut client = served.client();
    let mut ask = async |body: String| client.add_checkpoint(body).await.unwrap();

    assert_eq!(ask(honest.request(3, 8)).await, Reply::Conflict(0), "nothing was cosigned yet");
    cosigned(&honest, 8, ask(honest.request(0, 8)).await);
    cosigned(&honest, 8, ask(honest.request(8, 8)).await);
    cosigned(&honest, 13, ask(honest.request(8, 13)).await);

    for (status, body) in [
        (404, other_log().request(0, 5)),
        (403, honest.request(13, 20).replace("— ", "— x")),
        (403, forged().request(13, 20)),
        (400, honest.request_with(13, 12, &[])),
        (400, "old 13\nAAAA\n\n".into()),
        (400, "old 13\n\nx\n0\n\n".into()),
        (413, "x".repeat(100_000)),
        (422, honest.request_with(13, 20, &[[7; 32]])),
        (422, forked.request(13, 21)),
    ] {
        match ask(body).await {
            Reply::Refused(given, reason) => assert_eq!(given, status, "{reason}"),
            reply => panic!("{status}: {reply:?}"),
        }
    }
    assert_eq!(ask(honest.request(8, 20)).await, Reply::Conflict(13));
    assert_eq!(ask(honest.request(20, 30)).await, Reply::Conflict(13));
    assert_eq!(ask(honest.request(8, 8)).await, Reply::Conflict(13), "a rollback");
    assert_eq!(ask(forked.request(13, 13)).await, Reply::Conflict(13), "a split view");
    let hash = origin_hash(ORIGIN);
    let kept: Vec<_> = fs::read_dir(dir.path().join(&hash).join("evidence")).unwrap().collect();
    assert_eq!(kept.len(), 3, "the split view, and the two proofs that did not hold: {kept:?}");

    let note = served.client().newest(ORIGIN).await.unwrap().unwrap();
    assert_eq!(checkpoint::open(&note, &log_key()).unwrap(), honest.checkpoint(13));
    assert!(SignedNote::open(&note, &[log_key(), served.vkey.clone()]).unwrap().signatures.len() == 2);
    assert_eq!(note, fs::read_to_string(dir.path().join(hash).join("checkpoint")).unwrap());
    assert_eq!(served.client().newest("simpul.example/nobody").await.unwrap(), None);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wit_1_of_two_requests_at_once_for_one_origin_the_record_never_goes_back() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path(), None).await;
    let log = Arc::new(Log::new(64));
    served.client().add_checkpoint(log.request(0, 1)).await.unwrap();
    let racing = (2..=60).map(|size| {
        let (mut client, log) = (served.client(), Arc::clone(&log));
        tokio::spawn(async move { (size, client.add_checkpoint(log.request(1, size)).await.unwrap()) })
    });
    let racing: Vec<_> = racing.collect();
    let mut winners = Vec::new();
    for one in racing {
        match one.await.unwrap() {
            (size, Reply::Cosigned(_)) => winners.push(size),
            (_, Reply::Conflict(recorded)) => assert!(recorded > 1),
            (_, reply) => panic!("{reply:?}"),
        }
    }
    let [winner] = winners[..] else { panic!("{winners:?}") };
    let note = served.client().newest(ORIGIN).await.unwrap().unwrap();
    assert_eq!(checkpoint::open(&note, &log_key()).unwrap().size, winner);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_and_several_origins_and_an_answer_after_idle_time() {
    let (dir, tls) = (tempfile::tempdir().unwrap(), tls());
    let served = Served::start(dir.path(), Some(tls.clone())).await;
    let mut client = served.client();
    cosigned(&Log::new(9), 9, client.add_checkpoint(Log::new(9).request(0, 9)).await.unwrap());
    let second = second_log();
    cosigned(&second, 4, client.add_checkpoint(second.request(0, 4)).await.unwrap());
    let records = fs::read_dir(dir.path()).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir());
    assert_eq!(records.count(), 2);
    let address = served.address;
    served.stop().await;
    let again = Served::start_at(dir.path(), Some(tls), address).await;
    let reply = client.add_checkpoint(Log::new(9).request(9, 9)).await.unwrap();
    cosigned(&Log::new(9), 9, reply);
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_slowly_or_sends_nonsense_holds_up_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path(), None).await;
    let mut silent = Vec::new();
    for start in
        ["", "POST /add-check", "POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nold"]
    {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(start.as_bytes()).await.unwrap();
        silent.push(stream);
    }
    let garbage = b"\x16\x03\x01 not http at all\r\n\r\n";
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(garbage).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let asked = tokio::time::timeout(Duration::from_secs(3), async {
        served.client().add_checkpoint(Log::new(5).request(0, 5)).await.unwrap()
    });
    cosigned(&Log::new(5), 5, asked.await.unwrap());
    // The last one, whose body never comes, is told so and closed.
    let mut stream = silent.pop().unwrap();
    tokio::time::timeout(Duration::from_secs(15), stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&answer).contains("408"), "{}", String::from_utf8_lossy(&answer));
    served.stop().await;
}

#[test]
fn wit_1_the_record_outlives_the_process_and_one_that_cannot_be_read_is_not_guessed() {
    let dir = tempfile::tempdir().unwrap();
    let (log, forked) = (Log::new(30), Log::forked(30, 4));
    let witness = open(dir.path(), 5_000).unwrap();
    assert!(matches!(open(dir.path(), 0).err(), Some(LedgerError::InUse(_))));
    let first = line(witness.add_checkpoint(log.request(0, 10).as_bytes()));
    drop(witness);

    let witness = open(dir.path(), 4_000).unwrap();
    let split = witness.add_checkpoint(forked.request(10, 10).as_bytes());
    assert!(matches!(split, Answer::Refused(Refusal::Conflict { recorded: 10, split: true })), "{split:?}");
    let second = line(witness.add_checkpoint(log.request(10, 11).as_bytes()));
    assert_eq!(time_of(&log, 10, &first), 5_000);
    assert_eq!(time_of(&log, 11, &second), 5_000, "times never go back, whatever the clock does");
    drop(witness);

    let file = dir.path().join(origin_hash(ORIGIN)).join("checkpoint");
    let right = fs::read(&file).unwrap();
    for at in (0..right.len()).step_by(7) {
        let mut flipped = right.clone();
        flipped[at] ^= 1;
        fs::write(&file, &flipped).unwrap();
        let error = open(dir.path(), 6_000).err();
        assert!(matches!(error, Some(LedgerError::Record { .. })), "byte {at} flipped: {error:?}");
    }
    fs::write(&file, &right).unwrap();
    fs::write(file.with_extension("new"), "half of a rec").unwrap();
    let witness = open(dir.path(), 6_000).unwrap();
    line(witness.add_checkpoint(log.request(11, 30).as_bytes()));
}

#[test]
fn a_record_that_cannot_be_written_gives_no_cosignature_then_or_later() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::new(10);
    let witness = open(dir.path(), 1).unwrap();
    line(witness.add_checkpoint(log.request(0, 3).as_bytes()));
    let in_the_way = dir.path().join(origin_hash(ORIGIN)).join("checkpoint.new");
    fs::create_dir(&in_the_way).unwrap();
    assert!(matches!(witness.add_checkpoint(log.request(3, 4).as_bytes()), Answer::Fault(_)));
    fs::remove_dir(&in_the_way).unwrap();
    assert!(matches!(witness.add_checkpoint(log.request(3, 4).as_bytes()), Answer::Poisoned));
    drop(witness);
    let witness: Witness = open(dir.path(), 2).unwrap();
    line(witness.add_checkpoint(log.request(3, 4).as_bytes()));
}
