//! The access log: one durable entry for every answer and every refusal, before it leaves the hub (QRY-1, ADM-2).
//!
//! It is a second log of the same code with its own origin, key and tree. Its leaf is an encoded `AccessEntry`, which
//! names nobody; what was asked, which may name somebody, stands sealed beside it under the data key of the asking
//! agency's stream `access/<agency>`.
//!
//! ```text
//! leaf      AccessEntry { …, sealed_digest }      one per call, so index = position
//!                               │
//! record    ciphertext of the parameters ◀──┘     RFC 6962 tree hash over the SHA-256 of the one record
//! ```
//!
//! [`AccessLog::record`] lies on the way of every answer, so it does no more than lay out the entry and wait for the
//! flush, which it shares with all entries that came meanwhile. Where it fails there MUST be no answer.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use prost::Message;
use simpul_log::{
    AppendError, Appender, Assigned, Config, Draft, Keys, OpenError, Reader, RecordDraft, Schema,
};
use simpul_proto::v1;
use simpul_signing::IndexKey;
use simpul_types::{Caller, Clock, Position, StreamName, limits};

use crate::{
    quota::Quotas,
    subjects::{self, Chain, Chains, SubjectId},
};

/// Bytes of all texts of an entry; a leaf has to stay far below the 65,535 bytes of a tile entry.
const ENTRY_TEXT_BYTES_MAX: usize = 16_384;

/// Bytes of the parameters; the largest request the services take is smaller.
const PARAMETERS_BYTES_MAX: usize = limits::EVENT_BYTES_MAX - limits::SALT_BYTES;

/// The parameters have no commitment in clear, so they need no salt; the log's layout keeps the room.
const NO_SALT: [u8; limits::SALT_BYTES] = [0; limits::SALT_BYTES];

/// One read, refusal or rejection to be recorded. Holds personal data: no `Debug`.
#[derive(Clone, Default)]
pub struct AccessDraft {
    /// Who asked; `None` where it is not a certificate's holder, for example the hub's own counting of unknown senders.
    pub caller: Option<Caller>,
    /// Pseudonym of the official; empty for machines.
    pub official: String,
    /// What was asked, for example `legality.check`.
    pub action: &'static str,
    /// Purpose code as given.
    pub purpose: String,
    /// Case reference as given; empty where none.
    pub case_ref: String,
    /// Keyed hash of the parameters that name a person, hex; empty where none.
    pub subject_ref: String,
    /// Field classes disclosed.
    pub disclosed: Vec<String>,
    /// Class of the answer, for example `PROCEDURAL` or `DENIED`.
    pub answer: String,
    /// Position of the log that the answer reflects.
    pub position: Position,
    /// Position of the directory that the decision was made at.
    pub directory_position: Position,
    /// Policies that decided.
    pub policies: Vec<String>,
    /// The log's signed checkpoint that the answer reflects, as text; its digest goes into the entry.
    pub checkpoint: Option<String>,
    /// Whom it concerns: persons, and the identifiers that were asked for whether or not they lead to anybody.
    pub subjects: Vec<SubjectId>,
    /// The look is kept from them for a time.
    pub embargo: Option<v1::AccessEmbargo>,
    /// What was asked in full; sealed beside the entry. Empty where there is nothing to keep.
    pub parameters: Bytes,
}

impl AccessDraft {
    /// A call that failed before there was an answer or a refusal. What was wrong with it may be anywhere in it, so nothing of it stands in
    /// clear.
    pub fn failed(
        caller: Caller,
        action: &'static str,
        class: &str,
        position: Position,
        parameters: Vec<u8>,
    ) -> Self {
        Self {
            caller: Some(caller),
            action,
            answer: class.to_owned(),
            position,
            parameters: parameters.into(),
            ..Self::default()
        }
    }
}

/// Why an access was not recorded. No answer may leave then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// The log did not take or keep it.
    #[error("the access log did not keep the entry")]
    Append(#[from] AppendError),
    /// The entry or its parameters are too large; a fault of the caller in the hub.
    #[error("the access entry is too large")]
    Oversized,
}

/// The access log of a hub.
pub struct AccessLog {
    writer: Mutex<Writer>,
    reader: Reader,
    quotas: Quotas,
    dir: PathBuf,
    /// Makes the ids of chains under an embargo.
    index: IndexKey,
}

/// What an entry's place in the log and in its chains is given by, under one lock.
struct Writer {
    /// `None` once it is closed.
    appender: Option<Appender>,
    chains: Chains,
}

impl AccessLog {
    /// Opens the log in `config.dir`, or makes it.
    ///
    /// # Errors
    /// Those of [`simpul_log::open`].
    pub fn open(
        config: Config,
        keys: Keys,
        index: IndexKey,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let now = clock.now();
        let dir = config.dir.clone();
        let (appender, reader) = simpul_log::open(config, Schema::Access, keys, clock)?;
        // Where an entry of the day is damaged, the rest of it is answered without that many: a quota guards against too much, and
        // stopping the hub for it would be worse.
        let quotas = Quotas::count(&reader, now).unwrap_or_else(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "today's answers could not be counted; quotas begin anew");
            Quotas::default()
        });
        // Likewise: an entry that is damaged is a violation that `audit verify` names, with the chains that do not go on behind it.
        let chains = Chains::load(&dir, &reader).unwrap_or_else(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "not every access entry could be read; chains of entries begin anew");
            Chains::default()
        });
        let writer = Mutex::new(Writer { appender: Some(appender), chains });
        Ok(Self { writer, reader, quotas, dir, index })
    }

    /// Records one access and gives the index of its entry. Durable when it returns (QRY-1).
    ///
    /// Where the future is dropped before it is done, the entry may or may not be there; then no answer left either.
    ///
    /// # Errors
    /// [`AccessError`]; the caller MUST NOT answer then.
    pub async fn record(&self, draft: AccessDraft) -> Result<u64, AccessError> {
        let ticket = self.enqueue(draft)?;
        let index = ticket.leaf_index().get();
        // Whoever waits first for a flush drives it: let those who are ready enqueue before, so that one covers them all.
        tokio::task::yield_now().await;
        ticket.await?;
        Ok(index)
    }

    fn enqueue(&self, mut draft: AccessDraft) -> Result<simpul_log::Ticket, AccessError> {
        let mut subjects = subjects::of_entry(std::mem::take(&mut draft.subjects));
        if let Some(embargo) = &draft.embargo {
            subjects = subjects.iter().map(|subject| self.under(&embargo.embargo, subject)).collect();
        }
        let checkpoint_digest = checked(&draft)?;
        // Everything that needs no place in the log is laid out before the lock.
        let record = record_of(&draft);
        let mut writer = self.writer();
        let Writer { appender, chains } = &mut *writer;
        let appender = appender.as_mut().ok_or(AppendError::Closed)?;
        let links = chains.links(&subjects);
        let ticket = appender.enqueue(into_log_draft(draft, record, checkpoint_digest, links))?;
        chains.note(ticket.leaf_index().get(), &subjects);
        if chains.is_due() {
            let (dir, reader) = (self.dir.clone(), self.reader.clone());
            std::thread::spawn(move || subjects::snapshot(dir, reader));
        }
        Ok(ticket)
    }

    /// The id that a subject's looks under an embargo are chained by: nobody can tell whose it is.
    pub fn under(&self, embargo: &str, subject: &SubjectId) -> SubjectId {
        let value = format!("{embargo}/{}", HEXLOWER.encode(subject));
        let digest = self.index.blind("access.embargo", &value);
        let mut id = SubjectId::default();
        id.copy_from_slice(&digest[..16]);
        id
    }

    /// The newest entry about a subject, which may still be on its way to the disk.
    pub fn chain(&self, subject: &SubjectId) -> Option<Chain> {
        self.writer().chains.head(subject)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers that agreements still allow today.
    pub fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    /// Reads the log.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Waits for what is in flight and stops the writer; later records are refused. Blocking; the second call does nothing.
    pub fn close(&self) {
        let mut writer = self.writer();
        if let Some(appender) = writer.appender.take() {
            appender.close();
            writer.chains.save_if_much(&self.dir, &self.reader);
        }
    }
}

/// The stream whose data key seals the parameters of an agency's accesses. An agency's code has no `_`, so what nobody
/// is known to have asked has a stream of its own.
pub(crate) fn stream_text(agency: &str) -> String {
    let reference = if agency.is_empty() { "_" } else { agency };
    format!("access/{reference}")
}

fn stream_of(caller: Option<&Caller>) -> StreamName {
    let agency = caller.map_or("", |caller| caller.sender.agency.as_str());
    stream_text(agency).parse().expect("an agency code is a valid stream reference")
}

/// Checks the sizes; gives the digest of the checkpoint.
fn checked(draft: &AccessDraft) -> Result<Bytes, AccessError> {
    let text_bytes = [&draft.official, &draft.purpose, &draft.case_ref, &draft.subject_ref, &draft.answer]
        .into_iter()
        .chain(&draft.disclosed)
        .chain(&draft.policies)
        .map(|text| text.len() + 4)
        .sum::<usize>();
    if text_bytes > ENTRY_TEXT_BYTES_MAX || draft.parameters.len() > PARAMETERS_BYTES_MAX {
        return Err(AccessError::Oversized);
    }
    Ok(draft.checkpoint.as_ref().map_or_else(Bytes::new, |checkpoint| {
        Bytes::copy_from_slice(&simpul_signing::sha256(&[checkpoint.as_bytes()]))
    }))
}

fn record_of(draft: &AccessDraft) -> RecordDraft {
    let AccessDraft { caller, parameters, .. } = draft;
    let salt = if parameters.is_empty() { Bytes::new() } else { Bytes::from_static(&NO_SALT) };
    let (stream, payload) = (stream_of(caller.as_ref()), parameters.clone());
    RecordDraft { event_id: None, stream, header: Bytes::new(), salt, payload }
}

fn into_log_draft(
    draft: AccessDraft,
    record: RecordDraft,
    checkpoint_digest: Bytes,
    links: Vec<v1::SubjectLink>,
) -> Draft {
    let leaf = Box::new(move |assigned: &Assigned| to_entry(draft, checkpoint_digest, links, assigned));
    Draft { submission_id: None, chain: None, records: vec![record], leaf }
}

fn to_entry(
    draft: AccessDraft,
    checkpoint_digest: Bytes,
    links: Vec<v1::SubjectLink>,
    assigned: &Assigned,
) -> Bytes {
    let (agency, client, certificate) = draft.caller.map_or_else(Default::default, |caller| {
        let Caller { sender, certificate } = caller;
        (sender.agency.into(), sender.connector.into(), certificate.as_ref().to_owned())
    });
    let entry = v1::AccessEntry {
        version: 1,
        at_us: assigned.admitted_at.as_us(),
        agency,
        client,
        official: without_identifiers(draft.official),
        certificate,
        action: draft.action.into(),
        purpose: without_identifiers(draft.purpose),
        case_ref: without_identifiers(draft.case_ref),
        subject_ref: draft.subject_ref,
        disclosed: draft.disclosed,
        answer: draft.answer,
        position: draft.position.get(),
        directory_position: draft.directory_position.get(),
        policies: draft.policies,
        checkpoint_digest,
        sealed_digest: Bytes::copy_from_slice(&assigned.sealed_root),
        links,
        embargo: draft.embargo,
    };
    entry.encode_to_vec().into()
}

/// PII-1: these texts come from people. One that holds 16 digits in a row, as a NIK has, is not written in clear; the
/// sealed parameters keep it.
fn without_identifiers(text: String) -> String {
    let mut digits = 0;
    for byte in text.bytes() {
        digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
        if digits == 16 {
            return "(withheld)".into();
        }
    }
    text
}
