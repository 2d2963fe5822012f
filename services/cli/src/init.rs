//! A development realm from nothing: certificates, signing keys, the signed bootstrap submission and every
//! configuration file that the hub, the connectors, the clients and NATS need.
//!
//! ```text
//! DIR/ca.pem ca.key authority.pub bootstrap.binpb
//! DIR/authority/<first|second>/  ca.pem tls.pem tls.key signing.key client.toml      two keys, since the directory is under dual control
//! DIR/hub/       tls.pem tls.key ca.pem log.key access.key verdict.key master.key epochs.key (by the hub) hub.toml log.vkey access.vkey verdict.pub
//! DIR/agencies/<agency>/<connector>/  ca.pem tls.pem tls.key signing.key client.toml
//!     where an agent runs also        connector.toml mappings/ input/ (or intake.key, the case system's token)
//! DIR/nats/      ca.pem tls.pem tls.key nats.conf jetstream-key.conf
//! ```
//!
//! Development only: one machine holds every secret. In production each agency makes its own keys and the authority
//! signs what it is shown.

mod agents;
mod bootstrap;
mod certificates;
mod configs;
mod files;
mod witness;

use std::path::{Path, PathBuf};

use simpul_publisher::{JETSTREAM_KEY_FILE, jetstream_key};
use simpul_signing::{MasterKey, SigningKey};
use simpul_tlog::note::NoteSigner;
use simpul_types::{AgencyCode, IdSource, Sender, Timestamp, limits};

use certificates::Authority;
pub use certificates::client_params;
use files::Folder;

pub use witness::{WitnessFolder, WitnessOptions, witness};

/// What to make.
#[derive(Clone, Debug)]
pub struct InitOptions {
    /// Folder to make; must not hold anything yet.
    pub out: PathBuf,
    /// Where the hub shall keep its data.
    pub data_dir: PathBuf,
    /// Name of the realm; the log's origin is `simpul.example/<realm>`.
    pub realm: String,
    /// Host names and addresses that the hub's and NATS's certificates carry. The first one is what clients dial.
    pub hosts: Vec<String>,
    /// Port of the hub's gRPC listener; 0 lets the system choose.
    pub grpc_port: u16,
    /// Port of the tiles over HTTPS; 0 lets the system choose.
    pub tiles_port: u16,
    /// Port of metrics and health; 0 lets the system choose.
    pub metrics_port: u16,
    /// Port of NATS; `None` leaves NATS out of the hub's configuration.
    pub nats_port: Option<u16>,
    /// Who takes part.
    pub agencies: Vec<AgencySeed>,
    /// Now: certificates and keys are valid from this day on.
    pub now: Timestamp,
    /// Cedar policies beside the first matrix.
    pub further_policies: String,
}

/// Agency and connector that the hub submits as; nobody gets a certificate for them.
const HUB_AGENCY: &str = "simpul";
const HUB_CONNECTOR: &str = "hub";

/// One agency of a new realm.
#[derive(Clone, Debug)]
pub struct AgencySeed {
    /// Its code.
    pub code: String,
    /// Its name for people.
    pub name: String,
    /// What policies know it as: `registry`, `police`, `mission`, `oversight`.
    pub kind: String,
    /// Its connectors and clients; each gets a certificate and a signing key.
    pub connectors: Vec<String>,
}

impl InitOptions {
    /// The demo's realm in `out`: default ports, the demo's agencies, data in `out/data`.
    pub fn demo(out: impl Into<PathBuf>, now: Timestamp) -> Self {
        let out = out.into();
        Self {
            data_dir: out.join("data"),
            out,
            realm: "demo".into(),
            hosts: vec!["localhost".into(), "127.0.0.1".into()],
            grpc_port: 7443,
            tiles_port: 7444,
            metrics_port: 9464,
            nats_port: Some(4222),
            agencies: demo_agencies(),
            now,
            further_policies: String::new(),
        }
    }
}

/// The agencies of the demo and of the tests.
pub fn demo_agencies() -> Vec<AgencySeed> {
    let agency = |code: &str, name: &str, kind: &str, connectors: &[&str]| AgencySeed {
        code: code.into(),
        name: name.into(),
        kind: kind.into(),
        connectors: connectors.iter().map(|&name| name.into()).collect(),
    };
    vec![
        agency("kp2mi", "Kementerian Pelindungan Pekerja Migran Indonesia", "registry", &["sisko", "desk"]),
        agency("polri", "Kepolisian Negara Republik Indonesia", "police", &["case-system", "desk"]),
        agency("kbri-yangon", "KBRI Yangon", "mission", &["forms", "desk"]),
        agency("ombudsman", "Ombudsman Republik Indonesia", "oversight", &["desk"]),
    ]
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Realm {
    /// Its folder, absolute.
    pub dir: PathBuf,
    /// The hub's configuration.
    pub hub_config: PathBuf,
    /// NATS's configuration, where wanted.
    pub nats_config: Option<PathBuf>,
    /// Verifier key of the log.
    pub log_vkey: String,
    /// Verifier key of the access log.
    pub access_vkey: String,
    /// Public key of the verdicts, hex.
    pub verdict_key: String,
    /// Public key of the directory authority, hex.
    pub authority_key: String,
    /// Everyone who got a certificate.
    pub senders: Vec<Sender>,
}

impl Realm {
    /// Folder of one connector or client.
    pub fn sender_dir(&self, agency: &str, connector: &str) -> PathBuf {
        sender_dir(&self.dir, agency, connector)
    }

    /// Client configuration of the directory authority's `first` or `second` key.
    pub fn authority_config(&self, which: &str) -> PathBuf {
        self.dir.join("authority").join(which).join("client.toml")
    }

    /// Its client configuration.
    pub fn client_config(&self, agency: &str, connector: &str) -> PathBuf {
        self.sender_dir(agency, connector).join("client.toml")
    }
}

/// The sender of directory events.
fn authority() -> Sender {
    Sender {
        agency: simpul_policy::AUTHORITY_AGENCY.parse().expect("a valid agency code"),
        connector: simpul_policy::AUTHORITY_CONNECTOR.parse().expect("a valid connector name"),
    }
}

fn sender_dir(dir: &Path, agency: &str, connector: &str) -> PathBuf {
    dir.join("agencies").join(agency).join(connector)
}

/// Why a realm could not be made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// Something stands there already; nothing was touched.
    #[error("{0} holds something already; choose a new folder, nothing is overwritten")]
    Occupied(PathBuf),
    /// An agency's code or a connector's name breaks its rule.
    #[error("agency or connector {name:?}")]
    Name {
        /// The name as given.
        name: String,
        /// Its rule.
        #[source]
        source: simpul_types::id::IdError,
    },
    /// The realm or a host name cannot stand where it must.
    #[error("{what} {value:?} must be {rule}")]
    Value {
        /// Which option.
        what: &'static str,
        /// As given.
        value: String,
        /// The rule, as a sentence's end.
        rule: &'static str,
    },
    /// A certificate could not be made.
    #[error("making the certificate of {subject}")]
    Certificate {
        /// Whose.
        subject: String,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
    /// A file could not be written.
    #[error("writing {path}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Makes the realm. Secrets are readable by their owner only; nothing that exists is overwritten.
///
/// # Errors
/// [`InitError`]. A failure part-way leaves an incomplete folder behind, which a second run refuses.
pub fn init(options: &InitOptions, ids: &dyn IdSource) -> Result<Realm, InitError> {
    let senders = check(options)?;
    let root = Folder::create_new(&options.out)?;
    let origin = format!("simpul.example/{}", options.realm);
    let (log_key, log_vkey) = note_key(&origin);
    let (access_key, access_vkey) = note_key(&format!("{origin}/access"));
    let [verdict_key, authority_key, second_key, producer_key] = [(); 4].map(|()| SigningKey::generate());
    let mut realm = Realm {
        dir: root.path().to_path_buf(),
        hub_config: root.path().join("hub/hub.toml"),
        nats_config: None,
        log_vkey,
        access_vkey,
        verdict_key: data_encoding::HEXLOWER.encode(&verdict_key.public_key()),
        authority_key: data_encoding::HEXLOWER.encode(&authority_key.public_key()),
        senders,
    };

    let ca = Authority::new(&options.realm, options.now)?;
    root.public("ca.pem", ca.pem())?;
    root.secret("ca.key", &ca.key_pem())?;
    root.public("authority.pub", &line(&realm.authority_key))?;

    let mut keys = Vec::with_capacity(realm.senders.len());
    for sender in &realm.senders {
        let key = SigningKey::generate();
        let folder = root.folder(&format!("agencies/{}/{}", sender.agency, sender.connector))?;
        let issued = ca.client(&sender.to_string(), &sender.spiffe())?;
        folder.public("ca.pem", ca.pem())?;
        folder.public("tls.pem", &issued.certificate)?;
        folder.secret("tls.key", &issued.key)?;
        folder.secret("signing.key", &line(&key.to_text()))?;
        folder.public("client.toml", &configs::client(options, &realm, sender))?;
        if let Some(agent) = agents::agent(sender.connector.as_str()) {
            agent_files(&folder, &agent)?;
        }
        keys.push((sender.clone(), key.public_key()));
    }

    let authority = authority();
    for (name, key) in [("first", &authority_key), ("second", &second_key)] {
        let folder = root.folder(&format!("authority/{name}"))?;
        let issued = ca.client(&format!("{authority} {name}"), &authority.spiffe())?;
        folder.public("ca.pem", ca.pem())?;
        folder.public("tls.pem", &issued.certificate)?;
        folder.secret("tls.key", &issued.key)?;
        folder.secret("signing.key", &line(&key.to_text()))?;
        folder.public("client.toml", &configs::client(options, &realm, &authority))?;
    }
    keys.push((authority, second_key.public_key()));

    let hub = root.folder("hub")?;
    let issued = ca.server("simpul-hub", &options.hosts, Some("spiffe://simpul/hub"))?;
    hub.public("ca.pem", ca.pem())?;
    hub.public("tls.pem", &issued.certificate)?;
    hub.secret("tls.key", &issued.key)?;
    let hub_keys = [
        ("log.key", &log_key),
        ("access.key", &access_key),
        ("verdict.key", &verdict_key),
        ("producer.key", &producer_key),
    ];
    for (name, key) in hub_keys {
        hub.secret(name, &line(&key.to_text()))?;
    }
    hub.secret("master.key", &line(&MasterKey::generate().to_text()))?;
    hub.public("log.vkey", &line(&realm.log_vkey))?;
    hub.public("access.vkey", &line(&realm.access_vkey))?;
    hub.public("verdict.pub", &line(&realm.verdict_key))?;
    hub.public("hub.toml", &configs::hub(options, &realm, &origin))?;

    if let Some(port) = options.nats_port {
        let nats = root.folder("nats")?;
        let issued = ca.server("nats", &options.hosts, None)?;
        nats.public("ca.pem", ca.pem())?;
        nats.public("tls.pem", &issued.certificate)?;
        nats.secret("tls.key", &issued.key)?;
        nats.secret(JETSTREAM_KEY_FILE, &jetstream_key(&simpul_signing::random()))?;
        nats.public("nats.conf", &configs::nats(&realm, port))?;
        realm.nats_config = Some(nats.path().join("nats.conf"));
    }

    // The hub itself is an agency too: what it says of its own is signed and judged like everything else.
    let mut agencies = options.agencies.clone();
    agencies.push(AgencySeed {
        code: HUB_AGENCY.into(),
        name: "Simpul".into(),
        kind: "hub".into(),
        connectors: Vec::new(),
    });
    let hub = Sender {
        agency: HUB_AGENCY.parse().expect("a valid agency code"),
        connector: HUB_CONNECTOR.parse().expect("a valid connector name"),
    };
    keys.push((hub, producer_key.public_key()));
    let events = bootstrap::events(&agencies, &keys, options.now, &options.further_policies);
    root.public_bytes("bootstrap.binpb", &bootstrap::submission(&authority_key, &events, options.now, ids))?;
    Ok(realm)
}

/// What a connector's agent needs beside its certificate and key.
fn agent_files(folder: &Folder, agent: &agents::Agent) -> Result<(), InitError> {
    folder.public("connector.toml", &agent.config)?;
    let mappings = folder.folder("mappings")?;
    for (name, text) in agent.mappings {
        mappings.public(name, text)?;
    }
    if agent.token {
        let token = data_encoding::HEXLOWER.encode(&simpul_signing::random::<32>());
        return folder.secret("intake.key", &line(&token));
    }
    folder.folder("input").map(drop)
}

/// A key that signs checkpoints under `name`, and its verifier key.
fn note_key(name: &str) -> (SigningKey, String) {
    let seed = simpul_signing::random::<32>();
    let key = SigningKey::from_seed(&seed).expect("any 32 bytes are a seed of Ed25519");
    let signer = NoteSigner::new(name, &seed).expect("an origin of the realm's alphabet is a valid name");
    (key, signer.verifier().to_string())
}

/// Text and its line end; every key file is one line.
fn line(text: &str) -> String {
    format!("{}\n", text.trim_end())
}

/// Checks every name before the first file is made.
fn check(options: &InitOptions) -> Result<Vec<Sender>, InitError> {
    let realm_valid = (1..=32).contains(&options.realm.len())
        && options
            .realm
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !realm_valid {
        let rule = "1 to 32 characters of a-z, 0-9 and '-'";
        return Err(InitError::Value { what: "realm", value: options.realm.clone(), rule });
    }
    let host_valid = |host: &String| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:".contains(&byte))
    };
    if let Some(host) = options.hosts.iter().find(|host| !host_valid(host)) {
        let rule = "a host name or an address";
        return Err(InitError::Value { what: "host", value: host.clone(), rule });
    }
    if options.hosts.is_empty() {
        return Err(InitError::Value { what: "host", value: String::new(), rule: "given at least once" });
    }
    let mut senders = Vec::new();
    for agency in &options.agencies {
        let code: AgencyCode =
            agency.code.parse().map_err(|source| InitError::Name { name: agency.code.clone(), source })?;
        for connector in &agency.connectors {
            let name =
                connector.parse().map_err(|source| InitError::Name { name: connector.clone(), source })?;
            senders.push(Sender { agency: code.clone(), connector: name });
        }
    }
    // Agency, connector, key, purpose and policy are events: all of them in one submission.
    let purposes = bootstrap::purposes().len();
    if 2 * options.agencies.len() + 2 * senders.len() + purposes + 8 > limits::EVENTS_PER_SUBMISSION_MAX {
        let rule = "at most 250, with their connectors";
        return Err(InitError::Value { what: "agencies", value: options.agencies.len().to_string(), rule });
    }
    Ok(senders)
}

#[cfg(test)]
mod tests;
