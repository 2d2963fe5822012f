//! Connector kind: JSON documents in a folder, one form a file, as the missions' form application saves them.
//!
//! ```text
//! folder ─poll─▶ new file ─parse─▶ MRZ read ─map─▶ spool
//!                  │                 └ a check digit that does not fit: a warning, the form goes on
//!                  └ not JSON, or a field that cannot be: quarantine, with line, field and reason
//! ```
//!
//! Files are never changed or moved; what was taken is remembered by keyed digest, so the same form under another name is
//! known. A file that does not parse is given time: it may be half written.
//!
//! Read [`folder`] first.

mod document;
pub mod folder;

pub use folder::{Config, FormFolder, FormFolderError, Scan};
