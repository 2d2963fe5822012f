//! `simpul person find`.

use std::{io::Write, process::ExitCode};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use simpul_proto::v1::{self, picture_service_client::PictureServiceClient};

use crate::{
    connection::ConnectionArgs,
    output::{answer, json_line},
};

#[derive(Args)]
pub struct Find {
    /// The name as it was told; `-` reads it from stdin
    #[arg(long)]
    name: String,

    /// YYYY-MM-DD, or YYYY where only the year, or an age, is known
    #[arg(long, value_name = "DATE", default_value = "")]
    birth_date: String,

    #[arg(long)]
    sex: Option<Sex>,

    /// Wilayah code of the place of origin: 2, 4, 6 or 10 digits
    #[arg(long, value_name = "CODE", default_value = "")]
    origin: String,

    /// Candidates wanted, at most 50
    #[arg(long, default_value_t = 10)]
    limit: u32,

    /// Why you ask, for example ASSIST
    #[arg(long)]
    purpose: String,

    /// The case this look-up belongs to
    #[arg(long = "case", value_name = "REF", default_value = "", hide_default_value = true)]
    case_ref: String,

    /// Wait until the hub's read models have reached this position
    #[arg(long, value_name = "POSITION")]
    at_least: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Sex {
    Female,
    Male,
}

pub async fn run(
    command: Find,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let official = connection.official()?;
    let name = match command.name.as_str() {
        "-" => std::io::read_to_string(std::io::stdin())?.trim().to_owned(),
        _ => command.name,
    };
    let sex = match command.sex {
        None => v1::Sex::Unspecified,
        Some(Sex::Female) => v1::Sex::Female,
        Some(Sex::Male) => v1::Sex::Male,
    };
    let request = v1::FindPersonsRequest {
        name,
        birth_date: command.birth_date,
        sex: sex.into(),
        origin: command.origin,
        limit: command.limit,
        purpose: command.purpose,
        official,
        at_least_position: command.at_least,
        case_ref: command.case_ref,
    };
    let hub = connection.connect().await?;
    let found = answer(PictureServiceClient::new(hub.channel).find_persons(request).await)?;
    if json {
        json_line(
            out,
            &json!({
                "candidates": found.candidates.iter().map(value).collect::<Vec<_>>(), "truncated": found.truncated,
                "position": found.position, "checkpoint": found.checkpoint, "access_entry": found.access_entry,
            }),
        )?;
    } else {
        show(&found, out)?;
    }
    Ok(if found.candidates.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn show(found: &v1::FindPersonsResponse, out: &mut dyn Write) -> anyhow::Result<()> {
    if found.candidates.is_empty() {
        writeln!(out, "nobody on record has such a name")?;
    }
    for (n, one) in found.candidates.iter().enumerate() {
        writeln!(out, "{}. person {}  agrees {} of 100", n + 1, one.person_ref, one.score)?;
        for claim in &one.claims {
            let mut line = format!("     {}", claim.name);
            for (label, text) in [
                ("born", claim.birth_date.as_str()),
                ("", sex(claim.sex)),
                ("", claim.nationality.as_str()),
                ("from", claim.origin_village.as_str()),
            ] {
                if !text.is_empty() {
                    line.push_str(", ");
                    line.push_str(format!("{label} {text}").trim_start());
                }
            }
            writeln!(
                out,
                "{line}  ({} at {}, position {})",
                claim.source, claim.observed_at, claim.position
            )?;
        }
        if !one.identifiers.is_empty() {
            writeln!(out, "     has {}", one.identifiers.join(", "))?;
        }
        for tie in &one.ties {
            writeln!(out, "     {} with person {} (position {})", tie.state, tie.other_ref, tie.position)?;
        }
        if !one.warnings.is_empty() {
            writeln!(out, "     note {}", one.warnings.join(", "))?;
        }
    }
    if found.truncated {
        writeln!(out, "more persons have such a name than were looked at: give a birth date")?;
    }
    writeln!(out, "as of position {}, access entry {}", found.position, found.access_entry)?;
    Ok(())
}

fn sex(code: i32) -> &'static str {
    match v1::Sex::try_from(code) {
        Ok(v1::Sex::Female) => "female",
        Ok(v1::Sex::Male) => "male",
        _ => "",
    }
}

fn value(one: &v1::PersonCandidate) -> Value {
    let claims = one.claims.iter().map(|claim| {
        json!({
            "source": claim.source, "position": claim.position, "observed_at": claim.observed_at, "name": claim.name,
            "birth_date": claim.birth_date, "sex": sex(claim.sex), "nationality": claim.nationality,
            "origin_village": claim.origin_village,
        })
    });
    let ties = one
        .ties
        .iter()
        .map(|tie| json!({ "other_ref": tie.other_ref, "state": tie.state, "position": tie.position }));
    json!({
        "person_ref": one.person_ref, "score": one.score, "claims": claims.collect::<Vec<_>>(),
        "identifiers": one.identifiers, "ties": ties.collect::<Vec<_>>(), "warnings": one.warnings,
    })
}
