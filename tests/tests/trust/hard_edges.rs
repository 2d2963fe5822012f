//! What clients do that mean no good, or break: each is held within bounds, and everybody else is served meanwhile.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::{TLS12, TLS13},
};
use simpul_connector::ClientConfig as Files;
use simpul_proto::v1::{
    self, audit_service_client::AuditServiceClient, subscription_service_client::SubscriptionServiceClient,
};
use simpul_tests::{World, drafts};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

const PATIENCE: Duration = Duration::from_secs(30);
const CHECK: &str = "/simpul.v1.LegalityService/Check";

fn tls(
    files: &Files,
    versions: &[&'static SupportedProtocolVersion],
    with_certificate: bool,
) -> TlsConnector {
    let read = |path: &std::path::Path| std::fs::read(path).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&read(&files.ca_pem)).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(versions).unwrap().with_root_certificates(roots);
    let mut config = if with_certificate {
        let pem = read(&files.certificate_pem);
        let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_slice(&read(&files.key_pem)).unwrap();
        builder.with_client_auth_cert(chain, key).unwrap()
    } else {
        builder.with_no_client_auth()
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsConnector::from(Arc::new(config))
}

async fn connect(files: &Files, connector: &TlsConnector) -> std::io::Result<TlsStream<TcpStream>> {
    let address = files.endpoint.strip_prefix("https://").unwrap();
    let name = files.server_name.clone().try_into().unwrap();
    connector.connect(name, TcpStream::connect(address).await?).await
}

async fn open(files: &Files) -> TlsStream<TcpStream> {
    connect(files, &tls(files, &[&TLS13], true)).await.unwrap()
}

/// Whether the hub has ended it; what comes before, settings for example, is read past.
async fn is_ended(stream: &mut TlsStream<TcpStream>, within: Duration) -> bool {
    let end = async {
        let mut buffer = [0; 4_096];
        while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
    };
    timeout(within, end).await.is_ok()
}

/// HTTP/2 without gRPC's manners.
async fn http2(files: &Files) -> SendRequest<Bytes> {
    let (client, connection) = h2::client::handshake(open(files).await).await.unwrap();
    tokio::spawn(connection);
    client
}

fn post(path: &str, further: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::post(format!("https://localhost{path}"));
    for (name, value) in [("content-type", "application/grpc"), ("te", "trailers")].iter().chain(further) {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

/// Sends one message and gives gRPC's status code, wherever it stands; without one, the HTTP status, or why the connection was ended.
async fn grpc(client: &SendRequest<Bytes>, request: Request<()>, message: Bytes) -> String {
    let mut client = client.clone().ready().await.unwrap();
    let (response, mut body) = client.send_request(request, false).unwrap();
    // What the other side does not take is its right.
    let _ = body.send_data(message, true);
    let response = match timeout(PATIENCE, response).await.unwrap() {
        Ok(response) => response,
        Err(error) => return format!("{:?}", error.reason().unwrap_or(h2::Reason::NO_ERROR)),
    };
    let code = |headers: &HeaderMap| headers.get("grpc-status").map(|code| code.to_str().unwrap().to_owned());
    if let Some(code) = code(response.headers()) {
        return code;
    }
    let status = response.status();
    let mut body = response.into_body();
    while let Some(Ok(data)) = timeout(PATIENCE, body.data()).await.unwrap() {
        let _ = body.flow_control().release_capacity(data.len());
    }
    let trailers = timeout(PATIENCE, body.trailers()).await.unwrap().ok().flatten();
    trailers.as_ref().and_then(code).unwrap_or_else(|| format!("HTTP {}", status.as_u16()))
}

fn framed(flag: u8, message: &[u8]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(flag);
    bytes.put_u32(u32::try_from(message.len()).unwrap());
    bytes.put_slice(message);
    bytes.freeze()
}

/// Everybody else is answered.
fn is_served(world: &World) {
    let arguments = ["legality", "check", "--nik", &drafts::nik(1), "--purpose", "VERIFY_LEGALITY"];
    let start = Instant::now();
    let output = world.cli("kbri-yangon", "desk", &arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

/// Memory of a process that is not in a file, MiB.
fn memory_mib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn only_tls_1_3_with_a_certificate_of_the_realm_is_let_in() {
    let world = World::new();
    let hub = world.hub();
    let files = world.config("polri", "desk");
    assert!(connect(&files, &tls(&files, &[&TLS12], true)).await.is_err());
    // In TLS 1.3 the client hears of it after its own handshake.
    if let Ok(mut stream) = connect(&files, &tls(&files, &[&TLS13], false)).await {
        assert!(is_ended(&mut stream, PATIENCE).await);
    }
    let mut plain = TcpStream::connect(files.endpoint.strip_prefix("https://").unwrap()).await.unwrap();
    plain.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    assert!(timeout(PATIENCE, plain.read_to_end(&mut rest)).await.is_ok(), "plain text is ended");
    is_served(&world);
    hub.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_does_not_begin_or_trickles_is_cut_and_everybody_else_is_served() {
    let world = World::new();
    let hub = world.hub();
    let files = world.config("polri", "desk");
    let address = files.endpoint.strip_prefix("https://").unwrap();
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(open(&files).await);
    }
    // No handshake either.
    let mut mute = TcpStream::connect(address).await.unwrap();
    let mut trickling = open(&files).await;
    let trickle = tokio::spawn(async move {
        for byte in b"PRI * HTTP/2.0\r\n\r\nSM" {
            if trickling.write_all(&[*byte]).await.is_err() || trickling.flush().await.is_err() {
                return true;
            }
            if is_ended(&mut trickling, Duration::from_millis(700)).await {
                return true;
            }
        }
        false
    });
    is_served(&world);
    for mut stream in silent {
        assert!(is_ended(&mut stream, PATIENCE).await);
    }
    assert!(trickle.await.unwrap(), "a preface byte by byte is cut");
    let mut rest = Vec::new();
    assert!(timeout(PATIENCE, mute.read_to_end(&mut rest)).await.is_ok());
    hub.expect_quiet();
    hub.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn floods_of_resets_headers_and_unfinished_questions_end_nobody_but_their_sender() {
    let world = World::new();
    let hub = world.hub();
    let files = world.config("polri", "desk");
    is_served(&world);
    let before = memory_mib(hub.process.id());

    // Rapid resets: streams that are opened and taken back at once.
    let mut client = http2(&files).await;
    let mut reset = 0;
    for _ in 0..20_000 {
        let Ok(ready) = client.clone().ready().await else { break };
        client = ready;
        let Ok((_, mut body)) = client.send_request(post(CHECK, &[]), false) else { break };
        body.send_reset(h2::Reason::CANCEL);
        reset += 1;
    }
    println!("{reset} streams before the connection was ended");
    is_served(&world);

    // Questions that are begun and never finished.
    let client = http2(&files).await;
    let mut unfinished = Vec::new();
    for _ in 0..1_000 {
        let mut ready = client.clone().ready().await.unwrap();
        let (response, mut body) = ready.send_request(post(CHECK, &[]), false).unwrap();
        body.send_data(Bytes::from_static(&[0, 0, 0, 16]), false).unwrap();
        unfinished.push((response, body));
    }
    is_served(&world);

    // Headers beyond measure: refused, or the connection is ended.
    let (long, many) = ("x".repeat(64 * 1_024), "y".repeat(100));
    let names: Vec<String> = (0..1_000).map(|number| format!("x-{number}")).collect();
    let further: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), many.as_str())).collect();
    for headers in [&[("x-long", long.as_str())][..], &further] {
        let refused = grpc(&http2(&files).await, post(CHECK, headers), framed(0, &[])).await;
        // 431, or the reason for which HTTP/2 was ended, whichever limit is met first; never a status of the service.
        assert!(refused == "HTTP 431" || refused.parse::<u32>().is_err(), "{refused}");
    }
    is_served(&world);

    // Compressed messages are not taken, so none can be a bomb: UNIMPLEMENTED.
    let client = http2(&files).await;
    let bomb = framed(1, &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
    assert_eq!(grpc(&client, post(CHECK, &[("grpc-encoding", "gzip")]), bomb).await, "12");
    // A message that says it is larger than any may be, before a byte of it: OUT_OF_RANGE.
    let huge = Bytes::from_static(&[0, 0x7f, 0xff, 0xff, 0xff]);
    assert_eq!(grpc(&client, post(CHECK, &[]), huge).await, "11");
    // Bytes that are no message: INTERNAL; the connection is still good for a right question.
    assert_eq!(grpc(&client, post(CHECK, &[]), framed(0, &[0xff; 40])).await, "13");
    assert_eq!(grpc(&client, post("/simpul.v1.NoService/Call", &[]), framed(0, &[])).await, "12");
    let right = v1::CheckRequest {
        subject: Some(v1::check_request::Subject::Nik(drafts::nik(1))),
        purpose: "INVESTIGATE".into(),
        official: "tester".into(),
        ..Default::default()
    };
    assert_eq!(grpc(&client, post(CHECK, &[]), framed(0, &prost::Message::encode_to_vec(&right))).await, "0");

    drop(unfinished);
    let after = memory_mib(hub.process.id());
    assert!(after < before + 64, "{before} MiB before, {after} after");
    hub.expect_quiet();
    hub.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_consumer_that_reads_nothing_costs_no_memory() {
    let world = World::new();
    let hub = world.hub();
    let sisko = world.client("kp2mi", "sisko").await;
    let mut reached = 0;
    for batch in 0..40 {
        let drafts = (0..100).map(|number| drafts::placement_draft(batch * 100 + number, 2_000)).collect();
        reached = sisko.submit(drafts).await.expect("accepted").first_position().get() + 100;
    }
    assert!(reached > 4_000);
    let files = world.config("ombudsman", "desk");
    let replay =
        v1::ReplayRequest { purpose: "OVERSIGHT".into(), official: "tester".into(), ..Default::default() };
    // Some 10 MiB each, if it were read.
    let mut stuck = Vec::new();
    for _ in 0..4 {
        let mut client =
            AuditServiceClient::new(simpul_connector::connect_channel(&files.tls_files()).await.unwrap());
        for _ in 0..4 {
            stuck.push(client.replay(replay.clone()).await.unwrap().into_inner());
        }
    }
    let before = memory_mib(hub.process.id());
    for _ in 0..4 {
        let mut client =
            AuditServiceClient::new(simpul_connector::connect_channel(&files.tls_files()).await.unwrap());
        for _ in 0..8 {
            stuck.push(client.replay(replay.clone()).await.unwrap().into_inner());
        }
    }
    sleep(Duration::from_secs(2)).await;
    let after = memory_mib(hub.process.id());
    // A stream's window and four frames of 256 KiB ahead; 320 MiB if what is not read were kept.
    assert!(after < before + 32 * 5, "{before} MiB with 16 stuck streams, {after} with 48");
    is_served(&world);
    drop(stuck);
    hub.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_connector_has_so_many_connections_and_so_many_requests_a_second() {
    let world = World::new();
    world.configure(|text| {
        let limits = "[listen]\nconnections_per_connector_max = 4\nrequests_per_second_max = 20\n";
        text.replace("[listen]\n", limits)
    });
    let hub = world.hub();
    let files = world.config("polri", "desk");
    let mut kept = Vec::new();
    for _ in 0..4 {
        kept.push(http2(&files).await);
    }
    let mut fifth = open(&files).await;
    assert!(is_ended(&mut fifth, Duration::from_secs(3)).await, "a fifth connection is refused at once");
    is_served(&world);

    let mut codes = Vec::new();
    for _ in 0..60 {
        codes.push(grpc(&kept[0], post("/simpul.v1.NoService/Call", &[]), framed(0, &[])).await);
    }
    let refused = codes.iter().filter(|code| *code == "8").count();
    assert!((20..=40).contains(&refused), "{refused} of 60 in {codes:?}");
    // Others are counted apart, and a second later so is this one again.
    is_served(&world);
    sleep(Duration::from_millis(1_100)).await;
    assert_eq!(grpc(&kept[1], post("/simpul.v1.NoService/Call", &[]), framed(0, &[])).await, "12");
    // A place that is given up is free.
    drop(kept);
    let start = Instant::now();
    loop {
        let mut stream = open(&files).await;
        if !is_ended(&mut stream, Duration::from_secs(1)).await {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "no place became free");
    }
    hub.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_certificate_that_is_revoked_is_cut_off_in_the_middle_of_its_connection() {
    let world = World::with_nats();
    let nats = world.nats();
    let hub = world.hub();
    let files = world.config("polri", "desk");
    let channel = simpul_connector::connect_channel(&files.tls_files()).await.unwrap();
    let request =
        v1::WatchRequest { official: "tester".into(), purpose: "INVESTIGATE".into(), ..Default::default() };
    let mut watching = SubscriptionServiceClient::new(channel).watch(request).await.unwrap().into_inner();
    let other = http2(&world.config("kbri-yangon", "desk")).await;

    let pem = files.certificate_pem.to_str().unwrap().to_owned();
    world.change_directory(&["revoke-certificate", &pem, "--reason", "the laptop was stolen"]);
    let ended =
        timeout(Duration::from_secs(5), async { while let Ok(Some(_)) = watching.message().await {} });
    assert!(ended.await.is_ok(), "the open subscription is cut");
    let mut again = open(&files).await;
    assert!(is_ended(&mut again, Duration::from_secs(3)).await, "nobody comes in with it again");
    let check = world.cli(
        "polri",
        "desk",
        &["legality", "check", "--nik", &drafts::nik(1), "--purpose", "INVESTIGATE"],
    );
    assert!(!check.status.success());
    // Everybody else stays, on the connection they have.
    assert_eq!(grpc(&other, post("/simpul.v1.NoService/Call", &[]), framed(0, &[])).await, "12");
    is_served(&world);
    // Also after a restart, and it is not something that anybody may say.
    hub.stop();
    let hub = world.hub();
    let mut again = open(&world.config("polri", "desk")).await;
    assert!(is_ended(&mut again, Duration::from_secs(3)).await);
    is_served(&world);
    hub.stop();
    nats.stop();
}
