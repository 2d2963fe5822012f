//! Evidence bundles: one file that shows, with no hub, that events were signed by their senders and stand in the log.
//!
//! ```text
//! payload, where disclosed ─ commitment ─▶ header ─ path ─▶ events_root ─▶ statement ◀─ signature ─ sender's key
//! digest of the sealed payload ─ path ─▶ sealed_root ─▶ leaf ◀──────────────┘                      ▲
//!                                                        │ path           directory extract, signed by the authority,
//!                                                        ▼                or a key that the verifier brings along
//!                                              checkpoint ◀─ log's signature, witnesses' cosignatures
//! ```
//!
//! | bytes of a file | |
//! |---|---|
//! | 26 | `simpul-evidence-bundle@v1`, newline |
//! | | an encoded `simpul.v1.EvidenceBundle`, fields in order |
//! | 32 | SHA-256 of all before: what no proof covers, such as what was asked for, is at least not damaged unseen |

mod make;
mod verify;

use bytes::Bytes;
use prost::Message;
use simpul_proto::v1;
use simpul_signing::sha256;

pub use make::{BundleError, BundleSource, make_bundle};
pub use verify::{BundleEventLine, BundleReport, BundleViolation, SenderLine, verify_bundle};

const MAGIC: &[u8] = b"simpul-evidence-bundle@v1\n";
/// Files larger than this are neither made nor read.
pub const BUNDLE_BYTES_MAX: usize = 64 << 20;

/// The bytes of a file.
pub fn encode(bundle: &v1::EvidenceBundle) -> Bytes {
    let mut file = MAGIC.to_vec();
    bundle.encode(&mut file).expect("a vector takes all");
    let digest = sha256(&[&file]);
    file.extend_from_slice(&digest);
    file.into()
}

/// Takes a file apart, and tells whether it has the digest that it ends with: what is wrong inside is named first.
fn decode(file: &Bytes) -> Result<(v1::EvidenceBundle, bool), &'static str> {
    if file.len() > BUNDLE_BYTES_MAX {
        return Err("is larger than any bundle");
    }
    if !file.starts_with(MAGIC) {
        return Err("does not begin with `simpul-evidence-bundle@v1`");
    }
    let end = file.len().checked_sub(32).filter(|end| *end >= MAGIC.len()).ok_or("is cut off")?;
    let whole = sha256(&[&file[..end]]) == file[end..];
    let body = file.slice(MAGIC.len()..end);
    let bundle = v1::EvidenceBundle::decode(body.clone()).map_err(|_| "does not decode")?;
    if bundle.version != 1 {
        return Err("has a version that this tool does not know");
    }
    if bundle.encode_to_vec() != body {
        return Err("holds bytes that say nothing, or fields out of order");
    }
    Ok((bundle, whole))
}
