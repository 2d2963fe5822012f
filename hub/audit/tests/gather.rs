//! Witnesses that answer nonsense, late or not at all, over real sockets: logged, said, and left out.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::{path::Path, time::Duration};

use simpul_audit::{Gatherer, PublishConfig, Published, Publishing, WitnessConfig, published};
use simpul_tlog::cosignature::CosignatureSigner;
use simpul_witness::Target;
use support::{Fact, Folder};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const PATIENCE: Duration = Duration::from_secs(20);

fn cosigner(seed: u8) -> CosignatureSigner {
    CosignatureSigner::new("witness.example/odd", &[seed; 32]).unwrap()
}

/// What an odd witness does with the text that it is asked to cosign; `None` is silence.
type Answer = fn(text: &str) -> Option<String>;

fn ok(body: &str) -> Option<String> {
    Some(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

/// Answers one request a connection; gives its address.
async fn odd(answer: Answer) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut request = Vec::new();
                let mut buffer = [0; 4096];
                // A question with a note ends with its signature, one without at the empty line.
                while !String::from_utf8_lossy(&request).ends_with("=\n") && !request.ends_with(b"\r\n\r\n") {
                    match stream.read(&mut buffer).await {
                        Ok(read @ 1..) => request.extend_from_slice(&buffer[..read]),
                        _ => return,
                    }
                }
                let request = String::from_utf8(request).unwrap();
                let note = request.split("\n\n").nth(1).unwrap_or_default();
                match answer(&format!("{note}\n")) {
                    Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
                    None => std::future::pending().await,
                }
            });
        }
    });
    Target::new(&format!("http://{address}"), None).unwrap()
}

async fn publish(dir: &Path, folder: &Folder, answer: Answer) -> Publishing {
    let witness =
        WitnessConfig { name: "odd".into(), verifier: cosigner(1).verifier(), target: odd(answer).await };
    let config =
        PublishConfig { file: dir.join("published/checkpoint"), interval: Duration::from_millis(20) };
    published::start(config, folder.reader.clone(), Gatherer::new(folder.reader.clone(), vec![witness]))
}

async fn said(published: &Published, what: &str) {
    let waiting = async {
        while !published.degraded().is_some_and(|reason| reason.contains(what)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let reached = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(reached.is_ok(), "expected {what:?}, got {:?}", published.degraded());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odd_answer_is_said_and_never_attached() {
    let cases: [(Answer, &str); 10] = [
        (|_| ok("I agree"), "nonsense"),
        (|_| ok(""), "nonsense: no line of its key"),
        (|text| ok(&cosigner(2).sign_line(1, text)), "nonsense: no line of its key"),
        (|text| ok(&cosigner(1).sign_line(1, &text.replacen('1', "2", 1))), "nonsense: no line of its key"),
        (
            |_| Some("HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\n0\n".into()),
            "nonsense: a 409 that tells no size",
        ),
        (
            |_| {
                Some("HTTP/1.1 409 Conflict\r\nContent-Type: text/x.tlog.size\r\nContent-Length: 6\r\n\r\n99999\n".into())
            },
            "speaks of another tree at 99999 leaves and shows none that this log's key signed",
        ),
        (|_| Some("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n".into()), "nonsense: status 302"),
        (|_| Some("HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n".into()), "refused with 404: no"),
        (
            |_| Some(format!("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n{}", "x".repeat(50_000))),
            "broke off",
        ),
        (|_| None, "did not answer in time"),
    ];
    for (answer, expected) in cases {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(dir.path()).await;
        let publishing = publish(dir.path(), &folder, answer).await;
        let published = publishing.published().clone();
        said(&published, expected).await;
        folder.desk(vec![Fact::licence("kp2mi/a")]).await;
        publishing.stop().await;
        assert_eq!(published.note(), folder.reader.head().checkpoint, "{expected}: plain, and not held up");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_cries_fork_and_holds_this_logs_own_tree_raises_no_alarm() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::new(dir.path()).await;
    // It refuses every question, and shows what it was asked to cosign first.
    let answer: Answer = |text| match text.trim() {
        "" => ok(&SHOWN.get().cloned().unwrap_or_default()),
        _ => Some("HTTP/1.1 422 Unprocessable Content\r\nContent-Length: 0\r\n\r\n".into()),
    };
    SHOWN.set(folder.reader.head().checkpoint.clone()).unwrap();
    let publishing = publish(dir.path(), &folder, answer).await;
    said(publishing.published(), "shows none that this log's key signed").await;
    publishing.stop().await;
}

static SHOWN: std::sync::OnceLock<String> = std::sync::OnceLock::new();

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_verifies_is_attached_and_those_of_others_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::new(dir.path()).await;
    let answer: Answer = |text| ok(&(cosigner(2).sign_line(7, text) + &cosigner(1).sign_line(7, text)));
    let publishing = publish(dir.path(), &folder, answer).await;
    let published = publishing.published().clone();
    let head = folder.reader.head();
    let text = head.checkpoint.split("\n\n").next().unwrap().to_owned() + "\n";
    let expected = format!("{}{}", head.checkpoint, cosigner(1).sign_line(7, &text));
    let attached = async {
        while published.note() != expected {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, attached).await.expect("the line is attached");
    assert_eq!(published.degraded(), None);
    publishing.stop().await;
}
