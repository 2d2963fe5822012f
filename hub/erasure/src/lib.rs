//! Who may erase what, and when: the register of erasures as a fold over the signed events of the stream `erasure/register`. No
//! I/O, no clock: admission judges new events by it, and `simpul audit verify` judges those in the log again.
//!
//! ```text
//! requested ─▶ approved × n, by others with other keys ─▶ cooling-off ─▶ executed      keys dead (hub/log)
//!     └──────────────── vetoed ─▶ streams held until whoever vetoed lifts it
//! ```
//!
//! Invariants: ERA-1 no execution without approvals by so many agencies and keys, all different from each other and from the
//! request's; ERA-2 no execution before the cooling-off is over, after a veto, or of a held stream; ERA-3 an approval counts for the
//! one request that it names by digest, once. Read [`Register`] first.

mod event;
mod refusal;
mod register;
mod request;

pub use event::{DecodeError, Event};
pub use refusal::Refusal;
pub use register::{Entry, Register, Rules};
pub use request::{Approval, Request, Stage};
