//! Subject reports: one file that shows a person everybody who looked, and that nobody is left out, with no hub.
//!
//! ```text
//! statement ◀─ signature ─ the hub's verdict key
//!   │ checkpoint of the access log, and per subject: how many entries there are, and which is the newest
//!   ▼
//! newest entry ─ previous ─▶ entry … ─ previous ─▶ entry 1          numbers without a gap: nothing in between is left out
//!   └ inclusion proof ──────────┴─────────────────────┴─▶ root of the checkpoint: nothing was made up or changed
//! ```
//!
//! That there is no entry *after* the newest is the hub's signed word. Whoever holds the access log checks it (`simpul audit
//! verify` goes through all chains), and one such entry below the checkpoint is proof that the hub lied.
//!
//! | bytes of a file | |
//! |---|---|
//! | 25 | `simpul-subject-report@v1`, newline |
//! | | an encoded `simpul.v1.SubjectReport`, fields in order |
//! | 32 | SHA-256 of all before |

mod make;
mod verify;

use bytes::Bytes;
use prost::Message;
use simpul_proto::v1;
use simpul_signing::sha256;

pub use make::{Report, ReportError, make_report};
pub use verify::{LookLine, LooksReport, verify_report};

const MAGIC: &[u8] = b"simpul-subject-report@v1\n";
/// Files larger than this are neither made nor read.
pub const REPORT_BYTES_MAX: usize = 64 << 20;

/// The bytes of a file.
pub fn encode(report: &v1::SubjectReport) -> Bytes {
    let mut file = MAGIC.to_vec();
    report.encode(&mut file).expect("a vector takes all");
    let digest = sha256(&[&file]);
    file.extend_from_slice(&digest);
    file.into()
}

/// Takes a file apart.
fn decode(file: &Bytes) -> Result<(v1::SubjectReport, v1::SubjectStatement), &'static str> {
    if file.len() > REPORT_BYTES_MAX {
        return Err("is larger than any report");
    }
    if !file.starts_with(MAGIC) {
        return Err("does not begin with `simpul-subject-report@v1`");
    }
    let end = file.len().checked_sub(32).filter(|end| *end >= MAGIC.len()).ok_or("is cut off")?;
    if sha256(&[&file[..end]]) != file[end..] {
        return Err("does not have the digest that it ends with");
    }
    let body = file.slice(MAGIC.len()..end);
    let report = v1::SubjectReport::decode(body.clone()).map_err(|_| "does not decode")?;
    if report.encode_to_vec() != body {
        return Err("holds bytes that say nothing, or fields out of order");
    }
    let statement = v1::SubjectStatement::decode(report.statement.clone())
        .map_err(|_| "holds a statement that does not decode")?;
    if statement.version != 1 {
        return Err("has a version that this tool does not know");
    }
    Ok((report, statement))
}
