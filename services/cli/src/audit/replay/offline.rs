//! Replay of a data folder, without the hub: what the log holds, and whether the hub's read models are what the log says.

use std::{io::Write, path::Path, process::ExitCode};

use anyhow::{Context, bail, ensure};
use data_encoding::HEXLOWER;
use prost::Message;
use serde_json::json;
use simpul_audit::replay;
use simpul_log::{Reader, Schema};
use simpul_projection::{LAYOUT, Rebuild, StateDigest, StateKeys, rebuild_digest, stored_digest};
use simpul_proto::hub::StateDigestRecorded;
use simpul_signing::{MasterKey, StateSealer};
use simpul_types::{Position, StreamName};

use super::Replay;
use crate::{audit::verify::master_key, output::json_line, progress::Progress, trust};

pub fn run(command: &Replay, data: &Path, json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let path = command
        .master_key
        .as_deref()
        .context("--data needs --master-key: the log's keys are wrapped by it")?;
    let master = master_key(path)?;
    let reader = open(command, data, &master)?;
    let end = reader.head().end;
    let until = command.until.map_or(end, Position::new);
    ensure!(until <= end, "the log ends at position {end}");
    let mut progress = Progress::start("replay");
    let summary = match &command.stream {
        Some(stream) => {
            let stream: StreamName = stream.parse().context("--stream")?;
            one_stream(&reader, &stream, Position::new(command.from)..until)?
        }
        None => replay::count(&reader, Position::new(command.from), until, &mut |position| {
            progress.at(position.get() - command.from.min(position.get()), until.get(), "events");
        })?,
    };
    drop(progress);
    let compared = command.compare.then(|| compare(&reader, data, &master)).transpose()?;
    if json {
        let compared = compared.as_ref().map(|compared| {
            json!({
                "equal": compared.equal(), "position": compared.position, "log_end": end,
                "hub": HEXLOWER.encode(&compared.hub), "rebuilt": HEXLOWER.encode(&compared.rebuilt),
                "seconds": compared.seconds, "recorded": compared.recorded,
                "differs_at": compared.differs_at,
                "not_comparable": compared.not_comparable,
            })
        });
        json_line(out, &json!({ "summary": summary, "compare": compared }))?;
    } else {
        super::print_summary(&summary, out)?;
        if let Some(compared) = &compared {
            compared.print(end, out)?;
        }
    }
    Ok(if compared.is_none_or(|compared| compared.equal()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Opens the log for reading; changes nothing and may run beside the hub.
fn open(command: &Replay, data: &Path, master: &MasterKey) -> anyhow::Result<Reader> {
    let key = match &command.log_key {
        Some(key) => trust::log_key(key)?,
        None => trust::log_key(&data.join("log.vkey").to_string_lossy())
            .context("no verifier key: give --log-key, the data folder has none")?,
    };
    simpul_log::open_reader(&data.join("log"), Schema::Submissions, &key, master.wrap_key())
        .with_context(|| format!("opening the log in {}", data.display()))
}

fn one_stream(
    reader: &Reader,
    stream: &StreamName,
    range: std::ops::Range<Position>,
) -> anyhow::Result<simpul_audit::ReplaySummary> {
    let mut counter = simpul_audit::ReplayCounter::new();
    for position in reader.stream(stream).into_iter().filter(|position| range.contains(position)) {
        let leaf = reader.leaf_of(position)?;
        let event = leaf.events.iter().filter(|event| event.position == position);
        let event = event.map(|event| (position.get(), &event.header[..], event.sealed.len()));
        counter.leaf(leaf.index.get(), &leaf.bytes, event)?;
    }
    Ok(counter.summary())
}

/// The hub's read models beside those rebuilt from zero (PRJ-2), and the digests that the hub recorded on the way.
struct Compared {
    position: Position,
    hub: [u8; 32],
    rebuilt: [u8; 32],
    seconds: f64,
    /// Digests in the log that were taken again.
    recorded: usize,
    /// Digests recorded before the newest erasure, which no rebuild can make again.
    not_comparable: usize,
    /// The first of those taken again that came out otherwise.
    differs_at: Option<Position>,
}

/// Digests that the hub recorded below a position, of today's layout of the rows.
fn recorded(reader: &Reader, until: Position) -> anyhow::Result<Vec<StateDigest>> {
    let stream: StreamName = "hub-state/digest".parse().context("a stream's name")?;
    let mut digests = Vec::new();
    for position in reader.stream(&stream) {
        let payload = reader.open_payload(&reader.event(position)?)?.payload;
        let recorded = StateDigestRecorded::decode(payload)
            .with_context(|| format!("the state digest at position {position}"))?;
        let digest = HEXLOWER.decode(recorded.digest.as_bytes()).ok();
        let digest = digest.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let digest =
            digest.with_context(|| format!("the state digest at position {position} is no digest"))?;
        if recorded.layout == u32::from(LAYOUT) && recorded.position <= until.get() {
            let (at, changes_from) = (Position::new(recorded.position), Position::new(recorded.changes_from));
            digests.push(StateDigest { position: at, changes_from, digest });
        }
    }
    Ok(digests)
}

fn compare(reader: &Reader, data: &Path, master: &MasterKey) -> anyhow::Result<Compared> {
    let state = data.join("state");
    if !state.is_dir() {
        bail!("{} has no read models to compare with", data.display());
    }
    let keys = |sealer: StateSealer| StateKeys { index: master.index_key(), sealer };
    let live = stored_digest(&state, &keys(master.state_key("projection")))
        .context("opening the hub's read models; the hub must not be running")?;
    let scratch = data.join(format!("compare-{}", std::process::id()));
    ensure!(!scratch.exists(), "{} is in the way", scratch.display());
    // The copy is sealed under a key of its own: the digest is over rows in clear, and no nonce is used twice.
    let own = keys(MasterKey::generate().state_key("compare"));
    let mut progress = Progress::start("rebuild");
    let erased = reader.executions(Position::ZERO)?.last().map(|(position, _)| *position);
    if let Some(erased) = erased.filter(|erased| *erased >= live.position) {
        bail!(
            "the read models end at position {}, before the erasure executed at {erased}: what they were before cannot be made again; \
             start the hub once, so that they come past it",
            live.position
        );
    }
    let (recorded, older): (Vec<_>, Vec<_>) = recorded(reader, live.position)?
        .into_iter()
        .partition(|digest| erased.is_none_or(|erased| digest.position > erased));
    let rebuild = Rebuild { recorded, ..Rebuild::of(&live, &scratch) };
    let rebuilt = rebuild_digest(reader, &own, &rebuild, &mut |position, end| {
        progress.at(position.get(), end.get(), "events");
    });
    let seconds = progress.seconds();
    drop(progress);
    if rebuilt.is_err() {
        let _ = std::fs::remove_dir_all(&scratch);
    }
    let rebuilt = rebuilt.context("rebuilding the read models")?;
    let pairs = rebuild.recorded.iter().zip(&rebuilt.on_the_way);
    let differs_at = pairs.clone().find(|(then, again)| then != again).map(|(then, _)| then.position);
    Ok(Compared {
        position: live.position,
        hub: live.digest,
        rebuilt: rebuilt.digest.digest,
        seconds,
        recorded: pairs.count(),
        not_comparable: older.len(),
        differs_at,
    })
}

impl Compared {
    fn equal(&self) -> bool {
        self.hub == self.rebuilt && self.differs_at.is_none()
    }

    fn print(&self, end: Position, out: &mut dyn Write) -> anyhow::Result<()> {
        writeln!(out, "read models at position {} of {end}", self.position)?;
        writeln!(out, "  the hub's   {}", HEXLOWER.encode(&self.hub))?;
        writeln!(out, "  from zero   {}  ({:.2} s)", HEXLOWER.encode(&self.rebuilt), self.seconds)?;
        match self.differs_at {
            Some(position) => {
                writeln!(out, "  the digest recorded at position {position} was of another state")?
            }
            None => writeln!(out, "  {} digests in the log came out the same", self.recorded)?,
        }
        if self.not_comparable > 0 {
            writeln!(out, "  {} digests from before an erasure are not comparable", self.not_comparable)?;
        }
        let word = if self.equal() { "equal: the picture is what the log says" } else { "NOT EQUAL" };
        writeln!(out, "  {word}")?;
        Ok(())
    }
}
