//! What happens to a window whose front was refused.
//!
//! ```text
//! window      A        B      C          fates: A refused at events[3] (whose event 3 is caller k's),
//!             1..10    11..20 21..25            B and C SEQUENCE_GAP because of it
//! afterwards  caller k: the rejection; A less k's events, then B's and C's, wait again in front, from sequence 1
//! ```

use std::collections::VecDeque;

use simpul_proto::status;
use simpul_types::{Receipt, RejectReason, Rejection};
use tokio::time::sleep;

use super::{Engine, Group, InFlight, Interrupted, Journal, Stream};
use crate::client::SubmitError;

/// How often a caller's submission is sent again to a hub that has no room, before the caller is told. With the
/// back-off's steps that is some ten seconds. A spool tries for ever.
const REFUSALS_MAX: u32 = 8;

/// What a rejection means for the submission it is about.
enum Meaning {
    /// It goes out again behind the one before it: with the same bytes where nothing before it changes its number.
    Follows,
    /// It can succeed later.
    Later,
    /// The numbers do not fit: build it again from the number the hub expects.
    Renumber(Option<u64>),
    /// One event is at fault.
    Event(usize),
    /// All of it is refused, and none of its events is to blame more than another: the sender is.
    Sender,
    /// Something in it is at fault, but the hub does not say what.
    Unnamed,
}

impl Engine {
    /// Takes the window apart by the fates of its submissions: keeps, rebuilds, answers. Then sends on.
    pub(super) async fn refuse(
        &mut self,
        fates: Vec<Result<Receipt, Rejection>>,
        stream: &mut Option<Stream>,
    ) -> Result<(), Interrupted> {
        let mut kept = VecDeque::new();
        let mut withdrawn = Vec::new();
        let mut refused: Vec<(Group, Rejection)> = Vec::new();
        let mut again: Vec<Group> = Vec::new();
        let mut rebuild_from = None;
        let mut pause = false;
        for (submission, fate) in std::mem::take(&mut self.window).into_iter().zip(fates) {
            let rejection = match fate {
                Ok(receipt) => {
                    self.accept(submission, receipt).await?;
                    continue;
                }
                Err(rejection) => rejection,
            };
            let gap = rejection.reason == RejectReason::SequenceGap;
            let meaning = match meaning_of(&rejection, submission.wire.events.len()) {
                // The one before it is missing, which is known already.
                _ if gap && (rebuild_from.is_some() || !kept.is_empty()) => Meaning::Follows,
                Meaning::Later | Meaning::Sender if self.sends_again(&rejection) => {
                    tracing::warn!(%rejection, "the hub does not take it now, sending it again");
                    pause = true;
                    Meaning::Follows
                }
                Meaning::Renumber(expected) => {
                    tracing::warn!(%rejection, expected, "numbering again from where the hub stands");
                    pause |= self.refused_in_a_row > 0;
                    self.refused_in_a_row += 1;
                    Meaning::Renumber(expected)
                }
                meaning => meaning,
            };
            if rebuild_from.is_none() && matches!(meaning, Meaning::Follows) {
                kept.push_back(submission);
                continue;
            }
            let expected = match meaning {
                Meaning::Renumber(expected) => expected,
                _ => None,
            };
            rebuild_from.get_or_insert(expected.unwrap_or(submission.first_sequence));
            withdrawn.push(submission.first_sequence);
            dispose(submission, rejection, meaning, &mut refused, &mut again);
        }
        if let Journal::Spool(journal) = &self.journal {
            journal.withdrawn(&withdrawn, &refused).await?;
        }
        for (mut group, rejection) in refused {
            group.answer(Err(SubmitError::Rejected(rejection)));
        }
        self.pending_events += again.iter().map(|group| group.events.len()).sum::<usize>();
        for group in again.into_iter().rev() {
            self.pending.push_front(group);
        }
        self.window = kept;
        self.next_sequence = rebuild_from.unwrap_or(self.next_sequence);
        if pause {
            tokio::select! {
                () = sleep(self.backoff.next()) => {}
                () = self.stop.cancelled() => {}
            }
        }
        if let Some(stream) = stream {
            for submission in &self.window {
                stream.put(submission.wire.clone())?;
            }
        }
        Ok(())
    }

    /// Whether it is worth asking again. A spool also waits out what a person can mend at the hub: a key that is not
    /// registered yet must not empty it into quarantine.
    fn sends_again(&mut self, rejection: &Rejection) -> bool {
        let room = status::retryable(rejection.reason) && self.refused_in_a_row < REFUSALS_MAX;
        let again = self.journal.is_durable() || room;
        self.refused_in_a_row += u32::from(again);
        again
    }
}

fn meaning_of(rejection: &Rejection, events: usize) -> Meaning {
    use RejectReason as R;
    match rejection.reason {
        R::QueueFull | R::QuotaExceeded | R::Draining | R::LogPoisoned | R::DiskFull => Meaning::Later,
        R::SequenceGap | R::SequenceFork => Meaning::Renumber(rejection.expected),
        R::SubmissionIdReused => Meaning::Renumber(None),
        R::UnknownKey | R::BadSignature | R::IdentityMismatch | R::BrokenChain => Meaning::Sender,
        _ => match event_index(&rejection.field) {
            Some((index, _)) if index < events => Meaning::Event(index),
            None if rejection.field.starts_with("statement") => Meaning::Sender,
            _ => Meaning::Unnamed,
        },
    }
}

/// Sorts the groups of a refused submission into those that are refused and those that go out again.
fn dispose(
    submission: InFlight,
    rejection: Rejection,
    meaning: Meaning,
    refused: &mut Vec<(Group, Rejection)>,
    again: &mut Vec<Group>,
) {
    let alone = submission.groups.len() == 1;
    let mut first = 0;
    for mut group in submission.groups {
        let range = first..first + group.events.len();
        first = range.end;
        match meaning {
            Meaning::Event(index) if range.contains(&index) => {
                refused.push((group, rebased(&rejection, range.start)));
            }
            Meaning::Sender | Meaning::Later => refused.push((group, rejection.clone())),
            Meaning::Unnamed if alone => refused.push((group, rejection.clone())),
            Meaning::Unnamed => {
                group.alone = true;
                again.push(group);
            }
            Meaning::Event(_) | Meaning::Renumber(_) | Meaning::Follows => again.push(group),
        }
    }
}

/// `events[3].header.stream` → 3 and `.header.stream`.
pub(crate) fn event_index(field: &str) -> Option<(usize, &str)> {
    let (index, rest) = field.strip_prefix("events[")?.split_once(']')?;
    Some((index.parse().ok()?, rest))
}

/// The rejection as the caller must read it: its own events count from 0.
fn rebased(rejection: &Rejection, first: usize) -> Rejection {
    let mut rejection = rejection.clone();
    if let Some((index, rest)) = event_index(&rejection.field) {
        rejection.field = format!("events[{}]{rest}", index - first);
    }
    rejection
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_of_an_event_is_read_from_the_field() {
        assert_eq!(event_index("events[3].header.stream"), Some((3, ".header.stream")));
        assert_eq!(event_index("events[12]"), Some((12, "")));
        for field in ["", "events", "events[]", "events[x].salt", "statement.events[1]"] {
            assert_eq!(event_index(field), None, "{field}");
        }
    }

    #[test]
    fn a_caller_reads_its_own_numbers() {
        let rejection =
            Rejection::new(RejectReason::InvalidPayload, "no name").at("events[7].payload.person.name");
        assert_eq!(rebased(&rejection, 5).field, "events[2].payload.person.name");
    }
}
