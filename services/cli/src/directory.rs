//! `simpul directory`: make a development realm, list who takes part and what they have agreed, explain a decision, and change it.

mod certify;
mod change;
mod enrol;

use std::{io::Write, process::ExitCode};

use clap::{Args, Subcommand};
use simpul_proto::v1::{self, directory_service_client::DirectoryServiceClient};

use crate::{
    connection::ConnectionArgs,
    made,
    output::{answer, json_line, table, time},
    wire_json,
};

#[derive(Subcommand)]
pub enum Command {
    /// Make a development realm: certificates, keys, signed bootstrap, every configuration file
    Init(made::Init),
    /// Agencies, connectors and keys
    List,
    /// Agreements, and whether they are in force
    Agreements,
    /// Why something is or is not allowed
    Explain(Explain),
    /// Invite an agency to enrol a connector
    Invite(enrol::Invite),
    /// Take up an invitation: keys and a request are made here; then the grant completes the folder
    Enrol(enrol::Enrol),
    /// Requests that wait at the hub for the authority
    Enrolments,
    /// Admit a request: a certificate is issued, its key proposed
    Admit(enrol::Admit),
    /// Try an enrolled connector against the realm `test`
    Certify(certify::Certify),
    /// Conclude an agreement, or replace one; proposed where two keys are needed
    Agree(change::Agree),
    /// End an agreement before its day; proposed where two keys are needed
    EndAgreement(change::EndAgreement),
    /// Keep an agency's looks in a case from the persons looked at, until a day; takes effect when a second key approves it
    Embargo(change::Embargo),
    /// End an embargo before its day
    EndEmbargo(change::EndEmbargo),
    /// Cut off whoever shows this client certificate, and let nobody in with it
    RevokeCertificate(change::RevokeCertificate),
    /// Declare the rule book by which placements are judged; proposed where two keys are needed
    Rules(change::Rules),
    /// Any other change, from a payload in JSON; proposed where two keys are needed
    Change(change::Change),
    /// Changes that were proposed, and what became of them
    Proposals,
    /// Approve a proposed change, with another key than proposed it
    Approve(change::Approve),
    /// Close a proposed change
    Withdraw(change::Withdraw),
}

#[derive(Args)]
pub struct Explain {
    /// Agency code
    #[arg(long)]
    agency: String,

    /// submit, check_legality, view, replay, read_access
    #[arg(long)]
    action: String,

    /// Event type, view or field class, by action
    #[arg(long)]
    resource: String,

    /// Purpose code
    #[arg(long)]
    purpose: String,

    /// Agency whose data it is about; anybody's without it
    #[arg(long, default_value = "")]
    provider: String,

    /// Official who would ask, by pseudonym; the machine itself without it
    #[arg(long, default_value = "", value_name = "PSEUDONYM")]
    of_official: String,
}

pub async fn run(
    command: Command,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    match command {
        Command::Init(command) => return made::init(command, json, out),
        Command::List => list(connection, json, out).await?,
        Command::Invite(command) => return enrol::invite(command, connection, json, out).await,
        Command::Enrol(command) => return enrol::enrol(&command, json, out).await,
        Command::Enrolments => enrol::enrolments(connection, json, out).await?,
        Command::Admit(command) => return enrol::admit(command, connection, json, out).await,
        Command::Certify(command) => return certify::run(&command, connection, json, out).await,
        Command::Agreements => change::agreements(connection, json, out).await?,
        Command::Agree(command) => return change::agree(command, connection, json, out).await,
        Command::EndAgreement(command) => return change::end(command, connection, json, out).await,
        Command::Embargo(command) => return change::embargo(command, connection, json, out).await,
        Command::EndEmbargo(command) => return change::end_embargo(command, connection, json, out).await,
        Command::RevokeCertificate(command) => {
            return change::revoke_certificate(command, connection, json, out).await;
        }
        Command::Rules(command) => return change::rules(command, connection, json, out).await,
        Command::Change(command) => return change::any(command, connection, json, out).await,
        Command::Proposals => change::proposals(connection, json, out).await?,
        Command::Approve(command) => return change::approve(command, connection, json, out).await,
        Command::Withdraw(command) => return change::withdraw(command, connection, json, out).await,
        Command::Explain(command) => explain(command, connection, json, out).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(connection: &ConnectionArgs, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut client = DirectoryServiceClient::new(connection.connect().await?.channel);
    let response = answer(client.list_agencies(v1::ListAgenciesRequest {}).await)?;
    if json {
        return json_line(out, &wire_json::of("ListAgenciesResponse", &response)?);
    }
    let mut rows = Vec::new();
    for agency in &response.agencies {
        for connector in &agency.connectors {
            for key in &connector.keys {
                let state = match (key.revoked_at_us, key.valid_until_us) {
                    (0, 0) => "valid".into(),
                    (0, until) => format!("valid until {}", time(until)),
                    (revoked, _) => format!("revoked {}", time(revoked)),
                };
                rows.push([
                    agency.code.clone(),
                    agency.kind.clone(),
                    connector.name.clone(),
                    key.key_id.clone(),
                    state,
                ]);
            }
        }
    }
    table(out, ["agency", "kind", "connector", "key", "state"], &rows)?;
    lists(&response, out)?;
    let rules = response.rule_book.unwrap_or_default();
    let digest = data_encoding::HEXLOWER.encode(&rules.digest[..rules.digest.len().min(8)]);
    writeln!(
        out,
        "policy {}, rule book {} ({digest}), directory as of position {}",
        response.policy_version, rules.version, response.directory_position
    )?;
    Ok(())
}

/// Units, officials and purposes, as far as there are any.
fn lists(response: &v1::ListAgenciesResponse, out: &mut dyn Write) -> anyhow::Result<()> {
    if !response.units.is_empty() {
        let row = |unit: &v1::Unit| {
            let end = match unit.succeeded_at_us {
                0 => String::new(),
                at => format!("until {}, then {}", time(at), unit.successors.join(" ")),
            };
            [unit.unit.clone(), unit.agency.clone(), unit.name.clone(), unit.jurisdiction.join(" "), end]
        };
        writeln!(out)?;
        let rows: Vec<_> = response.units.iter().map(row).collect();
        table(out, ["unit", "agency", "name", "competent in", "end"], &rows)?;
    }
    if !response.officials.is_empty() {
        let row = |official: &v1::Official| {
            let counts = if official.counts { "counts" } else { "does not count" };
            [official.official.clone(), official.agency.clone(), official.unit.clone(), counts.to_owned()]
        };
        writeln!(out)?;
        let rows: Vec<_> = response.officials.iter().map(row).collect();
        table(out, ["official", "agency", "unit", "state"], &rows)?;
    }
    if !response.purposes.is_empty() {
        let row = |one: &v1::DeclaredPurpose| {
            let end = match one.ended_at_us {
                0 => String::new(),
                at => format!("ended {}", time(at)),
            };
            [one.purpose.clone(), one.title_id.clone(), one.legal_basis.clone(), end]
        };
        writeln!(out)?;
        let rows: Vec<_> = response.purposes.iter().map(row).collect();
        table(out, ["purpose", "title", "legal basis", "end"], &rows)?;
    }
    writeln!(out)?;
    Ok(())
}

async fn explain(
    command: Explain,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let hub = connection.connect().await?;
    let Explain { agency, action, resource, purpose, provider, of_official: official } = command;
    let request = v1::ExplainRequest { agency, action, resource, purpose, provider, official };
    let response = answer(DirectoryServiceClient::new(hub.channel).explain(request).await)?;
    if json {
        return json_line(out, &wire_json::of("ExplainResponse", &response)?);
    }
    let word = if response.allowed { "allowed" } else { "refused" };
    let by = match response.policies.as_slice() {
        [] => "no policy allows it".into(),
        policies => format!("by {}", policies.join(", ")),
    };
    writeln!(out, "{word} {by}, directory as of position {}", response.directory_position)?;
    if !response.agreements.is_empty() {
        writeln!(out, "covered by agreement {}", response.agreements.join(", "))?;
    }
    if !response.allowed {
        let rule = match response.allowed_under_agreement {
            true => "an agreement that covers it would open it",
            false => "whatever is agreed",
        };
        writeln!(out, "{} for it; {rule}", response.want)?;
        for miss in &response.misses {
            writeln!(out, "agreement {}: {}", miss.agreement, miss.why)?;
        }
    }
    Ok(())
}
