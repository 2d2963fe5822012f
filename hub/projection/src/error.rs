//! What can go wrong below a read model.

use simpul_log::ReadError;

/// The state or the log behind it could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The state on disk is not what was written; it is derived again.
    #[error("the state on disk is damaged: {0}")]
    Damaged(&'static str),
    /// Another process has the state open.
    #[error("another process has the state open")]
    Locked,
    /// Rows pile up in memory because they cannot be written.
    #[error("the state cannot be written to disk: {0}")]
    Stuck(String),
    /// A row is not one of ours: other keys, another version, or a broken disk.
    #[error("a row of the state does not decode")]
    Row,
    /// A sealed row does not open under this state key.
    #[error("a row of the state does not open")]
    Sealed,
    /// The read models stand before a damaged record of the log: what comes behind it is not in them.
    #[error("the read models end before a damaged record: {0}")]
    Lost(String),
    /// Whoever asked wants it no more.
    #[error("stopped before the end")]
    Stopped,
    /// The log.
    #[error("log")]
    Log(#[from] ReadError),
    /// The file system, around the store.
    #[error("state folder")]
    Folder(#[from] std::io::Error),
}

/// The read models could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A number in the configuration.
    #[error("{0} must be at least 1")]
    Config(&'static str),
    /// The state or the log.
    #[error("read models")]
    State(#[from] StateError),
    /// The thread of the runner.
    #[error("projection thread")]
    Thread(#[source] std::io::Error),
}
