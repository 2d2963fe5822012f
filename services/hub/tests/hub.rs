//! A whole hub in this process, on a realm as `simpul directory init` makes it, with clients over real TLS.

#![allow(clippy::unwrap_used, reason = "a test's helpers may fail as its body may")]

use std::{path::PathBuf, time::Duration};

use prost::Message;
use simpul_cli::init::{InitOptions, Realm, init};
use simpul_connector::{Client, ClientFile, EventDraft, TlsFiles, connect_channel};
use simpul_hub::{Addresses, Config, Hub, check, start};
use simpul_proto::{
    registry,
    v1::{self, subscription_service_client::SubscriptionServiceClient},
};
use simpul_types::{Clock, Timestamp, clock::System};
use tempfile::TempDir;
use tonic::{Code, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

const PATIENCE: Duration = Duration::from_secs(30);

struct World {
    _dir: TempDir,
    realm: Realm,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut options = InitOptions::demo(dir.path().join("realm"), System.now());
        (options.grpc_port, options.tiles_port) = (0, 0);
        (options.metrics_port, options.nats_port) = (0, None);
        let realm = init(&options, &System).unwrap();
        Self { _dir: dir, realm }
    }

    fn config(&self) -> Config {
        Config::load(&self.realm.hub_config).unwrap()
    }

    async fn hub(&self) -> Hub {
        start(self.config()).await.unwrap()
    }

    fn data(&self) -> PathBuf {
        self.config().data_dir.to_path_buf()
    }

    fn files(&self, agency: &str, connector: &str, addresses: Addresses) -> TlsFiles {
        let file = ClientFile::load(&self.realm.client_config(agency, connector)).unwrap();
        TlsFiles { endpoint: format!("https://{}", addresses.grpc), ..file.hub.tls_files() }
    }

    async fn channel(&self, agency: &str, connector: &str, addresses: Addresses) -> Channel {
        connect_channel(&self.files(agency, connector, addresses)).await.unwrap()
    }

    async fn client(&self, agency: &str, connector: &str, addresses: Addresses) -> Client {
        let mut file = ClientFile::load(&self.realm.client_config(agency, connector)).unwrap().hub;
        file.endpoint = format!("https://{}", addresses.grpc);
        Client::connect(file).await.unwrap()
    }
}

/// A placement of an invented person.
fn placement(number: u64) -> EventDraft {
    let placement = registry::PlacementRecorded {
        placement_no: format!("PN-{number:08}"),
        person: Some(v1::PersonClaim {
            passport: format!("C{number:07}"),
            name: format!("Siti Contoh {number}"),
            birth_date: "1990-01-01".into(),
            ..Default::default()
        }),
        scheme: v1::Scheme::PToP.into(),
        destination: "HKG".into(),
        occupation: "DOMESTIC_WORKER".into(),
        departure_date: "2024-05-01".into(),
        status: registry::PlacementStatus::Departed.into(),
        ..Default::default()
    };
    EventDraft::new(
        "simpul.registry.v1.PlacementRecorded".parse().unwrap(),
        format!("sisko-placement/t{number}").parse().unwrap(),
        Timestamp::from_us(1_700_000_000_000_000),
        "PLACEMENT".parse().unwrap(),
        placement.encode_to_vec().into(),
    )
}

/// Changes that an agency is sent, from the beginning, `count` of them.
async fn changes(channel: Channel, purpose: &str, count: usize) -> Vec<v1::ViewChange> {
    let request = v1::WatchRequest {
        from_sequence: 1,
        purpose: purpose.into(),
        official: "officer-1".into(),
        once: false,
    };
    let watching = async {
        let mut stream = SubscriptionServiceClient::new(channel).watch(request).await.unwrap().into_inner();
        let mut changes = Vec::new();
        while changes.len() < count {
            changes.push(stream.message().await.unwrap().expect("it follows"));
        }
        changes
    };
    tokio::time::timeout(PATIENCE, watching).await.expect("the changes arrive")
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_takes_stops_and_goes_on_where_it_was() {
    let world = World::new();
    let hub = world.hub().await;
    let addresses = hub.addresses;
    let said: Addresses =
        serde_json::from_slice(&std::fs::read(world.data().join("listen.json")).unwrap()).unwrap();
    assert_eq!(said, addresses);
    assert!(hub.health().report().ready);

    let again = start(world.config()).await.err().expect("refused").to_string();
    assert!(again.starts_with("another hub has "), "{again}");

    let mut health = HealthClient::new(world.channel("polri", "desk", addresses).await);
    for service in ["", "simpul.v1.SubmissionService"] {
        let answer = health.check(HealthCheckRequest { service: service.into() }).await.unwrap().into_inner();
        assert_eq!(answer.status, 1, "{service:?} is serving");
    }

    let sisko = world.client("kp2mi", "sisko", addresses).await;
    let first = sisko.submit((0..5).map(placement).collect()).await.unwrap().first_position();
    let seen = changes(world.channel("kp2mi", "desk", addresses).await, "PLACEMENT", 5).await;
    assert!(seen.iter().zip(1..).all(|(change, sequence)| change.sequence == sequence));
    assert_eq!((seen[0].view.as_str(), seen[0].position), ("placement", first.get()));
    assert!(seen[0].checkpoint.starts_with("simpul.example/demo\n"));
    drop(sisko);
    hub.stop().await;
    assert!(!world.data().join("listen.json").exists());

    // The outbox is derived: without it, the next hub makes the same one.
    std::fs::remove_dir_all(world.data().join("outbox")).unwrap();
    let hub = world.hub().await;
    let sisko = world.client("kp2mi", "sisko", hub.addresses).await;
    let next = sisko.submit(vec![placement(5)]).await.unwrap().first_position();
    assert_eq!(next, first.plus(5));
    let again = changes(world.channel("kp2mi", "desk", hub.addresses).await, "PLACEMENT", 6).await;
    let essence = |change: &v1::ViewChange| {
        (change.sequence, change.r#ref.clone(), change.position, change.json.clone(), change.event_id.clone())
    };
    assert_eq!(
        again[..5].iter().map(essence).collect::<Vec<_>>(),
        seen.iter().map(essence).collect::<Vec<_>>()
    );
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_certificates_of_the_realm_that_name_a_connector_get_in() {
    let (world, stranger) = (World::new(), World::new());
    let hub = world.hub().await;
    let ours = world.files("kp2mi", "desk", hub.addresses);
    let ask = |files: TlsFiles| async move {
        // With TLS 1.3 a client learns of its refusal at the first answer, not in the handshake.
        let mut health = HealthClient::new(connect_channel(&files).await.ok()?);
        health.check(HealthCheckRequest::default()).await.ok()
    };
    assert!(ask(ours.clone()).await.is_some());
    let theirs = stranger.files("kp2mi", "desk", hub.addresses);
    let of_another_realm = TlsFiles { ca_pem: ours.ca_pem.clone(), ..theirs };
    assert!(ask(of_another_realm).await.is_none(), "the same name, signed by another authority");
    let dir = &world.realm.dir;
    let of_the_hub = TlsFiles {
        certificate_pem: dir.join("hub/tls.pem"),
        key_pem: dir.join("hub/tls.key"),
        ..ours.clone()
    };
    assert!(ask(of_the_hub).await.is_none(), "a certificate of the realm that names no connector");

    // No certificate at all, and TLS 1.2.
    let pem = std::fs::read(&ours.ca_pem).unwrap();
    let bare = |versions: &[&'static rustls::SupportedProtocolVersion]| {
        use rustls::pki_types::{CertificateDer, pem::PemObject};
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        tokio_rustls::TlsConnector::from(std::sync::Arc::new(config))
    };
    for versions in [&[&rustls::version::TLS13][..], &[&rustls::version::TLS12][..]] {
        let stream = tokio::net::TcpStream::connect(hub.addresses.grpc).await.unwrap();
        let connecting = bare(versions).connect("localhost".try_into().unwrap(), stream).await;
        if let Ok(mut stream) = connecting {
            use tokio::io::AsyncReadExt;
            let read = tokio::time::timeout(PATIENCE, stream.read_u8()).await.expect("the hub answers");
            assert!(read.is_err(), "{versions:?} was let in");
        }
    }
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_subscriptions_and_cuts_what_does_not_end() {
    let world = World::new();
    let hub = world.hub().await;
    let channel = world.channel("kp2mi", "desk", hub.addresses).await;
    let request = v1::WatchRequest {
        from_sequence: 1,
        purpose: "PLACEMENT".into(),
        official: "officer-1".into(),
        once: false,
    };
    let mut watching = SubscriptionServiceClient::new(channel).watch(request).await.unwrap().into_inner();
    // A client that connects and says nothing, and one with an open submission stream.
    let _silent = tokio::net::TcpStream::connect(hub.addresses.grpc).await.unwrap();
    let sisko = world.client("kp2mi", "sisko", hub.addresses).await;
    sisko.submit(vec![placement(1)]).await.unwrap();
    watching.message().await.unwrap().expect("the first change");
    tokio::time::timeout(PATIENCE, hub.stop()).await.expect("it stops");
    assert_eq!(watching.message().await.expect_err("ended").code(), Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_health_are_served() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let world = World::new();
    let hub = world.hub().await;
    for (path, wanted) in [("/readyz", "\"ready\":true"), ("/metrics", "simpul_publisher_connected")] {
        let mut stream = tokio::net::TcpStream::connect(hub.addresses.metrics).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(wanted), "{answer}");
    }
    hub.stop().await;
}

#[test]
fn a_wrong_configuration_is_refused_by_its_key_before_anything_is_opened() {
    let world = World::new();
    let good = std::fs::read_to_string(&world.realm.hub_config).unwrap();
    check(&world.config()).unwrap();
    let dumped = world.config().dump().unwrap();
    assert!(dumped.contains("connections_max = 4096") && !dumped.contains("seed"), "{dumped}");

    let cases = [
        ("\"log.key", "\"nothing.key", "keys.log: cannot read"),
        ("\"log.key", "\"master.key", "keys.log"),
        ("\"master.key", "\"log.key", "keys.master"),
        ("\"tls.key", "\"log.key", "tls.key"),
        ("\"ca.pem", "\"log.key", "tls.client_ca"),
        ("bootstrap.binpb", "hub/tls.pem", "is not a submission"),
        ("authority = \"", "authority = \"zz", "directory.authority"),
        ("origin = \"simpul", "origin = \"a simpul", "log.origin"),
        ("metrics = \"127.0.0.1", "metrics = \"0.0.0.0", "listen.metrics"),
        ("grpc = \"127.0.0.1", "grpc = \"localhost", "listen.grpc"),
        ("realm = ", "relm = 1\nrealm = ", "relm: unknown key"),
    ];
    for (from, to, said) in cases {
        assert!(good.contains(from), "{from}");
        std::fs::write(&world.realm.hub_config, good.replace(from, to)).unwrap();
        let checked = Config::load(&world.realm.hub_config).and_then(|config| check(&config));
        let error = format!("{:#}", checked.expect_err(to));
        assert!(error.contains(said), "{to}: {error}");
    }
    assert!(!world.realm.dir.join("data").exists(), "nothing was opened");
}
