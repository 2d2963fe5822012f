//! `simpul position`: how far the log, the read models and each agency's stream have come.

use std::{io::Write, process::ExitCode};

use anyhow::Context;
use simpul_proto::v1::{self, picture_service_client::PictureServiceClient};
use simpul_tlog::checkpoint;

use crate::{
    connection::{self, ConnectionArgs},
    output::{answer, json_line},
    wire_json,
};

pub async fn run(connection: &ConnectionArgs, json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let hub = connection.connect().await?;
    let log = connection::log_key(&hub.file)?;
    let response =
        answer(PictureServiceClient::new(hub.channel).get_position(v1::GetPositionRequest {}).await)?;
    if let Some(log) = log {
        checkpoint::open(&response.checkpoint, &log).context("the answer's checkpoint does not hold")?;
    }
    if json {
        json_line(out, &wire_json::of("GetPositionResponse", &response)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "log at position {}, read models at {}", response.log_position, response.read_position)?;
    let mut published: Vec<_> = response.published_sequence.into_iter().collect();
    published.sort_unstable();
    for (agency, sequence) in published {
        writeln!(out, "  NATS has acknowledged {agency} up to sequence {sequence}")?;
    }
    Ok(ExitCode::SUCCESS)
}
