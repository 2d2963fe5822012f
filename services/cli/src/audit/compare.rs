//! `simpul audit compare-checkpoints`: what two checkpoints of one log prove together, about the log and about witnesses.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, ensure};
use clap::Args;
use data_encoding::BASE64;
use serde_json::json;
use simpul_log::{Reader, Schema};
use simpul_tlog::{
    checkpoint::Checkpoint,
    compare::{Comparison, Contradiction, Trees, compare},
    note::{COSIGNATURE_TYPE, ED25519_TYPE, NoteVerifier},
    policy::Policy,
};
use simpul_types::{LeafIndex, Timestamp};

use crate::{output::json_line, trust};

#[derive(Args)]
pub struct Compare {
    /// A signed checkpoint, cosigned or not
    #[arg(value_name = "A")]
    first: PathBuf,

    /// Another one of the same log
    #[arg(value_name = "B")]
    second: PathBuf,

    /// Policy file (C2SP tlog-policy) with the keys of logs and witnesses; its quorum is not asked
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// Verifier key of the log, as such or in a file
    #[arg(long, value_name = "VKEY", required_unless_present = "policy")]
    log_key: Option<String>,

    /// Verifier key of a witness, as such or in a file; more than one is fine
    #[arg(long = "witness", value_name = "VKEY")]
    witnesses: Vec<String>,

    /// A hub's data folder: which of two sizes its log holds; the hub may be running
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Whether a log holds each of the two trees.
struct Held {
    first: bool,
    second: bool,
}

pub fn run(command: &Compare, json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let (logs, witnesses) = keys(command)?;
    let read =
        |path: &Path| std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()));
    let comparison = compare(&read(&command.first)?, &read(&command.second)?, &logs, &witnesses)?;
    let held = command.data.as_deref().map(|data| held(data, &comparison, &logs)).transpose()?;
    if json {
        show_json(&comparison, held.as_ref(), out)?;
    } else {
        show(command, &comparison, held.as_ref(), out)?;
    }
    let clean = comparison.trees != Trees::Split
        && comparison.contradictions.is_empty()
        && held.is_none_or(|held| held.first && held.second);
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn keys(command: &Compare) -> anyhow::Result<(Vec<NoteVerifier>, Vec<NoteVerifier>)> {
    let (mut logs, mut witnesses) = (Vec::new(), Vec::new());
    if let Some(path) = &command.policy {
        let file = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let policy = Policy::parse(&file).with_context(|| path.display().to_string())?;
        logs.extend(policy.logs().iter().map(|log| log.key.clone()));
        witnesses.extend(policy.witnesses().iter().map(|witness| witness.key.clone()));
    }
    if let Some(text) = &command.log_key {
        logs.push(trust::log_key(text)?);
    }
    for text in &command.witnesses {
        witnesses.push(trust::log_key(text)?);
    }
    ensure!(!logs.is_empty(), "the policy lists no log: give --log-key");
    for (keys, key_type, what) in
        [(&logs, ED25519_TYPE, "a log"), (&witnesses, COSIGNATURE_TYPE, "a witness")]
    {
        let wrong = keys.iter().find(|key| key.key_type() != key_type);
        ensure!(
            wrong.is_none(),
            "{} is no key of {what}, whose type is {key_type}",
            wrong.map_or("", NoteVerifier::name)
        );
    }
    Ok((logs, witnesses))
}

/// Looks both trees up in the log, or access log, of their origin.
fn held(data: &Path, comparison: &Comparison, logs: &[NoteVerifier]) -> anyhow::Result<Held> {
    let origin = &comparison.first.origin;
    let (folder, schema) =
        if origin.ends_with("/access") { ("access", Schema::Access) } else { ("log", Schema::Submissions) };
    let key = logs.iter().find(|log| log.name() == origin).context("no key of this origin")?;
    let dir = data.join(folder);
    let reader = simpul_log::open_reader(&dir, schema, key, None);
    let reader = reader.with_context(|| format!("{} of the origin {origin}", dir.display()))?;
    Ok(Held { first: holds(&reader, &comparison.first)?, second: holds(&reader, &comparison.second)? })
}

fn holds(reader: &Reader, checkpoint: &Checkpoint) -> anyhow::Result<bool> {
    if checkpoint.size > reader.head().size.get() {
        return Ok(false);
    }
    Ok(reader.root_at(LeafIndex::new(checkpoint.size))? == checkpoint.root)
}

fn show_json(comparison: &Comparison, held: Option<&Held>, out: &mut dyn Write) -> anyhow::Result<()> {
    let tree = |checkpoint: &Checkpoint, held: Option<bool>| json!({ "size": checkpoint.size, "root": BASE64.encode(&checkpoint.root), "in_log": held });
    let contradictions: Vec<_> = comparison
        .contradictions
        .iter()
        .map(|Contradiction { witness, first_s, second_s }| {
            json!({ "witness": witness.to_string(), "first_time_s": first_s, "second_time_s": second_s })
        })
        .collect();
    let trees = match comparison.trees {
        Trees::Same => "same",
        Trees::Split => "split",
        Trees::Different => "different",
    };
    json_line(
        out,
        &json!({
            "origin": comparison.first.origin,
            "trees": trees,
            "first": tree(&comparison.first, held.map(|held| held.first)),
            "second": tree(&comparison.second, held.map(|held| held.second)),
            "contradicting_witnesses": contradictions,
        }),
    )
}

fn show(
    command: &Compare,
    comparison: &Comparison,
    held: Option<&Held>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let Comparison { first, second, trees, contradictions } = comparison;
    let names = [command.first.display(), command.second.display()];
    writeln!(out, "origin {}", first.origin)?;
    for (name, checkpoint) in names.iter().zip([first, second]) {
        writeln!(out, "  {name}: {} leaves, root {}", checkpoint.size, BASE64.encode(&checkpoint.root))?;
    }
    match trees {
        Trees::Same => writeln!(out, "the same tree")?,
        Trees::Split => writeln!(
            out,
            "SPLIT VIEW: the log signed two trees of {} leaves; these two files and its key are the proof",
            first.size
        )?,
        Trees::Different if held.is_none() => writeln!(
            out,
            "two sizes: whether the larger extends the smaller needs the log (--data DIR, or `simpul audit proof --old FILE`)"
        )?,
        Trees::Different => {}
    }
    for Contradiction { witness, first_s, second_s } in contradictions {
        let what = match trees {
            Trees::Split => "cosigned both trees",
            _ => "called the smaller tree the largest it saw after it had cosigned the larger one",
        };
        let (first, second) = (time(*first_s), time(*second_s));
        writeln!(out, "WITNESS {} {what} (A {first}, B {second}): {witness}", witness.name())?;
    }
    if let Some(held) = held {
        for (name, held) in names.iter().zip([held.first, held.second]) {
            let verdict = if held {
                "is a state of this log"
            } else {
                "IS NO STATE OF THIS LOG, although its key signed it"
            };
            writeln!(out, "{name} {verdict}")?;
        }
        if held.first && held.second && *trees == Trees::Different {
            writeln!(out, "the larger one extends the smaller one")?;
        }
    }
    Ok(())
}

fn time(seconds: u64) -> String {
    let us = i64::try_from(seconds).ok().and_then(|seconds| seconds.checked_mul(1_000_000));
    us.map_or_else(|| format!("{seconds} s"), |us| Timestamp::from_us(us).to_string())
}
