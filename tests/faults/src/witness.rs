//! What was acknowledged, kept outside the log.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::{BASE64, HEXLOWER};
use simpul_types::Receipt;

/// One acknowledgment. Its drafts are functions of the number, so the events need no place here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    pub(crate) number: u64,
    pub(crate) leaf_index: u64,
    pub(crate) first_position: u64,
    pub(crate) leaf: Vec<u8>,
    pub(crate) checkpoint: String,
}

impl Acknowledged {
    pub(crate) fn new(number: u64, receipt: &Receipt) -> Self {
        Self {
            number,
            leaf_index: receipt.leaf_index.get(),
            first_position: receipt.first_position.get(),
            leaf: receipt.leaf.to_vec(),
            checkpoint: receipt.checkpoint.clone(),
        }
    }

    /// One line, without its end.
    pub(crate) fn to_line(&self) -> String {
        let Self { number, leaf_index, first_position, leaf, checkpoint } = self;
        let (leaf, checkpoint) = (HEXLOWER.encode(leaf), BASE64.encode(checkpoint.as_bytes()));
        format!("A {number} {leaf_index} {first_position} {leaf} {checkpoint}")
    }

    /// `None` for any other line, and for one that a killed process did not finish.
    pub(crate) fn from_line(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("A ")?.split(' ');
        let mut number = || words.next()?.parse().ok();
        let (number, leaf_index, first_position) = (number()?, number()?, number()?);
        let leaf = HEXLOWER.decode(words.next()?.as_bytes()).ok()?;
        let checkpoint = String::from_utf8(BASE64.decode(words.next()?.as_bytes()).ok()?).ok()?;
        checkpoint.ends_with('\n').then_some(Self { number, leaf_index, first_position, leaf, checkpoint })
    }
}

/// All acknowledgments of one log, over as many processes as it had.
#[derive(Clone, Default)]
pub(crate) struct Witness {
    pub(crate) entries: BTreeMap<u64, Acknowledged>,
    /// Every checkpoint that was handed out, those of repeated receipts too.
    pub(crate) checkpoints: BTreeSet<String>,
}

impl Witness {
    /// LOG-4: what is acknowledged again stands where it stood.
    pub(crate) fn add(&mut self, entry: Acknowledged) -> Result<(), String> {
        self.checkpoints.insert(entry.checkpoint.clone());
        match self.entries.get(&entry.number) {
            Some(known) if (known.leaf_index, &known.leaf) != (entry.leaf_index, &entry.leaf) => {
                let (was, is) = (known.leaf_index, entry.leaf_index);
                Err(format!("LOG-4: submission {} was leaf {was} and is leaf {is}", entry.number))
            }
            Some(_) => Ok(()),
            None => {
                self.entries.insert(entry.number, entry);
                Ok(())
            }
        }
    }
}
