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
        Command::Enrol(command) => return enrol::enrol(&command, json, out),
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
    writeln!(
        out,
        "policy {}, directory as of position {}",
        response.policy_version, response.directory_position
    )?;
    Ok(())
}

async fn explain(
    command: Explain,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let hub = connection.connect().await?;
    let Explain { agency, action, resource, purpose, provider } = command;
    let request = v1::ExplainRequest { agency, action, resource, purpose, provider };
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
            false => "policy refuses it, whatever is agreed",
        };
        writeln!(out, "{rule}")?;
        for miss in &response.misses {
            writeln!(out, "agreement {}: {}", miss.agreement, miss.why)?;
        }
    }
    Ok(())
}
