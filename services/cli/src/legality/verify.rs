//! `simpul legality verify`: a kept verdict, checked without the hub.

use std::{io::Write, path::PathBuf};

use anyhow::Context;
use clap::Args;

use super::render;
use crate::{
    connection::{self, ConnectionArgs},
    trust::{self, Envelope},
};

#[derive(Args)]
pub struct Verify {
    /// The file that `legality check --save` wrote
    file: PathBuf,

    /// Public key of the hub's verdicts, hex or file; absent: the one in client.toml
    #[arg(long, value_name = "KEY")]
    verdict_key: Option<String>,

    /// Verifier key of the log, as such or in a file; absent: the one in client.toml
    #[arg(long, value_name = "VKEY")]
    log_key: Option<String>,
}

pub fn run(
    command: &Verify,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let shown = command.file.display();
    let text = std::fs::read_to_string(&command.file).with_context(|| format!("reading {shown}"))?;
    let envelope: Envelope = serde_json::from_str(&text).with_context(|| format!("in {shown}"))?;
    let (key, log) = match (&command.verdict_key, &command.log_key) {
        // Both keys given: no client configuration is needed.
        (Some(key), Some(log)) => (trust::verdict_key(key)?, Some(trust::log_key(log)?)),
        (key, log) => match connection.load() {
            Ok(file) => {
                let log = log.as_deref().map(trust::log_key).transpose()?;
                let log = log.map_or_else(|| connection::log_key(&file), |log| Ok(Some(log)))?;
                (connection::verdict_key(&file, key.as_deref())?, log)
            }
            Err(error) => {
                let key = key.as_deref().ok_or(error)?;
                (trust::verdict_key(key)?, log.as_deref().map(trust::log_key).transpose()?)
            }
        },
    };
    render::verdict(&trust::verdict(&envelope.signed()?, &key, log.as_ref())?, json, out)
}
