//! The body of `add-checkpoint`.
//!
//! | line | |
//! |---|---|
//! | `old <size>` | decimal, no leading zero: the size the witness is thought to have cosigned last |
//! | hash, 0 to [`PROOF_LINES_MAX`] | base64 of 32 bytes: RFC 6962 consistency proof from that size |
//! | empty | |
//! | the checkpoint | a signed note |

use std::fmt::Write;

use data_encoding::BASE64;
use simpul_tlog::base64;
use simpul_types::Digest;

/// A consistency proof in a tree of less than 2^63 leaves has no more.
pub const PROOF_LINES_MAX: usize = 63;
/// Bodies larger than this are refused: 63 hashes take 3 KiB, a note with a hundred signature lines 20 KiB.
pub const REQUEST_BYTES_MAX: usize = 64 << 10;

/// A request to cosign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size that the proof starts from.
    pub old: u64,
    /// Consistency proof from there.
    pub proof: Vec<Digest>,
    /// The signed checkpoint.
    pub note: String,
}

/// Why a body is no request. Nothing in it is told back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Too large.
    #[error("the body is larger than {REQUEST_BYTES_MAX} bytes")]
    Size,
    /// Not text.
    #[error("the body is not UTF-8")]
    Utf8,
    /// The first line.
    #[error("line 1 must be `old <size>`")]
    Old,
    /// A line of the proof.
    #[error("line {0} must be base64 of 32 bytes, or the empty line before the checkpoint")]
    Proof(usize),
    /// Too many of them.
    #[error("more than {PROOF_LINES_MAX} proof lines")]
    ProofLines,
}

impl AddCheckpoint {
    /// The body.
    pub fn encode(&self) -> String {
        let mut body = format!("old {}\n", self.old);
        for hash in &self.proof {
            let _ = writeln!(body, "{}", BASE64.encode(hash));
        }
        body.push('\n');
        body.push_str(&self.note);
        body
    }

    /// Reads a body; the note is not looked at.
    ///
    /// # Errors
    /// [`RequestError`], naming the line.
    pub fn parse(body: &[u8]) -> Result<Self, RequestError> {
        if body.len() > REQUEST_BYTES_MAX {
            return Err(RequestError::Size);
        }
        let body = std::str::from_utf8(body).map_err(|_| RequestError::Utf8)?;
        let (first, mut rest) = body.split_once('\n').ok_or(RequestError::Old)?;
        let old = first.strip_prefix("old ").and_then(size).ok_or(RequestError::Old)?;
        let mut proof = Vec::new();
        for number in 2.. {
            let (line, behind) = rest.split_once('\n').ok_or(RequestError::Proof(number))?;
            rest = behind;
            if line.is_empty() {
                break;
            }
            if proof.len() == PROOF_LINES_MAX {
                return Err(RequestError::ProofLines);
            }
            let hash = base64::decode_digest(line);
            proof.push(hash.ok_or(RequestError::Proof(number))?);
        }
        Ok(Self { old, proof, note: rest.into() })
    }
}

/// A tree size as the protocol writes it: decimal, no sign, no leading zero.
pub(crate) fn size(text: &str) -> Option<u64> {
    let size: u64 = text.parse().ok()?;
    (size.to_string() == text).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_makes_the_round_trip() {
        for proof in [vec![], vec![[1; 32], [2; 32]]] {
            let request = AddCheckpoint { old: 7, proof, note: "a\n\nb\n".into() };
            assert_eq!(AddCheckpoint::parse(request.encode().as_bytes()), Ok(request));
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_its_line() {
        let hash = BASE64.encode(&[7; 32]);
        let check =
            |body: &str, expected| assert_eq!(AddCheckpoint::parse(body.as_bytes()), Err(expected), "{body}");
        for first in
            ["", "old 1", "old  1\n\n", "old 01\n\n", "old +1\n\n", "old -1\n\n", "OLD 1\n\n", "old 1 \n\n"]
        {
            check(first, RequestError::Old);
        }
        check("old 18446744073709551616\n\n", RequestError::Old);
        check("old 1\n", RequestError::Proof(2));
        check(&format!("old 1\n{hash}\n{hash} \n\n"), RequestError::Proof(3));
        check(&format!("old 1\n{hash}\r\n\n"), RequestError::Proof(2));
        check(&format!("old 1\n{}\n", format!("{hash}\n").repeat(64)), RequestError::ProofLines);
        assert_eq!(AddCheckpoint::parse(b"old 1\n\xff\n\n"), Err(RequestError::Utf8));
        assert_eq!(AddCheckpoint::parse(&vec![b' '; REQUEST_BYTES_MAX + 1]), Err(RequestError::Size));
    }
}
