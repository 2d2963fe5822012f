//! Enrolment of a connector: an invitation, a request, a grant; no secret is in any of them. Over the wire the hub holds the request until the
//! authority has seen it; as files people hand them to each other.
//!
//! ```text
//! authority   simpul directory invite --url URL  ─▶ invite.json    what to become, until when, where the hub is; signed by the authority
//! agency      simpul directory enrol --wait      ─▶ DIR/ with its keys, which never leave; the request goes to the hub, which is asked until …
//! authority   simpul directory enrolments, admit --invite ID       the certificate is issued and proposed with the key; the other officer approves
//!                                                ─▶ DIR/ is complete; simpul directory certify tries it against the realm `test`
//! as files:   invite ─▶ enrol ─▶ DIR/request.json ─▶ admit FILE ─▶ grant.json ─▶ enrol --grant
//! ```
//!
//! An invitation is used once: the proposal of its key has its reference, and a reference is used once.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use clap::Args;
use data_encoding::HEXLOWER;
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
use simpul_signing::{
    SigningKey, VerifyingKey,
    enrolment::{Application, EnrolmentRequest, INVITE_TYPE, Invitation, REQUEST_TYPE, SignedText},
};
use simpul_types::{Clock, IdSource, Sender, Timestamp, clock::System};
use simpul_witness::http::{self, Method, StatusCode, Target};
use tokio::time::{sleep, timeout};

use super::change::{self, ProposalArgs};
use crate::{
    connection::ConnectionArgs,
    output::{answer, json_line, remark, table, time},
    wire_json,
};

const US_AN_HOUR: i64 = 3_600_000_000;
/// How often the hub is asked; people admit within minutes.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// How long it may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// A certificate, or a sentence.
const ANSWER_BYTES_MAX: usize = 16_384;

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

    /// HTTPS address of the hub that takes the request, for example `https://hub.example:7444`; without it files are handed over
    #[arg(long)]
    url: Option<String>,

    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    #[command(flatten)]
    proposal: ProposalArgs,
}

#[derive(Args)]
pub struct Enrol {
    /// Invitation of the directory authority: makes the keys, and the request to send back
    #[arg(long, value_name = "FILE", required_unless_present_any = ["grant", "wait"], conflicts_with = "grant")]
    invite: Option<PathBuf>,

    /// What the authority sent back: completes the folder
    #[arg(long, value_name = "FILE")]
    grant: Option<PathBuf>,

    /// Send the request to the hub that the invitation names, and wait until it is admitted; with an invitation, or again with the folder alone
    #[arg(long, conflicts_with = "grant")]
    wait: bool,

    /// Folder of the connector
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Args)]
pub struct Admit {
    /// The agency's request
    #[arg(required_unless_present = "invite", conflicts_with = "invite")]
    request: Option<PathBuf>,

    /// Instead of the file: the invitation whose request waits at the hub, as `simpul directory enrolments` has it
    #[arg(long, value_name = "ID")]
    invite: Option<String>,

    /// Certificate of the certificate authority, PEM
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,

    /// Its private key, PEM
    #[arg(long, value_name = "FILE")]
    ca_key: PathBuf,

    /// File to write: what the agency gets that does not ask the hub for it
    #[arg(long, value_name = "FILE", required_unless_present = "invite")]
    out: Option<PathBuf>,

    #[command(flatten)]
    proposal: ProposalArgs,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grant {
    invite: String,
    agency: String,
    connector: String,
    certificate_pem: String,
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
        enrol_url: command.url.clone(),
    };
    let key = SigningKey::from_text(read(&file.hub.signing_key)?.trim())
        .map_err(|error| anyhow::anyhow!("{}: {error}", file.hub.signing_key.display()))?;
    let signed = SignedText::new(INVITE_TYPE, &invitation, &key);
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

pub async fn enrol(command: &Enrol, json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    match (&command.invite, &command.grant) {
        (None, Some(grant)) => complete(&load::<Grant>(grant)?, &command.out, json, out)?,
        (Some(invite), _) => {
            let fingerprint = apply(invite, &command.out)?;
            if !command.wait {
                to_send(&fingerprint, &command.out, json, out)?;
            }
        }
        (None, None) => {}
    }
    if command.wait {
        wait(&command.out, json, out).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Brings the request before the authority, and asks until it is admitted.
async fn wait(folder: &Path, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let path = folder.join("request.json");
    let file = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let request = EnrolmentRequest::read(file.as_bytes()).with_context(|| path.display().to_string())?;
    let url = request.invitation.enrol_url.as_deref();
    let url =
        url.context("the invitation names no address of the hub: send request.json to the authority")?;
    let target = Target::new(url, Some(request.invitation.ca_pem.as_bytes()))?;
    let (mut hub, mut told) = (http::Connection::new(target), false);
    loop {
        let asked = hub.exchange(Method::POST, "/enrol", &file, ANSWER_BYTES_MAX);
        let asked = timeout(ANSWER_TIME, asked)
            .await
            .map_err(|_| format!("no answer in {} s", ANSWER_TIME.as_secs()));
        let answer = match asked.and_then(|answer| answer.map_err(|error| error.to_string())) {
            Ok(answer) => answer,
            // Once it has answered, the hub may be away for a while, and nothing is lost by it.
            Err(why) if told => {
                remark(format_args!("{why}; asking again"));
                sleep(ASK_EVERY).await;
                continue;
            }
            Err(why) => bail!("{url}: {why}"),
        };
        let text = String::from_utf8_lossy(&answer.body);
        match answer.status {
            StatusCode::OK => {}
            StatusCode::SERVICE_UNAVAILABLE => {
                remark(format_args!("{}; asking again", text.trim()));
                sleep(ASK_EVERY).await;
                continue;
            }
            _ => bail!("the hub refuses the request: {}", text.trim()),
        }
        let answer: Answer = serde_json::from_str(&text).context("the hub's answer")?;
        if answer.state == "ADMITTED" {
            ensure!(
                !answer.certificate_pem.is_empty(),
                "admitted; the authority hands over the certificate as a file"
            );
            let Invitation { invite, agency, connector, .. } = request.invitation;
            let grant = Grant { invite, agency, connector, certificate_pem: answer.certificate_pem };
            return complete(&grant, folder, json, out);
        }
        if !told {
            told = true;
            remark(format_args!("waiting for the authority, fingerprint {}", request.fingerprint));
        }
        sleep(ASK_EVERY).await;
    }
}

/// What waits at the hub.
pub async fn enrolments(connection: &ConnectionArgs, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let listed = waiting(connection).await?;
    if json {
        return json_line(out, &wire_json::of("ListEnrolmentsResponse", &listed)?);
    }
    let row = |one: &v1::Enrolment| {
        [
            one.invite.clone(),
            format!("{}/{}", one.agency, one.connector),
            one.fingerprint.clone(),
            time(one.since_us),
        ]
    };
    let rows: Vec<_> = listed.enrolments.iter().map(row).collect();
    table(out, ["invite", "connector", "fingerprint", "since"], &rows)?;
    Ok(())
}

async fn waiting(connection: &ConnectionArgs) -> anyhow::Result<v1::ListEnrolmentsResponse> {
    let mut client = DirectoryServiceClient::new(connection.connect().await?.channel);
    answer(client.list_enrolments(v1::ListEnrolmentsRequest {}).await)
}

/// Makes the keys, and the request; gives its fingerprint.
fn apply(invite: &Path, folder: &Path) -> anyhow::Result<String> {
    let invitation: SignedText = load(invite)?;
    let invited: Invitation = invitation.read(INVITE_TYPE).with_context(|| invite.display().to_string())?;
    let sender = invited.sender()?;
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let (tls, signing) = (KeyPair::generate()?, SigningKey::generate());
    let csr = CertificateParams::default().serialize_request(&tls)?;
    let application =
        Application { public_key: HEXLOWER.encode(&signing.public_key()), csr_pem: csr.pem()?, invitation };
    let request = SignedText::new(REQUEST_TYPE, &application, &signing);
    write(&folder.join("tls.key"), tls.serialize_pem().as_bytes(), 0o600)?;
    write(&folder.join("signing.key"), format!("{}\n", *signing.to_text()).as_bytes(), 0o600)?;
    write(&folder.join("ca.pem"), invited.ca_pem.as_bytes(), 0o644)?;
    write(&folder.join("client.toml"), client_toml(&invited, &sender).as_bytes(), 0o644)?;
    write(&folder.join("request.json"), &serde_json::to_vec_pretty(&request)?, 0o644)?;
    Ok(request.fingerprint())
}

/// Says what is to be handed over.
fn to_send(fingerprint: &str, folder: &Path, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let request = folder.join("request.json");
    if json {
        return json_line(out, &json!({ "request": request, "fingerprint": fingerprint }));
    }
    writeln!(out, "send {} to the authority", request.display())?;
    writeln!(out, "  fingerprint {fingerprint}; tell it over another way")?;
    Ok(())
}

/// Puts the certificate beside the keys that it is for.
fn complete(granted: &Grant, folder: &Path, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let request: SignedText = load(&folder.join("request.json"))?;
    let application: Application = request.read(REQUEST_TYPE)?;
    let invited: Invitation = application.invitation.read(INVITE_TYPE)?;
    ensure!(granted.invite == invited.invite, "the grant answers another request");
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
    let file = match (&command.request, &command.invite) {
        (Some(path), _) => fs::read(path).with_context(|| format!("reading {}", path.display()))?,
        (None, invite) => {
            let invite = invite.as_deref().unwrap_or_default();
            let found = waiting(connection).await?.enrolments.into_iter().find(|one| one.invite == invite);
            found.with_context(|| format!("no request waits with invitation {invite}"))?.request.into()
        }
    };
    let request = EnrolmentRequest::read(&file)?;
    let EnrolmentRequest { application, invitation: invited, sender, public_key, expires_at, fingerprint } =
        request;
    let listed = agencies(connection).await?;
    ensure!(
        authority_keys(&listed).iter().any(|key| application.invitation.is_by(key)),
        "the invitation is not signed by a key of the directory authority that counts"
    );
    ensure!(System.now() < expires_at, "the invitation has expired on {}", invited.expires_at);
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
        certificate_pem: certificate.pem(),
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
    if let Some(path) = &command.out {
        write(path, &serde_json::to_vec_pretty(&grant)?, 0o644)?;
    }
    if !json {
        let next = match &command.out {
            Some(path) => format!("send {} back", path.display()),
            None => "it gets its certificate once another key has approved".into(),
        };
        writeln!(out, "{sender}, request {fingerprint}: {next}")?;
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

/// What the hub answers by HTTPS.
#[derive(Deserialize)]
struct Answer {
    state: String,
    certificate_pem: String,
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
