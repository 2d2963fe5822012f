//! The commands that make things: `simpul directory init` and `simpul sample`.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::json;
use simpul_cli::{
    init::{self, InitOptions},
    sample::{self, SampleOptions},
};
use simpul_types::{Clock, clock::System};

use crate::{output::json_line, progress::Progress};

#[derive(Args)]
pub struct Init {
    /// Folder to make; must not hold anything yet
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Where the hub shall keep its data; absent: DIR/data
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Name of the realm; the log's origin is simpul.example/REALM
    #[arg(long, default_value = "demo")]
    realm: String,

    /// Host name or address in the hub's and NATS's certificates; the first is what clients dial
    #[arg(long, value_name = "HOST", default_values = ["localhost", "127.0.0.1"])]
    host: Vec<String>,

    /// Port of the hub's gRPC listener; 0 lets the system choose
    #[arg(long, value_name = "PORT", default_value_t = 7443)]
    grpc_port: u16,

    /// Port of the tiles over HTTPS, for anyone; 0 lets the system choose
    #[arg(long, value_name = "PORT", default_value_t = 7444)]
    tiles_port: u16,

    /// Port of metrics and health; 0 lets the system choose
    #[arg(long, value_name = "PORT", default_value_t = 9464)]
    metrics_port: u16,

    /// Port of NATS
    #[arg(long, value_name = "PORT", default_value_t = 4222, conflicts_with = "no_nats")]
    nats_port: u16,

    /// Leave NATS out of the hub's configuration
    #[arg(long)]
    no_nats: bool,
}

#[derive(Args)]
pub struct Sample {
    /// Persons with a placement in the registry; cases of police and missions follow from the published proportions
    #[arg(long, value_name = "N")]
    persons: u64,

    /// The same seed gives the same bytes
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Folder to make; must not hold anything yet
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub fn init(command: Init, json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let mut options = InitOptions::demo(command.out, System.now());
    options.data_dir = command.data_dir.unwrap_or(options.data_dir);
    options.realm = command.realm;
    options.hosts = command.host;
    options.grpc_port = command.grpc_port;
    options.tiles_port = command.tiles_port;
    options.metrics_port = command.metrics_port;
    options.nats_port = (!command.no_nats).then_some(command.nats_port);
    let realm = init::init(&options, &System)?;
    if json {
        json_line(
            out,
            &json!({
                "dir": realm.dir, "hub_config": realm.hub_config, "nats_config": realm.nats_config,
                "log_vkey": realm.log_vkey, "access_vkey": realm.access_vkey, "verdict_key": realm.verdict_key,
                "senders": realm.senders.iter().map(ToString::to_string).collect::<Vec<_>>(),
            }),
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "realm {} made in {}", options.realm, realm.dir.display())?;
    writeln!(out, "  hub        simpul-hub --config {}", realm.hub_config.display())?;
    if let Some(nats) = &realm.nats_config {
        writeln!(out, "  NATS       nats-server -c {}", nats.display())?;
    }
    for sender in &realm.senders {
        let client = realm.client_config(sender.agency.as_str(), sender.connector.as_str());
        writeln!(out, "  {:<24} simpul --client {}", sender.to_string(), client.display())?;
    }
    writeln!(out, "  log key    {}", realm.log_vkey)?;
    writeln!(out, "Development only: this folder holds every secret of the realm.")?;
    Ok(ExitCode::SUCCESS)
}

pub fn sample(command: &Sample, json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let options = SampleOptions { persons: command.persons, seed: command.seed, out: command.out.clone() };
    let mut progress = Progress::start("sample");
    let made = sample::write(&options, &mut |done, total| progress.at(done, total, "records"))?;
    let seconds = progress.seconds();
    drop(progress);
    if json {
        json_line(out, &made)?;
    } else {
        writeln!(
            out,
            "{} placements, {} licences, {} police reports, {} intakes, {} screenings in {} ({seconds:.1} s)",
            made.placements,
            made.licences,
            made.police_reports,
            made.intakes,
            made.screenings,
            command.out.display()
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
