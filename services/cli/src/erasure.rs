//! `simpul erasure`: records erased under dual control. Every word is a signed event of the register; the hub says whether it may stand.

use std::{io::Write, process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use data_encoding::HEXLOWER;
use prost::Message;
use serde_json::json;
use simpul_connector::{Client, EventDraft};
use simpul_proto::{erasure as wire, v1};
use simpul_types::{Clock, IdSource, Timestamp, clock::System, erasure};

use crate::{connection::ConnectionArgs, output::json_line};

const PURPOSE: &str = "ERASURE";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Subcommand)]
pub enum Command {
    /// Ask for the erasure of streams; others have to approve it
    Request(Ask),
    /// Approve a request of another agency
    Approve(Named),
    /// End a request and hold its streams, for example while a trial runs
    Veto(Veto),
    /// Lift the hold that an own veto left
    Lift(Named),
    /// Execute a request that is approved and whose cooling-off is over: the keys are destroyed when this returns
    Execute(Named),
    /// Requests and how far they are
    Show(Show),
}

#[derive(Args)]
pub struct Ask {
    /// Stream to be erased, as `<source>/<ref>`; may be given several times
    #[arg(long = "stream", required = true)]
    streams: Vec<String>,

    #[arg(long)]
    ground: Ground,

    /// The norm, for example `UU 27/2022 pasal 8`; nothing of a person
    #[arg(long)]
    article: String,

    /// Days until the request expires
    #[arg(long, default_value_t = 30)]
    days: u32,

    /// Approvals that it needs; the hub asks for at least two, unless it is configured otherwise
    #[arg(long, default_value_t = 2)]
    approvals: u32,

    /// Hours between the last approval and the execution
    #[arg(long, default_value_t = 168)]
    cooling_off_hours: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Ground {
    SubjectRequest,
    ConsentWithdrawn,
    RetentionEnded,
    CourtOrder,
    UnlawfulProcessing,
}

#[derive(Args)]
pub struct Named {
    /// Reference of the request, as `simpul erasure show` has it
    request: String,
}

#[derive(Args)]
pub struct Veto {
    /// Reference of the request
    request: String,

    /// The norm that obliges to keep the records
    #[arg(long)]
    article: String,
}

#[derive(Args)]
pub struct Show {
    /// Reference of one request; all without it
    request: Option<String>,
}

pub async fn run(
    command: Command,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let (name, request, payload) = match command {
        Command::Show(show) => return self::show(show, connection, json, out).await,
        Command::Request(ask) => {
            let request = HEXLOWER.encode(&System.uuid_v7());
            let asked = ask.message(request.clone(), System.now());
            ("ErasureRequested", request, asked.encode_to_vec())
        }
        Command::Approve(Named { request }) => {
            let request_digest = standing(connection, &request).await?.request_digest;
            let said = wire::ErasureApproved { request: request.clone(), request_digest };
            ("ErasureApproved", request, said.encode_to_vec())
        }
        Command::Veto(Veto { request, article }) => {
            let said = wire::ErasureVetoed { request: request.clone(), article };
            ("ErasureVetoed", request, said.encode_to_vec())
        }
        Command::Lift(Named { request }) => {
            ("LegalHoldLifted", request.clone(), wire::LegalHoldLifted { request }.encode_to_vec())
        }
        Command::Execute(Named { request }) => {
            let v1::ErasureStanding { request_digest, streams, .. } = standing(connection, &request).await?;
            let said = wire::ErasureExecuted { request: request.clone(), request_digest, streams };
            ("ErasureExecuted", request, said.encode_to_vec())
        }
    };
    let draft = EventDraft::new(
        format!("{}{name}", erasure::EVENT_PACKAGE).parse()?,
        erasure::register(),
        System.now(),
        PURPOSE.parse()?,
        payload.into(),
    );
    let accepted = Client::connect(connection.load()?.hub).await?.submit(vec![draft]).await?;
    let (position, leaf) = (accepted.first_position(), accepted.receipt.leaf_index);
    if json {
        json_line(out, &json!({ "request": request, "position": position, "leaf": leaf }))?;
    } else {
        writeln!(out, "{name} {request} at position {position}, leaf {leaf}")?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Ask {
    fn message(self, request: String, now: Timestamp) -> wire::ErasureRequested {
        let expires_at = u64::try_from(now.as_us()).unwrap_or(0) + (DAY * self.days).as_micros() as u64;
        let ground = match self.ground {
            Ground::SubjectRequest => wire::ErasureGround::SubjectRequest,
            Ground::ConsentWithdrawn => wire::ErasureGround::ConsentWithdrawn,
            Ground::RetentionEnded => wire::ErasureGround::RetentionEnded,
            Ground::CourtOrder => wire::ErasureGround::CourtOrder,
            Ground::UnlawfulProcessing => wire::ErasureGround::UnlawfulProcessing,
        };
        wire::ErasureRequested {
            request,
            streams: self.streams,
            ground: ground.into(),
            article: self.article,
            expires_at_us: expires_at,
            approvals: self.approvals,
            cooling_off_s: self.cooling_off_hours * 60 * 60,
        }
    }
}

async fn list(connection: &ConnectionArgs, request: &str) -> anyhow::Result<v1::ListErasuresResponse> {
    let asked = v1::ListErasuresRequest {
        official: connection.official()?,
        purpose: PURPOSE.into(),
        request: request.into(),
    };
    let channel = connection.connect().await?.channel;
    let answer = v1::audit_service_client::AuditServiceClient::new(channel).list_erasures(asked).await;
    Ok(answer.context("asking for the register of erasures")?.into_inner())
}

async fn standing(connection: &ConnectionArgs, request: &str) -> anyhow::Result<v1::ErasureStanding> {
    if request.is_empty() {
        bail!("the reference of a request is 32 hexadecimal digits");
    }
    let found = list(connection, request).await?.erasures.into_iter().next();
    found.with_context(|| format!("no request {request} stands in the register"))
}

async fn show(
    show: Show,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let answer = list(connection, show.request.as_deref().unwrap_or_default()).await?;
    for one in &answer.erasures {
        let state = one.state().as_str_name().trim_start_matches("ERASURE_STATE_");
        let ready = (one.ready_at_us > 0).then(|| Timestamp::from_us(one.ready_at_us).to_string());
        let expires = Timestamp::from_us(one.expires_at_us).to_string();
        if json {
            json_line(
                out,
                &json!({
                    "request": one.request, "state": state, "agency": one.agency, "streams": one.streams,
                    "request_digest": one.request_digest, "position": one.position,
                    "approved_by": one.approved_by, "approvals_needed": one.approvals_needed,
                    "ready_at": ready, "expires_at": expires, "vetoed_by": one.vetoed_by,
                    "executed_position": one.executed_position, "access_entry": answer.access_entry,
                }),
            )?;
            continue;
        }
        writeln!(out, "{}  {state}  by {}, at position {}", one.request, one.agency, one.position)?;
        one.streams.iter().try_for_each(|stream| writeln!(out, "  {stream}"))?;
        let (given, needed) = (one.approved_by.join(", "), one.approvals_needed);
        writeln!(out, "  approved by {} of {needed}: {given}", one.approved_by.len())?;
        match (one.state(), ready, one.executed_position) {
            (v1::ErasureState::Executed, _, Some(position)) => {
                writeln!(out, "  executed at position {position}")?
            }
            (v1::ErasureState::Vetoed, _, _) => writeln!(out, "  vetoed and held by {}", one.vetoed_by)?,
            (v1::ErasureState::Lifted, _, _) => {
                writeln!(out, "  vetoed by {}, the hold is lifted", one.vetoed_by)?
            }
            (_, Some(ready), _) => writeln!(out, "  may be executed from {ready} until {expires}")?,
            _ => writeln!(out, "  expires {expires}")?,
        }
    }
    if answer.erasures.is_empty() && !json {
        writeln!(out, "no such request")?;
    }
    Ok(ExitCode::SUCCESS)
}
