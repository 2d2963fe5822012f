//! Configuration files of a realm.
//!
//! Paths in them are relative to the file that names them, so that a folder can be handed on as it is; the hub's data
//! folder and NATS' files are absolute.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use simpul_publisher::{NatsAgency, NatsConf, nats_conf};
use simpul_types::{AgencyCode, Sender};

use super::{InitOptions, Realm};

/// `hub.toml`.
pub(super) fn hub(options: &InitOptions, realm: &Realm, origin: &str) -> String {
    // Made absolute without asking the disk: the hub makes the folder on its first start.
    let data = std::path::absolute(&options.data_dir).unwrap_or_else(|_| options.data_dir.clone());
    let mut text = format!(
        "# Configuration of simpul-hub; `simpul-hub --config FILE --dump-config` shows every default.\n\
         data_dir = {data}\nrealm = {realm_name}\n\n\
         [listen]\ngrpc = \"127.0.0.1:{grpc}\"\ntiles = \"127.0.0.1:{tiles}\"\nmetrics = \"127.0.0.1:{metrics}\"\n\n\
         [tls]\ncertificate = {certificate}\nkey = {key}\nclient_ca = {ca}\n\n\
         [keys]\nlog = {log}\naccess = {access}\nverdict = {verdict}\nmaster = {master}\nepochs = {epochs}\nproducer = {producer}\n\n\
         [log]\norigin = {origin}\n\n\
         [directory]\nauthority = {authority}\nbootstrap = {bootstrap}\n",
        data = path(&data),
        realm_name = quoted(&options.realm),
        grpc = options.grpc_port,
        tiles = options.tiles_port,
        metrics = options.metrics_port,
        certificate = quoted("tls.pem"),
        key = quoted("tls.key"),
        ca = quoted("ca.pem"),
        log = quoted("log.key"),
        access = quoted("access.key"),
        verdict = quoted("verdict.key"),
        master = quoted("master.key"),
        epochs = quoted("epochs.key"),
        producer = quoted("producer.key"),
        origin = quoted(origin),
        authority = quoted(&realm.authority_key),
        bootstrap = quoted("../bootstrap.binpb"),
    );
    if let Some(port) = options.nats_port {
        let url = format!("tls://{}:{port}", dialled(options));
        let _ = write!(
            text,
            "\n[nats]\nurl = {url}\nca = {ca}\ncertificate = {certificate}\nkey = {key}\n",
            url = quoted(&url),
            ca = quoted("ca.pem"),
            certificate = quoted("tls.pem"),
            key = quoted("tls.key"),
        );
    }
    text
}

/// `client.toml`: how one connector or desk reaches the hub, and which keys it trusts. Its paths are relative to itself, so
/// that the folder can be handed to its agency.
pub(super) fn client(options: &InitOptions, realm: &Realm, sender: &Sender) -> String {
    let host = dialled(options);
    let nats = options.nats_port.map(|port| format!("nats = {}\n", quoted(&format!("tls://{host}:{port}"))));
    format!(
        "# How {sender} reaches the hub, and which keys it trusts.\n\
         verdict_key = {verdict}\naccess_verifier = {access}\n{nats}\n\
         [hub]\nendpoint = {endpoint}\nserver_name = {server_name}\n\
         ca_pem = \"ca.pem\"\ncertificate_pem = \"tls.pem\"\nkey_pem = \"tls.key\"\nsigning_key = \"signing.key\"\n\
         agency = {agency}\nconnector = {connector}\nlog_verifier = {vkey}\n",
        verdict = quoted(&realm.verdict_key),
        access = quoted(&realm.access_vkey),
        nats = nats.unwrap_or_default(),
        endpoint = quoted(&format!("https://{host}:{}", options.grpc_port)),
        server_name = quoted(host),
        agency = quoted(sender.agency.as_str()),
        connector = quoted(sender.connector.as_str()),
        vkey = quoted(&realm.log_vkey),
    )
}

/// The name clients dial: the first that the certificates carry.
fn dialled(options: &InitOptions) -> &str {
    options.hosts.first().map_or("localhost", String::as_str)
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// A TOML string, escaped.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}

/// `nats.conf`: one account per agency, clients known by their certificates.
pub(super) fn nats(realm: &Realm, port: u16) -> String {
    let mut agencies: BTreeMap<&AgencyCode, Vec<_>> = BTreeMap::new();
    for sender in &realm.senders {
        agencies.entry(&sender.agency).or_default().push(sender.connector.clone());
    }
    let dir = realm.dir.join("nats");
    nats_conf(&NatsConf {
        // -1 is NATS' word for a port that the system chooses.
        listen: if port == 0 { "127.0.0.1:-1".into() } else { format!("127.0.0.1:{port}") },
        store_dir: dir.join("store"),
        certificate: dir.join("tls.pem"),
        key: dir.join("tls.key"),
        client_ca: dir.join("ca.pem"),
        agencies: agencies
            .into_iter()
            .map(|(code, connectors)| NatsAgency { code: code.clone(), connectors })
            .collect(),
    })
}
