//! What happens by itself when a day is over, said by the hub in the log, so that it happened for everybody and can be proved:
//!
//! | what is over | event | who is told |
//! |---|---|---|
//! | last day to answer a referral | `ReferralLapsed`, reason `TIMEOUT`, in the referral's stream | whoever sees the case |
//! | last day of a hold on a bed | `BedReleased`, reason `TIMEOUT`, in the bed's stream | whoever sees the case; the next may hold it |
//! | a deadline of a case, at each level | `BreachEscalated` to every task force of level and region, then `ClockBreached` in the case | the task forces; whoever sees the case |
//!
//! ```text
//! read models: cases with something due ─▶ Agenda: case by its next day ─▶ day is over ─▶ words ─▶ log
//!                 events move a case in it ─────┘
//! ```
//!
//! A word races with people: whoever accepts or comes in the last second wins at the gate, and the hub's word is refused there. Nothing is kept
//! on the disk: after a start the agenda is made from the read models again, and what was missed meanwhile is said then.

mod agenda;
mod follow;
mod words;

use std::{error::Error, sync::Arc};

use futures_util::future::BoxFuture;
use simpul_projection::ReadModels;
use simpul_types::{Clock, ExpectedVersion, StreamName};

pub use follow::{Handle, start};

/// What it needs.
pub struct Parts {
    /// Cases, task forces, streams.
    pub read_models: ReadModels,
    /// What day it is.
    pub clock: Arc<dyn Clock>,
    /// Who submits the words.
    pub announce: Arc<dyn Announce>,
}

/// One event to be said.
pub struct Word {
    /// Its type.
    pub event_type: &'static str,
    /// Where.
    pub stream: StreamName,
    /// Refused where somebody was faster, or where it was said before.
    pub expected: ExpectedVersion,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// What became of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is in the log.
    Now,
    /// Somebody was faster, or it was said before.
    Overtaken,
}

/// Why a word could not be said; it is tried again.
pub type AnnounceError = Box<dyn Error + Send + Sync>;

/// Puts words into the log.
///
/// `announce` MUST return after the word is durable, and MUST give [`Said::Overtaken`] where the stream has moved on.
pub trait Announce: Send + Sync + 'static {
    /// Says one word.
    fn announce(&self, word: Word) -> BoxFuture<'_, Result<Said, AnnounceError>>;
}
