//! An agency's changes, read through in order: nothing missing, and what the picture is after them.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use simpul_signing::sha256;
use simpul_tlog::{
    checkpoint::{self, Checkpoint},
    note::NoteVerifier,
};
use simpul_types::Digest;

use super::Change;

/// View and reference of a document.
pub type Document = (String, String);

/// What one change said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub document: Document,
    pub position: u64,
    /// Over everything but the document itself.
    head: Digest,
    /// Over the document; `None` where it did not fit into a message of NATS.
    body: Option<Digest>,
}

/// Changes in order, from `first` on.
pub struct Picture {
    log: NoteVerifier,
    pub first: u64,
    said: Vec<Said>,
    /// The checkpoints that the first and the newest change reflect.
    pub checkpoints: Option<(Checkpoint, Checkpoint)>,
    newest_note: String,
}

impl Picture {
    /// Nothing yet; its checkpoints have to be signed by this log.
    pub fn new(log: NoteVerifier) -> Self {
        Self { log, first: 1, said: Vec::new(), checkpoints: None, newest_note: String::new() }
    }

    /// The last sequence taken; one before the first where there is none.
    pub fn last(&self) -> u64 {
        self.first + self.said.len() as u64 - 1
    }

    /// What the change of a sequence said.
    pub fn said(&self, sequence: u64) -> Option<&Said> {
        self.said.get(usize::try_from(sequence.checked_sub(self.first)?).ok()?)
    }

    /// How many messages came without their document.
    pub fn oversized(&self) -> usize {
        self.said.iter().filter(|said| said.body.is_none()).count()
    }

    /// Takes the next change. PUB-1: the agency's sequence has no gap, and goes the way of the log.
    ///
    /// # Errors
    /// What is missing or out of order, or the checkpoint that does not hold.
    pub fn take(&mut self, change: &Change) -> anyhow::Result<()> {
        if self.said.is_empty() {
            self.first = change.sequence;
        }
        let (expected, sequence, position) = (self.last() + 1, change.sequence, change.position);
        ensure!(
            sequence == expected,
            "sequence {expected} is missing: {sequence} came, of position {position}"
        );
        if let Some(before) = self.said.last() {
            ensure!(
                before.position <= position,
                "sequence {sequence} is of position {position}, the one before it of {}",
                before.position
            );
        }
        self.checkpoint(change).with_context(|| format!("sequence {sequence}, position {position}"))?;
        let parts = [&change.view, &change.reference, &change.kind, &change.event_id];
        let mut bytes = [sequence.to_be_bytes(), position.to_be_bytes()].concat();
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        self.said.push(Said {
            document: (change.view.clone(), change.reference.clone()),
            position,
            head: sha256(&[&bytes]),
            body: (!change.oversized).then(|| sha256(&[change.json.as_bytes()])),
        });
        Ok(())
    }

    fn checkpoint(&mut self, change: &Change) -> anyhow::Result<()> {
        if change.checkpoint == self.newest_note {
            return Ok(());
        }
        let new = checkpoint::open(&change.checkpoint, &self.log).context("its checkpoint does not hold")?;
        match &mut self.checkpoints {
            None => self.checkpoints = Some((new.clone(), new)),
            Some((_, newest)) => {
                ensure!(newest.size <= new.size, "its checkpoint is older than the one before it");
                ensure!(
                    newest.size < new.size || newest.root == new.root,
                    "two trees of one size are signed"
                );
                *newest = new;
            }
        }
        self.newest_note.clone_from(&change.checkpoint);
        Ok(())
    }

    /// The newest sequence of every document after the changes up to `last`.
    pub fn standing(&self, last: u64) -> BTreeMap<&Document, u64> {
        let until = (last + 1).saturating_sub(self.first) as usize;
        let said = self.said.iter().take(until).enumerate();
        said.map(|(number, said)| (&said.document, self.first + number as u64)).collect()
    }

    /// Digest of the picture after the changes up to `last`: the newest of every document, in order of view and reference.
    pub fn digest(&self, last: u64) -> Digest {
        self.standing(last).values().fold(sha256(&[]), |digest, sequence| match self.said(*sequence) {
            Some(said) => sha256(&[&digest, &said.head, &said.body.unwrap_or_default()]),
            None => digest,
        })
    }

    /// Compares with the same agency's changes from elsewhere; gives how many both have.
    ///
    /// # Errors
    /// The first one that is told in two ways.
    pub fn compare(&self, other: &Self) -> anyhow::Result<u64> {
        let (first, last) = (self.first.max(other.first), self.last().min(other.last()));
        for sequence in first..=last {
            let (Some(one), Some(two)) = (self.said(sequence), other.said(sequence)) else { continue };
            let body = one.body.is_none() || two.body.is_none() || one.body == two.body;
            if one.head != two.head || !body {
                let (view, reference) = &one.document;
                bail!(
                    "sequence {sequence}, position {}: the hub and NATS tell two things of {view} {reference}",
                    one.position
                );
            }
        }
        Ok((last + 1).saturating_sub(first))
    }
}

#[cfg(test)]
mod tests {
    use simpul_tlog::note::NoteSigner;

    use super::*;

    fn signer() -> NoteSigner {
        NoteSigner::new("log.example/watch", &[3; 32]).expect("a name")
    }

    fn change(sequence: u64, reference: &str, json: &str, size: u64) -> Change {
        let checkpoint = Checkpoint { origin: "log.example/watch".into(), size, root: [size as u8; 32] };
        Change {
            sequence,
            view: "case".into(),
            reference: reference.into(),
            position: sequence * 2,
            kind: "id.simpul.case.changed.v1".into(),
            event_id: "0190".into(),
            json: json.into(),
            checkpoint: checkpoint.sign(&signer()),
            oversized: false,
        }
    }

    fn picture(changes: &[Change]) -> anyhow::Result<Picture> {
        let mut picture = Picture::new(signer().verifier());
        changes.iter().try_for_each(|change| picture.take(change)).map(|()| picture)
    }

    #[test]
    fn the_picture_is_the_newest_of_every_document() {
        let all = [change(1, "a", "{}", 4), change(2, "b", "{}", 4), change(3, "a", "{\"x\":1}", 9)];
        let one = picture(&all).expect("whole");
        let (a, b) = (("case".to_owned(), "a".to_owned()), ("case".to_owned(), "b".to_owned()));
        assert_eq!(one.standing(3), BTreeMap::from([(&a, 3), (&b, 2)]));
        assert_eq!(one.standing(2), BTreeMap::from([(&a, 1), (&b, 2)]));
        let later = picture(&all[1..]).expect("begins later");
        assert_eq!((later.first, later.last()), (2, 3));
        assert_eq!(one.digest(3), later.digest(3), "both know the newest of a and b");
        assert_ne!(one.digest(2), one.digest(3));
        assert_eq!(one.compare(&later).expect("the same"), 2);
    }

    #[test]
    fn a_gap_a_step_back_and_a_foreign_checkpoint_are_named() {
        let said = |changes: &[Change]| format!("{:#}", picture(changes).err().expect("refused"));
        let (first, third) = (change(1, "a", "{}", 4), change(3, "a", "{}", 9));
        assert_eq!(said(&[first.clone(), third]), "sequence 2 is missing: 3 came, of position 6");
        let back = Change { position: 1, ..change(2, "a", "{}", 9) };
        assert_eq!(said(&[first.clone(), back]), "sequence 2 is of position 1, the one before it of 2");
        let older = said(&[first.clone(), change(2, "a", "{}", 3)]);
        assert_eq!(older, "sequence 2, position 4: its checkpoint is older than the one before it");
        let forged = Change { checkpoint: first.checkpoint.replace("\n4\n", "\n5\n"), ..first };
        assert!(said(&[forged]).starts_with("sequence 1, position 2: its checkpoint does not hold"));
    }

    #[test]
    fn what_is_told_in_two_ways_is_named_and_an_oversized_document_is_passed_over() {
        let (one, two) = (change(1, "a", "{}", 4), change(1, "a", "{\"x\":1}", 4));
        let other = picture(std::slice::from_ref(&two)).expect("whole");
        let error = picture(std::slice::from_ref(&one)).expect("whole").compare(&other).expect_err("differs");
        assert_eq!(error.to_string(), "sequence 1, position 2: the hub and NATS tell two things of case a");
        let oversized = picture(&[Change { oversized: true, ..one }]).expect("whole");
        assert_eq!((oversized.oversized(), oversized.compare(&other).expect("its head is the same")), (1, 1));
    }
}
