//! Changes of the directory, by whoever holds a key of its authority: said outright, or proposed with one key and approved with
//! another where the directory is under dual control.

use std::{io::Write, path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};
use clap::Args;
use data_encoding::HEXLOWER;
use prost::Message;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::json;
use simpul_connector::{Client, EventDraft};
use simpul_legality::RuleBook;
use simpul_policy::EVENT_PACKAGE;
use simpul_proto::{catalogue, directory as wire, v1};
use simpul_types::{Clock, IdSource, clock::System};

use crate::{
    connection::ConnectionArgs,
    output::{json_line, parse_time, table, time},
    submit::line,
    wire_json,
};

/// Purpose of directory events.
const PURPOSE: &str = "DIRECTORY";
const US_A_DAY: i64 = 86_400_000_000;

#[derive(Args)]
pub struct Agree {
    /// Its reference, 1 to 64 of a-z, 0-9 and '-'; one that is known is replaced
    agreement: String,

    /// Agency that is given the data
    #[arg(long)]
    consumer: String,

    /// Agency whose data it is about, may be given several times; `*`: every agency of the realm
    #[arg(long = "provider", required = true)]
    providers: Vec<String>,

    /// submit, check_legality, view, publish, open_payload or `*`
    #[arg(long = "action", required = true)]
    actions: Vec<String>,

    /// Purpose code, or `*`
    #[arg(long = "purpose", required = true)]
    purposes: Vec<String>,

    /// View, event type or `legality`; `*`: each
    #[arg(long = "resource", required = true)]
    resources: Vec<String>,

    /// Field class, or `*`; needed where views are meant
    #[arg(long = "class")]
    field_classes: Vec<String>,

    /// Article, or the agreement's own number
    #[arg(long)]
    legal_basis: String,

    /// Region (code of wilayah) or country that the providers' own jurisdiction lies in, may be given several times; wherever without it
    #[arg(long = "jurisdiction", value_name = "PLACE")]
    jurisdictions: Vec<String>,

    /// Time that it begins; now without it
    #[arg(long)]
    from: Option<String>,

    /// Time that it ends by itself
    #[arg(long)]
    until: String,

    /// Answers in a day of UTC; no limit without it
    #[arg(long, default_value_t = 0)]
    answers_a_day: u32,

    #[command(flatten)]
    proposal: ProposalArgs,
}

#[derive(Args)]
pub struct EndAgreement {
    /// Its reference
    agreement: String,

    /// From when on; now without it
    #[arg(long)]
    at: Option<String>,

    #[command(flatten)]
    proposal: ProposalArgs,
}

#[derive(Args)]
pub struct Embargo {
    /// Its reference, 1 to 64 of a-z, 0-9 and '-'; one that is known is prolonged or shortened
    embargo: String,

    /// Agency whose looks are kept back
    #[arg(long)]
    agency: String,

    /// The case, as the agency's questions name it
    #[arg(long = "case", value_name = "REF", default_value = "", required_unless_present = "of_official")]
    case_ref: String,

    /// Instead of the case: the official, by pseudonym, all of whose looks are kept back
    #[arg(long, value_name = "PSEUDONYM", default_value = "", conflicts_with = "case_ref")]
    of_official: String,

    /// Article of law that lets it be
    #[arg(long)]
    article: String,

    /// Number of the order
    #[arg(long = "order", value_name = "NUMBER")]
    order_ref: String,

    /// Time that it ends by itself, at most 366 days ahead
    #[arg(long)]
    until: String,

    #[command(flatten)]
    proposal: ProposalArgs,
}

#[derive(Args)]
pub struct EndEmbargo {
    /// Its reference
    embargo: String,

    /// From when on; now without it
    #[arg(long)]
    at: Option<String>,

    #[command(flatten)]
    proposal: ProposalArgs,
}

#[derive(Args)]
pub struct RevokeCertificate {
    /// The certificate as PEM, or its SHA-256 in hex as access entries have it
    certificate: String,

    /// From when on; now without it
    #[arg(long)]
    at: Option<String>,

    #[command(flatten)]
    proposal: ProposalArgs,
}

#[derive(Args)]
pub struct Change {
    /// Directory event without its package, for example KeyRevoked
    name: String,

    /// Its payload as JSON
    file: PathBuf,

    #[command(flatten)]
    proposal: ProposalArgs,
}

#[derive(Args)]
pub struct Rules {
    /// TOML files of the shape of `hub/legality/rules/`, all of them: together they are the book
    #[arg(required = true)]
    files: Vec<PathBuf>,

    /// Version for people, for example 2026-11-30
    #[arg(long = "book-version")]
    version: String,

    #[command(flatten)]
    proposal: ProposalArgs,
}

#[derive(Args)]
pub struct ProposalArgs {
    /// Why; nothing of a person
    #[arg(long)]
    reason: String,

    /// Days in which a second key may approve it
    #[arg(long, default_value_t = 7)]
    days: u32,
}

#[derive(Args)]
pub struct Approve {
    /// Reference of the proposal, as `simpul directory proposals` has it
    proposal: String,
}

#[derive(Args)]
pub struct Withdraw {
    /// Reference of the proposal
    proposal: String,

    #[arg(long)]
    reason: String,
}

impl Agree {
    fn payload(&self) -> anyhow::Result<Vec<u8>> {
        let valid_from_us = match &self.from {
            Some(text) => parse_time(text).context("--from")?,
            None => System.now().as_us(),
        };
        let concluded = wire::AgreementConcluded {
            agreement: self.agreement.clone(),
            providers: self.providers.clone(),
            consumer: self.consumer.clone(),
            actions: self.actions.clone(),
            purposes: self.purposes.clone(),
            resources: self.resources.clone(),
            field_classes: self.field_classes.clone(),
            legal_basis: self.legal_basis.clone(),
            valid_from_us,
            valid_until_us: parse_time(&self.until).context("--until")?,
            answers_a_day: self.answers_a_day,
            jurisdictions: self.jurisdictions.clone(),
        };
        Ok(concluded.encode_to_vec())
    }
}

pub async fn agree(
    command: Agree,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    change("AgreementConcluded", command.payload()?, command.proposal, connection, json, out).await
}

pub async fn end(
    command: EndAgreement,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let at = command.at.as_deref().map(parse_time).transpose().context("--at")?;
    let ended_at_us = at.unwrap_or_else(|| System.now().as_us());
    let reason = command.proposal.reason.clone();
    let ended = wire::AgreementEnded { agreement: command.agreement, ended_at_us, reason };
    change("AgreementEnded", ended.encode_to_vec(), command.proposal, connection, json, out).await
}

pub async fn embargo(
    command: Embargo,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let Embargo { embargo, agency, case_ref, of_official, article, order_ref, until, proposal } = command;
    let until_us = parse_time(&until).context("--until")?;
    let official = of_official;
    let ordered = wire::EmbargoOrdered { embargo, agency, case_ref, article, order_ref, until_us, official };
    change("EmbargoOrdered", ordered.encode_to_vec(), proposal, connection, json, out).await
}

pub async fn end_embargo(
    command: EndEmbargo,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let at = command.at.as_deref().map(parse_time).transpose().context("--at")?;
    let ended_at_us = at.unwrap_or_else(|| System.now().as_us());
    let reason = command.proposal.reason.clone();
    let ended = wire::EmbargoEnded { embargo: command.embargo, ended_at_us, reason };
    change("EmbargoEnded", ended.encode_to_vec(), command.proposal, connection, json, out).await
}

pub async fn revoke_certificate(
    command: RevokeCertificate,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let certificate = match std::fs::read(&command.certificate) {
        Ok(pem) => {
            let der = CertificateDer::from_pem_slice(&pem);
            let der = der.map_err(|_| anyhow::anyhow!("{}: no certificate in PEM", command.certificate))?;
            HEXLOWER.encode(&simpul_signing::sha256(&[&der]))
        }
        Err(_) => command.certificate.to_lowercase(),
    };
    let at = command.at.as_deref().map(parse_time).transpose().context("--at")?;
    let revoked_at_us = at.unwrap_or_else(|| System.now().as_us());
    let reason = command.proposal.reason.clone();
    let revoked = wire::CertificateRevoked { certificate, revoked_at_us, reason };
    change("CertificateRevoked", revoked.encode_to_vec(), command.proposal, connection, json, out).await
}

pub async fn any(
    command: Change,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let name = command.name.strip_prefix(EVENT_PACKAGE).unwrap_or(&command.name);
    let Some(descriptor) = catalogue::event_descriptor(&format!("{EVENT_PACKAGE}{name}")) else {
        bail!(
            "{name}: there is no such directory event; for example KeyRegistered, KeyRevoked, PolicyDeclared"
        );
    };
    let text = std::fs::read(&command.file).with_context(|| format!("reading {}", command.file.display()))?;
    let value = serde_json::from_slice(&text).with_context(|| format!("{}", command.file.display()))?;
    let payload = line::payload(&descriptor, value)
        .map_err(|error| anyhow::anyhow!("{}: {}", error.field, error.reason))?;
    change(name, payload, command.proposal, connection, json, out).await
}

pub async fn approve(
    command: Approve,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let listed = standing(connection).await?;
    let found = listed.proposals.into_iter().find(|one| one.proposal == command.proposal);
    let Some(found) = found else { bail!("there is no proposal {}", command.proposal) };
    let approved = wire::ChangeApproved { proposal: found.proposal.clone(), digest: found.digest.clone() };
    if !json {
        writeln!(out, "approves {}", words(&found))?;
    }
    say("ChangeApproved", approved.encode_to_vec(), &found.proposal, connection, json, out).await
}

pub async fn withdraw(
    command: Withdraw,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let Withdraw { proposal, reason } = command;
    let withdrawn = wire::ChangeWithdrawn { proposal: proposal.clone(), reason };
    say("ChangeWithdrawn", withdrawn.encode_to_vec(), &proposal, connection, json, out).await
}

pub async fn proposals(connection: &ConnectionArgs, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let listed = standing(connection).await?;
    if json {
        return json_line(out, &wire_json::of("ListAgreementsResponse", &listed)?);
    }
    let rows: Vec<_> = listed
        .proposals
        .iter()
        .map(|one| {
            [
                one.proposal.clone(),
                one.state.clone(),
                time(one.expires_at_us),
                one.proposed_by.clone(),
                words(one),
                one.reason.clone(),
            ]
        })
        .collect();
    table(out, ["proposal", "state", "expires", "by key", "change", "reason"], &rows)?;
    let control = if listed.dual_control { "under dual control" } else { "not under dual control" };
    writeln!(out, "directory {control}, as of position {}", listed.directory_position)?;
    Ok(())
}

pub async fn agreements(connection: &ConnectionArgs, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let listed = standing(connection).await?;
    if json {
        return json_line(out, &wire_json::of("ListAgreementsResponse", &listed)?);
    }
    for one in &listed.agreements {
        let state = match (one.in_force, one.ended_at_us) {
            (true, _) => "in force".to_owned(),
            (false, 0) => "not in force".to_owned(),
            (false, at) => format!("ended {}", time(at)),
        };
        writeln!(out, "{}  {state}", one.agreement)?;
        writeln!(out, "  {} is given data of {}", one.consumer, one.providers.join(" "))?;
        writeln!(out, "  to {}, for {}", one.actions.join(" "), one.purposes.join(" "))?;
        let classes = match one.field_classes.join(" ") {
            none if none.is_empty() => String::new(),
            classes => format!(", fields {classes}"),
        };
        let places = match one.jurisdictions.join(" ") {
            none if none.is_empty() => String::new(),
            places => format!(", where the provider is competent in {places}"),
        };
        writeln!(out, "  about {}{classes}{places}", one.resources.join(" "))?;
        let quota = match one.answers_a_day {
            0 => String::new(),
            most => format!(", at most {most} answers a day"),
        };
        let (from, until) = (time(one.valid_from_us), time(one.valid_until_us));
        writeln!(out, "  {from} to {until}{quota}; {}; position {}", one.legal_basis, one.position)?;
    }
    Ok(())
}

/// Reads the rule book first: what is wrong in it is told with its line, and not proposed.
pub async fn rules(
    command: Rules,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let mut toml = String::new();
    for file in &command.files {
        let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        // Each by itself first: its own lines are what an author knows.
        toml::from_str::<toml::Table>(&text).with_context(|| file.display().to_string())?;
        toml.push_str(&text);
        toml.push('\n');
    }
    RuleBook::from_toml(&toml).context("the files together are no rule book")?;
    let declared = wire::RuleBookDeclared { toml, version: command.version };
    change("RuleBookDeclared", declared.encode_to_vec(), command.proposal, connection, json, out).await
}

async fn standing(connection: &ConnectionArgs) -> anyhow::Result<v1::ListAgreementsResponse> {
    let channel = connection.connect().await?.channel;
    let mut client = v1::directory_service_client::DirectoryServiceClient::new(channel);
    let answer = client.list_agreements(v1::ListAgreementsRequest {}).await;
    Ok(answer.context("asking for agreements and proposals")?.into_inner())
}

/// What a proposal changes, in one line.
fn words(proposal: &v1::DirectoryProposal) -> String {
    let name = proposal.r#type.strip_prefix(EVENT_PACKAGE).unwrap_or(&proposal.r#type);
    let message = catalogue::event_descriptor(&proposal.r#type)
        .and_then(|kind| prost_reflect::DynamicMessage::decode(kind, &proposal.payload[..]).ok());
    match message.and_then(|message| serde_json::to_string(&message).ok()) {
        // A policy set is long; the whole of it is in `--json`.
        Some(text) if text.chars().count() <= 400 => format!("{name} {text}"),
        Some(text) => format!("{name} {}…", text.chars().take(400).collect::<String>()),
        None => name.to_owned(),
    }
}

/// Says a change outright, or proposes it under a reference of its own where that is what the directory takes.
pub(super) async fn say_or_propose(
    name: &str,
    payload: Vec<u8>,
    reference: &str,
    args: ProposalArgs,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let listed = standing(connection).await?;
    if !listed.dual_control {
        return say(name, payload, "", connection, json, out).await;
    }
    let proposed = wire::ChangeProposed {
        proposal: reference.to_owned(),
        r#type: format!("{EVENT_PACKAGE}{name}"),
        payload: payload.into(),
        reason: args.reason,
        expires_at_us: System.now().as_us().saturating_add(i64::from(args.days) * US_A_DAY),
    };
    say("ChangeProposed", proposed.encode_to_vec(), reference, connection, json, out).await
}

/// The same under a fresh reference.
async fn change(
    name: &str,
    payload: Vec<u8>,
    args: ProposalArgs,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let reference = HEXLOWER.encode(&System.uuid_v7());
    say_or_propose(name, payload, &reference, args, connection, json, out).await
}

async fn say(
    name: &str,
    payload: Vec<u8>,
    proposal: &str,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    // One stream a change; nobody waits for its version.
    let stream = match proposal {
        "" => format!("directory/change-{}", HEXLOWER.encode(&System.uuid_v7())),
        proposal => format!("directory/proposal-{proposal}"),
    };
    let event_type = format!("{EVENT_PACKAGE}{name}").parse()?;
    let draft = EventDraft::new(event_type, stream.parse()?, System.now(), PURPOSE.parse()?, payload.into());
    let accepted = Client::connect(connection.load()?.hub).await?.submit(vec![draft]).await?;
    let (position, leaf) = (accepted.first_position(), accepted.receipt.leaf_index);
    if json {
        json_line(out, &json!({ "proposal": proposal, "position": position, "leaf": leaf }))?;
    } else {
        let space = if proposal.is_empty() { "" } else { " " };
        writeln!(out, "{name}{space}{proposal} at position {position}, leaf {leaf}")?;
    }
    Ok(ExitCode::SUCCESS)
}
