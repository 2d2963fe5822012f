//! Connector kind: CSV exports dropped into a folder.
//!
//! ```text
//! folder ─poll─▶ file whose size or time changed ─split─▶ records ─map─▶ new or changed ─▶ spool
//!                                                    └─▶ what cannot be mapped ─▶ quarantine
//! ```
//!
//! Files are read, never changed or moved: the agency's export job owns them. A file that is dropped again, has grown or was
//! renamed is read as a whole, and the intake's digests leave only what is new. A last line without its line end waits until
//! the file has been quiet for a while: it may be half written.
//!
//! Read [`folder`] first, then [`split`].

pub mod folder;
pub mod split;

pub use folder::{Config, FileDrop, FileDropError, Scan};
