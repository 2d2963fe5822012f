//! The published checkpoint, from a URL or a data folder, under a policy.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use clap::Args;
use data_encoding::BASE64;
use serde_json::json;
use simpul_tlog::policy::{Accepted, Policy, Refused};
use simpul_types::Timestamp;
use simpul_witness::http::{Connection, Method, StatusCode, Target};

use crate::{
    output::{json_line, remark},
    trust,
};

/// A note with a hundred lines takes 20 KiB.
const NOTE_BYTES_MAX: usize = 64 << 10;
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Args)]
pub struct Source {
    /// Take the published checkpoint from the log's static files, for example `https://hub.example:7444`
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    url: Option<String>,

    /// CA of that server's certificate, PEM
    #[arg(long, value_name = "FILE", requires = "url")]
    ca: Option<PathBuf>,

    /// Take it from a hub's data folder
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Say whether this policy (C2SP tlog-policy: log, witness, group, quorum) finds the cosignatures enough; exits 1 where
    /// not. Needs --url or --data
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// Verifier key of the log, where no policy lists it
    #[arg(long, value_name = "VKEY")]
    log_key: Option<String>,
}

impl Source {
    pub fn is_given(&self) -> bool {
        let Self { url, data, policy, log_key, .. } = self;
        url.is_some() || data.is_some() || policy.is_some() || log_key.is_some()
    }
}

pub async fn run(
    source: &Source,
    save: Option<&Path>,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let policy = policy(source)?;
    let note = match (&source.url, &source.data) {
        (Some(url), _) => fetch(url, source.ca.as_deref()).await?,
        (None, Some(data)) => {
            let file = data.join("published/checkpoint");
            std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?
        }
        (None, None) => bail!("give --url or --data: --policy and --log-key judge the published checkpoint"),
    };
    if let Some(path) = save {
        std::fs::write(path, &note).with_context(|| format!("writing {}", path.display()))?;
        remark(format_args!("kept in {}", path.display()));
    }
    match policy.judge(&note) {
        Ok(accepted) => {
            accept(&policy, &accepted, &note, json, out)?;
            Ok(ExitCode::SUCCESS)
        }
        // The log's word holds, and too few stand by it: an answer, not an error.
        Err(refused @ Refused::Quorum { .. }) => {
            if json {
                json_line(out, &json!({ "enough": false, "reason": refused.to_string(), "note": note }))?;
            } else {
                write!(out, "{note}")?;
                writeln!(out, "NOT ENOUGH: {refused}")?;
            }
            Ok(ExitCode::FAILURE)
        }
        Err(refused) => Err(refused).context("the published checkpoint is refused"),
    }
}

fn policy(source: &Source) -> anyhow::Result<Policy> {
    let key = match (&source.log_key, &source.data) {
        (Some(key), _) => Some(trust::log_key(key)?),
        (None, Some(data)) if data.join("log.vkey").is_file() => {
            let key = trust::log_key(&data.join("log.vkey").to_string_lossy())?;
            if source.policy.is_none() {
                remark(format_args!(
                    "under the key beside the log; --log-key or --policy gives one of your own"
                ));
            }
            Some(key)
        }
        _ => None,
    };
    let Some(path) = &source.policy else {
        return Ok(Policy::of_log(key.context("give --policy, or --log-key")?));
    };
    let file = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let policy = Policy::parse(&file).with_context(|| path.display().to_string())?;
    // Only what was given from outside may stand in for a log that the policy does not list.
    let policy = match (&source.log_key, key) {
        (Some(_), Some(key)) => policy.or_log(key),
        _ => policy,
    };
    ensure!(!policy.logs().is_empty(), "{} lists no log: give --log-key", path.display());
    Ok(policy)
}

fn accept(
    policy: &Policy,
    accepted: &Accepted,
    note: &str,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let Accepted { checkpoint, log, cosigned } = accepted;
    if json {
        let cosigned: Vec<_> = cosigned
            .iter()
            .map(|cosigned| json!({ "witness": cosigned.witness, "time_s": cosigned.time_s }))
            .collect();
        return json_line(
            out,
            &json!({
                "enough": true, "quorum": policy.quorum(), "origin": checkpoint.origin, "size": checkpoint.size,
                "root": BASE64.encode(&checkpoint.root), "verifier_key": log.to_string(), "cosigned": cosigned,
                "note": note,
            }),
        );
    }
    write!(out, "{note}")?;
    writeln!(out, "signature valid under {log}")?;
    for cosigned in cosigned {
        let us = i64::try_from(cosigned.time_s).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        writeln!(out, "cosigned by {} at {}", cosigned.witness, Timestamp::from_us(us))?;
    }
    writeln!(out, "enough: quorum `{}` is met", policy.quorum())?;
    Ok(())
}

async fn fetch(url: &str, ca: Option<&Path>) -> anyhow::Result<String> {
    let ca = ca.map(|path| std::fs::read(path).with_context(|| format!("reading {}", path.display())));
    let target = Target::new(url, ca.transpose()?.as_deref())?;
    let mut connection = Connection::new(target);
    let asked = connection.exchange(Method::GET, "/checkpoint", "", NOTE_BYTES_MAX);
    let answer =
        tokio::time::timeout(TIMEOUT, asked).await.with_context(|| format!("{url} does not answer"))?;
    let answer = answer.with_context(|| url.to_owned())?;
    ensure!(answer.status == StatusCode::OK, "{url}/checkpoint: status {}", answer.status.as_u16());
    String::from_utf8(answer.body.into()).with_context(|| format!("{url}/checkpoint is not UTF-8"))
}
