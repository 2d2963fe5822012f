//! Enrolment of a connector, in three files that people hand to each other; no secret is in any of them.
//!
//! ```text
//! authority   simpul directory invite   ─▶ invite.json    what to become, until when, where the hub is; signed by the authority
//! agency      simpul directory enrol    ─▶ DIR/ with its keys, which never leave, and DIR/request.json
//! authority   simpul directory admit    ─▶ grant.json     the certificate; the key is proposed, the other officer approves it
//! agency      simpul directory enrol --grant ─▶ DIR/ is complete; simpul directory certify tries it against the realm `test`
//! ```
//!
//! An invitation is used once: the proposal of its key has its reference, and a reference is used once.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail, ensure};
use clap::Args;
use data_encoding::{BASE64, HEXLOWER};
use prost::Message;
use rcgen::{CertificateParams, CertificateSigningRequestParams, Issuer, KeyPair};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;
use simpul_cli::init;
use simpul_policy::{AUTHORITY_AGENCY, AUTHORITY_CONNECTOR};
use simpul_proto::{
    directory as wire,
    v1::{self, directory_service_client::DirectoryServiceClient},
};
use simpul_signing::{SigningKey, VerifyingKey, sha256};
use simpul_types::{Clock, IdSource, Sender, Timestamp, clock::System};

use super::change::{self, ProposalArgs};
use crate::{
    connection::ConnectionArgs,
    output::{answer, json_line, remark},
};

const INVITE_TYPE: &str = "application/vnd.simpul.invite.v1+json";
const REQUEST_TYPE: &str = "application/vnd.simpul.enrolment.v1+json";
const US_AN_HOUR: i64 = 3_600_000_000;

#[derive(Args)]
pub struct Invite {
    /// Agency that the connector is of; it has to be declared
    #[arg(long)]
    agency: String,

    /// Name of the connector, 1 to 32 of a-z, 0-9 and '-'; proposed to be declared where it is not
    #[arg(long)]
    connector: String,

    /// Hours that the invitation is good for
    #[arg(long, default_value_t = 48)]
    hours: u32,

    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    #[command(flatten)]
    proposal: ProposalArgs,
}

#[derive(Args)]
pub struct Enrol {
    /// Invitation of the directory authority: makes the keys, and the request to send back
    #[arg(long, value_name = "FILE", required_unless_present = "grant", conflicts_with = "grant")]
    invite: Option<PathBuf>,

    /// What the authority sent back: completes the folder
    #[arg(long, value_name = "FILE")]
    grant: Option<PathBuf>,

    /// Folder of the connector
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Args)]
pub struct Admit {
    /// The agency's request
    request: PathBuf,

    /// Certificate of the certificate authority, PEM
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,

    /// Its private key, PEM
    #[arg(long, value_name = "FILE")]
    ca_key: PathBuf,

    /// File to write: what the agency gets
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    #[command(flatten)]
    proposal: ProposalArgs,
}

/// A signed text, as a JSON file.
#[derive(Serialize, Deserialize)]
struct Signed {
    payload_type: String,
    /// Base64.
    payload: String,
    key_id: String,
    /// Base64; Ed25519 over the DSSE pre-authentication encoding.
    signature: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Invitation {
    /// Reference, used once.
    invite: String,
    agency: String,
    connector: String,
    expires_at: String,
    endpoint: String,
    server_name: String,
    ca_pem: String,
    log_verifier: Option<String>,
    access_verifier: Option<String>,
    verdict_key: Option<String>,
    nats: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Application {
    invitation: Signed,
    /// Ed25519, hex; it signs this.
    public_key: String,
    /// Certificate signing request, PEM.
    csr_pem: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grant {
    invite: String,
    agency: String,
    connector: String,
    certificate_pem: String,
}

impl Signed {
    fn new(payload_type: &str, payload: &impl Serialize, key: &SigningKey) -> anyhow::Result<Self> {
        let payload = serde_json::to_vec(payload)?;
        Ok(Self {
            payload_type: payload_type.into(),
            signature: BASE64.encode(&key.sign_dsse(payload_type, &payload)),
            key_id: key.key_id().to_string(),
            payload: BASE64.encode(&payload),
        })
    }

    /// What it says; who signed it is not looked at.
    fn read<T: DeserializeOwned>(&self, payload_type: &str) -> anyhow::Result<T> {
        ensure!(self.payload_type == payload_type, "payload_type is not {payload_type}");
        Ok(serde_json::from_slice(&self.bytes()?)?)
    }

    fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        BASE64.decode(self.payload.as_bytes()).context("payload is not Base64")
    }

    fn is_by(&self, key: &VerifyingKey) -> bool {
        let (Ok(payload), Ok(signature)) = (self.bytes(), BASE64.decode(self.signature.as_bytes())) else {
            return false;
        };
        key.verify_dsse(&self.payload_type, &payload, &signature).is_ok()
    }

    /// What people read to each other over the telephone.
    fn fingerprint(&self) -> String {
        let digest = sha256(&[self.payload.as_bytes()]);
        let hex = HEXLOWER.encode(&digest[..8]);
        hex.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
    }
}

pub async fn invite(
    command: Invite,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let file = connection.load()?;
    let sender = Sender {
        agency: command.agency.parse().context("--agency")?,
        connector: command.connector.parse().context("--connector")?,
    };
    let own = Sender { agency: file.hub.agency.clone(), connector: file.hub.connector.clone() };
    ensure!(
        own.agency.as_str() == AUTHORITY_AGENCY && own.connector.as_str() == AUTHORITY_CONNECTOR,
        "--client names {own}; only the directory authority invites"
    );
    let listed = agencies(connection).await?;
    let agency = listed.agencies.iter().find(|agency| agency.code == sender.agency.as_str());
    let agency = agency.with_context(|| format!("--agency: {} is not declared", sender.agency))?;
    let declared = agency.connectors.iter().any(|connector| connector.name == sender.connector.as_str());
    let read = |path: &Path| fs::read_to_string(path).with_context(|| format!("reading {}", path.display()));
    let id = HEXLOWER.encode(&System.uuid_v7());
    let invitation = Invitation {
        invite: id.clone(),
        agency: sender.agency.to_string(),
        connector: sender.connector.to_string(),
        expires_at: Timestamp::from_us(System.now().as_us() + i64::from(command.hours) * US_AN_HOUR)
            .to_string(),
        endpoint: file.hub.endpoint.clone(),
        server_name: file.hub.server_name.clone(),
        ca_pem: read(&file.hub.ca_pem)?,
        log_verifier: file.hub.log_verifier.clone(),
        access_verifier: file.access_verifier.clone(),
        verdict_key: file.verdict_key.clone(),
        nats: file.nats.clone(),
    };
    let key = SigningKey::from_text(read(&file.hub.signing_key)?.trim())
        .map_err(|error| anyhow::anyhow!("{}: {error}", file.hub.signing_key.display()))?;
    let signed = Signed::new(INVITE_TYPE, &invitation, &key)?;
    if !declared {
        let payload = wire::ConnectorDeclared {
            agency: sender.agency.to_string(),
            connector: sender.connector.to_string(),
        };
        let reference = format!("connector-{id}");
        change::say_or_propose(
            "ConnectorDeclared",
            payload.encode_to_vec(),
            &reference,
            command.proposal,
            connection,
            json,
            out,
        )
        .await?;
    }
    write(&command.out, &serde_json::to_vec_pretty(&signed)?, 0o644)?;
    if !json {
        writeln!(
            out,
            "invitation of {sender} until {}, fingerprint {}",
            invitation.expires_at,
            signed.fingerprint()
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

pub fn enrol(command: &Enrol, json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    match (&command.invite, &command.grant) {
        (Some(invite), _) => apply(invite, &command.out, json, out)?,
        (None, Some(grant)) => complete(grant, &command.out, json, out)?,
        (None, None) => bail!("give --invite or --grant"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the keys, and the request.
fn apply(invite: &Path, folder: &Path, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let invitation: Signed = load(invite)?;
    let invited: Invitation = invitation.read(INVITE_TYPE).with_context(|| invite.display().to_string())?;
    let sender = Sender {
        agency: invited.agency.parse().context("the invitation's agency")?,
        connector: invited.connector.parse().context("the invitation's connector")?,
    };
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let (tls, signing) = (KeyPair::generate()?, SigningKey::generate());
    let csr = CertificateParams::default().serialize_request(&tls)?;
    let application =
        Application { public_key: HEXLOWER.encode(&signing.public_key()), csr_pem: csr.pem()?, invitation };
    let request = Signed::new(REQUEST_TYPE, &application, &signing)?;
    write(&folder.join("tls.key"), tls.serialize_pem().as_bytes(), 0o600)?;
    write(&folder.join("signing.key"), format!("{}\n", *signing.to_text()).as_bytes(), 0o600)?;
    write(&folder.join("ca.pem"), invited.ca_pem.as_bytes(), 0o644)?;
    write(&folder.join("client.toml"), client_toml(&invited, &sender).as_bytes(), 0o644)?;
    write(&folder.join("request.json"), &serde_json::to_vec_pretty(&request)?, 0o644)?;
    if json {
        return json_line(
            out,
            &json!({ "connector": sender.to_string(), "fingerprint": request.fingerprint() }),
        );
    }
    writeln!(out, "{sender}: send {} to the authority", folder.join("request.json").display())?;
    writeln!(out, "  fingerprint {}; tell it over another way", request.fingerprint())?;
    Ok(())
}

/// Puts the certificate beside the keys that it is for.
fn complete(grant: &Path, folder: &Path, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let granted: Grant = load(grant)?;
    let request: Signed = load(&folder.join("request.json"))?;
    let application: Application = request.read(REQUEST_TYPE)?;
    let invited: Invitation = application.invitation.read(INVITE_TYPE)?;
    ensure!(granted.invite == invited.invite, "{} answers another request", grant.display());
    write(&folder.join("tls.pem"), granted.certificate_pem.as_bytes(), 0o644)?;
    let client = folder.join("client.toml");
    if json {
        return json_line(out, &json!({ "client": client }));
    }
    writeln!(out, "{}/{} is enrolled: {}", granted.agency, granted.connector, client.display())?;
    remark(format_args!("try it: simpul --client {} directory certify --sample FILE", client.display()));
    Ok(())
}

pub async fn admit(
    command: Admit,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let request: Signed = load(&command.request)?;
    let application: Application =
        request.read(REQUEST_TYPE).with_context(|| command.request.display().to_string())?;
    let public_key = VerifyingKey::from_hex(&application.public_key).ok().context("public_key: not a key")?;
    ensure!(request.is_by(&public_key), "the request is not signed by the key that it is for");
    let invited: Invitation = application.invitation.read(INVITE_TYPE).context("invitation")?;
    let listed = agencies(connection).await?;
    ensure!(
        authority_keys(&listed).iter().any(|key| application.invitation.is_by(key)),
        "the invitation is not signed by a key of the directory authority that counts"
    );
    let expires_at = crate::output::parse_time(&invited.expires_at)?;
    ensure!(System.now().as_us() < expires_at, "the invitation has expired on {}", invited.expires_at);
    let sender = Sender {
        agency: invited.agency.parse().context("agency")?,
        connector: invited.connector.parse().context("connector")?,
    };
    // What the applicant asks to be called does not count: the key alone is taken from the request.
    let csr = CertificateSigningRequestParams::from_pem(&application.csr_pem)
        .context("the certificate signing request does not hold")?;
    let read = |path: &Path| fs::read_to_string(path).with_context(|| format!("reading {}", path.display()));
    let ca_key = KeyPair::from_pem(&read(&command.ca_key)?)
        .with_context(|| format!("{}: no private key", command.ca_key.display()))?;
    let issuer = Issuer::from_ca_cert_pem(&read(&command.ca)?, ca_key)
        .with_context(|| format!("{}: no certificate of an authority", command.ca.display()))?;
    let certificate = init::client_params(&sender, System.now())?.signed_by(&csr.public_key, &issuer)?;
    let registered = wire::KeyRegistered {
        agency: sender.agency.to_string(),
        connector: sender.connector.to_string(),
        public_key: public_key.as_bytes().to_vec().into(),
        valid_from_us: System.now().as_us(),
        valid_until_us: 0,
    };
    let reference = format!("invite-{}", invited.invite);
    change::say_or_propose(
        "KeyRegistered",
        registered.encode_to_vec(),
        &reference,
        command.proposal,
        connection,
        json,
        out,
    )
    .await?;
    let grant = Grant {
        invite: invited.invite,
        agency: sender.agency.to_string(),
        connector: sender.connector.to_string(),
        certificate_pem: certificate.pem(),
    };
    write(&command.out, &serde_json::to_vec_pretty(&grant)?, 0o644)?;
    if !json {
        writeln!(out, "{sender}, request {}: send {} back", request.fingerprint(), command.out.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn agencies(connection: &ConnectionArgs) -> anyhow::Result<v1::ListAgenciesResponse> {
    let mut client = DirectoryServiceClient::new(connection.connect().await?.channel);
    answer(client.list_agencies(v1::ListAgenciesRequest {}).await)
}

fn authority_keys(listed: &v1::ListAgenciesResponse) -> Vec<VerifyingKey> {
    let authority = listed.agencies.iter().filter(|agency| agency.code == AUTHORITY_AGENCY);
    let keys = authority.flat_map(|agency| &agency.connectors).flat_map(|connector| &connector.keys);
    let now = System.now().as_us();
    keys.filter(|key| key.revoked_at_us == 0 && (key.valid_until_us == 0 || now < key.valid_until_us))
        .filter_map(|key| VerifyingKey::from_hex(&HEXLOWER.encode(&key.public_key)).ok())
        .collect()
}

/// `client.toml` beside the files of its folder.
fn client_toml(invited: &Invitation, sender: &Sender) -> String {
    let quoted = |text: &str| toml::Value::String(text.into()).to_string();
    let line = |name: &str, value: &Option<String>| {
        value.as_deref().map(|value| format!("{name} = {}\n", quoted(value))).unwrap_or_default()
    };
    format!(
        "# How {sender} reaches the hub, and which keys it trusts.\n{}{}{}\n[hub]\nendpoint = {}\nserver_name = {}\n\
         ca_pem = \"ca.pem\"\ncertificate_pem = \"tls.pem\"\nkey_pem = \"tls.key\"\nsigning_key = \"signing.key\"\n\
         agency = {}\nconnector = {}\n{}",
        line("verdict_key", &invited.verdict_key),
        line("access_verifier", &invited.access_verifier),
        line("nats", &invited.nats),
        quoted(&invited.endpoint),
        quoted(&invited.server_name),
        quoted(sender.agency.as_str()),
        quoted(sender.connector.as_str()),
        line("log_verifier", &invited.log_verifier),
    )
}

fn load<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| path.display().to_string())
}

/// Never over another file: a key that is lost is lost.
pub(super) fn write(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = made.with_context(|| format!("making {}", path.display()))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(())
}
