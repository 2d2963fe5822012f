//! What every leaf of the main log must say, beyond being the bytes that the tree commits to.
//!
//! Invariants: LOG-1 positions and connector sequences without a gap · ADM-1 signed by a key that the directory had
//! registered, headers under the signed root, payloads as committed, ciphertexts as the leaf seals them · KEY-1 a payload that does
//! not open is erased by an execution that stands behind it in the log, or it is missing.

use std::{num::NonZero, sync::Arc, thread};

use simpul_log::{StoredEvent, StoredLeaf};
use simpul_signing::VerifyingKey;
use simpul_types::{Header, Leaf};

use super::{
    Open,
    chain::{LeafChain, signed_by},
    keyring::KeyRing,
    report::{Finding, LogReport, Payloads},
};

/// Below this many leaves one thread is faster than starting others.
const LEAVES_PER_THREAD_MIN: usize = 16;

/// The state that runs along the log.
pub(super) struct Submissions {
    chain: LeafChain,
    pub(super) report: LogReport,
}

/// What is left to do for a leaf once its place in the log was judged: pure, so it can run on any core.
struct Job<'a> {
    stored: &'a StoredLeaf,
    leaf: Leaf,
    key: Option<Arc<VerifyingKey>>,
}

impl Submissions {
    pub(super) fn new(ring: KeyRing) -> Self {
        Self { chain: LeafChain::new(ring), report: LogReport::default() }
    }

    /// Leaves whose time lies before that of their predecessor, and the first of them.
    pub(super) fn backward(&self) -> (u64, Option<u64>) {
        self.chain.backward
    }

    /// Judges the leaves that come next in the log; findings come in the order of the log.
    pub(super) fn check(&mut self, leaves: &[StoredLeaf], open: Option<&dyn Open>) -> Vec<Finding> {
        let mut findings = Vec::new();
        let jobs: Vec<_> = leaves.iter().filter_map(|leaf| self.place(leaf, open, &mut findings)).collect();
        let (found, payloads) = run(&jobs, open);
        findings.extend(found);
        self.report.payloads_opened += payloads.readable + payloads.missing;
        self.report.payloads.add(payloads);
        findings.sort_by_key(|finding| (finding.leaf, finding.position));
        findings
    }

    /// What depends on the leaves before: positions, sequences, the key that was registered then.
    fn place<'a>(
        &mut self,
        stored: &'a StoredLeaf,
        open: Option<&dyn Open>,
        findings: &mut Vec<Finding>,
    ) -> Option<Job<'a>> {
        let index = stored.index.get();
        let mut finding = |what: String| {
            findings.push(Finding::new(index, Some(stored.first_position.get()), what));
        };
        if let Err(what) = self.chain.step(stored.first_position, stored.events.len() as u64) {
            finding(what);
        }
        let leaf = match Leaf::decode(&stored.bytes) {
            Ok(leaf) => leaf,
            Err(error) => {
                finding(format!("the leaf does not decode: {error}"));
                return None;
            }
        };
        if leaf.first_position != stored.first_position {
            finding(format!("LOG-1: the leaf says position {}", leaf.first_position));
        }
        let key = self.chain.place(index, &leaf, &mut finding);
        self.report.signatures_checked = self.chain.keys_known;
        self.report.signatures_not_checked = self.chain.keys_unknown;
        if leaf.statement.sender.agency.as_str() == "directory" {
            self.apply_directory(stored, open);
        }
        Some(Job { stored, leaf, key })
    }

    /// What does not open here is reported with the payloads.
    fn apply_directory(&mut self, stored: &StoredLeaf, open: Option<&dyn Open>) {
        let Some(open) = open else { return };
        for event in &stored.events {
            if let (Ok(header), Ok(opened)) = (Header::decode(&event.header, ""), open.open(event)) {
                self.chain.ring.apply(header.event_type.as_str(), &opened.payload, event.position);
            }
        }
    }
}

/// Runs the jobs on all cores.
fn run(jobs: &[Job<'_>], open: Option<&dyn Open>) -> (Vec<Finding>, Payloads) {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let share = jobs.len().div_ceil(cores).max(LEAVES_PER_THREAD_MIN);
    if jobs.len() <= share {
        return judge_all(jobs, open);
    }
    let (mut findings, mut payloads) = (Vec::new(), Payloads::default());
    thread::scope(|scope| {
        let threads: Vec<_> =
            jobs.chunks(share).map(|share| scope.spawn(move || judge_all(share, open))).collect();
        for thread in threads {
            let (found, counted) = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            findings.extend(found);
            payloads.add(counted);
        }
    });
    (findings, payloads)
}

fn judge_all(jobs: &[Job<'_>], open: Option<&dyn Open>) -> (Vec<Finding>, Payloads) {
    let (mut findings, mut payloads) = (Vec::new(), Payloads::default());
    for job in jobs {
        judge(job, open, &mut findings, &mut payloads);
    }
    (findings, payloads)
}

/// What a leaf and its events say by themselves.
fn judge(job: &Job<'_>, open: Option<&dyn Open>, findings: &mut Vec<Finding>, payloads: &mut Payloads) {
    let Job { stored, leaf, key } = job;
    let mut finding = |position: Option<u64>, what: String| {
        findings.push(Finding::new(stored.index.get(), position, what));
    };
    let first = Some(stored.first_position.get());
    if let Some(key) = key
        && let Err(what) = signed_by(leaf, key)
    {
        finding(first, what);
    }
    if stored.events.len() != leaf.statement.event_count as usize {
        let (are, say) = (stored.events.len(), leaf.statement.event_count);
        finding(first, format!("{are} events, the statement says {say}"));
    }
    if simpul_tlog::tree_hash(stored.events.iter().map(|event| &event.header[..]))
        != leaf.statement.events_root
    {
        finding(first, "ADM-1: the headers do not match the signed events root".into());
    }
    if sealed_root(&stored.events) != leaf.sealed_root {
        finding(first, "the sealed payloads do not match the leaf's sealed root".into());
    }
    for event in &stored.events {
        let position = Some(event.position.get());
        let header = match Header::decode(&event.header, "header") {
            Ok(header) => header,
            Err(rejection) => {
                finding(position, format!("ADM-1: {rejection}"));
                continue;
            }
        };
        let Some(open) = open else {
            payloads.sealed += 1;
            continue;
        };
        match open.open(event) {
            Ok(opened) => {
                payloads.readable += 1;
                if simpul_signing::commitment(&opened.salt, &opened.payload) != header.payload_commitment {
                    finding(position, "ADM-1: the payload does not match its commitment".into());
                }
            }
            // By an execution in this log, not by what the key file says of itself.
            Err(_) if open.erased_by(event).is_some() => payloads.erased += 1,
            Err(error) => {
                payloads.missing += 1;
                finding(
                    position,
                    format!("MISSING: the payload does not open, and no execution erased it: {error}"),
                );
            }
        }
    }
}

/// RFC 6962 tree hash over the SHA-256 of each ciphertext.
pub(crate) fn sealed_root(events: &[StoredEvent]) -> simpul_types::Digest {
    let digests: Vec<_> = events.iter().map(|event| simpul_signing::sha256(&[&event.sealed])).collect();
    simpul_tlog::tree_hash(digests.iter().map(|digest| &digest[..]))
}
