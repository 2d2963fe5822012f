//! Two checkpoints of one log beside each other: what they prove against the log, and against witnesses.
//!
//! | the two | proves |
//! |---|---|
//! | one size, two roots, both signed by the log | a split view: no tree of that size has two roots |
//! | and a witness's line under both | that this witness colludes, or lost its record |
//! | two sizes, and one witness says later of the smaller one that it is the largest it saw | a rollback that this witness went along with |
//! | two sizes otherwise | nothing without a consistency proof |
//!
//! Everything stands under signatures, so the two files are evidence for whoever has the public keys.

use crate::{
    checkpoint::{Checkpoint, CheckpointError},
    cosignature,
    note::{NoteError, NoteVerifier, SignedNote},
};

/// What two checkpoints say together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The first one.
    pub first: Checkpoint,
    /// The second one.
    pub second: Checkpoint,
    /// How the trees stand to each other.
    pub trees: Trees,
    /// Witnesses whose two lines cannot both be honest.
    pub contradictions: Vec<Contradiction>,
}

/// How two trees stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trees {
    /// Size and root are equal.
    Same,
    /// One size, two roots.
    Split,
    /// Two sizes: only a consistency proof can tell.
    Different,
}

/// A witness that cosigned both, and should not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// Its key.
    pub witness: NoteVerifier,
    /// Time of its line under the first, seconds.
    pub first_s: u64,
    /// Time of its line under the second.
    pub second_s: u64,
}

/// Why two notes could not be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// One of them does not hold.
    #[error("the {which} checkpoint does not hold")]
    Note {
        /// `first` or `second`.
        which: &'static str,
        /// Why.
        #[source]
        source: CheckpointError,
    },
    /// They are of two logs.
    #[error("they are of two logs: `{0}` and `{1}`")]
    Origins(String, String),
}

/// Compares two signed checkpoints. `logs` are keys of type 1 whose name is the origin, `witnesses` keys of type 4; lines
/// of other keys are passed over, a wrong line of one of these refuses its note.
///
/// # Errors
/// [`CompareError`].
pub fn compare(
    first: &str,
    second: &str,
    logs: &[NoteVerifier],
    witnesses: &[NoteVerifier],
) -> Result<Comparison, CompareError> {
    let keys = [logs, witnesses].concat();
    let open = |which, note| open(note, logs, &keys).map_err(|source| CompareError::Note { which, source });
    let (first_note, first) = open("first", first)?;
    let (second_note, second) = open("second", second)?;
    if first.origin != second.origin {
        return Err(CompareError::Origins(first.origin, second.origin));
    }
    let trees = match (first.size == second.size, first.root == second.root) {
        (true, true) => Trees::Same,
        (true, false) => Trees::Split,
        (false, _) => Trees::Different,
    };
    let contradictions = witnesses.iter().filter_map(|witness| {
        let (first_s, second_s) = (times(&first_note, witness), times(&second_note, witness));
        // An honest witness's lines under the smaller tree are all older than those under the larger one.
        let (first_s, second_s) = match first.size.cmp(&second.size) {
            std::cmp::Ordering::Less => (first_s.max()?, second_s.min()?),
            _ => (first_s.min()?, second_s.max()?),
        };
        let contradicts = match trees {
            Trees::Same => false,
            Trees::Split => true,
            Trees::Different => {
                (first.size < second.size && first_s > second_s)
                    || (first.size > second.size && first_s < second_s)
            }
        };
        contradicts.then(|| Contradiction { witness: witness.clone(), first_s, second_s })
    });
    let contradictions = contradictions.collect();
    Ok(Comparison { first, second, trees, contradictions })
}

fn open(
    note: &str,
    logs: &[NoteVerifier],
    keys: &[NoteVerifier],
) -> Result<(SignedNote, Checkpoint), CheckpointError> {
    let note = SignedNote::open(note, keys)?;
    let checkpoint = Checkpoint::parse(&note.text)?;
    let of_origin = logs.iter().filter(|log| log.name() == checkpoint.origin);
    let signed = of_origin.into_iter().any(|log| note.signatures.iter().any(|line| log.made(line)));
    if signed { Ok((note, checkpoint)) } else { Err(NoteError::Unsigned.into()) }
}

fn times<'a>(note: &'a SignedNote, witness: &'a NoteVerifier) -> impl Iterator<Item = u64> + 'a {
    note.signatures.iter().filter(|line| witness.made(line)).filter_map(cosignature::time_of)
}
