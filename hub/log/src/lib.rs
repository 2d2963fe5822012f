//! The append-only, tamper-evident log: segment files of frames, one frame per group commit, one leaf per submission, one
//! signed checkpoint per frame.
//!
//! Read [`mod@append`] for the way of a draft, `frame.rs` for the bytes, `recover.rs` for what happens at open.
//!
//! Invariants: LOG-1 positions are gapless and increase; LOG-2 no receipt before the flush that covers it; LOG-3 every
//! checkpoint is consistent with all earlier ones, no receipt beyond the signed tree; LOG-4 one submission id, one
//! digest, one receipt (with admission); LOG-5 nothing below the acknowledged head is ever truncated; KEY-1 a key that the
//! log says is dead is never served again (`fence.rs`).

mod append;
pub mod backup;
mod commit;
mod config;
mod damage;
pub mod disk;
mod draft;
mod fence;
mod frame;
#[doc(hidden)]
pub mod fuzz;
mod head;
mod index;
mod keystore;
pub mod metrics;
mod pieces;
mod reader;
mod recover;
pub mod repair;
mod schema;
mod scrub;
mod segment;
mod space;
mod tree;
pub mod verify;

pub use append::Appender;
pub use commit::{Commit, LocalDisk};
pub use config::{Config, Keys};
pub use damage::{Condition, Damage, ScrubProgress};
#[cfg(feature = "faults")]
pub use disk::{faults, trace};
pub use draft::{AppendError, Assigned, Draft, RecordDraft, Ticket};
pub use fence::FenceError;
pub use frame::FrameFault;
pub use head::Head;
pub use keystore::{KeyError, LiveKeys};
pub use reader::{Opened, ReadError, Reader, Scan, StoredEvent, StoredLeaf};
pub use recover::{OpenError, open, open_reader, open_with};
pub use schema::Schema;
pub use simpul_tlog::tree_hash;
