//! What the access log says of an answer, and what the log says was told about it since.

use prost::Message;
use simpul_log::{ReadError, Reader, StoredLeaf};
use simpul_projection::Subject;
use simpul_proto::{
    hub::VerdictSuperseded,
    v1::{AccessEntry, CheckRequest, VerdictKind},
};
use simpul_types::{LeafIndex, Position};

use crate::{
    answers::{Answer, Row},
    judge,
};

/// An answer, as the entry says that was left before it was given.
pub(crate) struct Told {
    pub(crate) answer: Answer,
    /// Who was asked about.
    pub(crate) subject: Subject,
    /// Position of the log that the answer reflects.
    pub(crate) position: u64,
}

/// Reads an entry of the access log. `None` where it records no verdict of today's knowledge, or where the agency's key is
/// gone, so that nobody can say any more whom it asked about.
pub(crate) fn of_leaf(access: &Reader, leaf: &StoredLeaf) -> Option<Told> {
    let entry = AccessEntry::decode(leaf.bytes.clone()).ok()?;
    let kind = judge::kind_of(&entry.answer).filter(|_| entry.action == "legality.check")?;
    let asked = access.open_payload(leaf.events.first()?).ok()?;
    let request = CheckRequest::decode(asked.payload).ok().filter(|request| request.known_at_us.is_none())?;
    let subject = Subject::read(request.subject.as_ref()?).ok()?;
    let row = Row { kind: kind.into(), access_entry: leaf.index.get(), ..Row::default() };
    let answer = Answer {
        agency: entry.agency,
        subject_ref: entry.subject_ref,
        valid_at: request.valid_at,
        case_ref: entry.case_ref,
        purpose: entry.purpose,
        row,
    };
    Some(Told { answer, subject, position: entry.position })
}

/// The answer that a row of the index stands for.
pub(crate) fn of_row(access: &Reader, row: Row) -> Result<Option<Answer>, ReadError> {
    let leaf = access.leaf(LeafIndex::new(row.access_entry))?;
    Ok(of_leaf(access, &leaf).map(|told| Answer { row, ..told.answer }))
}

/// How many words about an answer are in the log, and which kind the last one told, if it came after this very answer.
pub(crate) fn heard(log: &Reader, answer: &Answer) -> Result<(u64, Option<VerdictKind>), ReadError> {
    let said: Vec<Position> = log.stream(&answer.stream());
    let Some(last) = said.last() else { return Ok((0, None)) };
    let payload = log.open_payload(&log.event(*last)?)?.payload;
    let word = VerdictSuperseded::decode(payload).ok();
    let word = word.filter(|word| word.access_entry == Some(answer.row.access_entry));
    Ok((said.len() as u64, word.map(|word| word.new_kind())))
}
