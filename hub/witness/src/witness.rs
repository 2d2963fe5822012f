//! The witness itself: one lock per origin around check, record and flush (WIT-1), and then the cosignature.
//!
//! A cosignature says "as of this time, this is the largest consistent tree of this log that I saw", so its times never go
//! backward for one origin, whatever the machine's clock does: two of them would contradict each other.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use data_encoding::HEXLOWER;
use ring::digest;
use simpul_tlog::{
    cosignature::CosignatureSigner,
    note::{NoteVerifier, SignedNote},
};
use simpul_types::Clock;

use crate::{
    judge::{self, Refusal},
    ledger::{Ledger, LedgerError, Record},
    request::AddCheckpoint,
};

/// What a request is answered with.
#[derive(Debug)]
pub enum Answer {
    /// 200: our signature line; the record is on the disk.
    Cosigned(String),
    /// 4xx: nothing changed.
    Refused(Refusal),
    /// 500: the disk failed; this origin is not served until a restart.
    Fault(LedgerError),
    /// 503: it failed before.
    Poisoned,
}

/// A witness for a set of logs.
pub struct Witness {
    signer: CosignatureSigner,
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    logs: BTreeMap<String, Log>,
}

struct Log {
    hash: String,
    keys: Vec<NoteVerifier>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    record: Option<Record>,
    /// A flush failed: whether the old or the new record is on the disk is not known.
    poisoned: bool,
}

/// Lower-case hex of the SHA-256 of an origin: its folder, and its part of the monitoring path.
pub fn origin_hash(origin: &str) -> String {
    HEXLOWER.encode(digest::digest(&digest::SHA256, origin.as_bytes()).as_ref())
}

impl Witness {
    /// Opens the state folder, or makes it. The name of each key is the origin of its log; an origin may have several.
    ///
    /// # Errors
    /// [`LedgerError`]; a record that does not verify is one.
    pub fn open(
        signer: CosignatureSigner,
        log_keys: Vec<NoteVerifier>,
        state: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LedgerError> {
        let ledger = Ledger::open(state)?;
        let mut by_origin: BTreeMap<String, Vec<NoteVerifier>> = BTreeMap::new();
        for key in log_keys {
            by_origin.entry(key.name().to_owned()).or_default().push(key);
        }
        let mut logs = BTreeMap::new();
        for (origin, keys) in by_origin {
            let hash = origin_hash(&origin);
            let record = ledger.load(&hash, &keys, &signer.verifier())?;
            logs.insert(origin, Log { hash, keys, state: Mutex::new(State { record, poisoned: false }) });
        }
        Ok(Self { signer, ledger, clock, logs })
    }

    /// Our public key.
    pub fn verifier(&self) -> NoteVerifier {
        self.signer.verifier()
    }

    /// What was cosigned last for an origin, by its hash: the note.
    pub fn newest(&self, hash: &str) -> Option<String> {
        let log = self.logs.values().find(|log| log.hash == hash)?;
        let state = log.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.record.as_ref().map(|record| record.note.clone())
    }

    /// Judges a body of `add-checkpoint`, records and cosigns. Blocking: it waits for the disk.
    pub fn add_checkpoint(&self, body: &[u8]) -> Answer {
        match self.judge(body) {
            Ok(answer) => answer,
            Err(refusal) => Answer::Refused(refusal),
        }
    }

    fn judge(&self, body: &[u8]) -> Result<Answer, Refusal> {
        let request = AddCheckpoint::parse(body)?;
        let (_, checkpoint) = judge::read(&request.note)?;
        let log = self.logs.get(&checkpoint.origin).ok_or(Refusal::UnknownOrigin)?;
        let note = judge::signed(&request.note, &log.keys)?;

        let mut state = log.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.poisoned {
            return Ok(Answer::Poisoned);
        }
        let recorded = state.record.as_ref().map(|record| &record.checkpoint);
        if let Err(refusal) = judge::extends(recorded, &request, &checkpoint) {
            if refusal.is_evidence() {
                self.keep_evidence(log, &checkpoint, body);
            }
            return Err(refusal);
        }

        let last_s = state.record.as_ref().map_or(0, |record| record.time_s);
        let now_s = u64::try_from(self.clock.now().as_us() / 1_000_000).unwrap_or(0);
        let time_s = now_s.max(last_s);
        let line = self.signer.sign_line(time_s, &note.text);
        let record = Record { note: lines(&note, &log.keys) + &line, checkpoint, time_s };
        // WIT-1: on the disk before the line leaves.
        if let Err(error) = self.ledger.replace(&log.hash, &record) {
            state.poisoned = true;
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the record could not be kept, restart the witness"
            );
            return Ok(Answer::Fault(error));
        }
        tracing::debug!(origin = record.checkpoint.origin, size = record.checkpoint.size, "cosigned");
        state.record = Some(record);
        Ok(Answer::Cosigned(line))
    }

    fn keep_evidence(&self, log: &Log, checkpoint: &simpul_tlog::checkpoint::Checkpoint, body: &[u8]) {
        let (origin, size) = (&checkpoint.origin, checkpoint.size);
        match self.ledger.keep_evidence(&log.hash, checkpoint, &String::from_utf8_lossy(body)) {
            Ok(Some(file)) => tracing::error!(
                origin,
                size,
                evidence = %file.display(),
                "refused a checkpoint that the log signed and that does not extend what was cosigned"
            ),
            Ok(None) => {}
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "evidence could not be kept");
            }
        }
    }
}

/// The text and the log's own lines.
fn lines(note: &SignedNote, keys: &[NoteVerifier]) -> String {
    let mut text = format!("{}\n", note.text);
    for line in &note.signatures {
        if let Some(key) = keys.iter().find(|key| key.made(line)) {
            text.push_str(&key.line(&line.signature));
        }
    }
    text
}
