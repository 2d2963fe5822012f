//! A verifier that is a program: questions as JSON lines on its standard input, answers in the same order on its output.
//!
//! | called as | reads | prints |
//! |---|---|---|
//! | `PROGRAM questions` | one [`Question`] a line | `{"id": N, "verdict": "accept" \| "reject" \| "value" \| "skip", "value": TEXT}` |
//! | `PROGRAM tiles DIR` | – | one [`Finding`] a line |

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};
use serde::Deserialize;

use super::{Answer, Question, tiles::Finding};

#[derive(Deserialize)]
struct Line {
    id: usize,
    #[serde(flatten)]
    answer: Answer,
}

/// Asks a program all questions.
///
/// # Errors
/// It does not run, fails, or answers out of order.
pub fn ask(program: &Path, questions: &[Question], scratch: &Path) -> anyhow::Result<Vec<Answer>> {
    let file = scratch.join("questions.jsonl");
    let mut text = Vec::new();
    for question in questions {
        serde_json::to_writer(&mut text, question)?;
        text.push(b'\n');
    }
    std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
    let mut command = Command::new(program);
    command.arg("questions").stdin(File::open(&file)?);
    let mut answers = Vec::with_capacity(questions.len());
    for line in lines(command, program)? {
        let Line { id, answer } =
            serde_json::from_str(&line).with_context(|| format!("{}: {line}", program.display()))?;
        ensure!(id == answers.len(), "{}: answered {id}, not {}", program.display(), answers.len());
        answers.push(answer);
    }
    Ok(answers)
}

/// Has a program check a folder of tiles.
///
/// # Errors
/// It does not run, or fails otherwise than by a finding.
pub fn tiles(program: &Path, folder: &Path) -> anyhow::Result<Vec<Finding>> {
    let mut command = Command::new(program);
    command.arg("tiles").arg(folder).stdin(Stdio::null());
    let parse =
        |line: String| serde_json::from_str(&line).with_context(|| format!("{}: {line}", program.display()));
    lines(command, program)?.into_iter().map(parse).collect()
}

fn lines(mut command: Command, program: &Path) -> anyhow::Result<Vec<String>> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} does not start", program.display()))?;
    let output = child.stdout.take().context("its output is piped")?;
    let lines = BufReader::new(output).lines().collect::<Result<Vec<_>, _>>();
    let status = child.wait()?;
    ensure!(status.success(), "{} ended with {status}", program.display());
    Ok(lines?)
}
