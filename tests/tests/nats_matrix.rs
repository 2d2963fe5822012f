//! Every agency against every other on a real NATS server that a real hub publishes to: subjects, streams, last values, inboxes and
//! replies. What an agency hears or is answered is its own, whoever else is connected. The table is left in `target/tmp/nats-matrix.txt`.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_nats::{Client, ConnectOptions};
use bytes::Bytes;
use futures_util::{StreamExt, future::join_all};
use simpul_tests::{World, drafts};
use simpul_types::AgencyCode;

/// Longest wait for an answer that must not come; they are asked all at once.
const SILENCE: Duration = Duration::from_secs(3);

/// What an agency heard on subscriptions that aim at others: by whom it was said.
type Heard = Arc<Mutex<BTreeSet<String>>>;

/// Its stream; those of its last values have a longer name.
fn stream(agency: &AgencyCode) -> String {
    format!("SIMPUL_{}", agency.as_str().to_ascii_uppercase())
}

/// What the hub reaches its stream API by.
fn api_prefix(agency: &AgencyCode) -> String {
    format!("$JS.AGENCY.{agency}.API")
}

async fn connect(world: &World, agency: &str) -> Client {
    let folder = world.realm.sender_dir(agency, "desk");
    ConnectOptions::new()
        .require_tls(true)
        .add_root_certificates(folder.join("ca.pem"))
        .add_client_certificate(folder.join("tls.pem"), folder.join("tls.key"))
        .request_timeout(Some(SILENCE))
        .connect(format!("tls://localhost:{}", world.nats_port().unwrap()))
        .await
        .unwrap_or_else(|error| panic!("{agency}: {error}"))
}

/// Listens on a subject for as long as the test runs; what comes is somebody else's where its subject or body says so.
async fn listen(client: &Client, subject: String, own: &AgencyCode, codes: &[AgencyCode], heard: &Heard) {
    let mut subscription = client.subscribe(subject.clone()).await.unwrap();
    let (own, heard) = (own.clone(), Arc::clone(heard));
    let streams: Vec<_> = codes.iter().filter(|code| **code != own).map(stream).collect();
    tokio::spawn(async move {
        while let Some(message) = subscription.next().await {
            let body = String::from_utf8_lossy(&message.payload).into_owned();
            // Answers to its own questions come to its inbox; they speak of nobody's streams.
            let in_inbox = message.subject.starts_with("_INBOX.");
            let of_own = match in_inbox {
                true => !streams.iter().any(|stream| body.contains(stream)),
                false => message.subject.starts_with(&format!("simpul.{own}.")),
            };
            if !of_own || body.contains("forged by") {
                heard.lock().unwrap().insert(format!("{} on {subject}: {body}", message.subject));
            }
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_agency_hears_reads_or_writes_anything_of_another() {
    let world = World::of_all_agencies();
    let nats = world.nats();
    let hub = world.hub();
    let codes: Vec<AgencyCode> = world
        .realm
        .senders
        .iter()
        .filter(|sender| sender.connector.as_str() == "desk")
        .map(|sender| sender.agency.clone())
        .collect();
    assert!(codes.len() >= 12, "one of every kind, and more: {codes:?}");
    let mut clients = BTreeMap::new();
    for code in &codes {
        clients.insert(code.clone(), connect(&world, code.as_str()).await);
    }

    // Everybody listens to everybody, and to everybody's inboxes.
    let heard: BTreeMap<AgencyCode, Heard> =
        codes.iter().map(|code| (code.clone(), Heard::default())).collect();
    for (code, client) in &clients {
        let everything = [">", "simpul.>", "_INBOX.>", "$JS.>", "$SYS.>", "*.*.*.*"].map(str::to_owned);
        let of_others = codes.iter().filter(|other| *other != code).flat_map(|other| {
            let prefix = api_prefix(other);
            [format!("simpul.{other}.>"), format!("{prefix}.>"), format!("_INBOX.{other}.>")]
        });
        for subject in everything.into_iter().chain(of_others) {
            listen(client, subject, code, &codes, &heard[code]).await;
        }
        client.flush().await.unwrap();
    }

    // The hub publishes meanwhile: the registry and the police have documents of their own.
    let registry = world.client("kp2mi", "sisko").await;
    for number in 0..5 {
        registry.submit(vec![drafts::placement_draft(number, 0)]).await.expect("accepted");
    }
    // There has to be something to overhear, to read and to overwrite before anybody tries.
    let of_registry = || {
        let output = world.cli("kp2mi", "desk", &["watch", "--nats", "--once", "--json"]);
        let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        output.status.success().then(|| lines.map(<[u8]>::to_vec).collect::<Vec<_>>())
    };
    let start = Instant::now();
    let published = loop {
        match of_registry() {
            Some(seen) if seen.len() >= 5 => break seen.len(),
            _ => assert!(start.elapsed() < Duration::from_secs(60), "nothing was published"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };

    // Everybody writes to everybody, and asks for everybody's streams and last values.
    let mut answered: BTreeMap<(AgencyCode, AgencyCode), Vec<String>> = BTreeMap::new();
    let mut asked = Vec::new();
    for (code, client) in &clients {
        for other in codes.iter().filter(|other| *other != code) {
            let forged = Bytes::from(format!("forged by {code}"));
            for subject in [
                format!("simpul.{other}.case.forged"),
                format!("_INBOX.{other}.forged"),
                "_INBOX.forged".into(),
            ] {
                // The server refuses it on the connection, if it refuses it; what counts is that nobody hears it.
                client.publish(subject, forged.clone()).await.unwrap();
            }
            let stream = stream(other);
            let last = format!("{stream}_CASE_LAST");
            let prefix = api_prefix(other);
            for subject in [
                format!("$JS.API.STREAM.INFO.{stream}"),
                format!("$JS.API.STREAM.INFO.{last}"),
                format!("$JS.API.STREAM.MSG.GET.{stream}"),
                format!("$JS.API.DIRECT.GET.{last}"),
                format!("$JS.API.CONSUMER.CREATE.{stream}"),
                format!("$JS.API.CONSUMER.NAMES.{stream}"),
                format!("{prefix}.STREAM.INFO.{stream}"),
                format!("{prefix}.STREAM.PURGE.{stream}"),
            ] {
                let (client, code, other) = (client.clone(), code.clone(), other.clone());
                asked.push(async move {
                    let answer = client.request(subject.clone(), Bytes::from_static(b"{\"seq\":1}")).await;
                    let text = answer.ok().map(|message| {
                        let status = message.status.map(|status| status.to_string()).unwrap_or_default();
                        format!("{status} {}", String::from_utf8_lossy(&message.payload))
                    });
                    (code, other, subject, text)
                });
            }
        }
    }
    for (code, other, subject, text) in join_all(asked).await {
        // That there is no such stream in one's own account is an answer about nobody.
        let about_nobody =
            |text: &String| text.contains("\"error\"") || text.starts_with("404") || text.starts_with("503");
        if let Some(text) = text.filter(|text| !about_nobody(text)) {
            answered.entry((code, other)).or_default().push(format!("{subject}: {text}"));
        }
    }
    for client in clients.values() {
        client.flush().await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;

    let mut table = String::from("Rows ask, columns are asked: `.` nothing was heard, read or written.\n\n");
    for code in &codes {
        let row = codes.iter().map(|other| {
            match (code == other, answered.contains_key(&(code.clone(), other.clone()))) {
                (true, _) => '-',
                (false, false) => '.',
                (false, true) => 'X',
            }
        });
        writeln!(table, "{:<20} {}", code.as_str(), row.collect::<String>()).unwrap();
    }
    fs::write(std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("nats-matrix.txt"), &table).unwrap();
    assert!(answered.is_empty(), "{table}\n{answered:#?}");
    for (code, heard) in &heard {
        let heard = heard.lock().unwrap();
        assert!(heard.is_empty(), "{code} heard {heard:#?}");
    }
    // And its own stream is what the hub published, no more.
    let seen = of_registry().expect("it was there before");
    assert_eq!(seen.len(), published, "{seen:?}");
    assert!(!seen.iter().any(|line| String::from_utf8_lossy(line).contains("forged")));
    hub.stop();
    nats.stop();
}
