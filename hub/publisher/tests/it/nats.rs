//! A real NATS server with the configuration that the hub's tools write, and clients of the agencies.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use async_nats::{
    Client, ConnectOptions, HeaderMap,
    jetstream::{
        self,
        consumer::{DeliverPolicy, pull},
    },
};
use futures_util::StreamExt;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
};
use simpul_publisher::{
    Config, HUB_SPIFFE, JETSTREAM_KEY_FILE, NatsAgency, NatsConf, NatsConfig, cloud_event, jetstream_key,
    names, nats_conf,
};
use simpul_types::View;
use tempfile::TempDir;

use super::feed::agency;

/// Longest time that anything in these tests may take.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Agencies of the tests, each with one connector, `desk`.
const AGENCIES: [&str; 3] = ["kp2mi", "kbri-yangon", "polri"];

/// A server, its certificates and its store; gone when dropped.
pub struct Nats {
    dir: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Nats {
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        certificates(dir.path());
        let file = |name: &str| dir.path().join(name);
        let conf = NatsConf {
            listen: format!("127.0.0.1:{port}"),
            store_dir: file("store"),
            certificate: file("nats.pem"),
            key: file("nats.key"),
            client_ca: file("ca.pem"),
            agencies: AGENCIES
                .map(|code| NatsAgency { code: agency(code), connectors: vec!["desk".parse().unwrap()] })
                .into(),
        };
        std::fs::write(file("nats.conf"), nats_conf(&conf)).unwrap();
        std::fs::write(file(JETSTREAM_KEY_FILE), jetstream_key(&[7; 32])).unwrap();
        let mut nats = Self { dir, port, child: None };
        nats.restart();
        nats
    }

    /// Starts the server and waits until it says that it is ready.
    pub fn restart(&mut self) {
        let mut child = Command::new(binary())
            .arg("-c")
            .arg(self.dir.path().join("nats.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (ready, is_ready) = mpsc::sync_channel(1);
        std::thread::spawn(move || {
            let mut said = String::new();
            for line in lines.map_while(Result::ok) {
                if line.contains("Server is ready") {
                    let _ = ready.send(Ok(()));
                }
                said.push_str(&line);
                said.push('\n');
            }
            let _ = ready.try_send(Err(said));
        });
        self.child = Some(child);
        is_ready.recv_timeout(PATIENCE).expect("nats-server got ready").expect("nats-server started");
    }

    /// Kills the server, as an outage does.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Deletes what JetStream stored; the server must not run.
    pub fn lose_disk(&self) {
        std::fs::remove_dir_all(self.dir.path().join("store")).unwrap();
    }

    pub fn config(&self, outbox: &Path) -> Config {
        let file = |name: &str| self.dir.path().join(name);
        let mut config = Config::new(outbox, "simpul.example/test");
        let url = format!("tls://127.0.0.1:{}", self.port);
        config.nats = Some(NatsConfig::new(url, file("ca.pem"), file("hub.pem"), file("hub.key")));
        config
    }

    /// A client with a certificate: an agency's code, `hub` or `stranger`.
    pub async fn client(&self, name: &str) -> Result<Client, async_nats::ConnectError> {
        let file = |name: String| self.dir.path().join(name);
        ConnectOptions::new()
            .require_tls(true)
            .add_root_certificates(file("ca.pem".into()))
            .add_client_certificate(file(format!("{name}.pem")), file(format!("{name}.key")))
            .request_timeout(Some(Duration::from_secs(2)))
            .connect(format!("tls://127.0.0.1:{}", self.port))
            .await
    }

    /// The first `count` messages of the agency's stream, read by the agency.
    pub async fn messages(&self, code: &str, count: usize) -> Vec<Got> {
        self.read(code, &names::stream(&agency(code)), count).await
    }

    /// The newest message of every document of a view.
    pub async fn last_values(&self, code: &str, view: View, count: usize) -> Vec<Got> {
        self.read(code, &names::last_stream(&agency(code), view), count).await
    }

    async fn read(&self, code: &str, stream: &str, count: usize) -> Vec<Got> {
        let client = self.client(code).await.expect("the agency may connect");
        let reading = async {
            // The hub makes the streams when it first connects.
            let stream = loop {
                match jetstream::new(client.clone()).get_stream(stream).await {
                    Ok(stream) => break stream,
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            };
            let config = pull::OrderedConfig { deliver_policy: DeliverPolicy::All, ..Default::default() };
            let consumer = stream.create_consumer(config).await.unwrap();
            let messages: Vec<_> = consumer.messages().await.unwrap().take(count).collect().await;
            messages
                .into_iter()
                .map(|message| {
                    let message = message.unwrap();
                    Got {
                        subject: message.subject.to_string(),
                        headers: message.headers.clone().unwrap_or_default(),
                        body: serde_json::from_slice(&message.payload).unwrap(),
                    }
                })
                .collect()
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("the messages arrive")
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

/// A message as an agency got it.
pub struct Got {
    pub subject: String,
    pub headers: HeaderMap,
    pub body: serde_json::Value,
}

impl Got {
    pub fn header(&self, name: &str) -> String {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no header {name}"));
        cloud_event::decode(value.as_str()).expect("encoded by the binding")
    }

    pub fn sequence(&self) -> u64 {
        self.header(cloud_event::SEQUENCE).parse().unwrap()
    }
}

fn binary() -> PathBuf {
    let installed = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/nats-server");
    let path = std::env::var_os("SIMPUL_NATS_SERVER").map_or_else(installed, PathBuf::from);
    assert!(
        path.exists(),
        "no NATS server at {}: run deploy/install-nats, or set SIMPUL_NATS_SERVER to the path of one",
        path.display()
    );
    path
}

/// ca, nats, hub, stranger and one per agency, as `directory init` makes them.
fn certificates(dir: &Path) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(dir.join("ca.pem"), ca.pem()).unwrap();
    let issue = |name: &str, hosts: &[&str], uri: Option<&str>| {
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        if let Some(uri) = uri {
            params.subject_alt_names.push(SanType::URI(uri.try_into().unwrap()));
        }
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &ca).unwrap();
        std::fs::write(dir.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    };
    issue("nats", &["localhost", "127.0.0.1"], None);
    issue("hub", &["localhost", "127.0.0.1"], Some(HUB_SPIFFE));
    for code in AGENCIES {
        issue(code, &[], Some(&format!("spiffe://simpul/agency/{code}/connector/desk")));
    }
    issue("stranger", &[], Some("spiffe://simpul/agency/other/connector/desk"));
}
