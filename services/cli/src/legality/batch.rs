//! `simpul legality check-batch`: a line-up of hundreds, streamed.
//!
//! The file is CSV with a header, or JSON lines. Columns (members): exactly one of `nik`, `passport`, `card`, `mrz` per
//! row, and optionally `valid_at` and `ref`, the asker's own mark for the row, which never leaves this machine.

use std::{
    collections::HashMap,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap::Args;
use futures_util::stream;
use serde::Deserialize;
use serde_json::json;
use simpul_proto::v1::{self, check_request::Subject, legality_service_client::LegalityServiceClient};

use crate::{
    connection::{self, ConnectionArgs},
    output::{answer, json_line, parse_time, refusal, remark},
    progress::Progress,
    subject::mrz_lines,
    trust::{self, CheckedVerdict},
    wire_json,
};

/// Rows of a file; a mass rescue has hundreds.
const ROWS_MAX: usize = 100_000;

#[derive(Args)]
pub struct CheckBatch {
    /// CSV with a header line, or JSON lines (`.jsonl`): nik, passport, card or mrz, and optionally valid_at and ref
    file: PathBuf,

    /// Use only what was known at this time, RFC 3339
    #[arg(long, value_name = "TIME")]
    known_at: Option<String>,

    /// Why you ask, for example VERIFY_LEGALITY
    #[arg(long)]
    purpose: String,

    /// The case these look-ups belong to
    #[arg(long = "case", value_name = "REF")]
    case_ref: Option<String>,

    /// Public key of the hub's verdicts, hex or file; absent: the one in client.toml
    #[arg(long, value_name = "KEY")]
    verdict_key: Option<String>,
}

/// One row as it stands in the file. Names a person: no `Debug`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Row {
    nik: String,
    passport: String,
    card: String,
    mrz: String,
    valid_at: String,
    r#ref: String,
}

/// A row with its place: how it is told apart in the answer.
struct Asked {
    line: u64,
    mark: String,
    /// What to ask, or why nothing can be asked.
    subject: Result<(Subject, String), String>,
}

/// Exit code 1 where a row got no verdict.
pub async fn run(
    command: CheckBatch,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let official = connection.official()?;
    let known_at_us = command.known_at.as_deref().map(parse_time).transpose()?;
    let asked = read(&command.file)?;
    let hub = connection.connect().await?;
    let key = connection::verdict_key(&hub.file, command.verdict_key.as_deref())?;
    let log = connection::log_key(&hub.file)?;

    let request = |subject: &Subject, valid_at: &str| v1::CheckRequest {
        subject: Some(subject.clone()),
        valid_at: valid_at.to_owned(),
        known_at_us,
        purpose: command.purpose.clone(),
        case_ref: command.case_ref.clone().unwrap_or_default(),
        official: official.clone(),
        at_least_position: None,
        certificate: false,
    };
    let requests: Vec<_> = asked
        .iter()
        .filter_map(|row| row.subject.as_ref().ok())
        .map(|(subject, valid_at)| request(subject, valid_at))
        .collect();
    let total = asked.len() as u64;
    let mut answers =
        answer(LegalityServiceClient::new(hub.channel).check_batch(stream::iter(requests)).await)?;

    let mut progress = Progress::start("checking");
    let (mut tally, mut seen) = (Tally::default(), Seen::default());
    for (done, row) in asked.iter().enumerate() {
        progress.at(done as u64, total, "rows");
        let told = match &row.subject {
            Err(why) => Told::Fault { code: "INVALID_ARGUMENT", field: String::new(), message: why.clone() },
            Ok(_) => {
                let response = answers.message().await.map_err(refusal)?;
                let response = response.context("the hub ended the line-up before its last row")?;
                match (response.fault, &response.signed) {
                    (Some(fault), _) => Told::Fault {
                        code: code_name(fault.code),
                        field: fault.field,
                        message: fault.message,
                    },
                    (None, Some(signed)) => {
                        Told::Verdict(Box::new(trust::verdict(signed, &key, log.as_ref())?))
                    }
                    (None, None) => bail!("line {}: the hub's answer holds no verdict", row.line),
                }
            }
        };
        let twice = seen.before(&told, row.line);
        tally.add(&told, twice.is_some());
        if json { told.json(row, twice, out)? } else { told.line(row, twice, out)? }
    }
    let seconds = progress.seconds();
    drop(progress);
    remark(format_args!("{total} rows in {seconds:.2} s: {}", tally.text()));
    if !json {
        writeln!(out, "These verdicts gate no protection and no service: every worker keeps every right.")?;
    }
    Ok(if tally.faults == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn read(path: &Path) -> anyhow::Result<Vec<Asked>> {
    let shown = path.display();
    let mut asked = Vec::new();
    if path.extension().is_some_and(|extension| extension == "jsonl" || extension == "ndjson") {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {shown}"))?;
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let row = serde_json::from_str(line).map_err(|error| format!("not a row: {}", class(&error)));
            asked.push(Asked::new(number as u64 + 1, row));
        }
    } else {
        let mut rows = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_path(path);
        let rows = rows.as_mut().map_err(|error| anyhow::anyhow!("reading {shown}: {error}"))?;
        let header = rows.headers().with_context(|| format!("reading {shown}"))?.clone();
        if let Some(unknown) = header.iter().find(|name| !COLUMNS.contains(name)) {
            bail!("{shown}: column {unknown:?} is none of {}", COLUMNS.join(", "));
        }
        for record in rows.records() {
            let record = record.with_context(|| format!("reading {shown}"))?;
            let line = record.position().map_or(0, csv::Position::line);
            let row = match record.len() == header.len() {
                true => record.deserialize(Some(&header)).map_err(|_| "not a row".to_owned()),
                false => Err(format!("{} fields, the header has {}", record.len(), header.len())),
            };
            asked.push(Asked::new(line, row));
        }
    }
    match asked.len() {
        0 => bail!("{shown} has no rows"),
        rows if rows > ROWS_MAX => bail!("{shown} has {rows} rows, at most {ROWS_MAX} are taken"),
        _ => Ok(asked),
    }
}

const COLUMNS: [&str; 6] = ["nik", "passport", "card", "mrz", "valid_at", "ref"];

/// What kind of fault, without a byte of the row.
fn class(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Data => "a member is unknown, or no text",
        _ => "not JSON",
    }
}

impl Asked {
    fn new(line: u64, row: Result<Row, String>) -> Self {
        let row = match row {
            Ok(row) => row,
            Err(why) => return Self { line, mark: String::new(), subject: Err(why) },
        };
        let Row { nik, passport, card, mrz, valid_at, r#ref: mark } = row;
        let ways = [
            (!nik.is_empty()).then_some(Subject::Nik(nik)),
            (!passport.is_empty()).then_some(Subject::Passport(passport)),
            (!card.is_empty()).then_some(Subject::Card(card)),
            (!mrz.is_empty()).then(|| Subject::Mrz(mrz_lines(&mrz))),
        ];
        let mut ways = ways.into_iter().flatten();
        let subject = match (ways.next(), ways.next()) {
            (Some(subject), None) => Ok((subject, valid_at)),
            (None, _) => Err("names nobody: one of nik, passport, card and mrz".into()),
            (Some(_), Some(_)) => {
                Err("names the person in several ways: one of nik, passport, card and mrz".into())
            }
        };
        Self { line, mark, subject }
    }

    /// The asker's own mark, else the line.
    fn name(&self) -> String {
        if self.mark.is_empty() { format!("line {}", self.line) } else { self.mark.clone() }
    }
}

enum Told {
    Verdict(Box<CheckedVerdict>),
    Fault { code: &'static str, field: String, message: String },
}

impl Told {
    /// `twice` is the line where the same person stands before.
    fn line(&self, row: &Asked, twice: Option<u64>, out: &mut dyn Write) -> anyhow::Result<()> {
        let name = row.name();
        match self {
            Self::Fault { code, message, .. } => writeln!(out, "{name:<16} {code}: {message}")?,
            Self::Verdict(checked) => {
                let verdict = &checked.verdict;
                let rows = verdict.requirements.iter().filter(|result| result.decides);
                let decides: Vec<_> = rows.map(|result| result.id.as_str()).collect();
                // Where nobody is on record every row decides; that says nothing.
                let decides =
                    if decides.len() > 8 { "no placement on record".into() } else { decides.join(" ") };
                let kind = verdict.kind().as_str_name();
                let twice = twice.map_or(String::new(), |line| format!(" SAME_AS_LINE_{line}"));
                let warnings = verdict.warnings.join(" ") + &twice;
                let line = format!("{name:<16} {kind:<22} {decides:<24} {warnings}");
                writeln!(out, "{}", line.trim_end())?;
            }
        }
        Ok(())
    }

    fn json(&self, row: &Asked, twice: Option<u64>, out: &mut dyn Write) -> anyhow::Result<()> {
        let mut place = json!({ "line": row.line, "ref": row.mark });
        if let Some(line) = twice {
            place["same_as_line"] = line.into();
        }
        let told = match self {
            Self::Fault { code, field, message } => {
                json!({ "fault": { "code": code, "field": field, "message": message } })
            }
            Self::Verdict(checked) => json!({
                "verdict": wire_json::of("Verdict", &checked.verdict)?,
                "signature": { "valid": true, "key_id": checked.key_id },
            }),
        };
        let mut value = place;
        if let (Some(value), serde_json::Value::Object(told)) = (value.as_object_mut(), told) {
            value.extend(told);
        }
        json_line(out, &value)
    }
}

/// Who has been asked about, and in which line first: the same identifier, or another one that leads to the same placement.
#[derive(Default)]
struct Seen(HashMap<String, u64>);

impl Seen {
    fn before(&mut self, told: &Told, line: u64) -> Option<u64> {
        let Told::Verdict(checked) = told else { return None };
        let names = [&checked.verdict.subject_ref, &checked.verdict.placement_ref];
        let known = names.iter().filter(|name| !name.is_empty()).find_map(|name| self.0.get(*name).copied());
        for name in names.into_iter().filter(|name| !name.is_empty()) {
            self.0.entry(name.clone()).or_insert(known.unwrap_or(line));
        }
        known
    }
}

#[derive(Default)]
struct Tally {
    kinds: std::collections::BTreeMap<&'static str, u64>,
    faults: u64,
    twice: u64,
}

impl Tally {
    fn add(&mut self, told: &Told, twice: bool) {
        self.twice += u64::from(twice);
        match told {
            Told::Verdict(checked) => {
                *self.kinds.entry(checked.verdict.kind().as_str_name()).or_default() += 1
            }
            Told::Fault { .. } => self.faults += 1,
        }
    }

    fn text(&self) -> String {
        let mut parts: Vec<_> = self.kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        if self.twice > 0 {
            parts.push(format!("{} of them asked about twice", self.twice));
        }
        if self.faults > 0 {
            parts.push(format!("{} without a verdict", self.faults));
        }
        parts.join(", ")
    }
}

/// A canonical gRPC code by name.
fn code_name(code: u32) -> &'static str {
    match code {
        3 => "INVALID_ARGUMENT",
        7 => "PERMISSION_DENIED",
        8 => "RESOURCE_EXHAUSTED",
        13 => "INTERNAL",
        14 => "UNAVAILABLE",
        15 => "DATA_LOSS",
        16 => "UNAUTHENTICATED",
        _ => "UNKNOWN",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &str, text: &str) -> Vec<String> {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("written");
        let rows = read(&path).expect("a line-up");
        let way = |row: &Asked| match &row.subject {
            Ok((Subject::Nik(_), day)) => format!("{} nik {day}", row.name()),
            Ok((Subject::Passport(_), day)) => format!("{} passport {day}", row.name()),
            Ok((Subject::Card(_), day)) => format!("{} card {day}", row.name()),
            Ok((Subject::Mrz(_), day)) => format!("{} mrz {day}", row.name()),
            Ok((Subject::PersonRef(_), day)) => format!("{} person {day}", row.name()),
            Err(why) => format!("{} {}", row.name(), why.split(':').next().unwrap_or_default()),
        };
        rows.iter().map(way).collect()
    }

    #[test]
    fn a_row_that_names_nobody_keeps_its_place_in_the_line_up() {
        let csv =
            "ref,nik,passport,valid_at\nbus-1/1,3201015206750001,,\n,,X1234567,2024-05-01\n,,,\n,1,X1,\n,1\n";
        let expect = [
            "bus-1/1 nik ",
            "line 3 passport 2024-05-01",
            "line 4 names nobody",
            "line 5 names the person in several ways",
            "line 6 2 fields, the header has 4",
        ];
        assert_eq!(asked("rows.csv", csv), expect);
        let lines = "{\"card\":\"E-PMI 1\",\"ref\":\"a\"}\n\n{\"mrz\":\"P<\"}\n{\"name\":\"x\"}\n{\n";
        assert_eq!(
            asked("rows.jsonl", lines),
            ["a card ", "line 3 mrz ", "line 4 not a row", "line 5 not a row"]
        );
    }

    #[test]
    fn a_column_that_nobody_asked_for_is_refused_before_anything_is_sent() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("rows.csv");
        std::fs::write(&path, "nik,name\n1,x\n").expect("written");
        let error = read(&path).err().expect("refused").to_string();
        assert!(error.contains("column \"name\" is none of"), "{error}");
    }
}
