//! `simpul directory certify`: whether a connector does what a hub expects, and hears what it must hear; against the realm `test`.

use std::{io::Write, path::PathBuf, process::ExitCode};

use anyhow::{Context, ensure};
use clap::Args;
use serde_json::json;
use simpul_connector::{Client, ClientConfig, EventDraft, StreamKey};
use simpul_proto::v1::{self, picture_service_client::PictureServiceClient};
use simpul_signing::SigningKey;
use simpul_types::{Clock, IdSource, clock::System};

use super::enrol;
use crate::{
    connection::{self, ConnectionArgs},
    output::json_line,
    submit::line,
};

#[derive(Args)]
pub struct Certify {
    /// Events that the connector will send, as `simpul submit` takes them; at least one line
    #[arg(long, value_name = "FILE")]
    sample: PathBuf,

    /// Realm that it is tried against: the last part of the log's origin
    #[arg(long, default_value = "test")]
    realm: String,
}

/// One thing that was tried.
struct Tried {
    what: &'static str,
    outcome: Result<String, String>,
}

pub async fn run(
    command: &Certify,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let file = connection.load()?;
    let log = connection::required_log_key(&file)?;
    let realm = log.name().rsplit('/').next().unwrap_or_default().to_owned();
    ensure!(
        realm == command.realm,
        "this is the realm {realm}; a connector is tried against {}, never where people's records are",
        command.realm
    );
    let shown = command.sample.display();
    let text = std::fs::read_to_string(&command.sample).with_context(|| format!("reading {shown}"))?;
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    ensure!(!lines.is_empty(), "{shown}: no line");
    let streams = StreamKey::beside(&file.hub.signing_key)?;
    let drafts = || -> anyhow::Result<Vec<EventDraft>> {
        let draft = |(at, line): (usize, &&str)| {
            line::parse(line.as_bytes(), &streams).map_err(|error| {
                anyhow::anyhow!("{shown}, line {}: {}: {}", at + 1, error.field, error.reason)
            })
        };
        lines.iter().enumerate().map(draft).collect()
    };
    let config = file.hub.clone();
    let mut tried = Vec::new();
    let connected = Client::connect(config.clone()).await;
    let sender = config.sender();
    let client = match connected {
        Ok(client) => {
            tried.push(Tried { what: "mutual TLS, as the connector it is", outcome: Ok(sender.to_string()) });
            client
        }
        Err(error) => {
            tried.push(Tried { what: "mutual TLS, as the connector it is", outcome: Err(whole(&error)) });
            return report(&tried, json, out);
        }
    };
    let accepted = client.submit(drafts()?).await;
    tried.push(Tried {
        what: "its events are accepted, the receipt proves it",
        outcome: match &accepted {
            Ok(accepted) => Ok(format!("{} event(s), leaf {}", lines.len(), accepted.receipt.leaf_index)),
            Err(error) => Err(whole(error)),
        },
    });
    let refusal = |what, reason: &str, outcome: Result<_, simpul_connector::SubmitError>| Tried {
        what,
        outcome: match outcome {
            Ok(_) => Err("it was accepted".into()),
            Err(error) if whole(&error).contains(reason) => Ok(reason.to_owned()),
            Err(error) => Err(whole(&error)),
        },
    };
    let mut others = drafts()?;
    others.truncate(1);
    let forbidden = EventDraft::new(
        "simpul.directory.v1.AgencyDeclared".parse()?,
        format!("directory/certify-{}", data_encoding::HEXLOWER.encode(&System.uuid_v7())).parse()?,
        System.now(),
        "DIRECTORY".parse()?,
        Vec::new().into(),
    );
    tried.push(refusal(
        "what it may not say is refused",
        "POLICY_DENIED",
        client.submit(vec![forbidden]).await,
    ));
    tried.push(refusal(
        "a signature of another key is refused",
        "UNKNOWN_KEY",
        foreign(&config, others).await?,
    ));
    let mut picture = PictureServiceClient::new(connection.connect().await?.channel);
    let position = picture.get_position(v1::GetPositionRequest {}).await;
    tried.push(Tried {
        what: "it may ask how far the picture is",
        outcome: position
            .map(|answer| format!("position {}", answer.into_inner().read_position))
            .map_err(|status| status.message().to_owned()),
    });
    report(&tried, json, out)
}

/// An error with what is behind it.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(behind) = source {
        text = format!("{text}: {behind}");
        source = behind.source();
    }
    text
}

/// The same words under a key that nobody registered.
async fn foreign(
    config: &ClientConfig,
    drafts: Vec<EventDraft>,
) -> anyhow::Result<Result<simpul_connector::Accepted, simpul_connector::SubmitError>> {
    let name = format!("certify-{}.key", data_encoding::HEXLOWER.encode(&System.uuid_v7()));
    let file = std::env::temp_dir().join(name);
    enrol::write(&file, format!("{}\n", *SigningKey::generate().to_text()).as_bytes(), 0o600)?;
    let client = Client::connect(ClientConfig { signing_key: file.clone(), ..config.clone() }).await;
    let _ = std::fs::remove_file(&file);
    Ok(client?.submit(drafts).await)
}

fn report(tried: &[Tried], json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let ok = tried.iter().all(|one| one.outcome.is_ok());
    if json {
        let told = |one: &Tried| {
            let (ok, said) = match &one.outcome {
                Ok(said) => (true, said),
                Err(said) => (false, said),
            };
            json!({ "what": one.what, "ok": ok, "said": said })
        };
        json_line(out, &json!({ "ok": ok, "tried": tried.iter().map(told).collect::<Vec<_>>() }))?;
    } else {
        for one in tried {
            match &one.outcome {
                Ok(said) => writeln!(out, "  ok    {}: {said}", one.what)?,
                Err(said) => writeln!(out, "  FAIL  {}: {said}", one.what)?,
            }
        }
        writeln!(out, "{}", if ok { "certify: ok" } else { "certify: not yet" })?;
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
