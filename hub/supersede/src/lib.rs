//! Answers that would be otherwise now. The access log says who was told what, the read models say whom an event concerns,
//! the rules judge again; whoever was told something else hears of it.
//!
//! Everything here is derived and may be deleted; nothing upstream waits for it.

mod answers;
mod follow;
mod judge;
mod told;

use std::{error::Error, path::PathBuf, sync::Arc};

use futures_util::future::BoxFuture;
use simpul_legality::RuleBook;
use simpul_log::Reader;
use simpul_projection::ReadModels;
use simpul_proto::hub::VerdictSuperseded;
use simpul_types::{Clock, StreamName};

pub use answers::StoreError;
pub use follow::{Handle, start};

/// What it needs.
pub struct Parts {
    /// Folder of the index, made where it is not there.
    pub dir: PathBuf,
    /// Facts, and whom an event concerns.
    pub read_models: ReadModels,
    /// The access log.
    pub access: Reader,
    /// The rules as they stand.
    pub rules: Box<dyn Fn() -> Rules + Send + Sync>,
    /// What day it is.
    pub clock: Arc<dyn Clock>,
    /// Who submits the word.
    pub announce: Arc<dyn Announce>,
}

/// Rules by which answers are judged again.
pub struct Rules {
    /// What is judged by.
    pub book: Arc<RuleBook>,
    /// Digest of their text: another one means that everybody is judged again.
    pub digest: [u8; 32],
}

/// A word to be said.
pub struct Word {
    /// Stream of the answer.
    pub stream: StreamName,
    /// How many words the stream has already.
    pub version: u64,
    /// What is said.
    pub superseded: VerdictSuperseded,
}

/// What became of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is in the log.
    Now,
    /// It was there before: the stream has that many words already.
    Before,
}

/// Why a word could not be said; it is tried again.
pub type AnnounceError = Box<dyn Error + Send + Sync>;

/// Puts words into the log.
///
/// `announce` MUST return after the word is durable, and MUST give [`Said::Before`] where the stream is not at the version
/// named any more.
pub trait Announce: Send + Sync + 'static {
    /// Says one word.
    fn announce(&self, word: Word) -> BoxFuture<'_, Result<Said, AnnounceError>>;
}
