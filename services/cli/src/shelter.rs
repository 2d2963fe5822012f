//! `simpul shelter`: a bed for somebody, by what they need. Codes and streams, never an address.

use std::{io::Write, process::ExitCode};

use clap::{Args, Subcommand, ValueEnum};
use simpul_proto::v1::{self, picture_service_client::PictureServiceClient};

use crate::{
    connection::ConnectionArgs,
    output::{answer, table},
    wire_json,
};

#[derive(Subcommand)]
pub enum Command {
    /// Shelters that take a person and have a bed free, the best first
    Match(Match),
}

#[derive(Clone, Copy, ValueEnum)]
enum Sex {
    Female,
    Male,
}

#[derive(Args)]
pub struct Match {
    /// Where: ISO 3166-1 alpha-3
    #[arg(long, default_value = "IDN")]
    country: String,

    /// Preferred province, two digits
    #[arg(long)]
    province: Option<String>,

    /// Absent: women and men must both be taken
    #[arg(long)]
    sex: Option<Sex>,

    /// Under 18
    #[arg(long)]
    child: bool,

    /// Comes with family
    #[arg(long)]
    family: bool,

    /// Cannot climb steps
    #[arg(long)]
    step_free: bool,

    /// At least: 1 open, 2 guarded, 3 secret and guarded
    #[arg(long, default_value_t = 0)]
    security: u32,

    /// Opaque reference of the person: nobody whom they must not meet sleeps there
    #[arg(long, value_name = "REF")]
    person: Option<String>,

    /// The night, YYYY-MM-DD; absent: today
    #[arg(long, value_name = "DATE")]
    on: Option<String>,

    /// Why you ask, for example SHELTER
    #[arg(long)]
    purpose: String,

    /// The case this look-up belongs to
    #[arg(long = "case", value_name = "REF", default_value = "", hide_default_value = true)]
    case_ref: String,

    /// Wait until the hub's read models have reached this position
    #[arg(long, value_name = "POSITION")]
    at_least: Option<u64>,
}

pub async fn run(
    command: Command,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let Command::Match(command) = command;
    let official = connection.official()?;
    let hub = connection.connect().await?;
    let sex = match command.sex {
        Some(Sex::Female) => v1::Sex::Female,
        Some(Sex::Male) => v1::Sex::Male,
        None => v1::Sex::Unspecified,
    };
    let request = v1::MatchSheltersRequest {
        country: command.country,
        province: command.province.unwrap_or_default(),
        sex: sex.into(),
        child: command.child,
        family: command.family,
        step_free: command.step_free,
        security_level: command.security,
        person_ref: command.person.unwrap_or_default(),
        on: command.on.unwrap_or_default(),
        limit: 0,
        purpose: command.purpose,
        official,
        at_least_position: command.at_least,
        case_ref: command.case_ref,
    };
    let found = answer(PictureServiceClient::new(hub.channel.clone()).match_shelters(request).await)?;
    if json {
        crate::output::json_line(out, &wire_json::of("MatchSheltersResponse", &found)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |one: &v1::ShelterMatch| {
        [
            one.code.clone(),
            one.province.clone(),
            one.bed.to_string(),
            one.free.to_string(),
            format!("{} at {}", one.bed_stream, one.bed_stream_version),
            one.reasons.join(" "),
        ]
    };
    let rows: Vec<_> = found.matches.iter().map(row).collect();
    table(out, ["shelter", "province", "bed", "free", "hold it in stream", "why here"], &rows)?;
    writeln!(
        out,
        "  full {}, kept apart {}, access entry {}",
        found.full, found.kept_apart, found.access_entry
    )?;
    Ok(ExitCode::SUCCESS)
}
