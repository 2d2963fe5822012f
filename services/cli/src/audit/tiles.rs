//! `simpul audit tiles`: the log as static files that any web server can give out.

use std::{io::Write, path::PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use simpul_audit::tiles::{checkpoint_of, write_files};
use simpul_log::Schema;

use crate::{output::json_line, progress::Progress, trust};

#[derive(Args)]
pub struct Tiles {
    /// A hub's data folder; the hub may be running
    #[arg(long, value_name = "DIR")]
    data: PathBuf,

    /// Folder of the files; a second run adds what the log has grown by, and nothing is ever deleted
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Verifier key of the log, as such or in a file; absent: the one beside the log
    #[arg(long, value_name = "VKEY")]
    log_key: Option<String>,
}

pub fn run(command: &Tiles, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let data = &command.data;
    ensure!(data.join("log").is_dir(), "{} is not a hub's data folder: it has no folder log", data.display());
    let beside = data.join("log.vkey");
    let key = command.log_key.clone().unwrap_or_else(|| beside.to_string_lossy().into_owned());
    let key = trust::log_key(&key)?;
    // Before the log: what is published is in it then, whatever a running hub adds meanwhile.
    let note = checkpoint_of(data)?;
    let reader = simpul_log::open_reader(&data.join("log"), Schema::Submissions, &key, None);
    let reader = reader.with_context(|| format!("opening the log in {}", data.display()))?;
    let mut bar = Progress::start("tiles");
    let written = write_files(&reader, &note, &command.out, &mut |files| bar.at(files, 0, "files"));
    drop(bar);
    let written = written.context("no tiles were published")?;
    if json {
        return json_line(out, &written);
    }
    writeln!(
        out,
        "{}: {} leaves, {} of them new: {} tiles and {} bundles of entries written, {} bytes",
        written.origin,
        written.size,
        written.size - written.from,
        written.tiles,
        written.bundles,
        written.bytes
    )?;
    writeln!(
        out,
        "  serve {} as it is; check it with `simpul audit verify --tiles DIR`",
        command.out.display()
    )?;
    Ok(())
}
