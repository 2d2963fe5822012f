//! `simpul status`: what stored bytes are damaged, whether events are taken, how far the background verification is.

use std::{io::Write, process::ExitCode};

use simpul_proto::v1::{self, hub_service_client::HubServiceClient};

use crate::{
    connection::ConnectionArgs,
    output::{answer, json_line},
    wire_json,
};

/// Exit 1 where something is damaged.
pub async fn run(connection: &ConnectionArgs, json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let hub = connection.connect().await?;
    let response = answer(HubServiceClient::new(hub.channel).get_status(v1::GetStatusRequest {}).await)?;
    let logs = [("log", &response.log), ("access log", &response.access_log)];
    let damaged = logs.iter().any(|(_, log)| log.as_ref().is_some_and(|log| !log.damages.is_empty()));
    if json {
        json_line(out, &wire_json::of("GetStatusResponse", &response)?)?;
    } else {
        for (name, log) in logs {
            print(name, log.as_ref().unwrap_or(&v1::LogStatus::default()), out)?;
        }
    }
    Ok(if damaged { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(name: &str, log: &v1::LogStatus, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "{name}: {} leaves, {} events", log.size, log.end)?;
    writeln!(
        out,
        "  background verification: {} passes, {} of {} bytes in the present one",
        log.scrub_passes, log.scrub_bytes, log.scrub_bytes_total
    )?;
    for damage in &log.damages {
        writeln!(
            out,
            "  DAMAGED {}, leaf {}, position {}: {}",
            damage.file, damage.leaf, damage.position, damage.what
        )?;
    }
    if !log.read_only.is_empty() {
        writeln!(out, "  READ-ONLY: {}", log.read_only)?;
    }
    Ok(())
}
