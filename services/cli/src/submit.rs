//! `simpul submit`: events from a file of JSON lines, through the connector's SDK.
//!
//! ```json
//! {"type": "simpul.police.v1.CaseUpdated", "stream_key": "polri-lp/LP/B/149/II/2026", "purpose": "INVESTIGATE",
//!  "legal_basis": "UU 21/2007", "occurred_at": "2026-02-11T08:00:00Z", "expected": "any", "payload": {"stage": "INQUIRY"}}
//! ```
//!
//! A line that cannot be sent, or that the hub refuses, is reported with line, field and reason; all others go on.

pub mod line;

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap::Args;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesOrdered};
use serde_json::json;
use simpul_connector::{Accepted, Client, StreamKey, SubmitError};

use crate::{
    connection::ConnectionArgs,
    output::{json_line, remark},
    progress::Progress,
};

/// Events that wait for their receipt at once: enough for several full submissions in flight, little memory.
const IN_FLIGHT_MAX: usize = 4 * simpul_types::limits::EVENTS_PER_SUBMISSION_MAX;
/// Bytes of one line: the JSON of a payload of the largest size is not twice as long.
const LINE_BYTES_MAX: usize = 2 * simpul_types::limits::EVENT_BYTES_MAX;

#[derive(Args)]
pub struct Submit {
    /// JSON lines; `-` reads stdin
    file: PathBuf,

    /// Look at every line and send nothing
    #[arg(long)]
    check: bool,

    /// Keep each receipt in this folder as `leaf-N.tlog-proof`, which `simpul audit verify --proof` checks with no hub
    #[arg(long, value_name = "DIR", conflicts_with = "check")]
    proofs: Option<PathBuf>,
}

/// What became of one line.
enum Fate {
    Accepted(Accepted),
    /// Looked at and not sent.
    Good,
    Refused {
        field: String,
        reason: String,
    },
}

type Waiting = FuturesOrdered<BoxFuture<'static, anyhow::Result<(u64, Fate)>>>;

pub async fn run(
    command: Submit,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let file = connection.load()?;
    let streams = StreamKey::beside(&file.hub.signing_key)?;
    let client = match command.check {
        true => None,
        false => Some(Client::connect(file.hub).await?),
    };
    if let Some(proofs) = &command.proofs {
        std::fs::create_dir_all(proofs).with_context(|| format!("making {}", proofs.display()))?;
    }
    let proofs = command.proofs;
    let mut report =
        Report { json, out, proofs, accepted: 0, refused: 0, progress: Progress::start("submit") };
    let mut waiting = Waiting::new();
    let mut input = open(&command.file)?;
    let mut number = 0;
    while let Some(text) = read_line(&mut input)? {
        number += 1;
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if waiting.len() >= IN_FLIGHT_MAX
            && let Some(done) = waiting.next().await
        {
            report.add(done?)?;
        }
        waiting.push_back(start(number, &text, &streams, client.as_ref()));
        // What is done already is shown without waiting for the rest.
        while let Some(Some(done)) = waiting.next().now_or_never() {
            report.add(done?)?;
        }
    }
    while let Some(done) = waiting.next().await {
        report.add(done?)?;
    }
    report.finish(command.check)
}

fn start(
    number: u64,
    text: &[u8],
    streams: &StreamKey,
    client: Option<&Client>,
) -> BoxFuture<'static, anyhow::Result<(u64, Fate)>> {
    let refused = |field: String, reason: String| Ok((number, Fate::Refused { field, reason }));
    let draft = match line::parse(text, streams) {
        Ok(draft) => draft,
        Err(error) => return std::future::ready(refused(error.field, error.reason)).boxed(),
    };
    let Some(client) = client.cloned() else {
        return std::future::ready(Ok((number, Fate::Good))).boxed();
    };
    async move {
        match client.submit(vec![draft]).await {
            Ok(accepted) => Ok((number, Fate::Accepted(accepted))),
            Err(SubmitError::Rejected(rejection)) => {
                let reason = format!("{}: {}", rejection.reason.as_str_name(), rejection.message);
                // The SDK counts in the caller's own events, and a line is one event.
                let field = rejection.field.trim_start_matches("events[0]").trim_start_matches('.').into();
                Ok((number, Fate::Refused { field, reason }))
            }
            Err(SubmitError::Size { rule, .. }) => {
                Ok((number, Fate::Refused { field: String::new(), reason: rule.into() }))
            }
            Err(error) => Err(anyhow::Error::new(error).context(format!("line {number}"))),
        }
    }
    .boxed()
}

struct Report<'a> {
    json: bool,
    proofs: Option<PathBuf>,
    out: &'a mut dyn Write,
    accepted: u64,
    refused: u64,
    progress: Progress,
}

impl Report<'_> {
    fn add(&mut self, (line, fate): (u64, Fate)) -> anyhow::Result<()> {
        match fate {
            Fate::Accepted(accepted) => {
                self.accepted += 1;
                let receipt = &accepted.receipt;
                let position = accepted.first_position();
                if let Some(folder) = &self.proofs {
                    let path = folder.join(format!("leaf-{}.tlog-proof", receipt.leaf_index));
                    std::fs::write(&path, accepted.log_proof().to_string())
                        .with_context(|| format!("writing {}", path.display()))?;
                }
                if self.json {
                    json_line(
                        self.out,
                        &json!({
                            "line": line, "position": position, "leaf": receipt.leaf_index,
                            "event": accepted.event_ids.first().map(ToString::to_string),
                            "duplicate": receipt.duplicate,
                        }),
                    )?;
                } else {
                    writeln!(self.out, "line {line}: position {position}, leaf {}", receipt.leaf_index)?;
                }
            }
            Fate::Good => self.accepted += 1,
            Fate::Refused { field, reason } => {
                self.refused += 1;
                if self.json {
                    json_line(
                        self.out,
                        &json!({ "line": line, "error": { "field": field, "reason": reason } }),
                    )?;
                } else if field.is_empty() {
                    remark(format_args!("line {line}: {reason}"));
                } else {
                    remark(format_args!("line {line}: {field}: {reason}"));
                }
            }
        }
        self.progress.at(self.accepted + self.refused, 0, "lines");
        Ok(())
    }

    fn finish(self, check: bool) -> anyhow::Result<ExitCode> {
        let Self { json, out, accepted, refused, progress, .. } = self;
        drop(progress);
        let done = if check { "good" } else { "accepted" };
        if !json {
            writeln!(out, "{accepted} {done}, {refused} refused")?;
        }
        Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn open(path: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let file = File::open(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(Box::new(BufReader::new(file)))
}

/// One line without its end; `None` at the end of the file.
fn read_line(input: &mut dyn BufRead) -> anyhow::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let read =
        input.take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line).context("reading the file")?;
    if read > LINE_BYTES_MAX {
        bail!("a line is longer than {LINE_BYTES_MAX} bytes: this is not a file of JSON lines");
    }
    Ok((read > 0).then_some(line))
}
