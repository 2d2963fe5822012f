//! Who signed, and who may read: DSSE statements, Ed25519 keys, sealing of payloads under committed data keys, and the
//! keys derived from the hub's master key. On `ring`, without I/O: callers read and write the key files.
//!
//! ```text
//! MasterKey ─HKDF─┬─ WrapKey       with EpochKeys; wraps the log's data keys    ─▶ DataKey ─HKDF─┬─ Sealer (AES-256-GCM)
//!                 ├─ IndexKey      blind look-up of identifiers                               └─ key commitment
//!                 └─ StateSealer   seals values of read models
//! SigningKey ─▶ VerifyingKey ─▶ KeyId
//! ```
//!
//! Secret bytes are zeroed on drop where this crate holds them; the key schedules inside `ring` are not, since `ring`
//! gives no hold on them. No type here shows a secret in `Debug`.
//!
//! Read [`seal`] first.

mod digest;
mod dsse;
pub mod enrolment;
mod epoch;
mod key;
mod master;
pub mod seal;
mod state;
mod text;

pub use digest::{Sha256, commitment, random, sha256};
pub use dsse::{CERTIFICATE_TYPE, SUBJECT_REPORT_TYPE, SUBMISSION_TYPE, VERDICT_TYPE, pae};
pub use epoch::EpochKeys;
pub use key::{BadSignature, SigningKey, VerifyingKey, key_id};
pub use master::{IndexKey, MasterKey};
pub use state::StateSealer;
pub use text::KeyError;
