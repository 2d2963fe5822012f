//! The configuration of the NATS server as a pure function of who takes part.
//!
//! Every agency has its own account with its own JetStream, so no agency can name, reach or write to anything of
//! another: not even by a push consumer whose deliver subject is another agency's, which subject permissions alone do not
//! stop. The hub has an account without streams; each agency's account exports to it, and to nobody else, its stream API
//! and its subjects. A client is whom its certificate names (`verify_and_map`: SPIFFE URI = user); there are no passwords.
//!
//! ```text
//! HUB account                                     account of kp2mi
//!   simpul.kp2mi.case.7f  ── import of service ──▶  simpul.kp2mi.case.7f ─▶ stream SIMPUL_KP2MI
//!   $JS.AGENCY.kp2mi.API.STREAM.…  ── import ────▶  $JS.API.STREAM.…
//! ```

use std::{fmt::Write, path::PathBuf};

use simpul_types::{AgencyCode, ConnectorName, Sender};

use crate::names;

/// SPIFFE id of the hub's certificate.
pub const HUB_SPIFFE: &str = "spiffe://simpul/hub";
/// Largest message the server takes, bytes; a larger document is announced without its body.
pub const PAYLOAD_BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// File beside `nats.conf` with the key that seals what JetStream keeps ([`jetstream_key`]). SECRET: for its owner alone.
pub const JETSTREAM_KEY_FILE: &str = "./jetstream-key.conf";

/// Text of [`JETSTREAM_KEY_FILE`], from fresh random bytes. Whoever loses it loses what NATS keeps, and nothing else: the hub publishes it again.
pub fn jetstream_key(secret: &[u8; 32]) -> String {
    let key = data_encoding::HEXLOWER.encode(secret);
    format!("# Seals what JetStream keeps; not for backups.\nkey: \"{key}\"\n")
}

/// What the server needs to know.
#[derive(Clone, Debug)]
pub struct NatsConf {
    /// Address to listen on, for example `127.0.0.1:4222`.
    pub listen: String,
    /// Where JetStream keeps its files.
    pub store_dir: PathBuf,
    /// Certificate chain of the server, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// CA that signs the clients' certificates, PEM.
    pub client_ca: PathBuf,
    /// Who takes part.
    pub agencies: Vec<NatsAgency>,
}

/// An agency and the connectors that may follow its stream.
#[derive(Clone, Debug)]
pub struct NatsAgency {
    /// Its code.
    pub code: AgencyCode,
    /// Its connectors; each is a user of its own, with the same rights.
    pub connectors: Vec<ConnectorName>,
}

/// Text of `nats.conf`. Agencies may join later: write it again and have the server reload it.
pub fn nats_conf(conf: &NatsConf) -> String {
    let mut text = format!(
        "# Made by simpul; whoever takes part is in the hub's directory, so make it again rather than edit it.\n\
         listen: {listen}\n\
         server_name: \"simpul\"\n\
         max_payload: {PAYLOAD_BYTES_MAX}\n\n\
         tls {{\n  cert_file: {certificate}\n  key_file: {key}\n  ca_file: {ca}\n  verify_and_map: true\n  \
         min_version: \"1.3\"\n  timeout: 5\n}}\n\n\
         jetstream {{\n  store_dir: {store}\n  cipher: \"aes\"\n  include {at_rest}\n}}\n\n\
         accounts {{\n",
        listen = quoted(&conf.listen),
        certificate = quoted(&conf.certificate.to_string_lossy()),
        key = quoted(&conf.key.to_string_lossy()),
        ca = quoted(&conf.client_ca.to_string_lossy()),
        store = quoted(&conf.store_dir.to_string_lossy()),
        at_rest = quoted(JETSTREAM_KEY_FILE),
    );
    hub_account(&mut text, conf);
    for agency in &conf.agencies {
        agency_account(&mut text, agency);
    }
    text.push_str("}\n");
    text
}

/// The hub publishes to every agency and keeps their streams; it reads nobody's consumers.
fn hub_account(text: &mut String, conf: &NatsConf) {
    let _ = write!(
        text,
        "  HUB {{\n    users: [\n      {{ user: {user}, permissions: {{\n        \
         publish: {{ allow: [\"simpul.>\", \"$JS.AGENCY.*.API.STREAM.>\"] }}\n        \
         subscribe: {{ allow: [\"_INBOX.>\"] }}\n      }} }}\n    ]\n    imports: [\n",
        user = quoted(HUB_SPIFFE),
    );
    for agency in &conf.agencies {
        let (code, account) = (&agency.code, quoted(&names::account(&agency.code)));
        let _ = write!(
            text,
            "      {{ service: {{ account: {account}, subject: \"$JS.API.STREAM.>\" }}, \
             to: \"{prefix}.STREAM.>\" }}\n      \
             {{ service: {{ account: {account}, subject: \"simpul.{code}.>\" }} }}\n",
            prefix = names::api_prefix(code),
        );
    }
    text.push_str("    ]\n  }\n");
}

/// An agency reads its streams by consumers of its own making; it cannot publish, delete or purge.
fn agency_account(text: &mut String, agency: &NatsAgency) {
    let code = &agency.code;
    let _ = write!(text, "  {} {{\n    jetstream: enabled\n    users: [\n", quoted(&names::account(code)));
    for connector in &agency.connectors {
        let sender = Sender { agency: code.clone(), connector: connector.clone() };
        let _ = write!(
            text,
            "      {{ user: {user}, permissions: {{\n        publish: {{ allow: [\n          \
             \"$JS.API.INFO\", \"$JS.API.STREAM.INFO.*\", \"$JS.API.STREAM.NAMES\", \"$JS.API.STREAM.LIST\",\n          \
             \"$JS.API.STREAM.MSG.GET.*\", \"$JS.API.DIRECT.GET.>\", \"$JS.API.CONSUMER.>\", \"$JS.ACK.>\", \
             \"$JS.FC.>\"\n        ] }}\n        \
             subscribe: {{ allow: [\"_INBOX.>\", \"simpul.{code}.>\"] }}\n      }} }}\n",
            user = quoted(&sender.spiffe()),
        );
    }
    let _ = write!(
        text,
        "    ]\n    exports: [\n      {{ service: \"$JS.API.STREAM.>\", accounts: [\"HUB\"] }}\n      \
         {{ service: \"simpul.{code}.>\", accounts: [\"HUB\"] }}\n    ]\n  }}\n",
    );
}

/// A string of NATS' configuration language.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
