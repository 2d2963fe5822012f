//! Checking a report with nothing but keys: `simpul audit verify --subject-report FILE`.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use serde::Serialize;
use simpul_proto::v1;
use simpul_signing::{SUBJECT_REPORT_TYPE, VerifyingKey};
use simpul_tlog::{
    checkpoint::{self, Checkpoint},
    leaf_hash,
    note::NoteVerifier,
    proof::verify_inclusion,
};
use simpul_types::{Digest, Timestamp};

use super::decode;
use crate::{entries, subjects::EVERYBODY};

/// One look that the report bears out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LookLine {
    /// Index of its entry in the access log.
    pub index: u64,
    /// When.
    pub at: String,
    /// Who asked: agency, connector or client, official's pseudonym.
    pub agency: String,
    /// Its client.
    pub client: String,
    /// Pseudonym of the official; empty for machines.
    pub official: String,
    /// What was asked.
    pub action: String,
    /// What for.
    pub purpose: String,
    /// Case, as given.
    pub case_ref: String,
    /// Class of the answer.
    pub answer: String,
    /// Field classes disclosed.
    pub disclosed: Vec<String>,
    /// Article by which it was kept from the person until now; empty where it was not.
    pub embargo: String,
    /// It concerns everybody on record, not this person alone.
    pub everybody: bool,
}

/// What was checked, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LooksReport {
    /// Whether there is no violation.
    pub ok: bool,
    /// Agency that it was given to.
    pub issued_to: String,
    /// When.
    pub at: String,
    /// From when on it tells; empty: everything.
    pub since: String,
    /// Origin and number of entries of the access log.
    pub origin: String,
    /// Entries below the checkpoint.
    pub size: u64,
    /// Whether the hub's signature was checked.
    pub signature_checked: bool,
    /// Everybody who looked, oldest first.
    pub looks: Vec<LookLine>,
    /// What does not hold; the first names the part.
    pub violations: Vec<String>,
}

/// Checks a report under the access log's key, and the statement under the hub's verdict key where that is at hand.
///
/// # Errors
/// Where the file cannot be read as a report at all; what is wrong with one that can is in the answer.
pub fn verify_report(
    file: &Bytes,
    access_log: &NoteVerifier,
    verdict_key: Option<&VerifyingKey>,
) -> Result<LooksReport, &'static str> {
    let (report, statement) = decode(file)?;
    let mut out = LooksReport {
        issued_to: statement.issued_to.clone(),
        at: time(statement.at_us),
        since: if statement.since_us == 0 { String::new() } else { time(statement.since_us) },
        ..LooksReport::default()
    };
    if let Some(key) = verdict_key {
        out.signature_checked = true;
        if key.verify_dsse(SUBJECT_REPORT_TYPE, &report.statement, &report.signature).is_err() {
            out.violations.push(format!("statement: not signed by key {}", key.key_id()));
        }
    }
    let checkpoint = match checkpoint::open(&statement.access_checkpoint, access_log) {
        Ok(checkpoint) => checkpoint,
        Err(error) => {
            out.violations.push(format!("checkpoint: {error}"));
            return Ok(out);
        }
    };
    (out.origin, out.size) = (checkpoint.origin.clone(), checkpoint.size);
    let entries = included(&report, &checkpoint, &mut out.violations);
    let mut shown = BTreeSet::new();
    for chain in &statement.chains {
        if let Err(wrong) = follow(chain, &statement, &entries, &mut shown) {
            out.violations.push(format!("subject {}: {wrong}", HEXLOWER.encode(&chain.subject)));
        }
    }
    for index in entries.keys().filter(|index| !shown.contains(*index)) {
        out.violations.push(format!("entry {index}: stands in none of the chains"));
    }
    if !entries.contains_key(&statement.access_entry) {
        out.violations.push(format!("entry {}: the report's own is not in it", statement.access_entry));
    }
    let asked_for = entries.iter().filter(|(_, entry)| entry.at_us >= statement.since_us);
    out.looks = asked_for.map(|(index, entry)| line(*index, entry)).collect();
    out.ok = out.violations.is_empty();
    Ok(out)
}

/// The entries that lead to the checkpoint.
fn included(
    report: &v1::SubjectReport,
    checkpoint: &Checkpoint,
    violations: &mut Vec<String>,
) -> BTreeMap<u64, v1::AccessEntry> {
    let mut entries = BTreeMap::new();
    for access in &report.accesses {
        let index = access.index;
        let mut wrong = |what: &str| violations.push(format!("entry {index}: {what}"));
        let proof: Result<Vec<Digest>, _> =
            access.inclusion_proof.iter().map(|hash| Digest::try_from(&hash[..])).collect();
        let Ok(proof) = proof else {
            wrong("a hash of its proof is not 32 bytes");
            continue;
        };
        let hash = leaf_hash(&access.leaf);
        if let Err(error) = verify_inclusion(index, checkpoint.size, &hash, &proof, &checkpoint.root) {
            wrong(&format!("is not in the log: {error}"));
            continue;
        }
        let Some(entry) = entries::decode(&access.leaf) else {
            wrong("not an access entry of version 1");
            continue;
        };
        if entries.insert(index, entry).is_some() {
            wrong("stands twice");
        }
    }
    entries
}

/// Follows one chain from its newest entry back to the first, or to the oldest that was asked for.
fn follow(
    chain: &v1::SubjectChain,
    statement: &v1::SubjectStatement,
    entries: &BTreeMap<u64, v1::AccessEntry>,
    shown: &mut BTreeSet<u64>,
) -> Result<(), String> {
    let (mut next, mut number) = (chain.newest, chain.count);
    let mut at_us = i64::MAX;
    while let Some(index) = next {
        let Some(entry) = entries.get(&index) else {
            // Behind one that is older than what was asked for, all are.
            let older = at_us < statement.since_us;
            return if older { Ok(()) } else { Err(format!("entry {index}, number {number}, is missing")) };
        };
        at_us = entry.at_us;
        let link = entry.links.iter().find(|link| link.subject == chain.subject);
        let Some(link) = link else { return Err(format!("entry {index} is not about it")) };
        if link.number != number {
            return Err(format!("entry {index} has number {}, expected {number}", link.number));
        }
        if link.previous.is_some_and(|previous| previous >= index) {
            return Err(format!("entry {index} names a later one as the one before"));
        }
        shown.insert(index);
        (next, number) = (link.previous, number.saturating_sub(1));
    }
    if number == 0 { Ok(()) } else { Err(format!("ends before number {number}")) }
}

fn line(index: u64, entry: &v1::AccessEntry) -> LookLine {
    LookLine {
        index,
        at: time(entry.at_us),
        agency: entry.agency.clone(),
        client: entry.client.clone(),
        official: entry.official.clone(),
        action: entry.action.clone(),
        purpose: entry.purpose.clone(),
        case_ref: entry.case_ref.clone(),
        answer: entry.answer.clone(),
        disclosed: entry.disclosed.clone(),
        embargo: entry.embargo.as_ref().map(|embargo| embargo.article.clone()).unwrap_or_default(),
        everybody: entry.links.iter().any(|link| link.subject[..] == EVERYBODY),
    }
}

fn time(us: i64) -> String {
    Timestamp::from_us(us).to_string()
}
